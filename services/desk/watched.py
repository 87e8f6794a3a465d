"""Watched names: an agent who opens the file of one is seen by supervisors within seconds.

A name is entered with its birth date and kept as keyed hashes, one for each of its words: what an
agent typed as "Mme Durand" is found by "Odette Durand". A namesake of the same birth date raises
an alert too, which does no harm. Bookings without a name are not watched.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import date

from models.booking.changes import BookingDetails
from models.database import Connection
from models.desk import watched as rows
from models.desk.watched import Watched
from models.supervision import alerts
from services.accounts.staff import OPERATOR, record_act
from services.letters import bare
from services.store import Store

# The board's alert, and what is written down.
ALERT = OPENED = "watched_file"
# Shorter words are initials, particles and titles.
_SHORTEST = 4
_NO_LIMIT = 0

__all__ = ["ALERT", "Watched", "everyone", "forget", "note_opened", "unwatch", "watch", "words_of"]


class NoName(Exception):
    """Nothing of this name could be watched: its words are too short."""


def words_of(text: str) -> frozenset[str]:
    """The words of a name without accents and case."""
    return frozenset("".join(letter if letter.isalnum() else " " for letter in bare(text)).split())


def _indexes(store: Store, name: str, born: date) -> set[bytes]:
    words = {word for word in words_of(name) if len(word) >= _SHORTEST}
    found = (store.vault.index("watched", f"{word}:{born.isoformat()}") for word in words)
    return {word for word in found if word}


def watch(store: Store, name: str, born: date, *, by: str = OPERATOR) -> str:
    """Watch a name from now on; gives an id by which it is ended. Raises NoName."""
    indexes = _indexes(store, name, born)
    if not indexes:
        raise NoName
    watch_id = store.chance.identifier()
    with store.database.transaction() as connection:
        rows.add(connection, store.clock, watch_id, indexes, by)
        record_act(connection, store, by, "name_watched", watch_id)
    return watch_id


def unwatch(store: Store, watch_id: str, *, by: str = OPERATOR) -> bool:
    """False where nothing has this id."""
    with store.database.transaction() as connection:
        removed = rows.remove(connection, watch_id)
        if removed:
            record_act(connection, store, by, "name_unwatched", watch_id)
    return removed


def forget(
    connection: Connection,
    store: Store,
    names: Collection[str],
    born: date,
    *,
    others: Collection[str],
    by: str,
) -> int:
    """End the watches of a person who is erased, in that transaction; gives how many.

    `names` are the names that they gave. `others` are those that others of the same birth date gave
    for bookings that are kept: a watch that may be meant for one of them stays.
    """
    theirs = {index for name in names for index in _indexes(store, name, born)}
    kept = {index for name in others for index in _indexes(store, name, born)}
    ended = [
        watch_id for watch_id, words in rows.sharing(connection, theirs).items() if not words & kept
    ]
    for watch_id in ended:
        rows.remove(connection, watch_id)
        record_act(connection, store, by, "name_unwatched", watch_id)
    return len(ended)


def everyone(store: Store) -> list[Watched]:
    """All watched names, the newest first: their ids, and who added them."""
    with store.database.statement() as connection:
        return rows.everyone(connection)


def note_opened(
    connection: Connection, store: Store, staff_id: str, file: BookingDetails | None
) -> None:
    """Raise the alert where the file that was opened is watched, in the reading's transaction."""
    if file is None or not file.name or file.born is None:
        return
    if not rows.is_watched(connection, _indexes(store, file.name, file.born)):
        return
    record_act(connection, store, staff_id, OPENED, file.id)
    alert_id = store.chance.identifier()
    alerts.happened(connection, store.clock, alert_id, name=ALERT, value=1, threshold=_NO_LIMIT)
