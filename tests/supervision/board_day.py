"""A day on the telephone without telephones: rows as the service writes them, and a slow recount.

The recount reads every row there is and counts in Python, so that nothing of the board's own
counting can be wrong in it, too.
"""

from __future__ import annotations

import json
import random

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Update, bindparam, select

from models.accounts.tables import staff
from models.agents.tables import agent
from models.booking.tables import booking
from models.call.tables import call, turn
from models.database import Database
from models.messages.tables import message
from models.queue.tables import agent_queue, queue_entry
from models.supervision import snapshots, tallies
from models.supervision.tallies import QUARTER
from services.supervision.counts import day_before, day_begins
from services.supervision.write_board import NAME
from tests.support.house import House

PARIS = ZoneInfo("Europe/Paris")
STEPS = ("welcome", "for_whom", "date_of_birth", "postcode", "offers", "reach", "confirm")
SECOND = timedelta(seconds=1)
# What becomes of rows: one statement for all of a second.
_CALL = call.update().where(call.c.id == bindparam("which"))
_ENTRY = queue_entry.update().where(queue_entry.c.id == bindparam("which"))
ENDED = _CALL.values(ended_at=bindparam("moment"), status="completed")
ANSWERED = _ENTRY.values(state="talking", answered_at=bindparam("moment"), staff_id="anna")
LEFT = _ENTRY.values(state="left", ended_at=bindparam("moment"), outcome=bindparam("how"))


class Day:
    """Events as they would come, so many a second. Some rows are seen late, by up to 5 seconds."""

    def __init__(self, database: Database, seed: int = 1) -> None:
        self.database = database
        self.chance = random.Random(seed)  # noqa: S311 (a play)
        self.calls: dict[str, tuple[int, str]] = {}
        self.waiting: dict[str, datetime] = {}
        self.talking: list[str] = []
        self.number = 0
        self.late: list[tuple[datetime, str, dict[str, Any]]] = []
        self.rows: dict[str, list[dict[str, Any]]] = {}
        self.changes: dict[Update, list[dict[str, Any]]] = {}
        self.before: dict[tuple[str, int], str] = {}

    def second(self, now: datetime, events: int) -> None:
        """What happens in the second before `now`, stored in one transaction."""
        self.rows, self.changes = {}, {ENDED: [], ANSWERED: [], LEFT: []}
        for _ in range(events):
            at = now - timedelta(milliseconds=self.chance.randrange(1000))
            self._event(at)
        for due, table, row in [one for one in self.late if one[0] <= now]:
            self.rows.setdefault(table, []).append(row)
            self.late.remove((due, table, row))
        tables = {"call": call, "turn": turn, "booking": booking, "queue_entry": queue_entry}
        with self.database.transaction() as connection:
            for name, rows in self.rows.items():
                connection.execute(tables[name].insert(), rows)
            for statement, changed in self.changes.items():
                if changed:
                    connection.execute(statement, changed)

    def _new(self, kind: str) -> str:
        self.number += 1
        return f"{kind}{self.number:030d}"

    def _event(self, at: datetime) -> None:
        draw = self.chance.random()
        if draw < 0.12 or not self.calls:
            self._ring(at)
        elif draw < 0.80:
            self._turn(at)
        elif draw < 0.90:
            self._hang_up(at)
        elif draw < 0.94:
            self._book(at)
        else:
            self._queue(at)

    def _ring(self, at: datetime) -> None:
        sid = self._new("CA")
        row = {"id": sid, "status": "ringing", "status_rank": 2, "started_at": at}
        self.rows.setdefault("call", []).append(row)
        self._store_turn(sid, 0, at, "welcome", "asked")

    def _turn(self, at: datetime) -> None:
        sid = self.chance.choice(list(self.calls))
        number, step = self.calls[sid]
        outcome = self.chance.choice(("asked", "asked", "asked", "missed", "silent", "repeated"))
        goes_on = outcome == "asked" or self.chance.random() < 0.2
        following = self.chance.choice((*STEPS, "queue", "ended")) if goes_on else step
        self._store_turn(sid, number + 1, at, following, outcome)

    def _store_turn(self, sid: str, number: int, at: datetime, step: str, outcome: str) -> None:
        row = {"call_id": sid, "number": number, "at": at, "step": step, "outcome": outcome}
        self.calls[sid] = (number, step)
        # A transaction that takes its time: its turn is stamped when it begins. No later turn of
        # that call can come before it.
        busy = any(one[2].get("call_id") == sid for one in self.late)
        if number and not busy and self.chance.random() < 0.02:
            self.late.append((at + timedelta(seconds=self.chance.uniform(1, 5)), "turn", row))
            del self.calls[sid]
        else:
            self.rows.setdefault("turn", []).append(row)

    def _hang_up(self, at: datetime) -> None:
        sid = self.chance.choice(list(self.calls))
        del self.calls[sid]
        self.changes[ENDED].append({"which": sid, "moment": at})

    def _book(self, at: datetime) -> None:
        row = {
            "id": self._new("B"),
            "idempotency_key": self._new("K"),
            "channel": self.chance.choice(("phone", "phone", "web", "agent")),
            "campaign": "tests",
            "centre_id": "1",
            "state": "confirmed",
            "created_at": at,
            "last_start_at": at,
        }
        self.rows.setdefault("booking", []).append(row)

    def _queue(self, at: datetime) -> None:
        draw = self.chance.random()
        if draw < 0.5 or not self.waiting:
            entry = self._new("Q")
            told = self.chance.choice((None, 60, 180))
            row = {
                "id": entry,
                "queue_id": self.chance.choice(("fr", "fr", "en")),
                "kind": "call",
                "state": "waiting",
                "call_id": entry,
                "language": "fr",
                "joined_at": at,
                "due_at": at,
                "told_seconds": told,
                "told_at": at if told else None,
                "created_at": at,
                "updated_at": at,
            }
            self.rows.setdefault("queue_entry", []).append(row)
            self.waiting[entry] = at
            return
        entry = self.chance.choice(list(self.waiting))
        del self.waiting[entry]
        if draw < 0.85:
            self.changes[ANSWERED].append({"which": entry, "moment": at})
        else:
            outcome = "machine" if draw > 0.97 else "hung_up"
            self.changes[LEFT].append({"which": entry, "moment": at, "how": outcome})


