"""Whether the search for the nearest free slots stays as fast when there are ten times as many."""

from __future__ import annotations

import contextlib
import time

from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from sqlalchemy import delete, make_url, text

import wiring_parts

from bench import servers, stock, timing
from bench.servers import House
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


def measure(house: House) -> tuple[dict[str, float], list[str]]:
    """Searches a second with all slots, as a part of those with a tenth of them; flat.

    A search finds and holds, and is undone; each is a transaction of its own.
    Raises CannotMeasure.
    """
    url, few = house.database_url, _copy(house.database_url, house.folder)
    postcodes = stock.choose_postcodes(url)
    both = [wiring_parts.make_parts(servers.settings(one, house.redis_url)) for one in (url, few)]
    try:
        with_all, with_few = (partial(_rate, parts, postcodes) for parts in both)
        seen = timing.rates(SLICES, all=with_all, few=with_few)
    finally:
        for parts in both:
            parts.store.database.dispose()
    return {f"search_growth_ratio_{house.kind}": round(seen["all"] / seen["few"], 2)}, []


def _rate(parts: Parts, postcodes: list[str]) -> float:
    """Searches a second, one near each postcode."""
    started = time.perf_counter()
    for code in postcodes:
        _search(parts, code)
    return len(postcodes) / (time.perf_counter() - started)


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
        servers.settle(one)
    return few


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
