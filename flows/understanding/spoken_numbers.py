"""Numbers in a sentence: which words are numbers, and every way to read a row of them.

text2num knows number words and says which of them make one number. "trente deux cent dix" is one
row of words and several rows of numbers (30 210, 32 110). A `Lattice` holds them all, and the
reader that knows what was asked for (a date, five digits) chooses among its paths.
"""

from __future__ import annotations

import math
import re
import unicodedata

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum, IntEnum, auto
from functools import lru_cache
from itertools import groupby
from typing import Final, Literal

from babel.units import format_unit
from text_to_num import alpha2digit

from flows.understanding.vocabulary import Vocabulary, plain

# No caller answers a question about numbers at greater length; a television does.
MOST_LETTERS: Final = 600
MOST_NUMBERS: Final = 28
# "quatre vingt dix sept mille quatre cent quatre vingt dix huit"
_LONGEST: Final = 12
_HUNDRED: Final = 100
_THOUSAND: Final = 1000
# "1000 942" is how some recognisers write "mille 942".
_CENTURIES: Final = frozenset({1000, 1900, 2000})
# Not days and months: they are words of a date.
_UNITS: Final[Sequence[tuple[str, Literal["long", "short"]]]] = (
    ("duration-year", "long"),
    ("duration-week", "long"),
    ("duration-hour", "long"),
    ("duration-hour", "short"),
    ("duration-minute", "long"),
    ("duration-second", "long"),
    ("length-kilometer", "long"),
    ("length-kilometer", "short"),
    ("length-meter", "long"),
)
_LAST_YEAR: Final = 2099
_TWO_DIGITS: Final = 10
# How some recognisers write the "treize mille" of "treize mille zéro quatre-vingt-dix".
_WHOLE_THOUSANDS = re.compile(r"([0-9]{2})000")
_TEEN_HUNDREDS: Final = (1100, 2000)
_WORD = re.compile(r"[0-9]+|[^\W\d_]+")
_ONE_NUMBER = re.compile(r"([0-9]+)([^\W\d_]*)")


class Gap(IntEnum):
    """What stands before a number, and so how close it is to the one before."""

    WITHIN = auto()  # one figure that may be two numbers: the 22 of "22 cent 20"
    GLUE = auto()  # "et" in "vingt et un": one number, always
    HYPHEN = auto()
    SPACE = auto()
    BREAK = auto()  # a comma or a hesitation
    WALL = auto()  # a word: "le 20 du 2"


class Mode(Enum):
    """How much is made of hyphens and commas; tried in this order."""

    # Hyphens bind, and where there are some, words without one are apart.
    STRICT = auto()
    HYPHENS_BIND = auto()
    LOOSE = auto()
    # As HYPHENS_BIND; and a figure behind words may be of their number: "trente 3".
    MENDED = auto()


class NumberKind(Enum):
    NUMBER = auto()
    MONTH = auto()
    LINK = auto()
    OTHER = auto()
    CORRECTION = auto()
    DENIAL = auto()
    HESITATION = auto()


@dataclass(frozen=True, slots=True)
class Item:
    """A word of a sentence. `number` is a number by itself, or a month; `text` is for text2num."""

    kind: NumberKind
    text: str
    gap: Gap
    number: int = 0
    figures: bool = False
    ordinal: bool = False
    # The "et" of "vingt et 1", which `text` has where that is a word.
    glue: str = ""

    @property
    def is_scale(self) -> bool:
        """Hundred, thousand, million."""
        return not self.figures and self.number >= _HUNDRED and set(str(self.number)[1:]) == {"0"}

    @property
    def may_be_article(self) -> bool:
        return not self.figures and not self.ordinal and self.number == 1


@dataclass(frozen=True, slots=True)
class NumberSpan:
    """Some words of a row that are one number. `digits` keeps the zeros in front."""

    end: int
    digits: str
    figures: bool = False
    ordinal: bool = False
    # Another word stands before it: "le 20 du 2".
    apart: bool = False


# ---------------------------------------------------------------- from text to items


