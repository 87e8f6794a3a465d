"""A line that was cut loses nothing: find what is left of it, and take it up in another call.

The same for what was begun on the site: a visit is a call on paper, and its code is one like any
other. The call that takes it up ends it first, so that the site and the telephone never both go on.
"""

from __future__ import annotations

import hmac
import json

from collections.abc import Collection
from dataclasses import replace
from datetime import date, timedelta

import structlog

from flows.engine import ENDED
from flows.session import Session
from flows.steps.resume import has_booked, is_about_a_booking, is_worth_resuming
from flows.steps.untold import is_untold
from flows.world import CodeNeeds, Earlier, TakenUp
from models import attempts
from models.attempts import EVERYBODY, AttemptCountQuery, Subject
from models.call import resume
from models.database import Connection
from models.online import web_sessions
from models.online.web_sessions import PARTNER_WAITS, WebSessionRow
from services.attempts import subject, tried
from services.campaign.campaign import Campaign
from services.slots.give_back import give_back_holds, keep_for_code, returning, take_back
from services.store import Store
from services.work import Work

# What was said is kept ready for so long; what was chosen, for the campaign's own window.
RESUME_WITHIN = timedelta(minutes=30)
# So long after a call that booked a person, the next of that line is about that, or of the other of
# a couple.
BOOKED_WITHIN = timedelta(minutes=10)
# A caller who was asked in time may take a while to answer.
TIME_TO_ANSWER = timedelta(minutes=10)
# A code is told in the middle of a call, and good for half an hour after its end: how long ago the
# call was left is looked at when the code is given.
CODE_LIVES = timedelta(hours=3) + RESUME_WITHIN
# That of a visit is told when it is asked for.
VISIT_CODE_LIVES = RESUME_WITHIN
# How a visit ends that a person went on with elsewhere.
TAKEN_UP = "taken_up"
CODE_TRIES = 3
# Of a line that shows its number, and for one code, from whichever line.
CODE_TRIES_A_DAY = 5
# After so many wrong codes in so long, from whomever, a code alone is not enough; it never is
# refused for what others tried.
WRONG_CODES = 20
CODES_DEAR_FOR = timedelta(days=1)
# Two codes are the same once in a million; three in a row means that they are used up.
_NEW_CODE_TRIES = 3
_TRIES, _TRIES_BY, _TRIES_FOR = "resume", "resume_line", "resume_code"
_BY_ALL = Subject(_TRIES, EVERYBODY)

log = structlog.get_logger()


def find_earlier(work: Work, call_id: str, caller: str) -> Earlier | None:
    """The newest call of a line that was cut with something in it, or booked a person just now.

    `caller` is E.164.
    """
    line = work.store.vault.index("phone", caller or None)
    if line is None:
        return None
    booked = set()
    for left in resume.left_by_line(
        work.connection, work.store.clock, work.store.vault, line, call_id, _within(work.campaign)
    ):
        session = Session.from_json(left.body.session)
        if is_worth_resuming(session) and (session.born not in booked or is_untold(session)):
            found = _earlier(work.connection, work.store, left.call_id, session)
            untold = is_untold(session) and not session.is_first_of_two
            return replace(found, booked=untold)
        if has_booked(session) and left.left_at >= work.store.clock.now() - BOOKED_WITHIN:
            return Earlier(left.call_id, session.language, booked=True)
        if session.reference:
            booked.add(session.born)
    return None


