"""When people answer here: the campaign's hours for agents, never on a public holiday.

A campaign that says nothing has 8:00 to 20:00 in Paris from Monday to Saturday. Moments are aware;
those that are given back are by the clock of the hours' own zone, ready to be said.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from services.campaign.public_holidays import public_holidays

# With a closure longer than this there is no next opening that could be told.
_LOOK_AHEAD = timedelta(days=40)


@dataclass(frozen=True)
class OpeningHours:
    """When agents answer, by the clock of `zone_name` (IANA).

    `weekdays` are seven, from Monday on, each with its intervals in minutes after midnight; an
    interval's end is not in it. `calls`: also within these hours, people may be rung.
    """

    zone_name: str
    weekdays: tuple[tuple[tuple[int, int], ...], ...]
    calls: tuple[int, int] = (8 * 60, 20 * 60)

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.zone_name)

    def open_at(self, moment: datetime) -> bool:
        """Whether agents answer at an aware moment of a day that is no holiday."""
        local = moment.astimezone(self.zone)
        minute = local.hour * 60 + local.minute
        return any(start <= minute < end for start, end in self.weekdays[local.weekday()])

    def is_open(self, now: datetime) -> bool:
        """Whether people answer at a moment."""
        return self.open_at(now) and not self.is_holiday(now)

    def is_holiday(self, now: datetime) -> bool:
        """Whether that day is a public holiday on which there would be hours otherwise."""
        day = now.astimezone(self.zone).date()
        return bool(self.weekdays[day.weekday()]) and _is_holiday(day)

    def next_opening(self, now: datetime) -> datetime | None:
        """The moment itself where it is open, else when it opens; None when not for weeks."""
        for start, end in self._intervals(now):
            if end > now:
                return max(start, now.astimezone(self.zone))
        return None

    def closes_at(self, now: datetime) -> datetime | None:
        """When the interval that is open now ends; None where it is closed."""
        return next((end for start, end in self._intervals(now) if start <= now < end), None)

    def after_open(self, first: datetime, wanted: timedelta) -> datetime | None:
        """The moment by which so much open time has gone by since `first`."""
        for start, end in self._intervals(first):
            begins = max(start, first)
            if begins + wanted <= end:
                return (begins + wanted).astimezone(self.zone)
            wanted -= max(end - begins, timedelta())
        return None

    def _intervals(
        self, first: datetime, last: datetime | None = None
    ) -> Iterator[tuple[datetime, datetime]]:
        """Open intervals in order, from the one that `first` is in or the next one on."""
        last = last or first + _LOOK_AHEAD
        day, until = first.astimezone(self.zone).date(), last.astimezone(self.zone).date()
        while day <= until:
            if not _is_holiday(day):
                for start, end in self.weekdays[day.weekday()]:
                    ends = self._at(day, end)
                    if ends > first:
                        yield self._at(day, start), ends
            day += timedelta(days=1)

    def _at(self, day: date, minute: int) -> datetime:
        # Midnight at the end of a day is the next one's beginning.
        days, minute = divmod(minute, 24 * 60)
        clock = time(minute // 60, minute % 60)
        return datetime.combine(day + timedelta(days=days), clock, tzinfo=self.zone)


def _is_holiday(day: date) -> bool:
    return day in public_holidays(day.year)


USUAL = OpeningHours("Europe/Paris", (*[((8 * 60, 20 * 60),)] * 6, ()))


def tomorrow_evening(hours: OpeningHours, now: datetime) -> datetime | None:
    """The end of what may be promised: when the last hours of the day after this one end.

    Where tomorrow is closed altogether it is the next day that is open. None when there is none.
    """
    day = now.astimezone(hours.zone).date() + timedelta(days=1)
    begins = datetime.combine(day, time.min, tzinfo=hours.zone)
    opening = hours.next_opening(begins)
    if opening is None:
        return None
    end = datetime.combine(opening.date() + timedelta(days=1), time.min, tzinfo=hours.zone)
    ends = [closes for _, closes in hours._intervals(opening, end) if closes <= end]  # noqa: SLF001
    return max(ends, default=None)
