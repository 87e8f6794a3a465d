"""A line that was cut loses nothing: find what is left of it, and take it up in another call."""

from __future__ import annotations

from collections.abc import Collection
from datetime import timedelta

from flows.engine import ENDED
from flows.session import Session
from flows.steps.resume import is_about_a_booking, is_worth_resuming
from flows.steps.untold import is_untold
from flows.world import Earlier, TakenUp
from models import attempts, resume
from models.attempts import EVERYBODY, Asked, Subject
from models.database import Connection
from models.resume import Left
from services.campaign import Campaign
from services.give_back import give_back_holds, returning, take_back
from services.store import Store

# What was said is kept ready for so long; what was chosen, for the campaign's own window.
RESUME_WITHIN = timedelta(minutes=30)
# Whoever was asked in time may take a while to answer.
TIME_TO_ANSWER = timedelta(minutes=10)
# A code is told in the middle of a call, and good for half an hour after its end: how long ago the
# call was left is looked at when the code is given.
CODE_LIVES = timedelta(hours=3) + RESUME_WITHIN
CODE_TRIES = 3
# So many wrong codes within the hour, from whomever, and none is taken for the rest of it.
WRONG_CODES = 20
CODES_CLOSED = timedelta(hours=1)
# Two codes are the same once in a million; three in a row means that they are used up.
_NEW_CODE_TRIES = 3
_TRIES = "resume"
_BY_ALL = Subject(_TRIES, EVERYBODY)


def find_earlier(
    connection: Connection, store: Store, campaign: Campaign, call_id: str, caller: str
) -> Earlier | None:
    """The newest call of a line that was cut with something in it. `caller` is E.164."""
    line = store.vault.index("phone", caller or None)
    if line is None:
        return None
    booked = set()
    for left in resume.left_by_line(
        connection, store.clock, store.vault, line, call_id, _within(campaign)
    ):
        session = Session.from_json(left.body.session)
        if is_worth_resuming(session) and (session.born not in booked or is_untold(session)):
            return _earlier(connection, store, left, session)
        if session.reference:
            booked.add(session.born)
    return None


def find_by_code(
    connection: Connection, store: Store, campaign: Campaign, call_id: str, code: str
) -> Earlier | None:
    """The call that a code is for, in the caller's transaction; a try is counted.

    None for a wrong code, for one that ran out, after CODE_TRIES wrong ones of this call, and while
    WRONG_CODES were tried by all calls.
    """
    clock, vault = store.clock, store.vault
    this_call = Subject(_TRIES, vault.index("call", call_id) or b"")
    subjects = (this_call, _BY_ALL)
    attempts.wait_for_others(connection, subjects)
    asked = [Asked(one, CODES_CLOSED) for one in subjects]
    by_this, by_all = attempts.counts(connection, clock, asked)
    if by_this >= CODE_TRIES or by_all >= WRONG_CODES:
        return None
    earlier_id = resume.call_of_code(connection, clock, _code_idx(store, code))
    found = None
    if earlier_id and earlier_id != call_id:
        left = resume.left_by_call(connection, clock, vault, earlier_id, _within(campaign))
        session = Session.from_json(left.body.session) if left else None
        if left and session and is_worth_resuming(session):
            found = _earlier(connection, store, left, session)
    attempts.add(connection, clock, subjects, good=found is not None)
    return found


def new_code(connection: Connection, store: Store, call_id: str) -> str:
    """A code for this call, in the caller's transaction; empty where none could be found."""
    for _ in range(_NEW_CODE_TRIES):
        code = store.chance.code()
        index = _code_idx(store, code)
        if resume.add_code(connection, store.clock, index, call_id, CODE_LIVES):
            return code
    return ""


def take_up(
    connection: Connection, store: Store, campaign: Campaign, call_id: str, earlier_id: str
) -> TakenUp | None:
    """Go on from an earlier call, in the caller's transaction: all that it held is this call's.

    None when there is nothing left to go on from, or another call was quicker.
    """
    clock, vault = store.clock, store.vault
    within = _within(campaign) + TIME_TO_ANSWER
    left = resume.left_by_call(connection, clock, vault, earlier_id, within)
    if left is None:
        return None
    session = Session.from_json(left.body.session)
    if not is_worth_resuming(session):
        return None
    # Should that call live after all, its next turn says goodbye.
    over = Session(step=ENDED, language=session.language, caller=session.caller)
    if not resume.close(connection, vault, left, over.to_json()):
        return None
    resume.pass_codes(connection, clock, earlier_id, call_id, CODE_LIVES)
    chosen = chosen_places(session)
    kept = bool(chosen) and take_back(
        connection,
        store,
        campaign,
        holders_of(store, session, earlier_id),
        chosen,
        holder=call_id,
    )
    # What it was offered besides, where nobody said that it ended.
    give_back_holds(connection, earlier_id)
    return TakenUp(session, kept)


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


def _earlier(connection: Connection, store: Store, left: Left, session: Session) -> Earlier:
    chosen = chosen_places(session)
    holders: Collection[str] = holders_of(store, session, left.call_id)
    until = chosen and resume.kept_until(connection, store.clock, holders, chosen)
    if not until:
        return Earlier(left.call_id, session.language)
    offer = session.choice
    return Earlier(left.call_id, session.language, offer.town, offer.time_zone, until)


def _within(campaign: Campaign) -> timedelta:
    return max(RESUME_WITHIN, campaign.resume_window)


def _code_idx(store: Store, code: str) -> bytes:
    return store.vault.index("resume code", code) or b""
