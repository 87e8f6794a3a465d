"""Which of the appointments that were read out a caller means: by place, day, hour or order."""

from __future__ import annotations

import re

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import Enum, auto
from functools import lru_cache
from typing import Any, Final

from text_to_num import find_numbers

from flows.understanding.phrases import NUMBER, UNKNOWN, Lexicon, Piece, Token
from flows.understanding.vocabulary import Vocabulary, plain
from flows.understanding.words import BESIDE_A_CHOICE, MOST_WORDS

NOON: Final = 12
MORNING, AFTERNOON = "morning", "afternoon"
_OTHER_PART: Final = {MORNING: AFTERNOON, AFTERNOON: MORNING}
# Shorter words of a name tell no place from another.
_FEWEST_LETTERS: Final = 4
_HOURS: Final = 24
_MOST_MINUTES: Final = 59
_FIGURES_AND_LETTERS = re.compile(r"(?<=[0-9])(?=[a-z])|(?<=[a-z])(?=[0-9])")


@dataclass(frozen=True)
class ReadOut:
    """An appointment as it was read: `place` is the name of the centre with its town."""

    start: datetime  # by the centre's clock
    kilometres: float
    place: str

    @property
    def part(self) -> str:
        return MORNING if self.start.hour < NOON else AFTERNOON


@dataclass(frozen=True)
class Wanted:
    """Those that fit, counted from 0; and the first day, or the part of it, that would fit."""

    fitting: tuple[int, ...]
    day: date | None = None
    part: str = ""


class _Is(Enum):
    NOT = auto()
    # What was wished for before it is wished no more.
    TAKEN_BACK = auto()
    # "Before", "or": it is not certain what is wished for.
    UNCLEAR = auto()
    FILLER = auto()
    CLOCK = auto()


@dataclass(frozen=True)
class _Wish:
    """Something that was said of what is wanted, in so many words."""

    words: int
    fits: Callable[[Sequence[ReadOut]], Iterable[int]]
    day: date | None = None
    part: str = ""
    # Whether it picks one of those that are left: "the earliest".
    picks: bool = False


def wanted_among(
    text: str, vocabulary: Vocabulary, told: Sequence[ReadOut], today: date
) -> Wanted | None:
    """What a caller wants of what was `told`; `today` is the day at those places.

    None where nothing of it is said, or where too much else is.
    """
    return _Sentence(text, vocabulary, told, today).wanted()


class _Sentence:
    def __init__(
        self, text: str, vocabulary: Vocabulary, told: Sequence[ReadOut], today: date
    ) -> None:
        self._vocabulary, self._told, self._today = vocabulary, told, today
        noise = vocabulary.hesitations - vocabulary.taken_back
        said = _FIGURES_AND_LETTERS.sub(" ", plain(text)).split()
        self._words = [word for word in said if word not in noise][: MOST_WORDS + 1]
        self._places = _places(told, vocabulary)
        self._numbers = dict(_numbers(self._words, vocabulary))

    def wanted(self) -> Wanted | None:
        wishes: list[tuple[_Wish, bool]] = []
        denied = unclear = taken_back = dismissed = False
        unknown = 0
        for part in self._parts():
            if isinstance(part, _Wish):
                # "Le premier, non, le deuxième"; at the end, "plutôt" takes nothing back.
                wishes = [*([] if taken_back else wishes), (part, denied)]
                denied = taken_back = dismissed = False
            elif part.is_(_Is.TAKEN_BACK):
                taken_back, denied = True, False
                dismissed = bool(wishes) and part.words in self._vocabulary.no
            elif part.is_(_Is.NOT):
                denied = True
            elif part.is_(_Is.UNCLEAR):
                unclear = True
            elif part.is_(UNKNOWN) or part.is_(NUMBER):
                unknown += 1
        unclear = unclear or denied or dismissed
        longest = 1 if unclear else max((wish.words for wish, _ in wishes), default=1)
        beside = BESIDE_A_CHOICE[min(longest, len(BESIDE_A_CHOICE)) - 1]
        if not wishes or unknown > beside or len(self._words) > MOST_WORDS:
            return None
        if unclear:
            # A "not" behind it all may deny what was said before.
            return Wanted(tuple(range(len(self._told))))
        return self._of(wishes)

    def _of(self, wishes: Sequence[tuple[_Wish, bool]]) -> Wanted:
        left = list(range(len(self._told)))
        day, part = None, ""
        for wish, denied in sorted(wishes, key=lambda one: one[0].picks):
            fits = {left[at] for at in wish.fits([self._told[at] for at in left])}
            left = [at for at in left if (at in fits) is not denied]
            day = day if denied else wish.day or day
            part = (_OTHER_PART.get(wish.part, "") if denied else wish.part) or part
        return Wanted(tuple(left), day, part)

    def _parts(self) -> Iterator[_Wish | Piece]:
        at = 0
        while at < len(self._words):
            end, wish = self._in_numbers(at)
            if wish is not None:
                yield wish
                at = end
                continue
            piece = _lexicon(self._vocabulary).cut(self._words[at:])[0]
            wish = self._wish(piece)
            yield wish or piece
            at += len(piece.words)

    def _wish(self, piece: Piece) -> _Wish | None:
        """What a phrase wishes for, if it is that."""
        # Small words do not make it any clearer.
        length = sum(len(word) >= _FEWEST_LETTERS for word in piece.words) or 1
        if piece.words[0] in self._places:
            there = self._places[piece.words[0]]
            return _Wish(1, lambda told: [at for at, one in enumerate(told) if one.place in there])
        known = [tag for tag in piece.tags if isinstance(tag, int) or tag in _MEANT]
        return self._meant(known[0], length) if known else None

    def _meant(self, tag: Hashable, words: int) -> _Wish:
        """What is meant by a day of the week, or by a name of `[heard.offered]`."""
        if tag in {MORNING, AFTERNOON}:
            return _Wish(words, _fitting(lambda one: one.part == tag), part=str(tag))
        if tag in _ORDERS:
            return _Wish(words, _ORDERS[str(tag)], picks=True)
        ahead = (tag if isinstance(tag, int) else 0) - self._today.weekday() - 1
        if tag == _NEXT_WEEK:
            monday = self._today + timedelta(days=ahead % 7 + 1)
            return _Wish(words, _fitting(lambda one: one.start.date() >= monday), monday)
        if isinstance(tag, int):
            day = self._today + timedelta(days=ahead % 7 + 1)
            return _Wish(words, _fitting(lambda one: one.start.weekday() == tag), day)
        return self._on(words, self._today + timedelta(days=_DAYS[str(tag)]))

    def _on(self, words: int, day: date) -> _Wish:
        return _Wish(words, _fitting(lambda one: one.start.date() == day), day)

    def _in_numbers(self, at: int) -> tuple[int, _Wish | None]:
        """A date or an hour that begins here: "quatre décembre", "neuf heures et quart"."""
        if at not in self._numbers:
            return at, None
        end, number = self._numbers[at]
        month = self._vocabulary.months.get(self._words[end]) if end < len(self._words) else None
        if month:
            fits = _fitting(lambda one: (one.start.day, one.start.month) == (number, month))
            return end + 1, _Wish(end + 1 - at, fits)
        clock = end < len(self._words) and _is_clock(self._words[end], self._vocabulary)
        end += clock
        minutes, last = self._minutes(end)
        if not 0 <= number < _HOURS or not (clock or minutes):
            return at, None
        # "Moins le quart" counts back; and "deux heures" may be of the afternoon.
        hour, minute = divmod(number * 60 + minutes, 60)
        exact = _fitting(
            lambda one: one.start.hour % NOON == hour % NOON and one.start.minute == minute
        )
        return last, _Wish(last - at, exact)

    def _minutes(self, at: int) -> tuple[int, int]:
        """The minutes behind an hour, and where they end."""
        if at in self._numbers and self._numbers[at][1] <= _MOST_MINUTES:
            end, number = self._numbers[at]
            return number, end
        for phrase, number in self._vocabulary.minutes.items():
            words = phrase.split()
            if self._words[at : at + len(words)] == words:
                return number, at + len(words)
        return 0, at


