"""What the service has in its database while it is measured, and what came of the calls."""

from __future__ import annotations

import random

from sqlalchemy import func, select, text

from bench import servers
from bench.peers import usual
from bench.servers import CannotMeasure
from models.booking.tables import booking
from models.call.tables import turn
from models.centres.tables import postcode
from models.database import Database
from models.slots.tables import place
from services.centres.directory import Directory

POSTCODES = 400
# Each of them has this many centres with slots within this distance.
CENTRES, KILOMETRES = 3, 60.0


def choose_postcodes(database_url: str) -> list[str]:
    """Return some hundred postcodes all over the country, as callers of a real day would type.

    Raises CannotMeasure where there are too few with slots near.
    """
    with servers.opened(database_url) as database, database.statement() as connection:
        with_slots = set(connection.execute(select(place.c.centre_id).distinct()).scalars())
        rows = connection.execute(
            select(postcode.c.code, postcode.c.latitude, postcode.c.longitude, postcode.c.territory)
            .where(postcode.c.latitude.is_not(None))
            .order_by(postcode.c.code)
        ).all()
        directory = Directory(database, centres_fresh_seconds=3600)
        order = list(rows)
        random.Random(20210118).shuffle(order)  # noqa: S311 - a sample, the same each time
        chosen: list[str] = []
        for code, latitude, longitude, territory in order:
            near = directory.nearest(connection, latitude, longitude, territory, KILOMETRES)
            # The service looks at the nearest dozen first; so does this.
            if sum(one.centre.id in with_slots for one in near[:12]) >= CENTRES:
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
