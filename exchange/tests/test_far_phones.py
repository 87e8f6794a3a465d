"""Telephones that another process has: they are rung, one takes the call, and it runs there."""

import subprocess
import sys
import threading

from pathlib import Path
from typing import Any

import pytest

from exchange.clock import VirtualClock
from exchange.interpreter import Call
from exchange.orders import Mailbox, Press, Redirect, Ring, StopRinging, read, written
from exchange.remote import RemoteSwitchboard, Unreachable
from exchange.rest.app import create_app
from exchange.subscribers import Taken
from exchange.testing.fixtures import BASE, SID, TOKEN
from exchange.tests.test_live_calls import SERVICE, makes_call, status, told

ROOT = Path(__file__).parents[2]
CLIENT, NUMBER, OUTSIDE = "client:agent-7", "+33142685300", "+33612345678"


class Office:
    """A process with telephones, as far as the simulator can tell, and who is at them."""

    def __init__(self, here, base, settings, *names, prefixes=(), trunk=False) -> None:
        self.here = here
        self.lines = RemoteSwitchboard(base, settings, here.service, listens=False)
        self.rung: list[Ring] = []
        self.stopped: list[str] = []
        self.pressed: list[tuple[str, str]] = []
        self.lines.on_ring = self.rung.append
        self.lines.on_stop_ringing = self.stopped.append
        self.lines.on_press = lambda sid, keys: self.pressed.append((sid, keys))
        self.lines.telephones(names, prefixes, trunk=trunk)
        self.looks()

    def looks(self) -> int:
        return self.lines.collect()

    def rings(self) -> Ring:
        """The one call that began to ring since the last look."""
        self.rung.clear()
        self.looks()
        (ring,) = self.rung
        return ring

    def takes(self, sid: str) -> Call | None:
        """Answer, and let the call go on as far as it does without anybody."""
        taken = self.lines.answered(sid)
        return self.runs(taken) if taken else None

    def dials(self, sender=OUTSIDE) -> Call:
        """Have somebody in this process ring the service."""
        return Call(
            url=f"{BASE}/in",
            status_url=f"{BASE}/status",
            transport=self.here.service,
            auth_token=TOKEN,
            account_sid=SID,
            sender=sender,
            clock=VirtualClock(),
            switchboard=self.lines,
        ).dial()

    def runs(self, taken: Taken) -> Call:
        return taken.call(
            transport=self.here.service, auth_token=TOKEN, clock=VirtualClock()
        ).dial()


@pytest.fixture
def here(house):
    return house(SERVICE)


@pytest.fixture
def office(here, serve, settings, monkeypatch):
    """`office(*names)`: a process with telephones of these names."""
    # Waiting takes time that nobody waits for: an order ends it, and there is none but in `obey`.
    monkeypatch.setattr(Mailbox, "wait", lambda mailbox, _: bool(mailbox))
    with serve(lambda *given: here.app(*given)) as base:  # noqa: PLW0108 - it may be made anew
        yield lambda *names, **more: Office(here, base, settings, *names, **more)


def numbers(here) -> list[str]:
    return [form["SequenceNumber"] for form in here.forms("/leg")]


def page(here, after=0) -> Any:
    return here.board.devices.events("agent-7", after)


# ------------------------------------------------------------ who is rung, and what is told


def test_a_telephone_of_its_number_rings_and_its_call_runs_there(here, office):
    desk = office(NUMBER)
    sid = makes_call(here, NUMBER, "/agent", Timeout="25")
    here.goes_on()
    ring = desk.rings()
    assert (ring.sid, ring.recipient, ring.sender, ring.timeout_s) == (
        sid,
        NUMBER,
        "+33974750001",
        30,
    )
    assert told(here) == ["initiated", "ringing"]
    assert status(here, sid) == "ringing"
    assert here.sent("/agent") == []

    call = desk.takes(sid)
    assert call is not None
    assert status(here, sid) == "in-progress"
    assert told(here) == ["initiated", "ringing", "in-progress"]
    (form,) = here.forms("/agent")
    assert (form["CallSid"], form["To"], form["Direction"]) == (sid, NUMBER, "outbound-api")
    caller = here.rings(path="/agent")
    desk.looks()
    call.obey()
    assert call.seat is not None
    assert call.seat.others == 1
    assert caller.waiting_conference.seat.started

    call.hang_up()
    assert told(here) == ["initiated", "ringing", "in-progress", "completed"]
    assert numbers(here) == ["0", "1", "2", "3"]
    assert status(here, sid) == "completed"


