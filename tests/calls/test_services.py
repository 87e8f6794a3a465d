"""Two services side by side, by telephone: the campaigns of `campaigns/automne` as they are."""

from __future__ import annotations

import json
import re
import sys

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from sqlalchemy import func, select

from models.booking.tables import appointment, appointment_for
from prompts.catalogue import load
from prompts.service_words import found_never
from services.booking.verify_store import verify_store
from services.call.service_words import words_of
from services.campaign.campaign import TWO_PLACES, Campaign
from services.campaign.campaigns import load_all
from services.messages.texts import of_change
from tests.calls.test_temperaments import LONG_RUNS, rings
from tests.support.house import LANDLINE, MOBILE, NOON, House, Phone, house, mornings
from tests.support.rows import clock_of
from tools.simulator.answers import AnswersLeg, Option
from tools.simulator.outcomes import table
from tools.simulator.people import TEMPERAMENTS

FOLDER = Path("campaigns/automne")
FLU, COVID = "grippe-automne", "rappel-covid-automne"
SEVENTY, FIFTY = "12031956", "02021976"
ONLY_FLU, ONLY_COVID, BOTH = "1", "2", "3"
YES, NO = "1", "2"


def autumn(**changes: object) -> tuple[Campaign, Campaign]:
    """The two campaigns; `changes` are of the Covid's."""
    known = {one.name: one for one in load_all(sorted(FOLDER.glob("*.toml"))).values()}
    return known[FLU], replace(known[COVID], **changes)  # type: ignore[arg-type]


def town(
    url: str, flu: Campaign, covid: Campaign, capacity: int = 2, *, links: bool = False
) -> Iterator[House]:
    """One centre that does both, with room for some on each of twenty mornings."""
    with house(url, campaign=flu, beside=(covid,), links=links) as made:
        quarters = [timedelta(minutes=15 * number) for number in range(4)]
        starts = [start + quarter for start in mornings(20) for quarter in quarters]
        made.opens_centre("1", kilometres=0.4, starts=starts, capacity=capacity)
        yield made


@pytest.fixture
def service(database_url: str) -> Iterator[House]:
    yield from town(database_url, *autumn())


def at_offers(made: House, born: str, *what_for: str, number: str = MOBILE) -> Phone:
    """A caller who has said what for, and where they live."""
    return made.phone(number).dials().answers("1", born, *what_for, "75011")


def said(made: House, *campaigns: Campaign) -> str:
    """How callers hear what these are for."""
    return " et ".join(words_of(one, "fr").said for one in campaigns)


def done(made: House) -> list[tuple[str, int]]:
    """What is to be done, by the service and the number of its booking's appointment."""
    statement = (
        select(appointment_for.c.service, appointment.c.dose)
        .join(appointment, appointment.c.id == appointment_for.c.appointment_id)
        .where(appointment_for.c.state == "confirmed")
    )
    with made.database.statement() as connection:
        return sorted((row.service, row.dose) for row in connection.execute(statement))


def taken(made: House) -> int:
    """How many places somebody has."""
    live = select(func.count()).where(appointment.c.state == "confirmed")
    with made.database.statement() as connection:
        return connection.execute(live).scalar_one()


def is_sound(made: House) -> bool:
    told: list[str] = []
    verify_store(made.store, [made.campaign, *made.beside], limit=20, say=told.append)
    return not told


def changes(made: House, caller: Phone, born: str = SEVENTY) -> Phone:
    """The same person, at what can be done with their appointment."""
    reference = made.bookings()[0].reference
    return made.phone(caller.sender).asks_for_theirs().answers(reference, "1", born, "1")


def test_a_caller_of_seventy_books_both_in_one_appointment_with_seven_answers(service: House):
    both = said(service, *autumn())
    caller = at_offers(service, SEVENTY, BOTH, YES).hears_text(f"Pour {both}.")
    caller.presses("1").hears_text(f"Pour {both}.")
    caller.presses("1").hears_text("C'est confirmé").hears_text(f"Pour {both}.")
    assert len([keys for keys in caller.pressed if keys]) == 7
    assert done(service) == [("covid", 1), ("grippe", 1)]
    assert taken(service) == 1
    assert is_sound(service)


