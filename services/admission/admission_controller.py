"""How many visitors are let in from the waiting room: as many as the web carries, and never none.

One process moves the frontier each second. The rate goes up a little while every worker has room
left, and down by a part where one has not (additive increase, multiplicative decrease). It never
exceeds what the workers' processors can carry by the measured cost of a request, because a visitor
let in now sends requests for minutes. The process keeps no state but the snapshot, so that after a
restart it goes on with the same knowledge.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final

import structlog

from models.admission import arrivals
from models.supervision import snapshots
from services.admission.load_shedder import ASSUMED_CPU, OF_A_WORKER, REQUESTS, ROOM_LEFT, Level
from services.admission.visitors import DRAWN, EACH, MILLI, all_present
from services.admission.waiting_room import NAME, OpeningCrowd, Room
from services.campaign.campaigns import Campaigns
from services.store import Store

# Measurements older than this are ignored.
FRESH: Final = timedelta(seconds=5)
GONE: Final = timedelta(hours=1)
# Visitors a second.
LEAST: Final = 1.0
FIRST: Final = 10.0
# With a sudden crowd, admission begins at this part of what processors carry, where measured.
FIRST_PART: Final = 0.9
# What the rate goes up by in a second: at the least, by parts of itself, and by parts of what is
# missing to most of what processors carry, so that it is soon back where it was.
UP: Final = 0.5
UP_PART: Final = 0.05
UP_TO: Final = 0.9
CLOSING: Final = 0.2
# But never by leaps: the load of a visitor let in now shows only after some seconds.
MOST_UP: Final = 2.0
MOST_UP_PART: Final = 0.25
# The rate is multiplied by this where a worker is hard-pressed. It stays at this part of what was
# served lately, as long as anything is. What was served counts for less with each second.
DOWN: Final = 0.7
SERVED_PART: Final = 0.9
SERVED_FADES: Final = 0.97
# Between two steps down (seconds), because the load follows with a delay.
DOWN_EVERY: Final = 2.0
# Less than this after the last time, another process let visitors in.
LEAST_BETWEEN: Final = timedelta(seconds=0.5)
# The cost of a request is learnt by half from a second of so many of them.
LEARNT_FROM: Final = 100.0
# So many web sessions are turned away in a second: in the next one the waiting room opens. A worker
# lets twenty begin at once, so it takes a crowd for that.
CROWDED: Final = 3
# So many requests of running web sessions find no thread in a second, and this part of all
# answers: there are too many. A few always meet at the same moment, and come again.
LOST: Final = 1.0
LOST_PART: Final = 0.1
# Arrivals are known after so long (seconds): workers report them once a second, and the reports are
# read as often. Until then as many are assumed as came, or were turned away, of late. That count
# fades with each second, so a sudden crowd is not let in before it is counted.
KNOWN_AFTER: Final = 3
COMING_FADES: Final = 0.7
# So long no visitor waits (seconds) until the room is gone again.
QUIET: Final = 30.0

log = structlog.get_logger()


@dataclass(frozen=True)
class Loads:
    """What the workers measured (`LoadShedder.measured`), put together."""

    workers: int
    level: int
    # The share of the threads' time that is taken, where it is most.
    full: float
    # A second: web sessions that could not begin, requests of running ones that were turned away,
    # and requests of the web that were answered.
    away: float
    lost: float
    web: float
    # Seconds of a processor that one request takes.
    cpu: float
    # The visitors in the room, as each worker counted them.
    present: Sequence[Mapping[str, Any] | None] = ()
    # An opening, and the best rank that a worker gave for it.
    first: Sequence[tuple[int, int]] = ()

    @classmethod
    def of(cls, bodies: Sequence[Mapping[str, Any]]) -> Loads:
        def total(name: str) -> float:
            return sum(float(body.get(name, 0.0)) for body in bodies)

        web = total("web")
        cpu = sum(body.get("web_cpu", 0.0) * body.get("web", 0.0) for body in bodies)
        return cls(
            workers=len(bodies),
            level=max((body.get("level", 0) for body in bodies), default=0),
            full=max((body.get("full", 0.0) for body in bodies), default=0.0),
            away=total("away"),
            lost=total("lost"),
            web=web,
            cpu=cpu / web if web else 0.0,
            present=[body.get("present") for body in bodies],
            first=[tuple(body.get("first", (0, 0))) for body in bodies],
        )


class AdmissionController:
    """The task of the process that lets visitors in. Not for several threads."""

    def __init__(
        self, store: Store, campaigns: Campaigns, *, most: float = 0.0, mode: str = "auto"
    ) -> None:
        """`most`: visitors a second that are let in at the most; 0: as measured.

        `mode`: "auto"; "always" has a room whatever the load; "never" has none.
        """
        self._store = store
        self._campaigns = campaigns
        self._most = most
        self._mode = mode
        self._cleared = store.clock.now() - GONE

    def __call__(self) -> int:
        """Let visitors in; returns how many wait."""
        store, now = self._store, self._store.clock.now()
        with store.database.statement() as connection:
            found = snapshots.get(connection, NAME)
            before = Room.read(found.body, found.at) if found and found.body else Room()
            if found and timedelta() <= now - found.at < LEAST_BETWEEN:
                # Another process did it just now: two together are no faster than one.
                return before.waiting

            def crowd(opening: int, bucket: int) -> OpeningCrowd:
                return OpeningCrowd(arrivals.since(connection, opening, bucket))

            loads = Loads.of(arrivals.loads(connection, store.clock, FRESH))
            room = self.next(before, loads, now, crowd)
            snapshots.put(connection, store.clock, NAME, room.body())
            if now - self._cleared >= GONE:
                self._cleared = now
                arrivals.forget(connection, store.clock, room.opening, GONE)
        if room.active != before.active:
            log.info("waiting room", active=room.active, crowded=room.crowded)
        return room.waiting

    def next(
        self, before: Room, loads: Loads, now: datetime, crowd: Callable[[int, int], OpeningCrowd]
    ) -> Room:
        """The room now, from that of a second ago. `crowd` reads an opening from a bucket on."""
        moment = now.timestamp()
        room = self._opened(before, loads, moment)
        room = replace(room, at=moment, details=_measured(room, before, loads))
        if not room.active:
            rate = round(min(before.rate, _carried(room, loads)), 2) if before.rate else 0.0
            return replace(room, waiting=0, crowd=OpeningCrowd({}), speed=0, rate=rate)
        room = self._with_rate(room, before, loads, moment)
        there = crowd(room.opening, room.frontier // MILLI)
        present = all_present(loads.present, room.opening)
        if present is not None:
            # Tickets of visitors who have left must not delay those who are present.
            there = there.still_there(present)
        if moment < room.opening:
            waiting = round(there.beyond(0))
            return replace(room, frontier=0, waiting=waiting, crowd=there, speed=0)
        return _advanced(room, before, there, moment)

    def _opened(self, before: Room, loads: Loads, moment: float) -> Room:
        """The room of this second: inactive where there is none."""
        opens_at = self._campaigns.current().opens_at
        if self._mode == "never":
            return Room()
        opening = int(opens_at.timestamp()) if opens_at else 0
        if opening and before.gives_way_to(opening, moment):
            return Room(active=True, opening=opening, rate=FIRST)
        if before.active:
            is_over = (
                self._mode != "always"
                and before.empty_since > 0
                and moment - before.empty_since > QUIET
                and moment - before.opening > QUIET
            )
            return replace(before, active=not is_over)
        if before.details.get("away", 0.0) >= CROWDED or self._mode == "always":
            return Room(
                active=True,
                opening=int(moment),
                frontier=DRAWN,
                rate=before.rate or max(FIRST, FIRST_PART * _carried(before, loads)),
                crowded=True,
            )
        return before

    def _with_rate(self, room: Room, before: Room, loads: Loads, moment: float) -> Room:
        rate, down_at = room.rate or FIRST, room.details["down_at"]
        # Requests without a ticket do not count: a flood of them would close the site to all.
        lost = loads.lost >= max(LOST, LOST_PART * loads.web)
        hard_pressed = loads.level >= Level.SCREENS or lost or loads.away >= CROWDED
        if moment < room.opening:
            rate = FIRST
        elif hard_pressed:
            if not 0 <= moment - down_at < DOWN_EVERY:
                # The load comes from visitors already inside: a lower rate gains nothing now.
                least = SERVED_PART * room.details["served"] if loads.web else 0.0
                rate = min(max(rate * DOWN, least), rate)
                down_at = moment
        elif before.waiting and loads.full < ROOM_LEFT:
            closing = CLOSING * (UP_TO * _carried(room, loads) - rate)
            rate += max(UP, UP_PART * rate, min(closing, max(MOST_UP, MOST_UP_PART * rate)))
        rate = min(rate, _carried(room, loads))
        if self._most:
            rate = min(rate, self._most)
        details = {**room.details, "down_at": down_at}
        return replace(room, rate=round(max(rate, LEAST), 2), details=details)


def _measured(room: Room, before: Room, loads: Loads) -> dict[str, Any]:
    """What a room knows from the loads, and from what the one of a second ago knew."""
    known = before.details
    # Visitors a second whose requests were answered, the best of late.
    served = max(loads.web / REQUESTS, SERVED_FADES * known.get("served", 0.0))
    # Seconds of a processor that a request of the web takes, by what it took of late; 0: none.
    cpu: float = known.get("cpu", 0.0)
    if loads.web:
        cpu = cpu or ASSUMED_CPU
        weight = loads.web / (loads.web + LEARNT_FROM)
        cpu = round(cpu + weight * (loads.cpu - cpu), 6)
    # The best rank that was given for this room; 0 as long as that is not known.
    ranks = [rank for opening, rank in loads.first if opening == room.opening and rank]
    if room.opening == before.opening and known.get("first"):
        ranks.append(known["first"])
    return {
        "level": loads.level,
        "workers": loads.workers,
        "down_at": known.get("down_at", 0.0),
        "served": round(served, 2),
        "away": round(loads.away, 1),
        "coming": known.get("coming", 0.0),
        "first": min(ranks, default=0),
        "cpu": cpu,
        "web": round(loads.web, 1),
    }


def _carried(room: Room, loads: Loads) -> float:
    """Visitors a second that the workers' processors carry; one worker uses one at most."""
    cpu: float = room.details.get("cpu") or ASSUMED_CPU
    return OF_A_WORKER * max(loads.workers, 1) / (REQUESTS * cpu)


