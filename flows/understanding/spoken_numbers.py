"""Numbers in a sentence: which words are numbers, and every way to read a row of them.

text2num knows number words and says which of them make one number. "trente deux cent dix" is one
row of words and several rows of numbers (30 210, 32 110). A `Lattice` holds them all, and the
reader that knows what was asked for (a date, five digits) chooses among its paths.
"""

from __future__ import annotations

import math
import re

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum, auto
from typing import Final

from flows.understanding.heard_words import HUNDRED, Gap, HeardWord, in_words, spelt
from flows.understanding.vocabulary import Vocabulary

MOST_NUMBERS: Final = 28
# "quatre vingt dix sept mille quatre cent quatre vingt dix huit"
_LONGEST: Final = 12
_THOUSAND: Final = 1000
# "1000 942" is how some recognisers write "mille 942".
_CENTURIES: Final = frozenset({1000, 1900, 2000})
_LAST_YEAR: Final = 2099
_TWO_DIGITS: Final = 10
# How some recognisers write the "treize mille" of "treize mille zéro quatre-vingt-dix".
_WHOLE_THOUSANDS = re.compile(r"([0-9]{2})000")
_TEEN_HUNDREDS: Final = (1100, 2000)


class Mode(Enum):
    """How much is made of hyphens and commas; tried in this order."""

    # Hyphens bind, and where there are some, words without one are apart.
    STRICT = auto()
    HYPHENS_BIND = auto()
    LOOSE = auto()
    # As HYPHENS_BIND; and a figure behind words may be of their number: "trente 3".
    MENDED = auto()


@dataclass(frozen=True, slots=True)
class NumberSpan:
    """Some words of a row that are one number. `digits` keeps the zeros in front."""

    end: int
    digits: str
    figures: bool = False
    ordinal: bool = False
    # Another word stands before it: "le 20 du 2".
    apart: bool = False


# ---------------------------------------------------------------- from rows to numbers

Lattice = Sequence[Sequence[NumberSpan]]
_Span = tuple[int, int]


class NumberPurpose(Enum):
    """What the numbers are for."""

    # Years end soon; they may be written "1900 42".
    DATE = auto()
    # "dix-sept cent cinq" is 17 105, and "zéro un mille" is 01 000.
    POSTCODE = auto()
    DIGITS = auto()


def lattice(
    row: Sequence[HeardWord],
    vocabulary: Vocabulary,
    mode: Mode,
    asked: NumberPurpose,
    *,
    most_words: int = MOST_NUMBERS,
) -> Lattice:
    """For each word of a row the numbers that may begin there; nothing for longer rows."""
    count, language = len(row), vocabulary.language
    if not 0 < count <= most_words:
        return ()
    row = [replace(row[0], gap=Gap.WALL), *row[1:]]
    apart = mode is Mode.STRICT and any(i.gap is Gap.HYPHEN and not i.figures for i in row)
    joins = [True] + [_may_join(row, at, mode, apart=apart) for at in range(1, count)]
    parts = [at == 0 or _may_part(row, at, mode) for at in range(count)] + [True]
    mixed = _mixed(row, joins, vocabulary, mode, asked)
    edges: list[list[NumberSpan]] = []
    for start in range(count):
        found: list[NumberSpan] = []
        edges.append(found)
        if not parts[start]:
            continue
        for end in range(start + 1, min(count, start + _LONGEST) + 1):
            if end > start + 1 and not joins[end - 1]:
                break
            if parts[end]:
                apart_here = start > 0 and row[start].gap is Gap.WALL
                found += (
                    replace(edge, apart=apart_here)
                    for edge in _edges(row, start, end, language, mixed)
                    if _is_wanted(row[start:end], edge, asked)
                )
        if asked is NumberPurpose.POSTCODE:
            found += _one_thousands(row, start, joins, language)
            found += _thousands_apart(row, start, joins, language, mixed)
    return edges


def _is_wanted(words: Sequence[HeardWord], edge: NumberSpan, asked: NumberPurpose) -> bool:
    """Whether these words may be this number, given what is asked for."""
    if edge.figures or asked is NumberPurpose.DIGITS:
        return True
    value = int(edge.digits)
    if asked is NumberPurpose.DATE:
        return value <= _LAST_YEAR
    if any(word.is_scale and word.number == _THOUSAND for word in words):
        return words[0].number != _THOUSAND  # "zéro mille" lacks something
    return not _TEEN_HUNDREDS[0] <= value < _TEEN_HUNDREDS[1]


