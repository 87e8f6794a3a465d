"""The sentences of a language as a caller hears them: by question, by wording, by option."""

from __future__ import annotations

import re
import tomllib

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

from exchange.interpreter import Gather
from flows.engine import lines_of
from flows.questions import Question
from flows.steps import STEPS
from prompts.catalogue import FOLDER, PAUSE, Catalogue, languages, load
from prompts.check_rules import longest
from tests.flows.fake_world import FakeWorld
from tests.flows.walk import CAMPAIGNS, my_weathers, walk, weathers
from tools.simulator.answers import read_menu

FRENCH: Catalogue = load("fr")
LANGUAGES = languages()
# One digit, and not the first of several that are spelt out.
_ONE_KEY = r"[0-9](?![ 0-9]*[0-9])"


def _source(language: str) -> dict[str, str]:
    with (FOLDER / f"{language}.toml").open("rb") as file:
        entries: dict[str, str] = tomllib.load(file)["language"]
    return entries


def _key(language: str) -> re.Pattern[str]:
    """How an option names its key; French has other verbs too."""
    own = _source(language)
    verbs = "tapez|appuyez sur|composez|faites" if language == "fr" else own["press"]
    keys = f"{_ONE_KEY}|{own['star']}|{own['hash']}"
    return re.compile(rf"\b(?:{verbs}) (?P<key>{keys})\b(?! chiffres| digits)")


KEYS = {language: _key(language) for language in LANGUAGES}
NAMED_KEYS = {
    _source(language)[name]: key
    for language in LANGUAGES
    for name, key in (("star", "*"), ("hash", "#"))
}
RESERVED = frozenset("089*#")


@dataclass(frozen=True)
class Wording:
    """One wording of one question, filled with the values of a real call."""

    language: str
    step: str
    question: Question
    number: int
    # As it is heard after key 8.
    slow: bool = False

    def __str__(self) -> str:
        lead = f"{self.question.lead}, " if self.question.lead else ""
        slow = ", slow" if self.slow else ""
        return f"{self.language}: {lead}{self.question.prompt}[{self.number}]{slow}"

    def _say(self, language: str, key: str, values: Mapping[str, Any], number: int) -> str:
        catalogue = load(language)
        return catalogue.say(catalogue.short(key) if self.slow else key, values, number)

    @cached_property
    def lines(self) -> list[tuple[str, str]]:
        """Language and text, with its pauses, of each line."""
        lines = []
        for line in lines_of(self.step, self.question, self.number):
            if line.language == self.language:
                # It invites those of another language than the call's.
                continue
            language = line.language or self.language
            lines.append((language, self._say(language, line.key, line.values, line.wording)))
        return lines

    @cached_property
    def marked(self) -> str:
        """With its pauses."""
        return PAUSE.join(text for _, text in self.lines)

    @cached_property
    def text(self) -> str:
        return " ".join(self.marked.replace(PAUSE, " ").split())

    @cached_property
    def sentences(self) -> list[str]:
        return sentences_of(self.marked)

    @property
    def is_menu(self) -> bool:
        return self.question.listen.is_menu

    @cached_property
    def options(self) -> list[tuple[str, str]]:
        """Keys in the order in which they are told, each with all of its sentence before it."""
        found = []
        for language, text in self.lines:
            for sentence in sentences_of(text):
                start = 0
                for match in KEYS[language].finditer(sentence):
                    key = match["key"]
                    label = sentence[start : match.start()].strip(" ,")
                    found.append((NAMED_KEYS.get(key, key), label))
                    start = match.end()
        return found

    @property
    def choices(self) -> dict[str, str]:
        """What is offered here, apart from the keys that mean the same everywhere."""
        return {key: label.casefold() for key, label in self.options if key not in RESERVED}

    def as_read_by_a_machine(self) -> dict[str, str]:
        """The choices as an independent reader of menus finds them."""
        return {option.key: option.label for option in read_menu(self.text)}

    @property
    def gather(self) -> Gather:
        return Gather({"numDigits": str(self.question.listen.digits)}, (), "")


def sentences_of(marked: str) -> list[str]:
    """The sentences of a text; here a pause ends one, too."""
    pieces = re.split(r"(?<=[.!?])\s+|\|", marked)
    return [piece.strip() for piece in pieces if piece.strip()]


@lru_cache
def examples() -> dict[str, tuple[str, Question]]:
    """Each prompt that a call can come to, with the step and the values of one call.

    One that has a sentence before it in some calls is there with it and without.
    """
    worlds = {**weathers(), **my_weathers(), **{name: make() for name, make in CAMPAIGNS.items()}}
    found: dict[str, tuple[str, Question]] = {}
    asked = set()
    for turn in walk().turns:
        step = turn.after.step
        keys = (step, *(line.key for line in turn.speech.lines))
        if turn.speech.listen is None or keys in asked:
            continue
        asked.add(keys)
        question = STEPS[step].question(turn.after, worlds.get(turn.weather, FakeWorld()))
        found.setdefault(f"{question.lead} {question.prompt}".strip(), (step, question))
    return found


@lru_cache
def wordings(language: str) -> tuple[Wording, ...]:
    """Those that the language has, at both paces; what it lacks is found by the check."""
    catalogue = load(language)
    found: list[Wording] = []
    for step, question in examples().values():
        keys = {question.prompt, question.lead or question.prompt}
        if keys - catalogue.keys:
            continue
        # Where a pace has no words of its own, it has those of the other.
        paces = (False, True) if {catalogue.short(key) for key in keys} != keys else (False,)
        for slow in paces:
            numbers = range(catalogue.wordings(question.prompt))
            found += (Wording(language, step, question, number, slow) for number in numbers)
    return tuple(found)


@lru_cache
def spoken_lines() -> dict[str, dict[str, Any]]:
    """Every line that a call can hear, with one set of values for each."""
    found: dict[str, dict[str, Any]] = {}
    for turn in walk().turns:
        for line in turn.speech.lines:
            found.setdefault(line.key, dict(line.values))
            if turn.speech.listen:
                # Key 8 slows down every question.
                found.setdefault(FRENCH.short(line.key), dict(line.values))
    return found


@lru_cache
def everything_said(language: str) -> tuple[tuple[str, str], ...]:
    """Every key in every wording, with the values of a call where one came to it."""
    catalogue, met = load(language), spoken_lines()
    return tuple(
        (key, catalogue.say(key, {**longest(catalogue.parts(key, n)), **met.get(key, {})}, n))
        for key in catalogue.spoken_keys
        for n in range(catalogue.wordings(key))
    )