def items_of(text: str, vocabulary: Vocabulary, *, short_months: bool = False) -> tuple[Item, ...]:
    """The words of a sentence; none where it is too long to be an answer.

    `short_months`: a word that is a number and a short month ("12 sept 1942") is the month.
    """
    if len(text) > MOST_LETTERS:
        return ()
    said: list[Item] = []
    lower = unicodedata.normalize("NFKC", text).lower()
    end = 0
    for match in _WORD.finditer(lower):
        gap = _gap(lower[end : match.start()], first=not said)
        after_figures = bool(said) and said[-1].figures
        if after_figures and not said[-1].ordinal and end == match.start():
            if plain(match[0]) in vocabulary.ordinal_endings:
                said[-1] = replace(said[-1], ordinal=True)
                end = match.end()
                continue
            gap = Gap.SPACE
        end = match.end()
        item = _item(match[0], gap, vocabulary)
        month = vocabulary.months.get(plain(match[0]))
        if short_months and month and item.kind is NumberKind.NUMBER and after_figures:
            item = Item(NumberKind.MONTH, match[0], gap, month)
        said.append(item)
    return _without_quantities(
        _split_figures(_glued(_repeated(said, vocabulary), vocabulary)), vocabulary
    )


def _gap(between: str, *, first: bool) -> Gap:
    if first:
        return Gap.WALL
    bare = between.strip()
    if bare in {"-", "\u2010", "\u2011"}:
        return Gap.HYPHEN
    return Gap.BREAK if bare and bare not in {"'", "’"} else Gap.SPACE


def _item(word: str, gap: Gap, vocabulary: Vocabulary) -> Item:
    if word[0] in "0123456789":
        return Item(NumberKind.NUMBER, word, gap, int(word), figures=True)
    bare = plain(word)
    if bare in vocabulary.zeros:
        return Item(NumberKind.NUMBER, word, gap)
    number = _spelt(vocabulary.language, word)
    if number is not None:
        return Item(NumberKind.NUMBER, word, gap, number.value, ordinal=number.ordinal)
    if bare in vocabulary.months:
        return Item(NumberKind.MONTH, word, gap, vocabulary.months[bare])
    for kind, words in (
        (NumberKind.CORRECTION, vocabulary.corrections),
        (NumberKind.DENIAL, vocabulary.denials),
        (NumberKind.HESITATION, vocabulary.hesitations),
        (NumberKind.LINK, vocabulary.links),
        (NumberKind.LINK, vocabulary.weekdays),
    ):
        if bare in words:
            return Item(kind, word, gap)
    return Item(NumberKind.OTHER, word, gap)


def kind_of(word: str, vocabulary: Vocabulary) -> NumberKind:
    """What one word is, as small letters write it."""
    return _item(word, Gap.SPACE, vocabulary).kind


def is_unit(word: str, vocabulary: Vocabulary) -> bool:
    """Whether a word, as `plain` writes it, says what is counted: "ans", "heures", "kilomètres"."""
    return word in _units(vocabulary.locale)


@dataclass(frozen=True, slots=True)
class _Number:
    value: int
    ordinal: bool


@lru_cache(1024)
def _spelt(language: str, words: str) -> _Number | None:
    """What text2num makes of these words if they are one number."""
    try:
        written = _ONE_NUMBER.fullmatch(alpha2digit(words, language, 0.0))
    except ValueError:  # a language that it does not know
        return None
    if written is None or written[0] == words:
        return None
    return _Number(int(written[1]), ordinal=bool(written[2]))


def _repeated(said: Sequence[Item], vocabulary: Vocabulary) -> list[Item]:
    """Two sevens of "double seven"."""
    found: list[Item] = []
    times, gap = 1, Gap.SPACE
    for item in said:
        more = (
            vocabulary.repeats.get(plain(item.text), 1) if item.kind is not NumberKind.NUMBER else 1
        )
        if more > 1:
            times, gap = more, item.gap
            continue
        if times > 1 and item.kind is NumberKind.NUMBER and item.number < 10 and not item.ordinal:  # noqa: PLR2004
            digit = Item(NumberKind.NUMBER, str(item.number), Gap.WALL, item.number, figures=True)
            found += [replace(digit, gap=gap), *([digit] * (times - 1))]
        else:
            if times > 1:
                found.append(Item(NumberKind.OTHER, "", gap))
            found.append(item)
        times = 1
    return found


