"""For two people, or for somebody else: served in the same call, nobody lost for the other."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.ivr.line import Line
from tests.support.house import MOBILE, House, Phone, campaign_with, house, mornings

SELF, OTHER, TWO = "1", "2", "3"
HIM, HER = "12031942", "04071941"


@pytest.fixture
def hall(database_url: str) -> Iterator[House]:
    """One centre with room for two people on each of 40 mornings, and two doses."""
    with house(database_url, campaign=campaign_with(doses=2, per_number=6)) as made:
        made.opens_centre("1", kilometres=0.4, starts=mornings(40), capacity=2)
        yield made


@pytest.fixture
def narrow(database_url: str) -> Iterator[House]:
    """One centre with one place on each of 10 mornings, and one dose."""
    with house(database_url) as made:
        made.opens_centre("1", kilometres=0.4, starts=mornings(10), capacity=1)
        yield made


def rings_for(service: House, whom: str, number: str = MOBILE) -> Phone:
    return service.phone(number).goes_to("for_whom").presses(whom)


def first_is_booked(service: House, number: str = MOBILE) -> Phone:
    """The first of two is booked, and the date of birth of the second is asked."""
    caller = rings_for(service, TWO, number)
    caller.hears_text("la première des deux personnes").presses(HIM)
    caller.goes_to("reach").presses("1" if number == MOBILE else "2")
    caller.hears_text("our la première personne")
    # Whoever gets a text may go on without the reference.
    caller.presses("1").presses("2" if number == MOBILE else "1").presses("1")
    return caller.hears_text("Il s'agit maintenant de la seconde personne")


def starts_of(service: House) -> list[tuple[str, int, str]]:
    return [(row.reference, row.dose, row.start_at.isoformat()) for row in service.bookings()]


def test_the_place_beside_is_nobody_elses_while_the_second_is_asked(hall: House):
    caller = first_is_booked(hall)
    stranger = hall.phone("+33698765432").goes_to("offers")
    assert "jeudi 26 novembre" not in stranger.since_input
    caller.answers(HER, "1").hears_text("jeudi 26 novembre, demain, à 10 heures")


def test_a_couple_that_does_not_want_to_come_apart_hears_other_offers(narrow: House):
    narrow.opens_centre("2", name="Gymnase", kilometres=4, starts=mornings(3), capacity=5)
    caller = rings_for(narrow, TWO).presses(HIM).goes_to("offers").presses("1")
    assert caller.step == "couple_choice"
    caller.presses("2")
    assert caller.step == "offers"
    for _ in range(4):
        if "Gymnase" in caller.since_input:
            break
        caller.answers("4", "3")
    caller.hears_text("Gymnase")


def test_twins_on_one_line_are_both_booked(hall: House):
    caller = first_is_booked(hall).answers(HIM, "1").goes_to("confirm").presses("1")
    caller.goes_to("reference").presses("1")
    assert len({reference for reference, _, _ in starts_of(hall)}) == 2


def test_a_webhook_that_comes_twice_books_the_second_person_once(hall: House):
    caller = first_is_booked(hall).answers(HER, "1").goes_to("confirm").presses("1")
    sent = caller.requests[-1]
    line = Line(hall.app, sid=caller.sid)
    copies = [line.post(sent.url, Digits="1", msg="Gather End") for _ in range(2)]
    assert copies[0] == copies[1]
    assert len({reference for reference, _, _ in starts_of(hall)}) == 2


def test_somebody_else_of_the_same_birth_date_is_not_taken_for_the_caller(hall: House):
    rings_for(hall, SELF).presses(HIM).goes_to("reference").presses("1")
    caller = rings_for(hall, OTHER).presses(HIM).goes_to("reference").presses("1")
    assert caller.presses("2").ended_normally
    assert len({reference for reference, _, _ in starts_of(hall)}) == 2
