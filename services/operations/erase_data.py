"""Erase personal data that is due, and only that: what remains are counts.

Periods: appointments three months after the last one (Conseil d'État, order of 12 March 2021,
n° 450163, the precedent for vaccination bookings); drafts and what was said in a call 24 hours.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import structlog

from models import attempts
from models.accounts import staff
from models.booking import bookings
from models.call import calls, pace, resume, turns
from models.centre_day import attendance
from models.clock import Clock
from models.database import Connection, unhurried
from models.messages import outbox, phone_lines
from models.online import web_sessions
from models.partners import bookings as partner_bookings
from models.queue import callbacks, queues
from models.waiting_list import offers, waiting
from services.attempts import KEPT
from services.store import Store

# Three calendar months may be 89 days (1 February to 1 May), and three months is the latest.
AFTER_APPOINTMENT = timedelta(days=89)
AFTER_CALL = timedelta(hours=24)
# A person on the waiting list for longer no longer expects an offer; their entry ends.
LONGEST_WAIT = timedelta(days=180)
# Callers who waited for an agent, and what was given and noted then: for questions about it.
AFTER_PLACE = timedelta(days=30)
# Steps and outcomes carry no personal data; they feed the statistics of a season.
TURNS_KEPT = timedelta(days=365)
# Sessions of staff are over long before.
SESSIONS_KEPT = timedelta(days=7)
# What staff did and whose file they opened: CNIL, délibération 2021-122 of 14 October 2021 on logs,
# six to twelve months. The trigger of the database lets go what is that old, and nothing younger.
ACTS_KEPT = timedelta(days=365)
# A line that rang once a year is still spoken to at its pace.
PACE_KEPT = timedelta(days=396)


# Stopped numbers and the kinds of lines: as long as a booking or message has the number, or a year.
LINES_KEPT = timedelta(days=365)
# What became of offers of freed places, without names; it tells how fair a season was.
OFFERS_KEPT = timedelta(days=365)

log = structlog.get_logger()


class NotAllErased(Exception):
    """Some steps failed, by their names; all others were done."""


def erase_data(store: Store) -> dict[str, int]:
    """Erase what is due, in short transactions; safe to repeat, also after being cut off.

    Gives how many rows of each kind were erased. A step that fails holds up no other: what is due
    there stays due. Raises NotAllErased when all others are done.
    """
    done: dict[str, int] = {}
    failed: list[str] = []
    for name, step in _STEPS.items():
        try:
            with store.database.transaction() as connection:
                unhurried(connection)
                done |= step(connection, store.clock)
        except Exception as error:  # noqa: BLE001 (the next step is another table's)
            log.error("erasing failed", step=name, error=type(error).__name__)
            failed.append(name)
    if failed:
        raise NotAllErased(", ".join(failed))
    return done


def _bookings(connection: Connection, clock: Clock) -> dict[str, int]:
    # With its booking, a message loses its text in the same transaction.
    erased = bookings.erase_due(connection, clock, AFTER_APPOINTMENT)
    messages = outbox.erase_due(connection, clock, erased, AFTER_APPOINTMENT)
    return {"bookings": len(erased), "messages": messages}


def _people_in_line(connection: Connection, clock: Clock) -> dict[str, int]:
    callbacks.end_forgotten(connection, clock, AFTER_PLACE)
    return {"people in line": queues.erase(connection, clock, AFTER_PLACE)}


def _web_sessions(connection: Connection, clock: Clock) -> dict[str, int]:
    erased = web_sessions.erase_bodies(connection, clock, AFTER_CALL)
    return {"visits": erased, "old visits": web_sessions.delete_old(connection, clock, TURNS_KEPT)}


def _orders(connection: Connection, clock: Clock) -> dict[str, int]:
    return {
        "orders at partners": partner_bookings.erase(connection, clock, AFTER_CALL),
        "ids of partners": partner_bookings.erase_ids(connection, clock, AFTER_APPOINTMENT),
    }


def _waiting(connection: Connection, clock: Clock) -> dict[str, int]:
    return {"waiting": waiting.erase_due(connection, clock, ended=AFTER_CALL, oldest=LONGEST_WAIT)}


def _signing_in(connection: Connection, clock: Clock) -> dict[str, int]:
    return {
        "tries": attempts.erase_old(connection, clock, KEPT),
        "sessions": staff.forget_sessions(connection, clock, SESSIONS_KEPT),
    }


def _calling_again(connection: Connection, clock: Clock) -> dict[str, int]:
    return {
        "resume codes": resume.forget_codes(connection, clock, KEPT),
        "paces": pace.forget(connection, clock, PACE_KEPT),
    }


_Step = Callable[[Connection, Clock], dict[str, int]]
# Each is a transaction of its own; in this order, for turns point at calls.
_STEPS: dict[str, _Step] = {
    "bookings": _bookings,
    "turns": lambda to, clock: {"turns": turns.erase_bodies(to, clock, AFTER_CALL)},
    "calls": lambda to, clock: {"calls": calls.erase_callers(to, clock, AFTER_CALL)},
    "visits": _web_sessions,
    "orders at partners": _orders,
    "waiting": _waiting,
    "people in line": _people_in_line,
    "old turns": lambda to, clock: {"old turns": turns.delete_old(to, clock, TURNS_KEPT)},
    "signing in": _signing_in,
    "acts": lambda to, clock: {"acts": staff.forget_acts(to, clock, ACTS_KEPT)},
    "calling again": _calling_again,
    "lines": lambda to, clock: {"lines": phone_lines.forget(to, clock, LINES_KEPT)},
    "attendance": lambda to, clock: {"attendance": attendance.forget(to, clock, AFTER_APPOINTMENT)},
    "offers": lambda to, clock: {"offers": offers.delete_old(to, clock, OFFERS_KEPT)},
}
