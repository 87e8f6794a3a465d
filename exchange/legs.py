"""Kinds of callers. A leg hears what the exchange plays and says what the caller does.

The exchange never knows which kind it has: a script, a person at a terminal, a browser or a SIP
telephone. A new kind is a class with the two methods of `Leg`; one that has something to do in a
conference has the third of `Talker`, too. Any of them may raise HungUp instead of returning HangUp.
"""

from collections.abc import Callable, Iterable
from typing import Protocol, runtime_checkable

from exchange.interpreter import (
    Call,
    ConferenceWait,
    Gather,
    HangUp,
    HungUp,
    Input,
    Keys,
    QueueWait,
    Silence,
    Speech,
)


class Leg(Protocol):
    """What the exchange asks of a caller's end of the line."""

    def answers(self, call: Call, gather: Gather) -> Input:
        """Return what the caller does at a Gather whose prompt was heard."""

    def waits(self, call: Call, queue: QueueWait) -> Input:
        """Return `Silence` to go on waiting in a queue, or `HangUp`."""


# Makes the person of a temperament: of a seed, at the number (E.164) that was rung.
LegMaker = Callable[[int, str], Leg]


@runtime_checkable
class Talker(Leg, Protocol):
    """A leg that does something in a conference; others stay there until it ends."""

    def confers(self, call: Call, wait: ConferenceWait) -> Input:
        """Return `Silence` to talk on, or `HangUp`; keys do nothing.

        Asked when it comes in, whenever something changed there, and about once a second.
        """


def _acts(call: Call, leg: Leg) -> Input:
    try:
        match call.waiting:
            case Gather() as gather:
                return leg.answers(call, gather)
            case QueueWait() as queue:
                return leg.waits(call, queue)
            case ConferenceWait() as wait if isinstance(leg, Talker):
                return leg.confers(call, wait)
    except HungUp:
        return HangUp()
    return Silence()


def drive(call: Call, leg: Leg) -> Call:
    """Dial, and let `leg` act until the call is over.

    With a switchboard this is for a thread of its own: others end the waiting. A leg that waits
    for somebody looks at `call.mailbox` meanwhile; whatever it returns then, the order goes first.
    Keys and words still count where it was about something else and the same Gather waits on.
    """
    call.dial()
    while not call.ended:
        asked = call.waiting
        action = _acts(call, leg)
        if not call.mailbox or isinstance(action, HangUp):
            call.act(action)
            continue
        call.obey()
        if isinstance(action, Keys | Speech) and call.waiting is asked:
            call.act(action)
    return call


def step(call: Call, leg: Leg) -> bool:
    """Dial or obey, and let `leg` act until the call waits for others; return whether it is over.

    Whoever stays in a queue or a conference is left there until an order comes.
    """
    if not call.dialled:
        call.dial()
    else:
        call.obey()
    while not call.ended:
        action = _acts(call, leg)
        if not isinstance(call.waiting, Gather) and not isinstance(action, HangUp):
            return False
        if call.queue and isinstance(action, Silence):
            # An offer in a queue that nobody takes comes again and again.
            return False
        call.act(action)
    return True


class KeysLeg:
    """Presses given keys, one group at each Gather, then nothing until the call ends.

    An empty group is silence at that Gather. Hangs up after `patience` silences in a row once the
    groups are used up, for a service that asks for ever.
    """

    def __init__(self, groups: Iterable[str], patience: int = 30) -> None:
        self._groups = iter(groups)
        self._patience = patience

    def answers(self, call: Call, gather: Gather) -> Input:
        group = next(self._groups, None)
        if group:
            return Keys(group)
        if group is None:
            self._patience -= 1
        return HangUp() if self._patience < 0 else Silence()

    def waits(self, call: Call, queue: QueueWait) -> Input:
        """Hang up: a script has nothing to wait for."""
        return HangUp()


class MachineLeg:
    """An answering machine: it greets, says nothing more, and hangs up when its tape is full.

    Where speech is listened for, its greeting is what is heard first.
    """

    tape_s = 30.0

    def __init__(self, greeting: str = "") -> None:
        self._greeting = greeting

    def answers(self, call: Call, gather: Gather) -> Input:
        if self._full(call):
            return HangUp()
        if self._greeting and "speech" in gather.inputs:
            heard, self._greeting = self._greeting, ""
            return Speech(heard, 0.6)
        return Silence()

    def waits(self, call: Call, queue: QueueWait) -> Input:
        return HangUp() if self._full(call) else Silence()

    def confers(self, call: Call, wait: ConferenceWait) -> Input:
        return HangUp() if self._full(call) else Silence()

    def _full(self, call: Call) -> bool:
        return call.duration_s >= self.tape_s
