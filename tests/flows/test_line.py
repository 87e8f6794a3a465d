"""The line for a person: who is passed, who is told why not, and every way back out of it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from flows.agents import AfterAgent, AfterQueue, BackFromAgent, NoPerson, QueuePlace, Unavailable
from flows.engine import advance
from flows.session import CallerKind
from flows.speech import FAILED, RETURNED, RING, TurnOutcome, keys, queued
from flows.steps.line import round_wait, wait
from flows.steps.with_agent import taken
from flows.verification.rehearsed import OPENING, PARIS
from flows.verification.walking import QUEUE_RESULTS
from flows.world import TakenUp, Unbooked
from prompts.by_text import by_text
from prompts.catalogue import load
from tests.flows.fake_world import MOBILE, FakeWorld, ringing
from tests.flows.talk import Talk

PLACE = "e" * 32
OPEN = QueuePlace(PLACE, "fr", 3, 290)
HELD = ["leave", "bridged", "bridging-in-process", "redirected", "redirected-from-bridged"]
NOT_HELD = ["queue-full", "system-error", "error", ""]


def in_line(kind: CallerKind = CallerKind.MOBILE, at: str = "postcode", **world: object) -> Talk:
    """Somebody who asked for a person at a question, and waits."""
    talk = Talk(FakeWorld(person=OPEN, **world), kind).goes_to(at).presses("0")  # type: ignore[arg-type]
    assert talk.step == "queue"
    return talk


def comes_back(talk: Talk, result: str) -> Talk:
    talk._hear(queued(result))
    return talk


def test_whoever_asks_for_a_person_is_in_the_line_at_once_and_hears_where():
    talk = in_line()
    assert talk.said == ["person_passed", "queue_ahead", "wait.minutes", "queue_stay"]
    assert talk.speech.lines[1].values == {"ahead": 3}
    assert talk.speech.lines[2].values == {"minutes": 5}
    assert (talk.speech.queue, talk.speech.outcome) == ("fr", TurnOutcome.QUEUED)
    assert talk.world.line == [("join", "postcode")]
    assert (talk.session.line, talk.session.resume) == (PLACE, "postcode")


def test_where_nobody_knows_how_long_it_takes_no_time_is_told():
    talk = Talk(FakeWorld(person=QueuePlace(PLACE, "fr", 0))).presses("0")
    assert talk.said == ["person_passed", "queue_next", "queue_stay"]


def test_what_is_held_is_kept_while_they_wait():
    assert in_line(at="confirm").speech.keeps
    assert not in_line(at="postcode").speech.keeps


def test_whoever_is_not_understood_comes_through_the_same_door():
    talk = Talk(FakeWorld(person=OPEN)).goes_to("postcode_check").presses("5", "6", "7")
    assert talk.step == "queue"
    assert talk.said[1:4] == ["hard_to_understand", "person_passed", "queue_ahead"]


def test_whoever_needs_a_person_is_passed_with_the_reason():
    talk = Talk(FakeWorld(person=OPEN, reference=Unbooked.PERSON)).goes_to("confirm").presses("1")
    assert talk.step == "queue"
    assert talk.world.line == [("join", "person_needed")]


def test_a_call_that_never_gave_an_input_never_comes_to_the_line():
    talk = Talk(FakeWorld(person=OPEN)).stays_silent(3)
    assert talk.ended
    assert ("join", "welcome") not in talk.world.line
    talk = Talk(FakeWorld(person=OPEN))
    talk._hear(FAILED)
    assert talk.step == "person"
    assert talk.world.line == []


def test_a_failure_of_ours_passes_whoever_has_given_a_sign_of_life():
    talk = Talk(FakeWorld(person=OPEN)).presses("1")
    talk._hear(FAILED)
    assert talk.step == "queue"


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (Unavailable(NoPerson.NOBODY), ["no_person.nobody"]),
        (Unavailable(NoPerson.HOURS, OPENING.astimezone(PARIS)), ["no_person.hours"]),
        (Unavailable(NoPerson.HOURS), ["no_person.closed"]),
        (Unavailable(NoPerson.HOLIDAY, OPENING.astimezone(PARIS)), ["no_person.holiday"]),
        (Unavailable(NoPerson.CALLBACK_ONLY), ["no_person.callback_only"]),
        (Unavailable(NoPerson.CLOSED), ["no_person.closed"]),
        (Unavailable(NoPerson.TOO_LONG, None, 7100), ["no_person.too_long", "wait.hours"]),
        (Unavailable(NoPerson.FULL), ["no_person.full"]),
    ],
)
def test_whoever_cannot_be_passed_hears_why_and_is_offered_a_call(
    found: Unavailable, said: list[str]
):
    talk = Talk(FakeWorld(person=found)).presses("0")
    assert talk.said == [*said, "person_known_or_go_on"]
    talk.presses("1")
    assert talk.speech.outcome is TurnOutcome.PROMISED
    assert talk.world.promises == [(MOBILE, "welcome")]


@pytest.mark.parametrize(
    ("after", "why", "said"),
    [
        (timedelta(minutes=5), NoPerson.NOBODY, "promise"),
        (timedelta(hours=3), NoPerson.NOBODY, "promise_today"),
        (timedelta(hours=25), NoPerson.NOBODY, "promise_day"),
        # Agents who are at work take whoever is next.
        (timedelta(hours=25), NoPerson.TOO_LONG, "promise_day_or_sooner"),
    ],
)
def test_a_promise_says_when_it_will_be_kept(after: timedelta, why: NoPerson, said: str):
    talk = Talk(FakeWorld(callback_after=after, person=Unavailable(why))).presses("0", "1")
    assert talk.said == [said]


@pytest.mark.parametrize(
    ("language", "sooner"), [("fr", "ou plus tôt"), ("en", "or sooner"), ("es", "o antes")]
)
def test_a_call_that_may_come_earlier_is_promised_so(language: str, sooner: str):
    spoken, written = load(language), by_text(language)
    values = {"at": datetime(2026, 12, 2, 15, 15, tzinfo=UTC), "ending": "78"}
    for key in ("promise_today", "promise_day_or_sooner"):
        for said in (spoken.say(key, values), spoken.say(spoken.short(key), values)):
            assert sooner in said
        assert sooner in written.say(key, values)
    assert sooner not in spoken.say("promise_day", values)


def test_the_hour_of_a_promise_is_the_next_quarter():
    world = FakeWorld(callback_after=timedelta(hours=3, minutes=1))
    talk = Talk(world).presses("0", "1")
    at = talk.speech.lines[-1].values["at"]
    assert (at.hour, at.minute) == (12, 15)


# ------------------------------------------------------------------ no promise can be kept


def no_promise(at: str = "postcode", **world: object) -> Talk:
    return Talk(FakeWorld(callback_after=None, **world)).goes_to(at).presses("0")  # type: ignore[arg-type]


def test_where_no_call_can_be_made_until_tomorrow_evening_none_is_promised():
    talk = no_promise()
    assert talk.said == ["no_person.nobody", "no_callback", "person_later_or_go_on"]
    talk.stays_silent(60)
    assert talk.world.promises == []
    assert talk.ended


def test_then_the_machine_goes_on():
    assert no_promise().presses("1").step == "postcode"


def test_then_the_waiting_list_is_offered_once_it_is_known_who_waits_where():
    talk = no_promise("offers")
    assert talk.asked.key == "person_later_or_go_on_or_list"
    assert talk.presses("2").step == "waiting"
    assert no_promise("postcode").presses("2").step == "person"


def test_zero_there_looks_again_whether_somebody_is_there():
    talk = no_promise()
    talk.world.person = OPEN
    assert talk.presses("0").step == "queue"


def test_it_is_looked_at_again_when_the_promise_is_made():
    talk = Talk(FakeWorld()).presses("0")
    talk.world.callback_after = None
    talk.presses("1")
    assert talk.world.promises == []
    assert talk.asked.key == "person_later_or_go_on"


def test_silence_from_the_start_is_promised_nothing_that_cannot_be_kept():
    talk = Talk(FakeWorld(callback_after=None)).stays_silent(3)
    assert talk.said == ["person_hours_now", "person_hours_now", "goodbye_silent"]
    assert talk.world.promises == []


# ------------------------------------------------------------------ out of the queue


def test_whoever_chose_a_call_in_the_line_is_told_so_and_may_put_the_receiver_down():
    talk = comes_back(in_line(place=AfterQueue.PROMISED), "leave")
    assert talk.said == ["promise"]
    assert talk.speech.outcome is TurnOutcome.PROMISED
    # The place itself was promised, in the queue; nothing more is stored.
    assert talk.world.promises == []


@pytest.mark.parametrize("step", ["welcome", "postcode", "confirm"])
def test_whoever_chose_the_machine_is_at_the_question_where_they_were(step: str):
    talk = comes_back(in_line(at=step, place=AfterQueue.MACHINE), "leave")
    assert talk.step == step
    assert talk.said[0] == "resumed"
    assert not talk.session.line


def test_whoever_has_no_number_gives_one_and_keeps_the_place():
    talk = comes_back(in_line(CallerKind.NONE, place=AfterQueue.NUMBER), "leave")
    assert talk.step == "person_number"
    talk.presses("0612345678", "1")
    # It was typed, and may be a stranger's: its owner is asked.
    assert [number for number, _ in talk.world.owners_asked] == [MOBILE]
    assert talk.said == ["promise_typed"]
    assert talk.world.promises == []


def test_a_place_that_an_agent_has_just_taken_is_not_promised_away():
    talk = comes_back(in_line(CallerKind.NONE, place=AfterQueue.NUMBER), "leave")
    talk.world.place_promised = False
    talk.presses("0612345678", "1")
    assert talk.speech.queue == "fr"
    assert talk.said == ["queue_agent_coming"]


@pytest.mark.parametrize("result", NOT_HELD)
def test_a_queue_that_does_not_hold_them_leads_to_an_offer_and_never_to_the_end(result: str):
    talk = comes_back(in_line(), result)
    why = "full" if result == "queue-full" else "failed"
    assert talk.said == [f"no_person.{why}", "person_known_or_go_on"]
    talk.presses("1")
    assert talk.world.line[-2] == ("promise", MOBILE)
    assert talk.speech.outcome is TurnOutcome.PROMISED


def test_going_on_from_there_gives_the_place_up():
    talk = comes_back(in_line(), "queue-full").presses("3")
    assert talk.step == "postcode"
    assert talk.world.line[-1] == ("leave",)
    assert not talk.session.line


@pytest.mark.parametrize("result", HELD)
def test_whoever_has_a_place_and_is_out_of_the_queue_is_put_back(result: str):
    talk = comes_back(in_line(), result)
    assert (talk.step, talk.speech.queue) == ("queue", "fr")
    assert talk.session.line == PLACE


@pytest.mark.parametrize("result", QUEUE_RESULTS)
def test_whoever_an_agent_has_comes_into_the_conference_whatever_the_queue_says(result: str):
    talk = comes_back(in_line(place=AfterQueue.TAKEN), result)
    if result == "hangup":
        assert (talk.step, talk.said) == ("queue", [])
    else:
        assert (talk.step, talk.speech.conference) == ("with_agent", PLACE)


@pytest.mark.parametrize("result", QUEUE_RESULTS)
@pytest.mark.parametrize("place", list(AfterQueue))
@pytest.mark.parametrize("kind", list(CallerKind))
def test_nobody_is_ever_hung_up_on_because_the_queue_is_over(
    result: str, place: AfterQueue, kind: CallerKind
):
    talk = comes_back(in_line(kind, place=place), result)
    goes_on = talk.speech.listen or talk.speech.queue or talk.speech.conference
    assert goes_on or result == "hangup" or talk.speech.outcome is TurnOutcome.PROMISED


def test_whoever_hung_up_is_answered_with_nothing_and_stays_where_they_were():
    talk = in_line(at="confirm")
    before = talk.session
    comes_back(talk, "hangup")
    assert talk.said == []
    assert talk.session == before


# ------------------------------------------------------------------ with an agent


def with_agent(talk: Talk, back: BackFromAgent) -> Talk:
    """An agent took them out of the queue, and this is how it ended."""
    talk.session, talk.speech = taken(talk.session, PLACE)
    assert (talk.step, talk.speech.conference) == ("with_agent", PLACE)
    talk.world.agent = back
    talk._hear(RETURNED)
    return talk


def test_whoever_an_agent_is_done_with_hears_goodbye():
    talk = with_agent(in_line(), BackFromAgent(AfterAgent.FINISHED))
    assert (talk.said, talk.ended) == (["goodbye"], True)


def test_whoever_is_handed_back_goes_on_where_the_agent_said():
    talk = with_agent(in_line(), BackFromAgent(AfterAgent.HANDED_BACK, step="date_of_birth"))
    assert talk.step == "date_of_birth"


@pytest.mark.parametrize(
    ("at", "step", "there"),
    [
        ("confirm", "offers", "offers"),
        ("postcode", "offers", "postcode"),
        ("welcome", "offers", "date_of_birth"),
        ("reference", "my_reference", "my_reference"),
        ("reference", "date_of_birth", "date_of_birth"),
        ("welcome", "", "welcome"),
    ],
)
def test_what_the_agent_may_have_changed_is_not_told_from_memory(at: str, step: str, there: str):
    back = BackFromAgent(AfterAgent.HANDED_BACK, step=step)
    talk = with_agent(in_line(at=at), back)
    assert talk.step == there
    assert not talk.session.reference
    assert not talk.session.line
    assert talk.session.trail == ()


def test_whoever_lost_their_agent_waits_on_in_front():
    talk = with_agent(in_line(), BackFromAgent(AfterAgent.LOST_AGENT, queue="fr-bretagne"))
    assert (talk.step, talk.speech.queue) == ("queue", "fr-bretagne")
    assert talk.said == ["agent_lost"]
    assert talk.session.line == PLACE


def test_whoever_was_promised_a_call_by_the_agent_is_told_so():
    talk = with_agent(in_line(), BackFromAgent(AfterAgent.PROMISED))
    assert talk.said == ["promise"]


def test_a_conversation_that_is_not_over_goes_on():
    talk = with_agent(in_line(), BackFromAgent(AfterAgent.STILL, conference=PLACE))
    assert talk.speech.conference == PLACE


def test_a_call_taken_out_of_the_menu_is_told_and_comes_back_to_its_question():
    talk = Talk(FakeWorld()).goes_to("postcode")
    talk.session, talk.speech = taken(talk.session, PLACE, in_menu=True)
    assert talk.said == ["person_passed"]
    assert talk.session.resume == "postcode"


# ------------------------------------------------------------------ how long it takes


@pytest.mark.parametrize(
    ("seconds", "told"),
    [
        (0, ("wait.under_a_minute", {})),
        (59, ("wait.under_a_minute", {})),
        (60, ("wait.minutes", {"minutes": 2})),
        (121, ("wait.minutes", {"minutes": 3})),
        (290, ("wait.minutes", {"minutes": 5})),
        (301, ("wait.minutes", {"minutes": 10})),
        (1801, ("wait.minutes", {"minutes": 45})),
        (2701, ("wait.hour", {})),
        (3601, ("wait.hour_and_a_half", {})),
        (7200, ("wait.hours", {"hours": 2})),
        (7201, ("wait.hours_and_a_half", {"hours": 2})),
    ],
)
def test_a_wait_is_rounded_up_to_what_can_be_said(seconds: int, told: tuple[str, dict[str, int]]):
    (line,) = wait(seconds)
    assert (line.key, dict(line.values)) == told


def test_nobody_is_told_less_than_what_is_expected():
    assert all(round_wait(seconds) >= seconds for seconds in range(60, 20_000, 7))


def test_whoever_goes_on_with_a_call_that_was_cut_in_the_line_is_in_it_again():
    talk = in_line()
    world = FakeWorld(person=OPEN)
    world.cut = TakenUp(talk.session, kept=False)
    session, _ = advance(ringing().but(earlier="CA1"), RING, world)
    assert session.step == "resume"
    session, speech = advance(session, keys("1"), world)
    assert (session.step, speech.queue, session.resume) == ("queue", "fr", "postcode")
