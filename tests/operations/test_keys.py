"""A data key is added, everything is sealed anew while people book, and the old key goes."""

from __future__ import annotations

import base64
import subprocess
import sys
import threading
import time
import traceback

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from click.testing import Result
from sqlalchemy import Column, MetaData, select, text, true, update
from sqlalchemy.exc import DBAPIError

import config

from commands.terminal import progress_bar
from models.accounts.tables import staff_act
from models.all_tables import metadata
from models.booking import changes
from models.booking.bookings import person_idx
from models.booking.tables import appointment, booking, history
from models.call.tables import call, caller_pace
from models.crypto import derived_index_key
from models.messages import phone_lines
from models.messages.tables import message, phone_line
from models.operations import look_ups, reseal
from models.operations.reseal import SealedTable
from models.supervision import snapshots
from models.types import LookUp, LookUpWay, Sealed
from services.keys.check_keys import WrongKeys, check_keys
from services.keys.keys import KeysRefused, Resealed, reseal_all, rewrite_look_ups
from services.store import CryptographicChance
from tests.operations.sealed_rows import (
    BORN,
    add_many,
    fill,
    id_of,
    keys_in_use,
    number_of,
    opened,
    reference_of,
    restarted,
)
from tests.support import parts
from tests.support.house import MOBILE, NOON, House, mornings
from tests.support.keeper import ROOT
from tests.support.rows import change, clock_of, confirms, holds, rows_of
from tools.launcher.environment import inherited

OLD, NEW = bytes(range(32)), bytes(range(1, 33))
INDEX = bytes(range(2, 34))
# What look-ups are made with where there is no index key.
INDEX_AS_BEFORE = derived_index_key(OLD)
MANY = 1500


@pytest.fixture
def filled(service: House) -> House:
    """A service with a sealed value in every column that can have one, written with the old key."""
    service.opens_centre("1", starts=mornings(40), capacity=50)
    check_keys(service.store)
    fill(service)
    return service


def resealed(house: House, **options: Any) -> Resealed:
    return reseal_all(house.store, by="anne", watch=progress_bar, **options)


def rewritten(house: House) -> Resealed:
    return rewrite_look_ups(house.store, by="anne", watch=progress_bar)


def flask(house: House, *args: str) -> Result:
    return house.application().test_cli_runner().invoke(args=list(args))


def refused(house: House, *args: str) -> str:
    """The one sentence with which a command says no."""
    result = flask(house, *args)
    assert result.exit_code == 1
    (sentence,) = result.stderr.splitlines()
    return sentence


class Killed(BaseException):
    """The end of a process that seals anew."""


def killed_at_messages(what: str, total: int) -> Any:
    """Watch as the commands do, up to the table of messages."""
    if what == "message":
        raise Killed
    return progress_bar(what, total)


def key_of(printed: str) -> tuple[int, bytes]:
    number, _, encoded = printed.strip().partition(":")
    return int(number) - 1, base64.b64decode(encoded)


# ---------------------------------------------------------------- columns are found by their type


def test_every_personal_column_has_a_type_by_which_it_is_found():
    for table in metadata.tables.values():
        if table.name == "key_canary":
            continue
        for column in table.c:
            assert column.name.endswith("_enc") == isinstance(column.type, Sealed), column
            # A hash of a token is no keyed hash: the token is as random as a key.
            if column.name.endswith("_idx") and column.name != "token_idx":
                assert isinstance(column.type, LookUp), column


def test_every_look_up_says_what_becomes_of_it():
    for table in metadata.tables.values():
        for column in table.c:
            if not isinstance(column.type, LookUp):
                continue
            if column.type.way is LookUpWay.VALUE:
                assert isinstance(table.c[str(column.type.of)].type, Sealed)
            elif column.type.way is LookUpWay.PERSON:
                assert table.name in look_ups.PERSONS


# ---------------------------------------------------------------- sealing anew


