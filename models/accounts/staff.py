"""The staff: their accounts, their sessions, and what they did.

A session's token is known to one browser alone; the row has its hash. A session is over when its
row says so, when it began before the account's `sessions_from`, or when the account is disabled.
"""

from __future__ import annotations

import hashlib
import json

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    bindparam,
    delete,
    exists,
    func,
    select,
    update,
)

from models.accounts.factors import is_owner
from models.accounts.tables import ROLES, act_reason, staff, staff_act
from models.accounts.tables import staff_session as session
from models.agents.tables import agent
from models.clock import Clock, DatabaseClock
from models.crypto import Vault
from models.prepared import Prepared
from models.rows import columns_of, from_row, values_of
from models.writes import insert_new

__all__ = ["IN_CALL", "ROLES", "Act", "Staff", "StaffAccount", "StaffSession"]

# States of an agent who has a caller.
IN_CALL = frozenset({"reserved", "talking"})


@dataclass(frozen=True)
class Staff:
    """A member of staff, as every page and use case knows them. Nothing secret.

    `languages` are codes as in `prompts/`; `centre_id` is that of a secretary, None for all.
    """

    id: str
    login: str
    name: str
    role: str
    languages: tuple[str, ...] = ("fr",)
    centre_id: str | None = None

    # What Flask-Login asks of a user.
    is_active = True
    is_authenticated = True
    is_anonymous = False

    def get_id(self) -> str:
        return self.id


@dataclass(frozen=True)
class StaffAccount:
    """An account with what proves that a person is its owner. Never shown, never logged."""

    staff: Staff
    password_hash: str = field(repr=False)
    password_temporary: bool
    demonstration: bool
    totp_secret: str | None = field(repr=False)
    totp_step: int
    phone: str | None = field(repr=False)
    disabled: bool


@dataclass(frozen=True)
class StaffSession:
    """A session that is not over, as far as the store can tell; limits of time are not looked at.

    `strong`: a second factor was given. `has_factor`: the account has one, `has_totp`: by an
    authenticator. `proved_at`: when the password was given last. `wall`: of a screen on a wall,
    whose owner may be anywhere.
    """

    staff: Staff
    began_at: datetime
    seen_at: datetime
    strong: bool
    has_factor: bool
    has_totp: bool
    password_temporary: bool
    demonstration: bool
    in_call: bool
    proved_at: datetime
    wall: bool = False


@dataclass(frozen=True)
class Act:
    """Something that a person who works here did; `staff_id` may be a word (system, operator).

    `details` are ids and words, nothing personal.
    """

    staff_id: str
    what: str
    subject: str
    why: str = ""
    details: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class RecordedAct:
    """An act as it was written; `at` is UTC."""

    number: int
    at: datetime
    act: Act


@dataclass(frozen=True)
class StaffSessionView:
    """A session as its owner sees it: a name for it that opens nothing, and its moments (UTC)."""

    name: str
    began_at: datetime
    seen_at: datetime
    here: bool
    wall: bool = False


# Letters of a session's name in the list of its owner.
_NAME = 12
_PERSON = columns_of(Staff, staff)


def _staff(row: Row[Any]) -> Staff:
    return from_row(Staff, row, languages=tuple(row.languages.split()))


# ---------------------------------------------------------------- accounts


def add(connection: Connection, clock: Clock, new: Staff, password_hash: str, **more: Any) -> bool:
    """Store an account; False when the login is taken. `more` are columns."""
    values = values_of(new, staff) | {
        "languages": " ".join(new.languages),
        "password_hash": password_hash,
        **more,
    }
    moments = ("sessions_from", "created_at", "updated_at")
    return insert_new(connection, clock, staff, values, *moments)


def everybody(connection: Connection) -> list[tuple[Staff, bool, bool]]:
    """All accounts by login, each with: is disabled, has a second factor."""
    statement = select(staff, is_owner().label("has_factor")).order_by(staff.c.login)
    rows = connection.execute(statement)
    return [(_staff(row), row.disabled_at is not None, bool(row.has_factor)) for row in rows]


