"""What callers hear in the queue, what they may press there, and what a round of it costs."""

from __future__ import annotations

import re

from typing import Any

import pytest

from sqlalchemy import select

from exchange.twiml import Verb
from ivr.addresses import Addresses
from ivr.agent_lines import bring
from models.queue import call_queues, order, queues
from models.queue.queues import QueueEntry
from models.queue.tables import callback_request
from models.supervision import snapshots
from services.agents.connect_agent import enters
from services.queue import entries, wait_estimate
from tests.ivr.line import Document, Line
from tests.support.floor import Floor, a_call
from tests.support.house import BASE, MOBILE, NOON, WITHHELD, House
from tests.support.rows import as_in_production, on_the_wire, rows_of

WAIT = "/voice/wait"


class Waits(Line):
    """A line that came into the queue: `enqueued` is the answer that put it there."""

    enqueued: Document

    def enters(self) -> Waits:
        self.enqueued = self.presses(self.rings(), "0")
        assert self.enqueued.names[-2:] == ["Enqueue", "Redirect"], self.enqueued.names
        return self

    @property
    def _queue(self) -> Verb:
        return next(verb for verb in self.enqueued.verbs if verb.name == "Enqueue")

    def listens(self, rounds: int = 1) -> Document:
        """What the provider plays, so many rounds long."""
        document = self.hear(self._queue.attributes["waitUrl"])
        for _ in range(rounds - 1):
            document = self.hear(document.redirect)
        return document

    def leaves(self, result: str = "leave") -> Document:
        """The call is out of the queue."""
        return self.hear(self._queue.attributes["action"], QueueResult=result, QueueTime="9")


@pytest.fixture
def floor(service: House) -> Floor:
    made = Floor(service)
    made.agent()
    return made


def waits(floor: Floor, number: str = MOBILE) -> Waits:
    return Waits(floor.house.app, number).enters()


def place_of(floor: Floor, line: Line) -> QueueEntry:
    with floor.house.database.statement() as connection:
        found = queues.last_of_call(connection, floor.store.vault, line.sid)
    assert found is not None
    return found


def measured(floor: Floor, mean: float = 300.0) -> None:
    """Agents need so many seconds a person."""
    pace = wait_estimate.Throughput(
        60 / mean, agents=1, mean=mean, free=(mean,), share=1.0, usual=1.0
    )
    body: dict[str, Any] = {"fr": pace.__dict__}
    with floor.house.database.transaction() as connection:
        snapshots.put(connection, floor.house.clock, wait_estimate.NAME, body)
    wait_estimate.forget_throughput()


# ------------------------------------------------------------------ the document that enqueues


def test_the_queue_is_ours_with_music_of_ours_and_a_way_out_of_it(floor: Floor):
    line = waits(floor)
    enqueue = line._queue
    assert enqueue.text == "fr"
    assert enqueue.attributes == {
        "action": f"{BASE}/voice/turn?n=2&d={NOON:%Y%m%d}&queued=1"
        "#rc=2&rp=ct,rt,5xx&ct=2000&rt=4500",
        "method": "POST",
        "waitUrl": f"{BASE}/voice/wait?language=fr&slow=0&keeps=0&round=0&told=-1"
        "#rc=2&rp=ct,rt,5xx&ct=2000&rt=4500",
        "waitUrlMethod": "POST",
    }
    # Should the provider pass it by, the caller is not left in silence.
    assert line.enqueued.redirect == enqueue.attributes["action"]
    assert "Je vous passe une personne." in line.enqueued.said
    assert "Vous êtes la prochaine personne." in line.enqueued.said


def test_the_conference_of_an_agent_is_entered_without_a_sound(floor: Floor):
    line = waits(floor)
    entry = place_of(floor, line)
    with floor.house.database.transaction() as connection:
        talks = ("waiting",), "talking"
        assert queues.move(connection, floor.house.clock, entry.id, *talks, staff_id="a" * 32)
    document = line.leaves("redirected")
    assert document.names == ["Dial", "Redirect"]
    dial = document.verbs[0]
    assert dial.attributes["action"] == document.redirect
    (conference,) = dial.children
    assert conference.text == entry.id
    assert conference.attributes == {
        "startConferenceOnEnter": "true",
        "endConferenceOnExit": "false",
        "beep": "false",
        "waitUrl": f"{BASE}/audio/music/waiting.wav",
        "waitMethod": "GET",
        # Somebody who comes when the agent is gone is not left alone there.
        "statusCallback": f"{BASE}/voice/conference?entry={entry.id}"
        "#rc=2&rp=ct,rt,5xx&ct=2000&rt=4500",
        "statusCallbackMethod": "POST",
        "statusCallbackEvent": "join leave",
    }


# ------------------------------------------------------------------ rounds


