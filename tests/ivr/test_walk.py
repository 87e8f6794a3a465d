"""The whole conversation, walked: whatever is pressed wherever, the call speaks and goes on.

The large walk goes over the engine and the rendering, with an outside that can be in many moods;
the smaller ones go through signatures, store and HTTP.
"""

from __future__ import annotations

import random

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from datetime import timedelta

import pytest

from sqlalchemy import select

from exchange.twiml import MAX_DOCUMENT_BYTES, TwimlError
from flows.engine import PERSON_STEPS
from flows.session import CallerKind, Party
from flows.speech import Heard, TurnOutcome, queued
from flows.steps import STEPS
from flows.steps.common import Told
from flows.steps.line import LINE_STEPS
from ivr.addresses import Addresses
from ivr.twiml import render
from models.booking.tables import appointment
from models.clock import FixedClock
from prompts.catalogue import load
from tests.flows.walk import FIVE_HUNDRED, MANGLED, SENSIBLE, Walk, WalkTurn, walk
from tests.ivr.line import Document, Line, goes_on_or_ends, read
from tests.support.house import (
    BASE,
    LANDLINE,
    MOBILE,
    NOON,
    WITHHELD,
    House,
    campaign_with,
    house,
    mornings,
)
from tests.support.rows import clock_of

pytestmark = pytest.mark.slow

ASKING_FOR_A_PERSON = ("0", "00", "000")
COUNT_AS_NOTHING = (*ASKING_FOR_A_PERSON, "9", "8", "*", "**")
# Where a key says in words that it ends the call: "Pour terminer, tapez 2."
ENDING_KEYS = {
    "closed": ("1",),
    "not_eligible": ("2", "3"),
    # The key behind what this person may still have; where that is nothing, the one before.
    "service": ("2",),
    "not_since": ("2", "3"),
}
# What was promised is in the store before it is said: see flows.steps.tell.
PROMISED_LATER = {
    "waiting_promised",
    *(f"{news}_promised_{way}" for news in ("opening", "turn") for way in ("text", "call")),
}
# Steps that speak of one chosen slot.
OF_ONE_SLOT = {"reach", "reach_number", "reach_check", "confirm"}
# Sentences about the choice; with two appointments they have words of their own.
OF_THE_CHOICE = {
    *("confirm", "ready", "booked", "reference", "reference_calls", "reference_with_text"),
    *("goodbye_booked", "goodbye_calls", "calls_offer"),
}
POLLY_LIMIT = 3000


@pytest.fixture(scope="module")
def walked() -> Walk:
    return walk()


def last_words(turn: WalkTurn) -> str:
    """What is said last; nothing to whoever hung up, or goes to an agent."""
    return turn.speech.lines[-1].key if turn.speech.lines else ""


def in_other_hands(turn: WalkTurn) -> bool:
    """In the queue, or with an agent: the call is neither over nor listening."""
    return bool(turn.speech.queue or turn.speech.conference)


def none_of(turns: Iterable[WalkTurn]) -> None:
    """Fail with the first turns that broke a promise, in words."""
    found = list(
        dict.fromkeys(f"{turn} -> {turn.after.step}: {last_words(turn)}" for turn in turns)
    )
    assert not found, f"{len(found)} turns, such as\n" + "\n".join(found[:12])


def test_no_key_at_any_place_breaks_the_conversation(walked: Walk):
    assert not walked.broken, "\n".join(walked.broken[:12])


def test_every_step_of_the_conversation_is_reached(walked: Walk):
    assert set(STEPS) <= walked.steps
    assert walked.places >= 800 or walked.complete


def test_every_document_says_something_and_goes_on_or_ends(walked: Walk):
    catalogue, addresses = load("fr"), Addresses(BASE)
    rendered: dict[str, None] = {}
    broken = []
    # Like weathers share what is said.
    for turn in {id(turn.speech): turn for turn in walked.turns}.values():
        said = replace(turn.speech, language="fr", slow=False, dial="")
        # The same words make the same document: one of each kind is enough, at both paces.
        words = repr(said)
        if words in rendered:
            continue
        rendered[words] = None
        for slow in (False, True):
            speech = replace(said, slow=slow)
            try:
                document = read(render(speech, catalogue, addresses, 7).encode())
            except (KeyError, IndexError, ValueError, TwimlError) as error:
                broken.append(f"{turn} -> {turn.after.step}: {type(error).__name__} {error}")
                continue
            if speech.lines:
                goes_on_or_ends(document)
            assert len(document.body) < MAX_DOCUMENT_BYTES
            assert len(document.said) < POLLY_LIMIT
            assert document.ends == (speech.listen is None and not in_other_hands(turn))
            if speech.listen and document.gather:
                assert document.gather.attributes["numDigits"] == str(speech.listen.digits)
                ears = "dtmf speech" if speech.listen.speech else "dtmf"
                assert document.gather.attributes["input"] == ears
    assert not broken, "\n".join(broken[:12])
    assert 2 * len(rendered) > 500


