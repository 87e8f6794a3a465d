"""`Call`: what a caller, a test and a switchboard have in hand of one call."""

import contextlib

from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Self
from urllib.parse import urldefrag

from exchange.interpreter.caller import (
    LOOK,
    ConferenceWait,
    Gather,
    HangUp,
    HungUp,
    Input,
    Keys,
    Look,
    QueueWait,
    Silence,
    Speech,
    Wait,
)
from exchange.interpreter.script import Script
from exchange.interpreter.stage import Stage
from exchange.interpreter.steps import BAD_CALLBACK, CallError, Failed, Goto
from exchange.orders import Complete, Redirect
from exchange.transport import Transport

NORMAL_ENDS = frozenset({"hangup", "document-ended"})


@dataclass(kw_only=True, eq=False, repr=False)
class Call(Stage):
    """One call. `url`, `fallback_url` and `status_url` are public URLs, fragments allowed.

    `heard_by` is told of everything the caller hears, before the time for it passes, and `sent_by`
    of every request made. `answered_by` is told once, by the first verb that answers an incoming
    call, before it is heard, `seated_by` of each change of its place in a conference, and `over_by`
    of the end, before anybody else is.
    `twiml` plays a document instead of fetching the first one, as the REST parameter does.
    With a `switchboard`, queues and conferences are shared with its other calls; without one, the
    caller waits alone, and a <Dial> is noted and goes on with its action. `rung` is for an outbound
    call that was rung elsewhere: so many status callbacks were sent for that.

    One thread at a time: only `redirect`, `complete` and `mailbox` are for others. A caller who
    hangs up says so with `hang_up` between two inputs, or with HungUp out of any of those or of the
    clock; then the call leaves its queue and its conference and tells its end, as it always does.
    """

    url: str
    method: str = "POST"
    twiml: str = ""
    fallback_url: str = ""
    status_url: str = ""
    status_events: tuple[str, ...] = ("completed",)
    dial_status: str = "completed"
    over_by: Callable[[], None] | None = None
    rung: int | None = None

    def __post_init__(self, transport: Transport, auth_token: str, call_sid: str) -> None:
        super().__post_init__(transport, auth_token, call_sid)
        self.pressed: list[str] = []
        self.waiting: Wait | None = None
        self.ended = False
        self.end_reason: str | None = None
        # The number of the next status callback.
        self._sequence = self.rung or 0
        self._script = Script(self, fallback_url=self.fallback_url, dial_status=self.dial_status)
        self._playing: Generator[Wait, Input | Look, str] | None = None

    # What the caller does

    def dial(self) -> Self:
        """Ring the service and run until the caller has to act or the call is over."""
        if self._playing is not None:
            raise RuntimeError("this call was dialled before")
        self.started = self.clock.now()
        first = Goto(self.url, self.method, self.first_params())
        self._playing = self._script.run(first, self.twiml)
        try:
            if self.rung is None:
                self._progress("initiated")
                self._progress("ringing")
            if self.direction != "inbound":
                self.status = "in-progress"
            if self.switchboard is not None:
                self.switchboard.enter(self)
            self._progress("answered")
        except HungUp:
            return self.hang_up()
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
        if self._playing is not None:
            self._playing.close()
        self.gone = True
        self._script.leave_all("hangup", "participant_hung_up")
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
        self.status_url = status_url

    def obey(self) -> Self:
        """Do what orders ask of a call that waits for its caller."""
        while self.waiting is not None and self.mailbox:
            self._resume(LOOK)
        return self

    # The same, in the words of a test that reads as a call

    dials, presses, says = dial, press, say
    stays_silent, hangs_up = silence, hang_up

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
        return " ".join(h.text for h in self.heard[self.mark :] if h.kind == "say")

    @property
    def waiting_gather(self) -> Gather | None:
        return self.waiting if isinstance(self.waiting, Gather) else None

    @property
    def waiting_queue(self) -> QueueWait | None:
        return self.waiting if isinstance(self.waiting, QueueWait) else None

    @property
    def waiting_conference(self) -> ConferenceWait | None:
        return self.waiting if isinstance(self.waiting, ConferenceWait) else None

    @property
    def conference(self) -> str:
        """The name of the conference the caller is in, or an empty string."""
        return self.seat.conference if self.seat else ""

    @property
    def dialled(self) -> bool:
        return self._playing is not None

    @property
    def shared(self) -> bool:
        """Whether it waits and talks with others, on a switchboard."""
        return self.switchboard is not None

    @property
    def ended_normally(self) -> bool:
        """Whether the service ended the call itself, without an error of any kind."""
        return self.end_reason in NORMAL_ENDS and not self.errors

    # From one wait to the next

    def _act(self, action: Input) -> Self:
        if self.waiting is None:
            raise RuntimeError(f"the call waits for nothing (ended: {self.end_reason})")
        gather = self.waiting_gather
        if isinstance(action, Speech) and gather is not None and "speech" not in gather.inputs:
            # Speech that nobody listens for is silence to Twilio.
            action = Silence()
        if not isinstance(self.waiting, ConferenceWait):
            self.mark = len(self.heard)
        self.unasked = 0
        self._resume(action)
        return self

    def _resume(self, action: Input | Look | None) -> None:
        if self._playing is None:
            raise RuntimeError("the call was not dialled")
        try:
            # A generator's first `send` must be None.
            self.waiting = next(self._playing) if action is None else self._playing.send(action)
        except StopIteration as stop:
            self._finish(stop.value)
        except HungUp:
            self.hang_up()

    def _finish(self, reason: str) -> None:
        # Whoever was there is let go before the end is told.
        self.gone = True
        self.ended, self.end_reason, self.waiting, self.queue = True, reason, None, ""
        self.seat = None
        gave_up = self.direction == "inbound" and reason == "caller-hung-up"
        if self.status == "ringing" and gave_up:
            # They gave up before anything answered.
            self.status = "no-answer"
        elif self.status in {"ringing", "in-progress"}:
            self.status = "completed"
        if self.over_by is not None:
            with contextlib.suppress(HungUp):
                self.over_by()
        if self.switchboard is not None:
            self.switchboard.over(self)
        if self.status_url and "completed" in self.status_events:
            self._callback(self.status)

    # Status callbacks

    def _progress(self, event: str) -> None:
        """Tell an outbound call's progress; an incoming call only tells its end."""
        if self.direction == "inbound" or event not in self.status_events:
            return
        if self.status_url:
            self._callback({"answered": "in-progress"}.get(event, event))

    def _callback(self, status: str) -> None:
        seconds = self.duration_s if status == "completed" else 0
        params = self.progress(status, self._sequence, self.clock.now(), seconds)
        self._sequence += 1
        try:
            reply = self.webhooks.send(Goto(self.status_url), params)
        except Failed as failure:
            self.errors.append(failure.error)
            return
        if reply.status not in range(200, 300):
            url = urldefrag(self.status_url).url
            self.errors.append(CallError(BAD_CALLBACK, url, f"the answer was {reply.status}"))
