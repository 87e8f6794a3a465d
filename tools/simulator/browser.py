"""A caller at a page: the end of the line that waits for what a browser sends.

Two kinds of threads meet here. The call runs in one of its own and blocks in the leg while the
caller listens or thinks; the web server's threads look and bring keys, words, silence. A lock
stands between them.
"""

import threading

from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from exchange.calls import FINAL, CallRecord
from exchange.clock import OwnPaced
from exchange.interpreter import (
    Call,
    ConferenceWait,
    Gather,
    HangUp,
    Heard,
    HungUp,
    Input,
    Keys,
    QueueWait,
    Silence,
    Speech,
)
from exchange.orders import Mailbox

# A page that asked for nothing for so long (seconds) is gone, and the call with it.
AWAY_S = 60.0
# How often (seconds) a waiting call looks whether its page is still there.
LOOK_S = 1.0
# The least time (seconds) that one round in a queue takes, whatever its document plays.
QUEUE_ROUND_S = 1.0

TAKEN, LATE, DEAF_TO_KEYS, DEAF_TO_SPEECH = "taken", "late", "deaf_to_keys", "deaf_to_speech"


class BrowserLeg:
    """One caller; see `Leg`. `events` is what the page shows and plays, in order.

    `now` is a clock in seconds that never goes back, `record` what the exchange keeps of the call:
    it may be ended from outside. Where there is an order for the call nothing is listened to or
    asked any more, and the call goes on with that. Times that the caller takes are the browser's:
    it plays, counts the silence, and tells when it has done so.
    """

    def __init__(
        self, now: Callable[[], float], record: CallRecord, away_s: float = AWAY_S
    ) -> None:
        self._now, self._record, self._away_s = now, record, away_s
        self._mailbox: Mailbox | None = None
        self._changed = threading.Condition()
        self._seen = now()
        self._played = 0
        self._gather: Gather | None = None
        self._answer: Input | None = None
        self._interrupts = False
        self._events: list[dict[str, Any]] = []
        self._waits = "work"
        self._turn = 0
        self._typed = ""
        self._left = ""

    # The call's thread

    def sits_at(self, call: Call) -> None:
        """Be the end of this call's line, and look for its orders from now on."""
        self._mailbox = call.mailbox
        call.mailbox.on_post = self._wake

    def heard(self, heard: Heard) -> None:
        """Note what the exchange plays."""
        with self._changed:
            self._events.append(asdict(heard))

    def listen(self) -> None:
        """Return when the page has played all there is; raises HungUp when the caller leaves."""
        with self._changed:
            if self._waits == "over" or self._played >= len(self._events):
                return
            self._wait("play", lambda: self._played >= len(self._events) or self._ordered())
            if self._ordered():
                # What goes on now cuts off what was not heard yet.
                self._played = len(self._events)
            if self._left:
                # No page listens to what is left, nor while the end is told.
                self._played = len(self._events)
                raise HungUp

    def answers(self, call: Call, gather: Gather) -> Input:
        with self._changed:
            self._turn += 1
            self._gather, self._answer, self._typed = gather, None, ""
            self._wait("answer", lambda: self._answer is not None or self._ordered())
            if self._ordered() and not self._left:
                self._gather, self._played = None, len(self._events)
                return Silence()
            answer, self._gather = self._given(), None
            match answer:
                case Keys(digits):
                    self._note("keys", digits)
                case Speech(text):
                    self._note("said", text)
                case Silence():
                    self._note("silence", "")
            # What was not heard to the end will not be heard any more.
            self._played = len(self._events)
            return answer

    def waits(self, call: Call, queue: QueueWait) -> Input:
        with self._changed:
            until = self._now() + QUEUE_ROUND_S
            self._wait("queue", lambda: self._now() >= until or self._ordered())
            return HangUp() if self._left else Silence()

    def confers(self, call: Call, wait: ConferenceWait) -> Input:
        with self._changed:
            self._wait("talk", self._ordered)
            return HangUp() if self._left else Silence()

    def _wake(self) -> None:
        with self._changed:
            self._changed.notify_all()

    def over(self) -> None:
        """Say that the call has ended, or is about to; nothing is waited for any more."""
        with self._changed:
            self._waits = "over"
            self._changed.notify_all()

    def _ordered(self) -> bool:
        return bool(self._mailbox)

    def _given(self) -> Input:
        return HangUp() if self._answer is None else self._answer

    def _note(self, kind: str, text: str) -> None:
        self._events.append(asdict(Heard(kind, text)))

    def _wait(self, what: str, done: Callable[[], bool]) -> None:
        """Wait with the lock until `done()` or until the caller left, and say why."""
        self._waits = what
        self._changed.notify_all()
        while not done() and not self._left:
            self._changed.wait(LOOK_S)
            if self._now() - self._seen > self._away_s:
                self._left = "away"
            elif self._record.status in FINAL:
                self._left = "cut"
        self._waits = "work"

    # The page's requests

    def look(self, after: int, patience_s: float = 0.0) -> dict[str, Any]:
        """Return where the call is, with the events from number `after` on.

        Waits up to `patience_s` seconds for the call to need the page. `waits` is `play` (the page
        plays, then tells so), `answer`, `queue`, `talk` (in a conference), `work` (the service is
        at it) or `over`.
        """
        with self._changed:
            self._seen = self._now()
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._waits != "work", patience_s)
            return {
                "waits": self._waits,
                "count": len(self._events),
                "events": self._events[after:],
                "question": self._question(),
                "left": self._left,
            }

    def _question(self) -> dict[str, Any] | None:
        gather = self._gather
        if gather is None or self._answer is not None:
            return None
        return {
            "turn": self._turn,
            "keys": "dtmf" in gather.inputs,
            "speech": "speech" in gather.inputs,
            "language": gather.language,
            "timeout": gather.timeout_s,
            "digits": gather.num_digits,
            "finish": gather.finish_on_key,
            "typed": self._typed,
        }

    def has_played(self, count: int) -> str:
        """Take note that the page has played the first `count` events."""
        with self._changed:
            self._played = max(self._played, min(count, len(self._events)))
            return self._told(done=self._waits == "play" and self._played >= len(self._events))

    def press(self, turn: int, keys: str, *, interrupts: bool = False) -> str:
        """Press keys one after another; the exchange's rules say when they are complete."""
        with self._changed:
            gather = self._asked(turn)
            if gather is None:
                return LATE
            if "dtmf" not in gather.inputs:
                return DEAF_TO_KEYS
            if not self._typed:
                self._interrupts = interrupts
            for key in keys:
                self._typed += key
                if gather.cut(self._typed)[2]:
                    self._answer = Keys(self._typed, self._interrupts)
                    break
            return self._told(done=self._answer is not None)

    def say(self, turn: int, text: str, confidence: float | None) -> str:
        """Say something. The first kind of input wins: words after a first key are not heard."""
        with self._changed:
            gather = self._asked(turn)
            if gather is None:
                return LATE
            if "speech" not in gather.inputs or self._typed:
                return DEAF_TO_SPEECH
            self._answer = Speech(text, confidence)
            return self._told(done=True)

    def stay_silent(self, turn: int) -> str:
        """Let the time-out pass: keys typed so far are submitted, as Twilio does."""
        with self._changed:
            if self._asked(turn) is None:
                return LATE
            self._answer = Keys(self._typed, self._interrupts) if self._typed else Silence()
            return self._told(done=True)

    def hang_up(self) -> str:
        with self._changed:
            self._left = self._left or "caller"
            return self._told(done=self._waits != "over")

    def _asked(self, turn: int) -> Gather | None:
        # A key or a silence may cross the answer before it on the way here.
        return self._gather if turn == self._turn and self._answer is None else None

    def _told(self, *, done: bool) -> str:
        if done:
            # The next look waits for what comes of it.
            self._waits = "work"
        self._changed.notify_all()
        return TAKEN


class LineClock(OwnPaced):
    """Real time. The call goes on when the caller has heard what was played."""

    def __init__(self, leg: BrowserLeg) -> None:
        self._leg = leg

    def advance(self, seconds: float) -> None:
        """Wait for the browser, which knows how long its voice takes."""
        self._leg.listen()
