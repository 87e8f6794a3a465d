"""What a caller said in one sentence: kept until its person is known, then read back whole.

Until the caller agrees, nothing of it is a date of birth or a town of this call.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from flows.questions import Go, Move
from flows.session import Party, Proving, Session
from flows.steps.common import Patient
from flows.steps.town import propose
from flows.understanding import COUNTRY_ZONE
from flows.understanding.offered import after_correction
from flows.understanding.sentence_parts import OTHER, SELF, TWO
from flows.understanding.sentence_people import SentenceIntent
from flows.understanding.sentences import Request, request_of
from flows.world import Town, World

SENTENCE_CHECK = "sentence_check"
# How the place was said: by the name of a town, or by a postcode.
BY_NAME, BY_CODE = "town", "code"
_WHOM = {SELF: Party.SELF, TWO: Party.TWO}
_WHO = {Party.SELF: SELF, Party.TWO: TWO}
_BETWEEN = "|"
# The note on a caller who did not agree to what was read back: once, or so that no sentence is
# taken from them any more.
_REFUSED, _ONCE, _TWICE = "sentence_which", "once", "twice"
# The step that need not ask any more, and what its note says then.
_POSTCODE, _AGREED = "postcode", "agreed"
# The note on who of their people comes, where the caller said so; else they are called a relative.
RELATIVE = "relative"


@dataclass(frozen=True)
class SaidAtOnce:
    """Who comes, the birth date (ISO 8601) and how the place was said; empty where it was not.

    The place itself is the session's candidate.
    """

    who: str = ""
    born: str = ""
    place: str = ""


def said_at_once(session: Session) -> SaidAtOnce | None:
    """What is kept of a sentence; None where there is nothing."""
    kept = session.note(SENTENCE_CHECK)
    return SaidAtOnce(*kept.split(_BETWEEN)) if kept else None


def keep(session: Session, said: SaidAtOnce) -> Session:
    """The session with this in the place of what was kept."""
    return session.with_note(SENTENCE_CHECK, _BETWEEN.join((said.who, said.born, said.place)))


def forget(session: Session) -> Session:
    """The session without anything of a sentence."""
    return session.without_note(SENTENCE_CHECK)


def refused(session: Session) -> Session:
    """The session of a caller who says that what was read back is not right."""
    return session.with_note(_REFUSED, _TWICE if session.note(_REFUSED) else _ONCE)


def is_refused(session: Session) -> bool:
    """Whether it was not right twice: then the questions are put one by one."""
    return session.note(_REFUSED) == _TWICE


def relative(session: Session) -> str:
    """Who comes, as the table of persons in a language's file names them: "mother".

    A line may be shared: to a caller who goes on after a cut, only that it is a relative.
    """
    return RELATIVE if session.resumed else session.note(RELATIVE) or RELATIVE


def place_agreed(session: Session) -> Session:
    """The postcode need not be asked."""
    return session.with_note(_POSTCODE, _AGREED)


def take_agreed_place(session: Session) -> Session | None:
    """The session in which to search, where the place was agreed to with the sentence; once."""
    agreed = session.postcode and session.note(_POSTCODE) == _AGREED
    return session.without_note(_POSTCODE) if agreed else None


def said_in(session: Session, text: str, world: World) -> Request[Town]:
    """What these words say for certain."""
    today = world.now().astimezone(COUNTRY_ZONE).date()
    return request_of(text, world.vocabulary(session.language), today, world)


def go_on_with_sentence(session: Session, text: str, world: World) -> Go | None:
    """On with what a sentence says at a first question; None where it says no more than an answer.

    Who comes is asked before anything is read back, so that all of it is read back once.
    """
    request = said_in(session, text, world)
    if request.intent is SentenceIntent.PERSON:
        return Go(session.but(resume=session.step, wants_person=True), "person")
    if request.intent is not SentenceIntent.BOOK or not (request.who or request.says_much):
        return None
    if is_refused(session):
        # It may be a television that says it again and again.
        return None
    fresh = session.but(proving=Proving.NOTHING, asked="")
    fresh, said = taken_over(fresh, said_at_once(session) or SaidAtOnce(), request, world)
    if not said.who:
        return Go(keep(fresh, said), "for_whom")
    return with_person(keep(fresh, said), _WHOM.get(said.who, Party.OTHER))


class FirstQuestion(Patient):
    """Where a caller may say it all in one sentence, or an answer that they correct."""

    hears_parts = True

    def hear(self, session: Session, text: str, world: World) -> Move | None:
        found = go_on_with_sentence(session, text, world)
        # "Moi, enfin non, mon mari".
        last = after_correction(text, world.vocabulary(session.language))
        if found is None and last != text:
            found = go_on_with_sentence(session, last, world)
        return found or super().hear(session, last, world)


def taken_over(
    session: Session, said: SaidAtOnce, request: Request[Town], world: World
) -> tuple[Session, SaidAtOnce]:
    """What was said, with what these words say in its place."""
    if request.who:
        said = replace(said, who=request.who)
    if request.born is not None:
        said = replace(said, born=request.born.isoformat())
    if request.place is not None:
        said = replace(said, place=BY_CODE if request.postcode else BY_NAME)
        session = propose(session, _with_code(request.place, request.postcode, world))
    return session, said


def with_person(session: Session, whom: Party) -> Go:
    """On from the answer to "for whom?": to the read-back of a sentence, or to the birth date."""
    said = said_at_once(session)
    session = _with_relative(session.but(whom=str(whom)), said)
    if session.resumed or said is None:
        # A line may be shared: what was said before it was cut is not read aloud.
        return Go(forget(session), "date_of_birth")
    if whom is Party.TWO:
        # With two people, the date may be that of either: it is asked again.
        said = replace(said, born="")
    if _WHOM.get(said.who, Party.OTHER) is not whom or not said.who:
        said = replace(said, who=_WHO.get(whom, OTHER))
    if not said.born and not said.place:
        return Go(forget(session), "date_of_birth")
    return Go(keep(session, said), SENTENCE_CHECK)


def _with_relative(session: Session, said: SaidAtOnce | None) -> Session:
    """The session with who comes, where the caller said who of their people it is."""
    if said is not None and session.whom == Party.OTHER and said.who not in {"", SELF, TWO, OTHER}:
        return session.with_note(RELATIVE, said.who)
    return session.without_note(RELATIVE)


def _with_code(place: Town, postcode: str, world: World) -> Town:
    """A town by the postcode that was said, which may be another of its own."""
    town = world.town(postcode) if postcode and postcode != place.postcode else None
    return replace(town, name=place.name, departement=place.departement) if town else place
