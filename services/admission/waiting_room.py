"""The waiting room in front of the web: the crowd, and how far it has been let in.

One process moves the frontier each second (`services.admission.admission_controller`); every worker
reads the room from its snapshot. A visitor is let in once the frontier has passed their rank.
"""

from __future__ import annotations

import json

from bisect import bisect_left, bisect_right
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from itertools import accumulate
from typing import Any, Final

from services.admission.visitors import DRAW, DRAWN, EACH, MILLI, Ticket

# The snapshot (models.supervision.snapshots) that one process writes and every worker reads.
NAME: Final = "room"
# Visitors may come so long before the opening; earlier ones find the page that tells when it is.
BEFORE: Final = timedelta(minutes=30)
# An opening for which no visitor came before is still treated as one so many seconds later.
LATE_OPENING: Final = 1800.0
# The frontier goes on by itself when no process has moved it for so long (seconds), at this pace.
ABANDONED: Final = 10.0
BY_ITSELF: Final = MILLI
# Where no visitor waits, the frontier is this far ahead. It is computed from data a moment older
# than the snapshot; without the lead, a visitor who arrives just now would wait for that moment.
LEAD: Final = MILLI // 2
# The weight of an absent visitor against one who is there. If a breakdown in front of us cut all
# off for a minute, they are not all let in at once when they are back.
ABSENT: Final = 0.02


@dataclass(frozen=True)
class OpeningCrowd:
    """Visitors of an opening: how many (about) are in each bucket, evenly, in order."""

    people: Mapping[int, float]

    @cached_property
    def _buckets(self) -> list[int]:
        return list(self.people)

    @cached_property
    def _sums(self) -> list[float]:
        """How many stand before each bucket, and all of them."""
        return [0.0, *accumulate(map(float, self.people.values()))]

    def before(self, rank: int) -> float:
        """How many stand before a rank."""
        bucket, part = divmod(rank, MILLI)
        here = bisect_left(self._buckets, bucket)
        return self._sums[here] + self.people.get(bucket, 0.0) * part / MILLI

    def beyond(self, rank: int) -> float:
        """How many stand behind a rank."""
        return self._sums[-1] - self.before(rank)

    def advance(self, frontier: int, people: float, most: int) -> int:
        """The frontier once `people` more visitors are in.

        It never passes `most`, which it reaches when no visitor stands before it.
        """
        inside = self.before(frontier) + people
        here = bisect_right(self._sums, inside)
        if here == len(self._sums):
            return max(frontier, most)
        bucket = self._buckets[here - 1]
        part = (inside - self._sums[here - 1]) / self.people[bucket]
        return max(frontier, min(bucket * MILLI + int(part * MILLI), most))

    def still_there(self, present: Mapping[int, int]) -> OpeningCrowd:
        """The part of a crowd of tickets whose visitors are there (`visitors.all_present`)."""
        return OpeningCrowd(
            {
                bucket: max(min(present.get(bucket, 0), people), ABSENT * people)
                for bucket, people in self.people.items()
            }
        )

    def beginning(self, rank: int) -> OpeningCrowd:
        """The same, without visitors of the bucket of `rank` before that rank."""
        bucket, part = divmod(rank, MILLI)
        if bucket not in self.people:
            return self
        return OpeningCrowd({**self.people, bucket: self.people[bucket] * MILLI / (MILLI - part)})

    def at_least(self, people: float, first: int, last: int) -> OpeningCrowd:
        """The same with no fewer than so many in each bucket after the draw, `first` to `last`."""
        least = {
            bucket: max(self.people.get(bucket, 0.0), people)
            for bucket in range(max(first, DRAW), last + 1)
        }
        return OpeningCrowd(dict(sorted({**self.people, **least}.items())))


@dataclass(frozen=True)
class Room:
    """What is known of the room at `at` (seconds of the epoch).

    `frontier` is the rank up to which visitors have been let in, `speed` how many thousandths it
    goes on by in a second, `rate` how many visitors that are. `crowd` are those behind the
    frontier, `waiting` their number. `crowded`: the room is there because of the load, and not of
    an opening.
    """

    at: float = 0.0
    active: bool = False
    opening: int = 0
    frontier: int = 0
    speed: int = 0
    rate: float = 0.0
    waiting: int = 0
    crowd: OpeningCrowd = field(default_factory=lambda: OpeningCrowd({}))
    crowded: bool = False
    # Since when no visitor waits (seconds of the epoch); 0: at least one does.
    empty_since: float = 0.0
    # What the process that lets visitors in has measured: for itself, and for monitoring.
    details: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def read(cls, text: str, at: datetime) -> Room:
        """The room of a snapshot (JSON) of `at`; none of what another version has written."""
        try:
            body = json.loads(text)
            people = sorted((int(bucket), count) for bucket, count in body.pop("crowd").items())
            return cls(at=at.timestamp(), crowd=OpeningCrowd(dict(people)), **body)
        except (AttributeError, KeyError, TypeError, ValueError):
            return cls()

    def body(self) -> dict[str, Any]:
        """For the snapshot, which has its own moment."""
        told = {name: getattr(self, name) for name in self.__dataclass_fields__ if name != "at"}
        people = {str(bucket): round(count, 2) for bucket, count in self.crowd.people.items()}
        return told | {"crowd": people}

    def gives_way_to(self, opens: int, now: float) -> bool:
        """Whether the room of an announced opening (seconds of the epoch) takes this one's place.

        A room that is there because of the load goes on until no visitor is left in it.
        """
        goes_on = self.active and self.crowded and now >= opens
        is_near = -BEFORE.total_seconds() <= now - opens < LATE_OPENING
        return self.opening != opens and is_near and not goes_on

    def frontier_at(self, now: float) -> int:
        """Up to which rank visitors are let in, at `now`; -1 (none) before the opening."""
        if now < self.opening:
            return -1
        since = now - max(self.at, self.opening)
        if since <= ABANDONED:
            lead = LEAD if self.empty_since > 0 else 0
            return self.frontier + lead + int(self.speed * max(since, 0.0))
        # The process that moved it is gone: the frontier goes on slowly by itself.
        alone = int((since - ABANDONED) * BY_ITSELF)
        return self.frontier + int(self.speed * ABANDONED) + alone

    def lets_in(self, ticket: Ticket, now: float) -> bool:
        return ticket.opening == self.opening and ticket.rank <= self.frontier_at(now)

    def is_counting(self, now: float) -> bool:
        """Whether no rank of a sudden crowd is known yet, so that no ticket lets in."""
        return self.crowded and self.frontier_at(now) <= DRAWN

    def ahead(self, rank: int, frontier: int) -> float:
        """How many visitors stand before a rank, behind the frontier that holds now."""
        return max(self.crowd.before(rank) - self.crowd.before(frontier), 0.0)


def look_again(seconds: float) -> int:
    """After how many seconds a visitor who waits `seconds` looks at the page again."""
    return int(min(max(seconds / 4, EACH[0]), EACH[1]))