def _fitting(fits: Callable[[ReadOut], bool]) -> Callable[[Sequence[ReadOut]], Iterable[int]]:
    return lambda told: [at for at, one in enumerate(told) if fits(one)]


def _first(key: Callable[[ReadOut], Any]) -> Callable[[Sequence[ReadOut]], Iterable[int]]:
    return lambda told: [min(range(len(told)), key=lambda at: key(told[at]))] if told else []


# Days from today on, and what is meant by an order, by their names in `[heard.offered]`.
_DAYS: Final[Mapping[str, int]] = {"today": 0, "tomorrow": 1, "after_tomorrow": 2}
_NEXT_WEEK: Final = "next_week"
_ORDERS: Final[Mapping[str, Callable[[Sequence[ReadOut]], Iterable[int]]]] = {
    "earliest": _first(lambda one: one.start),
    "latest": _first(lambda one: -one.start.timestamp()),
    "nearest": _first(lambda one: one.kilometres),
    "first": lambda told: [0] if told else [],
    "last": lambda told: [len(told) - 1] if told else [],
    "middle": lambda told: [len(told) // 2] if len(told) % 2 else [],
}


_MEANT: Final = frozenset({MORNING, AFTERNOON, _NEXT_WEEK, *_DAYS, *_ORDERS})


def _numbers(words: Sequence[str], vocabulary: Vocabulary) -> Iterator[tuple[int, tuple[int, int]]]:
    """Where numbers begin, where each ends and what it is; ordinals stand for themselves."""
    for one in find_numbers([Token(word) for word in words], vocabulary.language, threshold=0):
        yield one.start, (one.end, int(one.value))
    for at, word in enumerate(words):
        if word.isdecimal():
            yield at, (at + 1, int(word))


def _is_clock(word: str, vocabulary: Vocabulary) -> bool:
    return (word,) in vocabulary.offered["clock"]


def _places(told: Sequence[ReadOut], vocabulary: Vocabulary) -> Mapping[str, frozenset[str]]:
    """Words that tell one place from another, each with the places that have it."""
    plain_words = _lexicon(vocabulary)
    of: dict[str, set[str]] = {}
    for one in told:
        for word in plain(one.place).split():
            known = not plain_words.cut([word])[0].is_(UNKNOWN)
            if len(word) >= _FEWEST_LETTERS and not (known or word in vocabulary.months):
                of.setdefault(word, set()).add(one.place)
    everywhere = {one.place for one in told}
    return {word: frozenset(have) for word, have in of.items() if have != everywhere}


@lru_cache
def _lexicon(vocabulary: Vocabulary) -> Lexicon:
    return Lexicon(
        *vocabulary.offered.items(),
        (MORNING, vocabulary.mornings),
        (AFTERNOON, vocabulary.afternoons),
        *((day, [(name,)]) for name, day in vocabulary.weekdays.items()),
        (_Is.NOT, vocabulary.negators),
        (_Is.TAKEN_BACK, [(word,) for word in vocabulary.taken_back]),
        (_Is.UNCLEAR, vocabulary.excluding - vocabulary.negators),
        (_Is.FILLER, vocabulary.fillers),
        (_Is.FILLER, vocabulary.numbered),
        (_Is.FILLER, vocabulary.yes),
    )
