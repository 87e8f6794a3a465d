"""Incidents: begun and ended by themselves, or told by a staff member.

An overload is called an overload and a failure a failure; nothing here is ever "maintenance".
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from models.database import Connection
from models.public import incidents
from models.public.incidents import OVERLOAD, PARTNER, STORE, SYSTEM, TEXTS, TOLD, Incident
from services.store import Store

# The page tells what goes on, and what ended within so long.
TOLD_FOR: Final = timedelta(days=7)
MOST_SHOWN: Final = 50
# A shorter silence of the store is not told: visitors noticed no more than a slow page.
OUTAGE_LEAST: Final = timedelta(seconds=5)
# Reports of one outage by several processes are one incident, and so is one that flickers.
SAME_OUTAGE: Final = timedelta(minutes=2)
# Incidents begun and ended by a process, each with its subject (the name of a platform, or "").
Found = tuple[str, str]
_LOOKED_AFTER: Final = frozenset({OVERLOAD, PARTNER, TEXTS})
TEXT_LENGTH: Final = 500


class NoIncident(Exception):
    """None of that id goes on."""


def keep_up(connection: Connection, store: Store, found: Collection[Found]) -> int:
    """Begin what is `found` and not told yet, end what is found no more; gives how many changed.

    In the caller's transaction.
    """
    incidents.one_at_a_time(connection)
    running = {
        (incident.kind, incident.text): incident
        for incident in incidents.recent(connection, store.clock.now(), MOST_SHOWN)
        if incident.ended_at is None and incident.who == SYSTEM and incident.kind in _LOOKED_AFTER
    }
    begun = sorted(set(found) - running.keys())
    ended = [one for what, one in running.items() if what not in found]
    for kind, subject in begun:
        _begin(connection, store, kind=kind, text=subject)
    for incident in ended:
        incidents.end(connection, store.clock, incident.id)
    return len(begun) + len(ended)


def record_outage(store: Store, began_at: datetime, ended_at: datetime) -> bool:
    """Write that the store did not answer from one moment to another (UTC), once it does again.

    Reports of the same outage by several processes are one incident, from the earliest to the
    latest moment. False where it was too short to be told.
    """
    if ended_at - began_at < OUTAGE_LEAST:
        return False
    with store.database.transaction() as connection:
        incidents.one_at_a_time(connection)
        for past in incidents.recent(connection, began_at - SAME_OUTAGE, MOST_SHOWN):
            if past.kind == STORE and past.ended_at and past.began_at <= ended_at + SAME_OUTAGE:
                first, last = min(past.began_at, began_at), max(past.ended_at, ended_at)
                incidents.stretch(connection, past.id, first, last)
                return True
        _begin(connection, store, kind=STORE, began_at=began_at, ended_at=ended_at)
    return True


def tell(store: Store, text: str, translations: Mapping[str, str], who: str) -> str:
    """Begin one in an operator's own words; gives its id.

    `text` is French; `translations` has it by the code of other languages.
    """
    with store.database.transaction() as connection:
        return _begin(connection, store, kind=TOLD, text=text, translations=translations, who=who)


def _begin(connection: Connection, store: Store, **told: Any) -> str:
    """Write one with these columns; gives its id."""
    incident_id = store.chance.identifier()
    incidents.begin(connection, store.clock, incident_id, **told)
    return incident_id


def end(store: Store, incident_id: str) -> None:
    """Raises NoIncident. What a machine finds begins again if it finds it again."""
    with store.database.transaction() as connection:
        if not incidents.end(connection, store.clock, incident_id):
            raise NoIncident(incident_id)


def newest(store: Store, most: int) -> list[Incident]:
    with store.database.statement() as connection:
        return incidents.latest(connection, most)


def to_show(connection: Connection, now: datetime) -> list[Incident]:
    """What goes on, and what ended within the last days; the newest first."""
    return incidents.recent(connection, now - TOLD_FOR, MOST_SHOWN)
