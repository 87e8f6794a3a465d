"""Sentences cut into the phrases that a language's file knows, the longest first."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass

from text_to_num import find_numbers

from flows.understanding.vocabulary import ANY_WORD, Phrase

# What a word is that begins no phrase.
UNKNOWN = "unknown"
NUMBER = "number"


@dataclass(frozen=True)
class Piece:
    """Some words of a sentence, and all that they can be."""

    words: Phrase
    tags: tuple[Hashable, ...]
    number: int = 0

    def is_(self, tag: Hashable) -> bool:
        return tag in self.tags


class Lexicon:
    """Phrases with what they are, found by their first word."""

    def __init__(self, *tagged: tuple[Hashable, Iterable[Phrase]]) -> None:
        tags: dict[Phrase, tuple[Hashable, ...]] = {}
        for tag, phrases in tagged:
            for phrase in phrases:
                tags[phrase] = (*tags.get(phrase, ()), tag)
        self._by_first: dict[str, list[tuple[Phrase, tuple[Hashable, ...]]]] = {}
        for phrase, what in sorted(tags.items(), key=lambda item: -len(item[0])):
            self._by_first.setdefault(phrase[0], []).append((phrase, what))

    def cut(self, words: Sequence[str]) -> list[Piece]:
        """A sentence in its longest phrases; a word that begins none is unknown."""
        pieces = []
        at = 0
        while at < len(words):
            piece = self._longest(words, at)
            pieces.append(piece)
            at += len(piece.words)
        return pieces

    def _longest(self, words: Sequence[str], at: int) -> Piece:
        for phrase, tags in self._by_first.get(words[at], ()):
            said = tuple(words[at : at + len(phrase)])
            if len(said) == len(phrase) and all(
                wanted in (word, ANY_WORD) for wanted, word in zip(phrase, said, strict=True)
            ):
                return Piece(said, tags)
        number = int(words[at]) if words[at].isdecimal() else -1
        return Piece((words[at],), (NUMBER if number >= 0 else UNKNOWN,), number)


@dataclass(frozen=True)
class Token:
    """A word, as text2num wants it."""

    word: str

    def text(self) -> str:
        return self.word

    def nt_separated(self, previous: Token) -> bool:
        return False

    def not_a_number_part(self) -> bool:
        return False


def number_words(words: Sequence[str], language: str) -> frozenset[int]:
    """Where number words stand: text2num knows them."""
    found = find_numbers([Token(word) for word in words], language, threshold=0)
    return frozenset(at for phrase in found for at in range(phrase.start, phrase.end))
