"""The sentences of a language as a caller hears them: by question, by wording, by option."""

from __future__ import annotations

import re

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from flows.questions import Question
from prompts.catalogue import PAUSE, Catalogue, load
from simulator.answers import read_menu
from simulator.exchange import Gather
from tests.flows.walk import questions, walk

FRENCH: Catalogue = load("fr")
KEY = re.compile(
    r"\b(?:tapez|appuyez sur|composez|faites) "
    # One digit, and not the first of several that are spelt out.
    r"(?P<key>[0-9](?![ 0-9]*[0-9])|étoile|dièse)\b(?! chiffres)"
)
NAMED_KEYS = {"étoile": "*", "dièse": "#"}
RESERVED = frozenset("089*#")


@dataclass(frozen=True)
class Wording:
    """One wording of one question, filled with the values of a real call."""

    step: str
    question: Question
    number: int

    def __str__(self) -> str:
        lead = f"{self.question.lead}, " if self.question.lead else ""
        return f"{lead}{self.question.prompt}[{self.number}]"

    @property
    def marked(self) -> str:
        """With its pauses."""
        keys = (self.question.lead, self.question.prompt)
        return PAUSE.join(FRENCH.say(key, self.question.values, self.number) for key in keys if key)

    @property
    def text(self) -> str:
        return " ".join(self.marked.replace(PAUSE, " ").split())

    @property
    def sentences(self) -> list[str]:
        pieces = re.split(r"(?<=[.!?])\s+|\|", self.marked)
        return [piece.strip() for piece in pieces if piece.strip()]

    @property
    def is_menu(self) -> bool:
        return self.question.listen.is_menu

    @property
    def options(self) -> list[tuple[str, str]]:
        """Keys in the order in which they are told, each with all of its sentence before it."""
        found = []
        for sentence in self.sentences:
            start = 0
            for match in KEY.finditer(sentence):
                key = match["key"]
                found.append(
                    (NAMED_KEYS.get(key, key), sentence[start : match.start()].strip(" ,"))
                )
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


def examples() -> dict[str, tuple[str, Question]]:
    """Each prompt that a call can come to, with the step and the values of one call.

    One that has a sentence before it in some campaigns is there with it and without.
    """
    return questions(walk())


def wordings() -> Iterator[Wording]:
    for step, question in examples().values():
        for number in range(FRENCH.wordings(question.prompt)):
            yield Wording(step, question, number)


def spoken_lines() -> dict[str, dict[str, Any]]:
    """Every line that a call can hear, with one set of values for each."""
    found: dict[str, dict[str, Any]] = {}
    for turn in walk().turns:
        for line in turn.speech.lines:
            found.setdefault(line.key, dict(line.values))
    return found
