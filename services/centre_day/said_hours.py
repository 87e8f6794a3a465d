"""What is open at a centre outside the hours that were said of it, or above its capacity.

Hours are said by an operator (`flask centres take`) or by the directory. What was opened before
stays bookable until it is closed; here it is found. What was opened for hours told apart from the
centre's, by a secretary or with `slots open --hours`, is meant, and is left out.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

from models.centre_day import outside
from models.centre_day.outside import OpenSlot
from models.centres import centres
from models.centres.centres import CentreHours
from models.centres.takes import Word
from models.clock import Clock
from models.database import Connection, Database
from models.partners.bookings import mirrored
from services.slots.open_slots import Interval
from services.slots.week import Week, from_json, to_json, told

# Centres whose slots one statement reads.
_TOGETHER: Final = 200


@dataclass(frozen=True)
class SaidHours:
    """What was said of a centre: its week, places of a slot, first and last day; local times.

    No week: nothing was said of hours. `capacity` None: nothing of places. `left_out`: nothing of
    the centre shall be open, not even what was told apart.
    """

    time_zone: str
    week: Week
    capacity: int | None = None
    opens_on: date | None = None
    closes_on: date | None = None
    left_out: bool = False

    @classmethod
    def read(cls, wants: dict[str, Any]) -> SaidHours:
        """What an operation noted (`noted`)."""
        opens_on, closes_on = (date.fromisoformat(day) if day else None for day in wants["days"])
        week, capacity = from_json(wants["week"]), wants["capacity"]
        return cls(wants["zone"], week, capacity, opens_on, closes_on, wants["left_out"])

    def noted(self) -> dict[str, Any]:
        """For an operation, which may be stopped and go on when something else was said."""
        days = [day.isoformat() if day else None for day in (self.opens_on, self.closes_on)]
        return {
            "zone": self.time_zone,
            "week": to_json(self.week),
            "capacity": self.capacity,
            "days": days,
            "left_out": self.left_out,
        }

    def keeps(self, start: datetime, places: int) -> int:
        """How many of so many open places a slot keeps that starts at this moment (UTC)."""
        if self.left_out:
            return 0
        local = start.astimezone(ZoneInfo(self.time_zone))
        is_too_early = self.opens_on is not None and local.date() < self.opens_on
        is_too_late = self.closes_on is not None and local.date() > self.closes_on
        if is_too_early or is_too_late or not self.is_open(local.weekday(), f"{local:%H:%M}"):
            return 0
        return places if self.capacity is None else min(places, self.capacity)

    def is_open(self, weekday: int, time: str) -> bool:
        """Whether a slot may start then; also where nothing was said of hours."""
        hours: Sequence[Interval] = self.week.get(weekday, ())
        return not self.week or any(opens <= time < closes for opens, closes in hours)


@dataclass(frozen=True)
class Outside:
    """What is open outside at one centre; days are the centre's own."""

    centre_id: str
    hours: str
    places: int
    slots: int
    booked: int
    first: date
    last: date

    def line(self) -> str:
        """For a terminal."""
        people = f"{self.booked} of them booked" if self.booked else "none of them booked"
        return (
            f"centre {self.centre_id}: {self.places} open places of {self.slots} slots, {people}, "
            f"lie outside what was said of it ({self.hours}), from {self.first} to {self.last}"
        )

    @property
    def remedy(self) -> str:
        """The command that closes them."""
        return (
            f"`flask slots keep-to-hours --centre {self.centre_id} --why TEXT` closes them, moves "
            "the people and tells them; with --dry-run it only says what would be"
        )


def beyond(
    connection: Connection, clock: Clock, centre_id: str, said: SaidHours
) -> list[tuple[OpenSlot, int]]:
    """A centre's slots that have more open places than was said, each with how many it keeps."""
    there = outside.open_slots(connection, clock, centre_id, every=said.left_out)
    kept = ((slot, said.keeps(slot.start_at, slot.places)) for slot in there)
    return [(slot, keeps) for slot, keeps in kept if keeps < slot.places]


def find_outside(
    database: Database,
    clock: Clock,
    centre_ids: Collection[str] | None = None,
    words: Mapping[str, Word] | None = None,
) -> list[Outside]:
    """What is open outside at these centres of ours, or at all of ours, by their ids.

    `words` are what would be said of some of them. Where a partner's agendas are mirrored, what is
    open is as the partner shows it.
    """
    found = []
    ours = [each for each in bookable(database) if centre_ids is None or each.id in centre_ids]
    for begin in range(0, len(ours), _TOGETHER):
        some = ours[begin : begin + _TOGETHER]
        said = {centre.id: said_of(centre, (words or {}).get(centre.id)) for centre in some}
        with database.statement() as connection:
            for centre_id in _doubtful(connection, clock, said):
                lies = _of_centre(connection, clock, centre_id, said[centre_id])
                found += [lies] if lies else []
    return found


def bookable(database: Database) -> list[CentreHours]:
    """Open centres of ours but those that mirror a partner's agendas."""
    with database.statement() as connection:
        elsewhere = set(mirrored(connection))
    return [each for each in centres.hours_of(database, ours=True) if each.id not in elsewhere]


def said_of(centre: CentreHours, word: Word | None = None) -> SaidHours:
    """What was said of a centre; with `word`, what would be."""
    said = SaidHours(
        centre.time_zone, centre.hours, centre.capacity, centre.opens_on, centre.closes_on
    )
    if word is None:
        return said
    week = from_json(word.hours) if word.hours else said.week
    return replace(said, week=week, capacity=word.capacity)


def _doubtful(connection: Connection, clock: Clock, said: Mapping[str, SaidHours]) -> list[str]:
    """Those that may have something outside, by the hours of their week alone."""
    dated = {centre_id for centre_id, one in said.items() if one.opens_on or one.closes_on}
    return sorted(
        dated
        | {
            hour.centre_id
            for hour in outside.usual_hours(connection, clock, list(said))
            if not said[hour.centre_id].is_open(hour.weekday, hour.time)
            or hour.capacity > (said[hour.centre_id].capacity or hour.capacity)
        }
    )


def _of_centre(
    connection: Connection, clock: Clock, centre_id: str, said: SaidHours
) -> Outside | None:
    zone = ZoneInfo(said.time_zone)
    found = beyond(connection, clock, centre_id, said)
    if not found:
        return None
    days = [slot.start_at.astimezone(zone).date() for slot, _ in found]
    hours = told(said.week) or "no hours"
    return Outside(
        centre_id,
        hours if said.capacity is None else f"{hours}, {said.capacity} places each",
        sum(slot.places - keeps for slot, keeps in found),
        len(found),
        # Of a slot that only has too many places, people stay as far as they fit in.
        sum(max(slot.booked - keeps, 0) for slot, keeps in found),
        days[0],
        days[-1],
    )
