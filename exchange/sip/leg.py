"""A caller at a SIP telephone: what the exchange plays becomes sound, and keys come back.

Two threads meet here. The call runs in one of its own: it makes sound and waits until that is heard
or something else happens. The loop's thread brings keys, the end of what is played, the end of the
call. Nothing of the line is called under the lock that stands between them, for the line tells its
news under locks of its own.
"""

import itertools
import math
import threading
import time

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final, Protocol

from exchange.clock import OwnPaced
from exchange.interpreter import (
    Call,
    ConferenceWait,
    Gather,
    HangUp,
    Heard,
    HungUp,
    Input,
    QueueWait,
    Silence,
)
from exchange.interpreter.collector import Collector
from exchange.orders import Complete, Drop, Mailbox, Order, Redirect, Released, Seat, Seated
from exchange.sip.line import RtpLine
from exchange.sip.listening import Hearing, Listener
from exchange.sip.mixer import Mixer
from exchange.sip.parts import RATE, Ear, Sound
from exchange.sip.sounds import Sounds
from exchange.sip.voice import Voice
from exchange.switchboard import BRIDGE
from exchange.twiml import Piece

# How often (seconds) a call that waits looks by itself, should it not have been told of something.
LOOK_S: Final = 1.0
# The least time (seconds) that one round of a document takes, in a queue or on hold, whatever it
# plays.
ROUND_S: Final = 1.0
# Silence (seconds) after an answer: a telephone takes a moment from it to its first sound, and the
# first word is a greeting.
LEAD_S: Final = 0.1
# Silence (seconds) before a BYE: what was sent last is still in the other side's buffer.
TAIL_S: Final = 0.25
# How long (seconds) the end of a call is listened to at most, should the line not tell of it.
LAST_WORDS_S: Final = 2.0
BUSY_HERE: Final = 486
DECLINE: Final = 603
REJECTED: Final = "rejected"
# Ends of a call after which what was said last is heard out.
HEARD_OUT: Final = frozenset({"hangup", "document-ended", "application-error"})
# Keys that are kept while nobody asks for them.
MOST_KEYS: Final = 40
ONE_SECOND: Final = Sound.silent(1)
NOTHING: Final = Sound(b"")


@dataclass(frozen=True)
class Studio:
    """Where sound comes from, one for all calls. Without a recogniser, speech is silence."""

    voice: Voice
    sounds: Sounds
    mixer: Mixer
    waiting_music: Sound
    ringing: Sound
    beep: Sound
    tones: Callable[[str], Sound] = lambda digits: Sound.silent(len(digits) / 2)
    recogniser: Listener | None = None


class Time:
    """The machine's time, in seconds that never go back."""

    def now(self) -> float:
        """Return the present moment."""
        return time.monotonic()

    def wait(self, changed: threading.Condition, seconds: float) -> None:
        """Wait with the lock until told, at most so long."""
        changed.wait(seconds)


class Telephone(Protocol):
    """One SIP call, in either direction. May be used from any thread.

    `caller` is what stands in From before the `@`, or `anonymous` where that is not to be known;
    `called` whom the request is for, or who stands in To where that is no number. `account` is who
    proved to be somebody, or an empty string. `line` is there from the beginning. `ear` is told the
    news, those from before it was set first.
    """

    caller: str
    called: str
    account: str
    line: RtpLine
    ear: Ear | None

    def rings(self) -> None:
        """Say 180 to who calls."""

    def answer(self) -> bool:
        """Answer who calls, once; waits until that is sent. False where they have gone."""

    def refuse(self, status: int) -> None:
        """Refuse who calls, with a final status of 4xx to 6xx."""

    def hang_up(self) -> None:
        """End it, whatever it does; once is enough, and nothing is told of it."""


