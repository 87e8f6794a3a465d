"""A call ended: what it held is free at once, but for what was chosen: that waits for a while."""

from __future__ import annotations

from flows.session import Session
from models import calls, places, turns
from models.database import Connection
from services.campaign import Campaign
from services.give_back import give_back_holds, keep_for_return, returning
from services.store import Store


def record_call_status(store: Store, campaign: Campaign, call_id: str, status: str) -> bool:
    """Note a status of a call, in whatever order statuses arrive; True when it ended the call."""
    with store.database.statement() as connection:
        with store.database.one_writer():
            moved = calls.move_status(connection, store.clock, call_id, status)
        if not calls.is_over(status):
            return False
        # Statements that need not happen together: what a call holds runs out by itself. Giving
        # back is right for a call that is not known, too; most calls hold nothing when they end.
        if not places.holds_any(connection, call_id):
            return moved
        chosen = _chosen(connection, store, call_id) if moved else ()
        if not chosen:
            with store.database.one_writer():
                give_back_holds(connection, call_id)
            return moved
        caller = calls.caller_idx(connection, call_id)
    with store.database.transaction() as connection:
        keeper = returning(caller, call_id)
        keep_for_return(connection, store, campaign, call_id, chosen, keeper=keeper)
    return moved


def _chosen(connection: Connection, store: Store, call_id: str) -> tuple[int, ...]:
    """The places that were chosen and not booked; a call from a withheld number keeps none."""
    newest = turns.newest(connection, store.vault, call_id)
    if newest is None or newest.body is None:
        return ()
    session = Session.from_json(newest.body.session)
    if session.chosen < 0 or session.reference or not session.caller:
        return ()
    offer = session.choice
    return tuple(one for one in (offer.place_id, offer.second_place_id) if one)