def test_nobody_who_gave_a_sign_of_life_is_hung_up_on(walked: Walk):
    def may_end(turn: WalkTurn) -> bool:
        ending, before, after = last_words(turn), turn.before, turn.after
        silent = turn.heard.kind is Heard.SILENCE
        promised = turn.speech.outcome is TurnOutcome.PROMISED
        may = {
            **dict.fromkeys(
                ("promise", "promise_today", "promise_day", "promise_typed"),
                promised and after.number != "",
            ),
            # Whoever hung up in the queue hears nothing of it.
            "": turn.heard == queued("hangup"),
            # Nobody can be rung, and they press a key for the end, or say nothing three times.
            "goodbye_later": (
                after.no_promise
                and (turn.heard.keys == "1" or (silent and after.silent_turns >= 3))
            )
            # Whoever refuses what is no longer theirs to take.
            or (before.step == "kept_place_check" and turn.heard.kind is not Heard.SILENCE),
            # They said no, and stay on the list.
            "kept_place_refused": promised and turn.heard.kind is not Heard.SILENCE,
            **dict.fromkeys(PROMISED_LATER, promised and after.alive),
            **dict.fromkeys(
                ("goodbye_silent", "goodbye_silent_promised"), not before.alive and silent
            ),
            **dict.fromkeys(("goodbye_booked", "goodbye_booked_both"), after.reference != ""),
            **dict.fromkeys(
                ("goodbye_calls", "goodbye_calls_both"),
                after.reference != "" and turn.heard.keys == "1",
            ),
            "goodbye_unreachable": (
                before.caller_kind == CallerKind.NONE and silent and after.silent_turns >= 3
            ),
            "own_centre_dial": turn.speech.dial != "",
            "goodbye": turn.heard.keys in ENDING_KEYS.get(before.step, ())
            # The agent is done.
            or before.step == "with_agent"
            # All is done and told, and nothing more was said twice.
            or (isinstance(STEPS.get(before.step), Told) and silent and after.silent_turns > 1)
            # They are booked, have heard all, and get it in writing.
            or (before.step == "ready" and before.gets_text and after.reference != ""),
        }
        return before.step == "ended" or may.get(ending, False)

    ends = [
        turn
        for turn in walked.turns
        if turn.speech.listen is None and not in_other_hands(turn) and not turn.before.rung_for
    ]
    none_of(turn for turn in ends if not may_end(turn))
    assert {last_words(turn) for turn in ends} == {
        "goodbye", "goodbye_booked", "goodbye_booked_both", "goodbye_silent", "goodbye_later",
        "goodbye_calls", "goodbye_calls_both", "kept_place_refused",
        "goodbye_silent_promised", "goodbye_unreachable", "promise", "promise_today",
        "promise_day", "promise_typed", "own_centre_dial", "", *PROMISED_LATER,
    }  # fmt: skip


def test_whoever_presses_keys_is_never_told_that_nothing_is_heard(walked: Walk):
    pressing = (turn for turn in walked.turns if turn.heard.kind is Heard.KEYS)
    said_to_silence = (
        "goodbye_silent",
        "goodbye_silent_promised",
        "goodbye_unreachable",
        "reason.silence",
    )
    none_of(t for t in pressing if {line.key for line in t.speech.lines} & {*said_to_silence})


def test_a_person_again_slower_and_back_are_no_mistake_at_any_step(walked: Walk):
    mistaken = (
        turn
        for turn in walked.turns
        if turn.heard.keys in COUNT_AS_NOTHING
        and turn.before.step != "ended"
        and (
            turn.after.misses > turn.before.misses
            or turn.speech.outcome in {TurnOutcome.MISSED, TurnOutcome.SILENT}
        )
    )
    none_of(mistaken)


def test_nothing_is_read_for_confirmation_that_the_caller_did_not_choose(walked: Walk):
    unchosen = (
        turn
        for turn in walked.turns
        if turn.after.step in OF_ONE_SLOT
        and turn.before.step not in OF_ONE_SLOT
        and not 0 <= turn.after.chosen < len(turn.after.offers)
    )
    none_of(unchosen)