class SipLeg:
    """One caller; see `Leg`, `Talker` and `Ear`.

    Made before its call, whose hooks are `picks_up`, `heard`, `seated` and `over` and whose mailbox
    is `mailbox`; `call` is set then. A telephone that rings us is answered at the first verb that
    answers, so that a <Reject> can still refuse it.
    """

    def __init__(
        self, telephone: Telephone, studio: Studio, mailbox: Mailbox, *, time: Time | None = None
    ) -> None:
        self._telephone, self._line = telephone, telephone.line
        self._studio, self._time = studio, time or Time()
        self._mailbox = mailbox
        mailbox.on_post = self._tell
        # The call that this is the caller of.
        self.call: Call | None = None
        self._changed = threading.Condition()
        # Counts what was told, so that nothing told between looking and waiting is missed.
        self._news = 0
        self._gone = ""
        self._over = False
        # What is to be played, but was not made to sound yet.
        self._score: deque[Heard] = deque()
        self._music_at = 0
        self._round = 0.0
        self._seat: Seat | None = None
        self._mixed = False
        # The Gather that listens, and what was pressed or said at it and not looked at yet.
        self._gather: Gather | None = None
        self._collector: Collector | None = None
        self._keys: deque[tuple[str, float]] = deque(maxlen=MOST_KEYS)
        self._said: tuple[str, float | None] | None = None
        self._hearing: Hearing | None = None

    # The loop's thread

    def key(self, digit: str) -> None:
        """See `Ear`. Where no Gather listens a key is lost, as it is to Twilio."""
        now = self._time.now()
        with self._changed:
            if self._gather is None or "dtmf" not in self._gather.inputs:
                return
            self._keys.append((digit, now))
        # At once, and not when the voice that is at work lets the call go on.
        self._line.stop()
        self._tell()

    def idle(self) -> None:
        self._tell()

    def gone(self, how: str) -> None:
        self._gone = self._gone or how
        self._tell()

    def hang_up(self) -> None:
        """End it from here; to the call the caller is gone. From any thread."""
        self._telephone.hang_up()
        self.gone("hung up")

    def _tell(self) -> None:
        """Have the call look, if it waits."""
        with self._changed:
            self._news += 1
            self._changed.notify_all()

    # The call's thread: what is heard

    def picks_up(self) -> None:
        """Answer the telephone that rings us; raises HungUp where it rings no more."""
        if self._gone:
            raise HungUp
        if not self._telephone.answer():
            self._gone = "cancelled"
            # Should the loop have been late to answer it, it is no dead line.
            self._telephone.hang_up()
            raise HungUp
        # A caller who left meanwhile was answered; the call notices at what it says next.
        self._line.play(Sound.silent(LEAD_S))

    def heard(self, heard: Heard) -> None:
        """Take note of what is to be heard after what is; raises HungUp where nobody is there.

        It is made to sound when the call waits for that: a prompt not before its keys count.
        """
        if self._gone:
            raise HungUp
        self._score.append(heard)

    def seated(self, seat: Seat | None) -> None:
        """Have those in the conference heard, or no longer."""
        self._seat = seat
        self._mix(seat)

    def listen(self) -> None:
        """Return when all that was played has been heard, or an order is there.

        Raises HungUp when the caller leaves.
        """
        self._sound()
        self._until(lambda: self._ordered() or not self._line.playing)
        if self._gone:
            raise HungUp
        if self._ordered():
            self._line.stop()

    def over(self) -> None:
        """Let go of the telephone, now that the call has ended; what was said is heard out."""
        call = self.call
        if self._over or call is None:
            return
        self._over = True
        self._mix(None)
        self._ask(None)
        if self._gone:
            return
        if call.end_reason == REJECTED:
            self._telephone.refuse(BUSY_HERE if call.status == "busy" else DECLINE)
            return
        if call.end_reason in HEARD_OUT:
            self._line.play(Sound.silent(TAIL_S))
            self._until(lambda: not self._line.playing, self._time.now() + LAST_WORDS_S)
        self._telephone.hang_up()

    def _sound(self) -> None:
        """Make all that is to be heard sound, as far as it is still wanted."""
        while self._score:
            heard = self._score.popleft()
            for sound in self._sounds(heard):
                if self._cut():
                    self._score.clear()
                    return
                self._line.play(sound)

    def _cut(self) -> bool:
        """Whether nothing more is to be played of what goes on."""
        return bool(self._keys) or bool(self._gone) or self._ordered()

    def _ordered(self) -> bool:
        """Whether an order is there that ends what is played."""
        return self._mailbox.has(lambda order: self._ends(order) or self._frees(order))

    def _ends(self, order: Order) -> bool:
        """Whether an order ends whatever goes on; of a conference, only where it is this one's."""
        if isinstance(order, Released):
            return self._seat is not None and self._seat.sid == order.sid
        return isinstance(order, Redirect | Complete | Drop)

    def _frees(self, order: Order) -> bool:
        # Whoever is taken off hold talks at once; others that come or go stop nothing.
        held = self._seat is not None and self._seat.hold
        return held and isinstance(order, Seated) and not order.seat.hold

    def _sounds(self, heard: Heard) -> Iterator[Sound]:
        match heard.kind:
            case "say":
                pieces = heard.pieces or (Piece(heard.text),)
                for _ in self._rounds(heard.loop):
                    yield from self._studio.voice.say(pieces, heard.language)
            case "play":
                yield from self._played(heard)
            case "pause":
                yield from _silence(heard.seconds)
            case "beep":
                yield self._studio.beep

    def _played(self, heard: Heard) -> Iterator[Sound]:
        if heard.url:
            sound = self._studio.sounds.of(heard.url)
            # What cannot be had is silence, as with Twilio, whose debugger then shows it.
            if sound is not None and sound.ulaw:
                for _ in self._rounds(heard.loop):
                    yield sound
        elif heard.digits:
            yield self._studio.tones(heard.digits)
        elif self._seat is None:
            # In a conference the mixer plays it, as long as that lasts.
            yield self._music(heard.seconds)

    def _rounds(self, loop: int) -> Iterator[None]:
        """Come round `loop` times (0: for ever), each time when the one before has been heard."""
        for done in itertools.count():
            if loop and done == loop:
                return
            if done:
                self._until(lambda: self._cut() or not self._line.playing)
                if self._cut():
                    return
            yield

    def _music(self, seconds: float) -> Sound:
        """Return the music from where it stopped."""
        music, length = self._studio.waiting_music.ulaw, round(seconds * RATE)
        if not music:
            return Sound.silent(seconds)
        at = self._music_at
        self._music_at = (at + length) % len(music)
        return Sound((music * ((at + length) // len(music) + 1))[at : at + length])

    # The call's thread: what the caller does

    def answers(self, call: Call, gather: Gather) -> Input:
        if gather is not self._gather:
            self._ask(gather)
        self._sound()
        answer = self._answer()
        while answer is None and not self._gone and not self._mailbox:
            self._until(lambda: bool(self._mailbox) or self._stirs(), self._deadline())
            answer = self._answer()
        if self._gone:
            return HangUp()
        if answer is None and not self._ordered():
            # The order is none of this Gather's business, which goes on in a moment.
            return Silence()
        self._ask(None)
        self._line.stop()
        return answer or Silence()

    def waits(self, call: Call, queue: QueueWait) -> Input:
        self._until(lambda: bool(self._mailbox), self._round + ROUND_S)
        self._round = self._time.now()
        return HangUp() if self._gone else Silence()

    def confers(self, call: Call, wait: ConferenceWait) -> Input:
        if not self._mixed:
            self._mix(wait.seat)
        self._sound()
        # Whoever is on hold hears the document of that again when it has ended.
        held = wait.seat.hold and wait.seat.hold_url
        self._until(lambda: bool(self._mailbox), self._round + ROUND_S if held else math.inf)
        self._round = self._time.now()
        if self._mailbox.has(self._ends):
            # Not a moment longer may one hear the other, whatever the service still has to do.
            self._mix(None)
        return HangUp() if self._gone else Silence()

    def _ask(self, gather: Gather | None) -> None:
        """Begin a Gather, or be done with one."""
        self._deafen()
        with self._changed:
            self._gather, self._said = gather, None
            self._collector = Collector(gather, self._time.now()) if gather else None
            self._keys.clear()

    def _deadline(self) -> float:
        deadline = self._collector.deadline if self._collector is not None else None
        return math.inf if deadline is None else deadline

    def _stirs(self) -> bool:
        """Whether something happened at the Gather."""
        if self._keys or self._said is not None:
            return True
        return self._deadline() == math.inf and not self._line.playing

    def _answer(self) -> Input | None:
        """Return what the caller has done at the Gather; None as long as that is not all."""
        collector, gather = self._collector, self._gather
        if collector is None or gather is None:
            return None
        while self._keys:
            answer: Input | None = collector.key(*self._keys.popleft())
            if answer is not None:
                return answer
            if not collector.listens:
                self._deafen()
        now, said = self._time.now(), self._said
        if said is not None:
            answer = collector.words(*said)
            if answer is not None:
                return answer
            self._deafen()
            self._said = None
            collector.falls_silent(now)
        if collector.stops_prompt:
            self._line.stop()
        elif not self._line.playing:
            collector.prompt_ended(now)
            self._lend_an_ear(gather, collector)
        if self._hearing is not None and self._hearing.speaking:
            collector.speaks(now)
        return collector.due(now)

    def _mix(self, seat: Seat | None) -> None:
        """Have the mixer know the line's place; without one it is told only if it knows one."""
        if self.call is not None and (seat is not None or self._mixed):
            self._mixed = seat is not None
            music = None if seat is None else self._music_of(seat, self.call.music_url)
            self._studio.mixer.seat(self.call.sid, self._line, seat, music)

    def _music_of(self, seat: Seat, url: str | None) -> Sound:
        """Return what is heard while waiting in a conference."""
        if seat.hold:
            # The document of whoever put it on hold is played on the line itself.
            return NOTHING if seat.hold_url else self._studio.waiting_music
        if seat.conference.startswith(BRIDGE):
            return self._studio.ringing
        if url is None or (seat.started and seat.others):
            # Where it talks, nothing is fetched that somebody would have to wait for.
            return self._studio.waiting_music
        return (self._studio.sounds.of(url) or self._studio.waiting_music) if url else NOTHING

    def _lend_an_ear(self, gather: Gather, collector: Collector) -> None:
        recogniser = self._studio.recogniser
        if recogniser is not None and self._hearing is None and collector.listens:
            hints = gather.attributes.get("hints", "")
            self._hearing = recogniser.begin(gather.language, hints, self._says)
            self._line.listen(self._hearing.take)

    def _says(self, text: str, confidence: float | None) -> None:
        """Take note of what the caller said; from any thread."""
        self._said = (text, confidence)
        self._tell()

    def _deafen(self) -> None:
        if self._hearing is not None:
            self._line.listen(None)
            self._hearing.close()
            self._hearing = None

    def _until(self, done: Callable[[], bool], until: float = math.inf) -> None:
        """Wait until `done()`, until the caller is gone, or until `until`."""
        while True:
            news, left = self._news, until - self._time.now()
            if self._gone or done() or left <= 0:
                return
            with self._changed:
                if self._news == news:
                    self._time.wait(self._changed, min(LOOK_S, left))


class SipClock(OwnPaced):
    """Real time. The call goes on when the caller has heard what was played."""

    def __init__(self, leg: SipLeg) -> None:
        self._leg = leg

    def advance(self, seconds: float) -> None:
        """Wait for the line, which knows how long its sound is."""
        self._leg.listen()


def _silence(seconds: float) -> Iterator[Sound]:
    """Return a pause in pieces that all calls share."""
    whole, rest = divmod(seconds, 1)
    for _ in range(int(whole)):
        yield ONE_SECOND
    if rest:
        yield Sound.silent(rest)
