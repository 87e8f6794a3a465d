"""Every place that a conversation can come to, by trying every key at each of them.

Two sessions are the same place when nothing that decides where a call goes tells them apart. The
walk turns to the step where it has been least, so that a bound on the number of places cuts off
variations of one step and never a step.
"""

from __future__ import annotations

import heapq

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import lru_cache, partial
from typing import Any

from flows.engine import PERSON_STEPS, advance
from flows.questions import Question
from flows.session import CallerKind, MineState, Offer, Session, Whom
from flows.speech import (
    RETURNED,
    RING,
    SILENCE,
    Heard,
    Input,
    Speech,
    TurnOutcome,
    keys,
    queued,
    spoken,
)
from flows.steps import HELD, STEPS
from flows.steps.called_back import ABOUT_SOMETHING
from flows.steps.called_back import STEP as CALLED_BACK
from flows.steps.common import Told, offer_to_resume
from flows.steps.kept_place import KEPT_PLACE
from flows.steps.long_call import LONG_AFTER, LONG_CALL
from flows.steps.my_changes import MY_FACTS
from flows.steps.offers import SECOND_COMES_WITH_IT
from flows.steps.said import RELATIVE, forget, said_at_once
from flows.verification.rehearsal import (
    CODE,
    FAR,
    FAR_CENTRES,
    MORNING,
    MY_PAIR,
    OPENING,
    OWN_PHONE,
    PAIRS,
    PARIS,
    PARTNER,
    PARTNER_PHONE,
    REFERENCE,
    TOWNS,
    WHEN_WE_RING,
    RehearsedWorld,
    cut_call,
    earlier,
    kept_place,
    my_booking,
    my_halves,
    neighbours,
    offers,
    ringing,
    services,
)
from flows.world import (
    AfterAgent,
    AfterQueue,
    BackFromAgent,
    Choice,
    NamedCentre,
    NoPerson,
    NotChanged,
    NotMine,
    QueuePlace,
    ReminderHours,
    RungPerson,
    Unavailable,
    Unbooked,
)

# Makes an outside for one turn, with these options of it.
Make = Callable[..., RehearsedWorld]
Scenarios = dict[str, Callable[[], RehearsedWorld]]

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
LONG_SILENCE = 12
FIVE_HUNDRED = "12" * 250
OLD_ENOUGH, TOO_YOUNG = "1942-03-12", "1990-03-12"
# Old enough within twelve months.
SOON_ENOUGH = "1952-05-01"

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
WORDS = {
    "welcome": ("un rendez-vous pour ma mère née le 12 mars 1942 code postal 75011",),
    # Two things: a birth date without a place, and a place without a birth date.
    "for_whom": ("pour mon mari né le 12 mars 1990", "pour mon mari et on habite à Vitré"),
    "for_others": ("pour mon mari et on habite à Vitré",),
    "sentence_check": ("non code postal 35500",),
    "town": ("à côté de Vitré",),
    "postcode": ("soixante-quinze zéro onze", "Vitré"),
}
# Where it makes a difference what was said in one sentence.
_SENTENCE = frozenset({"sentence_check", "sentence_which"})
SINGLE = tuple("0123456789*#")
# The provider's words for why a call is out of its queue.
QUEUE_RESULTS = (
    *("leave", "queue-full", "system-error", "error", "hangup", "bridged", "bridging-in-process"),
    *("redirected", "redirected-from-bridged", ""),
)
A_PLACE = "e" * 32
# The state of the queue is told in the same way at every step. So all of its states are tried at
# these steps, and the usual state at every other.
AT_THE_LINE = frozenset({"welcome", *PERSON_STEPS, *HELD})
COMMON_LINES = frozenset({"line: open", "line: no promise", f"line: {NoPerson.CLOSED}"})


