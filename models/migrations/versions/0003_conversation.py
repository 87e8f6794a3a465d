"""what a conversation remembers: the pace of a line, codes to go on with, tries to be counted."""

import sqlalchemy as sa

from alembic import op

from models.migrations.runner import LOCK_TIMEOUT

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_CALLS_OF_A_LINE = "ix_call_caller_started"
_LINES = "ix_call_caller_idx"


def upgrade() -> None:
    # Outside the transaction on PostgreSQL, each by itself: run again, they look what is there.
    _index(_CALLS_OF_A_LINE, ["caller_idx", "started_at"])
    _drop_index(_LINES)
    op.create_table(
        "caller_pace",
        sa.Column("caller_idx", sa.LargeBinary(), nullable=False),
        sa.Column("slow", sa.Boolean(), nullable=False),
        sa.Column(
            "at",
            sa.DateTime(timezone=True),
            nullable=False,
            comment="of the last call that said so",
        ),
        sa.PrimaryKeyConstraint("caller_idx", name=op.f("pk_caller_pace")),
    )
    op.create_table(
        "resume_code",
        sa.Column("code_idx", sa.LargeBinary(), nullable=False),
        sa.Column("call_id", sa.String(length=40), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["call_id"], ["call.id"], name=op.f("fk_resume_code_call_id_call")),
        sa.PrimaryKeyConstraint("code_idx", name=op.f("pk_resume_code")),
    )
    op.create_index(op.f("ix_resume_code_call_id"), "resume_code", ["call_id"], unique=False)
    op.create_table(
        "attempt",
        sa.Column(
            "id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            nullable=False,
        ),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column(
            "subject_idx",
            sa.LargeBinary(),
            nullable=False,
            comment="keyed hash of whom it counts for; empty: for everybody together",
        ),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("good", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_attempt")),
    )
    op.create_index("ix_attempt_subject", "attempt", ["kind", "subject_idx", "at"], unique=False)
    _say_of_towns("insee, name, departement, latitude, longitude, inhabitants")


def downgrade() -> None:
    """What only this schema knows is lost: remembered paces, codes, counted tries."""
    _index(_LINES, ["caller_idx"])
    _drop_index(_CALLS_OF_A_LINE)
    op.drop_table("attempt")
    op.drop_table("resume_code")
    op.drop_table("caller_pace")
    _say_of_towns("insee, name, departement, latitude, longitude")


def _say_of_towns(columns: str) -> None:
    """The comment of a column whose JSON has more in it than before; SQLite has no comments."""
    if not _is_sqlite():
        op.execute(f"COMMENT ON COLUMN postcode.towns IS 'JSON list of {{{columns}}}'")


def _is_sqlite() -> bool:
    return op.get_bind().dialect.name == "sqlite"


def _index(name: str, columns: list[str]) -> None:
    """Make an index of calls without stopping those who ring, where that is possible."""
    if _is_sqlite():
        op.create_index(name, "call", columns)
        return
    with op.get_context().autocommit_block():
        # It waits for writers that it does not hold up: here, patience costs nobody anything.
        op.execute("SET lock_timeout = 0")
        if not _is_whole(name):
            # One that was cut off while it was made is there, and of no use.
            op.drop_index(name, "call", if_exists=True, postgresql_concurrently=True)
            op.create_index(name, "call", columns, postgresql_concurrently=True)
        op.execute(f"SET lock_timeout = '{LOCK_TIMEOUT}'")


def _is_whole(index: str) -> bool:
    found = op.get_bind().execute(
        sa.text("SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass(:name)"),
        {"name": index},
    )
    return bool(found.scalar())


def _drop_index(name: str) -> None:
    if _is_sqlite():
        op.drop_index(name, table_name="call")
        return
    with op.get_context().autocommit_block():
        op.execute("SET lock_timeout = 0")
        op.drop_index(name, "call", if_exists=True, postgresql_concurrently=True)
        op.execute(f"SET lock_timeout = '{LOCK_TIMEOUT}'")
