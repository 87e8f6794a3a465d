"""A sentence in its parts: phrases that say who, when born, where, and the words between them."""

from __future__ import annotations

import re
import unicodedata

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import Final

from flows.understanding.heard_words import NumberKind, kind_of
from flows.understanding.phrases import UNKNOWN, Lexicon, Piece
from flows.understanding.vocabulary import PEOPLE, Phrases, Vocabulary, plain

# The longest of our own sentences has 33 words; a television goes on.
MOST_WORDS: Final = 70
SELF: Final = "self"
TWO: Final = "two"
OTHER: Final = "other"
# "ma maman" is a wish for a person only in so many words: "parler à quelqu'un".
_FEWEST_WORDS_OF_A_WISH: Final = 3
_YEAR_DIGITS: Final = 4
# And unknown words around a date of which nothing says that it is a person's.
_MOST_BESIDE_A_DATE: Final = 3
_WORD = re.compile(r"[0-9]+|[^\W\d_]+")
NUMBERS: Final = frozenset({NumberKind.NUMBER, NumberKind.MONTH})


def tells_two_births(text: str, vocabulary: Vocabulary) -> bool:
    """Whether days or years are told of two people: "je suis né le 3 mars, mon mari le 4 mai"."""
    owner = ""
    told: Counter[str] = Counter()
    for piece in _lexicon(vocabulary)(plain(text).split()):
        owner = _named_by(piece, owner)
        for word in piece.words:
            figures = word[0].isdecimal()
            told[owner] += figures or kind_of(word, vocabulary) in NUMBERS
            told[owner] += figures and len(word) == _YEAR_DIGITS
    return sum(count > 1 for name, count in told.items() if name) > 1


def tells_of_nobody(text: str, vocabulary: Vocabulary) -> bool:
    """Whether a sentence with a date is about no person: "le débarquement du 6 juin 1944"."""
    unknown = 0
    pieces = _lexicon(vocabulary)(plain(text).split())
    if any(piece.is_(Cue.NO_BIRTH) for piece in pieces):
        # A husband's death, or a wedding; a birth may be told beside it.
        return not any({*BIRTH, *_IS_BORN} & set(piece.tags) for piece in pieces)
    for piece in pieces:
        if {*_PERSONAL, *PEOPLE} & set(piece.tags):
            return False
        unknown += piece.is_(UNKNOWN) and _is_other(piece.words[0], vocabulary)
    return unknown > _MOST_BESIDE_A_DATE


def _is_other(word: str, vocabulary: Vocabulary) -> bool:
    return not word[0].isdecimal() and kind_of(word, vocabulary) is NumberKind.OTHER


def _named_by(piece: Piece, before: str) -> str:
    """Whose birth is told from this phrase on; `before`: until now."""
    if piece.is_(Cue.SELF) or piece.is_(Cue.BORN_SELF) or piece.is_(Cue.IS_SELF):
        return SELF
    person = next((tag for tag in piece.tags if tag in PEOPLE), "")
    if person or not (piece.is_(Cue.PRONOUN) or piece.is_(Cue.BORN_OTHER)):
        return str(person) or before
    # "Mon mari, lui, …" is one person; "lui …, elle …" are two.
    return before if before in PEOPLE else piece.words[0]


class Cue(StrEnum):
    """What a phrase announces, or is."""

    BOOK = "book"
    MINE = "mine"
    WISH = "wish"
    NOT = "not"
    FILLER = "filler"
    STREET = "street"
    NEAR = "near"
    PERSON = "person"
    FOR = "for_people"
    WANT = "people_want"
    SELF = "self"
    WANTS_SELF = "wants_self"
    PRONOUN = "pronouns"
    TWO = "two"
    BORN_SELF = "born_self"
    BORN_OTHER = "born_other"
    BORN = "born"
    IS_SELF = "is_self"
    IS_OTHER = "is_other"
    IS_WE = "is_we"
    LIVES_SELF = "lives_self"
    LIVES_OTHER = "lives_other"
    LIVES_WE = "lives_we"
    LIVES = "lives"
    CODE = "code"
    TOWARDS = "towards"
    ENDS_PLACE = "ends_place"
    COUNTED = "counted"
    NO_BIRTH = "no_birth"


BIRTH: Final = (Cue.BORN_SELF, Cue.BORN_OTHER, Cue.BORN)
HOME: Final = (Cue.LIVES_SELF, Cue.LIVES_OTHER, Cue.LIVES_WE, Cue.LIVES)
_IS: Final = {
    Cue.IS_SELF: Cue.LIVES_SELF,
    Cue.IS_OTHER: Cue.LIVES_OTHER,
    Cue.IS_WE: Cue.LIVES_WE,
}
_IS_BORN: Final = {Cue.IS_SELF: Cue.BORN_SELF, Cue.IS_OTHER: Cue.BORN_OTHER}
# These are said of a person.
_PERSONAL: Final = (
    *BIRTH,
    *HOME,
    *_IS,
    Cue.SELF,
    Cue.WANTS_SELF,
    Cue.PRONOUN,
    Cue.TWO,
    Cue.BOOK,
)
# These begin a new part of the sentence.
HEADS: Final = (
    *BIRTH, *HOME, *_IS, Cue.CODE, Cue.BOOK, Cue.MINE, Cue.FOR, Cue.WANTS_SELF, Cue.TWO,
    Cue.WISH,
)  # fmt: skip


