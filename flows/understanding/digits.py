"""Digits in words: a reference in twos, a telephone number."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Final

from flows.understanding import NotUnderstood, telephone
from flows.understanding import spoken_numbers as spoken
from flows.understanding.heard_words import (
    HeardWord,
    NumberKind,
    heard_words,
    rows_of,
    says_little,
    standing,
    was_corrected,
)
from flows.understanding.spoken_numbers import Mode, NumberPurpose, digits_of
from flows.understanding.vocabulary import Vocabulary

_ROW: Final = frozenset({NumberKind.NUMBER})
# 00 33 and nine more; and a row may hold so many readings before it says nothing any more.
_LONGEST_NUMBER: Final = 14
MOST_DIGITS: Final = 28
# A comma is the end of a number here: pieces are missing too often.
_MODES: Final = (Mode.STRICT, Mode.HYPHENS_BIND, Mode.MENDED)
_MOST_PATHS: Final = 250
_MOST_READINGS: Final = 4
# What stands behind a plus in the numbers of France and its overseas départements.
_COUNTRIES: Final = ("33", "262", "508", "590", "594", "596", "681", "687", "689")


def digits(text: str, vocabulary: Vocabulary, *, length: int = 0) -> str:
    """The digits that are said, or "" where there are none, several readings, or not so many.

    A question that knows how many there are learns more: "quatre-vingt dix-huit" is 98, and 80, 18
    where only that makes so many.
    """
    row = _digit_row(text, vocabulary)
    # A hyphen that a recogniser left out is likelier than two numbers of one pair.
    for mode in (Mode.MENDED, Mode.STRICT) if length else (Mode.MENDED,):
        found = _readings(row, vocabulary, mode, MOST_DIGITS)
        fitting = [reading for reading in found if length in {0, len(reading)}]
        if len(fitting) == 1:
            return fitting[0]
    return ""


def digit_readings(text: str, vocabulary: Vocabulary) -> tuple[str, ...]:
    """All rows of digits that the words can mean; none where some are taken back."""
    found = _readings(_digit_row(text, vocabulary), vocabulary, Mode.MENDED, MOST_DIGITS)
    return tuple(sorted(found)) if len(found) <= _MOST_READINGS else ()


def _digit_row(text: str, vocabulary: Vocabulary) -> tuple[HeardWord, ...]:
    """The one row of numbers that is said; empty where there are several, or a correction."""
    said = heard_words(text, vocabulary)
    if was_corrected(said):
        return ()
    rows = [row for row in rows_of(standing(said), _ROW) if not _is_article(row, said)]
    return rows[0] if len(rows) == 1 else ()


def phone(text: str, vocabulary: Vocabulary) -> str:
    """The telephone number that is said, as E.164, or "" where there is none or several."""
    numbers = phones(text, vocabulary)
    return numbers[0] if len(numbers) == 1 else ""


def phones(text: str, vocabulary: Vocabulary) -> tuple[str, ...]:
    """All ordinary numbers of France, mainland and overseas, that the words can mean, as E.164.

    None where two different numbers are said.
    """
    said = standing(heard_words(text, vocabulary))
    found = {_phones_of(row, vocabulary) for row in rows_of(said, _ROW)} - {()}
    return found.pop() if len(found) == 1 else ()


def _phones_of(row: tuple[HeardWord, ...], vocabulary: Vocabulary) -> tuple[str, ...]:
    for mode in _MODES:
        numbers = {
            number
            for reading in _readings(row, vocabulary, mode, _LONGEST_NUMBER)
            for number in _dialled(reading)
        }
        if numbers:
            return tuple(sorted(numbers)) if len(numbers) <= _MOST_READINGS else ()
    return ()


def _dialled(reading: str) -> Iterable[str]:
    """The number that is dialled so, also where the plus is not written."""
    for country in _COUNTRIES:
        if reading.startswith(country):
            # Some say +33 (0)6.
            reading = f"+{country}{reading.removeprefix(country).removeprefix('0')}"
            break
    try:
        yield telephone(reading)[0]
    except NotUnderstood:
        return


def _readings(
    row: tuple[HeardWord, ...], vocabulary: Vocabulary, mode: Mode, most_digits: int
) -> set[str]:
    if any(word.ordinal for word in row):
        return set()
    edges = spoken.lattice(row, vocabulary, mode, NumberPurpose.DIGITS)
    found = list(islice(spoken.paths(edges, most_digits), _MOST_PATHS + 1))
    return {digits_of(path) for path in found} if len(found) <= _MOST_PATHS else set()


def _is_article(row: Sequence[HeardWord], said: Sequence[HeardWord]) -> bool:
    """Whether these are the "un" and "une" of a sentence, and not its only digit."""
    return says_little(row) and any(word.kind is NumberKind.OTHER for word in said)
