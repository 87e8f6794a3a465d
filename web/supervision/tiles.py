"""Where each département lies on the board's map of tiles: one square each, neighbours together."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from services.centres.towns import departement_name

# Columns 0 to 12; a dot is sea, or abroad. Overseas stand on the right, Corsica at the sea.
_ROWS: Final = (
    "..  ..  ..  ..  ..  ..  62  59  ..  ..  ..  ..  ..",
    "..  ..  ..  ..  76  80  60  02  08  ..  ..  ..  ..",
    "..  ..  50  14  27  95  93  77  51  55  57  67  ..",
    "29  22  35  61  78  92  75  94  10  52  54  68  ..",
    "..  56  53  72  28  91  45  89  21  70  88  90  ..",
    "..  44  49  37  41  18  58  71  39  25  ..  ..  971",
    "..  85  79  86  36  03  42  69  01  74  ..  ..  972",
    "..  17  16  87  23  63  43  38  73  ..  ..  ..  973",
    "..  33  24  19  15  48  07  26  05  ..  ..  ..  974",
    "..  40  47  46  12  30  84  04  06  ..  ..  ..  976",
    "..  64  32  82  81  34  13  83  ..  ..  2B  ..  ..",
    "..  ..  65  31  11  66  ..  ..  ..  ..  2A  ..  ..",
    "..  ..  ..  09  ..  ..  ..  ..  ..  ..  ..  ..  ..",
)


@dataclass(frozen=True)
class Tile:
    """A département at its column and row, counted from 1 as in a grid of a style sheet."""

    code: str
    name: str
    column: int
    row: int


@lru_cache
def tiles() -> tuple[Tile, ...]:
    """All 101, in the order of their codes."""
    found = [
        Tile(code, departement_name(code), column, row)
        for row, line in enumerate(_ROWS, 1)
        for column, code in enumerate(line.split(), 1)
        if code != ".."
    ]
    return tuple(sorted(found, key=lambda one: one.code))
