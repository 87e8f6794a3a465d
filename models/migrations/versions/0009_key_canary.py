"""A word sealed with each data key, by which a wrong key is known before anything is written."""

import sqlalchemy as sa

from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table; the first process that starts fills it."""
    op.create_table(
        "key_canary",
        sa.Column(
            "number",
            sa.Integer(),
            autoincrement=False,
            nullable=False,
            comment="of the data key, oldest first, from 0",
        ),
        sa.Column("word_enc", sa.LargeBinary(), nullable=False),
        sa.Column("word_idx", sa.LargeBinary(), nullable=False, comment="by the index key"),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_key_canary")),
    )


def downgrade() -> None:
    """Forget it: the keys themselves are not in it."""
    op.drop_table("key_canary")
