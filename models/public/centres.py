"""Centres as the public site shows them, and what is free there.

Never those that only professionals may go to, and never a person's anything.
"""

from __future__ import annotations

import json

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import Connection, and_, case, func, or_, select, text

from models.centres.tables import centre
from models.clock import Clock
from models.partners.tables import partner_centre
from models.rows import columns_of, from_row
from models.slots.slot_query import Share
from models.slots.tables import place

# To the letter what the index says, or it would not be used.
_OPEN = text("place.booking_id IS NULL")


@dataclass(frozen=True, slots=True)
class PublicCentre:
    """`mode` is how it takes bookings: "ours", "partner" or "own_phone".

    `phones` are E.164 or short numbers. `hours` is JSON as in models.centres.tables, `link`
    where a partner books; `opens_on` and `closes_on` are days there, both included. `walk_in`:
    "only" or "also" where people come without an appointment. `roughly`: the position is that of
    its town.
    """

    id: str
    name: str
    street: str
    postcode: str
    town: str
    departement: str
    territory: str
    latitude: float | None
    longitude: float | None
    roughly: bool
    time_zone: str
    phones: tuple[str, ...]
    link: str
    mode: str
    walk_in: str
    hours: str
    opens_on: date | None
    closes_on: date | None
    source_name: str = ""
    # Access with a wheelchair: "yes", "no", or empty where it is not told.
    wheelchair: str = ""


@dataclass(frozen=True, slots=True)
class FreePart:
    """Places that serve the same services: how many the web may have, and the first (UTC)."""

    services: int
    web: int
    next_at: datetime | None


@dataclass(frozen=True, slots=True)
class FreeAtCentre:
    """What a centre of ours has free: all of it, and what the web may have of that now.

    `next_at` (UTC) is the first that the web may have; None for none.
    """

    departement: str
    all: int
    web: int
    next_at: datetime | None
    # The web's again by what places serve: bits as in models.slots.services, 0 for every service.
    parts: tuple[FreePart, ...] = ()

    def of(self, bit: int) -> FreePart:
        """What the web may have for the service of this bit."""
        mine = [part for part in self.parts if part.services == 0 or part.services & bit]
        moments = [part.next_at for part in mine if part.next_at is not None]
        return FreePart(bit, sum(part.web for part in mine), min(moments, default=None))


@dataclass(frozen=True, slots=True)
class PartnerFree:
    """The first free moment that a partner told for a centre of ours. UTC."""

    platform: str
    next_at: datetime
    read_at: datetime


def public_centres(connection: Connection) -> list[PublicCentre]:
    """Every open centre that the public may go to."""
    c = centre.c
    columns = [c.booking_link.label("link"), c.booking_mode.label("mode")]
    # What an operator said counts before the source.
    columns.append(func.coalesce(c.our_hours, c.hours).label("hours"))
    columns.append(func.coalesce(c.our_wheelchair, c.wheelchair).label("wheelchair"))
    said = (c.hours, c.wheelchair)
    of_source = [
        column
        for column in columns_of(PublicCentre, centre)
        if not any(column is other for other in said)
    ]
    statement = select(*of_source, *columns).where(
        c.closed_at.is_(None), c.booking_mode != "reserved"
    )
    return [
        from_row(PublicCentre, row, phones=tuple(json.loads(row.phones)))
        for row in connection.execute(statement)
    ]


def taking_bookings(connection: Connection) -> dict[str, str]:
    """The open centres whose places are ours to give, each with its département."""
    statement = select(centre.c.id, centre.c.departement).where(
        centre.c.closed_at.is_(None), centre.c.booking_mode == "ours"
    )
    return {row.id: row.departement for row in connection.execute(statement)}


def free_at(
    connection: Connection,
    clock: Clock,
    departement_of: Mapping[str, str],
    until: datetime,
    share: Share | None,
) -> dict[str, FreeAtCentre]:
    """What is free between now and `until` (UTC) in these centres, by centre.

    `departement_of` has the centres with their départements. `share`: what the web may have; None:
    everything. A centre with nothing free is in it, too.
    """
    found = {one: FreeAtCentre(where, 0, 0, None) for one, where in departement_of.items()}
    for_web = (
        or_(place.c.lot >= share.first_lot, place.c.start_at < share.common_before)
        if share
        else place.c.blocked.is_(False)
    )
    statement = (
        select(
            place.c.centre_id,
            func.count(),
            func.count().filter(for_web),
            func.min(case((for_web, place.c.start_at))),
            place.c.services,
        )
        .where(
            place.c.centre_id.in_(list(departement_of)),
            _OPEN,
            place.c.start_at > clock.at(),
            place.c.start_at < until,
            and_(
                place.c.blocked.is_(False),
                or_(place.c.released_at.is_(None), place.c.released_at <= clock.at()),
                or_(place.c.held_by.is_(None), place.c.hold_expires_at <= clock.at()),
            ),
        )
        .group_by(place.c.centre_id, place.c.services)
    )
    for centre_id, count, web, next_at, services in connection.execute(statement):
        before = found[centre_id]
        moments = [moment for moment in (before.next_at, next_at) if moment is not None]
        found[centre_id] = FreeAtCentre(
            before.departement,
            before.all + count,
            before.web + web,
            min(moments, default=None),
            (*before.parts, FreePart(services, web, next_at)),
        )
    return found


def free_at_partners(connection: Connection, clock: Clock) -> dict[str, PartnerFree]:
    """The first free moment for the public at partners, by the centre of ours it was told for."""
    c = partner_centre.c
    statement = (
        select(c.centre_id, c.platform, c.next_at, c.read_at)
        .where(c.centre_id.is_not(None), c.gone_at.is_(None), c.next_at > clock.at())
        .order_by(c.next_at.desc(), c.id)
    )
    # The earliest comes last and stays.
    return {row[0]: PartnerFree(*row[1:]) for row in connection.execute(statement)}
