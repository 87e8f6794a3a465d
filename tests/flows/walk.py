"""Every place that a conversation can come to, by trying every key at each of them.

Two sessions are the same place when nothing that decides where a call goes tells them apart. The
walk turns to the step where it has been least, so that a bound on the number of places cuts off
variations of one step and never a step.
"""

from __future__ import annotations

import heapq

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import lru_cache

from flows.engine import advance
from flows.questions import Question
from flows.session import CallerKind, Session
from flows.speech import RING, SILENCE, Heard, Input, Speech, keys
from flows.steps import STEPS
from flows.steps.offers import SECOND_COMES_WITH_IT
from flows.world import Unbooked
from tests.flows import fake_world
from tests.flows.fake_world import TOWNS, FakeWorld, offers, two_doses

# Sentences that stand before a question each time it is put.
LEADS = frozenset({SECOND_COMES_WITH_IT})
# How many steps back are told apart.
TRAIL = 3
# Fewer silent turns on end than this make no difference.
LONG_SILENCE = 20
FIVE_HUNDRED = "12" * 250
OLD_ENOUGH, TOO_YOUNG = "1942-03-12", "1990-03-12"

COMMANDS = ("0", "00", "000", "9", "99", "8", "88", "*", "**")
MANGLED = (
    *("12*", "1*", "0*", "***", "#", "1#", "0000", "999", "13", "10", "4444", "12031", "7501"),
    *("061234", "31021940", "01012040", "01011850", "15039999", "99999999", "120342", "010110"),
    *("99999", "0899123456", "3975", "0612", "garbage", "é", " ", "-1", "1.5", "١", "١٢٠٣١٩٤٢"),
    *("٧٥٠١١", "٠٦١٢٣٤٥٦٧٨", FIVE_HUNDRED, "0" * 500, "*" * 500),
)
SENSIBLE = {
    "date_of_birth": ("12031942", "12031990", "29021944"),
    "birth_year": ("1942", "1990", "1899"),
    "birth_month": ("03", "3", "00"),
    "birth_day": ("12", "31", "00"),
    "postcode": ("75011", "20000"),
    "reach_number": ("0612345678", "0142685300"),
    "person_number": ("0612345678", "0142685300"),
}
SINGLE = tuple("0123456789*#")


def weathers() -> dict[str, FakeWorld]:
    """What the outside can be like when a turn asks something of it."""
    return {
        "plenty": FakeWorld(),
        "two": FakeWorld(found=offers(2)),
        "one": FakeWorld(found=offers(1)),
        "one centre": FakeWorld(found=offers(3, one_centre=True)),
        "two of one centre": FakeWorld(found=offers(2, one_centre=True)),
        "nothing": FakeWorld(found=()),
        "nothing else": FakeWorld(found_anew=()),
        "taken, others": FakeWorld(reference=Unbooked.GONE),
        "taken, nothing": FakeWorld(reference=Unbooked.GONE, found=()),
        "a person needed": FakeWorld(reference=Unbooked.PERSON),
        "pairs": two_doses(),
        "two pairs": two_doses(offers(2, second=True)),
        "one pair": two_doses(offers(1, second=True)),
        "pairs of one centre": two_doses(offers(3, one_centre=True, second=True)),
        "two pairs of one centre": two_doses(offers(2, one_centre=True, second=True)),
        "a pair taken, others": two_doses(reference=Unbooked.GONE),
        "a pair taken, nothing": two_doses((), reference=Unbooked.GONE),
        "promised before": FakeWorld(promises_new=False),
    }


CAMPAIGNS = {
    "not yet open": fake_world.not_yet_open,
    "closed": fake_world.closed,
}


@dataclass(frozen=True)
class Turn:
    """One turn of the walk: from where, what was heard, in which weather, and what came of it."""

    before: Session
    heard: Input
    weather: str
    after: Session
    speech: Speech

    def __str__(self) -> str:
        pressed = self.heard.keys[:12] if self.heard.kind is Heard.KEYS else str(self.heard.kind)
        return f"{self.before.step}[{self.before.misses}] {pressed!r} ({self.weather})"


class Broken(Exception):
    """The engine raised; the message says where."""


def inputs(step: str) -> list[Input]:
    pressed = (*SINGLE, *COMMANDS, *MANGLED, *SENSIBLE.get(step, ()))
    return [SILENCE, *(keys(one) for one in dict.fromkeys(pressed))]


def place(session: Session) -> Session:
    """The session without what makes no difference to where the call can go."""
    trail: list[str] = []
    for step in session.trail:
        # The same step twice in a row is one step back and then the same again.
        if trail[-1:] != [step]:
            trail.append(step)
    same = replace(session, trail=tuple(trail[-TRAIL:]), slow=False, offered=session.offered[:1])
    if session.quiet < LONG_SILENCE:
        same = replace(same, quiet=0)
    if session.step not in {"birth_month", "birth_day"}:
        # Of no more use once there is a whole date; a place that needs them has just got them.
        same = replace(same, year=0, month=0)
    if session.born:
        # Of a date of birth it only matters whether it is one for this campaign.
        same = replace(same, born=OLD_ENOUGH if session.born < "1951" else TOO_YOUNG)
    if session.step != "postcode_check" and session.postcode:
        paris = TOWNS["75011"]
        same = replace(
            same,
            postcode=paris.postcode,
            town=paris.name,
            territory=paris.territory,
            latitude=paris.latitude,
            longitude=paris.longitude,
        )
    return same


