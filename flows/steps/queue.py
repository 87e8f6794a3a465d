"""Waiting for a person: the caller is in the provider's queue, which posts here when they are not.

What it says of the reason decides little, for their place is ours: what became of that does.
"""

from __future__ import annotations

from typing import Protocol

from flows.agents import AfterQueue, NoPerson, Unavailable
from flows.questions import End, Go, Move
from flows.session import Session
from flows.speech import Line, TurnOutcome
from flows.steps.line import QUEUE, WITH_AGENT, offer_instead, promised, to_queue, why_not
from flows.world import World

# The provider's words for why a call is out of its queue. A caller who hung up is no reason to say
# anything, and is answered before any step is asked.
HUNG_UP = "hangup"
# The queue did not take them, or could not keep them; an empty one is none of its own.
DID_NOT_HOLD = frozenset({"queue-full", "system-error", "error", ""})
_FULL = "queue-full"


class Held(Protocol):
    """A step at which nothing is asked: the provider holds the call."""

    name: str

    def back(self, session: Session, result: str, world: World) -> Move:
        """What a caller meets after the queue, for a reason in the provider's words."""


class Queue:
    """In the queue for an agent."""

    name = QUEUE

    def back(self, session: Session, result: str, world: World) -> Move:
        after = world.after_queue()
        if after is AfterQueue.TAKEN:
            # Whatever the provider did to it, this call belongs into the conference.
            return with_agent(session)
        if after is AfterQueue.PROMISED:
            return promised(session, world, session.caller, world.promised_at())
        if after is AfterQueue.NUMBER:
            return Go(session, "person_number", remember=False)
        if after is AfterQueue.WAITING and result in DID_NOT_HOLD:
            why = NoPerson.FULL if result == _FULL else NoPerson.FAILED
            return offer_instead(session, world, why_not(Unavailable(why)))
        if after is AfterQueue.WAITING:
            return to_queue(session, (Line("queue_goes_on"),))
        return back_to_machine(session, world)


def with_agent(session: Session, lines: tuple[Line, ...] = ()) -> End:
    """Into the conference of the agent who has them."""
    talks = session.moved(WITH_AGENT)
    return End(talks, lines, TurnOutcome.CONNECTED, conference=session.line)


def back_to_machine(session: Session, world: World, step: str = "") -> Move:
    """On where they were, or at `step`; what was said is known still."""
    without = session.but(line="", line_queue="", person_reason="")
    step = step or session.resume
    if not step:
        # There is no way on from where they came: what a person could do, a call back can.
        return offer_instead(without, world, ())
    return Go(without, step, (Line("resumed"),), remember=False)
