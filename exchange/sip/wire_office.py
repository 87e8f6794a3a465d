"""What all calls of the wire have in common: the plan, the tables, time, and the loop's thread."""

import asyncio
import contextlib
import logging
import threading
import traceback

from collections import Counter
from collections.abc import Callable
from concurrent.futures import CancelledError, Future
from dataclasses import dataclass, field
from typing import Final, Protocol

from exchange.sip.line import LineOpener
from exchange.sip.settings import Plan
from exchange.sip.wire_messages import COOKIE, Request
from exchange.sip.wire_parts import Limits, Peer, Timers, Times
from exchange.sip.wire_transactions import Server, Transactions

log = logging.getLogger(__name__)

# Seconds that a thread waits for the loop.
_ASK_S: Final = 10.0


def trouble(what: str, error: Exception) -> None:
    """Log where it was and what kind of trouble, without what somebody said."""
    last = traceback.extract_tb(error.__traceback__)[-1]
    log.error("%s: %s in %s:%s", what, type(error).__name__, last.name, last.lineno)


class Loop:
    """Has things done on the loop's thread, from any thread."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop, self._thread = loop, threading.get_ident()

    def post(self, what: Callable[[], object]) -> None:
        """Do it soon; never raises."""
        with contextlib.suppress(RuntimeError):  # the loop is closed, and the call with it
            self._loop.call_soon_threadsafe(self._guarded, what)

    def _guarded(self, what: Callable[[], object]) -> None:
        try:
            what()
        except Exception as error:  # noqa: BLE001 - one call's trouble is not everybody's
            trouble("a step of a call failed", error)

    def ask(self, what: Callable[[], bool]) -> bool:
        """Do it, wait for it, and return what it returns; False where the loop is gone."""
        if threading.get_ident() == self._thread:
            return what()
        answer: Future[bool] = Future()

        def step() -> None:
            if answer.set_running_or_notify_cancel():
                try:
                    answer.set_result(what())
                except Exception as error:  # noqa: BLE001 - see above; who waits is told
                    trouble("a step of a call failed", error)
                    answer.set_result(False)

        self.post(step)
        try:
            return answer.result(_ASK_S)
        except (TimeoutError, CancelledError):
            answer.cancel()
            return False


class Dialog(Protocol):
    """One call, as the tables have it; on the loop."""

    def belongs(self, request: Request) -> bool:
        """Return whether a request is of this dialog."""

    def receive(self, request: Request, server: Server) -> None:
        """Answer a request within the dialog."""

    def acknowledge(self, request: Request) -> None:
        """Take the ACK of our 200 in."""

    def end_here(self, status: int = 480) -> None:
        """End it from our side, whatever it does; with that status where it is not answered."""

    def forget(self) -> None:
        """Take it out of the tables."""


@dataclass
class Office:
    """What all calls have in common."""

    plan: Plan
    loop: Loop
    transactions: Transactions
    times: Times
    timers: Timers
    limits: Limits
    random: Callable[[int], bytes]
    counts: Counter[str]
    open_line: LineOpener
    # Called whenever a dialog is over for good.
    forgotten: Callable[[], None] = lambda: None
    port: int = 0
    # Calls that go on; dialogs by our tag, some of which only wait for a last answer; and the
    # INVITEs that began the calls from outside.
    calls: set[Dialog] = field(default_factory=set)
    dialogs: dict[str, Dialog] = field(default_factory=dict)
    invites: dict[tuple[str, str, int], Dialog] = field(default_factory=dict)

    def tag(self) -> str:
        """Return a tag or a piece of an id that nobody guesses."""
        return self.random(8).hex()

    @property
    def own_host(self) -> str:
        """The address that everybody is told to send to."""
        return self.plan.advertised_host

    def own_contact(self, peer: Peer) -> str:
        """Return the Contact that we tell to somebody."""
        over = ";transport=tcp" if peer.transport == "TCP" else ""
        return f"<sip:{in_uri(self.own_host)}:{self.port}{over}>"

    def via(self, peer: Peer, branch: str) -> str:
        """Return the Via of a request of ours."""
        host = in_uri(self.own_host)
        return f"SIP/2.0/{peer.transport} {host}:{self.port};branch={branch};rport"

    def branch(self) -> str:
        """Return the mark of a new transaction."""
        return COOKIE + self.tag()


def in_uri(host: str) -> str:
    """Return an address as it stands in a URI."""
    return f"[{host}]" if ":" in host else host
