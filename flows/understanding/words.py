"""What people say beside numbers: yes and no, choices, and commands that hold everywhere.

Every function cuts a sentence into the phrases that the language's file knows, the longest first,
and looks at what is left. A short phrase counts only where it is nearly all that was said. Where
two things are said, or something is denied, there is no answer: asking again is cheap.
"""

from __future__ import annotations

import re

from collections.abc import Callable, Hashable, Mapping, Sequence
from enum import StrEnum
from functools import lru_cache, partial
from itertools import pairwise

from text_to_num import find_numbers

from flows.understanding.heard_words import NumberKind, heard_words
from flows.understanding.phrases import NUMBER, UNKNOWN, Lexicon, Piece, Token, number_words
from flows.understanding.vocabulary import Phrases, Vocabulary, phrases_of, plain

# A sentence longer than this is a story, or a television.
MOST_WORDS = 40
# How many unknown words may stand beside a phrase of one, two, or more words.
BESIDE_A_CHOICE = (2, 4, 8)
_BESIDE_A_WISH = (0, 2, 8)
# The same beside words that ask for time, where the sentence answers nothing.
_BESIDE_A_WAIT = 8
# Denied so many words before it, an emergency is none.
_DENIED_WITHIN = 4
_LAST_ORDINAL = 5
_FIGURES = re.compile(r"([0-9]{1,5})([a-z]*)")
_CHECK = "_check"
_CHECK_ANSWERS = {True: "1", False: "2"}


class Command(StrEnum):
    """A command that means the same at every question."""

    EMERGENCY = "emergency"
    # Of two wishes in one sentence the one that undoes less.
    INTERPRETER = "interpreter"
    PERSON = "person"
    SLOWER = "slower"
    AGAIN = "again"
    BACK = "back"
    WAIT = "wait"
    CANCEL = "cancel"


_WISHES = tuple(wish for wish in Command if wish is not Command.EMERGENCY)


# What is asked for whatever is denied behind it.
_KEPT = frozenset({Command.PERSON, Command.SLOWER})


class _Is(StrEnum):
    """What a phrase is in a sentence, beside a key or a command."""

    FILLER = "filler"
    YES = "yes"
    NO = "no"
    SURE = "sure"
    NOT = "not"
    DEGREE = "degree"
    DENIABLE = "deniable"
    DOUBT = "doubt"
    NUMBERED = "numbered"
    LONG_AGO = "long ago"
    NOTHING = "nothing"  # the words of a wish that mean something else here


def yes_no(text: str, vocabulary: Vocabulary) -> bool | None:
    """Yes or no. A date, a town or thanks may come with it; doubt and contradiction may not."""
    words = _words(text, vocabulary)
    numbers = frozenset(words[at] for at in number_words(words, vocabulary.language))
    dates = numbers.difference(vocabulary.determiners).union(vocabulary.months)
    pieces = _denied(_yes_no_lexicon(vocabulary)(words), vocabulary, dates)
    if len(pieces) == 1 and pieces[0].is_(_Is.SURE):
        return True
    yes = sum(len(piece.words) for piece in pieces if piece.is_(_Is.YES))
    no = sum(len(piece.words) for piece in pieces if piece.is_(_Is.NO))
    unknown = sum(
        (piece.is_(UNKNOWN) and piece.words[0] not in numbers) or piece.is_(_Is.SURE)
        for piece in pieces
    )
    if any(piece.is_(_Is.DOUBT) for piece in pieces) or bool(yes) == bool(no):
        return None
    if yes and any(piece.is_(_Is.NOT) and not piece.is_(_Is.NO) for piece in pieces):
        return None
    # Of a television's "exact, dix points": what is counted belongs to another talk.
    counted = any(
        one.words[0] in numbers and other.is_(UNKNOWN) and other.words[0] not in numbers
        for one, other in pairwise(pieces)
    )
    return None if counted or unknown > 2 * (yes + no) else bool(yes)