def by_login(connection: Connection, vault: Vault, login: str) -> StaffAccount | None:
    return _account(connection, vault, select(staff).where(staff.c.login == login))


def by_id(
    connection: Connection, vault: Vault, staff_id: str, *, lock: bool = False
) -> StaffAccount | None:
    """An account; with `lock` others that would change it wait until this transaction ends."""
    statement = select(staff).where(staff.c.id == staff_id)
    return _account(connection, vault, statement.with_for_update() if lock else statement)


def _account(connection: Connection, vault: Vault, statement: Any) -> StaffAccount | None:
    row = connection.execute(statement).one_or_none()
    if row is None:
        return None
    return from_row(
        StaffAccount,
        row,
        staff=_staff(row),
        totp_secret=vault.open_text(row.totp_enc, f"staff.totp:{row.id}"),
        phone=vault.open_text(row.phone_enc, f"staff.phone:{row.id}"),
        disabled=row.disabled_at is not None,
    )


def change(connection: Connection, clock: Clock, staff_id: str, **columns: Any) -> bool:
    """Write columns of an account; False when there is none."""
    statement = update(staff).where(staff.c.id == staff_id)
    return connection.execute(statement.values(updated_at=clock.at(), **columns)).rowcount == 1


def change_secret(
    connection: Connection, clock: Clock, vault: Vault, staff_id: str, secret: str | None
) -> None:
    """Give an account another second factor, or take it away."""
    sealed = vault.seal_text(secret, f"staff.totp:{staff_id}")
    change(connection, clock, staff_id, totp_enc=sealed, totp_step=0)


def change_phone(
    connection: Connection, clock: Clock, vault: Vault, staff_id: str, phone: str | None
) -> None:
    """`phone` is E.164, or None."""
    sealed = vault.seal_text(phone, f"staff.phone:{staff_id}")
    change(connection, clock, staff_id, phone_enc=sealed)


def names_of(connection: Connection, staff_ids: Collection[str]) -> dict[str, str]:
    """What colleagues are called, by their ids."""
    if not staff_ids:
        return {}
    statement = select(staff.c.id, staff.c.name).where(staff.c.id.in_(staff_ids))
    return {row.id: row.name for row in connection.execute(statement)}


def use_step(connection: Connection, staff_id: str, step: int) -> bool:
    """Take a time step of the second factor; False when it, or a later one, was used before."""
    statement = update(staff).where(staff.c.id == staff_id, staff.c.totp_step < step)
    return connection.execute(statement.values(totp_step=step)).rowcount == 1


def for_demonstration(connection: Connection) -> list[str]:
    """Logins of demonstration accounts (their password is public) which are not disabled."""
    statement = select(staff.c.login).where(
        staff.c.demonstration.is_(True), staff.c.disabled_at.is_(None)
    )
    return list(connection.execute(statement.order_by(staff.c.login)).scalars())


# ---------------------------------------------------------------- sessions


def hash_of(token: str) -> bytes:
    """What is stored of a token. It is random, 256 bits: a plain hash cannot be turned back."""
    return hashlib.sha256(token.encode()).digest()


def begin_session(
    connection: Connection,
    clock: Clock,
    token: str,
    staff_id: str,
    *,
    strong: bool,
    wall: bool = False,
) -> None:
    """A new session, in the transaction that looked at the account under lock."""
    values = {
        "created_at": clock.at(),
        "seen_at": clock.at(),
        "strong_at": clock.at() if strong else None,
        "wall": wall,
    }
    connection.execute(
        session.insert().values(token_idx=hash_of(token), staff_id=staff_id, **values)
    )


