"""The words of one language that understanding needs, read from its file in `prompts/`.

Names of months and weekdays come from CLDR and number words from text2num; the table `[heard]`
holds what no library knows. Everything is kept as `plain` writes it.
"""

from __future__ import annotations

import re
import sys
import unicodedata

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Self

from babel.dates import get_day_names, get_month_names

# Stands for any one word in a phrase.
ANY_WORD = "*"
# The innermost ones.
_BRACKETS = re.compile(r"\(([^()]*)\)")
_NO_WORD = re.compile(r"[^0-9a-z*]+")
_SAID = {"yes": True, "no": False}
# The wishes that flows.understanding.words knows; each needs its words.
COMMANDS = ("emergency", "interpreter", "person", "slower", "again", "back", "wait", "cancel")
# What flows.understanding.messages knows that people write in a text.
WRITTEN = (
    "stop",
    "start",
    "wrong",
    "cancel",
    "move",
    "change",
    "where",
    "where_alone",
    "yes",
    "thanks",
)

# What flows.understanding.sentences knows in a sentence that says it all, and the people in it.
IN_SENTENCE = (
    *("for_people", "people_want", "self", "wants_self", "pronouns", "two"),
    *("born_self", "born_other", "born", "is_self", "is_other", "is_we"),
    *("lives_self", "lives_other", "lives_we", "lives", "code"),
    *("towards", "ends_place", "counted", "no_birth"),
)
PEOPLE = (
    *("husband", "wife", "partner", "mother", "father", "mother_in_law", "father_in_law"),
    *("sister", "brother", "daughter", "son", "grandmother", "grandfather", "aunt", "uncle"),
    *("friend", "neighbour", "other"),
)

# What flows.understanding.offered knows of appointments that were read out.
OFFERED = (
    *("today", "tomorrow", "after_tomorrow", "next_week"),
    *("earliest", "latest", "nearest", "first", "middle", "last", "clock"),
    *("distance", "aside"),
)

Phrase = tuple[str, ...]
Phrases = frozenset[Phrase]


class IncompleteVocabulary(Exception):
    """The table `[heard]` of a language lacks a key, or has one that nothing reads."""


def plain(text: str) -> str:
    """Small letters without accents, one space between words: `L'Haÿ-les-Roses`, l hay les roses.

    A recogniser spells, joins and punctuates as it likes; this is what it cannot change.
    """
    lower = text.lower()
    if not lower.isascii():
        spelt = lower.replace("œ", "oe").replace("æ", "ae")
        decomposed = unicodedata.normalize("NFKD", spelt)
        lower = "".join(letter for letter in decomposed if not unicodedata.combining(letter))
    return " ".join(_NO_WORD.sub(" ", lower).split())