def command(text: str, vocabulary: Vocabulary) -> Command | None:
    """A command that holds at every question, where the sentence says little else."""
    words = _words(text, vocabulary)
    if _emergency(words, vocabulary):
        return Command.EMERGENCY
    pieces = _wish_lexicon(vocabulary)(words)
    denied = [at for at, piece in enumerate(pieces) if piece.is_(_Is.NOT)]
    wishes = {
        wish
        for wish in _WISHES
        for at, piece in enumerate(pieces)
        if piece.is_(wish) and _stands_out(pieces, wish, _BESIDE_A_WISH)
        # "Moins vite, je ne suis pas toute jeune" denies nothing that was asked for before it.
        if not denied or (wish in _KEPT and denied[0] > at + 1)
    }
    return next((wish for wish in _WISHES if wish in wishes), None)


def asks_for_time(text: str, vocabulary: Vocabulary) -> bool:
    """Whether a sentence that answers nothing has words in it that ask for time."""
    pieces = _wish_lexicon(vocabulary)(_words(text, vocabulary))
    unknown = sum(piece.is_(UNKNOWN) or piece.is_(NUMBER) for piece in pieces)
    return any(piece.is_(Command.WAIT) for piece in pieces) and unknown <= _BESIDE_A_WAIT


def knows_a_word(text: str, vocabulary: Vocabulary, step: str, *, numbers: bool) -> bool:
    """Whether a sentence has a word that may be of an answer to this step: a television has none.

    A choice, a wish, where it is asked for a yes or a no; `numbers`: also a number or a month.
    """
    words = _words(text, vocabulary)
    kinds = {word.kind for word in heard_words(text, vocabulary) if not word.may_be_article}
    if numbers and kinds & {NumberKind.NUMBER, NumberKind.MONTH}:
        return True
    choices = {*vocabulary.choices.get(step, ()), *vocabulary.keys}
    answers = step in vocabulary.answers or step.endswith(_CHECK)
    known = {*_WISHES, *choices, *((_Is.YES, _Is.NO) if answers else ())}
    lexicons = _yes_no_lexicon, _wish_lexicon, partial(_choice_lexicon, step=step)
    return any(
        known & set(piece.tags) for lexicon in lexicons for piece in lexicon(vocabulary)(words)
    )


def emergency(text: str, vocabulary: Vocabulary) -> bool:
    """Whether the caller seems to be in danger. Errs towards yes, except where it is denied."""
    return _emergency(_words(text, vocabulary), vocabulary)


def choice(text: str, vocabulary: Vocabulary, step: str) -> str | None:
    """The key that an answer to a menu means: a digit, `*` or `#`.

    `step` names the table of the language's file. A number is taken as the key that it is, whether
    the menu has it or not.
    """
    pieces = _choice_lexicon(vocabulary, step)(_words(text, vocabulary))
    keys = {
        key
        for key in (*vocabulary.choices.get(step, ()), *vocabulary.keys)
        if any(piece.is_(key) for piece in pieces) and _stands_out(pieces, key, BESIDE_A_CHOICE)
    }
    denied = any(piece.is_(_Is.NOT) and not keys & set(piece.tags) for piece in pieces)
    if denied and keys:
        return None
    number = _number(text, vocabulary)
    if number is not None and not keys:
        keys.add(str(number))
    answers = vocabulary.answers.get(step, _CHECK_ANSWERS if step.endswith(_CHECK) else {})
    if answers:
        said = yes_no(text, vocabulary)
        if said is not None and said in answers:
            keys.add(answers[said])
        elif said is not None and not keys:
            return None
    return keys.pop() if len(keys) == 1 else None


def named(
    text: str, vocabulary: Vocabulary, things: Mapping[str, tuple[str, ...]]
) -> tuple[str, ...]:
    """Which of these things are named, each with the words for it; in the order of `things`.

    Nothing where one of them is denied, or where too much else was said.
    """
    lexicon = Lexicon(
        *((thing, phrases_of(words)) for thing, words in things.items()),
        (_Is.NOT, vocabulary.excluding | vocabulary.negators | _denying(vocabulary)),
        (_Is.FILLER, vocabulary.fillers),
        (_Is.FILLER, vocabulary.yes),
    )
    pieces = lexicon.cut(_words(text, vocabulary))
    if any(piece.is_(_Is.NOT) for piece in pieces):
        return ()
    return tuple(
        thing
        for thing in things
        if any(piece.is_(thing) for piece in pieces) and _stands_out(pieces, thing, BESIDE_A_CHOICE)
    )


