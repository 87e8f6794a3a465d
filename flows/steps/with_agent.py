"""With a person: the caller is in a conference, and back here when that is over for them."""

from __future__ import annotations

from flows.agents import AfterAgent
from flows.questions import End, Move
from flows.session import Moving, Proving, Session
from flows.speech import Line, Speech, TurnOutcome
from flows.steps.line import WITH_AGENT, promised, to_queue
from flows.steps.offers import search_nearest
from flows.steps.queue import back_to_machine, with_agent
from flows.world import World


class WithAgent:
    """In the conference of an agent."""

    name = WITH_AGENT

    def back(self, session: Session, result: str, world: World) -> Move:
        after = world.after_agent()
        if after.what is AfterAgent.STILL:
            return with_agent(session.but(line=after.conference or session.line))
        if after.what is AfterAgent.LOST_AGENT:
            waits = session.but(
                line=after.conference or session.line,
                line_queue=after.queue or session.line_queue,
            )
            return to_queue(waits, (Line("agent_lost"),))
        if after.what is AfterAgent.PROMISED:
            return promised(session, world, session.caller, world.promised_at())
        if after.what is AfterAgent.HANDED_BACK:
            return _handed_back(session, world, after.step)
        return End(session, (Line("goodbye"),), TurnOutcome.ENDED)


def _handed_back(session: Session, world: World, step: str) -> Move:
    """On at the step that the agent chose, with what was given and none of what was booked.

    An agent may have booked, moved or given anything back: nothing of that is told from memory.
    """
    fresh = session.but(
        trail=(), resume="", reference="", offers=(), offered=(), chosen=-1, adjacent=(), typed="",
        proving=Proving.NOTHING, asked="", mine=None, doses_to_cancel=(), moving=Moving.NONE,
    )  # fmt: skip
    if step != "offers":
        return back_to_machine(fresh, world, step or "welcome")
    without = fresh.but(line="", line_queue="", person_reason="")
    if not (session.born and session.territory):
        # The person and the place are not known yet: ask for them first.
        return back_to_machine(fresh, world, "postcode" if session.born else "date_of_birth")
    return search_nearest(without, world, lines=(Line("resumed"),))


def taken(session: Session, conference: str, *, in_menu: bool = False) -> tuple[Session, Speech]:
    """The turn that brings a caller to the agent who took them: out of the queue, or of the menu.

    `conference` is the id of their place in the queue.
    """
    if in_menu:
        session = session.but(resume=session.step)
    lines = (Line("person_passed"),) if in_menu else ()
    end = with_agent(session.but(line=conference, alive=True), lines)
    speech = Speech(
        end.lines,
        None,
        end.outcome,
        language=session.language,
        slow=session.slow,
        conference=end.conference,
    )
    return end.session, speech
