"""An agent takes a call out of the menu, whatever the caller does at that moment."""

from __future__ import annotations

import threading

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest

from flows.session import Session
from ivr import agent_lines
from ivr.addresses import Addresses
from models.agents import agents
from models.call import turns
from models.queue import queues
from models.supervision import snapshots
from services.accounts.staff import read_acts
from services.agents import connect_agent, presence, struggling, take_over
from services.booking.confirm_booking import confirm_booking
from services.queue import entries
from tests.ivr.line import Line
from tests.support.floor import Floor, a_call
from tests.support.house import BASE, House, Phone, house, mornings


@pytest.fixture
def floor(database_url: str) -> Iterator[Floor]:
    with house(database_url) as made:
        made.opens_centre("1", starts=mornings(20), capacity=2)
        yield Floor(made)


def takes(floor: Floor, who: str, phone: Phone) -> str:
    """A call is taken, whatever it does; gives the place that it has by that."""
    asked = take_over.take_over(floor.store, floor.control, who, phone.sid, any_call=True)
    assert asked.done, asked
    return asked.made


def enters(floor: Floor, who: str) -> connect_agent.Entering | None:
    """The agent's line is answered, with the turn that the service would write."""
    leg = floor.leg_of(who)
    bring = agent_lines.bring(Addresses(BASE))
    return connect_agent.enters(floor.store, leg.id, leg.provider_sid or "", bring)


def newest(house: House, call_id: str) -> turns.StoredTurn:
    with house.database.statement() as connection:
        found = turns.newest(connection, house.store.vault, call_id)
    assert found is not None
    assert found.body is not None
    return found


def test_the_agents_line_comes_first_then_the_caller(floor: Floor) -> None:
    phone = floor.house.phone().goes_to("date_of_birth")
    who = floor.agent()
    entry_id = takes(floor, who, phone)
    assert floor.control.whats() == ["ring"]
    entry = floor.entry(entry_id)
    assert (entry.state, entry.reason, entry.call_id) == ("reserved", "taken", phone.sid)
    assert phone.step == "date_of_birth"
    before = newest(floor.house, phone.sid).number
    assert enters(floor, who) is not None
    assert floor.entry(entry_id).state == "talking"
    assert (newest(floor.house, phone.sid).number, phone.step) == (before + 1, "with_agent")
    floor.sweeps()
    assert floor.control.whats() == ["ring", "redirect"]
    assert floor.control.asked[-1].path == f"/voice/turn?n={before + 1}&again=1"
    said = newest(floor.house, phone.sid).body
    assert said is not None
    assert "Je vous passe une personne" in said.answer
    assert f">{entry_id}</Conference>" in said.answer


def test_a_late_webhook_of_the_turn_before_goes_to_the_same_place(floor: Floor) -> None:
    phone = floor.house.phone().goes_to("date_of_birth")
    who = floor.agent()
    entry_id = takes(floor, who, phone)
    enters(floor, who)
    # Keys that were pressed before the caller knew of it.
    phone.presses("12031942")
    assert f">{entry_id}</Conference>" in phone.documents[-1].decode()
    assert phone.step == "with_agent"
    assert Session.from_json(newest(floor.house, phone.sid).body.session).born == ""  # type: ignore[union-attr]


def test_a_confirmation_in_flight_wins_and_is_shown(
    floor: Floor, monkeypatch: pytest.MonkeyPatch
) -> None:
    phone = floor.house.phone().goes_to("confirm")
    before = newest(floor.house, phone.sid).number
    who = floor.agent()
    entry_id = takes(floor, who, phone)
    claimed, taking = threading.Event(), threading.Event()

    def slowly(*arguments: Any, **options: Any) -> Any:
        # Its turn is claimed; the agent's line is answered just now.
        claimed.set()
        assert taking.wait(10)
        return confirm_booking(*arguments, **options)

    monkeypatch.setattr("services.call.world.confirm_booking", slowly)
    real = connect_agent._claim_turn

    def claim_turn(*arguments: Any) -> Any:
        taking.set()
        return real(*arguments)

    monkeypatch.setattr(connect_agent, "_claim_turn", claim_turn)
    with ThreadPoolExecutor(2) as threads:
        confirming = threads.submit(phone.presses, "1")
        assert claimed.wait(10)
        entering = threads.submit(enters, floor, who)
        confirming.result()
        assert entering.result() is not None
    assert len(floor.house.bookings()) == 1
    taken = newest(floor.house, phone.sid)
    assert (taken.number, taken.step) == (before + 2, "with_agent")
    # What was booked is in the session that the agent's screen reads.
    session = Session.from_json(taken.body.session if taken.body else "{}")
    assert session.reference
    with floor.house.database.statement() as connection:
        confirmed = turns.newest(connection, floor.house.store.vault, phone.sid, before + 1)
    assert confirmed is not None
    assert confirmed.number == before + 1
    assert confirmed.body is not None
    assert confirmed.body.answer == phone.documents[-1].decode()
    # Whatever is pressed there leads to the agent.
    phone.presses("1")
    assert f">{entry_id}</Conference>" in phone.documents[-1].decode()


