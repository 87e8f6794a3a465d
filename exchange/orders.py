"""What can be asked of a live call from outside, and what a call asks of the switchboard.

A call runs in one place only: in a thread, in a test, in another process. Whoever wants something
of it leaves an order in its mailbox; the call looks there whenever it has listened or waited.
"""

import threading

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Protocol


@dataclass(frozen=True)
class Seat:
    """A call's place in a conference, as it is now. `coaching` is the SID of the call coached.

    `others` counts the other participants; `started` is when audio is mixed.
    """

    conference: str
    sid: str
    started: bool = False
    others: int = 0
    muted: bool = False
    hold: bool = False
    hold_url: str = ""
    hold_method: str = "GET"
    coaching: str = ""


@dataclass(frozen=True)
class Redirect:
    """Stop what is going on and play this: a document's absolute URL, or a document."""

    url: str = ""
    method: str = "POST"
    twiml: str = ""


@dataclass(frozen=True)
class Complete:
    """End the call, as the REST parameter `Status=completed` does."""


@dataclass(frozen=True)
class Drop:
    """The person at this end of the line puts the receiver down."""


@dataclass(frozen=True)
class Released:
    """The conference is over for this call; `dial_status` is what its <Dial> then says.

    Of a bridge to somebody who was rung, it is how that ended.
    """

    sid: str
    dial_status: str = "answered"


@dataclass(frozen=True)
class Seated:
    """The call's place in its conference has changed."""

    seat: Seat


@dataclass(frozen=True)
class Announce:
    """Play a document to a participant of a conference."""

    url: str
    method: str = "POST"


@dataclass(frozen=True)
class Beep:
    """Somebody came into the conference, or left it."""


Order = Redirect | Complete | Drop | Released | Seated | Announce | Beep


@dataclass(frozen=True)
class Ring:
    """Ring a telephone that this process has; the rest is what the call is made of if it is taken.

    `recipient` is a number or a `client:<name>`. It rings `timeout_s` seconds at most. `sequence`
    is the number of the call's next status callback.
    """

    sid: str
    recipient: str
    sender: str
    timeout_s: int
    account_sid: str = ""
    direction: str = "outbound-api"
    url: str = ""
    method: str = "POST"
    twiml: str = ""
    fallback_url: str = ""
    status_url: str = ""
    status_events: tuple[str, ...] = ("completed",)
    sequence: int = 0


@dataclass(frozen=True)
class StopRinging:
    """The call rings no more: it was taken elsewhere, or is over."""

    sid: str


@dataclass(frozen=True)
class Press:
    """Keys that were pressed for a call at somebody's page."""

    keys: str


# How a call ends that nobody takes; of several, the first is told.
REFUSALS = ("busy", "no-answer", "failed")
# What is asked of a process rather than of one of its calls.
Errand = Ring | StopRinging | Press
KINDS: Mapping[str, Callable[..., Order | Errand]] = {
    kind.__name__: kind
    for kind in (Redirect, Complete, Drop, Released, Announce, Beep, StopRinging, Press)
}


def written(order: Order | Errand) -> dict[str, Any]:
    """Return an order as JSON can carry it."""
    return {"kind": type(order).__name__, **asdict(order)}


def read(given: Mapping[str, Any]) -> Order | Errand:
    """Return the order that `written` wrote."""
    fields = {name: value for name, value in given.items() if name != "kind"}
    if given["kind"] == "Seated":
        return Seated(Seat(**fields["seat"]))
    if given["kind"] == "Ring":
        return Ring(**{**fields, "status_events": tuple(fields["status_events"])})
    return KINDS[given["kind"]](**fields)


class Mailbox:
    """Orders for one call, in order. `on_post` is told of each, in the poster's thread."""

    def __init__(self) -> None:
        self.on_post: Callable[[], None] | None = None
        self._orders: deque[Order] = deque()
        self._changed = threading.Condition()
        self._poked = False

    def post(self, order: Order) -> None:
        with self._changed:
            self._orders.append(order)
            self._changed.notify_all()
        # Outside the lock: whoever is told may hold one of its own.
        if self.on_post is not None:
            self.on_post()

    def take(self) -> Order | None:
        """Return the oldest order and forget it, or None."""
        with self._changed:
            return self._orders.popleft() if self._orders else None

    def has(self, wanted: Callable[[Order], bool]) -> bool:
        """Whether there is an order that is `wanted`; it stays there."""
        with self._changed:
            return any(wanted(order) for order in self._orders)

    def __bool__(self) -> bool:
        return bool(self._orders)

    def poke(self) -> None:
        """End the `wait` that goes on, or the next one, without an order."""
        with self._changed:
            self._poked = True
            self._changed.notify_all()

    def wait(self, seconds: float) -> bool:
        """Wait until there is an order, at most `seconds`; return whether there is one."""
        with self._changed:
            self._changed.wait_for(lambda: self._orders or self._poked, seconds)
            self._poked = False
            return bool(self._orders)


@dataclass(frozen=True)
class Wish:
    """What a <Conference> asks for when a call comes in; `callback_url` is absolute or empty."""

    name: str
    muted: bool = False
    start: bool = True
    end: bool = False
    beep: str = "true"
    coach: str = ""
    label: str = ""
    most: int = 250
    callback_url: str = ""
    callback_method: str = "POST"
    events: tuple[str, ...] = ("start", "end")


class QueueRefused(Exception):
    """A call cannot wait; `result` is the QueueResult: `queue-full` or `system-error`."""

    def __init__(self, result: str, sid: str = "") -> None:
        super().__init__(result)
        self.result, self.sid = result, sid


class NoSeat(Exception):
    """A conference cannot be joined: it is full, or whoever is to be coached is not there."""


class Party(Protocol):
    """A live call as the switchboard sees it, wherever it runs."""

    sid: str
    sender: str
    recipient: str
    direction: str
    status: str
    mailbox: Mailbox

    @property
    def own_pace(self) -> bool:
        """Whether its listener takes the time that is listened, so that nobody has to wait."""

    def pass_time(self, seconds: float) -> None:
        """Let its own clock move on by `seconds`."""


class Lines(Protocol):
    """What a call asks of the switchboard; see `Switchboard` and `RemoteSwitchboard`."""

    def enter(self, call: Party) -> None:
        """Take note that a call has begun or was answered."""

    def over(self, call: Party) -> None:
        """Take note that a call is over: it leaves its queue and its conference."""

    def enqueue(self, call: Party, queue: str) -> str:
        """Put a call at the end of a queue, made if need be; return the queue's SID.

        Raises QueueRefused.
        """

    def figures(self, call: Party) -> dict[str, str]:
        """Return what is posted of a queue: position (0 when gone), times in seconds, sizes."""

    def leave_queue(self, call: Party) -> bool:
        """Take a call out of its queue; False when somebody else has done so before."""

    def join(self, call: Party, wish: Wish) -> Seat:
        """Bring a call into a conference, made if need be. Raises NoSeat."""

    def bridge(
        self, call: Party, to: str, caller_id: str, timeout_s: int
    ) -> tuple[Seat, str] | None:
        """Ring `to` for a call; return where both will meet, and the SID of the call made.

        None where nobody can be rung from here. Its `Released` says how the ringing ended.
        """

    def leave_conference(self, call: Party, reason: str) -> None:
        """Take a call out of its conference, for Twilio's `ReasonParticipantLeft`."""

    def pass_time(self, call: Party, seconds: float) -> None:
        """Let `seconds` of waiting go by for a call, or less when an order comes."""

    def length(self, url: str) -> float | None:
        """Return how long a recording lasts, in seconds; None when it cannot be known."""
