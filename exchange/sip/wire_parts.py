"""What the rooms of the SIP wire share: peers, time, limits, and whom a line's events go to."""

import asyncio
import threading

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal, Protocol

from exchange.sip.parts import Ear

Transport = Literal["UDP", "TCP"]
# Keys and other events that are kept for a receiver who is not there yet.
_KEPT: Final = 32


@dataclass(frozen=True)
class Peer:
    """Where a message came from: what answers it goes there, whatever the message says.

    Over TCP it stands for that one connection.
    """

    host: str
    port: int
    transport: Transport = "UDP"


class NotAllowed(Exception):
    """A call out that is refused here: nothing was sent. Says why, without a number."""


class Cancellable(Protocol):
    """Something that was to be done later."""

    def cancel(self) -> None:
        """Have it not done."""


class Times:
    """The running loop's time in seconds, and what is due later."""

    def now(self) -> float:
        """Return the time."""
        return asyncio.get_running_loop().time()

    def later(self, seconds: float, what: Callable[[], None]) -> Cancellable:
        """Have something done on the loop, `seconds` from now."""
        return asyncio.get_running_loop().call_later(seconds, what)


@dataclass(frozen=True)
class Timers:
    """Seconds, named as in RFC 3261 §17 (T1, T2, T4) and §16.6 (how long a telephone rings).

    `held` is how long a call may be one in which the other side sends no sound.
    """

    t1: float = 0.5
    t2: float = 4.0
    t4: float = 5.0
    rings: float = 180.0
    held: float = 3600.0

    @property
    def patience(self) -> float:
        """How long an answer is waited for, and a finished transaction kept: 64 times T1."""
        return 64 * self.t1


@dataclass(frozen=True)
class Limits:
    """What one source, and all of them together, may take. Rates are a second, with a burst."""

    # Of any kind, before they are read: reading takes a tenth of a millisecond, and sound waits.
    messages: float = 600.0
    message_burst: int = 5000
    invites: float = 60.0
    invite_burst: int = 150
    # Other requests outside of a call: REGISTER, OPTIONS and what is not served.
    requests: float = 50.0
    request_burst: int = 200
    # Those within calls, so that one that asks without end does not take everybody's room.
    in_calls: float = 150.0
    in_call_burst: int = 1000
    # Wrong passwords; then nothing of that source is looked at until it has waited.
    guesses: float = 0.1
    guess_burst: int = 10
    sources: int = 4096
    transactions: int = 8192
    connections: int = 256
    connections_a_source: int = 64
    # Seconds that a TCP connection may take to bring a whole message.
    stall: float = 30.0
    # Bytes: a datagram; the header and the body of a message over TCP; what waits to be sent.
    datagram: int = 16 * 1024
    header: int = 16 * 1024
    body: int = 16 * 1024
    unsent: int = 256 * 1024
    # Telephones that one account may have.
    bindings: int = 4
    nonces: int = 4096


class Buckets:
    """Token buckets, one a source; the one that was not seen for longest is forgotten first."""

    def __init__(self, rate: float, burst: int, most: int, now: Callable[[], float]) -> None:
        self._rate, self._burst, self._most, self._now = rate, burst, most, now
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._left)

    def take(self, source: str, count: float = 1.0) -> bool:
        """Take `count` tokens; False where there are not as many. 0 asks whether any is left."""
        now = self._now()
        left, since = self._left.pop(source, (float(self._burst), now))
        left = min(self._burst, left + (now - since) * self._rate)
        enough = left >= max(count, 1.0)
        self._left[source] = (left - count if enough else left, now)
        if len(self._left) > self._most:
            self._left.popitem(last=False)
        return enough


@dataclass(frozen=True)
class Progress:
    """What became of a call out, and the SIP status that said so.

    `ringing` may come several times or never; of the others one comes, once. Nothing comes any
    more after `hang_up`.
    """

    what: Literal["ringing", "answered", "busy", "no-answer", "failed"]
    code: int


@dataclass(frozen=True)
class Contact:
    """A telephone that registered: the account, what it calls itself, and where it is."""

    account: str
    uri: str
    peer: Peer


class EarSwitch:
    """Tells an `Ear` what happens on a line, and keeps it while there is none yet.

    `ear` may be set from any thread: what was kept is told at once, in order.
    """

    def __init__(self) -> None:
        self._ear: Ear | None = None
        self._kept: list[Callable[[Ear], None]] = []
        self._over = False
        self._lock = threading.RLock()

    @property
    def ear(self) -> Ear | None:
        """Who is told; None before anybody is."""
        return self._ear

    @ear.setter
    def ear(self, ear: Ear | None) -> None:
        with self._lock:
            self._ear = ear
            while ear is not None and self._kept:
                self._kept.pop(0)(ear)

    def key(self, digit: str) -> None:
        self._news(lambda ear: ear.key(digit))

    def idle(self) -> None:
        """See `Ear`; nobody asks for one that came too early."""
        if self._ear is not None:
            self._news(lambda ear: ear.idle())

    def tell_gone(self, how: str) -> None:
        """Tell that the call is over; only the first counts."""
        if not self._over:
            self._news(lambda ear: ear.gone(how), always=True)
            self._over = True

    def mute(self) -> None:
        """Tell nothing more."""
        self._over = True

    def _news(self, tell: Callable[[Ear], None], *, always: bool = False) -> None:
        with self._lock:
            if self._over:
                return
            if self._ear is not None:
                tell(self._ear)
            elif always or len(self._kept) < _KEPT:
                self._kept.append(tell)
