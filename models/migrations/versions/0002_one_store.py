"""one store for all channels: shares, persons, history, waiting list, cases, operations.

Forward only adds, so that the code of the release before goes on working on the new schema.

On PostgreSQL it goes in steps that commit by themselves, so that no step holds a lock while it
waits for another; each looks whether it was made before, so that a run that gave up is simply run
again. On SQLite all of it is one transaction.
"""

import sqlalchemy as sa

from alembic import op

from models.migrations.runner import LOCK_TIMEOUT

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_PERSON = sa.text("state = 'confirmed' AND person_idx IS NOT NULL")
_OPEN = sa.text("booking_id IS NULL")
_WAITING = sa.text("state IN ('waiting', 'offered')")
_OFFERED = sa.text("state = 'offered'")
_UNDONE = sa.text("closed_at IS NULL")

_REFUSE = """
CREATE FUNCTION history_is_append_only() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN RAISE EXCEPTION 'history is append only'; END $$
"""


def upgrade() -> None:
    _add_column(
        "place",
        sa.Column(
            "lot",
            sa.SmallInteger(),
            server_default="99",
            nullable=False,
            comment="0 to 99, spread over a centre: the phone's below the campaign's share",
        ),
    )
    _add_column(
        "place",
        sa.Column(
            "released_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="nobody gets it before; null: from the start",
        ),
    )
    _add_column(
        "booking",
        sa.Column(
            "rank",
            sa.SmallInteger(),
            server_default="1",
            nullable=False,
            comment="2: a second person of one birth date on one phone",
        ),
    )
    _add_column("booking", sa.Column("cancelled_at", sa.DateTime(timezone=True), nullable=True))
    _add_column(
        "booking",
        sa.Column(
            "version",
            sa.SmallInteger(),
            server_default="1",
            nullable=False,
            comment="counts changes; each has one message of its own",
        ),
    )
    _add_column(
        "booking",
        sa.Column(
            "name_enc",
            sa.LargeBinary(),
            nullable=True,
            comment="taken by agents and the web only",
        ),
    )
    _add_column(
        "appointment",
        sa.Column(
            "person_idx",
            sa.LargeBinary(),
            nullable=True,
            comment="keyed hash of campaign, birth date, phone and rank; null without a phone",
        ),
    )
    # Places that are there already keep lot 99, for all channels: rewriting millions of rows would
    # hold up every call meanwhile.
    _index("ix_place_free", "place", ["centre_id", "start_at", "lot", "id"], where=_OPEN)
    _drop_index("ix_place_open", "place")
    _index(
        "uq_appointment_person_dose",
        "appointment",
        ["person_idx", "dose"],
        where=_PERSON,
        unique=True,
    )
    _index("ix_appointment_booking_id", "appointment", ["booking_id"])
    _index("ix_appointment_centre_start", "appointment", ["centre_id", "start_at"])

    op.create_table(
        "history",
        sa.Column(
            "id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            nullable=False,
        ),
        sa.Column("booking_id", sa.String(length=32), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column(
            "who", sa.String(length=60), nullable=False, comment="caller, system, or a staff id"
        ),
        sa.Column("channel", sa.String(length=10), nullable=False),
        sa.Column("what", sa.String(length=20), nullable=False),
        sa.Column("why", sa.String(length=80), nullable=False),
        sa.Column(
            "details",
            sa.Text(),
            nullable=False,
            comment="JSON of ids and moments; nothing personal",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_history")),
    )
    op.create_index("ix_history_booking_id", "history", ["booking_id"], unique=False)
    _begin_history()
    _append_only()

    op.create_table(
        "waiting_entry",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("campaign", sa.String(length=40), nullable=False),
        sa.Column(
            "state",
            sa.String(length=10),
            nullable=False,
            comment="waiting, offered, taken, gone",
        ),
        sa.Column("class_rank", sa.SmallInteger(), server_default="0", nullable=False),
        sa.Column(
            "centre_id",
            sa.String(length=40),
            nullable=True,
            comment="null: anywhere within `kilometres`",
        ),
        sa.Column("latitude", sa.Float(), nullable=True),
        sa.Column("longitude", sa.Float(), nullable=True),
        sa.Column(
            "band",
            sa.SmallInteger(),
            nullable=True,
            comment="latitude in tenths of a degree, rounded down",
        ),
        sa.Column("territory", sa.String(length=16), nullable=True),
        sa.Column("kilometres", sa.Float(), nullable=True),
        sa.Column("doses", sa.SmallInteger(), server_default="1", nullable=False),
        sa.Column("not_before", sa.DateTime(timezone=True), nullable=True),
        sa.Column(
            "person_enc",
            sa.LargeBinary(),
            nullable=True,
            comment="JSON: birth date, rank, language",
        ),
        sa.Column("person_idx", sa.LargeBinary(), nullable=True),
        sa.Column("phone_enc", sa.LargeBinary(), nullable=True),
        sa.Column("phone_idx", sa.LargeBinary(), nullable=True),
        sa.Column("offers", sa.SmallInteger(), server_default="0", nullable=False),
        sa.Column("offered_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_waiting_entry")),
    )
    op.create_index(
        "ix_waiting_entry_centre",
        "waiting_entry",
        ["centre_id", "class_rank", "created_at"],
        unique=False,
        postgresql_where=_WAITING,
        sqlite_where=_WAITING,
    )
    op.create_index(
        "ix_waiting_entry_order",
        "waiting_entry",
        ["territory", "class_rank", "created_at", "id"],
        unique=False,
        postgresql_where=_WAITING,
        sqlite_where=_WAITING,
    )
    op.create_index(
        "ix_waiting_entry_near",
        "waiting_entry",
        ["territory", "band", "longitude"],
        unique=False,
        postgresql_where=_WAITING,
        sqlite_where=_WAITING,
    )
    op.create_index(
        "ix_waiting_entry_offered_until",
        "waiting_entry",
        ["offered_until"],
        unique=False,
        postgresql_where=_OFFERED,
        sqlite_where=_OFFERED,
    )
    op.create_index(
        "uq_waiting_entry_person",
        "waiting_entry",
        ["person_idx"],
        unique=True,
        postgresql_where=_WAITING,
        sqlite_where=_WAITING,
    )

    op.create_table(
        "agent_case",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("booking_id", sa.String(length=32), nullable=True),
        sa.Column("operation_id", sa.String(length=32), nullable=True),
        sa.Column("why", sa.String(length=80), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_agent_case")),
    )
    op.create_index(
        "ix_agent_case_open",
        "agent_case",
        ["created_at"],
        unique=False,
        postgresql_where=_UNDONE,
        sqlite_where=_UNDONE,
    )
    op.create_index("ix_agent_case_booking_id", "agent_case", ["booking_id"], unique=False)

    op.create_table(
        "operation",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("centre_id", sa.String(length=40), nullable=False),
        sa.Column("who", sa.String(length=60), nullable=False),
        sa.Column("why", sa.String(length=80), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("undone_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column(
            "details",
            sa.Text(),
            nullable=False,
            comment="JSON: what was done, as undoing needs it",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_operation")),
    )
    op.create_index("ix_operation_centre_id", "operation", ["centre_id", "at"], unique=False)


def _is_sqlite() -> bool:
    return op.get_bind().dialect.name == "sqlite"


def _add_column(table: str, column: sa.Column) -> None:
    """Needs the table for itself for an instant, and gives up after LOCK_TIMEOUT."""
    if _is_sqlite():
        op.add_column(table, column)
        return
    # Asked beforehand, for IF NOT EXISTS needs the table as if it were not there.
    there = op.get_bind().execute(
        sa.text(
            "SELECT 1 FROM pg_attribute WHERE attrelid = to_regclass(:table) "
            "AND attname = :name AND NOT attisdropped"
        ),
        {"table": table, "name": column.name},
    )
    if there.scalar():
        return
    with op.get_context().autocommit_block():
        op.add_column(table, column)


def _index(
    name: str,
    table: str,
    columns: list[str],
    *,
    where: sa.TextClause | None = None,
    unique: bool = False,
) -> None:
    """Make an index of a large table without stopping its writers, where that is possible."""
    if _is_sqlite():
        op.create_index(name, table, columns, unique=unique, sqlite_where=where)
        return
    with op.get_context().autocommit_block():
        # It waits for writers that it does not hold up: here, patience costs nobody anything.
        op.execute("SET lock_timeout = 0")
        if not _is_whole(name):
            # One that was cut off while it was made is there, and of no use.
            op.drop_index(name, table, if_exists=True, postgresql_concurrently=True)
            op.create_index(
                name,
                table,
                columns,
                unique=unique,
                postgresql_where=where,
                postgresql_concurrently=True,
            )
        op.execute(f"SET lock_timeout = '{LOCK_TIMEOUT}'")


def _is_whole(index: str) -> bool:
    found = op.get_bind().execute(
        sa.text("SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass(:name)"),
        {"name": index},
    )
    return bool(found.scalar())


def _drop_index(name: str, table: str) -> None:
    if _is_sqlite():
        op.drop_index(name, table_name=table)
        return
    with op.get_context().autocommit_block():
        op.execute("SET lock_timeout = 0")
        op.drop_index(name, table, if_exists=True, postgresql_concurrently=True)
        op.execute(f"SET lock_timeout = '{LOCK_TIMEOUT}'")


def _begin_history() -> None:
    """One line for each booking that is there: from here on, every booking has one."""
    line = (
        "INSERT INTO history (booking_id, at, who, channel, what, why, details) "
        "SELECT id, created_at, 'system', channel, '{what}', 'before the history began', '{{}}' "
        "FROM booking WHERE {which} ORDER BY created_at"
    )
    op.execute(line.format(what="booked", which="0 = 0"))
    # Where this schema was left and is taken up again.
    op.execute(line.format(what="cancelled", which="state = 'cancelled'"))
    op.execute(
        "UPDATE booking SET cancelled_at = created_at "
        "WHERE state = 'cancelled' AND cancelled_at IS NULL"
    )


def _append_only() -> None:
    if _is_sqlite():
        for verb in ("UPDATE", "DELETE"):
            op.execute(
                f"CREATE TRIGGER history_no_{verb.lower()} BEFORE {verb} ON history "
                "BEGIN SELECT RAISE(ABORT, 'history is append only'); END"
            )
        return
    op.execute(_REFUSE)
    op.execute(
        "CREATE TRIGGER history_no_change BEFORE UPDATE OR DELETE ON history "
        "FOR EACH ROW EXECUTE FUNCTION history_is_append_only()"
    )
    op.execute(
        "CREATE TRIGGER history_no_truncate BEFORE TRUNCATE ON history "
        "FOR EACH STATEMENT EXECUTE FUNCTION history_is_append_only()"
    )
    # The owner of a table may do without a right, too: an error in the code meets both walls.
    op.execute("REVOKE UPDATE, DELETE, TRUNCATE ON history FROM PUBLIC, CURRENT_USER")


def downgrade() -> None:
    """What only this schema knows is lost: history, ranks, names, waiting list, cases.

    After the index, one transaction of instants: when a lock is not to be had, nothing is gone.
    """
    _index("ix_place_open", "place", ["centre_id", "start_at", "id"], where=_OPEN)
    op.drop_table("operation")
    op.drop_table("agent_case")
    op.drop_table("waiting_entry")
    # Its triggers go with it; the function does not.
    op.drop_table("history")
    if not _is_sqlite():
        op.execute("DROP FUNCTION history_is_append_only()")
    op.drop_index("ix_appointment_centre_start", table_name="appointment")
    op.drop_index("ix_appointment_booking_id", table_name="appointment")
    op.drop_index("uq_appointment_person_dose", table_name="appointment")
    op.drop_index("ix_place_free", table_name="place")
    # Not by copying the table, as Alembic would do for SQLite: while a table is away, rows that
    # point to it break their foreign keys. SQLite drops columns itself from 3.35 on.
    for table, column in (
        ("appointment", "person_idx"),
        ("booking", "name_enc"),
        ("booking", "version"),
        ("booking", "cancelled_at"),
        ("booking", "rank"),
        ("place", "released_at"),
        ("place", "lot"),
    ):
        op.drop_column(table, column)