def test_the_first_round_makes_the_offers_in_full(floor: Floor):
    document = waits(floor).listens()
    assert document.names == ["Gather", "Redirect"]
    assert document.gather is not None
    assert document.gather.attributes["numDigits"] == "1"
    assert [verb.name for verb in document.gather.children] == ["Say", "Play"]
    assert document.gather.children[-1].text == f"{BASE}/audio/music/waiting.wav"
    said = document.said
    assert "Pour être rappelé sans perdre votre place, tapez 1." in said
    assert "Pour revenir à votre demande, tapez 2." in said


def test_later_rounds_say_the_place_and_make_the_offers_in_fewer_words(floor: Floor):
    first = waits(floor, "+33612345601")
    second = waits(floor, "+33612345602")
    said = second.listens(3).said
    assert "Il y a une personne avant vous." in said
    assert "Pour être rappelé, tapez 1." in said
    first.hangs_up()
    # A callback in front is one person in front, once it is due.
    floor.later(minutes=1)
    floor.agent()
    assert "Il y a une personne avant vous." in second.listens(3).said


def test_the_wait_is_told_when_it_is_shorter_and_never_when_it_is_longer(floor: Floor):
    measured(floor)
    line = waits(floor)
    first = line.listens()
    assert "L'attente" not in first.said, "it was told on the way in"
    second = line.hear(first.redirect)
    assert "L'attente" not in second.said
    measured(floor, 100.0)
    third = line.hear(second.redirect)
    assert "L'attente est d'environ 2 minutes." in third.said
    measured(floor, 900.0)
    assert "L'attente" not in line.hear(third.redirect).said


def test_what_a_supervisor_says_is_heard_by_who_waits(floor: Floor):
    with floor.house.database.transaction() as connection:
        words = "Le centre de Brest est <fermé> aujourd'hui."
        assert call_queues.set_queue(connection, floor.house.clock, "fr", announcement=words)
    line = waits(floor)
    assert words in line.listens(1).said
    assert words not in line.listens(2).said
    assert words in line.listens(4).said


def announces(floor: Floor, french: str, english: str = "") -> None:
    """A supervisor's words for whoever waits, whatever they speak."""
    texts = {"announcement": french, "translations": {"en": english} if english else {}}
    with floor.house.database.transaction() as connection:
        for queue in ("fr", "en"):
            assert call_queues.set_queue(connection, floor.house.clock, queue, **texts)


def waits_in_english(floor: Floor) -> Waits:
    floor.agent(languages=("en",))
    line = Waits(floor.house.app, WITHHELD)
    line.enqueued = line.presses(line.presses(line.rings(), "4"), "0")
    return line


def test_what_a_supervisor_says_is_heard_in_the_callers_language(floor: Floor):
    announces(floor, "Le centre de Brest est fermé.", "The centre in Brest is closed.")
    here, there = waits(floor), waits_in_english(floor)
    assert "Le centre de Brest est fermé." in here.listens(1).said
    heard = there.listens(1).said
    assert "The centre in Brest is closed." in heard
    assert "fermé" not in heard


def test_french_words_are_not_read_to_who_speaks_english(floor: Floor):
    announces(floor, "Le centre de Brest est fermé.")
    there = waits_in_english(floor)
    heard = there.listens(1).said
    assert "Brest" not in heard
    assert "There is an announcement in French." in heard
    announces(floor, "")
    quiet = waits_in_english(floor).listens(1).said
    assert "announcement" not in quiet


def test_a_round_is_one_statement_and_lasts_longer_than_thirty_seconds(floor: Floor):
    as_in_production(floor.house)
    line = waits(floor)
    document = line.listens()
    with on_the_wire(floor.house.database) as sent:
        line.hear(document.redirect)
    assert len(sent) == 1, sent
    assert document.gather is not None
    assert document.gather.children[-1].name == "Play", "forty seconds of music"


def test_what_was_chosen_is_kept_while_its_caller_waits(floor: Floor):
    caller = floor.house.phone(MOBILE).goes_to("confirm")
    with floor.house.database.statement() as connection:
        assert (
            entries.why_closed(
                call_queues.queue_statuses(connection, floor.house.clock, "fr")[0],
                floor.house.campaign.hours,
                floor.house.clock.now(),
                wait_estimate.Throughput(),
            )
            is None
        )
    line = Waits(floor.house.app, MOBILE, sid=caller.sid)
    line.enqueued = line.hear(f"{BASE}/voice/turn?n={turn_of(caller)}", Digits="0")
    assert "keeps=1" in line._queue.attributes["waitUrl"]
    held = floor.house.held()
    for _ in range(5):
        floor.later(minutes=3)
        line.listens()
        floor.agent()
    assert floor.house.held() == held > 0


def turn_of(caller: Any) -> int:
    return int(re.findall(rb"turn\?n=(\d+)", caller.documents[-1])[-1])


