"""Migrations: the same tables as the code's; databases of before; several at once.

What the next migration must be able to do is shown on one that is made up.
"""

from __future__ import annotations

import lzma
import re
import subprocess
import sys
import threading

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest

from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from click.testing import CliRunner
from psycopg.errors import QueryCanceled
from sqlalchemy import inspect, text

from commands.store import make_migrate
from models.all_tables import metadata
from models.crypto import Vault
from models.database import Database
from models.messages import freezes
from models.migrations import schema as schemas
from models.migrations.runner import NotMigrated, downgrade, upgrade
from models.migrations.schema import newest
from models.turn_days import BEFORE, OTHER
from tests.operations.next_migration import NEXT, TODAY, add_next_migration
from tests.support.house import MOBILE, NOON, House, house, mornings
from tests.support.keeper import ROOT
from tests.support.locks import driver_url

# Whoever migrates owns the tables.
pytestmark = pytest.mark.owner
MIGRATE = "import sys; from models.migrations.runner import upgrade; upgrade(sys.argv[1])"
FIRST = "0039"
KNOWN = {name: [column.name for column in table.columns] for name, table in metadata.tables.items()}
PARTITION = re.compile(rf"{BEFORE}|{OTHER}|turn_[0-9]{{8}}")


def is_partition(table: str) -> bool:
    """Whether a table of this name is a part of `turn`."""
    return PARTITION.fullmatch(table) is not None


def tables(url: str) -> set[str]:
    database = Database(url)
    try:
        found = set(inspect(database.engine).get_table_names()) - {"alembic_version"}
        return {name for name in found if not is_partition(name)}
    finally:
        database.dispose()


def test_an_empty_database_gets_all_tables_and_again_changes_nothing(empty_url: str):
    assert upgrade(empty_url) == (None, newest())
    assert tables(empty_url) == set(metadata.tables)
    assert upgrade(empty_url) == (newest(), newest())
    with house(empty_url) as service:
        service.opens_centre("1", starts=mornings(2))
        service.phone().books()
        assert len(service.bookings()) == 1


def test_the_migrations_make_just_the_tables_of_the_code(migrated_url: str):
    database = Database(migrated_url)
    try:
        with database.engine.connect() as connection:
            context = MigrationContext.configure(
                connection,
                opts={
                    "compare_type": True,
                    "compare_server_default": True,
                    # The code knows the whole, and not the days that are there.
                    "include_name": lambda name, kind, _: kind != "table" or not is_partition(name),
                },
            )
            assert compare_metadata(context, metadata) == []
    finally:
        database.dispose()


def test_the_conditions_of_partial_indexes_are_the_same_too(migrated_url: str):
    """Alembic compares names and columns of an index, not its WHERE; law 1 hangs on one."""
    migrated = index_conditions(migrated_url)
    empties(migrated_url)
    database = Database(migrated_url)
    try:
        metadata.create_all(database.engine)
    finally:
        database.dispose()
    assert migrated == index_conditions(migrated_url)
    assert "confirmed" in migrated["uq_appointment_place"]
    assert "confirmed" in migrated["uq_appointment_booking_dose"]
    assert "person_idx" in migrated["uq_appointment_person_dose"]
    assert "booking_id" in migrated["ix_place_free"]


def empties(url: str) -> None:
    """Nothing was ever migrated in it."""
    with psycopg.connect(driver_url(url)) as admin:
        admin.execute("DROP SCHEMA public CASCADE")
        admin.execute("CREATE SCHEMA public")


def index_conditions(url: str) -> dict[str, str]:
    database = Database(url)
    try:
        found = inspect(database.engine)
        return {
            str(index["name"]): "".join(
                str(value)
                for name, value in sorted(index.get("dialect_options", {}).items())
                if name.endswith("_where")
            )
            for table in metadata.tables
            for index in found.get_indexes(table)
        }
    finally:
        database.dispose()


def test_several_that_migrate_at_once_do_not_trip_over_each_other(empty_url: str):
    """Processes, not threads: Alembic keeps what it works on in a module."""
    command = [sys.executable, "-c", MIGRATE, empty_url]
    several = [
        subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True)  # noqa: S603
        for _ in range(3)
    ]
    troubles = [process.communicate(timeout=60)[1] for process in several]
    assert [process.returncode for process in several] == [0, 0, 0], troubles
    assert tables(empty_url) == set(metadata.tables)


# ---------------------------------------------------------------- with data in it

