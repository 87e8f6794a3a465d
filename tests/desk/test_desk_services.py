"""Several services at a desk: the agent says what for, and only where there is a choice."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest

from sqlalchemy import select

from models.booking.tables import appointment, appointment_for, booking
from services.campaign.campaign import Campaign
from services.campaign.campaigns import Campaigns
from services.centres.directory import Directory
from services.service import Service
from tests.desk.test_desk import CHOICE, FORM, PLACES, Desk
from tests.public.services_stage import COVID, FLU
from tests.support.house import MOBILE, House, house, mornings
from tests.support.rows import booked_places, clock_of, rows_of
from wiring import make_app
from wiring_parts import Parts


@pytest.fixture
def made(database_url: str) -> Iterator[House]:
    with house(database_url) as made:
        made.opens_centre("1", kilometres=0.4, starts=mornings(9), capacity=4)
        yield made


class DeskOfServices(Desk):
    """An agent where flu and Covid are given beside one another."""

    def __init__(self, made: House, *campaigns: Campaign) -> None:
        super().__init__(made)
        directory = Directory(made.database, centres_fresh_seconds=0)
        known = Campaigns.fixed(*(campaigns or (FLU, COVID)), now=made.clock.now)
        service = Service(directory, known, made.settings.national_number)
        self.app = make_app(Parts(made.settings, made.store, service, made.woken, self.provider))
        self.client = made.signs_in(staff=self.staff, app=self.app)


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
