"""Values of recordings: a date, an hour or a town, joined of words that were read one by one.

A recording of words is called `said.` and these words, without accents, with a hyphen between two:
`said.lundi.wav`, `said.la-ferte-sous-jouarre.wav`. The most words that are in one file are played.
"""

from __future__ import annotations

import re
import unicodedata

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta

SAID = "said."
# What a value is called that is spelt where its name was not read.
TOWN = "town"
LETTER = f"{SAID}letter-"
# Of two recordings that are joined, each may have so much silence where they meet (seconds):
# together they stay below the 120 ms from which a listener hears a gap.
MOST_SILENCE = 0.06
_MOST_WORDS = 12
# "d'un" is read as one word, and so are "beau-père" and "12:05".
_WORD = re.compile(r"[a-z0-9]+(?:['’:-][a-z0-9]+)*")
_WITHIN = re.compile(r"['’:]")
# A year with 29 February.
_LEAP = date(2024, 1, 1)
_OLDEST = 1900
_FARTHEST_KILOMETRES = 150
_TWOS = 100
_LETTERS = "abcdefghijklmnopqrstuvwxyz"


def words(text: str) -> list[str]:
    """The words of a text as they stand in the names of files."""
    plain = unicodedata.normalize("NFKD", text.casefold().replace("œ", "oe"))
    letters_alone = "".join(
        character for character in plain if not unicodedata.combining(character)
    )
    return [_WITHIN.sub("-", word) for word in _WORD.findall(letters_alone)]


def clips(recordings: Mapping[str, str], text: str, name: str = "") -> tuple[str, ...] | None:
    """The files that say a value of this name; None where a word of it was not read.

    `recordings`: files by their names without an ending. A town that was not read is spelt, where
    the letters were.
    """
    said = words(text)
    found: list[str] = []
    at = 0
    while at < len(said):
        most = min(len(said), at + _MOST_WORDS)
        ends = range(most, at, -1)
        names = ((end, f"{SAID}{'-'.join(said[at:end])}") for end in ends)
        end, file = next(
            ((end, recordings[one]) for end, one in names if one in recordings), (0, "")
        )
        if not file:
            return _spelt(recordings, said) if name.strip("0123456789").endswith(TOWN) else None
        found.append(file)
        at = end
    return tuple(found)


def _spelt(recordings: Mapping[str, str], said: Sequence[str]) -> tuple[str, ...] | None:
    names = [f"{LETTER}{letter}" for letter in "".join(said).replace("-", "")]
    found = tuple(recordings[name] for name in names if name in recordings)
    return found if len(found) == len(names) else None


def samples(named: str, people: Sequence[str]) -> Iterator[object]:
    """Values of a format of which all words are heard that it can have; see prompts.catalogue."""
    match named:
        case "date":
            yield from (_LEAP + timedelta(days=day) for day in range(366))
            yield from (date(year, 2, 2) for year in range(_OLDEST, _LEAP.year + 1))
        case "day_hour" | "menu_hour" | "hour":
            midnight = datetime(_LEAP.year, 1, 1, tzinfo=UTC)
            yield from (midnight + timedelta(days=day) for day in range(366))
            yield from (midnight + timedelta(minutes=minute) for minute in range(0, 1440, 5))
        case "digits":
            yield "0123456789"
        case "pairs" | "number":
            yield "".join(f"{two:02}" for two in range(_TWOS))
        case "km" | "far":
            yield from (-1.0, *(metres / 10 for metres in range(1, 10)))
            yield from map(float, range(1, _FARTHEST_KILOMETRES + 1))
        case "weeks":
            yield from ((days, days) for days in range(1, 57))
            yield from ((7 * weeks, 7 * weeks + 7) for weeks in range(1, 8))
        case "from_age":
            yield from range(18, 100)
        case "person" | "born":
            yield from people
        case "":
            yield from map(str, range(_TWOS))


def letters() -> Iterator[tuple[str, str]]:
    """The names of recordings of letters, and what is read."""
    return ((f"{LETTER}{letter}", letter.upper()) for letter in _LETTERS)