def test_an_own_telephone_presses_one_and_is_let_in(house, serve, settings):
    here = house(
        {
            **SERVICE,
            "/agent": "<Gather numDigits='1' action='/accept'><Say>Tapez 1.</Say></Gather>",
            "/accept": SERVICE["/agent"],
        }
    )
    with serve(here.app) as base:
        desk = Office(here, base, settings, NUMBER)
        sid = makes_call(here, NUMBER, "/agent")
        here.goes_on()
        call = desk.takes(desk.rings().sid)
        assert call is not None
        call.presses("1")
        assert here.forms("/accept")[0]["Digits"] == "1"
        assert here.board.conference_named("entry-1").find(sid) is not None
        call.hang_up()


def test_an_agent_without_any_page_is_rung_by_telephone(here, office):
    desk = office(CLIENT)
    sid = makes_call(here, CLIENT, "/agent")
    here.goes_on()
    assert desk.rings().recipient == CLIENT
    assert told(here) == ["initiated", "ringing"]
    assert desk.takes(sid) is not None
    assert status(here, sid) == "in-progress"


def test_who_has_no_telephone_and_no_page_does_not_answer(here, office):
    desk = office("client:agent-8")
    sid = makes_call(here, CLIENT)
    here.goes_on()
    desk.looks()
    assert desk.rung == []
    assert told(here) == ["initiated", "no-answer"]
    assert status(here, sid) == "no-answer"


def test_whom_a_process_can_ring_may_change(here, office):
    desk = office(CLIENT)
    desk.lines.telephones([NUMBER])
    desk.looks()
    makes_call(here, CLIENT)
    sid = makes_call(here, NUMBER)
    here.goes_on()
    assert desk.rings().sid == sid


def test_a_number_is_first_what_a_switch_says_then_a_telephone_then_a_page(here, office):
    desk = office(NUMBER, prefixes=("+336",))
    here.faults(answers={NUMBER: "busy"})
    assert ends_as(here, NUMBER) == "busy"
    here.faults(answers={})
    makes_call(here, NUMBER)
    here.goes_on()
    desk.rings()


def test_a_number_out_there_is_dialled_once_and_only_where_nobody_here_answers(here, office):
    desks = [office(prefixes=("+336",)), office(prefixes=("+336",))]
    sid = makes_call(here, OUTSIDE)
    here.goes_on()
    for desk in desks:
        desk.looks()
    # By the one that came last: the other may be what it was before it was started anew.
    assert [[ring.sid for ring in desk.rung] for desk in desks] == [[], [sid]]

    class Guest:
        """Somebody of a crowd, who has that number and lets it ring."""

        def knows(self, number) -> bool:
            return bool(number == OUTSIDE)

        def rings(self, rung) -> None:
            pass

        def stops(self, rung) -> None:
            pass

    here.simulator.ringing.subscribers.append(Guest())
    makes_call(here, OUTSIDE)
    here.goes_on()
    for desk in desks:
        desk.looks()
    assert [ring.sid for desk in desks for ring in desk.rung] == [sid]


def test_where_a_trunk_is_nobody_is_pretended_at_a_number(here, office):
    """A promise to call back would count as kept, and a text as told."""
    assert ends_as(here, OUTSIDE) == "completed"
    desk = office(NUMBER, prefixes=("+331",), trunk=True)
    assert ends_as(here, OUTSIDE) == "failed"
    assert told(here)[-2:] == ["initiated", "failed"]
    # But for whom a switch names, and who has it.
    here.faults(answers={OUTSIDE: "busy"})
    assert ends_as(here, OUTSIDE) == "busy"
    here.faults(answers={})
    assert ends_as(here, NUMBER) == "ringing"
    desk.looks()
    # Nor where the trunk is only just down.
    dies(here)
    assert ends_as(here, OUTSIDE) == ends_as(here, NUMBER) == "failed"


