"""What visits of one browser, one number or one address may hold at one time.

A script that begins one visit after the other held a whole centre. Of a browser, and of a number
that was typed, the visit that was answered last holds on, and older ones give theirs up: a visitor
who goes on on another device or in another window is no rival. They are told on their page that
the place is not kept any more; it is theirs all the same where it is still free when they confirm.
A client address, behind which many people may be, gets nothing more beyond its share.

Each is counted and changed in the transaction that holds, one of the same kind after the other.
"""

from __future__ import annotations

from collections.abc import Sequence

from models.database import Connection
from models.online import web_sessions
from models.online.web_sessions import CountsBy
from services.slots.give_back import give_back_holds
from services.store import NO_SHARES, Store
from services.telemetry import HOLDS_GIVEN_UP


class TooManyHere(Exception):
    """One place holds so much that it gets nothing more until some of that is booked or free."""


def make_room(
    connection: Connection, store: Store, visit_id: str, mine: CountsBy, *, is_new: bool
) -> None:
    """Before a visit holds: what its browser and its number held for other visits is given up.

    `mine` is by what its holds count; `is_new`: it holds nothing so far. Raises TooManyHere.
    """
    shares = store.shares
    if shares == NO_SHARES:
        return
    mine = CountsBy(
        place_idx=mine.place_idx if shares.per_address and is_new else None,
        browser_idx=mine.browser_idx if shares.per_browser else None,
        phone_idx=mine.phone_idx if shares.per_number else None,
    )

    others = web_sessions.others_that_hold(connection, store.clock, visit_id, mine)
    gone = _give_up(connection, others.browser[shares.per_browser - 1 :], "browser")
    of_phone = [holder for holder in others.phone if holder not in gone]
    gone |= _give_up(connection, of_phone[shares.per_number - 1 :], "number")
    if mine.place_idx and len(set(others.place) - gone) >= shares.per_address:
        HOLDS_GIVEN_UP.labels("address").inc()
        raise TooManyHere


def number_typed(connection: Connection, store: Store, visit_id: str, phone: bytes | None) -> None:
    """Of a number that a visit gives (its keyed hash), other visits that gave it hold nothing more.

    The caller of this stores the hash with the visit, in the same transaction.
    """
    most = store.shares.per_number
    if not most or not phone:
        return

    mine = CountsBy(None, None, phone)
    others = web_sessions.others_that_hold(connection, store.clock, visit_id, mine)
    _give_up(connection, others.phone[most - 1 :], "number")


def _give_up(connection: Connection, holders: Sequence[str], kind: str) -> set[str]:
    """Let these web sessions hold nothing more; gives which."""
    for holder in holders:
        give_back_holds(connection, holder)
        HOLDS_GIVEN_UP.labels(kind).inc()
    return set(holders)
