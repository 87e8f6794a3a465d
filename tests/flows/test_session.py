"""The session is written and read without loss, and the engine does the same with the same."""

from __future__ import annotations

import copy
import dataclasses
import json

from datetime import UTC, datetime
from typing import Any

import pytest

from hypothesis import given, settings
from hypothesis import strategies as st

from flows.engine import ConversationLost, advance
from flows.session import CallerKind, Commitment, Moving, Offer, Proving, Session
from flows.speech import SILENCE, Input, keys
from flows.steps import STEPS
from flows.verification.rehearsed import MY_PAIR, kept_place, my_booking
from prompts.catalogue import load
from tests.flows.fake_world import PAIRS, PLENTY, FakeWorld, ringing, two_doses
from tests.flows.talk import Talk
from tests.flows.walk import walk, weathers

derandomized = settings(derandomize=True, database=None, deadline=None, max_examples=200)

texts = st.text(max_size=40)
numbers = st.integers(0, 2**31)
# Hypothesis wants naive bounds and gives aware moments.
FIRST, LAST = datetime(2020, 1, 1), datetime(2040, 1, 1)  # noqa: DTZ001
moments = st.datetimes(FIRST, LAST, timezones=st.just(UTC)).map(datetime.isoformat)
some_offers = st.builds(
    Offer,
    place_id=numbers,
    slot_id=numbers,
    centre_id=texts,
    name=texts,
    street=texts,
    postcode=texts,
    town=texts,
    start_at=moments,
    time_zone=st.sampled_from(["Europe/Paris", "Indian/Reunion", "America/Martinique"]),
    kilometres=st.floats(0, 1000),
    second_place_id=numbers,
    second_slot_id=numbers,
    second_start_at=moments | st.just(""),
)
sessions = st.builds(
    Session,
    step=st.sampled_from([*STEPS, "ended", ""]),
    language=st.sampled_from(["fr", "en"]),
    slow=st.booleans(),
    alive=st.booleans(),
    misses=st.integers(0, 3),
    trail=st.lists(st.sampled_from(sorted(STEPS)), max_size=6).map(tuple),
    resume=st.sampled_from(["", *STEPS]),
    silent_turns=st.integers(0, 4),
    caller=texts,
    caller_kind=st.sampled_from([str(kind) for kind in CallerKind]),
    year=st.integers(0, 9999),
    month=st.integers(0, 12),
    born=st.dates().map(lambda day: day.isoformat()) | st.just(""),
    postcode=texts,
    town=texts,
    latitude=st.floats(-90, 90),
    longitude=st.floats(-180, 180),
    territory=texts,
    offers=st.lists(some_offers, max_size=3).map(tuple),
    offered=st.lists(numbers, max_size=9).map(tuple),
    found_for=texts,
    found_at=texts,
    found=st.lists(some_offers, max_size=3).map(tuple),
    chosen=st.integers(-1, 2),
    number=texts,
    number_answered=st.booleans(),
    typed=texts,
    reference=texts,
    person_reason=texts,
    proving=st.sampled_from([*Proving]).map(str),
    asked=texts,
    lookup_count=st.integers(0, 3),
    mine=st.none() | st.sampled_from([my_booking(), MY_PAIR]),
    is_offered=st.booleans(),
    kept=st.none() | st.sampled_from([kept_place(), kept_place(second=True, text_to="")]),
    doses_to_cancel=st.lists(st.integers(1, 2), max_size=2).map(tuple),
    moving=st.sampled_from([*Moving]).map(str),
    notes=st.dictionaries(texts, texts, max_size=2).map(lambda notes: tuple(notes.items())),
)


@derandomized
@given(sessions)
def test_a_session_is_read_back_as_it_was_written(session: Session):
    assert Session.from_json(session.to_json()) == session


def test_a_session_at_its_defaults_is_written_as_nothing():
    assert Session().to_json() == "{}"