_VISIT = Prepared(
    select(
        *_PERSON,
        session.c.created_at,
        session.c.seen_at,
        session.c.strong_at,
        func.coalesce(session.c.proved_at, session.c.created_at).label("proved_at"),
        session.c.wall,
        is_owner().label("has_factor"),
        staff.c.totp_enc.is_not(None).label("has_totp"),
        staff.c.password_temporary,
        staff.c.demonstration,
        agent.c.state,
    )
    .join(staff, staff.c.id == session.c.staff_id)
    .outerjoin(agent, agent.c.staff_id == staff.c.id)
    .where(
        session.c.token_idx == bindparam("token", type_=session.c.token_idx.type),
        session.c.ended_at.is_(None),
        session.c.created_at >= staff.c.sessions_from,
        staff.c.disabled_at.is_(None),
    )
)


def staff_session(connection: Connection, token: str) -> StaffSession | None:
    """The session of a token with its owner, or None when there is none any more; one statement."""
    rows = _VISIT.rows(connection, {"token": hash_of(token)})
    if not rows:
        return None
    row = rows[0]
    return from_row(
        StaffSession,
        row,
        staff=_staff(row),
        began_at=row.created_at,
        strong=row.strong_at is not None,
        in_call=row.state in IN_CALL,
    )


def touch(connection: Connection, clock: Clock, token: str, *, proved: bool = False) -> None:
    """A member of staff is there, and `proved` it by the password: limits count from now."""
    moments = ("seen_at", "proved_at") if proved else ("seen_at",)
    statement = update(session).where(session.c.token_idx == hash_of(token))
    connection.execute(statement.values(dict.fromkeys(moments, clock.at())))


def put_challenge(connection: Connection, clock: Clock, token: str, challenge: bytes) -> None:
    """Keep what a passkey is to sign for this session, in place of what was asked before."""
    statement = update(session).where(session.c.token_idx == hash_of(token))
    connection.execute(statement.values(challenge=challenge, challenge_at=clock.at()))


def take_challenge(
    connection: Connection, clock: Clock, token: str, within: timedelta
) -> bytes | None:
    """What was asked of a passkey in the last `within`; of two who ask for it, one gets it."""
    mine = session.c.token_idx == hash_of(token)
    asked = select(session.c.challenge).where(mine, session.c.challenge_at > clock.at(-within))
    found: bytes | None = connection.execute(asked).scalar_one_or_none()
    if found is None:
        return None
    statement = update(session).where(mine, session.c.challenge == found)
    taken = connection.execute(statement.values(challenge=None, challenge_at=None)).rowcount == 1
    return found if taken else None


def end_session(connection: Connection, clock: Clock, token: str) -> bool:
    """False when it was over already."""
    return _end(connection, clock, session.c.token_idx == hash_of(token)) == 1


def end_sessions(connection: Connection, clock: Clock, staff_id: str) -> int:
    """End all sessions of an account, those being begun at this moment too; gives how many."""
    change(connection, clock, staff_id, sessions_from=clock.at())
    return _end(connection, clock, session.c.staff_id == staff_id)


def _end(connection: Connection, clock: Clock, which: ColumnElement[bool]) -> int:
    statement = update(session).where(which, session.c.ended_at.is_(None))
    return connection.execute(statement.values(ended_at=clock.at())).rowcount


def sessions_of(
    connection: Connection, staff_id: str, since: datetime, token: str
) -> list[StaffSessionView]:
    """Sessions of an account that are not over and began after `since`; `token` is of this one."""
    statement = (
        select(session.c.token_idx, session.c.created_at, session.c.seen_at, session.c.wall)
        .join(staff, staff.c.id == session.c.staff_id)
        .where(
            session.c.staff_id == staff_id,
            session.c.ended_at.is_(None),
            session.c.created_at >= staff.c.sessions_from,
            session.c.created_at >= since,
        )
        .order_by(session.c.created_at)
    )
    here = hash_of(token)
    return [
        StaffSessionView(
            row.token_idx.hex()[:_NAME],
            row.created_at,
            row.seen_at,
            here=row.token_idx == here,
            wall=bool(row.wall),
        )
        for row in connection.execute(statement)
    ]