def _one_thousands(
    row: Sequence[HeardWord], start: int, joins: Sequence[bool], language: str
) -> Iterator[NumberSpan]:
    """The 1000 of "zéro un mille", which no number but a postcode has."""
    if not _is_behind_zero(row, start) or not row[start].may_be_article:
        return
    for end in range(start + 2, min(len(row), start + _LONGEST) + 1):
        if not joins[end - 1] or row[start + 1].number != _THOUSAND:
            return
        number = spelt(language, " ".join(word.text for word in row[start + 1 : end]))
        if number is not None:
            yield NumberSpan(end, str(number.value))


def _thousands_apart(
    row: Sequence[HeardWord],
    start: int,
    joins: Sequence[bool],
    language: str,
    mixed: Mapping[_Span, set[int]],
) -> Iterator[NumberSpan]:
    """The 13 of "treize mille zéro quatre-vingt-dix": a zero behind it says that digits follow."""
    whole = _WHOLE_THOUSANDS.fullmatch(row[start].text) if row[start].figures else None
    if whole and _begins_with_zero(row, start + 1):
        yield NumberSpan(start + 1, whole[1], figures=True)
    for end in range(start + 1, min(len(row), start + _LONGEST)):
        if not joins[end] or (end > start + 1 and not joins[end - 1]):
            return
        if row[end].is_scale and row[end].number == _THOUSAND:
            if _begins_with_zero(row, end + 1):
                for value in _values(row, start, end, language, mixed):
                    least = 1 if _is_behind_zero(row, start) else _TWO_DIGITS
                    if least <= value < HUNDRED:
                        yield NumberSpan(end + 1, str(value))
            return


def _values(
    row: Sequence[HeardWord], start: int, end: int, language: str, mixed: Mapping[_Span, set[int]]
) -> Iterator[int]:
    """What these words can be as one number."""
    if end == start + 1:
        yield row[start].number
    elif any(word.figures for word in row[start:end]):
        yield from mixed.get((start, end), ())
    else:
        number = spelt(language, " ".join(word.text for word in row[start:end]))
        if number is not None and not number.ordinal:
            yield number.value


def _is_behind_zero(row: Sequence[HeardWord], at: int) -> bool:
    return at > 0 and not row[at - 1].number


def _begins_with_zero(row: Sequence[HeardWord], at: int) -> bool:
    """Whether "zéro", 0 or 011 stands there."""
    return at < len(row) and (not row[at].number or row[at].text.startswith("0"))


def _may_join(row: Sequence[HeardWord], at: int, mode: Mode, *, apart: bool) -> bool:
    """Whether words `at - 1` and `at` may be of one number."""
    gap, small = row[at].gap, row[at - 1].number < HUNDRED and row[at].number < HUNDRED
    if gap is Gap.WALL:
        return False
    if gap is Gap.BREAK:
        return mode is Mode.LOOSE
    return not (gap is Gap.SPACE and apart and small)


def _may_part(row: Sequence[HeardWord], at: int, mode: Mode) -> bool:
    """Whether words `at - 1` and `at` may be of two numbers."""
    gap = row[at].gap
    words = not row[at].figures and not row[at - 1].figures
    return gap is not Gap.GLUE and not (gap is Gap.HYPHEN and words and mode is not Mode.LOOSE)


def _edges(
    row: Sequence[HeardWord], start: int, end: int, language: str, mixed: Mapping[_Span, set[int]]
) -> Iterator[NumberSpan]:
    first = row[start]
    if end == start + 1 and (first.figures or first.number == 0):
        yield NumberSpan(end, first.text if first.figures else "0", first.figures, first.ordinal)
    elif any(word.figures for word in row[start:end]):
        if end == start + 2 and row[start + 1].gap is Gap.WITHIN:
            yield NumberSpan(end, str(first.number + row[start + 1].number), figures=True)
        for value in mixed.get((start, end), ()):
            yield NumberSpan(end, str(value))
    elif first.number:  # "zéro trois" is two numbers to us: the zero counts
        number = spelt(language, " ".join(word.text for word in row[start:end]))
        if number is not None:
            yield NumberSpan(end, str(number.value), ordinal=number.ordinal)


