"""A second factor for everybody who works here: recovery codes."""

import sqlalchemy as sa

from alembic import op

revision = "0013"
down_revision = "0009"
branch_labels = None
depends_on = None

INSTANT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Make the tables; whoever has no second factor takes one at the next request."""
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
    op.drop_table("staff_recovery")
