"""The queue for an agent: the one entry to it, and what is said of a place in it.

Every caller who asks for a person, or is not understood, comes through `knock`. If an agent is
there, the caller enters the queue at once. If none is, the caller hears why and until when, and
then what is offered instead.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from flows.agents import NoPerson, QueuePlace, Unavailable
from flows.questions import End, Go, Move
from flows.session import INTERPRETER, Session
from flows.speech import Line, TurnOutcome
from flows.world import World

QUEUE = "queue"
WITH_AGENT = "with_agent"
# Why an agent is to talk with a caller who did not ask for one: they answered and then said nothing
# more, or were not understood.
QUIET, UNCLEAR = "quiet", "unclear"
# Steps at which the provider or an agent has the call: no question is asked there.
LINE_STEPS = frozenset({QUEUE, WITH_AGENT})
MINUTE = 60
HOUR = 60 * MINUTE
# A wait is told in these minutes; beyond, by the half hour.
_MINUTES = (2, 3, 5, 10, 15, 20, 30, 45)
# A call that comes sooner than this has no hour of its own.
SOON = timedelta(minutes=30)
_QUARTER = timedelta(minutes=15)


def why(session: Session) -> str:
    """Why an agent is to talk with this caller, in the words of the desk, or the step of now."""
    known = session.person_reason or (INTERPRETER if session.note(INTERPRETER) else "")
    if known or session.wants_person:
        return known or session.resume or session.step
    if session.silent_turns:
        return QUIET
    return UNCLEAR if session.misses else session.resume or session.step


def knock(
    session: Session, world: World, lines: tuple[Line, ...] = (), *, remember: bool = True
) -> Move:
    """To an agent: into the queue if the caller can wait there, else to what can be promised."""
    if session.by_text:
        # No caller waits on a line that is not there.
        return offer_instead(session, world, lines, remember=remember)
    found = world.join_queue(session, why(session))
    if isinstance(found, QueuePlace):
        return enter(session, found, lines)
    return offer_instead(session, world, (*lines, *why_not(found)), remember=remember)


def enter(session: Session, place: QueuePlace, lines: tuple[Line, ...] = ()) -> End:
    """Into the queue, which tells where they stand and goes on from there by itself."""
    told = (
        *lines,
        *((Line("queue_rung_in_vain"),) if place.rung_in_vain else ()),
        Line("person_passed"),
        position(place.ahead),
        *wait(place.wait_seconds),
        Line("queue_stay"),
    )
    return to_queue(session.but(line=place.entry_id, line_queue=place.queue), told)


def to_queue(session: Session, lines: tuple[Line, ...]) -> End:
    """Into the queue (again), where their place is."""
    waits = session.moved(QUEUE)
    return End(waits, lines, TurnOutcome.QUEUED, queue=session.line_queue)


def offer_instead(
    session: Session, world: World, lines: tuple[Line, ...], *, remember: bool = False
) -> Go:
    """A call back, if it can be kept; else the truth, and the ways on that there are."""
    no_promise = world.callback_at() is None
    if no_promise:
        lines = (*lines, Line("no_callback"))
    return Go(session.but(no_promise=no_promise), "person", lines, remember=remember)


def why_not(found: Unavailable) -> tuple[Line, ...]:
    """Why no caller is passed to an agent, and when agents answer again."""
    if found.opens_at and found.why in {NoPerson.HOURS, NoPerson.HOLIDAY}:
        return (Line(f"no_person.{found.why}", {"opens": found.opens_at}),)
    if found.why in {NoPerson.HOURS, NoPerson.HOLIDAY}:
        # Not for weeks: that is a line that is closed.
        return (Line(f"no_person.{NoPerson.CLOSED}"),)
    return (Line(f"no_person.{found.why}"), *wait(found.wait_seconds))


def hours_told(world: World, wording: int = 0) -> tuple[Line, ...]:
    """Who we are, and when a person answers next: today's hours, or those of the next such day."""
    hours = world.person_hours()
    if hours is None:
        return (Line("here_is", wording=wording),)
    opens, closes = hours
    key = "person_hours_now" if opens <= world.now() else "person_hours"
    return (Line(key, {"opens": opens, "closes": closes}, wording),)


def position(ahead: int) -> Line:
    """How many come before them."""
    if ahead <= 1:
        return Line("queue_one_ahead" if ahead else "queue_next")
    return Line("queue_ahead", {"ahead": ahead})


def wait(seconds: int | None) -> tuple[Line, ...]:
    """The wait estimate, rounded; nothing where there is none."""
    if seconds is None:
        return ()
    if seconds < MINUTE:
        return (Line("wait.under_a_minute"),)
    rounded = round_wait(seconds)
    if rounded < HOUR:
        return (Line("wait.minutes", {"minutes": rounded // MINUTE}),)
    hours, rest = divmod(rounded, HOUR)
    half = "_and_a_half" if rest else ""
    if hours == 1:
        return (Line(f"wait.hour{half}"),)
    return (Line(f"wait.hours{half}", {"hours": hours}),)


def round_wait(seconds: int) -> int:
    """The next wait that can be told, in seconds: never less than the wait estimate."""
    if seconds < MINUTE:
        return 0
    for minutes in _MINUTES:
        if seconds <= minutes * MINUTE:
            return minutes * MINUTE
    half_hours = -(-seconds // (HOUR // 2))
    return half_hours * HOUR // 2


def promised(session: Session, world: World, number: str, at: datetime | None) -> End:
    """The last words to a caller who was promised a call, with its hour where it is not soon.

    `at` is by the clock of that number.
    """
    ending = {"ending": number[-2:]}
    line = Line("promise", ending)
    if at is not None and at - world.now() > SOON:
        at = told_at(at, world.now())
        today = at.date() == world.now().astimezone(at.tzinfo).date()
        key = "promise_today" if today else "promise_day"
        if not today and world.agents_at_work():
            # Agents take callers in turn, and may come to this one today.
            key = "promise_day_or_sooner"
        line = Line(key, {**ending, "at": at})
    return End(session.but(number=number), (line,), TurnOutcome.PROMISED)


def told_at(at: datetime, now: datetime) -> datetime:
    """The hour that is told of a call that will be made at `at`, unless that is soon.

    Of today the next quarter: agents may come to it sooner. Of a later day the quarter before, from
    which on agents are offered it.
    """
    if at - now <= SOON:
        return at
    over = timedelta(minutes=at.minute % 15, seconds=at.second, microseconds=at.microsecond)
    if is_later_day(at, now):
        return at - over
    return at + (_QUARTER - over) if over else at


def is_later_day(at: datetime, now: datetime) -> bool:
    """Whether a moment is not of today any more, by its own clock."""
    return at.date() > now.astimezone(at.tzinfo).date()
