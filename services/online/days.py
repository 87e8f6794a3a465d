"""A day first, then an hour and a centre: the other way to choose a slot; it holds only that one.

What is free is looked at on the site's reading side and nothing is taken by looking. The slots that
the visit holds already stay its own until an hour is chosen.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import date

from flows.session import Session
from flows.steps.offers import plain_search
from flows.understanding import is_digits
from services.online.web_sessions import WebSession, WebSessionTurn, WebWorld
from services.service import Service
from services.slots.free_days import FreeAtCentre, FreeDay
from services.store import Store

# The page of the site's own: the visit stays at its offers meanwhile.
NAME = "days"
_MOST_DIGITS = 18


def days(store: Store, service: Service, visit: WebSession) -> list[FreeDay]:
    """The next days with free places near this visitor, in two statements at the most."""
    with WebSessionTurn(store, visit.id, visit.number, visit.counts_by) as turn:
        world = WebWorld(service, turn, visit.session)
        return world.free_days(plain_search(visit.session, world))


def hours(store: Store, service: Service, visit: WebSession, day: date) -> list[FreeAtCentre]:
    """What is free on a day near this visitor, by centre, the nearest first."""
    with WebSessionTurn(store, visit.id, visit.number, visit.counts_by) as turn:
        world = WebWorld(service, turn, visit.session)
        return world.free_hours(plain_search(visit.session, world), day)


def take(session: Session, world: WebWorld, hour: str) -> Session | None:
    """Hold the slot of `hour` ("CENTRE/SLOT") as what is chosen, and give the rest back (changes).

    None where there is none of that name, or it was taken meanwhile.
    """
    centre_id, _, slot = hour.rpartition("/")
    if not centre_id or not is_digits(slot) or len(slot) > _MOST_DIGITS:
        return None
    search = plain_search(session, world)
    offers = world.hold_slot(int(slot), replace(search, centre_id=centre_id))
    if not offers:
        return None
    offered = (*session.offered, *(offer.slot_id for offer in offers))
    return session.but(offers=offers, offered=offered, chosen=0, adjacent=())
