"""A place that was freed, as whoever waits for it meets it: rung by us, or ringing themselves."""

from __future__ import annotations

import re

from collections.abc import Iterator
from datetime import timedelta

import pytest

from sqlalchemy import select

from flows.world import News
from models.queue.tables import queue_entry
from services.attempts import TRIES_A_DAY
from services.booking.verify_store import verify_store
from services.messages.deliver_message import DeliveryDependencies, deliver_message
from services.messages.promises import Promise, promise_news
from services.queue.promise_callback import RING_AFTER
from services.queue.voice_messages import arrange
from services.waiting_list.entries import EntryState
from services.waiting_list.offer_notices import OfferNotices
from tests.agents.rings import Office
from tests.calls.telephone import Texts
from tests.ivr.line import Line
from tests.ivr.test_callback_lines import Answers
from tests.support.house import House, Phone, campaign_with, house, mornings
from tests.support.rows import clock_of, on_the_wire, rows_of
from tests.waiting_list.test_waiting import (
    OFFER,
    advances,
    books,
    books_otherwise,
    cancels,
    holder,
    joins,
    leaves,
    number_of,
    place_ids,
    stands,
    tells,
)

BORN, OTHER = "12031942", "13031942"
LANDLINE = "+33491000001"
MINUTE = timedelta(minutes=1)
TURN = re.compile(rb"n=\d+")
# What nobody may hear before the birth date.
SECRETS = ("gardée", "liste d'attente", "vaccin", "Salle", "novembre", "libérée")


@pytest.fixture
def town(database_url: str) -> Iterator[House]:
    """One centre, without a free place."""
    with house(database_url) as made:
        made.opens_centre("1", starts=mornings(2))
        yield made


def freed(town: House, *people: int, number: int = 0) -> tuple[int, list[str]]:
    """These people wait, and the first place is freed; gives it and their entries."""
    one = place_ids(town)[number]
    booking = books(town, 900 + number, [one])
    entries = [joins(town, person) for person in people]
    cancels(town, booking)
    assert holder(town, one) == entries[0]
    return one, entries


def proves(town: House, person: int = 1, born: str = BORN) -> Phone:
    """Ring to book, and give the birth date."""
    caller = town.phone(number_of(person)).dials().presses("1")
    return caller.hears_text("date de naissance").presses(born).presses("1")


def is_right(town: House) -> bool:
    return not verify_store(town.store, [town.campaign], limit=5, say=print).contradictions


# ---------------------------------------------------------------- whoever rings


def test_whoever_rings_hears_what_is_kept_for_them_and_takes_it(town: House):
    _, (entry,) = freed(town, 1)
    caller = proves(town).hears_text("Une place vous est gardée")
    caller.hears_text("jeudi 26 novembre, demain, à 10 heures").hears_text(
        "Salle des fêtes, à Paris 11e"
    )
    caller.hears_text("à vous jusqu'au mercredi 25 novembre, aujourd'hui, à 11 heures")
    caller.presses("1").hears_text("C'est confirmé").presses("1")
    (booked,) = [row for row in town.bookings() if row.state == "confirmed"]
    assert (booked.channel, caller.step) == ("waiting", "reference")
    caller.hears_text("Vous recevrez aussi un SMS").presses("1")
    caller.hears_text("Votre rendez-vous est bien enregistré")
    assert caller.ended_normally
    (text,) = town.messages("sms")
    assert booked.reference in town.text_of(text)
    assert text.recipient_idx == town.store.vault.index("phone", number_of(1))
    assert stands(town, entry).state == EntryState.TAKEN
    assert is_right(town)


def test_until_the_birth_date_the_line_hears_what_every_line_hears(town: House):
    freed(town, 1)
    waits, others = town.phone(number_of(1)).dials(), town.phone(number_of(2)).dials()
    for pressed in ("1", BORN):
        assert TURN.sub(b"", waits.documents[-1]) == TURN.sub(b"", others.documents[-1])
        for caller in (waits, others):
            caller.presses(pressed)
    assert TURN.sub(b"", waits.documents[-1]) == TURN.sub(b"", others.documents[-1])


