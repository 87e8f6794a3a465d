"""Erase personal data that is due, and only that: what remains are counts.

Periods: appointments three months after the last one (Conseil d'État, order of 12 March 2021,
n° 450163, the precedent for vaccination bookings); drafts and what was said in a call 24 hours.
"""

from __future__ import annotations

from datetime import timedelta

from models import (
    attempts,
    bookings,
    callbacks,
    calls,
    outbox,
    pace,
    queues,
    resume,
    staff,
    turns,
    waiting,
)
from services.attempts import KEPT
from services.store import Store

# Three calendar months may be 89 days (1 February to 1 May), and three months is the latest.
AFTER_APPOINTMENT = timedelta(days=89)
AFTER_CALL = timedelta(hours=24)
# Whoever waits longer has been forgotten by everybody; their entry ends.
LONGEST_WAIT = timedelta(days=180)
# Who waited for a person, and what was given and noted then: for questions about it.
AFTER_PLACE = timedelta(days=30)
# Steps and outcomes carry nobody's data; they feed the statistics of a season.
TURNS_KEPT = timedelta(days=365)
# Sessions of staff are over long before.
SESSIONS_KEPT = timedelta(days=7)
# A line that rang once a year is still spoken to at its pace.
PACE_KEPT = timedelta(days=396)


def erase_data(store: Store) -> dict[str, int]:
    """Erase what is due, in short transactions; safe to repeat, also after being cut off.

    Gives how many rows of each kind were erased.
    """
    clock = store.clock
    with store.database.transaction() as connection:
        # With its booking, a message loses its text in the same transaction.
        erased = bookings.erase_due(connection, clock, AFTER_APPOINTMENT)
        messages = outbox.erase_due(connection, clock, erased, AFTER_APPOINTMENT)
    with store.database.transaction() as connection:
        bodies = turns.erase_bodies(connection, clock, AFTER_CALL)
    with store.database.transaction() as connection:
        callers = calls.erase_callers(connection, clock, AFTER_CALL)
    with store.database.transaction() as connection:
        entries = waiting.erase_due(connection, clock, ended=AFTER_CALL, oldest=LONGEST_WAIT)
    with store.database.transaction() as connection:
        callbacks.end_forgotten(connection, clock, AFTER_PLACE)
        people = queues.erase(connection, clock, AFTER_PLACE)
    with store.database.transaction() as connection:
        old = turns.delete_old(connection, clock, TURNS_KEPT)
    with store.database.transaction() as connection:
        tries = attempts.erase_old(connection, clock, KEPT)
        sessions = staff.forget_sessions(connection, clock, SESSIONS_KEPT)
    with store.database.transaction() as connection:
        codes = resume.forget_codes(connection, clock, KEPT)
        paces = pace.forget(connection, clock, PACE_KEPT)
    return {
        "bookings": len(erased),
        "messages": messages,
        "turns": bodies,
        "calls": callers,
        "waiting": entries,
        "people in line": people,
        "old turns": old,
        "tries": tries,
        "sessions": sessions,
        "resume codes": codes,
        "paces": paces,
    }
