"""Which services a turn and a place in the queue were about; counts are kept for each of them."""

import sqlalchemy as sa

from alembic import op

from models.migrations import steps

revision = "0034"
down_revision = "0033"
branch_labels = None
depends_on = None

# Three services by their names, with a sign between.
ABOUT = sa.String(64)
ADDED = (
    ("turn", "services that it was about, as grippe+covid; null: of no name, or not said yet"),
    ("queue_entry", "services that it is about, as of a turn"),
)
# What is counted of a service has its name, and what is counted, in the label.
LABEL, LONGER = sa.String(60), sa.String(120)


def upgrade() -> None:
    """Nothing is filled in: what was said before is sealed, and counted as not said."""
    for table, comment in ADDED:
        steps.add_column(table, sa.Column("about", ABOUT, comment=comment))
    with op.batch_alter_table("tally") as table:
        table.alter_column("label", type_=LONGER, existing_type=LABEL, existing_nullable=False)


def downgrade() -> None:
    """Counts by service are forgotten; the others stay as they are."""
    op.execute("DELETE FROM tally WHERE name LIKE '%\\_for' ESCAPE '\\'")
    with op.batch_alter_table("tally") as table:
        table.alter_column("label", type_=LABEL, existing_type=LONGER, existing_nullable=False)
    for table, _ in reversed(ADDED):
        op.drop_column(table, "about")