def turns_of(session: Session) -> Iterator[Turn | Broken]:
    """All turns from one session. What asks nothing of the outside is tried in one weather."""
    for heard in inputs(session.step):
        for name, world in _weathers_for(session):
            try:
                after, speech = advance(session, heard, world)
            except Exception as error:  # noqa: BLE001 (the test says what was raised, and where)
                shown = heard.keys[:12] or heard.kind
                yield Broken(
                    f"{type(error).__name__}: {error} at {session.step} after {shown!r} ({name}),"
                    f" trail {session.trail}, chosen {session.chosen}, offers {len(session.offers)}"
                )
            else:
                yield Turn(session, heard, name, after, speech)
            if not (world.searches or world.orders or world.promises):
                break


def _weathers_for(session: Session) -> Iterator[tuple[str, FakeWorld]]:
    if session.step == "not_yet_open":
        yield "not yet open", fake_world.not_yet_open()
        return
    if session.step == "closed":
        yield "closed", fake_world.closed()
        return
    # A session that resumes at such a step must find its campaign as it was.
    if session.resume in {"not_yet_open", "closed"} or {"not_yet_open", "closed"} & {
        *session.trail
    }:
        waiting = "not_yet_open" in (session.resume, *session.trail)
        yield (
            ("not yet open", fake_world.not_yet_open())
            if waiting
            else ("closed", fake_world.closed())
        )
        return
    yield from weathers().items()


@dataclass(frozen=True)
class Walk:
    """Everything that was met; `complete` unless the bound on places was hit."""

    turns: tuple[Turn, ...] = field(repr=False)
    broken: tuple[str, ...] = field(repr=False)
    places: int
    complete: bool

    @property
    def steps(self) -> frozenset[str]:
        return frozenset(turn.after.step for turn in self.turns)


def starts() -> list[Turn]:
    """Each kind of caller rings in each kind of campaign."""
    found = []
    worlds = {"open": FakeWorld(), **{name: make() for name, make in CAMPAIGNS.items()}}
    for kind in CallerKind:
        for name, world in worlds.items():
            session = fake_world.ringing(kind)
            found.append(Turn(session, RING, name, *advance(session, RING, world)))
    return [*found, *long_silence()]


def long_silence() -> list[Turn]:
    """Somebody without a number asks for a person and then says nothing for very long."""
    world = FakeWorld()
    session, _ = advance(fake_world.ringing(CallerKind.NONE), RING, world)
    found = []
    for heard in (keys("0"), *[SILENCE] * (LONG_SILENCE + 2)):
        after, speech = advance(session, heard, world)
        found.append(Turn(session, heard, "plenty", after, speech))
        session = after
    return found


def _features(at: Session) -> tuple[object, ...]:
    """What makes one place of a step worth a visit after another."""
    chosen = 0 <= at.chosen < len(at.offers)
    line = (at.caller_kind, bool(at.quiet), at.misses, at.alive)
    pairs = any(offer.second_start_at for offer in at.offers)
    written_to = (at.number_answered, bool(at.number), pairs)
    return (line, at.trail[-1:], at.born, at.resume, written_to, (chosen, len(at.offers), pairs))


@lru_cache
def walk(most_places: int = 800) -> Walk:
    """From every kind of ring, each key at each place."""
    turns = starts()
    broken: dict[str, None] = {}
    # For each step, the places with what was met least so far come first; then in order of coming.
    waiting: dict[str, list[tuple[int, int, Session]]] = {}
    walked, met = Counter[str](), Counter[tuple[object, ...]]()
    seen: set[Session] = set()

    def visit(session: Session) -> None:
        at = place(session)
        if at in seen:
            return
        seen.add(at)
        features = [(at.step, *feature) for feature in enumerate(_features(at))]
        met.update(features)
        least = min(met[feature] for feature in features)
        heapq.heappush(waiting.setdefault(at.step, []), (least, len(seen), at))

    for turn in tuple(turns):
        visit(turn.after)
    while any(waiting.values()) and walked.total() < most_places:
        step = min((step for step, some in waiting.items() if some), key=walked.__getitem__)
        walked[step] += 1
        for turn_or_error in turns_of(heapq.heappop(waiting[step])[2]):
            if isinstance(turn_or_error, Broken):
                broken[str(turn_or_error)] = None
                continue
            turns.append(turn_or_error)
            visit(turn_or_error.after)
    complete = not any(waiting.values())
    return Walk(tuple(turns), tuple(broken), walked.total(), complete)


def questions(found: Walk) -> dict[str, tuple[str, Question]]:
    """One example of each prompt that was asked, with and without its lead: step and question."""
    examples: dict[str, tuple[str, Question]] = {}
    for turn in found.turns:
        *before, last = turn.speech.lines
        if not turn.speech.listen:
            continue
        lead = before[-1].key if before and before[-1].key in LEADS else ""
        name = f"{lead}, {last.key}" if lead else last.key
        if name not in examples:
            question = Question(last.key, turn.speech.listen, last.values, lead)
            examples[name] = (turn.after.step, question)
    return examples


__all__ = ["STEPS", "Broken", "Turn", "Walk", "place", "questions", "starts", "walk"]
