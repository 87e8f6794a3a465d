"""Up to three slots, nearest centre first, held while the call lives; and ways to hear others."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, time, timedelta

from flows.questions import Go, Move, Question, menu
from flows.session import Session
from flows.speech import Line
from flows.steps.common import NO_SUCH_KEY, Patient
from flows.understanding import birthday
from flows.world import Search, World

OTHERS_KEY = "4"
# Said before the offers of a campaign with two appointments.
SECOND_COMES_WITH_IT = "second_comes_with_it"
# Steps that stand on what a search found.
AFTER_SEARCH = frozenset(
    {
        "offers",
        "other_offers",
        "part_of_day",
        "no_slot",
        "reach",
        "reach_number",
        "reach_check",
        "confirm",
    }
)


def search_nearest(
    session: Session,
    world: World,
    *,
    not_before: datetime | None = None,
    part_of_day: str = "",
    beyond_kilometres: float = 0.0,
    lines: tuple[Line, ...] = (),
) -> Move:
    """Find and hold, then read the offers, or say that there is none.

    Nobody is offered a day on which they are still too young. Offers that were read before are
    skipped; when nothing else is left they are read again, and the caller is told so.
    """
    rules = world.rules()
    search = Search(
        latitude=session.latitude,
        longitude=session.longitude,
        territory=session.territory,
        not_before=max(world.now(), not_before or world.now()),
        first_day=birthday(session.born_on, rules.minimum_age),
        part_of_day=part_of_day,
        beyond_kilometres=beyond_kilometres,
        skip_slots=session.offered,
    )
    offers = world.hold_nearest(search)
    if not offers and session.offered:
        lines = (*lines, Line("no_others"))
        plain = replace(search, skip_slots=(), part_of_day="", beyond_kilometres=0.0)
        offers = world.hold_nearest(replace(plain, not_before=world.now()))
    searched = replace(
        session,
        offers=offers,
        offered=session.offered + tuple(offer.slot_id for offer in offers),
        chosen=-1,
        # One step back must not lead to offers that are no more.
        trail=tuple(step for step in session.trail if step not in AFTER_SEARCH),
    )
    return Go(
        searched,
        "offers" if offers else "no_slot",
        lines,
        remember=session.step not in AFTER_SEARCH,
    )


class Offers(Patient):
    name = "offers"

    def question(self, session: Session, world: World) -> Question:
        offers = session.offers
        one_centre = len({offer.centre_id for offer in offers}) == 1 and len(offers) > 1
        prompt = f"offers_one_centre_{len(offers)}" if one_centre else f"offers_{len(offers)}"
        if not all(offer.second_start_at for offer in offers):
            return menu(prompt, **_values(session))
        after = world.rules().second_after_days
        question = menu(prompt, after=after, **_values(session))
        return replace(question, lead=SECOND_COMES_WITH_IT)

    def take(self, session: Session, pressed: str, world: World) -> Move:
        if pressed == OTHERS_KEY:
            return Go(session, "other_offers")
        if pressed in ("1", "2", "3") and int(pressed) <= len(session.offers):
            chosen = replace(session, chosen=int(pressed) - 1)
            return Go(chosen, "confirm" if chosen.number_answered else "reach")
        return NO_SUCH_KEY


class _BackToOffers:
    """Two failed tries, then the offers that are still held."""

    patience = 3

    def give_up(self, session: Session, world: World) -> Move:
        return Go(session, "offers", remember=False)


class OtherOffers(_BackToOffers):
    """Other days, morning or afternoon, farther away, another town."""

    name = "other_offers"

    def question(self, session: Session, world: World) -> Question:
        return menu("other_offers")

    def take(self, session: Session, pressed: str, world: World) -> Move:
        starts = [offer.local_start for offer in session.offers]
        if pressed == "1" and starts:
            # The day after the last one heard, as the caller's calendar counts days.
            latest = max(starts)
            next_day = datetime.combine(
                latest.date() + timedelta(days=1), time.min, tzinfo=latest.tzinfo
            )
            return search_nearest(session, world, not_before=next_day.astimezone(UTC))
        if pressed == "2":
            return Go(session, "part_of_day")
        if pressed == "3" and starts:
            farthest = max(offer.kilometres for offer in session.offers)
            return search_nearest(session, world, beyond_kilometres=farthest)
        if pressed == OTHERS_KEY:
            return Go(session, "postcode")
        return NO_SUCH_KEY


class PartOfDay(_BackToOffers):
    name = "part_of_day"

    def question(self, session: Session, world: World) -> Question:
        return menu("part_of_day")

    def take(self, session: Session, pressed: str, world: World) -> Move:
        parts = {"1": "morning", "2": "afternoon"}
        if pressed not in parts:
            return NO_SUCH_KEY
        return search_nearest(session, world, part_of_day=parts[pressed])


class NoSlot(Patient):
    """The truth, and what can be done about it."""

    name = "no_slot"

    def question(self, session: Session, world: World) -> Question:
        rules = world.rules()
        if rules.doses > 1:
            # There may be free slots; there is none with a second one.
            return menu("no_slot_both", town=session.town, after=rules.second_after_days)
        return menu("no_slot", town=session.town)

    def take(self, session: Session, pressed: str, world: World) -> Move:
        if pressed == "1":
            return search_nearest(session, world)
        return Go(session, "postcode", remember=False) if pressed == "2" else NO_SUCH_KEY


def _values(session: Session) -> dict[str, object]:
    values: dict[str, object] = {}
    for number, offer in enumerate(session.offers, start=1):
        values[f"place{number}"] = offer.name
        values[f"town{number}"] = offer.town
        values[f"distance{number}"] = offer.kilometres
        values[f"start{number}"] = offer.local_start
    return values
