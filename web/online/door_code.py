"""The code that somebody shows at their centre's door: the link of their text, as a picture.

It holds the link alone, which names nobody and opens nothing without a birth date.

A code is drawn in that of eight patterns which the standard finds easiest to read (ISO/IEC 18004,
7.8.3). The library judges them module by module, which takes longer than all else that the last
page of a booking does. Here all modules are the digits of one number; the choice is the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Final

from markupsafe import Markup

if TYPE_CHECKING:
    from segno import QRCode

# An eighth of it may be soiled or folded.
_CORRECTION: Final = "m"
# Readers need so many modules of white around it.
_WHITE: Final = 4
NO_CODE: Final = Markup("")
_PATTERNS: Final = 8
# Larger ones have their version in the picture, too: there the library judges.
_LARGEST: Final = 6
# What costs points: runs of five modules, squares of four, a row like a corner's mark with white
# before or behind it, and each twentieth of all modules by which dark and light are out of balance.
_SQUARE, _MARK, _BALANCE = 3, 40, 10
_MARK_LONG, _MARK_WHITE, _MARK_AGAIN = 7, 4, 4
_PER_CENT, _HALF, _TWENTIETH = 100, 50, 5
_DIGITS: Final = bytes.maketrans(b"\0\1", b"01")


def door_code(link: str) -> Markup:
    """A QR code as SVG, black on white whatever the page's colours are; empty without a link."""
    if not link:
        return NO_CODE
    picture = best_code(link).svg_inline(border=_WHITE, dark="#000", light="#fff", omitsize=True)
    # Of modules alone: nothing of the link stands in it as text.
    return Markup(picture)  # noqa: S704


def best_code(link: str) -> QRCode:
    """The same code as `segno.make_qr(link, error="m")`, found sooner."""
    # Of no use to most requests of a web worker.
    import segno  # noqa: PLC0415

    code = segno.make_qr(link, error=_CORRECTION, mask=0)
    version = code.version
    if not isinstance(version, int) or version > _LARGEST:
        return segno.make_qr(link, error=_CORRECTION)
    key = version, code.error
    patterns = _KNOWN.get(key)
    if patterns is None:
        made = (segno.make_qr(link, error=_CORRECTION, mask=one) for one in range(_PATTERNS))
        patterns = _KNOWN[key] = _differences([one.matrix for one in made])
    size = len(code.matrix)
    judge = _judge(size)
    rows, columns = _numbers(code.matrix)
    scores = [judge.points(rows ^ one.rows, columns ^ one.columns) for one in patterns]
    best = scores.index(min(scores))
    if best:
        code.mask = best
        code.matrix = _matrix(rows ^ patterns[best].rows, size)
    return code


@dataclass(frozen=True)
class _Pattern:
    """In which modules a pattern differs from the first one, row by row and column by column."""

    rows: int
    columns: int


# By version and correction. Nothing of a link is in the difference of two of its pictures.
_KNOWN: dict[tuple[int, str], list[_Pattern]] = {}


def _differences(matrices: Sequence[Sequence[bytearray]]) -> list[_Pattern]:
    (rows, columns), *others = map(_numbers, matrices)
    return [_Pattern(0, 0), *(_Pattern(rows ^ one, columns ^ other) for one, other in others)]


def _numbers(matrix: Sequence[bytearray]) -> tuple[int, int]:
    """All modules as digits: those of the first row, then of the next; and so by columns."""
    modules, size = b"".join(matrix), len(matrix)
    turned = b"".join(modules[at::size] for at in range(size))
    # The last digit of a number is the first module.
    return int(modules.translate(_DIGITS)[::-1], 2), int(turned.translate(_DIGITS)[::-1], 2)


def _matrix(rows: int, size: int) -> tuple[bytearray, ...]:
    digits = f"{rows:0{size * size}b}"[::-1].encode()
    modules = digits.translate(bytes.maketrans(b"01", b"\0\1"))
    return tuple(bytearray(modules[at : at + size]) for at in range(0, size * size, size))


@lru_cache(maxsize=_LARGEST)
def _judge(size: int) -> _Judge:
    return _Judge(size)


@dataclass(frozen=True)
class _Judge:
    """Counts the points against a code of so many modules from edge to edge."""

    size: int

    @cached_property
    def _judged(self) -> int:
        """All but what says which pattern it is: that is light when they are judged.

        It stands beside the marks of the corners, alike in rows and in columns.
        """
        size = self.size
        told = {(8, at) for at in (*range(6), 7, 8, *range(size - 8, size))}
        told |= {(column, row) for row, column in told}
        modules: int = sum(1 << (row * size + column) for row, column in told)
        return self._all ^ modules

    @cached_property
    def _all(self) -> int:
        return (1 << self.size * self.size) - 1

    def _but_last(self, last: int) -> int:
        """Each line without its last modules."""
        line = (1 << (self.size - last)) - 1
        return sum(line << (at * self.size) for at in range(self.size))

    @cached_property
    def _pairs(self) -> int:
        return self._but_last(1)

    @cached_property
    def _marks(self) -> int:
        return self._but_last(_MARK_LONG - 1)

    def points(self, rows: int, columns: int) -> int:
        """Of a whole code; what it says of its own pattern is not looked at."""
        rows, columns = rows & self._judged, columns & self._judged
        dark = rows.bit_count() / (self.size * self.size)
        balance = _BALANCE * int(abs(dark * _PER_CENT - _HALF) / _TWENTIETH)
        lines = self._of_lines(rows) + self._of_lines(columns)
        return lines + _SQUARE * self._squares(rows) + balance

    def _of_lines(self, lines: int) -> int:
        same = ~(lines ^ (lines >> 1)) & self._pairs
        runs = same & (same >> 1) & (same >> 2) & (same >> 3)
        # Three points for five modules, one for each that follows.
        points = runs.bit_count() + 2 * (runs & ~(runs >> 1)).bit_count()
        return points + _MARK * self._marked(lines)

    def _squares(self, rows: int) -> int:
        same = ~(rows ^ (rows >> 1)) & self._pairs
        below = ~(rows ^ (rows >> self.size)) & (self._all >> self.size)
        return (same & below & (below >> 1)).bit_count()

    def _marked(self, lines: int) -> int:
        """How many rows of modules look like the mark of a corner, beside enough white."""
        found = lines & (lines >> 2) & (lines >> 3) & (lines >> 4) & (lines >> 6)
        found &= ~(lines >> 1) & ~(lines >> 5) & self._marks
        size, count, free_from = self.size, 0, 0
        while found:
            at = (found & -found).bit_length() - 1
            found &= found - 1
            start = at % size
            begin = at - start
            if at < free_from:
                continue
            line = (lines >> begin) & ((1 << size) - 1)
            before = (line & ((1 << start) - 1)) >> max(start - _MARK_WHITE, 0)
            behind = (line >> (start + _MARK_LONG)) & ((1 << _MARK_WHITE) - 1)
            is_mark = start in {0, size - _MARK_LONG} or not before or not behind
            count += is_mark
            # One that is none may begin another.
            free_from = at + (_MARK_LONG if is_mark else _MARK_AGAIN)
        return count