def test_every_sealed_column_is_sealed_anew_and_says_the_same(filled: House):
    before = opened(filled)
    restarted(filled, {0: OLD, 1: NEW})
    done = resealed(filled)
    assert not done.not_opened
    assert set(done.by_table) == {one.name for one in reseal.sealed_tables(metadata)}
    assert all(done.by_table.values())
    assert keys_in_use(filled) == {1}
    restarted(filled, {1: NEW}, filled.store.vault.index_key)
    assert opened(filled) == before


def test_what_was_killed_goes_on_with_the_rest(filled: House):
    add_many(filled.database, filled.store.vault, 50)
    restarted(filled, {0: OLD, 1: NEW})
    with pytest.raises(Killed):
        reseal_all(filled.store, by="anne", watch=killed_at_messages, batch=7)
    assert keys_in_use(filled) == {0, 1}
    done = resealed(filled, batch=7)
    assert done.by_table["booking"] == 0
    assert done.by_table["message"] > 50
    assert keys_in_use(filled) == {1}
    assert resealed(filled).rows == 0


@pytest.mark.parametrize("guarded", [True, False])
def test_what_is_written_meanwhile_is_never_overwritten(
    service: House, monkeypatch: pytest.MonkeyPatch, *, guarded: bool
):
    service.opens_centre("1")
    add_many(service.database, service.store.vault, 2)
    vault = restarted(service, {0: OLD, 1: NEW}).store.vault
    (one,) = (one for one in reseal.sealed_tables(metadata) if one.name == "booking")
    with service.database.statement() as connection:
        read = reseal.seal_anew(connection, vault, one, (id_of(0),), (id_of(1),))
    where = f"booking.phone:{id_of(1)}"
    newer = vault.seal_text("+33698765432", where)
    change(
        service.database,
        update(booking).where(booking.c.id == id_of(1)).values(phone_enc=newer),
    )
    if not guarded:
        monkeypatch.setattr(Column, "is_not_distinct_from", lambda _column, _other: true())
    with service.database.transaction() as connection:
        assert reseal.write(connection, one, read.changes) == (1 if guarded else 2)
    kept = "+33698765432" if guarded else number_of(1)
    assert opened(service)[where].decode() == kept


def test_a_row_that_somebody_keeps_is_left_and_nobody_waits(service: House):
    service.opens_centre("1")
    add_many(service.database, service.store.vault, 2)
    vault = restarted(service, {0: OLD, 1: NEW}).store.vault
    (one,) = (one for one in reseal.sealed_tables(metadata) if one.name == "booking")
    with service.database.statement() as connection:
        read = reseal.seal_anew(connection, vault, one, (id_of(0),), (id_of(1),))
    with service.database.transaction() as other:
        other.execute(select(booking.c.id).where(booking.c.id == id_of(0)).with_for_update())
        with service.database.transaction() as connection:
            connection.execute(text("SET LOCAL lock_timeout = '1ms'"))
            assert reseal.write(connection, one, read.changes) == 1
    assert resealed(service).by_table["booking"] == 1


def test_a_value_that_no_key_opens_is_named_and_stays(filled: House):
    add_many(filled.database, filled.store.vault, 3)
    moved = select(booking.c.dob_enc).where(booking.c.id == id_of(0)).scalar_subquery()
    change(filled.database, update(booking).where(booking.c.id == id_of(1)).values(dob_enc=moved))
    restarted(filled, {0: OLD, 1: NEW}, INDEX_AS_BEFORE)
    result = flask(filled, "keys", "reseal")
    assert result.exit_code == 1
    assert result.stderr == (
        "Error: 1 values do not open with any key of DATA_KEYS and stay as they are:"
        f" booking.dob:{id_of(1)}\n"
    )
    assert "key 1 of DATA_KEYS still seals 1 values in booking" in refused(
        filled, "keys", "retire", "1"
    )


# ---------------------------------------------------------------- while people book


