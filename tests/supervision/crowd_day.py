"""A crowd without telephones: callers ring, book, wait or go, and a few agents serve them.

Rows are written as the service writes them, on a clock that a test moves. What happened is noted
beside them, so that a test can add up the day without a look at the store.
"""

from __future__ import annotations

import heapq
import random

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from models.agents.tables import agent
from models.booking.tables import appointment, appointment_for, booking
from models.call.tables import call, turn
from models.database import Connection, Database
from models.queue.tables import queue_entry
from tests.supervision.board_day import works

SECOND = timedelta(seconds=1)
IN_TIME = timedelta(seconds=60)
MENU = ("welcome", "date_of_birth", "postcode", "offers")
# From the question after these on it is known what a caller comes for.
SAID_AFTER = 2


def is_about(about: str, service: str) -> bool:
    """Whether it is one of a service; "" is all, "-" what is about none."""
    return not service or (not about if service == "-" else service in about.split("+"))


@dataclass
class Waiting:
    """A person in a queue. `until`: when an agent answered, or they left."""

    id: str
    queue: str
    since: datetime
    kind: str = "call"
    taken: bool = False
    until: datetime | None = None
    about: str = ""

    def waits_at(self, moment: datetime) -> bool:
        return self.since <= moment and (self.until is None or self.until > moment)


