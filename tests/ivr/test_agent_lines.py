"""Agents' lines by webhook: from the first ring to every end of a conversation."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from exchange.signing import signature
from exchange.twiml import Verb
from models.accounts import staff as staff_rows
from services.agents import conversation, presence, transfer
from services.supervision import monitor
from tests.ivr.conftest import furnish
from tests.ivr.line import Document, Line
from tests.support.floor import Floor
from tests.support.house import ACCOUNT, BASE, TOKEN, House, house

CONFERENCE = "CF" + "7" * 32


@pytest.fixture
def floor(database_url: str) -> Iterator[Floor]:
    with house(database_url) as made:
        yield Floor(furnish(made, capacity=2))


@dataclass
class Caller(Line):
    """Somebody on the telephone; `newest` is what they heard last."""

    newest: Document = field(default_factory=lambda: Document(b"", ()))

    def asks_for_a_person(self) -> Caller:
        """Type a birth date, then ask for a person."""
        self.newest = self.rings()
        for keys in ("1", "12031942", "1", "0"):
            self.newest = self.presses(self.newest, keys)
        return self

    def goes_to(self, path: str) -> Document:
        """The provider sends the call there."""
        self.newest = self.hear(f"{BASE}{path}")
        return self.newest


def verb(document: Document, name: str) -> Verb:
    (found,) = (one for top in document.verbs for one in (top, *top.children) if one.name == name)
    return found


def agents_line(floor: Floor, who: str) -> Line:
    sid = floor.control.rings_to(f"client:{who}")[-1]
    return Line(floor.house.app, sender="+33974750001", sid=sid)


def path_of_ring(floor: Floor) -> str:
    return floor.control.calls[-1][2]


def events(floor: Floor, document: Document, event: str, sid: str) -> None:
    """The provider tells of the conference that a document led to."""
    url = verb(document, "Conference").attributes["statusCallback"]
    Line(floor.house.app, sid=sid).post(url, ConferenceSid=CONFERENCE, StatusCallbackEvent=event)


def in_conversation(floor: Floor) -> tuple[str, Caller, Line, Document]:
    """An agent and a caller talk: the agent, the caller, the agent's line, what it was answered."""
    who = floor.agent()
    caller = Caller(floor.house.app).asks_for_a_person()
    assert "Enqueue" in caller.newest.names
    assert floor.reserves() == 1
    line = agents_line(floor, who)
    answered = line.hear(f"{BASE}{path_of_ring(floor)}")
    events(floor, answered, "participant-join", line.sid)
    floor.sweeps()
    caller.goes_to(floor.control.asked[-1].path)
    events(floor, answered, "participant-join", caller.sid)
    return who, caller, line, answered


def entry_of(floor: Floor, who: str) -> str:
    entry_id = floor.state(who).entry_id
    assert entry_id is not None
    return entry_id


def test_a_caller_comes_to_the_agent_who_was_rung(floor: Floor) -> None:
    who, caller, _, answered = in_conversation(floor)
    entry_id = entry_of(floor, who)
    conference = verb(answered, "Conference")
    assert conference.text == entry_id == verb(caller.newest, "Conference").text
    assert conference.attributes["endConferenceOnExit"] == "false"
    assert verb(caller.newest, "Conference").attributes["endConferenceOnExit"] == "false"
    assert conference.attributes["startConferenceOnEnter"] == "true"
    assert floor.entry(entry_id).state == "talking"
    assert floor.entry(entry_id).conference_sid == CONFERENCE
    assert floor.state(who).state == "talking"
    # What was typed before is known to whoever talks with them.
    assert floor.entry(entry_id).known["born"] == "1942-03-12"


def test_a_copy_of_the_answer_is_the_same_answer(floor: Floor) -> None:
    who, _, line, answered = in_conversation(floor)
    again = line.hear(f"{BASE}{path_of_ring(floor)}")
    assert again.body == answered.body
    assert floor.state(who).state == "talking"
    assert len([one for one in floor.intents() if one.kind == "bring_caller"]) == 1


def test_whatever_the_callers_line_asks_then_leads_to_the_agent(floor: Floor) -> None:
    who, caller, _, _ = in_conversation(floor)
    late = caller.hear(f"{BASE}/voice/turn?n=6&queued=1", QueueResult="redirected")
    assert verb(late, "Conference").text == entry_of(floor, who)


