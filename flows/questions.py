"""The few kinds of question that all steps are made of, and what an answer can lead to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from flows.session import Session
from flows.speech import Line, Listen, TurnOutcome
from flows.world import World


@dataclass(frozen=True)
class Question:
    """One thing asked. `prompt` names a list of wordings, each longer than the one before.

    `lead` names a sentence that stands before it each time it is put, in the same try's wording
    and with the same values; empty for none. `after` is said after it, in other languages.
    """

    prompt: str
    listen: Listen
    values: Mapping[str, Any] = field(default_factory=dict)
    lead: str = ""
    after: tuple[Line, ...] = ()


def menu(prompt: str, **values: Any) -> Question:
    """One key answers."""
    return Question(prompt, Listen(), values)


def entry(prompt: str, digits: int, **values: Any) -> Question:
    """Up to `digits` digits, typed."""
    return Question(prompt, Listen(digits), values)


@dataclass(frozen=True)
class Go:
    """Understood: on to another step, after saying `lines`."""

    session: Session
    step: str
    lines: tuple[Line, ...] = ()
    outcome: TurnOutcome = TurnOutcome.ASKED
    # False where "one step back" must not come here again.
    remember: bool = True


@dataclass(frozen=True)
class Miss:
    """Not understood, for a reason that `prompts/` can say."""

    reason: str


@dataclass(frozen=True)
class End:
    """The last words of the call; with `dial` (E.164), before the caller is connected there.

    The same with `queue` and `conference`, from where they come back to the step of the session.
    """

    session: Session
    lines: tuple[Line, ...]
    outcome: TurnOutcome = TurnOutcome.ENDED
    dial: str = ""
    queue: str = ""
    conference: str = ""


Move = Go | Miss | End


class Step(Protocol):
    """One question of the conversation: how it is put, and what an answer does."""

    name: str
    # Tries before the next easier way is taken (the call script: two, then easier, then a person).
    patience: int
    # Whether silence is an answer, and leads on at once.
    silence_leads_on: bool

    def question(self, session: Session, world: World) -> Question: ...

    def take(self, session: Session, pressed: str, world: World) -> Move: ...

    def hear(self, session: Session, text: str, world: World) -> Move | None:
        """Take an answer in words; None when they mean nothing here."""
        ...

    def give_up(self, session: Session, world: World) -> Move:
        """The next easier way after `patience` failed tries."""
        ...
