"""QR codes: an address that a camera reads, drawn for a page or for a terminal."""

from __future__ import annotations

import re

from dataclasses import dataclass
from itertools import zip_longest
from typing import Final, Literal

# How much of it may be soiled or folded: a fifteenth, or an eighth.
Correction = Literal["L", "M"]
# What is dark in a row without a gap.
_DARK: Final = re.compile(rb"\0+")
# Two modules, one above the other, as a letter: none is white, the lower one, the upper one, both.
_LETTERS: Final = " ▄▀█"
# White on black, whatever a terminal's colours are; where it knows no colours, most have that.
_WHITE, _AS_EVER = "\033[97;40m", "\033[0m"


@dataclass(frozen=True)
class QrCode:
    """So many modules wide and high, white around it included.

    `rows` are from the top; a module is a byte, and 0 where it is dark.
    """

    size: int
    rows: tuple[bytes, ...]

    def svg(self) -> str:
        """For a page: black on white whatever the page's colours are; nothing of it as text."""
        drawn = "".join(
            f"M{dark.start()} {y}h{dark.end() - dark.start()}v1H{dark.start()}z"
            for y, row in enumerate(self.rows)
            for dark in _DARK.finditer(row)
        )
        whole = f"M0 0h{self.size}v{self.size}H0z"
        return (
            f'<svg class="qr" viewBox="0 0 {self.size} {self.size}" shape-rendering="crispEdges">'
            f'<path fill="#fff" d="{whole}"/><path class="modules" fill="#000" d="{drawn}"/></svg>'
        )

    def letters(self) -> str:
        """For a terminal, in lines of half its height."""
        white = b"\1" * self.size
        lines = zip_longest(self.rows[::2], self.rows[1::2], fillvalue=white)
        return "\n".join(f"{_WHITE}{_line(upper, lower)}{_AS_EVER}" for upper, lower in lines)


def _line(upper: bytes, lower: bytes) -> str:
    pairs = zip(upper, lower, strict=True)
    return "".join(_LETTERS[2 * bool(over) + bool(under)] for over, under in pairs)


def qr_code(address: str, correction: Correction) -> QrCode:
    """The code of an address, with the four modules of white around it that cameras need."""
    # Of no use to most requests of a web worker.
    import zxingcpp  # noqa: PLC0415

    made = zxingcpp.create_barcode(address, zxingcpp.BarcodeFormat.QRCode, ec_level=correction)
    image = memoryview(made.to_image(add_quiet_zones=True))
    size, pixels = len(image), image.tobytes()
    return QrCode(size, tuple(pixels[at : at + size] for at in range(0, len(pixels), size)))