@dataclass
class Bookings:
    """Somebody books, finds an old booking and writes to its person, again and again.

    Another process of the service than the one that seals anew. `pace` is in bookings a second;
    None: as many as can be.
    """

    house: House
    old: int
    pace: float | None = None
    enough: threading.Event = field(default_factory=threading.Event)
    booked: int = 0
    slowest: float = 0.0
    written: dict[str, bytes] = field(default_factory=dict)
    errors: list[str] = field(default_factory=list)

    def run(self) -> None:
        began = time.monotonic()
        while not self.enough.is_set() or not self.booked:
            try:
                before = time.monotonic()
                self.book()
                self.slowest = max(self.slowest, time.monotonic() - before)
                self.write_to(self.booked * 7 % self.old)
            except Exception:  # noqa: BLE001 (told at the end)
                self.errors.append(traceback.format_exc())
                return
            self.booked += 1
            if self.pace:
                self.enough.wait(began + self.booked / self.pace - time.monotonic())

    def book(self) -> None:
        holder = f"CA{self.booked}"
        (held, *_) = holds(self.house, holder)
        assert confirms(self.house, holder, held, text_to=number_of(self.old + self.booked))

    def write_to(self, number: int) -> None:
        vault, row = self.house.store.vault, id_of(number)
        where, plain = f"message.payload:{row}", f"{self.booked}"
        new = update(message).where(message.c.id == row)
        with self.house.database.transaction() as connection:
            found = changes.id_by_reference(connection, vault, reference_of(number))
            assert found == row
            connection.execute(new.values(payload_enc=vault.seal_text(plain, where)))
        self.written[where] = plain.encode()


@contextmanager
def booking_meanwhile(url: str, old: int, pace: float | None = None) -> Iterator[Bookings]:
    """Bookings by a process that knows both keys and seals with the new one."""
    other = House(url, chance=CryptographicChance())
    restarted(other, {0: OLD, 1: NEW})
    made = Bookings(other, old, pace)
    thread = threading.Thread(target=made.run)
    thread.start()
    try:
        yield made
    finally:
        made.enough.set()
        thread.join()
        other.close()