@dataclass(frozen=True, eq=False)
class Vocabulary:
    """What people say in one language. There is one of each: compared and hashed by identity."""

    # Also text2num's name of it.
    language: str
    locale: str
    # Full and short names, 1 to 12: those of CLDR, and others that a recogniser writes.
    months: Mapping[str, int]
    # Full names, Monday is 0.
    weekdays: Mapping[str, int]
    # Whether 3/4 is the third of April.
    day_first: bool
    # Other words for 0, and words that say how often the next digit comes.
    zeros: frozenset[str]
    repeats: Mapping[str, int]
    # 1 to 19 in words, for a figure that a recogniser wrote behind the words of its number.
    figures: tuple[str, ...]
    # Ordinals that text2num does not know.
    ordinals: Mapping[str, int]
    # Noises that mean nothing anywhere.
    hesitations: frozenset[str]
    # What may stand between the parts of a date or of a row of digits.
    links: frozenset[str]
    # What takes back the numbers said before it, and what denies the number behind it.
    corrections: frozenset[str]
    denials: frozenset[str]
    # What makes an ordinal of a figure: 1er, 12th.
    ordinal_endings: frozenset[str]
    # What stands around any answer and changes nothing in it.
    fillers: Phrases
    yes: Phrases
    no: Phrases
    # A yes where nothing else is said: "sûr" is spelt like "sur" Vitré.
    sure: Phrases
    # "not", what may stand behind it, and what it then makes a "no", though no "yes" without it.
    negators: Phrases
    degrees: Phrases
    deniable: Phrases
    # With these it is neither yes nor no.
    doubts: Phrases
    # Words of callers who speak of themselves, words to a person beside them, and what begins a
    # reason, which answers nothing.
    own_words: frozenset[str]
    beside_words: frozenset[str]
    reasons: tuple[str, ...]
    # Before what follows from what was said: "so".
    concluding: frozenset[str]
    commands: Mapping[str, Phrases]
    # Where the words of a command mean something else.
    not_commands: Mapping[str, Phrases]
    # What people write in a text to us.
    written: Mapping[str, Phrases]
    # The parts of a sentence that says it all, and the people that it may be about.
    sentence: Mapping[str, Phrases]
    people: Mapping[str, Phrases]
    # What is said of appointments that were read out, and the minutes behind an hour.
    offered: Mapping[str, Phrases]
    minutes: Mapping[str, int]
    # With these an emergency is one of the past.
    long_ago: Phrases
    # What stands around the number of a choice.
    numbered: Phrases
    mornings: Phrases
    afternoons: Phrases
    # "before", "except": what follows is not what is wanted.
    excluding: Phrases
    # Keys that are no digits.
    keys: Mapping[str, Phrases]
    # The phrases that stand for a key, by step and key, and the keys of a yes and of a no.
    choices: Mapping[str, Mapping[str, Phrases]]
    answers: Mapping[str, Mapping[bool, str]]
    # What stands around the name of a town, and what says that the town is only close.
    around_towns: Phrases
    near_towns: Phrases
    # What takes back the town that was said before it.
    taken_back: frozenset[str]
    # What stands right before a town, and before a land.
    at_towns: frozenset[str]
    before_areas: Phrases
    articles: frozenset[str]
    determiners: frozenset[str]
    joiners: frozenset[str]
    # What names a street or a house, and no town, though it may sound like one.
    streets: Phrases
    # Words that hold an article in them: "au" Mans is Le Mans.
    contractions: Mapping[str, str]
    # What a recogniser may expect, spelt as it is written: everywhere, at read-backs, by step.
    hints: Mapping[str, tuple[str, ...]]
    month_names: tuple[str, ...]

    @classmethod
    def read(cls, language: str, locale: str, heard: Mapping[str, Any]) -> Self:
        """From the table `[heard]` of a language file. Raises IncompleteVocabulary."""
        table = _Table(f"{language}.toml: heard", heard)
        commands, not_commands = table.table("commands"), table.table("not_commands")
        choices, keys = table.table("choices"), table.table("keys")
        articles, hints = table.table("contractions"), table.table("hints")
        written = table.table("sms")
        sentence, people = table.table("sentence"), table.table("people")
        offered = table.table("offered")
        steps = {step: choices.with_like(step) for step in choices.names}
        listed = {
            field.name: _LISTED[str(field.type)](table, field.name)
            for field in fields(cls)
            if field.type in _LISTED
        }
        vocabulary = cls(
            **listed,
            language=language,
            locale=locale,
            months={**_months(locale), **table.numbers("short_months")},
            weekdays={
                plain(name): day for day, name in get_day_names("wide", locale=locale).items()
            },
            day_first=table.flag("day_first"),
            figures=table.spelt("figures"),
            reasons=table.spelt("reasons"),
            repeats=table.numbers("repeats"),
            ordinals=table.numbers("ordinals"),
            commands={name: commands.phrases(name) for name in COMMANDS},
            not_commands={name: not_commands.phrases(name) for name in COMMANDS},
            written={name: written.phrases(name) for name in WRITTEN},
            sentence={name: sentence.phrases(name) for name in IN_SENTENCE},
            people={name: people.phrases(name) for name in PEOPLE},
            offered={name: offered.phrases(name) for name in OFFERED},
            minutes=table.numbers("minutes"),
            keys={key: keys.phrases(key) for key in keys.names},
            choices={
                step: {key: words.phrases(key) for key in words.names if key not in _SAID}
                for step, words in steps.items()
            },
            answers={
                step: {_SAID[said]: words.key(said) for said in words.names if said in _SAID}
                for step, words in steps.items()
            },
            contractions={word: articles.key(word) for word in articles.names},
            hints={name: hints.spelt(name) for name in hints.names},
            month_names=tuple(get_month_names("wide", locale=locale).values()),
        )
        for read in (table, commands, not_commands, written, sentence, people, offered):
            read.nothing_left()
        return vocabulary