def test_a_trunk_for_calls_in_alone_calls_nobody(here, office):
    office(trunk=True)
    assert ends_as(here, OUTSIDE) == "failed"


def test_a_process_that_ends_is_rung_no_more(here, office):
    desk = office(CLIENT)
    desk.lines.leave()
    assert ends_as(here, CLIENT) == "no-answer"
    assert desk.looks() == 0


def ends_as(here, to) -> str:
    sid = makes_call(here, to)
    here.goes_on()
    return str(status(here, sid))


# ------------------------------------------------------------ who has it


def test_of_two_processes_the_first_has_the_call_and_the_other_stops(here, office):
    first, second = office(CLIENT), office(CLIENT)
    sid = makes_call(here, CLIENT, "/agent")
    here.goes_on()
    assert first.rings().sid == second.rings().sid == sid
    call = first.takes(sid)
    assert call is not None
    assert second.takes(sid) is None
    second.looks()
    assert second.stopped == [sid]
    assert first.stopped == []
    call.hang_up()
    assert numbers(here) == ["0", "1", "2", "3"]


def test_the_telephone_takes_what_rings_at_the_page_too_and_the_page_shows_it(here, office):
    desk = office(CLIENT)
    here.board.devices.register("agent-7")
    sid = makes_call(here, CLIENT, "/agent")
    here.goes_on()
    assert desk.rings().sid == sid
    assert page(here)["state"] == "ringing"
    call = desk.takes(sid)
    assert call is not None
    shown = page(here, 2)
    assert (shown["state"], shown["call"], shown["through"]) == ("connected", sid, "telephone")
    assert [event["kind"] for event in shown["events"]] == ["connected"]
    assert not here.board.devices.accept("agent-7")
    here.goes_on()
    call.hang_up()
    assert page(here)["state"] == "idle"
    assert page(here)["through"] == "page"


def test_the_page_takes_what_rings_at_the_telephone_too_and_that_stops(here, office):
    desk = office(CLIENT)
    here.board.devices.register("agent-7")
    sid = makes_call(here, CLIENT, "/agent")
    here.goes_on()
    desk.rings()
    assert here.board.devices.accept("agent-7")
    here.goes_on()
    assert desk.takes(sid) is None
    desk.looks()
    assert desk.stopped == [sid]
    assert page(here)["through"] == "page"
    here.board.devices.hang_up("agent-7")
    here.goes_on()
    assert numbers(here) == ["0", "1", "2", "3"]


def test_a_page_that_was_clicked_a_moment_too_late_shows_the_telephones_call(here, office):
    desk = office(CLIENT)
    here.board.devices.register("agent-7")
    sid = makes_call(here, CLIENT, "/agent")
    here.goes_on()
    desk.rings()
    # Clicked, and before anything comes of it the telephone is lifted.
    assert here.board.devices.accept("agent-7")
    call = desk.takes(sid)
    assert call is not None
    here.goes_on()
    assert page(here)["through"] == "telephone"
    assert here.board.devices.hang_up("agent-7")
    desk.looks()
    call.obey()
    assert call.end_reason == "caller-hung-up"


def test_a_page_that_was_clicked_when_it_was_over_is_idle_again(here):
    here.board.devices.register("agent-7")
    sid = makes_call(here, CLIENT, "/agent")
    here.goes_on()
    assert here.board.devices.accept("agent-7")
    here.post(f"/Calls/{sid}.json", 200, Status="canceled")
    here.goes_on()
    assert page(here)["state"] == "idle"
    assert status(here, sid) == "canceled"


@pytest.mark.parametrize("how", ["canceled", "completed"])
def test_what_is_ended_while_it_rings_stops_and_cannot_be_taken(here, office, how):
    desk = office(CLIENT)
    here.board.devices.register("agent-7")
    sid = makes_call(here, CLIENT, "/agent")
    here.goes_on()
    desk.rings()
    here.post(f"/Calls/{sid}.json", 200, Status=how)
    here.goes_on()
    assert desk.takes(sid) is None
    desk.looks()
    assert desk.stopped == [sid]
    assert page(here)["state"] == "idle"
    assert told(here) == ["initiated", "ringing", how]
    assert numbers(here) == ["0", "1", "2"]


