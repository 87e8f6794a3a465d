"""Requests of people to have what is kept of them told or erased."""

import sqlalchemy as sa

from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "person_request",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("kind", sa.String(length=8), nullable=False, comment="export, erase"),
        sa.Column(
            "state",
            sa.String(length=8),
            nullable=False,
            comment="asked, erased, done, refused, lapsed",
        ),
        sa.Column(
            "reason",
            sa.String(length=12),
            nullable=False,
            comment="how they asked: line, post, counter, authority",
        ),
        sa.Column(
            "asked_by",
            sa.String(length=60),
            nullable=False,
            comment="a staff id, or operator and the account of the machine",
        ),
        sa.Column("asked_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column(
            "decided_by",
            sa.String(length=60),
            server_default="",
            nullable=False,
            comment="like asked_by",
        ),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column(
            "person_enc",
            sa.LargeBinary(),
            nullable=True,
            comment="JSON: birth date, number, reference; null once it is decided",
        ),
        sa.Column(
            "provider_enc",
            sa.LargeBinary(),
            nullable=True,
            comment="JSON: ids of messages and calls to delete at the provider",
        ),
        sa.Column(
            "counts",
            sa.Text(),
            server_default="{}",
            nullable=False,
            comment="JSON: rows of each kind; nothing personal",
        ),
        sa.Column("done_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_person_request")),
    )
    waiting = sa.text("done_at IS NULL")
    op.create_index(
        "ix_person_request_open",
        "person_request",
        ["asked_at"],
        postgresql_where=waiting,
    )


def downgrade() -> None:
    """Forget which requests there were."""
    op.drop_table("person_request")
