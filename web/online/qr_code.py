"""A QR code whose mask is chosen quickly: the same code as segno's own, in a fifth of the time.

ISO/IEC 18004 (7.8) has a code made with each of eight masks, scores them, and keeps the best. segno
does so module by module. Here all modules are bits of one number, the first one the lowest, and
a score is some dozens of operations on it. What a mask changes does not depend on what is written
in the code, so it is learned from segno once for each size.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

import segno

MASKS: Final = range(8)
# Larger codes tell their size in themselves, in modules that no score counts.
_LARGEST: Final = 6
_RUN, _RUN_SCORE, _BLOCK_SCORE, _FINDER_SCORE, _SHARE_SCORE = 5, 3, 3, 40, 10
# Dark and light as at the middle of a finder, its length, and the light modules beside it.
_FINDER: Final = (1, 0, 1, 1, 1, 0, 1)
_LIGHT: Final = 4
_TO_DIGITS: Final = bytes.maketrans(b"\0\1", b"01")
_FROM_DIGITS: Final = bytes.maketrans(b"01", b"\0\1")


def make(text: str, error: str) -> segno.QRCode:
    """A code of a text that corrects errors of a level at least ("m")."""
    made = segno.make_qr(text, error=error, mask=0)
    version = int(made.version)
    if version > _LARGEST:
        return segno.make_qr(text, error=error)
    size = _size(version, str(made.error))
    bits = _bits(made.matrix)
    codes = [bits ^ change for change in size.changes]
    made.mask = min(MASKS, key=lambda mask: size.score(codes[mask]))
    made.matrix = _matrix(codes[made.mask], size.width)
    return made


class _Lines:
    """All rows, or all columns, of a code so wide; `step` is how far apart neighbours are."""

    def __init__(self, width: int, step: int) -> None:
        self._step = step
        places = [divmod(at, width)[step == 1] for at in range(width * width)]
        reach = range(len(_FINDER) + _LIGHT)
        # Modules that have a neighbour so far ahead in their line, and those without one so far
        # back, or ahead.
        self._inside = [
            _sum(at for at, place in enumerate(places) if place + far < width) for far in reach
        ]
        self._begins = [_sum(at for at, place in enumerate(places) if place < far) for far in reach]
        self._ends = [
            _sum(at for at, place in enumerate(places) if place + far >= width) for far in reach
        ]

    def pairs(self, bits: int) -> int:
        """Modules that are as the next one of their line."""
        return ~(bits ^ (bits >> self._step)) & self._inside[1]

    def runs(self, pairs: int) -> int:
        """The score of five and more alike in a line, from the pairs that are alike."""
        step = self._step
        found = pairs & (pairs >> step) & (pairs >> 2 * step) & (pairs >> 3 * step)
        first = found & ~(found << step)
        # One for each that is more than four, and two for each run.
        return found.bit_count() + (_RUN_SCORE - 1) * first.bit_count()

    def finders(self, bits: int) -> int:
        """How often a line looks like the middle of a finder with light on one of its sides."""
        step, length, light = self._step, len(_FINDER), ~bits
        found = self._inside[length - 1]
        for at, dark in enumerate(_FINDER):
            found &= (bits if dark else light) >> at * step
        before = after = -1
        for far in range(1, _LIGHT + 1):
            before &= (light << far * step) | self._begins[far]
            ahead = length - 1 + far
            after &= (light >> ahead * step) | self._ends[ahead]
        counted = found & (before | after)
        # One that begins within another that counts is not looked for.
        within = (counted << 4 * step) | (counted << 6 * step)
        return (counted & ~within).bit_count()


@dataclass(frozen=True)
class _Size:
    """Codes of one size and level: what each mask changes in that of mask 0, and their scores."""

    width: int
    changes: tuple[int, ...]
    scored: int
    rows: _Lines
    columns: _Lines

    def score(self, code: int) -> int:
        """By ISO/IEC 18004, table 11: the lower the better."""
        bits = code & self.scored
        rows, columns = self.rows.pairs(bits), self.columns.pairs(bits)
        blocks = rows & (rows >> self.width) & columns
        share = abs(bits.bit_count() / self.width**2 * 100 - 50)
        return (
            self.rows.runs(rows)
            + self.columns.runs(columns)
            + _BLOCK_SCORE * blocks.bit_count()
            + _FINDER_SCORE * (self.rows.finders(bits) + self.columns.finders(bits))
            + _SHARE_SCORE * int(share / 5)
        )


@lru_cache(maxsize=16)
def _size(version: int, error: str) -> _Size:
    def code(mask: int) -> Any:
        return segno.make_qr("0", error=error, version=version, mask=mask, boost_error=False).matrix

    width = len(code(0))
    first = _bits(code(0))
    # The mask and the level are told in the code itself, and are not scored; nor is a module
    # that is always dark.
    told = {(8, at) for at in (*range(9), *range(width - 8, width))}
    told |= {(at, row) for row, at in told}
    told -= {(8, 6), (6, 8)}
    return _Size(
        width,
        tuple(first ^ _bits(code(mask)) for mask in MASKS),
        ~_sum(row * width + at for row, at in told),
        _Lines(width, 1),
        _Lines(width, width),
    )


def _sum(bits: Any) -> int:
    return sum(1 << bit for bit in bits)


def _bits(matrix: Any) -> int:
    return int(b"".join(matrix).translate(_TO_DIGITS)[::-1], 2)


def _matrix(bits: int, width: int) -> tuple[bytearray, ...]:
    digits = f"{bits:0{width * width}b}"[::-1].encode().translate(_FROM_DIGITS)
    return tuple(bytearray(digits[at : at + width]) for at in range(0, width * width, width))
