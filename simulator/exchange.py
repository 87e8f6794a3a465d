"""The telephone exchange: one call, from the first webhook to the status callback.

A call runs by itself until the caller has to do something, at a <Gather>, in a queue or in a
conference; then it waits for `press`, `say`, `silence` or `hang_up`. Time is a clock that is given.
With a switchboard, others can act on it, too: it looks into its mailbox whenever it has listened
or waited, and stops what it does for a redirection or its end.
"""

import math
import uuid

from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field, replace
from email.utils import format_datetime
from typing import Self
from urllib.parse import parse_qsl, urldefrag, urlencode, urljoin, urlsplit

from simulator.clock import Clock, OwnPaced, VirtualClock
from simulator.numbers import WITHHELD
from simulator.orders import (
    Announce,
    Beep,
    Complete,
    Drop,
    Lines,
    Mailbox,
    NoSeat,
    Order,
    QueueRefused,
    Redirect,
    Released,
    Seat,
    Seated,
    Wish,
)
from simulator.signing import signature
from simulator.transport import ConnectFailed, Outgoing, ReadTimedOut, Reply, Transport
from simulator.twiml import Piece, TwimlError, Verb, parse

API_VERSION = "2010-04-01"
APPLICATION_ERROR = "We are sorry. An application error has occurred. Goodbye."

BAD_URL = 11100
RETRIEVAL_FAILURE = 11200
CONNECTION_FAILURE = 11205
BAD_CALLBACK = 15003
BAD_CONFERENCE = 13240
# Not Twilio's: the stand-in's own words for what it cannot or will not play.
NOT_PLAYED = 0
# What is known of where the two ends are; for French numbers nothing but the country.
PLACES = {
    f"{side}{part}": "FR" if part == "Country" else ""
    for side in ("Called", "Caller", "From", "To")
    for part in ("City", "State", "Zip", "Country")
}

TOTAL_BUDGET_S = 15.0
MAX_RETRIES = 5
MIN_TIMEOUT_MS = 100
CONNECT_TIMEOUT_MS = 5000
READ_TIMEOUT_MS = 15_000
RETRY_POLICIES = frozenset({"4xx", "5xx", "ct", "rt", "all"})

DEFAULT_GATHER_TIMEOUT_S = 5.0
# A recording's length is not known without fetching it.
PLAY_S = 3.0
PAUSE_S = 1.0
# A script that goes round without ever waiting for the caller would go round for ever.
MAX_DOCUMENTS_WITHOUT_WAITING = 50
QUEUE_VERBS = frozenset({"Play", "Say", "Pause", "Hangup", "Redirect", "Leave", "Gather"})
HOLD_VERBS = frozenset({"Play", "Say", "Pause", "Redirect"})
BY_API = "completed-by-api"
NORMAL_ENDS = frozenset({"hangup", "document-ended"})
# How long (seconds) a silence in a conference is, and one round of music while on hold there.
CONFERENCE_ROUND_S = 1.0
MOST_PARTICIPANTS = 250
DIAL_TIMEOUT_S = 30
# How long (seconds) the order of whoever took a call may be on its way.
ORDER_S = 5.0


@dataclass(frozen=True)
class Keys:
    """Keys pressed one after another: digits, `*`, `#`; after the prompt, or into it."""

    digits: str
    interrupts: bool = False


@dataclass(frozen=True)
class Speech:
    """What was understood of what the caller said; confidence 0.0 to 1.0, or None when absent."""

    text: str
    confidence: float | None = 0.92


@dataclass(frozen=True)
class Silence:
    """Nothing until the time-out; in a queue, one more round of the waiting document.

    In a conference, a second more of talk.
    """


@dataclass(frozen=True)
class HangUp:
    """The caller puts the receiver down."""


Input = Keys | Speech | Silence | HangUp


@dataclass(frozen=True)
class Heard:
    """Something that reached the caller's ear, in seconds.

    Kinds: `say`, `play`, `pause`, `dial`, and `beep` for who comes or goes in a conference.

    `pieces` is what is said cut where the voice pauses or changes, for a leg that speaks.
    """

    kind: str
    text: str
    seconds: float = 0.0
    language: str = ""
    pieces: tuple[Piece, ...] = ()


@dataclass(frozen=True)
class Gather:
    """A <Gather> that waits: its attributes as written, and what they mean."""

    attributes: Mapping[str, str]
    prompt: tuple[Heard, ...]
    action: str

    @property
    def inputs(self) -> frozenset[str]:
        """`dtmf`, `speech` or both."""
        return frozenset(self.attributes.get("input", "dtmf").split())

    @property
    def timeout_s(self) -> float:
        """Seconds of silence after the prompt, and between two keys."""
        value = self.attributes.get("timeout", "")
        return float(value) if value.isdecimal() else DEFAULT_GATHER_TIMEOUT_S

    @property
    def num_digits(self) -> int | None:
        """The number of keys that ends it, or None."""
        value = self.attributes.get("numDigits")
        return int(value) if value else None

    @property
    def finish_on_key(self) -> str:
        """The key that ends it, or an empty string for none."""
        return self.attributes.get("finishOnKey", "#")

    @property
    def posts_silence(self) -> bool:
        """Whether silence is sent to the action (`actionOnEmptyResult`)."""
        return self.attributes.get("actionOnEmptyResult") == "true"

    @property
    def language(self) -> str:
        """The language speech is recognised in."""
        return self.attributes.get("language", "en-US")

    @property
    def text(self) -> str:
        """The words of the prompt."""
        return " ".join(heard.text for heard in self.prompt if heard.kind == "say")

    @property
    def prompt_s(self) -> float:
        """How long the prompt lasts, in seconds."""
        return sum(heard.seconds for heard in self.prompt)

    def cut(self, digits: str) -> tuple[str, str, bool]:
        """Return the digits that count, the key that ended them, and whether they are complete."""
        collected = ""
        for key in digits:
            if key == self.finish_on_key:
                return collected, key, True
            collected += key
            if len(collected) == self.num_digits:
                return collected, "", True
        return collected, "", False


