"""Every place that a conversation can come to, by trying every key at each of them.

Two sessions are the same place when nothing that decides where a call goes tells them apart. The
walk turns to the step where it has been least, so that a bound on the number of places cuts off
variations of one step and never a step.
"""

from __future__ import annotations

import heapq

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache, partial
from typing import Any

from flows.engine import advance
from flows.questions import Question
from flows.rehearsal import (
    CODE,
    FAR,
    FAR_CENTRES,
    MORNING,
    MY_PAIR,
    OPENING,
    OWN_PHONE,
    PAIRS,
    REFERENCE,
    TOWNS,
    Rehearsal,
    cut_call,
    earlier,
    my_booking,
    offers,
    ringing,
)
from flows.session import CallerKind, MineState, Offer, Session, Whom
from flows.speech import RING, SILENCE, Heard, Input, Outcome, Speech, keys, spoken
from flows.steps.my_changes import MY_FACTS
from flows.steps.offers import SECOND_COMES_WITH_IT
from flows.steps.resume import offer_to_resume
from flows.world import NamedCentre, NotChanged, NotMine, Unbooked

# Makes an outside for one turn, with these options of it.
Make = Callable[..., Rehearsal]
Weathers = dict[str, Callable[[], Rehearsal]]

# Sentences that stand before a question each time it is put.
LEADS = frozenset(
    {
        SECOND_COMES_WITH_IT,
        *MY_FACTS,
        *("none_near", "none_near_both", "not_yet_by_age", "not_yet_their_turn", "not_for_all"),
    }
)
# How many steps back are told apart.
TRAIL = 3
# Fewer silent turns on end than this make no difference.
LONG_SILENCE = 20
FIVE_HUNDRED = "12" * 250
OLD_ENOUGH, TOO_YOUNG = "1942-03-12", "1990-03-12"

LYON = tuple(TOWNS[code] for code in ("69001", "69002", "69003"))
CENTRE = NamedCentre("2", "Gymnase Jaurès", "Paris 11e")

COMMANDS = ("0", "00", "000", "9", "8", "*", "**")
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
    "resume_code": (CODE, "999999"),
    "town": ("75011", "35", "20"),
    "tell_number": ("0612345678", "0142685300"),
    "my_reference": (REFERENCE, "1"),
    "untold_birth_date": ("12031942", "12031941"),
}
# Where words are answers that no key can give.
WORDS = {"town": ("à côté de Vitré",), "postcode": ("soixante-quinze zéro onze", "Vitré")}
SINGLE = tuple("0123456789*#")


def weathers(make: Make) -> Weathers:
    """What the outside can be like when a turn asks something of it."""
    return {
        "plenty": make,
        "two": partial(make, found=offers(2)),
        "one": partial(make, found=offers(1)),
        "one centre": partial(make, found=offers(3, one_centre=True)),
        "two of one centre": partial(make, found=offers(2, one_centre=True)),
        "nothing": partial(make, found=()),
        "nothing else": partial(make, found_anew=()),
        "taken, others": partial(make, reference=Unbooked.GONE),
        "taken, nothing": partial(make, reference=Unbooked.GONE, found=()),
        "a person needed": partial(make, reference=Unbooked.PERSON),
        "pairs": partial(two_doses, make),
        "two pairs": partial(two_doses, make, offers(2, second=True)),
        "one pair": partial(two_doses, make, offers(1, second=True)),
        "pairs of one centre": partial(two_doses, make, offers(3, one_centre=True, second=True)),
        "two pairs of one centre": partial(
            two_doses, make, offers(2, one_centre=True, second=True)
        ),
        "a pair taken, others": partial(two_doses, make, reference=Unbooked.GONE),
        "a pair taken, nothing": partial(two_doses, make, (), reference=Unbooked.GONE),
        "promised before": partial(make, promises_new=False),
        "nothing, but far": partial(make, found=(), far=FAR),
        "no two, but far": partial(two_doses, make, (), far=FAR),
        "nothing, an own centre": partial(make, found=(), own=OWN_PHONE),
        "far, an own centre": partial(make, found=offers(2, centres=FAR_CENTRES), own=OWN_PHONE),
        "a group": partial(make, groups={"soignants": 30}),
        "told by age": partial(make, tell_at=OPENING),
        "their turn": partial(make, turn_at=OPENING, tell_at=OPENING),
        "not for all": partial(make, day_known=False),
        "few wait": partial(make, found=(), ahead=3),
        "nobody can wait": partial(make, found=(), ahead=None),
        "a town named": partial(make, named_towns=(TOWNS["35500"],)),
        "two towns named": partial(make, named_towns=(TOWNS["20000"], TOWNS["20200"])),
        "three towns named": partial(make, named_towns=LYON),
        "a centre named": partial(make, named_centre=CENTRE),
        "a centre named, nothing": partial(make, found=(), named_centre=CENTRE),
        "one place for two": partial(make, beside=False),
        "cut, not kept": partial(make, cut=cut_call(kept=False)),
        "cut before all was told": partial(
            make, cut=cut_call("ready", reference=REFERENCE), mine=my_booking()
        ),
        "cut, taken up elsewhere": partial(make, cut=None),
        "cut at a pair": partial(two_doses, make, cut=cut_call(found=PAIRS)),
    }


