"""No slot near: the truth, and what there is elsewhere or later."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from flows.questions import TELEPHONE_ONLY, End, Go, Move, Part, Question, menu
from flows.session import Session
from flows.speech import Line, TurnOutcome
from flows.steps.common import NO_SUCH_KEY, Patient
from flows.steps.offers import FAR_MORE_KILOMETRES, found_or_not, search_nearest
from flows.steps.tell import Tell, ask_number, known_number
from flows.world import World


class OwnCentre(Patient):
    """A centre that books for itself, much nearer than anything of ours: the call can go there."""

    name = "own_centre"
    part = Part.OFFERS
    page = TELEPHONE_ONLY
    after = "part_of_day"

    def question(self, session: Session, world: World) -> Question:
        values: dict[str, Any] = {
            "place": session.own_spoken or session.own_name,
            "town": session.own_town,
            "distance": session.own_kilometres,
        }
        if not session.offers:
            return menu(self.name, **values)
        return menu(f"{self.name}_or_offers", far=session.offers[0].kilometres, **values)

    def take(self, session: Session, pressed: str, world: World) -> Move:
        if pressed == "1":
            place = session.own_spoken or session.own_name
            said = Line("own_centre_dial", {"place": place, "number": session.own_phone})
            return End(session, (said,), TurnOutcome.CONNECTED, dial=session.own_phone)
        return self.give_up(session, world) if pressed == "2" else NO_SUCH_KEY

    def give_up(self, session: Session, world: World) -> Move:
        return Go(session, found_or_not(session), remember=False)


class NoSlot(Patient):
    """The truth, and what can be done about it."""

    name = "no_slot"
    tells_person_at_once = True
    part = Part.OFFERS
    page = "attente"
    after = "partner_centre"

    def question(self, session: Session, world: World) -> Question:
        rules = world.rules(session.wanted)
        values = {"town": session.town, "after": rules.second_after_days}
        # There may be free slots; there is none with a second one.
        lead = "none_near_both" if rules.doses > 1 else "none_near"
        if session.far_town:
            far = {"far_town": session.far_town, "far": session.far_kilometres}
            return replace(menu("no_slot_but_far", **values, **far), lead=lead)
        return replace(menu("no_slot", **values), lead=lead)

    def take(self, session: Session, pressed: str, world: World) -> Move:
        keys = {"1": "waiting", "2": "town", "3": "again"}
        if session.far_town:
            keys = {"1": "far", "2": "waiting", "3": "town"}
        wish = keys.get(pressed)
        if wish == "far":
            within = session.far_kilometres + FAR_MORE_KILOMETRES
            return search_nearest(session.but(within=within), world)
        if wish == "waiting":
            return wait_for_place(session)
        if wish == "town":
            return Go(session, "town")
        return search_nearest(session, world) if wish == "again" else NO_SUCH_KEY


def wait_for_place(session: Session) -> Go:
    """To the waiting list: at a number that is known, or one that is typed."""
    return Go(session, "waiting") if known_number(session) else ask_number(session, Tell.WAITING)