def test_an_own_telephone_must_press_one(floor: Floor) -> None:
    who = floor.agent(ready=False)
    with floor.house.database.transaction() as connection:
        staff_rows.change_phone(
            connection, floor.house.clock, floor.store.vault, who, "+33145678901"
        )
    assert presence.ready(floor.store, who, voice="phone").done
    Caller(floor.house.app).asks_for_a_person()
    floor.reserves()
    to, sid, path = floor.control.calls[-1]
    assert to == "+33145678901"
    line = Line(floor.house.app, sid=sid)
    picked_up = line.hear(f"{BASE}{path}")
    assert picked_up.names == ["Gather", "Gather", "Gather", "Hangup"]
    assert "tapez 1" in picked_up.said
    entry_id = entry_of(floor, who)
    assert floor.entry(entry_id).state == "reserved"
    # A voice box that is left to talk presses nothing, and another key is no yes.
    wrong = line.hear(picked_up.action, Digits="5")
    assert wrong.names[-1] == "Hangup"
    assert floor.entry(entry_id).state == "reserved"
    assert verb(line.hear(wrong.action, Digits="1"), "Conference").text == entry_id
    assert floor.entry(entry_id).state == "talking"


def test_a_voice_box_is_nobody(floor: Floor) -> None:
    who = floor.agent()
    Caller(floor.house.app).asks_for_a_person()
    floor.reserves()
    entry_id = entry_of(floor, who)
    line = agents_line(floor, who)
    leg = floor.leg_of(who).id
    line.post(f"{BASE}/voice/leg?leg={leg}", CallStatus="in-progress")
    line.post(f"{BASE}/voice/leg?leg={leg}", CallStatus="completed")
    assert floor.entry(entry_id).state == "waiting"
    assert floor.state(who).reason == "no_answer"


def test_an_agent_who_comes_too_late_hears_so(floor: Floor) -> None:
    who = floor.agent()
    caller = Caller(floor.house.app).asks_for_a_person()
    floor.reserves()
    caller.hangs_up()
    line = agents_line(floor, who)
    said = line.hear(f"{BASE}{path_of_ring(floor)}")
    assert said.names == ["Say", "Hangup"]
    assert "n'attend plus" in said.said
    assert floor.state(who).state == "ready"


def test_the_line_of_nobody_is_let_go(floor: Floor) -> None:
    line = Line(floor.house.app)
    for path in ("/voice/agent", "/voice/third", "/voice/supervisor", "/voice/agent-accept"):
        said = line.hear(f"{BASE}{path}?leg={'9' * 32}", Digits="1")
        assert said.names == ["Say", "Hangup"]
    assert line.hear(f"{BASE}/voice/agent-left?leg=strange").names == ["Hangup"]
    assert line.hear(f"{BASE}/voice/leg?leg={'9' * 32}", CallStatus="completed").names == []


# ---------------------------------------------------------------- ends


def test_a_caller_who_hangs_up_leaves_the_agent_to_wrap_up(floor: Floor) -> None:
    who, caller, line, answered = in_conversation(floor)
    entry_id = entry_of(floor, who)
    caller.hangs_up()
    floor.sweeps()
    assert (floor.control.asked[-1].what, floor.control.asked[-1].sid) == ("hang_up", line.sid)
    assert (floor.entry(entry_id).state, floor.state(who).state) == ("wrapup", "wrapup")
    assert line.hear(verb(answered, "Dial").attributes["action"]).names == ["Hangup"]
    assert floor.state(who).state == "wrapup"


def test_an_agent_who_hangs_up_at_the_desk_says_goodbye_to_the_caller(floor: Floor) -> None:
    who, caller, line, answered = in_conversation(floor)
    assert conversation.hang_up(floor.store, floor.control, *floor.mine(who)).done
    (back,) = floor.control.of("redirect")[-1:]
    assert back.sid == caller.sid
    line.post(verb(answered, "Dial").attributes["action"], CallStatus="completed")
    goodbye = caller.goes_to(back.path)
    assert goodbye.ends
    assert floor.state(who).state == "wrapup"


def test_an_agents_line_that_breaks_sends_the_caller_to_the_front(floor: Floor) -> None:
    who, caller, line, answered = in_conversation(floor)
    entry_id = entry_of(floor, who)
    behind = floor.waits()
    other = floor.agent()
    line.post(verb(answered, "Dial").attributes["action"], CallStatus="completed")
    floor.sweeps()
    back = floor.control.of("redirect")[-1]
    assert back.sid == caller.sid
    waits = caller.goes_to(back.path)
    assert "Enqueue" in waits.names
    assert "tête de la file" in waits.said
    floor.reserves()
    assert floor.entry(entry_id).staff_id == other
    assert floor.entry(behind).staff_id is None


