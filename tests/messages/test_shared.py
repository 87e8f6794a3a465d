"""Any number of processes share the outbox and a day of reminders: none reads what another has."""

from __future__ import annotations

import threading

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any

import pytest

from sqlalchemy import select
from sqlalchemy.sql import visitors

from jobs import scheduler
from jobs.relay import sweep
from jobs.timed import Task
from models.clock import FixedClock
from models.messages import claims, outbox
from models.messages import reminders as rows
from models.messages.reminders import ReminderDay
from models.messages.tables import message, reminder_part, reminder_plan
from models.prepared import Prepared
from services.messages import reminders, take_messages
from services.messages.deliver_message import KINDS, LEASE
from services.messages.reminders import plan
from services.messages.take_messages import deliver_taken, leave, take_due
from tests.messages.test_delivery import Killed
from tests.messages.test_reminders import books, local, opens
from tests.support.house import NOON, House, a_mobile, house
from tests.support.leads import ANOTHER
from tests.support.office import Office
from tests.support.rows import clock_of, on_the_wire, rows_of

WAITING = 40
START = "2026-12-10 14:00"


@pytest.fixture
def service(database_url: str) -> Iterator[House]:
    with house(database_url, clock=FixedClock(NOON)) as made:
        yield made


@dataclass
class Takes:
    """A provider that takes every text, and does `before` each."""

    before: Callable[[str], object] = lambda _: None
    sent: list[str] = field(default_factory=list)

    def send(self, message_id: str, _recipient: str, _body: str, *, sender: str = "") -> str:
        self.before(message_id)
        self.sent.append(message_id)
        return f"SM{message_id}"

    def find(self, *_: object) -> None:
        return None


def texts_wait(made: House, count: int = WAITING) -> Office:
    office = Office(made, Takes())
    for number in range(count):
        office.writes(a_mobile(number))
    return office


def taken_by(made: House, connection: Any, limit: int) -> set[str]:
    store = made.store
    args = (connection, store.clock, store.vault, KINDS, LEASE, LEASE)
    return {one.id for one in claims.take(*args, limit=limit, latest=False).claimed}


# ---------------------------------------------------------------- messages


def test_what_one_process_takes_another_does_not_even_read(service: House):
    texts_wait(service)
    with service.database.transaction() as one, service.database.transaction() as other:
        first, second = taken_by(service, one, 20), taken_by(service, other, 30)
    assert (len(first), len(second)) == (20, 20)
    assert not first & second


def test_without_the_lock_both_read_the_same(service: House, monkeypatch: pytest.MonkeyPatch):
    """The test above would see it. The condition of the claim alone lets none leave twice."""
    texts_wait(service)
    locking = claims._taking

    def unlocked(*args: Any, **named: Any) -> Prepared:
        sql = locking(*args, **named)._statement
        return Prepared(without_locks(sql))

    monkeypatch.setattr(claims, "_taking", unlocked)
    clock, read = service.clock, []
    with service.database.transaction() as one, service.database.transaction() as other:
        for connection in (one, other):
            found = claims._taking(clock, KINDS, latest=False).rows(connection, {"share": 20})
            read.append({row.id for row in found})
    assert read[0] == read[1]
    # Both have read them, and the second waits for what the first does with them.
    has_read = threading.Event()
    opened = claims._taken

    def notes(row: Any, vault: Any) -> Any:
        if threading.current_thread() is not threading.main_thread():
            has_read.set()
        return opened(row, vault)

    monkeypatch.setattr(claims, "_taken", notes)

    def takes() -> set[str]:
        with service.database.transaction() as connection:
            return taken_by(service, connection, 20)

    with ThreadPoolExecutor(1) as threads:
        with service.database.transaction() as connection:
            first = taken_by(service, connection, 20)
            second = threads.submit(takes)
            assert has_read.wait(20)
        assert (len(first), second.result(20)) == (20, set())


def test_of_many_that_became_due_at_once_as_many_are_taken_as_were_asked_for(service: House):
    """Without an index for their order, the first and the last of one moment are the same rows."""
    texts_wait(service, 9)
    store = service.store
    args = (store.clock, store.vault, KINDS, LEASE, LEASE)
    with service.database.transaction() as connection:
        for way in ("indexscan", "indexonlyscan", "bitmapscan"):
            connection.exec_driver_sql(f"SET LOCAL enable_{way} = off")
        taken = [len(claims.take(connection, *args, limit=6).claimed) for _ in range(3)]
    assert taken == [6, 3, 0]


