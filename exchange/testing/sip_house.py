"""Telephones without a network: a service is rung through the SIP leg, in a time of the test's.

The call runs in its own thread, as it does at work. A test is the caller: what it does is done
while the call waits, and time stands still unless the test waits or listens.
"""

from __future__ import annotations

import heapq
import itertools
import threading

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from ipaddress import ip_network
from types import MappingProxyType
from typing import Any, Self

from exchange.interpreter import Call
from exchange.orders import Lines, Order, Seat
from exchange.settings import Settings
from exchange.sip.calls import Calls
from exchange.sip.leg import LEAD_S, SipLeg, Studio, Time
from exchange.sip.line import RtpLine
from exchange.sip.mixer import Mixer
from exchange.sip.parts import Law, Media, Sound
from exchange.sip.settings import Account, Plan
from exchange.sip.sounds import Sounds
from exchange.sip.voice import Voice
from exchange.switchboard import spawn
from exchange.transport import Outgoing, Reply, Transport
from exchange.twiml import CHARACTERS_PER_SECOND, Piece

BASE = "http://service.test"
NUMBER = "+33974750001"
# How long (seconds) a call may take to come to where it waits: never, on a machine that works.
PATIENCE_S = 60.0
# How long (seconds of a test's time) something is listened for.
LISTENS_S = 300.0
# How often what one call does is looked at by the others.
CHAIN = 3


class TestTime(Time):
    """Time for all calls of a house; see `leg.Time`. It goes by in `pass_by` only."""

    __test__ = False

    def __init__(self) -> None:
        self._now = 0.0
        self._lock = threading.Condition()
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._count = itertools.count()
        # Calls that wait, by what they wait on, and when they look by themselves.
        self._waiting: dict[threading.Condition, float] = {}
        self._working = 0

    def now(self) -> float:
        """See `leg.Time`."""
        return self._now

    def wait(self, changed: threading.Condition, seconds: float) -> None:
        """See `leg.Time`."""
        with self._lock:
            self._waiting[changed] = self._now + seconds
            self._working -= 1
            self._lock.notify_all()
        changed.wait()
        with self._lock:
            if self._waiting.pop(changed, None) is not None:
                # Another call had something for this one.
                self._working += 1

    def begins(self) -> None:
        """Take note of one more call that is at work."""
        with self._lock:
            self._working += 1

    def ends(self) -> None:
        """Take note that a call is over."""
        with self._lock:
            self._working -= 1
            self._lock.notify_all()

    def at(self, when: float, do: Callable[[], None]) -> None:
        """Have something done when that moment comes."""
        with self._lock:
            heapq.heappush(self._events, (when, next(self._count), do))

    def do(self, what: Callable[[], Any]) -> None:
        """Do something while all calls wait, and have them come to where they wait again."""
        self._settle()
        what()
        # What one call does may be news to another, and the other way round.
        for _ in range(CHAIN):
            self._wake()
            self._settle()

    def pass_by(self, seconds: float, until: Callable[[], bool] = lambda: False) -> None:
        """Let time go by, with all that happens meanwhile, or less as soon as `until()`."""
        end = self._now + seconds
        self._settle()
        while not until():
            with self._lock:
                moments = [*self._waiting.values(), *(event[0] for event in self._events[:1])]
                self._now = min([end, *(max(self._now, moment) for moment in moments)])
                due = []
                while self._events and self._events[0][0] <= self._now:
                    due.append(heapq.heappop(self._events)[2])
            for do in due:
                do()
            if self._now >= end and not due:
                return
            for _ in range(CHAIN):
                self._wake()
                self._settle()

    def _wake(self) -> None:
        with self._lock:
            waiting, self._waiting = list(self._waiting), {}
            self._working += len(waiting)
        for changed in waiting:
            with changed:
                changed.notify_all()

    def _settle(self) -> None:
        with self._lock:
            settled = self._lock.wait_for(lambda: self._working == 0, PATIENCE_S)
        assert settled, "a call is stuck at work"


