"""Calls that cannot end with a booking: what is said, and what stands in the store after it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from sqlalchemy import select, update

from models.centres.tables import centre
from models.messages import erase_messages, look_ups
from models.messages.tables import message
from models.waiting_list.tables import waiting_entry
from services.campaign.campaign import Eligible
from services.messages.deliver_message import DeliveryDependencies, deliver_message
from services.waiting_list.offer_notices import OfferNotices
from tests.calls.telephone import Texts
from tests.support.house import (
    MOBILE,
    NOON,
    House,
    campaign_with,
    house,
    mornings,
)

OPENING = datetime(2026, 12, 1, 7, 0, tzinfo=UTC)
BORN = date(1942, 3, 12)


@pytest.fixture
def empty(database_url: str) -> Iterator[House]:
    """A house in which no centre has anything."""
    with house(database_url) as made:
        yield made


def due_of(row: Any) -> datetime:
    due: datetime = row.due_at
    return due


# ---------------------------------------------------------------- nothing near


def test_twins_for_whom_somebody_else_rang_before_are_two_on_the_list(empty: House):
    """A grandmother rings for one of them; then she rings for both."""

    def asks_for(whom: str, people: int) -> None:
        caller = empty.phone(MOBILE).goes_to("for_whom").presses(whom)
        for _ in range(people):
            caller.goes_to("no_slot").presses("1").presses("1")

    asks_for("2", 1)
    for _ in range(2):
        asks_for("3", 2)
        with empty.database.statement() as connection:
            assert len(connection.execute(select(waiting_entry.c.id)).all()) == 2


# ---------------------------------------------------------------- far away


def test_no_sea_is_crossed_however_near_the_other_shore(empty: House):
    """Ajaccio has nothing; Nice, on the mainland, has, 240 kilometres over the water."""
    empty.opens_centre("9", kilometres=1.0, starts=mornings(20), capacity=9)
    with empty.database.transaction() as connection:
        connection.execute(
            update(centre).where(centre.c.id == "9").values(latitude=43.7, longitude=7.27)
        )
    caller = empty.phone(MOBILE).goes_to("no_slot", code="20000")
    caller.hears_text("Pour être rappelé dès qu'une place se libère, tapez 1")
    assert "kilomètres" not in caller.since_input
    caller.presses("3")
    assert caller.step == "no_slot"


def test_a_far_place_needs_its_second_where_everybody_comes_twice(database_url: str):
    with house(database_url, campaign=campaign_with(doses=2)) as service:
        service.opens_centre("8", kilometres=150.0, starts=mornings(5), capacity=9)
        service.opens_centre("9", name="Halle", kilometres=140.0, starts=mornings(35), capacity=9)
        caller = service.phone(MOBILE).goes_to("no_slot")
        caller.hears_text("à 140 kilomètres")
        caller.presses("1").hears_text("Halle")


# ---------------------------------------------------------------- who books for themselves


def books_itself(service: House, gid: str, phones: str, **values: Any) -> None:
    with service.database.transaction() as connection:
        connection.execute(update(centre).where(centre.c.id == gid).values(phones=phones, **values))


def test_a_centre_with_its_own_telephone_is_named_where_nothing_is_near(empty: House):
    empty.opens_centre("7", name="Clinique des Lilas", kilometres=8.0, mode="own_phone")
    books_itself(empty, "7", '["3975", "+33142030405"]')
    caller = empty.phone(MOBILE).goes_to("own_centre")
    caller.hears_text("Clinique des Lilas, à Paris 11e, à 8 kilomètres")
    caller.presses("1").hears_text("01, 42, 03, 04, 05")
    dialled = b"".join(caller.documents)
    assert b"<Dial" in dialled
    assert b"+33142030405" in dialled


@pytest.mark.parametrize(
    ("mode", "phones", "closes_on"),
    [
        # Only professionals are let in; a number that costs more than a call; closed since.
        ("reserved", '["+33142030405"]', None),
        ("own_phone", '["0899123456", "3975"]', None),
        ("own_phone", '["+33142030405"]', date(2026, 11, 1)),
        ("own_phone", "[]", None),
    ],
)
def test_no_other_centre_is_named(empty: House, mode: str, phones: str, closes_on: date | None):
    empty.opens_centre("7", kilometres=8.0, mode=mode)
    books_itself(empty, "7", phones, closes_on=closes_on)
    assert empty.phone(MOBILE).goes_to("no_slot").step == "no_slot"


# ---------------------------------------------------------------- before the opening


@pytest.fixture
def early(database_url: str) -> Iterator[House]:
    with house(database_url, campaign=campaign_with(opens_at=OPENING)) as made:
        yield made


def test_before_the_opening_a_text_is_promised_for_that_moment_and_leaves_then(early: House):
    caller = early.phone(MOBILE).dials()
    caller.hears_text("Les rendez-vous ouvriront le mardi 1er décembre à 8 heures")
    caller.presses("1").hears_text("Nous vous rappellerons par SMS le jour de l'ouverture")
    assert caller.ended_normally
    (text,) = early.messages("callback")
    assert due_of(text) == OPENING
    assert early.woken.messages == []
    provider = Texts()
    notices = OfferNotices({early.campaign.name: early.campaign}.get, "+33974750001")
    means = DeliveryDependencies(notices=notices.renders())
    assert deliver_message(early.store, provider, text.id, means) == "not due"
    with early.database.statement() as connection:
        assert look_ups.oldest_unsent(connection, early.clock, ("callback",)) == (0, None)
    early.clock.advance(OPENING - NOON)  # type: ignore[attr-defined]
    assert deliver_message(early.store, provider, text.id, means) == "sent"
    ((recipient, body),) = provider.sent
    assert recipient == MOBILE
    assert "appelez le" in body
    assert len(body) <= 160


def test_who_asks_twice_to_be_told_is_told_once(early: House):
    for _ in range(3):
        early.phone(MOBILE).dials().presses("1")
    assert len(early.messages("callback")) == 1
    early.phone(MOBILE).dials().presses("2")
    # By a call as well, which is another wish.
    assert len(early.messages("callback")) == 2


def test_a_promise_for_later_is_not_erased_before_it_is_kept(early: House):
    early.phone(MOBILE).dials().presses("1")
    for days, kept in ((4, True), (96, False)):
        early.clock.moment = NOON + timedelta(days=days)  # type: ignore[attr-defined]
        with early.database.transaction() as connection:
            erase_messages.erase_due(connection, early.clock, [], timedelta(days=89))
            recipient = connection.execute(select(message.c.recipient_enc)).scalar_one()
        assert (recipient is not None) is kept


# ---------------------------------------------------------------- who may not book yet


def test_two_people_of_one_line_are_both_told(empty: House):
    for born in ("30011952", "31011952", "30011952"):
        empty.phone(MOBILE).goes_to("not_eligible", born=born).presses("2")
    assert len(empty.messages("callback")) == 2


def test_years_of_birth_count_on_the_telephone_too(database_url: str):
    born = Eligible(born_from=date(1950, 1, 1), born_until=date(1959, 12, 31))
    with house(database_url, campaign=campaign_with(eligible=(born,))) as service:
        assert service.phone(MOBILE).goes_to("postcode", born="31121959").step == "postcode"
        assert service.phone(MOBILE).goes_to("not_eligible", born="01011960")


# ---------------------------------------------------------------- the town


@pytest.mark.parametrize("code", ["75990", "35999"])
def test_an_unknown_code_leads_to_the_town_and_two_digits_are_enough(service: House, code: str):
    caller = service.phone(MOBILE).goes_to("postcode")
    caller.presses(code).hears_text("Je ne connais pas ce code postal")
    caller.hears_text("C'est peut-être un code CEDEX").hears_text("le nom de la commune")
    caller.presses("35").hears_text("Rennes")
    caller.presses("1")
    assert caller.step == "no_slot"


def test_a_cedex_code_of_rennes_is_read_back_and_searched_as_rennes(service: House):
    caller = service.phone(MOBILE).goes_to("postcode").presses("35042")
    caller.hears_text("Le 3 5 0 4 2 est sans doute un code CEDEX de Rennes")
    caller.presses("1")
    session = service.session(caller.sid)
    assert (session.postcode, session.town) == ("35000", "Rennes")


def test_a_cedex_code_of_paris_leads_to_the_town_by_its_name(service: House):
    caller = service.phone(MOBILE).goes_to("postcode").presses("75231")
    caller.hears_text("C'est peut-être un code CEDEX").says("à Paris, dans le onzième")
    caller.hears_text("Paris 11e")


@pytest.mark.parametrize("text", ["à Paris", "une salle", "dans un centre", "la mairie de Lyon"])
def test_words_that_fit_many_or_none_are_no_centre(service: House, text: str):
    caller = service.phone(MOBILE).goes_to("offers").presses("4").presses("4").says(text)
    assert service.session(caller.sid).centre_id == ""
