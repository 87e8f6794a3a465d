"""A call as a picture: the service's voice as a waveform, with the keys where they were pressed.

An SVG written by hand: no library draws it. A row has half a minute.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from itertools import pairwise
from pathlib import Path
from typing import Final

from exchange.sip.parts import RATE, WIDTH, Sound
from exchange.sip.samples import audioop

WIDE: Final = 900
LEFT: Final = 52
RIGHT: Final = 24
TOP: Final = 62
# Of a row: the whole, and half of its waveform. Above it are the keys, below it the seconds.
ROW: Final = 112
HALF: Final = 30
ROW_S: Final = 30.0
TICK_S: Final = 5
# Pixels for one step of the waveform.
STEP: Final = 2
# Keys that follow one another within so many seconds are written as one group.
GROUP_S: Final = 1.0
# The picture of a longer call would not be read.
MOST_ROWS: Final = 20
# A voice that is nowhere as loud as this is not drawn any taller; of 32,768.
QUIETEST: Final = 4000
STYLE: Final = (
    "text{font:13px sans-serif;fill:#1e293b}.t{font-weight:bold;font-size:15px}.s{fill:#475569}"
    ".b{fill:#f8fafc}.a{stroke:#cbd5e1}.w{fill:#1d4ed8}.k{stroke:#b45309;stroke-width:2}"
    ".c{fill:#fffbeb;stroke:#b45309}.d{font-weight:bold;fill:#92400e}"
)

Keys = Sequence[tuple[float, str]]


def write(file: Path, voice: Sound, keys: Keys, title: str) -> None:
    """Write the picture; `keys` with their seconds. Raises OSError."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(draw(voice, keys, title), "utf-8")


def draw(voice: Sound, keys: Keys, title: str) -> str:
    """Return the SVG, at most ten minutes of it."""
    seconds = max(voice.seconds, max((at for at, _ in keys), default=0.0), 1.0)
    rows = min(MOST_ROWS, int(seconds // ROW_S) + 1)
    height = TOP + rows * ROW + 8
    drawn = "".join(_row(voice, keys, number, seconds) for number in range(rows))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDE} {height}" role="img">'
        f"<title>{escape(title)}</title><style>{STYLE}</style>"
        f'<rect class="b" width="{WIDE}" height="{height}"/>'
        f'<text class="t" x="{LEFT}" y="26">{escape(title)}</text>'
        f'<text class="s" x="{LEFT}" y="46">Blue: what the service says. '
        f"Brown: the keys that the caller presses. Minutes and seconds since the answer.</text>"
        f"{drawn}</svg>\n"
    )


def groups(keys: Keys) -> list[tuple[float, str]]:
    """Return keys that follow one another as one text, at the seconds of the first."""
    found: list[tuple[float, str]] = []
    for before, (at, key) in pairwise([(-GROUP_S, ""), *keys]):
        if found and at - before[0] < GROUP_S:
            found[-1] = (found[-1][0], found[-1][1] + key)
        else:
            found.append((at, key))
    return found


def _row(voice: Sound, keys: Keys, number: int, seconds: float) -> str:
    begins = number * ROW_S
    wide = WIDE - LEFT - RIGHT
    middle = TOP + number * ROW + 26 + HALF

    def x(at: float) -> float:
        return LEFT + wide * (at - begins) / ROW_S

    ends = min(ROW_S, seconds - begins)
    parts = [
        f'<line class="a" x1="{LEFT}" x2="{x(begins + ends):.0f}" y1="{middle}" y2="{middle}"/>',
        _wave(voice, begins, wide, middle),
    ]
    for tick in range(0, int(ROW_S) + 1, TICK_S):
        if tick < ROW_S and tick <= ends:
            at = begins + tick
            told = f"{int(at) // 60}:{int(at) % 60:02d}"
            anchor = f'x="{x(at):.0f}" y="{middle + HALF + 16}" text-anchor="middle"'
            parts.append(f'<text class="s" {anchor}>{told}</text>')
    free = 0.0
    for at, digits in groups(keys):
        if begins <= at < begins + ROW_S:
            # A chip that would stand on the one before it moves aside; its line does not.
            size = 12 + 8 * len(digits)
            left = min(max(x(at) - size / 2, free), WIDE - size - 2.0)
            free = left + size + 3
            parts.append(_chip(x(at), left, size, middle, digits))
    return "".join(parts)


def _chip(at: float, left: float, size: int, middle: int, digits: str) -> str:
    top = middle - HALF - 24
    return (
        f'<line class="k" x1="{at:.1f}" x2="{at:.1f}" y1="{top + 20}" y2="{middle + HALF}"/>'
        f'<rect class="c" x="{left:.1f}" y="{top}" width="{size}" height="20" rx="4"/>'
        f'<text class="d" x="{left + size / 2:.1f}" y="{top + 15}" text-anchor="middle">'
        f"{escape(digits)}</text>"
    )


def _wave(voice: Sound, begins: float, wide: int, middle: int) -> str:
    """Return the outline of half a minute: its peaks there above, and back below."""
    samples = ROW_S * RATE / (wide / STEP)
    above, below = [], []
    loudest = max(QUIETEST, audioop.max(voice.pcm, WIDTH))
    for step in range(wide // STEP + 1):
        start = round(begins * RATE + step * samples)
        piece = voice.pcm[WIDTH * start : WIDTH * (start + round(samples))]
        if not piece:
            break
        low, high = audioop.minmax(piece, WIDTH)
        at = LEFT + step * STEP
        above.append(f"{at},{middle - _tall(high, loudest)}")
        below.append(f"{at},{middle + _tall(-low, loudest)}")
    return f'<polygon class="w" points="{" ".join([*above, *reversed(below)])}"/>' if above else ""


def _tall(peak: int, loudest: int) -> int:
    return round(HALF * max(0, peak) / loudest)
