"""What most steps share: patience, and the person behind the last easier way."""

from __future__ import annotations

from dataclasses import replace

from flows.questions import Go, Miss, Move
from flows.session import Session
from flows.speech import Line
from flows.world import World

NO_SUCH_KEY = Miss("reason.key")


def to_person(session: Session) -> Go:
    """We do not understand each other: a person, with the way back to this question."""
    return Go(replace(session, resume=session.step), "person", (Line("hard_to_understand"),))


class Patient:
    """Three wordings, then a person."""

    patience = 3

    def give_up(self, session: Session, world: World) -> Move:
        return to_person(session)
