"""The text of a confirmation: one part of GSM-7, and nothing about health.

Many centres carry their purpose in their name, so the place is told by street and town; the name is
used only where there is no street and the name says nothing.
"""

from __future__ import annotations

import re
import unicodedata

from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache

import gsm0338

from prompts.catalogue import Catalogue, written_number

ONE_PART = 160  # septets, 3GPP TS 23.038
_GSM = gsm0338.Codec()
_ABOUT_HEALTH = re.compile(
    r"vaccin|covid|h[oô]pita|hospital|clinique|m[eé]di?c|m[eé]dec|sant[eé]|soin|ehpad|pharma"
    r"|docteur|centre\b|g[eé]riatri|cardio|infirmi|(?-i:\bCH[A-Z]{0,3}\b)",
    re.IGNORECASE,
)
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
_PARTS = re.compile(r"[,;()/]| - |-(?=h[oô]p|clin|cent)", re.IGNORECASE)
_SHORTEST_STREET = 8


def confirmation_text(
    catalogue: Catalogue,
    *,
    starts: Sequence[datetime],
    street: str,
    centre_name: str,
    postcode: str,
    town: str,
    reference: str,
    number: str,
) -> str:
    """The confirmation in one part. `starts` are in the centre's own time zone, one each dose."""
    where = _discreet(street) or _discreet(centre_name)
    commune = f"{postcode} {town}".strip()
    values = {
        "start": starts[0],
        "second": starts[-1],
        "reference": reference,
        "number": written_number(number),
    }

    def written(key: str, *places: str) -> str:
        address = ", ".join(part for part in places if part)
        return to_gsm(catalogue.text(key, {**values, "address": address}))

    both = "_both" if len(starts) > 1 else ""
    full, short = f"confirmation{both}", f"confirmation_short{both}"
    text = written(full, where, commune)
    if septets(text) > ONE_PART:
        text = written(short, where, commune)
    if septets(text) <= ONE_PART:
        return text
    # The street gives way first: day, town and reference are what nobody can guess.
    shorter = _shortened(where, septets(text) - ONE_PART)
    text = written(short, shorter if len(shorter) >= _SHORTEST_STREET else "", commune)
    if septets(text) <= ONE_PART:
        return text
    return written(short, _shortened(commune, septets(text) - ONE_PART))


def unfinished_text(catalogue: Catalogue, *, town: str, until: datetime, number: str) -> str:
    """What is still to be done, in one part. `until` is in the centre's own time zone."""
    values = {"until": until, "number": written_number(number)}

    def written(where: str) -> str:
        return to_gsm(catalogue.text("unfinished", {**values, "town": where}))

    text = written(town)
    if septets(text) <= ONE_PART:
        return text
    return written(_shortened(town, septets(text) - ONE_PART))


def _shortened(place: str, too_many: int) -> str:
    """The beginning of a place, so many septets shorter."""
    letters = to_gsm(place)
    room = septets(letters) - too_many
    while letters and septets(letters) > room:
        letters = letters[:-1]
    return letters.rstrip(" ,.-")


def _discreet(place: str) -> str:
    """The parts of a place that say nothing: "5 rue X - Maison médicale" leaves "5 rue X"."""
    parts = (part.strip(" ,.-") for part in _PARTS.split(place))
    return ", ".join(part for part in parts if part and not says_health(part))


def says_health(name: str) -> bool:
    """Whether a name tells a stranger what kind of appointment this is."""
    return _ABOUT_HEALTH.search(name) is not None


def to_gsm(text: str) -> str:
    """The same text in letters that GSM-7 has: é stays, ê becomes e; never a question mark."""
    return "".join(map(_in_gsm, text))


def septets(text: str) -> int:
    """Length on the air; a letter of the extension table counts twice. Needs `to_gsm` first."""
    return sum(map(_septets, text))


# The codec goes letter by letter in Python, and an alphabet is small: each letter is asked once.
@lru_cache(4096)
def _in_gsm(letter: str) -> str:
    plain = _LOOKALIKES.get(letter, letter)
    if _fits(plain):
        return plain
    decomposed = unicodedata.normalize("NFKD", plain)
    return "".join(c for c in decomposed if not unicodedata.combining(c) and _fits(c))


@lru_cache(4096)
def _septets(letter: str) -> int:
    return len(_GSM.encode(letter)[0])


def _fits(text: str) -> bool:
    try:
        _GSM.encode(text)
    except UnicodeEncodeError:
        return False
    return True
