"""What was promised holds when things cross: tries, places and hours."""

from __future__ import annotations

from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest

from sqlalchemy import update

from flows.agents import AfterAgent
from models.agents import agents
from models.call import calls
from models.queue import queues
from models.queue.tables import queue_entry
from services.agents import connect_agent
from services.agents.call_back import ON_THE_LINE, STRANDED_FOR
from services.ports import Busy, NoAnswer
from services.queue.promise_callback import RING_AFTER, promise
from services.queue.wait_estimate import can_promise, write_throughput
from tests.agents.rings import Office
from tests.queue.test_queue_line import Line
from tests.support.floor import Floor
from tests.support.house import CAMPAIGN, MOBILE, NOON, House, a_mobile
from tests.support.rows import change, clock_of

PARIS = ZoneInfo("Europe/Paris")
SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)
# Nine in the morning there.
TO_THE_EVENING = 11 * HOUR + 30 * MINUTE


@pytest.fixture
def office(service: House) -> Office:
    return Office(service)


@pytest.fixture
def line(service: House) -> Line:
    return Line(service)


# ---------------------------------------------------------------- hours


def test_a_promise_of_the_evening_is_never_due_before_the_morning(office: Office):
    office.passes(TO_THE_EVENING)
    with office.store.database.transaction() as connection:
        promise(connection, office.store, MOBILE, None, {"reason": "postcode"})
    office.call_back.look_after(office.store)
    office.passes(RING_AFTER + SECOND)
    office.agent()
    assert office.reserves() == 0
    due = office.entry(office.entry_of(MOBILE)).due_at.astimezone(PARIS)
    assert (due.day, due.hour, due.minute) == (26, 8, 0)


def test_whoever_asks_at_night_comes_after_those_who_asked_before(office: Office):
    """Somebody still wraps up: that nobody waits at this moment says nothing of the morning."""
    office.agent()
    office.passes(TO_THE_EVENING)
    for number in range(30):
        office.promises(a_mobile(number))
    office.call_back.look_after(office.store)
    office.agent()
    write_throughput(office.store)
    with office.store.database.statement() as connection:
        at = can_promise(connection, office.store, CAMPAIGN.hours, clock_of(office.house).moment)
    assert at is not None
    # Thirty of five minutes each, by one or two agents.
    assert at.astimezone(PARIS).hour >= 9


# ---------------------------------------------------------------- tries


def test_a_number_that_was_never_dialled_was_not_tried(office: Office):
    entry = office.promises(MOBILE)
    staff_id = office.agent()
    office.reserves()
    office.agent_picks_up(staff_id)

    def held_up(_to: str) -> None:
        raise Busy("rate", SECOND)

    office.control.before_ring = held_up
    office.sweeps()
    office.passes(61 * SECOND)
    office.sweeps()
    kept = office.entry(entry)
    assert (kept.state, kept.tries) == ("waiting", 0)
    assert office.state(staff_id) == "ready"


def test_a_number_that_may_have_rung_was_tried(office: Office):
    entry = office.promises(MOBILE)
    staff_id = office.agent()
    office.reserves()
    office.agent_picks_up(staff_id)

    def unheard(_to: str) -> None:
        raise NoAnswer("ReadTimeoutError")

    office.control.before_ring = unheard
    office.sweeps()
    office.passes(61 * SECOND)
    office.sweeps()
    assert (office.entry(entry).state, office.entry(entry).tries) == ("waiting", 1)


@pytest.mark.parametrize("held_up_for", [6, 61])
def test_an_agent_is_not_left_with_a_number_that_nobody_dials(office: Office, held_up_for: int):
    """The one before had it in hand, and was lost before the account's rate let it be dialled."""
    entry = office.promises(MOBILE)
    first = office.agent()
    office.reserves()
    office.agent_picks_up(first)

    def held_up(to: str) -> None:
        if to == MOBILE:
            raise Busy("rate", 5 * SECOND)

    office.control.before_ring = held_up
    office.sweeps()
    ring = office.control.to(f"client:{first}")[-1]
    office.passes(SECOND)
    connect_agent.leg_told(office.store, ring.leg, ring.sid, "completed")
    second = office.agent()
    assert office.reserves() == 1
    office.agent_picks_up(second)
    office.passes(held_up_for * SECOND)
    office.sweeps()
    assert office.entry(entry).staff_id == second
    office.control.before_ring = lambda _to: None
    office.passes(STRANDED_FOR + SECOND)
    office.call_back.look_after(office.store)
    office.sweeps()
    assert len(office.control.to(MOBILE)) == 1
    assert (office.entry(entry).staff_id, office.entry(entry).tries) == (second, 1)