class _Table:
    """A table of a language file that notices what is missing, and what is never asked for."""

    def __init__(self, name: str, values: object) -> None:
        if not isinstance(values, Mapping):
            raise IncompleteVocabulary(f"{name} is no table")
        self._name = name
        self._values: Mapping[str, Any] = values
        self._asked: set[str] = set()

    @property
    def names(self) -> Sequence[str]:
        return list(self._values)

    def table(self, key: str) -> _Table:
        return _Table(f"{self._name}.{key}", self._value(key))

    def with_like(self, key: str) -> _Table:
        """A table with all entries of another one besides its own: `like = "other"`."""
        own = dict(self._value(key)) if isinstance(self._value(key), Mapping) else self._value(key)
        if isinstance(own, dict) and "like" in own:
            own = {**self._value(own.pop("like")), **own}
        return _Table(f"{self._name}.{key}", own)

    def phrases(self, key: str) -> Phrases:
        """Phrases, each in all its forms: "(je|) confirme" stands for two."""
        # Some fifteen thousand of few words: each word is there once.
        return frozenset(tuple(map(sys.intern, spoken.split())) for spoken in self._spoken(key))

    def spelt(self, key: str) -> tuple[str, ...]:
        """Words as they are written, accents and all."""
        listed = self._value(key)
        if not isinstance(listed, list) or not all(isinstance(word, str) for word in listed):
            raise IncompleteVocabulary(f"{self._name}.{key} is no list of words")
        return tuple(listed)

    def words(self, key: str) -> frozenset[str]:
        words = frozenset(self._spoken(key))
        for word in words:
            if " " in word:
                raise IncompleteVocabulary(f"{self._name}.{key}: {word!r} is more than one word")
        return words

    def numbers(self, key: str) -> Mapping[str, int]:
        """Words with the number that they stand for."""
        numbers = self.table(key)
        return {plain(word): numbers._whole(word) for word in numbers.names}  # noqa: SLF001

    def key(self, key: str) -> str:
        """A key of the telephone."""
        pressed = self._value(key)
        if not isinstance(pressed, str):
            raise IncompleteVocabulary(f"{self._name}.{key} is no key")
        return pressed

    def flag(self, key: str) -> bool:
        flag = self._value(key)
        if not isinstance(flag, bool):
            raise IncompleteVocabulary(f"{self._name}.{key} is neither true nor false")
        return flag

    def nothing_left(self) -> None:
        for key in self._values:
            if key not in self._asked:
                raise IncompleteVocabulary(f"{self._name}.{key} is read by nothing")

    def _whole(self, key: str) -> int:
        number = self._value(key)
        if not isinstance(number, int):
            raise IncompleteVocabulary(f"{self._name}.{key} is no number")
        return number

    def _spoken(self, key: str) -> Iterator[str]:
        listed = self._value(key)
        if not isinstance(listed, list):
            raise IncompleteVocabulary(f"{self._name}.{key} is no list")
        for spoken in listed:
            for form in _forms(spoken if isinstance(spoken, str) else ""):
                if not form:
                    raise IncompleteVocabulary(f"{self._name}.{key}: {spoken!r} has no words")
                yield form

    def _value(self, key: str) -> Any:
        self._asked.add(key)
        try:
            return self._values[key]
        except KeyError:
            raise IncompleteVocabulary(f"{self._name}.{key} is missing") from None


# What stands in the table under a field's own name, by the field's type.
_LISTED: Mapping[str, Callable[[_Table, str], Any]] = {
    "Phrases": _Table.phrases,
    "frozenset[str]": _Table.words,
}


def phrases_of(spoken: Iterable[str]) -> Phrases:
    """Words as they are written in a file, with the brackets that stand for several, as phrases."""
    forms = (form for phrase in spoken for form in _forms(phrase))
    return frozenset(phrase for form in forms if (phrase := tuple(plain(form).split())))


def _forms(spoken: str) -> Iterator[str]:
    """Every way through the brackets of a phrase, as `plain` writes it."""
    brackets = _BRACKETS.search(spoken)
    if brackets is None:
        yield plain(spoken)
        return
    for way in brackets[1].split("|"):
        yield from _forms(spoken[: brackets.start()] + way + spoken[brackets.end() :])


def _months(locale: str) -> Mapping[str, int]:
    widths = [get_month_names(width, locale=locale) for width in ("abbreviated", "wide")]
    return {plain(name): number for names in widths for number, name in names.items()}
