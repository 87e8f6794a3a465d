"""How a date, a number or a distance is said; Babel knows the calendars, the units and plurals."""

from __future__ import annotations

import re
import string

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cached_property, lru_cache
from typing import Any

from babel.dates import format_date, format_datetime, format_time
from babel.lists import format_list
from babel.units import format_unit

from prompts.reading_time import BETWEEN_GROUPS
from prompts.voices import CARDINAL, DATE, DIGITS

WEEK = 7  # days
NOON = 12
# From here on how far away a place is, is told once more before it is booked.
TOLD_AGAIN_FROM_KILOMETRES = 15.0
METRES = 1000
# The table of [formats] with words that become one with the name after them.
JOINED = "joined"
# The tables of [formats] with the word for each person, and with "born" as it is said of them.
PERSON = "person"
BORN = "born"
# Days that are said with their date, by the entry of [formats] that has the word.
TODAY = "today"
TOMORROW = "tomorrow"
DAY_HOUR = "day_hour"
# The same of a day to choose in the coming weeks, without its month: it is told before it counts.
MENU_HOUR = "menu_hour"
NO_MONTH = timedelta(weeks=3)


@dataclass(frozen=True)
class Part:
    """A piece of a template: literal text, then a value in a format (or none)."""

    text: str
    name: str = ""
    format: str = ""


@dataclass(frozen=True)
class Said:
    """Words of a value, and how a voice is told to say them.

    `how` is "digits" (one by one), "cardinal" (one number), "date", `GROUP` for what stands between
    two groups of digits, or empty: as they are written. A date has its `figures` and their
    `pattern`, as SSML wants them ("12-03-1942", "dmy"); the words are what a voice says of them.
    """

    words: str
    how: str = ""
    figures: str = ""
    pattern: str = ""


# Between two groups of digits: a pause for a caller who writes.
GROUP = "group"
_BETWEEN = Said(", ", GROUP)
# Digits of a sentence itself: a group that begins with 0, or the place between two groups.
_DICTATED = re.compile(rf"(?<![0-9:])(?P<group>0[0-9]+)|{BETWEEN_GROUPS.pattern}")


