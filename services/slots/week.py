"""A centre's week as an operator writes it: `mon-fri 09:00-12:00 14:00-17:00; sat 09:00-12:00`.

Days by their English or French names, three letters or more; `|` does for a semicolon in a table
that has those between its cells. Times are the centre's own.
"""

from __future__ import annotations

import json
import re

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Final

from flows.understanding.vocabulary import plain
from services.slots.open_slots import Interval, SlotsRefused, check_hours, parse_hours

# Weekday (0 = Monday) to its intervals, days without any left out.
Week = dict[int, list[Interval]]

_DAYS: Final = (
    ("monday", "lundi"),
    ("tuesday", "mardi"),
    ("wednesday", "mercredi"),
    ("thursday", "jeudi"),
    ("friday", "vendredi"),
    ("saturday", "samedi"),
    ("sunday", "dimanche"),
)
_SHORT: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_LEAST_LETTERS: Final = 3
_REMEDY: Final = "write them like mon-fri 09:00-12:00 14:00-17:00; sat 09:00-12:00"
_BETWEEN: Final = re.compile(r"[\s,]+")


def parse_week(text: str) -> Week:
    """The hours of a week. Raises SlotsRefused."""
    week: Week = {}
    for part in re.split(r"[;|\n]+", text):
        words = [word for word in _BETWEEN.split(part.strip()) if word]
        if not words:
            continue
        times = [word for word in words if word[0].isdigit()]
        names = words[: len(words) - len(times)]
        if not names or not times or words != names + times:
            raise SlotsRefused(f"{part.strip()!r} are no hours of some days; {_REMEDY}")
        for day in sorted({day for name in names for day in _days(name)}):
            if day in week:
                raise SlotsRefused(f"{_SHORT[day]} is there twice; {_REMEDY}")
            week[day] = _intervals(times)
    if not week:
        raise SlotsRefused(f"there are no hours in {text!r}; {_REMEDY}")
    return week


def week_of(table: Mapping[str, object]) -> Week:
    """The hours of a table of days, as `monday = ["09:00-12:00"]`. Raises SlotsRefused."""
    week: Week = {}
    for name, times in table.items():
        (day,) = _days(name) if "-" not in name else (None,)
        if day is None or not isinstance(times, list) or not all(type(t) is str for t in times):
            raise SlotsRefused(f'{name} has no hours; write them like monday = ["09:00-12:00"]')
        if day in week:
            raise SlotsRefused(f"{_SHORT[day]} is there twice")
        if times:
            week[day] = _intervals(times)
    if not week:
        raise SlotsRefused('there are no hours in it; write them like monday = ["09:00-12:00"]')
    return week


def check_week(week: Week, minutes: int) -> None:
    """Whether a slot of so many minutes fits into each of its hours. Raises SlotsRefused."""
    for intervals in week.values():
        check_hours(intervals, minutes)


def to_json(week: Week) -> str:
    """As the store has it."""
    return json.dumps(
        {str(day): [list(interval) for interval in week[day]] for day in sorted(week)}
    )


def from_json(stored: str) -> Week:
    found = json.loads(stored)
    return {int(day): [(start, end) for start, end in found[day]] for day in found}


def told(week: Week) -> str:
    """In the way it is written, days with the same hours together."""
    said = []
    by_hours = groupby(sorted(week), key=lambda day: week[day])
    for intervals, days in by_hours:
        listed = list(days)
        whole = listed == list(range(listed[0], listed[-1] + 1)) and len(listed) > 1
        names = (
            f"{_SHORT[listed[0]]}-{_SHORT[listed[-1]]}"
            if whole
            else ",".join(_SHORT[day] for day in listed)
        )
        said.append(f"{names} {' '.join('-'.join(interval) for interval in intervals)}")
    return "; ".join(said)


def _intervals(times: Sequence[str]) -> list[Interval]:
    found = sorted({parse_hours(text) for text in times})
    check_hours(found, 1)
    return found


def _days(name: str) -> list[int]:
    """The weekdays of `mon` or `mon-fri`. Raises SlotsRefused."""
    first, dash, last = name.partition("-")
    begins = _day(first)
    ends = _day(last) if dash else begins
    if begins is None or ends is None or ends < begins:
        raise SlotsRefused(f"{name!r} is no day of the week; {_REMEDY}")
    return list(range(begins, ends + 1))


def _day(name: str) -> int | None:
    word = plain(name)
    if len(word) < _LEAST_LETTERS:
        return None
    found = [
        number for number, names in enumerate(_DAYS) if any(day.startswith(word) for day in names)
    ]
    return found[0] if len(found) == 1 else None
