"""Which of the appointments that were read out a caller means: by place, day, hour or order."""

from __future__ import annotations

import re

from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from enum import Enum, auto
from functools import lru_cache
from typing import Final

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
    TAKEN_BACK = auto()
    UNCLEAR = auto()
    FILLER = auto()


@dataclass(frozen=True)
class _Wish:
    """Something that was said of what is wanted, in so many words, and what fits it."""

    words: int
    fits: Callable[[ReadOut], bool]
    day: date | None = None
    part: str = ""
    # The order in which one of those that are left is picked: "the earliest".
    picks: Callable[[ReadOut], float] | None = None


def wanted_among(
    text: str, vocabulary: Vocabulary, told: Sequence[ReadOut], today: date
) -> Wanted | None:
    """What a caller wants of what was `told`; `today` is the day at those places.

    None where nothing of it is said, or where too much else is.
    """
    return _Sentence(text, vocabulary, told, today).wanted()


def after_correction(text: str, vocabulary: Vocabulary, also: frozenset[str] = frozenset()) -> str:
    """What stands behind the last word that takes a choice back or is in `also`; else all."""
    words = text.split()
    last = vocabulary.taken_back | also
    back = [at for at, word in enumerate(words) if plain(word) in last]
    return " ".join(words[back[-1] + 1 :] if back and words[back[-1] + 1 :] else words)


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
            unclear = unclear or (isinstance(part, Piece) and part.is_(_Is.UNCLEAR))
            unknown += isinstance(part, Piece) and (part.is_(UNKNOWN) or part.is_(NUMBER))
        # A "not" behind it all may deny what was said before.
        unclear = unclear or denied or dismissed
        longest = 1 if unclear else max((wish.words for wish, _ in wishes), default=1)
        beside = BESIDE_A_CHOICE[min(longest, len(BESIDE_A_CHOICE)) - 1]
        if not wishes or len(self._words) > MOST_WORDS:
            return None
        if unknown > beside:
            # "L'hôpital jamais de la vie, …" is no "no" to all of them.
            return Wanted(tuple(range(len(self._told)))) if denied and unclear else None
        everything = Wanted(tuple(range(len(self._told))))
        wanted = everything if unclear else self._of(wishes)
        ordered = {self._vocabulary.ordinals.get(word, 1) for word in self._words} - {1}
        # "La deuxième, celle de jeudi", where that is another.
        another = len(wanted.fitting) == 1 and ordered - {wanted.fitting[0] + 1}
        return everything if another else wanted

    def _of(self, wishes: Sequence[tuple[_Wish, bool]]) -> Wanted:
        left = list(range(len(self._told)))
        day, part = None, ""
        for wish, denied in sorted(wishes, key=lambda one: one[0].picks is not None):
            order = wish.picks
            fits = [at for at in left if wish.fits(self._told[at])]
            if order is not None:
                fits = sorted(left, key=lambda at: order(self._told[at]))[:1]
            left = [at for at in left if (at in fits) is not denied]
            day = day if denied else wish.day or day
            part = (_OTHER_PART.get(wish.part, "") if denied else wish.part) or part
        return Wanted(tuple(left), day, part)

    def _parts(self) -> Iterator[_Wish | Piece]:
        at = 0
        while at < len(self._words):
            end, counted = self._in_numbers(at)
            piece = _lexicon(self._vocabulary).cut(self._words[at:])[0]
            yield counted or self._wish(piece) or piece
            at = end if counted else at + len(piece.words)

    def _wish(self, piece: Piece) -> _Wish | None:
        """What a phrase wishes for, if it is that."""
        # Small words do not make it any clearer.
        length = sum(len(word) >= _FEWEST_LETTERS for word in piece.words) or 1
        if piece.words[0] in self._places:
            there = self._places[piece.words[0]]
            return _Wish(1, lambda one: one.place in there)
        known = [tag for tag in piece.tags if isinstance(tag, int) or tag in _MEANT]
        if not known:
            return None
        # "Cet après-midi" is of a day, and of a part of it.
        all_of = [self._meant(tag, length) for tag in known]
        return replace(
            all_of[0], part=all_of[-1].part, fits=lambda one: all(wish.fits(one) for wish in all_of)
        )

    def _meant(self, tag: Hashable, words: int) -> _Wish:
        """What is meant by a day of the week, or by a name of `[heard.offered]`."""
        if tag in {MORNING, AFTERNOON}:
            return _Wish(words, lambda one: one.part == tag, part=str(tag))
        if tag in _ORDERS or tag in _PLACED:
            order = _ORDERS.get(str(tag)) or (lambda one: self._placed(one, str(tag)))
            return _Wish(words, lambda _one: True, picks=order)
        if tag in _DAYS:
            day = self._today + timedelta(days=_DAYS[str(tag)])
            return _Wish(words, lambda one: one.start.date() == day, day)
        # Of the next week, from Monday on.
        ahead = (tag if isinstance(tag, int) else 0) - self._today.weekday() - 1
        day = self._today + timedelta(days=ahead % 7 + 1)
        if tag == _NEXT_WEEK:
            return _Wish(words, lambda one: one.start.date() >= day, day)
        return _Wish(words, lambda one: one.start.weekday() == tag, day)

    def _placed(self, one: ReadOut, tag: str) -> float:
        """How far from where a caller says that it was read: first, in the middle, last."""
        return abs(self._told.index(one) - (len(self._told) - 1) * _PLACED[tag])

    def _in_numbers(self, at: int) -> tuple[int, _Wish | None]:
        """A date or an hour that begins here: "quatre décembre", "neuf heures et quart"."""
        if at not in self._numbers:
            return at, None
        end, number = self._numbers[at]
        word = self._words[end] if end < len(self._words) else ""
        month = self._vocabulary.months.get(word)
        if month:
            day = (number, month)
            return end + 1, _Wish(end + 1 - at, lambda one: (one.start.day, one.start.month) == day)
        if (word,) in self._vocabulary.offered["distance"]:
            return end + 1, _Wish(end + 1 - at, lambda one: round(one.kilometres) == number)
        clock = (word,) in self._vocabulary.offered["clock"]
        minutes, last = self._minutes(end + clock)
        if not 0 <= number < _HOURS or not (clock or minutes):
            return at, None
        # "Moins le quart" counts back; and "deux heures" may be of the afternoon.
        hour, minute = divmod(number * 60 + minutes, 60)
        meant = (hour % NOON, minute)
        return last, _Wish(
            last - at, lambda one: (one.start.hour % NOON, one.start.minute) == meant
        )

    def _minutes(self, at: int) -> tuple[int, int]:
        """The minutes behind an hour, and where they end."""
        end, number = self._numbers.get(at, (at, _MOST_MINUTES + 1))
        if number <= _MOST_MINUTES:
            return number, end
        for phrase, number in self._vocabulary.minutes.items():
            words = phrase.split()
            if self._words[at : at + len(words)] == words:
                return number, at + len(words)
        return 0, at


