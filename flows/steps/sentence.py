"""A request that was said in one sentence, read back as a whole; what is wrong is asked alone.

"No" loses nothing that is right: the caller says what is wrong, or is asked which part it is. After
a second "no" the questions come one by one.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import date

from flows.questions import TELEPHONE_ONLY, Go, Move, Part, Question, menu
from flows.session import Party, Session
from flows.speech import Line
from flows.steps.common import NO_SUCH_KEY, Step
from flows.steps.date_of_birth import born_agreed, today_of
from flows.steps.said import (
    BY_CODE,
    BY_NAME,
    SENTENCE_CHECK,
    SaidAtOnce,
    forget,
    is_refused,
    keep,
    place_agreed,
    refused,
    said_at_once,
    said_in,
    taken_over,
    with_person,
)
from flows.steps.town import agreed, heard_postcodes, propose, proposed
from flows.understanding.dates import dates
from flows.understanding.sentence_parts import SELF, TWO
from flows.understanding.words import yes_no
from flows.world import World

SENTENCE_WHICH = "sentence_which"
_PERSON, _BORN, _PLACE = "person", "born", "place"


def _said(session: Session) -> SaidAtOnce:
    return said_at_once(session) or SaidAtOnce()


def _corrected(session: Session, text: str, world: World) -> Go | None:
    """Read back again, with what was said in the place of something: "non, le treize mars"."""
    said, words = _said(session), world.vocabulary(session.language)
    request = said_in(session, text, world)
    changed, now = taken_over(session, said, request, world)
    born = dates(text, words, today_of(world))
    codes = heard_postcodes(session, text, world)
    if request.born is None and len(born) == 1 and session.whom != Party.TWO:
        now = replace(now, born=born[0].isoformat())
    if request.place is None and len(codes) == 1:
        changed, now = propose(session, codes[0]), replace(now, place=BY_CODE)
    elif request.place is None and not born and yes_no(text, words) is False:
        towns = world.towns(text)
        if len(towns) == 1:
            changed, now = propose(session, towns[0]), replace(now, place=BY_NAME)
    if now == said and (not now.place or proposed(changed) == proposed(session)):
        return None
    if not now.who or now.who == said.who:
        return Go(keep(changed, now), SENTENCE_CHECK, remember=False)
    whom = {SELF: Party.SELF, TWO: Party.TWO}.get(now.who, Party.OTHER)
    return replace(with_person(keep(changed, now), whom), remember=False)


class _OfSentence(Step):
    """Two wordings, then the questions one by one, by keys."""

    patience = 2

    def hear(self, session: Session, text: str, world: World) -> Move | None:
        return _corrected(session, text, world) or super().hear(session, text, world)

    def give_up(self, session: Session, world: World) -> Move:
        return Go(forget(session), "for_whom", (Line("one_by_one"),), remember=False)


class SentenceCheck(_OfSentence):
    name = SENTENCE_CHECK
    part = Part.BIRTH
    page = TELEPHONE_ONLY
    after = "couple_choice"

    def question(self, session: Session, world: World) -> Question:
        said = _said(session)
        values: dict[str, object] = {"whom": said.who or SELF}
        lead = "sentence_two" if session.whom == Party.TWO else "sentence_person"
        if said.born:
            lead = "sentence_born"
            values["born"] = date.fromisoformat(said.born)
        read = proposed(session)
        if said.place:
            values |= {"town": read.name, "postcode": read.postcode}
        asked = menu(f"sentence_check_{said.place}" if said.place else SENTENCE_CHECK, **values)
        return replace(asked, lead=lead)

    def take(self, session: Session, pressed: str, world: World) -> Move:
        if pressed == "2":
            again = refused(session)
            if is_refused(again):
                # No caller is sent round between the read-back and what to change of it.
                return self.give_up(again, world)
            return Go(again, SENTENCE_WHICH, remember=False)
        if pressed != "1":
            return NO_SUCH_KEY
        said = _said(session)
        if said.place:
            session = place_agreed(agreed(session))
        if said.born:
            return born_agreed(session.but(born=said.born), world)
        return Go(session, "date_of_birth")


class SentenceWhich(_OfSentence):
    """Which part is wrong; the others are agreed to."""

    name = SENTENCE_WHICH
    part = Part.BIRTH
    page = TELEPHONE_ONLY

    def question(self, session: Session, world: World) -> Question:
        parts = _parts(_said(session))
        if len(parts) == len((_PERSON, _BORN, _PLACE)):
            return menu(SENTENCE_WHICH)
        return menu(f"{SENTENCE_WHICH}_{parts[-1]}")

    def take(self, session: Session, pressed: str, world: World) -> Move:
        said = _said(session)
        parts = _parts(said)
        if not pressed.isdecimal() or not 1 <= int(pressed) <= len(parts):
            return NO_SUCH_KEY
        wrong = parts[int(pressed) - 1]
        if wrong == _PERSON:
            return Go(keep(session, replace(said, who="")), "for_whom", remember=False)
        on = forget(session)
        if wrong == _BORN:
            on = place_agreed(agreed(on)) if said.place else on
            return Go(on, "date_of_birth", remember=False)
        return born_agreed(on.but(born=said.born), world) if said.born else _without_place(on)


def _parts(said: SaidAtOnce) -> tuple[str, ...]:
    """What may be wrong; of a person alone, the birth date is asked next."""
    born = [_BORN] if said.born or not said.place else []
    return (_PERSON, *born, *([_PLACE] if said.place else []))


def _without_place(session: Session) -> Go:
    """The birth date comes first, as in any call, and the postcode after it."""
    return Go(session, "date_of_birth", remember=False)
