"""Staff accounts: made, changed, closed; and the history of what staff did.

Every change is one transaction with its line in the history. A staff member who is disabled, or
gets another role or password, is signed out at their next request.
"""

from __future__ import annotations

import re
import secrets

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from flows.understanding import NotUnderstood, telephone
from models.accounts import factors
from models.accounts import staff as rows
from models.accounts.staff import ROLES, Act, RecordedAct, Staff, StaffSession, names_of
from models.centres import centres, directory
from models.centres.geography import distance_km
from models.database import Connection
from models.queue import call_queues
from services.accounts import passwords, second_factor
from services.refused import OperatorRefused
from services.store import Store

# What pages know of accounts as they are stored.
__all__ = ["ROLES", "RecordedAct", "Staff", "StaffSession", "names_of"]

# The account in the history of what is done on the command line.
OPERATOR = "operator"
LONGEST_NAME = 80
LONGEST_WHY = 120
READ_FILE = "read_file"
DEMONSTRATION_PASSWORD = "poste-demonstration-1"  # noqa: S105 (for a machine that talks to itself)
# 20 bytes in base 32; public, like the password.
DEMONSTRATION_SECRET = "POSTEDEMONSTRATIONALLORENDEZVOUS"  # noqa: S105
_DEMONSTRATION = (
    ("agent1", "Camille Martin", "agent", ("fr", "en")),
    ("agent2", "Dominique Bernard", "agent", ("fr", "en")),
    ("agent3", "Claude Petit", "agent", ("fr",)),
    ("agent4", "Alix Robert", "agent", ("fr",)),
    ("agent5", "Sacha Richard", "agent", ("fr",)),
    ("supervisor", "Maxence Durand", "supervisor", ("fr", "en")),
    ("secretary", "Morgan Lefèvre", "secretary", ("fr",)),
)
# A visitor of the demonstration who names no place is offered the centres nearest to this postcode.
_DEMONSTRATION_POSTCODE = "75011"
_LOGIN = re.compile(r"[a-z0-9][a-z0-9._@-]{1,59}")
# What people write between the digits of a number.
_BETWEEN = re.compile(r"\(0\)|[\s./()-]")
_LANGUAGE = re.compile(r"[a-z]{2}")


class StaffRefused(OperatorRefused):
    """One sentence for the operator: what is not right, and the remedy where there is one."""


@dataclass(frozen=True)
class AccountListEntry:
    """An account in the list of all."""

    staff: Staff
    disabled: bool
    second_factor: bool
    queues: tuple[str, ...]


def fold(login: str) -> str:
    """A login as it is stored: people type it in any case and with blanks around."""
    return login.strip().casefold()


# ---------------------------------------------------------------- accounts


def add(
    store: Store,
    *,
    login: str,
    name: str,
    role: str,
    password: str,
    languages: Collection[str] = ("fr",),
    centre_id: str | None = None,
    temporary: bool = True,
    demonstration: bool = False,
) -> Staff:
    """Make an account. Raises StaffRefused, passwords.BadPassword.

    `temporary`: the password was set by another person, and is changed at the first sign-in.
    """
    login, name = fold(login), " ".join(name.split())
    if not _LOGIN.fullmatch(login):
        raise StaffRefused(
            f"{login!r} is no login: 2 to 60 of a-z, 0-9, dot, dash, underscore and @"
        )
    if not 0 < len(name) <= LONGEST_NAME:
        raise StaffRefused(f"a name has 1 to {LONGEST_NAME} letters")
    _check_role(role, centre_id)
    if not languages or not all(_LANGUAGE.fullmatch(language) for language in languages):
        raise StaffRefused("languages are codes of two letters, such as fr and en")
    if not demonstration:
        passwords.check(password, login=login, name=name)
    new = Staff(store.chance.identifier(), login, name, role, tuple(languages), centre_id)
    hashed = passwords.hash_of(password)
    more = {"password_temporary": temporary, "demonstration": demonstration}
    with store.database.transaction() as connection:
        _check_centre(connection, centre_id)
        if not rows.add(connection, store.clock, new, hashed, **more):
            raise StaffRefused(f"there is a {login} already")
        details = {"role": role}
        record_act(connection, store, OPERATOR, "staff_added", new.id, details=details)
    return new


def lines(store: Store) -> list[AccountListEntry]:
    """All accounts by login."""
    with store.database.statement() as connection:
        queues = call_queues.memberships(connection)
        return [
            AccountListEntry(staff, disabled, strong, tuple(queues.get(staff.id, ())))
            for staff, disabled, strong in rows.everybody(connection)
        ]


def find(connection: Connection, store: Store, login: str) -> Staff:
    """Raises StaffRefused."""
    found = rows.by_login(connection, store.vault, fold(login))
    if found is None:
        raise StaffRefused(f"there is no {fold(login)!r}; `flask staff list` has them all")
    return found.staff