# Days from today on, and what is meant by an order, by their names in `[heard.offered]`.
_DAYS: Final[Mapping[str, int]] = {"today": 0, "tomorrow": 1, "after_tomorrow": 2}
_ORDERS: Final[Mapping[str, Callable[[ReadOut], float]]] = {
    "earliest": lambda one: one.start.timestamp(),
    "latest": lambda one: -one.start.timestamp(),
    "nearest": lambda one: one.kilometres,
}
# And where in the order in which they were read, from 0 to 1.
_PLACED: Final[Mapping[str, float]] = {"first": 0, "middle": 0.5, "last": 1}
_NEXT_WEEK: Final = "next_week"
_MEANT: Final = frozenset({MORNING, AFTERNOON, _NEXT_WEEK, *_DAYS, *_ORDERS, *_PLACED})


def _numbers(words: Sequence[str], vocabulary: Vocabulary) -> Iterator[tuple[int, tuple[int, int]]]:
    """Where numbers begin, where each ends and what it is."""
    for number in find_numbers([Token(word) for word in words], vocabulary.language, threshold=0):
        yield number.start, (number.end, int(number.value))
    for at, word in enumerate(words):
        if word.isdecimal():
            yield at, (at + 1, int(word))


def _places(told: Sequence[ReadOut], vocabulary: Vocabulary) -> Mapping[str, frozenset[str]]:
    """Words that tell one place from another, each with the places that have it."""
    plain_words = _lexicon(vocabulary)
    of: dict[str, set[str]] = {}
    for offer in told:
        for word in plain(offer.place).split():
            known = not plain_words.cut([word])[0].is_(UNKNOWN)
            if len(word) >= _FEWEST_LETTERS and not (known or word in vocabulary.months):
                of.setdefault(word, set()).add(offer.place)
    everywhere = {offer.place for offer in told}
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
