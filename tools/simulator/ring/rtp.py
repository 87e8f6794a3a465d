"""The sound of the scripted telephone: RTP (RFC 3550), with keys as RFC 4733 has them.

Written apart from the leg's own, so that a mistake of one is not made by both.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import socket
import struct

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from exchange.sip.parts import FRAME, FRAME_S, SILENCE, Law

KEYS: Final = "0123456789*#"
# Packets of 20 ms in which a key is down, then told to be up, and until the next one.
KEY_FRAMES: Final = 5
KEY_ENDS: Final = 3
KEY_GAP: Final = 5
KEY_VOLUME: Final = 10
PAYLOAD: Final[dict[Law, int]] = {"PCMU": 0, "PCMA": 8}
HEADER: Final = struct.Struct("!BBHII")
EVENT: Final = struct.Struct("!BBH")
VERSION: Final = 0x80
MARKER: Final = 0x80
MOST_BYTES: Final = 2048
# Packets read at one go, that a flood does not hold the loop.
AT_ONE_GO: Final = 64


@dataclass
class Traffic:
    """What came on one stream. `gap_s` is the longest time between two packets in a row."""

    packets: int = 0
    lost: int = 0
    late: int = 0
    gap_s: float = 0.0
    _highest: int | None = None
    _last_at: float | None = None

    def came(self, sequence: int, at: float) -> None:
        """Count a packet; `at` in seconds of the loop's clock."""
        self.packets += 1
        if self._last_at is not None:
            self.gap_s = max(self.gap_s, at - self._last_at)
        self._last_at = at
        if self._highest is None:
            self._highest = sequence
            return
        ahead = (sequence - self._highest) & 0xFFFF
        if 0 < ahead < 0x8000:  # noqa: PLR2004 - half of what a sequence number can be
            self.lost += ahead - 1
            self._highest = sequence
        elif ahead:
            # It was counted as lost when a later one came before it.
            self.late += 1
            self.lost = max(0, self.lost - 1)


@dataclass(eq=False)
class Stream:
    """One call's sound in both directions, on a UDP port of its own.

    `heard` is given 20 ms of µ-law (or A-law) and its timestamp for each packet, `pressed` each key
    as its first packet goes. All on the loop. Raises OSError where there is no port. `pace_s` are
    the seconds from packet to packet that go out; what is late goes at once.
    """

    host: str
    pace_s: float = FRAME_S
    heard: Callable[[bytes, int], None] | None = None
    pressed: Callable[[str], None] | None = None
    law: Law = "PCMU"
    keys_type: int = 101
    traffic: Traffic = field(default_factory=Traffic)

    def __post_init__(self) -> None:
        """Take a port of the kernel's choice and listen on it."""
        self._loop = asyncio.get_running_loop()
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.settimeout(0)
        self._socket.bind((self.host, 0))
        self._loop.add_reader(self._socket.fileno(), self._readable)
        self._to: tuple[str, int] | None = None
        self._ssrc = secrets.randbits(32)
        self._sequence = secrets.randbits(16)
        self._timestamp = secrets.randbits(32)
        self._to_press: deque[str] = deque()
        self._key: _Key | None = None
        self._begins = True
        self._theirs: int | None = None
        self._sending: asyncio.Task[None] | None = None
        self._open = True

    @property
    def port(self) -> int:
        """The UDP port of the SDP."""
        return int(self._socket.getsockname()[1])

    def connect(self, host: str, port: int, law: Law, keys_type: int) -> None:
        """Send there from now on: a key that is pressed, or silence, each 20 ms."""
        self._to, self.law, self.keys_type = (host, port), law, keys_type
        self._sending = self._loop.create_task(self._send_all())

    def press(self, keys: str) -> None:
        """Press these keys one after the other, 100 ms each. Raises ValueError for what is none."""
        if set(keys) - set(KEYS):
            raise ValueError(f"{keys!r} holds something that is no key")
        self._to_press.extend(keys)

    def close(self) -> None:
        """Let go of the port; once is enough."""
        if self._open:
            self._open = False
            if self._sending is not None:
                self._sending.cancel()
            self._loop.remove_reader(self._socket.fileno())
            self._socket.close()

    # What goes out

    async def _send_all(self) -> None:
        due = self._loop.time()
        while True:
            self._send_frame()
            due += self.pace_s
            await asyncio.sleep(max(0.0, due - self._loop.time()))

    def _send_frame(self) -> None:
        """Send what 20 ms have."""
        if self._key is None and self._to_press:
            self._key = _Key(self._to_press.popleft(), self._timestamp)
            if self.pressed is not None:
                self.pressed(self._key.digit)
        if self._key is not None:
            self._send_key(self._key)
        else:
            marker = MARKER if self._begins else 0
            self._begins = False
            self._send(PAYLOAD[self.law] | marker, self._timestamp, SILENCE[self.law])
        self._timestamp = (self._timestamp + FRAME) & 0xFFFFFFFF

    def _send_key(self, key: _Key) -> None:
        key.frames += 1
        if key.frames <= KEY_FRAMES:
            marker = MARKER if key.frames == 1 else 0
            body = EVENT.pack(KEYS.index(key.digit), KEY_VOLUME, key.frames * FRAME)
            self._send(self.keys_type | marker, key.timestamp, body)
        elif key.frames == KEY_FRAMES + 1:
            body = EVENT.pack(KEYS.index(key.digit), 0x80 | KEY_VOLUME, KEY_FRAMES * FRAME)
            for _ in range(KEY_ENDS):
                self._send(self.keys_type, key.timestamp, body)
        else:
            self._send(PAYLOAD[self.law], self._timestamp, SILENCE[self.law])
            if key.frames > KEY_FRAMES + KEY_GAP:
                self._key = None

    def _send(self, kind: int, timestamp: int, body: bytes) -> None:
        if self._to is None:
            return
        header = HEADER.pack(VERSION, kind, self._sequence, timestamp, self._ssrc)
        self._sequence = (self._sequence + 1) & 0xFFFF
        with contextlib.suppress(OSError):
            self._socket.sendto(header + body, self._to)

    # What comes in

    def _readable(self) -> None:
        for _ in range(AT_ONE_GO):
            try:
                packet = self._socket.recv(MOST_BYTES)
            except OSError:
                return
            self._take(packet, self._loop.time())

    def _take(self, packet: bytes, at: float) -> None:
        if len(packet) < HEADER.size or packet[0] >> 6 != 2:  # noqa: PLR2004 - the version
            return
        first, kind, sequence, timestamp, source = HEADER.unpack_from(packet)
        start = HEADER.size + 4 * (first & 0x0F)
        if first & 0x10 or kind & 0x7F != PAYLOAD[self.law]:
            # Nothing that we ring has extensions; comfort noise and keys are not heard.
            return
        if self._theirs not in {None, source}:
            self.traffic = Traffic()
        self._theirs = source
        self.traffic.came(sequence, at)
        if self.heard is not None:
            self.heard(packet[start:], timestamp)


@dataclass
class _Key:
    """A key that is down; all its packets have the timestamp of the first (RFC 4733, 2.5.1.2)."""

    digit: str
    timestamp: int
    frames: int = 0