def test_every_field_survives_on_its_own():
    other: dict[str, Any] = {"str": "x", "bool": True, "int": 7, "float": 1.5}
    for field in dataclasses.fields(Session):
        value: Any
        if field.name in {"offers", "adjacent", "found"}:
            value = PLENTY
        elif field.name == "commitments":
            value = (Commitment("1234567890", "3", "2026-11-26T09:00:00+00:00", "1942-03-12 2"),)
        elif field.name == "mine":
            value = MY_PAIR
        elif field.name == "kept":
            value = kept_place()
        elif field.name == "notes":
            value = (("stairs", "two"),)
        elif str(field.type).startswith("tuple[tuple["):
            value = (("75011", "Paris 11e", ""),)
        elif str(field.type).startswith("tuple"):
            value = (7,) if "int" in str(field.type) else ("welcome",)
        else:
            value = other[str(field.type)]
        session = dataclasses.replace(Session(), **{field.name: value})
        assert Session.from_json(session.to_json()) == session, field.name


def test_a_field_of_a_later_version_is_ignored_and_a_missing_one_is_its_default():
    written = json.dumps({"step": "postcode", "of_tomorrow": {"x": 1}})
    assert Session.from_json(written) == Session(step="postcode")


def test_an_offer_with_a_field_of_a_later_version_is_read_too():
    """An update that adds a field to offers must not lose the calls of the version before it."""
    session = Talk().goes_to("offers").session
    written = json.loads(session.to_json())
    for offer in written["offers"]:
        offer["of_tomorrow"] = 1
    assert Session.from_json(json.dumps(written)) == session


# As the release before stored it: one appointment, no word of a second.
OFFER_BEFORE = (
    '{"place_id":%d,"slot_id":10%d,"centre_id":"%d","name":"Salle des fêtes",'
    '"street":"12 rue de la Paix","postcode":"75011","town":"Paris 11e",'
    '"start_at":"2026-11-26T09:00:00+00:00","time_zone":"Europe/Paris","kilometres":0.4}'
)
STORED_BEFORE = (
    '{"step":"%s","alive":true,"trail":["welcome"],"caller":"+33612345678","caller_kind":"mobile",'
    '"born":"1942-03-12","postcode":"75011","town":"Paris 11e","latitude":48.859,'
    '"longitude":2.378,"territory":"metropole","offers":['
    + ",".join(OFFER_BEFORE % (n, n, n) for n in (1, 2, 3))
    + '],"offered":[101,102,103]%s}'
)
CHOSEN = ',"chosen":1,"number_answered":true'


@pytest.mark.parametrize(
    ("step", "more", "pressed", "said"),
    [
        ("offers", "", "9", "offers_3"),
        ("offers", "", "2", "confirm_self_text confirm confirm_mobile"),
        ("reach", ',"chosen":1', "3", "confirm"),
        ("confirm", CHOSEN, "9", "confirm"),
        ("confirm", CHOSEN, "1", "ready"),
        (
            "ready",
            CHOSEN + ',"reference":"4521738908"',
            "1",
            "first_counts reference_calls person_key",
        ),
        # Whoever gets no text is offered to be rung by this release.
        ("reference", CHOSEN + ',"reference":"4521738908"', "1", "calls_offer person_key"),
        ("person", CHOSEN + ',"resume":"confirm"', "3", "confirm"),
        ("person", CHOSEN + ',"resume":"confirm"', "1", "promise"),
    ],
)
def test_a_call_that_the_release_before_stored_goes_on_in_the_same_words(
    step: str, more: str, pressed: str, said: str
):
    session = Session.from_json(STORED_BEFORE % (step, more))
    assert [offer.local_second for offer in session.offers] == [None, None, None]
    assert session.person_reason == ""
    world = FakeWorld()
    after, speech = advance(session, keys(pressed), world)
    assert [line.key for line in speech.lines] == said.split()
    assert Session.from_json(after.to_json()) == after
    if said == "promise":
        assert world.promises == [("+33612345678", "confirm")]


