"""Which of our numbers was called, a queue that takes over, and the order of an agent's queues."""

import sqlalchemy as sa

from alembic import op

from models.migrations import steps

revision = "0030"
down_revision = "0029"
branch_labels = None
depends_on = None

NUMBER = sa.String(16)
CALL = "the number of ours that its call came in by; null: the default"
ADDED = (
    ("call", NUMBER, "one of ours, as it was dialled; null: the default", "called"),
    ("booking", NUMBER, CALL, "called"),
    ("message", NUMBER, "the number of ours that its call or booking came in by", "called"),
    ("queue_entry", NUMBER, CALL, "called"),
    (
        "queue_entry",
        sa.String(40),
        "takes it too after overflow_at; null: the national one",
        "overflow_queue",
    ),
)
RANK = "0 is served first; equal ranks by who waits longest"


def upgrade() -> None:
    """Nothing is filled in: what is there came in by the default."""
    for table, kind, comment, name in ADDED:
        steps.add_column(table, sa.Column(name, kind, comment=comment))
    steps.add_column(
        "agent_queue_member",
        sa.Column("rank", sa.SmallInteger(), nullable=False, server_default="0", comment=RANK),
    )


def downgrade() -> None:
    """Texts and calls leave from the one number again."""
    op.drop_column("agent_queue_member", "rank")
    for table, _, _, name in reversed(ADDED):
        op.drop_column(table, name)
