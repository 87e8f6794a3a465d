"""The other side of the door: places that a person holds or has become free again."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from models.crypto import Vault
from models.database import Connection
from models.slots import places
from services.store import Store
from services.work import Work

# So long a cancellation can be taken back.
UNDO_WITHIN = timedelta(minutes=10)
# So much longer its places are kept: a turn that began in time comes through, and in the second
# half a person who waits for one has it, before others can see it.
UNDO_GRACE = timedelta(minutes=2)
PASSED_ON_BEFORE = UNDO_GRACE / 2


def give_back_holds(
    connection: Connection,
    holder: str,
    place_ids: Sequence[int] | None = None,
    *,
    found_by: str = "",
) -> list[int]:
    """Free what a call, a web session or a desk holds, or these places of it; gives which.

    `found_by` is the call that searches among them: a late turn of a dead call frees nothing.
    """
    return places.release(connection, holder, place_ids, found_by=found_by)


def keep_for_return(work: Work, holder: str, place_ids: Sequence[int], *, keeper: str) -> int:
    """The line was cut: keep what was chosen for the resume window, free everything else.

    `keeper` is the holder who may take it up again: see `returning`. One set is kept for each.
    """
    places.release(work.connection, keeper)
    kept = _keep(work, holder, place_ids, keeper)
    places.release(work.connection, holder)
    return kept


def keep_for_code(work: Work, holder: str, place_ids: Sequence[int]) -> int:
    """A caller may go on elsewhere within the resume window; until then it stays theirs here."""
    return _keep(work, holder, place_ids, holder)


def _keep(work: Work, holder: str, place_ids: Sequence[int], keeper: str) -> int:
    window = work.campaign.resume_window
    clock = work.store.clock
    return places.keep(work.connection, clock, holder, place_ids, keeper=keeper, window=window)


def close_place(connection: Connection, store: Store, place_id: int) -> bool:
    """A place that was made for a person is not needed any more; False where a person has it."""
    return places.block_free(connection, store.clock, place_id)


def take_back(work: Work, holders: Sequence[str], place_ids: Sequence[int], *, holder: str) -> bool:
    """What was kept is held by the call that goes on: all of these places, or none of them.

    `holders` are the names under which they may be kept.
    """
    had = places.hand_over(
        work.connection,
        work.store.clock,
        holders,
        place_ids,
        to=holder,
        lease=work.campaign.hold_lease,
        longest=work.campaign.hold_longest,
    )
    if had == len(place_ids):
        return True
    places.release(work.connection, holder, place_ids)
    return False


def returning(vault: Vault, caller: str, call_id: str, *, someone_else: bool = False) -> str:
    """The holder of what is kept for a caller who rings again from `caller` (E.164).

    A line has one set, and one more for another person who spoke there after the first was cut. A
    withheld number (empty) is found again by the code that was told in the call. 40 letters.
    """
    index = vault.index("phone", caller) if caller else vault.index("call", call_id)
    return f"{'other' if caller and someone_else else 'resume'}:{(index or b'').hex()}"


def give_back_places(
    connection: Connection, booking_id: str, place_ids: Sequence[int] | None = None
) -> int:
    """Take places from a booking that was cancelled or moved; None: all that it has."""
    return places.unbook(connection, booking_id, place_ids)


def undoing(booking_id: str) -> str:
    """The holder of what a booking had until it was cancelled (37 letters)."""
    return f"{places.UNDO}{booking_id}"


def keep_for_undo(
    connection: Connection,
    store: Store,
    booking_id: str,
    place_ids: Sequence[int],
    *,
    within: timedelta = UNDO_WITHIN,
) -> list[int]:
    """Take cancelled places from a booking, and keep them until no person can take that back.

    That is possible `within` this time. Gives those that are not kept, for they are blocked.
    """
    kept = places.unbook_and_hold(
        connection,
        store.clock,
        booking_id,
        place_ids,
        keeper=undoing(booking_id),
        window=within + UNDO_GRACE,
    )
    others = [place_id for place_id in place_ids if place_id not in kept]
    if others:
        places.unbook(connection, booking_id, others)
    return others