def _check_role(role: str, centre_id: str | None) -> None:
    """Raises StaffRefused."""
    if role not in ROLES:
        raise StaffRefused(f"{role!r} is no role: {', '.join(ROLES)}")
    if centre_id is not None and role != "secretary":
        raise StaffRefused("only a secretary belongs to a centre")


def _check_centre(connection: Connection, centre_id: str | None) -> None:
    """Raises StaffRefused."""
    if centre_id is None:
        return
    found = centres.centre_state(connection, centre_id)
    if found is None:
        raise StaffRefused(f"there is no centre {centre_id}: `flask centres list` has them")
    if not found.bookable:
        raise StaffRefused(
            f"{centre_id} ({found.name}) is not booked for here: `flask centres take {centre_id}`"
            " makes it ours"
        )


def _change(  # noqa: PLR0917
    connection: Connection,
    store: Store,
    staff_id: str,
    what: str,
    columns: Mapping[str, Any],
    details: dict[str, Any] | None = None,
) -> None:
    """Change an account under lock for the operator, end its sessions and record the act."""
    rows.by_id(connection, store.vault, staff_id, lock=True)
    rows.change(connection, store.clock, staff_id, **columns)
    rows.end_sessions(connection, store.clock, staff_id)
    record_act(connection, store, OPERATOR, what, staff_id, details=details)


def change_role(store: Store, login: str, role: str, *, centre_id: str | None = None) -> None:
    """Raises StaffRefused. Their sessions end."""
    _check_role(role, centre_id)
    with store.database.transaction() as connection:
        _check_centre(connection, centre_id)
        who = find(connection, store, login)
        details = {"from": who.role, "to": role}
        columns = {"role": role, "centre_id": centre_id}
        _change(connection, store, who.id, "staff_role", columns, details)


def disable(store: Store, login: str, *, disabled: bool = True) -> None:
    """Close an account, or open it again. Raises StaffRefused. Its sessions end."""
    with store.database.transaction() as connection:
        who = find(connection, store, login)
        what = "staff_disabled" if disabled else "staff_enabled"
        columns = {"disabled_at": store.clock.at() if disabled else None}
        _change(connection, store, who.id, what, columns)


def give_password(store: Store, login: str, password: str) -> None:
    """A password that its owner changes at the next sign-in; their sessions end.

    The second factor stays, so that a person who obtained this reset by deceit is not signed in by
    it. Raises StaffRefused, passwords.BadPassword.
    """
    with store.database.statement() as connection:
        who = find(connection, store, login)
    passwords.check(password, login=who.login, name=who.name)
    hashed = passwords.hash_of(password)
    with store.database.transaction() as connection:
        columns = {"password_hash": hashed, "password_temporary": True, "demonstration": False}
        _change(connection, store, who.id, "staff_password", columns)


def give_second_factor(store: Store, login: str) -> str:
    """A first second factor, as the address for an authenticator; their sessions end.

    Raises StaffRefused where there is one: no operator alone replaces it.
    """
    secret = second_factor.new_secret()
    with store.database.transaction() as connection:
        who = find(connection, store, login)
        rows.by_id(connection, store.vault, who.id, lock=True)
        if factors.has_any(connection, who.id):
            raise StaffRefused(
                f"{who.login} has a second factor; where it is lost: flask staff lost {who.login}"
            )
        rows.change_secret(connection, store.clock, store.vault, who.id, secret)
        _change(connection, store, who.id, "staff_totp", {})
    return second_factor.address(secret, who.login)


def sign_out_everywhere(store: Store, staff_id: str, *, by: str) -> int:
    """End every session of a staff member; gives how many."""
    with store.database.transaction() as connection:
        rows.by_id(connection, store.vault, staff_id, lock=True)
        ended = rows.end_sessions(connection, store.clock, staff_id)
        details = {"sessions": ended}
        record_act(connection, store, by, "sign_out_everywhere", staff_id, details=details)
    return ended


def set_queues(
    store: Store, login: str, queues: Collection[str], *, in_order: bool = False
) -> tuple[str, ...]:
    """The queues an agent takes callers from; none: the national ones of the agent's languages.

    `in_order`: those of the first before those of the next. Raises StaffRefused.
    """
    wanted = tuple(dict.fromkeys(queues)) if in_order else tuple(sorted(set(queues)))
    with store.database.transaction() as connection:
        who = find(connection, store, login)
        known = sorted(queue.id for queue in call_queues.all_queues(connection))
        unknown = sorted(set(queues) - set(known))
        if unknown:
            raise StaffRefused(
                f"there is no queue {', '.join(unknown)}; there are {', '.join(known) or 'none'}"
            )
        call_queues.set_memberships(connection, who.id, wanted, in_order=in_order)
        details: dict[str, object] = {"queues": list(wanted)}
        if in_order:
            details["in_order"] = True
        record_act(connection, store, OPERATOR, "staff_queues", who.id, details=details)
    return wanted