@dataclass
class Crowd:
    """So many callers within so long, and agents.

    `happened`: name, queue or channel, when, and the services that it is about. Callers say what
    for after two questions, where there are `services`: one of them, or all.
    """

    database: Database
    began: datetime
    callers: int = 200
    agents: int = 5
    within: timedelta = timedelta(minutes=45)
    seed: int = 11
    services: tuple[str, ...] = ()
    # A place, to which bookings about services belong.
    place: int = 0
    happened: list[tuple[str, str, datetime, str]] = field(default_factory=list)
    people: list[Waiting] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._chance = random.Random(self.seed)  # noqa: S311 (a play)
        self._due: list[tuple[datetime, int, Callable[[Connection, datetime], None]]] = []
        self._number = 0
        # Where each call is, and what it is about.
        self._last: dict[str, tuple[str, str]] = {}
        self._free = [f"agent{number}" for number in range(self.agents)]
        for name in self._free:
            works(self.database, name, "ready", self.began, name=name)
        for _ in range(self.callers):
            self._at(self.began + self._chance.random() * self.within, self._rings)

    # What a test asks

    def counted(self, name: str, label: str = "", service: str = "") -> int:
        return sum(
            one == name and label in {"", of} and is_about(about, service)
            for one, of, _, about in self.happened
        )

    def waiting(self, moment: datetime, kind: str = "", service: str = "") -> int:
        return sum(
            one.waits_at(moment) and kind in {"", one.kind} and is_about(one.about, service)
            for one in self.people
        )

    def within_minute(self, name: str, minute: datetime, service: str = "") -> int:
        end = minute + 60 * SECOND
        return sum(
            one == name and minute <= at < end and is_about(about, service)
            for one, _, at, about in self.happened
        )

    # What happens

    def passes(self, now: datetime) -> None:
        """Everything that is due by now, in its order."""
        with self.database.transaction() as connection:
            while self._due and self._due[0][0] <= now:
                at, _, act = heapq.heappop(self._due)
                act(connection, at)
                self._serve(connection, at)

    def _at(self, moment: datetime, act: Callable[[Connection, datetime], None]) -> None:
        self._number += 1
        # To the second, as a board's moments are.
        heapq.heappush(self._due, (moment.replace(microsecond=0), self._number, act))

    def _new(self, kind: str) -> str:
        self._number += 1
        return f"{kind}{self._number:030d}"

    def _later(self, at: datetime, least: int, most: int) -> datetime:
        return at + self._chance.randint(least, most) * SECOND

    def _note(self, name: str, label: str, at: datetime, about: str = "") -> None:
        self.happened.append((name, label, at, about))

    def _rings(self, connection: Connection, at: datetime) -> None:
        sid = self._new("CA")
        row: dict[str, Any] = {
            "id": sid,
            "status": "in-progress",
            "status_rank": 3,
            "started_at": at,
        }
        connection.execute(call.insert(), [row])
        self._note("calls", "", at)
        asked = self._chance.randint(1, len(MENU))
        said = self._says() if asked > SAID_AFTER else ""
        turns = []
        for number, step in enumerate(MENU[:asked]):
            about = said if number >= SAID_AFTER else ""
            turns.append({"call_id": sid, "number": number, "at": at, "step": step,
                          "outcome": "asked", "about": about or None})  # fmt: skip
            self._note("entered", step, at, about)
        connection.execute(turn.insert(), turns)
        self._last[sid] = MENU[asked - 1], said
        draw = self._chance.random()
        after = self._later(at, 20, 120)
        if draw < 0.35:
            self._at(after, partial(self._books, sid, "phone", self._says()))
        elif draw < 0.45:
            self._at(after, partial(self._hangs_up, sid))
            self._at(after + 30 * SECOND, self._is_rung_by_machine)
        else:
            self._at(after, partial(self._joins, sid, said))

    def _says(self) -> str:
        """What a caller comes for: one of the services, or all of them."""
        choices = (*self.services, "+".join(self.services))
        return choices[self._chance.randrange(len(choices))] if self.services else ""

    def _hangs_up(self, sid: str, connection: Connection, at: datetime) -> None:
        ended = {"ended_at": at, "status": "completed"}
        connection.execute(call.update().where(call.c.id == sid).values(**ended))
        step, about = self._last[sid]
        self._note("hung_up", step, at, about)

    def _books(
        self, sid: str, channel: str, about: str, connection: Connection, at: datetime
    ) -> None:
        row: dict[str, Any]
        row = {"id": self._new("B"), "idempotency_key": self._new("K"), "channel": channel,
               "campaign": "tests", "centre_id": "1", "state": "confirmed", "created_at": at,
               "last_start_at": at}  # fmt: skip
        connection.execute(booking.insert(), [row])
        if about:
            self._is_for(connection, row["id"], about, at)
        self._note("booked", channel, at, about)
        if sid:
            self._hangs_up(sid, connection, at)

    def _is_for(self, connection: Connection, booked: str, about: str, at: datetime) -> None:
        # Cancelled, so that all of them may have had the one place.
        its = {"booking_id": booked, "dose": 1, "state": "cancelled"}
        added = appointment.insert().values(**its, place_id=self.place, centre_id="1", start_at=at)
        key = connection.execute(added).inserted_primary_key
        assert key is not None
        number = key[0]
        rows = [
            {**its, "appointment_id": number, "service": one, "campaign": f"{one}-2026"}
            for one in about.split("+")
        ]
        connection.execute(appointment_for.insert(), rows)

    def _joins(self, sid: str, about: str, connection: Connection, at: datetime) -> None:
        queue = "en" if self._chance.random() < 0.2 else "fr"
        one = Waiting(self._new("Q"), queue, at, about=about)
        row = {"id": one.id, "queue_id": one.queue, "kind": "call", "state": "waiting",
               "call_id": sid, "language": one.queue, "joined_at": at, "due_at": at,
               "created_at": at, "updated_at": at, "about": about or None}  # fmt: skip
        connection.execute(queue_entry.insert(), [row])
        self.people.append(one)
        draw = self._chance.random()
        if draw < 0.15:
            self._at(self._later(at, 15, 240), partial(self._gives_up, one, sid, "hung_up"))
        elif draw < 0.2:
            self._at(self._later(at, 15, 120), partial(self._gives_up, one, sid, "machine"))
        elif draw < 0.45:
            self._at(self._later(at, 20, 90), partial(self._is_promised, one, sid))

    def _is_rung_by_machine(self, connection: Connection, at: datetime) -> None:
        """Who hung up in the menu is rung by the machine: this counts in no agents' figure."""
        one = Waiting(self._new("Q"), "fr", at, kind="callback")
        row = {"id": one.id, "queue_id": one.queue, "kind": one.kind, "state": "waiting",
               "mode": "machine", "reason": "unfinished", "language": "fr", "joined_at": at,
               "due_at": at, "promised_at": at, "phone_idx": one.id.encode(), "created_at": at,
               "updated_at": at}  # fmt: skip
        connection.execute(queue_entry.insert(), [row])

        def answers(connection: Connection, at: datetime) -> None:
            ended = {"state": "done", "outcome": "machine", "answered_at": at, "ended_at": at}
            self._change(connection, one, **ended)

        self._at(at + 60 * SECOND, answers)

    def _gives_up(
        self, one: Waiting, sid: str, how: str, connection: Connection, at: datetime
    ) -> None:
        if one.until is not None or one.taken or one.kind != "call":
            return
        one.until = at
        self._change(connection, one, state="left", outcome=how, ended_at=at)
        self._note("turned_back" if how == "machine" else "abandoned", one.queue, at, one.about)
        self._hangs_up(sid, connection, at)

    def _is_promised(self, one: Waiting, sid: str, connection: Connection, at: datetime) -> None:
        if one.until is not None or one.taken:
            return
        one.kind = "callback"
        self._change(connection, one, kind="callback", call_id=None, promised_at=at,
                     phone_idx=one.id.encode(), expected_at=at + timedelta(minutes=50))  # fmt: skip
        self._hangs_up(sid, connection, at)

    # Agents

    def _serve(self, connection: Connection, at: datetime) -> None:
        waiting = [one for one in self.people if one.until is None and not one.taken]
        waiting.sort(key=lambda one: (one.since, one.id))
        for one in waiting[: len(self._free)]:
            who = self._free.pop(0)
            one.taken = True
            self._change(connection, one, state="reserved", staff_id=who, reserved_at=at)
            self._is(connection, at, who, "reserved", one)
            self._at(self._later(at, 3, 12), partial(self._answers, one, who))

    def _answers(self, one: Waiting, who: str, connection: Connection, at: datetime) -> None:
        one.until = at
        self._change(connection, one, state="talking", answered_at=at)
        self._is(connection, at, who, "talking", one)
        if one.kind == "callback":
            self._note("called_back", one.queue, at, one.about)
        else:
            self._note("answered", one.queue, at, one.about)
            if at - one.since <= IN_TIME:
                self._note("in_time", one.queue, at, one.about)
        self._at(self._later(at, 60, 240), partial(self._wraps_up, one, who))

    def _wraps_up(self, one: Waiting, who: str, connection: Connection, at: datetime) -> None:
        self._change(connection, one, state="wrapup", ended_at=at)
        self._is(connection, at, who, "wrapup", one)
        if self._chance.random() < 0.6:
            self._books("", "agent", one.about or self._says(), connection, at)
        self._at(self._later(at, 10, 40), partial(self._is_free, one, who))

    def _is_free(self, one: Waiting, who: str, connection: Connection, at: datetime) -> None:
        self._change(connection, one, state="done")
        self._is(connection, at, who, "ready", None)
        self._free.append(who)

    def _change(self, connection: Connection, one: Waiting, **values: Any) -> None:
        mine = queue_entry.c.id == one.id
        connection.execute(queue_entry.update().where(mine).values(**values))

    def _is(
        self, connection: Connection, at: datetime, who: str, state: str, one: Waiting | None
    ) -> None:
        values = {"state": state, "since": at, "seen_at": at, "entry_id": one.id if one else None}
        connection.execute(agent.update().where(agent.c.staff_id == who).values(**values))


def by_label(rows: list[dict[str, str]], name: str) -> Counter[str]:
    """What a file says of a name, added up by label."""
    found: Counter[str] = Counter()
    for row in rows:
        if row["name"] == name:
            found[row["label"]] += int(row["value"])
    return found
