"""For two people, or for somebody else: served in the same call, nobody lost for the other."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from sqlalchemy import select

from models.booking import history
from models.booking.tables import booking
from services.booking.verify_store import verify_store
from tests.ivr.line import Line
from tests.support.house import LANDLINE, MOBILE, House, Phone, campaign_with, house, mornings

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
    caller.hears_text("C'est pour la première personne")
    caller.presses("1").goes_to("reference").presses("1")
    return caller.hears_text("C'est fait pour la première personne")


def starts_of(service: House) -> list[tuple[str, int, str]]:
    return [(row.reference, row.dose, row.start_at.isoformat()) for row in service.bookings()]


def test_two_people_get_places_side_by_side_with_two_references(hall: House):
    caller = first_is_booked(hall).hears_text("la seconde personne").answers(HER, "1")
    caller.hears_text("Pour la seconde personne, j'ai gardé une place au même endroit")
    caller.hears_text("jeudi 26 novembre à 10 heures").presses("1")
    caller.hears_text("C'est pour la seconde personne").presses("1")
    caller.goes_to("reference").presses("1")

    assert caller.ended_normally
    assert not caller.errors
    rows = starts_of(hall)
    assert len({reference for reference, _, _ in rows}) == 2
    by_dose = {dose: {start for _, d, start in rows if d == dose} for dose in (1, 2)}
    # Side by side both times: the two share one slot on each of the two days.
    assert [len(starts) for starts in by_dose.values()] == [1, 1]
    assert len(hall.messages("sms")) == 2
    assert hall.held() == 0


def test_the_first_is_safe_when_the_line_is_cut_at_the_second(hall: House):
    caller = first_is_booked(hall)
    assert hall.held() == 2
    caller.hangs_up()
    assert len({reference for reference, _, _ in starts_of(hall)}) == 1
    assert hall.held() == 0


def test_the_place_beside_is_nobody_elses_while_the_second_is_asked(hall: House):
    caller = first_is_booked(hall)
    stranger = hall.phone("+33698765432").goes_to("offers")
    assert "jeudi 26 novembre" not in stranger.since_input
    caller.answers(HER, "1").hears_text("jeudi 26 novembre à 10 heures")


def test_the_second_may_be_refused_without_losing_the_first(hall: House):
    caller = first_is_booked(hall).answers("01012000", "1")
    caller.hears_text("75 ans")
    caller.hangs_up()
    assert len({reference for reference, _, _ in starts_of(hall)}) == 1


def test_where_only_one_place_is_left_the_couple_chooses(narrow: House):
    caller = rings_for(narrow, TWO).presses(HIM).goes_to("offers").presses("1")
    caller.hears_text("il ne reste qu'une place")
    assert caller.step == "couple_choice"
    caller.presses("1").goes_to("confirm").presses("1").goes_to("reference").presses("1")
    caller.answers(HER, "1").goes_to("confirm").presses("1").goes_to("reference").presses("1")
    assert caller.step == "calls_offer"
    assert caller.presses("2").ended_normally
    assert len({start for _, _, start in starts_of(narrow)}) == 2


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


def test_for_somebody_else_the_call_says_so_and_the_booking_too(hall: House):
    caller = rings_for(hall, OTHER).hears_text("la personne qui viendra").presses(HIM)
    caller.goes_to("reach").presses("1")
    caller.hears_text("C'est pour une autre personne que vous")
    caller.hears_text("Le message écrit ira au portable qui se termine par 78")
    caller.presses("1").goes_to("reference").presses("1")
    assert caller.ended_normally
    with hall.database.statement() as connection:
        (booking_id,) = connection.execute(select(booking.c.id)).scalars()
        (line,) = history.of_booking(connection, booking_id)
    assert line.change.details["for"] == "other"


def test_somebody_else_of_the_same_birth_date_is_not_taken_for_the_caller(hall: House):
    rings_for(hall, SELF).presses(HIM).goes_to("reference").presses("1")
    caller = rings_for(hall, OTHER).presses(HIM).goes_to("reference").presses("1")
    assert caller.presses("2").ended_normally
    assert len({reference for reference, _, _ in starts_of(hall)}) == 2


def test_for_oneself_a_repeat_is_still_for_a_person_to_look_at(hall: House):
    rings_for(hall, SELF).presses(HIM).goes_to("reference").presses("1")
    caller = rings_for(hall, SELF).presses(HIM).goes_to("confirm").presses("1")
    assert caller.step == "person"


def test_a_couple_with_a_landline_hears_both_references(hall: House):
    caller = first_is_booked(hall, LANDLINE).answers(HER, "1").goes_to("confirm").presses("1")
    caller.goes_to("reference")
    said = " ".join(one.text for one in caller.heard)
    for reference in {reference for reference, _, _ in starts_of(hall)}:
        pairs = ", ".join(reference[i : i + 2] for i in range(0, 10, 2))
        assert pairs in said
    assert hall.messages("sms") == []


def test_the_store_has_no_contradiction_after_a_couple(hall: House):
    first_is_booked(hall).answers(HER, "1").goes_to("confirm").presses("1")
    said: list[str] = []
    verify_store(hall.store, [hall.campaign], limit=10, say=said.append)
    assert said == []


def test_what_is_known_of_the_first_goes_to_whoever_takes_over(hall: House):
    caller = first_is_booked(hall).answers("0", "1")
    (promise,) = hall.promises()
    known = promise.known
    assert known["for_whom"] == "two"
    assert known["first_reference"] == hall.bookings()[0].reference
    assert caller.ended_normally
