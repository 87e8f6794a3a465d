"""What partners (Doctolib, Maiia, Keldoc) told: their centres, free slots, and how old that is.

A centre's slots are replaced all at once, in the calling transaction. A reading that fails leaves
what was there, so that only its age tells. A row of `partner_slot` is a moment at which the partner
accepts a booking. It is not a place of this service: no row of this module is ever held or booked.
"""

from __future__ import annotations

import json
import math

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from functools import lru_cache
from typing import Any, Final

from sqlalchemy import (
    ColumnElement,
    Connection,
    bindparam,
    case,
    delete,
    exists,
    func,
    literal_column,
    or_,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import insert

from models.centres import geography
from models.centres.tables import centre
from models.clock import Clock
from models.partners.tables import partner_centre, partner_feed, partner_slot
from models.prepared import Prepared
from models.rows import columns_of, from_row, values_of
from models.writes import upsert

PUBLIC: Final = "public"
# With a number of years behind it: `age>=75`.
FROM_AGE: Final = "age>="
_AGES: Final = range(12, 100)
_KM_A_DEGREE: Final = 111.0
_ERROR_LENGTH: Final = 80
# Key among the details of a feed while a process reads it.
_READING: Final = "reading"


@dataclass(frozen=True, slots=True)
class PartnerCentreRow:
    """A centre as a partner tells it. `id` is `platform:its own id`, the same at every reading.

    `phone` is E.164 or a short number; `territory` as in models.centres.geography; `link` leads to
    where the partner books. `phone_only`: the partner shows the centre and books nothing there.
    """

    id: str
    platform: str
    name: str
    street: str = ""
    postcode: str = ""
    town: str = ""
    territory: str = ""
    latitude: float | None = None
    longitude: float | None = None
    time_zone: str = geography.DEFAULT_TIME_ZONE
    phone: str = ""
    link: str = ""
    phone_only: bool = False
    # What its slots are for, as the operator's file says; empty: the one service without a name.
    service: str = ""


@dataclass(frozen=True, slots=True)
class PartnerSlot:
    """A free moment (UTC). `dose` 1, 2, 3, or 0 where it was not told.

    `bookable_for` is one of the words of docs/partners.md. `seconds_at` is when the second
    appointment is, where the partner gives both at once.
    """

    start_at: datetime
    dose: int = 0
    motive: str = ""
    bookable_for: str = PUBLIC
    seconds_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class PartnerNear:
    """A partner's centre with free slots, `kilometres` away as the crow flies.

    `free` counts the moments from `next_at` (UTC) on; `read_at` is how old all of it is. `phone` is
    E.164 or a short number, empty for none. `centre_id` is the centre of ours that it is known to
    be, empty for none. `time_zone` is the centre's.
    """

    id: str
    platform: str
    name: str
    street: str
    postcode: str
    town: str
    kilometres: float
    next_at: datetime
    free: int
    read_at: datetime
    link: str
    phone: str
    phone_only: bool
    centre_id: str
    time_zone: str = geography.DEFAULT_TIME_ZONE


@dataclass(frozen=True, slots=True)
class Feed:
    """How reading a platform goes. `read_at`: when everything was read last; None: never yet."""

    platform: str
    tried_at: datetime | None
    read_at: datetime | None
    error: str = ""
    pause_until: datetime | None = None
    details: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Match:
    """A partner's centre and what it was found to be; `candidates` are (centre id, 0 to 100)."""

    id: str
    platform: str
    name: str
    street: str
    postcode: str
    town: str
    latitude: float | None
    longitude: float | None
    link: str
    centre_id: str | None
    matched: str
    candidates: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True, slots=True)
class OurCentre:
    """What a partner's centre is compared with."""

    id: str
    name: str
    street: str
    postcode: str
    town: str
    latitude: float | None
    longitude: float | None
    booking_link: str


def any_centre(connection: Connection) -> bool:
    """Whether any partner's centre is kept."""
    return bool(connection.execute(select(exists().select_from(partner_centre))).scalar_one())


def near(  # noqa: PLR0917 (a place and a moment)
    connection: Connection,
    latitude: float,
    longitude: float,
    territory: str,
    kilometres: float,
    now: datetime,
    *,
    age: int | None = None,
    dose: int = 1,
    service: str = "",
) -> list[PartnerNear]:
    """Partners' centres within `kilometres` that have something free after `now`, nearest first.

    Only what is open to the public, and with `age` (years) what that age may book; nothing that is
    for professionals or asks for a condition. Slots of another `service` or of another dose than
    `dose` are left out, slots whose dose is not told are not. Never beyond a sea: `territory` as in
    models.centres.geography.
    """
    degrees = kilometres / _KM_A_DEGREE
    # The poles are not in France.
    wide = degrees / math.cos(math.radians(latitude))
    values = {
        "there": territory,
        "south": latitude - degrees,
        "north": latitude + degrees,
        "west": longitude - wide,
        "east": longitude + wide,
        "after": now,
        "the_dose": dose,
        "of_service": service,
    }
    rows = _with_something_free(_open_to(age)).rows(connection, values)
    found = [_near(row, latitude, longitude) for row in rows]
    found.sort(key=lambda one: (one.kilometres, one.id))
    return [centre for centre in found if centre.kilometres <= kilometres]


