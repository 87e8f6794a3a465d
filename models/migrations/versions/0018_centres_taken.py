"""What an operator says of a centre, over its source; and what commands took."""

import sqlalchemy as sa

from alembic import op

from models.migrations import steps

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

_COLUMNS = (
    ("source_mode", sa.String(10), "as the source has it; what giving a centre back restores"),
    ("our_mode", sa.String(10), "an operator's word, over the source's; null: none"),
    ("our_hours", sa.Text(), "like hours, an operator's word over them; null: none"),
    ("slot_capacity", sa.SmallInteger(), "places of a slot that is opened; null: not said"),
    ("slot_minutes", sa.SmallInteger(), "between two slots that are opened; null: not said"),
)


def upgrade() -> None:
    """Of a centre that is ours already, what its source said is told by its link."""
    for name, kind, comment in _COLUMNS:
        steps.add_column("centre", sa.Column(name, kind, nullable=True, comment=comment))
    op.execute(
        "UPDATE centre SET source_mode = CASE WHEN booking_mode <> 'ours' THEN booking_mode "
        "WHEN booking_link <> '' THEN 'partner' ELSE 'own_phone' END, "
        "our_mode = CASE WHEN booking_mode = 'ours' THEN 'ours' END "
        "WHERE source_mode IS NULL"
    )
    op.create_table(
        "centre_take",
        sa.Column(
            "id",
            sa.BigInteger(),
            nullable=False,
        ),
        sa.Column(
            "take_id", sa.String(32), nullable=False, comment="of one command: all that it took"
        ),
        sa.Column("centre_id", sa.String(40), nullable=False),
        sa.Column("who", sa.String(60), nullable=False, comment="the account at the command line"),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column(
            "before",
            sa.Text(),
            nullable=False,
            comment="JSON: mode, hours, capacity and minutes that an operator had said",
        ),
        sa.Column(
            "ended_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="taken back, or the centre given back",
        ),
        sa.ForeignKeyConstraint(
            ["centre_id"], ["centre.id"], name=op.f("fk_centre_take_centre_id_centre")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_centre_take")),
        if_not_exists=True,
    )
    for column in ("take_id", "centre_id"):
        op.create_index(
            op.f(f"ix_centre_take_{column}"), "centre_take", [column], if_not_exists=True
        )


def downgrade() -> None:
    """Forget it; a centre that is ours stays so."""
    op.drop_table("centre_take")
    for name, _, _ in reversed(_COLUMNS):
        op.drop_column("centre", name)
