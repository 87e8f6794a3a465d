"""Erase personal data that is due, and only that: what remains are counts.

What the provider keeps of them is put down, to be deleted there by the scheduler
(`services.privacy.erase_at_provider`).

Periods: appointments three months after the last one (Conseil d'État, order of 12 March 2021,
n° 450163, the precedent for vaccination bookings); drafts and what was said in a call 24 hours.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta

import structlog

from models import attempts
from models.accounts import approvals, staff
from models.booking import bookings, clusters, history, reach
from models.call import calls, pace, resume, text_conversations, turns
from models.centre_day import attendance, operations
from models.clock import Clock
from models.database import Connection, unhurried
from models.messages import budgets, erase_messages, phone_lines
from models.online import reach_codes, web_sessions
from models.operations import person_requests, provider_records
from models.partners import bookings as partner_bookings
from models.queue import callbacks, queues, requests
from models.waiting_list import offers, waiting
from services.accounts.staff import OPERATOR, record_act
from services.attempts import KEPT
from services.messages.spend import KEPT as BUDGETS_KEPT
from services.privacy.days_of_turns import OLD_TURNS, WholeDays, bites_later
from services.privacy.erase_in_bites import InBites
from services.store import Store

# Three calendar months may be 89 days (1 February to 1 May), and three months is the latest.
AFTER_APPOINTMENT = timedelta(days=89)
AFTER_CALL = timedelta(hours=24)
# A person on the waiting list for longer no longer expects an offer; their entry ends.
LONGEST_WAIT = timedelta(days=180)
# Callers who waited for an agent, and what was given and noted then: for questions about it.
AFTER_PLACE = timedelta(days=30)
# Steps and outcomes, once they are counted (TURNS_KEPT_DAYS): for questions about a call.
COUNTED_TURNS_KEPT = timedelta(days=7)
# The same where nothing has counted them, and visits: they feed the statistics of a season.
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
# A supervisor has so long to decide what a person asked; the law gives a month (GDPR, article 12).
UNDECIDED = timedelta(days=30)
# That a person asked to be told or erased, and when it was done: a complaint may ask for it.
REQUESTS_KEPT = timedelta(days=365)

# By what bookings resemble others: as long as that is looked for.
CLUSTERS_KEPT = timedelta(hours=48)

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
    for name, (erase, after) in STEPS.items():
        try:
            if isinstance(erase, InBites | WholeDays):
                done[name] = erase.run(store, name, after)
                continue
            with store.database.transaction() as connection:
                unhurried(connection)
                found = erase(connection, store.clock, after)
                done |= found if isinstance(found, dict) else {name: found}
        except Exception as error:  # noqa: BLE001 (the next step is another table's)
            log.error("erasing failed", step=name, error=type(error).__name__)
            failed.append(name)
    if failed:
        raise NotAllErased(", ".join(failed))
    return done


@dataclass(frozen=True)
class ErasedCampaign:
    """Rows of each kind that were erased, and how many bookings still have something ahead."""

    erased: Mapping[str, int]
    ahead: int


def erase_campaign(store: Store, campaign: str, *, by: str) -> ErasedCampaign:
    """Erase the people of a campaign before it is due: all that lies behind, and its waiting list.

    What has an appointment ahead stays, and so does a booking that is of another campaign, too.
    Safe to repeat. `by` is the account of the operator, for the history of acts.
    """
    with store.database.transaction() as connection:
        unhurried(connection)
        erased = bookings.erase_due(connection, store.clock, timedelta(), campaign)
        found = {
            "bookings": len(erased),
            "messages": erase_messages.erase_of_bookings(connection, erased),
            "waiting": waiting.erase_of_campaign(connection, campaign),
        }
        ahead = bookings.count_ahead(connection, store.clock, campaign)
        told = {"by": by, "ahead": ahead, **found}
        record_act(connection, store, OPERATOR, "campaign_erased", campaign, details=told)
    return ErasedCampaign(found, ahead)


def _bookings(connection: Connection, clock: Clock, after: timedelta) -> dict[str, int]:
    # With its booking, a message loses its text in the same transaction.
    erased = bookings.erase_due(connection, clock, after)
    messages = erase_messages.erase_due(connection, clock, erased, after)
    return {"bookings": len(erased), "messages": messages}


def _calls(connection: Connection, clock: Clock, after: timedelta) -> int:
    # Asked for in the same transaction: afterwards nothing tells which of them had a number.
    provider_records.take_calls(connection, clock, after)
    return calls.erase_callers(connection, clock, after)


def _people_in_line(connection: Connection, clock: Clock, after: timedelta) -> int:
    callbacks.end_forgotten(connection, clock, after)
    return queues.erase(connection, clock, after)


def _old_budgets(connection: Connection, clock: Clock, after: timedelta) -> int:
    return budgets.forget(connection, (clock.now() - after).date())


def _typed(connection: Connection, _clock: Clock, _after: timedelta) -> int:
    # With their bookings, which are erased by now.
    return history.forget_reasons(connection)


def _waiting(connection: Connection, clock: Clock, after: timedelta) -> int:
    return waiting.erase_due(connection, clock, ended=after, oldest=LONGEST_WAIT)


def _requests(connection: Connection, clock: Clock, after: timedelta) -> int:
    return person_requests.forget(connection, clock, undecided=UNDECIDED, done=after)


_Erase = (
    Callable[[Connection, Clock, timedelta], int]
    | Callable[[Connection, Clock, timedelta], dict[str, int]]
    | InBites
    | WholeDays
)
# What erases a kind, and after how long. Each is a transaction of its own, or many; in this order,
# for turns point at calls.
STEPS: dict[str, tuple[_Erase, timedelta]] = {
    "bookings": (_bookings, AFTER_APPOINTMENT),
    "typed reasons": (_typed, AFTER_APPOINTMENT),
    "texts at the provider": (provider_records.take_messages, AFTER_APPOINTMENT),
    "turns": (InBites(turns.erase_bodies, turns.oldest), AFTER_CALL),
    "calls": (_calls, AFTER_CALL),
    "conversations by text": (text_conversations.forget, AFTER_CALL),
    "visits": (web_sessions.erase_bodies, AFTER_CALL),
    "old visits": (web_sessions.delete_old, TURNS_KEPT),
    "orders at partners": (partner_bookings.erase, AFTER_CALL),
    "ids of partners": (partner_bookings.erase_ids, AFTER_APPOINTMENT),
    "waiting": (_waiting, AFTER_CALL),
    "people in line": (_people_in_line, AFTER_PLACE),
    "lines that were rung": (provider_records.take_lines, AFTER_PLACE),
    "calls to typed numbers": (requests.erase, AFTER_PLACE),
    "texts of lost bookings": (provider_records.take_lost, AFTER_PLACE),
    "budgets": (_old_budgets, BUDGETS_KEPT),
    # Days that go whole, in milliseconds; in bites what is left of them, and what lies in none.
    "days of turns": (WholeDays(), TURNS_KEPT),
    OLD_TURNS: (
        InBites(
            turns.delete_between,
            turns.oldest,
            counted=True,
            kept=lambda store: store.turns_kept,
            later=bites_later,
        ),
        COUNTED_TURNS_KEPT,
    ),
    "uncounted turns": (InBites(turns.delete_between, turns.oldest), TURNS_KEPT),
    "tries": (attempts.erase_old, KEPT),
    "sessions": (staff.forget_sessions, SESSIONS_KEPT),
    "acts": (staff.forget_acts, ACTS_KEPT),
    "reasons of operations": (operations.forget_reasons, ACTS_KEPT),
    "acts for two": (approvals.forget, SESSIONS_KEPT),
    "resume codes": (resume.forget_codes, KEPT),
    "codes typed back": (reach_codes.forget, KEPT),
    "where bookings came from": (reach.forget_places, KEPT),
    "what bookings resemble": (clusters.forget, CLUSTERS_KEPT),
    "paces": (pace.forget, PACE_KEPT),
    "lines": (phone_lines.forget, LINES_KEPT),
    "attendance": (attendance.forget, AFTER_APPOINTMENT),
    "offers": (offers.delete_old, OFFERS_KEPT),
    "requests of people": (_requests, REQUESTS_KEPT),
}
