"""What an agent does for a caller: the same slot goes on, no place is lost."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest

from flows.session import Moving, Offer, Party
from flows.world import BookingOrder as CallersOrder
from flows.world import Town
from models.booking import history
from models.call import turns
from models.call.turns import Body
from models.database import Connection
from models.queue import call_queues, queues
from models.queue.queues import NewQueueEntry
from services.booking.find_booking import read_booking
from services.booking.my_bookings import told
from services.call.end_call import record_call_status
from services.call.take_turn import Turn
from services.call.world import CallWorld
from services.desk.booking import (
    BookingRefused,
    DeskOrder,
    Made,
    PersonToBook,
    Refusal,
    Texted,
    book,
    text_again,
    wait_for_place,
)
from services.desk.caller_profile import read_caller_profile
from services.desk.offers import (
    HOLD_LONGEST,
    Desk,
    DeskWork,
    SearchCriteria,
    find_offers,
    hold_for_second,
    keep,
    on_desk,
    take_over,
)
from services.desk.search import Criteria
from services.slots.allocate import Allocate, Channel, Holder
from services.work import Work
from tests.support.house import CAMPAIGN, LANDLINE, MOBILE, WITHHELD, House, Phone, house, mornings
from tests.support.race import at_once

BORN, OTHER = date(1942, 3, 12), date(1944, 7, 1)
PARIS = Town("75011", "Paris 11e", "metropole", 48.859, 2.378)
NONCE = "a" * 24
DESK = Desk("agent-1", "e" * 32, "CAcaller", MOBILE)
TWO_DOSES = replace(CAMPAIGN, doses=2)


def on(connection: Connection, made: House, desk: Desk = DESK) -> DeskWork:
    return DeskWork(connection, made.store, made.service(), desk)


@pytest.fixture
def at(three_centres: House) -> House:
    return three_centres


def find(made: House, desk: Desk = DESK, **wish) -> tuple[Offer, ...]:
    wished = SearchCriteria(born=wish.pop("born", (BORN,)), town=PARIS, **wish)
    with made.database.transaction() as connection:
        return find_offers(on(connection, made, desk), wished).offers


def books(
    made: House, *people: PersonToBook, desk: Desk = DESK, number=MOBILE, nonce=NONCE, **more
):
    order = DeskOrder(tuple(people), "75011", number, nonce, **more)
    with made.database.transaction() as connection:
        return book(on(connection, made, desk), order)


def file_of(made: House, booking_id: str):
    with made.database.transaction() as connection:
        found = read_booking(connection, made.store, booking_id)
    assert found is not None
    return found.file


def gives_up_at_the_offers(made: House, *, number: str = MOBILE) -> Phone:
    """A caller who typed everything, heard the offers, and can go no further."""
    return made.phone(number).goes_to("offers")


# ---------------------------------------------------------------- book


def test_one_person_is_booked_with_a_name_a_text_and_the_agent_in_the_history(at):
    offer, *_ = find(at)
    made = books(at, PersonToBook(BORN, offer.places, name="Odette Martin"))
    assert isinstance(made, Made)
    (booking_id,) = made.booking_ids
    file = file_of(at, booking_id)
    assert (file.channel, file.name, file.call_id) == ("agent", "Odette Martin", "CAcaller")
    assert [one.place_id for one in file.live] == [offer.place_id]
    (text,) = at.messages("sms")
    assert text.id == made.message_ids[0]
    assert file.reference in at.text_of(text)
    with at.database.statement() as connection:
        (line,) = history.of_booking(connection, booking_id)
    assert (line.change.who, line.change.channel) == ("agent-1", "agent")
    assert at.held() == 0


def test_twins_of_one_birth_date_are_two_people(at):
    offer, *_ = find(at, born=(BORN, BORN))
    with at.database.transaction() as connection:
        adjacent = hold_for_second(on(connection, at, DESK), offer)
    assert adjacent is not None
    made = books(at, PersonToBook(BORN, offer.places), PersonToBook(BORN, adjacent.places))
    assert isinstance(made, Made)
    assert [file_of(at, one).rank for one in made.booking_ids] == [1, 2]


def test_of_two_people_neither_is_booked_when_one_cannot_be(service):
    at = service
    at.opens_centre("1", starts=mornings(20), capacity=4)
    first, *_ = find(at)
    assert isinstance(books(at, PersonToBook(OTHER, first.places)), Made)
    offer, *_ = find(at, born=(BORN, OTHER))
    with at.database.transaction() as connection:
        adjacent = hold_for_second(on(connection, at, DESK), offer)
    assert adjacent is not None
    refused = books(
        at, PersonToBook(BORN, offer.places), PersonToBook(OTHER, adjacent.places), nonce="b" * 24
    )
    assert isinstance(refused, BookingRefused)
    assert (refused.why, refused.person) == (Refusal.KNOWN, 1)
    assert file_of(at, refused.booking_id).born == OTHER
    assert len(at.bookings()) == 1
    # What was held still is: the agent books the one alone.
    alone = books(at, PersonToBook(BORN, offer.places), nonce="c" * 24)
    assert isinstance(alone, Made)


def test_both_appointments_of_two_doses_are_booked_for_both(service):
    service.campaign = TWO_DOSES
    service.opens_centre("1", kilometres=0.4, starts=mornings(40), capacity=4)
    offer, *_ = find(service, born=(BORN, OTHER))
    assert len(offer.places) == 2
    with service.database.transaction() as connection:
        adjacent = hold_for_second(on(connection, service, DESK), offer)
    assert adjacent is not None
    made = books(service, PersonToBook(BORN, offer.places), PersonToBook(OTHER, adjacent.places))
    assert isinstance(made, Made)
    assert [len(file_of(service, one).live) for one in made.booking_ids] == [2, 2]


def test_two_copies_of_a_form_at_once_book_once(database_url):
    with house(database_url, clock=None) as made:
        made.opens_centre("1", starts=mornings(5), capacity=3)
        offer, *_ = find(made)
        done = at_once(*[lambda: books(made, PersonToBook(BORN, offer.places))] * 2)
        assert [type(one) for one in done] == [Made, Made]
        assert done[0].booking_ids == done[1].booking_ids
        assert sorted(one.repeated for one in done) == [False, True]
        assert len(made.bookings()) == 1


def test_who_is_booked_already_is_shown_to_the_agent_and_not_booked_again(at):
    offer, *_ = find(at)
    made = books(at, PersonToBook(BORN, offer.places))
    offer, *_ = find(at)
    refused = books(at, PersonToBook(BORN, offer.places), nonce="b" * 24)
    assert refused == BookingRefused(Refusal.KNOWN, 0, made.booking_ids[0])
    someone_else = PersonToBook(BORN, offer.places, someone_else=True)
    assert isinstance(books(at, someone_else, nonce="c" * 24), Made)


def test_nobody_is_booked_on_a_day_on_which_they_are_too_young(at):
    offer, *_ = find(at)
    young = PersonToBook(date(1999, 1, 1), offer.places)
    assert books(at, young) == BookingRefused(Refusal.TOO_YOUNG, 0)
    assert at.bookings() == []


def test_a_place_that_somebody_else_took_is_told(service):
    service.opens_centre("1", starts=mornings(1))
    offer, *_ = find(service)
    other = Desk("agent-2", "f" * 32, "CAother", LANDLINE)
    service.clock.advance(timedelta(minutes=11))
    (theirs,) = find(service, other)
    assert theirs.place_id == offer.place_id
    assert books(service, PersonToBook(BORN, offer.places)) == BookingRefused(Refusal.GONE, 0)


def test_a_place_of_a_closed_centre_or_of_nobody_is_not_booked(at):
    assert books(at, PersonToBook(BORN, (987654,))) == BookingRefused(Refusal.NOT_OFFERED, 0)
    with pytest.raises(ValueError, match="order"):
        books(at, nonce="short")


# ---------------------------------------------------------------- the caller's own slot


def test_the_agent_goes_on_with_the_slot_that_the_caller_chose(at):
    phone = gives_up_at_the_offers(at)
    phone.presses("1")
    session = at.session(phone.sid)
    chosen = session.choice
    desk = replace(DESK, call_id=phone.sid)
    with at.database.transaction() as connection:
        took = take_over(on(connection, at, desk), session, phone.sid)
        there = on_desk(on(connection, at, desk), PARIS)
    assert chosen in took
    assert {one.offer.place_id for one in there} == {offer.place_id for offer in session.offers}
    # The line ends, and nothing of it is lost: it is the desk's.
    record_call_status(at.store, at.campaign, phone.sid, "completed")
    made = books(at, PersonToBook(BORN, chosen.places), desk=desk)
    assert isinstance(made, Made)
    assert file_of(at, made.booking_ids[0]).live[0].place_id == chosen.place_id


def test_of_a_slot_whose_hold_ran_out_in_the_queue_another_place_will_do(at):
    phone = gives_up_at_the_offers(at)
    phone.presses("1")
    session = at.session(phone.sid)
    at.clock.advance(timedelta(minutes=15))
    # The very place went meanwhile; the slot has two.
    someone = Holder(Channel.WEB, "web:1")
    with at.database.transaction() as connection:
        quick = Allocate(Work(connection, at.store, replace(at.campaign, phone_share=0)), someone)
        assert quick.hold_slot(session.choice.slot_id) is not None
    with at.database.transaction() as connection:
        took = take_over(on(connection, at, DESK), session, phone.sid)
    assert [one.slot_id for one in took] == [session.choice.slot_id]


def test_what_the_caller_confirmed_first_is_not_taken_over(at):
    phone = gives_up_at_the_offers(at)
    before = at.session(phone.sid)
    session = before.but(chosen=0)
    offer = session.choice
    with Turn(at.store, phone.sid, 50) as turn:
        world = CallWorld(at.service(), turn, session)
        order = CallersOrder(offer=offer, born=BORN, postcode="75011", number=MOBILE)
        assert isinstance(world.confirm(order), str)
        turn.finish(step="ready", outcome="booked", body=Body("1", session.to_json(), ""))
    with at.database.transaction() as connection:
        after = session.but(reference="1234567890")
        took = take_over(on(connection, at, DESK), after, phone.sid)
    assert took == ()
    assert len(at.bookings()) == 1


def test_the_callers_confirmation_and_the_desks_take_over_at_once_never_both_have_the_place(
    database_url,
):
    with house(database_url) as made:
        made.opens_centre("1", starts=mornings(1), capacity=1)
        phone = gives_up_at_the_offers(made)
        session = made.session(phone.sid).but(chosen=0)
        offer = session.choice

        def confirms() -> Any:
            with Turn(made.store, phone.sid, 50) as turn:
                world = CallWorld(made.service(), turn, session)
                order = CallersOrder(offer=offer, born=BORN, postcode="75011", number=MOBILE)
                confirmed = world.confirm(order)
                body = Body("1", session.to_json(), "")
                turn.finish(step="ready", outcome="booked", body=body)
            return confirmed

        def takes_over() -> Any:
            with made.database.transaction() as connection:
                return take_over(on(connection, made, DESK), session, phone.sid)

        confirmed, taken = at_once(confirms, takes_over)
        booked = isinstance(confirmed, str)
        # There is one place: it is the caller's booking, or the desk's hold.
        assert booked is not bool(taken)
        assert len(made.bookings()) == int(booked)


# ---------------------------------------------------------------- holds


def test_holds_are_kept_while_the_page_is_open_and_no_longer_than_ten_minutes(at):
    find(at)
    for _ in range(6):
        at.clock.advance(timedelta(minutes=1, seconds=30))
        with at.database.transaction() as connection:
            keep(on(connection, at, DESK))
        assert at.held() == 3
    at.clock.advance(timedelta(minutes=1, seconds=30))
    assert timedelta(minutes=10) == HOLD_LONGEST
    assert at.held() == 0


def test_other_slots_are_other_ones_until_there_are_no_more(service):
    service.opens_centre("1", starts=mornings(2))
    (first,) = find(service)
    (second,) = find(service, skip_slots=(first.slot_id,))
    assert second.slot_id != first.slot_id
    (again,) = find(service, skip_slots=(first.slot_id, second.slot_id))
    assert again.slot_id == first.slot_id


def test_a_day_and_a_centre_can_be_asked_for(at):
    later = find(at, from_day=date(2026, 12, 10))
    assert min(one.local_start.date() for one in later) >= date(2026, 12, 10)
    with at.database.transaction() as connection:
        wish = SearchCriteria(born=(BORN,), town=PARIS, centre="zanzibar")
        found = find_offers(on(connection, at, DESK), wish)
    assert found.no_such_centre


def test_who_may_not_book_yet_is_told_from_when(at):
    with at.database.transaction() as connection:
        wish = SearchCriteria(born=(date(1952, 1, 1),), town=PARIS)
        found = find_offers(on(connection, at, DESK), wish)
    assert found.offers == ()
    assert found.not_yet is not None
    assert found.not_yet.day_from == date(2027, 1, 1)


# ---------------------------------------------------------------- change


def booked(made: House, nonce: str = NONCE) -> str:
    offer, *_ = find(made)
    done = books(made, PersonToBook(BORN, offer.places), nonce=nonce)
    assert isinstance(done, Made)
    return done.booking_ids[0]


def change(made: House, do, *args, **options):
    with made.database.transaction() as connection:
        return do(on(connection, made), *args, **options)


def test_what_is_offered_instead_is_never_where_the_booking_is_already(at):
    booking_id = booked(at)
    with at.database.transaction() as connection:
        found = read_booking(connection, at.store, booking_id)
    assert found is not None
    mine = told(found, at.clock.now(), at.campaign.name)
    held = mine.slots
    first = find(at, mine=mine, moving=Moving.FIRST)
    again = find(at, mine=mine, moving=Moving.FIRST, skip_slots=tuple(one.slot_id for one in first))
    assert first
    assert not {one.slot_id for one in (*first, *again)} & set(held)


def test_the_text_is_sent_again_three_times_a_day_and_to_the_number_on_file(at):
    booking_id = booked(at)
    for number, letter in enumerate("bcd"):
        sent = change(at, text_again, booking_id, nonce=letter * 24)
        assert isinstance(sent, Texted)
        assert sent.message_id
        assert len(at.messages("sms")) == number + 2
    # The same form again is no other text; a new one is one too many.
    assert change(at, text_again, booking_id, nonce="d" * 24) == Texted()
    assert change(at, text_again, booking_id, nonce="e" * 24) == BookingRefused(Refusal.TOO_OFTEN)
    texts = [at.text_of(one) for one in at.messages("sms")]
    assert all(file_of(at, booking_id).reference in text for text in texts)
    at.clock.advance(timedelta(hours=25))
    assert isinstance(change(at, text_again, booking_id, nonce="f" * 24), Texted)


def test_no_text_goes_to_a_landline(at):
    offer, *_ = find(at)
    made = books(at, PersonToBook(BORN, offer.places), number=LANDLINE)
    assert isinstance(made, Made)
    assert made.message_ids == ()
    refused = change(at, text_again, made.booking_ids[0], nonce=NONCE)
    assert refused == BookingRefused(Refusal.NO_MOBILE)


def test_somebody_is_put_on_the_waiting_list_once(at):
    ahead = change(at, wait_for_place, born=BORN, number=MOBILE, town=PARIS)
    assert ahead == 0
    assert change(at, wait_for_place, born=BORN, number=MOBILE, town=PARIS) == 0
    assert change(at, wait_for_place, born=OTHER, number=LANDLINE, town=PARIS) == 1
    refused = change(at, wait_for_place, born=BORN, number="", town=PARIS)
    assert refused == BookingRefused(Refusal.NO_NUMBER)


# ---------------------------------------------------------------- the file


def in_line(made: House, call_id: str, number: str = MOBILE, entry_id: str = DESK.entry_id):
    with made.database.transaction() as connection:
        call_queues.add_queue(connection, made.store.clock, "fr", "fr")
        new = NewQueueEntry(
            entry_id, "fr", "call", "fr", call_id=call_id, origin_call_id=call_id, number=number,
            known=made.session(call_id).known,
        )  # fmt: skip
        assert queues.add(connection, made.store.clock, made.store.vault, new)


def file(made: House, desk: Desk = DESK):
    with made.database.transaction() as connection:
        entry = queues.load(connection, made.store.vault, desk.entry_id)
        assert entry is not None
        return read_caller_profile(connection, made.store, entry, desk_holder=desk.holder_id)


def test_the_file_shows_what_was_typed_and_misheard_and_where_it_stopped(at):
    phone = at.phone(MOBILE)
    phone.dials()
    for keys in ("2", "2", "99999999", "12031942", "1", "75011"):
        phone.presses(keys)
    in_line(at, phone.sid)
    read = file(at)
    told = [(one.step, one.said, one.right) for one in read.heard]
    assert ("date_of_birth", "99/99/9999", False) in told
    assert ("date_of_birth", "12/03/1942", True) in told
    assert ("for_others", "2", True) in told
    assert read.stopped_at == "offers"
    assert (read.given.whom, read.given.born) == (Party.TWO, "1942-03-12")
    assert (read.given.postcode, read.given.town) == ("75011", "Paris 11e")
    assert (read.caller.number, read.caller.kind) == (MOBILE, "mobile")
    assert len(read.offers) == 3
    assert all(offer.until for offer in read.offers)
    assert read.missing == ("second", "slot", "number")


def test_the_file_says_which_offers_are_held_and_which_were_heard_before(at):
    phone = gives_up_at_the_offers(at)
    heard_first = at.session(phone.sid).offers
    phone.presses("4")
    phone.presses("1")
    in_line(at, phone.sid)
    read = file(at)
    assert len(read.offers) == 6
    assert [offer.until is None for offer in read.offers] == [True] * 3 + [False] * 3
    assert [one.offer for one in read.offers[:3]] == list(heard_first)


def test_a_withheld_number_and_erased_turns_leave_what_the_line_remembers(at):
    phone = gives_up_at_the_offers(at, number=WITHHELD)
    in_line(at, phone.sid, number="")
    at.clock.advance(timedelta(hours=30))
    with at.database.transaction() as connection:
        until = at.store.clock.now() - timedelta(hours=24)
        turns.erase_bodies(connection, until - timedelta(days=1), until, 1000)
    read = file(at)
    assert (read.caller.number, read.caller.kind) == ("", "none")
    assert read.given.born == "1942-03-12"
    assert not read.told


def test_another_persons_booking_on_the_same_line_is_not_shown(at):
    # The line of a care home: whoever rings next is not told who is booked there.
    booked(at)
    phone = at.phone(MOBILE)
    phone.dials()
    phone.presses("1")
    entry_id = "d" * 32
    in_line(at, phone.sid, entry_id=entry_id)
    read = file(at, Desk("agent-2", entry_id))
    assert read.bookings == ()
    assert read.caller.rings == 1


def test_earlier_contacts_of_the_line_are_told_with_their_notes(at):
    first = gives_up_at_the_offers(at)
    in_line(at, first.sid, entry_id="d" * 32)
    with at.database.transaction() as connection:
        clock, vault = at.store.clock, at.store.vault
        note = queues.sealed_note(vault, "d" * 32, "Rappeler après 14 h")
        assert queues.move(
            connection, clock, "d" * 32, ["waiting"], "done", wrapup_code="callback_later", **note
        )
    at.clock.advance(timedelta(minutes=5))
    second = at.phone(MOBILE)
    second.dials()
    second.presses("2")
    in_line(at, second.sid)
    read = file(at)
    assert read.caller.rings == 2
    assert {contact.kind for contact in read.contacts} == {"call", "entry"}
    (entry,) = [contact for contact in read.contacts if contact.kind == "entry"]
    assert (entry.note, entry.code) == ("Rappeler après 14 h", "callback_later")


# ---------------------------------------------------------------- search


@pytest.mark.parametrize(
    ("typed", "fits"),
    [
        ("durand", True),
        ("DURAND Odette", True),
        ("Odétte", True),
        ("Dupont", False),
        ("Odette Dupont", False),
    ],
)
def test_a_name_fits_in_any_order_and_without_accents(typed: str, fits: bool):  # noqa: FBT001
    assert Criteria(name=typed).fit("Mme Odette Durand") is fits