VAULT = Vault([bytes(range(32))])


@pytest.fixture
def next_migration(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    add_next_migration(monkeypatch, tmp_path)


# What a release that knew fewer columns wrote, to the letter.
OPEN_CENTRE = """
INSERT INTO centre (id, name, postcode, town, departement, territory, latitude, longitude,
    time_zone, booking_mode, source, fingerprint, created_at, updated_at)
VALUES ('1', 'Salle des fêtes', '75011', 'Paris 11e', '75', 'metropole', 48.859, 2.378,
    'Europe/Paris', 'ours', 'tests', '', :now, :now)
"""
OPEN_SLOT = "INSERT INTO slot (id, centre_id, start_at, capacity) VALUES (:id, '1', :start, 2)"
OPEN_PLACE = """
INSERT INTO place (slot_id, number, centre_id, start_at)
SELECT slot.id, :number, slot.centre_id, slot.start_at FROM slot WHERE slot.capacity >= :number
ON CONFLICT (slot_id, number) DO NOTHING
"""
START_CALL = """
INSERT INTO call (id, caller_enc, caller_idx, status, status_rank, started_at)
VALUES (:id, :caller_enc, :caller_idx, 'ringing', 2, :now) ON CONFLICT DO NOTHING
"""
LOOK = """
SELECT centre.id, (SELECT mine.id FROM place AS mine WHERE mine.centre_id = centre.id
    AND mine.booking_id IS NULL AND mine.blocked = false
    AND (mine.held_by IS NULL OR mine.hold_expires_at <= :now)
    AND mine.start_at >= :now ORDER BY mine.start_at, mine.id LIMIT 1) AS first
FROM centre WHERE centre.id IN ('1') AND centre.closed_at IS NULL AND centre.booking_mode = 'ours'
"""
HOLD = """
WITH taken AS (
UPDATE place SET held_by = :holder, hold_expires_at = :soon, hold_limit_at = :later
WHERE place.id IN (SELECT pick.id FROM place AS pick WHERE pick.centre_id = '1'
    AND pick.booking_id IS NULL AND pick.blocked = false
    AND (pick.held_by IS NULL OR pick.hold_expires_at <= :now)
    AND pick.start_at >= :now ORDER BY pick.start_at, pick.id LIMIT 1)
AND place.booking_id IS NULL AND place.blocked = false
AND (place.held_by IS NULL OR place.hold_expires_at <= :now)
RETURNING place.id, place.slot_id, place.centre_id, place.start_at
), noted AS (INSERT INTO held_place (holder, place_id) SELECT :holder, id FROM taken)
SELECT * FROM taken
"""
RENEW = """
UPDATE place SET hold_expires_at =
    CASE WHEN (place.hold_limit_at < :soon) THEN place.hold_limit_at ELSE :soon END
WHERE place.held_by = :holder AND place.booking_id IS NULL AND place.hold_expires_at > :now
"""
BOOK = """
UPDATE place SET held_by = NULL, hold_expires_at = NULL, hold_limit_at = NULL, booking_id = :booking
WHERE place.id = :place AND place.held_by = :holder AND place.hold_expires_at > :now
AND place.booking_id IS NULL
"""
NEW_BOOKING = """
INSERT INTO booking (id, idempotency_key, reference_enc, reference_idx, channel, campaign,
    centre_id, state, call_id, dob_enc, dob_idx, phone_enc, phone_idx, postcode, last_start_at,
    created_at)
VALUES (:booking, :key, :reference_enc, :reference_idx, 'phone', 'tests', '1', 'confirmed', :holder,
    :dob_enc, :dob_idx, :phone_enc, :phone_idx, '75011', :start, :now) ON CONFLICT DO NOTHING
"""
NEW_APPOINTMENT = """
INSERT INTO appointment (booking_id, dose, place_id, centre_id, start_at, state)
VALUES (:booking, 1, :place, '1', :start, 'confirmed')
"""
RELEASE = """
UPDATE place SET held_by = NULL, hold_expires_at = NULL, hold_limit_at = NULL
WHERE place.held_by = :holder AND place.booking_id IS NULL
"""
END_CALL = """
UPDATE call SET status = 'completed', status_rank = 8, ended_at = coalesce(call.ended_at, :now)
WHERE call.id = :holder AND call.status_rank < 8
"""
EXPORT = """
SELECT booking.id, booking.reference_enc, booking.channel, booking.centre_id, centre.name,
    centre.time_zone, appointment.start_at, appointment.dose, appointment.state, booking.created_at
FROM booking JOIN appointment ON appointment.booking_id = booking.id
JOIN centre ON centre.id = booking.centre_id
ORDER BY booking.created_at, booking.id, appointment.dose
"""
ERASE = """
UPDATE booking SET reference_enc = NULL, reference_idx = NULL, dob_enc = NULL, dob_idx = NULL,
    phone_enc = NULL, phone_idx = NULL, postcode = NULL, erased_at = :now
WHERE booking.last_start_at < :now AND booking.erased_at IS NULL RETURNING booking.id
"""


class ReleaseBefore:
    """The code of the release before, as far as its statements go."""

    def __init__(self, url: str) -> None:
        self.database = Database(url)
        self.now = NOON

    def close(self) -> None:
        self.database.dispose()

    def at(self, moment: datetime) -> str:
        return f"{moment:%Y-%m-%d %H:%M:%S.%f}+00"

    def run(self, *statements: str, **values: Any) -> Sequence[Any]:
        """Statements in one transaction; gives the rows of the last, or how many it wrote."""
        values |= {
            "now": self.at(self.now),
            "soon": self.at(self.now + timedelta(minutes=4)),
            "later": self.at(self.now + timedelta(minutes=20)),
        }
        done: Any = None
        with self.database.transaction() as connection:
            for statement in statements:
                known = {name: values[name] for name in values if f":{name}" in statement}
                done = connection.execute(text(statement), known)
            return done.all() if done.returns_rows else [done.rowcount]

    def opens(self, starts: Sequence[datetime], *, first_slot: int = 1) -> None:
        if first_slot == 1:
            self.run(OPEN_CENTRE)
        for slot, start in enumerate(starts, first_slot):
            self.run(OPEN_SLOT, id=slot, start=self.at(start))
        for number in (1, 2):
            self.run(OPEN_PLACE, number=number)

    def rings(self, call_id: str) -> None:
        caller = VAULT.seal_text(MOBILE, f"call.caller:{call_id}")
        self.run(START_CALL, id=call_id, caller_enc=caller, caller_idx=VAULT.index("phone", MOBILE))

    def holds(self, holder: str) -> Any:
        (held,) = self.run(HOLD, holder=holder)
        assert self.run(RENEW, holder=holder) == [1]
        return held

    def books(self, holder: str, reference: str) -> None:
        held = self.holds(holder)
        key = f"booking-{holder}"

        def sealed(column: str, value: str) -> dict[str, bytes | None]:
            return {
                f"{column}_enc": VAULT.seal_text(value, f"booking.{column}:{key}"),
                f"{column}_idx": VAULT.index(column, value),
            }

        self.run(
            *(BOOK, NEW_BOOKING, NEW_APPOINTMENT, RELEASE, END_CALL),
            booking=key,
            key=f"{holder}:1",
            holder=holder,
            place=held.id,
            start=held.start_at,
            **sealed("reference", reference),
            **sealed("dob", "1942-03-12"),
            **sealed("phone", MOBILE),
        )

    def everything(self, columns: Mapping[str, Sequence[str]] = KNOWN) -> dict[str, list[Any]]:
        """All rows of all tables, in these columns of each; else in those that the code knows."""
        return {
            table: sorted(
                (tuple(row) for row in self.run(f"SELECT {', '.join(names)} FROM {table}")),  # noqa: S608
                key=repr,
            )
            for table, names in columns.items()
        }


@contextmanager
def release_before(url: str) -> Iterator[ReleaseBefore]:
    made = ReleaseBefore(url)
    try:
        yield made
    finally:
        made.close()


@contextmanager
def this_release(url: str) -> Iterator[House]:
    """A House that knows the postcodes already."""
    made = House(url)
    try:
        yield made
    finally:
        made.close()


def schema(url: str) -> dict[str, Any]:
    """Columns, keys and indexes with their conditions, of each table, as the database has them."""
    database = Database(url)
    try:
        found = inspect(database.engine)
        return {
            table: {
                "columns": [
                    (one["name"], str(one["type"]), one["nullable"], one["default"])
                    for one in found.get_columns(table)
                ],
                "keys": found.get_pk_constraint(table),
                "foreign": sorted(found.get_foreign_keys(table), key=repr),
                "unique": sorted(found.get_unique_constraints(table), key=repr),
                "checks": sorted(found.get_check_constraints(table), key=repr),
                "indexes": sorted(map(_index, found.get_indexes(table)), key=repr),
            }
            for table in found.get_table_names()
        }
    finally:
        database.dispose()


def _index(found: Any) -> dict[str, Any]:
    """With its condition as text: clauses are the same only to themselves."""
    options = {name: str(value) for name, value in found.get("dialect_options", {}).items()}
    return {**found, "dialect_options": options}


def verified(service: House) -> list[str]:
    """What the recount says; nothing is chained here."""
    result = service.app.test_cli_runner().invoke(args=["store", "verify"])
    return [line for line in result.stdout.splitlines() if not line.startswith("traces: ")]


def all_have_a_line(old: ReleaseBefore) -> bool:
    """Whether the next migration found each booking that was there."""
    booked = old.run("SELECT id, created_at FROM booking")
    found = old.run("SELECT booking_id, at FROM booking_line")
    return bool(found) and set(map(tuple, found)) == set(map(tuple, booked))


@pytest.mark.usefixtures("next_migration")
def test_up_down_and_up_again_with_data_in_it(empty_url: str):
    assert upgrade(empty_url, TODAY) == (None, TODAY)
    first_schema = schema(empty_url)
    with release_before(empty_url) as old:
        old.opens(mornings(5))
        for call_id in ("CA1", "CA2"):
            old.rings(call_id)
        old.books("CA1", "1234567890")
        old.holds("CA2")
        before = old.everything()

    assert upgrade(empty_url) == (TODAY, NEXT)
    second_schema = schema(empty_url)
    assert second_schema["place"] != first_schema["place"]
    with release_before(empty_url) as old:
        assert old.everything() == before
    with release_before(empty_url) as old, house(empty_url) as service:
        (row,) = service.bookings()
        assert (row.reference, row.start_at) == ("1234567890", mornings(1)[0])
        assert all_have_a_line(old)
        assert service.held() == 1
        service.phone("+33698765432").books(born="01021941")
        assert len(service.bookings()) == 2
        assert verified(service) == ["2 bookings, 10 places, 0 contradictions"]
        before = old.everything()

    assert downgrade(empty_url, TODAY) == (NEXT, TODAY)
    assert schema(empty_url) == first_schema
    with release_before(empty_url) as old:
        assert old.everything() == before
        old.rings("CA3")
        old.books("CA3", "1234567891")
        assert len(old.run(EXPORT)) == 3
        before = old.everything()

    assert upgrade(empty_url) == (TODAY, NEXT)
    assert schema(empty_url) == second_schema
    with release_before(empty_url) as old, this_release(empty_url) as service:
        assert old.everything() == before
        assert all_have_a_line(old)
        assert len(service.bookings()) == 3
        service.phone("+33687654321").books(born="05051943")
        assert verified(service) == ["4 bookings, 10 places, 0 contradictions"]


THROUGH = "run `flask migrate` of commit 24282002 first, the last version that leads there"
NEWER = "run the newer version that brought it there"


@pytest.mark.parametrize(
    ("revision", "told"),
    [
        (
            "0038",
            f"migrations of this version begin at {FIRST}: {THROUGH}, then run this again",
        ),
        (
            "9998",
            f"this version knows migrations up to {TODAY} only: {NEWER}",
        ),
    ],
)
def test_a_database_of_another_version_is_left_alone(migrated_url: str, revision: str, told: str):
    with release_before(migrated_url) as stamped:
        stamped.run("UPDATE alembic_version SET version_num = :revision", revision=revision)
    before = schema(migrated_url)
    result = CliRunner().invoke(make_migrate(migrated_url))
    (sentence,) = result.stderr.splitlines()
    assert (result.exit_code, sentence) == (1, f"Error: the database is at {revision}, and {told}")
    with pytest.raises(schemas.SchemaUnknown):
        downgrade(migrated_url, TODAY)
    assert schema(migrated_url) == before


# ---------------------------------------------------------------- of the steps before the first one

# `pg_dump --inserts --no-owner --no-acl --no-comments` of a database that commit 8ac90afc made (a
# centre with places before its migration 0038; then a booking, an offer that a call holds, and the
# freeze after a restore) and that commit 24282002 brought to 0039.
TAKEN_OVER = Path(__file__).with_name("taken_over.sql.xz")


@pytest.fixture
def taken_over(empty_url: str) -> str:
    with psycopg.connect(driver_url(empty_url)) as admin:
        admin.execute(lzma.decompress(TAKEN_OVER.read_bytes()).decode())
    return empty_url


def test_a_database_of_the_steps_before_is_taken_over_and_no_row_is_touched(taken_over: str):
    with release_before(taken_over) as rows:
        made, written = schema(taken_over), rows.run(WRITTEN_BY)
        columns = {table: [name for name, *_ in of["columns"]] for table, of in made.items()}
        before = rows.everything(columns)
        assert upgrade(taken_over, FIRST) == (FIRST, FIRST)
        assert rows.everything(columns) == before
        assert (schema(taken_over), rows.run(WRITTEN_BY)) == (made, written)
    # For versions before 0038 alone: docs/operations.md says when it may go.
    assert LEFT_FROM_BEFORE in [one["name"] for one in made["place"]["indexes"]]
    made["place"]["indexes"] = [
        one for one in made["place"]["indexes"] if one["name"] != LEFT_FROM_BEFORE
    ]
    empties(taken_over)
    upgrade(taken_over, FIRST)
    assert plain(schema(taken_over)) == plain(made)


# Which transactions wrote the rows: an UPDATE that changes nothing would show.
WRITTEN_BY = "SELECT id, xmin::text, ctid::text FROM place ORDER BY id"
LEFT_FROM_BEFORE = "ix_place_held_by"


def plain(found: dict[str, Any]) -> str:
    """Without casts and brackets, which a dump writes anew, and the day of the first migration."""
    return re.sub(
        r"::[a-z]+( varying)?(\[\])?|[()]|20\d\d-\d\d-\d\d", "", repr(sorted(found.items()))
    )


def test_after_it_was_taken_over_the_telephone_moves_what_was_booked(taken_over: str):
    upgrade(taken_over)
    with this_release(taken_over) as service:
        (row,) = service.bookings()
        assert (row.reference, row.start_at) == ("4521000002", mornings(1)[0])
        assert service.held() == 3
        with service.database.statement() as connection:
            frozen = freezes.current(connection)
        assert frozen is not None
        assert frozen.began_by == "operator anna"
        caller = service.phone().asks_for_theirs().presses(row.reference).presses("1")
        caller.presses("12031942").presses("1")
        assert caller.step == "my_menu"
        caller.presses("2").presses("2").presses("1")
        (moved,) = service.bookings()
        assert (moved.reference, moved.start_at) == (row.reference, mornings(3)[2])
        assert verified(service) == ["1 bookings, 40 places, 0 contradictions"]


def test_the_release_before_goes_on_working_on_this_schema(migrated_url: str):
    """For as long as both run side by side: its statements, and what each sees of the other's."""
    with release_before(migrated_url) as old, house(migrated_url) as service:
        old.opens(mornings(3))
        assert old.run("SELECT count(*) FROM place WHERE lot = 99") == [(6,)]
        old.rings("CA1")
        assert old.run(LOOK)[0].first == old.holds("CA1").id
        old.run(RELEASE, holder="CA1")
        old.books("CA1", "1234567890")
        # It begins a hold, and this release does not give that place to another.
        taken = old.holds("CA2").id
        service.phone("+33698765432").books(born="01021941")
        assert {row.reference for row in service.bookings()} >= {"1234567890"}
        assert old.run("SELECT held_by FROM place WHERE id = :place", place=taken) == [("CA2",)]
        # And the other way round.
        service.phone("+33687654321").goes_to("offers", born="05051943")
        ours = old.run("SELECT id FROM place WHERE held_by IS NOT NULL AND held_by <> 'CA2'")
        assert ours
        assert old.holds("CA3").id not in {row.id for row in ours}
        assert len(old.run(EXPORT)) == 2
        old.opens(mornings(1, first=9), first_slot=4)
        assert verified(service) == ["2 bookings, 8 places, 0 contradictions"]
        old.now += timedelta(days=400)
        assert len(old.run(ERASE)) == 2


# ---------------------------------------------------------------- while others work


@pytest.fixture
def url_of_today(migrated_url: str, next_migration: None) -> str:
    """With some rows, which the next migration is still to come to."""
    with release_before(migrated_url) as old:
        old.opens(mornings(50))
    return migrated_url


@pytest.mark.parametrize("mode", ["ACCESS SHARE", "ROW EXCLUSIVE"])
def test_a_busy_table_makes_it_give_up_and_it_is_run_again(url_of_today: str, mode: str):
    migrate = make_migrate(url_of_today)
    with psycopg.connect(driver_url(url_of_today)) as other:
        other.execute(f"LOCK TABLE place IN {mode} MODE")
        result = CliRunner().invoke(migrate)
        assert result.exit_code == 1
        (sentence,) = result.stderr.splitlines()
        assert sentence.startswith("Error: others kept a table busy for 1s")
        assert "run it again" in sentence
        # Nobody waits behind it: whoever wants the table has it at once.
        with psycopg.connect(driver_url(url_of_today), autocommit=True) as caller:
            caller.execute("SET lock_timeout = '10ms'")
            caller.execute("UPDATE place SET held_by = NULL WHERE id = 1")
    result = CliRunner().invoke(migrate)
    assert (result.exit_code, result.stdout) == (0, f"The database went from {TODAY} to {NEXT}.\n")


def test_going_back_gives_up_too_and_then_nothing_is_undone(url_of_today: str):
    upgrade(url_of_today)
    before = schema(url_of_today)
    with psycopg.connect(driver_url(url_of_today)) as other:
        other.execute("LOCK TABLE booking IN ACCESS SHARE MODE")
        with pytest.raises(NotMigrated):
            downgrade(url_of_today, TODAY)
        after = schema(url_of_today)
        indexes = [one["name"] for one in after["place"].pop("indexes")]
        before["place"].pop("indexes")
        assert after == before
        assert {"ix_place_share", "ix_place_booking_id"} <= set(indexes)
    assert downgrade(url_of_today, TODAY) == (NEXT, TODAY)


def test_an_index_that_was_cut_off_is_made_anew(url_of_today: str):
    url = driver_url(url_of_today)
    with psycopg.connect(url, autocommit=True) as admin, psycopg.connect(url) as other:
        admin.execute("ALTER TABLE place ADD COLUMN share SMALLINT DEFAULT '99' NOT NULL")
        # Making it waits for this one, and is stopped while it does.
        other.execute("UPDATE place SET held_by = NULL WHERE id = 1")
        admin.execute("SET statement_timeout = '50ms'")
        with pytest.raises(QueryCanceled):
            admin.execute("CREATE INDEX CONCURRENTLY ix_place_share ON place (share)")
        admin.execute("SET statement_timeout = 0")
        assert admin.execute(VALID, ["ix_place_share"]).fetchone() == (False,)
    assert upgrade(url_of_today) == (TODAY, NEXT)
    with psycopg.connect(url) as admin:
        assert admin.execute(VALID, ["ix_place_share"]).fetchone() == (True,)
    made, expected = schema(url_of_today), _expected(url_of_today)
    assert made == expected


VALID = "SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass(%s)"


def _expected(url: str) -> dict[str, Any]:
    """The schema of a database that goes all the way up in one go."""
    empties(url)
    upgrade(url)
    return schema(url)


def test_calls_go_on_while_the_indexes_are_made(url_of_today: str):
    """A transaction that has written makes the index wait; others write and read meanwhile."""
    url = driver_url(url_of_today)
    with psycopg.connect(url, autocommit=True) as admin:
        admin.execute("ALTER TABLE place ADD COLUMN share SMALLINT DEFAULT '99' NOT NULL")
        admin.execute("ALTER TABLE place ADD COLUMN shown_at TIMESTAMPTZ")
        admin.execute("ALTER TABLE booking ADD COLUMN note_enc BYTEA")
    # All columns are there: what is left are the indexes, which wait for this transaction.
    with psycopg.connect(url) as other:
        other.execute("UPDATE place SET held_by = NULL WHERE id = 1")
        done: list[Any] = []
        migrating = threading.Thread(target=lambda: done.append(upgrade(url_of_today)))
        migrating.start()
        with psycopg.connect(url, autocommit=True) as caller:
            caller.execute("SET lock_timeout = '1s'")
            # Until the index is being made, and waits.
            while not caller.execute(MAKING).fetchone():
                assert migrating.is_alive()
            for number in range(2, 60):
                held = caller.execute("UPDATE place SET held_by = 'CA1' WHERE id = %s", [number])
                assert held.rowcount == 1
                assert caller.execute("SELECT count(*) FROM place").fetchone() == (100,)
            assert migrating.is_alive()
    migrating.join(60)
    assert done == [(TODAY, NEXT)]


MAKING = """
SELECT pid FROM pg_stat_progress_create_index
WHERE phase LIKE 'waiting for%' AND datname = current_database() AND relid = 'place'::regclass
"""