def test_what_is_ended_before_its_process_knows_that_it_has_it_ends_there(here, office):
    desk = office(NUMBER)
    sid = makes_call(here, NUMBER, "/agent")
    here.goes_on()
    taken = desk.lines.answered(desk.rings().sid)
    assert taken is not None
    here.post(f"/Calls/{sid}.json", 200, Status="canceled")
    assert status(here, sid) == "in-progress"
    here.post(f"/Calls/{sid}.json", 200, Status="completed")
    desk.looks()
    call = desk.runs(taken)
    call.obey()
    assert call.end_reason == "completed-by-api"
    assert numbers(here) == ["0", "1", "2", "3"]
    assert status(here, sid) == "completed"


def test_nobody_answers_within_the_time_out_and_five_seconds(here, office):
    desk = office(CLIENT)
    here.board.devices.register("agent-7")
    sid = makes_call(here, CLIENT, "/agent", Timeout="25")
    here.goes_on()
    desk.rings()
    for seconds in (9, 9, 9):
        here.clock.advance(seconds)
        desk.looks()
        here.goes_on()
    assert status(here, sid) == "ringing"
    here.clock.advance(4)
    here.goes_on()
    assert desk.takes(sid) is None
    desk.looks()
    assert desk.stopped == [sid]
    assert page(here)["events"][-1]["kind"] == "cancelled"
    assert told(here) == ["initiated", "ringing", "no-answer"]


@pytest.mark.parametrize("how", ["busy", "no-answer", "failed"])
def test_a_telephone_that_does_not_take_it_says_why(here, office, how):
    desk = office(NUMBER)
    sid = makes_call(here, NUMBER)
    here.goes_on()
    desk.lines.rang(desk.rings().sid, how)
    assert told(here) == ["initiated", "ringing", how]
    assert status(here, sid) == how
    assert desk.takes(sid) is None


def test_one_who_refuses_leaves_the_others_ringing_and_the_plainest_word_is_told(here, office):
    first, second = office(CLIENT), office(CLIENT)
    here.board.devices.register("agent-7")
    sid = makes_call(here, CLIENT)
    here.goes_on()
    first.lines.rang(first.rings().sid, "failed")
    here.board.devices.reject("agent-7")
    here.goes_on()
    assert status(here, sid) == "ringing"
    second.lines.rang(second.rings().sid, "no-answer")
    assert told(here)[-1] == status(here, sid) == "busy"
    assert numbers(here) == ["0", "1", "2"]


