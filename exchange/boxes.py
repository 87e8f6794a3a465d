"""Calls that run in other processes: what they ask comes in requests, their orders wait in a box.

Each process has one box, and asks for its orders with one request for all its calls. A process with
real telephones says whom it can ring; what rings where, and who was first, is decided in `ringing`.
"""

import math
import secrets
import threading

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from exchange.calls import FINAL
from exchange.orders import Errand, Mailbox, Order, written
from exchange.switchboard import Switchboard

# A process that asked for nothing for so long (seconds) is gone, and its calls with it.
AWAY_S = 10.0


@dataclass
class RemoteCall:
    """A call as this process sees it; see `Party`. Its time goes by where it runs.

    `begun` is whether its process has begun it: of a call that it took off a telephone it knows
    sooner than that. `on_over` is told of its end, and whether the process told of it itself.
    """

    sid: str
    sender: str
    recipient: str
    box: str
    direction: str = "inbound"
    status: str = "in-progress"
    mailbox: Mailbox = field(default_factory=Mailbox)
    own_pace: bool = True
    since: datetime | None = None
    begun: bool = True
    on_over: Callable[["RemoteCall", bool], None] = lambda _call, _told: None

    def pass_time(self, seconds: float) -> None:
        """Do nothing."""

    def lasted_s(self, now: datetime) -> int:
        """Return the whole seconds since it was answered."""
        return math.ceil((now - (self.since or now)).total_seconds())


@dataclass
class Box:
    """The orders for one process, numbered from 1; those that it has are forgotten.

    `life` tells one box from the next of the same name, which counts from 1 again.
    """

    seen: float
    life: str = field(default_factory=lambda: secrets.token_hex(8))
    count: int = 0
    orders: list[dict[str, Any]] = field(default_factory=list)
    # Whom the process can ring: these numbers and clients, and all numbers that begin so.
    names: frozenset[str] = frozenset()
    prefixes: tuple[str, ...] = ()

    def add(self, call_sid: str, order: Order | Errand) -> None:
        """Leave an order for a call, or for the process about a call."""
        self.count += 1
        self.orders.append({"n": self.count, "call": call_sid, **written(order)})


class Boxes:
    """The boxes of all processes; safe between threads."""

    def __init__(self, switchboard: Switchboard) -> None:
        self._switchboard = switchboard
        self._boxes: dict[str, Box] = {}
        # Whether numbers out there are really called, since a process has said so: while that one
        # is started anew, too. Nobody is pretended to be there then.
        self.trunk = False
        self._changed = threading.Condition()
        # Told of each process that is gone, before its calls end.
        self.on_gone: Callable[[str], None] = lambda _box: None

    def begin(self, box: str, form: Mapping[str, str]) -> str:
        """Have a call in the switchboard whose orders go to `box`; return the life of the box."""
        with self._changed:
            found = self._touched(box)
        live = self._switchboard.live(form["CallSid"])
        if isinstance(live, RemoteCall):
            live.begun = True
        elif live is None:
            sender, recipient = form.get("From", ""), form.get("To", "")
            direction = form.get("Direction", "inbound")
            self.enter(RemoteCall(form["CallSid"], sender, recipient, box, direction))
        return found.life

    def enter(self, call: RemoteCall) -> None:
        """Have this call in the switchboard, and its orders in its box."""

        def forward() -> None:
            with self._changed:
                found = self._found(call.box)
                while (order := call.mailbox.take()) is not None:
                    found.add(call.sid, order)
                self._changed.notify_all()

        call.since = call.since or self._switchboard.clock.now()
        call.mailbox.on_post = forward
        self._switchboard.enter(call)

    def end(self, call_sid: str, status: str) -> None:
        call = self._switchboard.live(call_sid)
        if isinstance(call, RemoteCall):
            self._over(call, status if status in FINAL else "completed", told=call.begun)

    def runs(self, box: str, call_sid: str) -> bool:
        call = self._switchboard.live(call_sid)
        return isinstance(call, RemoteCall) and call.box == box

    def there(self, box: str) -> bool:
        with self._changed:
            return box in self._boxes and not self._away(self._boxes[box])

    def offers(
        self, box: str, names: Collection[str], prefixes: Collection[str], *, trunk: bool = False
    ) -> None:
        """Take note of all that a process can ring from now on, and whether it has a trunk."""
        with self._changed:
            self.trunk = self.trunk or trunk
            found = self._found(box)
            found.names, found.prefixes = frozenset(names), tuple(filter(None, prefixes))

    def named(self, recipient: str) -> list[str]:
        """Return the boxes of those who have this number's or this client's telephone."""
        return self._who(lambda box: recipient in box.names)

    def towards(self, number: str) -> list[str]:
        """Return the boxes of those who can ring a number out there, on somebody's account."""
        return self._who(lambda box: number.startswith(box.prefixes))

    def post(self, box: str, call_sid: str, errand: Errand) -> None:
        """Ask something of a process about a call that may not run there, if the process is there.

        It is not asked of a box that is gone, or it would be made anew for nobody.
        """
        with self._changed:
            if box in self._boxes:
                self._boxes[box].add(call_sid, errand)
                self._changed.notify_all()

    def orders(
        self, box: str, after: int, patience_s: float = 0.0, life: str = ""
    ) -> tuple[str, list[dict[str, Any]]]:
        """Return the life of a box, and the orders after number `after` of `life`, which are had.

        Waits up to `patience_s` seconds for the first. Who knew another life knows none of this
        one's orders.
        """
        with self._changed:
            found = self._touched(box)
            after = after if life in {"", found.life} else 0
            found.orders = [order for order in found.orders if order["n"] > after]
            # Who does not know of this life has things to bring in again, and should not wait.
            patience_s = patience_s if life in {"", found.life} else 0.0
            self._changed.wait_for(lambda: bool(found.orders), patience_s)
            return found.life, list(found.orders)

    def drop_away(self) -> int:
        """End the calls of processes that are gone; return how many."""
        with self._changed:
            gone = {name for name, box in self._boxes.items() if self._away(box)}
            for name in gone:
                del self._boxes[name]
        for name in gone:
            self.on_gone(name)
        calls = [
            call
            for call in self._switchboard.live_calls()
            if isinstance(call, RemoteCall) and call.box in gone
        ]
        for call in calls:
            self._over(call, "completed", told=False)
        return len(calls)

    def _who(self, can: Callable[[Box], bool]) -> list[str]:
        with self._changed:
            return [name for name, box in self._boxes.items() if can(box) and not self._away(box)]

    def _over(self, call: RemoteCall, status: str, *, told: bool) -> None:
        with self._changed:
            if call.status in FINAL:
                return
            call.status = status
        self._switchboard.over(call)
        call.on_over(call, told)

    def _found(self, box: str) -> Box:
        found = self._boxes.get(box)
        if found is None:
            found = self._boxes[box] = Box(self._now())
        return found

    def _touched(self, box: str) -> Box:
        found = self._found(box)
        found.seen = self._now()
        return found

    def _away(self, box: Box) -> bool:
        return self._now() - box.seen > AWAY_S

    def _now(self) -> float:
        return self._switchboard.clock.now().timestamp()