def test_a_caller_who_asks_for_a_person_at_that_moment_comes_to_the_agent(
    floor: Floor, monkeypatch: pytest.MonkeyPatch
) -> None:
    line = Line(floor.house.app)
    asked = line.presses(line.presses(line.rings(), "1"), "1")
    who = floor.agent()
    entry_id = take_over.take_over(floor.store, floor.control, who, line.sid, any_call=True).made
    claimed, taking = threading.Event(), threading.Event()
    join, real = entries.join, connect_agent._claim_turn

    def slowly(*arguments: Any) -> str:
        # The caller's turn is claimed, and their place is locked next; neither waits for the other.
        claimed.set()
        assert taking.wait(10)
        return join(*arguments)

    def claim_turn(*arguments: Any) -> Any:
        taking.set()
        return real(*arguments)

    monkeypatch.setattr(entries, "join", slowly)
    monkeypatch.setattr(connect_agent, "_claim_turn", claim_turn)
    with ThreadPoolExecutor(2) as threads:
        asking = threads.submit(line.presses, asked, "0")
        assert claimed.wait(10)
        entering = threads.submit(enters, floor, who)
        assert entering.result() is not None
        assert "Enqueue" in asking.result().names
    assert floor.entry(entry_id).state == "talking"
    assert newest(floor.house, line.sid).step == "with_agent"


def test_an_agent_who_goes_away_leaves_a_caller_in_the_line_who_came_there(floor: Floor) -> None:
    phone = floor.house.phone().goes_to("date_of_birth")
    who = floor.agent()
    entry_id = takes(floor, who, phone)
    with floor.house.database.transaction() as connection:
        # As if they had asked for a person: there is nobody to press 0 twice.
        was = turns.newest(connection, floor.store.vault, phone.sid)
        assert was is not None
        assert was.body is not None
        turns.claim(connection, floor.house.clock, phone.sid, was.number + 1, was.day)
        turns.complete(
            connection,
            floor.store.vault,
            phone.sid,
            was.number + 1,
            was.day,
            step="queue",
            outcome="queued",
            body=was.body,
        )
    floor.told(who, "no-answer")
    assert floor.entry(entry_id).state == "waiting"


def test_an_agent_who_does_not_come_leaves_the_caller_where_they_are(floor: Floor) -> None:
    phone = floor.house.phone().goes_to("date_of_birth")
    who = floor.agent()
    entry_id = takes(floor, who, phone)
    floor.told(who, "no-answer")
    entry = floor.entry(entry_id)
    assert (entry.state, entry.outcome) == ("left", "not_taken")
    assert floor.state(who).reason == "no_answer"
    phone.presses("12031942")
    assert phone.step != "date_of_birth"


def test_nobody_takes_a_call_that_another_has(floor: Floor) -> None:
    phone = floor.house.phone().goes_to("date_of_birth")
    takes(floor, floor.agent(), phone)
    other = floor.agent()
    again = take_over.take_over(floor.store, floor.control, other, phone.sid)
    assert (again.done, again.why) == (False, "taken")
    assert floor.state(other).state == "ready"


def test_nobody_takes_a_call_that_is_over_or_was_never_there(floor: Floor) -> None:
    phone = floor.house.phone().goes_to("date_of_birth")
    phone.hangs_up()
    who = floor.agent()
    for call_id in (phone.sid, a_call()):
        asked = take_over.take_over(floor.store, floor.control, who, call_id)
        assert asked.why == "gone"
    assert floor.state(who).state == "ready"


def test_a_busy_agent_takes_nobody_and_nothing_of_it_stays(floor: Floor) -> None:
    who, _ = floor.talk()
    phone = floor.house.phone("+33611111111").goes_to("date_of_birth").answers("9999", "9999")
    asked = take_over.take_over(floor.store, floor.control, who, phone.sid)
    assert asked.why == "not_free"
    with floor.house.database.statement() as connection:
        assert queues.last_of_call(connection, floor.store.vault, phone.sid) is None


def test_who_waits_in_the_line_is_taken_out_of_it(floor: Floor) -> None:
    phone = floor.house.phone().goes_to("date_of_birth")
    entry_id = floor.waits(call_id=phone.sid)
    who = floor.agent()
    assert takes(floor, who, phone) == entry_id
    assert floor.entry(entry_id).staff_id == who


def test_an_agent_takes_only_who_struggles_at_this_moment(floor: Floor) -> None:
    phone = floor.house.phone().goes_to("for_whom")
    who = floor.agent()

    def why() -> str:
        return take_over.take_over(floor.store, floor.control, who, phone.sid).why

    assert why() == "not_struggling"
    phone.answers("9", "9", "9")
    # Listed; and on again before the agent's hand was there.
    phone.presses("1")
    assert why() == "not_struggling"
    assert floor.state(who).state == "ready"
    assert acts(floor) == []
    phone.answers("9999", "9999")
    asked = take_over.take_over(floor.store, floor.control, who, phone.sid)
    assert asked.done
    assert acts(floor) == [(who, "taken_over", asked.made, {"call": phone.sid, "struggling": True})]


