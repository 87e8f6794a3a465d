"""Every offer is told with its town and how far it is, in whatever words the offers are told."""

from __future__ import annotations

from dataclasses import replace

import pytest

from flows.engine import lines_of
from flows.session import Offer, Session
from flows.steps import STEPS
from flows.verification.rehearsed import kept_place
from prompts.by_text import by_text
from prompts.catalogue import load
from prompts.values import Part
from tests.flows.fake_world import FakeWorld, offers
from tests.prompts.sentences import LANGUAGES, Wording

languages = pytest.mark.parametrize("language", LANGUAGES)
DISTANCE = Part("", "away", "km")
HERE = {
    "in three towns": [
        ("Salle Jaurès", "1 rue Haute", "93200", "Saint-Denis", 0.4),
        ("Mairie", "2 rue Basse", "93300", "Aubervilliers", 14.0),
        ("Hôpital", "3 quai Vert", "95100", "Argenteuil", 58.0),
    ],
    "in one town": [
        ("Salle Jaurès", "1 rue Haute", "35000", "Rennes", 0.4),
        ("Mairie", "2 bis rue Basse", "35000", "Rennes", 2.0),
        ("Hôpital", "3 quai Vert", "35000", "Rennes", 7.0),
    ],
    "in one town and one street": [
        ("Salle Jaurès", "1 rue Haute", "35000", "Rennes", 0.4),
        ("Mairie", "2 rue Haute", "35000", "Rennes", 0.6),
        ("Hôpital", "3 quai Vert", "35000", "Rennes", 7.0),
    ],
    "in three arrondissements": [
        ("Salle Merlin", "1 rue Merlin", "75011", "Paris", 0.4),
        ("Mairie", "2 rue Basse", "75003", "Paris", 1.2),
        ("Centre Air France", "3 quai Vert", "75010", "Paris", 1.4),
    ],
    "two in one town, one in another": [
        ("Salle Jaurès", "1 rue Haute", "69003", "Lyon", 0.4),
        ("Mairie", "2 rue Basse", "69003", "Lyon", 2.0),
        ("Hôpital", "3 quai Vert", "69250", "Neuville-sur-Saône", 13.0),
    ],
    "not known how far": [
        ("Salle Jaurès", "1 rue Haute", "97640", "Sada", -1.0),
        ("Mairie", "2 rue Basse", "97600", "Mamoudzou", -1.0),
        ("Hôpital", "3 quai Vert", "97660", "Dembéni", -1.0),
    ],
}


def offered(where: str, count: int, *, one_centre: bool, second: bool = False) -> tuple[Offer, ...]:
    places = HERE[where][:1] * count if one_centre else HERE[where][:count]
    return tuple(
        replace(one, name=name, spoken="", street=street, postcode=code, town=town, kilometres=away)
        for one, (name, street, code, town, away) in zip(
            offers(count, one_centre=one_centre, second=second), places, strict=True
        )
    )


def told_of(text: str, language: str, made: tuple[Offer, ...]) -> None:
    """Each is told with its town and distance, and with what tells it from the others."""
    words = load(language)
    marks: set[frozenset[str]] = set()
    for one in made:
        assert one.in_town in text, (one.in_town, text)
        distance = words.spoken(DISTANCE, {"away": one.kilometres})
        assert distance in text, (distance, text)
        street = one.street.lstrip("0123456789 ").removeprefix("bis ").casefold()
        own = {one.in_town, street, one.name.casefold()}
        marks.add(frozenset(mark for mark in own if mark in text or mark in text.casefold()))
    assert len(marks) == len({one.centre_id for one in made}), (marks, text)


CASES = [
    (where, count, one_centre)
    for where in HERE
    for count in (1, 2, 3)
    for one_centre in (False, True)
    if count > 1 or not one_centre
]


@languages
@pytest.mark.parametrize(("where", "count", "one_centre"), CASES)
def test_an_offer_is_told_with_town_and_distance_in_each_wording_and_at_each_pace(
    language: str, where: str, count: int, *, one_centre: bool
):
    for second in (False, True):
        made = offered(where, count, one_centre=one_centre, second=second)
        # As after a search by name, and after a postcode that was typed, which is read back.
        for trail in ((), ("postcode",)):
            session = Session(
                language=language,
                step="offers",
                offers=made,
                offered=tuple(one.slot_id for one in made),
                postcode=made[0].postcode,
                town=made[0].in_town,
                trail=trail,
            )
            question = STEPS["offers"].question(session, FakeWorld())
            for number in range(load(language).wordings(question.prompt)):
                for slow in (False, True):
                    said = Wording(language, "offers", question, number, slow).text
                    told_of(said, language, made)


@languages
@pytest.mark.parametrize(("where", "count", "one_centre"), CASES)
def test_an_offer_by_text_says_where_it_is_and_how_far(
    language: str, where: str, count: int, *, one_centre: bool
):
    made = offered(where, count, one_centre=one_centre)
    session = Session(language=language, step="offers", offers=made)
    question = STEPS["offers"].question(session, FakeWorld())
    for number in range(by_text(language).spoken.wordings(question.prompt)):
        said = " ".join(
            by_text(language).say(line.key, line.values, line.wording)
            for line in lines_of("offers", question, number)
        )
        for one in made:
            assert one.in_town in said, said
            away = "(< 1 km)" if 0 <= one.kilometres < 1 else f"({one.kilometres:.0f} km)"
            assert one.kilometres < 0 or away in said, said


@languages
@pytest.mark.parametrize("second", [False, True])
@pytest.mark.parametrize("away", [0.4, 58.0])
def test_a_place_kept_for_who_waited_is_told_with_town_and_distance(
    language: str, away: float, *, second: bool
):
    kept = kept_place(second=second)
    kept = replace(kept, offer=replace(kept.offer, kilometres=away))
    session = Session(language=language, step="kept_place_check", kept=kept)
    question = STEPS["kept_place_check"].question(session, FakeWorld())
    for number in range(load(language).wordings(question.prompt)):
        for slow in (False, True):
            said = Wording(language, "kept_place_check", question, number, slow).text
            told_of(said, language, (kept.offer,))
