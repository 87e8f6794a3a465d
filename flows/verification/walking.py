"""Every place that a conversation can come to, by trying every key at each of them.

Two sessions are the same place when nothing that decides where a call goes tells them apart. The
walk turns to the step where it has been least, so that a bound on the number of places cuts off
variations of one step and never a step.
"""

from __future__ import annotations

import heapq

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import lru_cache, partial
from typing import Any

from flows.agents import NoPerson
from flows.engine import PERSON_STEPS, advance
from flows.questions import Question
from flows.session import CallerKind, Party, Session
from flows.speech import RETURNED, RING, SILENCE, Input, TurnOutcome, keys, queued, spoken
from flows.steps import HELD, STEPS
from flows.steps.called_back import ABOUT_SOMETHING
from flows.steps.called_back import STEP as CALLED_BACK
from flows.steps.common import Told, offer_to_resume
from flows.steps.kept_place import KEPT_PLACE
from flows.steps.long_call import LONG_AFTER, LONG_CALL
from flows.steps.my_changes import MY_FACTS
from flows.steps.offers import SECOND_COMES_WITH_IT
from flows.steps.other_languages import OTHER_LANGUAGES
from flows.steps.said import RELATIVE, forget, said_at_once
from flows.verification.rehearsal import CODE, RehearsedWorld, earlier, ringing
from flows.verification.rehearsed import MORNING, OPENING, REFERENCE, TOWNS, cut_call, kept_place
from flows.verification.turns import Broken, TriedInput, WalkTurn
from flows.verification.weathers import (
    A_PLACE,
    CAMPAIGNS,
    Make,
    Scenarios,
    Weathers,
    kept_scenarios,
    language_scenarios,
    line_scenarios,
    my_scenarios,
    rare_scenarios,
    rung_scenarios,
    scenarios,
    weathers_of,
)

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
# The state of the queue is told in the same way at every step. So all of its states are tried at
# these steps, and the usual state at every other.
AT_THE_LINE = frozenset({"welcome", *PERSON_STEPS, *HELD})
COMMON_LINES = frozenset({"line: open", "line: no promise", f"line: {NoPerson.CLOSED}"})


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
        tried = TriedInput(session, heard, known)
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
        return weathers_of(_campaign_scenarios, make, campaign)
    if session.step == CALLED_BACK:
        return weathers_of(rung_scenarios, make, session.rung_as)
    if session.step == KEPT_PLACE or (session.is_offered and session.step == "date_of_birth_check"):
        return weathers_of(kept_scenarios, make)
    if session.step == OTHER_LANGUAGES:
        return weathers_of(language_scenarios, make)
    return weathers_of(my_scenarios if session.proving else scenarios, make)


def _lines_for(make: Make, session: Session) -> Weathers:
    campaign = _not_open(session)
    return weathers_of(line_scenarios, make, *([campaign] if campaign else []))


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
    "another language": ("four languages", ("5",)),
    "moving a pair": ("mine: both", ("3", REFERENCE, "1", "12031942", *"12211")),
}


def far_away(make: Make) -> Iterator[WalkTurn]:
    worlds = {**scenarios(make), **rare_scenarios(make), **my_scenarios(make)}
    for weather, pressed in FAR_AWAY.values():
        yield from _played(ringing(), [RING, *map(keys, pressed)], weather, worlds[weather])


def told_later(make: Make) -> Iterator[WalkTurn]:
    """A person who cannot be booked now is told later: one, or the first of two."""
    for kind in (CallerKind.MOBILE, CallerKind.LANDLINE):
        for whom in (Party.SELF, Party.TWO):
            caller = ringing(kind).but(alive=True, whom=str(whom))
            young = caller.but(step="not_eligible", born=TOO_YOUNG)
            waits = caller.but(step="waiting", born=OLD_ENOUGH)
            for session, pressed in ((young, "2"), (waits, "1")):
                weather = partial(make, tell_at=OPENING)
                yield from _played(session, [keys(pressed)], "told by age", weather)
            # The day on which they may, and the same date given once more.
            born = (keys("01051952"), keys("1"))
            who = map(keys, "22" if caller.whom == Party.TWO else "1")
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

    A caller whose matter is done and told, or who never gave a sign of life, may be told goodbye.
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