def _glued(said: Sequence[Item], vocabulary: Vocabulary) -> list[Item]:
    """Put the "et" of "vingt et un" into the number; note how far apart the others are."""
    found: list[Item] = []
    apart: Gap | None = None
    for index, item in enumerate(said):
        if item.kind is NumberKind.HESITATION:
            apart = max(apart or Gap.BREAK, Gap.BREAK)
            continue
        if (
            item.kind in {NumberKind.LINK, NumberKind.OTHER}
            and found
            and found[-1].kind is NumberKind.NUMBER
            and apart is None
            and index + 1 < len(said)
            and _glues(found[-1], item, said[index + 1], vocabulary)
        ):
            apart = Gap.GLUE
            continue
        if apart is Gap.GLUE:
            glue = said[index - 1].text
            if item.figures:
                found.append(replace(item, gap=Gap.GLUE, glue=glue))
            else:
                found.append(replace(item, gap=Gap.GLUE, text=f"{glue} {item.text}"))
        elif item.kind is NumberKind.NUMBER and found and found[-1].kind is NumberKind.LINK:
            found.append(replace(item, gap=Gap.WALL))
        elif apart is not None and item.kind is NumberKind.NUMBER:
            found.append(replace(item, gap=max(apart, item.gap)))
        else:
            found.append(item)
        apart = None
    return found


def _glues(before: Item, word: Item, after: Item, vocabulary: Vocabulary) -> bool:
    if after.kind is not NumberKind.NUMBER or before.figures or not after.number:
        return False
    if Gap.BREAK in {word.gap, after.gap}:
        return False
    last = _in_words(after, vocabulary) if after.figures else after.text
    return (
        bool(last) and _spelt(vocabulary.language, f"{before.text} {word.text} {last}") is not None
    )


def _in_words(figure: Item, vocabulary: Vocabulary) -> str:
    """A figure under twenty as it is said; empty for another one, and for 03."""
    known = 0 < figure.number <= len(vocabulary.figures)
    if not known or figure.ordinal or figure.text.startswith("0"):
        return ""
    return vocabulary.figures[figure.number - 1]


def _split_figures(said: Sequence[Item]) -> list[Item]:
    """In "22 cent 20" a recogniser has joined what may be 20 and 200: both stay possible."""
    found: list[Item] = []
    for index, item in enumerate(said):
        following = said[index + 1] if index + 1 < len(said) else None
        if (
            item.kind is NumberKind.NUMBER
            and item.figures
            and re.fullmatch(r"[2-9][1-9]", item.text)
            and following is not None
            and following.kind is NumberKind.NUMBER
            and following.is_scale
            and following.number == _HUNDRED
        ):
            tens, units = f"{item.text[0]}0", item.text[1]
            found.append(replace(item, text=tens, number=int(tens)))
            found.append(Item(NumberKind.NUMBER, units, Gap.WITHIN, int(units), figures=True))
        else:
            found.append(item)
    return found


def _without_quantities(said: Sequence[Item], vocabulary: Vocabulary) -> tuple[Item, ...]:
    """Take out the numbers of "j'ai 84 ans" and "10 heures": no question asks for those."""
    found = list(said)
    units = _units(vocabulary.locale)
    for index, item in enumerate(said):
        if plain(item.text) not in units or item.kind is NumberKind.NUMBER:
            continue
        before = index - 1
        while before >= 0 and found[before].kind is NumberKind.NUMBER:
            gap = found[before].gap
            found[before] = replace(found[before], kind=NumberKind.OTHER)
            if gap >= Gap.BREAK:
                break
            before -= 1
    return tuple(found)


@lru_cache
def _units(locale: str) -> frozenset[str]:
    """What CLDR has for "ans", "heure", "kilomètres" and the like."""
    counted = (
        format_unit(count, unit, length, locale=locale)
        for unit, length in _UNITS
        for count in (1, 2)
    )
    return frozenset(plain(text).split()[-1] for text in counted)


# ---------------------------------------------------------------- what was taken back


