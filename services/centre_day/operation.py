"""An operation on a centre: its kinds, the request for it, what it did, the time it touches."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from datetime import time as clock_time
from enum import StrEnum
from typing import Final
from zoneinfo import ZoneInfo

from models.centre_day.operations import Operation, PlaceState, Ranges
from models.centres.centres import CentreState
from services.booking.changed import MOST_WHY
from services.centre_day.move_people import MoveOutcome
from services.centres.import_centres import Watch, no_watch
from services.refused import OperatorRefused

OPERATOR: Final = "operator"
_MOST_WHO: Final = 60
MOMENT: Final = timedelta(microseconds=1)
FOREVER: Final = datetime(9999, 1, 1, tzinfo=UTC)

Span = tuple[datetime, datetime]


class OperationKind(StrEnum):
    """Kinds of operations; what becomes a case is of the same kind."""

    CENTRE = "centre_closed"
    NOT_OURS = "centre_not_ours"
    DAY = "day_closed"
    CAPACITY = "capacity"
    HOUR = "hour_moved"
    OUTSIDE = "hours_outside"


_SAID = {
    MoveOutcome.MOVED: "moved",
    MoveOutcome.FAR: "kept a place out of reach, with a case for an agent",
    MoveOutcome.CASE: "cases for an agent",
    MoveOutcome.LEFT: "not there any more",
    MoveOutcome.BACK: "moved back",
    MoveOutcome.CASE_CLOSED: "cases closed",
    MoveOutcome.STAYS: "stay where they are now",
    MoveOutcome.CHANGED: "changed since and left alone",
}


class LifeRefused(OperatorRefused):
    """One sentence: why nothing was changed."""


@dataclass
class LifeReport:
    """What an operation did, or would do in a dry run. `fates` are by the id of the booking."""

    kind: str
    centre_id: str
    operation_id: str = ""
    dry_run: bool = False
    # Undoing what is undone already.
    nothing_to_do: bool = False
    blocked: int = 0
    opened: int = 0
    fates: dict[str, MoveOutcome] = field(default_factory=dict)

    @property
    def people(self) -> int:
        return len(self.fates)

    @property
    def moved(self) -> int:
        return self._count[MoveOutcome.MOVED]

    @property
    def cases(self) -> int:
        return self._count[MoveOutcome.CASE]

    @property
    def back(self) -> int:
        return self._count[MoveOutcome.BACK]

    @property
    def _count(self) -> Counter[MoveOutcome]:
        return Counter(self.fates.values())

    def last_line(self) -> str:
        if self.nothing_to_do:
            return f"operation {self.operation_id} is undone already; nothing is changed"
        fates = [f"{self._count[fate]} {said}" for fate, said in _SAID.items() if self._count[fate]]
        told = (
            f"{', '.join([f'{self.people} booked', *fates])}; "
            f"{self.blocked} places blocked, {self.opened} opened"
        )
        if self.dry_run:
            return f"dry run, nothing is changed: {told}"
        return f"{told}; operation {self.operation_id}"


@dataclass(frozen=True)
class OperationRequest:
    """Who wants an operation, and why (80 letters at most, and no person's data)."""

    why: str
    who: str = OPERATOR
    dry_run: bool = False
    watch: Watch = no_watch


def difference(
    places: Sequence[PlaceState], capacity: int
) -> tuple[list[PlaceState], list[PlaceState], int]:
    """What a slot's capacity takes: places to block, places to unblock, places to make.

    Free places are cut before held ones, and those before booked ones, the highest numbers first.
    """
    usable = [place for place in places if not place.blocked]
    if len(usable) > capacity:
        ordered = sorted(usable, key=lambda one: (one.booked, one.held, -one.number))
        return ordered[: len(usable) - capacity], [], 0
    missing = capacity - len(usable)
    # A person whose place was cut and who could not be moved has it again before all others.
    blocked = sorted(
        (place for place in places if place.blocked), key=lambda one: (not one.booked, one.number)
    )[:missing]
    return [], blocked, missing - len(blocked)


def check_request(wish: OperationRequest) -> None:
    if not wish.why.strip():
        raise LifeRefused("say why: it is written into the history of each booking")
    if len(wish.why) > MOST_WHY:
        raise LifeRefused(f"the reason has {len(wish.why)} letters: {MOST_WHY} at most can be kept")
    if not 0 < len(wish.who) <= _MOST_WHO:
        raise LifeRefused(f"a name of whoever does it has 1 to {_MOST_WHO} letters")


def moment_of(centre: CentreState, day: date, at: clock_time) -> datetime:
    """A time of the centre's own clock as UTC."""
    zone = ZoneInfo(centre.time_zone)
    moment = datetime.combine(day, at, tzinfo=zone).astimezone(UTC)
    if moment.astimezone(zone).replace(tzinfo=None) != datetime.combine(day, at):
        raise LifeRefused(f"there is no {at:%H:%M} on {day} in {centre.time_zone}")
    return moment


def midnight_of(centre: CentreState, day: date) -> datetime:
    zone = ZoneInfo(centre.time_zone)
    return datetime.combine(day, clock_time.min, tzinfo=zone).astimezone(UTC)


def span_of(one: Operation) -> Span:
    """The time whose places an operation takes away or adds."""
    start, end = map(datetime.fromisoformat, one.details["span"])
    return start, end


def spans_of(one: Operation) -> list[Span]:
    """All that an operation touches: of a moved hour the new one as well."""
    spans = [span_of(one)]
    if one.kind == OperationKind.HOUR:
        after = datetime.fromisoformat(one.details["wants"]["to"])
        spans.append((after, after + MOMENT))
    return spans


def touches(one: Operation, spans: Sequence[Span]) -> bool:
    return any(
        mine[0] < other[1] and other[0] < mine[1] for mine in spans_of(one) for other in spans
    )


def is_unfinished(one: Operation) -> bool:
    return not one.details["done"] and not one.details.get("undoing")


def size_of(ranges: Ranges) -> int:
    return sum(last - first + 1 for first, last in ranges)
