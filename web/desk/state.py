"""What a desk's page asks for each second: its agent, their call, the queue, struggling callers.

Nothing personal is in it. It is made anew only when something changed: one statement tells, and
the rest is shared by all desks of this process for a moment. Callers who struggle are looked for
by one process (`services.agents.struggling`); where it does not, this one looks.
"""

from __future__ import annotations

import hashlib
import json
import time

from datetime import datetime, timedelta
from typing import Any

from services.accounts.staff import names_of
from services.agents import presence
from services.agents.presence import Current, Leg
from services.agents.struggling import NAME as STRUGGLING
from services.agents.struggling import Struggling, as_written, struggling
from services.desk.at_desk import WITH_ENTRY, Now, now_of
from services.store import Store
from services.supervision.snapshots import Shared, Snapshots
from services.supervision.write_board import NAME as BOARD
from web.written import DeskWords

# Seconds that what all desks share is good for.
LINE_FRESH = 0.5
STRUGGLING_FRESH = 2.0
# What one process wrote of struggling callers longer ago (seconds) is not of now.
STRUGGLING_LATE = 6.0
# How often the page's being there is written down, with those of all desks of this process whose
# page asked within so many seconds.
HEARTBEAT = timedelta(seconds=5)
ASKED_WITHIN = 2.0
_OVER = "ended"
_DIGITS = 24


