"""A service that gives no appointments any more while a caller is about to take one."""

from __future__ import annotations

from flows.questions import Go
from flows.session import Session
from flows.speech import Line
from flows.steps.common import said_services, to_agent
from flows.world import World

SERVICE = "service"
# Which three of many choices are told: a note of this name.
SOME_OF = "service_part"
# Its notes on a caller who gave a postcode already: it was read back, or it was only typed.
SEARCHED = "searched"
TYPED = "typed"


def without_services(session: Session) -> Session:
    """The session of a person who was not asked what for yet."""
    fresh = from_the_first(session)
    return fresh.but(wanted=(), wished=(), since_asked="", since_passed=(), since_not=())


def from_the_first(session: Session) -> Session:
    """A caller who is asked what for anew hears the first of many choices first."""
    return session.without_note(SOME_OF)


def is_over(session: Session, world: World) -> bool:
    """Whether something that this person wants can be booked no more."""
    if not session.wanted or session.moving:
        return False
    open_now = {choice.campaign for choice in world.choices(session.born_on, session.groups)}
    return not open_now.issuperset(session.wanted)


def over_meanwhile(session: Session, campaigns: tuple[str, ...], world: World) -> Go:
    """The truth, and what there is still. Nothing is held or booked by half.

    A caller who writes hears it from an agent, for no text may name what it was for.
    """
    names = () if session.by_text else said_services(campaigns, session, world)
    told = (Line("service_over", {"services": names}),) if names else ()
    fresh = without_services(session).but(offers=(), chosen=-1, adjacent=(), trail=())
    if session.postcode:
        # Where they live is known, and not asked again. What was typed is read with the offers.
        unread = session.step == "postcode" or session.note(SERVICE) == TYPED
        fresh = fresh.with_note(SERVICE, TYPED if unread else SEARCHED)
    choices = world.choices(session.born_on, session.groups)
    if choices and session.by_text:
        return to_agent(fresh)
    return Go(fresh, SERVICE if choices else "closed", told, remember=False)
