"""What a call may ask of the outside where several services are open."""

from __future__ import annotations

import itertools

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta

import pytest

from flows.session import CallerBooking, Moving, Session
from flows.world import BookingOrder, Search, Unbooked
from models.call.turns import Body
from services.call.take_turn import Turn
from services.call.world import CallWorld
from services.campaign.campaigns import Campaigns
from services.centres.directory import Directory
from services.service import Service
from tests.booking.test_services import BOTH, COVID, GRIPPE, autumn, opens, verified
from tests.support.house import MOBILE, House, campaign_with, mornings
from tests.support.rows import PARIS, booked_places

__all__ = ["autumn"]

BORN = date(1942, 3, 12)
NAMES = (GRIPPE.name, COVID.name)


@dataclass
class Caller:
    """One call; its turns are of this test."""

    house: House
    campaigns: list = field(default_factory=lambda: list(BOTH))  # type: ignore[type-arg]
    numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    @contextmanager
    def turn(self, session: Session | None = None) -> Iterator[CallWorld]:
        made = self.house
        service = Service(
            Directory(made.database, centres_fresh_seconds=0),
            Campaigns.fixed(*self.campaigns, now=made.clock.now),
            made.settings.national_number,
        )
        session = session or Session(step="offers", caller=MOBILE, born=BORN.isoformat())
        with Turn(made.store, "CA-1", next(self.numbers)) as turn:
            if turn.number == 1:
                turn.start_call(MOBILE)
            yield CallWorld(service, turn, session)
            turn.finish(step="ready", outcome="asked", body=Body("", session.to_json(), ""))

    def search(self, world: CallWorld, *wanted: str) -> Search:
        return Search(*PARIS, "metropole", world.now(), wanted=wanted)

    def books(self, *wanted: str) -> str | Unbooked:
        with self.turn() as world:
            (offer, *_) = world.hold_nearest(self.search(world, *wanted))
        return self.confirms(offer, *wanted)

    def confirms(self, offer: object, *wanted: str) -> str | Unbooked:
        with self.turn() as world:
            order = BookingOrder(offer, BORN, "75011", MOBILE, wanted=wanted)  # type: ignore[arg-type]
            return world.confirm(order)

    def finds(self, reference: str) -> CallerBooking:
        with self.turn() as world:
            found = world.find_booking(reference, BORN)
        assert isinstance(found, CallerBooking)
        return found


def told(mine: CallerBooking) -> dict[str, datetime]:
    return {one.service: datetime.fromisoformat(one.start_at) for one in mine.services}


def test_both_are_booked_in_one_turn_under_one_reference(autumn: House):
    opens(autumn, mornings(1))
    caller = Caller(autumn)
    with caller.turn() as world:
        found = world.choices(BORN, ())
        assert [(one.campaign, one.together) for one in found] == [
            (COVID.name, (GRIPPE.name,)),
            (GRIPPE.name, (COVID.name,)),
        ]
        assert world.eligibility(BORN, ()).first_day is not None
        assert world.rules(NAMES).minimum_age == GRIPPE.minimum_age
    reference = caller.books(*NAMES)
    assert isinstance(reference, str)
    mine = caller.finds(reference)
    assert told(mine) == dict.fromkeys(("grippe", "covid"), mornings(1)[0])
    assert mine.movable
    assert booked_places(autumn.database) == 1


def test_a_service_that_closes_during_the_call_books_nothing_of_both(autumn: House):
    opens(autumn, mornings(1))
    caller = Caller(autumn)
    with caller.turn() as world:
        (offer, *_) = world.hold_nearest(caller.search(world, *NAMES))
    caller.campaigns = [GRIPPE, replace(COVID, closes_at=autumn.clock.now() - timedelta(minutes=1))]
    assert caller.confirms(offer, *NAMES) is Unbooked.CLOSED
    assert (booked_places(autumn.database), autumn.bookings()) == (0, [])
    # What was chosen is held still, and the other half is to be had.
    assert autumn.held() == 1
    assert isinstance(caller.confirms(offer, GRIPPE.name), str)
    assert verified(autumn) == []


def test_a_campaign_that_is_gone_books_nothing(autumn: House):
    opens(autumn, mornings(1))
    caller = Caller(autumn)
    with caller.turn() as world:
        (offer, *_) = world.hold_nearest(caller.search(world, *NAMES))
    caller.campaigns = [GRIPPE]
    assert caller.confirms(offer, *NAMES) is Unbooked.CLOSED
    assert booked_places(autumn.database) == 0


@pytest.mark.parametrize(("service", "name"), [("covid", COVID.name), ("grippe", GRIPPE.name)])
def test_one_half_is_moved_and_cancelled_by_telephone(autumn: House, service: str, name: str):
    first, second = mornings(2)
    opens(autumn, [first])
    caller = Caller(autumn)
    reference = caller.books(*NAMES)
    assert isinstance(reference, str)
    opens(autumn, [second], service)
    mine = caller.finds(reference)
    with caller.turn() as world:
        (offer, *_) = world.hold_nearest(caller.search(world, name))
    with caller.turn() as world:
        assert world.move_booking(mine, offer, Moving.NONE, service) is None
    mine = caller.finds(reference)
    other = ({"grippe", "covid"} - {service}).pop()
    assert told(mine) == {service: second, other: first}
    with caller.turn() as world:
        assert world.cancel_booking(mine, (), service) is None
    mine = caller.finds(reference)
    assert told(mine) == {other: first}
    assert mine.undo
    with caller.turn() as world:
        assert world.undo_cancel(mine) is None
    assert told(caller.finds(reference)) == {service: second, other: first}
    assert verified(autumn) == []


def test_the_second_of_two_people_may_want_something_else(autumn: House):
    opens(autumn, mornings(1), "grippe", capacity=1)
    opens(autumn, [mornings(1)[0] + timedelta(minutes=30)], "covid")
    caller = Caller(autumn)
    with caller.turn() as world:
        (offer, *_) = world.hold_nearest(caller.search(world, GRIPPE.name))
        (beside,) = world.hold_adjacent(offer, (), (COVID.name,))
    assert datetime.fromisoformat(beside.start_at) - datetime.fromisoformat(
        offer.start_at
    ) == timedelta(minutes=30)


def test_with_one_service_nothing_is_to_be_chosen(autumn: House):
    plain = campaign_with(name="plain")
    caller = Caller(autumn, [plain])
    with caller.turn() as world:
        (only,) = world.choices(BORN, ())
        assert (only.campaign, only.service, only.together) == ("plain", "", ())
        assert world.campaign.name == "plain"
