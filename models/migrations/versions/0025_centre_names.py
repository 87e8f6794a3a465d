"""Names of centres as they are written and said, beside the one of their source."""

import sqlalchemy as sa

from alembic import op

from models.migrations import steps

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None

_COLUMNS = (
    ("spoken_name", False, "as it is said; empty: like name"),
    ("source_name", False, "as the source has it; empty: like name"),
    ("our_name", True, "an operator's word, over what was made of the source's; null: none"),
    ("our_spoken_name", True, "like our_name, as it is said; null: none"),
)


def upgrade() -> None:
    """The next import of the directory makes the names; until then each is said as it is."""
    for name, nullable, comment in _COLUMNS:
        default = None if nullable else ""
        column = sa.Column(
            name, sa.Text(), nullable=nullable, server_default=default, comment=comment
        )
        steps.add_column("centre", column)
    _comment_name("as it is written: see services.centres.centre_names", None)
    op.create_table(
        "centre_name",
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("centre_id", sa.String(40), nullable=False),
        sa.Column("who", sa.String(60), nullable=False, comment="the account at the command line"),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column(
            "before_name",
            sa.Text(),
            nullable=True,
            comment="our_name of the centre until then; null: none",
        ),
        sa.Column(
            "before_spoken_name",
            sa.Text(),
            nullable=True,
            comment="our_spoken_name of the centre until then; null: none",
        ),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True, comment="taken back"),
        sa.ForeignKeyConstraint(
            ["centre_id"], ["centre.id"], name=op.f("fk_centre_name_centre_id_centre")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_centre_name")),
        if_not_exists=True,
    )
    op.create_index(
        op.f("ix_centre_name_centre_id"), "centre_name", ["centre_id"], if_not_exists=True
    )


def downgrade() -> None:
    """Each centre is called again as its source calls it."""
    op.drop_table("centre_name")
    op.execute("UPDATE centre SET name = source_name WHERE source_name <> ''")
    # What is stored no longer says what the source said: the next import writes it anew.
    op.execute("UPDATE centre SET fingerprint = '' WHERE source_name <> ''")
    for name, _, _ in reversed(_COLUMNS):
        op.drop_column("centre", name)
    _comment_name(None, "as it is written: see services.centres.centre_names")


def _comment_name(comment: str | None, existing: str | None) -> None:
    op.alter_column(
        "centre",
        "name",
        existing_type=sa.Text(),
        existing_nullable=False,
        comment=comment,
        existing_comment=existing,
    )