def test_two_appointments_are_told_as_two_and_one_as_one(walked: Walk):
    def mistold(turn: WalkTurn) -> bool:
        told = {line.key for line in turn.speech.lines}
        of_choice = OF_THE_CHOICE & told, {f"{key}_both" for key in OF_THE_CHOICE} & told
        if not any(of_choice):
            return False
        alone, both = of_choice
        choice = turn.after.choice
        if choice.second_start_at and not choice.comes_twice and turn.after.step == "confirm":
            # Two things in neighbouring places are one visit, with the hour of each.
            return bool(both) or "what_for_in_turn" not in told
        return bool(alone if choice.comes_twice else both)

    none_of(turn for turn in walked.turns if mistold(turn))
    told = {line.key for turn in walked.turns for line in turn.speech.lines}
    assert told >= OF_THE_CHOICE | {f"{key}_both" for key in OF_THE_CHOICE}


def test_whoever_needs_a_person_is_led_to_one_and_nowhere_else(walked: Walk):
    needed = [
        turn for turn in walked.turns if "person_needed" in {line.key for line in turn.speech.lines}
    ]
    assert needed
    none_of(
        turn
        for turn in needed
        if turn.after.step not in {"person", "queue"} or turn.after.resume or turn.after.reference
    )


def test_nothing_leads_from_a_booking_back_to_before_it(walked: Walk):
    def undone(turn: WalkTurn) -> bool:
        told = {"ready", "reference", "about_visit", "untold_birth_date", "calls_offer", "ended"}
        told |= {*PERSON_STEPS, *LINE_STEPS}
        at_end = turn.before.step in {"ready", "reference"}
        another_comes = turn.before.whom == Party.TWO and at_end
        booked = turn.before.reference != "" and turn.before.mine is None and not another_comes
        # An agent sends whoever they like wherever they like.
        booked = booked and turn.before.step != "with_agent"
        return booked and turn.after.step not in told

    none_of(turn for turn in walked.turns if undone(turn))


def test_the_count_of_failed_tries_stays_within_the_patience_of_the_step(walked: Walk):
    beyond = (
        turn
        for turn in walked.turns
        if turn.after.step in STEPS and turn.after.misses >= max(STEPS[turn.after.step].patience, 3)
    )
    none_of(beyond)


def test_silence_at_any_place_leads_to_words_that_differ_from_those_just_heard(walked: Walk):
    def same(turn: WalkTurn) -> bool:
        return (
            turn.heard.kind is Heard.SILENCE
            and turn.speech.listen is not None
            and turn.before.step not in {"ended", *LINE_STEPS}
            and turn.after.step == turn.before.step
            and turn.after.misses <= turn.before.misses
        )

    none_of(turn for turn in walked.turns if same(turn))


# ---------------------------------------------------------------- through the front door


def wander(service: House, seed: int, turns: int, sender: str) -> list[str]:
    """One call that presses what comes to its mind; gives the steps that it came through."""
    chance = random.Random(seed)  # noqa: S311 (nothing is kept secret with it)
    line = Line(service.app, sender=sender)
    document = line.rings()
    steps = [service.session(line.sid).step]
    for _ in range(turns):
        goes_on_or_ends(document)
        # A lone Say would be an apology: something had failed inside.
        assert document.ends or document.names == ["Gather", "Redirect"], (seed, steps[-1])
        if document.ends:
            break
        sensible = SENSIBLE.get(steps[-1], ("1",))
        # Sensible more often than not, or no call would come far.
        what = chance.choices(("sensible", "key", "mangled", "silence"), (6, 2, 1, 1))[0]
        if what == "silence":
            document = line.stays_silent(document)
        elif what == "sensible":
            document = line.presses(document, sensible[0])
        elif what == "key":
            document = line.presses(document, chance.choice("0123456789*#"))
        else:
            document = line.presses(document, chance.choice((*MANGLED, FIVE_HUNDRED)))
        steps.append(service.session(line.sid).step)
    line.hangs_up()
    return steps


def all_went_well(service: House) -> None:
    """Nothing stays held when the calls are over, and no reference was given twice.

    What was chosen when a line was cut is kept a little longer, and no more.
    """
    assert isinstance(service.clock, FixedClock)
    service.clock.advance(service.campaign.resume_window + timedelta(seconds=1))
    assert service.held() == 0
    # One row for each appointment of a booking.
    told = [(booking.reference, booking.dose) for booking in service.bookings()]
    assert len(set(told)) == len(told)


def wandered(service: House, calls: int) -> set[str]:
    found: set[str] = set()
    for seed in range(calls):
        sender = (MOBILE, LANDLINE, WITHHELD)[seed % 3]
        found |= set(wander(service, seed, 40, sender))
    return found


@pytest.mark.parametrize("calls", [15, pytest.param(40, marks=pytest.mark.long)])
def test_calls_that_press_anything_are_always_answered(service: House, calls: int):
    found = wandered(service, calls)
    # What was chosen is kept for who fell silent and was told a code.
    clock_of(service).advance(service.campaign.resume_window + timedelta(seconds=1))
    all_went_well(service)
    assert {"offers", "confirm", "reference", "person", "birth_year"} <= found


