"""What the writer of a text wants: one intent, or none that is sure.

Accents, capitals and repeated letters ("ouiiii") make no difference, and a word that is nearly one
of the known words (rapidfuzz) is taken for it. What is denied is no intent. Of two intents that
cannot both be meant there is none: the answer then tells the writer which number to ring.
"""

from __future__ import annotations

import re

from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from functools import lru_cache

from rapidfuzz import process
from rapidfuzz.distance import OSA

from flows.understanding.phrases import NUMBER, UNKNOWN, Lexicon, Piece
from flows.understanding.vocabulary import Vocabulary, plain
from flows.understanding.words import emergency, yes_no


class Intent(StrEnum):
    """What a text asks for, or tells."""

    EMERGENCY = "emergency"
    STOP = "stop"
    START = "start"
    WRONG = "wrong"
    CANCEL = "cancel"
    MOVE = "move"
    # To come at another time, or not at all.
    CHANGE = "change"
    WHERE = "where"
    YES = "yes"
    # Politeness that wants no answer, or nothing at all.
    THANKS = "thanks"


_NOT = "not"
_SMALL = "small"
_SAID = "said"
_ALONE = "alone"
# Beside words that undo much, fewer other words may stand: "ce n'est pas moi, c'est ma mère" comes
# from a person whose mobile was given for another person.
_BESIDE: Mapping[Intent, int] = {Intent.STOP: 1, Intent.WRONG: 0, Intent.START: 2, Intent.YES: 3}
_BESIDE_OTHERS = 8
# A text is short; this is a letter.
_MOST_WORDS = 60
# "STOP svp merci": whatever follows, the first word counts.
_SHORT_ENOUGH = 4
_DRAWN = re.compile(r"(.)\1{2,}")
# Letters of a word in which one slip, or two, are borne.
_ONE_SLIP, _TWO_SLIPS = 4, 7
# Of two, the one that matters more.
_IN_ORDER = (
    *(Intent.CANCEL, Intent.MOVE, Intent.CHANGE),
    *(Intent.START, Intent.WHERE, Intent.YES, Intent.THANKS),
)
_DENIABLE = frozenset({*_IN_ORDER[:2], Intent.START, Intent.YES, Intent.STOP, Intent.WRONG})
# What undoes much, and what else may be said with it.
_SURE = (
    (Intent.WRONG, (Intent.STOP, Intent.CHANGE, Intent.THANKS)),
    (Intent.STOP, (Intent.YES, Intent.CHANGE, Intent.THANKS)),
)


def intent_of(text: str, vocabulary: Vocabulary) -> Intent | None:
    """The one intent of a text in this language; None where it has none, or none that is sure."""
    drawn = _DRAWN.sub(r"\1", plain(text)).split()
    if len(drawn) > _MOST_WORDS:
        return None
    if emergency(text, vocabulary):
        return Intent.EMERGENCY
    words = [_spelt(word, vocabulary) for word in drawn if word not in vocabulary.hesitations]
    if not words:
        return Intent.THANKS
    if (words[0],) in vocabulary.written["stop"] and len(words) <= _SHORT_ENOUGH:
        return Intent.STOP
    pieces = _lexicon(vocabulary)(words)
    return _one_of(_intents(pieces, words, vocabulary), pieces)


def _intents(pieces: Sequence[Piece], words: Sequence[str], vocabulary: Vocabulary) -> set[Intent]:
    if all(piece.is_(_ALONE) or piece.is_(_SMALL) for piece in pieces) and any(
        piece.is_(_ALONE) for piece in pieces
    ):
        return {Intent.WHERE}
    strange = sum(piece.is_(UNKNOWN) or piece.is_(NUMBER) for piece in pieces)
    found = {
        intent
        for intent in Intent
        if any(piece.is_(intent) for piece in pieces)
        and strange <= _BESIDE.get(intent, _BESIDE_OTHERS)
    }
    said = yes_no(" ".join(words), vocabulary)
    if said is True:
        found.add(Intent.YES)
    elif said is False:
        # "Non" to a reminder: they will not come.
        found.add(Intent.CHANGE)
    return found


def _one_of(found: set[Intent], pieces: Sequence[Piece]) -> Intent | None:
    if any(piece.is_(_NOT) and not any(piece.is_(intent) for intent in Intent) for piece in pieces):
        # "Je ne veux pas annuler"; a no by itself denies nothing.
        found -= _DENIABLE
    if Intent.WRONG not in found and any(piece.is_(Intent.WRONG) for piece in pieces):
        return None
    for one, with_it in _SURE:
        if one in found:
            # "Non, ce n'est pas moi, stop" is one intent; with anything else it is not sure.
            return one if found <= {one, *with_it} else None
    if {Intent.CANCEL, Intent.MOVE} <= found:
        return Intent.CHANGE
    if {Intent.YES, Intent.CHANGE} <= found and not found & {Intent.CANCEL, Intent.MOVE}:
        return None
    strange = any(piece.is_(UNKNOWN) or piece.is_(NUMBER) for piece in pieces)
    if strange:
        found -= {Intent.THANKS}
    return next((intent for intent in _IN_ORDER if intent in found), None)


def _spelt(word: str, vocabulary: Vocabulary) -> str:
    """The known word that this one is nearly; itself where it is one, or like none."""
    known, ours = _words_of(vocabulary)
    if word in known or len(word) < _ONE_SLIP:
        return word
    slips = 1 if len(word) < _TWO_SLIPS else 2
    near = process.extractOne(word, ours, scorer=OSA.distance, score_cutoff=slips)
    # The first letter is seldom the wrong one.
    return near[0] if near and (near[0][0] == word[0] or near[0][:2] == word[1::-1]) else word


@lru_cache
def _words_of(vocabulary: Vocabulary) -> tuple[frozenset[str], tuple[str, ...]]:
    """Words that are right as they are, and those that others are taken for."""
    ours = {
        word for phrases in vocabulary.written.values() for phrase in phrases for word in phrase
    }
    others = (vocabulary.fillers, vocabulary.yes, vocabulary.no, vocabulary.negators)
    known = ours | {word for phrases in others for phrase in phrases for word in phrase}
    dates = {*vocabulary.months, *vocabulary.weekdays}
    return frozenset(known | dates), tuple(sorted(w for w in ours if len(w) >= _ONE_SLIP))


@lru_cache
def _lexicon(vocabulary: Vocabulary) -> Callable[[Sequence[str]], list[Piece]]:
    written = vocabulary.written
    dates = [tuple(name.split()) for name in (*vocabulary.months, *vocabulary.weekdays)]
    denying = frozenset(
        phrase
        for phrase in vocabulary.no
        if len(phrase) > 1 and any((word,) in vocabulary.negators for word in phrase)
    )
    return Lexicon(
        *((intent, written[intent]) for intent in Intent if intent in written),
        (_ALONE, written["where_alone"]),
        (_NOT, vocabulary.negators),
        (_SMALL, vocabulary.fillers),
        (_SAID, vocabulary.yes),
        (_NOT, denying),
        (_SAID, vocabulary.no - denying),
        (_SMALL, dates),
    ).cut
