"""The postcode. What is said is read back with its town; a "yes" there searches for slots.

What is typed is sure where it is the code of one place. Then it is read together with the offers,
which the star corrects: no question of its own.
"""

from __future__ import annotations

from flows.questions import TELEPHONE_ONLY, Go, Miss, Move, Part, Question, menu
from flows.session import Session
from flows.speech import Line
from flows.steps.common import NO_SUCH_KEY, Patient, Step
from flows.steps.offers import search_for_typed, search_nearest
from flows.steps.town import (
    POSTCODE_DIGITS,
    agreed,
    as_cedex,
    ask_which,
    at_town,
    heard_cedex,
    heard_postcodes,
    named_elsewhere,
    one_home,
    propose,
    proposed,
)
from flows.understanding import is_digits
from flows.world import World


class Postcode(Step):
    """After a code that does not exist, or two failed tries, the town is asked for."""

    name = "postcode"
    part = Part.TOWN
    page = "commune"
    after = "not_eligible"
    patience = 2
    most_digits = POSTCODE_DIGITS
    hears_parts = True

    def take(self, session: Session, pressed: str, world: World) -> Move:
        if not is_digits(pressed) or len(pressed) != POSTCODE_DIGITS:
            return Miss("reason.postcode_incomplete")
        town = world.town(pressed)
        if town is None:
            asked = Go(session, "town", (Line("perhaps_cedex"),), remember=False)
            return as_cedex(session, pressed, world) or asked
        if not town.is_sure:
            return Go(propose(session, town), "postcode_check")
        return search_for_typed(at_town(session, town), world)

    def hear(self, session: Session, text: str, world: World) -> Move | None:
        codes = heard_postcodes(session, text, world)
        if codes:
            elsewhere = named_elsewhere(session, text, codes, world)
            return ask_which(session, codes + elsewhere, "postcode_check")
        towns = one_home(session, text, world.towns(text), world)
        return ask_which(session, towns) if towns else heard_cedex(session, text, world)

    def give_up(self, session: Session, world: World) -> Move:
        return Go(session, "town", (Line("easier_town"),), remember=False)


class PostcodeCheck(Patient):
    name = "postcode_check"
    part = Part.TOWN
    page = TELEPHONE_ONLY

    def question(self, session: Session, world: World) -> Question:
        read = proposed(session)
        return menu("postcode_check", postcode=read.postcode, town=read.name)

    def hear(self, session: Session, text: str, world: World) -> Move | None:
        codes = heard_postcodes(session, text, world)
        if codes and codes[0].postcode != proposed(session).postcode:
            # "No, 75012": what is right, said with what was wrong.
            return ask_which(session, codes, self.name)
        return super().hear(session, text, world)

    def take(self, session: Session, pressed: str, world: World) -> Move:
        if pressed == "2":
            return Go(session, "postcode", remember=False)
        return search_nearest(agreed(session), world) if pressed == "1" else NO_SUCH_KEY