def without_locks(statement: Any) -> Any:
    """The same statement, with no row of it locked."""

    def unlocked(element: Any, **_: Any) -> Any:
        if getattr(element, "_for_update_arg", None) is None:
            return None
        made = element._generate()
        made._for_update_arg = None
        return made

    return visitors.replacement_traverse(statement, {}, unlocked)


def test_each_takes_its_part_and_every_text_leaves_once(service: House):
    office = texts_wait(service)
    together = threading.Barrier(4)

    def sweeps(_: int) -> int:
        together.wait(20)
        return sweep(service.store, office.messenger, senders=2)

    with ThreadPoolExecutor(4) as threads:
        tried = list(threads.map(sweeps, range(4)))
    assert sum(tried) == WAITING
    assert len(set(office.messenger.sent)) == len(office.messenger.sent) == WAITING


def test_each_kind_has_its_part_of_what_is_taken(service: House):
    office = texts_wait(service, 9)
    for number in range(9):
        new = outbox.NewMessage(f"{number:x}" * 32, "reminder", f"r:{number}", "+33612345678", {})
        with service.database.transaction() as connection:
            outbox.add(connection, service.clock, service.store.vault, new)
    office.later(seconds=1)
    kinds = [one.message.kind for one in take_due(service.store, KINDS, limit=6)]
    assert sorted(kinds) == ["reminder"] * 3 + ["sms"] * 3


def test_of_many_the_newest_are_taken_too(service: House):
    """A confirmation that was just written does not wait behind ten thousand texts."""
    office = texts_wait(service)
    office.later(seconds=1)
    newest = office.writes()
    taken = take_due(service.store, KINDS, limit=8)
    assert newest in {one.message.id for one in taken}
    # Half of them are of those that wait longest, which all wait since one moment.
    assert len([one for one in taken if one.message.id != newest]) >= 4


def test_what_a_process_took_and_did_not_begin_is_due_at_once_when_it_ends(service: House):
    texts_wait(service, 3)
    taken = take_due(service.store, KINDS, limit=9)
    assert take_due(service.store, KINDS, limit=9) == []
    leave(service.store, taken)
    again = take_due(service.store, KINDS, limit=9)
    assert {one.message.id for one in again} == {one.message.id for one in taken}
    assert [(one.message.attempts, one.message.ambiguous) for one in again] == [(1, False)] * 3


def test_one_that_is_in_doubt_stays_so_when_it_is_left(service: House):
    office = texts_wait(service, 1)
    take_due(service.store, KINDS, limit=9)
    office.later(seconds=26)
    (doubtful,) = take_due(service.store, KINDS, limit=9)
    assert doubtful.message.ambiguous
    leave(service.store, [doubtful])
    (again,) = take_due(service.store, KINDS, limit=9)
    assert (again.message.ambiguous, again.message.attempts) == (True, 2)


@pytest.mark.parametrize("when", ["after the claim", "after the provider took it"])
def test_a_process_that_is_killed_loses_nothing_and_sends_nothing_twice(service: House, when: str):
    office = texts_wait(service, 6)
    taken = take_due(service.store, KINDS, limit=9)
    if when == "after the provider took it":
        provider, first = office.messenger, [f"{number:032x}" for number in (1, 2)]
        for one in [one for one in taken if one.message.id in first]:
            with pytest.raises(Killed):
                deliver_taken(service.store, Mortal(provider), one)
        provider.find = lambda to, body, _since: (
            "SMfound" if body.endswith(tuple(f"{n:010d}" for n in (1, 2))) else None
        )
    # Nobody else has them before its lease is over; then another does.
    assert sweep(service.store, office.messenger) == 0
    office.later(seconds=26)
    assert sweep(service.store, office.messenger) == 6
    assert sorted(office.messenger.sent) == [f"{number:032x}" for number in range(1, 7)]
    assert {row.state for row in service.messages("sms")} == {"sent"}


@dataclass
class Mortal:
    """A relay that dies when the provider has its text."""

    real: Takes

    def send(self, *told: str, sender: str = "") -> str:
        self.real.send(*told)
        raise Killed

    def find(self, *_: object) -> None:
        return None


def sends_late(made: House) -> list[str]:
    """One that waited behind others for longer than its lease, as another process goes on."""
    office = texts_wait(made, 1)
    (mine,) = take_due(made.store, KINDS, limit=9)
    office.later(seconds=26)
    assert sweep(made.store, office.messenger) == 1
    deliver_taken(made.store, office.messenger, mine)
    return list(office.messenger.sent)