def set_phone(store: Store, staff_id: str, number: str) -> None:
    """A staff member's own telephone, as they write it; "" removes it. Raises StaffRefused."""
    phone = None
    if number.strip():
        try:
            phone, _ = telephone(_BETWEEN.sub("", number))
        except NotUnderstood:
            raise StaffRefused(f"{number!r} is no French telephone number") from None
    with store.database.transaction() as connection:
        rows.change_phone(connection, store.clock, store.vault, staff_id, phone)
        details = {"given": phone is not None}
        record_act(connection, store, staff_id, "staff_phone", staff_id, details=details)


def phone_of(connection: Connection, store: Store, staff_id: str) -> str | None:
    """A staff member's own telephone, E.164."""
    found = rows.by_id(connection, store.vault, staff_id)
    return found.phone if found else None


# ---------------------------------------------------------------- demonstration


def make_demonstration(store: Store) -> list[str]:
    """Accounts with a public password: never in production. Gives the new logins."""
    return [
        login
        for login, name, role, languages in _DEMONSTRATION
        if _add_for_demonstration(store, login, name, role, languages)
    ]


def _demonstration_centre(store: Store) -> str | None:
    """The centre with hours nearest to where visitors book; None where nothing is there yet."""
    with_hours = {centre.id for centre in centres.hours_of(store.database) if centre.hours}
    with store.database.statement() as connection:
        town = directory.find_postcode(connection, _DEMONSTRATION_POSTCODE)
        near = [
            centre for centre in directory.bookable_centres(connection) if centre.id in with_hours
        ]
    if town is None or town.latitude is None or town.longitude is None or not near:
        return None
    here = (town.latitude, town.longitude)
    return min(near, key=lambda one: distance_km(*here, one.latitude, one.longitude)).id


def make_crowd(store: Store, count: int) -> list[str]:
    """Agents played by a program, `crowd1` on; gives the logins of `count`, made now or before."""
    logins = [f"crowd{number}" for number in range(1, count + 1)]
    for number, login in enumerate(logins, 1):
        _add_for_demonstration(store, login, f"Agent simulé {number}", "agent", ("fr", "en"))
    return logins


def _add_for_demonstration(
    store: Store, login: str, name: str, role: str, languages: Collection[str]
) -> bool:
    """An account with the public password and secret; False where its login is there already."""
    with store.database.statement() as connection:
        there = rows.by_login(connection, store.vault, login)
    new = there is None
    if there is None:
        add(
            store,
            login=login,
            name=name,
            role=role,
            languages=languages,
            password=DEMONSTRATION_PASSWORD,
            centre_id=_demonstration_centre(store) if role == "secretary" else None,
            temporary=False,
            demonstration=True,
        )
    with store.database.transaction() as connection:
        account = rows.by_login(connection, store.vault, login)
        # One that was made by an earlier version has no secret yet.
        if account and account.demonstration and not factors.has_any(connection, account.staff.id):
            secret = DEMONSTRATION_SECRET
            rows.change_secret(connection, store.clock, store.vault, account.staff.id, secret)
    return new


def demonstration_accounts(store: Store) -> list[str]:
    """Logins with a public password."""
    with store.database.statement() as connection:
        return rows.for_demonstration(connection)


def new_password() -> str:
    """Sixteen letters and digits in four groups, to be told once and changed."""
    letters = "abcdefghjkmnpqrstuvwxyz23456789"
    return "-".join("".join(secrets.choice(letters) for _ in range(4)) for _ in range(4))


# ---------------------------------------------------------------- history


def record_act(  # noqa: PLR0917 (written at every act: the order is the sentence's own)
    connection: Connection,
    store: Store,
    staff_id: str,
    what: str,
    subject: str,
    why: str = "",
    details: dict[str, Any] | None = None,
) -> None:
    """One line of the history, in the transaction of the act: all or nothing.

    `what` has at most 24 letters; `subject` is an id; `details` hold nothing personal. `why` is
    sealed: people type numbers and birth dates there.
    """
    act = Act(staff_id, what, subject, why[:LONGEST_WHY], details or {})
    rows.add_act(connection, store.clock, store.vault, act)


def read_file(
    connection: Connection,
    store: Store,
    staff: Staff,
    subject: str,
    *,
    why: str,
    **details: Any,
) -> None:
    """Record that a staff member opens a person's file, before the reading, in its transaction.

    `subject` is the id of the booking, call or queue entry; `why` is "call" or what was typed for
    a search.
    """
    record_act(connection, store, staff.id, READ_FILE, subject, why, details)


def read_acts(
    store: Store,
    *,
    limit: int = 100,
    staff_id: str | None = None,
    subject: str | None = None,
    before: int | None = None,
    after: int | None = None,
) -> list[RecordedAct]:
    """The newest acts, newest first; `before` is the number of the last one of the page before.

    `after`: only those that have a higher number.
    """
    with store.database.statement() as connection:
        return rows.acts(
            connection,
            store.vault,
            limit=limit,
            staff_id=staff_id,
            subject=subject,
            before=before,
            after=after,
        )