def my_weathers(make: Make) -> Weathers:
    """What there may be of an appointment, for whoever rings about one."""
    second = my_booking(first_start="", second_start=MY_PAIR.second_start)
    of_mine = {
        "one": my_booking(),
        "one, undo": my_booking(undo=True),
        "the second left": second,
        "apart": replace(MY_PAIR, second_name="Gymnase Jaurès", second_town="Vitré"),
        "elsewhere": my_booking(postcode=""),
        "of another campaign": my_booking(movable=False),
        "past": my_booking(state=MineState.PAST),
        "both past": replace(MY_PAIR, state=MineState.PAST),
        "cancelled": my_booking(state=MineState.CANCELLED),
        "both cancelled": replace(MY_PAIR, state=MineState.CANCELLED),
        "cancelled, undo": my_booking(state=MineState.CANCELLED, undo=True),
        "both cancelled, undo": replace(MY_PAIR, state=MineState.CANCELLED, undo=True),
    }
    found: dict[str, Callable[[], Rehearsal]] = {
        f"mine: {name}": partial(make, mine=mine) for name, mine in of_mine.items()
    }
    for why in NotChanged:
        found[f"mine: not changed, {why.name}"] = partial(make, mine=my_booking(), not_changed=why)
    return found | {
        "mine: both": partial(two_doses, make, mine=MY_PAIR),
        "mine: both, taken": partial(two_doses, make, mine=MY_PAIR, not_changed=NotChanged.GONE),
        "mine: nothing else": partial(make, found=(), mine=my_booking()),
        "mine: no other second": partial(make, found=(), mine=second),
        "mine: guarded": partial(make, mine=my_booking(), guarded=True),
        "not mine": make,
        "not mine, too often": partial(make, mine=NotMine.PERSON, texts=False),
    }


def not_yet_open(make: Make) -> Rehearsal:
    return make(rules_=replace(make().rules_, opens_at=OPENING))


def closed(make: Make) -> Rehearsal:
    return make(rules_=replace(make().rules_, closes_at=MORNING))


def two_doses(make: Make, found: tuple[Offer, ...] = PAIRS, **options: Any) -> Rehearsal:
    """A campaign in which everybody comes twice."""
    return make(found=found, rules_=replace(make().rules_, doses=2), **options)


