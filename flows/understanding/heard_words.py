"""The words of a sentence: which of them are numbers, how far apart, and which were taken back."""

from __future__ import annotations

import re
import unicodedata

from collections.abc import Iterator, Sequence
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
HUNDRED: Final = 100
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


class NumberKind(Enum):
    NUMBER = auto()
    MONTH = auto()
    LINK = auto()
    OTHER = auto()
    CORRECTION = auto()
    DENIAL = auto()
    HESITATION = auto()


@dataclass(frozen=True, slots=True)
class HeardWord:
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
        return not self.figures and self.number >= HUNDRED and set(str(self.number)[1:]) == {"0"}

    @property
    def may_be_article(self) -> bool:
        return not self.figures and not self.ordinal and self.number == 1


# ---------------------------------------------------------------- from text to words


def heard_words(
    text: str, vocabulary: Vocabulary, *, short_months: bool = False
) -> tuple[HeardWord, ...]:
    """The words of a sentence; none where it is too long to be an answer.

    `short_months`: a word that is a number and a short month ("12 sept 1942") is the month.
    """
    if len(text) > MOST_LETTERS:
        return ()
    said: list[HeardWord] = []
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
        word = _heard_word(match[0], gap, vocabulary)
        month = vocabulary.months.get(plain(match[0]))
        if short_months and month and word.kind is NumberKind.NUMBER and after_figures:
            word = HeardWord(NumberKind.MONTH, match[0], gap, month)
        said.append(word)
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


def _heard_word(word: str, gap: Gap, vocabulary: Vocabulary) -> HeardWord:
    if word[0] in "0123456789":
        return HeardWord(NumberKind.NUMBER, word, gap, int(word), figures=True)
    bare = plain(word)
    if bare in vocabulary.zeros:
        return HeardWord(NumberKind.NUMBER, word, gap)
    number = spelt(vocabulary.language, word)
    if number is not None:
        return HeardWord(NumberKind.NUMBER, word, gap, number.value, ordinal=number.ordinal)
    if bare in vocabulary.months:
        return HeardWord(NumberKind.MONTH, word, gap, vocabulary.months[bare])
    for kind, words in (
        (NumberKind.CORRECTION, vocabulary.corrections),
        (NumberKind.DENIAL, vocabulary.denials),
        (NumberKind.HESITATION, vocabulary.hesitations),
        (NumberKind.LINK, vocabulary.links),
        (NumberKind.LINK, vocabulary.weekdays),
    ):
        if bare in words:
            return HeardWord(kind, word, gap)
    return HeardWord(NumberKind.OTHER, word, gap)


def kind_of(word: str, vocabulary: Vocabulary) -> NumberKind:
    """What one word is, as small letters write it."""
    return _heard_word(word, Gap.SPACE, vocabulary).kind


def is_unit(word: str, vocabulary: Vocabulary) -> bool:
    """Whether a word, as `plain` writes it, says what is counted: "ans", "heures", "kilomètres"."""
    return word in _units(vocabulary.locale)


@dataclass(frozen=True, slots=True)
class _Number:
    value: int
    ordinal: bool


@lru_cache(1024)
def spelt(language: str, words: str) -> _Number | None:
    """What text2num makes of these words if they are one number."""
    try:
        written = _ONE_NUMBER.fullmatch(alpha2digit(words, language, 0.0))
    except ValueError:  # a language that it does not know
        return None
    if written is None or written[0] == words:
        return None
    return _Number(int(written[1]), ordinal=bool(written[2]))


def _repeated(said: Sequence[HeardWord], vocabulary: Vocabulary) -> list[HeardWord]:
    """Two sevens of "double seven"."""
    found: list[HeardWord] = []
    times, gap = 1, Gap.SPACE
    for word in said:
        more = (
            vocabulary.repeats.get(plain(word.text), 1) if word.kind is not NumberKind.NUMBER else 1
        )
        if more > 1:
            times, gap = more, word.gap
            continue
        if times > 1 and word.kind is NumberKind.NUMBER and word.number < 10 and not word.ordinal:  # noqa: PLR2004
            digit = HeardWord(
                NumberKind.NUMBER, str(word.number), Gap.WALL, word.number, figures=True
            )
            found += [replace(digit, gap=gap), *([digit] * (times - 1))]
        else:
            if times > 1:
                found.append(HeardWord(NumberKind.OTHER, "", gap))
            found.append(word)
        times = 1
    return found


def _glued(said: Sequence[HeardWord], vocabulary: Vocabulary) -> list[HeardWord]:
    """Put the "et" of "vingt et un" into the number; note how far apart the others are."""
    found: list[HeardWord] = []
    apart: Gap | None = None
    for index, word in enumerate(said):
        if word.kind is NumberKind.HESITATION:
            apart = max(apart or Gap.BREAK, Gap.BREAK)
            continue
        if (
            word.kind in {NumberKind.LINK, NumberKind.OTHER}
            and found
            and found[-1].kind is NumberKind.NUMBER
            and apart is None
            and index + 1 < len(said)
            and _glues(found[-1], word, said[index + 1], vocabulary)
        ):
            apart = Gap.GLUE
            continue
        if apart is Gap.GLUE:
            glue = said[index - 1].text
            if word.figures:
                found.append(replace(word, gap=Gap.GLUE, glue=glue))
            else:
                found.append(replace(word, gap=Gap.GLUE, text=f"{glue} {word.text}"))
        elif word.kind is NumberKind.NUMBER and found and found[-1].kind is NumberKind.LINK:
            found.append(replace(word, gap=Gap.WALL))
        elif apart is not None and word.kind is NumberKind.NUMBER:
            found.append(replace(word, gap=max(apart, word.gap)))
        else:
            found.append(word)
        apart = None
    return found


