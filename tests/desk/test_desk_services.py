"""Several services at a desk: the agent says what for, and only where there is a choice."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from sqlalchemy import select

from models.booking.tables import appointment, appointment_for, booking
from models.slots.services import bits_of, known
from models.slots.slots import SlotsToOpen, open_slots
from models.slots.tables import place
from services.booking.verify_store import verify_store
from services.campaign.campaign import TWO_PLACES, Campaign
from services.campaign.campaigns import Campaigns
from tests.desk.test_desk import CHOICE, FORM, PLACES, Desk
from tests.public.services_stage import COVID, FLU
from tests.support.house import MOBILE, House, house, mornings
from tests.support.rows import booked_places, clock_of, rows_of


@pytest.fixture
def made(database_url: str) -> Iterator[House]:
    with house(database_url) as made:
        made.opens_centre("1", kilometres=0.4, starts=mornings(9), capacity=4)
        yield made


class DeskOfServices(Desk):
    """An agent where flu and Covid are given beside one another."""

    def __init__(self, made: House, *campaigns: Campaign) -> None:
        opened = Campaigns.fixed(*(campaigns or (FLU, COVID)), now=made.clock.now)
        super().__init__(made, made.service(opened))


def test_an_agent_chooses_what_the_caller_comes_for(made: House):
    desk = DeskOfServices(made)
    desk.has(made.phone(MOBILE).goes_to("for_whom"))
    page = desk.does("/offres", **FORM)
    assert "Dites pour quoi la personne vient" in page
    assert not CHOICE.findall(page)
    page = desk.does("/offres", **FORM, wanted=COVID.name)
    page = desk.does("/choisir", choice=CHOICE.findall(page)[0], **FORM, wanted=COVID.name)
    (places,) = PLACES.findall(page)
    desk.does("/reserver", **FORM, places=places, nonce="b" * 24, wanted=COVID.name)
    assert [row.campaign for row in rows_of(made.database, select(booking.c.campaign))] == [
        COVID.name
    ]


def test_who_may_not_have_it_is_told_so(made: House):
    desk = DeskOfServices(made)
    desk.has(made.phone(MOBILE).goes_to("for_whom"))
    young = {**FORM, "born1": "12/03/1955"}
    assert CHOICE.findall(desk.does("/offres", **young, wanted=FLU.name))
    assert not CHOICE.findall(desk.does("/offres", **young, wanted=COVID.name))


def test_with_one_service_nothing_is_chosen(made: House):
    desk = Desk(made)
    desk.has(made.phone(MOBILE).goes_to("for_whom"))
    page = desk.does("/offres", **FORM)
    assert CHOICE.findall(page)
    assert 'name="wanted"' not in page


def test_one_half_of_two_is_moved_and_cancelled_by_itself(made: House):
    desk = DeskOfServices(made)
    desk.has(made.phone(MOBILE).goes_to("for_whom"))
    form = {**FORM, "wanted": [FLU.name, COVID.name]}
    page = desk.does("/offres", **form)
    page = desk.does("/choisir", choice=CHOICE.findall(page)[0], **form)
    (places,) = PLACES.findall(page)
    page = desk.does("/reserver", **form, places=places, nonce="b" * 24)
    assert "<dt>le Covid + la grippe " in page
    ((booking_id,),) = rows_of(made.database, select(booking.c.id))
    card = {"booking_id": booking_id, "version": "1"}
    page = desk.does("/deplacer", **card, of="covid")
    found = {**FORM, **card, "of": "covid", "moving": "first"}
    page = desk.does("/choisir", choice=CHOICE.findall(page)[-1], **found)
    (places,) = PLACES.findall(page)
    page = desk.does("/deplacer/confirmer", **found, places=places, nonce="c" * 24)
    done = select(appointment_for.c.service, appointment.c.start_at).join(
        appointment, appointment.c.id == appointment_for.c.appointment_id
    )
    done = done.where(appointment_for.c.state == "confirmed").order_by(appointment_for.c.service)
    (covid, flu) = rows_of(made.database, done)
    assert (covid.service, flu.service) == ("covid", "grippe")
    assert covid.start_at != flu.start_at
    card["version"] = "2"
    desk.does("/annuler", **card, of="covid", nonce="d" * 24)
    assert [row.service for row in rows_of(made.database, done)] == ["grippe"]


def test_a_second_service_leaves_time_for_what_the_caller_has(made: House):
    desk = DeskOfServices(made)
    desk.has(made.phone(MOBILE).goes_to("for_whom"))
    for wanted, nonce in ((FLU.name, "b" * 24), (COVID.name, "c" * 24)):
        form = {**FORM, "wanted": wanted}
        page = desk.does("/offres", **form)
        page = desk.does("/choisir", choice=CHOICE.findall(page)[0], **form)
        (places,) = PLACES.findall(page)
        desk.does("/reserver", **form, places=places, nonce=nonce)
    starts = [row.start_at for row in rows_of(made.database, select(appointment.c.start_at))]
    # There is one hour each morning.
    assert sorted(starts) == mornings(2)


def test_a_service_that_closes_while_the_form_is_open_books_nothing_by_half(made: House):
    closing = replace(COVID, closes_at=made.clock.now() + timedelta(minutes=1))
    desk = DeskOfServices(made, FLU, closing)
    desk.has(made.phone(MOBILE).goes_to("for_whom"))
    form = {**FORM, "wanted": [FLU.name, COVID.name]}
    page = desk.does("/offres", **form)
    page = desk.does("/choisir", choice=CHOICE.findall(page)[0], **form)
    (places,) = PLACES.findall(page)
    clock_of(made).advance(timedelta(minutes=2))
    page = desk.does("/reserver", **form, places=places, nonce="b" * 24)
    assert "ne donne plus de rendez-vous" in page
    assert booked_places(made.database) == 0
    assert made.bookings() == []
    # What is left is booked by the same form.
    form["wanted"] = [FLU.name]
    page = desk.does("/offres", **form)
    page = desk.does("/choisir", choice=CHOICE.findall(page)[0], **form)
    (places,) = PLACES.findall(page)
    desk.does("/reserver", **form, places=places, nonce="c" * 24)
    done = select(appointment_for.c.service).where(appointment_for.c.state == "confirmed")
    assert [row.service for row in rows_of(made.database, done)] == ["grippe"]


# ---------------------------------------------------------------- two neighbouring places


APART = (replace(FLU, together_in=TWO_PLACES), COVID)
MINUTES = timedelta(minutes=5)


def one_for_each(made: House, *names: str) -> None:
    """Places of one morning, five minutes apart, each for the service that is named."""
    (first,) = mornings(1)
    for number, name in enumerate(names):
        with made.database.transaction() as connection:
            bits = bits_of(connection, [name])
        start = first + number * MINUTES
        open_slots(made.database, [SlotsToOpen("1", (start,), 1, services=bits)])


def both_done(made: House) -> list[tuple[str, datetime, int]]:
    """Each service that is booked, when, and the bits of the services that its place serves."""
    statement = (
        select(appointment_for.c.service, appointment.c.start_at, place.c.services)
        .join(appointment, appointment.c.id == appointment_for.c.appointment_id)
        .join(place, place.c.id == appointment.c.place_id)
        .where(appointment_for.c.state == "confirmed")
        .order_by(appointment.c.start_at)
    )
    return [tuple(row) for row in rows_of(made.database, statement)]


def assert_sound(made: House) -> None:
    told: list[str] = []
    verify_store(made.store, list(APART), limit=20, say=told.append)
    assert told == []


@pytest.fixture
def empty(database_url: str) -> Iterator[House]:
    with house(database_url) as made:
        made.opens_centre("1", kilometres=0.4)
        yield made


def test_an_agent_books_two_neighbouring_places_for_both(empty: House):
    # Each place is for its own service alone; the first of the two services has the first place.
    one_for_each(empty, "grippe", "covid", "grippe", "covid")
    desk = DeskOfServices(empty, *APART)
    desk.has(empty.phone(MOBILE).goes_to("for_whom"))
    form = {**FORM, "wanted": [FLU.name, COVID.name]}
    page = desk.does("/offres", **form)
    (choice,) = CHOICE.findall(page)
    page = desk.does("/choisir", choice=choice, **form)
    (places,) = PLACES.findall(page)
    assert places == choice
    page = desk.does("/reserver", **form, places=places, nonce="b" * 24)
    (covid, flu) = both_done(empty)
    assert (covid[0], flu[0]) == ("covid", "grippe")
    assert timedelta() < flu[1] - covid[1] <= timedelta(hours=1)
    with empty.database.statement() as connection:
        bits = known(connection)
    assert (flu[2], covid[2]) == (bits["grippe"], bits["covid"])
    # What was shown besides is free again, and the store is sound.
    assert empty.held() == 0
    assert_sound(empty)
    # One half is cancelled by itself: the other stays where it is.
    ((booking_id,),) = rows_of(empty.database, select(booking.c.id))
    desk.does("/annuler", booking_id=booking_id, version="1", of="grippe", nonce="c" * 24)
    assert both_done(empty) == [covid]


def test_places_of_a_couple_are_paired_by_what_they_serve(empty: House):
    one_for_each(empty, "covid", "covid", "covid", "grippe", "grippe", "grippe")
    desk = DeskOfServices(empty, *APART)
    desk.has(empty.phone(MOBILE).goes_to("for_whom"))
    form = {**FORM, "people": "2", "born2": "01071944", "wanted": [FLU.name, COVID.name]}
    (choice,) = CHOICE.findall(desk.does("/offres", **form))
    page = desk.does("/choisir", choice=choice, **form)
    assert len(PLACES.findall(page)) == 2
    # What is held for both lies within one hour: looked at once more, each has its own neighbour.
    pairs = PLACES.findall(desk.does("/choisir", choice=choice, **form))
    assert (pairs[0], len(pairs)) == (choice, 2)
    desk.does("/reserver", **form, places=pairs, nonce="b" * 24)
    with empty.database.statement() as connection:
        bits = known(connection)
    done = both_done(empty)
    assert [one[0] for one in done] == ["covid", "covid", "grippe", "grippe"]
    assert all(served == bits[name] for name, _, served in done)
    assert_sound(empty)


def test_a_couple_for_whom_only_one_pair_is_left_is_told_so(empty: House):
    one_for_each(empty, "covid", "grippe")
    made_elsewhere = mornings(3, first=9)
    empty.opens_centre("2", kilometres=9.0, starts=made_elsewhere)
    desk = DeskOfServices(empty, *APART)
    desk.has(empty.phone(MOBILE).goes_to("for_whom"))
    form = {**FORM, "people": "2", "born2": "01071944", "wanted": [FLU.name, COVID.name]}
    choices = CHOICE.findall(desk.does("/offres", **form))
    before = empty.held()
    page = desk.does("/choisir", choice=choices[0], **form)
    assert PLACES.findall(page) == []
    # Nothing else is held for it.
    assert empty.held() == before


def test_a_place_without_a_neighbour_is_offered_to_nobody_who_wants_both(empty: House):
    one_for_each(empty, "grippe", "covid")
    desk = DeskOfServices(empty, *APART)
    desk.has(empty.phone(MOBILE).goes_to("for_whom"))
    # The first of the two has the first place.
    page = desk.does("/offres", **FORM, wanted=[FLU.name, COVID.name])
    assert CHOICE.findall(page) == []
    assert len(CHOICE.findall(desk.does("/offres", **FORM, wanted=FLU.name))) == 1
