"""Two appointments in one conversation: the offers stay short, and both are told before the end."""

from __future__ import annotations

import pytest

from flows.session import CallerKind
from flows.speech import TurnOutcome
from flows.world import Unbooked
from prompts.catalogue import load
from tests.flows.fake_world import PAIRS, FakeWorld, offers, two_doses
from tests.flows.talk import Talk

FRENCH = load("fr")
FIRST, SECOND = "jeudi 26 novembre à 10 heures", "vendredi 18 décembre à 10 heures 30"


def words(talk: Talk) -> str:
    """All that was said last."""
    lines = talk.speech.lines
    return " ".join(FRENCH.say(line.key, line.values, line.wording) for line in lines)


def tells_both(talk: Talk) -> str:
    """All that was said last, in which both days and hours are."""
    text = words(talk)
    assert FIRST in text
    assert SECOND in text
    return text


def test_the_offers_are_those_of_one_appointment_with_one_sentence_before_them():
    one, two = Talk().goes_to("offers"), Talk(two_doses()).goes_to("offers")
    assert one.said == ["typed_postcode", "offers_3"]
    assert two.said == ["typed_postcode_both", "offers_3"]
    alone, said = words(one), words(two)
    place, choices = alone.split("Trois lieux.")
    assert said.endswith(f"Trois lieux.{choices}")
    before = said.removesuffix(f"Trois lieux.{choices}")
    assert before.startswith(place)
    assert before.count(".") == place.count(".") + 1
    assert "Vous viendrez deux fois" in before
    # The second one's day is told once the first is chosen.
    assert "18 décembre" not in said


@pytest.mark.parametrize("count", [1, 2, 3])
@pytest.mark.parametrize("one_centre", [False, True])
def test_the_sentence_stands_before_however_many_offers(count: int, *, one_centre: bool):
    found = offers(count, one_centre=one_centre, second=True)
    talk = Talk(two_doses(found)).goes_to("offers")
    assert talk.said[0] == "typed_postcode_both"
    assert talk.asked.key.startswith("offers_")


def test_the_sentence_is_said_again_with_the_offers_and_in_other_words_after_silence():
    talk = Talk(two_doses()).goes_to("offers")
    first = talk.speech.lines
    assert talk.presses("9").speech.lines == first
    talk.stays_silent()
    assert talk.said == ["reason.silence", "typed_postcode_both", "offers_3"]
    said = [line for line in talk.speech.lines if line.key != "you_may_speak"]
    # Behind them, how to reach a person.
    assert [line.wording for line in said] == [0, 1, 1, 1]
    assert words(talk.presses("9")) != " ".join(FRENCH.say(ln.key, ln.values) for ln in first)


@pytest.mark.parametrize("texted", [True, False])
def test_both_days_and_hours_are_told_before_the_key_that_books_and_with_the_reference(
    *, texted: bool
):
    talk = Talk(two_doses()).goes_to("offers").presses("2")
    if not texted:
        talk.presses("3", "3")
    assert talk.asked.key == "confirm_both"
    assert f"Premier : {FIRST}" in words(talk)
    assert f"Second : {SECOND}." in words(talk)
    for _ in range(2):
        tells_both(talk.stays_silent())
    assert talk.world.orders == []
    talk.presses("1")
    assert talk.said == (["booked_both"] if texted else ["ready_both"])
    assert talk.speech.outcome is TurnOutcome.BOOKED
    (order,) = talk.world.orders
    assert order.offer == PAIRS[1]
    if texted:
        # They were read before that key, and are in the text; the key for the reference tells them.
        assert "SMS" in words(talk)
        assert "les dates et la référence, tapez 1" in words(talk)
    tells_both(talk.presses("1"))
    assert talk.asked.key.endswith("_both")
    tells_both(talk.presses("9"))
    talk.presses("1")
    if not texted:
        assert talk.said == ["calls_offer_both"]
        talk.presses("2")
    assert talk.said == ["goodbye_booked_both"]


def test_a_campaign_with_one_appointment_says_nothing_of_two():
    talk = Talk().goes_to("confirm")
    said = [words(talk), *(words(talk.presses("1")) for _ in range(4))]
    assert talk.ended
    for text in said:
        assert "deux" not in text
        assert "econd" not in text


def test_where_one_of_the_two_went_nothing_is_booked_and_other_pairs_are_offered():
    talk = Talk(two_doses(reference=Unbooked.GONE)).goes_to("confirm").presses("1")
    assert talk.said[0] == "just_taken_both"
    assert talk.said[-1] == "offers_3"
    assert talk.session.reference == ""
    assert talk.session.chosen == -1


