"""The few kinds of question that all steps are made of, and what an answer can lead to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from flows.session import Session
from flows.speech import Line, Listen, TurnOutcome

# Of a step that has no page on the public site.
TELEPHONE_ONLY = ""


class Part(StrEnum):
    """A part of the conversation: supervisors see how callers fare in each."""

    WELCOME = "welcome"
    BIRTH = "birth"
    TOWN = "town"
    OFFERS = "offers"
    CONFIRM = "confirm"
    MINE = "mine"
    PERSON = "person"


@dataclass(frozen=True)
class Question:
    """One thing asked. `prompt` names a list of wordings, each longer than the one before.

    `lead` names a sentence that stands before it each time it is put, in the same try's wording
    and with the same values; empty for none. `before` is said before that, each time in the same
    try's wording. `after` is said after it, in other languages.
    """

    prompt: str
    listen: Listen
    values: Mapping[str, Any] = field(default_factory=dict)
    lead: str = ""
    after: tuple[Line, ...] = ()
    before: tuple[Line, ...] = ()


def menu(prompt: str, **values: Any) -> Question:
    """One key answers."""
    return Question(prompt, Listen(), values)


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
    `keeps`: another call may go on from here, as if the line had been cut.
    """

    session: Session
    lines: tuple[Line, ...]
    outcome: TurnOutcome = TurnOutcome.ENDED
    dial: str = ""
    queue: str = ""
    conference: str = ""
    keeps: bool = False


Move = Go | Miss | End
