"""Tones for tests, and how loud one of them is in a sound."""

import array
import math

from exchange.sip.parts import RATE, Sound


def tone(hertz: tuple[float, ...], seconds: float, amplitude: float = 8000.0) -> Sound:
    """Return sines of these frequencies, each of that amplitude (of 32,767)."""
    samples = array.array("h", bytes(2 * round(seconds * RATE)))
    for at in range(len(samples)):
        value = sum(math.sin(2 * math.pi * frequency * at / RATE) for frequency in hertz)
        samples[at] = max(-32768, min(32767, round(amplitude * value)))
    return Sound.of_pcm(samples.tobytes())


def loudness(sound: Sound, hertz: float) -> float:
    """Return the amplitude of one frequency in a sound (Goertzel), as `tone` takes it."""
    samples = array.array("h", sound.pcm)
    if not samples:
        return 0.0
    turn = 2 * math.cos(2 * math.pi * hertz / RATE)
    last = before = 0.0
    for sample in samples:
        last, before = sample + turn * last - before, last
    power = last * last + before * before - turn * last * before
    return 2 * math.sqrt(max(0.0, power)) / len(samples)
