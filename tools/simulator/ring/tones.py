"""Tones: those of keys, so that a recording has them, and any other."""

from __future__ import annotations

import array
import math

from functools import cache
from typing import Final

from exchange.sip.parts import RATE, Sound

ROWS: Final = (697.0, 770.0, 852.0, 941.0)
COLUMNS: Final = (1209.0, 1336.0, 1477.0)
PAD: Final = ("123", "456", "789", "*0#")
KEY_TONE_S: Final = 0.1
KEY_AMPLITUDE: Final = 5000.0


@cache
def key_tone(key: str) -> Sound:
    """Return what a key sounds like (ITU-T Q.23), for 100 ms. Raises ValueError for no key."""
    for row, keys in zip(ROWS, PAD, strict=True):
        if key in keys:
            return tone((row, COLUMNS[keys.index(key)]), KEY_TONE_S, KEY_AMPLITUDE)
    raise ValueError(f"{key!r} is no key")


def tone(hertz: tuple[float, ...], seconds: float, amplitude: float = 8000.0) -> Sound:
    """Return sines of these frequencies, each of that amplitude (of 32,767)."""
    samples = array.array("h", bytes(2 * round(seconds * RATE)))
    for at in range(len(samples)):
        value = sum(math.sin(2 * math.pi * frequency * at / RATE) for frequency in hertz)
        samples[at] = max(-32768, min(32767, round(amplitude * value)))
    return Sound.of_pcm(samples.tobytes())