def test_whoever_waits_hears_their_own_language_at_their_own_pace(floor: Floor):
    floor.agent(languages=("en",))
    line = Waits(floor.house.app, MOBILE)
    welcome = line.presses(line.rings(), "4")
    slow = line.presses(welcome, "8")
    line.enqueued = line.presses(slow, "0")
    assert "language=en&slow=1" in line._queue.attributes["waitUrl"]
    assert "To be called back without losing your place, press 1." in line.listens().said
    assert place_of(floor, line).queue_id == "en"


@pytest.mark.parametrize("query", ["", "?language=xx&slow=7&round=-4&told=x&place=%3C", "?round=9"])
def test_a_strange_address_is_answered_like_the_first(floor: Floor, query: str):
    line = waits(floor)
    document = line.hear(f"{BASE}{WAIT}{query}")
    assert document.names == ["Gather", "Redirect"]


# ------------------------------------------------------------------ keys


def test_one_is_a_call_back_with_the_place_kept(floor: Floor):
    line = waits(floor)
    joined = place_of(floor, line).joined_at
    floor.later(minutes=2)
    floor.agent()
    assert line.presses(line.listens(), "1").names == ["Leave"]
    document = line.leaves()
    assert re.search("nous vous rappellerons", document.said, re.IGNORECASE)
    assert document.ends
    entry = place_of(floor, line)
    assert (entry.kind, entry.state, entry.joined_at) == ("callback", "waiting", joined)
    line.hangs_up()
    assert place_of(floor, line).reason == "asked"


def test_two_is_the_question_where_they_were(floor: Floor):
    line = waits(floor)
    assert line.presses(line.listens(), "2").names == ["Leave"]
    document = line.leaves()
    assert "nous reprenons" in document.said
    assert "Pour prendre rendez-vous pour vous, tapez 1." in document.said
    entry = place_of(floor, line)
    assert (entry.state, entry.outcome) == ("left", "machine")


def test_a_withheld_number_is_asked_for_one_and_keeps_the_place(floor: Floor):
    line = waits(floor, WITHHELD)
    document = line.listens()
    assert "Pour donner un numéro où vous rappeler" in document.said
    assert line.presses(document, "1").names == ["Leave"]
    asked = line.leaves()
    assert "numéro de téléphone où vous rappeler" in asked.said
    done = line.presses(line.presses(asked, "0612345678"), "1")
    # Whose number it is nobody knows: its owner says yes to a text, or an agent rings.
    assert "répondez oui, et nous appelons" in done.said
    (asked,) = rows_of(floor.store.database, select(callback_request))
    # This service has no number that takes answers, so that it is an agent's at once.
    assert asked.state == "case"
    assert asked.phone_idx == floor.store.vault.index("phone", MOBILE)


@pytest.mark.parametrize("key", ["9", "0", "5", "#", "*"])
def test_any_other_key_says_it_all_again(floor: Floor, key: str):
    line = waits(floor)
    document = line.presses(line.listens(4), key)
    assert document.names == ["Redirect"]
    assert "Pour être rappelé sans perdre votre place" in line.hear(document.redirect).said


@pytest.mark.parametrize("key", ["1", "2"])
def test_copies_of_these_webhooks_have_no_second_effect(floor: Floor, key: str):
    line = waits(floor)
    listened = line.listens()
    line.presses(listened, key)
    once = place_of(floor, line)
    assert line.presses(listened, key).names == ["Leave"]
    assert line.presses(listened, "2" if key == "1" else "1").names == ["Leave"]
    assert place_of(floor, line) == once
    document = line.leaves()
    again = line.leaves()
    assert again.body == document.body
    assert place_of(floor, line) == once


def test_a_late_copy_does_not_touch_a_later_place(floor: Floor):
    line = waits(floor)
    listened = line.listens()
    line.presses(listened, "2")
    line.enqueued = line.presses(line.leaves(), "0")
    line.presses(listened, "2")
    assert place_of(floor, line).state == "waiting"


def test_a_key_that_comes_when_an_agent_has_them_is_too_late(floor: Floor):
    line = waits(floor)
    listened = line.listens()
    entry = place_of(floor, line)
    with floor.house.database.transaction() as connection:
        assert queues.move(connection, floor.house.clock, entry.id, ["waiting"], "reserved")
    document = line.presses(listened, "1")
    assert "Une personne va vous répondre" in document.said
    assert document.names == ["Say", "Redirect"]
    assert line.hear(document.redirect).names == ["Say", "Play", "Redirect"]
    assert place_of(floor, line).state == "reserved"


