"""What makes the common call short: the typed postcode, the last look, the reference by a key."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from flows.session import CallerKind, Offer
from flows.speech import Line, TurnOutcome
from flows.steps.long_call import LONG_AFTER, LONG_CALL
from flows.steps.offers import short_name
from flows.verification.rehearsed import MOBILE, PAIRS, PLENTY, TOWNS, offers
from prompts.catalogue import load
from tests.flows.fake_world import FakeWorld
from tests.flows.talk import Talk

FRENCH = load("fr")


def heard(talk: Talk) -> str:
    """All that was said last, as a caller hears it."""
    lines = [line for line in talk.speech.lines if not line.language]
    keys = [(FRENCH.short(one.key) if talk.speech.slow else one.key, one) for one in lines]
    return " ".join(FRENCH.say(key, one.values, one.wording) for key, one in keys)


def test_a_typed_postcode_is_read_with_the_offers_and_the_star_goes_back_to_it():
    talk = Talk().goes_to("postcode").presses("75011")
    assert talk.said == ["typed_postcode", "offers_3"]
    assert "7 5 0 1 1, Paris 11e. Pour corriger, tapez étoile" in heard(talk)
    assert talk.presses("*").step == "postcode"
    assert talk.presses("35500").said[0] == "typed_postcode"
    assert "3 5 5 0 0, Vitré" in heard(talk)


def test_it_is_read_again_with_nine_but_not_with_other_offers():
    talk = Talk().goes_to("postcode").presses("75011", "9")
    assert talk.said[0] == "typed_postcode"
    talk.presses("4", "1")
    assert talk.said == ["offers_3"]


def test_a_postcode_that_was_said_is_asked_about():
    talk = Talk().goes_to("postcode").says("soixante-quinze zéro onze")
    assert talk.step == "postcode_check"
    assert talk.presses("1").said == ["offers_3"]


def test_a_postcode_of_two_departements_is_asked_about(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(TOWNS, "35500", replace(TOWNS["35500"], is_sure=False))
    assert Talk().goes_to("postcode").presses("35500").step == "postcode_check"


def test_the_last_look_names_the_telephone_that_rings_and_has_a_key_for_another():
    talk = Talk().goes_to("offers").presses("1")
    assert talk.said == ["confirm_self_text", "confirm", "confirm_mobile"]
    assert "portable qui finit par 78" in heard(talk)
    assert heard(talk).endswith("Pour un autre portable, tapez 3.")
    talk.presses("3")
    assert talk.step == "reach"
    talk.presses("2", "0698765432", "1")
    # A number that was typed was read back already.
    assert talk.said[-1] == "confirm"
    talk.presses("1")
    assert talk.world.orders[0].number == "+33698765432"


def test_a_landline_has_no_such_key():
    talk = Talk(kind=CallerKind.LANDLINE).goes_to("offers").presses("1", "2")
    assert talk.said == ["confirm"]
    assert talk.presses("3").said[0] == "reason.key"


def test_whoever_gets_a_text_hears_the_reference_only_by_a_key():
    talk = Talk().goes_to("offers").presses("1", "1")
    assert talk.speech.outcome is TurnOutcome.BOOKED
    assert talk.world.orders[0].number == MOBILE
    assert "45, 21" not in heard(talk)
    assert heard(talk).count("tapez") == 3
    assert heard(talk).endswith("Pour une personne, tapez 0.")
    once = Talk().goes_to("offers").presses("1", "1").stays_silent()
    assert once.said == ["reason.silence", "booked"]
    assert once.stays_silent().ended
    assert once.said == ["goodbye"]
    assert heard(talk.presses("1")).count("45, 21, 73, 89, 08") == 2


def test_whoever_gets_none_has_time_for_a_pencil_and_hears_it_twice():
    talk = Talk(kind=CallerKind.LANDLINE).goes_to("offers").presses("1", "2", "1")
    assert talk.said == ["ready"]
    assert heard(talk.presses("1")).count("45, 21, 73, 89, 08") == 2


def test_the_nearest_comes_first_and_each_is_told_with_its_distance():
    near, same, far = FakeWorld().found
    later = replace(near, start_at="2026-11-28T09:00:00+00:00")
    talk = Talk(FakeWorld(found=(later, same, far))).goes_to("offers")
    assert [offer.name for offer in talk.session.offers] == [near.name, same.name, far.name]
    assert "à 400 mètres" in heard(talk)
    assert heard(talk).count("kilomètres") == 2


def test_places_of_one_town_are_told_by_their_streets_and_of_paris_by_arrondissement_too():
    streets = Talk(FakeWorld()).goes_to("offers")
    assert "Salle des fêtes, rue de la Paix, à 400 mètres" in heard(streets)
    assert "Gymnase Jaurès, place du Marché, à 4 kilomètres" in heard(streets)
    paris = [
        replace(offer, town="Paris", postcode=code)
        for offer, code in zip(PLENTY, ("75010", "75116", "75010"), strict=True)
    ]
    talk = Talk(FakeWorld(found=tuple(paris))).goes_to("offers")
    assert "Salle des fêtes, rue de la Paix, Paris 10e, à 400 mètres" in heard(talk)
    assert "Gymnase Jaurès, Paris 16e, à 4 kilomètres" in heard(talk)


@pytest.mark.parametrize(
    ("street", "said"),
    [
        ("12 rue de la Paix", "rue de la Paix"), ("19 bis Place du Panthéon", "place du Panthéon"),
        ("2-4 Quai de Jemmapes", "quai de Jemmapes"), ("3B, Rue Merlin", "rue Merlin"),
        ("Avenue du 8 Mai", "avenue du 8 Mai"), ("", "salle des fêtes"),
    ],
)  # fmt: skip
def test_a_street_is_told_without_the_number_of_the_house(street: str, said: str):
    found = (replace(PLENTY[0], street=street), *PLENTY[1:])
    talk = Talk(FakeWorld(found=found)).goes_to("offers").stays_silent()
    assert f", {said}, à 400 mètres" in heard(talk).replace("Salle", "salle")


@pytest.mark.parametrize(
    ("name", "short"),
    [
        ("Centre de vaccination, gymnase Jaurès", "Gymnase Jaurès"),
        ("Centre de vaccination du parc", "Parc"),
        ("Centre de vaccination", "Centre de vaccination"),
        ("Salle des fêtes", "Salle des fêtes"),
    ],
)
def test_a_centre_is_told_by_what_tells_it_from_others(name: str, short: str):
    assert short_name(name) == short


@pytest.mark.parametrize(
    "found",
    [PAIRS, PAIRS[:2], offers(3, one_centre=True), offers(2, one_centre=True), offers(1)],
    ids=["three centres", "two", "three days of one", "two days of one", "one"],
)
def test_after_eight_no_sentence_offers_eight_and_the_centres_name_stays(found: tuple[Offer, ...]):
    talk = Talk(FakeWorld(found=found)).presses("8").goes_to("offers")
    assert talk.session.offers[0].name in heard(talk)
    for _ in range(2):
        talk.stays_silent()
        assert "tapez 8" not in heard(talk)
        assert talk.session.offers[0].name in heard(talk)


def at_a_long_call() -> Talk:
    return Talk().goes_to(LONG_CALL)


def test_a_person_is_offered_once_to_whoever_is_here_for_long():
    talk = at_a_long_call()
    assert talk.asked == Line("long_call")
    assert talk.session.resume == "date_of_birth"
    talk.presses("2")
    assert talk.step == "date_of_birth"
    talk.presses("12031942", "1", "75011")
    assert talk.step == "offers"


def test_its_key_leads_to_a_person_or_a_promise_and_back():
    talk = at_a_long_call().presses("1")
    assert talk.step == "person"
    assert talk.presses("3").step == "date_of_birth"


def test_nobody_is_interrupted_at_the_last_look_nor_once_booked():
    world = FakeWorld()
    talk = Talk(world).goes_to("confirm")
    began = world.now() - LONG_AFTER - timedelta(minutes=5)
    talk.session = talk.session.but(began_at=began.isoformat())
    assert talk.stays_silent().step == "confirm"
    assert talk.presses("1").step == "ready"
    assert talk.presses("1").step == "reference"


def test_the_second_of_two_people_is_not_interrupted():
    world = FakeWorld()
    talk = Talk(world).presses("2", "2", "12031942", "1", "75011", "1", "1")
    began = world.now() - LONG_AFTER - timedelta(minutes=5)
    talk.session = talk.session.but(began_at=began.isoformat())
    assert talk.presses("1").step == "date_of_birth"
    assert talk.session.second_person
    assert talk.presses("04071941").step == "date_of_birth_check"
