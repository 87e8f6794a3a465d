"""What a text costs on the air: its alphabet, its letters, and the parts it is sent in.

GSM-7 where all its letters are there, else UCS-2 (3GPP TS 23.038); alone a part holds 160 septets
or 70 units of 16 bits, and 153 or 67 behind the header that joins several (TS 23.040, 9.2.3.24.1).
A letter that takes two of them is never cut in two.
"""

from __future__ import annotations

import re
import unicodedata

from dataclasses import dataclass
from enum import StrEnum
from functools import cache, lru_cache

import gsm0338

ONE_PART = 160

_GSM = gsm0338.Codec()
# The codec lets it pass as itself; alone it is no letter, and the provider sends UCS-2 for it.
_ESCAPE = "\x1b"
_LOOKALIKES = {
    "’": "'",
    "‘": "'",
    "«": '"',
    "»": '"',
    "“": '"',
    "”": '"',
    "–": "-",
    "—": "-",
    "…": "...",
    "œ": "oe",
    "Œ": "OE",
    "°": "o",
    "\u00a0": " ",
    "\u202f": " ",
}


class Encoding(StrEnum):
    """The alphabet of a text, by the name that the provider gives it."""

    GSM_7 = "GSM-7"
    UCS_2 = "UCS-2"


@dataclass(frozen=True)
class Size:
    """How much a part holds, alone and among others, in units of `bits`."""

    alone: int
    joined: int
    bits: int


SIZES = {Encoding.GSM_7: Size(160, 153, 7), Encoding.UCS_2: Size(70, 67, 16)}


def encoding(text: str) -> Encoding:
    """GSM-7 where it has every letter of the text."""
    return Encoding.GSM_7 if all(map(_septets, text)) else Encoding.UCS_2


def units(text: str) -> int:
    """Length on the air in units of its alphabet: septets, or 16 bits."""
    return sum(_sizes(text, encoding(text)))


def septets(text: str) -> int:
    """Length on the air; a letter of the extension table counts twice. Needs `to_gsm` first.

    Raises ValueError for a text that GSM-7 cannot write.
    """
    if encoding(text) is not Encoding.GSM_7:
        raise ValueError("a letter of this text is not in GSM-7")
    return sum(map(_septets, text))


def split(text: str) -> tuple[str, ...]:
    """The text of each part, in order; an empty text makes none."""
    used = encoding(text)
    sizes = _sizes(text, used)
    size = SIZES[used]
    if sum(sizes) <= size.alone:
        return (text,) if text else ()
    pieces = []
    begin, room = 0, size.joined
    for at, needed in enumerate(sizes):
        if needed > room:
            pieces.append(text[begin:at])
            begin, room = at, size.joined
        room -= needed
    return (*pieces, text[begin:])


def parts(text: str) -> int:
    """How many parts a text is sent in."""
    if _is_plain(text):
        size = SIZES[Encoding.GSM_7]
        return -(-len(text) // (size.alone if len(text) <= size.alone else size.joined))
    return len(split(text))


def to_gsm(text: str) -> str:
    """The same text in letters that GSM-7 has: é stays, ê becomes e; never a question mark."""
    return text if _is_plain(text) else "".join(map(_in_gsm, text))


def _is_plain(text: str) -> bool:
    """Whether every letter is one septet, as in nearly all texts that we write."""
    return _other_than_plain().search(text) is None


@cache
def _other_than_plain() -> re.Pattern[str]:
    # A set of letters would be asked for each of a text's in turn.
    plain = "".join(letter for letter in map(chr, range(0x400)) if _septets(letter) == 1)
    return re.compile(f"[^{re.escape(plain)}]")


def _sizes(text: str, used: Encoding) -> list[int]:
    if used is Encoding.GSM_7:
        return [_septets(letter) for letter in text]
    return [2 if ord(letter) > 0xFFFF else 1 for letter in text]  # noqa: PLR2004 (surrogate pairs)


# The codec goes letter by letter in Python, and an alphabet is small: each letter is asked once.
@lru_cache(4096)
def _in_gsm(letter: str) -> str:
    plain = _LOOKALIKES.get(letter, letter)
    if all(map(_septets, plain)):
        return plain
    decomposed = unicodedata.normalize("NFKD", plain)
    return "".join(c for c in decomposed if not unicodedata.combining(c) and _septets(c))


@lru_cache(4096)
def _septets(letter: str) -> int:
    """Of one letter; 0 where GSM-7 does not have it."""
    if letter == _ESCAPE:
        return 0
    try:
        return len(_GSM.encode(letter)[0])
    except UnicodeEncodeError:
        return 0
