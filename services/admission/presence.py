"""Which visitors are still in the waiting room: a ticket says only that a visitor came.

A page of the waiting room looks again by itself, so that each visitor is seen every few seconds. A
worker counts them by groups of buckets in memory, and tells once a second with what it measures;
the process that lets visitors in passes over those who have gone
(`services.admission.admission_controller`).

A visitor who was told to look again in so many seconds counts until a little after that. A visitor
who asks more often counts once. One who asks two workers counts twice, but never are more counted
than there are tickets; this is enforced where the counts are put together.
"""

from __future__ import annotations

import threading

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from services.admission.waiting_room import EACH, OpeningCrowd, Ticket

# Buckets that are counted together: eight seconds of those who came after an opening.
GROUP: Final = 8
_MILLI_OF_A_GROUP: Final = GROUP * 1000
# Told to look again in so many seconds, and not seen for that and this much more: gone.
LATE_PART: Final = 0.25
LATE_SECONDS: Final = 3
# After so many seconds of counting (the longest silence of a visitor) all were seen.
SEES_ALL: Final = EACH[1] * (1 + LATE_PART) + LATE_SECONDS
# A worker counts no more visitors than this.
MOST: Final = 2**18
# The weight of an absent visitor against one who is there. If a breakdown in front of us cut all
# off for a minute, they are not all let in at once when they are back.
ABSENT: Final = 0.02


class Presence:
    """Of one worker. May be used by several threads."""

    def __init__(self, ticks: Callable[[], float]) -> None:
        """`ticks` is a monotonic clock in seconds."""
        self._ticks = ticks
        self._began = ticks()
        self._counting = threading.Lock()
        self._opening = 0
        # By ticket: until when (of the clock) a visitor counts, and in which group of buckets.
        self._visitors: dict[bytes, tuple[float, int]] = {}

    def seen(self, ticket: Ticket, each: float) -> None:
        """The one with this ticket is there, and was told to look again in `each` seconds."""
        until = self._ticks() + int(each * (1 + LATE_PART)) + LATE_SECONDS
        with self._counting:
            if ticket.opening != self._opening:
                self._opening, self._visitors = ticket.opening, {}
            if len(self._visitors) < MOST or ticket.id in self._visitors:
                self._visitors[ticket.id] = until, ticket.rank // _MILLI_OF_A_GROUP

    def told(self) -> dict[str, Any]:
        """For what a worker writes: how many are there, by group, and how long it has counted."""
        now = self._ticks()
        with self._counting:
            self._visitors = {
                ticket: (until, group)
                for ticket, (until, group) in self._visitors.items()
                if until > now
            }
            groups = Counter(str(group) for _until, group in self._visitors.values())
        return {"opening": self._opening, "for": round(now - self._began, 1), "groups": groups}


@dataclass(frozen=True)
class Present:
    """How many people are there of an opening, by group of buckets."""

    opening: int
    groups: Mapping[int, int]

    @classmethod
    def of(cls, told: Sequence[Mapping[str, Any] | None], opening: int) -> Present | None:
        """What all workers told, put together; None where one of them does not know yet."""
        groups: dict[int, int] = {}
        if not told:
            return None
        for worker in told:
            if worker is None or worker["for"] < SEES_ALL:
                return None
            # A worker that tells of another opening, or of none, was asked by no visitor.
            if worker["opening"] == opening:
                for group, people in worker["groups"].items():
                    groups[int(group)] = groups.get(int(group), 0) + people
        return cls(opening, groups)

    def among(self, crowd: OpeningCrowd) -> OpeningCrowd:
        """The part of a crowd of tickets still there; the same in each bucket of a group."""
        tickets: dict[int, float] = {}
        for bucket, people in zip(crowd.buckets, crowd.people, strict=True):
            group = bucket // GROUP
            tickets[group] = tickets.get(group, 0) + people
        share = {
            group: max(min(self.groups.get(group, 0) / people, 1.0), ABSENT) if people else 0.0
            for group, people in tickets.items()
        }
        people_there = [
            people * share[bucket // GROUP]
            for bucket, people in zip(crowd.buckets, crowd.people, strict=True)
        ]
        return OpeningCrowd(crowd.buckets, people_there)
