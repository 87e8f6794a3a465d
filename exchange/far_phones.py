"""Telephones that other processes have: real ones, that speak SIP.

A process says whom it can ring, is asked to ring, and says how that went. A call that was taken
there runs there: here it is one of `boxes`, as any other that runs elsewhere. What rings where, and
who was first, is decided in `ringing`.
"""

import threading

from collections.abc import Callable, Collection
from dataclasses import dataclass

from exchange.boxes import Boxes, RemoteCall
from exchange.calls import CallRecord
from exchange.orders import Press, Ring, StopRinging


@dataclass(frozen=True)
class Offer:
    """Whom a process can ring: these numbers and clients, and all numbers that begin so."""

    names: frozenset[str] = frozenset()
    prefixes: tuple[str, ...] = ()


class FarPhones:
    """Which process can ring whom; safe between threads."""

    def __init__(self, boxes: Boxes) -> None:
        self._boxes = boxes
        self._offers: dict[str, Offer] = {}
        # Whether numbers out there are really called, since a process has said so: while that one
        # is started anew, too. Nobody is pretended to be there then.
        self.trunk = False
        self._lock = threading.Lock()

    def offers(
        self, box: str, names: Collection[str], prefixes: Collection[str], *, trunk: bool = False
    ) -> None:
        """Take note of all that a process can ring from now on, and whether it has a trunk."""
        with self._lock:
            self.trunk = self.trunk or trunk
            self._offers[box] = Offer(frozenset(names), tuple(filter(None, prefixes)))

    def gone(self, box: str) -> None:
        """Forget a process."""
        with self._lock:
            self._offers.pop(box, None)

    def named(self, recipient: str) -> list[str]:
        """Return the boxes of those who have this number's or this client's telephone."""
        return self._who(lambda offer: recipient in offer.names)

    def towards(self, number: str) -> list[str]:
        """Return the boxes of those who can ring a number out there, on somebody's account."""
        return self._who(lambda offer: number.startswith(offer.prefixes))

    def ring(self, box: str, ring: Ring) -> None:
        """Have a telephone rung."""
        self._boxes.post(box, ring.sid, ring)

    def stop(self, box: str, call_sid: str) -> None:
        """Have it ring no more; a process that does not ring it takes no notice."""
        self._boxes.post(box, call_sid, StopRinging(call_sid))

    def press(self, box: str, call_sid: str, keys: str) -> None:
        """Have keys pressed in a call that was taken there."""
        self._boxes.post(box, call_sid, Press(keys))

    def taken(
        self, box: str, record: CallRecord, over: Callable[[RemoteCall, bool], None]
    ) -> RemoteCall:
        """Have a call in the switchboard that was taken there; `over` is `RemoteCall.on_over`."""
        call = RemoteCall(
            record.sid,
            record.sender,
            record.recipient,
            box,
            record.direction,
            begun=False,
            on_over=over,
        )
        self._boxes.enter(call)
        return call

    def _who(self, can: Callable[[Offer], bool]) -> list[str]:
        with self._lock:
            found = [box for box, offer in self._offers.items() if can(offer)]
        return [box for box in found if self._boxes.there(box)]
