"""What for: asked only where a person of this birth date may have more than one thing now.

Two or three of them are one question. A caller who may have one only hears nothing of the others. A
birth date that was typed is read back with the question, as a typed postcode is with the offers:
the star corrects it (docs/decisions/0056).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from flows.questions import End, Go, Miss, Move, Part, Question, menu
from flows.session import Session
from flows.speech import Line
from flows.steps.common import NO_SUCH_KEY, Patient, said_services, to_agent
from flows.steps.for_whom import offer_beside, second_person
from flows.steps.offers import search_for_typed, search_nearest
from flows.steps.said import take_agreed_place
from flows.steps.service_over import (
    SEARCHED,
    SERVICE,
    SOME_OF,
    TYPED,
    from_the_first,
    over_meanwhile,
    without_services,
)
from flows.understanding.words import named
from flows.world import Choice, World

SINCE, NOT_SINCE = "since_last", "not_since"
# In the place of a service where only one is left: to end the call.
END_KEY = "2"
# What is offered once everything is closed: see flows.steps.welcome.
_CLOSED_KEYS = frozenset({"1", "2"})
# The birth date as it was typed, and how to correct it.
TYPED_BIRTH_DATE = "typed_birth_date"
# A menu has four choices: three services, and those of them that go together. Of more, three are
# told at a time, and one more key leads on.
MOST_SERVICES = 3
MORE_KEY = "4"
_TWO = 2


def asks_what_for(session: Session, world: World) -> bool:
    """Whether this person has a choice."""
    return len(choices_for(session, world)) > 1


def on_with_services(session: Session, world: World) -> Move:
    """On with a person who may book: what for, if they have a choice, then where they live."""
    choices = choices_for(session, world)
    if session.by_text and (len(choices) > 1 or any(choice.months_since for choice in choices)):
        # No text may name what it is for: an agent asks it.
        return to_agent(session)
    if len(choices) > 1:
        return Go(from_the_first(session), SERVICE, remember=session.step != SERVICE)
    # A campaign that is of no named service needs no name: there is one.
    names = tuple(choice.campaign for choice in choices if choice.service or choice.months_since)
    return _wish(session, names, world)


def choices_for(session: Session, world: World) -> tuple[Choice, ...]:
    return world.choices(session.born_on, session.groups)


def _wish(session: Session, campaigns: tuple[str, ...], world: World) -> Move:
    return _settle(from_the_first(session).but(wished=campaigns), world)


def _settle(session: Session, world: World) -> Move:
    """On where all is known of what was asked for; else with what only the caller knows."""
    open_now = {choice.campaign: choice for choice in choices_for(session, world)}
    left = tuple(name for name in session.wished if name in open_now)
    if session.wished and not left:
        return over_meanwhile(session, session.wished, world)
    for name in left:
        if open_now[name].months_since and name not in session.since_passed + session.since_not:
            return Go(session.but(since_asked=name), SINCE, remember=session.step != SINCE)
    wanted = tuple(name for name in left if name not in session.since_not)
    if session.wished and not wanted:
        return Go(session, NOT_SINCE, remember=session.step != SINCE)
    lines: tuple[Line, ...] = ()
    if len(wanted) < len(session.wished):
        lines = (*_not_for(session, open_now, world), _only_for(session, wanted, world))
    return _to_place(session.but(wanted=wanted), world, lines)


def _not_for(session: Session, open_now: dict[str, Choice], world: World) -> tuple[Line, ...]:
    """That one needs more months since the last one."""
    return tuple(
        Line(
            "since_too_short",
            {
                "service": world.service_words(name, session.language).said,
                "months": open_now[name].months_since,
            },
        )
        for name in session.since_not
        if name in open_now and name in session.wished
    )


def _only_for(session: Session, wanted: tuple[str, ...], world: World) -> Line:
    return Line("on_for", {"services": said_services(wanted, session, world)})


def _to_place(session: Session, world: World, lines: tuple[Line, ...]) -> Move:
    if session.second_person and session.postcode:
        on = offer_beside(session, world)
        return replace(on, lines=(*lines, *on.lines)) if isinstance(on, Go) else on
    known = take_agreed_place(session)
    noted = session.note(SERVICE)
    if noted in {SEARCHED, TYPED} and session.postcode:
        known = session.without_note(SERVICE)
        if noted == TYPED:
            # One step back from the offers corrects it.
            found = search_for_typed(known.but(trail=("postcode",)), world, lines=lines)
            session = found.session
            if found.step == SERVICE:
                session = session.with_note(SERVICE, TYPED)
            return replace(found, session=session, remember=False)
    if known:
        return search_nearest(known, world, lines=lines)
    return Go(session, "postcode", lines)


@dataclass(frozen=True)
class Options:
    """What the keys stand for, in their order, and the sentence that tells them."""

    prompt: str
    keys: tuple[tuple[str, ...], ...]


def options_of(choices: tuple[Choice, ...]) -> Options:
    """Each by itself, then those that go together: both of two, all of three, or two of three.

    Of more than three also each two that go together, unless all of them do.
    """
    names = tuple(choice.campaign for choice in choices)
    prompt, each = f"{SERVICE}_{len(names)}", tuple((name,) for name in names)
    many = len(names) > MOST_SERVICES
    if many:
        prompt = f"{SERVICE}_more"
    if many and _go_together(choices):
        return Options(prompt, (*each, names))
    if _go_together(choices):
        return Options(f"{prompt}_{'both' if len(names) == _TWO else 'all'}", (*each, names))
    pairs = [
        (one, other)
        for at, one in enumerate(choices)
        for other in choices[at + 1 :]
        if _go_together((one, other))
    ]
    if many:
        together = (tuple(choice.campaign for choice in pair) for pair in pairs)
        return Options(prompt, (*each, *together))
    if len(names) > _TWO and pairs:
        return Options(f"{prompt}_pair", (*each, tuple(choice.campaign for choice in pairs[0])))
    return Options(prompt, each)


def parts_of(options: Options) -> list[list[tuple[str, tuple[str, ...]]]]:
    """Options in threes, each by the number of its three and its key there: "21" is the fourth."""
    starts = range(0, len(options.keys), MOST_SERVICES)
    return [
        [
            (f"{part}{key}", names)
            for key, names in enumerate(options.keys[start : start + MOST_SERVICES], start=1)
        ]
        for part, start in enumerate(starts, start=1)
    ]


def _part(session: Session, options: Options) -> int:
    """Which three are told now, from 0; fewer may be left than when it was noted."""
    return int(session.note(SOME_OF) or 0) % len(parts_of(options))


def _go_together(choices: tuple[Choice, ...]) -> bool:
    """Whether all of these may be in one appointment."""
    names = {choice.campaign for choice in choices}
    return len(names) > 1 and all(
        names - {choice.campaign} <= set(choice.together) for choice in choices
    )


def reads_birth_date(session: Session) -> bool:
    """Whether the birth date was typed just before: one step back leads there.

    Of a call that was cut nothing is read that was typed in it: another person may listen.
    """
    return session.trail[-1:] == ("date_of_birth",) and not session.resumed


class Service(Patient):
    name = SERVICE
    part = Part.BIRTH
    page = "pour-quoi"
    page_of_keys = True
    after = "not_eligible"

    def question(self, session: Session, world: World) -> Question:
        choices = choices_for(session, world)
        if not choices:
            # All of them closed while the caller listened.
            return menu("closed")
        options = options_of(choices)
        if len(choices) > MOST_SERVICES:
            return self._some_of(session, options, world)
        values: dict[str, object] = {
            f"service{number}": said
            for number, said in enumerate(
                said_services((choice.campaign for choice in choices), session, world), start=1
            )
        }
        values["services"] = said_services(options.keys[-1], session, world)
        asked = menu(options.prompt, born=session.born_on, **values)
        return replace(asked, lead=TYPED_BIRTH_DATE) if reads_birth_date(session) else asked

    def _some_of(self, session: Session, options: Options, world: World) -> Question:
        """Three of many, and the key to the next; after the last the first come again."""
        part = _part(session, options)
        told = options.keys[part * MOST_SERVICES : (part + 1) * MOST_SERVICES]
        values: dict[str, object] = {
            f"option{number}": said_services(names, session, world)
            for number, names in enumerate(told, start=1)
        }
        asked = menu(f"{options.prompt}_{len(told)}", born=session.born_on, **values)
        is_read = not part and reads_birth_date(session)
        return replace(asked, lead=TYPED_BIRTH_DATE) if is_read else asked

    def take(self, session: Session, pressed: str, world: World) -> Move:
        choices = choices_for(session, world)
        if not choices:
            return over_meanwhile(session, (), world) if pressed in _CLOSED_KEYS else NO_SUCH_KEY
        options = options_of(choices)
        keys = options.keys
        if len(choices) > MOST_SERVICES:
            part = _part(session, options)
            if pressed == MORE_KEY:
                following = (part + 1) % len(parts_of(options))
                return Go(session.with_note(SOME_OF, str(following)), SERVICE, remember=False)
            named = dict(key for part in parts_of(options) for key in part)
            # A page of the site shows all of them, and says which of which three was chosen.
            found = named.get(pressed if len(pressed) > 1 else f"{part + 1}{pressed}")
            return _wish(session, found, world) if found else NO_SUCH_KEY
        if len(keys) == 1 and pressed == END_KEY:
            return end_or_second(session, world)
        if not pressed.isdecimal() or not 1 <= int(pressed) <= len(keys):
            return NO_SUCH_KEY
        return _wish(session, keys[int(pressed) - 1], world)

    def hear(self, session: Session, text: str, world: World) -> Move | None:
        choices = choices_for(session, world)
        words = {
            choice.campaign: (words.said, *words.heard)
            for choice in choices
            for words in (world.service_words(choice.campaign, session.language),)
        }
        if not choices:
            return over_meanwhile(session, (), world)
        said = named(text, world.vocabulary(session.language), words)
        if len(said) > 1 and not _go_together(
            tuple(choice for choice in choices if choice.campaign in said)
        ):
            return Miss("reason.not_together")
        return _wish(session, said, world) if said else super().hear(session, text, world)


class SinceLast(Patient):
    """Whether so many months have passed since the last one: only the caller knows.

    The answer goes in no record: it is kept as long as the call is.
    """

    name = SINCE
    part = Part.BIRTH
    page = "depuis"
    page_of_keys = True

    def question(self, session: Session, world: World) -> Question:
        return menu(SINCE, **of_since(session, session.since_asked, world))

    def only_by_key(self, session: Session) -> frozenset[str]:
        # A caller certifies it.
        return frozenset({"1"})

    def take(self, session: Session, pressed: str, world: World) -> Move:
        if pressed not in {"1", "2"}:
            return NO_SUCH_KEY
        asked = session.since_asked
        # The newest answer counts: the caller may have come back to change it.
        passed = tuple(campaign for campaign in session.since_passed if campaign != asked)
        denied = tuple(campaign for campaign in session.since_not if campaign != asked)
        if pressed == "1":
            passed = (*passed, asked)
        else:
            denied = (*denied, asked)
        return _settle(session.but(since_passed=passed, since_not=denied), world)


def of_since(session: Session, campaign: str, world: World) -> dict[str, object]:
    months = {choice.campaign: choice.months_since for choice in choices_for(session, world)}
    said = world.service_words(campaign, session.language).said
    return {"service": said, "months": months.get(campaign, 0)}


class NotSince(Patient):
    """Too soon for what was asked for: the truth, and what else this person may have."""

    name = NOT_SINCE
    tells_person_at_once = True
    part = Part.BIRTH
    page = "pas-encore-le-moment"
    page_of_keys = True

    def question(self, session: Session, world: World) -> Question:
        values = of_since(session, session.since_asked, world)
        others = others_for(session, world)
        if not others:
            return menu(NOT_SINCE, **values)
        values["services"] = said_services(others, session, world)
        return menu(f"{NOT_SINCE}_other", **values)

    def take(self, session: Session, pressed: str, world: World) -> Move:
        others = others_for(session, world)
        keys = [*(["other"] if others else []), "correct", "end"]
        chosen = dict(zip("123", keys, strict=False)).get(pressed)
        if chosen == "other":
            return _wish(session, others[:1], world) if len(others) == 1 else _anew(session)
        if chosen == "correct":
            asked = session.since_asked
            again = session.but(since_not=tuple(o for o in session.since_not if o != asked))
            return Go(again, SINCE, remember=False)
        return end_or_second(session, world) if chosen == "end" else NO_SUCH_KEY


def end_or_second(session: Session, world: World) -> Move:
    """Goodbye; of two people, on to the second."""
    if session.is_first_of_two:
        on = second_person(session, world)
        return Go(on.session, on.step, (Line("on_to_second"),), remember=False)
    return End(session, (Line("goodbye"),))


def _anew(session: Session) -> Go:
    return Go(without_services(session), SERVICE, remember=False)


def others_for(session: Session, world: World) -> tuple[str, ...]:
    """What this person may have besides what they asked for."""
    return tuple(
        choice.campaign
        for choice in choices_for(session, world)
        if choice.campaign not in session.since_not
    )
