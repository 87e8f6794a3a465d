"""A held and confirmed booking through the one door, beside the same SQL on the raw driver."""

from __future__ import annotations

import contextlib
import itertools
import time

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from bench import servers, timing
from bench.by_hand import ByHand
from bench.servers import CannotMeasure, store_of
from models.booking.reach import Proof
from models.centres.centres import CentreState, insert_new
from models.database import Database
from models.migrations.runner import upgrade
from models.slots.slots import SlotsToOpen, open_slots
from prompts.catalogue import load
from services.booking.confirm_booking import Booked, Request, confirm_booking
from services.booking.reach import Reach
from services.campaign.campaign import Campaign
from services.slots.allocate import Allocate, Channel, Holder
from services.slots.offer import offer_at
from services.work import Work

PARIS = ZoneInfo("Europe/Paris")
_WHERE = CentreState("1", "Salle", "1 rue Haute", "75011", "Paris", PARIS.key)
CENTRES = 40
SLICE, SLICES = 95, 10
CAMPAIGN = Campaign(
    name="bench",
    minimum_age=75,
    radius_kilometres=100,
    horizon_days=300,
    lead=timedelta(minutes=5),
    hold_lease=timedelta(minutes=4),
    hold_longest=timedelta(minutes=20),
    few_places=12,
)


def fill(url: str, centres: int, starts: int, capacity: int) -> list[str]:
    """Centres of the bench, with slots an hour apart from tomorrow on."""
    upgrade(url)
    database = Database(url, pool_size=2)
    ids = [f"bench{number}" for number in range(centres)]
    found_centres(database, ids)
    first = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) + timedelta(days=1)
    hours = [first + timedelta(hours=number) for number in range(starts)]
    for one in ids:
        open_slots(database, [SlotsToOpen(one, hours, capacity)])
    database.dispose()
    servers.settle(url)
    return ids


def found_centres(database: Database, ids: Sequence[str]) -> None:
    """Make halls of ours, on a grid over the country, some ten kilometres from one to the next."""
    now = datetime.now(UTC)
    rows = [
        {
            "id": gid,
            "name": f"Salle {number}",
            "postcode": "75011",
            "town": "Paris",
            "departement": "75",
            "territory": "metropole",
            "latitude": 44.0 + (number // 32) * 0.14,
            "longitude": -1.0 + (number % 32) * 0.2,
            "time_zone": PARIS.key,
            "booking_mode": "ours",
            "source": "bench",
            "fingerprint": "",
            "created_at": now,
            "updated_at": now,
        }
        for number, gid in enumerate(ids)
    ]
    insert_new(database, rows)


class ServiceBookings:
    """A held and confirmed booking by the service's own code."""

    def __init__(self, url: str) -> None:
        self.store = store_of(url)
        self._catalogue = load("fr")
        self._numbers = itertools.count()

    def close(self) -> None:
        self.store.database.dispose()

    def allocate(self, centre_id: str, call_id: str) -> bool:
        store = self.store
        holder = Holder(Channel.PHONE, call_id)
        now = datetime.now(UTC)
        with store.database.transaction() as connection:
            door = Allocate(Work(connection, store, CAMPAIGN), holder)
            wish = door.wish(((now, now + timedelta(days=400)),))
            held = door.hold([centre_id], wish, PARIS)
        if not held:
            return False
        first = held[0].first
        number = int(call_id[2:34], 16)
        request = Request(
            holder=holder,
            offer=offer_at(_WHERE, first),
            born=date(1942, 3, 12),
            postcode="75011",
            number=f"+336{number % 10**8:08d}",
            text_to=f"+336{number % 10**8:08d}",
            call_id=call_id,
            # As of a call that comes from this number.
            reach=Reach(Proof.LINE),
        )
        with store.database.transaction() as connection:
            booked = confirm_booking(
                Work(connection, store, CAMPAIGN),
                request,
                catalogue=self._catalogue,
                national_number="+33974750001",
            )
        return isinstance(booked, Booked)


def ratio(url: str) -> float:
    """Return bookings a second through the door, as a part of those by hand.

    Short slices one after the other, on a database of its own at `url`. Raises CannotMeasure.
    """
    centres = fill(url, CENTRES, 500, 1)
    names, turn = holders(), itertools.cycle(centres)

    def rate(allocate: Callable[[str, str], bool]) -> float:
        started = time.perf_counter()
        if not all(allocate(next(turn), next(names)) for _ in range(SLICE)):
            raise CannotMeasure(f"a booking of {allocate.__qualname__} was refused")
        return SLICE / (time.perf_counter() - started)

    with (
        contextlib.closing(ServiceBookings(url)) as service,
        contextlib.closing(ByHand(url)) as by_hand,
    ):
        found = timing.ratio(SLICES, lambda: rate(service.allocate), lambda: rate(by_hand.allocate))
    return round(found, 3)


def holders() -> Iterator[str]:
    stamp = time.time_ns() & 0xFFFFFFFFFFFF
    return (f"CA{stamp:012x}{number:020x}" for number in itertools.count())
