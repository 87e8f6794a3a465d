"""A freed place is kept for a person of the waiting list: they take it, or another person does.

Told only after the caller proved by the birth date that it is theirs, in a call of ours or of
theirs: a line may be shared, and a number forged. What is not taken stays kept as long as it was
said.
"""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

from flows.questions import TELEPHONE_ONLY, End, Go, Move, Part, Question, menu
from flows.session import KeptOffer, Party, Proving, Session
from flows.speech import Line, TurnOutcome
from flows.steps.common import NO_SUCH_KEY, Patient, in_words_for, moments, to_agent
from flows.steps.my_appointment import to_somebody
from flows.steps.not_eligible import after_birth_date
from flows.world import Unbooked, World

# Read back like whatever is agreed to: no word that was hardly heard takes or refuses it.
KEPT_PLACE = "kept_place_check"
# As many as are counted in a call: see services.waiting_list.entries.
MOST_DATES = 3


def tell_kept_place(session: Session, world: World) -> Go | None:
    """On to the place that is kept for the person of this birth date, if there is one."""
    kept = world.kept_place(session.born_on)
    if kept is None:
        return None
    told = session.but(kept=kept, is_offered=False, proving=Proving.NOTHING, asked="", trail=())
    return Go(told, KEPT_PLACE, remember=False)


def not_theirs(session: Session) -> Go:
    """A person we rang gave another birth date: ask once more, then pass to an agent."""
    if session.lookup_count + 1 >= MOST_DATES:
        return to_somebody(session.but(is_offered=False))
    told = Line("kept_place_not_found", wording=session.lookup_count)
    again = session.but(lookup_count=session.lookup_count + 1, trail=())
    return Go(again, "date_of_birth", (told,), remember=False)


class KeptPlace(Patient):
    name = KEPT_PLACE
    part = Part.OFFERS
    page = TELEPHONE_ONLY
    after = "tell_number_check"

    def question(self, session: Session, world: World) -> Question:
        kept = _kept(session)
        offer = kept.offer
        until = datetime.fromisoformat(kept.until).astimezone(ZoneInfo(offer.time_zone))
        prompt = in_words_for(offer, KEPT_PLACE)
        where = {"place": offer.said, "town": offer.in_town, "distance": offer.kilometres}
        return menu(prompt, until=until, **where, **moments(offer))

    def only_by_key(self, session: Session) -> frozenset[str]:
        return frozenset({"1", "2"})

    def take(self, session: Session, pressed: str, world: World) -> Move:
        if pressed == "2":
            if world.refuse_place(_kept(session)):
                return End(session, (Line("kept_place_refused"),), TurnOutcome.PROMISED)
            return End(session, (Line("goodbye_later"),))
        return _take(session, world) if pressed == "1" else NO_SUCH_KEY


def _kept(session: Session) -> KeptOffer:
    if session.kept is None:
        raise LookupError(f"no place is kept at {session.step}")
    return session.kept


def _take(session: Session, world: World) -> Move:
    kept = _kept(session)
    reference = world.take_place(kept)
    if reference is Unbooked.GONE:
        # They keep their position; and they may look for another one at once.
        on = after_birth_date(session.but(kept=None, whom=Party.SELF), world)
        lines = (Line(in_words_for(kept.offer, "kept_place_gone")),)
        return Go(on.session, on.step, lines, remember=False) if isinstance(on, Go) else on
    if reference is Unbooked.PERSON:
        return to_agent(session)
    booked = session.but(
        kept=None,
        offers=(kept.offer,),
        chosen=0,
        number=kept.text_to,
        number_answered=True,
        reference=reference,
        whom=Party.SELF,
        second_person=False,
        trail=(),
        person_reason="",
    ).committed(*kept.offer.visits)
    return Go(booked, "ready", outcome=TurnOutcome.BOOKED, remember=False)