def midnight(now: datetime) -> datetime:
    return now.astimezone(PARIS).replace(hour=0, minute=0, second=0, microsecond=0)


def recount(  # noqa: C901 (one count after the other, on purpose)
    database: Database, since: datetime, now: datetime
) -> dict[str, Any]:
    """What the board should show: everything in the store from `since` on."""
    with database.statement() as connection:
        turns = list(
            connection.execute(
                select(turn.c.call_id, turn.c.number, turn.c.at, turn.c.step, turn.c.outcome)
            )
        )
        calls = list(connection.execute(select(call.c.id, call.c.ended_at)))
        booked = list(connection.execute(select(booking.c.channel, booking.c.created_at)))
        entries = list(connection.execute(select(queue_entry)))
    step_of = {(row.call_id, row.number): row.step for row in turns}
    newest: dict[str, Any] = {}
    for row in turns:
        if row.call_id not in newest or newest[row.call_id].number < row.number:
            newest[row.call_id] = row
    funnel: Counter[tuple[str, str]] = Counter()
    for row in turns:
        if row.at < since:
            continue
        before = step_of.get((row.call_id, row.number - 1), "")
        if row.step not in (before, "ended"):
            funnel["entered", row.step] += 1
        if before not in ("", "ended") and row.outcome in ("missed", "silent", "repeated"):
            funnel[row.outcome, before] += 1
    finished = 0
    live = 0
    for one in calls:
        last = newest.get(one.id)
        if last is None:
            continue
        if one.ended_at is None:
            heard = last.at >= now - timedelta(minutes=10)
            live += heard and last.step not in ("ended", "queue", "with_agent")
        elif one.ended_at >= since and last.step == "ended":
            finished += 1
        elif one.ended_at >= since:
            funnel["hung_up", last.step] += 1
    answered = [entry for entry in entries if entry.answered_at and entry.answered_at >= since]
    left = [entry for entry in entries if entry.state == "left" and entry.ended_at >= since]
    waits = [(one.answered_at - one.joined_at).total_seconds() for one in answered]
    waiting = [entry for entry in entries if entry.state == "waiting" and entry.kind == "call"]
    # Whoever an agent is being rung for waits still.
    rung_for = [entry for entry in entries if entry.state == "reserved" and entry.kind == "call"]
    not_answered = [*waiting, *rung_for]
    return {
        "calls": sum(row.number == 0 and row.at >= since for row in turns),
        "finished": finished,
        "menu": live,
        "funnel": dict(funnel),
        "booked": dict(Counter(row.channel for row in booked if row.created_at >= since)),
        "answered": len(answered),
        "in_time": sum(wait <= 60 for wait in waits),
        "abandoned": sum(one.outcome != "machine" for one in left),
        "turned_back": sum(one.outcome == "machine" for one in left),
        "waiting": dict(Counter(one.queue_id for one in not_answered)),
        "longest": min((one.joined_at for one in not_answered), default=None),
        "told": sum(one.told_seconds is not None for one in answered),
    }