@pytest.mark.parametrize("pressed", ["9", "1", ""])
def test_a_call_stored_before_the_campaign_had_two_appointments_books_no_half(pressed: str):
    """An update and a new campaign file at once, in the middle of a call."""
    session = Session.from_json(STORED_BEFORE % ("confirm", CHOSEN))
    world = two_doses()
    after, speech = advance(session, keys(pressed) if pressed else SILENCE, world)
    assert world.orders == []
    if pressed == "1":
        assert speech.lines[0].key == "both_needed"
        assert after.offers == PAIRS


def test_what_this_release_stores_can_be_read_by_the_one_before():
    """It takes the fields that it knows, and needs all of those; two versions run side by side."""
    written = json.loads(Talk(two_doses()).goes_to("confirm").session.to_json())
    known = json.loads(OFFER_BEFORE % (1, 1, 1)).keys()
    assert len(written["offers"]) == 3
    for offer in written["offers"]:
        assert known <= offer.keys()


@derandomized
@given(
    walked=st.integers(0, 10**6),
    heard=st.sampled_from(["", "0", "1", "2", "3", "4", "8", "9", "*", "12031942", "75011", "x"]),
    weather=st.sampled_from(sorted(weathers())),
)
def test_the_same_session_input_and_world_give_the_same_answer(
    walked: int, heard: str, weather: str
):
    turns = walk().turns
    session = turns[walked % len(turns)].after
    before = copy.deepcopy(session)
    said: Input = keys(heard) if heard else SILENCE

    def once() -> object:
        world = weathers()[weather]
        try:
            after, speech = advance(session, said, world)
        except (IndexError, ValueError, OverflowError, ConversationLost) as error:
            # That it fails is another test's matter; here, that it does so every time.
            return type(error)
        return after, speech, world.searches, world.orders, world.promises

    assert once() == once()
    # Nor does the engine change what it was given.
    assert session == before


def test_a_session_that_was_stored_between_turns_makes_no_difference():
    stored, kept = ringing(), ringing()
    for pressed in ("", "1", "12031942", "1", "75011", "1", "4", "1", "2", "1", "1", "1"):
        said = keys(pressed) if pressed else SILENCE
        if not stored.step:
            stored = kept = Talk().session
        stored, one = advance(Session.from_json(stored.to_json()), said, FakeWorld())
        kept, other = advance(kept, said, FakeWorld())
        assert one == other
        assert stored == kept


@pytest.mark.parametrize("step", ["", "no such step"])
def test_a_session_at_no_step_is_an_error_of_ours_that_says_so(step: str):
    with pytest.raises(ConversationLost):
        advance(Session(step=step), keys("1"), FakeWorld())


def test_a_call_that_is_over_says_goodbye_again_and_does_nothing():
    talk = Talk().presses("0", "1")
    assert talk.ended
    promises = list(talk.world.promises)
    for pressed in ("1", "0", "*", "9"):
        talk.presses(pressed)
        assert talk.ended
    talk.stays_silent()
    assert talk.said == ["goodbye"]
    assert talk.world.promises == promises


def test_an_offers_start_is_told_in_its_own_time_zone():
    (offer, *_) = PLENTY
    assert offer.local_start.hour == 10
    reunion = dataclasses.replace(offer, time_zone="Indian/Reunion")
    assert reunion.local_start.hour == 13
    assert offer.local_second is None


def test_a_second_start_is_told_in_the_same_zone_across_a_change_of_the_clocks():
    offer = dataclasses.replace(
        PAIRS[0],
        start_at="2027-03-10T09:00:00+00:00",
        second_start_at="2027-03-31T08:00:00+00:00",
    )
    assert offer.local_second is not None
    assert (offer.local_start.hour, offer.local_second.hour) == (10, 10)


def test_a_session_of_a_long_call_stays_small():
    """It is read and written at each turn."""
    talk = Talk().goes_to("offers")
    for _ in range(200):
        talk.presses("4", "*", "4", "1")
    assert len(talk.session.to_json()) < 16_000
    assert load("fr").say(talk.asked.key, talk.asked.values)