@pytest.mark.parametrize("calls", [9, pytest.param(24, marks=pytest.mark.long)])
def test_calls_that_press_anything_get_two_appointments_or_none(database_url: str, calls: int):
    clock = FixedClock(NOON)
    campaign = campaign_with(doses=2, per_number=100)
    with house(database_url, clock=clock, campaign=campaign) as service:
        service.opens_centre("1", kilometres=0.4, starts=mornings(40), capacity=20)
        service.opens_centre("2", kilometres=4.1, starts=mornings(40), capacity=20)
        wandered(service, calls)
        # A pair that was chosen when the line was cut is kept a little longer, and no more.
        assert service.held() % 2 == 0
        all_went_well(service)
        with service.database.statement() as connection:
            doses = connection.execute(select(appointment.c.booking_id, appointment.c.dose)).all()
        booked = Counter(booking_id for booking_id, _ in doses)
        assert booked
        assert set(booked.values()) == {2}
        assert Counter(dose for _, dose in doses) == {1: len(booked), 2: len(booked)}


@pytest.mark.parametrize("pressed", MANGLED)
def test_no_mangled_entry_makes_a_webhook_fail(service: House, pressed: str):
    for step in ("date_of_birth", "postcode", "reach"):
        line = Line(service.app)
        document = line.rings()
        for answer in {"date_of_birth": ["1"], "postcode": ["1", "12031942", "1"]}.get(
            step, ["1", "12031942", "1", "75011", "1", "3"]
        ):
            document = line.presses(document, answer)
        assert service.session(line.sid).step == step
        document = line.presses(document, pressed)
        goes_on_or_ends(document)
        assert document.names == ["Gather", "Redirect"]


@pytest.mark.parametrize("entry", ["birth_year", "birth_month", "birth_day"])
def test_five_hundred_digits_for_a_part_of_a_date_are_a_wrong_answer_and_no_failure(
    service: House, entry: str
):
    line = Line(service.app)
    document = line.presses(line.rings(), "1")
    for pressed in ("1", "2"):
        document = line.presses(document, pressed)
    for step, right in (("birth_year", "1942"), ("birth_month", "03"), ("birth_day", "12")):
        assert service.session(line.sid).step == step
        if step == entry:
            break
        document = line.presses(document, right)
    document = line.presses(document, FIVE_HUNDRED)
    # An apology would be a Say, a Pause and a Redirect.
    assert document.names == ["Gather", "Redirect"]
    assert service.session(line.sid).step == entry


def test_after_the_campaign_the_caller_is_told_so(database_url: str):
    with house(database_url, campaign=campaign_with(closes_at=NOON)) as service:
        caller = service.phone(MOBILE).dials().hears_text("La campagne est terminée")
        caller.presses("1").hears_text("Au revoir")
        assert caller.ended_normally


def test_a_campaign_that_opens_during_the_call_lets_the_caller_go_on(database_url: str):
    clock = FixedClock(NOON)
    campaign = campaign_with(opens_at=NOON + timedelta(minutes=1))
    with house(database_url, clock=clock, campaign=campaign) as service:
        service.opens_centre(starts=mornings(20), capacity=5)
        early = service.phone(MOBILE).dials().hears_text("ouvriront")
        clock.advance(timedelta(minutes=2))
        early.stays_silent()
        assert early.waiting_gather is not None
        service.phone(LANDLINE).books()
        assert len(service.bookings()) == 1


def test_silence_through_a_whole_call_ends_with_goodbye_and_one_promise_for_a_number(
    service: House,
):
    for _ in range(2):
        caller = service.phone(MOBILE).dials()
        for _ in range(3):
            caller.stays_silent()
        assert caller.ended_normally
    assert len(service.promises()) == 1


@pytest.mark.parametrize("sender", [MOBILE, LANDLINE, WITHHELD])
def test_each_question_listens_for_as_many_keys_as_it_asks_for(service: House, sender: str):
    lengths = {
        "date_of_birth": "8", "birth_year": "4", "birth_month": "2", "birth_day": "2",
        "postcode": "5", "reach_number": "10", "person_number": "10",
    }  # fmt: skip
    line = Line(service.app, sender=sender)
    document: Document = line.rings()
    for _ in range(30):
        if document.ends:
            break
        step = service.session(line.sid).step
        assert document.gather is not None
        assert document.gather.attributes["numDigits"] == lengths.get(step, "1")
        document = line.presses(document, SENSIBLE.get(step, ("1",))[0])
    assert document.ends
    assert len(service.bookings()) == 1