@pytest.fixture
def impatient():
    """Threads that give way to one another all the time."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


@pytest.mark.usefixtures("impatient")
def test_of_all_who_take_or_end_it_at_once_one_has_it(here):
    ringing, boxes = here.simulator.ringing, ("a", "b", "c")
    for box in boxes:
        here.simulator.boxes.orders(box, 0)
        here.simulator.boxes.offers(box, [CLIENT], [])
    here.board.devices.register("agent-7")
    outcomes = set()
    for turn in range(40):
        here.service.sent.clear()
        record = here.simulator.calls.get(makes_call(here, CLIENT, "/agent"))
        here.goes_on()
        here.board.devices.accept("agent-7")
        had: list[str] = []

        def take(box, record=record, had=had) -> None:
            if ringing.answered_there(box, record.sid):
                had.append(box)

        deeds = [
            *((take, box) for box in boxes),
            (ringing._device_took, record, "agent-7"),
            (ringing.end, record, "canceled"),
            (ringing._unanswered, record, "no-answer"),
        ]
        at_once(deeds[turn % 6 :] + deeds[: turn % 6])
        here.goes_on()
        outcome = status(here, record.sid)
        if outcome == "in-progress":
            outcome = page(here)["through"]
            assert page(here)["call"] == record.sid
            here.board.devices.hang_up("agent-7")
            here.simulator.boxes.end(record.sid, "completed")
            here.goes_on()
        assert len(had) == (outcome == "telephone")
        assert page(here)["state"] == "idle"
        assert numbers(here) == [str(number) for number in range(len(told(here)))]
        outcomes.add(outcome)
    assert outcomes <= {"telephone", "page", "canceled", "no-answer"}


def at_once(deeds) -> None:
    """Do all of this, each in a thread of its own, from the same moment on."""
    start = threading.Barrier(len(deeds))

    def run(do, *given) -> None:
        start.wait()
        do(*given)

    threads = [threading.Thread(target=run, args=deed) for deed in deeds]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_only_where_it_rings_can_a_call_be_taken(here, office):
    desk, other = office(CLIENT), office(NUMBER)
    here.board.devices.register("agent-7")
    sid = makes_call(here, CLIENT, "/agent")
    here.goes_on()
    desk.lines.rang(desk.rings().sid, "busy")
    assert desk.takes(sid) is None
    assert other.takes(sid) is None
    assert status(here, sid) == "ringing"


def test_asked_again_for_want_of_an_answer_the_answer_is_the_same(here, office, monkeypatch):
    desk = office(NUMBER)
    sid = makes_call(here, NUMBER, "/agent")
    here.goes_on()
    desk.rings()
    ask, asked = desk.lines._ask, []

    def lose(method, path, **options):
        answer = ask(method, path, **options)
        asked.append(path)
        if asked == [f"/_calls/{sid}/rang"]:
            raise Unreachable("the answer is lost")
        return answer

    monkeypatch.setattr(desk.lines, "_ask", lose)
    call = desk.takes(sid)
    assert call is not None
    assert asked.count(f"/_calls/{sid}/rang") == 2
    assert desk.lines.answered(sid) is None
    call.hang_up()
    assert numbers(here) == ["0", "1", "2", "3"]


def test_a_call_that_was_taken_and_never_began_is_over(here, office):
    desk = office(NUMBER)
    sid = makes_call(here, NUMBER, "/agent")
    here.goes_on()
    assert desk.lines.answered(desk.rings().sid) is not None
    desk.lines.let_go(sid)
    here.goes_on()
    assert told(here) == ["initiated", "ringing", "completed"]
    assert numbers(here) == ["0", "1", "2"]
    assert status(here, sid) == "completed"


@pytest.mark.parametrize("had_it", [True, False])
def test_who_hears_no_answer_has_not_taken_it_and_ends_no_others_call(
    here, office, monkeypatch, had_it
):
    desk, other = office(NUMBER), office(NUMBER)
    sid = makes_call(here, NUMBER, "/agent")
    here.goes_on()
    desk.rings()
    other.rings()
    if not had_it:
        assert other.takes(sid) is not None
    ask = desk.lines._ask

    def lose(method, path, **options):
        answer = ask(method, path, **options)
        if path.endswith("/rang"):
            raise Unreachable("the answer is lost")
        return answer

    monkeypatch.setattr(desk.lines, "_ask", lose)
    assert desk.takes(sid) is None
    here.goes_on()
    assert status(here, sid) == ("completed" if had_it else "in-progress")


def test_what_was_taken_by_a_process_that_never_heard_of_it_ends_when_it_is_ended(here, office):
    desk = office(NUMBER)
    sid = makes_call(here, NUMBER, "/agent")
    here.goes_on()
    desk.rings()
    assert here.simulator.ringing.answered_there(desk.lines._box, sid) is not None
    here.post(f"/Calls/{sid}.json", 200, Status="completed")
    desk.looks()
    here.goes_on()
    assert status(here, sid) == "completed"
    assert told(here) == ["initiated", "ringing", "completed"]
    assert numbers(here) == ["0", "1", "2"]


# ------------------------------------------------------------ what a page can do to it


@pytest.fixture
def talk(here, office):
    """An agent's telephone and somebody else in a conference, and the agent's page."""
    desk = office(CLIENT)
    here.board.devices.register("agent-7")
    sid = makes_call(here, CLIENT, "/agent")
    here.goes_on()
    call = desk.takes(desk.rings().sid)
    here.rings(path="/agent")
    desk.looks()
    call.obey()
    assert call.seat.started
    return desk, call, sid


def test_the_page_mutes_it(here, talk):
    desk, call, _ = talk
    for on in (True, False):
        assert here.board.devices.mute("agent-7", on=on)
        desk.looks()
        call.obey()
        assert call.seat.muted is on
        assert page(here)["muted"] is on


def test_who_mutes_before_anybody_is_there_is_not_heard_when_somebody_is(here, office):
    desk = office(CLIENT)
    here.board.devices.register("agent-7")
    makes_call(here, CLIENT, "/agent")
    here.goes_on()
    taken = desk.lines.answered(desk.rings().sid)
    assert taken is not None
    assert here.board.devices.mute("agent-7", on=True)
    call = desk.runs(taken)
    assert call.seat is not None
    assert call.seat.muted
    # Nor in the next conference, for the page shows that it is muted still.
    call.mailbox.post(Redirect(f"{BASE}/agent", "POST"))
    call.obey()
    assert call.seat.muted
    assert here.board.devices.mute("agent-7", on=False)
    desk.looks()
    call.obey()
    assert not call.seat.muted


def test_the_page_presses_keys_in_it(here, talk):
    desk, _, sid = talk
    assert here.board.devices.press("agent-7", "1#")
    desk.looks()
    assert desk.pressed == [(sid, "1#")]
    assert here.board.devices.take_keys("agent-7") == ""


def test_the_page_ends_it(here, talk):
    desk, call, sid = talk
    assert here.board.devices.hang_up("agent-7")
    desk.looks()
    call.obey()
    assert call.end_reason == "caller-hung-up"
    assert status(here, sid) == "completed"
    assert page(here)["state"] == "idle"


def test_it_goes_on_when_the_page_is_closed_and_is_there_when_it_is_opened_again(here, talk):
    desk, call, sid = talk
    for _ in range(3):
        here.clock.advance(9)
        desk.looks()
        here.goes_on()
    assert not here.board.devices.registered("agent-7")
    assert status(here, sid) == "in-progress"
    opened = here.board.devices.register("agent-7")
    news = page(here, opened["count"])
    assert [event["kind"] for event in news["events"]] == ["connected"]
    assert (news["call"], news["through"]) == (sid, "telephone")
    here.board.devices.unregister("agent-7")
    here.goes_on()
    # Nobody wants anything of the call.
    assert desk.looks() == 0
    assert not call.mailbox
    assert status(here, sid) == "in-progress"
    call.hang_up()
    assert here.board.devices.register("agent-7")["state"] == "idle"


def test_a_page_opened_while_it_rings_hears_of_it(here):
    here.board.devices.register("agent-7")
    makes_call(here, CLIENT, "/agent")
    here.goes_on()
    opened = here.board.devices.register("agent-7")
    assert [event["kind"] for event in page(here, opened["count"])["events"]] == ["incoming"]


# ------------------------------------------------------------ who is gone


def dies(here) -> None:
    """Let so much time pass that a process that asks for nothing is gone."""
    here.clock.advance(11)
    here.goes_on()


def test_a_process_that_dies_while_it_rings_has_failed(here, office):
    desk = office(NUMBER)
    sid = makes_call(here, NUMBER)
    here.goes_on()
    desk.rings()
    dies(here)
    assert told(here) == ["initiated", "ringing", "failed"]
    assert status(here, sid) == "failed"
    again = makes_call(here, NUMBER)
    here.goes_on()
    # Nobody's telephone any more: somebody answers, as at any number.
    assert status(here, again) == "completed"


def test_what_rings_at_a_page_too_rings_on_when_a_process_dies(here, office):
    office(CLIENT)
    here.board.devices.register("agent-7")
    sid = makes_call(here, CLIENT, "/agent")
    here.goes_on()
    here.clock.advance(8)
    page(here)
    here.clock.advance(3)
    here.goes_on()
    assert status(here, sid) == "ringing"
    assert here.board.devices.accept("agent-7")
    here.goes_on()
    assert status(here, sid) == "in-progress"


def test_a_process_that_dies_while_somebody_talks_has_left_and_that_is_told(here, talk):
    _, _, sid = talk
    here.clock.advance(9)
    page(here)
    here.clock.advance(2)
    here.goes_on()
    assert here.board.conference_named("entry-1").find(sid) is None
    assert told(here) == ["initiated", "ringing", "in-progress", "completed"]
    assert numbers(here) == ["0", "1", "2", "3"]
    assert here.forms("/leg")[-1]["CallDuration"] == "11"
    assert here.get(f"/Calls/{sid}.json")["duration"] == "11"
    assert page(here)["state"] == "idle"


def test_a_call_that_was_given_up_ends_when_its_process_comes_back_and_is_told_once(here, talk):
    desk, call, sid = talk
    dies(here)
    desk.looks()
    call.obey()
    assert call.ended
    assert told(here).count("completed") == 1
    assert status(here, sid) == "completed"


def test_a_simulator_started_anew_knows_the_telephones_again(here, office, settings):
    desk = office(NUMBER)
    sid = makes_call(here, NUMBER)
    here.goes_on()
    desk.rings()
    started_anew(here, settings)
    desk.looks()
    assert desk.stopped == [sid]
    assert desk.takes(sid) is None
    again = makes_call(here, NUMBER, "/agent")
    here.goes_on()
    assert desk.rings().sid == again
    assert desk.takes(again) is not None


def test_an_order_of_a_simulator_started_anew_is_none_that_was_had_before(here, office, settings):
    desk = office(NUMBER)
    makes_call(here, NUMBER)
    here.goes_on()
    desk.rings()
    started_anew(here, settings)
    call = desk.dials()
    here.post(f"/Calls/{call.sid}.json", 200, Status="completed")
    desk.looks()
    call.obey()
    assert call.end_reason == "completed-by-api"


def test_calls_go_on_when_the_simulator_is_started_anew(here, talk, settings):
    desk, call, sid = talk
    before = [*told(here), status(here, sid)]
    started_anew(here, settings)
    desk.looks()
    assert status(here, sid) == "in-progress"
    assert here.get(f"/Calls/{sid}.json")["direction"] == "outbound-api"
    call.obey()
    # The conference is no more: what follows the <Dial> is said, and the call ends as it would.
    assert call.last_spoken == "Fini."
    assert status(here, sid) == "completed"
    assert before == ["initiated", "ringing", "in-progress", "in-progress"]
    assert told(here)[-1] == "completed"
    assert numbers(here) == ["0", "1", "2", "3"]


def test_who_waited_waits_again_when_the_simulator_is_started_anew(house, serve, settings):
    here = house({**SERVICE, "/in": "<Enqueue waitUrl='/wait'>fr</Enqueue>", "/wait": "<Pause/>"})
    with serve(lambda *given: here.app(*given)) as base:  # noqa: PLW0108 - it is made anew
        desk = Office(here, base, settings)
        call = desk.dials()
        desk.looks()
        started_anew(here, settings)
        desk.looks()
        (queue,) = here.get("/Queues.json")["queues"]
        assert queue["current_size"] == 1
        call.hang_up()


def started_anew(here, settings) -> None:
    """Let the simulator forget everything, as a restart does."""
    here.app = create_app(
        settings, transport=here.service, threads=0, clock=here.clock, sleep=lambda _: None
    )
    here.simulator = here.app.extensions["simulator"]
    here.board = here.simulator.switchboard
    here.client = here.app.test_client()


# A process with one telephone whose owner always answers, and talks on and on.
ELSEWHERE = """
import sys
from exchange.clock import OwnPaced
from exchange.interpreter import HangUp, Silence
from exchange.legs import drive
from exchange.remote import RemoteSwitchboard
from exchange.settings import Settings
from exchange.switchboard import spawn
from exchange.testing.fixtures import SID, TOKEN, Documents