def ordinal(text: str, vocabulary: Vocabulary) -> int | None:
    """Which of at most five things that were read out: "le deuxième", "numéro deux", "deux"."""
    number = _number(text, vocabulary)
    return number if number is not None and 1 <= number <= _LAST_ORDINAL else None


def _words(text: str, vocabulary: Vocabulary) -> list[str]:
    """What was said, without hesitations; nothing where it is too much to be an answer."""
    words = [word for word in plain(text).split() if word not in vocabulary.hesitations]
    return [] if len(words) > MOST_WORDS else words


def _denied(pieces: Sequence[Piece], vocabulary: Vocabulary, dates: frozenset[str]) -> list[Piece]:
    """With each "not … that" made into one "no", and each "not" before a word of `dates`."""
    left = []
    at = 0
    while at < len(pieces):
        end = at + 1
        denies = pieces[at].is_(_Is.NOT) or _goes_on_denying(pieces[at], vocabulary)
        if denies:
            while end < len(pieces) and pieces[end].is_(_Is.DEGREE):
                end += 1
        rest = pieces[end:] if denies else []
        # "Pas le douze", whatever small words stand between.
        told = [piece.words[0] for piece in rest if piece.words[0] not in vocabulary.links][:1]
        if any(piece.is_(_Is.DENIABLE) for piece in rest[:1]) or dates.intersection(told):
            words = tuple(word for piece in pieces[at : end + 1] for word in piece.words)
            left.append(Piece(words, (_Is.NO,)))
            at = end + 1
        else:
            left.append(pieces[at])
            at += 1
    return left


def _goes_on_denying(piece: Piece, vocabulary: Vocabulary) -> bool:
    """Whether a "no" may be the beginning of one: "pas du tout" of "pas du tout d'accord"."""
    first, *rest = piece.words
    if not piece.is_(_Is.NO) or not rest:
        return False
    if (first,) in vocabulary.negators and tuple(rest) in vocabulary.degrees:
        return True
    last = (rest[-1],)
    return last in vocabulary.negators and last not in vocabulary.no


def _stands_out(pieces: Sequence[Piece], tag: Hashable, beside: Sequence[int]) -> bool:
    """Whether there is little enough beside the longest phrase of this kind."""
    lengths = [len(piece.words) for piece in pieces if piece.is_(tag)]
    # "Attendez", and why: both are said of the same.
    longest = sum(lengths) if tag is Command.WAIT else max(lengths)
    unknown = sum(piece.is_(UNKNOWN) or piece.is_(NUMBER) for piece in pieces)
    return unknown <= beside[min(longest, len(beside)) - 1]


def _emergency(words: Sequence[str], vocabulary: Vocabulary) -> bool:
    pieces = _emergency_lexicon(vocabulary)(words)
    if any(piece.is_(_Is.LONG_AGO) for piece in pieces):
        return False
    since_denied = _DENIED_WITHIN + 1
    for piece in pieces:
        if piece.is_(Command.EMERGENCY) and since_denied > _DENIED_WITHIN:
            return True
        since_denied = 0 if piece.is_(_Is.NOT) else since_denied + len(piece.words)
    return False


def _number(text: str, vocabulary: Vocabulary) -> int | None:
    """The one whole number that an answer is: as a figure, in words, or as an ordinal.

    Behind a cardinal nothing may follow that could be counted: "un rendez-vous" is no number.
    """
    spoken = text.lower().replace("-", " ").replace("'", " ").replace("’", " ")
    words = [word.strip(".,;:!?…") for word in spoken.split()]
    words = [word for word in words if word and plain(word) not in vocabulary.hesitations]
    if not words or len(words) > MOST_WORDS:
        return None
    found = [
        (number.start, number.end, int(number.value), number.is_ordinal)
        for number in find_numbers(
            [Token(word) for word in words], vocabulary.language, threshold=0
        )
    ]
    inside = {at for start, end, _, _ in found for at in range(start, end)}
    for at, word in enumerate(words):
        known = None if at in inside else _figure(plain(word), vocabulary)
        if known is not None:
            found.append((at, at + 1, *known))
    if len(found) > 1 and found[0][3] and (words[found[1][0]],) in vocabulary.numbered:
        # "The second one".
        del found[1]
    if len({(number, ordered) for _, _, number, ordered in found}) != 1:
        return None
    start, end, number, ordered = min(found)
    around = _numbered_lexicon(vocabulary)
    before, after = (
        around(plain(" ".join(some)).split()) for some in (words[:start], words[max(end, 0) :])
    )
    if len(found) > 1 or any(piece.is_(UNKNOWN) for piece in (*before, *after)):
        return None
    counted = any(piece.is_(_Is.NUMBERED) for piece in after)
    return None if counted and not ordered else number


