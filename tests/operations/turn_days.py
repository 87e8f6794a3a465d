"""Databases whose turns lie by day from a day on that suits a test's clock."""

from __future__ import annotations

from datetime import date, timedelta

import psycopg

from psycopg import sql

from models import turn_days
from models.database import Database
from tests.support.locks import driver_url


def days_begin_after(url: str, floor: date, *days: date) -> None:
    """As if the migration had been run so that `floor` is the last day of before.

    `url` is the owner's, of a database without turns. `days` get their partitions.
    """
    with psycopg.connect(driver_url(url)) as connection:
        (body,) = connection.execute(
            "SELECT pg_get_functiondef('turn_day(date)'::regprocedure)"
        ).fetchone() or ("",)
        (known,) = connection.execute("SELECT turn_day('-infinity')").fetchone() or (None,)
        connection.execute(body.replace(str(known), str(floor)))
        connection.execute("ALTER TABLE turn DETACH PARTITION turn_before")
        connection.execute(
            sql.SQL(
                "ALTER TABLE turn ATTACH PARTITION turn_before FOR VALUES FROM (MINVALUE) TO ({})"
            ).format(sql.Literal(floor + timedelta(days=1)))
        )
    database = Database(url)
    try:
        for day in days:
            with database.transaction() as connection:
                assert turn_days.make(connection, day) == "made"
    finally:
        database.dispose()
