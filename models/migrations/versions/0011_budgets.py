"""Budgets of texts and calls by the day, what they hold back, and calls to typed numbers."""

import sqlalchemy as sa

from alembic import op

from models.migrations.steps import add_column, add_index, drop_index

Moment = sa.DateTime(timezone=True)

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the tables, and the columns of messages and cases that speak of them."""
    _tables()
    for column in (
        sa.Column(
            "held_at",
            Moment,
            nullable=True,
            comment="held back since, because a budget of the day was spent",
        ),
        sa.Column(
            "held_why",
            sa.String(12),
            nullable=True,
            comment="which one: number, client, prefix, day",
        ),
        sa.Column(
            "let_go_by",
            sa.String(32),
            nullable=True,
            comment="the supervisor who sent it all the same",
        ),
    ):
        add_column("message", column)
    add_index("ix_message_held", "message", ["held_at"], where="held_at IS NOT NULL")
    request = sa.Column(
        "request_id",
        sa.String(32),
        nullable=True,
        comment="the call that was asked for at a typed number",
    )
    add_column("agent_case", request)


def downgrade() -> None:
    """Forget what was counted; what is held back goes when it is due."""
    op.drop_column("agent_case", "request_id")
    drop_index("ix_message_held", "message")
    for name in ("let_go_by", "held_why", "held_at"):
        op.drop_column("message", name)
    op.drop_table("callback_request")
    op.drop_table("budget")


def _tables() -> None:
    there = sa.inspect(op.get_bind()).get_table_names()
    if "budget" not in there:
        op.create_table(
            "budget",
            sa.Column("day", sa.Date(), nullable=False, comment="by the calendar of Paris"),
            sa.Column(
                "kind",
                sa.String(12),
                nullable=False,
                comment="number, client, prefix, day; of calls: call_prefix, call_day",
            ),
            sa.Column(
                "subject",
                sa.LargeBinary(),
                nullable=False,
                comment="keyed hash of a number or client; a prefix; empty for all",
            ),
            sa.Column(
                "units",
                sa.Integer(),
                nullable=False,
                comment="parts of texts, or calls, that were counted",
            ),
            sa.Column(
                "millieuros", sa.BigInteger(), nullable=False, comment="thousandths of a euro"
            ),
            sa.Column(
                "most_units",
                sa.Integer(),
                nullable=False,
                comment="the limit when it was counted last",
            ),
            sa.Column("most_millieuros", sa.BigInteger(), nullable=False),
            sa.Column(
                "refused",
                sa.Integer(),
                server_default=sa.text("0"),
                nullable=False,
                comment="messages or calls that were held back",
            ),
            sa.Column(
                "closed_at",
                Moment,
                nullable=True,
                comment="when the first was held back since one went last",
            ),
            sa.PrimaryKeyConstraint("day", "kind", "subject", name=op.f("pk_budget")),
        )
        open_only = sa.text("closed_at IS NOT NULL")
        op.create_index(
            "ix_budget_closed",
            "budget",
            ["day"],
            postgresql_where=open_only,
        )
    if "callback_request" not in there:
        op.create_table(
            "callback_request",
            sa.Column("id", sa.String(32), nullable=False),
            sa.Column("phone_enc", sa.LargeBinary(), nullable=True),
            sa.Column("phone_idx", sa.LargeBinary(), nullable=True),
            sa.Column(
                "known_enc",
                sa.LargeBinary(),
                nullable=True,
                comment="JSON: what was given, as of a queue entry",
            ),
            sa.Column("language", sa.String(5), nullable=False),
            sa.Column("departement", sa.String(3), nullable=True),
            sa.Column(
                "call_id",
                sa.String(40),
                nullable=True,
                comment="the call in which it was asked for",
            ),
            sa.Column(
                "state",
                sa.String(8),
                nullable=False,
                comment="asked: its owner may say yes by a text; case: an agent rings; over",
            ),
            sa.Column(
                "outcome",
                sa.String(12),
                server_default="",
                nullable=False,
                comment="yes, rung, closed; empty: none yet",
            ),
            sa.Column(
                "joined_at", Moment, nullable=False, comment="the place in the line that it gets"
            ),
            sa.Column("answer_until", Moment, nullable=True, comment="then it is an agent's case"),
            sa.Column("created_at", Moment, nullable=False),
            sa.Column("updated_at", Moment, nullable=False),
            sa.PrimaryKeyConstraint("id", name=op.f("pk_callback_request")),
        )
        op.create_index(
            "ix_callback_request_phone", "callback_request", ["phone_idx", "created_at"]
        )
        asked = sa.text("state = 'asked'")
        op.create_index(
            "ix_callback_request_asked",
            "callback_request",
            ["answer_until"],
            postgresql_where=asked,
        )
