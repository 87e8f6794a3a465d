"""Makes the music for waiting callers: `python -m prompts.make_music` writes `audio/music/`.

The music is our own, so it needs no licence. Soft broken chords of a few voices, in the range that
a telephone carries; it is as loud at its end as at its beginning and goes round without a gap. Pure
arithmetic: the same file each time.
"""

from __future__ import annotations

import math
import sys
import wave

from collections.abc import Sequence
from pathlib import Path

RATE = 8000  # samples a second, all that a telephone has
FILE = Path(__file__).resolve().parent / "audio" / "music" / "waiting.wav"
# Eight bars of five seconds; each has the notes of a chord in semitones from A (440 Hz).
BAR_SECONDS = 5.0
CHORDS: tuple[tuple[int, ...], ...] = (
    (-9, -5, -2, 2, 7),  # C major seventh, with its ninth
    (-12, -9, -5, 0, 3),  # A minor
    (-4, 0, 3, 7, 12),  # F major seventh
    (-14, -10, -7, -2, 5),  # G
    (-9, -5, -2, 3, 7),
    (-12, -5, 0, 3, 8),
    (-7, -4, 0, 5, 8),  # D minor
    (-14, -10, -5, -2, 2),
)
_STEPS = (0, 2, 4, 3, 1, 2, 4, 3)  # in which order a chord is broken
_PARTIALS = ((1, 1.0), (2, 0.35), (3, 0.12), (4, 0.05))
_DECAY_SECONDS = 1.6
_ATTACK_SECONDS = 0.02
_LOUDEST = 0.82


def samples() -> list[float]:
    """The whole piece, from -1 to 1. What rings beyond its end is heard at its beginning."""
    length = round(BAR_SECONDS * len(CHORDS) * RATE)
    heard = [0.0] * length
    for bar, chord in enumerate(CHORDS):
        begins = bar * BAR_SECONDS
        for position, voice in enumerate(_STEPS):
            at = begins + position * BAR_SECONDS / len(_STEPS)
            _pluck(heard, at, _pitch(chord[voice]), 0.5)
        # A low note under each bar holds it together.
        _pluck(heard, begins, _pitch(min(chord)), 0.7)
    loudest = max(map(abs, heard))
    return [value / loudest * _LOUDEST for value in heard]


def _pitch(semitones: int) -> float:
    return 440.0 * 2 ** (semitones / 12)


def _pluck(heard: list[float], at: float, hertz: float, loud: float) -> None:
    first = round(at * RATE)
    for number in range(round(4 * _DECAY_SECONDS * RATE)):
        seconds = number / RATE
        swell = min(seconds / _ATTACK_SECONDS, 1.0) * math.exp(-seconds / _DECAY_SECONDS)
        turn = math.tau * hertz * seconds
        tone = sum(share * math.sin(turn * partial) for partial, share in _PARTIALS)
        heard[(first + number) % len(heard)] += loud * swell * tone


def write(file: Path, heard: Sequence[float]) -> None:
    """As a WAV of one channel and eight bits: 320 kB, and no less than a line carries."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with wave.open(str(file), "wb") as written:
        written.setnchannels(1)
        written.setsampwidth(1)
        written.setframerate(RATE)
        written.writeframes(bytes(round(127.5 + 127 * value) for value in heard))


def main() -> None:
    write(FILE, samples())
    sys.stdout.write(f"{FILE}: {FILE.stat().st_size:,} bytes\n")


if __name__ == "__main__":
    main()
