"""The sound of one call: RTP (RFC 3550) out and in, 20 ms at a time.

All of it happens in the beat of a shared `Ticker`. What comes in waits in the kernel until then, so
a line wakes nobody up, a hundred of them cost one wake-up, and a flood is thrown away by the kernel
where it exceeds what a beat takes. Packets are read, and keys, concealment and reports made, by
aiortp's classes; its sessions are not used, as each has timers of its own and tells a key at its
release.
"""

from __future__ import annotations

import ipaddress
import logging
import random
import socket
import struct

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from aiortp.packet import RtpPacket, is_rtcp

from exchange.sip.hearing import Hearing, Keys
from exchange.sip.parts import FRAME, FRAME_S, SILENCE, WIDTH, Ear, Law, Media, Sound
from exchange.sip.playing import Playing
from exchange.sip.ports import open_pair
from exchange.sip.reports import Reports
from exchange.sip.ticker import HEAR, SEND, Ticker

log = logging.getLogger(__name__)

PAYLOADS: Final[dict[int, Law]] = {0: "PCMU", 8: "PCMA"}
NUMBERS: Final[dict[Law, int]] = {law: number for number, law in PAYLOADS.items()}
COMFORT_NOISE: Final = 13
TO_ALAW: Final = Sound(bytes(range(256))).coded("PCMA")
STILL: Final = bytes(FRAME * WIDTH)
HEADER: Final = struct.Struct("!BBHII")
VERSION: Final = 0x80
MARKER: Final = 0x80
# Seconds after which a side that says nothing is gone.
LOST_AFTER_S: Final = 30.0
# Bytes of a packet; what is longer did not fit an Ethernet frame and is none of ours.
LONGEST: Final = 1500
# Packets taken in a beat, of which one is due: the rest is for those that were held up.
MOST_A_BEAT: Final = 32
# Keys told in a beat; nobody presses two within 20 ms, but the network may bring them together.
MOST_KEYS_A_BEAT: Final = 4
CONTROL_BEATS: Final = 50

Address = tuple[str, int]


@dataclass(slots=True)
class Counts:
    """Packets of one line, since it was opened."""

    sent: int = 0
    # Sent more than 20 ms after their moment, and those that the kernel did not take.
    late: int = 0
    unsent: int = 0
    received: int = 0
    # Of the present source, by its sequence numbers; as RTCP has it, a duplicate makes up for one.
    lost: int = 0
    # From elsewhere than the call's own source; no RTP; RTP of other kinds.
    strangers: int = 0
    mangled: int = 0
    unknown: int = 0
    keys: int = 0
    # Sounds left out because too much was to be played.
    refused: int = 0


def everybody(host: str) -> bool:
    """Allow any address to send and to be sent to."""
    return True


def parsed(data: bytes) -> RtpPacket | None:
    """Return the packet that these bytes are, or None."""
    if len(data) > LONGEST:
        return None
    try:
        return RtpPacket.parse(data)
    except ValueError:
        return None


async def open_line(
    ear: Ear,
    *,
    host: str,
    ports: tuple[int, int],
    ticker: Ticker,
    allowed: Callable[[str], bool] = everybody,
) -> RtpLine:
    """Return a line on a free pair of ports of `host`, an address literal; on the loop.

    `ports` are the first and the last to use; (0, 0) lets the machine choose. `allowed` says which
    addresses may send to it and are sent to. After `LOST_AFTER_S` without a packet, where the other
    side should speak, the ear is told once that it is gone; the line stays until it is closed.
    Raises ports.NoPort.
    """
    chance = random.SystemRandom()
    sockets = open_pair(host, ports, chance)
    return RtpLine(ear, sockets, ticker, lost_after_s=LOST_AFTER_S, allowed=allowed, chance=chance)


