"""What several tests of the store need: to look at rows, and to listen on the wire."""

from __future__ import annotations

import os
import re
import tempfile

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg

from psycopg import sql
from psycopg.pq import Trace
from sqlalchemy import event, func, select, text

from app.web import make_app
from flows.world import Unbooked
from models.booking.tables import appointment
from models.centres.tables import centre, postcode
from models.clock import FixedClock
from models.database import Database
from models.slots.tables import place
from prompts.catalogue import load
from services.booking.confirm_booking import Booked, Request, confirm_booking
from services.campaign.campaign import Campaign
from services.centres.directory import Directory, NearbyCentre
from services.parts import Parts
from services.queue.entries import WaitEstimates
from services.service import Service
from services.slots.allocate import Channel, Holder
from services.slots.hold_slot import HeldSlot, HoldRequest, hold_slots
from services.slots.offer import offer_at
from services.work import Work
from tests.support.house import CAMPAIGN, House
from tests.support.locks import driver_url

# Position of 75011 in tests.support.house.
PARIS = (48.859, 2.378)


def doubles(database: Database) -> int:
    """How many appointments too many there are: those that share a place with another one."""
    shared = (
        select(func.count().label("given"))
        .where(appointment.c.state == "confirmed")
        .group_by(appointment.c.place_id)
        .subquery()
    )
    statement = select(func.coalesce(func.sum(shared.c.given - 1), 0))
    with database.statement() as connection:
        return int(connection.execute(statement).scalar_one())


def booked_places(database: Database) -> int:
    statement = select(func.count()).where(place.c.booking_id.is_not(None))
    with database.statement() as connection:
        return connection.execute(statement).scalar_one()


def clock_of(house: House) -> FixedClock:
    """The house's clock, to be moved by hand."""
    assert isinstance(house.clock, FixedClock)
    return house.clock


def rows_of(database: Database, statement: Any) -> Sequence[Any]:
    with database.statement() as connection:
        return connection.execute(statement).all()


def change(database: Database, statement: Any) -> int:
    """Change rows behind the back of the service."""
    with database.transaction() as connection:
        return connection.execute(statement).rowcount


def execute(database: Database, sql: str) -> None:
    with database.transaction() as connection:
        connection.execute(text(sql))


def opens_centre_at(
    house: House,
    gid: str,
    latitude: float,
    longitude: float,
    *,
    territory: str = "metropole",
    time_zone: str = "Europe/Paris",
    starts: Sequence[datetime] = (),
    capacity: int = 1,
    **columns: Any,
) -> None:
    """A centre anywhere on the map."""
    house.opens_centre(gid, name=f"Salle {gid}", street="1 rue Haute")
    there = {
        "postcode": "99999",
        "town": "Ville",
        "departement": "99",
        "territory": territory,
        "latitude": latitude,
        "longitude": longitude,
        "time_zone": time_zone,
    }
    change(house.database, centre.update().where(centre.c.id == gid).values(there | columns))
    house.opens_slots(gid, starts, capacity)


def knows_postcode(
    house: House, code: str, latitude: float, longitude: float, territory: str
) -> None:
    row = {
        "code": code,
        "main_town": f"Ville {code}",
        "towns": "[]",
        "departement": code[:2],
        "territory": territory,
        "latitude": latitude,
        "longitude": longitude,
        "fingerprint": "",
    }
    with house.database.transaction() as connection:
        connection.execute(postcode.insert(), [row])


def near(
    house: House,
    latitude: float = PARIS[0],
    longitude: float = PARIS[1],
    territory: str = "metropole",
    kilometres: float = 100,
) -> list[NearbyCentre]:
    directory = Directory(house.database, centres_fresh_seconds=0)
    with house.database.statement() as connection:
        return directory.nearest(connection, latitude, longitude, territory, kilometres)


def holds(
    house: House, holder: str, *, campaign: Campaign | None = None, **options: Any
) -> list[HeldSlot]:
    """The use case of a search, in a transaction of its own; the house's campaign unless given."""
    campaign = campaign or house.campaign
    options.setdefault("not_before", house.clock.now() + campaign.lead)
    if "near" not in options:
        options["near"] = near(house)
    with house.database.transaction() as connection:
        channel_holder = Holder(options.pop("channel", Channel.PHONE), holder)
        return hold_slots(
            Work(connection, house.store, campaign), channel_holder, HoldRequest(**options)
        )


def confirms(
    house: House,
    holder: str,
    held: HeldSlot,
    *,
    text_to: str | None = None,
    channel: Channel = Channel.PHONE,
) -> Booked | None:
    """The use case of a confirmation, in a transaction of its own; None when not booked."""
    call_id = holder if channel is Channel.PHONE else None
    wanted = replace(request_for(held, holder), text_to=text_to, call_id=call_id)
    booked = orders(house, replace(wanted, holder=Holder(channel, holder)))
    return booked if isinstance(booked, Booked) else None