@dataclass(frozen=True)
class QueueWait:
    """The caller is in a queue and has heard one round of its waiting document."""

    queue: str
    sid: str


@dataclass(frozen=True)
class ConferenceWait:
    """The caller is in a conference; `seat` is how things stand there.

    `since_s` is for how many seconds it has been in it.
    """

    conference: str
    sid: str
    seat: Seat
    since_s: float = 0.0


Wait = Gather | QueueWait | ConferenceWait


@dataclass(frozen=True)
class CallError:
    """Something Twilio's debugger would show: its code, the URL, a sentence."""

    code: int
    url: str
    message: str


@dataclass(frozen=True)
class SentRequest:
    """A webhook as it was sent, ready to be sent again; `elapsed_ms` is the service's time."""

    method: str
    url: str
    form: Mapping[str, str]
    headers: Mapping[str, str]
    attempt: int
    status: int | None
    elapsed_ms: float


@dataclass(frozen=True)
class _Goto:
    url: str
    method: str = "POST"
    params: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class _End:
    reason: str


class _Leave:
    """The caller leaves the queue."""


class _Ordered(Exception):
    """An order from outside ends what goes on."""

    def __init__(self, order: Redirect | Complete | Drop) -> None:
        super().__init__(type(order).__name__)
        self.order = order


@dataclass(frozen=True)
class _Document:
    url: str
    verbs: tuple[Verb, ...]


class _Failed(Exception):
    """A document could not be had or played."""

    def __init__(self, code: int, url: str, message: str) -> None:
        super().__init__(message)
        self.error = CallError(code, url, message)


class _Look:
    """Not the caller, but an order: look into the mailbox."""


_LOOK = _Look()


def _only(allowed: frozenset[str], document: _Document, where: str) -> None:
    """Raise _Failed unless only these verbs stand in a document."""
    other = next((verb.name for verb in document.verbs if verb.name not in allowed), None)
    if other is not None:
        raise _Failed(12200, document.url, f"<{other}> is not allowed {where}")


def _whom(dial: Verb) -> str:
    """Return the number or the `client:` that a <Dial> names, or an empty string for others."""
    named = next(iter(dial.children), None)
    if named is None:
        return dial.text if dial.text.startswith("+") else ""
    if named.name == "Client":
        return f"client:{named.text}"
    return named.text if named.name == "Number" and named.text.startswith("+") else ""


def _conference(verb: Verb) -> Verb | None:
    """Return the <Conference> that a <Dial> is about, or None."""
    return next((child for child in verb.children if child.name == "Conference"), None)


@dataclass(frozen=True)
class Overrides:
    """Twilio's connection overrides, from a URL's fragment (`#rc=2&rp=5xx,rt&rt=4000`)."""

    retries: int = 1
    policies: frozenset[str] = frozenset({"ct"})
    connect_timeout_s: float = CONNECT_TIMEOUT_MS / 1000
    read_timeout_s: float = READ_TIMEOUT_MS / 1000

    @classmethod
    def of(cls, url: str) -> Self:
        """Read the fragment of `url`; raises ValueError for a value Twilio does not know."""
        given = dict(parse_qsl(urlsplit(url).fragment, keep_blank_values=True))
        retries = int(given.get("rc", "1"))
        policies = frozenset(given.get("rp", "ct").split(","))
        connect_ms = int(given.get("ct", CONNECT_TIMEOUT_MS))
        read_ms = int(given.get("rt", READ_TIMEOUT_MS))
        if not 0 <= retries <= MAX_RETRIES:
            raise ValueError(f"rc={retries} is not between 0 and {MAX_RETRIES}")
        if not policies <= RETRY_POLICIES:
            raise ValueError(f"rp={given['rp']} holds an unknown policy")
        for milliseconds in (connect_ms, read_ms):
            if not MIN_TIMEOUT_MS <= milliseconds <= READ_TIMEOUT_MS:
                raise ValueError(f"a time-out of {milliseconds} ms is not in 100-15000")
        return cls(retries, policies, connect_ms / 1000, read_ms / 1000)

    def retry(self, failure: str) -> bool:
        """Return whether a failure (`ct`, `rt`, `4xx`, `5xx`) is tried again."""
        return "all" in self.policies or failure in self.policies