def test_who_was_on_the_line_and_is_promised_a_call_has_all_its_tries(line: Line):
    """The third try reached them, the agent was lost, and they would rather be rung again."""
    entry_id = line.joins("CA1")
    change(line.house.database, update(queue_entry).values(tries=3))
    assert line.promises(entry_id)
    assert line.entry(entry_id).tries == 0


def test_who_is_in_the_menu_is_not_rung_on_that_very_line(office: Office):
    entry = office.promises(MOBILE)
    store = office.store
    with store.database.transaction() as connection:
        calls.start(connection, store.clock, store.vault, "CA9", MOBILE)
    staff_id = office.agent()
    office.reserves()
    office.agent_picks_up(staff_id)
    office.sweeps()
    assert office.control.to(MOBILE) == []
    assert (office.entry(entry).state, office.entry(entry).tries) == ("waiting", 0)
    assert office.state(staff_id) == "ready"
    with store.database.transaction() as connection:
        assert calls.move_status(connection, store.clock, "CA9", "completed")
    office.passes(ON_THE_LINE + SECOND)
    office.ready(staff_id)
    office.reserves()
    assert office.rings(staff_id, MOBILE)


def test_a_call_whose_end_was_never_told_holds_up_no_promise_for_long(office: Office):
    store = office.store
    with store.database.transaction() as connection:
        calls.start(connection, store.clock, store.vault, "CA9", MOBILE)
    office.passes(11 * MINUTE)
    office.promises(MOBILE)
    staff_id = office.agent()
    office.reserves()
    assert office.rings(staff_id, MOBILE)


# ---------------------------------------------------------------- places


def test_who_rings_while_they_are_being_rung_has_their_place(line: Line):
    entry_id = line.joins("CA1")
    line.hangs_up("CA1")
    line.later(minutes=1)
    line.joins("CA2", a_mobile(2))
    assert line.moves(entry_id, "waiting", "reserved", staff_id="a" * 32)
    mine = line.entry(line.joins("CA3"))
    assert mine.id != entry_id
    assert mine.joined_at == NOON
    assert line.standing(mine.id).ahead == 0


def test_a_second_person_of_a_number_is_not_taken_for_the_one_who_talks(line: Line):
    """A home with one number for all: who was promised a call talks, and another one waits."""
    first = line.joins("CA1")
    line.hangs_up("CA1")
    assert line.moves(first, "waiting", "talking", staff_id="a" * 32, call_id="CA2")
    second = line.joins("CA3")
    assert second != first
    assert not line.promises(second)
    assert line.entry(second).state == "waiting"
    assert line.entry(second).kind == "call"


# ---------------------------------------------------------------- with a person


def test_an_agent_who_leaves_the_conference_has_left(service: House):
    """Their line's own end is told in two other ways; any of the three is enough."""
    floor = Floor(service)
    who, entry_id = floor.talk()
    sid = floor.leg_of(who).provider_sid or ""
    for _ in range(2):
        connect_agent.seen_in_conference(floor.store, entry_id, "CF" + "1" * 32, sid, joined=False)
    assert floor.entry(entry_id).state == "waiting"
    assert (floor.state(who).state, floor.state(who).reason) == ("paused", "line_lost")
    floor.sweeps()
    assert floor.control.of("redirect")[-1].sid == floor.entry(entry_id).call_id


def test_who_left_the_line_for_the_machine_is_not_hung_up_on(service: House):
    floor = Floor(service)
    entry_id = floor.waits()
    call_id = floor.entry(entry_id).call_id or ""
    with service.database.transaction() as connection:
        assert queues.move(
            connection, service.clock, entry_id, ("waiting",), "left", outcome="machine"
        )
        after = connect_agent.after_agent(connection, floor.store, call_id)
    assert after.what is AfterAgent.HANDED_BACK


def test_an_agent_who_cannot_be_rung_keeps_nobody_at_the_front(service: House):
    """Their telephone was taken off the list while they were ready."""
    floor = Floor(service)
    unreachable = floor.agent()
    with service.database.transaction() as connection:
        agents.set_voice(connection, unreachable, "phone")
    floor.later(seconds=1)
    other, entry_id = floor.agent(), floor.waits()
    for _ in range(2):
        floor.reserves()
    assert floor.entry(entry_id).staff_id == other
    assert (floor.state(unreachable).state, floor.state(unreachable).reason) == (
        "paused",
        "no_line",
    )
