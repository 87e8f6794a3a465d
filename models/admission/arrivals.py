"""Visitors in the waiting room, by opening and bucket, and what web workers measured last."""

from __future__ import annotations

import json

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from sqlalchemy import Connection, Integer, String, Table, Text, delete, select
from sqlalchemy.dialects.postgresql import insert

from models.clock import Clock
from models.tables import key, metadata, must
from models.types import Instant
from models.writes import upsert

# How many visitors came to the waiting room in front of the web, by opening and bucket of ranks.
arrival = Table(
    "arrival",
    metadata,
    key("opening", String(40)),
    key("bucket", Integer, "of the draw below 1024, then seconds"),
    must("people", Integer),
)

# What each web worker measured last: the rate at which visitors are let in follows it.
web_load = Table(
    "web_load",
    metadata,
    key("worker", String(40)),
    must("at", Instant),
    must("body", Text, "JSON of counts and seconds"),
)


def add(connection: Connection, counts: Mapping[tuple[int, int], int]) -> None:
    """Add so many to each (opening, bucket). In the caller's transaction."""
    if not counts:
        return
    new = insert(arrival)
    new = new.on_conflict_do_update(
        index_elements=[arrival.c.opening, arrival.c.bucket],
        set_={"people": arrival.c.people + new.excluded.people},
    )
    # In one order for all workers, or two would wait for each other.
    rows = [
        {"opening": str(opening), "bucket": bucket, "people": people}
        for (opening, bucket), people in sorted(counts.items())
    ]
    connection.execute(new, rows)


def since(connection: Connection, opening: int, bucket: int) -> dict[int, int]:
    """How many came in each bucket of an opening from this one on; in order, without empty ones."""
    statement = (
        select(arrival.c.bucket, arrival.c.people)
        .where(arrival.c.opening == str(opening), arrival.c.bucket >= bucket)
        .order_by(arrival.c.bucket)
    )
    return dict(map(tuple, connection.execute(statement)))


def tell_load(connection: Connection, clock: Clock, worker: str, body: Mapping[str, Any]) -> None:
    """Store what a worker measured, in place of what it measured before."""
    text = json.dumps(body, separators=(",", ":"))
    upsert(connection, web_load, {"worker": worker, "at": clock.at(), "body": text})


def loads(connection: Connection, clock: Clock, fresh: timedelta) -> list[Mapping[str, Any]]:
    """What every worker measured that wrote within `fresh`."""
    bodies = select(web_load.c.body).where(web_load.c.at > clock.at(-fresh))
    return [json.loads(body) for body in connection.execute(bodies).scalars()]


def forget(connection: Connection, clock: Clock, opening: int, older: timedelta) -> None:
    """Drop visitors of all openings but this one, and what workers wrote that are gone."""
    connection.execute(delete(arrival).where(arrival.c.opening != str(opening)))
    connection.execute(delete(web_load).where(web_load.c.at < clock.at(-older)))