CAMPAIGNS: Mapping[str, Callable[[Make], Rehearsal]] = {
    "not yet open": not_yet_open,
    "closed": closed,
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
    said = (spoken(text) for text in WORDS.get(step, ()))
    return [SILENCE, *(keys(one) for one in dict.fromkeys(pressed)), *said]


def place(session: Session) -> Session:
    """The session without what makes no difference to where the call can go."""
    trail: list[str] = []
    for step in session.trail:
        # The same step twice in a row is one step back and then the same again.
        if trail[-1:] != [step]:
            trail.append(step)
    same = session.but(trail=tuple(trail[-TRAIL:]), slow=False, offered=session.offered[:1])
    same = same.but(wants_person=False)
    if session.quiet < LONG_SILENCE:
        same = same.but(quiet=0)
    if session.step not in {"birth_month", "birth_day"}:
        # Of no more use once there is a whole date; a place that needs them has just got them.
        same = same.but(year=0, month=0)
    if session.proving:
        # One reference is like another, and so are all tries after the first.
        asked = REFERENCE if session.asked else ""
        same = same.but(asked=asked, sought=min(session.sought, 1))
    if session.born:
        # Of a date of birth it only matters whether it is one for this campaign.
        same = same.but(born=OLD_ENOUGH if session.born < "1951" else TOO_YOUNG)
    if session.step not in {"postcode_check", "town_check"}:
        same = same.but(candidate=())
    if session.postcode:
        paris = TOWNS["75011"]
        same = same.but(
            postcode=paris.postcode,
            town=paris.name,
            territory=paris.territory,
            latitude=paris.latitude,
            longitude=paris.longitude,
        )
    return same


def turns_of(make: Make, session: Session) -> Iterator[Turn | Broken]:
    """All turns from one session. What asks nothing of the outside is tried in one weather."""
    for heard in inputs(session.step):
        for name, world in _weathers_for(make, session):
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
            asked = (world.searches, world.orders, world.promises, world.taken_up, world.looks)
            if not any((*asked, world.asked_for, world.changed)):
                break


def _weathers_for(make: Make, session: Session) -> Iterator[tuple[str, Rehearsal]]:
    if session.step == "not_yet_open":
        yield "not yet open", not_yet_open(make)
        return
    if session.step == "closed":
        yield "closed", closed(make)
        return
    # A session that resumes at such a step must find its campaign as it was.
    if session.resume in {"not_yet_open", "closed"} or {"not_yet_open", "closed"} & {
        *session.trail
    }:
        waiting = "not_yet_open" in (session.resume, *session.trail)
        yield (("not yet open", not_yet_open(make)) if waiting else ("closed", closed(make)))
        return
    found = my_weathers(make) if session.proving else weathers(make)
    yield from ((name, weather()) for name, weather in found.items())


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


def starts(make: Make) -> list[Turn]:
    """Each kind of caller rings in each kind of campaign."""
    found = []
    worlds = {"open": make(), **{name: campaign(make) for name, campaign in CAMPAIGNS.items()}}
    for kind in CallerKind:
        for name, world in worlds.items():
            session = ringing(kind)
            found.append(Turn(session, RING, name, *advance(session, RING, world)))
    return [*found, *long_silence(make), *rings_again(make), *told_later(make), *far_away(make)]


# From the ring to what is far from it, so that a bound on places never cuts it off.
FAR_AWAY = {
    "to a number": ("plenty", ("1", "1", "12031942", "1", "75011", "1", "1", "2", "0612345678")),
    "a pair to the end": ("pairs", ("1", "1", "12031942", "1", "75011", *"111111")),
    "one place for two": ("one place for two", ("1", "3", "12031942", "1", "75011", "1", "1")),
    "written to": ("plenty", ("2", "1", "12031942", "1", "1")),
    "moving a pair": ("mine: both", ("2", REFERENCE, "1", "12031942", *"12211")),
}


def far_away(make: Make) -> list[Turn]:
    worlds = {**weathers(make), **my_weathers(make)}
    found = []
    for weather, pressed in FAR_AWAY.values():
        session, _ = advance(ringing(), RING, worlds[weather]())
        for one in pressed:
            after, speech = advance(session, keys(one), worlds[weather]())
            found.append(Turn(session, keys(one), weather, after, speech))
            session = after
    return found


def told_later(make: Make) -> list[Turn]:
    """Whoever cannot be booked now is told later: one, or the first of two."""
    found = []
    for kind in (CallerKind.MOBILE, CallerKind.LANDLINE):
        for whom in (Whom.SELF, Whom.TWO):
            caller = ringing(kind).but(alive=True, whom=str(whom))
            young = caller.but(step="not_eligible", born=TOO_YOUNG)
            waits = caller.but(step="waiting", born=OLD_ENOUGH)
            for session, pressed in ((young, "2"), (waits, "1")):
                heard, world = keys(pressed), make(tell_at=OPENING)
                after, speech = advance(session, heard, world)
                found.append(Turn(session, heard, "told by age", after, speech))
    return found


def rings_again(make: Make) -> list[Turn]:
    """The line was cut: what was chosen is kept, or no more than the answers are."""
    found = []
    for kind in (CallerKind.MOBILE, CallerKind.LANDLINE):
        for world in (make(), make(cut=cut_call(kept=False))):
            session = offer_to_resume(ringing(kind), earlier(world))
            found.append(Turn(session, RING, "cut", *advance(session, RING, world)))
    return found


def long_silence(make: Make) -> list[Turn]:
    """Somebody without a number asks for a person and then says nothing for very long."""
    world = make()
    session, _ = advance(ringing(CallerKind.NONE), RING, world)
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
    mine = at.mine and (at.mine.state, len(at.mine.starts), at.mine.undo)
    about_mine = (at.proving, bool(at.asked), mine, at.moving, at.doomed)
    written_to = (at.number_answered, bool(at.number), pairs)
    # Together: what tells one way through the conversation from another.
    way = (
        *(at.born, at.whom, at.second_person, at.proving, at.moving, at.number_answered),
        *(at.caller_kind, len(at.towns_found), bool(at.far_town)),
    )
    return (
        line,
        way,
        about_mine,
        at.trail[-1:],
        at.born,
        at.resume,
        written_to,
        (chosen, len(at.offers), pairs),
    )


@lru_cache
def walk(make: Make, most_places: int = 1200) -> Walk:
    """From every kind of ring, each key at each place."""
    turns = starts(make)
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
        for turn_or_error in turns_of(make, heapq.heappop(waiting[step])[2]):
            if isinstance(turn_or_error, Broken):
                broken[str(turn_or_error)] = None
                continue
            turns.append(turn_or_error)
            visit(turn_or_error.after)
    complete = not any(waiting.values())
    return Walk(tuple(turns), tuple(broken), walked.total(), complete)


# A line without a number that can be rung goes on asking for one for some ten minutes.
MOST_SILENCE = 60


def left_alone(make: Make, found: Walk) -> list[str]:
    """Steps at which somebody who says nothing more is left without a person or a promise.

    Whoever is booked already, and whoever never gave a sign of life, may be told goodbye; from
    whoever has no number nothing can be promised.
    """
    left: dict[str, None] = {}
    # One place of each kind of caller at each step tells as much as all of them.
    kinds = {
        (turn.after.step, turn.after.caller_kind, turn.after.alive, turn.after.misses): turn.after
        for turn in found.turns
        if turn.speech.listen is not None
    }
    for session in kinds.values():
        world = next(iter(_weathers_for(make, session)))[1]
        after, speech = session, None
        for _ in range(MOST_SILENCE):
            after, speech = advance(after, SILENCE, world)
            if speech.listen is None:
                break
        else:
            left[f"{session.step}: silence goes on for ever"] = None
            continue
        booked = after.reference or after.first_reference
        nobody = not after.alive or after.caller_kind == CallerKind.NONE
        if speech.outcome is not Outcome.PROMISED and not (booked or nobody):
            left[f"{session.step}: {speech.lines[-1].key} after silence"] = None
    return list(left)


def questions(found: Walk) -> dict[str, tuple[str, Question]]:
    """One example of each prompt that was asked, with and without its lead: step and question."""
    examples: dict[str, tuple[str, Question]] = {}
    for turn in found.turns:
        *before, last = [line for line in turn.speech.lines if not line.language]
        if not turn.speech.listen:
            continue
        lead = before[-1].key if before and before[-1].key in LEADS else ""
        name = f"{lead}, {last.key}" if lead else last.key
        if name not in examples:
            question = Question(last.key, turn.speech.listen, last.values, lead)
            examples[name] = (turn.after.step, question)
    return examples