def end_named(connection: Connection, clock: Clock, staff_id: str, name: str) -> bool:
    """End the session of an account that has this name in its list; False where none has."""
    found = connection.execute(
        select(session.c.token_idx).where(
            session.c.staff_id == staff_id, session.c.ended_at.is_(None)
        )
    )
    named = [key for key in found.scalars() if key.hex()[:_NAME] == name]
    return _end(connection, clock, session.c.token_idx.in_(named)) > 0


def forget_sessions(connection: Connection, clock: Clock, after: timedelta) -> int:
    """Delete sessions that began longer ago than any may last; gives how many."""
    old = session.c.created_at < clock.at(-after)
    return connection.execute(delete(session).where(old)).rowcount


# ---------------------------------------------------------------- acts


def add_act(connection: Connection, clock: Clock, vault: Vault, act: Act) -> None:
    """Write one line, in the transaction of the act itself. The database forbids changes.

    A reason is sealed, for staff type there what the person on the line says.
    """
    line = staff_act.insert().values(
        at=clock.at(),
        staff_id=act.staff_id,
        what=act.what,
        subject=act.subject,
        details=json.dumps(act.details, separators=(",", ":")),
    )
    # Its reason is sealed for the number of the line.
    its = connection.execute(line.returning(staff_act.c.id)).scalar_one()
    if act.why:
        sealed = vault.seal_text(act.why, reason_place(its))
        connection.execute(act_reason.insert().inline().values(id=its, why_enc=sealed))


def reason_place(number: int) -> str:
    """Where the reason of the act with this number lives, for the vault."""
    return f"act_reason.why:{number}"


def acts(
    connection: Connection,
    vault: Vault,
    *,
    limit: int,
    staff_id: str | None = None,
    subject: str | None = None,
    before: int | None = None,
    after: int | None = None,
) -> list[RecordedAct]:
    """The newest acts, newest first; `before` is the number of the last of the page before.

    `after`: only those that have a higher number. Raises models.crypto.CannotOpen.
    """
    statement = (
        select(staff_act, act_reason.c.why_enc)
        .outerjoin(act_reason, act_reason.c.id == staff_act.c.id)
        .order_by(staff_act.c.id.desc())
        .limit(limit)
    )
    if staff_id is not None:
        statement = statement.where(staff_act.c.staff_id == staff_id)
    if subject is not None:
        statement = statement.where(staff_act.c.subject == subject)
    if before is not None:
        statement = statement.where(staff_act.c.id < before)
    if after is not None:
        statement = statement.where(staff_act.c.id > after)
    return [
        _written(row, vault.open_text(row.why_enc, reason_place(row.id)) or "")
        for row in connection.execute(statement)
    ]


def _written(row: Any, why: str) -> RecordedAct:
    act = Act(row.staff_id, row.what, row.subject, why, json.loads(row.details))
    return RecordedAct(row.id, row.at, act)


def newest_acts(
    connection: Connection, what: str, subjects: Collection[str]
) -> dict[str, RecordedAct]:
    """The newest act of a kind on each of these, by what it was done to; without the reasons."""
    if not subjects:
        return {}
    statement = (
        select(staff_act)
        .where(staff_act.c.subject.in_(subjects), staff_act.c.what == what)
        .order_by(staff_act.c.id)
    )
    return {row.subject: _written(row, "") for row in connection.execute(statement)}


def forget_acts(connection: Connection, clock: Clock, after: timedelta) -> int:
    """Delete acts that are older, with their reasons; gives how many acts.

    The database itself refuses younger ones. Its own clock must say so as well: what a clock that
    runs ahead takes for old stays for now.
    """
    old = [staff_act.c.at < each.at(-after) for each in (clock, DatabaseClock())]
    forgotten = connection.execute(delete(staff_act).where(*old)).rowcount
    of_an_act = exists().where(staff_act.c.id == act_reason.c.id)
    connection.execute(delete(act_reason).where(~of_an_act))
    return forgotten