def standing(said: Sequence[Item]) -> tuple[Item, ...]:
    """What is left of a sentence after its last correction, without the numbers that are denied.

    Nothing where a correction may have taken back what was said: a number was said before it and
    none after.
    """
    tail = tuple(_not_denied(said[corrected_at(said) + 1 :]))
    return tail if any(item.kind is NumberKind.NUMBER for item in tail) else ()


def _not_denied(said: Sequence[Item]) -> Iterator[Item]:
    """All but the row behind a "not": "pas le douze, le treize"; "pas une blague" denies none."""
    denied = in_row = False
    for index, item in enumerate(said):
        following = said[index + 1].kind if index + 1 < len(said) else None
        if item.kind in {NumberKind.NUMBER, NumberKind.MONTH}:
            counts = item.may_be_article and following is NumberKind.OTHER
            denied = denied and not counts and not (in_row and item.gap >= Gap.BREAK)
            in_row = denied
        elif item.kind is not NumberKind.LINK:
            denied, in_row = item.kind is NumberKind.DENIAL, False
        if not in_row:
            yield item


def was_corrected(said: Sequence[Item]) -> bool:
    """Whether something was said of numbers before a correction."""
    before = said[: max(corrected_at(said), 0)]
    return any(item.kind is NumberKind.NUMBER for item in before)


def corrected_at(said: Sequence[Item]) -> int:
    """Where the last correction stands; -1 where there is none."""
    return max((i for i, item in enumerate(said) if item.kind is NumberKind.CORRECTION), default=-1)


# ---------------------------------------------------------------- from items to rows


def rows_of(said: Sequence[Item], kinds: frozenset[NumberKind]) -> list[tuple[Item, ...]]:
    """Rows of such items with nothing but links between them; links are left out."""
    without_links = (item for item in said if item.kind is not NumberKind.LINK)
    runs = groupby(without_links, lambda item: item.kind in kinds)
    return [tuple(run) for is_row, run in runs if is_row]


def without_article(row: tuple[Item, ...]) -> tuple[Item, ...]:
    """The row without its first "un", which may be an article ("c'est un 12 mars")."""
    return row[1:] if len(row) > 1 and row[0].may_be_article else ()


def says_little(row: Sequence[Item]) -> bool:
    """Whether it is an article, "une seconde", "may": nothing that could be part of an answer."""
    numbers = [item for item in row if item.kind is NumberKind.NUMBER]
    if len(numbers) < len(row) and numbers:
        return False
    articles = sum(number.may_be_article for number in numbers)
    return articles <= 1 and all(number.ordinal or number.may_be_article for number in numbers)


def said_once(row: tuple[Item, ...]) -> tuple[Item, ...]:
    """One half of a row that says the same twice; nothing where it does not."""
    half = len(row) // 2
    first, second = row[:half], row[half:]
    return first if [i.text for i in first] == [i.text for i in second] else ()


def goes_on(row: Sequence[Item], said: Sequence[Item], vocabulary: Vocabulary) -> bool:
    """Whether an unknown word comes right after the row, and may be what was counted.

    "42 personnes ont été": a television says such things.
    """
    last = next(index for index, item in enumerate(said) if item is row[-1])
    if last + 1 == len(said):
        return False
    following = said[last + 1]
    if following.kind is not NumberKind.OTHER or following.gap > Gap.SPACE:
        return False
    return plain(following.text) not in _small_words(vocabulary)


@lru_cache
def _small_words(vocabulary: Vocabulary) -> frozenset[str]:
    """Words that stand around any answer."""
    phrases = (vocabulary.fillers, vocabulary.yes, vocabulary.no)
    return frozenset(word for some in phrases for phrase in some for word in phrase)


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
    row: Sequence[Item],
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


def _is_wanted(words: Sequence[Item], edge: NumberSpan, asked: NumberPurpose) -> bool:
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
    row: Sequence[Item], start: int, joins: Sequence[bool], language: str
) -> Iterator[NumberSpan]:
    """The 1000 of "zéro un mille", which no number but a postcode has."""
    if not _is_behind_zero(row, start) or not row[start].may_be_article:
        return
    for end in range(start + 2, min(len(row), start + _LONGEST) + 1):
        if not joins[end - 1] or row[start + 1].number != _THOUSAND:
            return
        number = _spelt(language, " ".join(item.text for item in row[start + 1 : end]))
        if number is not None:
            yield NumberSpan(end, str(number.value))


