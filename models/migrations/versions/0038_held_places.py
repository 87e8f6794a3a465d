"""On PostgreSQL a hold is written into its own page alone: no index knows who holds a place.

See docs/decisions/0085.
"""

import sqlalchemy as sa

from alembic import op

from models.migrations.steps import add_index, drop_index, is_sqlite

revision = "0038"
down_revision = "0037"
branch_labels = None
depends_on = None

CONTRACTS = (
    "by `ix_place_held_by` the version before finds what a caller holds, and it notes none of its"
    " own holds: on PostgreSQL no machine of it may be at work any more"
)
# Of notes all pages stay: with none of them PostgreSQL would plan to read all, and be late to see
# that there are many.
_AS_IT_IS = "ALTER TABLE held_place SET (vacuum_truncate = false)"
_NOTE = "INSERT INTO held_place SELECT held_by, id FROM place WHERE held_by IS NOT NULL"


def upgrade() -> None:
    op.create_table(
        "held_place",
        sa.Column(
            "holder",
            sa.String(40),
            nullable=False,
            comment="who held it then; whether they do says the place",
        ),
        sa.Column("place_id", sa.BigInteger(), nullable=False),
        if_not_exists=True,
    )
    op.create_index("ix_held_place", "held_place", ["holder", "place_id"], if_not_exists=True)
    if is_sqlite():
        return
    op.execute(_AS_IT_IS)
    op.execute(_NOTE)
    drop_index("ix_place_held_by", "place")


def downgrade() -> None:
    if not is_sqlite():
        add_index("ix_place_held_by", "place", ["held_by"], where="held_by IS NOT NULL")
    op.drop_table("held_place")