def test_a_conversation_goes_on_with_the_machine_where_the_agent_says(floor: Floor) -> None:
    who, caller, _, _ = in_conversation(floor)
    assert conversation.hand_back(floor.store, floor.control, *floor.mine(who), "postcode").done
    asked = caller.goes_to(floor.control.of("redirect")[-1].path)
    assert asked.gather is not None
    assert floor.house.session(caller.sid).step == "postcode"
    assert floor.house.session(caller.sid).born == "1942-03-12"


def test_hold_plays_music_in_the_callers_language(floor: Floor) -> None:
    who, caller, _, _ = in_conversation(floor)
    assert conversation.hold(floor.store, floor.control, *floor.mine(who), on=True).done
    held = floor.control.of("hold")[-1]
    assert (held.sid, held.more["conference"]) == (caller.sid, CONFERENCE)
    heard = caller.hear(f"{BASE}{held.path}")
    assert heard.names == ["Say", "Play"]
    # A file alone would be played once.
    assert verb(heard, "Play").attributes["loop"] == "0"
    english = caller.hear(f"{BASE}/voice/hold?language=en")
    assert english.verbs[0].attributes["language"].startswith("en")


def test_a_third_person_hears_who_rings_and_is_asked_for_no_key(floor: Floor) -> None:
    who, _, _, _ = in_conversation(floor)
    assert transfer.to_number(floor.store, floor.control, *floor.mine(who), "+33145678901").done
    _, sid, path = floor.control.calls[-1]
    heard = Line(floor.house.app, sid=sid).hear(f"{BASE}{path}")
    assert heard.names == ["Say", "Dial"]
    assert verb(heard, "Conference").text == entry_of(floor, who)
    assert verb(heard, "Conference").attributes["endConferenceOnExit"] == "false"


def test_a_supervisor_who_whispers_is_heard_by_the_agent_alone(floor: Floor) -> None:
    who, _, line, _ = in_conversation(floor)
    boss = floor.house.employs("supervisor").id
    entry_id = entry_of(floor, who)
    assert monitor.listen_in(floor.store, floor.control, boss, entry_id, "whisper").done
    _, sid, path = floor.control.calls[-1]
    heard = Line(floor.house.app, sid=sid).hear(f"{BASE}{path}")
    assert verb(heard, "Conference").attributes["coach"] == line.sid
    assert presence.current(floor.store, who).heard_by == ((boss, "whisper"),)


# ---------------------------------------------------------------- who may tell


def post(house: House, path: str, **fields: str) -> int:
    form = {"AccountSid": ACCOUNT, **fields}
    headers = {"X-Twilio-Signature": signature(TOKEN, f"{BASE}{path}", form)}
    with house.app.test_client() as client:
        return client.post(path, base_url=BASE, data=form, headers=headers).status_code


def test_a_conference_is_told_of_without_a_call(floor: Floor) -> None:
    path = f"/voice/conference?entry={'1' * 32}"
    told = {"ConferenceSid": CONFERENCE, "StatusCallbackEvent": "conference-end"}
    assert post(floor.house, path, **told) == 200
    assert post(floor.house, path, **told, CallSid="CA" + "1" * 32) == 200
    assert post(floor.house, path, StatusCallbackEvent="conference-end") == 403
    # Who comes and goes is a call.
    joins = {**told, "StatusCallbackEvent": "participant-join"}
    assert post(floor.house, path, **joins) == 403
    assert post(floor.house, path, ConferenceSid=CONFERENCE) == 403
    assert post(floor.house, path, **told, CallSid="CA1") == 403
    assert post(floor.house, path, **{**told, "ConferenceSid": "CF1"}) == 403
    assert post(floor.house, path, **{**told, "AccountSid": "AC" + "9" * 32}) == 403


@pytest.mark.parametrize(
    "path", ["/voice/agent", "/voice/leg", "/voice/hold", "/voice/turn", "/voice/conference/x"]
)
def test_no_other_address_is_told_of_without_a_call(floor: Floor, path: str) -> None:
    assert post(floor.house, path, ConferenceSid=CONFERENCE) == 403


def test_a_line_that_fails_is_asked_for_again(
    floor: Floor, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object) -> None:
        raise RuntimeError

    monkeypatch.setattr("services.agents.connect_agent.picked_up", fails)
    path = f"/voice/agent?leg={'1' * 32}"
    assert post(floor.house, path, CallSid="CA" + "1" * 32) == 503
