"""Everything once more; 1 books. Nothing is said to be booked before it is."""

from __future__ import annotations

from dataclasses import replace

from flows.questions import Go, Move, Part, Question, menu
from flows.session import Session, Whom
from flows.speech import Line, TurnOutcome
from flows.steps.common import NO_SUCH_KEY, Patient, in_words_for, moments
from flows.steps.offers import search_nearest
from flows.world import BookingOrder, Unbooked, World

# The reason of the promise: an agent must look at what was asked for.
PERSON_NEEDED = "person_needed"


def _for_whom(session: Session) -> str:
    """The sentence that says which person this is for, and whose telephone gets the text."""
    if session.whom == Whom.TWO:
        return "confirm_second" if session.second_person else "confirm_first"
    if session.whom == Whom.OTHER:
        return "confirm_other_text" if session.number else "confirm_other"
    return ""


class Confirm(Patient):
    name = "confirm"
    part = Part.CONFIRM
    page = "confirmer"
    after = "reach_check"

    def question(self, session: Session, world: World) -> Question:
        offer = session.choice
        # The caller who rings again after a cut may be a stranger: no date of birth is said.
        prompt = "confirm_resumed" if session.resumed else "confirm"
        asked = menu(
            in_words_for(offer, prompt),
            born=session.born_on,
            place=offer.name,
            street=offer.street,
            town=offer.town,
            ending=session.number[-2:],
            **moments(offer),
        )
        return replace(asked, lead=_for_whom(session))

    def reads_once_more(self, session: Session) -> tuple[Line, ...]:
        where = {"town": session.town, "postcode": session.postcode}
        lines = (Line("searched_near", where),) if session.place_in_words else ()
        cut_off = session.in_words and (session.misses or session.replied)
        if (cut_off or session.unsure) and not session.resumed:
            # Words cut off what was being read, or what came before was hardly heard; and no
            # wording but the first has the birth date.
            lines = (*lines, Line("confirm_born", {"born": session.born_on}))
        return lines

    def only_by_key(self, session: Session) -> frozenset[str]:
        return frozenset({"1"})

    def take(self, session: Session, pressed: str, world: World) -> Move:
        if pressed == "2":
            return Go(session, "offers", remember=False)
        if pressed != "1":
            return NO_SUCH_KEY
        offer = session.choice
        if world.rules().doses > 1 and not offer.second_start_at:
            # Read to the caller before the campaign had two: never half of what is needed.
            return search_nearest(session, world, lines=(Line("both_needed"),), anew=True)
        order = BookingOrder(
            offer=offer,
            born=session.born_on,
            postcode=session.postcode,
            number=session.number,
            groups=session.groups,
            for_other=session.whom == Whom.OTHER or session.second_person,
            second_person=session.second_person,
        )
        reference = world.confirm(order)
        lines: tuple[Line, ...] = ()
        if reference is Unbooked.NOT_PROVED and session.number:
            # A number that was typed, and may be a stranger's: the caller hears everything instead.
            session, lines = session.but(number=""), (Line("not_texted"),)
            reference = world.confirm(replace(order, number=""))
        if reference is Unbooked.GONE:
            # Gone in the meantime: the caller hears another, not an error.
            gone = (Line(in_words_for(offer, "just_taken")),)
            return search_nearest(session, world, lines=gone, anew=True)
        if reference in {Unbooked.PERSON, Unbooked.NOT_PROVED}:
            # No way on from there: the same answers would only come to the same end.
            looked_at = session.but(resume="", person_reason=PERSON_NEEDED)
            return Go(looked_at, "person", (Line("person_needed"),), remember=False)
        if session.adjacent and not session.second_person:
            # Booking gave back all else that the call held. Within this turn no other caller sees
            # it free.
            session = session.but(adjacent=world.hold_adjacent(offer, ()))
        # From here nothing leads back: what is booked is booked.
        untexted = bool(session.number) and not world.text_leaves(session.number)
        booked = session.but(reference=reference, trail=(), person_reason="", untexted=untexted)
        said = (*lines, Line("no_text_now")) if untexted else lines
        return Go(booked, "ready", said, outcome=TurnOutcome.BOOKED, remember=False)