def _advanced(room: Room, before: Room, crowd: OpeningCrowd, moment: float) -> Room:
    """The room once this second's visitors are let in; `crowd` are those who are known to wait."""
    since = min(max(moment - max(before.at, room.opening), 0.0), 3.0) if before.at else 1.0
    newest = DRAWN + int((moment - room.opening) * MILLI)
    unknown_from = newest // MILLI - KNOWN_AFTER
    first: int = room.details["first"]
    if room.crowded and first:
        if room.opening != before.opening or not before.details.get("first"):
            # The first visitors hear of their turn when they look again: without a start, none
            # would begin until then.
            since += EACH[0]
        # No visitor has a rank before the first: workers learn of the room within a second.
        crowd = crowd.beginning(first)
        room = replace(room, frontier=max(room.frontier, first - 1))
    elif room.crowded and moment - room.opening < KNOWN_AFTER:
        return replace(room, speed=0, empty_since=0.0)
    coming = max(
        room.details["away"],
        crowd.beyond(max(unknown_from * MILLI, DRAWN)) / KNOWN_AFTER,
        COMING_FADES * room.details["coming"],
    )
    there = crowd
    if coming > room.rate:
        there = crowd.at_least(coming, unknown_from, newest // MILLI)
    frontier = there.advance(room.frontier, room.rate * since, newest)
    if frontier >= newest:
        # No visitor waits: each is let in on arrival.
        speed = MILLI
        empty_since = room.empty_since or moment
    else:
        # How far it goes on in the next second, for workers that look in between.
        speed = there.advance(frontier, room.rate, newest) - frontier
        empty_since = 0.0
    return replace(
        room,
        frontier=frontier,
        speed=speed,
        waiting=round(crowd.beyond(frontier)),
        crowd=crowd,
        empty_since=empty_since,
        details={**room.details, "coming": round(coming, 1)},
    )