class RtpLine:
    """The line of one call. A conference takes what is heard on it, and gives what it hears."""

    def __init__(
        self,
        ear: Ear,
        sockets: tuple[socket.socket, socket.socket],
        ticker: Ticker,
        *,
        lost_after_s: float,
        allowed: Callable[[str], bool],
        chance: random.Random,
    ) -> None:
        """`sockets` are for RTP and RTCP; see `open_line`."""
        self.law: Law = "PCMU"
        # The 20 ms of 16-bit samples that were heard in this beat; None for silence. On the loop.
        self.frame: bytes | None = None
        self.counts = Counts()
        self._ear = ear
        self._media, self._control = sockets
        # The UDP port that it listens on, fixed from the beginning, for the SDP.
        self.port = int(self._media.getsockname()[1])
        self._ticker = ticker
        self._lost_after = round(lost_after_s / FRAME_S)
        self._allowed = allowed
        self.closed = False
        self._gone = False
        # What the other side's SDP said, and where it is spoken to: there, or where it speaks from.
        self._agreed: Media | None = None
        self._announced: Address | None = None
        self._latched: Address | None = None
        self._to: Address | None = None
        # Sending.
        self._playing = Playing()
        self._mixed: bytes | None = None
        self._ssrc = chance.getrandbits(32)
        self._sequence = chance.getrandbits(16)
        self._stamp = chance.getrandbits(32)
        self._sent_at = -1
        # Hearing.
        self._keys = Keys()
        self._keys_told = 0
        self._hearing = Hearing()
        self._taken: Callable[[bytes], None] | None = None
        self._attended = False
        self._heard_at = 0
        self._reports = Reports(self._ssrc, chance)
        self._turn = chance.randrange(CONTROL_BEATS)
        ticker.join(HEAR, self._hear)
        ticker.join(SEND, self._send)

    @property
    def playing(self) -> bool:
        """Whether anything is still to be played; False when the ear is told that nothing is."""
        return self._playing.busy and not self.closed

    def connect(self, media: Media) -> None:
        """Begin to send and to listen, or go on elsewhere after a re-INVITE. On the loop.

        Nothing is looked up here: where the host is no address of one machine, or not an allowed
        one, nothing is sent until the other side has sent something.
        """
        before, self._agreed = self._agreed, media
        self.law = media.law
        self._heard_at = self._ticker.number
        self._hearing.pause()
        # A re-INVITE that only refreshes the call opens the line to nobody else.
        if before is None or (before.host, before.port) != (media.host, media.port):
            self._announced = self._to = self._address(media)
            self._latched = None

    def play(self, sound: Sound) -> None:
        """Play after what is to be played already; begins when connected. Any thread.

        What would make more than an hour is left out.
        """
        if not self._playing.add(sound):
            self.counts.refused += 1

    def stop(self) -> None:
        """Forget what is still to be played; the ear is told with the next packet. Any thread."""
        self._playing.forget()

    def listen(self, taken: Callable[[bytes], None] | None) -> None:
        """Give 20 ms of 16-bit samples with every beat, silence included. Any thread."""
        self._taken = taken

    def attend(self, wanted: bool) -> None:  # noqa: FBT001 - a switch
        """Say whether a conference takes `frame`; nothing is decoded for nobody. Any thread."""
        self._attended = wanted

    def mix(self, coded: bytes | None) -> None:
        """Send these 20 ms, in the line's own law, unless something is played. In MIX only."""
        self._mixed = coded

    def close(self) -> None:
        """Let go of the ports, with the next beat. Any thread."""
        self._playing.forget()
        self.closed = True

    def _address(self, media: Media) -> Address | None:
        try:
            host = ipaddress.ip_address(media.host)
        except ValueError:
            return None
        own = socket.AF_INET6 if host.version == 6 else socket.AF_INET  # noqa: PLR2004
        one = not (host.is_multicast or host.is_unspecified or host.is_reserved)
        if own != self._media.family or not one or not 0 < media.port <= 0xFFFF:  # noqa: PLR2004
            return None
        return (str(host), media.port) if self._allowed(str(host)) else None

    # In each beat, first: take in what has come.

    def _hear(self, beat: int) -> None:
        agreed = self._agreed
        if self.closed or agreed is None:
            return
        self._keys_told = 0
        for _ in range(MOST_A_BEAT):
            try:
                data, source = self._media.recvfrom(LONGEST + 1)
            except BlockingIOError:
                break
            except OSError:
                # An earlier packet of ours found nobody, as some systems say here.
                continue
            self._take(data, source[:2], agreed, beat)
        taken = self._taken
        if taken is not None or self._attended:
            self.frame = self._hearing.frame(beat)
            if taken is not None:
                taken(self.frame or STILL)
        else:
            self.frame = None
        if beat % CONTROL_BEATS == self._turn:
            self._listen_for_control(beat)
            if not agreed.speaks:
                self._heard_at = beat
            elif not self._gone and beat - self._heard_at > self._lost_after:
                self._gone = True
                self._ear.gone("lost")

    def _take(self, data: bytes, source: Address, agreed: Media, beat: int) -> None:
        if source != self._latched and not self._may_latch(source):
            self.counts.strangers += 1
            return
        if is_rtcp(data):
            # Both kinds on one port (RFC 5761): a sign of life.
            if source == self._latched:
                self._heard_at = beat
            return
        packet = parsed(data)
        if packet is None:
            self.counts.mangled += 1
            return
        kind = packet.payload_type
        if kind not in PAYLOADS and kind not in {COMFORT_NOISE, agreed.keys}:
            self.counts.unknown += 1
            if source == self._latched:
                self._heard_at = beat
            return
        if source != self._latched:
            self._latched = self._to = source
        self._heard_at = beat
        self.counts.received += 1
        if self._reports.note(packet):
            self._hearing.forget()
        self._understand(packet, agreed, beat)

    def _may_latch(self, source: Address) -> bool:
        """Say whether a packet of another source may be the call's.

        The first source is the one, for a telephone behind a translator of addresses is never seen
        at what its SDP says. What was agreed on in signalling still counts more than who was first.
        """
        if self._latched is None:
            return self._allowed(source[0])
        return source == self._announced

    def _understand(self, packet: RtpPacket, agreed: Media, beat: int) -> None:
        kind = packet.payload_type
        if kind == agreed.keys:
            self._hearing.pause()
            digit = self._keys.pressed(packet.ssrc, packet.timestamp, packet.payload)
            if digit and self._keys_told < MOST_KEYS_A_BEAT:
                self._keys_told += 1
                self.counts.keys += 1
                self._ear.key(digit)
        elif kind == COMFORT_NOISE:
            self._hearing.pause()
        elif packet.payload and (self._attended or self._taken is not None):
            self._hearing.put(packet.timestamp, packet.payload, PAYLOADS[kind], beat)

    def _listen_for_control(self, beat: int) -> None:
        peer = self._latched or self._announced
        for _ in range(MOST_A_BEAT):
            try:
                data, source = self._control.recvfrom(LONGEST + 1)
            except BlockingIOError:
                break
            except OSError:
                continue
            if peer is not None and source[0] == peer[0] and is_rtcp(data):
                self._heard_at = beat
        self.counts.lost = self._reports.lost

    # In each beat, last: send.

    def _send(self, beat: int) -> None:
        if self.closed:
            self._let_go()
            return
        agreed = self._agreed
        if agreed is None:
            return
        frame, over = self._playing.take()
        mixed, self._mixed = self._mixed, None
        if self._to is not None and agreed.hears:
            law = self.law
            if frame is not None:
                payload = frame if law == "PCMU" else frame.translate(TO_ALAW)
            else:
                payload = mixed or SILENCE[law]
            self._send_packet(payload, NUMBERS[law], self._to, beat)
        if over:
            self._ear.idle()

    def _send_packet(self, payload: bytes, kind: int, to: Address, beat: int) -> None:
        # The time goes on while nothing is sent, on hold or when a beat was given up; the first
        # packet after that says so.
        if beat != self._sent_at + 1:
            kind |= MARKER
        self._sent_at = beat
        stamp = (self._stamp + beat * FRAME) & 0xFFFFFFFF
        header = HEADER.pack(VERSION, kind, self._sequence, stamp, self._ssrc)
        self._sequence = (self._sequence + 1) & 0xFFFF
        try:
            self._media.sendto(header + payload, to)
        except OSError:
            self.counts.unsent += 1
        else:
            self.counts.sent += 1
            if self._ticker.late:
                self.counts.late += 1
        report = self._reports.due(beat, self.counts.sent, stamp)
        if report:
            self._report(report, to)

    def _report(self, report: bytes, to: Address) -> None:
        try:
            self._control.sendto(report, (to[0], to[1] + 1))
        except (OSError, OverflowError):
            log.debug("a report was not sent")

    def _let_go(self) -> None:
        self._ticker.leave(HEAR, self._hear)
        self._ticker.leave(SEND, self._send)
        self.frame = None
        self._taken = None
        if self._to is not None and self.counts.sent:
            self._report(self._reports.bye(), self._to)
        self._media.close()
        self._control.close()


LineOpener = Callable[[Ear], Awaitable[RtpLine]]