def test_somebody_else_of_that_line_books_like_anybody(town: House):
    one, (entry,) = freed(town, 1)
    proves(town, born=OTHER).hears_text("code postal")
    assert holder(town, one) == entry


def test_birth_dates_are_not_guessed_on_a_forged_line(town: House):
    one, (entry,) = freed(town, 1)
    for _ in range(TRIES_A_DAY):
        proves(town, born=OTHER).hears_text("code postal")
    # By now the right one is told what a wrong one is.
    proves(town).hears_text("code postal")
    assert holder(town, one) == entry


def test_from_a_line_where_nobody_waits_a_turn_costs_what_it_did(town: House):
    freed(town, 1)
    caller = town.phone(number_of(2)).dials().presses("1").presses(BORN)
    with on_the_wire(town.database) as sent:
        caller.presses("1")
    assert not [one for one in sent if "waiting_entry" in one or "attempt" in one]
    caller = town.phone(number_of(1))
    with on_the_wire(town.database) as sent:
        caller.dials()
    assert len(sent) == 2


def test_a_no_goes_to_the_next_and_the_caller_stays_on_the_list(town: House):
    one, (first, second) = freed(town, 1, 2)
    caller = proves(town).hears_text("gardée").presses("2")
    caller.hears_text("cette place ira à quelqu'un d'autre").hears_text("Nous vous rappellerons")
    assert caller.ended_normally
    assert holder(town, one) == second
    assert (stands(town, first).state, stands(town, first).ahead) == (EntryState.WAITING, 0)
    assert is_right(town)


def test_silence_is_no_answer_and_leads_to_a_person(town: House):
    one, (entry,) = freed(town, 1)
    caller = proves(town).hears_text("gardée").answers("", "", "")
    caller.hears_text("nous pouvons vous rappeler")
    assert (holder(town, one), stands(town, entry).state) == (entry, EntryState.OFFERED)


def test_a_hung_up_line_leaves_it_kept_and_who_rings_again_hears_it_again(town: House):
    one, (entry,) = freed(town, 1)
    proves(town).hears_text("gardée").hangs_up()
    assert holder(town, one) == entry
    assert town.messages("sms") == []
    proves(town).hears_text("gardée").presses("1").hears_text("confirmé")


def test_what_was_passed_on_meanwhile_is_told_and_another_is_looked_for(town: House):
    one, (first, second) = freed(town, 1, 2)
    caller = proves(town).hears_text("gardée")
    tells(town)
    clock_of(town).advance(OFFER)
    advances(town)
    assert holder(town, one) == second
    caller.presses("1").hears_text("n'est plus libre").presses("2").hears_text("code postal")
    assert stands(town, first).state == EntryState.WAITING


def test_nobody_is_booked_for_another_hour_than_they_heard(town: House):
    _, (entry,) = freed(town, 1)
    caller = proves(town).hears_text("jeudi 26 novembre")
    other = proves(town).presses("2")
    assert other.ended_normally
    # Now the second place is theirs.
    cancels(town, books(town, 901, [place_ids(town)[1]]))
    assert stands(town, entry).state == EntryState.OFFERED
    caller.presses("1").hears_text("n'est plus libre")
    assert [row for row in town.bookings() if row.state == "confirmed"] == []
    assert stands(town, entry).state == EntryState.OFFERED


def test_copies_of_the_yes_book_once(town: House):
    """The provider delivers a webhook twice: the same words, one booking, one text."""
    freed(town, 1)
    line = Line(town.app, number_of(1))
    document = line.rings()
    for pressed in ("1", BORN, "1"):
        document = line.presses(document, pressed)
    assert "gardée" in document.said
    first, again = (line.presses(document, "1") for _ in range(2))
    assert first.body == again.body
    assert len([row for row in town.bookings() if row.state == "confirmed"]) == 1
    assert len(town.messages("sms")) == 1


