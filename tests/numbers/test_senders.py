"""What is written later than a call, or without one, leaves from the number that a person rang."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest

from sqlalchemy import Table, select

from models.booking.tables import booking
from models.desk import cases
from models.queue import call_queues
from models.waiting_list.tables import waiting_entry
from services.booking.confirm_booking import Booked
from services.centre_day import secretary
from services.centre_day.secretary import RingAnswer
from services.centres.directory import Directory
from services.desk import cases as desk_cases
from services.numbers.file import load
from services.queue.typed_callback import ANSWER_WITHIN
from services.service import Service
from services.waiting_list import offer_notices
from tests.agents.rings import Office
from tests.calls.telephone import Post
from tests.centre_day.test_centre_day import EVENING, LAST, at_centre, waits
from tests.desk.test_desk import CHOICE, FORM, PLACES, Desk
from tests.messages.conftest import INBOX, Writer
from tests.numbers.files import BRETAGNE, EXAMPLE, KNOWN, NATIONAL
from tests.support.house import MOBILE, WITHHELD, House, house, mornings
from tests.support.rows import clock_of, rows_of
from tests.waiting_list.test_waiting import offers, place_ids

# The sender of Brittany's texts, a number at which they are answered.
TEXTED = "+33974750098"
WRITTEN, COUNTRY = "09 74 75 00 35", "09 74 75 00 01"


@pytest.fixture
def several(database_url: str) -> Iterator[House]:
    """Three numbers; that of Brittany has a queue and a number for texts of its own."""
    national, bretagne, english = load(EXAMPLE, replace(KNOWN, staffed=None))
    own = replace(bretagne, queue="fr-bretagne", sender=TEXTED)
    with house(database_url, numbers=(national, own, english), links=True) as made:
        made.settings.sms_reply_number = INBOX
        made.app = made.application()
        with made.database.transaction() as connection:
            call_queues.add_queue(connection, made.clock, "fr-bretagne", "fr", "Bretagne")
        yield made


def called_of(made: House, table: Table) -> list[str | None]:
    return [row.called for row in rows_of(made.database, select(table.c.called))]


# ---------------------------------------------------------------- the waiting list


def test_an_offer_of_the_waiting_list_leaves_from_the_number_that_was_called(several: House):
    several.opens_centre("1", code="35000", starts=[])
    caller = several.phone(MOBILE, recipient=BRETAGNE).goes_to("no_slot", code="35000")
    caller.presses("1").presses("1")
    assert called_of(several, waiting_entry) == [BRETAGNE]
    several.opens_slots("1", mornings(1, first=6))
    assert offers(several, *place_ids(several)) == 1
    (told,) = several.messages("waiting_offer")
    assert told.called == BRETAGNE
    # Its call reached nobody, so there is a text.
    with several.database.transaction() as connection:
        assert offer_notices.not_reached(connection, several.store, told.id)
    post = Post(several)
    post.works()
    assert post.texts.senders == [TEXTED]
    ((_, body),) = post.texts.sent
    assert WRITTEN in body


def test_whoever_waits_by_the_national_number_is_told_by_it(several: House):
    several.phone(MOBILE, recipient=NATIONAL).goes_to("no_slot").presses("1").presses("1")
    several.opens_centre("1", kilometres=0.4, starts=mornings(1, first=6))
    assert offers(several, *place_ids(several)) == 1
    (told,) = several.messages("waiting_offer")
    assert told.called == NATIONAL


def test_what_a_secretary_books_for_who_waits_leaves_from_the_number_they_called(several: House):
    """Rung by hand for a place of today: there is no call of ours that would say the number."""
    several.opens_centre("1", kilometres=0.4, starts=[LAST])
    clock_of(several).advance(EVENING - several.clock.now())
    entry = waits(several, 7, called=BRETAGNE)
    directory = Directory(several.database, centres_fresh_seconds=0)
    service = Service(
        directory, several.campaign, several.settings.national_number, numbers=several.numbers
    )
    at = replace(at_centre(several), service=service)
    with several.database.transaction() as connection:
        rung = secretary.ring_next(connection, at)
        assert rung is not None
        assert rung.entry_id == entry
        done = secretary.answered(connection, at, entry, RingAnswer.COMES)
    assert isinstance(done, Booked)
    assert called_of(several, booking) == [BRETAGNE]
    (text,) = several.messages("sms")
    assert text.called == BRETAGNE
    assert WRITTEN in several.text_of(text)


# ---------------------------------------------------------------- what people write


def test_a_text_to_the_sender_of_a_number_is_answered_with_that_number(several: House):
    several.opens_centre("1", code="35000", starts=mornings(2))
    writer = Writer(several, several.app)
    (answer,) = writer.writes("annuler", To=TEXTED)
    assert WRITTEN in answer
    # Where any number's texts are answered, it is that of the newest booking.
    (answer,) = writer.writes("annuler")
    assert COUNTRY in answer
    several.phone(MOBILE, recipient=BRETAGNE).books(code="35000")
    (answer,) = writer.writes("annuler")
    assert WRITTEN in answer
    (appointment,) = writer.writes("ou est mon rendez-vous")
    assert WRITTEN in appointment


# ---------------------------------------------------------------- calls at a typed number


def asks_for_a_call(made: House, to: str) -> None:
    caller = made.phone(WITHHELD, recipient=to).dials().presses("0")
    caller.presses("1").presses(f"0{MOBILE.removeprefix('+33')}").presses("1")
    assert caller.ended_normally


def test_a_typed_number_waits_in_the_queue_of_the_number_that_was_called(several: House):
    asks_for_a_call(several, BRETAGNE)
    (text,) = [row for row in several.messages("sms") if row.topic == "call_consent"]
    assert "OUI au 09 74 75 00 98" in several.text_of(text)
    (answer,) = Writer(several, several.app).writes("oui", To=TEXTED)
    assert answer
    (promise,) = several.promises()
    assert (promise.queue_id, promise.called) == ("fr-bretagne", BRETAGNE)


def test_so_does_one_that_an_agent_rings_without_an_answer(several: House):
    office = Office(several)
    asks_for_a_call(several, BRETAGNE)
    clock_of(several).advance(ANSWER_WITHIN + timedelta(seconds=1))
    office.call_back.look_after(office.store)
    with several.database.statement() as connection:
        (case,) = cases.waiting(connection, limit=9)
    agent = several.employs("agent")
    with several.database.transaction() as connection:
        assert desk_cases.ring(connection, several.store, agent, case.id, several.numbers)
    (promise,) = several.promises()
    assert (promise.queue_id, promise.called) == ("fr-bretagne", BRETAGNE)


def test_a_case_about_a_booking_is_rung_from_its_number(several: House):
    several.opens_centre("1", code="35000", starts=mornings(2))
    several.phone(MOBILE, recipient=BRETAGNE).books(code="35000")
    Writer(several, several.app).writes("ce n'est pas moi")
    with several.database.statement() as connection:
        (case,) = cases.waiting(connection, limit=9)
    agent = several.employs("agent")
    with several.database.transaction() as connection:
        assert desk_cases.ring(connection, several.store, agent, case.id, several.numbers)
    (promise,) = several.promises()
    assert (promise.queue_id, promise.called) == ("fr-bretagne", BRETAGNE)


# ---------------------------------------------------------------- what agents write


def test_an_agents_texts_name_the_number_that_the_caller_rang(several: House):
    several.opens_centre("1", kilometres=0.4, starts=mornings(5), capacity=2)
    desk = Desk(several)
    caller = several.phone(MOBILE, recipient=BRETAGNE).goes_to("for_whom")
    desk.has(caller)
    page = desk.does("/offres", **FORM)
    page = desk.does("/choisir", choice=CHOICE.findall(page)[0], **FORM)
    (places,) = PLACES.findall(page)
    desk.does("/lien", **FORM, places=places, link="a" * 24)
    desk.does("/reserver", **FORM, places=places, nonce="b" * 24)
    ((booking_id,),) = rows_of(several.database, select(booking.c.id))
    desk.does("/texte", booking_id=booking_id, nonce="c" * 24)
    texts = several.messages("sms")
    assert len(texts) == 3
    assert {row.called for row in texts} == {BRETAGNE}
    for row in texts:
        assert WRITTEN in several.text_of(row)
        assert COUNTRY not in several.text_of(row)
