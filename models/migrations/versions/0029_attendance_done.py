"""Attendance: an appointment may also be over."""

from alembic import op

revision = "0029"
down_revision = "0028"
branch_labels = None
depends_on = None

_BEFORE = "present, absent; empty: taken back"
_NOW = "present, done, absent; empty: taken back"


def upgrade() -> None:
    """The words beside the column; its rows stay what they are."""
    _comment(_NOW, _BEFORE)


def downgrade() -> None:
    """Who was done was there: the release before knows no other word for it."""
    op.execute("UPDATE attendance SET state = 'present' WHERE state = 'done'")
    _comment(_BEFORE, _NOW)


def _comment(comment: str, existing: str) -> None:
    op.alter_column("attendance", "state", comment=comment, existing_comment=existing)
