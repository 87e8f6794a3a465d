"""Visitors in the waiting room, by opening and bucket, and what web workers measured."""

from __future__ import annotations

import json

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import Connection, delete, select
from sqlalchemy.dialects.postgresql import insert

from models.admission.tables import arrival, web_load
from models.clock import Clock
from models.writes import upsert


@dataclass(frozen=True)
class WorkerLoad:
    """What a worker wrote last; `age` is in seconds."""

    worker: str
    age: float
    body: Mapping[str, Any]


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


def since(connection: Connection, opening: int, bucket: int) -> tuple[list[int], list[int]]:
    """The buckets of an opening from this one on that have people, and how many are in each."""
    statement = (
        select(arrival.c.bucket, arrival.c.people)
        .where(arrival.c.opening == str(opening), arrival.c.bucket >= bucket)
        .order_by(arrival.c.bucket)
    )
    rows = connection.execute(statement).all()
    return [row.bucket for row in rows], [row.people for row in rows]


def forget_others(connection: Connection, opening: int) -> int:
    """Drop what is of another opening; gives how many rows that were."""
    return connection.execute(delete(arrival).where(arrival.c.opening != str(opening))).rowcount


def tell_load(connection: Connection, clock: Clock, worker: str, body: Mapping[str, Any]) -> None:
    """Store what a worker measured, in place of what it measured before."""
    text = json.dumps(body, separators=(",", ":"))
    upsert(connection, web_load, {"worker": worker, "at": clock.at(), "body": text})


def loads(connection: Connection, clock: Clock, fresh: timedelta) -> list[WorkerLoad]:
    """What every worker measured that wrote within `fresh`."""
    statement = select(web_load.c.worker, web_load.c.at, web_load.c.body).where(
        web_load.c.at > clock.at(-fresh)
    )
    now = clock.now()
    return [
        WorkerLoad(row.worker, max((now - row.at).total_seconds(), 0.0), json.loads(row.body))
        for row in connection.execute(statement)
    ]


def forget_loads(connection: Connection, clock: Clock, older: timedelta) -> int:
    """Drop what workers wrote that are gone; gives how many."""
    gone = delete(web_load).where(web_load.c.at < clock.at(-older))
    return connection.execute(gone).rowcount
