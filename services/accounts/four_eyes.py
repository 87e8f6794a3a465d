"""Four eyes: what concerns many people is asked for by one person and confirmed by another.

A dry run says how many people an act touches. The first person asks, another supervisor
else confirms on the page of the board, and the first person then does it, within WITHIN of having
asked. Asking, confirming and doing are acts of the history.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from models.accounts import approvals as rows
from models.accounts.approvals import Approval
from models.accounts.staff import Staff
from models.database import Connection
from services.accounts.staff import OPERATOR, fold, record_act
from services.refused import OperatorRefused
from services.store import Store

CENTRE: Final = "centre_closed"
MOVED: Final = "many_moved"
EXPORT: Final = "people_exported"
CLUSTER: Final = "cluster_freed"
FACTOR: Final = "factor_lost"
KINDS: Final = (CENTRE, MOVED, EXPORT, CLUSTER, FACTOR)
# Where a supervisor confirms.
PAGE: Final = "/supervision/accords"
# An act that moves more people than this is one for two.
MANY: Final = 50
WITHIN: Final = timedelta(hours=1)
# Bookings go on while a supervisor looks: so many more people than were told are the same act.
_MORE: Final = 5
_MORE_OF_A_HUNDRED: Final = 10
ROLE: Final = "supervisor"
LONGEST_SUBJECT: Final = 80

__all__ = ["CENTRE", "CLUSTER", "EXPORT", "FACTOR", "KINDS", "MANY", "MOVED", "Approval", "Wish"]


class SecondNeeded(OperatorRefused):
    """One sentence for the operator: who must confirm, where, and how long there is."""


class NotYours(Exception):
    """The person who asked for an act cannot confirm it."""


@dataclass(frozen=True)
class Wish:
    """An act for two. `by` is a staff id, or the name of the account at the command line."""

    kind: str
    subject: str
    people: int
    by: str


def ask(store: Store, wish: Wish) -> Approval:
    """Ask for an act, or find that it was asked for already, confirmed or not.

    Where it touches clearly more people than it did, it is asked for anew.
    """
    with store.database.transaction() as connection:
        found = _live(connection, store, wish)
        if found is not None:
            return found
        approval_id = store.chance.identifier()
        made = rows.add(
            connection,
            store.clock,
            approval_id,
            wish.kind,
            wish.subject,
            wish.people,
            wish.by,
            WITHIN,
        )
        _record(connection, store, wish.by, "approval_asked", approval_id, wish)
    return made


def _live(connection: Connection, store: Store, wish: Wish) -> Approval | None:
    found = rows.live(connection, store.clock, wish.kind, wish.subject, wish.by)
    return found if found is not None and _covers(found, wish.people) else None


def _covers(found: Approval, people: int) -> bool:
    return people <= found.people * (100 + _MORE_OF_A_HUNDRED) // 100 + _MORE


def use(store: Store, wish: Wish) -> bool:
    """Take the confirmation of an act that is done now, once; False where there is none."""
    with store.database.transaction() as connection:
        return used(connection, store, wish)


def used(connection: Connection, store: Store, wish: Wish) -> bool:
    """As `use`, in the transaction of the act itself."""
    found = _live(connection, store, wish)
    if found is None or not rows.use(connection, store.clock, found.id):
        return False
    _record(connection, store, wish.by, "approval_used", found.id, wish)
    return True


def is_agreed(store: Store, wish: Wish) -> bool:
    """Whether one person may do this, or another has confirmed it; else it is asked for."""
    if wish.people <= MANY or use(store, wish):
        return True
    ask(store, wish)
    return False


def demand(store: Store, wish: Wish, page: str = PAGE) -> None:
    """Take the confirmation of an act, or ask for it. Raises SecondNeeded."""
    if use(store, wish):
        return
    asked = ask(store, wish)
    raise SecondNeeded(
        f"this touches {wish.people} people: nothing is changed yet. A supervisor who is somebody"
        f" else must confirm {asked.id[:8]} on {page} before {asked.until:%H:%M} UTC;"
        " then say the same again"
    )


def waiting(store: Store) -> list[Approval]:
    """Acts that wait for their second person, oldest first."""
    with store.database.statement() as connection:
        return rows.waiting(connection, store.clock)


def give(store: Store, staff: Staff, approval_id: str) -> bool:
    """Confirm an act that is not one's own; False where it is too late or done. Raises NotYours."""
    with store.database.transaction() as connection:
        found = rows.find(connection, store.clock, approval_id)
        if found is None:
            return False
        if found.asked_by in {staff.id, account(staff.login)} or staff.role != ROLE:
            raise NotYours
        if found.kind == FACTOR and found.subject.endswith(f" {staff.id}"):
            raise NotYours
        if not rows.give(connection, store.clock, approval_id, staff.id):
            return False
        wish = Wish(found.kind, found.subject, found.people, found.asked_by)
        _record(connection, store, staff.id, "approval_given", approval_id, wish)
    return True


def account(name: str) -> str:
    """Who asks at the command line, by the account of that machine."""
    return f"{OPERATOR} {fold(name)}"[:60]


def _record(  # noqa: PLR0917
    connection: Connection, store: Store, who: str, what: str, approval_id: str, wish: Wish
) -> None:
    staff_id = OPERATOR if who.startswith(f"{OPERATOR} ") else who
    details = {"kind": wish.kind, "of": wish.subject, "people": wish.people, "by": wish.by}
    record_act(connection, store, staff_id, what, approval_id, details=details)
