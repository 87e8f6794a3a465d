"""For whom: oneself, another person, or two people, who are served in the same call.

For two, the first is booked and told before the second is asked for anything; an adjacent place is
held meanwhile.
"""

from __future__ import annotations

from flows.questions import TELEPHONE_ONLY, Go, Move, Part, Question, menu
from flows.session import Party, Session
from flows.speech import Listen
from flows.steps.common import NO_SUCH_KEY, Patient
from flows.steps.offers import first_day, reach_or_confirm, search_nearest
from flows.steps.said import FirstQuestion, with_person
from flows.world import World


class ForWhom(FirstQuestion):
    name = "for_whom"
    part = Part.WELCOME
    page = "pour-qui"
    after = "resume_code"

    def question(self, session: Session, world: World) -> Question:
        # Words from the first try on: who is asked this may say it all.
        return Question(self.name, Listen(speech=True))

    def take(self, session: Session, pressed: str, world: World) -> Move:
        whom = {"1": Party.SELF, "2": Party.OTHER, "3": Party.TWO}.get(pressed)
        return with_person(session, whom) if whom is not None else NO_SUCH_KEY


class ForOthers(ForWhom):
    """Asked by key at the welcome, for another person: one person, or two."""

    name = "for_others"
    page = TELEPHONE_ONLY
    after = "for_whom"

    def take(self, session: Session, pressed: str, world: World) -> Move:
        whom = {"1": Party.OTHER, "2": Party.TWO}.get(pressed)
        return with_person(session, whom) if whom is not None else NO_SUCH_KEY


class CoupleChoice(Patient):
    """Only one place is left there: the couple chooses, not we."""

    name = "couple_choice"
    part = Part.WELCOME
    page = "a-deux"

    def question(self, session: Session, world: World) -> Question:
        offer = session.choice
        return menu("couple_choice", town=offer.town, start=offer.local_start)

    def take(self, session: Session, pressed: str, world: World) -> Move:
        if pressed == "1":
            return reach_or_confirm(session, world)
        if pressed == "2":
            return search_nearest(session, world)
        return NO_SUCH_KEY


def second_person(session: Session, world: World) -> Go:
    """The first of two is booked and told; the questions about the person are asked anew.

    The adjacent place, given back with all else when the first was booked, is held again.
    """
    fresh = session.but(
        second_person=True,
        born="",
        year=0,
        month=0,
        notes=(),
        groups=(),
        groups_refused=(),
        group_asked="",
        wanted=(),
        wished=(),
        since_asked="",
        since_passed=(),
        since_not=(),
        first_wanted=session.wanted,
        offered=(),
        within=0.0,
        centre_id="",
        reference="",
        first_reference=session.reference,
        first_born=session.born,
        chosen=-1,
        trail=(),
    )
    return Go(fresh, "date_of_birth", remember=False)


def offer_beside(session: Session, world: World) -> Move:
    """Offer what is held next to the first person's appointment, else whatever is near."""
    if session.adjacent and session.wanted != session.first_wanted:
        # It is held for what the first came for: this one comes for something else.
        held = world.hold_adjacent(session.adjacent[0], session.adjacent, session.wanted)
        session = session.but(adjacent=held)
    if session.adjacent and session.adjacent[0].local_start.date() >= first_day(session, world):
        return Go(session.but(offers=session.adjacent, chosen=-1), "offers")
    return search_nearest(session, world)