@dataclass(frozen=True)
class SentenceWord:
    text: str
    start: int
    end: int
    kind: NumberKind


@dataclass(frozen=True)
class Part:
    """A phrase in the sentence: which words, what it is, and which person where it names one."""

    start: int
    end: int
    tags: frozenset[Cue]
    person: str = ""

    def is_(self, *cues: Cue) -> bool:
        return bool(self.tags & set(cues))


class CutSentence:
    """The words of a sentence, and the phrases that the language's file knows of it."""

    def __init__(self, text: str, vocabulary: Vocabulary) -> None:
        self.vocabulary = vocabulary
        self.text = unicodedata.normalize("NFKC", text).lower()
        self.words = list(self._cut_words())
        # Where "je suis à …" begins: what follows is a town only if it is one to the letter.
        self.weak: set[int] = set()
        self.parts = self._cut_parts() if len(self.words) <= MOST_WORDS else []
        # For each word, the phrase that it is in.
        self.part_at = [part for part in self.parts for _ in range(part.start, part.end)]

    def _cut_words(self) -> Iterator[SentenceWord]:
        end = -1
        for match in _WORD.finditer(self.text):
            bare = plain(match[0])
            if not bare:
                continue
            kind = kind_of(match[0], self.vocabulary)
            joined = match.start() == end and self.text[end - 1].isdecimal()
            if joined and bare in self.vocabulary.ordinal_endings:
                kind = NumberKind.NUMBER  # 1er, 12th
            end = match.end()
            yield SentenceWord(bare, match.start(), end, kind)

    def _cut_parts(self) -> list[Part]:
        parts: list[Part] = []
        at = 0
        for piece in _lexicon(self.vocabulary)([word.text for word in self.words]):
            end = at + len(piece.words)
            parts.append(_part(piece, at, end))
            at = end
        return [self._settled(self._spelt(part)) for part in parts]

    def _spelt(self, part: Part) -> Part:
        """With "né" and "ne", which are one word without accents, told apart by the accent."""
        if not part.is_(Cue.BORN) or not part.is_(Cue.NOT):
            return part
        wrong = Cue.BORN if self.words_from(part.start, part.end).isascii() else Cue.NOT
        return Part(part.start, part.end, part.tags - {wrong}, part.person)

    def _settled(self, part: Part) -> Part:
        """With "je suis" made into what it announces: a birth ("de 42"), a town ("à Gap")."""
        for cue in _IS:
            if not part.is_(cue):
                continue
            after = self.words[part.end : part.end + 1]
            following = self.words[part.end + 1 : part.end + 2]
            if after and self._is_towards(after[0].text):
                self.weak.add(part.start)
                number = following and following[0].kind in NUMBERS
                made = _IS_BORN.get(cue) if number else _IS[cue]
                return Part(part.start, part.end, frozenset({made} if made else ()), part.person)
            return Part(part.start, part.end, frozenset({Cue.FILLER}), part.person)
        return part

    def _is_towards(self, word: str) -> bool:
        words = self.vocabulary
        first = {phrase[0] for phrase in words.sentence["towards"] | words.near_towns}
        return word in words.at_towns or word in words.contractions or word in first

    def has(self, *cues: Cue) -> bool:
        """Whether a phrase is one of these."""
        return any(part.is_(*cues) for part in self.parts)

    def head_before(self, at: int) -> Part | None:
        """The phrase that announces what stands at this word."""
        return next(
            (part for part in reversed(self.parts) if part.end <= at and part.is_(*HEADS)), None
        )

    def words_from(self, start: int, end: int) -> str:
        """The text from one word to before another."""
        return self.text[self.words[start].start : self.words[end - 1].end] if start < end else ""

    def unknown(self, start: int, end: int) -> int:
        """How many words between these are in no phrase."""
        return sum(
            not self.part_at[at].tags and self.words[at].kind is NumberKind.OTHER
            for at in range(start, end)
        )

    def before(self, part: Part) -> Part | None:
        """The phrase before it that is more than a small word."""
        for other in reversed(self.parts[: self.parts.index(part)]):
            if other.tags != {Cue.FILLER}:
                return other
        return None


def _part(piece: Piece, start: int, end: int) -> Part:
    tags = frozenset(tag for tag in piece.tags if isinstance(tag, Cue))
    person = next((tag for tag in piece.tags if isinstance(tag, str) and tag in PEOPLE), "")
    return Part(start, end, tags | ({Cue.PERSON} if person else set()), person)


@lru_cache
def _lexicon(vocabulary: Vocabulary) -> Callable[[Sequence[str]], list[Piece]]:
    welcome = vocabulary.choices.get("welcome", {})
    nothing: Phrases = frozenset()
    wishes = frozenset(
        phrase for phrase in vocabulary.commands["person"] if len(phrase) >= _FEWEST_WORDS_OF_A_WISH
    )
    hesitations = frozenset((word,) for word in vocabulary.hesitations)
    return Lexicon(
        *((Cue(name), phrases) for name, phrases in vocabulary.sentence.items()),
        *vocabulary.people.items(),
        (Cue.BOOK, welcome.get("book", nothing)),
        (Cue.MINE, welcome.get("3", nothing)),
        (Cue.WISH, wishes),
        (Cue.NOT, vocabulary.negators),
        (Cue.STREET, vocabulary.streets),
        (Cue.FILLER, vocabulary.fillers),
        (Cue.FILLER, hesitations),
    ).cut
