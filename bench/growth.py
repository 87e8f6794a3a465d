"""Whether the search for the nearest free slots stays as fast when there are ten times as many."""

from __future__ import annotations

import contextlib
import statistics
import time

from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import delete, make_url, text

import wiring_parts

from bench import servers, stock
from flows.session import Session
from flows.world import Search
from models.database import Database
from models.slots.tables import place, slot
from services.call.take_turn import Turn
from services.call.world import CallWorld
from wiring_parts import Parts

TIMES = 10
# Rounds over all postcodes, on one database and on the other.
SLICES = 5


class _Undo(Exception):
    """What was held is to be free again."""


def ratio(url: str, folder: Path, redis_url: str) -> float:
    """Return searches a second with all slots, as a part of those with a tenth of them.

    A search finds and holds, and is undone; each is a transaction of its own.
    """
    few = _copy(url, folder)
    postcodes = stock.choose_postcodes(url)
    with_all, with_few = _alternating((url, few), redis_url, postcodes)
    return with_all / with_few


def _copy(url: str, folder: Path) -> str:
    """Return a database with a tenth of the slots of each centre, evenly spread over its days."""
    parsed = make_url(url)
    source = Database(url, pool_size=1)
    if source.is_sqlite:
        file = folder / "few.sqlite3"
        with source.statement() as connection:
            connection.execute(text("VACUUM INTO :file"), {"file": str(file)})
        few = f"sqlite:///{file}"
    else:
        name = f"{parsed.database}_few"
        maintenance = Database(
            parsed.set(database="postgres").render_as_string(hide_password=False), pool_size=1
        )
        source.dispose()
        with maintenance.statement() as connection:
            connection.execute(text(f'CREATE DATABASE "{name}" TEMPLATE "{parsed.database}"'))
        maintenance.dispose()
        few = parsed.set(database=name).render_as_string(hide_password=False)
    source.dispose()
    target = Database(few, pool_size=1)
    with target.transaction() as connection:
        connection.execute(delete(place).where(place.c.slot_id % TIMES != 0))
        connection.execute(delete(slot).where(slot.c.id % TIMES != 0))
    target.dispose()
    for one in (url, few):
        counts = stock.RowCounts(one)
        counts.settle()
        counts.close()
    return few


def _alternating(urls: tuple[str, str], redis_url: str, postcodes: list[str]) -> list[float]:
    """Searches a second on each, as medians of short turns one after the other."""
    both = [wiring_parts.make_parts(servers.settings(url, redis_url)) for url in urls]
    try:
        for parts in both:
            for code in postcodes:
                _search(parts, code)
        rates: list[list[float]] = [[], []]
        for _ in range(SLICES):
            for seen, parts in zip(rates, both, strict=True):
                started = time.perf_counter()
                for code in postcodes:
                    _search(parts, code)
                seen.append(len(postcodes) / (time.perf_counter() - started))
        return [statistics.median(seen) for seen in rates]
    finally:
        for parts in both:
            parts.store.database.dispose()


def _search(parts: Parts, code: str) -> None:
    session = Session(language="fr")
    with contextlib.suppress(_Undo), Turn(parts.store, "CA" + "0" * 32, 1) as turn:
        world = CallWorld(parts.service, turn, session)
        town = world.town(code)
        if town is None:
            raise servers.CannotMeasure(f"no postcode {code}")
        search = Search(
            latitude=town.latitude,
            longitude=town.longitude,
            territory=town.territory,
            not_before=datetime.now(UTC),
        )
        if not world.hold_nearest(search):
            raise servers.CannotMeasure(f"nothing free near {code}")
        raise _Undo
