"""Brings sound to a telephone's 8,000 samples a second, with no false tones in it.

Leaving samples out folds everything above 4 kHz back into the voice: a 5 kHz tone is heard at
3 kHz, as loud. So each halving of the rate has a low-pass before it. The arithmetic is audioop's,
in C, a quarter of a second at a time so that a packet of another call is never late for it.

The processes that speak import this and little else: it is kept free of heavy imports.
"""

import math

from exchange.sip.samples import audioop

RATE = 8000
WIDTH = 2
# Samples are worked on as 32 bits, at a quarter of their loudness: two of them are added.
_WIDE = 4
_HEADROOM = 0.25
# Where 16 kHz become 8 the filter has 39 taps: flat to 3.3 kHz, and 60 dB down from 4.7 kHz on.
# Above that nothing is near enough to fold into the voice, and 15 do.
_SIDE = 10
_UPPER_SIDE = 4
_PIECE_S = 0.25

# Speech: 10 ms at a time are loud or not.
_STEP = RATE // 100 * WIDTH
_QUIET = 60
# How much silence (steps of 10 ms) is left before and after what is said.
_BEFORE = 2
_AFTER = 4
# -3 dB of full scale; whatever is louder is made so much softer as a whole.
_LOUDEST = 23_200


class _Halver:
    """Makes one sample of two, piece by piece, after a half-band filter (a Hamming window).

    Every second tap but the middle is zero and both sides are the same, so that of 4 `side` - 1
    taps `side` numbers are left.
    """

    def __init__(self, side: int) -> None:
        self._side = side
        self._taps = tuple(
            math.sin(math.pi * at / 2)
            / (math.pi * at)
            * (0.54 + 0.46 * math.cos(math.pi * at / (2 * side)))
            for at in range(1, 2 * side, 2)
        )
        # It looks as far back as ahead; what it lacks at first is silence.
        self._held = bytes((2 * side - 2) * WIDTH)

    def feed(self, pcm: bytes) -> bytes:
        """Take 16-bit samples, and return those that are ready."""
        held = self._held + pcm
        pairs = held[: len(held) // (2 * WIDTH) * 2 * WIDTH]
        side = self._side
        count = len(pairs) // (2 * WIDTH) - (2 * side - 1)
        if count <= 0:
            self._held = held
            return b""
        self._held = held[count * 2 * WIDTH :]
        wide = audioop.mul(audioop.lin2lin(pairs, WIDTH, _WIDE), _WIDE, _HEADROOM)
        even = audioop.tomono(wide, _WIDE, 1, 0)
        odd = audioop.tomono(wide, _WIDE, 0, 1)

        def cut(samples: bytes, at: int) -> bytes:
            return samples[at * _WIDE : (at + count) * _WIDE]

        made = audioop.mul(cut(odd, side - 1), _WIDE, 0.5)
        for at, tap in enumerate(self._taps):
            both = audioop.add(cut(even, side - 1 - at), cut(even, side + at), _WIDE)
            made = audioop.add(made, audioop.mul(both, _WIDE, tap), _WIDE)
        return audioop.lin2lin(audioop.mul(made, _WIDE, 1 / _HEADROOM), _WIDE, WIDTH)

    def rest(self) -> bytes:
        """Return what is left at the end."""
        return self.feed(bytes(2 * self._side * WIDTH))


class Narrow:
    """Brings mono 16-bit samples at `rate` a second to 8,000, piece by piece."""

    def __init__(self, rate: int) -> None:
        self._rate = rate
        times = max(0, math.ceil(math.log2(rate / RATE)))
        if rate != RATE << times:
            # Up first, to a rate that halves down to 8,000. The straight lines that are drawn
            # between samples leave images, which fold less the further up it goes.
            times += 1
        self._upper = RATE << times
        self._state: tuple[int, tuple[tuple[int, int], ...]] | None = None
        sides = [_UPPER_SIDE] * (times - 1) + [_SIDE] * min(1, times)
        self._halvers = tuple(map(_Halver, sides))

    def feed(self, pcm: bytes) -> bytes:
        """Take whole samples, and return those that are ready."""
        step = round(self._rate * _PIECE_S) * WIDTH
        return b"".join(self._piece(pcm[at : at + step]) for at in range(0, len(pcm), step))

    def _piece(self, pcm: bytes) -> bytes:
        if self._rate != self._upper:
            pcm, self._state = audioop.ratecv(pcm, WIDTH, 1, self._rate, self._upper, self._state)
        for halver in self._halvers:
            pcm = halver.feed(pcm)
        return pcm

    def rest(self) -> bytes:
        """Return what is left at the end."""
        left = b""
        for halver in self._halvers:
            left = halver.feed(left) + halver.rest()
        return left


def narrowed(pcm: bytes, rate: int) -> bytes:
    """Return mono 16-bit samples at `rate` a second as such at 8,000."""
    narrow = Narrow(rate)
    return narrow.feed(pcm) + narrow.rest()


def spoken(pcm: bytes, rate: int, gain: float = 1.0) -> bytes:
    """Return speech as µ-law at 8 kHz, without the silence around it, and never clipped.

    `gain` makes voices equally loud. How long it is silent between two sentences is for the caller.
    """
    pcm = narrowed(pcm, rate)
    loud = [
        at for at in range(0, len(pcm), _STEP) if audioop.rms(pcm[at : at + _STEP], WIDTH) > _QUIET
    ]
    if not loud:
        return b""
    pcm = pcm[max(0, loud[0] - _BEFORE * _STEP) : loud[-1] + (1 + _AFTER) * _STEP]
    gain = min(gain, _LOUDEST / max(1, audioop.max(pcm, WIDTH)))
    return audioop.lin2ulaw(audioop.mul(pcm, WIDTH, gain), WIDTH)
