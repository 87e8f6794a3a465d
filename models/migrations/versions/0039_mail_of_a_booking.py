"""A booking may have an address of e-mail, sealed and found by its keyed hash."""

import sqlalchemy as sa

from alembic import op

from models.migrations.steps import add_column, add_index, drop_index

revision = "0039"
down_revision = "0038"
branch_labels = None
depends_on = None

COMMENT = "an address of e-mail; where an agent or a visitor types it"


def upgrade() -> None:
    add_column("booking", sa.Column("mail_enc", sa.LargeBinary(), comment=COMMENT))
    add_column("booking", sa.Column("mail_idx", sa.LargeBinary()))
    add_index("ix_booking_mail_idx", "booking", ["mail_idx"], where="mail_idx IS NOT NULL")


def downgrade() -> None:
    drop_index("ix_booking_mail_idx", "booking")
    for name in ("mail_idx", "mail_enc"):
        op.drop_column("booking", name)
