"""What a sentence asks for, who comes, and whose birth or home a phrase of it tells."""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum

from flows.understanding.heard_words import NumberKind
from flows.understanding.sentence_parts import (
    BIRTH,
    HEADS,
    OTHER,
    SELF,
    TWO,
    Cue,
    CutSentence,
    Part,
    tells_two_births,
)


class SentenceIntent(StrEnum):
    """What the caller wants."""

    BOOK = "book"
    MINE = "mine"
    PERSON = "person"


def intent_of(sentence: CutSentence) -> SentenceIntent | None:
    """What is wanted, where the sentence says it."""
    wish = next((part for part in sentence.parts if part.is_(Cue.WISH)), None)
    if wish is not None and not sentence.has(Cue.NOT):
        return SentenceIntent.PERSON
    book, mine = sentence.has(Cue.BOOK, Cue.WANTS_SELF), sentence.has(Cue.MINE)
    if book == mine:
        return None
    return SentenceIntent.BOOK if book else SentenceIntent.MINE


def person_after(sentence: CutSentence, part: Part) -> str:
    """Who comes, by the words right behind "pour"; empty where none is named."""
    for other in sentence.parts[sentence.parts.index(part) + 1 :]:
        if other.is_(Cue.SELF):
            return SELF
        if other.is_(Cue.TWO):
            return TWO
        if other.person:
            return other.person
        if other.is_(Cue.PRONOUN):
            return _meant_by_pronoun(sentence)
        if other.tags != {Cue.FILLER}:
            return ""
    return ""


def _meant_by_pronoun(sentence: CutSentence) -> str:
    named = {part.person for part in sentence.parts if part.person}
    return named.pop() if len(named) == 1 else OTHER


def who_comes(sentence: CutSentence) -> tuple[str, bool]:
    """Who comes, and whether two may; empty where the sentence does not say it."""
    if sentence.has(Cue.TWO):
        return TWO, True
    if tells_two_births(sentence.text, sentence.vocabulary):
        return "", True
    named = set(_named(sentence))
    corrected = any(word.kind is NumberKind.CORRECTION for word in sentence.words)
    if len(named) == 2 and SELF in named and not corrected:  # noqa: PLR2004
        return TWO, True
    if len(named) > 1:
        return "", SELF in named
    return (named.pop(), False) if named else _who_by_birth(sentence)


def _named(sentence: CutSentence) -> Iterator[str]:
    """The people it is for, each time that they are said."""
    for part in sentence.parts:
        before = sentence.before(part)
        if part.is_(Cue.FOR):
            person = person_after(sentence, part)
            if person and (before is None or not before.is_(Cue.NOT)):
                yield person
            continue
        booked = part.is_(Cue.BOOK) or (before is not None and before.is_(Cue.BOOK))
        if booked and part.is_(Cue.PRONOUN) and not part.is_(Cue.SELF):
            yield _meant_by_pronoun(sentence)
    wanting = any(part.person and _wants(sentence, part) for part in sentence.parts)
    if sentence.has(Cue.WANTS_SELF) and not wanting:
        yield SELF


def _who_by_birth(sentence: CutSentence) -> tuple[str, bool]:
    """Who comes, by whose birth is told and who wishes something."""
    wanting = {part.person for part in sentence.parts if part.person and _wants(sentence, part)}
    subjects = _subjects(sentence)
    if subjects == {SELF}:
        return SELF, False
    if len(wanting) == 1 and SELF not in subjects:
        return wanting.pop(), False
    if subjects == {OTHER} and not wanting:
        return _meant_by_pronoun(sentence), False
    return "", len(wanting) > 1


def _wants(sentence: CutSentence, part: Part) -> bool:
    """Whether what follows says that this person comes: "ma mère est née"."""
    for other in sentence.parts[sentence.parts.index(part) + 1 :]:
        if other.is_(*BIRTH, Cue.WANT, Cue.LIVES_OTHER):
            return True
        if other.is_(Cue.IS_OTHER) or other.tags == {Cue.FILLER}:
            continue
        return (
            bool(other.tags & {Cue.ENDS_PLACE}) and not other.person and _wants_on(sentence, other)
        )
    return False


def _wants_on(sentence: CutSentence, part: Part) -> bool:
    following = sentence.parts[sentence.parts.index(part) + 1 :][:1]
    return bool(following) and following[0].is_(*BIRTH, Cue.WANT, Cue.LIVES_OTHER)


def _subjects(sentence: CutSentence) -> set[str]:
    """Whose birth is told: the caller's, another person's."""
    found = set()
    if sentence.has(Cue.BORN_SELF):
        found.add(SELF)
    if sentence.has(Cue.BORN_OTHER):
        found.add(OTHER)
    return found


def _owner(sentence: CutSentence, part: Part) -> str:
    """Whose birth or home this phrase tells; empty where it does not say."""
    if part.is_(Cue.BORN_SELF, Cue.LIVES_SELF):
        return SELF
    if part.is_(Cue.LIVES_WE):
        return ""
    for other in reversed(sentence.parts[: sentence.parts.index(part)]):
        if other.person:
            return other.person
        if other.is_(*HEADS) or (part.is_(Cue.LIVES) and not _is_small(other)):
            break
    return OTHER if part.is_(Cue.BORN_OTHER, Cue.LIVES_OTHER) else ""


def _is_small(part: Part) -> bool:
    return part.tags == {Cue.FILLER} or part.is_(Cue.IS_OTHER, Cue.ENDS_PLACE)


def may_be_of(sentence: CutSentence, who: str, part: Part | None) -> bool:
    """Whether what this phrase tells may be of the person who comes."""
    owner = _owner(sentence, part) if part is not None else ""
    if not owner or not who or owner == who:
        return True
    # "Lui" may be any person but the caller.
    return OTHER in {owner, who} and SELF not in {owner, who}
