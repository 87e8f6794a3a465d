"""What the rooms of the SIP leg share: sound as it goes over the line, and who is told of it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Final, Literal, Protocol

from exchange.sip.samples import audioop

Law = Literal["PCMU", "PCMA"]
# Samples a second, and those of one packet of 20 ms.
RATE: Final = 8000
FRAME: Final = 160
FRAME_S: Final = FRAME / RATE
WIDTH: Final = 2
SILENCE: Final[dict[Law, bytes]] = {"PCMU": b"\xff" * FRAME, "PCMA": b"\xd5" * FRAME}

_EVERY: Final = bytes(range(256))
_TO_ALAW: Final = audioop.lin2alaw(audioop.ulaw2lin(_EVERY, WIDTH), WIDTH)


@dataclass(frozen=True)
class Sound:
    """Mono sound at 8 kHz, kept as G.711 µ-law: half the bytes of PCM, and ready to be sent."""

    ulaw: bytes

    @classmethod
    def of_pcm(cls, pcm: bytes) -> Sound:
        """Return the sound of 16-bit mono samples in the machine's order."""
        return cls(audioop.lin2ulaw(pcm, WIDTH))

    @classmethod
    def silent(cls, seconds: float) -> Sound:
        """Return nothing to be heard, for so long."""
        return cls(b"\xff" * round(seconds * RATE))

    @property
    def seconds(self) -> float:
        """How long it lasts."""
        return len(self.ulaw) / RATE

    @cached_property
    def pcm(self) -> bytes:
        """16-bit samples in the machine's order."""
        return audioop.ulaw2lin(self.ulaw, WIDTH)

    def coded(self, law: Law) -> bytes:
        """Return it as that law has it, one byte a sample."""
        return self.ulaw if law == "PCMU" else self.ulaw.translate(_TO_ALAW)


def pcm_of(coded: bytes, law: Law) -> bytes:
    """Return 16-bit samples of G.711."""
    return audioop.ulaw2lin(coded, WIDTH) if law == "PCMU" else audioop.alaw2lin(coded, WIDTH)


def coded(pcm: bytes, law: Law) -> bytes:
    """Return G.711 of 16-bit samples."""
    return audioop.lin2ulaw(pcm, WIDTH) if law == "PCMU" else audioop.lin2alaw(pcm, WIDTH)


@dataclass(frozen=True)
class Media:
    """Where the other side wants its sound, as its SDP says.

    `keys` is the payload type of telephone-event that both sides use, None where it sends none.
    """

    host: str
    port: int
    law: Law
    keys: int | None = 101
    # Whether it takes sound and sends some: both are False while it holds the call.
    hears: bool = True
    speaks: bool = True


class Ear(Protocol):
    """Who is told what happens on a line; called on the loop's thread, and must not block."""

    def key(self, digit: str) -> None:
        """Tell a key (0-9, `*`, `#`) as soon as it is known to be pressed, once."""

    def idle(self) -> None:
        """Tell that all that was to be played has been played, or was stopped."""

    def gone(self, how: str) -> None:
        """Tell that the call is over: `hung up`, `cancelled`, or `lost` where nothing comes."""
