"""Moments, waits and distances as the pages for citizens write them, in the page's language."""

from __future__ import annotations

import math

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from babel.numbers import format_decimal

from prompts.values import written_number
from services.campaign.opening_hours import OpeningHours
from web.written import COUNTRY, Written, aware, local_time

_MINUTE: Final = 60
# Waits are told by the minute up to here, then by fives.
_EXACT_MINUTES: Final = 10
_FIVE: Final = 5
_HOUR: Final = 60
_DAY: Final = 24
# The end of a day and the beginning of the next, in minutes.
_MIDNIGHT: Final = 24 * 60


class Sayings(Written):
    """What pages for citizens say of times; a day has its weekday, "mardi 1er décembre 2026"."""

    patterns = "public.say"

    def _text(self, key: str, **values: object) -> str:
        return self.words.text(f"public.say.{key}", **values)

    def hour(self, when: datetime | str, zone: str = COUNTRY) -> str:
        """An hour of that zone's clock: "9 h", "14 h 05"."""
        return self._clock(local_time(when, zone))

    def _clock(self, local: datetime) -> str:
        told = self.by_pattern("hour_minutes" if local.minute else "hour", local)
        return told.replace(" ", "\u00a0")

    def moment(self, when: datetime | str, zone: str = COUNTRY) -> str:
        """A day and an hour by that zone's clock."""
        return self._text(
            "at", day=self.day(local_time(when, zone).date()), hour=self.hour(when, zone)
        )

    def opening(self, when: datetime | str, zone: str) -> str:
        """The same with the name of the clock: some who read it live by another one."""
        told = self.moment(when, zone)
        return f"{told} ({self.words['public.paris_time']})" if zone == COUNTRY else told

    def slot(self, when: datetime | str, zone: str) -> str:
        """A moment of the coming weeks, by the clock of where it is."""
        day = local_time(when, zone).date()
        told = self.by_pattern("first_near_day" if day.day == 1 else "near_day", day)
        return self._text("at", day=told, hour=self.hour(when, zone))

    def from_now(self, when: datetime | str, now: datetime | str, zone: str = COUNTRY) -> str:
        """The same, and the hour alone for a moment of today."""
        if local_time(when, zone).date() == local_time(now, zone).date():
            return self._text("today_at", hour=self.hour(when, zone))
        return self.moment(when, zone)

    def ago(self, when: datetime | str, now: datetime | str) -> str:
        """How long ago: "il y a 12 minutes"."""
        minutes = max((aware(now) - aware(when)) // timedelta(minutes=1), 0)
        if not minutes:
            return self._text("just_now")
        if minutes < 2 * _HOUR:
            return self._text("minute_ago") if minutes == 1 else self._ago("minutes", minutes)
        hours = minutes // _HOUR
        return self._ago("hours", hours) if hours < 2 * _DAY else self._ago("days", hours // _DAY)

    def _ago(self, unit: str, count: int) -> str:
        return self._text(f"{unit}_ago", count=count)

    def wait(self, seconds: float) -> str:
        """A wait, rounded up: "environ 10 minutes"."""
        minutes = math.ceil(seconds / _MINUTE)
        if seconds < _MINUTE:
            return self._text("wait_under_one")
        if minutes > _EXACT_MINUTES:
            minutes = math.ceil(minutes / _FIVE) * _FIVE
        if minutes <= 2 * _HOUR:
            return self._text("wait_minutes", count=minutes)
        return self._text("wait_hours", count=minutes // _HOUR)

    def lasted(self, began: datetime | str, ended: datetime | str) -> str:
        """How long something took."""
        minutes = max((aware(ended) - aware(began)) // timedelta(minutes=1), 0)
        if minutes < 2 * _HOUR:
            return (
                self._text("lasted_minutes", count=minutes)
                if minutes > 1
                else self._text("lasted_one")
            )
        return self._text("lasted_hours", count=minutes // _HOUR)

    def away(self, kilometres: float) -> str:
        if kilometres < 0:
            return self._text("away_not_known")
        return (
            self._text("away_near")
            if kilometres < 1
            else self._text("away", count=round(kilometres))
        )

    def count(self, number: int) -> str:
        """A number with its thousands apart."""
        return format_decimal(number, locale=self.words.locale)

    def phone(self, number: str) -> str:
        """As people here write it: "09 74 75 00 01"; a short one is left alone."""
        if not number.startswith("+"):
            return number
        return written_number(number)

    def hours(self, hours: OpeningHours) -> list[str]:
        """When people answer, a line for days that are alike, as "du lundi au samedi, de 8 h …"."""
        return self._week([tuple(day) for day in hours.weekdays])

    def week(self, week: Sequence[tuple[int, Sequence[tuple[str, str]]]]) -> list[str]:
        """The same of hours that are written "09:00"."""
        days: list[tuple[tuple[int, int], ...]] = [()] * 7
        for day, intervals in week:
            days[day] = tuple((_minutes(first), _minutes(last)) for first, last in intervals)
        return self._week(days)

    def _week(self, days: Sequence[tuple[tuple[int, int], ...]]) -> list[str]:
        if all(day == ((0, _MIDNIGHT),) for day in days):
            return [self._text("always")]
        lines, first = [], 0
        for at in range(1, 8):
            if at < len(days) and days[at] == days[first]:
                continue
            if days[first]:
                lines.append(f"{self._days(first, at - 1)}, {self._intervals(days[first])}")
            first = at
        return lines

    def _days(self, first: int, last: int) -> str:
        names = [self._text(f"weekday.{day}") for day in (first, last)]
        if first == last:
            return self._text("on_day", day=names[0])
        return self._text("from_day_to_day", first=names[0], last=names[1])

    def _intervals(self, intervals: Sequence[tuple[int, int]]) -> str:
        told = [
            self._text("from_to", first=self._clock(_at(first)), last=self._clock(_at(last)))
            for first, last in intervals
        ]
        return self._text("and").join(told)


def _minutes(text: str) -> int:
    hour, minute = text.split(":")
    return int(hour) * 60 + int(minute)


def _at(minute: int) -> datetime:
    return datetime(2000, 1, 1) + timedelta(minutes=minute)  # noqa: DTZ001 (a clock, no moment)