def test_people_book_while_everything_is_sealed_anew(service: House, database_url: str):
    service.opens_centre("1", starts=mornings(20), capacity=200)
    check_keys(service.store)
    add_many(service.database, service.store.vault, MANY)
    restarted(service, {0: OLD, 1: NEW})
    with booking_meanwhile(database_url, MANY) as meanwhile:
        done = resealed(service)
    assert meanwhile.errors == []
    assert meanwhile.booked
    assert not done.not_opened
    assert keys_in_use(service) == {1}
    values = opened(service)
    assert meanwhile.written.items() <= values.items()
    assert len(service.bookings()) == meanwhile.booked
    assert values[f"booking.phone:{id_of(MANY - 1)}"].decode() == number_of(MANY - 1)


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_a_million_rows_while_twenty_a_second_are_booked(
    service: House, database_url: str, capsys: pytest.CaptureFixture[str]
):
    """As an operator does it: the command is a process, and so are those who book."""
    many = int(parts.environment("KEYS_ROWS") or "1000000") // 2
    service.opens_centre("1", starts=mornings(30), capacity=1000)
    check_keys(service.store)
    add_many(service.database, service.store.vault, many)
    both = f"1:{base64.b64encode(OLD).decode()},2:{base64.b64encode(NEW).decode()}"
    began = time.monotonic()
    with booking_meanwhile(database_url, many, pace=20.0) as meanwhile:
        command = subprocess.run(
            [sys.executable, "-m", "flask", "keys", "reseal"],
            cwd=ROOT,
            env={**inherited(), "DATABASE_URL": database_url, "DATA_KEYS": both},
            capture_output=True,
            text=True,
            check=False,
        )
    seconds = time.monotonic() - began
    with capsys.disabled():
        print(  # noqa: T201 (the figures of docs/keys.md)
            f"\n{2 * many} rows in {seconds:.0f} s, {meanwhile.booked} booked meanwhile"
            f" ({meanwhile.booked / seconds:.1f} a second), the slowest in"
            f" {meanwhile.slowest * 1000:.0f} ms; {command.stdout.strip()[-40:]}"
        )
    assert command.returncode == 0, command.stderr
    assert meanwhile.errors == []
    retire = restarted(service, {0: OLD, 1: NEW}, service.store.vault.index_key)
    assert flask(retire, "keys", "retire", "1").exit_code == 0
    restarted(service, {1: NEW}, service.store.vault.index_key)
    assert check_keys(service.store)
    assert "key 1: retired; 0 values" in flask(service, "keys", "list").stdout.splitlines()
    with pytest.raises(WrongKeys):
        check_keys(restarted(service, {1: OLD}, service.store.vault.index_key).store)
    restarted(service, {1: NEW}, service.store.vault.index_key)
    with service.database.statement() as connection:
        for number in (0, many // 2, many - 1):
            found = changes.id_by_reference(connection, service.store.vault, reference_of(number))
            assert found == id_of(number)


# ---------------------------------------------------------------- append-only tables


@pytest.fixture
def told(service: House) -> SealedTable:
    """The history with a sealed column, as a table that is only added to may have one."""
    with service.database.transaction() as connection:
        connection.execute(text("ALTER TABLE history ADD COLUMN told_enc BYTEA"))
    table = history.to_metadata(MetaData())
    table.append_column(Column("told_enc", Sealed))
    with service.database.transaction() as connection:
        row: dict[str, Any] = {column.name: "" for column in table.c}
        row |= {"id": 7, "at": NOON, "details": "{}"}
        row["told_enc"] = service.store.vault.seal(b"why", "history.told:7")
        connection.execute(table.insert(), [row])
    return SealedTable(table)


@pytest.mark.owner
def test_a_line_that_is_only_added_is_sealed_anew_and_not_changed(
    service: House, told: SealedTable
):
    restarted(service, {0: OLD, 1: NEW})
    assert resealed(service, tables=[told]).rows == 1
    ((sealed, what),) = rows_of(service.database, select(told.table.c.told_enc, told.table.c.what))
    assert (sealed[0], what) == (1, "")
    assert service.store.vault.open(sealed, "history.told:7") == b"why"


@pytest.mark.owner
@pytest.mark.parametrize("column", ["told_enc", "why"])
def test_the_service_itself_still_cannot_change_a_line(
    service: House, told: SealedTable, column: str
):
    restarted(service, {0: OLD, 1: NEW})
    resealed(service, tables=[told])
    new = b"x" if column == "told_enc" else "x"
    with pytest.raises(DBAPIError, match=r"append only|permission denied"):
        change(service.database, update(told.table).values({column: new}))


@pytest.mark.owner
def test_even_the_owner_changes_nothing_but_what_is_sealed(service: House, told: SealedTable):
    taken = text("GRANT UPDATE ON history TO CURRENT_USER")
    said = text("SELECT set_config('allo.resealing', 'history', false)")
    with service.database.statement() as connection:
        connection.execute(taken)
        connection.execute(said)
        for column, value in (("why", "x"), ("told_enc", None)):
            with pytest.raises(DBAPIError, match="history is append only"):
                connection.execute(update(told.table).values({column: value}))


# ---------------------------------------------------------------- the life of a key


def test_a_key_is_added_everything_sealed_anew_and_the_old_one_goes(filled: House):
    """The exercise of docs/keys.md, with a restart wherever it says so."""
    caller = filled.bookings()[0].reference
    number, key = key_of(flask(filled, "keys", "add").stdout)
    assert number == 1
    # Each process can open what it seals, before any seals with it.
    restarted(filled, {1: key, 0: OLD})
    assert check_keys(filled.store)
    restarted(filled, {0: OLD, 1: key})
    assert check_keys(filled.store)
    assert "makes the look-ups" in refused(filled, "keys", "retire", "1")
    index = base64.b64decode(flask(filled, "keys", "add", "--index", "--as-before").stdout)
    restarted(filled, {0: OLD, 1: key}, index)
    assert "still seals" in refused(filled, "keys", "retire", "1")
    assert flask(filled, "keys", "reseal").exit_code == 0
    assert flask(filled, "keys", "retire", "1").exit_code == 0
    restarted(filled, {1: key}, index)
    assert check_keys(filled.store)
    assert filled.bookings()[0].reference == caller
    with filled.database.statement() as connection:
        assert changes.id_by_reference(connection, filled.store.vault, caller)
    listed = flask(filled, "keys", "list").stdout.splitlines()
    assert listed[0] == "key 1: retired; 0 values"
    assert listed[1].startswith("key 2: seals; ")
    assert listed[-1] == "key of look-ups: INDEX_KEY"
    with pytest.raises(WrongKeys, match="key 2 of DATA_KEYS is not the one"):
        check_keys(restarted(filled, {1: OLD}, index).store)


def test_a_key_that_was_added_and_is_not_used_yet_may_be_missing(filled: House):
    flask(filled, "keys", "add")
    assert check_keys(filled.store)
    assert "key 2: added, not in DATA_KEYS yet; 0 values" in flask(filled, "keys", "list").stdout


def test_another_key_than_the_one_that_was_made_is_refused(filled: House):
    flask(filled, "keys", "add")
    with pytest.raises(WrongKeys, match="key 2 of DATA_KEYS is not the one"):
        check_keys(restarted(filled, {0: OLD, 1: NEW}).store)


def test_a_start_without_a_key_that_rows_use_is_refused_by_its_number(filled: House):
    check_keys(restarted(filled, {0: OLD, 1: NEW}).store)
    fill_again = restarted(filled, {0: OLD}).store
    with pytest.raises(WrongKeys, match="key 2 of DATA_KEYS is missing") as caught:
        check_keys(fill_again)
    assert base64.b64encode(NEW).decode() not in str(caught.value)
    assert "key 2 of DATA_KEYS is missing" in refused(filled, "scheduler")


def test_what_a_late_process_sealed_with_a_retired_key_refuses_the_first_start_without_it(
    filled: House,
):
    late = filled.store
    restarted(filled, {0: OLD, 1: NEW}, INDEX_AS_BEFORE)
    assert flask(filled, "keys", "reseal").exit_code == 0
    assert flask(filled, "keys", "retire", "1").exit_code == 0
    add_many(filled.database, late.vault, 1)
    with pytest.raises(WrongKeys, match="rows of booking, message were sealed with it since"):
        check_keys(restarted(filled, {1: NEW}, INDEX_AS_BEFORE).store)
    assert flask(restarted(filled, {0: OLD, 1: NEW}, INDEX_AS_BEFORE), "keys", "reseal").stdout
    assert check_keys(restarted(filled, {1: NEW}, INDEX_AS_BEFORE).store)


def test_a_retired_key_that_stands_last_is_refused(filled: House):
    restarted(filled, {0: OLD, 1: NEW}, INDEX_AS_BEFORE)
    flask(filled, "keys", "reseal")
    flask(filled, "keys", "retire", "1")
    with pytest.raises(WrongKeys, match="key 1 of DATA_KEYS is retired and stands last"):
        check_keys(restarted(filled, {1: NEW, 0: OLD}, INDEX_AS_BEFORE).store)


@pytest.mark.parametrize(
    ("number", "sentence"),
    [
        ("9", "Error: there is no key 9 of DATA_KEYS"),
        (
            "2",
            "Error: key 2 of DATA_KEYS is the one that seals: add another key behind it first",
        ),
    ],
)
def test_what_cannot_be_retired(filled: House, number: str, sentence: str):
    assert refused(restarted(filled, {0: OLD, 1: NEW}), "keys", "retire", number) == sentence


def test_acts_of_the_operator_are_kept(filled: House):
    flask(filled, "keys", "add")
    flask(restarted(filled, {0: OLD, 2: NEW}, INDEX_AS_BEFORE), "keys", "reseal")
    flask(filled, "keys", "retire", "1")
    kept = rows_of(
        filled.database,
        select(staff_act.c.what, staff_act.c.subject)
        .where(staff_act.c.what.like("key%"))
        .order_by(staff_act.c.id),
    )
    assert [tuple(row) for row in kept] == [
        ("key_added", "2"),
        ("keys_resealed", "3"),
        ("key_retired", "1"),
    ]


# ---------------------------------------------------------------- the key of look-ups


def look_ups_of(house: House) -> dict[str, list[Any]]:
    return {
        table.name: sorted(
            tuple(row)
            for row in rows_of(
                house.database,
                select(*table.primary_key, *columns).where(*(one.is_not(None) for one in columns)),
            )
        )
        for table in metadata.tables.values()
        if (columns := [one for one in table.c if isinstance(one.type, LookUp)])
    }


def test_look_ups_made_anew_with_the_same_key_are_the_same(filled: House):
    """What they are made of here is what the service made them of."""
    before = look_ups_of(filled)
    for one in look_ups.look_up_tables(metadata):
        with filled.database.transaction() as connection:
            found = look_ups.rewrite(connection, filled.store.vault, one, None)
        assert found.rows, one.name
        assert (found.changed, found.not_opened) == (0, [])
    assert look_ups_of(filled) == before


def test_with_another_index_key_everybody_is_found_again(filled: House):
    slow = filled.store.vault.index("phone", MOBILE)
    with filled.database.transaction() as connection:
        connection.execute(caller_pace.insert().values(caller_idx=slow, slow=True, at=NOON))
        phone_lines.note_kind(connection, filled.clock, slow or b"", "mobile", source="lookup")
    (one,) = filled.bookings()
    restarted(filled, {0: OLD}, INDEX)
    with pytest.raises(WrongKeys, match="INDEX_KEY is not the one"):
        check_keys(filled.store)
    done = rewritten(filled)
    assert not done.not_opened
    assert all(done.by_table[table.name] for table in look_ups.look_up_tables(metadata))
    assert check_keys(filled.store)
    new = filled.store.vault.index("phone", MOBILE)
    for column in (
        booking.c.phone_idx,
        call.c.caller_idx,
        message.c.recipient_idx,
        caller_pace.c.caller_idx,
        phone_line.c.phone_idx,
    ):
        assert {row[0] for row in rows_of(filled.database, select(column))} == {new}, column
    with filled.database.statement() as connection:
        assert changes.id_by_reference(connection, filled.store.vault, one.reference)
    # The same person is the same person still.
    persons = {row[0] for row in rows_of(filled.database, select(appointment.c.person_idx))}
    assert persons == {person_idx(filled.store.vault, "tests", BORN, MOBILE, 1)}


def test_nothing_starts_while_look_ups_are_rewritten_and_it_goes_on_after_a_kill(filled: House):
    restarted(filled, {0: OLD}, INDEX)
    with pytest.raises(Killed):
        rewrite_look_ups(filled.store, by="anne", watch=killed_at_messages)
    with pytest.raises(WrongKeys, match="look-ups are being rewritten"):
        check_keys(filled.store)
    with pytest.raises(WrongKeys, match="look-ups are being rewritten"):
        check_keys(restarted(filled, {0: OLD}).store)
    with pytest.raises(KeysRefused, match="for another INDEX_KEY than this one"):
        rewritten(restarted(filled, {0: OLD}, NEW))
    rewritten(restarted(filled, {0: OLD}, INDEX))
    assert check_keys(filled.store)
    assert rewritten(filled).rows == 0


def test_it_is_refused_while_the_service_runs(filled: House):
    with filled.database.transaction() as connection:
        snapshots.put(connection, filled.clock, "board", {})
    restarted(filled, {0: OLD}, INDEX)
    assert "the service is running: stop it" in refused(filled, "keys", "reseal", "--index")
    clock_of(filled).advance(timedelta(seconds=31))
    assert flask(filled, "keys", "reseal", "--index").exit_code == 0


def test_without_the_index_key_that_was_set_nothing_starts(filled: House):
    rewritten(restarted(filled, {0: OLD}, INDEX))
    with pytest.raises(WrongKeys, match="INDEX_KEY is missing"):
        check_keys(restarted(filled, {0: OLD}).store)


def test_an_index_key_and_a_data_key_that_are_swapped_are_named(filled: House):
    rewritten(restarted(filled, {0: OLD}, INDEX))
    with pytest.raises(WrongKeys, match="INDEX_KEY is key 1 of DATA_KEYS: the two are swapped"):
        check_keys(restarted(filled, {0: INDEX}, OLD).store)


# ---------------------------------------------------------------- settings


def encoded(key: bytes) -> str:
    return base64.b64encode(key).decode()


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"data_keys": f"{encoded(OLD)},"}, "DATA_KEYS must hold base64 of 32 bytes"),
        ({"data_keys": encoded(OLD[:16])}, "DATA_KEYS must hold base64 of 32 bytes"),
        ({"data_keys": "é"}, "DATA_KEYS must hold base64 of 32 bytes"),
        ({"data_keys": f"{encoded(OLD)},{encoded(OLD)}"}, "DATA_KEYS holds the same key twice"),
        ({"data_keys": f"1:{encoded(OLD)},{encoded(NEW)}"}, "two keys of the number 1"),
        ({"data_keys": f"0:{encoded(OLD)}"}, "DATA_KEYS must number its keys from 1 to 256"),
        ({"data_keys": f"257:{encoded(OLD)}"}, "DATA_KEYS must number its keys from 1 to 256"),
        ({"data_keys": f"two:{encoded(OLD)}"}, "DATA_KEYS must number its keys from 1 to 256"),
        ({"index_key": encoded(INDEX[:31])}, "INDEX_KEY must be base64 of 32 bytes"),
        ({"index_key": "no key"}, "INDEX_KEY must be base64 of 32 bytes"),
        (
            {"data_keys": f"{encoded(OLD)},{encoded(INDEX)}", "index_key": encoded(INDEX)},
            "INDEX_KEY is one of DATA_KEYS",
        ),
    ],
)
def test_keys_that_are_none_are_refused_in_one_sentence(given: dict[str, str], named: str):
    with pytest.raises(config.BadSettings, match=named) as caught:
        config.load(_env_file=None, **given)
    assert len(str(caught.value).splitlines()) == 1
    assert encoded(OLD) not in str(caught.value)


