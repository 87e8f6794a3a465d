"""What comes in on a line: sound, put in order and made even, 20 ms a beat; and keys, each once."""

import math

from collections import deque
from typing import Final

from aiortp.codecs.base import Codec
from aiortp.dtmf import DtmfEvent
from aiortp.playout import AdaptivePlayout

from exchange.sip.parts import FRAME, FRAME_S, RATE, WIDTH, Law, pcm_of

# What is waited for at most, in milliseconds; whoever speaks with more jitter is heard with gaps.
MOST_DELAY_MS: Final = 200
# Packets of 5, 10, 20, 30 … ms consist of whole pieces of this many samples.
SHORTEST_PIECE: Final = 40
DIGITS: Final = frozenset("0123456789*#")
# Events remembered, so that packets of theirs that come late tell nothing anew.
REMEMBERED: Final = 32
# The longest duration that an event can say; a longer press goes on as another event that begins
# where this one ends. Source: RFC 4733, 2.5.1.3.
LONGEST: Final = 0xFFFF
TIMESTAMPS: Final = 1 << 32


class G711(Codec):
    """G.711 as the library's playout wants it, decoded in C."""

    def __init__(self, law: Law, samples: int) -> None:
        self._law: Law = law
        self._samples = samples

    @property
    def name(self) -> str:
        return self._law

    @property
    def sample_rate(self) -> int:
        """Samples a second."""
        return RATE

    @property
    def samples_per_frame(self) -> int:
        """Samples of one piece."""
        return self._samples

    def encode(self, pcm: bytes) -> bytes:
        raise NotImplementedError

    def decode(self, payload: bytes) -> bytes:
        """Return 16-bit samples."""
        return pcm_of(payload, self._law)


class Hearing:
    """The library's adaptive playout, for packets of any length.

    It takes pieces of one length at steps of that length. A telephone may send 10 or 30 ms a packet
    whatever the SDP proposes, so packets are cut into pieces that fit them and a beat alike.
    """

    def __init__(self) -> None:
        self._law: Law = "PCMU"
        self._piece = FRAME
        self._playout: AdaptivePlayout | None = None
        self._now = 0.0

    def put(self, timestamp: int, payload: bytes, law: Law, beat: int) -> None:
        """Take in what a packet carries that was there at that beat."""
        self._now = beat * FRAME_S
        piece = max(SHORTEST_PIECE, math.gcd(self._piece, len(payload)))
        if self._playout is None or law != self._law or piece != self._piece:
            self._law, self._piece = law, piece
            self._playout = AdaptivePlayout(
                G711(law, piece), max_delay_ms=MOST_DELAY_MS, now=lambda: self._now
            )
        for at in range(0, len(payload) - piece + 1, piece):
            self._playout.put((timestamp + at) & 0xFFFFFFFF, payload[at : at + piece])

    def pause(self) -> None:
        """Take note that the other side sends no sound now, and that nothing of it is lost."""
        if self._playout is not None:
            self._playout.suppress()

    def forget(self) -> None:
        """Begin anew: somebody else sends from now on, or the same with other numbers."""
        self._playout = None
        self._piece = FRAME

    def frame(self, beat: int) -> bytes | None:
        """Return 20 ms of 16-bit samples, or None where there is silence."""
        self._now = beat * FRAME_S
        if self._playout is None:
            return None
        pieces = [self._playout.tick() for _ in range(FRAME // self._piece)]
        if not any(pieces):
            return None
        silent = bytes(self._piece * WIDTH)
        return b"".join(silent if piece is None else piece[0] for piece in pieces)


class Keys:
    """Keys that come as RTP packets (RFC 4733), told by the first packet that arrives of each.

    Tells events apart by their timestamps, as all packets of one bear that of its beginning.

    So it does not matter which of its packets arrive, how often, or in which order. The library's
    `DtmfReceiver` waits for the end of a press, and an older event's late packet confuses it.
    """

    def __init__(self) -> None:
        # Source, beginning and event code.
        self._told: deque[tuple[int, int, int]] = deque(maxlen=REMEMBERED)

    def pressed(self, source: int, timestamp: int, payload: bytes) -> str:
        """Return the key that this packet is the first to tell of, or an empty string.

        `source` is the packet's SSRC. Events that are no keys of a caller's telephone (A to D,
        flash, tones) and payloads cut short say nothing.
        """
        try:
            event = DtmfEvent.parse(payload)
        except ValueError:
            return ""
        digit = event.digit
        if digit not in DIGITS:
            return ""
        this = (source, timestamp, event.event)
        if this in self._told:
            return ""
        goes_on = (source, (timestamp - LONGEST) % TIMESTAMPS, event.event) in self._told
        self._told.append(this)
        return "" if goes_on else digit