@dataclass(frozen=True)
class Spoken(Sound):
    """A sound, and what it is of."""

    text: str = ""


@dataclass(frozen=True)
class Played:
    """Something that began to be heard at `at` (seconds), for as long as it was not stopped."""

    at: float
    text: str
    seconds: float


class FakeLine(RtpLine):
    """A line whose sound goes nowhere. `played` is all that anybody would have heard."""

    law: Law = "PCMU"
    port = 20000

    def __init__(self, time: TestTime) -> None:
        self._time = time
        self.ear: Any = None
        self.played: list[Played] = []
        self.frame: bytes | None = None
        self.closed = False
        self.taken: Callable[[bytes], None] | None = None
        self._queue: list[Played] = []

    def connect(self, media: Media) -> None:
        """See `RtpLine`."""

    def play(self, sound: Sound) -> None:
        """See `RtpLine`."""
        last = self._queue[-1] if self._queue else None
        begins = max(self._time.now(), last.at + last.seconds if last else 0)
        text = sound.text if isinstance(sound, Spoken) else ""
        self._queue.append(Played(begins, text, sound.seconds))
        self._time.at(begins + sound.seconds, self._look)

    def stop(self) -> None:
        """See `RtpLine`."""
        now = self._time.now()
        self._keep()
        for cut in self._queue[:1]:
            if cut.at < now:
                self.played.append(replace(cut, seconds=now - cut.at))
        if self._queue:
            self._queue = []
            self.ear.idle()

    @property
    def playing(self) -> bool:
        """See `RtpLine`."""
        self._keep()
        return bool(self._queue)

    @property
    def heard(self) -> list[Played]:
        """What was heard so far, what is being heard included."""
        self._keep()
        return [*self.played, *(one for one in self._queue if one.at <= self._time.now())]

    def listen(self, taken: Callable[[bytes], None] | None) -> None:
        """See `RtpLine`."""
        self.taken = taken

    def attend(self, wanted: bool) -> None:  # noqa: FBT001 - as it is
        """See `RtpLine`."""

    def mix(self, coded: bytes | None) -> None:
        """See `RtpLine`."""

    def close(self) -> None:
        """See `RtpLine`."""
        self.closed = True

    def _look(self) -> None:
        if self._queue and not self.playing and self.ear is not None:
            self.ear.idle()

    def _keep(self) -> None:
        now = self._time.now()
        while self._queue and self._queue[0].at + self._queue[0].seconds <= now:
            self.played.append(self._queue.pop(0))


class FakeVoice(Voice):
    """Says everything as long as the exchange thinks that it takes. `waits` is at every piece."""

    def __init__(self) -> None:
        self.said: list[tuple[str, str, float]] = []

    def say(self, pieces: Sequence[Piece], language: str) -> Iterator[Sound]:
        """See `Voice`."""
        for piece in pieces:
            if piece.pause_s:
                yield Sound.silent(piece.pause_s)
                continue
            self.said.append((piece.text, piece.language or language, piece.rate))
            seconds = len(piece.text) / CHARACTERS_PER_SECOND / piece.rate
            yield Spoken(Sound.silent(seconds).ulaw, piece.text)


class FakeSounds(Sounds):
    """Recordings by URL; each lasts as long as is said there, in seconds."""

    def __init__(self, recordings: dict[str, float]) -> None:
        self._recordings = recordings

    def of(self, url: str) -> Sound | None:
        """See `Sounds`."""
        seconds = self._recordings.get(url)
        return None if seconds is None else Spoken(Sound.silent(seconds).ulaw, url)


class FakeMixer(Mixer):
    """Takes note of who sits where. `log` is all that was told, in order."""

    def __init__(self) -> None:
        self.seats: dict[str, Seat] = {}
        self.music: dict[str, str] = {}
        self.log: list[Seat | None] = []

    def seat(self, call_sid: str, line: Any, seat: Seat | None, music: Sound | None = None) -> None:
        """See `Mixer`. `music` is kept as what it is of."""
        self.music[call_sid] = music.text if isinstance(music, Spoken) else ""
        self.log.append(seat)
        if seat is None:
            del self.seats[call_sid]
        else:
            self.seats[call_sid] = seat