def test_who_may_have_one_is_asked_nothing_more_than_today(database_url: str):
    for made in town(database_url, *autumn(minimum_age=75)):
        caller = at_offers(made, SEVENTY, "1")
        assert caller.step == "offers"
        caller.answers("1", "1")
        assert len([keys for keys in caller.pressed if keys]) == 6
        assert done(made) == [("grippe", 1)]


def test_who_has_said_nothing_yet_hears_the_least_age_of_all_services(database_url: str):
    """One of seventy may have one of the two: nobody sends them away with the other's age."""
    for made in town(database_url, *autumn(minimum_age=75)):
        caller = made.phone().dials()
        caller.stays_silent()
        caller.hears_text("65 ans")
        assert "75 ans" not in caller.documents[-1].decode()
        # Of sixty: neither; the first that they may have is told.
        caller.answers("1", "12031966", "1", "2").hears_text("65 ans")
        assert caller.step == "not_eligible"
        assert "75 ans" not in caller.documents[-1].decode()


def test_who_is_let_in_by_a_group_has_what_it_may_have(service: House):
    caller = at_offers(service, FIFTY, "1", YES)
    caller.answers("1", "1")
    assert done(service) == [("grippe", 1)]


def test_who_had_one_lately_goes_on_with_the_other(service: House):
    caller = at_offers(service, SEVENTY, BOTH, NO)
    caller.answers("1", "1")
    assert done(service) == [("grippe", 1)]


def test_a_caller_without_a_mobile_hears_what_it_is_for(service: House):
    caller = at_offers(service, SEVENTY, BOTH, YES, number=LANDLINE)
    caller.answers("1", "2", "1", "1").hears_text(f"Pour {said(service, *autumn())}.")
    assert caller.step == "reference"


def test_the_covid_half_moves_by_telephone_and_the_other_stays(service: House):
    at_offers(service, SEVENTY, BOTH, YES).answers("1", "1")
    _, covid = autumn()
    caller = changes(service, service.phone(MOBILE)).hears_text(f"Pour {said(service, *autumn())}.")
    caller.answers("2", "2").hears_text(f"Pour {said(service, covid)}.")
    caller.answers("2", "1").hears_text(f"C'est fait pour {said(service, covid)}.")
    assert done(service) == [("covid", 2), ("grippe", 1)]
    assert taken(service) == 2
    assert is_sound(service)
    again = changes(service, service.phone(MOBILE))
    again.hears_text(f"Pour {said(service, autumn()[0])}, vous venez le jeudi 26 novembre")
    again.hears_text(f"Pour {said(service, covid)}, le vendredi 27 novembre")


@pytest.mark.parametrize(("key", "left"), [("1", "covid"), ("2", "grippe")])
def test_one_of_the_two_is_cancelled_and_the_other_stays(service: House, key: str, left: str):
    at_offers(service, SEVENTY, BOTH, YES).answers("1", "1")
    caller = changes(service, service.phone(MOBILE)).answers("3", key, "1")
    caller.hears_text("Le reste ne change pas")
    assert done(service) == [(left, 1)]
    assert taken(service) == 1
    assert is_sound(service)


def test_all_of_it_is_cancelled_at_once(service: House):
    at_offers(service, SEVENTY, BOTH, YES).answers("1", "1")
    changes(service, service.phone(MOBILE)).answers("3", "3", "1")
    assert done(service) == []
    assert taken(service) == 0
    assert is_sound(service)


def test_callers_hear_the_name_that_each_campaign_gives_its_service():
    assert [words_of(one, "fr").said for one in autumn()] == ["la grippe", "le Covid"]
    assert [words_of(one, "en").said for one in autumn()] == ["the flu", "Covid"]


def last_text(made: House) -> str:
    """What was written last, which names no need: whoever holds the telephone reads it."""
    payload = json.loads(made.text_of(made.messages()[-1]))
    # What changed is put into words when it is sent.
    changed = "doses" in payload
    text: str = (
        of_change(load("fr"), payload, number="+33974750001") if changed else payload["body"]
    )
    for one in (made.campaign, *made.beside):
        words = one.words("fr")
        assert words.never is not None
        assert found_never(words, [text]) == ""
    return text


def test_a_text_says_one_visit_for_what_is_done_in_one_place(service: House):
    at_offers(service, SEVENTY, BOTH, YES).answers("1", "1")
    text = last_text(service)
    assert text.count("10h") == 1
    assert "endez-vous" in text
    assert not re.search(r"deux|\b2 (rendez-vous|RDV)", text)