class Call:
    """One call. `url`, `fallback_url` and `status_url` are public URLs, fragments allowed.

    `heard_by` is told of everything the caller hears, `sent_by` of every request made.
    `twiml` plays a document instead of fetching the first one, as the REST parameter does.
    With a `switchboard`, queues and conferences are shared with its other calls; without one, the
    caller waits alone, and a <Dial> is noted and goes on with its action. `rung` is for an outbound
    call that was rung elsewhere: so many status callbacks were sent for that.
    """

    def __init__(
        self,
        *,
        url: str,
        transport: Transport,
        auth_token: str,
        account_sid: str = "AC00000000000000000000000000000001",
        fallback_url: str = "",
        status_url: str = "",
        sender: str = "+33612345678",
        recipient: str = "+33974750001",
        clock: Clock | None = None,
        call_sid: str = "",
        direction: str = "inbound",
        method: str = "POST",
        status_events: tuple[str, ...] = ("completed",),
        twiml: str = "",
        dial_status: str = "completed",
        heard_by: Callable[[Heard], None] | None = None,
        sent_by: Callable[[SentRequest], None] | None = None,
        switchboard: Lines | None = None,
        rung: int | None = None,
        mailbox: Mailbox | None = None,
    ) -> None:
        self.sid = call_sid or f"CA{uuid.uuid4().hex}"
        self.account_sid = account_sid
        self.sender = sender
        self.recipient = recipient
        self.direction = direction
        self.clock: Clock = clock or VirtualClock()
        self.status = "ringing"
        self.heard: list[Heard] = []
        self.documents: list[bytes] = []
        self.requests: list[SentRequest] = []
        self.errors: list[CallError] = []
        self.pressed: list[str] = []
        self.dialed: list[str] = []
        self.waiting: Wait | None = None
        # The queue that the caller is in, also while its waiting document plays.
        self.queue = ""
        # The place in a conference, as long as there is one.
        self.seat: Seat | None = None
        self.mailbox = Mailbox() if mailbox is None else mailbox
        self.ended = False
        self.end_reason: str | None = None
        self._url, self._method, self._twiml = url, method, twiml
        self._fallback_url, self._status_url = fallback_url, status_url
        self._auth_token, self._transport = auth_token, transport
        self._status_events, self._sequence = status_events, rung or 0
        self._rung = rung is not None
        self._dial_status = dial_status
        self._heard_by, self._sent_by = heard_by, sent_by
        self._lines = switchboard
        self._script: Generator[Wait, Input | _Look, str] | None = None
        self._started = self.clock.now()
        self._mark = 0
        self._without_waiting = 0
        self._queue_action: _Goto | None = None
        self._queue_since, self._queue_sid = self._started, ""
        self._announcement: _Goto | None = None
        self._released = ""

    # What the caller does

    def dial(self) -> Self:
        """Ring the service and run until the caller has to act or the call is over."""
        if self._script is not None:
            raise RuntimeError("this call was dialled before")
        self._started = self.clock.now()
        if not self._rung:
            self._progress("initiated")
            self._progress("ringing")
        if self.direction != "inbound":
            self.status = "in-progress"
        if self._lines is not None:
            self._lines.enter(self)
        self._progress("answered")
        self._script = self._run()
        self._resume(None)
        return self

    def press(self, digits: str, *, interrupts: bool = False) -> Self:
        """Press keys, then nothing more; what the Gather makes of them depends on it.

        With `interrupts` the first key comes at the start of the prompt and stops it.
        """
        if not digits or set(digits) - set("0123456789*#"):
            raise ValueError(f"{digits!r} are no keys of a telephone")
        self.pressed.append(digits)
        return self._act(Keys(digits, interrupts))

    def say(self, text: str, confidence: float | None = 0.92) -> Self:
        """Say something that is understood as `text`."""
        return self._act(Speech(text, confidence))

    def silence(self) -> Self:
        """Do nothing until the time-out; in a queue, wait one round more."""
        return self._act(Silence())

    def act(self, action: Input) -> Self:
        """Do what an `Input` says."""
        match action:
            case HangUp():
                return self.hang_up()
            case Keys(digits, interrupts):
                return self.press(digits, interrupts=interrupts)
            case _:
                return self._act(action)

    def hang_up(self) -> Self:
        """Put the receiver down, whatever is going on."""
        if self.ended:
            return self
        if self._script is not None:
            self._script.close()
        self._leave_all("hangup", "participant_hung_up")
        self._finish("caller-hung-up")
        return self

    # What others do to it, with a switchboard

    def redirect(self, url: str = "", *, method: str = "POST", twiml: str = "") -> None:
        """Have it play another document, whatever it does; it does so at its next look.

        `url` is absolute.
        """
        self.mailbox.post(Redirect(url, method, twiml))

    def complete(self) -> None:
        """End it, whatever it does; it ends at its next look."""
        self.mailbox.post(Complete())

    def report_to(self, status_url: str) -> None:
        """Have the end told to another URL."""
        self._status_url = status_url

    def obey(self) -> Self:
        """Do what orders ask of a call that waits for its caller."""
        while self.waiting is not None and self.mailbox:
            self._resume(_LOOK)
        return self

    # The same, in the words of a test that reads as a call

    def dials(self) -> Self:
        """See `dial`."""
        return self.dial()

    def presses(self, digits: str) -> Self:
        """See `press`."""
        return self.press(digits)

    def says(self, text: str, confidence: float | None = 0.92) -> Self:
        """See `say`."""
        return self.say(text, confidence)

    def stays_silent(self) -> Self:
        """See `silence`."""
        return self.silence()

    def hangs_up(self) -> Self:
        """See `hang_up`."""
        return self.hang_up()

    def hears_text(self, fragment: str) -> Self:
        """Raise AssertionError unless `fragment` was said since the caller last did something."""
        if " ".join(fragment.split()).casefold() not in self.since_input.casefold():
            raise AssertionError(f"{fragment!r} was not said, but: {self.since_input!r}")
        return self

    # What can be seen of it

    @property
    def spoken(self) -> list[str]:
        """Everything said so far, one string for each <Say>."""
        return [heard.text for heard in self.heard if heard.kind == "say"]

    @property
    def last_spoken(self) -> str:
        """The last thing said, or an empty string."""
        return self.spoken[-1] if self.spoken else ""

    @property
    def since_input(self) -> str:
        """All that was said since the caller last did something, in one string."""
        return " ".join(h.text for h in self.heard[self._mark :] if h.kind == "say")

    @property
    def waiting_gather(self) -> Gather | None:
        """The Gather that waits for the caller, or None."""
        return self.waiting if isinstance(self.waiting, Gather) else None

    @property
    def waiting_queue(self) -> QueueWait | None:
        """The queue the caller waits in, or None."""
        return self.waiting if isinstance(self.waiting, QueueWait) else None

    @property
    def waiting_conference(self) -> ConferenceWait | None:
        """The conference the caller is in, or None."""
        return self.waiting if isinstance(self.waiting, ConferenceWait) else None

    @property
    def conference(self) -> str:
        """The name of the conference the caller is in, or an empty string."""
        return self.seat.conference if self.seat else ""

    @property
    def dialled(self) -> bool:
        """Whether the call was ever dialled."""
        return self._script is not None

    @property
    def shared(self) -> bool:
        """Whether it waits and talks with others, on a switchboard."""
        return self._lines is not None

    @property
    def own_pace(self) -> bool:
        """Whether the listener takes the time that is listened; see `Party`."""
        return isinstance(self.clock, OwnPaced)

    @property
    def ended_normally(self) -> bool:
        """Whether the service ended the call itself, without an error of any kind."""
        return self.end_reason in NORMAL_ENDS and not self.errors

    @property
    def duration_s(self) -> int:
        """Whole seconds since the call began, on the call's clock."""
        return math.ceil((self.clock.now() - self._started).total_seconds())

    # The state machine

    def _act(self, action: Input) -> Self:
        if self.waiting is None:
            raise RuntimeError(f"the call waits for nothing (ended: {self.end_reason})")
        gather = self.waiting_gather
        if isinstance(action, Speech) and gather is not None and "speech" not in gather.inputs:
            # Speech that nobody listens for is silence to Twilio.
            action = Silence()
        if not isinstance(self.waiting, ConferenceWait):
            self._mark = len(self.heard)
        self._without_waiting = 0
        self._resume(action)
        return self

    def pass_time(self, seconds: float) -> None:
        """Let the call's own clock move on; see `Party`."""
        self.clock.advance(seconds)

    def _pass(self, seconds: float) -> None:
        """Let time go by, in a queue or a conference as the switchboard has it; then obey."""
        if self._lines is not None and (self.queue or self.seat is not None):
            self._lines.pass_time(self, seconds)
        else:
            self.clock.advance(seconds)
        self._look()

    def _look(self) -> None:
        """Read what is in the mailbox; raises _Ordered for what ends all that goes on."""
        while (order := self.mailbox.take()) is not None:
            if isinstance(order, Redirect | Complete | Drop):
                raise _Ordered(order)
            self._take_note(order)

    def _take_note(self, order: Order) -> None:
        """Take note of what happened in a conference; what comes late is about another one."""
        seat = self.seat
        match order:
            case Seated(new) if seat is not None and seat.sid == new.sid:
                self.seat = new
                if new.hold and not seat.hold and not new.hold_url:
                    self._note(Heard("play", "(hold music)"))
            case Released(sid, dial_status) if seat is not None and seat.sid == sid:
                self.seat, self._released = None, dial_status
            case Announce(url, method) if seat is not None:
                self._announcement = _Goto(url, method)
            case Beep() if seat is not None:
                self._note(Heard("beep", "(beep)"))

    def _resume(self, action: "Input | _Look | None") -> None:
        if self._script is None:
            raise RuntimeError("the call was not dialled")
        try:
            # A generator's first `send` must be None.
            self.waiting = next(self._script) if action is None else self._script.send(action)
        except StopIteration as stop:
            self._finish(stop.value)

    def _run(self) -> Generator[Wait, Input | _Look, str]:
        step = _Goto(self._url, self._method, self._first_params())
        twiml = self._twiml
        while True:
            try:
                if twiml:
                    given = Reply(200, twiml.encode(), {"content-type": "text/xml"})
                    document, twiml = self._parsed(given, ""), ""
                else:
                    document = self._load(step)
                outcome = yield from self._perform(document)
            except _Failed as failure:
                self.errors.append(failure.error)
                self._leave_all("", "participant_hung_up")
                fallback = self._fallback(failure.error, step)
                if fallback is None:
                    self._note(Heard("say", APPLICATION_ERROR, 4.0, "en-US"))
                    self.clock.advance(4.0)
                    return "application-error"
                twiml, step = "", fallback
                continue
            except _Ordered as ordered:
                order = ordered.order
                if not isinstance(order, Redirect):
                    return self._ends_by(order)
                self._leave_all("redirected", "participant_updated_via_api")
                self._mark, self._without_waiting = len(self.heard), 0
                twiml, step = order.twiml, _Goto(order.url, order.method)
                continue
            if isinstance(outcome, _Goto):
                step = outcome
            elif isinstance(outcome, _End):
                return outcome.reason
            else:
                return "document-ended"

    def _ends_by(self, order: Complete | Drop) -> str:
        dropped = isinstance(order, Drop)
        reason = "participant_hung_up" if dropped else "participant_updated_via_api"
        self._leave_all("hangup", reason)
        return "caller-hung-up" if dropped else BY_API

    def _leave_all(self, result: str, reason: str) -> None:
        """Leave the queue and the conference; tell an <Enqueue>'s action, whose answer is lost.

        Without a `result` nothing is told.
        """
        action, self._queue_action = self._queue_action, None
        if self.queue:
            times = self._queue_times()
            if self._lines is not None and not self._lines.leave_queue(self):
                result = result and "redirected"
            self.queue = ""
            if action is not None and result:
                self._tell_action(replace(action, params={**times, "QueueResult": result}))
        if self.seat is not None and self._lines is not None:
            self._lines.leave_conference(self, reason)
        self.seat = None

    def _fallback(self, error: CallError, step: _Goto) -> _Goto | None:
        """Return where to turn after a failure; a fallback that fails itself has none."""
        if not self._fallback_url or step.url == self._fallback_url:
            return None
        if self._without_waiting > MAX_DOCUMENTS_WITHOUT_WAITING:
            return None
        params = {"ErrorCode": str(error.code), "ErrorUrl": error.url}
        return _Goto(self._fallback_url, "POST", params)

    def _perform(
        self, document: _Document, *, queued: bool = False
    ) -> Generator[Wait, Input | _Look, "_Goto | _End | _Leave | None"]:
        """Play the verbs in order; return where to go, or None when they ran out."""
        for verb in document.verbs:
            if queued and verb.name not in QUEUE_VERBS:
                message = f"<{verb.name}> is not allowed while a caller waits in a queue"
                raise _Failed(12200, document.url, message)
            outcome: _Goto | _End | _Leave | None
            if verb.name == "Gather":
                outcome = yield from self._gather(verb, document.url)
            elif verb.name == "Enqueue":
                outcome = yield from self._enqueue(verb, document.url)
            elif verb.name == "Dial" and self._lines is not None:
                outcome = yield from self._connect(verb, document.url, self._lines)
            else:
                outcome = self._play(verb, document.url, queued=queued)
            if outcome is not None:
                return outcome
        return None

    def _play(self, verb: Verb, base: str, *, queued: bool) -> "_Goto | _End | _Leave | None":
        """Do what a verb says that needs nothing from the caller."""
        match verb.name:
            case "Say" | "Play" | "Pause":
                self._listen(verb, base)
                return None
            case "Redirect":
                return self._target(base, verb.text, verb.attributes.get("method"))
            case "Hangup":
                return _End("hangup")
            case "Reject":
                return self._reject(verb)
            case "Leave":
                # Outside a queue there is nothing to leave and nothing that follows.
                return _Leave() if queued else _End("hangup")
            case "Dial":
                return self._dial(verb, base)
        message = f"<{verb.name}> cannot be played by this stand-in"
        raise _Failed(NOT_PLAYED, base, message)

    def _gather(self, verb: Verb, base: str) -> Generator[Wait, Input | _Look, _Goto | None]:
        self._in_progress()
        prompt = tuple(self._sound(child, base) for child in verb.children)
        action = verb.attributes.get("action") or base
        gather = Gather(verb.attributes, prompt, urljoin(base, action))
        for heard in prompt:
            self._note(heard)
        answer = yield gather
        self._look()
        while isinstance(answer, _Look):
            # What came was not about a call that listens here.
            answer = yield gather
            self._look()
        params = self._collected(gather, answer)
        if params is None:
            return None
        return self._target(base, action, verb.attributes.get("method"), params)

    def _collected(self, gather: Gather, answer: Input) -> dict[str, str] | None:
        """Return what the Gather posts, or None when it goes on to the next verb."""
        match answer:
            case Keys(digits, interrupts) if "dtmf" in gather.inputs:
                self._pass(0 if interrupts else gather.prompt_s)
                collected, finished = self._typed(gather, digits)
                if collected:
                    return {
                        "msg": "Gather End",
                        "Digits": collected,
                        "FinishedOnKey": finished,
                    }
            case Speech(text, confidence):
                self._pass(gather.prompt_s + len(text) / 15)
                params = {"SpeechResult": text, "Language": gather.language}
                if confidence is not None:
                    params["Confidence"] = str(confidence)
                return params
            case _:
                self._pass(gather.prompt_s + gather.timeout_s)
        if not gather.posts_silence:
            return None
        if "speech" in gather.inputs:
            return {"SpeechResult": "", "Confidence": "0.0"}
        return {"msg": "Gather End"}

    def _typed(self, gather: Gather, digits: str) -> tuple[str, str]:
        """Return the digits collected and the key that ended them.

        Keys pressed after the end are lost, as they are to a
        caller who types ahead.
        """
        collected, key, complete = gather.cut(digits)
        if not complete:
            self._pass(gather.timeout_s)
        return collected, key

    def _enqueue(
        self, verb: Verb, base: str
    ) -> Generator[Wait, Input | _Look, _Goto | _End | None]:
        self._in_progress()
        name, since = verb.text or "queue", self.clock.now()
        action = None
        if "action" in verb.attributes:
            action = self._target(base, verb.attributes["action"], verb.attributes.get("method"))
        sid = f"QU{uuid.uuid4().hex}"
        if self._lines is not None:
            try:
                sid = self._lines.enqueue(self, name)
            except QueueRefused as refused:
                queue = {"QueueSid": refused.sid} if refused.sid else {}
                params = {**queue, "QueueResult": refused.result}
                return action and replace(action, params=params)
        self._queue_since, self._queue_sid = since, sid
        self._queue_action, self.queue = action, name
        try:
            outcome = yield from self._hold(verb, base, QueueWait(verb.text, sid))
        except _Failed as failure:
            if self._lines is None or action is None:
                raise
            self.errors.append(failure.error)
            outcome, result = None, "error"
        else:
            result = "leave"
        times = self._queue_times()
        if self._lines is not None and not self._lines.leave_queue(self):
            # Somebody took the call in the same moment; that order is on its way.
            self._await_order()
        self._queue_action, self.queue = None, ""
        if isinstance(outcome, _End):
            if action is not None and self._lines is not None:
                self._tell_action(replace(action, params={**times, "QueueResult": "hangup"}))
            return outcome
        return action and replace(action, params={**times, "QueueResult": result})

    def _hold(
        self, verb: Verb, base: str, wait: QueueWait
    ) -> Generator[Wait, Input | _Look, "_End | _Leave | None"]:
        """Play the waiting document round and round until the caller leaves."""
        wait_url, wait_method = verb.attributes.get("waitUrl"), verb.attributes.get("waitUrlMethod")
        outcome: _Goto | _End | _Leave | None = None
        while not isinstance(outcome, (_Leave, _End)):
            if isinstance(outcome, _Goto):
                document = self._load(outcome)
            elif wait_url:
                document = self._load(self._target(base, wait_url, wait_method, self._figures()))
            else:
                self._hear(Heard("play", "(hold music)", PLAY_S))
                document = _Document(base, ())
            outcome = yield from self._perform(document, queued=True)
            if outcome is None:
                answer = yield wait
                self._look()
                while isinstance(answer, _Look):
                    answer = yield wait
                    self._look()
        return outcome

    def _queue_times(self) -> dict[str, str]:
        waited = int((self.clock.now() - self._queue_since).total_seconds())
        figures = self._lines.figures(self) if self._lines is not None else {}
        return {
            "QueueSid": self._queue_sid,
            "QueueTime": figures.get("QueueTime", str(waited)),
        }

    def _figures(self) -> dict[str, str]:
        """Return what a waiting document is asked for with."""
        alone = {
            "QueuePosition": "1",
            "AvgQueueTime": "0",
            "CurrentQueueSize": "1",
            "MaxQueueSize": "1000",
            **self._queue_times(),
        }
        return (self._lines.figures(self) if self._lines is not None else {}) or alone

    def _await_order(self) -> None:
        """Wait for the order of whoever took the call out of its queue; raises _Ordered."""
        self.mailbox.wait(ORDER_S)
        self._look()

    def _tell_action(self, action: _Goto) -> None:
        try:
            self._load(action)
        except _Failed as failure:
            self.errors.append(failure.error)

    def _confer(
        self, dial: Verb, noun: Verb, base: str, lines: Lines
    ) -> Generator[Wait, Input, "_Goto | None"]:
        self._in_progress()
        self._announcement = None
        try:
            self.seat = lines.join(self, self._wish(noun, base))
        except NoSeat as refused:
            error = CallError(BAD_CONFERENCE, base, str(refused))
            self.errors.append(error)
            return self._dialled(dial, base, "failed", 0)
        talked = yield from self._talk(f"Conference {noun.text}")
        return self._dialled(dial, base, self._released, talked)

    def _connect(
        self, dial: Verb, base: str, lines: Lines
    ) -> Generator[Wait, Input | _Look, "_Goto | None"]:
        """Bring the call into a conference, or ring whom the <Dial> names."""
        noun = _conference(dial)
        if noun is not None:
            return (yield from self._confer(dial, noun, base, lines))
        to, timeout = _whom(dial), int(dial.attributes.get("timeout", DIAL_TIMEOUT_S))
        caller_id = dial.attributes.get("callerId", self.sender)
        rung = lines.bridge(self, to, caller_id, timeout) if to else None
        if rung is None:
            return self._dial(dial, base)
        self._in_progress()
        self._announcement = None
        self.seat, child = rung
        talked = yield from self._talk(to)
        answered = self._released == "answered"
        status = "completed" if answered else self._released
        return self._dialled(dial, base, status, talked if answered else 0, child)

    def _talk(self, whom: str) -> Generator[Wait, Input | _Look, int]:
        """Stay in the conference until it is over for this call; return the seconds it took."""
        self.dialed.append(whom)
        self._note(Heard("dial", whom))
        since = self.clock.now()
        while (seat := self._sits()) is not None:
            talked = (self.clock.now() - since).total_seconds()
            answer = yield ConferenceWait(seat.conference, seat.sid, seat, talked)
            self._without_waiting = 0
            self._look()
            seat = self._sits()
            if seat is not None and self._announcement is not None:
                announcement, self._announcement = self._announcement, None
                self._play_aside(announcement)
            elif seat is not None and seat.hold and seat.hold_url:
                self._play_held(seat)
            elif not isinstance(answer, _Look):
                self._pass(CONFERENCE_ROUND_S)
        return int((self.clock.now() - since).total_seconds())

    def _sits(self) -> Seat | None:
        """Return the place in the conference; orders change it at every look."""
        return self.seat

    def _play_held(self, held: Seat) -> None:
        """Play the document of a participant on hold once; it comes again as long as that lasts."""
        before = self.clock.now()
        self._play_aside(_Goto(held.hold_url, held.hold_method), while_held=True)
        if (self.clock.now() - before).total_seconds() < CONFERENCE_ROUND_S:
            self._pass(CONFERENCE_ROUND_S)

    def _play_aside(self, step: _Goto, *, while_held: bool = False) -> None:
        """Play a document to a participant of a conference alone."""
        try:
            goes_on: _Goto | None = step
            while goes_on is not None:
                document, goes_on = self._load(goes_on), None
                _only(HOLD_VERBS, document, "for a participant of a conference")
                for verb in document.verbs:
                    if verb.name == "Redirect":
                        method = verb.attributes.get("method")
                        goes_on = self._target(document.url, verb.text, method)
                        break
                    self._listen(verb, document.url)
                    seat = self._sits()
                    if seat is None or (while_held and not seat.hold):
                        return
        except _Failed as failure:
            # The conference goes on; there is silence where the document would have been.
            self.errors.append(failure.error)

    def _wish(self, noun: Verb, base: str) -> Wish:
        given = noun.attributes
        callback = given.get("statusCallback", "")
        return Wish(
            noun.text,
            muted=given.get("muted") == "true",
            start=given.get("startConferenceOnEnter") != "false",
            end=given.get("endConferenceOnExit") == "true",
            beep=given.get("beep", "true"),
            coach=given.get("coach", ""),
            label=given.get("participantLabel", ""),
            most=int(given.get("maxParticipants", MOST_PARTICIPANTS)),
            callback_url=self._target(base, callback).url if callback else "",
            callback_method=given.get("statusCallbackMethod", "POST"),
            events=tuple(given.get("statusCallbackEvent", "start end").split()),
        )

    def _dialled(
        self, verb: Verb, base: str, status: str, seconds: int, child: str = ""
    ) -> _Goto | None:
        """Return where a <Dial> goes on that is over, or None for the next verb."""
        if "action" not in verb.attributes:
            return None
        params = {
            "DialCallStatus": status,
            **({"DialCallSid": child} if child else {}),
            "DialCallDuration": str(seconds),
            "DialBridged": "true" if status in {"answered", "completed"} else "false",
        }
        return self._target(base, verb.attributes["action"], verb.attributes.get("method"), params)

    def _dial(self, verb: Verb, base: str) -> _Goto | None:
        self._in_progress()
        nouns = [f"{child.name} {child.text}" for child in verb.children]
        target = ", ".join([verb.text, *nouns] if verb.text else nouns)
        self.dialed.append(target)
        self._hear(Heard("dial", target, PLAY_S))
        if "action" not in verb.attributes:
            return None
        answered = self._dial_status == "completed"
        params = {
            "DialCallStatus": self._dial_status,
            "DialCallSid": f"CA{uuid.uuid4().hex}",
            "DialCallDuration": str(int(PLAY_S)) if answered else "0",
            "DialBridged": "true" if answered else "false",
        }
        return self._target(base, verb.attributes["action"], verb.attributes.get("method"), params)

    def _reject(self, verb: Verb) -> _End:
        if self.status != "ringing":
            return _End("hangup")
        self.status = "busy" if verb.attributes.get("reason") == "busy" else "no-answer"
        return _End("rejected")

    def _listen(self, verb: Verb, base: str) -> None:
        self._in_progress()
        self._hear(self._sound(verb, base))

    def _sound(self, verb: Verb, base: str) -> Heard:
        if verb.name == "Say":
            language = verb.attributes.get("language", "")
            return Heard("say", verb.text, verb.speech_s, language, verb.pieces)
        if verb.name == "Play":
            seconds = PLAY_S
            if verb.text and self._lines is not None:
                seconds = self._lines.length(urljoin(base, verb.text)) or PLAY_S
                seconds *= max(1, int(verb.attributes.get("loop", "1")))
            return Heard("play", verb.text or verb.attributes.get("digits", ""), seconds)
        return Heard("pause", "", float(verb.attributes.get("length", PAUSE_S)))

    def _hear(self, heard: Heard) -> None:
        self._note(heard)
        self._pass(heard.seconds)

    def _note(self, heard: Heard) -> None:
        self.heard.append(heard)
        if self._heard_by is not None:
            self._heard_by(heard)

    def _in_progress(self) -> None:
        """Answer the call: every verb but Reject and Redirect does."""
        self.status = "in-progress"

    def _finish(self, reason: str) -> None:
        self.ended, self.end_reason, self.waiting, self.queue = True, reason, None, ""
        self.seat = None
        if self.status in {"ringing", "in-progress"}:
            self.status = "completed"
        if self._lines is not None:
            self._lines.over(self)
        if self._status_url and "completed" in self._status_events:
            self._callback(self.status)

    # Requests

    @staticmethod
    def _target(
        base: str, url: str, method: str | None = None, params: Mapping[str, str] | None = None
    ) -> _Goto:
        if not url:
            raise _Failed(12200, base, "there is no URL to go on to")
        absolute = urljoin(base, url)
        if urlsplit(absolute).scheme not in {"http", "https"}:
            raise _Failed(BAD_URL, base, f"{absolute!r} is not an absolute URL")
        return _Goto(absolute, method or "POST", params or {})

    def _base_params(self, status: str) -> dict[str, str]:
        return {
            "AccountSid": self.account_sid,
            "ApiVersion": API_VERSION,
            "CallSid": self.sid,
            "CallStatus": status,
            "Called": self.recipient,
            "Caller": self.sender,
            "Direction": self.direction,
            "From": self.sender,
            "To": self.recipient,
            **PLACES,
        }

    def _first_params(self) -> dict[str, str]:
        if self.direction != "inbound" or self.sender == WITHHELD:
            return {}
        token = "%7B%22parentCallInfoToken%22%3A%22eyJ%22%7D"  # noqa: S105 - opaque, and empty
        return {"CallToken": token, "StirVerstat": "TN-Validation-Passed-C"}

    def _load(self, step: _Goto) -> _Document:
        """Fetch and read a document; raises _Failed with Twilio's code."""
        self._without_waiting += 1
        if self._without_waiting > MAX_DOCUMENTS_WITHOUT_WAITING:
            message = f"{MAX_DOCUMENTS_WITHOUT_WAITING} documents and the caller was never asked"
            raise _Failed(NOT_PLAYED, step.url, message)
        reply = self._send(step, {**self._base_params(self.status), **step.params})
        url = urldefrag(step.url).url
        success = range(200, 300)
        if reply.status not in success:
            kind = "a redirect loses what was typed" if reply.status in range(300, 400) else "HTTP"
            raise _Failed(RETRIEVAL_FAILURE, url, f"{kind}: the answer was {reply.status}")
        return self._parsed(reply, url)

    def _parsed(self, reply: Reply, url: str) -> _Document:
        self.documents.append(reply.body)
        try:
            return _Document(url, parse(reply.body, reply.header("content-type")))
        except TwimlError as error:
            raise _Failed(error.code, url, error.message) from error

    def _send(self, step: _Goto, params: Mapping[str, str]) -> Reply:
        """Send with the retries that the fragment asks for, within 15 seconds in all."""
        url = urldefrag(step.url).url
        try:
            overrides = Overrides.of(step.url)
        except ValueError as error:
            raise _Failed(RETRIEVAL_FAILURE, url, f"connection overrides: {error}") from error
        if step.method == "GET":
            url += ("&" if urlsplit(url).query else "?") + urlencode(params)
            params = {}
        headers = {
            "X-Twilio-Signature": signature(self._auth_token, url, params),
            "I-Twilio-Idempotency-Token": str(uuid.uuid4()),
            "User-Agent": "TwilioProxy/1.1",
            "Accept": "*/*",
        }
        spent, failure = 0.0, "ct"
        for attempt in range(overrides.retries + 1):
            left = TOTAL_BUDGET_S - spent
            outgoing = Outgoing(
                step.method,
                url,
                params,
                headers,
                min(overrides.connect_timeout_s, left),
                min(overrides.read_timeout_s, left),
            )
            reply, failure, took = self._attempt(outgoing, attempt)
            spent += took
            again = attempt < overrides.retries and overrides.retry(failure)
            if reply is not None and not (failure and again and spent < TOTAL_BUDGET_S):
                return reply
            if not again or spent >= TOTAL_BUDGET_S:
                break
        if failure == "ct":
            raise _Failed(CONNECTION_FAILURE, url, "no connection could be made")
        raise _Failed(RETRIEVAL_FAILURE, url, f"no answer within {spent:.1f} s")

    def _attempt(self, outgoing: Outgoing, attempt: int) -> tuple[Reply | None, str, float]:
        """Return the reply (if one came in time), the kind of failure or '', and the seconds."""
        reply: Reply | None = None
        try:
            reply = self._transport.send(outgoing)
            took = reply.elapsed_s
            failure = {4: "4xx", 5: "5xx"}.get(reply.status // 100, "")
        except ConnectFailed:
            failure, took = "ct", 0.0
        except ReadTimedOut:
            failure, took = "rt", outgoing.read_timeout_s
        if reply is not None and took > outgoing.read_timeout_s:
            reply, failure, took = None, "rt", outgoing.read_timeout_s
        self.clock.advance(took)
        sent = SentRequest(
            outgoing.method,
            outgoing.url,
            outgoing.form,
            outgoing.headers,
            attempt,
            reply.status if reply else None,
            took * 1000,
        )
        self.requests.append(sent)
        if self._sent_by is not None:
            self._sent_by(sent)
        return reply, failure, took

    def _progress(self, event: str) -> None:
        """Tell an outbound call's progress; an incoming call only tells its end."""
        if self.direction == "inbound" or event not in self._status_events:
            return
        if self._status_url:
            self._callback({"answered": "in-progress"}.get(event, event))

    def _callback(self, status: str) -> None:
        params = {
            **self._base_params(status),
            "CallbackSource": "call-progress-events",
            "SequenceNumber": str(self._sequence),
            "Timestamp": format_datetime(self.clock.now()),
        }
        self._sequence += 1
        if status not in {"initiated", "ringing", "in-progress"}:
            seconds = self.duration_s if status == "completed" else 0
            params |= {"CallDuration": str(seconds), "Duration": str(math.ceil(seconds / 60))}
        try:
            reply = self._send(_Goto(self._status_url), params)
        except _Failed as failure:
            self.errors.append(failure.error)
            return
        if reply.status not in range(200, 300):
            url = urldefrag(self._status_url).url
            self.errors.append(CallError(BAD_CALLBACK, url, f"the answer was {reply.status}"))
