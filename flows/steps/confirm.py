"""Everything once more; 1 books. Nothing is said to be booked before it is."""

from __future__ import annotations

from dataclasses import replace

from flows.questions import Go, Move, Question, menu
from flows.session import Session
from flows.speech import Line, Outcome
from flows.steps.common import NO_SUCH_KEY, Patient
from flows.steps.offers import search_nearest
from flows.world import Order, World


class Confirm(Patient):
    name = "confirm"

    def question(self, session: Session, world: World) -> Question:
        offer = session.choice
        return menu(
            "confirm",
            born=session.born_on,
            place=offer.name,
            street=offer.street,
            town=offer.town,
            start=offer.local_start,
        )

    def take(self, session: Session, pressed: str, world: World) -> Move:
        if pressed == "2":
            return Go(session, "offers", remember=False)
        if pressed != "1":
            return NO_SUCH_KEY
        order = Order(
            offer=session.choice,
            born=session.born_on,
            postcode=session.postcode,
            number=session.number,
        )
        reference = world.confirm(order)
        if reference is None:
            # Gone in the meantime: the caller hears another, not an error.
            return search_nearest(session, world, lines=(Line("just_taken"),))
        # From here nothing leads back: what is booked is booked.
        booked = replace(session, reference=reference, trail=())
        return Go(booked, "ready", outcome=Outcome.BOOKED, remember=False)
