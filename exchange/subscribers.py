"""People at numbers that the service may ring: somebody of a crowd, a telephone in a browser.

A subscriber is asked whether it knows the number; then the call rings, and the subscriber takes
it, refuses it, or lets it ring until the service gives up.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, Protocol

from exchange.calls import CallRecord
from exchange.clock import Clock
from exchange.interpreter import Call, Heard
from exchange.legs import Leg
from exchange.orders import Lines, Mailbox, Ring


@dataclass(frozen=True)
class Rung:
    """A call that rings. `refuse` takes `busy` or `no-answer`.

    `make` makes the call that it becomes when it is taken, on a clock; `answer` then runs it with
    a leg and tells of its end. Whatever comes after the ringing is over does nothing.
    """

    record: CallRecord
    make: Callable[[Clock, Callable[[Heard], None] | None], Call]
    answer: Callable[[Call, Leg, Callable[[Call], None]], None]
    refuse: Callable[[str], None]

    @property
    def still_rings(self) -> bool:
        return self.record.status == "ringing"


@dataclass(frozen=True)
class Taken:
    """A call that rang and was taken; what is asked of it comes into the mailbox."""

    ring: Ring
    mailbox: Mailbox
    lines: Lines

    def call(self, *, rang: bool = True, **hooks: Any) -> Call:
        """Return the call that it becomes, not dialled yet.

        `rang` is whether its status callbacks up to the ringing were sent; `hooks` are what else a
        `Call` is made with: the transport, the secret, its clock, and who is told of it.
        """
        given = asdict(self.ring)
        del given["timeout_s"]
        sid, sequence = given.pop("sid"), given.pop("sequence")
        return Call(
            **given,
            call_sid=sid,
            switchboard=self.lines,
            mailbox=self.mailbox,
            rung=sequence if rang else None,
            **hooks,
        )


class Subscriber(Protocol):
    """Whoever is at some numbers."""

    def knows(self, number: str) -> bool:
        """Whether it answers for this number now."""

    def rings(self, rung: Rung) -> None:
        """Take note of a call; it may be taken at once, later, or never."""

    def stops(self, rung: Rung) -> None:
        """Take note that a call stopped ringing without having been taken."""