def scenarios(make: Make) -> Scenarios:
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
        "a number not proved": partial(make, proof_wanted=True),
        "nothing proved": partial(make, reference=Unbooked.NOT_PROVED),
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
        "nothing, a partner's centre": partial(make, found=(), own=PARTNER),
        "far, a partner's centre": partial(
            make, found=offers(2, centres=FAR_CENTRES), own=PARTNER_PHONE
        ),
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
        "one place for two": partial(make, adjacent=False),
        "rung in the evening only": partial(make, calls=replace(WHEN_WE_RING, before=None)),
        "too near to be rung": partial(make, calls=ReminderHours()),
        "two services": partial(several, make, services()),
        "two services apart": partial(several, make, services(apart=True)),
        "three services": partial(several, make, services(card=True, since=0)),
        "the service with a time of waiting": partial(several, make, services()[1:]),
        "a service closed meanwhile": partial(
            several, make, services()[:1], reference=Unbooked.CLOSED
        ),
        "no service any more": partial(several, make, (), reference=Unbooked.CLOSED),
        "cut, not kept": partial(make, cut=cut_call(kept=False)),
        "cut before all was told": partial(
            make, cut=cut_call("ready", reference=REFERENCE), mine=my_booking()
        ),
        "cut, taken up elsewhere": partial(make, cut=None),
        "cut, codes are guessed": partial(make, cut=cut_call(), codes_guessed=True),
        "cut at a pair": partial(two_doses, make, cut=cut_call(found=PAIRS)),
    }


def rare_scenarios(make: Make) -> Scenarios:
    """Outsides that one call each meets: see FAR_AWAY. At every turn they would cost too much."""
    return {
        "three services apart": partial(several, make, services(apart=True, card=True, since=0)),
        "three services in one": partial(
            several, make, services(card=True, since=0, all_together=True)
        ),
        "five services": partial(several, make, services(since=0, town=True)),
        "five services apart": partial(several, make, services(since=0, town=True, apart=True)),
        "four services apart": partial(several, make, services(since=0, town=True, apart=True)[:4]),
        "two services in turn": partial(several, make, services(since=0), found=neighbours()),
        "wheelchairs come in": partial(make, wheelchairs="yes"),
        "stairs": partial(make, wheelchairs="no"),
    }