def test_who_asks_for_their_appointment_without_a_reference_hears_it(town: House):
    freed(town, 1)
    caller = town.phone(number_of(1)).asks_for_theirs().presses("1")
    caller.presses(BORN).presses("1").hears_text("Une place vous est gardée")


def test_who_booked_otherwise_is_told_like_anybody_and_the_next_has_it(town: House):
    one, (first, second) = freed(town, 1, 2)
    caller = proves(town).hears_text("gardée")
    town.opens_centre("2", kilometres=3.0, starts=mornings(1))
    books_otherwise(town, 1)
    # The telephone tells nobody who is booked: docs/decisions/0029.
    caller.presses("1").hears_text("C'est confirmé")
    assert holder(town, one) == second
    assert stands(town, first).state == EntryState.TAKEN


@pytest.mark.parametrize("said", ["oui je la prends", "non merci"])
def test_words_neither_take_nor_refuse_it_and_a_key_does(town: House, said: str):
    one, (entry,) = freed(town, 1)
    caller = proves(town).hears_text("gardée").stays_silent()
    caller.says(said).hears_text("Les touches marchent mieux")
    assert holder(town, one) == entry
    caller.presses("1").hears_text("confirmé")


def test_two_appointments_are_told_and_taken_together(database_url: str):
    campaign = campaign_with(doses=2)
    with house(database_url, campaign=campaign) as town:
        town.opens_centre("1", starts=mornings(30))
        ids = place_ids(town)
        booking = books(town, 900, [ids[0]], campaign=campaign)
        entry = joins(town, 1, campaign=campaign)
        cancels(town, booking, campaign=campaign)
        assert len(stands(town, entry).offer) == 2
        caller = proves(town).hears_text("Deux places vous sont gardées")
        caller.presses("1").hears_text("C'est confirmé")
        assert [row.dose for row in town.bookings() if row.state == "confirmed"] == [1, 2]


# ---------------------------------------------------------------- whom we ring


class Ringing:
    """A house that delivers what waits, and rings."""

    def __init__(self, town: House) -> None:
        self.town, self.office, self.provider = town, Office(town), Texts()
        notices = OfferNotices({town.campaign.name: town.campaign}.get, "+33974750001")
        self.means = DeliveryDependencies(
            notices=notices.renders(), arrange=arrange, campaign=lambda: town.campaign
        )

    def delivers(self) -> list[str]:
        """Everything that is due leaves."""
        return [
            deliver_message(self.town.store, self.provider, row.id, self.means)
            for row in self.town.messages("waiting_offer")
            if row.state == "pending"
        ]

    def rings(self, number: str) -> Answers:
        self.office.passes(RING_AFTER)
        self.office.call_back.dial_machines(self.office.store, self.office.control)
        return Answers(self.town, self.office.control.to(number)[-1])

    def state(self) -> list[str]:
        return [row.state for row in self.town.messages("waiting_offer")]


@pytest.fixture
def ringing(town: House) -> Ringing:
    return Ringing(town)


def test_whom_we_ring_proves_to_be_there_then_who_they_are_and_takes_it(ringing: Ringing):
    town = ringing.town
    _, (entry,) = freed(town, 1)
    assert ringing.delivers() == ["call"]
    call = ringing.rings(number_of(1)).dials().hears_text("Allô Rendez-vous")
    call.presses("1").hears_text("date de naissance")
    for document in call.documents:
        for secret in SECRETS:
            assert secret not in document.decode()
    call.presses(BORN).presses("1").hears_text("Une place vous est gardée")
    call.presses("1").hears_text("C'est confirmé").presses("1")
    assert ringing.state() == ["delivered"]
    assert stands(town, entry).state == EntryState.TAKEN
    (row,) = rows_of(town.database, select(queue_entry.c.state, queue_entry.c.outcome))
    assert row.state == "done"


def test_a_machine_hears_nothing_of_it(ringing: Ringing):
    freed(ringing.town, 1)
    ringing.delivers()
    call = ringing.rings(number_of(1)).dials()
    for _ in range(3):
        for secret in SECRETS:
            assert secret not in call.since_input
        call.stays_silent()
    assert call.ended