class FakeTelephone:
    """A `leg.Telephone` that a test holds to its ear. `log` is what was done to it, in order."""

    def __init__(self, line: FakeLine, caller: str, called: str, account: str = "") -> None:
        self.line: RtpLine = line
        self.sound = line
        self.caller, self.called, self.account = caller, called, account
        self.log: list[str] = []
        self.there = True

    @property
    def ear(self) -> Any:
        """Who is told."""
        return self.sound.ear

    @ear.setter
    def ear(self, ear: Any) -> None:
        self.sound.ear = ear

    def rings(self) -> None:
        """See `Telephone`."""
        self.log.append("rings")

    def answer(self) -> bool:
        """See `Telephone`."""
        self.log.append("answered" if self.there else "answered too late")
        return self.there

    def refuse(self, status: int) -> None:
        """See `Telephone`."""
        self.log.append(f"refused {status}")

    def hang_up(self) -> None:
        """See `Telephone`."""
        if not self.sound.closed:
            self.log.append("hung up")
        self.line.close()


@dataclass
class Caller:
    """Somebody at a SIP telephone; `call` is what the exchange makes of it."""

    house: SipHouse
    telephone: FakeTelephone
    call: Call | None = None
    # When it last pressed a key.
    _since: float = 0.0

    @property
    def line(self) -> FakeLine:
        """The sound of it."""
        return self.telephone.sound

    def presses(self, keys: str, *, every: float = 0.1) -> Self:
        """Press keys, `every` so many seconds."""
        for number, key in enumerate(keys):
            if number:
                self.waits(every)
            self._since = self.house.time.now()
            self.house.time.do(lambda key=key: self.line.ear.key(key))  # type: ignore[misc]
        return self

    def waits(self, seconds: float) -> Self:
        """Let time go by."""
        self.house.time.pass_by(seconds)
        return self

    def hears(self, fragment: str) -> Self:
        """Listen until that begins to be said or played, since the last key at the earliest."""
        self.house.time.pass_by(LISTENS_S, lambda: self._heard(fragment) or self.is_over)
        assert self._heard(fragment), f"{fragment!r} was not heard, but: {self.texts}"
        return self

    def listens(self) -> Self:
        """Listen until nothing is played any more."""
        self.house.time.pass_by(LISTENS_S, lambda: not self.line.playing)
        return self

    def hangs_up(self) -> Self:
        """Put the receiver down."""
        self.telephone.there = False
        self.house.time.do(lambda: self.line.ear.gone("hung up"))
        return self

    def ordered(self, order: Order) -> Self:
        """Have somebody ask something of the call."""
        call = self.made
        self.house.time.do(lambda: call.mailbox.post(order))
        return self

    @property
    def made(self) -> Call:
        """The call, which there is."""
        assert self.call is not None, "it was refused"
        return self.call

    @property
    def is_over(self) -> bool:
        """Whether the call has ended."""
        return self.call is not None and self.call.ended

    @property
    def texts(self) -> list[str]:
        """All that was said or played so far, by what began to be."""
        return [one.text for one in self.line.heard if one.text]

    @property
    def log(self) -> list[str]:
        """What was done to the telephone."""
        return self.telephone.log

    def _heard(self, fragment: str) -> bool:
        heard = " ".join(one.text for one in self.line.heard if one.at >= self._since)
        return fragment.casefold() in heard.casefold()


def plan(**changes: Any) -> Plan:
    """What may be done in a house, unless told otherwise."""
    usual = Plan(
        host="127.0.0.1",
        port=5060,
        rtp_ports=(20000, 20999),
        most_calls=20,
        accounts=MappingProxyType({}),
        networks=(ip_network("127.0.0.0/8"),),
        trunk=None,
        advertised_host="127.0.0.1",
    )
    accounts = changes.pop("accounts", {})
    known = {name: Account(name, "a-long-password", rings) for name, rings in accounts.items()}
    return replace(usual, accounts=MappingProxyType(known), **changes)