def test_where_there_is_no_pair_the_caller_is_not_told_that_no_place_is_free():
    talk = Talk(two_doses(())).goes_to("no_slot")
    assert talk.said == ["typed_postcode", "none_near_both", "no_slot"]
    for wording in range(3):
        text = FRENCH.say("none_near_both", talk.asked.values, wording)
        assert "deux rendez-vous" in text
        assert "Toutes les places" not in text


def test_half_of_what_is_needed_is_never_booked():
    """The campaign got its second appointment while the caller was on the line."""
    talk = Talk().goes_to("confirm")
    talk.world = two_doses()
    talk.presses("1")
    assert talk.said[0] == "both_needed"
    assert talk.said[-1] == "offers_3"
    assert talk.world.orders == []
    talk.presses("1").presses("1")
    assert talk.world.orders[0].offer == PAIRS[0]


def test_both_that_were_told_are_booked_although_the_campaign_asks_for_one_by_now():
    talk = Talk(two_doses()).goes_to("confirm")
    talk.world = FakeWorld()
    talk.presses("1")
    assert talk.said == ["ready_both"]
    assert talk.world.orders[0].offer == PAIRS[0]


# ---------------------------------------------------------------- somebody must look at it


def needs_a_person(kind: CallerKind = CallerKind.MOBILE) -> Talk:
    world = two_doses(reference=Unbooked.PERSON)
    return Talk(world, kind).goes_to("confirm").presses("1")


@pytest.mark.parametrize("kind", list(CallerKind))
def test_whoever_needs_a_person_hears_what_happens_next_and_not_why(kind: CallerKind):
    talk = needs_a_person(kind)
    question = "person_unknown" if kind == CallerKind.NONE else "person_known"
    assert talk.said == ["person_needed", "no_person.nobody", question]
    said = words(talk)
    assert "une personne" in said
    assert "rien n'est pris" in said
    for telling in ("déjà", "trop", "autre rendez-vous", "même numéro", "naissance", "complet"):
        assert telling not in said, telling


def test_the_promise_says_that_somebody_must_look_and_keeps_what_was_given():
    talk = needs_a_person()
    given = talk.session
    talk.presses("1")
    assert talk.world.promises == [("+33612345678", "person_needed")]
    assert talk.speech.outcome is TurnOutcome.PROMISED
    assert given.known == {
        "language": "fr",
        "born": "1942-03-12",
        "postcode": "75011",
        "town": "Paris 11e",
        "centre_id": "1",
        "centre": "Salle des fêtes",
        "start_at": PAIRS[0].start_at,
        "second_start_at": PAIRS[0].second_start_at,
    }


def test_the_number_that_was_given_for_the_text_is_kept_too():
    talk = Talk(two_doses(reference=Unbooked.PERSON)).goes_to("reach_number")
    talk.presses("0755555555", "1", "1")
    assert talk.said[0] == "person_needed"
    assert talk.session.known["text_to"] == "+33755555555"


def test_silence_after_that_is_promised_a_call_with_the_same_reason():
    talk = needs_a_person().stays_silent(3)
    assert talk.world.promises == [("+33612345678", "person_needed")]
    assert talk.said[-1] == "promise"


def test_a_detour_before_does_not_lead_back_to_where_it_was():
    """Who went on once after asking for a person must not be sent there by a later refusal."""
    talk = Talk(FakeWorld(reference=Unbooked.PERSON)).presses("0", "3")
    assert talk.step == "welcome"
    talk.goes_to("confirm").presses("1")
    assert talk.asked.key == "person_known"
    talk.presses("3")
    assert talk.step == "person"
    talk.presses("1")
    assert talk.world.promises == [("+33612345678", "person_needed")]


def test_one_step_back_from_there_leads_to_a_question_that_can_be_answered():
    talk = needs_a_person().presses("*")
    assert talk.step == "offers"
    talk.presses("1", "1")
    assert talk.said == ["person_needed", "no_person.nobody", "person_known"]


def test_what_was_booked_after_all_needs_nobody_any_more():
    talk = needs_a_person().presses("*")
    talk.world.reference = "4521738908"
    talk.presses("3", "1")
    assert talk.step == "ready"
    talk.presses("0", "1")
    assert talk.world.promises == [("+33612345678", "ready")]


def test_nothing_is_known_of_a_caller_who_gave_nothing():
    assert Talk().session.known == {"language": "fr"}