@lru_cache(maxsize=len(_AGES) + 2)
def _with_something_free(open_to: tuple[str, ...]) -> Prepared:
    c, s = partner_centre.c, partner_slot.c
    return Prepared(
        select(
            *columns_of(PartnerNear, partner_centre),
            c.latitude,
            c.longitude,
            func.min(s.start_at).label("first_at"),
            # The same place is often listed under several motives.
            func.count(s.start_at.distinct()).label("moments"),
        )
        .join_from(partner_centre, partner_slot, s.partner_centre_id == c.id)
        .where(
            c.territory == bindparam("there"),
            c.latitude.between(bindparam("south"), bindparam("north")),
            c.longitude.between(bindparam("west"), bindparam("east")),
            c.gone_at.is_(None),
            c.service == bindparam("of_service"),
            s.start_at > bindparam("after"),
            or_(s.dose == 0, s.dose == bindparam("the_dose")),
            # Words of ours, so that the statement is whole and is compiled once.
            s.bookable_for.in_([literal_column(f"'{bits}'") for bits in open_to]),
        )
        .group_by(c.id)
    )


def _open_to(age: int | None) -> tuple[str, ...]:
    ages = () if age is None else tuple(f"{FROM_AGE}{least}" for least in _AGES if least <= age)
    return (PUBLIC, *ages)


def _near(row: Any, latitude: float, longitude: float) -> PartnerNear:
    return from_row(
        PartnerNear,
        row,
        kilometres=geography.distance_km(latitude, longitude, row.latitude, row.longitude),
        next_at=row.first_at,
        free=row.moments,
        centre_id=row.centre_id or "",
    )


def freshness(connection: Connection) -> list[Feed]:
    """How reading each platform goes that was ever tried, by name."""
    rows = connection.execute(select(partner_feed).order_by(partner_feed.c.platform))
    return [from_row(Feed, row, details=json.loads(row.details)) for row in rows]


class Claim(StrEnum):
    """Whether a process may begin to read a platform, or why not."""

    MINE = "mine"
    BUSY = "busy"  # another process reads it
    PAUSED = "paused"
    EARLY = "early"


def claim_feed(
    connection: Connection,
    clock: Clock,
    platform: str,
    *,
    every: timedelta = timedelta(0),
    alive: timedelta,
) -> Claim:
    """Begin to read a platform, if none does, it is not paused, and its last try is `every` old.

    One of several processes may. It reports that it goes on by `still_reading`. A process that did
    not report for `alive` counts as dead.
    """
    f = partner_feed.c
    new = insert(partner_feed).values(platform=platform)
    connection.execute(new.on_conflict_do_nothing())
    known = select(partner_feed).where(f.platform == platform).with_for_update()
    row = connection.execute(known).one()
    now = clock.now()
    details = json.loads(row.details)
    age = now - row.tried_at if row.tried_at else timedelta.max
    if details.get(_READING) and age < alive:
        return Claim.BUSY
    if row.pause_until and row.pause_until > now:
        return Claim.PAUSED
    if not details.get(_READING) and age < every:
        return Claim.EARLY
    told = json.dumps({**details, _READING: 1}, ensure_ascii=False, sort_keys=True)
    connection.execute(
        update(partner_feed).where(f.platform == platform).values(tried_at=now, details=told)
    )
    return Claim.MINE


def still_reading(connection: Connection, clock: Clock, platform: str) -> None:
    """Report that the process which claimed a platform goes on."""
    own = partner_feed.c.platform == platform
    connection.execute(update(partner_feed).where(own).values(tried_at=clock.now()))


def note_feed(
    connection: Connection,
    clock: Clock,
    platform: str,
    *,
    was_read: bool,
    error: str = "",
    pause_until: datetime | None = None,
    details: Mapping[str, Any] | None = None,
) -> None:
    """Write that a platform was tried now, and whether all of it (or nearly) `was_read`."""
    told = {
        "platform": platform,
        "error": error[:_ERROR_LENGTH],
        "pause_until": pause_until,
        "details": json.dumps(dict(details or {}), ensure_ascii=False, sort_keys=True),
        "tried_at": clock.at(),
    }
    upsert(connection, partner_feed, told | ({"read_at": clock.at()} if was_read else {}))


