"""What is asked of the provider is asked once, whatever is lost, killed or refused on the way."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest

from flows import steps as conversation
from flows.agents import AfterAgent
from models.agents import legs, stored_commands
from models.agents.stored_commands import NewCommand
from models.queue import call_queues
from services.accounts.staff import read_acts
from services.agents import command_store, connect_agent, presence, provider_commands, transfer
from services.agents import conversation as talk
from services.agents.command_store import CommandKind
from services.agents.provider_commands import Result
from services.supervision import monitor
from tests.support.control import Ask
from tests.support.floor import Floor, a_call, brought
from tests.support.house import House


class Killed(BaseException):
    """The process ends here."""


@pytest.fixture
def floor(service: House) -> Floor:
    return Floor(service)


def add(
    floor: Floor, kind: CommandKind = CommandKind.REDIRECT, key: str = "one", **more: Any
) -> str:
    more.setdefault("arguments", {"call_sid": a_call(), "path": "/voice/turn?n=1"})
    with floor.house.database.transaction() as connection:
        return command_store.add(connection, floor.store, NewCommand(kind, key, **more))


def states(floor: Floor) -> list[tuple[str, str, str | None]]:
    return [(one.kind, one.state, one.error_code) for one in floor.intents()]


def test_the_same_key_is_one_intent(floor: Floor) -> None:
    assert add(floor) == add(floor)
    assert len(floor.intents()) == 1


def test_a_desk_has_a_second_before_it_is_swept(floor: Floor) -> None:
    add(floor)
    assert floor.sweeps() == 0
    floor.later(seconds=1)
    assert floor.sweeps() == 1
    assert floor.control.whats() == ["redirect"]
    floor.later(seconds=60)
    assert floor.sweeps() == 0


def test_what_a_webhook_wants_is_done_at_once(floor: Floor) -> None:
    add(floor, at_once=True)
    assert floor.sweeps() == 1


def test_two_who_carry_it_out_ask_once(floor: Floor) -> None:
    one = add(floor)
    with ThreadPoolExecutor(4) as threads:
        results = list(
            threads.map(
                lambda _: provider_commands.carry_out(floor.store, floor.control, one), range(4)
            )
        )
    assert sorted(results) == [Result.DONE, *[Result.NOT_OURS] * 3]
    assert floor.control.whats() == ["redirect"]


def test_what_is_left_half_done_is_done_after_its_lease(floor: Floor) -> None:
    one = add(floor)

    def die(_: Ask) -> None:
        raise Killed

    floor.control.when = die
    with pytest.raises(Killed):
        provider_commands.carry_out(floor.store, floor.control, one)
    floor.control.when = None
    floor.later(seconds=3)
    assert floor.sweeps() == 0
    floor.later(seconds=1)
    assert floor.sweeps() == 1
    assert states(floor) == [("redirect", "done", None)]


def test_a_busy_provider_is_asked_again(floor: Floor) -> None:
    one = add(floor)
    floor.control.trouble.append("busy")
    assert provider_commands.carry_out(floor.store, floor.control, one) is Result.LATER
    floor.later(seconds=1)
    floor.sweeps()
    assert floor.control.whats() == ["redirect"]


# ---------------------------------------------------------------- nobody is rung twice


def test_a_ring_whose_answer_was_lost_is_looked_up(floor: Floor) -> None:
    who = floor.agent()
    floor.waits()
    floor.control.trouble.append("lose")
    floor.reserves()
    floor.later(seconds=1)
    floor.sweeps()
    assert floor.control.whats() == ["ring", "find_call"]
    (sid,) = floor.control.rings_to(f"client:{who}")
    assert floor.leg_of(who).provider_sid == sid


def test_a_ring_that_never_arrived_is_made_again(floor: Floor) -> None:
    who = floor.agent()
    floor.waits()
    floor.control.trouble.append("unheard")
    floor.reserves()
    floor.later(seconds=1)
    floor.sweeps()
    assert floor.control.whats() == ["find_call", "ring"]
    assert len(floor.control.rings_to(f"client:{who}")) == 1


def test_an_earlier_ring_to_the_same_agent_is_not_taken_for_this_one(floor: Floor) -> None:
    who = floor.agent()
    floor.waits()
    floor.reserves()
    floor.told(who, "no-answer")
    presence.ready(floor.store, who)
    floor.control.trouble.append("unheard")
    floor.reserves()
    floor.later(seconds=1)
    floor.sweeps()
    first, second = floor.control.rings_to(f"client:{who}")
    assert floor.leg_of(who).provider_sid == second != first


def test_a_process_that_dies_after_the_provider_took_a_ring_makes_no_second_one(
    floor: Floor, monkeypatch: pytest.MonkeyPatch
) -> None:
    who = floor.agent()
    floor.waits()

    def die(*_: Any, **__: Any) -> bool:
        raise Killed

    with monkeypatch.context() as killed:
        killed.setattr(legs, "move", die)
        with pytest.raises(Killed):
            floor.reserves()
    assert len(floor.control.rings_to(f"client:{who}")) == 1
    floor.later(seconds=5)
    floor.sweeps()
    assert len(floor.control.rings_to(f"client:{who}")) == 1
    assert floor.leg_of(who).provider_sid == floor.control.rings_to(f"client:{who}")[0]


def test_without_the_look_they_would_be_rung_twice(
    floor: Floor, monkeypatch: pytest.MonkeyPatch
) -> None:
    who = floor.agent()
    floor.waits()
    floor.control.trouble.append("lose")
    floor.reserves()
    monkeypatch.setattr(provider_commands, "_rung_already", lambda *_: None)
    floor.later(seconds=1)
    floor.sweeps()
    assert len(floor.control.rings_to(f"client:{who}")) == 2


def test_who_is_given_up_while_being_rung_is_let_go(floor: Floor) -> None:
    who, entry_id = floor.agent(), floor.waits()

    def caller_leaves(ask: Ask) -> None:
        floor.control.when = None
        if ask.what == "ring":
            assert floor.caller_hangs_up(entry_id)

    floor.control.when = caller_leaves
    floor.reserves()
    floor.sweeps()
    (sid,) = floor.control.rings_to(f"client:{who}")
    assert sid in [one.sid for one in floor.control.of("hang_up")]
    assert floor.state(who).state == "ready"


def test_rings_keep_to_the_rate_of_the_account(floor: Floor) -> None:
    floor.control.calls_per_second = 1
    for _ in range(3):
        floor.agent()
        floor.waits(number="")
    floor.reserves()
    rung = [len(floor.control.calls)]
    for _ in range(4):
        floor.later(seconds=1)
        floor.sweeps()
        rung.append(len(floor.control.calls))
    assert rung[0] == 1
    assert rung[-1] == 3
    assert max(after - before for before, after in pairwise(rung)) == 1


# ---------------------------------------------------------------- what could not be


def test_a_ring_that_is_refused_frees_whom_it_was_for(floor: Floor) -> None:
    who, entry_id = floor.agent(), floor.waits()
    joined = floor.entry(entry_id).joined_at
    floor.control.trouble.append("refuse")
    floor.reserves()
    entry = floor.entry(entry_id)
    assert (entry.state, entry.staff_id, entry.joined_at) == ("waiting", None, joined)
    assert (floor.state(who).state, floor.state(who).reason) == ("paused", "no_line")
    assert ("ring_agent", "failed", "21201") in states(floor)


def test_a_ring_that_is_too_late_is_not_made(floor: Floor) -> None:
    who, entry_id = floor.agent(), floor.waits()
    floor.control.trouble.append("busy")
    floor.reserves()
    floor.later(seconds=61)
    floor.sweeps()
    assert floor.control.calls == []
    assert floor.entry(entry_id).state == "waiting"
    # They could not help it, and are there for the next one.
    assert floor.state(who).state == "ready"


def test_a_caller_who_was_gone_before_they_were_brought_keeps_their_place(floor: Floor) -> None:
    entry_id = floor.waits()
    who = floor.agent()
    floor.reserves()
    floor.control.gone.add(floor.entry(entry_id).call_id or "")
    assert floor.answers(who) is not None
    floor.sweeps()
    floor.sweeps()
    entry = floor.entry(entry_id)
    # As whoever is cut off: rung when their turn comes.
    assert (entry.state, entry.kind, entry.reason) == ("waiting", "callback", "cut")
    assert floor.state(who).state == "ready"
    assert floor.control.of("hang_up")[0].sid == floor.leg_of(who).provider_sid


def test_a_caller_who_is_in_no_queue_is_brought_by_their_call(floor: Floor) -> None:
    entry_id = floor.waits()
    call_id = floor.entry(entry_id).call_id or ""
    with floor.house.database.transaction() as connection:
        call_queues.set_queue(connection, floor.house.clock, "fr", provider_sid="QU" + "1" * 32)
    floor.control.out_of_queue.add(call_id)
    who = floor.agent()
    floor.reserves()
    floor.answers(who)
    floor.sweeps()
    assert floor.control.whats()[-2:] == ["not_in_queue", "redirect"]
    assert floor.control.asked[-1].sid == call_id
    assert floor.control.asked[-1].path == "/voice/turn?n=0&again=1"


# ---------------------------------------------------------------- a conversation


def test_hold_and_back(floor: Floor) -> None:
    who, entry_id = floor.talk()
    call_id = floor.entry(entry_id).call_id
    assert talk.hold(floor.store, floor.control, *floor.mine(who), on=True).done
    assert talk.hold(floor.store, floor.control, *floor.mine(who), on=True).intents == ()
    assert floor.entry(entry_id).held_at == floor.now()
    assert talk.hold(floor.store, floor.control, *floor.mine(who), on=False).done
    assert floor.entry(entry_id).held_at is None
    assert [(one.what, one.sid) for one in floor.control.asked[-2:]] == [
        ("hold", call_id),
        ("unhold", call_id),
    ]


def test_a_hold_that_comes_late_does_not_undo_the_wish_of_now(floor: Floor) -> None:
    who, _ = floor.talk()
    floor.control.trouble.append("busy")
    asked = talk.hold(floor.store, floor.control, *floor.mine(who), on=True)
    assert (asked.done, asked.later) == (True, True)
    assert talk.hold(floor.store, floor.control, *floor.mine(who), on=False).done
    floor.later(seconds=2)
    floor.sweeps()
    assert "hold" not in floor.control.whats()


def test_a_hold_that_is_refused_is_none(floor: Floor) -> None:
    who, entry_id = floor.talk()
    floor.control.trouble.append("refuse")
    asked = talk.hold(floor.store, floor.control, *floor.mine(who), on=True)
    assert (asked.done, asked.why) == (False, "21201")
    assert floor.entry(entry_id).held_at is None
    assert presence.current(floor.store, who).pending[0].error_code == "21201"


def test_the_caller_hangs_up(floor: Floor) -> None:
    who, entry_id = floor.talk()
    assert floor.caller_hangs_up(entry_id)
    floor.sweeps()
    assert (floor.entry(entry_id).state, floor.entry(entry_id).outcome) == ("wrapup", "hung_up")
    assert floor.state(who).state == "wrapup"
    assert floor.control.asked[-1] == Ask("hang_up", floor.leg_of(who).provider_sid or "")
    # What the provider tells of that line afterwards changes nothing.
    floor.told(who, "completed")
    assert floor.entry(entry_id).state == "wrapup"
    assert talk.wrap_up(floor.store, floor.control, *floor.mine(who), "nothing").why == "code"
    assert talk.wrap_up(
        floor.store, floor.control, *floor.mine(who), "booked", "tout va bien  " * 90
    ).done
    assert floor.entry(entry_id).state == "done"
    assert floor.entry(entry_id).wrapup_code == "booked"
    assert floor.state(who).state == "ready"


def test_the_agent_hangs_up(floor: Floor) -> None:
    who, entry_id = floor.talk()
    assert talk.hang_up(floor.store, floor.control, *floor.mine(who)).done
    assert [one.what for one in floor.control.asked[-2:]] == ["redirect", "hang_up"]
    assert floor.control.asked[-2].path == "/voice/turn?n=1&returned=1"
    floor.told(who, "completed")
    assert (floor.entry(entry_id).state, floor.entry(entry_id).outcome) == ("wrapup", "finished")
    with floor.house.database.statement() as connection:
        call_id = floor.entry(entry_id).call_id or ""
        after = connect_agent.after_agent(connection, floor.store, call_id)
    assert after.what is AfterAgent.FINISHED


def test_the_agents_line_breaks(floor: Floor) -> None:
    who, entry_id = floor.talk()
    joined = floor.entry(entry_id).joined_at
    floor.later(seconds=90)
    floor.told(who, "completed")
    entry = floor.entry(entry_id)
    assert (entry.state, entry.staff_id, entry.joined_at) == ("waiting", None, joined)
    assert (floor.state(who).state, floor.state(who).reason) == ("paused", "line_lost")
    floor.sweeps()
    assert floor.control.asked[-1].path == "/voice/turn?n=1&returned=1"
    with floor.house.database.statement() as connection:
        after = connect_agent.after_agent(connection, floor.store, entry.call_id or "")
    assert after.what is AfterAgent.LOST_AGENT
    other = floor.agent()
    assert floor.reserves() == 1
    assert floor.entry(entry_id).staff_id == other


def test_a_page_that_is_closed_in_a_conversation_changes_nothing(floor: Floor) -> None:
    who, entry_id = floor.talk()
    floor.later(minutes=10)
    presence.forget_closed_pages(floor.store)
    now = presence.current(floor.store, who)
    assert now.agent
    assert now.entry
    assert (now.agent.state, now.entry.id, now.entry.state) == ("talking", entry_id, "talking")
    assert now.is_mine
    assert [leg.kind for leg in now.legs] == ["agent"]
    assert now.entry.call_id == floor.entry(entry_id).call_id


def test_a_pause_wished_for_in_a_conversation_comes_after_it(floor: Floor) -> None:
    who, entry_id = floor.talk()
    asked = presence.pause(floor.store, who, "lunch")
    assert (asked.done, asked.later) == (True, True)
    assert floor.state(who).state == "talking"
    floor.caller_hangs_up(entry_id)
    talk.wrap_up(floor.store, floor.control, *floor.mine(who), "information")
    assert (floor.state(who).state, floor.state(who).reason) == ("paused", "lunch")


def test_wrapping_up_takes_a_minute_at_most(floor: Floor) -> None:
    who, entry_id = floor.talk()
    floor.caller_hangs_up(entry_id)
    assert presence.ready(floor.store, who).why == "wrapup_code"
    floor.later(seconds=60)
    assert presence.end_wrapups(floor.store) == 0
    floor.later(seconds=1)
    assert presence.end_wrapups(floor.store) == 1
    assert floor.state(who).state == "ready"
    assert floor.entry(entry_id).wrapup_code == "timeout"


def test_the_machine_does_not_go_on_without_what_it_needs(floor: Floor) -> None:
    who, _ = floor.talk()
    # Nothing was typed in this call.
    assert talk.hand_back(floor.store, floor.control, *floor.mine(who), "offers").why == "step"
    assert talk.hand_back(floor.store, floor.control, *floor.mine(who), "date_of_birth").done


def test_a_colleague_who_was_asked_in_can_leave(floor: Floor) -> None:
    who, entry_id = floor.talk()
    other = floor.agent()
    transfer.to_colleague(floor.store, floor.control, *floor.mine(who), other)
    third_is_there(floor, entry_id)
    assert talk.hang_up(floor.store, floor.control, *floor.mine(other)).done
    assert floor.state(other).state == "ready"
    assert (floor.entry(entry_id).state, floor.state(who).state) == ("talking", "talking")


def test_a_caller_who_is_brought_too_late_is_not_left_alone(floor: Floor) -> None:
    who, entry_id = floor.talk()
    talk.hang_up(floor.store, floor.control, *floor.mine(who))
    # The question that brought them was answered after that which let them go.
    floor.joins(entry_id, floor.entry(entry_id).call_id or "")
    floor.sweeps()
    assert [one.path for one in floor.control.of("redirect")][-2:] == [
        "/voice/turn?n=1&returned=1"
    ] * 2


def test_a_second_call_of_one_line_is_nobodys(floor: Floor) -> None:
    who, entry_id = floor.talk()
    leg = floor.leg_of(who)
    other = a_call()
    assert connect_agent.picked_up(floor.store, leg.id, other) is None
    assert connect_agent.enters(floor.store, leg.id, other, brought) is None
    assert connect_agent.leg_told(floor.store, leg.id, other, "completed") is None
    assert floor.entry(entry_id).state == "talking"


def test_whom_an_agent_wanted_out_of_the_menu_and_who_hangs_up_is_promised_nothing(
    floor: Floor,
) -> None:
    entry_id = floor.waits(reason="taken")
    who = floor.agent()
    floor.reserves()
    floor.control.gone.add(floor.entry(entry_id).call_id or "")
    floor.answers(who)
    floor.sweeps()
    assert (floor.entry(entry_id).state, floor.entry(entry_id).outcome) == ("left", "not_taken")


def test_handing_back_names_the_step(floor: Floor) -> None:
    who, entry_id = floor.talk()
    assert talk.hand_back(floor.store, floor.control, *floor.mine(who), "nowhere").why == "step"
    for step in talk.STEPS:
        called = talk._CALLED.get(step, step)
        assert called in conversation.STEPS
        # As much as the column takes.
        assert len(connect_agent.BACK + called) <= 20
    assert talk.hand_back(floor.store, floor.control, *floor.mine(who), "my_appointment").done
    with floor.house.database.statement() as connection:
        call_id = floor.entry(entry_id).call_id or ""
        after = connect_agent.after_agent(connection, floor.store, call_id)
    assert (after.what, after.step) == (AfterAgent.HANDED_BACK, "my_reference")
    assert floor.state(who).state == "wrapup"


# ---------------------------------------------------------------- three together


def third(floor: Floor, entry_id: str) -> Any:
    return next(one for one in floor.legs(entry_id) if one.kind == "third")


def third_is_there(floor: Floor, entry_id: str) -> None:
    theirs = third(floor, entry_id)
    assert connect_agent.enters(floor.store, theirs.id, theirs.provider_sid, brought) is not None


def test_a_warm_transfer_to_a_colleague(floor: Floor) -> None:
    who, entry_id = floor.talk()
    other = floor.agent()
    assert transfer.to_colleague(floor.store, floor.control, *floor.mine(who), other).done
    assert [one.what for one in floor.control.asked[-2:]] == ["hold", "ring"]
    assert floor.state(other).state == "reserved"
    assert transfer.complete(floor.store, floor.control, *floor.mine(who)).why == "nobody"
    third_is_there(floor, entry_id)
    assert floor.state(other).state == "talking"
    assert transfer.complete(floor.store, floor.control, *floor.mine(who)).done
    assert [one.what for one in floor.control.asked[-2:]] == ["unhold", "hang_up"]
    assert floor.control.asked[-1].sid == floor.leg_of(who).provider_sid
    entry = floor.entry(entry_id)
    assert (entry.state, entry.staff_id, entry.held_at) == ("talking", other, None)
    assert floor.state(who).state == "ready"
    floor.told(who, "completed")
    assert floor.entry(entry_id).state == "talking"
    # From then on it is the colleague's, with all of its ends.
    floor.told(other, "completed")
    assert floor.entry(entry_id).state == "waiting"
    assert floor.state(other).reason == "line_lost"


def test_a_colleague_who_does_not_answer_leaves_the_caller_with_the_agent(floor: Floor) -> None:
    who, entry_id = floor.talk()
    other = floor.agent()
    transfer.to_colleague(floor.store, floor.control, *floor.mine(who), other)
    floor.told(other, "no-answer")
    assert (floor.state(other).state, floor.state(other).reason) == ("paused", "no_answer")
    assert floor.entry(entry_id).staff_id == who
    assert transfer.cancel(floor.store, floor.control, *floor.mine(who)).why == "nobody"
    assert talk.hold(floor.store, floor.control, *floor.mine(who), on=False).done


def test_a_transfer_to_another_centres_number(floor: Floor) -> None:
    who, entry_id = floor.talk()
    assert (
        transfer.to_number(floor.store, floor.control, *floor.mine(who), "+33899123456").why
        == "number"
    )
    assert transfer.to_number(floor.store, floor.control, *floor.mine(who), "+33145678901").done
    third_is_there(floor, entry_id)
    assert transfer.complete(floor.store, floor.control, *floor.mine(who)).done
    assert floor.entry(entry_id).outcome == "transferred"
    assert floor.state(who).state == "wrapup"
    assert talk.wrap_up(floor.store, floor.control, *floor.mine(who), "other_service").done
    # Their two lines go on, until one of them is over.
    theirs = third(floor, entry_id)
    assert theirs.state == "joined"
    assert theirs.provider_sid not in [one.sid for one in floor.control.of("hang_up")]
    connect_agent.leg_told(floor.store, theirs.id, theirs.provider_sid, "completed")
    floor.sweeps()
    assert floor.control.asked[-1].what == "redirect"
    assert floor.control.asked[-1].sid == floor.entry(entry_id).call_id


def test_a_caller_who_hangs_up_after_a_transfer_leaves_nobody_alone(floor: Floor) -> None:
    who, entry_id = floor.talk()
    transfer.to_number(floor.store, floor.control, *floor.mine(who), "+33145678901")
    third_is_there(floor, entry_id)
    transfer.complete(floor.store, floor.control, *floor.mine(who))
    connect_agent.seen_in_conference(
        floor.store, entry_id, "CF" + "1" * 32, floor.entry(entry_id).call_id or "", joined=False
    )
    floor.sweeps()
    assert floor.control.asked[-1] == Ask("hang_up", third(floor, entry_id).provider_sid)


def test_a_caller_who_hangs_up_on_hold_leaves_agent_and_third_in_their_sentence(
    floor: Floor,
) -> None:
    who, entry_id = floor.talk()
    transfer.to_number(floor.store, floor.control, *floor.mine(who), "+33145678901")
    third_is_there(floor, entry_id)
    floor.caller_hangs_up(entry_id)
    floor.sweeps()
    assert floor.control.of("hang_up") == []
    assert floor.state(who).state == "wrapup"
    assert talk.hang_up(floor.store, floor.control, *floor.mine(who)).done
    assert len(floor.control.of("hang_up")) == 2


def test_a_transfer_that_is_called_off(floor: Floor) -> None:
    who, entry_id = floor.talk()
    other = floor.agent()
    transfer.to_colleague(floor.store, floor.control, *floor.mine(who), other)
    third_is_there(floor, entry_id)
    assert transfer.cancel(floor.store, floor.control, *floor.mine(who)).done
    assert [one.what for one in floor.control.asked[-2:]] == ["hang_up", "unhold"]
    assert floor.state(other).state == "ready"
    assert floor.entry(entry_id).staff_id == who


def test_three_together(floor: Floor) -> None:
    who, entry_id = floor.talk()
    transfer.to_number(floor.store, floor.control, *floor.mine(who), "+33145678901")
    assert transfer.join_three(floor.store, floor.control, *floor.mine(who)).why == "nobody"
    third_is_there(floor, entry_id)
    assert transfer.join_three(floor.store, floor.control, *floor.mine(who)).done
    assert floor.control.asked[-1].what == "unhold"
    assert third(floor, entry_id).state == "joined"


def test_a_supervisor_listens_and_the_agent_sees_it(floor: Floor) -> None:
    who, entry_id = floor.talk()
    boss = floor.house.employs("supervisor").id
    asked = monitor.listen_in(floor.store, floor.control, boss, entry_id)
    assert asked.done
    assert presence.current(floor.store, who).heard_by == ()
    leg = next(one for one in floor.legs(entry_id) if one.kind == "supervisor")
    entering = connect_agent.enters(floor.store, leg.id, leg.provider_sid or "", brought)
    assert entering is not None
    assert (entering.muted, entering.coached_sid) == (True, "")
    assert presence.current(floor.store, who).heard_by == ((boss, "listen"),)
    assert monitor.listen_in(floor.store, floor.control, boss, entry_id, "whisper").done
    assert floor.control.asked[-1].more == {
        "coached": floor.leg_of(who).provider_sid,
        "muted": False,
    }
    assert monitor.leave(floor.store, floor.control, boss).done
    assert presence.current(floor.store, who).heard_by == ()


def test_old_lines_and_intents_are_forgotten(floor: Floor) -> None:
    who, entry_id = floor.talk()
    floor.caller_hangs_up(entry_id)
    floor.sweeps()
    talk.wrap_up(floor.store, floor.control, *floor.mine(who), "booked")
    floor.later(days=8)
    with floor.house.database.transaction() as connection:
        assert stored_commands.delete_old(connection, floor.house.clock, timedelta(days=7)) > 0
    assert floor.intents() == []
    assert floor.legs(entry_id) == []


# ---------------------------------------------------------------- a page that is late, the history

LATE: dict[str, Callable[[Floor, str, str], provider_commands.CommandResult]] = {
    "hold": lambda floor, who, entry: talk.hold(floor.store, floor.control, who, entry, on=True),
    "colleague": lambda floor, who, entry: transfer.to_colleague(
        floor.store, floor.control, who, entry, floor.agent()
    ),
    "number": lambda floor, who, entry: transfer.to_number(
        floor.store, floor.control, who, entry, "+33145678901"
    ),
    "complete": lambda floor, who, entry: transfer.complete(floor.store, floor.control, who, entry),
    "cancel": lambda floor, who, entry: transfer.cancel(floor.store, floor.control, who, entry),
    "three": lambda floor, who, entry: transfer.join_three(floor.store, floor.control, who, entry),
    "back": lambda floor, who, entry: talk.hand_back(
        floor.store, floor.control, who, entry, "welcome"
    ),
    "hang up": lambda floor, who, entry: talk.hang_up(floor.store, floor.control, who, entry),
    "wrap up": lambda floor, who, entry: talk.wrap_up(
        floor.store, floor.control, who, entry, "booked"
    ),
}


@pytest.mark.parametrize("wish", LATE)
def test_what_a_late_page_wants_is_not_done_to_the_next_caller(floor: Floor, wish: str) -> None:
    who, first = floor.talk()
    talk.hang_up(floor.store, floor.control, who, first)
    talk.wrap_up(floor.store, floor.control, who, first, "booked")
    second = floor.waits()
    assert floor.reserves() == 1
    floor.answers(who)
    floor.sweeps()
    floor.joins(second, floor.leg_of(who).provider_sid or "")
    floor.joins(second, floor.entry(second).call_id or "")
    before, asked = floor.entry(second), list(floor.control.asked)
    refused = LATE[wish](floor, who, first)
    assert (refused.done, refused.why) == (False, "other_call")
    assert floor.entry(second) == before
    assert (floor.state(who).state, floor.state(who).entry_id) == ("talking", second)
    assert floor.control.asked == asked


def acts(floor: Floor) -> list[tuple[str, str, str]]:
    return [
        (one.act.what, one.act.subject, str(one.act.details.get("to", "")))
        for one in read_acts(floor.store)
    ][::-1]


def test_what_is_done_with_a_caller_is_in_the_history(floor: Floor) -> None:
    who, entry_id = floor.talk()
    other = floor.agent()
    talk.hold(floor.store, floor.control, who, entry_id, on=True)
    # What is so already is no act.
    talk.hold(floor.store, floor.control, who, entry_id, on=True)
    talk.hold(floor.store, floor.control, who, entry_id, on=False)
    transfer.to_colleague(floor.store, floor.control, who, entry_id, other)
    third_is_there(floor, entry_id)
    transfer.join_three(floor.store, floor.control, who, entry_id)
    transfer.complete(floor.store, floor.control, who, entry_id)
    talk.hand_back(floor.store, floor.control, other, entry_id, "welcome")
    assert acts(floor) == [
        ("hold", entry_id, ""),
        ("unhold", entry_id, ""),
        ("transfer_begun", entry_id, other),
        ("conference", entry_id, ""),
        ("transfer_done", entry_id, other),
        ("handed_back", entry_id, ""),
    ]


def test_a_number_that_was_rung_is_in_the_history_without_its_digits(floor: Floor) -> None:
    who, entry_id = floor.talk()
    transfer.to_number(floor.store, floor.control, who, entry_id, "+33145678901")
    transfer.cancel(floor.store, floor.control, who, entry_id)
    assert [one[:2] for one in acts(floor)] == [
        ("transfer_begun", entry_id),
        ("transfer_cancelled", entry_id),
    ]
    assert "45678901" not in str(read_acts(floor.store))


def test_a_supervisor_who_leaves_a_conversation_is_in_the_history(floor: Floor) -> None:
    _, entry_id = floor.talk()
    boss = floor.house.employs("supervisor").id
    monitor.listen_in(floor.store, floor.control, boss, entry_id, "join")
    monitor.leave(floor.store, floor.control, boss)
    assert acts(floor) == [("join", entry_id, ""), ("left", entry_id, "")]


def test_what_was_not_done_is_no_act(floor: Floor) -> None:
    who, entry_id = floor.talk()
    assert not transfer.complete(floor.store, floor.control, who, entry_id).done
    assert not transfer.join_three(floor.store, floor.control, who, entry_id).done
    assert not talk.hand_back(floor.store, floor.control, who, entry_id, "offers").done
    assert acts(floor) == []
