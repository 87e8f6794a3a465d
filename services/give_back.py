"""The other side of the door: places that somebody holds or has become free again."""

from __future__ import annotations

from collections.abc import Sequence

from models import places
from models.database import Connection
from services.campaign import Campaign
from services.store import Store


def give_back_holds(connection: Connection, holder: str) -> int:
    """Free everything that a call, a web session or a desk holds; gives how many places."""
    return places.release(connection, holder)


def pass_on_holds(connection: Connection, holder: str) -> list[int]:
    """Free what somebody was offered and did not take; gives the places, for the next to have."""
    return places.give_up(connection, holder)


def keep_for_return(
    connection: Connection,
    store: Store,
    campaign: Campaign,
    holder: str,
    place_ids: Sequence[int],
    *,
    keeper: str,
) -> int:
    """The line was cut: keep what was chosen for the resume window, free everything else.

    `keeper` is whoever may take it up again: see `returning`. One set is kept for each.
    """
    places.release(connection, keeper)
    kept = places.keep(
        connection,
        store.clock,
        holder,
        place_ids,
        keeper=keeper,
        window=campaign.resume_window,
    )
    places.release(connection, holder)
    return kept


def returning(caller_idx: bytes | None, call_id: str) -> str:
    """The holder of what is kept for a caller who rings again; a withheld number cannot."""
    return f"resume:{caller_idx.hex()}" if caller_idx else call_id


def give_back_places(
    connection: Connection, booking_id: str, place_ids: Sequence[int] | None = None
) -> int:
    """Take places from a booking that was cancelled or moved; None: all that it has."""
    return places.unbook(connection, booking_id, place_ids)