def test_a_mobile_that_is_not_reached_gets_one_text_at_once_and_rings_back(ringing: Ringing):
    town = ringing.town
    freed(town, 1)
    ringing.delivers()
    for _ in range(2):
        ringing.rings(number_of(1))
        ring = ringing.office.control.to(number_of(1))[-1]
        ringing.office.ends(ring, "no-answer")
        ringing.delivers()
        ringing.office.passes(15 * MINUTE)
    ((to, body),) = ringing.provider.sent
    assert to == number_of(1)
    for told in ("jeudi 26 novembre à 10h00", "mercredi 25 novembre à 11h00", "09 74 75 00 01"):
        assert told in body
    assert "accin" not in body
    proves(town).hears_text("gardée").presses("1").hears_text("confirmé")
    # And nobody rings about it any more.
    rows = rows_of(town.database, select(queue_entry.c.state, queue_entry.c.outcome))
    assert [(row.state, row.outcome) for row in rows] == [("left", "needless")]


def test_a_landline_is_only_rung(ringing: Ringing):
    town = ringing.town
    booking = books(town, 900, [place_ids(town)[0]])
    joins(town, 1, number=LANDLINE)
    cancels(town, booking)
    ringing.delivers()
    ringing.rings(LANDLINE)
    ringing.office.ends(ringing.office.control.to(LANDLINE)[-1], "no-answer")
    ringing.delivers()
    assert ringing.provider.sent == []


def test_after_three_wrong_dates_somebody_looks_at_it(ringing: Ringing):
    town = ringing.town
    one, (entry,) = freed(town, 1)
    ringing.delivers()
    call = ringing.rings(number_of(1)).dials().presses("1")
    for told in ("encore une fois", "dernier essai"):
        call.presses(OTHER).presses("1").hears_text(told)
    call.presses(OTHER).presses("1").hears_text("nous pouvons vous rappeler")
    assert holder(town, one) == entry


def test_who_was_offered_something_and_leaves_is_not_rung(ringing: Ringing):
    town = ringing.town
    _, (first, _) = freed(town, 1, 2)
    ringing.delivers()
    assert leaves(town, first)
    ringing.office.passes(RING_AFTER)
    assert ringing.office.call_back.dial_machines(town.store, ringing.office.control) == 0
    assert ringing.office.control.to(number_of(1)) == []


def test_on_a_sunday_a_mobile_is_written_to_and_nobody_is_rung(ringing: Ringing):
    town = ringing.town
    clock_of(town).advance(timedelta(days=3, hours=22))  # Sunday, seven in the morning
    town.opens_centre("2", kilometres=2.0, starts=mornings(1, first=9))
    booking = books(town, 950, place_ids(town, "2"))
    joins(town, 1)
    cancels(town, booking)
    assert ringing.delivers() == ["not due"]
    clock_of(town).advance(timedelta(hours=1, minutes=1))
    assert ringing.delivers() == ["sent"]
    ((to, body),) = ringing.provider.sent
    assert to == number_of(1)
    assert "dimanche 29 novembre à 10h00" in body
    assert town.promises() == []


def test_news_by_a_call_is_told_to_whoever_is_there_and_leads_to_a_booking(ringing: Ringing):
    town = ringing.town
    told = Promise(
        LANDLINE, News.OPENING, town.clock.now(), by_text=False, campaign="tests", known={}
    )
    with town.database.transaction() as connection:
        assert promise_news(connection, town.store, told, call_id=None)
    (row,) = town.messages("callback")
    assert deliver_message(town.store, ringing.provider, row.id, ringing.means) == "call"
    call = ringing.rings(LANDLINE).dials().hears_text("Vous aviez demandé à être prévenu")
    call.presses("1").hears_text("Vous pouvez maintenant prendre rendez-vous")
    call.presses("1").hears_text("Tapez la date de naissance")
    assert [one.state for one in town.messages("callback")] == ["delivered"]