def find_by_code(
    work: Work, call_id: str, code: str, *, caller: str = "", born: date | None = None
) -> Earlier | CodeNeeds | None:
    """The call that a code is for, in the caller's transaction; a try is counted.

    `caller` is E.164, empty for a withheld number. None for a wrong code, for one that ran out, and
    after CODE_TRIES wrong ones of this call or CODE_TRIES_A_DAY of this line or for this code.
    After WRONG_CODES of all within CODES_DEAR_FOR, a code counts only with the birth date that was
    given in its call: BIRTH_DATE, for a right and a wrong one, where it is not there (`born`).
    """
    store = work.store
    limits = {
        subject(store, _TRIES, "call", call_id): CODE_TRIES,
        subject(store, _TRIES_FOR, "resume code", code): CODE_TRIES_A_DAY,
    }
    if caller:
        limits[subject(store, _TRIES_BY, "phone", caller)] = CODE_TRIES_A_DAY
    subjects = tuple(limits)
    *wrong, by_all = tried(
        work.connection, store, subjects, AttemptCountQuery(_BY_ALL, CODES_DEAR_FOR)
    )
    if any(one >= limit for one, limit in zip(wrong, limits.values(), strict=True)):
        return None
    is_dear = by_all >= WRONG_CODES
    if is_dear and born is None:
        return CodeNeeds.BIRTH_DATE
    found = None
    earlier_id = of_code(work.connection, store, code)
    if earlier_id and earlier_id != call_id:
        session = left(work, earlier_id)
        right = session is not None and (not is_dear or _is_born(session, born))
        if session and right and is_worth_resuming(session):
            found = _earlier(work.connection, store, earlier_id, session)
    attempts.add(work.connection, store.clock, (*subjects, _BY_ALL), good=found is not None)
    if found is None and by_all + 1 == WRONG_CODES:
        log.error("alert", alert="wrong resume codes", wrong=WRONG_CODES)
    return found


def _is_born(session: Session, born: date | None) -> bool:
    """Whether that date was given there; where none was, no person proves to be its caller."""
    known = born.isoformat() if born and session.born else "-"
    return hmac.compare_digest(session.born, known)


def of_code(connection: Connection, store: Store, code: str) -> str | None:
    """The call, or the visit to the site, that a code is for; the caller counts the try."""
    index = _code_idx(store, code)
    found = resume.call_of_code(connection, store.clock, index)
    return found or web_sessions.web_session_of_code(connection, store.clock, index)


def new_web_session_code(work: Work, visit_id: str) -> str:
    """A code to finish a visit by telephone, in the caller's transaction.

    What was chosen is kept as for a line that was cut. Empty where there is nothing to go on from.
    """
    session = left(work, visit_id)
    if session is None or not is_worth_resuming(session):
        return ""
    for _ in range(_NEW_CODE_TRIES):
        code = work.store.chance.code()
        index = _code_idx(work.store, code)
        if web_sessions.set_code(
            work.connection, work.store.clock, index, visit_id, VISIT_CODE_LIVES
        ):
            keep_for_code(work, visit_id, chosen_places(session))
            return code
    return ""


def new_code(connection: Connection, store: Store, call_id: str) -> str:
    """A code for this call, in the caller's transaction; empty where none could be found."""
    for _ in range(_NEW_CODE_TRIES):
        code = store.chance.code()
        index = _code_idx(store, code)
        if web_sessions.web_session_of_code(connection, store.clock, index):
            # Told on a page to another person.
            continue
        if resume.add_code(connection, store.clock, index, call_id, CODE_LIVES):
            return code
    return ""


def take_up(work: Work, call_id: str, earlier_id: str, *, into_call: bool = True) -> TakenUp | None:
    """Go on from an earlier call, in the caller's transaction: all that it held is this call's.

    `into_call`: a call does so, which goes on with the code, too; else a desk, or the site, under
    the name that `call_id` is. None when there is nothing left to go on from, or another was
    quicker.
    """
    if web_sessions.is_web_session(earlier_id):
        session = _close_web_session(work.connection, work.store, earlier_id)
    else:
        session = _close_call(work, earlier_id)
    if session is None:
        return None
    if into_call and _pass_code(work.connection, work.store, earlier_id, call_id):
        # Told on a page instead of in the call, which is as good.
        session = session.but(coded=True)
    chosen = chosen_places(session)
    kept = bool(chosen) and take_back(
        work, holders_of(work.store, session, earlier_id), chosen, holder=call_id
    )
    # What it was offered besides, where no status said that it ended.
    give_back_holds(work.connection, earlier_id)
    return TakenUp(session, kept)


