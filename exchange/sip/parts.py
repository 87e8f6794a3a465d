"""What the rooms of the SIP leg share: sound as it goes over the line, and who talks to whom.

Two kinds of threads meet: everything of the network happens on one asyncio loop, and each call runs
in a thread of its own, as anywhere in the exchange. What of these protocols may be called from a
call's thread says so.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
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
    def of_pcm(cls, pcm: bytes, rate: int = RATE) -> Sound:
        """Return the sound of 16-bit mono samples in the machine's order, at `rate` a second."""
        if rate != RATE:
            pcm, _ = audioop.ratecv(pcm, WIDTH, 1, rate, RATE, None)
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
        ...

    def idle(self) -> None:
        """Tell that all that was to be played has been played, or was stopped."""
        ...

    def gone(self, how: str) -> None:
        """Tell that the call is over: `hung up`, `cancelled`, or `lost` where nothing comes."""
        ...


class Line(Protocol):
    """The sound of one call: RTP in and out. May be used from any thread but for `connect`."""

    law: Law

    @property
    def port(self) -> int:
        """The UDP port that it listens on; fixed from the beginning, for the SDP."""
        ...

    def connect(self, media: Media) -> None:
        """Begin to send and to listen, or go on elsewhere after a re-INVITE. On the loop."""
        ...

    def play(self, sound: Sound) -> None:
        """Play after what is to be played already."""
        ...

    def stop(self) -> None:
        """Forget what is still to be played; the packet that is on its way goes."""
        ...

    @property
    def playing(self) -> bool:
        """Whether anything is still to be played."""
        ...

    def listen(self, taken: Callable[[bytes], None] | None) -> None:
        """Give what comes in, 20 ms of 16-bit samples at a time, on the loop's thread."""
        ...

    def close(self) -> None:
        """Let go of the port."""
        ...


LineOpener = Callable[[Ear], Awaitable[Line]]


class Telephone(Protocol):
    """One SIP call, in either direction. May be used from any thread.

    `caller` is what stands in From before the `@`, or `anonymous` where that is not to be known;
    `called` whom the request is for, or who stands in To where that is no number. `account` is who
    proved to be somebody, or an empty string. `line` is there from the beginning.
    """

    caller: str
    called: str
    account: str
    line: Line

    def rings(self) -> None:
        """Say 180 to who calls."""
        ...

    def answer(self) -> bool:
        """Answer who calls, once; waits until that is sent. False where they have gone."""
        ...

    def refuse(self, status: int) -> None:
        """Refuse who calls, with a final status of 4xx to 6xx."""
        ...

    def hang_up(self) -> None:
        """End it, whatever it does; once is enough, and nothing is told of it."""
        ...