def _figure(word: str, vocabulary: Vocabulary) -> tuple[int, bool] | None:
    """A number that text2num leaves as it is, and whether it is an ordinal."""
    if word in vocabulary.ordinals:
        return vocabulary.ordinals[word], True
    figures = _FIGURES.fullmatch(word)
    if figures is None or (figures[2] and figures[2] not in vocabulary.ordinal_endings):
        return None
    return int(figures[1]), bool(figures[2])


_Cut = Callable[[Sequence[str]], list[Piece]]


@lru_cache
def _yes_no_lexicon(vocabulary: Vocabulary) -> _Cut:
    dates = [tuple(name.split()) for name in (*vocabulary.months, *vocabulary.weekdays)]
    return Lexicon(
        (_Is.YES, vocabulary.yes),
        (_Is.NO, vocabulary.no),
        (_Is.SURE, vocabulary.sure),
        (_Is.NOT, vocabulary.negators),
        (_Is.DEGREE, vocabulary.degrees),
        (_Is.DENIABLE, vocabulary.deniable),
        (_Is.DOUBT, vocabulary.doubts),
        (_Is.FILLER, vocabulary.fillers),
        (_Is.FILLER, dates),
    ).cut


@lru_cache
def _wish_lexicon(vocabulary: Vocabulary) -> _Cut:
    said = vocabulary.yes | vocabulary.no
    return Lexicon(
        *((wish, vocabulary.commands[wish]) for wish in _WISHES),
        *((_Is.NOTHING, vocabulary.not_commands[wish]) for wish in _WISHES),
        (_Is.NOT, vocabulary.negators),
        (_Is.FILLER, vocabulary.fillers),
        (_Is.FILLER, [phrase for phrase in said if len(phrase) == 1]),
        (UNKNOWN, [phrase for phrase in said if len(phrase) > 1]),
        (_Is.NOT, _denying(vocabulary)),
    ).cut


@lru_cache
def _emergency_lexicon(vocabulary: Vocabulary) -> _Cut:
    return Lexicon(
        (Command.EMERGENCY, vocabulary.commands[Command.EMERGENCY]),
        (_Is.NOTHING, vocabulary.not_commands[Command.EMERGENCY]),
        (_Is.LONG_AGO, vocabulary.long_ago),
        (_Is.NOT, vocabulary.negators),
    ).cut


@lru_cache(256)
def _choice_lexicon(vocabulary: Vocabulary, step: str) -> _Cut:
    choices: Mapping[str, Phrases] = vocabulary.choices.get(step, {})
    return Lexicon(
        *choices.items(),
        *vocabulary.keys.items(),
        (_Is.NOT, vocabulary.negators),
        (_Is.FILLER, vocabulary.fillers),
        (_Is.FILLER, vocabulary.yes),
        (_Is.FILLER, vocabulary.no - _denying(vocabulary)),
        (_Is.NOT, _denying(vocabulary)),
    ).cut


def _denying(vocabulary: Vocabulary) -> Phrases:
    """What says no with a "not" in it: it may deny what comes after, as in "je ne veux pas …"."""
    negators = {phrase[0] for phrase in vocabulary.negators if len(phrase) == 1}
    return frozenset(
        phrase for phrase in vocabulary.no if len(phrase) > 1 and negators & set(phrase)
    )


@lru_cache
def _numbered_lexicon(vocabulary: Vocabulary) -> _Cut:
    return Lexicon(
        (_Is.NUMBERED, vocabulary.numbered),
        (_Is.FILLER, vocabulary.fillers),
        (_Is.FILLER, vocabulary.yes),
    ).cut