def _pass_code(connection: Connection, store: Store, earlier_id: str, call_id: str) -> bool:
    """Should this line be cut, too, the same code is good for it; whether it is a visit's."""
    clock = store.clock
    if not web_sessions.is_web_session(earlier_id):
        resume.pass_codes(connection, clock, earlier_id, call_id, CODE_LIVES)
        return False
    code_idx = web_sessions.take_code(connection, earlier_id)
    return code_idx is not None and resume.add_code(
        connection, clock, code_idx, call_id, CODE_LIVES
    )


def give_web_session_code(connection: Connection, store: Store, visit_id: str, code: str) -> bool:
    """Let a code that is free be the one of a visit."""
    index = _code_idx(store, code)
    return web_sessions.set_code(connection, store.clock, index, visit_id, VISIT_CODE_LIVES)


def _close_call(work: Work, earlier_id: str) -> Session | None:
    clock, vault = work.store.clock, work.store.vault
    within = _within(work.campaign) + TIME_TO_ANSWER
    left = resume.left_by_call(work.connection, clock, vault, earlier_id, within)
    if left is None:
        return None
    session = Session.from_json(left.body.session)
    if not is_worth_resuming(session):
        return None
    # Should that call live after all, its next turn says goodbye.
    over = Session(step=ENDED, language=session.language, caller=session.caller)
    if not resume.close(work.connection, vault, left, over.to_json()):
        return None
    return session


def _close_web_session(connection: Connection, store: Store, visit_id: str) -> Session | None:
    savepoint = connection.begin_nested()
    # First: an answer that is on its way there comes to its end before this, or finds it over; so
    # what is read next is all that was ever done.
    ended = web_sessions.end(connection, store.clock, visit_id, TAKEN_UP)
    row = web_sessions.load(connection, store.clock, store.vault, visit_id) if ended else None
    session = _session_of(row)
    if session is None or not is_worth_resuming(session):
        savepoint.rollback()
        return None
    savepoint.commit()
    return session


def left(work: Work, earlier_id: str) -> Session | None:
    """What a call that is over, or a visit that is not, was left with."""
    within = _within(work.campaign)
    if web_sessions.is_web_session(earlier_id):
        row = web_sessions.load(work.connection, work.store.clock, work.store.vault, earlier_id)
        if row is None or row.outcome or row.seen_at < work.store.clock.now() - within:
            return None
        return _session_of(row)
    left = resume.left_by_call(
        work.connection, work.store.clock, work.store.vault, earlier_id, within
    )
    return Session.from_json(left.body.session) if left else None


def _session_of(row: WebSessionRow | None) -> Session | None:
    # What is being asked for at a partner would be booked there beside what it is gone on with.
    if row is None or not row.body or row.step == PARTNER_WAITS:
        return None
    return Session.from_json(json.loads(row.body)["session"])


def chosen_places(session: Session) -> tuple[int, ...]:
    """The places that were chosen for a new booking, and not booked."""
    if (
        session.reference
        or is_about_a_booking(session)
        or not 0 <= session.chosen < len(session.offers)
    ):
        return ()
    return session.choice.places


def holders_of(store: Store, session: Session, call_id: str) -> tuple[str, ...]:
    """Under which names a call that was cut may hold what it chose."""
    kept_as = returning(store.vault, session.caller, call_id, someone_else=session.someone_else)
    return kept_as, call_id


def _earlier(connection: Connection, store: Store, earlier_id: str, session: Session) -> Earlier:
    chosen = chosen_places(session)
    holders: Collection[str] = holders_of(store, session, earlier_id)
    until = chosen and resume.kept_until(connection, store.clock, holders, chosen)
    if not until:
        return Earlier(earlier_id, session.language)
    offer = session.choice
    return Earlier(earlier_id, session.language, offer.town, offer.time_zone, until)


def _within(campaign: Campaign) -> timedelta:
    return max(RESUME_WITHIN, campaign.resume_window)


def _code_idx(store: Store, code: str) -> bytes:
    return store.vault.index("resume code", code) or b""
