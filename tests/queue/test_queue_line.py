"""The line of people keeps its order and its places.

A place is told by the moment it was joined at: whatever happens to a line, that stays.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from flows.agents import AfterQueue, NoPerson
from models.queue import call_queues, order, queues
from models.queue.call_queues import CallQueue, QueueStatus
from models.queue.order import QueuePosition
from models.queue.queues import NewQueueEntry, QueueEntry
from models.queue.tables import queue_entry
from services.campaign.opening_hours import USUAL
from services.queue import entries
from services.queue.entries import QueueCaller
from services.queue.wait_estimate import Throughput
from tests.support.floor import Floor
from tests.support.house import LANDLINE, MOBILE, NOON, House, a_mobile
from tests.support.race import at_once
from tests.support.rows import on_the_wire

LIVE = ("waiting", "kept", "reserved", "talking")


class Line:
    """The line of one house. `joins` is what a caller does who asks for a person."""

    def __init__(self, house: House) -> None:
        self.house = house
        self.store = house.store

    def door(self, language: str = "fr", departement: str | None = None) -> QueueStatus:
        with self.house.database.statement() as connection:
            found = entries.choose(
                call_queues.queue_statuses(connection, self.house.clock, language), departement
            )
        assert found is not None
        return found

    def joins(self, call_id: str, number: str = MOBILE, **more: Any) -> str:
        caller = QueueCaller(call_id, number, more.pop("language", "fr"), **more)
        door = self.door(caller.language, caller.departement)
        with self.house.database.transaction() as connection:
            return entries.join(connection, self.store, self.house.campaign, caller, door)

    def hangs_up(self, call_id: str) -> None:
        with self.house.database.transaction() as connection:
            entries.cut(connection, self.store, call_id)

    def promises(self, entry_id: str, number: str = "", **more: Any) -> bool:
        with self.house.database.transaction() as connection:
            return entries.promise(connection, self.store, entry_id, number=number, **more)

    def leaves(self, entry_id: str) -> bool:
        with self.house.database.transaction() as connection:
            return entries.leave(connection, self.store, entry_id)

    def moves(self, entry_id: str, before: str, after: str, **values: Any) -> bool:
        with self.house.database.transaction() as connection:
            return queues.move(connection, self.house.clock, entry_id, [before], after, **values)

    def entry(self, entry_id: str) -> QueueEntry:
        with self.house.database.statement() as connection:
            found = queues.load(connection, self.store.vault, entry_id)
        assert found is not None
        return found

    def live(self) -> list[QueueEntry]:
        with self.house.database.statement() as connection:
            ids = queues.ids_of(connection, queue_entry.c.state.in_(LIVE))
        return sorted(map(self.entry, ids), key=lambda one: (one.joined_at, one.id))

    def standing(self, entry_id: str) -> QueuePosition:
        with self.house.database.statement() as connection:
            found = order.queue_position(connection, self.house.clock, entry_id)
        assert found is not None
        return found

    def after(self, entry_id: str, call_id: str = "") -> AfterQueue:
        with self.house.database.statement() as connection:
            return entries.after_queue(connection, self.store, entry_id, call_id)

    def later(self, **by: float) -> None:
        self.house.clock.advance(timedelta(**by))  # type: ignore[attr-defined]

    def makes_queue(self, queue_id: str, region: str, language: str = "fr") -> None:
        with self.house.database.transaction() as connection:
            assert call_queues.add_queue(connection, self.house.clock, queue_id, language, region)


@pytest.fixture
def line(service: House) -> Line:
    return Line(service)


# ------------------------------------------------------------------ a place is kept


def test_numbers_that_the_machine_rings_make_nobody_wait_longer(line: Line):
    """A morning's reminders are in the same table, and take no agent's time."""
    with line.house.database.transaction() as connection:
        for number in range(3):
            new = NewQueueEntry(
                f"M{number}",
                "fr",
                "callback",
                "fr",
                number=a_mobile(number),
                reason="appointment",
                mode="machine",
                message_id=f"message{number}",
            )
            assert queues.add(connection, line.house.clock, line.store.vault, new)
    line.joins("CA1")
    door = line.door()
    assert (door.on_the_line, door.waiting) == (1, 1)


def test_a_place_has_what_was_given_and_nothing_of_it_in_the_clear(line: Line):
    given = {"born": "1942-03-12", "step": "postcode"}
    entry = line.entry(line.joins("CA1", known=given, reason="postcode"))
    assert (entry.kind, entry.state, entry.queue_id) == ("call", "waiting", "fr")
    assert (entry.call_id, entry.origin_call_id) == ("CA1", "CA1")
    assert (entry.number, entry.reason) == (MOBILE, "postcode")
    assert entry.known == given
    assert (entry.joined_at, entry.due_at, entry.overflow_at) == (NOON, NOON, None)
    with line.house.database.statement() as connection:
        row = connection.exec_driver_sql("SELECT phone_enc, known_enc FROM queue_entry").one()
    assert b"612345678" not in bytes(row[0])
    assert b"1942" not in bytes(row[1])


def test_a_line_that_is_cut_is_rung_and_keeps_its_place(line: Line):
    entry_id = line.joins("CA1")
    line.later(minutes=4)
    line.hangs_up("CA1")
    entry = line.entry(entry_id)
    assert (entry.kind, entry.state, entry.reason) == ("callback", "waiting", "cut")
    assert entry.joined_at == NOON
    assert entry.call_id is None
    # A moment to put the receiver down.
    assert timedelta() < entry.due_at - line.house.clock.now() <= timedelta(minutes=1)


def test_a_line_that_cannot_be_rung_is_kept_for_the_resume_window(line: Line):
    entry_id = line.joins("CA1", "")
    line.hangs_up("CA1")
    assert line.entry(entry_id).state == "kept"
    line.later(minutes=9)
    assert entries.expire_kept(line.store, line.house.campaign) == 0
    # Taken up in another call, whose session names the place.
    assert line.joins("CA2", "", earlier=entry_id) == entry_id
    entry = line.entry(entry_id)
    assert (entry.state, entry.kind, entry.call_id) == ("waiting", "call", "CA2")
    assert entry.joined_at == NOON


def test_after_the_window_the_place_is_gone(line: Line):
    entry_id = line.joins("CA1", "")
    line.hangs_up("CA1")
    line.later(minutes=11)
    assert line.joins("CA2", "", earlier=entry_id) != entry_id
    assert entries.expire_kept(line.store, line.house.campaign) == 1
    assert line.entry(entry_id).state == "left"


def test_whoever_rings_again_before_they_are_rung_has_the_place_still(line: Line):
    entry_id = line.joins("CA1", known={"born": "1942-03-12"})
    line.later(minutes=5)
    line.hangs_up("CA1")
    line.later(minutes=1)
    assert line.joins("CA2") == entry_id
    entry = line.entry(entry_id)
    assert (entry.kind, entry.call_id, entry.joined_at) == ("call", "CA2", NOON)
    # What was said in the first call is not lost for a second one in which nothing was said.
    assert entry.known == {"born": "1942-03-12"}
    assert entry.origin_call_id == "CA1"
    assert entry.due_at == line.house.clock.now()


def test_what_was_said_anew_replaces_what_was_known(line: Line):
    entry_id = line.joins("CA1", known={"born": "1942-03-12"})
    line.hangs_up("CA1")
    assert line.joins("CA2", known={"born": "1943-04-13"}) == entry_id
    assert line.entry(entry_id).known == {"born": "1943-04-13"}
    assert line.entry(entry_id).origin_call_id == "CA2"


def test_a_promise_for_tomorrow_is_due_now_for_whoever_rings(line: Line):
    entry_id = line.joins("CA1")
    assert line.promises(entry_id)
    assert line.moves(entry_id, "waiting", "waiting", due_at=NOON + timedelta(days=1))
    assert line.joins("CA2") == entry_id
    assert line.entry(entry_id).due_at == NOON


def test_two_who_wait_on_the_line_from_one_number_are_two_people(line: Line):
    first, second = line.joins("CA1"), line.joins("CA2")
    assert first != second
    assert [entry.id for entry in line.live()] == [first, second]


def test_a_promise_to_whoever_said_nothing_is_no_place_in_the_line(line: Line):
    entry_id = line.joins("CA1")
    assert line.promises(entry_id, reason="silent")
    assert line.joins("CA2") != entry_id


def test_asking_again_in_the_same_call_changes_nothing(line: Line):
    entry_id = line.joins("CA1")
    line.later(minutes=3)
    assert line.joins("CA1") == entry_id
    assert line.entry(entry_id).joined_at == NOON


def test_a_call_that_an_agent_is_about_to_take_is_left_alone(line: Line):
    entry_id = line.joins("CA1")
    assert line.moves(entry_id, "waiting", "reserved", staff_id="a" * 32)
    assert line.joins("CA1") == entry_id
    assert line.entry(entry_id).state == "reserved"
    assert not line.promises(entry_id)
    assert not line.leaves(entry_id)


def test_the_end_of_a_call_that_is_a_promise_by_now_does_nothing(line: Line):
    entry_id = line.joins("CA1")
    assert line.promises(entry_id, at=NOON + timedelta(hours=1))
    line.hangs_up("CA1")
    assert line.entry(entry_id).reason == "asked"
    assert line.entry(entry_id).expected_at == NOON + timedelta(hours=1)


# ------------------------------------------------------------------ one promise for each number


def test_two_places_of_one_number_are_one_promise_with_the_better_place(line: Line):
    first = line.joins("CA1")
    line.later(minutes=1)
    second = line.joins("CA2")
    line.hangs_up("CA1")
    line.hangs_up("CA2")
    (kept,) = line.live()
    assert kept.id == second
    assert kept.joined_at == NOON
    assert line.entry(first).outcome == "merged"
    assert line.after(first) is AfterQueue.PROMISED


def test_the_silent_promise_gives_way_to_one_that_was_waited_for(line: Line):
    silent = line.joins("CA1")
    assert line.promises(silent, reason="silent")
    line.later(minutes=1)
    asked = line.joins("CA2")
    assert line.promises(asked)
    (kept,) = line.live()
    assert (kept.id, kept.joined_at) == (asked, NOON + timedelta(minutes=1))


def test_a_number_that_is_being_rung_is_not_promised_a_second_call(line: Line):
    rung = line.joins("CA1")
    assert line.promises(rung)
    second = line.joins("CA2", LANDLINE)
    assert line.moves(rung, "waiting", "reserved")
    assert line.promises(second, MOBILE)
    assert [entry.id for entry in line.live()] == [rung]


def test_a_place_without_a_number_is_promised_nothing(line: Line):
    entry_id = line.joins("CA1", "")
    assert not line.promises(entry_id)
    assert line.promises(entry_id, MOBILE)
    assert line.entry(entry_id).number == MOBILE


# ------------------------------------------------------------------ the order


def test_the_order_is_by_the_place_and_by_nothing_that_happened_since(line: Line):
    ids = []
    for number in range(6):
        ids.append(line.joins(f"CA{number}", a_mobile(number)))
        line.later(seconds=10)
    line.hangs_up("CA1")
    assert line.promises(ids[2])
    line.hangs_up("CA4")
    assert line.joins("CA14", a_mobile(4)) == ids[4]
    line.later(minutes=2)
    with line.house.database.statement() as connection:
        found = order.candidates(connection, line.house.clock, ["fr"])
    assert [one.id for one in found] == ids
    assert [line.standing(one).ahead for one in ids] == [0, 1, 2, 3, 4, 5]


def test_who_is_not_due_yet_is_before_nobody(line: Line):
    first = line.joins("CA1")
    line.later(seconds=1)
    second = line.joins("CA2", LANDLINE)
    assert line.promises(first)
    assert line.standing(second).ahead == 0
    line.later(minutes=1)
    assert line.standing(second).ahead == 1


def test_regions_are_counted_apart_until_they_overflow(line: Line):
    line.makes_queue("fr-bretagne", "Bretagne")
    in_paris = line.joins("CA1", departement="75")
    in_rennes = line.joins("CA2", LANDLINE, departement="35")
    assert line.entry(in_rennes).queue_id == "fr-bretagne"
    assert line.entry(in_rennes).overflow_at == NOON + timedelta(minutes=3)
    line.later(seconds=1)
    later_in_paris = line.joins("CA3", a_mobile(3), departement="75")
    assert line.standing(in_rennes).ahead == 0
    assert line.standing(later_in_paris).ahead == 1
    line.later(minutes=3)
    # From now on the agents of all take them in the order of their places.
    assert line.standing(in_rennes).ahead == int(in_paris < in_rennes)
    assert line.standing(later_in_paris).ahead == 2
    with line.house.database.statement() as connection:
        found = order.candidates(connection, line.house.clock, ["fr"], ["fr"])
    assert {one.id for one in found} == {in_paris, in_rennes, later_in_paris}


# ------------------------------------------------------------------ the door


def test_a_region_has_its_queue_only_where_an_operator_made_one(line: Line):
    assert line.door(departement="35").queue.id == "fr"
    line.makes_queue("fr-bretagne", "Bretagne")
    assert line.door(departement="35").queue.id == "fr-bretagne"
    assert line.door(departement="2A").queue.id == "fr"
    assert line.door(departement=None).queue.id == "fr"
    assert line.door("en", "35").queue.id == "en"


def test_a_region_that_is_closed_sends_its_callers_to_the_national_queue(line: Line):
    line.makes_queue("fr-bretagne", "Bretagne")
    with line.house.database.transaction() as connection:
        assert call_queues.set_queue(connection, line.house.clock, "fr-bretagne", state="closed")
    assert line.door(departement="35").queue.id == "fr"


def test_agents_are_counted_who_answer_this_queue(service: House):
    floor, line = Floor(service), Line(service)
    line.makes_queue("fr-bretagne", "Bretagne")
    floor.agent(languages=("fr", "en"))
    floor.agent(languages=("fr",))
    floor.agent(ready=False)
    breton = floor.agent(languages=("fr",))
    with service.database.transaction() as connection:
        call_queues.set_memberships(connection, breton, ["fr-bretagne"])
    assert line.door().agents == 2
    assert line.door("en").agents == 1
    # Whoever takes all of France takes this region's, too, when it overflows.
    assert line.door(departement="35").agents == 3
    # A page that is dead answers nobody.
    line.later(seconds=21)
    assert line.door().agents == 0


def a_door(
    state: str = "hours", *, agents: int = 2, on_the_line: int = 0, most: int = 5000
) -> QueueStatus:
    queue = CallQueue("fr", "fr", "", state, 3, "", None, most)
    return QueueStatus(queue, agents, on_the_line, on_the_line)


BUSY = Throughput(agents=1, share=1.0, mean=300.0)


@pytest.mark.parametrize(
    ("door", "at", "why"),
    [
        (a_door(), NOON, None),
        (a_door("open"), NOON + timedelta(hours=14), None),
        (a_door("closed"), NOON, NoPerson.CLOSED),
        (a_door("callback_only"), NOON, NoPerson.CALLBACK_ONLY),
        (a_door(), NOON + timedelta(hours=11), NoPerson.HOURS),
        (a_door(), datetime.fromisoformat("2026-12-25T10:00:00+01:00"), NoPerson.HOLIDAY),
        (a_door(agents=0), NOON, NoPerson.NOBODY),
        (a_door(on_the_line=9, most=9), NOON, NoPerson.FULL),
        (a_door(on_the_line=11), NOON, None),
        (a_door(on_the_line=13), NOON, NoPerson.TOO_LONG),
        # A quarter of an hour before they go home, nobody is asked to wait for half an hour.
        (a_door(on_the_line=6), NOON + timedelta(hours=10, minutes=45), NoPerson.TOO_LONG),
        (a_door("open", on_the_line=6), NOON + timedelta(hours=10, minutes=45), None),
    ],
)
def test_why_nobody_is_let_in(door: QueueStatus, at: datetime, why: NoPerson | None):
    found = entries.why_closed(door, USUAL, at, BUSY)
    assert (found and found.why) == why


# ------------------------------------------------------------------ races


@pytest.mark.parametrize("attempt", range(5))
def test_a_line_that_is_cut_while_an_agent_takes_it_is_one_or_the_other(line: Line, attempt: int):
    entry_id = line.joins("CA1")
    _, taken = at_once(
        lambda: line.hangs_up("CA1"),
        lambda: line.moves(entry_id, "waiting", "reserved", staff_id="a" * 32),
    )
    entry = line.entry(entry_id)
    assert entry.joined_at == NOON
    if taken:
        assert entry.state == "reserved"
    else:
        assert (entry.kind, entry.state) == ("callback", "waiting")


@pytest.mark.parametrize("attempt", range(5))
def test_two_calls_of_one_number_never_have_one_place(line: Line, attempt: int):
    entry_id = line.joins("CA0")
    line.hangs_up("CA0")
    found = at_once(lambda: line.joins("CA1"), lambda: line.joins("CA2"))
    assert entry_id in found
    assert len({*found}) == 2
    assert sorted(entry.call_id or "" for entry in line.live()) == ["CA1", "CA2"]


def test_without_the_condition_on_the_state_a_race_would_lose_a_caller(
    line: Line, monkeypatch: pytest.MonkeyPatch
):
    """The guard is the WHERE of `change`: without it, whoever comes second overwrites the first."""
    entry_id = line.joins("CA1")
    assert line.moves(entry_id, "waiting", "talking", staff_id="a" * 32)
    assert not line.leaves(entry_id)
    assert line.entry(entry_id).state == "talking"
    any_state = (*LIVE, "wrapup", "done", "left", "lost")
    guarded = queues.change

    def unguarded(connection: Any, clock: Any, which: str, states: Any, **values: Any) -> bool:
        return guarded(connection, clock, which, any_state, **values)

    monkeypatch.setattr(queues, "change", unguarded)
    assert line.leaves(entry_id)
    assert line.entry(entry_id).state == "left"


# ------------------------------------------------------------------ the end of a call


def test_the_end_of_a_call_without_a_place_is_one_statement(service: House):
    caller = service.phone().dials()
    with on_the_wire(service.database) as sent:
        caller.hangs_up()
    assert len([one for one in sent if "BEGIN" not in one and "COMMIT" not in one]) == 1


def test_the_end_of_a_call_in_the_line_is_one_transaction_with_its_promise(service: House):
    floor = Floor(service)
    floor.agent()
    caller = service.phone().dials().presses("0")
    assert caller.step == "queue"
    line = Line(service)
    caller.hangs_up()
    (entry,) = line.live()
    assert (entry.kind, entry.reason, entry.number) == ("callback", "cut", MOBILE)
    assert entry.known["step"] == "welcome"


def test_what_was_said_is_erased_with_the_entry(line: Line):
    entry_id = line.joins("CA1", known={"born": "1942-03-12"})
    assert line.leaves(entry_id)
    line.later(hours=25)
    with line.house.database.transaction() as connection:
        assert queues.erase(connection, line.house.clock, timedelta(hours=24)) == 1
    entry = line.entry(entry_id)
    assert (entry.number, entry.known) == ("", {})


def test_a_place_of_another_call_is_not_added_twice(line: Line):
    line.joins("CA1")
    with line.house.database.transaction() as connection:
        again = NewQueueEntry("f" * 32, "fr", "call", "fr", call_id="CA1")
        assert not queues.add(connection, line.house.clock, line.store.vault, again)