def test_keys_have_the_numbers_that_they_are_given():
    def numbered(keys: str) -> dict[int, bytes]:
        return config.load(_env_file=None, data_keys=keys).vault_keys()

    assert numbered(f"{encoded(OLD)},{encoded(NEW)}") == {0: OLD, 1: NEW}
    assert list(numbered(f"2:{encoded(NEW)}, {encoded(OLD)}").items()) == [(1, NEW), (0, OLD)]
    assert numbered(f"256:{encoded(NEW)}") == {255: NEW}


def test_a_new_key_goes_into_the_file_that_the_setting_is_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.delenv("DATA_KEYS", raising=False)
    file = tmp_path / ".env"

    def added() -> Path | None:
        return config.change_file("DATA_KEYS", lambda value: f"{value},2:new", folder=tmp_path)

    assert added() is None
    file.write_text("# ours\nPORT=8001\nexport DATA_KEYS='old'\n", "utf-8")
    assert added() == file
    assert file.read_text("utf-8") == "# ours\nPORT=8001\nDATA_KEYS=old,2:new\n"
    assert file.stat().st_mode & 0o777 == 0o600
    # The command line puts what the file says into the environment; another value is from there.
    monkeypatch.setenv("DATA_KEYS", "old,2:new")
    assert added() == file
    assert added() is None


def test_the_command_puts_it_there_or_says_that_it_cannot(filled: House):
    result = flask(filled, "keys", "add", "--write")
    assert result.exit_code == 0
    assert "DATA_KEYS does not come from .env" in result.stderr
    assert key_of(result.stdout)[0] == 1


@pytest.mark.parametrize("options", [("--write", "--index"), ("--as-before",)])
def test_options_that_do_not_go_together(filled: House, options: Sequence[str]):
    assert flask(filled, "keys", "add", *options).exit_code == 2