class Talks:
    def answers(self, call, gather):
        return HangUp()

    def waits(self, call, queue):
        return HangUp()

    def confers(self, call, wait):
        print("talks", wait.seat.conference, flush=True)
        call.mailbox.wait(60)
        return Silence()

def take(ring):
    taken = lines.answered(ring.sid)
    drive(taken.call(transport=service, auth_token=TOKEN, clock=OwnPaced()), Talks())

service = Documents({"/agent": sys.argv[2], "/leg": ""})
settings = Settings(twilio_account_sid=SID, twilio_auth_token=TOKEN)
lines = RemoteSwitchboard(sys.argv[1], settings, service)
lines.on_ring = lambda ring: spawn(lambda: take(ring))
lines.telephones([sys.argv[3]])
sys.stdin.read()
"""


def test_a_real_process_is_rung_talks_and_is_killed(here, serve, monkeypatch):
    known = threading.Event()
    offers = here.simulator.boxes.offers

    def knows(*given, **more) -> None:
        offers(*given, **more)
        known.set()

    monkeypatch.setattr(here.simulator.boxes, "offers", knows)
    caller = here.rings(path="/agent")
    with serve(here.app) as base:
        command = [sys.executable, "-c", ELSEWHERE, base, SERVICE["/agent"], CLIENT]
        with subprocess.Popen(  # noqa: S603 - our own words
            command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as elsewhere:
            assert elsewhere.stdout is not None
            # Nobody waits for ever for what it says.
            impatient = threading.Timer(60, elsewhere.kill)
            impatient.start()
            try:
                assert known.wait(60)
                sid = makes_call(here, CLIENT, "/agent")
                here.goes_on()
                assert elsewhere.stdout.readline() == "talks entry-1\n"
                here.goes_on()
                assert caller.waiting_conference.seat.others == 1
            finally:
                impatient.cancel()
                elsewhere.kill()
    dies(here)
    assert status(here, sid) == "completed"
    assert caller.waiting_conference.seat.others == 0
    # What it told itself went to its own service; the next number is what is told here.
    assert (told(here)[-1], numbers(here)) == ("completed", ["0", "1", "3"])


# ------------------------------------------------------------ the rest


def test_a_call_elsewhere_dials_somebody_here(house, serve, settings):
    documents = {**SERVICE, "/in": f"<Dial action='/dialled'><Number>{NUMBER}</Number></Dial>"}
    here = house(documents)
    with serve(here.app) as base:
        desk = Office(here, base, settings, NUMBER)
        caller = desk.dials()
        here.goes_on()
        agent = desk.takes(desk.rings().sid)
        assert agent is not None
        desk.looks()
        caller.obey()
        agent.obey()
        assert caller.seat is not None
        assert caller.seat.others == 1
        agent.hang_up()
        desk.looks()
        caller.obey()
        (form,) = here.forms("/dialled")
        assert (form["DialCallStatus"], form["DialCallSid"]) == ("completed", agent.sid)


def test_strangers_have_no_telephones(here):
    for path in ("/_telephones", "/_calls/CA1/rang", "/_calls/CA1/bridge"):
        assert here.client.post(path, json={}).status_code == 401


@pytest.mark.parametrize(
    "given",
    [
        {"names": ["agent-7"]},
        {"names": ["client:two words"]},
        {"names": NUMBER},
        {"names": [NUMBER] * 1001},
        {"names": [], "prefixes": [""]},
        {"names": [], "prefixes": ["06"]},
        {"names": [], "trunk": "yes"},
    ],
)
def test_what_is_no_telephone_is_refused(here, office, given):
    desk = office()
    answer = here.client.post(
        "/_telephones", json={"box": desk.lines._box, **given}, auth=here.auth
    )
    assert answer.status_code == 400


def test_a_process_that_is_not_there_has_no_telephones(here):
    given = {"box": "unknown", "names": [NUMBER], "status": "answered"}
    for path in ("/_telephones", f"/_calls/CA{'0' * 32}/rang"):
        assert here.client.post(path, json=given, auth=here.auth).status_code == 404


@pytest.mark.parametrize(
    "order",
    [
        Ring("CA1", NUMBER, OUTSIDE, 30, status_events=("initiated", "completed"), sequence=2),
        StopRinging("CA1"),
        Press("1#"),
    ],
)
def test_errands_go_through_json(order):
    assert read(written(order)) == order
