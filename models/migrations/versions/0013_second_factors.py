"""Second factors for everybody, names whose files are watched, and acts that two confirm."""

import sqlalchemy as sa

from alembic import op

from models.migrations.steps import add_column

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

INSTANT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Make the tables; whoever has no second factor takes one at the next request."""
    add_column(
        "staff_session",
        sa.Column(
            "challenge",
            sa.LargeBinary(),
            nullable=True,
            comment="for a passkey, once: what for (a letter), and random bytes",
        ),
    )
    add_column("staff_session", sa.Column("challenge_at", INSTANT, nullable=True))
    op.create_table(
        "staff_passkey",
        sa.Column("id", sa.String(32), nullable=False),
        sa.Column("staff_id", sa.String(32), nullable=False),
        sa.Column(
            "credential_id", sa.LargeBinary(), nullable=False, comment="as the key calls itself"
        ),
        sa.Column("public_key", sa.LargeBinary(), nullable=False, comment="COSE"),
        sa.Column(
            "sign_count",
            sa.BigInteger(),
            nullable=False,
            comment="how often the key says it was used; 0: it does not count",
        ),
        sa.Column(
            "transports",
            sa.String(80),
            nullable=False,
            comment="ways to reach the key, by spaces",
        ),
        sa.Column("name", sa.String(40), nullable=False, comment="as its owner calls it"),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("used_at", INSTANT, nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_staff_passkey")),
        sa.ForeignKeyConstraint(
            ["staff_id"], ["staff.id"], name=op.f("fk_staff_passkey_staff_id_staff")
        ),
        sa.UniqueConstraint("credential_id", name=op.f("uq_staff_passkey_credential_id")),
    )
    op.create_index(op.f("ix_staff_passkey_staff_id"), "staff_passkey", ["staff_id"])
    op.create_table(
        "approval",
        sa.Column("id", sa.String(32), nullable=False),
        sa.Column("kind", sa.String(24), nullable=False),
        sa.Column(
            "subject",
            sa.String(80),
            nullable=False,
            comment="ids and words of what is to be done; nothing personal",
        ),
        sa.Column(
            "people",
            sa.Integer(),
            nullable=False,
            comment="how many a dry run said it touches",
        ),
        sa.Column(
            "asked_by",
            sa.String(60),
            nullable=False,
            comment="a staff id, or the account at the command line",
        ),
        sa.Column("asked_at", INSTANT, nullable=False),
        sa.Column("until", INSTANT, nullable=False),
        sa.Column(
            "given_by", sa.String(32), nullable=True, comment="the second person, a staff id"
        ),
        sa.Column("given_at", INSTANT, nullable=True),
        sa.Column("used_at", INSTANT, nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_approval")),
    )
    op.create_index("ix_approval_until", "approval", ["until"])
    op.create_table(
        "watched_name",
        sa.Column("watch_id", sa.String(32), nullable=False),
        sa.Column(
            "name_idx",
            sa.LargeBinary(),
            nullable=False,
            comment="keyed hash of one word of a name and the birth date",
        ),
        sa.Column("who", sa.String(32), nullable=False, comment="a staff id, or a word: operator"),
        sa.Column("at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("watch_id", "name_idx", name=op.f("pk_watched_name")),
    )
    op.create_index("ix_watched_name_name_idx", "watched_name", ["name_idx"])
    op.create_table(
        "staff_recovery",
        sa.Column("staff_id", sa.String(32), nullable=False),
        sa.Column(
            "code_idx",
            sa.LargeBinary(),
            nullable=False,
            comment="keyed hash of a code and its owner; the code is kept nowhere",
        ),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("used_at", INSTANT, nullable=True),
        sa.PrimaryKeyConstraint("staff_id", "code_idx", name=op.f("pk_staff_recovery")),
        sa.ForeignKeyConstraint(
            ["staff_id"], ["staff.id"], name=op.f("fk_staff_recovery_staff_id_staff")
        ),
    )


def downgrade() -> None:
    """Secrets of authenticators stay; agents need none again."""
    op.drop_table("approval")
    op.drop_table("watched_name")
    op.drop_table("staff_recovery")
    op.drop_table("staff_passkey")
    op.drop_column("staff_session", "challenge_at")
    op.drop_column("staff_session", "challenge")
