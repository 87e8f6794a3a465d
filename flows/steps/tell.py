"""News for later: at the number that rings, or one that is typed.

What is promised is stored before it is said. A caller who showed a sign of life and then stays
silent is promised it all the same: silence is no objection.
"""

from __future__ import annotations

from enum import StrEnum

from flows.questions import TELEPHONE_ONLY, End, Go, Move, Part
from flows.session import CallerKind, Party, Session
from flows.speech import Line, TurnOutcome
from flows.steps.common import Patient
from flows.steps.for_whom import second_person
from flows.steps.offers import first_day
from flows.steps.reach import NumberCheck, TypedNumber
from flows.understanding import telephone
from flows.world import News, WaitingListRequest, World


class Tell(StrEnum):
    """What a number is asked for."""

    WAITING = "waiting"
    OPENING = News.OPENING.value
    TURN = News.TURN.value


# Fewer people than this ahead of a caller are not told to them.
FEW_AHEAD = 10
# A count is rounded to the step of the first line that it is below; then to hundreds.
_ROUNDED_BELOW = ((100, 10), (1000, 50))
_HUNDREDS = 100


def known_number(session: Session) -> str:
    """Where this caller can be reached (E.164); empty where nothing is known."""
    callable_back = session.caller_kind != CallerKind.NONE
    return session.number or (session.caller if callable_back else "")


def ask_number(session: Session, what: Tell) -> Go:
    return Go(session.but(tell=str(what)), "tell_number")


def tell_later(session: Session, world: World, what: Tell) -> Move:
    """Promise news at the number that is known, else ask for one."""
    number = known_number(session)
    if not number:
        return ask_number(session, what)
    return promise(session, world, what, number)


def promise(
    session: Session, world: World, what: Tell, number: str, *, by_call: bool = False
) -> Move:
    """Store what is promised, then say it. A mobile gets a text unless a call was asked for."""
    if what is Tell.WAITING:
        return _wait(session, world, number)
    by_text = not by_call and telephone(number)[1] is CallerKind.MOBILE
    at = world.rules().opens_at
    if what is Tell.TURN:
        at = world.eligibility(session.born_on, session.groups).tell_at
    news = News(what.value)
    # A person whose moment has come in the meantime may book, and is told so now.
    world.promise_news(number, news, max(at or world.now(), world.now()), by_text=by_text)
    if what is Tell.TURN and session.is_first_of_two:
        return _on_to_second(session, world, Line("turn_noted"))
    said = Line(f"{what}_promised_{'text' if by_text else 'call'}", {"ending": number[-2:]})
    return End(session, (said,), TurnOutcome.PROMISED)


def _wait(session: Session, world: World, number: str) -> Move:
    ahead = world.join_waiting_list(
        WaitingListRequest(
            born=session.born_on,
            number=number,
            postcode=session.postcode,
            language=session.language,
            latitude=session.latitude,
            longitude=session.longitude,
            territory=session.territory,
            first_day=first_day(session, world),
            for_other=session.whom == Party.OTHER or session.second_person,
            twin=session.second_person and session.born == session.first_born,
            wanted=session.wanted,
        )
    )
    if ahead is None:
        # Nothing is known of where the postcode is, and no centre of it: an agent must help.
        return Go(session, "person", (Line("waiting_nowhere"),), remember=False)
    if session.is_first_of_two:
        return _on_to_second(session, world, Line("waiting_noted"))
    lines = (_place_in_line(ahead), Line("waiting_promised", {"ending": number[-2:]}))
    return End(session, lines, TurnOutcome.PROMISED)


def _place_in_line(ahead: int) -> Line:
    if ahead < FEW_AHEAD:
        return Line("waiting_few_ahead")
    step = next((step for below, step in _ROUNDED_BELOW if ahead < below), _HUNDREDS)
    return Line("waiting_ahead", {"ahead": round(ahead / step) * step})


def _on_to_second(session: Session, world: World, *lines: Line) -> Go:
    on = second_person(session, world)
    return Go(on.session, on.step, (*lines, Line("on_to_second")), remember=False)


class TellNumber(TypedNumber, Patient):
    name = "tell_number"
    part = Part.OFFERS
    page = TELEPHONE_ONLY
    after = "waiting"
    check = "tell_number_check"


class TellNumberCheck(NumberCheck):
    name = "tell_number_check"
    part = Part.OFFERS
    page = TELEPHONE_ONLY
    typed_at = "tell_number"

    def only_by_key(self, session: Session) -> frozenset[str]:
        # A caller is rung or written to there, and nothing reads it again.
        return frozenset({"1"})

    def agreed(self, session: Session, world: World) -> Move:
        return promise(session, world, Tell(session.tell), session.typed)
