"""How pages write days and hours, numbers and distances; and the words of an agent's desk."""

from __future__ import annotations

import re

from dataclasses import dataclass
from datetime import date, datetime
from typing import ClassVar, Final
from zoneinfo import ZoneInfo

from babel.dates import format_date, format_datetime
from babel.numbers import format_decimal

from prompts.catalogue import load
from prompts.screens import Screen
from prompts.values import Part, near_day, written_number

COUNTRY: Final = "Europe/Paris"
# Where one key means the same at every question.
_EVERYWHERE = {"0": "any_0", "9": "any_9", "8": "any_8", "*": "any_star"}
_CHECK = "_check"
_NUMBER = re.compile(r"\+?[0-9]{6,}")
# Kilometres below which tenths are told.
_WITH_TENTHS: Final = 10


@dataclass(frozen=True)
class Written:
    """How pages of one language write things. Moments are aware, or ISO 8601 as in JSON.

    `now` (aware): days of today and tomorrow have that word with their date. A page that may be
    printed has the date alone.
    """

    words: Screen
    now: datetime | None = None

    # The patterns of days and hours are below this key.
    patterns: ClassVar[str] = "page.language"

    @property
    def language(self) -> str:
        return self.words.language

    def by_pattern(self, name: str, when: date) -> str:
        """A day, or a moment by the clock of its place, by a pattern of the language."""
        pattern, locale = self.words[f"{self.patterns}.{name}"], self.words.locale
        if isinstance(when, datetime):
            return format_datetime(when, pattern, locale=locale)
        return format_date(when, pattern, locale=locale)

    def day_hour(self, moment: datetime | str, zone: str = COUNTRY) -> str:
        """A day with its hour, by the clock of a zone."""
        return self.date_hour(moment, zone) + self.near(moment, zone)

    def date_hour(self, moment: datetime | str, zone: str = COUNTRY) -> str:
        """The same as it stays true, whenever it is read."""
        local = local_time(moment, zone)
        return self.by_pattern("first_day_hour" if local.day == 1 else "day_hour", local)

    def near(self, moment: datetime | str, zone: str = COUNTRY) -> str:
        """(today) or (tomorrow), to stand behind a date; empty for another day."""
        if self.now is None:
            return ""
        near = near_day(aware(moment).astimezone(ZoneInfo(zone)), self.now)
        return f" ({load(self.language).near_word(near)})" if near else ""

    def weeks(self, days: tuple[int, int]) -> str:
        """From so many days to so many, as callers hear it: "3 à 4 semaines"."""
        return load(self.language).spoken(Part("", "days", "weeks"), {"days": days})

    def near_town(self, town: str) -> str:
        """A town with the word before it, as the two are said together: "près du Mans"."""
        return load(self.language).spoken(Part("", "town", "near"), {"town": town})

    def at_town(self, town: str) -> str:
        """The same of being there: "au Mans"."""
        return load(self.language).spoken(Part("", "town", "at"), {"town": town})

    def hour(self, moment: datetime | str, zone: str = COUNTRY) -> str:
        """An hour, by the clock of a zone."""
        return self.by_pattern("hour", local_time(moment, zone))

    def day(self, day: date | str) -> str:
        """A day of the calendar, with its year."""
        found = date.fromisoformat(day) if isinstance(day, str) else day
        return self.by_pattern("first_day" if found.day == 1 else "day", found)

    def weekday(self, day: date) -> str:
        """A day with its weekday and year."""
        return self.by_pattern("weekday", day)

    def number(self, number: str) -> str:
        """A number as people write it: 06 12 34 56 78."""
        return written_number(number) if _NUMBER.fullmatch(number or "") else ""

    def reference(self, reference: str) -> str:
        """Ten digits by twos."""
        return " ".join(reference[at : at + 2] for at in range(0, len(reference), 2))

    def kilometres(self, kilometres: float) -> str:
        """A distance as the crow flies; less than ten with its tenths."""
        pattern = "0.0" if kilometres < _WITH_TENTHS else "0"
        written = format_decimal(kilometres, pattern, locale=self.words.locale)
        return self.words.text("desk.file.kilometres", km=written)


_MINUTE, _HOUR = 60, 3600


class DeskWords(Written):
    """And the words of an agent's desk: questions, answers, reasons."""

    def lasted(self, since: datetime) -> str:
        """How long something has lasted by the service's clock: "1 min 12 s". Needs `now`."""
        seconds = max(0, int((self.now - aware(since)).total_seconds())) if self.now else 0
        hours, minutes = seconds // _HOUR, seconds % _HOUR // _MINUTE
        name = "hours" if hours else "minutes" if minutes else "seconds"
        values = {"hours": hours, "minutes": minutes, "seconds": seconds % _MINUTE}
        return self.words.text(f"at_desk.lasted.{name}", **values)

    def of(self, table: str, key: str, otherwise: str = "") -> str:
        """The words of a key of `desk.<table>`, or something else for one that is not there."""
        name = f"desk.{table}.{key}"
        if name not in self.words:
            return otherwise
        return self.words[name]

    def step(self, name: str) -> str:
        """A question of the call, as agents name it."""
        return self.of("step", name, self.words["desk.unknown_step"])

    def choice(self, step: str, key: str) -> str:
        """What a key of a menu stands for; empty where that is not known."""
        if not key:
            return ""
        if key in _EVERYWHERE:
            return self.of("choice", _EVERYWHERE[key])
        if step.endswith(_CHECK):
            return self.of("choice", f"check_{key}")
        name = f"at_desk.choice.{step}_{key}"
        return self.words[name] if name in self.words else self.of("choice", f"{step}_{key}")

    def reason(self, reason: str) -> str:
        """Why a caller is in the queue."""
        if f"desk.step.{reason}" in self.words and f"desk.reason.{reason}" not in self.words:
            return self.words.text("desk.reason.asked_at", step=self.step(reason))
        return self.of("reason", reason, self.words["desk.reason.asked"])

    def error(self, code: str) -> str:
        """Why a message did not come, in plain words: the provider's codes, and our own."""
        if not code:
            return ""
        key = f"e{code}" if code.isdecimal() else code.replace(" ", "_")
        return self.of("error", key) or self.words.text("desk.error.other", code=code)


def aware(moment: datetime | str) -> datetime:
    """A moment that may be written in ISO 8601, as in JSON."""
    return datetime.fromisoformat(moment) if isinstance(moment, str) else moment


def local_time(moment: datetime | str, zone: str) -> datetime:
    """The time by the clock of a zone, without it: Babel would turn an aware moment into UTC."""
    return aware(moment).astimezone(ZoneInfo(zone)).replace(tzinfo=None)
