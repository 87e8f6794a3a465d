"""An agent's own microphone: off and on in the conference, the same for browser and telephone."""

from __future__ import annotations

import pytest

from services.agents import conversation as talk
from services.agents import presence, transfer
from tests.agents.test_provider_commands import third_is_there
from tests.support.floor import Floor
from tests.support.house import House


@pytest.fixture
def floor(service: House) -> Floor:
    return Floor(service)


def mutes(floor: Floor, who: str, *, on: bool = True) -> tuple[bool, str]:
    done = talk.mute(floor.store, floor.control, *floor.mine(who), on=on)
    return done.done, done.why


def test_off_and_on_in_the_agents_own_line_and_not_in_the_callers(floor: Floor) -> None:
    who, _entry = floor.talk()
    sid = floor.leg_of(who).provider_sid
    assert mutes(floor, who) == (True, "")
    # The same again is one question.
    assert mutes(floor, who) == (True, "")
    assert presence.current(floor.store, who).muted_at == floor.now()
    assert mutes(floor, who, on=False) == (True, "")
    assert presence.current(floor.store, who).muted_at is None
    assert [(one.what, one.sid) for one in floor.control.asked[-2:]] == [
        ("mute", sid),
        ("unmute", sid),
    ]


@pytest.mark.parametrize("on", [True, False])
def test_what_the_provider_refuses_leaves_the_microphone_as_it_is(floor: Floor, on: bool) -> None:  # noqa: FBT001
    who, _entry = floor.talk()
    if not on:
        mutes(floor, who)
    floor.control.trouble.append("refuse")
    assert mutes(floor, who, on=on) == (False, "21201")
    assert (presence.current(floor.store, who).muted_at is None) == on


def test_a_mute_that_comes_late_does_not_undo_the_wish_of_now(floor: Floor) -> None:
    who, _entry = floor.talk()
    floor.control.trouble.append("busy")
    mutes(floor, who)
    mutes(floor, who, on=False)
    floor.later(seconds=2)
    floor.sweeps()
    assert "mute" not in floor.control.whats()


def test_a_colleague_who_was_asked_in_has_a_microphone_of_their_own(floor: Floor) -> None:
    who, entry_id = floor.talk()
    other = floor.agent()
    transfer.to_colleague(floor.store, floor.control, *floor.mine(who), other)
    third_is_there(floor, entry_id)
    assert mutes(floor, other) == (True, "")
    assert presence.current(floor.store, other).muted_at is not None
    assert presence.current(floor.store, who).muted_at is None


def test_without_a_conversation_there_is_nothing_to_mute(floor: Floor) -> None:
    who, entry_id = floor.talk()
    idle = floor.agent()
    assert mutes(floor, idle) == (False, "not_talking")
    why = talk.mute(floor.store, floor.control, idle, entry_id, on=True).why
    assert why == "not_talking"
    assert talk.mute(floor.store, floor.control, who, "f" * 32, on=True).why == "other_call"
    talk.hang_up(floor.store, floor.control, *floor.mine(who))
    assert mutes(floor, who) == (False, "not_talking")
