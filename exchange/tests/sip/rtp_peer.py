"""A telephone's sound for tests: it talks and presses keys over RTP, through a network of its own.

Time is given: what it says is put on a timetable, and goes out when it is told the time. Packets
are written and read by aiortp's classes, whatever the leg itself uses.
"""

import asyncio
import heapq
import random
import socket

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from aiortp.dtmf import DTMF_EVENTS, DtmfEvent
from aiortp.packet import RtpPacket

from exchange.sip.parts import FRAME_S, RATE, Sound

PAYLOADS = {"PCMU": 0, "PCMA": 8}


@dataclass
class Network:
    """What happens to packets on their way: delays in seconds, chances from 0 to 1."""

    chance: random.Random = field(default_factory=lambda: random.Random(1))  # noqa: S311
    loss: float = 0.0
    jitter_s: float = 0.0
    duplicates: float = 0.0
    delay_s: float = 0.0
    # How many packets never arrived.
    lost: int = 0

    def carry(self, at: float) -> list[float]:
        """Return when the copies of a packet sent at a moment arrive; of a lost one there is none.

        Jitter reorders: a packet may arrive after those that were sent after it.
        """
        if self.chance.random() < self.loss:
            self.lost += 1
            return []
        copies = 2 if self.chance.random() < self.duplicates else 1
        return [at + self.delay_s + self.chance.random() * self.jitter_s for _ in range(copies)]


def bound(host: str) -> socket.socket:
    """Return a socket on a free port."""
    made = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM)
    made.setblocking(False)  # noqa: FBT003
    made.bind((host, 0))
    return made


@dataclass(frozen=True)
class Received:
    """A packet that arrived; `at` is in the seconds that the peer was told."""

    at: float
    packet: RtpPacket


class RtpPeer:
    """One side of a call. `at` is how far what it says has been put on the timetable."""

    def __init__(
        self,
        network: Network | None = None,
        *,
        law="PCMU",
        keys: int | None = 101,
        host="127.0.0.1",
        to: tuple[str, int] | None = None,
        ssrc=0x5EED,
        datagrams: Any = None,
    ) -> None:
        self.network = network or Network()
        self.law, self.keys, self.to, self.ssrc = law, keys, to, ssrc
        self.received: list[Received] = []
        self.now = self.at = 0.0
        self.sequence = 65500
        self.base = 0xFFFFFF00
        self._timetable: list[tuple[float, int, bytes]] = []
        self._numbers = 0
        self._socket = datagrams or bound(host)

    @property
    def host(self) -> str:
        return self._socket.getsockname()[0]

    @property
    def port(self) -> int:
        return self._socket.getsockname()[1]

    def close(self) -> None:
        self._socket.close()

    # What it does, one after the other.

    def says(self, sound: Sound, packet_ms=20, *, marker=True):
        """Say something, in packets of that length."""
        self._begins()
        coded = sound.coded(self.law)
        size = packet_ms * RATE // 1000
        for at in range(0, len(coded), size):
            self.sends_rtp(PAYLOADS[self.law], coded[at : at + size], marker=marker and at == 0)
            self.at += size / RATE
        return self

    def is_silent(self, seconds: float):
        """Send nothing for so long."""
        self._begins()
        self.at += seconds
        return self

    def makes_comfort_noise(self, seconds: float):
        """Send what stands for silence (RFC 3389), now and then."""
        self._begins()
        for _ in range(max(1, round(seconds / 0.2))):
            self.sends_rtp(13, b"\x46")
            self.at += 0.2
        return self

    def presses(self, keys: str, ms=100, gap_ms=100, step_ms=20, ends=3):
        """Press keys, each for `ms`, told every `step_ms` and `ends` times that it is up."""
        self._begins()
        for key in keys:
            self._press(key, round(ms / 1000 * RATE), round(step_ms / 1000 * RATE), ends)
            self.at += gap_ms / 1000
        return self

    def _press(self, key: str, samples: int, step: int, ends: int) -> None:
        began, before = self.at, 0
        event = DTMF_EVENTS[key]
        first = True
        for duration in [*range(step, samples, step), *[samples] * ends]:
            # The longest that an event can say; it goes on as another one (RFC 4733, 2.5.1.3).
            while duration - before > 0xFFFF:
                before += 0xFFFF
            up = duration == samples
            payload = DtmfEvent(event, up, 10, duration - before).serialize()
            stamp = self._stamp(began) + before
            self.sends_rtp(self.keys, payload, stamp=stamp, marker=first)
            self.at = began + duration / RATE
            first = False

    def sends_rtp(
        self, kind: int | None, payload: bytes, *, stamp=None, marker=False, at=None
    ) -> None:
        """Put a packet on the timetable, now or `at` a moment."""
        assert kind is not None, "this telephone sends no keys as packets"
        packet = RtpPacket(
            payload_type=kind,
            marker=int(marker),
            sequence_number=self.sequence,
            timestamp=(self._stamp(self.at) if stamp is None else stamp) & 0xFFFFFFFF,
            ssrc=self.ssrc,
            payload=payload,
        )
        self.sequence = (self.sequence + 1) & 0xFFFF
        for moment in self.network.carry(self.at if at is None else at):
            self._numbers += 1
            heapq.heappush(self._timetable, (moment, self._numbers, packet.serialize()))

    def _begins(self) -> None:
        self.at = max(self.at, self.now)

    def _stamp(self, at: float) -> int:
        return (self.base + round(at * RATE)) & 0xFFFFFFFF

    # The wire.

    @property
    def done(self) -> bool:
        """Whether everything was sent."""
        return not self._timetable

    def sends(self, data: bytes, to: tuple[str, int] | None = None) -> None:
        """Send these bytes as they are, at once."""
        to = to or self.to
        assert to is not None, "nobody was said where to send to"
        self._socket.sendto(data, to)

    def passes(self, now: float) -> None:
        """Send what is due at that moment of its own time, and take in what has come."""
        self.now = now
        while self._timetable and self._timetable[0][0] <= now + 1e-9:
            self.sends(heapq.heappop(self._timetable)[2])
        self.takes(now)

    def takes(self, now: float) -> None:
        """Take in what has come; what is no RTP is an error."""
        while True:
            try:
                data = self._socket.recvfrom(4096)[0]
            except BlockingIOError:
                return
            self.received.append(Received(now, RtpPacket.parse(data)))

    @property
    def heard(self) -> bytes:
        """All that came to be heard, as it was coded."""
        return b"".join(each.packet.payload for each in self.received)

    @property
    def frames(self) -> int:
        """How many packets came."""
        return len(self.received)


async def live(peer: RtpPeer, until: Callable[[], bool], most_s=30.0) -> bool:
    """Let a peer live in real time until something has happened; return whether it has."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    while not until() and loop.time() - began < most_s:
        peer.passes(loop.time() - began)
        await asyncio.sleep(FRAME_S / 2)
    return until()
