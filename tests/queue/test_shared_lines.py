"""Two people share a telephone: neither loses a promise or a place because of the other.

And whoever could not be reached finds their place again when they ring themselves.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import timedelta
from functools import partial
from typing import Any

import pytest

from sqlalchemy import select, text, update

from models.database import Connection
from models.queue import call_queues, queues
from models.queue.tables import queue_entry
from services.call.end_call import record_call_status
from services.queue import entries
from services.queue.promise_callback import RING_AFTER, end_where_needless, promise
from tests.agents.rings import Office
from tests.queue.test_callbacks import books_on, rings_in_vain, texts
from tests.queue.test_queue_line import Line
from tests.support.floor import Floor
from tests.support.house import LANDLINE, MOBILE, House
from tests.support.locks import WAITING
from tests.support.race import at_once
from tests.support.rows import change, clock_of, on_the_wire, rows_of

MINUTE = timedelta(minutes=1)


@pytest.fixture
def office(service: House) -> Office:
    return Office(service)


@pytest.fixture
def line(service: House) -> Line:
    return Line(service)


def is_served(office: Office, entry_id: str, staff_id: str) -> None:
    """An agent talks with them at this moment, and is done with it."""
    served = {"state": "done", "staff_id": staff_id, "answered_at": clock_of(office.house).now()}
    found = update(queue_entry).where(queue_entry.c.id == entry_id).values(**served)
    change(office.store.database, found)


def ends(house: House, call_id: str) -> None:
    """The provider tells that a line is over."""
    record_call_status(house.store, house.campaign, call_id, "completed")


# ---------------------------------------------------------------- who was served, and when


def test_who_was_served_before_a_promise_takes_nothing_of_it(office: Office, line: Line):
    one, other = line.joins("CA1", LANDLINE), line.joins("CA2", LANDLINE)
    office.passes(MINUTE)
    is_served(office, one, office.agent())
    office.passes(MINUTE)
    ends(office.house, "CA2")
    office.passes(MINUTE)
    assert office.entry(other).kind == "callback"
    assert end_where_needless(office.store) == 0
    # Nor is it let go when the agent is there who dials it.
    staff_id = office.staff_ids()[0]
    assert office.reserves() == 1
    office.rings(staff_id, LANDLINE)
    assert office.entry(other).state == "reserved"


def test_who_is_served_after_a_promise_ends_it(office: Office, line: Line):
    one, other = line.joins("CA1", LANDLINE), line.joins("CA2", LANDLINE)
    ends(office.house, "CA2")
    office.passes(MINUTE)
    is_served(office, one, office.agent())
    assert end_where_needless(office.store) == 1
    assert office.entry(other).outcome == "served"


def test_who_asks_again_after_being_served_is_rung(office: Office, line: Line):
    kept = office.promises(LANDLINE, "welcome")
    office.passes(MINUTE)
    is_served(office, line.joins("CA1", ""), office.agent())
    mine = line.store.vault.index("phone", LANDLINE)
    change(
        office.store.database,
        update(queue_entry).where(queue_entry.c.call_id == "CA1").values(phone_idx=mine),
    )
    office.passes(MINUTE)
    assert office.promises(LANDLINE, "offers") == kept
    assert end_where_needless(office.store) == 0


def test_a_booking_of_the_other_before_the_promise_withdraws_nothing(office: Office, line: Line):
    mine = line.joins("CA2", MOBILE)
    office.passes(MINUTE)
    books_on(office.house, MOBILE)
    office.passes(MINUTE)
    ends(office.house, "CA2")
    office.passes(MINUTE)
    assert end_where_needless(office.store) == 0
    assert office.entry(mine).state == "waiting"


def test_a_promise_of_before_counts_from_its_place(office: Office, line: Line):
    """Made by a release that did not write down when."""
    kept = office.promises(LANDLINE)
    change(office.store.database, update(queue_entry).values(promised_at=None))
    office.passes(MINUTE)
    is_served(office, line.joins("CA1", ""), office.agent())
    mine = line.store.vault.index("phone", LANDLINE)
    change(office.store.database, update(queue_entry).values(phone_idx=mine))
    assert end_where_needless(office.store) == 1
    assert office.entry(kept).outcome == "served"


# ---------------------------------------------------------------- one order of locks


def meanwhile(house: House, threads: ThreadPoolExecutor, act: Callable[[], Any]) -> Future[Any]:
    """Begin something in another thread; gives it when it is done, or waits for somebody."""
    begun = threads.submit(act)
    while not begun.done() and not rows_of(house.database, WAITING)[0][0]:
        pass
    return begun


def waits_beside(line: Line, call_id: str) -> str:
    """Another of that number waits on the line, with a place of their own."""
    made = line.store.chance.identifier()
    new = queues.NewQueueEntry(made, "fr", "call", "fr", call_id=call_id, number=MOBILE)
    with line.house.database.transaction() as connection:
        assert queues.add(connection, line.house.clock, line.store.vault, new)
    return made


def lock(connection: Connection, entry_id: str) -> None:
    mine = select(queue_entry.c.id).where(queue_entry.c.id == entry_id)
    connection.execute(mine.with_for_update())


def test_the_end_of_a_line_and_somebody_who_joins_never_wait_for_each_other(line: Line):
    """One of a number rings and takes up their promise; the line of the other is cut just then."""
    house = line.house
    promised = line.joins("CA1")
    ends(house, "CA1")
    line.later(minutes=1)
    other = waits_beside(line, "CA2")
    caller = entries.QueueCaller("CA3", MOBILE, "fr")
    door = line.door()
    with ThreadPoolExecutor(1) as threads:
        with house.database.transaction() as connection:
            # Whoever joins has come as far as the oldest place of their number.
            lock(connection, promised)
            end = meanwhile(house, threads, lambda: ends(house, "CA2"))
            mine = entries.join(connection, house.store, house.campaign, caller, door)
        end.result()
    assert mine == promised
    assert (line.entry(mine).kind, line.entry(mine).call_id) == ("call", "CA3")
    assert (line.entry(other).kind, line.entry(other).state) == ("callback", "waiting")


@pytest.mark.owner
def test_an_end_that_the_database_breaks_off_is_told_again_at_once(line: Line):
    """A real deadlock, of which the end is the victim: nobody tells it to us a second time."""
    house = line.house
    promised = line.joins("CA1")
    ends(house, "CA1")
    line.later(minutes=1)
    other = waits_beside(line, "CA2")
    with ThreadPoolExecutor(1) as threads:
        with house.database.transaction() as connection:
            # The other side looks later, so that it is not the one that is broken off.
            connection.execute(text("SET LOCAL deadlock_timeout = '30s'"))
            lock(connection, promised)
            end = meanwhile(house, threads, lambda: ends(house, "CA2"))
            lock(connection, other)
        end.result()
    assert line.entry(other).kind == "callback"
    assert line.entry(promised).outcome == "merged"


def test_all_lines_of_a_number_that_end_at_once_are_one_promise(line: Line):
    """A provider tells an end once: what another has in hand must not lose it."""
    calls = [f"CA{number}" for number in range(6)]
    for call_id in calls:
        line.joins(call_id)
    at_once(*[partial(ends, line.house, call_id) for call_id in calls])
    assert [one.kind for one in line.live()] == ["callback"]


def test_whoever_joins_has_their_place_before_what_they_hold(three_centres: House):
    """As the end of their call has it: first the line, then the places of slots."""
    floor = Floor(three_centres)
    floor.agent()
    caller = three_centres.phone().goes_to("confirm")
    with on_the_wire(three_centres.database) as sent:
        caller.presses("0")
    sent = sent[next(n for n, one in enumerate(sent) if "BEGIN" in one) :]
    joins = next(n for n, one in enumerate(sent) if "INSERT INTO queue_entry" in one)
    renews = next(n for n, one in enumerate(sent) if "UPDATE place" in one)
    assert joins < renews


# ---------------------------------------------------------------- who was not reached


def is_lost(office: Office, number: str) -> str:
    """A promise, and three tries in vain."""
    entry = office.promises(number, born="1942-03-12")
    staff_id = office.agent()
    for wait in (timedelta(minutes=15), timedelta(hours=2), timedelta()):
        rings_in_vain(office, staff_id, number, "no-answer")
        office.passes(wait)
    assert office.entry(entry).state == "lost"
    return entry


@pytest.mark.parametrize("number", [LANDLINE, MOBILE])
def test_whoever_was_not_reached_and_rings_has_their_old_place(
    office: Office, line: Line, number: str
):
    joined_at = office.entry(is_lost(office, number)).joined_at
    office.passes(timedelta(hours=20))
    before = line.joins("CA-somebody", "")
    mine = line.joins("CA1", number)
    assert line.entry(mine).joined_at == joined_at
    # What was given is not asked for again.
    assert line.entry(mine).known["born"] == "1942-03-12"
    assert line.standing(mine).ahead == 0
    assert line.standing(before).ahead == 1


def test_an_old_place_is_given_back_once(office: Office, line: Line):
    joined_at = office.entry(is_lost(office, LANDLINE)).joined_at
    first, second = line.joins("CA1", LANDLINE), line.joins("CA2", LANDLINE)
    assert line.entry(first).joined_at == joined_at
    assert line.entry(second).joined_at > joined_at


def test_an_old_place_is_kept_for_a_week(office: Office, line: Line):
    lost = is_lost(office, LANDLINE)
    office.passes(timedelta(days=8))
    late = line.joins("CA3", LANDLINE)
    assert line.entry(late).joined_at > office.entry(lost).joined_at


def test_whoever_rings_when_nobody_is_there_is_promised_at_the_old_place(office: Office):
    joined_at = office.entry(is_lost(office, LANDLINE)).joined_at
    again = office.promises(LANDLINE, "offers")
    assert office.entry(again).joined_at == joined_at
    assert texts(office.house) == []


def test_who_never_asked_for_anybody_had_no_place(office: Office, line: Line):
    entry = office.promises(LANDLINE, "silent")
    change(office.store.database, update(queue_entry).where(queue_entry.c.id == entry).values(
        state="lost", outcome="no_answer", ended_at=clock_of(office.house).now()))  # fmt: skip
    office.passes(MINUTE)
    mine = line.joins("CA1", LANDLINE)
    assert line.entry(mine).joined_at > office.entry(entry).joined_at


def test_whoever_was_not_reached_hears_that_we_tried(office: Office):
    is_lost(office, LANDLINE)
    office.agent()
    caller = office.house.phone(LANDLINE).dials().presses("0")
    assert caller.step == "queue"
    caller.hears_text("Nous avons essayé de vous rappeler")
    caller.hears_text("Vous êtes la prochaine personne")
    stranger = office.house.phone(MOBILE).dials().presses("0")
    assert "essayé de vous rappeler" not in stranger.documents[-1].decode()


# ---------------------------------------------------------------- a region's own promises


def promises_from(office: Office, number: str, departement: str | None, reason: str = "") -> str:
    with office.store.database.transaction() as connection:
        kept = promise(
            connection,
            office.store,
            number,
            None,
            {"reason": reason or "postcode"},
            departement=departement,
        )
    assert kept.entry_id
    office.passes(RING_AFTER)
    return kept.entry_id


def takes_for(office: Office, staff_id: str, queue_id: str) -> None:
    with office.store.database.transaction() as connection:
        call_queues.set_memberships(connection, staff_id, [queue_id])


def test_a_region_rings_its_own_people_back(office: Office, line: Line):
    line.makes_queue("fr-bretagne", "Bretagne")
    here, elsewhere = office.agent(), office.agent()
    takes_for(office, here, "fr-bretagne")
    theirs = promises_from(office, LANDLINE, "35")
    assert office.entry(theirs).queue_id == "fr-bretagne"
    assert office.reserves() == 1
    assert office.entry(theirs).staff_id == here
    assert office.state(elsewhere) == "ready"


def test_a_region_without_anybody_leaves_its_promises_to_all(office: Office, line: Line):
    line.makes_queue("fr-bretagne", "Bretagne")
    staff_id = office.agent()
    theirs = promises_from(office, LANDLINE, "35")
    assert office.reserves() == 0
    office.passes(timedelta(minutes=4))
    office.ready(staff_id)
    assert office.reserves() == 1
    assert office.entry(theirs).staff_id == staff_id


@pytest.mark.parametrize("departement", [None, "75", "35"])
def test_where_no_region_answers_it_is_the_national_queue(
    office: Office, line: Line, departement: str | None
):
    line.makes_queue("fr-bretagne", "Bretagne")
    with office.store.database.transaction() as connection:
        call_queues.set_queue(connection, office.store.clock, "fr-bretagne", state="closed")
    assert office.entry(promises_from(office, LANDLINE, departement)).queue_id == "fr"


def test_the_machine_rings_from_everywhere(office: Office, line: Line):
    line.makes_queue("fr-bretagne", "Bretagne")
    assert office.entry(promises_from(office, LANDLINE, "35", "silent")).queue_id == "fr"
