"""How loud one tone is in a sound."""

import array
import math

from exchange.sip.parts import RATE, Sound


def loudness(sound: Sound, hertz: float) -> float:
    """Return the amplitude of one frequency in a sound (Goertzel), as `tones.tone` takes it."""
    samples = array.array("h", sound.pcm)
    if not samples:
        return 0.0
    turn = 2 * math.cos(2 * math.pi * hertz / RATE)
    last = before = 0.0
    for sample in samples:
        last, before = sample + turn * last - before, last
    power = last * last + before * before - turn * last * before
    return 2 * math.sqrt(max(0.0, power)) / len(samples)