def test_one_that_is_begun_late_is_claimed_anew(service: House):
    assert len(sends_late(service)) == 1


def test_without_that_it_leaves_twice(service: House, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(take_messages, "BEGUN_WITHIN", timedelta(days=1))
    assert len(sends_late(service)) == 2


def test_those_that_cannot_be_opened_are_put_aside_and_all_behind_them_leave(service: House):
    """More of them than one process has in hand."""
    office = texts_wait(service, 9)
    spoilt = message.update().where(message.c.id <= f"{7:032x}").values(payload_enc=b"\x01" * 40)
    with service.database.transaction() as connection:
        connection.execute(spoilt)
    assert sweep(service.store, office.messenger, senders=1) == 9
    assert sorted(office.messenger.sent) == [f"{8:032x}", f"{9:032x}"]
    row = office.row(f"{1:032x}")
    assert (row.state, row.error_code, row.attempts) == ("pending", "unreadable", 0)


def test_schedulers_share_what_many_can_do_at_once(service: House):
    planned = scheduler.tasks(service.store, Takes(), lambda _: None)
    shared = {task.name for task in planned if task.is_shared}
    assert shared == {"sweep", "reminders"}


def test_what_is_shared_is_done_by_a_process_that_does_not_lead():
    done, stop = list[str](), threading.Event()

    def does(name: str) -> Callable[[], int]:
        def do() -> int:
            done.append(name)
            stop.set()
            return 0

        return do

    planned = [Task("sweep", 9, does("sweep"), is_shared=True), Task("tidy", 9, does("tidy"))]
    scheduler.work(planned, stop, ANOTHER)
    assert done == ["sweep"]


# ---------------------------------------------------------------- a day of reminders

MANY = 24


def booked_many(made: House) -> None:
    """People at three hours of a day, of whom it is time to be reminded."""
    starts = [local(START) + timedelta(hours=hour) for hour in range(3)]
    opens(made, *starts)
    for number in range(MANY):
        books(made, starts[number % 3], number=a_mobile(number))
    clock_of(made).advance(local("2026-12-08 10:00") - NOON)


def reminded(made: House) -> list[str]:
    statement = select(message.c.booking_id).where(message.c.kind == "reminder")
    return [row.booking_id for row in rows_of(made.database, statement)]


def days_plan(made: House) -> list[tuple[str, int]]:
    found = rows_of(made.database, select(reminder_plan).order_by(reminder_plan.c.what))
    return [(row.what, row.messages) for row in found]


@pytest.mark.parametrize("part", [1, 5, 8, 24, 1000])
def test_parts_of_any_size_remind_everybody_once(service: House, part: int):
    booked_many(service)
    assert plan(service.store, [service.campaign], part=part) == MANY
    assert len(set(reminded(service))) == len(reminded(service)) == MANY
    assert days_plan(service) == [("days1", 0), ("days2", MANY)]
    assert rows_of(service.database, select(reminder_part)) == []
    assert plan(service.store, [service.campaign], part=part) == 0


def test_an_evening_is_rung_in_parts_too(service: House):
    start = local(START)
    opens(service, start)
    for number in range(7):
        books(service, start, number=a_mobile(number), calls=True)
        clock_of(service).advance(timedelta(seconds=1))
    clock_of(service).advance(local("2026-11-25 18:00") - service.clock.now())
    assert plan(service.store, [service.campaign], part=2) == 7
    assert plan(service.store, [service.campaign], part=2) == 0


def day_of(made: House) -> ReminderDay:
    (part, *_) = rows_of(made.database, select(reminder_part))
    begins = local("2026-12-10 00:00")
    return ReminderDay(
        part.what, part.campaign, part.time_zone, part.day, begins, begins + timedelta(days=1)
    )


def cut_only(made: House, part: int) -> ReminderDay:
    """Cut the day, and let no part be written."""
    assert plan(made.store, [made.campaign], part=part, goes_on=lambda: False) == 0
    return day_of(made)


def test_what_one_process_writes_another_does_not_even_read(service: House):
    booked_many(service)
    day = cut_only(service, 8)
    with service.database.transaction() as one, service.database.transaction() as other:
        parts = [rows.take_part(connection, day) for connection in (one, other)]
    assert [part.number for part in parts if part] == [0, 1]


def test_without_the_lock_both_read_the_same_part(service: House, monkeypatch: pytest.MonkeyPatch):
    booked_many(service)
    day = cut_only(service, 8)
    locked = rows._next_part
    monkeypatch.setattr(rows, "_next_part", lambda day: without_locks(locked(day)))
    with service.database.transaction() as one, service.database.transaction() as other:
        read = [connection.execute(rows._next_part(day)).one() for connection in (one, other)]
    assert [row.number for row in read] == [0, 0]


def test_four_who_plan_at_once_write_each_part_once(
    service: House, monkeypatch: pytest.MonkeyPatch
):
    booked_many(service)
    real, written, together = reminders._write_part, list[int](), threading.Barrier(4)

    def notes(connection: Any, store: Any, due: Any, part: Any) -> int:
        if due.day.what == "days2":
            written.append(part.number)
        return real(connection, store, due, part)

    monkeypatch.setattr(reminders, "_write_part", notes)

    def plans(_: int) -> int:
        together.wait(20)
        return plan(service.store, [service.campaign], part=3)

    with ThreadPoolExecutor(4) as threads:
        assert sum(threads.map(plans, range(4))) == MANY
    assert sorted(written) == list(range(len(written)))
    assert len(set(reminded(service))) == MANY


@pytest.mark.parametrize("part", [1, 4, 7])
def test_a_planner_that_is_killed_in_any_part_loses_none_and_doubles_none(
    service: House, monkeypatch: pytest.MonkeyPatch, part: int
):
    booked_many(service)
    real, left = rows._write, iter([0, 1, 2, 3, 0, 1])

    def dies(*args: Any) -> int:
        written = real(*args)
        if next(left, 9) == 0:
            raise Killed
        return written

    monkeypatch.setattr(rows, "_write", dies)
    total = 0
    for _ in range(3):
        try:
            total += plan(service.store, [service.campaign], part=part)
        except Killed:
            continue
    assert len(set(reminded(service))) == len(reminded(service)) == MANY
    assert ("days2", MANY) in days_plan(service)


def test_a_process_that_is_to_end_leaves_the_other_parts(service: House):
    booked_many(service)
    asked = iter([True, False])
    written = plan(service.store, [service.campaign], part=8, goes_on=lambda: next(asked, False))
    assert 0 < written < MANY
    assert written + plan(service.store, [service.campaign], part=8) == MANY


def test_whoever_is_moved_while_a_day_is_written_is_reminded_of_where_they_are(service: House):
    """Bounds are by moment and id: no appointment is in two parts, whatever is booked meanwhile."""
    booked_many(service)
    cut_only(service, 8)
    late = books(service, local(START) + timedelta(hours=1), number=a_mobile(90))
    plan(service.store, [service.campaign])
    # Booked so lately that they know.
    assert late not in reminded(service)
    assert len(set(reminded(service))) == len(reminded(service)) == MANY


def test_parts_that_an_earlier_day_left_go_with_the_next(service: House):
    booked_many(service)
    cut_only(service, 8)
    clock_of(service).advance(timedelta(days=1))
    plan(service.store, [service.campaign])
    assert rows_of(service.database, select(reminder_part)) == []


def test_no_part_is_cut_off_by_the_limit_of_a_webhooks_statement(service: House):
    """A nation's day took one statement longer than that, so it was never written."""
    booked_many(service)
    with on_the_wire(service.database) as sent:
        plan(service.store, [service.campaign])
    writes = [number for number, one in enumerate(sent) if "INSERT INTO message" in one]
    lifted = [number for number, one in enumerate(sent) if "statement_timeout = 0" in one]
    assert len(writes) <= len(lifted)
    assert min(writes) > min(lifted)


def test_the_day_of_a_part_is_that_of_its_plan(service: House):
    booked_many(service)
    day = cut_only(service, 8)
    parts = rows_of(service.database, select(reminder_part).order_by(reminder_part.c.number))
    of_day = [part for part in parts if part.what == day.what]
    assert {part.day for part in of_day} <= {date(2026, 12, 9), date(2026, 12, 10)}
    bounds: list[tuple[datetime, int]] = [(of_day[0].begins_at, of_day[0].begins_id)]
    for part in of_day:
        assert (part.begins_at, part.begins_id) == bounds[-1]
        bounds.append((part.ends_at, part.ends_id))
    assert bounds == sorted(bounds)
