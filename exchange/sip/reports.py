"""RTCP (RFC 3550, 6) as far as a telephone or a trunk wants it: reports, and a farewell."""

import random

from typing import Final

from aiortp.clock import current_ntp_time
from aiortp.packet import (
    RtcpByePacket,
    RtcpReceiverInfo,
    RtcpRrPacket,
    RtcpSdesPacket,
    RtcpSenderInfo,
    RtcpSourceInfo,
    RtcpSrPacket,
    RtpPacket,
)
from aiortp.stats import StreamStatistics

from exchange.sip.parts import FRAME, FRAME_S, RATE

# Five seconds on average, from half to one and a half of it. Source: RFC 3550, 6.2 and 6.3.1.
EVERY_BEATS: Final = round(5 / FRAME_S)
CNAME: Final = 1


class Reports:
    """Keeps count of what one source sends, and writes what is told of both directions."""

    def __init__(self, ssrc: int, chance: random.Random) -> None:
        self._ssrc = ssrc
        self._chance = chance
        # A name for this call only (RFC 7022): it says nothing of the machine or of who calls.
        self._name = RtcpSdesPacket(
            [RtcpSourceInfo(ssrc, [(CNAME, b"%016x" % chance.getrandbits(64))])]
        )
        self._next: int | None = None
        self._source: int | None = None
        self._statistics = StreamStatistics(RATE)

    @property
    def lost(self) -> int:
        """Packets of the present source that never came; late ones are none of them."""
        return max(0, self._statistics.packets_lost) if self._statistics.packets_received else 0

    def note(self, packet: RtpPacket) -> bool:
        """Count a packet; return whether another source sends than until now."""
        other = packet.ssrc != self._source
        if other:
            self._source = packet.ssrc
            self._statistics = StreamStatistics(RATE)
        self._statistics.add(packet)
        return other

    def due(self, beat: int, sent: int, timestamp: int) -> bytes:
        """Return what is to be sent at this beat, mostly nothing; `timestamp` is of its packet."""
        if self._next is None:
            self._next = beat + self._pause()
        if beat < self._next:
            return b""
        self._next = beat + self._pause()
        sender = RtcpSenderInfo(
            ntp_timestamp=current_ntp_time(),
            rtp_timestamp=timestamp,
            packet_count=sent & 0xFFFFFFFF,
            octet_count=(sent * FRAME) & 0xFFFFFFFF,
        )
        return bytes(RtcpSrPacket(self._ssrc, sender, self._heard())) + bytes(self._name)

    def bye(self) -> bytes:
        """Return the farewell; a report, if an empty one, comes first. Source: RFC 3550, 6.1."""
        report = bytes(RtcpRrPacket(self._ssrc))
        return report + bytes(self._name) + bytes(RtcpByePacket([self._ssrc]))

    def _pause(self) -> int:
        return self._chance.randrange(EVERY_BEATS // 2, EVERY_BEATS * 3 // 2)

    def _heard(self) -> list[RtcpReceiverInfo]:
        figures = self._statistics
        if self._source is None or not figures.packets_received:
            return []
        return [
            RtcpReceiverInfo(
                ssrc=self._source,
                fraction_lost=min(figures.fraction_lost, 255),
                packets_lost=figures.packets_lost,
                highest_sequence=(figures.cycles + (figures.max_seq or 0)) & 0xFFFFFFFF,
                jitter=min(figures.jitter, 0xFFFFFFFF),
                lsr=0,
                dlsr=0,
            )
        ]