def my_scenarios(make: Make) -> Scenarios:
    """What there may be of an appointment, for a caller who rings about one."""
    second = my_booking(first_start="", second_start=MY_PAIR.second_start)
    of_mine = {
        "one": my_booking(),
        "one, undo": my_booking(undo=True),
        "the second left": second,
        "apart": replace(MY_PAIR, second_name="Gymnase Jaurès", second_town="Vitré"),
        "elsewhere": my_booking(postcode=""),
        "of another campaign": my_booking(movable=False),
        "place closed": my_booking(off=(1,)),
        "both places closed": replace(MY_PAIR, off=(1, 2)),
        "one place of two closed": replace(MY_PAIR, off=(2,)),
        "two services": my_halves(),
        "two services, apart": my_halves(days_apart=2),
        "another hour": my_booking(changed="hour", changed_doses=(1,), texted=True),
        "another place": my_booking(changed="place", changed_doses=(1,)),
        "another hour and place for the second": replace(
            MY_PAIR, changed="hour_place", changed_doses=(2,)
        ),
        "kept far": my_booking(kept_far=72),
        "past": my_booking(state=MineState.PAST),
        "both past": replace(MY_PAIR, state=MineState.PAST),
        "cancelled": my_booking(state=MineState.CANCELLED),
        "both cancelled": replace(MY_PAIR, state=MineState.CANCELLED),
        "cancelled, undo": my_booking(state=MineState.CANCELLED, undo=True),
        "both cancelled, undo": replace(MY_PAIR, state=MineState.CANCELLED, undo=True),
    }
    found: dict[str, Callable[[], RehearsedWorld]] = {
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


def line_scenarios(make: Make, campaign: str = "") -> Scenarios:
    """What the line for a person can be like, and a place in it; `campaign`: one of CAMPAIGNS."""
    if campaign:
        make = partial(make, rules_=CAMPAIGNS[campaign](make).rules_)
    found: Scenarios = {
        "line: open": partial(make, person=QueuePlace(A_PLACE, "fr", 3, 300)),
        "line: next": partial(make, person=QueuePlace(A_PLACE, "fr", 0)),
        "line: rung in vain": partial(make, person=QueuePlace(A_PLACE, "fr", 0, rung_in_vain=True)),
        "line: no promise": partial(make, callback_after=None),
        "line: later today": partial(make, callback_after=timedelta(hours=3)),
        "line: tomorrow": partial(make, callback_after=timedelta(hours=24)),
        "line: just taken": partial(make, place_promised=False),
    }
    for seconds in (30, 3600, 5000, 7000, 9000):
        found[f"line: {seconds} seconds"] = partial(
            make, person=QueuePlace(A_PLACE, "fr", 1, seconds)
        )
    for why in NoPerson:
        none = Unavailable(why, opens_at=OPENING.astimezone(PARIS), wait_seconds=5000)
        found[f"line: {why}"] = partial(make, person=none)
    for after in AfterQueue:
        found[f"place: {after}"] = partial(make, place=after)
    for what in AfterAgent:
        back = BackFromAgent(what, step="date_of_birth", conference=A_PLACE, queue="fr")
        found[f"agent: {what}"] = partial(make, agent=back)
    for step in ("offers", "my_reference"):
        back = BackFromAgent(AfterAgent.HANDED_BACK, step=step)
        found[f"agent: {step}"] = partial(make, agent=back)
    return found


def rung_scenarios(make: Make, rung_as: str) -> Scenarios:
    """What awaits a person we rang, in the way that `rung_as` tells."""
    by_machine = rung_as not in {"asked", "cut"}
    there = (RungPerson.MACHINE,) if by_machine else (RungPerson.AGENT, RungPerson.LINE)
    found: Scenarios = {
        f"rung: {state.name.lower()}": partial(make, answered=state)
        for state in (*there, RungPerson.OVER)
    }
    if RungPerson.MACHINE in there:
        taken = partial(make, answered=RungPerson.MACHINE, cut=None)
        found["rung: taken up elsewhere"] = taken
    return found


def not_yet_open(make: Make) -> RehearsedWorld:
    return make(rules_=replace(make().rules_, opens_at=OPENING))


def closed(make: Make) -> RehearsedWorld:
    return make(rules_=replace(make().rules_, closes_at=MORNING))


def several(make: Make, may_have: tuple[Choice, ...], **options: Any) -> RehearsedWorld:
    """Several services, of which the person may have some."""
    return make(may_have=may_have, rules_=replace(make().rules_, services=2), **options)


def two_doses(make: Make, found: tuple[Offer, ...] = PAIRS, **options: Any) -> RehearsedWorld:
    """A campaign in which each person comes twice."""
    return make(found=found, rules_=replace(make().rules_, doses=2), **options)


CAMPAIGNS: Mapping[str, Callable[[Make], RehearsedWorld]] = {
    "not yet open": not_yet_open,
    "closed": closed,
}


@dataclass(frozen=True)
class WalkTurn:
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
    if step in HELD:
        return [SILENCE, RETURNED, *(queued(result) for result in QUEUE_RESULTS)]
    pressed = (*SINGLE, *COMMANDS, *MANGLED, *SENSIBLE.get(step, ()))
    said = (spoken(text) for text in WORDS.get(step, ()))
    return [SILENCE, *(keys(key) for key in dict.fromkeys(pressed)), *said]


def place(session: Session) -> Session:
    """The session without what makes no difference to where the call can go."""
    trail: list[str] = []
    for step in session.trail:
        # The same step twice in a row is one step back and then the same again.
        if trail[-1:] != [step]:
            trail.append(step)
    # Told together: each time that a session is changed, all of it is copied.
    changes: dict[str, Any] = {
        "trail": tuple(trail[-TRAIL:]),
        "slow": False,
        "offered": session.offered[:1],
        # The next answer tells by itself whether it came in words, and what is listened to does not
        # change where an answer leads.
        "wants_person": False,
        "in_words": False,
        "speaks": False,
        "speech_off_at": "",
        "noises": 0,
    }
    if session.step != LONG_CALL:
        # Help is offered once, and only in a call that has lasted for long.
        changes |= {"began_at": "", "help_offered": False}
    if session.silent_turns < LONG_SILENCE:
        changes |= {"silent_turns": 0}
    if session.step not in {"birth_month", "birth_day"}:
        # Of no more use once there is a whole date; a place that needs them has just got them.
        changes |= {"year": 0, "month": 0}
    if session.visit_told:
        # One question about the visit is like another.
        changes |= {"visit_told": "1234"}
    if session.proving:
        # One reference is like another, and so are all tries after the first.
        asked = REFERENCE if session.asked else ""
        changes |= {"asked": asked, "lookup_count": min(session.lookup_count, 1)}
    if session.born:
        # Of a date of birth it only matters whether it is one for this campaign.
        changes |= {"born": OLD_ENOUGH if session.born < "1951" else TOO_YOUNG}
    same = _without_sentence(session.but(**changes), session)
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


def _without_sentence(same: Session, session: Session) -> Session:
    """The same without what was said at once, or may be a town, where nothing asks for it."""
    is_sentence = bool({session.step, session.resume} & _SENTENCE)
    if same.candidate and not is_sentence and session.step not in {"postcode_check", "town_check"}:
        same = same.but(candidate=())
    if not is_sentence and said_at_once(session):
        same = forget(same)
        same = same.but(trail=tuple(step for step in same.trail if step not in _SENTENCE))
    if same.notes and not is_sentence and session.step not in {"welcome", "for_whom"}:
        # What was not right of one matters where another may be said.
        same = same.without_note(*_SENTENCE, RELATIVE)
    return same


class Weathers:
    """Outsides by their names, and which of them are alike in some of what they hold."""

    def __init__(self, begins: Scenarios) -> None:
        self.begins = begins
        worlds = {name: begin() for name, begin in begins.items()}
        # Two values that are written the same way are the same, and are numbered: equal ones may
        # still differ, like two moments of different zones.
        numbers: dict[str, int] = {}
        self._holds = {
            name: {
                what: numbers.setdefault(repr(value), len(numbers))
                for what, value in ({"": type(world)} | vars(world)).items()
            }
            for name, world in worlds.items()
        }
        self._alike: dict[frozenset[str], dict[str, tuple[int, ...]]] = {}

    def alike(self, attributes: frozenset[str]) -> dict[str, tuple[int, ...]]:
        """By the name of each weather, what it holds in these: alike ones have an equal tuple."""
        if attributes not in self._alike:
            self._alike[attributes] = {
                name: (
                    holds[""],
                    *(holds[attribute] for attribute in sorted(attributes) if attribute in holds),
                )
                for name, holds in self._holds.items()
            }
        return self._alike[attributes]


@lru_cache(maxsize=64)
def _weathers(found: Callable[..., Scenarios], make: Make, *options: str) -> Weathers:
    return Weathers(found(make, *options))


# The attributes of the outside that the turn of now has read.
_read: set[str] = set()


# Kinds of outside that note what is read of them, by the kind that they are.
_kinds: dict[type[RehearsedWorld], type[RehearsedWorld]] = {}


def _noting(kind: type[RehearsedWorld]) -> type[RehearsedWorld]:
    """The same kind of outside, which notes what is read of it."""
    if kind not in _kinds:
        read, note = kind.__getattribute__, _read.add

        def noted(world: RehearsedWorld, name: str) -> Any:
            note(name)
            return read(world, name)

        _kinds[kind] = type(kind.__name__, (kind,), {"__getattribute__": noted})
    return _kinds[kind]


@dataclass(frozen=True)
class _Answer:
    """What came of an input, and what the turn asked of the outside: anything, and the line.

    `broken` is what the engine raised instead; the message names no weather.
    """

    after: Session
    speech: Speech | None
    asks: bool
    line: bool
    broken: str = ""


class _Tried:
    """One input at one session, in all weathers.

    An answer follows from the session, from what was heard and from what the turn reads of the
    outside. So weathers that are alike in all of that have the same answer, which is worked out
    once: most of them differ in things of which a turn asks nothing.
    """

    def __init__(self, session: Session, heard: Input, known: dict[Session, Session]) -> None:
        self._session, self._heard, self._known = session, heard, known

    def answers(self, weathers: Weathers, names: Iterable[str]) -> Iterator[tuple[str, _Answer]]:
        """The answer in each of these weathers."""
        found: dict[frozenset[str], dict[tuple[int, ...], _Answer]] = {}
        for name in names:
            for attributes, answers in found.items():
                if answer := answers.get(weathers.alike(attributes)[name]):
                    break
            else:
                answer, attributes = self._answer(weathers.begins[name]())
                found.setdefault(attributes, {})[weathers.alike(attributes)[name]] = answer
            yield name, answer

    def turn(self, weather: str, answer: _Answer) -> WalkTurn | Broken:
        session = self._session
        if answer.speech is not None:
            return WalkTurn(session, self._heard, weather, answer.after, answer.speech)
        shown = self._heard.keys[:12] or self._heard.kind
        return Broken(
            f"{answer.broken} at {session.step} after {shown!r} ({weather}),"
            f" trail {session.trail}, chosen {session.chosen}, offers {len(session.offers)}"
        )

    def _answer(self, world: RehearsedWorld) -> tuple[_Answer, frozenset[str]]:
        """The answer, and what was read of the outside for it."""
        after, speech, broken = self._session, None, ""
        world.__class__ = _noting(type(world))
        _read.clear()
        try:
            after, speech = advance(self._session, self._heard, world)
        except Exception as error:  # noqa: BLE001 (the test says what was raised, and where)
            broken = f"{type(error).__name__}: {error}"
        read = frozenset(_read)
        asked = (world.searches, world.orders, world.promises, world.looks, world.asked_for)
        asks, line = any((*asked, world.changed)), bool(world.line)
        return _Answer(self._known.setdefault(after, after), speech, asks, line, broken), read


def turns_of(
    make: Make, session: Session, known: dict[Session, Session] | None = None
) -> Iterator[WalkTurn | Broken]:
    """All turns from one session. What asks nothing of the outside is tried in one weather.

    `known`: sessions that were met before, each by itself; a turn that leads to an equal one leads
    to that, and what is new is added.
    """
    known = {} if known is None else known
    weathers, lines = _weathers_for(make, session), _lines_for(make, session)
    at_the_line = [
        name for name in lines.begins if name in COMMON_LINES or session.step in AT_THE_LINE
    ]
    for heard in inputs(session.step):
        line = False
        tried = _Tried(session, heard, known)
        for name, answer in tried.answers(weathers, weathers.begins):
            yield tried.turn(name, answer)
            line = line or answer.line
            if not answer.asks:
                break
        if line:
            for name, answer in tried.answers(lines, at_the_line):
                yield tried.turn(name, answer)


def _weathers_for(make: Make, session: Session) -> Weathers:
    campaign = _not_open(session)
    if campaign:
        return _weathers(_campaign_scenarios, make, campaign)
    if session.step == CALLED_BACK:
        return _weathers(rung_scenarios, make, session.rung_as)
    if session.step == KEPT_PLACE or (session.is_offered and session.step == "date_of_birth_check"):
        return _weathers(kept_scenarios, make)
    return _weathers(my_scenarios if session.proving else scenarios, make)


def _lines_for(make: Make, session: Session) -> Weathers:
    campaign = _not_open(session)
    return _weathers(line_scenarios, make, *([campaign] if campaign else []))


def _campaign_scenarios(make: Make, campaign: str) -> Scenarios:
    return {campaign: partial(CAMPAIGNS[campaign], make)}


def _not_open(session: Session) -> str:
    """A session that was, or resumes, at such a step must find its campaign as it was."""
    been = (session.step, session.resume, *session.trail)
    return next((name for name in CAMPAIGNS if name.replace(" ", "_") in been), "")


@dataclass(frozen=True)
class Walk:
    """Everything that was met; `complete` unless the bound on places was hit."""

    turns: tuple[WalkTurn, ...] = field(repr=False)
    broken: tuple[str, ...] = field(repr=False)
    places: int
    complete: bool

    @property
    def steps(self) -> frozenset[str]:
        return frozenset(turn.after.step for turn in self.turns)


def starts(make: Make) -> list[WalkTurn]:
    """Each kind of caller rings in each kind of campaign."""
    found: list[WalkTurn] = []
    worlds: Scenarios = {"open": make}
    worlds |= {name: partial(campaign, make) for name, campaign in CAMPAIGNS.items()}
    for kind in CallerKind:
        for name, weather in worlds.items():
            found += _played(ringing(kind), [RING], name, weather)
    for begun in (
        *(long_silence, rings_again, told_later, far_away),
        *(rung_by_us, never_called, place_is_kept, lasts_long),
    ):
        found += begun(make)
    return found


def _played(
    session: Session, heard: Iterable[Input], weather: str, make: Callable[[], RehearsedWorld]
) -> Iterator[WalkTurn]:
    """One turn after the other, until the call is over or elsewhere."""
    for given in heard:
        turn = WalkTurn(session, given, weather, *advance(session, given, make()))
        yield turn
        if turn.speech.listen is None:
            return
        session = turn.after


# What may be kept for a person who waits, and what becomes of it.
KEPT: Mapping[str, Mapping[str, Any]] = {
    "kept": {},
    "kept, a landline": {"kept": kept_place(text_to="")},
    "kept, a pair": {"kept": kept_place(second=True)},
    "kept, taken by others": {"reference": Unbooked.GONE},
    "kept, a person needed": {"reference": Unbooked.PERSON},
    "kept, off the list": {"waits_on": False},
}


def kept_scenarios(make: Make) -> Scenarios:
    """What a caller may meet when a place is kept at their number."""
    found: Scenarios = {
        name: partial(make, **{"kept": kept_place(), **options}) for name, options in KEPT.items()
    }
    return found | {"kept for somebody else": make}


def place_is_kept(make: Make) -> Iterator[WalkTurn]:
    """A person who waits rings, or was rung, and gives the birth date."""
    heard = [RING, *map(keys, ("1", "12031942", "1"))]
    kept = partial(make, kept=kept_place())
    yield from _played(ringing().but(is_offered=True), heard, "kept", kept)
    for kind in (CallerKind.MOBILE, CallerKind.LANDLINE):
        session = ringing(kind).but(
            step="date_of_birth_check", alive=True, born=OLD_ENOUGH, is_offered=True
        )
        for name, weather in kept_scenarios(make).items():
            yield from _played(session, [keys("1"), keys("1")], name, weather)


def lasts_long(make: Make) -> Iterator[WalkTurn]:
    """A caller is here for so long that a person is offered."""
    began = (MORNING - LONG_AFTER).isoformat()
    for kind in CallerKind:
        session = ringing(kind).but(
            step="date_of_birth_check", alive=True, began_at=began, born=OLD_ENOUGH
        )
        for heard in ([keys("1"), keys("2")], [SILENCE, SILENCE, SILENCE]):
            yield from _played(session, heard, "plenty", make)


def never_called(make: Make) -> Iterator[WalkTurn]:
    """A caller needs an agent, no agent can answer, and no callback can be promised."""
    session = ringing().but(step="person", alive=True, no_promise=True, born=OLD_ENOUGH)
    for pressed in "91":
        weather = partial(make, callback_after=None)
        yield from _played(session, [keys(pressed)], "line: no promise", weather)


# From the ring to what is far from it, so that a bound on places never cuts it off.
FAR_AWAY = {
    "to a number": ("plenty", ("1", "12031942", "1", "75011", "1", "3", "2", "0612345678")),
    "a pair to the end": ("pairs", ("1", "12031942", "1", "75011", *"1111")),
    "one place for two": ("one place for two", ("2", "2", "12031942", "1", "75011", "1")),
    "for another": ("plenty", ("2", "1", "12031942", "1", "75011", "1", "3", "3")),
    "the second of two": (
        "plenty",
        ("2", "2", "12031942", "1", "75011", *"111", "13041943", *"1133"),
    ),
    "written to": ("plenty", ("3", "1", "12031942", "1", "1")),
    "to be rung": ("plenty", ("1", "12031942", "1", "75011", "1", "3", "3", "1", "1", "1")),
    "moving one of two services": (
        "mine: two services",
        ("3", REFERENCE, "1", "12031942", "1", "2", "2"),
    ),
    "cancelling one of two services": (
        "mine: two services, apart",
        ("3", REFERENCE, "1", "12031942", "1", "3", "1"),
    ),
    "three services apart": ("three services apart", ("1", "12031942")),
    "three services in one": ("three services in one", ("1", "12031942")),
    # Three of many are told at a time: the others are behind one more key.
    "five services": ("five services", ("1", "12031942", "4")),
    "five services apart": ("five services apart", ("1", "12031942", "4")),
    "four services apart": ("four services apart", ("1", "12031942", "4")),
    "two services in turn": ("two services in turn", ("1", "12031942", "3", "75011", "1")),
    "by wheelchair": ("wheelchairs come in", ("1", "12031942", "1", "75011", *"11214")),
    "not by wheelchair": ("stairs", ("1", "12031942", "1", "75011", *"112123")),
    "moving a pair": ("mine: both", ("3", REFERENCE, "1", "12031942", *"12211")),
}


def far_away(make: Make) -> Iterator[WalkTurn]:
    worlds = {**scenarios(make), **rare_scenarios(make), **my_scenarios(make)}
    for weather, pressed in FAR_AWAY.values():
        yield from _played(ringing(), [RING, *map(keys, pressed)], weather, worlds[weather])


def told_later(make: Make) -> Iterator[WalkTurn]:
    """A person who cannot be booked now is told later: one, or the first of two."""
    for kind in (CallerKind.MOBILE, CallerKind.LANDLINE):
        for whom in (Whom.SELF, Whom.TWO):
            caller = ringing(kind).but(alive=True, whom=str(whom))
            young = caller.but(step="not_eligible", born=TOO_YOUNG)
            waits = caller.but(step="waiting", born=OLD_ENOUGH)
            for session, pressed in ((young, "2"), (waits, "1")):
                weather = partial(make, tell_at=OPENING)
                yield from _played(session, [keys(pressed)], "told by age", weather)
            # The day on which they may, and the same date given once more.
            born = (keys("01051952"), keys("1"))
            who = map(keys, "22" if caller.whom == Whom.TWO else "1")
            heard = [RING, *who, *born, keys("1"), *born]
            told = (partial(make, tell_at=OPENING), partial(make, turn_at=OPENING))
            for told_so in (partial(make), *told):
                yield from _played(ringing(kind), heard, "soon enough", told_so)


def rings_again(make: Make) -> Iterator[WalkTurn]:
    """The line was cut: what was chosen is kept, or no more than the answers are."""
    for kind in (CallerKind.MOBILE, CallerKind.LANDLINE):
        for weather in (make, partial(make, cut=cut_call(kept=False))):
            session = offer_to_resume(ringing(kind), earlier(weather()))
            yield from _played(session, [RING], "cut", weather)
    booked = replace(earlier(make()), booked=True)
    yield from _played(offer_to_resume(ringing(), booked), [RING], "booked", make)


def rung_by_us(make: Make) -> Iterator[WalkTurn]:
    """A promise to ring back is kept: by an agent, or by the machine where the call was left."""
    for kind in (CallerKind.MOBILE, CallerKind.LANDLINE):
        for rung_as, earlier_call in (
            ("asked", ""),
            ("cut", "CA1"),
            ("machine", "CA1"),
            ("machine", ""),
            *((about, "") for about in sorted(ABOUT_SOMETHING)),
        ):
            session = ringing(kind).but(
                rung_for="t" * 32,
                rung_as=rung_as,
                earlier=earlier_call,
                line=A_PLACE if rung_as in {"asked", "cut"} else "",
            )
            yield from _played(session, [RING], "rung", make)


def long_silence(make: Make) -> Iterator[WalkTurn]:
    """A caller who cannot be rung says nothing from the start, or more: a person answers later."""
    asked_where = {"alive": True, "born": "1942-03-12", "resume": "postcode", "step": "person"}
    for hours_in in (timedelta(), timedelta(hours=9), None):
        weather = partial(make, callback_after=None, hours_in=hours_in)
        for kind in (CallerKind.NONE, CallerKind.MOBILE):
            yield from _played(ringing(kind), [RING, *[SILENCE] * 3], "silent", weather)
            asked = ringing(kind).but(**asked_where, no_promise=kind is CallerKind.MOBILE)
            yield from _played(asked, [SILENCE] * 3, "silent", weather)


def _features(at: Session) -> tuple[object, ...]:
    """The features by which a place of a step is worth trying after another."""
    chosen = 0 <= at.chosen < len(at.offers)
    # What was noted on the way makes another call of it: one whose date was refused before is not
    # the first to come here.
    noted = tuple(name for name, _ in at.notes)
    line = (at.caller_kind, bool(at.silent_turns), at.misses, at.alive, noted)
    pairs = any(offer.second_start_at for offer in at.offers)
    mine = at.mine and (at.mine.state, len(at.mine.starts), at.mine.undo, len(at.mine.services))
    about_mine = (at.proving, bool(at.asked), mine, at.moving, at.doses_to_cancel)
    written_to = (at.number_answered, bool(at.number), pairs)
    # Together: what tells one way through the conversation from another.
    way = (
        *(at.born, at.whom, at.second_person, at.proving, at.moving, at.number_answered),
        *(at.caller_kind, len(at.towns_found), bool(at.far_town), noted),
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
    # Of thirty turns, 29 lead to a session that another has led to. It is kept once, for a session
    # takes five kilobytes, and it is looked at once.
    known: dict[Session, Session] = {}
    visited: set[int] = set()

    def visit(session: Session) -> None:
        # `known` keeps it, so that no other has its identity.
        if id(session) in visited:
            return
        visited.add(id(session))
        at = place(session)
        if at in seen:
            return
        seen.add(at)
        features = [(at.step, *feature) for feature in enumerate(_features(at))]
        met.update(features)
        least = min(met[feature] for feature in features)
        heapq.heappush(waiting.setdefault(at.step, []), (least, len(seen), at))

    for turn in turns:
        visit(known.setdefault(turn.after, turn.after))
    while any(waiting.values()) and walked.total() < most_places:
        step = min((step for step, some in waiting.items() if some), key=walked.__getitem__)
        walked[step] += 1
        for turn_or_error in turns_of(make, heapq.heappop(waiting[step])[2], known):
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
    """Steps at which a caller who says nothing more is left without an agent or a promise.

    A caller for whom all is done and told, or who never gave a sign of life, may be told goodbye.
    Nothing can be promised to a caller without a number. A person we rang to keep a promise
    still has that promise.
    """
    left: dict[str, None] = {}
    # One place of each kind of caller at each step tells as much as all of them.
    kinds = {
        (turn.after.step, turn.after.caller_kind, turn.after.alive, turn.after.misses): turn.after
        for turn in found.turns
        if turn.speech.listen is not None
    }
    for session in kinds.values():
        world = next(iter(_weathers_for(make, session).begins.values()))()
        after, speech = session, None
        for _ in range(MOST_SILENCE):
            after, speech = advance(after, SILENCE, world)
            if speech.listen is None:
                break
        else:
            left[f"{session.step}: silence goes on for ever"] = None
            continue
        booked = after.reference or after.first_reference or isinstance(STEPS[session.step], Told)
        nobody = not after.alive or after.caller_kind == CallerKind.NONE or after.no_promise
        if session.step == CALLED_BACK:
            continue
        if speech.outcome is not TurnOutcome.PROMISED and not (booked or nobody):
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