class DeskState:
    """One for each web worker."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._tag = ""
        self._line: dict[str, Any] = {"count": 0, "longest": None}
        # None: the cases were not counted yet.
        self._cases: int | None = None
        self._snapshots = Snapshots(store, seconds=LINE_FRESH)
        self._shared_struggling = Shared(self._look, STRUGGLING_FRESH, time.monotonic)
        # When the page of each agent asked last, by a monotonic clock.
        self._asked: dict[str, float] = {}
        # What an agent's call is like, with what it was made from.
        self._calls: dict[str, tuple[tuple[Any, ...], dict[str, Any]]] = {}

    def _look(self, _before: list[Struggling] | None) -> list[Struggling]:
        with self._store.database.statement() as connection:
            return struggling(connection, self._store)

    def struggling(self) -> list[Struggling]:
        """Callers in the menu who struggle."""
        read = self._snapshots.get(STRUGGLING)
        if read is None or read.age(self._snapshots.ticks()) > STRUGGLING_LATE:
            return self._shared_struggling.get() or []
        return as_written(read.snapshot.body or "")

    def _in_words(self, written: DeskWords) -> list[dict[str, Any]]:
        return [
            {
                "call": call.call_id,
                "step": written.step(call.step),
                "why": written.of("struggle", call.why, call.why),
                "since": iso(call.at),
            }
            for call in self.struggling()
        ]

    def line(self) -> dict[str, Any]:
        """How many callers wait in the queue, and since when the first does (ISO 8601)."""
        read = self._snapshots.get(BOARD)
        if read is not None and read.snapshot.body and read.snapshot.tag != self._tag:
            body = json.loads(read.snapshot.body)
            line = body.get("line", {})
            self._cases = sum(body["cases"].values()) if "cases" in body else None
            self._line = {"count": line.get("calls", 0), "longest": line.get("longest")}
            self._tag = read.snapshot.tag
        return self._line

    def now(self, staff_id: str) -> Now | None:
        """The agent at this moment; their page is there, which is written down now and then."""
        store = self._store
        with store.database.statement() as connection:
            now = now_of(connection, staff_id)
        ticks = time.monotonic()
        self._asked[staff_id] = ticks
        if now is not None and store.clock.now() - now.seen_at >= HEARTBEAT:
            asked = list(self._asked.items())
            self._asked = {agent_id: at for agent_id, at in asked if ticks - at < ASKED_WITHIN}
            presence.heartbeat(store, *self._asked)
        return now

    def body(self, staff_id: str, written: DeskWords) -> tuple[str, str]:
        """The answer as JSON, and its tag."""
        now = self.now(staff_id)
        body = {
            "state": now.state if now else "offline",
            "since": iso(now.since) if now else None,
            "reason": now.reason if now else "",
            "later": now.then_pause if now else None,
            "voice": now.voice if now else "browser",
            "entry": entry_of(now),
            **(self._call(staff_id, now, written) if now else _NO_CALL),
            "line": self.line(),
            "cases": self._cases,
            "struggling": self._in_words(written),
        }
        text = json.dumps(body, ensure_ascii=False, separators=(",", ":"))
        return text, hashlib.sha256(text.encode()).hexdigest()[:_DIGITS]

    def _call(self, staff_id: str, now: Now, written: DeskWords) -> dict[str, Any]:
        """The lines of their call; read anew only when one of them, or the entry, changed."""
        if now.entry_id is None:
            self._calls.pop(staff_id, None)
            return _NO_CALL
        made_from = (now.version, now.entry_id, now.entry_version, now.legs_at, written.language)
        known = self._calls.get(staff_id)
        # A wish that is under way changes by itself, without any row that is looked at here.
        if known and known[0] == made_from and not known[1]["pending"]:
            return known[1]
        current = presence.current(self._store, staff_id)
        made = call_of(now, current, watch_of(self._store, current, written), written)
        self._calls[staff_id] = (made_from, made)
        return made


_NO_CALL: dict[str, Any] = {
    "ring": "", "third": None, "watch": [], "pending": 0, "failed": "", "wrapup_until": None,
    "muted": None,
}  # fmt: skip


def iso(moment: datetime | None) -> str | None:
    """A moment for scripts: UTC, to the second."""
    return None if moment is None else f"{moment:%Y-%m-%dT%H:%M:%SZ}"


def entry_of(now: Now | None) -> dict[str, Any] | None:
    """The entry that an agent has. Nothing personal."""
    if now is None or now.entry_id is None or now.state not in WITH_ENTRY:
        return None
    return {
        "id": now.entry_id,
        "kind": now.entry_kind,
        "state": now.entry_state,
        "since": iso(now.answered_at or now.joined_at),
        "held": iso(now.held_at),
        "gone": now.caller_gone,
    }


def watch_of(store: Store, current: Current, written: DeskWords) -> list[dict[str, str]]:
    """The supervisors who hear the call, in words."""
    if not current.heard_by:
        return []
    with store.database.statement() as connection:
        names = names_of(connection, [who for who, _mode in current.heard_by])
    return [
        {"mode": mode, "text": written.words.text(f"desk.watch.{mode}", name=names.get(who, ""))}
        for who, mode in current.heard_by
    ]


def call_of(
    now: Now, current: Current, watch: list[dict[str, str]], written: DeskWords
) -> dict[str, Any]:
    """The lines of an agent's call, in words."""
    third = current.third if current.is_mine else None
    failed = [message.error_code or "" for message in current.pending if message.state == "failed"]
    return {
        "ring": ring_of(now, current),
        "third": {
            "state": third.state,
            "text": written.of("actions", f"third_{third.state}"),
        }
        if third
        else None,
        "watch": watch,
        "pending": sum(message.state in {"pending", "doing"} for message in current.pending),
        "failed": failed[-1] if failed else "",
        "wrapup_until": iso(current.wrapup_until),
        "muted": iso(current.muted_at),
    }


def _newest(legs: tuple[Leg, ...], kind: str) -> Leg | None:
    found = [leg for leg in legs if leg.kind == kind and leg.state != _OVER]
    return found[-1] if found else None


def ring_of(now: Now, current: Current) -> str:
    """What rings: `browser` or `phone` (the agent's), `dialling` (a callback), or nothing."""
    if now.state != "reserved":
        return ""
    mine = _newest(current.legs, "agent")
    if mine is None or mine.state in {"asked", "ringing"}:
        return now.voice
    return "dialling" if now.entry_kind == "callback" else "connecting"
