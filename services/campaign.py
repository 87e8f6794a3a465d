"""A campaign as data: who, when, how far. Read from `campaigns/*.toml`."""

from __future__ import annotations

import tomllib

from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any


class BadCampaign(Exception):
    """One sentence: which file, which entry, what it should be."""


@dataclass(frozen=True)
class Campaign:
    """One campaign. Moments are UTC; `name` is stored with each booking."""

    name: str
    minimum_age: int
    radius_kilometres: float
    horizon_days: int
    lead: timedelta
    hold_lease: timedelta
    hold_longest: timedelta
    # With fewer free places in reach than this, slots are offered one at a time.
    few_places: int
    opens_at: datetime | None = None
    closes_at: datetime | None = None


_NUMBERS = {
    "minimum_age": (0, 120),
    "radius_kilometres": (1, 1000),
    "horizon_days": (1, 366),
    "lead_minutes": (0, 7 * 24 * 60),
    "hold_minutes": (1, 20),
    "hold_minutes_at_most": (1, 60),
    "few_places": (0, 1000),
}


def load(path: str | Path) -> Campaign:
    """Read one file. Raises BadCampaign."""
    path = Path(path)
    try:
        with path.open("rb") as file:
            source = tomllib.load(file)
    except FileNotFoundError:
        raise BadCampaign(
            f"{path}: there is no such file; CAMPAIGN names the file to use"
        ) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BadCampaign(f"{path}: not a TOML file ({error})") from None
    unknown = set(source) - set(_NUMBERS) - {"name", "opens_at", "closes_at"}
    if unknown:
        raise BadCampaign(f"{path}: {', '.join(sorted(unknown))}: no such entry")
    name = source.get("name")
    if not isinstance(name, str) or not name:
        raise BadCampaign(f"{path}: name: a campaign needs a name")
    numbers = {key: _number(path, source, key) for key in _NUMBERS}
    return Campaign(
        name=name,
        minimum_age=int(numbers["minimum_age"]),
        radius_kilometres=numbers["radius_kilometres"],
        horizon_days=int(numbers["horizon_days"]),
        lead=timedelta(minutes=numbers["lead_minutes"]),
        hold_lease=timedelta(minutes=numbers["hold_minutes"]),
        hold_longest=timedelta(minutes=numbers["hold_minutes_at_most"]),
        few_places=int(numbers["few_places"]),
        opens_at=_moment(path, source, "opens_at"),
        closes_at=_moment(path, source, "closes_at"),
    )


def _number(path: Path, source: dict[str, Any], key: str) -> float:
    lowest, highest = _NUMBERS[key]
    value = source.get(key)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise BadCampaign(f"{path}: {key}: a number from {lowest} to {highest} is needed")
    if not lowest <= value <= highest:
        raise BadCampaign(f"{path}: {key}: {value} is not between {lowest} and {highest}")
    return value


def _moment(path: Path, source: dict[str, Any], key: str) -> datetime | None:
    value = source.get(key)
    if value is None:
        return None
    if not isinstance(value, datetime) or value.tzinfo is None:
        raise BadCampaign(f"{path}: {key}: a moment with its zone, as 2021-01-14T08:00:00+01:00")
    return value
