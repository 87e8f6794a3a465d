"""An appointment at Keldoc while something happens to it: two who deliver, a change of mind."""

from __future__ import annotations

from datetime import date, timedelta

from sqlalchemy import select, update

from models.messages.tables import message
from models.partners.tables import partner_booking
from models.slots.tables import place
from services.booking.change_booking import cancel, move, undo_cancel
from services.booking.changed import By, Cancelled, Restored, Unchanged
from services.centre_day.centre_life import CentreLife
from services.centre_day.move_people import MoveOutcome
from services.centre_day.operation import OperationRequest
from services.privacy import person_rights
from services.privacy.erase_data import erase_data
from services.slots.allocate import Channel, Chosen, Holder
from services.slots.give_back import UNDO_WITHIN
from tests.partners.test_keldoc_orders import asked, keldoc, stage
from tests.support.house import MOBILE
from tests.support.keldoc import CENTRE, MORNING, Beside, Meanwhile

__all__ = ["keldoc"]
LATER = timedelta(minutes=6)
BY_CALLER = By("caller", Channel.WEB)


def booked(one: Beside) -> str:
    """A booking on both sides; its id."""
    order = asked(one)
    assert one.delivers() == ["booked"]
    return one.kept(order).booking_id


def cancels(one: Beside, booking_id: str) -> None:
    with one.house.database.transaction() as connection:
        done = cancel(connection, one.house.store, booking_id, by=BY_CALLER)
    assert isinstance(done, Cancelled)


def restores(one: Beside, booking_id: str) -> None:
    holder = Holder(Channel.WEB, "W1")
    with one.house.database.transaction() as connection:
        done = undo_cancel(
            connection, one.house.store, one.house.campaign, holder, booking_id, by=BY_CALLER
        )
    assert isinstance(done, Restored)


def test_what_is_cancelled_again_can_be_taken_back_again(keldoc: Beside):
    """The news of the first cancellation comes while the second one can still be taken back."""
    booking_id = booked(keldoc)
    cancels(keldoc, booking_id)
    keldoc.house.clock.advance(timedelta(minutes=5))  # type: ignore[attr-defined]
    restores(keldoc, booking_id)
    keldoc.house.clock.advance(timedelta(minutes=4))  # type: ignore[attr-defined]
    cancels(keldoc, booking_id)

    assert set(keldoc.delivers(timedelta(minutes=4))) == {"put off"}
    restores(keldoc, booking_id)

    assert set(keldoc.delivers(timedelta(minutes=20))) == {"needless"}
    assert len(keldoc.diary.confirmed()) == len(keldoc.house.bookings()) == 1
    # At last it is meant.
    cancels(keldoc, booking_id)
    assert keldoc.delivers(timedelta(minutes=13)) == ["undone"]
    assert keldoc.diary.confirmed() == []


def test_an_answer_that_comes_after_another_took_over_changes_nothing(keldoc: Beside):
    """Its lease ran out: what it brings would stand in the place of what the other works with."""
    one = keldoc
    order = asked(one)
    kept: list[str] = []

    def another_is_at_it() -> None:
        with one.house.database.transaction() as connection:
            connection.execute(
                update(message)
                .where(message.c.kind == "partner")
                .values(attempts=message.c.attempts + 1)
            )
        kept.extend(dose.appointment for dose in one.kept(order).doses)

    one.booker = Meanwhile("prepare", one.keldoc, another_is_at_it)
    assert one.delivers() == ["taken over"]
    assert kept == [dose.appointment for dose in one.kept(order).doses] == [""]
    one.booker = None
    assert one.delivers(timedelta(seconds=26)) == ["booked"]
    assert len(one.diary.confirmed()) == len(one.house.bookings()) == 1


