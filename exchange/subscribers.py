"""People at numbers that the service may ring: somebody of a crowd, a telephone in a browser.

A subscriber is asked whether it knows the number; then the call rings, and the subscriber takes
it, refuses it, or lets it ring until the service gives up.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from exchange.calls import CallRecord
from exchange.clock import Clock
from exchange.interpreter import Call, Heard
from exchange.legs import Leg
from exchange.orders import Lines, Mailbox, Ring, Seat
from exchange.transport import Transport


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

    def call(
        self,
        *,
        transport: Transport,
        auth_token: str,
        clock: Clock,
        heard_by: Callable[[Heard], None] | None = None,
        seated_by: Callable[[Seat | None], None] | None = None,
        over_by: Callable[[], None] | None = None,
        rang: bool = True,
    ) -> Call:
        """Return the call that it becomes, not dialled yet.

        `rang` is whether its status callbacks up to the ringing were sent.
        """
        ring = self.ring
        return Call(
            url=ring.url,
            method=ring.method,
            twiml=ring.twiml,
            fallback_url=ring.fallback_url,
            status_url=ring.status_url,
            status_events=ring.status_events,
            transport=transport,
            auth_token=auth_token,
            account_sid=ring.account_sid,
            call_sid=ring.sid,
            sender=ring.sender,
            recipient=ring.to,
            direction=ring.direction,
            clock=clock,
            heard_by=heard_by,
            seated_by=seated_by,
            over_by=over_by,
            switchboard=self.lines,
            rung=ring.sequence if rang else None,
            mailbox=self.mailbox,
        )


class Subscriber(Protocol):
    """Whoever is at some numbers."""

    def knows(self, number: str) -> bool:
        """Whether it answers for this number now."""

    def rings(self, rung: Rung) -> None:
        """Take note of a call; it may be taken at once, later, or never."""

    def stops(self, rung: Rung) -> None:
        """Take note that a call stopped ringing without having been taken."""