class SpokenValues:
    """How the values of one language are said."""

    def __init__(self, locale: str, formats: Mapping[str, Any]) -> None:
        """`formats`: the table of that name of the language's file."""
        self.locale = locale
        self._formats: Mapping[str, str] = formats
        self._people: Mapping[str, Mapping[str, str]] = {
            table: formats.get(table, {}) for table in (PERSON, BORN)
        }
        joined: Mapping[str, str] = formats.get(JOINED, {})
        self._joined = tuple((re.compile(apart), together) for apart, together in joined.items())
        # Many callers hear of the same hours; a date of birth is seldom heard twice.
        day_hour = lru_cache(4096)(self._day_hour)
        self._near_day_hour = lru_cache(4096)(self._day_hour)
        written = lru_cache(4096)(self._written)
        unit = lru_cache(1024)(self._unit)
        self._spoken: dict[str, Callable[[Any], str]] = {
            "": str,
            "date": self._date,
            # By its own clock: aware moments of different zones may be equal.
            "day_hour": lambda moment: day_hour(_local(moment)),
            MENU_HOUR: lambda moment: day_hour(_local(moment), in_menu=True),
            "written_day_hour": lambda moment: written("written_day_hour", _local(moment)),
            "short_day_hour": lambda moment: written("short_day_hour", _local(moment)),
            "tight_day_hour": lambda moment: written("tight_day_hour", _local(moment)),
            "hour": lambda moment: self._hour(_local(moment)),
            "written_hour": lambda moment: written("written_hour", _local(moment)),
            "digits": spaced,
            "pairs": self._in_twos,
            "number": lambda number: self._in_twos(national(number)),
            "written_number": written_number,
            "short_km": _in_brackets,
            "km": lambda kilometres: self._kilometres(kilometres, unit),
            "far": lambda kilometres: self._where_far(kilometres, unit),
            "there": lambda town: f", {self._with_name('at', town)}" if town else "",
            "weeks": lambda days: self._weeks(days, unit),
            "and": lambda names: format_list(list(names), locale=self.locale),
            "at": lambda town: self._with_name("at", town),
            "near": lambda town: self._with_name("near", town),
            PERSON: self._people[PERSON].__getitem__,
            BORN: self._people[BORN].__getitem__,
            "from_age": lambda age: self._formats["from_age"].format(age=age) if age else "",
        }
        marked_day_hour = lru_cache(4096)(self._marked_day_hour)
        self._near_marked_day_hour = marked_day_hour
        self._marked: dict[str, Callable[[Any], tuple[Said, ...]]] = {
            "date": self._marked_date,
            "day_hour": lambda moment: marked_day_hour(_local(moment)),
            "digits": lambda digits: (Said(spaced(digits), DIGITS),),
            "pairs": self._marked_twos,
            "number": lambda number: self._marked_twos(national(number)),
        }

    @property
    def formats(self) -> frozenset[str]:
        """How a value can be said; the empty name says it as it is."""
        return frozenset(self._spoken)

    @cached_property
    def marked_formats(self) -> frozenset[str]:
        """The formats of which a voice must be told how to say them."""
        return frozenset(self._marked)

    def spoken(self, part: Part, values: Mapping[str, Any], now: datetime | None = None) -> str:
        """The value of a part, as it is said. Raises KeyError when it is missing.

        `now` is aware: a day and hour of today or tomorrow there has that word with it.
        """
        value = values[part.name]
        if now is not None and part.format in {DAY_HOUR, MENU_HOUR}:
            in_menu = part.format == MENU_HOUR and value - now < NO_MONTH
            return self._near_day_hour(_local(value), near_day(value, now), in_menu=in_menu)
        return self._spoken[part.format](value)

    def near_word(self, near: str) -> str:
        """TODAY or TOMORROW in this language; empty for neither."""
        return self._formats[near] if near else ""

    def marked(
        self, part: Part, values: Mapping[str, Any], now: datetime | None = None
    ) -> tuple[Said, ...]:
        """The same words as `spoken`, each with how a voice is told to say it.

        Of the formats in `marked_formats`; a value in another is said as it is written. Raises
        KeyError.
        """
        value = values[part.name]
        if now is not None and part.format == DAY_HOUR and (near := near_day(value, now)):
            return self._near_marked_day_hour(_local(value), near)
        return self._marked[part.format](value)

    def _date(self, day: date) -> str:
        pattern = "first_of_month" if day.day == 1 else "date"
        return format_date(day, self._formats[pattern], locale=self.locale)

    def _day_hour(self, moment: datetime, near: str = "", *, in_menu: bool = False) -> str:
        """A day and an hour as the clocks there show it; with "today" or "tomorrow" if `near`.

        `in_menu`: without the month.
        """
        pattern = f"{'menu_' if in_menu else ''}{'first_day' if moment.day == 1 else 'day'}"
        day = format_date(moment, self._formats[pattern], locale=self.locale)
        if near:
            # Behind the date and never before it: "le demain" would be said of every sentence
            # that has an article there.
            day = self._formats["near_day"].format(day=day, near=self.near_word(near))
        return self._formats["day_hour"].format(day=day, hour=self._hour(moment))

    def _marked_date(self, day: date) -> tuple[Said, ...]:
        if self._is_special("date", "first_of_month", day):
            return (Said(self._date(day)),)
        return (Said(self._date(day), DATE, f"{day:%d-%m-%Y}", "dmy"),)

    def _is_special(self, usual: str, first: str, day: date) -> bool:
        """Whether the language says this day in a way of its own ("1er"), which its words tell."""
        return day.day == 1 and self._formats[usual] != self._formats[first]

    def _marked_day_hour(self, moment: datetime, near: str = "") -> tuple[Said, ...]:
        """As `_day_hour`."""
        said: list[Said] = []
        template = self._formats["day_hour"]
        if near:
            template = template.replace("{day}", self._formats["near_day"])
        for part in _parse(template):
            if part.text:
                said.append(Said(part.text))
            if part.name == "hour":
                said.append(Said(self._hour(moment)))
            elif part.name == "near":
                said.append(Said(self.near_word(near)))
            elif part.name:
                said += self._marked_day(moment)
        return tuple(said)

    def _marked_day(self, moment: datetime) -> Iterator[Said]:
        """A weekday as a word, and the day of its month as a date, in the language's order."""
        pattern = "first_day" if moment.day == 1 else "day"
        words = format_date(moment, self._formats[pattern], locale=self.locale)
        if self._is_special("day", "first_day", moment):
            yield Said(words)
            return
        weekday = format_date(moment, "EEEE", locale=self.locale)
        before, named, after = words.partition(weekday)
        for piece in (before, named, after):
            if piece == named or not piece.strip():
                yield Said(piece)
                continue
            day = piece.strip()
            lead, _, rest = piece.partition(day)
            yield from (Said(lead), Said(day, DATE, f"{moment:%d-%m}", "dm"), Said(rest))

    def _hour(self, moment: datetime) -> str:
        pattern = "hour_minutes" if moment.minute else "hour"
        named = {0: "midnight", NOON: "noon"}.get(moment.hour, pattern)
        if moment.minute:
            named += "_minutes"
        if named in self._formats:
            pattern = named
        return format_time(moment.time(), self._formats[pattern], locale=self.locale)

    def _written(self, name: str, local: datetime) -> str:
        return format_datetime(local, self._formats[name], locale=self.locale)

    def _unit(self, count: int, unit: str) -> str:
        """A count with its unit in full, in the plural that the language wants for it."""
        return format_unit(count, unit, locale=self.locale).replace("\u00a0", " ")

    def _in_twos(self, digits: str) -> str:
        """Digits as they are dictated, by twos: "45, 21", or "4 5, 2 1"."""
        return ", ".join(self._twos(digits))

    def _twos(self, digits: str) -> Iterator[str]:
        pair = self._formats["pair"]
        for two in (digits[i : i + 2] for i in range(0, len(digits), 2)):
            yield pair.format(first=two[0], second=two[1:]).strip()

    def _marked_twos(self, digits: str) -> tuple[Said, ...]:
        """By twos: "45" is one number where the language says so; "06" is two digits in each."""
        said: list[Said] = []
        for two in self._twos(digits):
            # Not the 6 that a voice may make of it.
            apart = two.startswith("0") or not two.isdecimal()
            said += (_BETWEEN, Said(two, DIGITS if apart else CARDINAL))
        return tuple(said[1:])

    def _weeks(self, days: tuple[int, int], unit: Callable[[int, str], str]) -> str:
        """From so many days to so many: in weeks where both are whole ones."""
        whole = not any(count % WEEK for count in days)
        least, most = (count // WEEK if whole else count for count in days)
        told = unit(most, "duration-week" if whole else "duration-day")
        return told if least == most else self._formats["from_to"].format(least=least, most=told)

    def _with_name(self, pattern: str, name: str) -> str:
        """A town with the word before it, as the two are said together: "au Mans", "d'Albi"."""
        said = self._formats[pattern].format(name=name)
        for apart, together in self._joined:
            said, changed = apart.subn(together, said, count=1)
            if changed:
                break
        return said

    def _where_far(self, kilometres: float, unit: Callable[[int, str], str]) -> str:
        """What follows a town once more: a distance from so far on, else nothing."""
        if kilometres < TOLD_AGAIN_FROM_KILOMETRES:
            return ""
        return self._formats["far"].format(kilometres=self._kilometres(kilometres, unit))

    def _kilometres(self, kilometres: float, unit: Callable[[int, str], str]) -> str:
        """A distance in whole kilometres; below one in hundreds of metres."""
        if kilometres < 0:
            # The position of the centre or of the postcode is not known.
            return self._formats["kilometres_not_known"]
        metres = max(1, round(kilometres * 10)) * 100
        if metres < METRES:
            distance = unit(metres, "length-meter")
        else:
            distance = unit(round(kilometres), "length-kilometer")
        return self._formats["kilometres"].format(distance=distance)


def near_day(moment: datetime, now: datetime) -> str:
    """TODAY or TOMORROW by the clock of the moment's own place; empty for any other day.

    Both are aware; a moment without a zone is of no place, and is never near.
    """
    if moment.tzinfo is None:
        return ""
    days = (moment.date() - now.astimezone(moment.tzinfo).date()).days
    return {0: TODAY, 1: TOMORROW}.get(days, "")


def _local(moment: datetime) -> datetime:
    # Babel would turn an aware moment into UTC; these are in their own zone already.
    return moment.replace(tzinfo=None)


def _in_brackets(kilometres: float) -> str:
    """A distance where there is little room, the same in every language: "(4 km)".

    Empty where the position of the centre or of the postcode is not known.
    """
    if kilometres < 0:
        return ""
    return "(< 1 km)" if kilometres < 1 else f"({round(kilometres)} km)"


def spaced(digits: str) -> str:
    """One digit after the other, for a voice that would read a number."""
    return " ".join(digits)


def dictated(text: str) -> Iterator[Said]:
    """A sentence's own words; digits that it dictates ("05, 03, 1940") are marked as those are."""
    begin = 0
    for found in _DICTATED.finditer(text):
        if found.start() > begin:
            yield Said(text[begin : found.start()])
        yield Said(found[0], DIGITS) if found["group"] else _BETWEEN
        begin = found.end()
    if begin < len(text):
        yield Said(text[begin:])


def in_twos(digits: str) -> str:
    """Ten digits as they are written for a Frenchman: 04, 52, 17, 38, 90."""
    return ", ".join(digits[i : i + 2] for i in range(0, len(digits), 2))


def written_number(number: str) -> str:
    """An E.164 number as it is read in a text: 09 74 75 00 01."""
    return in_twos(national(number)).replace(",", "")


def national(number: str) -> str:
    """An E.164 number of France or overseas as people there dial it (ten digits)."""
    for prefix in ("+262", "+590", "+594", "+596", "+33"):
        if number.startswith(prefix):
            return "0" + number[len(prefix) :]
    return number.removeprefix("+")


def _parse(template: str) -> tuple[Part, ...]:
    return tuple(
        Part(text, name or "", spec or "")
        for text, name, spec, _ in string.Formatter().parse(template)
    )
