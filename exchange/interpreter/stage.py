"""What every verb has at hand of its call: who is there, sound, time, orders, documents."""

import contextlib
import math
import uuid

from collections.abc import Callable
from dataclasses import InitVar, dataclass, field
from urllib.parse import urldefrag, urljoin

from exchange.clock import Clock, OwnPaced, VirtualClock
from exchange.interpreter.caller import HOLD_MUSIC, Heard, HungUp
from exchange.interpreter.steps import (
    NOT_PLAYED,
    RETRIEVAL_FAILURE,
    CallError,
    Document,
    Failed,
    Goto,
    Ordered,
)
from exchange.interpreter.webhooks import SentRequest, Told, Webhooks
from exchange.numbers import WITHHELD
from exchange.orders import (
    Announce,
    Beep,
    Complete,
    Drop,
    Lines,
    Mailbox,
    Order,
    Redirect,
    Released,
    Seat,
    Seated,
)
from exchange.transport import Reply, Transport
from exchange.twiml import TwimlError, Verb, parse

# A recording's length is not known without fetching it.
PLAY_S = 3.0
PAUSE_S = 1.0
# A script that goes round without ever waiting for the caller would go round for ever.
MAX_DOCUMENTS_WITHOUT_WAITING = 50


@dataclass(kw_only=True, eq=False, repr=False)
class Stage(Told):
    """One call as its verbs know it; see `Call` for what the fields are.

    Whatever takes time goes through `pass_time`, and whatever is heard through `note`: there the
    caller may turn out to be gone, and HungUp is raised. A verb only lets it through.
    """

    transport: InitVar[Transport]
    auth_token: InitVar[str]
    account_sid: str = "AC00000000000000000000000000000001"
    sender: str = "+33612345678"
    recipient: str = "+33974750001"
    clock: Clock = field(default_factory=VirtualClock)
    call_sid: InitVar[str] = ""
    direction: str = "inbound"
    heard_by: Callable[[Heard], None] | None = None
    sent_by: Callable[[SentRequest], None] | None = None
    answered_by: Callable[[], None] | None = None
    seated_by: Callable[[Seat | None], None] | None = None
    switchboard: Lines | None = None
    mailbox: Mailbox = field(default_factory=Mailbox)

    def __post_init__(self, transport: Transport, auth_token: str, call_sid: str) -> None:
        self.sid = call_sid or f"CA{uuid.uuid4().hex}"
        self.status = "ringing"
        self.heard: list[Heard] = []
        self.documents: list[bytes] = []
        self.requests: list[SentRequest] = []
        self.errors: list[CallError] = []
        self.dialed: list[str] = []
        # The queue that the caller is in, also while its waiting document plays.
        self.queue = ""
        # What is heard in a conference before anybody else is there: the recording at this URL,
        # nothing where it is empty, music where nothing was asked for.
        self.music_url: str | None = None
        # What is still to be played to a participant of a conference, and how it ended for one.
        self.announcement: Goto | None = None
        self.released = ""
        # Documents since the caller was last waited for.
        self.unasked = 0
        # How much was heard when the caller last did something.
        self.mark = 0
        # Whether nobody is there any more, to hear or to hang up.
        self.gone = False
        self.started = self.clock.now()
        self._seat: Seat | None = None
        self.webhooks = Webhooks(transport, auth_token, sent=self._sent, took=self.pass_time)

    @property
    def own_pace(self) -> bool:
        """Whether the listener takes the time that is listened; see `Party`."""
        return isinstance(self.clock, OwnPaced)

    @property
    def duration_s(self) -> int:
        """Whole seconds since the call began, on the call's clock."""
        return math.ceil((self.clock.now() - self.started).total_seconds())

    @property
    def seat(self) -> Seat | None:
        """The place in a conference, as long as there is one."""
        return self._seat

    @seat.setter
    def seat(self, seat: Seat | None) -> None:
        changed, self._seat = seat != self._seat, seat
        if changed and self.seated_by is not None:
            with self._caller_may_be_gone():
                self.seated_by(seat)

    def answer(self) -> None:
        """Answer the call: every verb but Reject and Redirect does."""
        if self.status != "ringing":
            return
        if self.answered_by is not None:
            with self._caller_may_be_gone():
                # Whoever is gone by then was not answered.
                self.answered_by()
        self.status = "in-progress"

    # What is heard

    def listen(self, verb: Verb, base: str) -> None:
        """Play a <Say>, <Play> or <Pause> to its end, or to an order that ends it."""
        self.answer()
        self.hear(self.sound(verb, base))

    def hear(self, heard: Heard) -> None:
        """Have something heard to its end, or to an order that ends it."""
        self.note(heard)
        self.let_pass(heard.seconds)

    def note(self, heard: Heard) -> None:
        """Have something begin to be heard; whatever follows does not wait for its end."""
        self.heard.append(heard)
        if self.heard_by is not None:
            with self._caller_may_be_gone():
                self.heard_by(heard)

    def sound(self, verb: Verb, base: str) -> Heard:
        """Return what a <Say>, <Play> or <Pause> sounds like."""
        loop = int(verb.attributes.get("loop", "1"))
        if verb.name == "Say":
            language = verb.attributes.get("language", "")
            return Heard("say", verb.text, verb.speech_s, language, verb.pieces, loop=loop)
        if verb.name == "Play":
            seconds, digits = PLAY_S, verb.attributes.get("digits", "")
            if not verb.text:
                return Heard("play", digits, seconds, digits=digits, loop=loop)
            url = urljoin(base, verb.text)
            if self.switchboard is not None:
                seconds = (self.switchboard.length(url) or PLAY_S) * max(1, loop)
            return Heard("play", verb.text, seconds, url=url, loop=loop)
        return Heard("pause", "", float(verb.attributes.get("length", PAUSE_S)))

    # Time and orders

    def pass_time(self, seconds: float) -> None:
        """Let the call's own clock move on; see `Party`."""
        with self._caller_may_be_gone():
            self.clock.advance(seconds)

    def let_pass(self, seconds: float) -> None:
        """Let time go by, in a queue or a conference as the switchboard has it; then obey.

        Raises Ordered.
        """
        if self.switchboard is not None and (self.queue or self.seat is not None):
            self.switchboard.pass_time(self, seconds)
        else:
            self.pass_time(seconds)
        self.look()

    def look(self) -> None:
        """Read what is in the mailbox; raises Ordered for what ends all that goes on."""
        while (order := self.mailbox.take()) is not None:
            if isinstance(order, Redirect | Complete | Drop):
                raise Ordered(order)
            self._take_note(order)

    def _take_note(self, order: Order) -> None:
        """Take note of what happened in a conference; what comes late is about another one."""
        seat = self.seat
        match order:
            case Seated(new) if seat is not None and seat.sid == new.sid:
                self.seat = new
                if new.hold and not seat.hold and not new.hold_url:
                    self.note(Heard("play", HOLD_MUSIC))
            case Released(sid, dial_status) if seat is not None and seat.sid == sid:
                self.seat, self.released = None, dial_status
            case Announce(url, method) if seat is not None:
                self.announcement = Goto(url, method)
            case Beep() if seat is not None:
                self.note(Heard("beep", "(beep)"))

    def _caller_may_be_gone(self) -> contextlib.AbstractContextManager[None]:
        """Let HungUp through, once: nobody hangs up while the end of the call is told."""
        return contextlib.suppress(HungUp) if self.gone else contextlib.nullcontext()

    # Documents

    def load(self, step: Goto) -> Document:
        """Fetch and read a document; raises Failed with Twilio's code."""
        self.unasked += 1
        if self.unasked > MAX_DOCUMENTS_WITHOUT_WAITING:
            message = f"{MAX_DOCUMENTS_WITHOUT_WAITING} documents and the caller was never asked"
            raise Failed(NOT_PLAYED, step.url, message)
        reply = self.webhooks.send(step, {**self.base_params(self.status), **step.params})
        url = urldefrag(step.url).url
        success = range(200, 300)
        if reply.status not in success:
            kind = "a redirect loses what was typed" if reply.status in range(300, 400) else "HTTP"
            raise Failed(RETRIEVAL_FAILURE, url, f"{kind}: the answer was {reply.status}")
        return self.parsed(reply, url)

    def parsed(self, reply: Reply, url: str) -> Document:
        """Read a document; raises Failed with Twilio's code."""
        self.documents.append(reply.body)
        try:
            return Document(url, parse(reply.body, reply.header("content-type")))
        except TwimlError as error:
            raise Failed(error.code, url, error.message) from error

    def tell(self, action: Goto) -> None:
        """Tell an action what became of its verb, where the answer is not played."""
        try:
            self.load(action)
        except Failed as failure:
            self.errors.append(failure.error)

    def first_params(self) -> dict[str, str]:
        """Return what the first request of an incoming call says besides."""
        if self.direction != "inbound" or self.sender == WITHHELD:
            return {}
        token = "%7B%22parentCallInfoToken%22%3A%22eyJ%22%7D"  # noqa: S105 - opaque, and empty
        return {"CallToken": token, "StirVerstat": "TN-Validation-Passed-C"}

    def _sent(self, request: SentRequest) -> None:
        self.requests.append(request)
        if self.sent_by is not None:
            with self._caller_may_be_gone():
                self.sent_by(request)
