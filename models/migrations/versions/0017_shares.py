"""By what holds of web sessions count; and by what bookings resemble one another."""

import sqlalchemy as sa

from alembic import op

from models.migrations import steps

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Of rows that are there it is not known; none of it is looked at for longer than two days."""
    for name, comment in (
        ("browser_idx", "keyed hash of the browser's own cookie"),
        ("phone_idx", "keyed hash of the number that was typed last"),
    ):
        column = sa.Column(name, sa.LargeBinary(), nullable=True, comment=comment)
        steps.add_column("visit", column)
        steps.add_index(f"ix_visit_{name}", "visit", [name, "seen_at"], where=f"{name} IS NOT NULL")
    for name, comment in (
        ("name_idx", "keyed hash of the name; this and the next two for 48 hours"),
        ("prefix_idx", "keyed hash of the number without its last two digits"),
        ("client_idx", "keyed hash of the client address"),
    ):
        column = sa.Column(name, sa.LargeBinary(), nullable=True, comment=comment)
        steps.add_column("booking", column)
    op.create_table(
        "booking_cluster",
        sa.Column("id", sa.String(32), nullable=False),
        sa.Column("kind", sa.String(8), nullable=False, comment="name, born, number, address"),
        sa.Column(
            "value_idx",
            sa.LargeBinary(),
            nullable=False,
            comment="the keyed hash that they share",
        ),
        sa.Column("people", sa.Integer(), nullable=False),
        sa.Column("first_at", MOMENT, nullable=False),
        sa.Column("last_at", MOMENT, nullable=False),
        sa.Column("seen_at", MOMENT, nullable=False, comment="when it was counted last"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_booking_cluster")),
        sa.UniqueConstraint("kind", "value_idx", name=op.f("uq_booking_cluster_kind_value_idx")),
        if_not_exists=True,
    )
    op.create_table(
        "freed_cluster",
        sa.Column("id", sa.String(32), nullable=False),
        sa.Column("kind", sa.String(8), nullable=False),
        sa.Column("people", sa.Integer(), nullable=False),
        sa.Column("staff_id", sa.String(32), nullable=False),
        sa.Column("booking_ids", sa.Text(), nullable=False, comment="JSON"),
        sa.Column("freed_at", MOMENT, nullable=False),
        sa.Column("undone_at", MOMENT, nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_freed_cluster")),
        if_not_exists=True,
    )
    op.create_index("ix_freed_cluster_freed_at", "freed_cluster", ["freed_at"], if_not_exists=True)


def downgrade() -> None:
    """Forget by what they counted, and what was freed."""
    op.drop_table("freed_cluster")
    op.drop_table("booking_cluster")
    for name in ("client_idx", "prefix_idx", "name_idx"):
        op.drop_column("booking", name)
    for name in ("phone_idx", "browser_idx"):
        steps.drop_index(f"ix_visit_{name}", "visit")
        op.drop_column("visit", name)
