"""Invented people, booked at the centre of the secretary to try with, on the coming days.

Only where an operator asks for it (`flask demo --people`): a demonstration has no booking but those
that its visitors make.
"""

from __future__ import annotations

from datetime import date, timedelta
from typing import Final

from models.accounts import staff as staff_rows
from models.centres.centres import centre_state
from models.database import Connection
from models.desk import desk as rows
from models.slots import slots
from prompts.catalogue import load
from services.booking.confirm_booking import Booked, Request, confirm_booking
from services.centre_day.secretary import CentreDay, day_of, today_of
from services.service import Service
from services.slots.allocate import Allocate, Channel, Holder
from services.slots.offer import offer_at
from services.store import Store
from services.work import Work

LOGIN: Final = "secretary"
DAYS: Final = 3
WHO: Final = "demonstration"
_NAMES: Final = (
    "Lucette Garnier", "Marcel Faure", "Odette Roussel", "René Blanchard", "Simone Guérin",
    "Gilbert Muller", "Paulette Henry", "Raymond Perrin", "Denise Morin", "André Mathieu",
    "Huguette Clément", "Roger Gauthier",
)  # fmt: skip


def add_people(store: Store, service: Service, count: int) -> int:
    """Book so many people on each of the next days that has places; gives how many are new.

    A day on which it was done before is left alone.
    """
    with store.database.statement() as connection:
        # Of the account with the public password alone: in production there is none.
        known = LOGIN in staff_rows.for_demonstration(connection)
        account = staff_rows.by_login(connection, store.vault, LOGIN) if known else None
        centre_id = account.staff.centre_id if account else None
        centre = centre_state(connection, centre_id) if centre_id else None
    if centre is None:
        return 0
    first = today_of(centre, store.clock.now())
    added, days, day = 0, 0, first
    while days < DAYS and day < first + timedelta(days=14):
        with store.database.transaction() as connection:
            made = _fill(connection, store, service, day_of(centre, day), count)
        added += made or 0
        days += made is not None
        day += timedelta(days=1)
    return added


def _fill(
    connection: Connection, store: Store, service: Service, day: CentreDay, count: int
) -> int | None:
    """How many are new on a day; None for one without places."""
    holder = Holder(Channel.PHONE, f"demonstration:{day.day.isoformat()}")
    if rows.bookings_of_keys(connection, [f"{holder.id}:1"]):
        return 0
    now = store.clock.now()
    hours = slots.counts(connection, store.clock, day.centre.id, day.window)
    free = [hour.slot_id for hour in hours for _ in range(hour.free) if hour.start_at > now]
    # Some are left free, for visitors who try it out.
    if not free:
        return None
    chosen = free[: min(count, len(free) * 2 // 3)]
    return sum(
        _book(connection, store, service, holder, day, slot_id, number)
        for number, slot_id in enumerate(chosen, 1)
    )


def _book(  # noqa: PLR0917 (a sentence: who takes which slot of which day for the how manieth)
    connection: Connection,
    store: Store,
    service: Service,
    holder: Holder,
    day: CentreDay,
    slot_id: int,
    number: int,
) -> int:
    campaign = service.campaign
    allocator = Allocate(Work(connection, store, campaign), holder)
    held = allocator.hold_slot(slot_id)
    if held is None:
        return 0
    places = [held]
    if campaign.doses > 1:
        second = allocator.hold_second(held.start_at, day.centre.id, day.zone)
        if second is None:
            return 0
        places.append(second)
    request = Request(
        holder=holder,
        offer=offer_at(day.centre, *places),
        born=date(1939 + number % 6, 1 + number % 12, 1 + (number * 7) % 28),
        postcode=day.centre.postcode,
        number=None,
        text_to=None,
        # Names are taken by agents and the web alone: not all bookings have one.
        name=_NAMES[number % len(_NAMES)] if number % 3 else None,
        # No caller, so that the limits of callers without a number say nothing of them.
        who=WHO,
        idempotency_suffix=str(number),
    )
    booked = confirm_booking(
        Work(connection, store, campaign),
        request,
        catalogue=load("fr"),
        national_number=service.national_number,
    )
    return int(isinstance(booked, Booked))