def shown(body: dict[str, Any]) -> dict[str, Any]:
    """The same figures as a screen has them."""
    longest = body["line"]["longest"]
    return {
        "calls": body["calls"]["today"],
        "finished": body["finished"]["today"],
        "menu": body["menu"]["calls"],
        "funnel": {
            (name, row["step"]): row[name]
            for row in body["funnel"]
            for name in ("entered", "missed", "silent", "repeated", "hung_up")
            if row[name]
        },
        "booked": {name: value for name, value in body["bookings"]["channels"].items() if value},
        "answered": body["service"]["answered"],
        "in_time": body["service"]["in_time"],
        "abandoned": body["service"]["abandoned"],
        "turned_back": body["service"]["turned_back"],
        "waiting": {one["id"]: one["calls"] for one in body["line"]["queues"] if one["calls"]},
        "longest": datetime.fromisoformat(longest) if longest else None,
        "told": body["told"]["waits"],
    }


def yesterday_is_counted(house: House, *, but: int = 0) -> None:
    """Write its quarters, except the first `but`: a board counts one of them at each look."""
    now = house.clock.now()
    with house.database.transaction() as connection:
        for number in range(but, (day_begins(now) - day_before(now)) // QUARTER):
            tallies.write(connection, day_before(now) + number * QUARTER, {})


def works(
    database: Database, staff_id: str, state: str, since: datetime, name: str = "Anna"
) -> None:
    """An agent in a state."""
    with database.transaction() as connection:
        row = {
            "id": staff_id,
            "login": staff_id,
            "name": name,
            "role": "agent",
            "password_hash": "",
            "sessions_from": since,
            "created_at": since,
            "updated_at": since,
        }
        connection.execute(staff.insert(), [row])
        seen = {"staff_id": staff_id, "state": state, "since": since, "seen_at": since}
        connection.execute(agent.insert(), [seen])


def bad_text(database: Database, number: int, state: str, at: datetime) -> None:
    row = {
        "id": f"M{number:030d}",
        "kind": "sms",
        "dedupe_key": f"K{number}",
        "state": state,
        "due_at": at,
        "created_at": at,
        "updated_at": at,
    }
    with database.transaction() as connection:
        connection.execute(message.insert(), [row])


def queues(database: Database) -> Iterator[str]:
    with database.statement() as connection:
        yield from connection.execute(select(agent_queue.c.id)).scalars()


def body_of(house: House) -> dict[str, Any]:
    """What the board's screens are given."""
    with house.database.statement() as connection:
        found = snapshots.get(connection, NAME)
    assert found is not None
    assert found.body is not None
    body: dict[str, Any] = json.loads(found.body)
    return body


def at(text: str) -> datetime:
    """A moment (UTC) by its text."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)
