"""Everything once more; 1 books. Nothing is said to be booked before it is."""

from __future__ import annotations

from dataclasses import replace

from flows.questions import End, Go, Move, Part, Question, menu
from flows.session import CallerKind, Party, Session
from flows.speech import Line, TurnOutcome
from flows.steps.common import (
    NO_SUCH_KEY,
    Patient,
    in_words_for,
    moments,
    to_agent,
    what_for_at,
)
from flows.steps.for_whom import second_person
from flows.steps.offers import search_nearest
from flows.steps.said import relative
from flows.steps.service_over import over_meanwhile
from flows.world import BookingOrder, Unbooked, World

# The key for another telephone, or none, where the one that rings is to get the text.
PHONE_KEY = "3"


def _lead(session: Session) -> str:
    """The sentence that says which person this is for, and whose telephone gets the text."""
    # A caller who writes knows where the text goes: to the telephone that they write on.
    text = "_text" if session.number and not session.by_text else ""
    if session.whom == Party.TWO:
        return f"confirm_{'second' if session.second_person else 'first'}{text}"
    if session.whom == Party.OTHER:
        return f"confirm_other{text}"
    return f"confirm_self{text}" if text else ""


def _change(session: Session, pressed: str) -> Move:
    """Another appointment, or another telephone for the text."""
    if pressed == "2":
        return Go(session, "offers", remember=False)
    if pressed == PHONE_KEY and _own_mobile(session):
        return Go(session, "reach")
    return NO_SUCH_KEY


def _own_mobile(session: Session) -> bool:
    """Whether the text goes to the telephone that rings: no caller was asked that before."""
    mobile = session.caller_kind == CallerKind.MOBILE and not session.by_text
    return mobile and bool(session.number) and session.number == session.caller


def _written(booked: Session, world: World) -> Move:
    """Tell a writer that it is done; the usual text says the rest, and has the reference."""
    told = "text_booked_untexted" if booked.untexted else "text_booked"
    line = Line(in_words_for(booked.choice, told), {"reference": booked.reference})
    if not booked.is_first_of_two:
        return End(booked, (line,), TurnOutcome.BOOKED)
    on = second_person(booked, world)
    return replace(on, lines=(line, *on.lines), outcome=TurnOutcome.BOOKED)


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
            place=offer.said,
            street=offer.street,
            town=offer.town,
            away=offer.kilometres,
            ending=session.number[-2:],
            whom=relative(session),
            **moments(offer),
        )
        phone = (Line("confirm_mobile", wording=session.misses),) if _own_mobile(session) else ()
        return replace(asked, lead=_lead(session), after=phone, before=what_for_at(session, world))

    def reads_once_more(self, session: Session) -> tuple[Line, ...]:
        # What is written always has the birth date.
        where = {"town": session.town, "postcode": session.postcode}
        lines = (Line("searched_near", where),) if session.place_in_words else ()
        cut_off = session.in_words and (session.misses or session.replied)
        if (cut_off or session.unsure) and not (session.resumed or session.by_text):
            # Words cut off what was being read, or what came before was hardly heard; and no
            # wording but the first has the birth date.
            lines = (*lines, Line("confirm_born", {"born": session.born_on}))
        return lines

    def only_by_key(self, session: Session) -> frozenset[str]:
        return frozenset({"1"})

    def take(self, session: Session, pressed: str, world: World) -> Move:
        if pressed != "1":
            return _change(session, pressed)
        offer = session.choice
        if world.rules(session.wanted).doses > 1 and not offer.second_start_at:
            # Read to the caller before the campaign had two: never half of what is needed.
            return search_nearest(session, world, lines=(Line("both_needed"),), anew=True)
        order = BookingOrder(
            offer=offer,
            born=session.born_on,
            postcode=session.postcode,
            number=session.number,
            groups=session.groups,
            for_other=session.whom == Party.OTHER or session.second_person,
            second_person=session.second_person,
            of_two=session.whom == Party.TWO,
            wanted=session.wanted,
            mail=session.mail,
        )
        reference = world.confirm(order)
        lines: tuple[Line, ...] = ()
        if reference is Unbooked.NOT_PROVED and session.number not in {"", session.caller}:
            # A number that was typed, and may be a stranger's: the caller hears everything instead.
            session, lines = session.but(number=""), (Line("not_texted"),)
            reference = world.confirm(replace(order, number=""))
        if reference is Unbooked.GONE:
            # Gone in the meantime: the caller hears another, not an error.
            gone = (Line(in_words_for(offer, "just_taken")),)
            return search_nearest(session, world, lines=gone, anew=True)
        if reference is Unbooked.CLOSED:
            return over_meanwhile(session, session.wanted, world)
        if reference in {Unbooked.PERSON, Unbooked.NOT_PROVED}:
            # No way on from there: the same answers would only come to the same end.
            return to_agent(session)
        if session.adjacent and not session.second_person:
            # Booking gave back all else that the call held. Within this turn no other caller sees
            # it free.
            session = session.but(adjacent=world.hold_adjacent(offer, (), session.wanted))
        # From here nothing leads back: what is booked is booked.
        untexted = bool(session.number) and not world.text_leaves(session.number)
        booked = session.but(
            reference=reference, trail=(), person_reason="", untexted=untexted
        ).committed(*offer.visits)
        said = (*lines, Line("no_text_now")) if untexted else lines
        on = Go(booked, "ready", said, outcome=TurnOutcome.BOOKED, remember=False)
        return _written(booked, world) if session.by_text else on
