"""Kinds of callers. A leg hears what the exchange plays and says what the caller does.

The exchange never knows which kind it has: a script, a person at a terminal, later a browser or a
SIP telephone. A new kind is a class with the two methods of `Leg`.
"""

from collections.abc import Iterable
from typing import Protocol

from simulator.exchange import Call, Gather, HangUp, Input, Keys, QueueWait, Silence


class Leg(Protocol):
    """What the exchange asks of a caller's end of the line."""

    def answers(self, call: Call, gather: Gather) -> Input:
        """Return what the caller does at a Gather whose prompt was heard."""
        ...

    def waits(self, call: Call, queue: QueueWait) -> Input:
        """Return `Silence` to go on waiting in a queue, or `HangUp`."""
        ...


def drive(call: Call, leg: Leg) -> Call:
    """Dial, and let `leg` act until the call is over."""
    call.dial()
    while not call.ended:
        if isinstance(call.waiting, Gather):
            call.act(leg.answers(call, call.waiting))
        elif call.waiting is not None:
            call.act(leg.waits(call, call.waiting))
    return call


class KeysLeg:
    """Presses given keys, one group at each Gather, then nothing until the call ends.

    An empty group is silence at that Gather. Hangs up after `patience` silences in a row once the
    groups are used up, for a service that asks for ever.
    """

    def __init__(self, groups: Iterable[str], patience: int = 30) -> None:
        self._groups = iter(groups)
        self._patience = patience

    def answers(self, call: Call, gather: Gather) -> Input:
        """See `Leg`."""
        group = next(self._groups, None)
        if group:
            return Keys(group)
        if group is None:
            self._patience -= 1
        return HangUp() if self._patience < 0 else Silence()

    def waits(self, call: Call, queue: QueueWait) -> Input:
        """Hang up: a script has nothing to wait for."""
        return HangUp()