def _thousands_apart(
    row: Sequence[Item],
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
                    if least <= value < _HUNDRED:
                        yield NumberSpan(end + 1, str(value))
            return


def _values(
    row: Sequence[Item], start: int, end: int, language: str, mixed: Mapping[_Span, set[int]]
) -> Iterator[int]:
    """What these words can be as one number."""
    if end == start + 1:
        yield row[start].number
    elif any(item.figures for item in row[start:end]):
        yield from mixed.get((start, end), ())
    else:
        number = _spelt(language, " ".join(item.text for item in row[start:end]))
        if number is not None and not number.ordinal:
            yield number.value


def _is_behind_zero(row: Sequence[Item], at: int) -> bool:
    return at > 0 and not row[at - 1].number


def _begins_with_zero(row: Sequence[Item], at: int) -> bool:
    """Whether "zéro", 0 or 011 stands there."""
    return at < len(row) and (not row[at].number or row[at].text.startswith("0"))


def _may_join(row: Sequence[Item], at: int, mode: Mode, *, apart: bool) -> bool:
    """Whether words `at - 1` and `at` may be of one number."""
    gap, small = row[at].gap, row[at - 1].number < _HUNDRED and row[at].number < _HUNDRED
    if gap is Gap.WALL:
        return False
    if gap is Gap.BREAK:
        return mode is Mode.LOOSE
    return not (gap is Gap.SPACE and apart and small)


def _may_part(row: Sequence[Item], at: int, mode: Mode) -> bool:
    """Whether words `at - 1` and `at` may be of two numbers."""
    gap = row[at].gap
    words = not row[at].figures and not row[at - 1].figures
    return gap is not Gap.GLUE and not (gap is Gap.HYPHEN and words and mode is not Mode.LOOSE)


def _edges(
    row: Sequence[Item], start: int, end: int, language: str, mixed: Mapping[_Span, set[int]]
) -> Iterator[NumberSpan]:
    first = row[start]
    if end == start + 1 and (first.figures or first.number == 0):
        yield NumberSpan(end, first.text if first.figures else "0", first.figures, first.ordinal)
    elif any(item.figures for item in row[start:end]):
        if end == start + 2 and row[start + 1].gap is Gap.WITHIN:
            yield NumberSpan(end, str(first.number + row[start + 1].number), figures=True)
        for value in mixed.get((start, end), ()):
            yield NumberSpan(end, str(value))
    elif first.number:  # "zéro trois" is two numbers to us: the zero counts
        number = _spelt(language, " ".join(item.text for item in row[start:end]))
        if number is not None:
            yield NumberSpan(end, str(number.value), ordinal=number.ordinal)


def _mixed(
    row: Sequence[Item],
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
    figures = [item.figures for item in row]
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
                number = _spelt(language, " ".join(item.text for item in row[start:end]))
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


def _completed(words: Sequence[Item], vocabulary: Vocabulary) -> set[int]:
    """The 33 of "trente 3": words, and one figure that their number lacks."""
    *before, last = words
    # A zero in front counts by itself.
    if not last.figures or not words[0].number or any(item.figures for item in before):
        return set()
    said = [*(item.text for item in before), last.glue, _in_words(last, vocabulary)]
    number = _spelt(vocabulary.language, " ".join(filter(None, said))) if said[-1] else None
    return set() if number is None or number.ordinal else {number.value}


def _together(
    row: Sequence[Item],
    span: tuple[int, int, int],
    left: int,
    right: int,
    centuries: bool,  # noqa: FBT001
) -> Iterator[int]:
    start, middle, end = span
    if end == middle + 1 and row[middle].is_scale:
        if 1 < left < (_HUNDRED if right == _HUNDRED else _THOUSAND):
            yield left * right
        return
    if left < _HUNDRED or not right or left % 10 ** len(str(right)):
        return
    if row[middle].figures and row[middle].text.startswith("0"):
        return
    if all(item.figures for item in row[start:middle]) and not (
        centuries and left in _CENTURIES and all(item.figures for item in row[middle:end])
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