class Documents:
    """A service that answers each path from a table, the last entry again and again."""

    def __init__(self, table: dict[str, str | list[str]]) -> None:
        self.table = {
            path: [told] if isinstance(told, str) else list(told) for path, told in table.items()
        }
        self.sent: list[Outgoing] = []

    def send(self, request: Outgoing) -> Reply:
        """See `Transport`."""
        self.sent.append(request)
        replies = self.table.get(request.url.removeprefix(BASE).partition("?")[0])
        if replies is None:
            return Reply(404)
        inner = replies.pop(0) if len(replies) > 1 else replies[0]
        return Reply(200, f"<Response>{inner}</Response>".encode(), {"Content-Type": "text/xml"})

    def forms(self, path: str) -> list[dict[str, str]]:
        """What was posted to a path, in order."""
        return [dict(sent.form) for sent in self.sent if sent.url == BASE + path]


@dataclass
class SipHouse:
    """Telephones before a service. `lines` is the switchboard, where there is one."""

    service: Transport
    settings: Settings
    plan: Plan = field(default_factory=plan)
    lines: Lines | None = None
    recordings: dict[str, float] = field(default_factory=dict)
    recogniser: Any = None

    def __post_init__(self) -> None:
        self.time = TestTime()
        self.voice, self.mixer = FakeVoice(), FakeMixer()
        self.callers: list[Caller] = []
        studio = Studio(
            voice=self.voice,
            sounds=FakeSounds(self.recordings),
            mixer=self.mixer,
            waiting_music=Spoken(Sound.silent(8).ulaw, "music"),
            ringing=Spoken(Sound.silent(5).ulaw, "ringing"),
            beep=Spoken(Sound.silent(0.2).ulaw, "beep"),
            recogniser=self.recogniser,
        )
        self.calls = Calls(
            self.plan,
            self.settings,
            studio,
            self.lines,
            self.service,
            clock=self.time,
            begin=self.begin,
        )

    def begin(self, run: Callable[[], None]) -> threading.Thread:
        """Start a call's thread, whose time is the house's."""

        def timed() -> None:
            try:
                run()
            finally:
                self.time.ends()

        self.time.begins()
        return spawn(timed)

    def telephone(self, caller: str, called: str = NUMBER, account: str = "") -> FakeTelephone:
        """A telephone with a line, which rings nobody yet."""
        return FakeTelephone(FakeLine(self.time), caller, called, account)

    def rings(self, caller: str = "0612345678", called: str = NUMBER, account: str = "") -> Caller:
        """Have somebody ring the service, up to where the call waits."""
        telephone = self.telephone(caller, called, account)
        return self.with_call(telephone, lambda: self.calls.on_call(telephone))

    def with_call(self, telephone: FakeTelephone, begin: Callable[[], None]) -> Caller:
        """Have a call begin, and return who is at that telephone."""
        self.time.do(begin)
        if "answered" in telephone.log:
            self.time.pass_by(LEAD_S)
        leg = telephone.ear
        return Caller(self, telephone, leg.call if isinstance(leg, SipLeg) else None)


class Shelf:
    """A service that has recordings, and the sounds fetched from it."""

    def __init__(self, recordings: Mapping[str, Reply | Exception], **settings: Any) -> None:
        self.recordings = {f"{BASE}{path}": reply for path, reply in recordings.items()}
        self.asked: list[str] = []
        self.now = 1000.0
        self.before: Callable[[], object] = str
        self.sounds = Sounds(self, now=lambda: self.now, **settings)

    def send(self, request: Outgoing) -> Reply:
        self.before()
        self.asked.append(request.url.removeprefix(BASE))
        reply = self.recordings.get(request.url, Reply(404, b"<html>"))
        if isinstance(reply, Exception):
            raise reply
        return reply

    def plays(self, path: str) -> float | None:
        """Return how many seconds are heard of it, or None."""
        sound = self.sounds.of(f"{BASE}{path}")
        return None if sound is None else sound.seconds
