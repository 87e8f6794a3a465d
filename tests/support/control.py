"""A stand-in for the provider's REST that remembers what was asked, and can fail in every way."""

from __future__ import annotations

import itertools

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from services.ports import Busy, NoAnswer, ProviderRefused


@dataclass(frozen=True)
class Ask:
    """One question. `sid` is the call it is about, or that was made by it."""

    what: str
    sid: str = ""
    path: str = ""
    more: dict[str, Any] = field(default_factory=dict)


@dataclass
class FakeControl:
    """`trouble` is what the next questions meet, one each: refuse, busy, lose, unheard.

    lose: it is done, and the answer does not come back. unheard: it is not done, and no answer
    comes either. `when` is called in the middle of each question.
    """

    calls_per_second: float = 0.0
    asked: list[Ask] = field(default_factory=list)
    trouble: deque[str] = field(default_factory=deque)
    when: Callable[[Ask], None] | None = None
    # Every call that was ever made: (to, sid, path).
    calls: list[tuple[str, str, str]] = field(default_factory=list)
    # Members of a queue who are in it no more, and calls that are over.
    gone: set[str] = field(default_factory=set)
    out_of_queue: set[str] = field(default_factory=set)
    # What a call is, where it does not go on.
    statuses: dict[str, str] = field(default_factory=dict)
    _numbers: Any = field(default_factory=lambda: itertools.count(1))

    def whats(self) -> list[str]:
        return [one.what for one in self.asked]

    def of(self, what: str) -> list[Ask]:
        return [one for one in self.asked if one.what == what]

    def rings_to(self, to: str) -> list[str]:
        """The ids of the calls made to somebody."""
        return [sid for who, sid, _ in self.calls if who == to]

    def _ask(self, ask: Ask, do: Callable[[], None] = lambda: None) -> None:
        if self.when is not None:
            self.when(ask)
        trouble = self.trouble.popleft() if self.trouble else ""
        if trouble == "refuse":
            raise ProviderRefused("21201")
        if trouble == "busy":
            raise Busy("20429")
        if trouble == "unheard":
            raise NoAnswer("ReadTimeoutError")
        if ask.sid in self.gone:
            raise ProviderRefused("20404")
        do()
        self.asked.append(ask)
        if trouble == "lose":
            raise NoAnswer("ReadTimeoutError")

    # The port

    def make_queue(self, name: str, max_size: int) -> str:
        self._ask(Ask("make_queue", more={"name": name, "max_size": max_size}))
        return f"QU{name.encode().hex():0>32}"[:34]

    def ring(
        self, to: str, path: str, *, status_path: str, ring_seconds: int, caller_id: str = ""
    ) -> str:
        sid = f"CA{next(self._numbers):032x}"
        more = {"to": to, "status_path": status_path, "ring_seconds": ring_seconds}
        self._ask(Ask("ring", sid, path, more), lambda: self.calls.append((to, sid, path)))
        return sid

    def find_call(self, to: str, since: datetime) -> str | None:
        self._ask(Ask("find_call", more={"to": to, "since": since}))
        return next(iter(reversed(self.rings_to(to))), None)

    def status_of(self, call_sid: str) -> str:
        self._ask(Ask("status_of", call_sid))
        return self.statuses.get(call_sid, "in-progress")

    def take_from_queue(self, queue_sid: str, call_sid: str, path: str) -> None:
        if call_sid in self.out_of_queue:
            self.asked.append(Ask("not_in_queue", call_sid, path))
            raise ProviderRefused("20404")
        self._ask(Ask("take_from_queue", call_sid, path, {"queue": queue_sid}))

    def redirect(self, call_sid: str, path: str) -> None:
        self._ask(Ask("redirect", call_sid, path))

    def hang_up(self, call_sid: str) -> None:
        self._ask(Ask("hang_up", call_sid))

    def hold(self, conference_sid: str, call_sid: str, *, on: bool, path: str = "") -> None:
        self._ask(Ask("hold" if on else "unhold", call_sid, path, {"conference": conference_sid}))

    def mute(self, conference_sid: str, call_sid: str, *, on: bool) -> None:
        self._ask(Ask("mute" if on else "unmute", call_sid, more={"conference": conference_sid}))

    def coach(
        self, conference_sid: str, call_sid: str, *, coached_sid: str = "", muted: bool
    ) -> None:
        self._ask(Ask("coach", call_sid, more={"coached": coached_sid, "muted": muted}))