def test_an_agent_lets_nobody_pass_those_who_wait_before_them(floor: Floor) -> None:
    """A place in the line is not left by knowing the id of a call."""
    phone = floor.house.phone().goes_to("date_of_birth").answers("9999", "9999")
    entry_id = floor.waits(call_id=phone.sid)
    who = floor.agent()
    asked = take_over.take_over(floor.store, floor.control, who, phone.sid)
    assert asked.why == "not_struggling"
    assert floor.entry(entry_id).state == "waiting"


def test_a_supervisor_takes_any_call_and_it_is_written_down(floor: Floor) -> None:
    phone = floor.house.phone().goes_to("date_of_birth")
    who = floor.agent()
    entry_id = takes(floor, who, phone)
    assert acts(floor) == [(who, "taken_over", entry_id, {"call": phone.sid, "struggling": False})]


def acts(floor: Floor) -> list[tuple[str, str, str, dict[str, Any]]]:
    return [
        (one.act.staff_id, one.act.what, one.act.subject, one.act.details)
        for one in read_acts(floor.store)
    ]


# ---------------------------------------------------------------- who struggles


def seen(floor: Floor) -> list[tuple[str, str, str]]:
    with floor.house.database.statement() as connection:
        found = struggling.struggling(connection, floor.store)
    return [(one.call_id, one.step, one.why) for one in found]


def test_two_failures_are_seen(floor: Floor) -> None:
    phone = floor.house.phone().goes_to("date_of_birth")
    phone.presses("9999")
    assert seen(floor) == []
    phone.presses("9999")
    assert [(call, why) for call, _, why in seen(floor)] == [(phone.sid, "misses")]


def test_silence_after_an_answer_is_seen_and_silence_from_the_start_is_not(floor: Floor) -> None:
    phone = floor.house.phone().goes_to("for_whom")
    phone.stays_silent()
    nobody = floor.house.phone("+33611111111")
    nobody.dials()
    nobody.stays_silent()
    assert seen(floor) == [(phone.sid, "for_whom", "silence")]


def test_the_third_repeat_is_seen(floor: Floor) -> None:
    phone = floor.house.phone().goes_to("for_whom")
    for _ in range(2):
        phone.presses("9")
    assert seen(floor) == []
    phone.presses("9")
    assert seen(floor) == [(phone.sid, "for_whom", "repeats")]


def test_who_goes_on_has_hung_up_or_waits_is_not_seen(floor: Floor) -> None:
    goes_on, hangs_up, waits, long_ago = (
        floor.house.phone(f"+3361111111{number}").goes_to("for_whom") for number in range(4)
    )
    long_ago.stays_silent()
    floor.later(minutes=2, seconds=1)
    for phone in (goes_on, hangs_up, waits):
        phone.stays_silent()
    assert len(seen(floor)) == 3
    goes_on.presses("1")
    hangs_up.hangs_up()
    floor.waits(call_id=waits.sid)
    assert seen(floor) == []


def test_who_is_longest_in_trouble_comes_first(floor: Floor) -> None:
    first = floor.house.phone("+33611111111").goes_to("for_whom")
    first.stays_silent()
    floor.later(seconds=20)
    second = floor.house.phone("+33611111112").goes_to("for_whom")
    second.stays_silent()
    floor.later(seconds=5)
    first.stays_silent()
    assert [call for call, _, _ in seen(floor)] == [first.sid, second.sid]


def written(floor: Floor) -> snapshots.Snapshot | None:
    with floor.house.database.statement() as connection:
        return snapshots.get(connection, struggling.NAME)


def test_one_process_writes_down_who_struggles_while_a_page_is_open(floor: Floor) -> None:
    phone = floor.house.phone().goes_to("for_whom")
    phone.stays_silent()
    writes = struggling.WriteStruggling(floor.store)
    # Nobody would see it.
    assert writes() == 0
    assert written(floor) is None
    floor.agent()
    assert writes() == 1
    found = written(floor)
    assert found is not None
    (one,) = struggling.as_written(found.body or "")
    assert (one.call_id, one.step, one.why) == (phone.sid, "for_whom", "silence")
    assert one.since == one.at == floor.now()
    floor.later(seconds=19)
    assert writes() == 1
    # All pages are closed.
    floor.later(seconds=2)
    assert writes() == 0
    last = written(floor)
    assert last is not None
    assert last.at == found.at + timedelta(seconds=19)


def test_pages_are_seen_by_one_write_that_waits_for_nobody(floor: Floor) -> None:
    first, second, busy = floor.agent(), floor.agent(), floor.agent()
    before = floor.now()
    floor.later(seconds=5)
    database, clock = floor.house.database, floor.store.clock
    with database.transaction() as connection:
        agents.get(connection, busy, lock=True)
        presence.heartbeat(floor.store, first, second, busy)
    with database.statement() as connection:
        moments = [agents.get(connection, one) for one in (first, second, busy)]
    assert [one and one.seen_at for one in moments] == [clock.now(), clock.now(), before]