def test_where_no_call_can_be_promised_none_is_offered(
    floor: Floor, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(entries, "can_promise", lambda *_, **__: None)
    line = waits(floor)
    document = line.listens()
    assert "rappelé" not in document.said
    assert "Pour revenir à votre demande, tapez 2." in document.said
    # Nor is it made for whoever presses that all the same.
    assert line.presses(document, "1").names != ["Leave"]
    assert place_of(floor, line).kind == "call"


# ------------------------------------------------------------------ nobody is there any more


def test_whoever_waits_when_all_agents_leave_chooses_to_wait_to_be_rung_or_to_go_on(floor: Floor):
    line = waits(floor)
    floor.later(minutes=3)
    for rounds in (3, 4, 40):
        document = line.listens(rounds)
        assert document.names == ["Gather", "Redirect"]
        assert "Plus aucun conseiller n'est là" in document.said
        assert "Pour attendre quand même, restez en ligne." in document.said
        assert "Pour être rappelé sans perdre votre place, tapez 1." in document.said
        assert "Pour revenir à votre demande, tapez 2." in document.said
        # Nothing is decided for them.
        assert place_of(floor, line).kind == "call"
    assert line.presses(line.listens(41), "1").names == ["Leave"]
    assert re.search("nous vous rappellerons", line.leaves().said, re.IGNORECASE)


def test_whoever_goes_on_alone_when_all_agents_leave_is_back_at_the_machine(floor: Floor):
    line = waits(floor)
    floor.later(minutes=3)
    assert line.presses(line.listens(3), "2").names == ["Leave"]
    assert "nous reprenons" in line.leaves().said


def test_nobody_is_kept_on_the_line_of_agents_who_left_for_longer_than_an_hour(floor: Floor):
    line = waits(floor)
    floor.later(minutes=61)
    document = line.listens(3)
    assert document.names == ["Say", "Leave"]
    assert "Plus aucun conseiller n'est là" in document.said
    assert re.search("nous vous rappellerons", line.leaves().said, re.IGNORECASE)
    assert place_of(floor, line).kind == "callback"


def test_a_number_is_asked_for_before_that_where_there_is_none(floor: Floor):
    line = waits(floor, WITHHELD)
    floor.later(minutes=3)
    document = line.listens(3)
    assert document.names == ["Gather", "Redirect"]
    assert "Plus aucun conseiller n'est là" in document.said
    assert "Pour donner un numéro où vous rappeler" in document.said


def test_whoever_has_no_place_any_more_leaves_the_queue(floor: Floor):
    line = waits(floor)
    with floor.house.database.transaction() as connection:
        assert entries.leave(connection, floor.store, place_of(floor, line).id, "other")
    assert line.listens().names == ["Leave"]
    assert "nous reprenons" in line.leaves().said


# ------------------------------------------------------------------ what breaks


def test_without_the_database_there_is_music_and_another_try(
    floor: Floor, monkeypatch: pytest.MonkeyPatch
):
    line = waits(floor)
    listened = line.listens()

    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("the store is away")

    monkeypatch.setattr(order, "queue_position", broken)
    document = line.listens()
    assert document.names == ["Say", "Play", "Redirect"]
    pressed = line.presses(listened, "1")
    assert pressed.names == ["Say", "Redirect"]
    assert "Restez en ligne" in pressed.said
    monkeypatch.undo()
    assert line.hear(document.redirect).names == ["Gather", "Redirect"]


@pytest.mark.parametrize(
    "result", ["queue-full", "system-error", "error", "", "a word of tomorrow's"]
)
def test_whatever_the_queue_says_the_call_goes_on(floor: Floor, result: str):
    line = waits(floor)
    document = line.leaves(result)
    assert document.said
    assert not document.ends
    line.hangs_up()
    # And their place is kept all the same.
    assert place_of(floor, line).kind == "callback"


def test_whoever_comes_back_from_an_empty_conversation_waits_on(floor: Floor):
    line = waits(floor)
    document = line.hear(f"{BASE}/voice/turn?n=2&returned=1")
    assert document.names[-2:] == ["Enqueue", "Redirect"]


def test_whoever_hung_up_in_the_queue_is_answered_with_nothing(floor: Floor):
    line = waits(floor)
    assert line.leaves("hangup").names == ["Hangup"]
    line.hangs_up()
    entry = place_of(floor, line)
    assert (entry.kind, entry.reason) == ("callback", "cut")


def test_the_provider_going_on_either_way_finds_the_conference(floor: Floor):
    """Taken by REST: the queue's action and the new address are both asked, in any order."""
    line = waits(floor)
    floor.reserves()
    (leg,) = floor.legs(place_of(floor, line).id)
    entering = enters(floor.store, leg.id, leg.provider_sid or a_call(), bring(Addresses(BASE)))
    assert entering is not None
    by_queue = line.leaves("redirected")
    by_address = line.hear(f"{BASE}/voice/turn?n=2&again=1")
    assert by_queue.body == by_address.body