def replace_centre(
    connection: Connection, read_at: datetime, told: PartnerCentreRow, slots: Sequence[PartnerSlot]
) -> None:
    """Put what was read of one centre at `read_at` (UTC) in the place of what was known of it.

    What the centre was found to be (`centre_id`, `matched`) stays. The same moment, dose and motive
    told twice counts once. All writes are in the given transaction, so that no reader sees half.
    """
    once = {(slot.start_at, slot.dose, slot.motive): slot for slot in slots}
    public = [slot.start_at for slot in once.values() if slot.bookable_for == PUBLIC]
    values = values_of(told, partner_centre) | {
        "next_at": min(public, default=None),
        "free": len(set(public)),
        "read_at": read_at,
    }
    upsert(connection, partner_centre, values, also={"gone_at": None})
    connection.execute(delete(partner_slot).where(partner_slot.c.partner_centre_id == told.id))
    if once:
        rows = [
            values_of(slot, partner_slot) | {"partner_centre_id": told.id, "read_at": read_at}
            for slot in once.values()
        ]
        connection.execute(insert(partner_slot), rows)


def mark_gone(connection: Connection, clock: Clock, partner_centre_id: str) -> None:
    """The partner says that the centre is no more: its slots go, the row and its match stay."""
    connection.execute(
        delete(partner_slot).where(partner_slot.c.partner_centre_id == partner_centre_id)
    )
    connection.execute(
        update(partner_centre)
        .where(partner_centre.c.id == partner_centre_id)
        .values(
            gone_at=func.coalesce(partner_centre.c.gone_at, clock.at()),
            read_at=clock.at(),
            next_at=None,
            free=0,
        )
    )


def counts(connection: Connection) -> dict[str, tuple[int, int]]:
    """Centres that are not gone, and moments known at them, by platform."""
    c = partner_centre.c
    statement = (
        select(c.platform, func.count(), func.coalesce(func.sum(c.free), 0))
        .where(c.gone_at.is_(None))
        .group_by(c.platform)
    )
    return {row[0]: (row[1], row[2]) for row in connection.execute(statement)}


def is_centre(connection: Connection, centre_id: str) -> bool:
    """Whether there is a centre of ours of that id."""
    return (
        connection.execute(select(centre.c.id).where(centre.c.id == centre_id)).first() is not None
    )


def ids_of_page(connection: Connection, platform: str, page: str) -> list[str]:
    """The centres whose link is `page`, or a place on it (`page?…`)."""
    c = partner_centre.c
    statement = select(c.id).where(
        c.platform == platform, (c.link == page) | c.link.startswith(f"{page}?", autoescape=True)
    )
    return list(connection.execute(statement).scalars())


def matches(connection: Connection, *, only_unsure: bool = False) -> list[Match]:
    """Partners' centres and what they were found to be, those that wait for a person first."""
    c = partner_centre.c
    unsure_first = case((c.matched == "unsure", 0), else_=1)
    statement = select(*columns_of(Match, partner_centre)).order_by(unsure_first, c.id)
    if only_unsure:
        statement = statement.where(c.matched == "unsure")
    return [
        from_row(Match, row, candidates=tuple(map(tuple, json.loads(row.candidates))))
        for row in connection.execute(statement)
    ]


def set_match(
    connection: Connection,
    partner_centre_id: str,
    centre_id: str | None,
    matched: str,
    candidates: Sequence[tuple[str, int]] = (),
) -> bool:
    """Write what a centre was found to be; False where there is none of that id.

    What an operator settled (`person`) stays, whatever a machine finds: only another `person`
    changes it.
    """
    statement = (
        update(partner_centre)
        .where(
            partner_centre.c.id == partner_centre_id,
            *(() if matched == "person" else (partner_centre.c.matched != "person",)),
        )
        .values(
            centre_id=centre_id,
            matched=matched,
            candidates=json.dumps([list(c) for c in candidates]),
        )
    )
    return bool(connection.execute(statement).rowcount)


def our_centres(connection: Connection) -> list[OurCentre]:
    """Every open centre of the official file, for comparison."""
    c = centre.c
    # Where its town is says nothing about which of the town's places it is.
    columns: dict[str, ColumnElement[Any]] = {
        name: case((~c.roughly, c[name])).label(name) for name in ("latitude", "longitude")
    }
    # A partner's name is compared with the directory's own.
    columns["name"] = func.coalesce(func.nullif(c.source_name, ""), c.name).label("name")
    statement = select(
        *(columns.get(column.name, column) for column in columns_of(OurCentre, centre))
    ).where(c.closed_at.is_(None))
    return [OurCentre(*row) for row in connection.execute(statement)]
