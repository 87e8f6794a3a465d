"""Sounds that are made by arithmetic alone: music to wait with, a beep, a ringing tone, keys.

Nobody's licence stands on them. Each is made when it is first asked for, and then kept.
"""

import array
import math

from collections.abc import Iterable
from functools import cache
from typing import Final

from exchange.sip.parts import RATE, WIDTH, Sound
from exchange.sip.samples import audioop

# Twelve bars of two seconds. A bass and three voices each, in semitones from A (440 Hz).
BAR_S: Final = 2.0
BARS: Final[tuple[tuple[int, ...], ...]] = (
    (-21, -5, -2, 3),  # C
    (-21, -5, -2, 2),  # C major seventh
    (-12, -9, -5, 0),  # A minor
    (-12, -9, -5, 3),
    (-16, -9, -4, 0),  # F
    (-16, -7, -4, 0),  # F sixth
    (-14, -7, -2, 2),  # G
    (-14, -10, -4, 2),  # G seventh
    (-17, -9, -5, -2),  # C over its third
    (-12, -9, -5, 0),  # A minor
    (-19, -7, -4, 0),  # D minor
    (-14, -10, -7, -2),  # G, which leads back
)
# In which order and when (in eighths of a bar) the three voices are heard over the bass.
_BROKEN: Final = ((1, 1), (2, 2), (3, 3), (4, 2), (5, 3), (6, 1))
# Loud enough to say that the line is alive, and 10 dB below the voice.
_LOUDEST: Final = 6_000
_PLUCK: Final = 5_000
_NOTE_S: Final = 2.4
_DECAY_S: Final = 0.7
_SWELL_S: Final = 0.03
# A telephone carries the second and third partial of a bass, and the ear adds the first.
_PARTIALS: Final = ((1, 1.0), (2, 0.4), (3, 0.12))

# Samples of one wave: what a tone of a whole number of hertz comes back to.
_BEEP_HZ: Final = 880
_BEEP_S: Final = 0.2
_BEEP: Final = 5_000
# France's ringing tone: 440 Hz, 1.5 s on and 3.5 s off (ITU-T E.180, supplement 2).
_RINGBACK_HZ: Final = 440
_RINGBACK_S: Final = (1.5, 3.5)
_RINGBACK: Final = 5_000
# ITU-T Q.23. Each key has a low and a high tone; 100 ms of both, and as long between two keys.
_LOW: Final = (697, 770, 852, 941)
_HIGH: Final = (1209, 1336, 1477, 1633)
_KEYPAD: Final = ("123A", "456B", "789C", "*0#D")
_KEY_S: Final = 0.1
_KEY: Final = 4_500
# What a `w` in a <Play digits> waits, and a `W`.
_WAITS_S: Final = {"w": 0.5, "W": 1.0}


@cache
def waiting() -> Sound:
    """Return music of 24 s that goes round without a gap: what rings on is heard at its beginning.

    Takes a tenth of a second the first time.
    """
    bar = round(BAR_S * RATE)
    length = bar * len(BARS)
    heard = bytes(length * WIDTH)
    for number, voices in enumerate(BARS):
        played = [(0, voices[0], 0.9), *((at, voices[voice], 0.6) for at, voice in _BROKEN)]
        for eighth, semitones, loud in played:
            note = audioop.mul(_note(semitones), WIDTH, loud)
            heard = _laid(heard, note, (number * bar + eighth * bar // 8) % length)
    return Sound.of_pcm(audioop.mul(heard, WIDTH, _LOUDEST / audioop.max(heard, WIDTH)))


def _laid(heard: bytes, note: bytes, at: int) -> bytes:
    """Add a note at that sample; what goes beyond the end is added at the beginning."""
    head, tail = heard[: at * WIDTH], heard[at * WIDTH :]
    if len(note) <= len(tail):
        under, rest = tail[: len(note)], tail[len(note) :]
        return head + audioop.add(under, note, WIDTH) + rest
    fits, over = note[: len(tail)], note[len(tail) :]
    begin = audioop.add(head[: len(over)], over, WIDTH) + head[len(over) :]
    return begin + audioop.add(tail, fits, WIDTH)


@cache
def _note(semitones: int) -> bytes:
    """Return a plucked note, soft enough that as many as ring at once fit together."""
    hertz = 440 * 2 ** (semitones / 12)
    # Each partial is a pendulum: two numbers back give the next, with no sine to compute.
    fade = math.exp(-1 / (_DECAY_S * RATE))
    made = [0.0] * round(_NOTE_S * RATE)
    for partial, loud in _PARTIALS:
        turn = math.tau * hertz * partial / RATE
        swing, drag = 2 * fade * math.cos(turn), fade * fade
        before, now = 0.0, loud * math.sin(turn)
        for at in range(len(made)):
            made[at] += before
            before, now = now, swing * now - drag * before
    for at in range(round(_SWELL_S * RATE)):
        made[at] *= at / (_SWELL_S * RATE)
    last = round(0.1 * RATE)
    for at in range(last):
        made[-1 - at] *= at / last
    return _samples(value * _PLUCK for value in made)


def _samples(values: Iterable[float]) -> bytes:
    return array.array("h", map(round, values)).tobytes()


def _tone(seconds: float, loud: float, *hertz: int) -> Sound:
    """Return tones together, whose edges of 5 ms do not click."""
    length, edge = round(seconds * RATE), round(0.005 * RATE)
    return Sound.of_pcm(
        _samples(
            loud
            * min(1.0, at / edge, (length - at) / edge)
            * sum(math.sin(math.tau * one * at / RATE) for one in hertz)
            for at in range(length)
        )
    )


@cache
def beep() -> Sound:
    """Return what says that somebody came or went."""
    return _tone(_BEEP_S, _BEEP, _BEEP_HZ)


@cache
def ringback() -> Sound:
    """Return one ring as who calls in France hears it, and the silence after it: five seconds."""
    rings, silent = _RINGBACK_S
    return Sound(_tone(rings, _RINGBACK, _RINGBACK_HZ).ulaw + Sound.silent(silent).ulaw)


@cache
def _key(key: str) -> Sound:
    row = next(row for row, keys in enumerate(_KEYPAD) if key in keys)
    return _tone(_KEY_S, _KEY, _LOW[row], _HIGH[_KEYPAD[row].index(key)])


def keys(digits: str) -> Sound:
    """Return the tones of keys, and half a second of silence for a `w`, a whole one for a `W`."""
    made = b""
    for digit in digits:
        if digit in _WAITS_S:
            made += Sound.silent(_WAITS_S[digit]).ulaw
        elif any(digit in row for row in _KEYPAD):
            made += _key(digit).ulaw + Sound.silent(_KEY_S).ulaw
    return Sound(made)
