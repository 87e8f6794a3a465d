"""A call ended: what it held is free at once, but for what was chosen: that waits for a while.

A caller who hung up between the choice and its confirmation is reminded of it once: by a text, or
by a call where the line takes no texts.
"""

from __future__ import annotations

from zoneinfo import ZoneInfo

from flows.engine import ENDED
from flows.session import CallerKind, Party, Session
from models.call import calls, turns
from models.database import Connection
from models.queue import queues
from prompts.catalogue import load
from services.agents import connect_agent
from services.call.resume_call import RESUME_WITHIN, chosen_places, new_code
from services.campaign.campaign import Campaign
from services.messages import text_names, texts
from services.messages.topics import Topic
from services.messages.whose import Whose
from services.messages.write_message import write_message
from services.numbers.numbers import Numbers
from services.ports import WakeUp
from services.queue import entries
from services.queue.promise_callback import promise
from services.slots.give_back import give_back_holds, keep_for_return, returning
from services.store import Store
from services.work import Work

# The name of the written message, as a campaign lists those that it uses.
UNFINISHED = "unfinished"


def record_call_status(
    store: Store,
    campaign: Campaign,
    call_id: str,
    status: str,
    *,
    national_number: str = "",
    numbers: Numbers | None = None,
    wake_up: WakeUp | None = None,
) -> bool:
    """Note a status of a call, in whatever order statuses arrive; True when it ended the call.

    `national_number` is where to ring again, for the text, unless `numbers` know the one that was
    called; without it, none is written.
    """
    over = calls.is_over(status)
    with store.database.statement() as connection:
        # Most calls hold nothing when they end, and nothing waits for them. For one that does, the
        # end and what becomes of its places are seen together, or not at all: between the two, a
        # job that tidies up after calls that are over, or a copy of this status, would give the
        # chosen place away, and an agent would take a caller who is gone.
        if over and queues.end_alone(connection, store.clock, call_id, status):
            return True
        # It has something, or is not known, or its end was.
        if not over or not any(queues.holds_or_waits(connection, call_id)):
            moved = calls.move_status(connection, store.clock, call_id, status)
            return moved and over

    def end(connection: Connection) -> tuple[bool, str | None]:
        # A copy waits here for the first; then there is nothing left for it to do.
        moved = calls.move_status(connection, store.clock, call_id, status)
        connect_agent.caller_gone(connection, store, call_id)
        entries.cut(connection, store, call_id)
        session = _left(connection, store, call_id) if moved else None
        if session is None:
            # Right for a call that is not known, too.
            give_back_holds(connection, call_id)
            return moved, None
        number = national_number
        if numbers is not None and session.called:
            number = numbers.of(session.called).number
        return moved, _keep(Work(connection, store, campaign), call_id, session, number)

    # An end is told once, and until it is known an agent would be kept for a caller who is gone.
    moved, message_id = store.database.retried(end)
    if message_id and wake_up:
        wake_up.message(message_id)
    return moved


def _keep(work: Work, call_id: str, session: Session, national_number: str) -> str | None:
    """Keep what was chosen, and write how to finish it; gives the message, if one was written."""
    keeper = returning(work.store.vault, session.caller, call_id, someone_else=session.someone_else)
    chosen = chosen_places(session)
    kept = keep_for_return(work, call_id, chosen, keeper=keeper)
    # A call that came to its end was told how it goes on.
    if kept == len(chosen) and session.step != ENDED:
        return _remind(work, call_id, session, national_number)
    return None


def _left(connection: Connection, store: Store, call_id: str) -> Session | None:
    """The session of a call that had chosen and not booked, if anybody can come back to it."""
    newest = turns.newest(connection, store.vault, call_id)
    if newest is None or newest.body is None:
        return None
    session = Session.from_json(newest.body.session)
    # A withheld number has nothing but the code that it was told.
    can_return = session.caller or session.coded
    return session if can_return and chosen_places(session) else None


def _remind(work: Work, call_id: str, session: Session, national_number: str) -> str | None:
    """One row in the outbox, once for each number and day; gives the id of a text to be sent."""
    if session.caller_kind == CallerKind.LANDLINE:
        known = {"reason": UNFINISHED, **session.known}
        promise(work.connection, work.store, session.caller, call_id, known)
        return None
    is_wanted = text_names.wanted(work.campaign, UNFINISHED)
    if session.caller_kind != CallerKind.MOBILE or not national_number or not is_wanted:
        return None
    now = work.store.clock.now()
    offer = session.choice
    body = texts.unfinished(
        load(session.language),
        town=offer.town,
        until=(now + work.campaign.resume_window).astimezone(ZoneInfo(offer.time_zone)),
        number=national_number,
        link=_link(work.connection, work.store, call_id),
        whose=Whose(session.born_on) if session.whom == Party.TWO else None,
    )
    index = work.store.vault.index("phone", session.caller) or b""
    day = now.astimezone(ZoneInfo(work.campaign.zone)).date()
    return write_message(
        work.connection,
        work.store,
        "sms",
        session.caller,
        {"body": body},
        key=f"{UNFINISHED}:{index.hex()}:{day.isoformat()}",
        topic=Topic.UNFINISHED,
        call_id=call_id,
    )


def _link(connection: Connection, store: Store, call_id: str) -> str:
    """Where it can be finished without ringing; empty where there are no pages."""
    code = new_code(connection, store, call_id) if store.links else ""
    if store.links is None or not code:
        return ""
    return store.links.of_code(code, store.clock.now() + RESUME_WITHIN)
