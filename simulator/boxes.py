"""Calls that run in other processes: what they ask comes in requests, their orders wait in a box.

Each process has one box, and asks for its orders with one request for all its calls.
"""

import threading

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from simulator.calls import FINAL
from simulator.orders import Mailbox, Order, written
from simulator.switchboard import Switchboard

# A process that asked for nothing for so long (seconds) is gone, and its calls with it.
AWAY_S = 10.0


@dataclass
class RemoteCall:
    """A call as this process sees it; see `Party`. Its time goes by where it runs."""

    sid: str
    sender: str
    recipient: str
    box: str
    direction: str = "inbound"
    status: str = "in-progress"
    mailbox: Mailbox = field(default_factory=Mailbox)
    own_pace: bool = True

    def pass_time(self, seconds: float) -> None:
        """Do nothing."""


@dataclass
class Box:
    """The orders for one process, numbered from 1; those that it has are forgotten."""

    seen: float
    count: int = 0
    orders: list[dict[str, Any]] = field(default_factory=list)

    def add(self, call_sid: str, order: Order) -> None:
        """Leave an order for a call."""
        self.count += 1
        self.orders.append({"n": self.count, "call": call_sid, **written(order)})


class Boxes:
    """The boxes of all processes; safe between threads."""

    def __init__(self, switchboard: Switchboard, away_s: float = AWAY_S) -> None:
        self._switchboard, self._away_s = switchboard, away_s
        self._boxes: dict[str, Box] = {}
        self._changed = threading.Condition()

    def begin(self, box: str, form: Mapping[str, str]) -> None:
        """Have a call in the switchboard whose orders go to `box`."""
        if self._switchboard.live(form["CallSid"]) is not None:
            return
        call = RemoteCall(form["CallSid"], form.get("From", ""), form.get("To", ""), box)

        def forward() -> None:
            with self._changed:
                found = self._boxes.setdefault(box, Box(self._now()))
                while (order := call.mailbox.take()) is not None:
                    found.add(call.sid, order)
                self._changed.notify_all()

        call.mailbox.on_post = forward
        with self._changed:
            self._boxes.setdefault(box, Box(self._now())).seen = self._now()
        self._switchboard.enter(call)

    def end(self, call_sid: str, status: str) -> None:
        """Take note that a call is over."""
        call = self._switchboard.live(call_sid)
        if isinstance(call, RemoteCall):
            call.status = status if status in FINAL else "completed"
            self._switchboard.over(call)

    def orders(self, box: str, after: int, patience_s: float = 0.0) -> list[dict[str, Any]]:
        """Return the orders after number `after`, which are had; waits a moment for the first."""
        with self._changed:
            found = self._boxes.setdefault(box, Box(self._now()))
            found.seen = self._now()
            found.orders = [order for order in found.orders if order["n"] > after]
            self._changed.wait_for(lambda: bool(found.orders), patience_s)
            return list(found.orders)

    def drop_away(self) -> int:
        """End the calls of processes that are gone; return how many."""
        with self._changed:
            gone = {
                name for name, box in self._boxes.items() if self._now() - box.seen > self._away_s
            }
            for name in gone:
                del self._boxes[name]
        calls = [
            call
            for call in self._switchboard.live_calls()
            if isinstance(call, RemoteCall) and call.box in gone
        ]
        for call in calls:
            call.status = "completed"
            self._switchboard.over(call)
        return len(calls)

    def _now(self) -> float:
        return self._switchboard.clock.now().timestamp()
