"""The postcode, read back with its town; a "yes" there finds and holds the nearest slots."""

from __future__ import annotations

from dataclasses import replace

from flows.questions import Go, Miss, Move, Question, entry, menu
from flows.session import Session
from flows.steps.common import NO_SUCH_KEY, Patient
from flows.steps.offers import search_nearest
from flows.understanding import is_digits
from flows.world import World

POSTCODE_DIGITS = 5


class Postcode(Patient):
    name = "postcode"

    def question(self, session: Session, world: World) -> Question:
        return entry("postcode", POSTCODE_DIGITS)

    def take(self, session: Session, pressed: str, world: World) -> Move:
        if not is_digits(pressed) or len(pressed) != POSTCODE_DIGITS:
            return Miss("reason.postcode_incomplete")
        town = world.town(pressed)
        if town is None:
            return Miss("reason.no_such_postcode")
        found = replace(
            session,
            postcode=town.postcode,
            town=town.name,
            latitude=town.latitude,
            longitude=town.longitude,
            territory=town.territory,
            # Somewhere else: what was read before may be read again.
            offered=(),
        )
        return Go(found, "postcode_check")


class PostcodeCheck(Patient):
    name = "postcode_check"

    def question(self, session: Session, world: World) -> Question:
        return menu("postcode_check", postcode=session.postcode, town=session.town)

    def take(self, session: Session, pressed: str, world: World) -> Move:
        if pressed == "2":
            return Go(session, "postcode", remember=False)
        return search_nearest(session, world) if pressed == "1" else NO_SUCH_KEY
