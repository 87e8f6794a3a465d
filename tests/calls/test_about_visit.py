"""What people ask once they are booked: getting in, price and time, how to change, how to come."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from models.centres import access
from tests.support.house import LANDLINE, MOBILE, House, Phone, house, mornings


@pytest.fixture
def service(database_url: str) -> Iterator[House]:
    with house(database_url) as made:
        made.opens_centre("1", name="Salle des fêtes", starts=mornings(34), capacity=2)
        yield made


def booked(service: House, number: str = MOBILE) -> Phone:
    caller = service.phone(number).goes_to("offers").presses("1")
    caller.answers(*(("1",) if number == MOBILE else ("2", "1")))
    assert len(service.bookings()) == 1
    return caller


def all_of(caller: Phone) -> str:
    return " ".join(caller.spoken)


@pytest.mark.parametrize("word", ["yes", "no", ""])
def test_access_is_told_as_the_store_knows_it_and_as_nothing_else(service: House, word: str):
    if word:
        with service.database.transaction() as connection:
            access.write(connection, service.clock, "1", word)
    told = all_of(booked(service).answers("2", "1"))
    assert ("On peut entrer en fauteuil roulant" in told) == (word == "yes")
    assert ("On ne peut pas entrer en fauteuil roulant" in told) == (word == "no")
    assert ("Nous ne savons pas" in told) == (word == "")


def test_price_and_time_are_told_as_the_campaign_says_and_the_reference_comes_again(service: House):
    caller = booked(service).presses("2").says("c'est payant ?")
    assert "Sur le prix et la durée, une personne peut vous répondre" in all_of(caller)
    assert "La vaccination est gratuite. Comptez une demi-heure" in all_of(caller)
    assert "Pour une question, tapez 2" in all_of(caller)
    caller.stays_silent()
    assert caller.ended_normally


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("est-ce que c'est accessible en fauteuil ?", "fauteuil roulant dans ce centre"),
        ("combien ça coûte ?", "Sur le prix et la durée"),
        ("ça dure combien de temps ?", "Sur le prix et la durée"),
        ("comment je fais pour annuler ?", "rappelez ce numéro"),
        ("c'est où ?", "12 rue de la Paix"),
        ("comment on y va ?", "12 rue de la Paix"),
    ],
)
def test_a_question_may_be_said(service: House, said: str, told: str):
    caller = booked(service).presses("2").says(said)
    assert told in all_of(caller)
    # Nothing was changed by what was asked.
    assert len(service.bookings()) == 1


def test_whoever_gets_no_text_may_ask_behind_the_reference_and_is_offered_calls_after_it(
    service: House,
):
    caller = booked(service, LANDLINE).answers("1", "2", "4")
    assert "12 rue de la Paix" in all_of(caller)
    caller.stays_silent().stays_silent()
    assert "Nous pouvons vous appeler" in all_of(caller)


def test_what_is_asked_twice_is_told_twice_and_ends_the_call(service: House):
    caller = booked(service).answers("2", "4", "2", "4")
    assert "12 rue de la Paix" in all_of(caller)
    assert caller.ended_normally