def test_an_operator_puts_nobody_where_the_partner_knows_nothing_of_them(keldoc: Beside):
    """Its places are asked for there; a place of ours alone is somebody else's there."""
    later = MORNING + timedelta(hours=1)
    keldoc.opens(later)
    keldoc.mirrors()
    booking_id = booked(keldoc)
    to = {1: Chosen(0, keldoc.slot(later), later)}
    by = By("operator", Channel.SUPERVISOR, "asked for by the centre")
    with keldoc.house.database.transaction() as connection:
        done = move(
            connection,
            keldoc.house.store,
            keldoc.house.campaign,
            Holder(Channel.SUPERVISOR, "op:1"),
            booking_id,
            to=to,
            by=by,
        )
    assert isinstance(done, Unchanged)
    assert keldoc.delivers() == []
    assert len(keldoc.diary.confirmed()) == 1


def test_who_was_moved_away_from_there_does_not_come_back_unasked(keldoc: Beside):
    """Closed by mistake and opened again: the partner has given up what it had."""
    booking_id = booked(keldoc)
    keldoc.house.opens_centre("1", starts=[MORNING + timedelta(days=1)])
    life = CentreLife(keldoc.house.store, keldoc.service.campaigns)
    closed = life.close_day(CENTRE, MORNING.date(), OperationRequest("flood"))
    assert closed.fates == {booking_id: MoveOutcome.MOVED}
    assert keldoc.delivers() == ["undone"]

    back = life.undo(closed.operation_id, OperationRequest("dry"))

    assert back.fates == {booking_id: MoveOutcome.STAYS}
    (now,) = keldoc.house.bookings()
    assert (now.centre_id, now.state) == ("1", "confirmed")


def test_of_an_order_nothing_is_left_in_the_end(keldoc: Beside):
    """Who comes for a day, whatever became of it; the partner's ids as long as the appointment."""
    order = asked(keldoc)
    stuck = asked(keldoc, key="W2:1", number="+33612345699", slot_id=_another_slot(keldoc))
    assert keldoc.delivers() == ["booked", "booked"]
    database = keldoc.house.database
    with database.transaction() as connection:
        # Its message is gone with an error of ours.
        is_stuck = partner_booking.c.id == stuck
        connection.execute(update(partner_booking).where(is_stuck).values(state="unsure"))
    keldoc.house.clock.advance(timedelta(days=8))  # type: ignore[attr-defined]
    erase_data(keldoc.house.store)
    assert keldoc.kept(order).visitor is keldoc.kept(stuck).visitor is None
    assert keldoc.kept(order).patient
    assert keldoc.kept(order).doses[0].appointment

    keldoc.house.clock.advance(timedelta(days=90))  # type: ignore[attr-defined]
    erase_data(keldoc.house.store)
    assert (keldoc.kept(order).patient, keldoc.kept(order).doses) == ("", ())
    assert stage(keldoc, order).starts == ()


def test_who_is_erased_is_cancelled_there_before_the_partners_ids_go(keldoc: Beside):
    """Or the partner would keep an appointment of somebody whom nobody knows any more."""
    booked(keldoc)
    with keldoc.house.database.statement() as connection:
        order = str(connection.execute(select(partner_booking.c.id)).scalar_one())
    store = keldoc.house.store
    given = person_rights.Given(date(1942, 3, 12), MOBILE)
    by = person_rights.Actor("operator")
    campaign = keldoc.house.campaign
    person_rights.erase(store, lambda _: campaign, given, by=by, reason="post")
    # The hourly erasure comes round before the partner is told.
    erase_data(store)
    assert keldoc.kept(order).visitor is None
    assert keldoc.kept(order).patient

    assert keldoc.delivers(UNDO_WITHIN + timedelta(minutes=5)) == ["undone"]
    assert keldoc.diary.confirmed() == []
    erase_data(store)
    assert (keldoc.kept(order).patient, keldoc.kept(order).doses) == ("", ())


def _another_slot(one: Beside) -> int:
    later = MORNING + timedelta(hours=1)
    one.opens(later)
    one.mirrors()
    with one.house.database.statement() as connection:
        found = select(place.c.slot_id).where(place.c.start_at == later)
        return int(connection.execute(found).scalar_one())
