"""What the service and the usual application have in their database, and what came of the calls."""

from __future__ import annotations

import random

import psycopg

from sqlalchemy import create_engine, func, make_url, select, text

import config

from bench import floors, servers
from bench.peers import usual
from bench.servers import CannotMeasure
from models.booking.tables import booking
from models.call.tables import turn
from models.centres.tables import postcode
from models.database import POOL_SIZE, Database
from models.slots.tables import place
from services.centres.directory import Directory
from web_server import WholeRequests

POSTCODES = 400
# Each of them has this many centres with slots within this distance.
CENTRES, KILOMETRES = 3, 60.0


def choose_postcodes(database_url: str) -> list[str]:
    """Return some hundred postcodes all over the country, as callers of a real day would type.

    Raises CannotMeasure where there are too few with slots near.
    """
    with servers.opened(database_url) as database, database.statement() as connection:
        with_slots = set(connection.execute(select(place.c.centre_id).distinct()).scalars())
        query = (
            select(postcode.c.code, postcode.c.latitude, postcode.c.longitude, postcode.c.territory)
            .where(postcode.c.latitude.is_not(None))
            .order_by(postcode.c.code)
        )
        rows = list(connection.execute(query))
        directory = Directory(database, centres_fresh_seconds=3600)
        random.Random(20210118).shuffle(rows)  # noqa: S311 - a sample, the same each time
        chosen: list[str] = []
        for code, latitude, longitude, territory in rows:
            near = directory.nearest(connection, latitude, longitude, territory, KILOMETRES)
            # The service looks at the nearest dozen first; so does this.
            if sum(place.centre.id in with_slots for place in near[:12]) >= CENTRES:
                chosen.append(code)
            if len(chosen) == POSTCODES:
                return chosen
    raise CannotMeasure(f"only {len(chosen)} postcodes have {CENTRES} centres with slots near")


class RowCounts:
    """Counts rows of the service's tables, from outside the service."""

    def __init__(self, database_url: str) -> None:
        self._database = Database(database_url, pool_size=1)

    def bookings(self) -> int:
        return self._count(select(func.count()).where(booking.c.state == "confirmed"))

    def usual_bookings(self) -> int:
        return self._count(select(func.count()).select_from(usual.Booking))

    def turns(self) -> int:
        # A turn that was claimed and never answered is none.
        return self._count(select(func.count()).where(turn.c.body_enc.is_not(None)))

    def written(self) -> dict[str, float]:
        """Return what PostgreSQL has written since it was made: log and files in bytes.

        A statement that only reads commits, too, and waits for no disk. Only a transaction that
        writes takes a number: those are `writes`, in all databases of the server.
        """
        with self._database.statement() as connection:
            rows = connection.execute(
                text(
                    "SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0') AS wal_bytes,"
                    " pg_database_size(current_database()) AS stored_bytes,"
                    " xact_commit AS commits,"
                    " pg_snapshot_xmax(pg_current_snapshot())::text::bigint AS writes"
                    " FROM pg_stat_database WHERE datname = current_database()"
                )
            ).mappings()
            row = rows.one()
        return {name: float(value) for name, value in row.items()}

    def close(self) -> None:
        self._database.dispose()

    def _count(self, statement: object) -> int:
        with self._database.statement() as connection:
            return int(connection.execute(statement).scalar_one())  # type: ignore[call-overload]


# ---------------------------------------------------------------- the usual application beside it

_ROWS = """
INSERT INTO usual_postcode (code, town, territory, latitude, longitude)
  SELECT code, main_town, territory, latitude, longitude FROM postcode
  WHERE latitude IS NOT NULL;
INSERT INTO usual_centre (id, name, street, town, territory, latitude, longitude, time_zone)
  SELECT id, name, street, town, territory, latitude, longitude, time_zone FROM centre
  WHERE latitude IS NOT NULL AND booking_mode = 'ours';
INSERT INTO usual_slot (id, centre_id, start_at, capacity, free)
  SELECT id, centre_id, start_at, capacity, capacity FROM slot
  WHERE centre_id IN (SELECT id FROM usual_centre);
"""


def fill_usual(database_url: str) -> None:
    """Make its tables anew beside those of the service, with the same places, all of them free."""
    engine = create_engine(driver(database_url))
    usual.Base.metadata.drop_all(engine)
    usual.Base.metadata.create_all(engine)
    engine.dispose()
    with psycopg.connect(floors.libpq(make_url(database_url)), autocommit=True) as connection:
        connection.execute(_ROWS)
        connection.execute("VACUUM ANALYZE usual_postcode, usual_centre, usual_slot")


def driver(database_url: str) -> str:
    """Return the same address as SQLAlchemy wants it."""
    url = make_url(database_url).set(drivername="postgresql+psycopg")
    return url.render_as_string(hide_password=False)


def create_usual() -> WholeRequests:
    """Return it for a server: in so many threads as answer calls in a worker of the service."""
    made = config.load()
    app = usual.create_app(
        driver(made.database_url),
        base_url=made.public_base_url,
        auth_token=made.twilio_auth_token,
        pool_size=POOL_SIZE,
    )
    return WholeRequests(app, made.web_threads)
