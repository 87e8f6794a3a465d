"""The official towns, as the store would have them."""

from __future__ import annotations

from functools import lru_cache

from flows.understanding.town_table import TownTable
from jobs import feeds
from services.centres.towns import town_table_of


@lru_cache
def table() -> TownTable:
    return town_table_of(feeds.read_postcodes())


@lru_cache
def official_names() -> tuple[str, ...]:
    towns = table()
    return tuple(sorted({towns.name(at) for at in range(len(towns))}))
