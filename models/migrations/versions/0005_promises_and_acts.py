"""when a promise was made, and what people at work did, as it can only be added to."""

import sqlalchemy as sa

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "queue_entry",
        sa.Column(
            "promised_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="a callback: when it was promised, which may be after its place",
        ),
    )
    op.add_column(
        "queue_entry",
        sa.Column(
            "asked_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="when the provider was last asked what became of its lines",
        ),
    )
    op.add_column(
        "agent_queue",
        sa.Column(
            "announcement_en",
            sa.Text(),
            server_default="",
            nullable=False,
            comment="the same for who speaks English",
        ),
    )
    op.add_column(
        "staff_session",
        sa.Column(
            "wall",
            sa.Boolean(),
            server_default=sa.text("false"),
            nullable=False,
            comment="of a screen on a wall: it reads the board, and opens nothing else",
        ),
    )
    op.add_column(
        "staff_session",
        sa.Column(
            "proved_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="when the password was given again; null: when it began",
        ),
    )
    _acts_may_be_forgotten()


def downgrade() -> None:
    """What only this schema knows is lost.

    When promises were made, when their lines were asked after, announcements in English, and which
    screens hang on a wall.

    Wall screens are signed out: before, a session of theirs could do whatever its owner may.
    """
    op.execute("DELETE FROM staff_session WHERE wall")
    op.drop_column("queue_entry", "promised_at")
    op.drop_column("queue_entry", "asked_at")
    op.drop_column("agent_queue", "announcement_en")
    op.drop_column("staff_session", "proved_at")
    op.drop_column("staff_session", "wall")
    _acts_are_kept_for_good()


# So long acts are kept (services.operations.erase_data.ACTS_KEPT); by the database's own clock,
# which nobody who asks can move.
_KEPT = "365 days"


def _acts_may_be_forgotten() -> None:
    """What staff did cannot be changed, and not be deleted before its time is over."""
    if _is_sqlite():
        op.execute("DROP TRIGGER staff_act_no_delete")
        op.execute(
            "CREATE TRIGGER staff_act_no_delete BEFORE DELETE ON staff_act WHEN OLD.at >= "
            f"strftime('%Y-%m-%d %H:%M:%f', 'now', '-{_KEPT}') || '000' "
            "BEGIN SELECT RAISE(ABORT, 'staff_act is append only'); END"
        )
        return
    op.execute(
        "CREATE OR REPLACE FUNCTION staff_act_is_append_only() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN "
        "IF TG_OP = 'DELETE' THEN "
        f"IF OLD.at < clock_timestamp() - interval '{_KEPT}' THEN RETURN OLD; END IF; "
        "END IF; "
        "RAISE EXCEPTION 'staff_act is append only'; END $$"
    )
    # DELETE stays, for what the trigger lets go.
    op.execute("REVOKE UPDATE, TRUNCATE ON staff_act FROM PUBLIC, CURRENT_USER")


def _acts_are_kept_for_good() -> None:
    if _is_sqlite():
        op.execute("DROP TRIGGER staff_act_no_delete")
        op.execute(
            "CREATE TRIGGER staff_act_no_delete BEFORE DELETE ON staff_act "
            "BEGIN SELECT RAISE(ABORT, 'staff_act is append only'); END"
        )
        return
    op.execute("GRANT UPDATE, TRUNCATE ON staff_act TO CURRENT_USER")
    op.execute(
        "CREATE OR REPLACE FUNCTION staff_act_is_append_only() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE EXCEPTION 'staff_act is append only'; END $$"
    )


def _is_sqlite() -> bool:
    return op.get_bind().dialect.name == "sqlite"
