"""Postcodes in words: "soixante-quinze zéro onze", "treize mille un", "2A 167"."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Final

from flows.understanding import spoken_numbers as spoken
from flows.understanding.heard_words import (
    Gap,
    HeardWord,
    NumberKind,
    heard_words,
    rows_of,
    said_once,
    standing,
    without_article,
)
from flows.understanding.spoken_numbers import Mode, NumberPurpose, digits_of
from flows.understanding.vocabulary import Vocabulary

_DIGITS: Final = 5
# "quatre vingt dix sept mille quatre cent quatre vingt dix huit"
_MOST_WORDS: Final = 12
_TWO: Final = 2
_TWO_DIGITS: Final = 10
_ROW: Final = frozenset({NumberKind.NUMBER})
# The two départements of Corsica, both 20 in postcodes, and how the rest of those begins.
_CORSICA: Final = {"a": ("0", "1"), "b": ("2", "6")}


def postcodes(text: str, vocabulary: Vocabulary, known: Callable[[str], bool]) -> tuple[str, ...]:
    """Every postcode that exists and that the words can mean, in order.

    None when the number of digits is not five, or when two different ones are said.
    """
    said = [
        replace(word, kind=NumberKind.OTHER) if word.ordinal else word
        for word in standing(heard_words(text, vocabulary))
    ]
    for letter, thirds in _CORSICA.items():
        corsican = _with_twenty(said, letter)
        if corsican:
            there = partial(_is_there, known=known, thirds=thirds)
            return _of_rows(corsican, vocabulary, there)
    return _of_rows(said, vocabulary, known)


def _of_rows(
    said: Sequence[HeardWord], vocabulary: Vocabulary, known: Callable[[str], bool]
) -> tuple[str, ...]:
    found = {_of_row(row, vocabulary, known) for row in rows_of(said, _ROW)} - {()}
    return found.pop() if len(found) == 1 else ()


def _of_row(
    row: tuple[HeardWord, ...], vocabulary: Vocabulary, known: Callable[[str], bool]
) -> tuple[str, ...]:
    for mode in Mode:
        for words in (row, _without_article(row), said_once(row)):
            edges = spoken.lattice(
                words, vocabulary, mode, NumberPurpose.POSTCODE, most_words=_MOST_WORDS
            )
            readings = {digits_of(path) for path in spoken.paths(edges, _DIGITS)}
            fitting = [code for code in readings if len(code) == _DIGITS and known(code)]
            if fitting:
                return tuple(sorted(fitting))
    return ()


def _without_article(row: tuple[HeardWord, ...]) -> tuple[HeardWord, ...]:
    """Without the first word of "un 35 500"; never the first of digits said one by one."""
    rest = without_article(row)
    return rest if rest and rest[0].number >= _TWO_DIGITS else ()


def _is_there(code: str, *, known: Callable[[str], bool], thirds: tuple[str, str]) -> bool:
    return code[2] in thirds and known(code)


def _with_twenty(said: Sequence[HeardWord], letter: str) -> list[HeardWord]:
    """Make a 20 of the "deux A" before digits; nothing where there is none."""
    for at in range(1, len(said) - 1):
        two, between, after = said[at - 1 : at + 2]
        first = at == 1 or said[at - 2].kind is not NumberKind.NUMBER
        numbers = two.kind is NumberKind.NUMBER is after.kind
        if numbers and first and two.number == _TWO and between.text == letter:
            twenty = replace(two, text="20", number=20, figures=True)
            return [*said[: at - 1], twenty, replace(after, gap=Gap.WALL), *said[at + 2 :]]
    return []
