"""Which processes run, by their signs of life, and what those beside the web have counted.

A process that is killed says nothing: others judge it by how old its last sign is. Web workers give
theirs with what they measure (`models.admission.arrivals.web_load`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, Float, String, Table, delete, func, select, update
from sqlalchemy.dialects.postgresql import insert

from models.admission.arrivals import web_load
from models.clock import Clock
from models.tables import index, key, may, metadata, must
from models.types import Instant
from models.writes import upsert

WEB = "web"
# Longer names of measures are not kept.
LONGEST_SERIES = 300

process = Table(
    "process",
    metadata,
    key("id", String(32)),
    must("kind", String(12), "worker, scheduler, dispatcher"),
    must("machine", String(60)),
    must("started_at", Instant),
    must("seen_at", Instant, "its last sign of life"),
    may("ended_at", Instant, "when it ended by itself; null: it runs, or was killed"),
    index("ix_process_kind", "kind", "seen_at"),
)

# What processes without a port of their own have counted, for /metrics.
measure = Table(
    "measure",
    metadata,
    key("process", String(12), "the kind of those that counted it"),
    key("series", String(LONGEST_SERIES), "JSON: name and labels; nothing personal"),
    must("value", Float),
    must("at", Instant, "when it changed last"),
)


@dataclass(frozen=True)
class KindOfProcess:
    """What is known of all processes of a kind. `age`: seconds since any of them gave a sign.

    `running` gave one lately. `lost` were killed within the last hour, and no other was started
    since in their place. `age` is None where there never was one.
    """

    kind: str
    age: float | None
    running: int
    lost: int


def sign(connection: Connection, clock: Clock, process_id: str, kind: str, machine: str) -> None:
    """A process says that it runs; its first sign is its start."""
    values = {
        "id": process_id,
        "kind": kind,
        "machine": machine[:60],
        "started_at": clock.at(),
        "seen_at": clock.at(),
    }
    new = insert(process).values(**values)
    connection.execute(
        new.on_conflict_do_update(
            index_elements=[process.c.id], set_={"seen_at": clock.at(), "ended_at": None}
        )
    )


def ends(connection: Connection, clock: Clock, process_id: str) -> None:
    """It ends by itself, so no watcher need miss it."""
    connection.execute(
        update(process).where(process.c.id == process_id).values(ended_at=clock.at())
    )


def end_all(connection: Connection, clock: Clock) -> int:
    """After a restore: those of the back-up are over; gives how many.

    One that runs takes it back with its next sign, seconds later.
    """
    open_ = process.c.ended_at.is_(None)
    return connection.execute(update(process).where(open_).values(ended_at=clock.at())).rowcount


def forget(connection: Connection, clock: Clock, after: timedelta) -> int:
    """Forget processes whose last sign is older than this; gives how many."""
    return connection.execute(delete(process).where(process.c.seen_at < clock.at(-after))).rowcount


def kinds(
    connection: Connection, clock: Clock, wanted: tuple[str, ...], gone: timedelta, hour: timedelta
) -> list[KindOfProcess]:
    """What is known of each kind, in the order `wanted`. One without a sign for `gone` is gone.

    `hour`: how long one that was killed and not replaced is counted as lost.
    """
    now = connection.execute(select(clock.at())).scalar_one()
    signs = select(process.c.kind, func.max(process.c.seen_at)).group_by(process.c.kind)
    newest: dict[str, datetime | None] = dict(map(tuple, connection.execute(signs)))
    newest[WEB] = connection.execute(select(func.max(web_load.c.at))).scalar_one()
    alive = (
        select(process.c.kind, func.count())
        .where(process.c.seen_at > clock.at(-gone), process.c.ended_at.is_(None))
        .group_by(process.c.kind)
    )
    running: dict[str, int] = dict(map(tuple, connection.execute(alive)))
    running[WEB] = connection.execute(
        select(func.count()).select_from(web_load).where(web_load.c.at > clock.at(-gone))
    ).scalar_one()
    lost = _lost(connection, clock, gone, hour)
    return [
        KindOfProcess(kind, _age(now, newest.get(kind)), running.get(kind, 0), lost.get(kind, 0))
        for kind in wanted
    ]


def _lost(
    connection: Connection, clock: Clock, gone: timedelta, hour: timedelta
) -> Mapping[str, int]:
    """By kind: those killed within the hour, less those that were started since the first was."""
    killed = connection.execute(
        select(process.c.kind, func.count(), func.min(process.c.seen_at))
        .where(
            process.c.ended_at.is_(None),
            process.c.seen_at <= clock.at(-gone),
            process.c.seen_at > clock.at(-hour),
        )
        .group_by(process.c.kind)
    ).all()
    found = {}
    for kind, count, since in killed:
        started = connection.execute(
            select(func.count())
            .select_from(process)
            .where(process.c.kind == kind, process.c.started_at > since)
        ).scalar_one()
        found[kind] = max(count - started, 0)
    return found


def _age(now: datetime, since: datetime | None) -> float | None:
    return None if since is None else max((now - since).total_seconds(), 0.0)


# ---------------------------------------------------------------- what they counted


def add(connection: Connection, clock: Clock, kind: str, more: Mapping[str, float]) -> None:
    """Add to what processes of a kind have counted, by series."""
    new = insert(measure)
    new = new.on_conflict_do_update(
        index_elements=[measure.c.process, measure.c.series],
        set_={"value": measure.c.value + new.excluded.value, "at": clock.at()},
    )
    # In one order for all of them, or two would wait for each other.
    rows = [
        {"process": kind, "series": series, "value": value}
        for series, value in sorted(more.items())
        if len(series) <= LONGEST_SERIES
    ]
    if rows:
        connection.execute(new.values(at=clock.at()), rows)


def put(connection: Connection, clock: Clock, kind: str, series: str, value: float) -> None:
    """What a process of a kind has measured, in place of what was measured before."""
    upsert(
        connection,
        measure,
        {"process": kind, "series": series, "value": value, "at": clock.at()},
    )


def measures(connection: Connection) -> list[tuple[str, str, float, datetime]]:
    """All of them: kind, series, value, and when it changed last (UTC)."""
    statement = select(measure.c.process, measure.c.series, measure.c.value, measure.c.at)
    found = connection.execute(statement.order_by(measure.c.process, measure.c.series))
    return [(row.process, row.series, row.value, row.at) for row in found]
