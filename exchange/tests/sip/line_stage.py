"""Lines and telephones without a network: time, chance and the air between them are the test's."""

import cmath
import math
import random
import socket

from array import array
from collections import deque
from collections.abc import Callable, Iterable
from functools import cache
from operator import mul
from typing import Any, cast

from exchange.sip.line import RtpLine, everybody
from exchange.sip.parts import FRAME, FRAME_S, RATE, Media, Sound
from exchange.sip.ticker import Ticker
from exchange.tests.sip.rtp_peer import Network, RtpPeer

OURS = "192.0.2.1"
THEIRS = "198.51.100.7"
# For sums of seconds that are not exact.
A_LITTLE = 1e-6


class Air:
    """Datagrams go from address to address at once; whoever is not there gets none."""

    def __init__(self) -> None:
        self.waiting: dict[tuple[str, int], deque[tuple[bytes, tuple[str, int]]]] = {}
        self.broken = False

    def bound(self, host: str, port: int) -> "Ether":
        self.waiting[host, port] = deque()
        return Ether(self, host, port)


class Ether:
    """A socket in it, as far as a line needs one."""

    def __init__(self, air: Air, host: str, port: int) -> None:
        self.air, self.name, self.closed = air, (host, port), False
        self.family = int(socket.AF_INET6 if ":" in host else socket.AF_INET)

    def getsockname(self) -> tuple[str, int]:
        return self.name

    def recvfrom(self, most: int, /) -> tuple[bytes, tuple[str, int]]:
        assert not self.closed
        if not self.air.waiting[self.name]:
            raise BlockingIOError
        data, source = self.air.waiting[self.name].popleft()
        return data[:most], source

    def sendto(self, data: bytes, to: tuple[str, int], /) -> int:
        assert not self.closed
        if self.air.broken:
            raise OSError
        if to in self.air.waiting:
            self.air.waiting[to].append((data, self.name))
        return len(data)

    def close(self) -> None:
        self.closed = True
        self.air.waiting.pop(self.name, None)


class Timers:
    """Time that moves only when told, as far as a ticker needs a loop."""

    def __init__(self) -> None:
        self.now = 100.0
        self._due: list[tuple[float, Callable[[], None]]] = []

    def time(self) -> float:
        return self.now

    def call_at(self, when: float, callback: Callable[[], None], /) -> "Timers":
        self._due.append((when, callback))
        return self

    def cancel(self) -> None:
        self._due.clear()

    @property
    def asleep(self) -> bool:
        """Whether nothing at all is going to happen."""
        return not self._due

    def passes(self, seconds: float) -> None:
        """Let time go by, and what is due be done at its moment."""
        until = self.now + seconds
        while self._due:
            when, callback = first = min(self._due, key=lambda due: due[0])
            if when > until + A_LITTLE:
                break
            self._due.remove(first)
            self.now = max(self.now, when)
            callback()
        self.now = max(self.now, until)

    def stands_still(self, seconds: float) -> None:
        """Let time go by while the machine does nothing, and then do what is due at once."""
        self.now += seconds + A_LITTLE
        self.passes(0)


class Caller:
    """Hears what a line tells; see `parts.Ear`. `beats` says when each key was told."""

    def __init__(self) -> None:
        self.keys = ""
        self.beats: list[int] = []
        self.idles = 0
        self.left: list[str] = []
        self.stage: Stage | None = None

    def key(self, digit: str) -> None:
        self.keys += digit
        self.beats.append(self.stage.ticker.number if self.stage else 0)

    def idle(self) -> None:
        self.idles += 1

    def gone(self, how: str) -> None:
        self.left.append(how)


class Stage:
    """One ticker, and as many lines and telephones as are opened."""

    def __init__(self) -> None:
        self.air, self.timers = Air(), Timers()
        self.ticker = Ticker(cast(Any, self.timers))
        self.chance = random.Random(7)  # noqa: S311
        self.peers: list[RtpPeer] = []
        self.began = self.timers.now
        self._port = 30000

    def peer(self, network: Network | None = None, host=THEIRS, **options) -> RtpPeer:
        """Return a telephone that lives in this time."""
        self._port += 2
        made = RtpPeer(network, datagrams=self.air.bound(host, self._port), **options)
        made.at = self.timers.now - self.began
        self.peers.append(made)
        return made

    def line(
        self, ear: Caller | None = None, *, lost_after_s=30.0, allowed=everybody, host=OURS
    ) -> RtpLine:
        """Return a line that is not connected yet."""
        self._port += 2
        ear = ear or Caller()
        ear.stage = self
        sockets: Any = self.air.bound(host, self._port), self.air.bound(host, self._port + 1)
        return RtpLine(
            ear,
            sockets,
            self.ticker,
            lost_after_s=lost_after_s,
            allowed=allowed,
            chance=self.chance,
        )

    def call(self, ear: Caller | None = None, network: Network | None = None, **options):
        """Return a telephone and the line it is connected with."""
        peer = self.peer(network, **options)
        line = self.line(ear)
        peer.to = (OURS, line.port)
        line.connect(Media(peer.host, peer.port, peer.law, peer.keys))
        return peer, line

    def passes(self, seconds: float) -> None:
        """Let time go by for all of them, 20 ms at a time."""
        for _ in range(round(seconds / FRAME_S)):
            self.timers.passes(FRAME_S)
            for peer in self.peers:
                peer.passes(self.timers.now - self.began)

    def plays_out(self, seconds_more=0.5) -> None:
        """Let time go by until all telephones have said what they had to say."""
        while not all(peer.done for peer in self.peers):
            self.passes(FRAME_S)
        self.passes(seconds_more)


def tone(hertz: int, seconds: float, loud=8000) -> Sound:
    """Return a tone that `has_tone` finds again; of n times 50 Hz, so that it fits 20 ms."""
    wave = [round(loud * math.sin(2 * math.pi * hertz * at / RATE)) for at in range(FRAME)]
    return Sound.of_pcm(array("h", wave * round(seconds / FRAME_S)).tobytes())


@cache
def turns(hertz: int) -> tuple[complex, ...]:
    return tuple(cmath.exp(-2j * math.pi * hertz * at / RATE) for at in range(FRAME))


def has_tone(frame: bytes, hertz: int) -> bool:
    """Return whether a good part of what is heard in these 20 ms is that tone."""
    found = abs(sum(map(mul, array("h", frame), turns(hertz)))) / FRAME * 2
    return found > 1000


def tones(frames: Iterable[bytes], hertz: int) -> int:
    """Return in how many of these 20 ms that tone is heard."""
    return sum(has_tone(frame, hertz) for frame in frames)