def orders(house: House, request: Request) -> Booked | Unbooked:
    """The use case of a confirmation, in a transaction of its own."""
    with house.database.transaction() as connection:
        return confirm_booking(
            Work(connection, house.store, house.campaign),
            request,
            catalogue=load("fr"),
            national_number="+33974750001",
        )


def as_in_production(house: House) -> None:
    """Let the service remember centres and postcodes, as a web worker that runs for a while does.

    The house of the other tests asks for the centres anew in each search.
    """
    directory = Directory(house.database)
    with house.database.statement() as connection:
        directory.postcode(connection, "75011")
        directory.nearest(connection, *PARIS, "metropole", CAMPAIGN.radius_kilometres)
    service = Service(directory, house.campaign, house.settings.national_number)
    # As if all of it happened within the second for which an estimate is kept.
    service.wait_estimates = WaitEstimates(fresh_seconds=3600)
    with house.database.statement() as connection:
        service.wait_estimates.read(connection, house.store, house.campaign, "fr")
    house.app = make_app(Parts(house.settings, house.store, service, house.woken))


def request_for(held: HeldSlot, holder: str) -> Request:
    """What a caller would order who chose this offer and wants no text."""
    return Request(
        holder=Holder(Channel.PHONE, holder),
        offer=offer_at(held.near.centre, held.place, held.second),
        born=datetime(1942, 3, 12).date(),  # noqa: DTZ001 (a day has no zone)
        postcode="75011",
        number=None,
        text_to=None,
        call_id=holder,
    )


def dump(url: str) -> str:
    """Every row of every table, bytes as hexadecimal digits."""
    found = []
    with psycopg.connect(driver_url(url)) as connection:
        tables = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        for (name,) in tables.fetchall():
            statement = sql.SQL("COPY (TABLE {}) TO STDOUT").format(sql.Identifier(name))
            with connection.cursor().copy(statement) as rows:
                found += [bytes(row).decode() for row in rows]
    return "".join(found)


@contextmanager
def on_the_wire(database: Database) -> Iterator[list[str]]:
    """Everything that is sent to the database meanwhile, one item for each round trip.

    Listens below SQLAlchemy and below the driver, where a BEGIN or a COMMIT cannot hide: by libpq's
    own trace.
    """
    sent: list[str] = []
    traced: dict[int, tuple[Any, Path]] = {}
    prepared: list[tuple[Any, int | None]] = []
    with tempfile.TemporaryDirectory() as folder:

        def listen(connection: Any, _record: Any, _proxy: Any) -> None:
            if id(connection) in traced:
                return
            # A file for each connection: two that share one write into each other's lines.
            file = Path(folder) / str(len(traced))
            traced[id(connection)] = (connection, file)
            # A statement that is prepared would be a name without its words.
            prepared.append((connection, connection.prepare_threshold))
            connection.prepare_threshold = None
            connection.pgconn.trace(os.open(file, os.O_WRONLY | os.O_CREAT))
            connection.pgconn.set_trace_flags(Trace.SUPPRESS_TIMESTAMPS)

        for engine in database.engines:
            event.listen(engine, "checkout", listen)
        try:
            yield sent
        finally:
            for engine in database.engines:
                event.remove(engine, "checkout", listen)
            for connection, file in traced.values():
                connection.pgconn.untrace()
                sent += _round_trips(file.read_text("utf-8"))
            for connection, threshold in prepared:
                connection.prepare_threshold = threshold


def _round_trips(trace: str) -> list[str]:
    """What libpq noted, by round trip: a Query, or all from Parse to Sync."""
    found, pending = [], ""
    # A line begins with who sends: F for us, B for the server. Statements have lines of their own.
    for message in re.split(r"^(?=[FB]\t\d+\t)", trace, flags=re.MULTILINE):
        who, _, kind = message.rstrip("\n").partition("\t")
        if who != "F":
            continue
        kind = kind.partition("\t")[2]
        if kind.startswith("Query"):
            found.append(kind)
        elif kind.startswith("Sync"):
            found.append(pending)
            pending = ""
        else:
            pending += kind
    return found


def soon(house: House, count: int, *, minutes: int = 60) -> list[datetime]:
    """`count` moments, an hour apart unless said otherwise, from two hours from now on."""
    start = (house.clock.now() + timedelta(hours=2)).replace(minute=0, second=0, microsecond=0)
    return [start + timedelta(minutes=minutes * number) for number in range(count)]
