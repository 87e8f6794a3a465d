"""What a camera reads on a page: each code is drawn again, module by module, and read."""

from __future__ import annotations

import re

import zxingcpp

_CODE = re.compile(
    r'<svg class="qr" viewBox="0 0 (\d+) \1"[^>]*><path fill="#fff" d="M0 0h\1v\1H0z"/>'
    r'<path class="modules" fill="#000" d="([^"]*)"/></svg>'
)
_DARK = re.compile(r"M(\d+) (\d+)h(\d+)v1H\1z")
# Of a camera, for each module.
_PIXELS = 4


def read_on(page: str) -> list[str]:
    """The addresses of the codes on a page, in their order; empty for one that nobody can read."""
    return [_read(int(size), drawn) for size, drawn in _CODE.findall(page)]


def _read(size: int, drawn: str) -> str:
    modules = [bytearray(b"\xff" * size) for _ in range(size)]
    for column, row, width in _DARK.findall(drawn):
        modules[int(row)][int(column) : int(column) + int(width)] = bytes(int(width))
    return read(modules)


def read(modules: list[bytearray]) -> str:
    """What modules say, by their rows, 0 where dark; empty where no camera can read them.

    Raises AssertionError where the four modules of white around them are not there.
    """
    sides = [bytes(side) for side in zip(*modules, strict=True)]
    for edge in (*modules[:4], *modules[-4:], *sides[:4], *sides[-4:]):
        assert set(edge) == {0xFF}
    wide = (b"".join(bytes([one]) * _PIXELS for one in row) for row in modules)
    pixels = b"".join(row * _PIXELS for row in wide)
    found = photographed(pixels, len(modules) * _PIXELS, len(modules[0]) * _PIXELS)
    assert len(found) <= 1
    return "".join(found)


def photographed(pixels: bytes, height: int, width: int) -> list[str]:
    """What the codes in a picture say; a pixel is a byte, 0 where black."""
    picture = memoryview(pixels).cast("B", (height, width))
    return [one.text for one in zxingcpp.read_barcodes(picture, try_invert=False)]
