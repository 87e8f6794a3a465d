"""What most steps share: patience, and the person behind the last easier way."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from flows.questions import Go, Miss, Move
from flows.session import Offer, Session
from flows.speech import Line
from flows.world import World

NO_SUCH_KEY = Miss("reason.key")


def to_person(session: Session) -> Go:
    """We do not understand each other: a person, with the way back to this question."""
    return Go(replace(session, resume=session.step), "person", (Line("hard_to_understand"),))


def in_words_for(offer: Offer, prompt: str) -> str:
    """The key of a sentence about a choice: one about two appointments has words of its own."""
    return f"{prompt}_both" if offer.second_start_at else prompt


def moments(offer: Offer) -> dict[str, datetime]:
    """When to come, by the centre's clock: `start` and, where there is one, `second`."""
    if offer.local_second is None:
        return {"start": offer.local_start}
    return {"start": offer.local_start, "second": offer.local_second}


class Patient:
    """Three wordings, then a person."""

    patience = 3

    def give_up(self, session: Session, world: World) -> Move:
        return to_person(session)