def _mixed(
    row: Sequence[HeardWord],
    joins: Sequence[bool],
    vocabulary: Vocabulary,
    mode: Mode,
    asked: NumberPurpose,
) -> Mapping[_Span, set[int]]:
    """Numbers of words and figures together, by span: "mille 942", "35 mille 5 cent".

    What has hundreds or thousands takes a smaller number behind it; a figure takes "cent" or
    "mille"; and where that is mended, words take a figure that completes them ("trente 3").
    """
    language = vocabulary.language
    found: dict[_Span, set[int]] = {}
    figures = [word.figures for word in row]
    centuries = asked is NumberPurpose.DATE
    if not any(figures) or (all(figures) and not centuries):
        return found
    for length in range(1, min(len(row), _LONGEST) + 1):
        for start in range(len(row) - length + 1):
            end = start + length
            if not all(joins[start + 1 : end]):
                continue
            if length == 1 and figures[start]:
                found[start, end] = {row[start].number}
            elif not any(figures[start:end]):
                number = spelt(language, " ".join(word.text for word in row[start:end]))
                found[start, end] = {number.value} if number and not number.ordinal else set()
            else:
                found[start, end] = {
                    value
                    for middle in range(start + 1, end)
                    for left in found.get((start, middle), ())
                    for right in found.get((middle, end), ())
                    for value in _together(row, (start, middle, end), left, right, centuries)
                }
                if mode is Mode.MENDED:
                    found[start, end] |= _completed(row[start:end], vocabulary)
    return {span: values for span, values in found.items() if span[1] - span[0] > 1}


def _completed(words: Sequence[HeardWord], vocabulary: Vocabulary) -> set[int]:
    """The 33 of "trente 3": words, and one figure that their number lacks."""
    *before, last = words
    # A zero in front counts by itself.
    if not last.figures or not words[0].number or any(word.figures for word in before):
        return set()
    said = [*(word.text for word in before), last.glue, in_words(last, vocabulary)]
    number = spelt(vocabulary.language, " ".join(filter(None, said))) if said[-1] else None
    return set() if number is None or number.ordinal else {number.value}


def _together(
    row: Sequence[HeardWord],
    span: tuple[int, int, int],
    left: int,
    right: int,
    centuries: bool,  # noqa: FBT001
) -> Iterator[int]:
    start, middle, end = span
    if end == middle + 1 and row[middle].is_scale:
        if 1 < left < (HUNDRED if right == HUNDRED else _THOUSAND):
            yield left * right
        return
    if left < HUNDRED or not right or left % 10 ** len(str(right)):
        return
    if row[middle].figures and row[middle].text.startswith("0"):
        return
    if all(word.figures for word in row[start:middle]) and not (
        centuries and left in _CENTURIES and all(word.figures for word in row[middle:end])
    ):
        return
    yield left + right


def paths(edges: Lattice, most_digits: int) -> Iterator[tuple[NumberSpan, ...]]:
    """The ways through the whole row that have the fewest digits, if those are not too many.

    Callers do not say 20, 2 in one breath and expect to be understood, nor 4, 20 or 3, 100. So
    words that can be one number are one, wherever that leaves the row complete. In this way a row
    with a piece missing is not made up to the right length.
    """
    least = least_digits(edges)
    if not edges or least[0] > most_digits:
        return
    waiting: list[tuple[int, tuple[NumberSpan, ...]]] = [(0, ())]
    while waiting:
        at, taken = waiting.pop()
        if at == len(edges):
            yield taken
            continue
        waiting.extend(
            (edge.end, (*taken, edge))
            for edge in edges[at]
            if len(edge.digits) + least[edge.end] == least[at]
        )


def least_digits(edges: Lattice) -> Sequence[float]:
    """How few digits there can be from each word of the row to its end."""
    least = [math.inf] * len(edges) + [0]
    for start in reversed(range(len(edges))):
        least[start] = min(
            (len(edge.digits) + least[edge.end] for edge in edges[start]), default=math.inf
        )
    return least


def digits_of(path: Sequence[NumberSpan]) -> str:
    return "".join(edge.digits for edge in path)