def _glues(before: HeardWord, word: HeardWord, after: HeardWord, vocabulary: Vocabulary) -> bool:
    if after.kind is not NumberKind.NUMBER or before.figures or not after.number:
        return False
    if Gap.BREAK in {word.gap, after.gap}:
        return False
    last = in_words(after, vocabulary) if after.figures else after.text
    return (
        bool(last) and spelt(vocabulary.language, f"{before.text} {word.text} {last}") is not None
    )


def in_words(figure: HeardWord, vocabulary: Vocabulary) -> str:
    """A figure under twenty as it is said; empty for another one, and for 03."""
    known = 0 < figure.number <= len(vocabulary.figures)
    if not known or figure.ordinal or figure.text.startswith("0"):
        return ""
    return vocabulary.figures[figure.number - 1]


def _split_figures(said: Sequence[HeardWord]) -> list[HeardWord]:
    """In "22 cent 20" a recogniser has joined what may be 20 and 200: both stay possible."""
    found: list[HeardWord] = []
    for index, word in enumerate(said):
        following = said[index + 1] if index + 1 < len(said) else None
        if (
            word.kind is NumberKind.NUMBER
            and word.figures
            and re.fullmatch(r"[2-9][1-9]", word.text)
            and following is not None
            and following.kind is NumberKind.NUMBER
            and following.is_scale
            and following.number == HUNDRED
        ):
            tens, units = f"{word.text[0]}0", word.text[1]
            found.append(replace(word, text=tens, number=int(tens)))
            found.append(HeardWord(NumberKind.NUMBER, units, Gap.WITHIN, int(units), figures=True))
        else:
            found.append(word)
    return found


def _without_quantities(said: Sequence[HeardWord], vocabulary: Vocabulary) -> tuple[HeardWord, ...]:
    """Take out the numbers of "j'ai 84 ans" and "10 heures": no question asks for those."""
    found = list(said)
    units = _units(vocabulary.locale)
    for index, word in enumerate(said):
        if plain(word.text) not in units or word.kind is NumberKind.NUMBER:
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


def standing(said: Sequence[HeardWord]) -> tuple[HeardWord, ...]:
    """What is left of a sentence after its last correction, without the numbers that are denied.

    Nothing where a correction may have taken back what was said: a number was said before it and
    none after.
    """
    tail = tuple(_not_denied(said[corrected_at(said) + 1 :]))
    return tail if any(word.kind is NumberKind.NUMBER for word in tail) else ()


def _not_denied(said: Sequence[HeardWord]) -> Iterator[HeardWord]:
    """All but the row behind a "not": "pas le douze, le treize"; "pas une blague" denies none."""
    denied = in_row = False
    for index, word in enumerate(said):
        following = said[index + 1].kind if index + 1 < len(said) else None
        if word.kind in {NumberKind.NUMBER, NumberKind.MONTH}:
            counts = word.may_be_article and following is NumberKind.OTHER
            denied = denied and not counts and not (in_row and word.gap >= Gap.BREAK)
            in_row = denied
        elif word.kind is not NumberKind.LINK:
            denied, in_row = word.kind is NumberKind.DENIAL, False
        if not in_row:
            yield word


def was_corrected(said: Sequence[HeardWord]) -> bool:
    """Whether something was said of numbers before a correction."""
    before = said[: max(corrected_at(said), 0)]
    return any(word.kind is NumberKind.NUMBER for word in before)


def corrected_at(said: Sequence[HeardWord]) -> int:
    """Where the last correction stands; -1 where there is none."""
    return max((i for i, word in enumerate(said) if word.kind is NumberKind.CORRECTION), default=-1)


# ---------------------------------------------------------------- from words to rows


def rows_of(said: Sequence[HeardWord], kinds: frozenset[NumberKind]) -> list[tuple[HeardWord, ...]]:
    """Rows of such words with nothing but links between them; links are left out."""
    without_links = (word for word in said if word.kind is not NumberKind.LINK)
    runs = groupby(without_links, lambda word: word.kind in kinds)
    return [tuple(run) for is_row, run in runs if is_row]


def without_article(row: tuple[HeardWord, ...]) -> tuple[HeardWord, ...]:
    """The row without its first "un", which may be an article ("c'est un 12 mars")."""
    return row[1:] if len(row) > 1 and row[0].may_be_article else ()


def says_little(row: Sequence[HeardWord]) -> bool:
    """Whether it is an article, "une seconde", "may": nothing that could be part of an answer."""
    numbers = [word for word in row if word.kind is NumberKind.NUMBER]
    if len(numbers) < len(row) and numbers:
        return False
    articles = sum(number.may_be_article for number in numbers)
    return articles <= 1 and all(number.ordinal or number.may_be_article for number in numbers)


def said_once(row: tuple[HeardWord, ...]) -> tuple[HeardWord, ...]:
    """One half of a row that says the same twice; nothing where it does not."""
    half = len(row) // 2
    first, second = row[:half], row[half:]
    return first if [i.text for i in first] == [i.text for i in second] else ()


def goes_on(row: Sequence[HeardWord], said: Sequence[HeardWord], vocabulary: Vocabulary) -> bool:
    """Whether an unknown word comes right after the row, and may be what was counted.

    "42 personnes ont été": a television says such things.
    """
    last = next(index for index, word in enumerate(said) if word is row[-1])
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
