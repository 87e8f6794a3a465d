"""Dates of birth in words: "né le douze mars quarante-deux", "le 12 du 3 42", "March 12th 1942"."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from typing import Final

from flows.understanding import FIRST_BIRTH_YEAR, NotUnderstood, checked_date
from flows.understanding import spoken_numbers as spoken
from flows.understanding.heard_words import (
    Gap,
    HeardWord,
    NumberKind,
    corrected_at,
    goes_on,
    heard_words,
    rows_of,
    said_once,
    says_little,
    standing,
    was_corrected,
    without_article,
)
from flows.understanding.spoken_numbers import Mode, NumberPurpose, NumberSpan, digits_of
from flows.understanding.vocabulary import Vocabulary

_ROW: Final = frozenset({NumberKind.NUMBER, NumberKind.MONTH})
_DAY_AND_MONTH: Final = 2
_YEAR: Final = 4
# Day, month and year one after the other in figures.
_LAYOUTS: Final = (6, 8)
# A year without its first digit: "neuf cent quarante-deux".
_SHORT_YEAR: Final = 3
_LAST_DAY: Final = 31
_MOST_DIGITS: Final = 8
# "trente et un zéro huit mille neuf cent quatre vingt dix sept" has eleven words and an "et".
_MOST_WORDS: Final = 14


def dates(text: str, vocabulary: Vocabulary, today: date) -> tuple[date, ...]:
    """All days since 1900 that the words can mean as a birth date, oldest first.

    Two digits of a year ("quinze") are of each century that a living person can be born in: where
    that is two, both are given, for a child may be meant as well as an old person, and the step
    that asks asks which. None when numbers are left over that belong to no date. Days come first
    where the language says so; else "3/4" is both, for callers come from everywhere.
    """
    found = set(_read(heard_words(text, vocabulary), vocabulary, today))
    months = heard_words(text, vocabulary, short_months=True)
    found.update(_read(months, vocabulary, today))
    return tuple(sorted(found))


def _read(said: Sequence[HeardWord], vocabulary: Vocabulary, today: date) -> Iterable[date]:
    whole, said = said, standing(said)
    if (corrected := _with_other_year(whole, said, vocabulary, today)) is not None:
        return corrected
    rows = [row for row in rows_of(said, _ROW) if not says_little(row)]
    texts = [{word.text for word in row} for row in rows]
    # Without what is only a part of another row.
    parts = [any(text < other for other in texts) for text in texts]
    found = []
    for row in (row for row, part in zip(rows, parts, strict=True) if not part):
        full_year = goes_on(row, said, vocabulary)
        found.append(_of_row(row, _Reader(vocabulary, today, full_year=full_year)))
    # Many say it twice; two different dates are two people's.
    return found[0] if found and all(dates == found[0] for dates in found) else ()


def _with_other_year(
    whole: Sequence[HeardWord], said: Sequence[HeardWord], vocabulary: Vocabulary, today: date
) -> Iterable[date] | None:
    """The date of "6 avril 1934, non, 1935"; None where not only the year changes."""
    year = [word for word in said if word.kind is not NumberKind.LINK]
    before = list(whole[: max(corrected_at(whole), 0)])
    while before and before[-1].kind is not NumberKind.NUMBER:
        before.pop()
    if not was_corrected(whole) or any(word.kind not in _ROW for word in year):
        return None
    reader = _Reader(vocabulary, today, full_year=False)
    years = {digits_of(path) for path in reader.paths(year, _YEAR) if _is_only_year(path)}
    told = set(_read(before, vocabulary, today)) if len(years) == 1 else set()
    if len({(day.day, day.month) for day in told}) != 1:
        return None
    return set(reader.of(told.pop(), years.pop()))


def _of_row(row: tuple[HeardWord, ...], reader: _Reader) -> set[date]:
    for mode in Mode:
        # "Trente-sept, le 16 avril 37".
        year_once = row[1:] if row[0].text == row[-1].text else ()
        for words in (row, without_article(row), said_once(row), year_once):
            found = set(reader.read(words, mode))
            if found:
                return found
    return set()


class _Reader:
    """Reads a row; `full_year` where two digits are too few to be sure of."""

    def __init__(self, vocabulary: Vocabulary, today: date, *, full_year: bool) -> None:
        self._vocabulary = vocabulary
        self._today, self._full_year = today, full_year
        self._mode = Mode.STRICT

    def of(self, day: date, year: str) -> Iterator[date]:
        """The same day of another year."""
        yield from self._dates_of(str(day.day), str(day.month), year)

    def read(self, row: tuple[HeardWord, ...], mode: Mode) -> Iterator[date]:
        self._mode = mode
        months = [index for index, word in enumerate(row) if word.kind is NumberKind.MONTH]
        if not months:
            yield from self._in_numbers(row)
        elif len(months) == 1:
            yield from self._with_month(row[: months[0]], row[months[0]], row[months[0] + 1 :])

    def paths(self, row: Sequence[HeardWord], most_digits: int) -> Iterator[tuple[NumberSpan, ...]]:
        edges = spoken.lattice(
            row, self._vocabulary, self._mode, NumberPurpose.DATE, most_words=_MOST_WORDS
        )
        yield from spoken.paths(edges, most_digits)

    # With the name of a month

    def _with_month(
        self, before: Sequence[HeardWord], month: HeardWord, after: Sequence[HeardWord]
    ) -> Iterator[date]:
        number = str(month.number)
        if before and after:
            for day in self.paths(before, _DAY_AND_MONTH):
                for year in self.paths(after, _YEAR):
                    yield from self._dates(day, number, year, named=True)
            yield from self._year_first(before, number, after)
        elif before:  # 1942, le 12 mars
            for first, second in self._in_two(before):
                if _is_only_year(first) and second[0].apart:
                    yield from self._dates(second, number, first, named=True)
        else:
            for first, second in self._in_two(after):
                # "En mars, le 12, en 42"; and "mars 42, le 12".
                apart = after[0].gap is Gap.WALL and _is_only_year(second)
                if apart or not self._vocabulary.day_first:
                    yield from self._dates(first, number, second, named=True)
                elif _is_only_year(first) and second[0].apart:
                    yield from self._dates(second, number, first, named=True)

    def _year_first(
        self, before: Sequence[HeardWord], month: str, after: Sequence[HeardWord]
    ) -> Iterator[date]:
        """With the year before the month: "42, mars, le 12"."""
        for year in self.paths(before, _YEAR):
            for day in self.paths(after, _DAY_AND_MONTH):
                if _is_only_year(year) and after[0].gap is Gap.WALL:
                    yield from self._dates(day, month, year, named=True)

    def _in_two(
        self, row: Sequence[HeardWord]
    ) -> Iterator[tuple[Sequence[NumberSpan], Sequence[NumberSpan]]]:
        for path in self.paths(row, _YEAR + _DAY_AND_MONTH):
            for cut in range(1, len(path)):
                yield path[:cut], path[cut:]

    # In numbers alone

    def _in_numbers(self, row: Sequence[HeardWord]) -> Iterator[date]:
        for path in self.paths(row, _MOST_DIGITS):
            if self._is_a_year(path):
                continue
            for first, second, year in _in_three(path):
                yield from self._dates(first, digits_of(second), year)
                # "the twelfth of the third" says itself which is which.
                ordinal = any(edge.ordinal for edge in (*first, *second))
                if not self._vocabulary.day_first and not ordinal:
                    yield from self._dates(second, digits_of(first), year)
            digits = digits_of(path)
            if _is_layout(path):
                yield from self._dates_of(digits[:2], digits[2:4], digits[4:])
                if not self._vocabulary.day_first:
                    yield from self._dates_of(digits[2:4], digits[:2], digits[4:])
            if len(path[0].digits) == _YEAR and path[0].figures and len(digits) == _MOST_DIGITS:
                yield from self._dates_of(digits[6:], digits[4:6], digits[:4])

    def _is_a_year(self, path: Sequence[NumberSpan]) -> bool:
        """Whether 1, 9, 3, 5 is the year alone, and no first of September."""
        singly = len(path) == _YEAR and all(len(edge.digits) == 1 for edge in path)
        return singly and FIRST_BIRTH_YEAR <= int(digits_of(path)) <= self._today.year

    # From parts to days

    def _dates(
        self,
        day: Sequence[NumberSpan],
        month: str,
        year: Sequence[NumberSpan],
        *,
        named: bool = False,
    ) -> Iterator[date]:
        if not _is_small(day) or any(edge.ordinal for edge in year):
            return
        if named and _is_article(day):
            return
        digits = digits_of(year)
        if named and len(digits) == _SHORT_YEAR and digits[0] == "9" and len(year) == 1:
            digits = f"1{digits}"
        elif not _is_year(year):
            return
        yield from self._dates_of(digits_of(day), month, digits)

    def _dates_of(self, day: str, month: str, year: str) -> Iterator[date]:
        if len(year) == _YEAR:
            # Four digits are understood as said, and their age may be refused then.
            yield from self._possible(int(day), int(month), int(year), living=False)
        elif not self._full_year:
            century = self._today.year // 100 * 100
            for hundreds in (century - 100, century):
                yield from self._possible(int(day), int(month), hundreds + int(year), living=True)

    def _possible(self, day: int, month: int, year: int, *, living: bool) -> Iterator[date]:
        try:
            yield checked_date(year, month, day, self._today, living=living)
        except NotUnderstood:
            return


def _in_three(
    path: Sequence[NumberSpan],
) -> Iterator[tuple[Sequence[NumberSpan], Sequence[NumberSpan], Sequence[NumberSpan]]]:
    """Day (or month), month (or day), and what may be a year."""
    for end_of_first in range(1, min(3, len(path))):
        first = path[:end_of_first]
        if not _is_small(first):
            continue
        for end_of_second in range(end_of_first + 1, min(end_of_first + 3, len(path))):
            second = path[end_of_first:end_of_second]
            if _is_small(second):
                yield first, second, path[end_of_second:]


def _is_small(part: Sequence[NumberSpan]) -> bool:
    """Two digits at most, in one number or digit by digit."""
    return 0 < len(digits_of(part)) <= _DAY_AND_MONTH and _is_together(part)


def _is_year(part: Sequence[NumberSpan]) -> bool:
    """Two or four digits, as years are said: 1942, 19 42, 1 942, 1 9 4 2, 19 0 5."""
    if not _is_together(part):
        return False
    lengths = [len(edge.digits) for edge in part]
    if sum(lengths) == _YEAR:
        return _SHORT_YEAR not in lengths or all(edge.figures for edge in part)
    return sum(lengths) == _DAY_AND_MONTH


def _is_only_year(part: Sequence[NumberSpan]) -> bool:
    """Whether it can be no day of a month: four digits, or more than 31."""
    digits = digits_of(part)
    return digits.isdecimal() and _is_year(part) and int(digits) > _LAST_DAY


def _is_article(day: Sequence[NumberSpan]) -> bool:
    """Whether "un quatre octobre" is the fourth: only figures and zeros make a day of two words."""
    return len(day) > 1 and day[0].digits != "0" and not all(edge.figures for edge in day)


def _is_together(part: Sequence[NumberSpan]) -> bool:
    """Whether no word parts it: "un dimanche, le trois" is not the thirteenth."""
    return not any(edge.apart for edge in part[1:])


def _is_layout(path: Sequence[NumberSpan]) -> bool:
    """Figures in twos, fours, sixes or eights, so that day, month and year are two digits each."""
    return len(digits_of(path)) in _LAYOUTS and all(
        edge.figures and not len(edge.digits) % _DAY_AND_MONTH for edge in path
    )
