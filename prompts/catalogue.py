"""Reads the languages and fills values into their sentences.

A template names its values with a format, as in `{start:day_hour}`; the formats are below and say
how a date, a number or a distance is spoken in that language (Babel knows the calendars).
"""

from __future__ import annotations

import string
import tomllib

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

from babel.dates import format_date, format_datetime, format_time
from babel.units import format_unit

FOLDER = Path(__file__).resolve().parent
PAUSE = "|"
WEEK = 7  # days


class NoSuchSentence(KeyError):
    """A key that the language does not have."""


@dataclass(frozen=True)
class Part:
    """A piece of a template: literal text, then a value in a format (or none)."""

    text: str
    name: str = ""
    format: str = ""


class Catalogue:
    """One language."""

    def __init__(self, language: str, source: Mapping[str, Any]) -> None:
        self.language = language
        self.locale: str = source["language"]["locale"]
        self.voice_language: str = source["language"]["voice_language"]
        self.voice: str = source["language"]["voice"]
        # What callers say in this language: flows.understanding makes use of it.
        self.heard: Mapping[str, Any] = source.get("heard", {})
        self._formats: Mapping[str, str] = source["formats"]
        self._say = {key: tuple(_parse(w) for w in ws) for key, ws in _flat(source["say"])}
        self._text = {key: _parse(wording) for key, wording in source["text"].items()}
        # Many callers hear of the same hours; a date of birth is nobody else's.
        day_hour = lru_cache(4096)(self._day_hour)
        written = lru_cache(4096)(self._written)
        self._spoken: dict[str, Callable[[Any], str]] = {
            "": str,
            "date": self._date,
            # By its own clock: aware moments of different zones may be equal.
            "day_hour": lambda moment: day_hour(_local(moment)),
            "written_day_hour": lambda moment: written("written_day_hour", _local(moment)),
            "short_day_hour": lambda moment: written("short_day_hour", _local(moment)),
            "digits": spaced,
            "pairs": in_twos,
            "number": lambda number: in_twos(national(number)),
            "km": self._kilometres,
            "weeks": self._weeks,
        }

    @property
    def keys(self) -> frozenset[str]:
        return frozenset(self._say)

    def wordings(self, key: str) -> int:
        """How many wordings a sentence has. Raises NoSuchSentence."""
        return len(self._wordings(key))

    def say(self, key: str, values: Mapping[str, Any], wording: int = 0) -> str:
        """A spoken sentence; "|" marks the pauses. A wording beyond the last is the last.

        Raises NoSuchSentence, or KeyError when a value is missing.
        """
        return self._fill(self.parts(key, wording), values)

    def parts(self, key: str, wording: int = 0) -> tuple[Part, ...]:
        """What `say` would fill in. Raises NoSuchSentence."""
        wordings = self._wordings(key)
        return wordings[min(wording, len(wordings) - 1)]

    def spoken(self, part: Part, values: Mapping[str, Any]) -> str:
        """The value of a part, as it is said. Raises KeyError when it is missing."""
        return self._spoken[part.format](values[part.name])

    def text(self, key: str, values: Mapping[str, Any]) -> str:
        """A written message. Raises NoSuchSentence, or KeyError when a value is missing."""
        try:
            return self._fill(self._text[key], values)
        except KeyError as missing:
            raise NoSuchSentence(str(missing)) from None

    def _wordings(self, key: str) -> tuple[tuple[Part, ...], ...]:
        try:
            return self._say[key]
        except KeyError:
            raise NoSuchSentence(key) from None

    def _fill(self, parts: tuple[Part, ...], values: Mapping[str, Any]) -> str:
        filled = []
        for part in parts:
            filled.append(part.text)
            if part.name:
                filled.append(self.spoken(part, values))
        return "".join(filled)

    def _date(self, day: date) -> str:
        pattern = "first_of_month" if day.day == 1 else "date"
        return format_date(day, self._formats[pattern], locale=self.locale)

    def _day_hour(self, moment: datetime) -> str:
        """A day and an hour as the clocks there show it."""
        pattern = "first_day" if moment.day == 1 else "day"
        day = format_date(moment, self._formats[pattern], locale=self.locale)
        pattern = "hour_minutes" if moment.minute else "hour"
        hour = format_time(moment.time(), self._formats[pattern], locale=self.locale)
        return self._formats["day_hour"].format(day=day, hour=hour)

    def _written(self, name: str, local: datetime) -> str:
        return format_datetime(local, self._formats[name], locale=self.locale)

    def _weeks(self, days: tuple[int, int]) -> str:
        """From so many days to so many: in weeks where both are whole ones."""
        whole = not any(count % WEEK for count in days)
        least, most = (count // WEEK if whole else count for count in days)
        unit = "duration-week" if whole else "duration-day"
        told = format_unit(most, unit, locale=self.locale).replace("\u00a0", " ")
        return told if least == most else self._formats["from_to"].format(least=least, most=told)

    def _kilometres(self, kilometres: float) -> str:
        count = round(kilometres)
        if kilometres < 1:
            return self._formats["kilometres_under_one"]
        if count == 1:
            return self._formats["kilometres_one"]
        return self._formats["kilometres_many"].format(count=count)


def _local(moment: datetime) -> datetime:
    # Babel would turn an aware moment into UTC; these are in their own zone already.
    return moment.replace(tzinfo=None)


def spaced(digits: str) -> str:
    """One digit after the other, for a voice that would read a number."""
    return " ".join(digits)


def in_twos(digits: str) -> str:
    """Ten digits as the French dictate them: 04, 52, 17, 38, 90."""
    return ", ".join(digits[i : i + 2] for i in range(0, len(digits), 2))


def national(number: str) -> str:
    """An E.164 number of France or overseas as people there dial it (ten digits)."""
    for prefix in ("+262", "+590", "+594", "+596", "+33"):
        if number.startswith(prefix):
            return "0" + number[len(prefix) :]
    return number.removeprefix("+")


def _flat(table: Mapping[str, Any], prefix: str = "") -> list[tuple[str, list[str]]]:
    entries: list[tuple[str, list[str]]] = []
    for key, value in table.items():
        if isinstance(value, Mapping):
            entries += _flat(value, f"{prefix}{key}.")
        else:
            entries.append((prefix + key, value))
    return entries


def _parse(template: str) -> tuple[Part, ...]:
    return tuple(
        Part(text, name or "", spec or "")
        for text, name, spec, _ in string.Formatter().parse(template)
    )


@lru_cache
def load(language: str) -> Catalogue:
    """The catalogue of a language ("fr"). Raises FileNotFoundError for one that is not here."""
    with (FOLDER / f"{language}.toml").open("rb") as file:
        return Catalogue(language, tomllib.load(file))