def test_a_text_says_both_hours_of_two_neighbouring_places(database_url: str):
    flu, covid = autumn()
    for made in town(database_url, replace(flu, together_in=TWO_PLACES), covid, capacity=1):
        at_offers(made, SEVENTY, BOTH, YES).answers("1", "1")
        text = last_text(made)
        assert "10h" in text
        assert "10h15" in text
        assert re.search(r"deux rendez-vous|\b2 (rendez-vous|RDV)", text)


def test_a_text_says_that_a_part_has_moved_and_the_rest_stays(service: House):
    at_offers(service, SEVENTY, BOTH, YES).answers("1", "1")
    changes(service, service.phone(MOBILE)).answers("2", "2", "2", "1")
    text = last_text(service)
    assert "une partie de votre rendez-vous est déplacée" in text
    assert "Le reste ne change pas" in text


def test_a_couple_with_different_needs_is_served_in_one_call(service: House):
    caller = service.phone(MOBILE).dials().answers("2", "2", SEVENTY, BOTH, YES, "75011", "1", "1")
    caller.presses("1")
    assert caller.step == "date_of_birth"
    caller.answers("03041958", ONLY_FLU)
    assert caller.step == "offers"
    caller.answers("1", "1")
    assert done(service) == [("covid", 1), ("grippe", 1), ("grippe", 1)]
    assert len(service.bookings()) == 2
    assert is_sound(service)


def test_two_neighbouring_places_are_one_visit(database_url: str):
    flu, covid = autumn()
    for made in town(database_url, replace(flu, together_in=TWO_PLACES), covid, capacity=1):
        caller = at_offers(made, SEVENTY, BOTH, YES).presses("1")
        caller.hears_text(f"D'abord {said(made, flu)}, à 10 heures.")
        caller.hears_text(f"Puis {said(made, covid)}, à 10 heures 15.")
        caller.presses("1").hears_text("C'est confirmé")
        assert taken(made) == 2
        assert is_sound(made)


def test_a_line_that_is_cut_goes_on_with_what_was_asked_for(service: House):
    caller = service.phone(MOBILE).dials().answers("1", SEVENTY, BOTH)
    caller.hangs_up()
    again = service.phone(MOBILE).dials().answers("1")
    assert again.step == "since_last"
    again.answers(YES, "75011", "1", "1")
    assert done(service) == [("covid", 1), ("grippe", 1)]


def test_a_service_that_closes_during_the_call_is_said_and_nothing_is_booked_by_half(
    database_url: str,
):
    flu, covid = autumn()
    until = NOON + timedelta(minutes=2)
    for made in town(database_url, flu, replace(covid, closes_at=until)):
        caller = at_offers(made, SEVENTY, BOTH, YES).presses("1")
        clock_of(made).advance(timedelta(minutes=3))
        caller.presses("1").hears_text("nous ne donnons plus de rendez-vous")
        assert done(made) == []
        caller.answers("1", "1", "1")
        assert done(made) == [("grippe", 1)]


# ---------------------------------------------------------------- people of every kind


def wants_both(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever is asked what for wants both, as often as it is asked."""
    plainly = AnswersLeg.choose

    def choose(self: AnswersLeg, options: tuple[Option, ...]) -> str:
        both = [one.key for one in options if "les deux" in one.label and len(options) == 3]
        return both[0] if both else plainly(self, options)

    monkeypatch.setattr(AnswersLeg, "choose", choose)


def test_who_fails_twice_everywhere_is_served(service: House, monkeypatch: pytest.MonkeyPatch):
    wants_both(monkeypatch)
    rings(service, "wrong-twice", 1)
    assert is_sound(service)


@pytest.mark.long
def test_twenty_of_each_temperament_in_an_autumn_of_two_services(
    database_url: str, monkeypatch: pytest.MonkeyPatch
):
    wants_both(monkeypatch)
    for made in town(database_url, *autumn(), capacity=9):
        reports = [rings(made, name, seed) for name in TEMPERAMENTS for seed in range(LONG_RUNS)]
        sys.stdout.write(f"\n{table(reports)}\n{Counter(service for service, _ in done(made))}\n")
        assert len(reports) == LONG_RUNS * len(TEMPERAMENTS)
        assert {service for service, _ in done(made)} == {"grippe", "covid"}
        assert is_sound(made)
