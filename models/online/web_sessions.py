"""Web sessions of the public site: the step that a visitor is at, and what they have given.

The number counts answers and is the duplicate check. An answer takes the number that its page was
made for. A second answer with the same number changes nothing.

A code to finish a web session by telephone is six digits, known here by its keyed hash alone. It is
unique among web sessions, and never one that a call was told and that still counts
(`models.call.resume`).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any, NamedTuple

from sqlalchemy import (
    BindParameter,
    Connection,
    Label,
    Update,
    bindparam,
    delete,
    exists,
    func,
    literal_column,
    select,
    union_all,
    update,
)
from sqlalchemy.exc import IntegrityError

from models.advisory_locks import alone
from models.call.tables import resume_code
from models.clock import Clock
from models.crypto import CannotOpen, Vault
from models.online.tables import reach_code, visit
from models.prepared import Prepared
from models.rows import columns_of, from_row
from models.slots.holders import of_holder
from models.slots.places import renewal
from models.slots.slot_query import is_held
from models.slots.tables import place
from models.tables import nothing_personal
from models.writes import insert_new

# The page of a visitor whose appointment is being asked for at a partner.
PARTNER_WAITS = "partner_waits"

_LOOK_BACK = timedelta(hours=2)
# How the id of a web session begins; that of a call never does.
VISIT = "W"


@dataclass(frozen=True)
class WebSessionRow:
    """A web session as found; `body` is empty once it was erased. Moments are UTC.

    `kept_until` is when the first of its places is not held any more; None where it holds none. By
    `place_idx` and the two after it what it holds is counted (`CountsBy`). `seen_at` is when it was
    answered last, or began; `read_at` when it was read. Both are of the database's clock.
    """

    id: str
    number: int
    step: str
    outcome: str
    language: str
    body: str
    place_idx: bytes | None
    browser_idx: bytes | None
    phone_idx: bytes | None
    seen_at: datetime
    read_at: datetime
    kept_until: datetime | None


@dataclass(frozen=True)
class Written:
    """That an answer was stored; `kept_until` as in WebSessionRow, after it."""

    kept_until: datetime | None


def is_web_session(holder: str) -> bool:
    """Whether this is the id of a web session, where it may be a call's."""
    return holder.startswith(VISIT)


def add(
    connection: Connection,
    clock: Clock,
    vault: Vault,
    visit_id: str,
    *,
    step: str,
    language: str,
    body: str,
    place_idx: bytes | None = None,
    browser_idx: bytes | None = None,
) -> None:
    """A new one, whose first answer is number 1; one that is there already stays as it is."""
    values = {
        "id": visit_id,
        "number": 1,
        "step": step,
        "outcome": "",
        "language": language,
        "body_enc": _seal(vault, visit_id, body),
        "place_idx": place_idx,
        "browser_idx": browser_idx,
    }
    # Two may begin at once with copies of one ticket of the waiting room.
    insert_new(connection, clock, visit, values, "created_at", "seen_at")


def load(connection: Connection, clock: Clock, vault: Vault, visit_id: str) -> WebSessionRow | None:
    """One web session by its id, with what it holds, in one statement."""
    found = _load(clock).rows(connection, {"the_visit": visit_id})
    if not found:
        return None
    row = found[0]
    try:
        body = vault.open_text(row.body_enc, _where(visit_id)) or ""
    except CannotOpen:
        # Sealed with a key that is no more: as good as erased.
        body = ""
    return from_row(WebSessionRow, row, body=body)


def _kept_until(clock: Clock) -> Label[datetime]:
    held = select(func.min(place.c.hold_expires_at)).where(
        of_holder(bindparam("the_visit")), is_held(clock)
    )
    return held.scalar_subquery().label("kept_until")


@lru_cache
def _load(clock: Clock) -> Prepared:
    read_at = clock.at().label("read_at")
    columns = (*columns_of(WebSessionRow, visit), visit.c.body_enc, _kept_until(clock), read_at)
    return Prepared(select(*columns).where(visit.c.id == bindparam("the_visit")))


@dataclass(frozen=True)
class CountsBy:
    """Keyed hashes by which what a web session holds is counted; None where there is none."""

    place_idx: bytes | None
    browser_idx: bytes | None
    phone_idx: bytes | None


@dataclass(frozen=True)
class OtherHolders:
    """Other web sessions that hold something now, by what they have in common with one: their ids.

    Each list has the one answered last first.
    """

    browser: list[str] = field(default_factory=list)
    phone: list[str] = field(default_factory=list)
    place: list[str] = field(default_factory=list)


def others_that_hold(
    connection: Connection,
    clock: Clock,
    visit_id: str,
    mine: CountsBy,
) -> OtherHolders:
    """Those that share one of these with a web session; no other transaction looks meanwhile.

    Where nothing is shared nothing is asked.

    Two visits of one kind would each overlook what the other one is about to hold: until this
    transaction ends, others that share one of these wait here.

    Of a number that was typed those are left out that proved to be its owner's, of a place those
    that began long ago: what was begun then hardly holds anything, and a town's day is not read
    through.
    """
    shared = {
        name: idx
        for name, idx in (
            ("browser", mine.browser_idx),
            ("phone", mine.phone_idx),
            ("place", mine.place_idx),
        )
        if idx is not None
    }
    found = OtherHolders()
    if not shared:
        return found
    values = {"the_visit": visit_id} | {f"the_{name}": idx for name, idx in shared.items()}
    keys = [f"hold {name}".encode() + idx for name, idx in shared.items()]

    rows = alone(connection, keys, _others_that_hold(clock, tuple(shared)), values)
    for row in rows:
        getattr(found, row.shared).append(row.id)
    return found


@lru_cache
def _others_that_hold(clock: Clock, shared: tuple[str, ...]) -> Prepared:
    holds = exists().where(of_holder(visit.c.id), is_held(clock))
    proved = exists().where(
        reach_code.c.visit_id == visit.c.id,
        reach_code.c.phone_idx == bindparam("the_phone"),
        reach_code.c.proved_at.is_not(None),
    )
    since = clock.at(-_LOOK_BACK)
    which = {
        "browser": (visit.c.browser_idx == bindparam("the_browser"), visit.c.seen_at > since),
        "phone": (visit.c.phone_idx == bindparam("the_phone"), visit.c.seen_at > since, ~proved),
        "place": (visit.c.place_idx == bindparam("the_place"), visit.c.created_at > since),
    }
    found = union_all(
        *(
            select(literal_column(f"'{name}'").label("shared"), visit.c.id, visit.c.seen_at).where(
                *which[name], visit.c.id != bindparam("the_visit"), holds
            )
            for name in shared
        )
    )
    columns = found.selected_columns
    return Prepared(found.order_by(columns.seen_at.desc(), columns.id))


def claim(connection: Connection, clock: Clock, visit_id: str, number: int) -> CountsBy | None:
    """Take an answer's number before its effects; a copy waits for the transaction, then None.

    Gives by what the web session's holds count.
    """
    values = {"the_visit": visit_id, "the_number": number}
    found = _claim(clock).rows(connection, values)
    return CountsBy(*found[0]) if found else None


def _next_number(clock: Clock) -> Update:
    this = (visit.c.id == bindparam("the_visit"), visit.c.number == bindparam("the_number"))
    statement = update(visit).where(*this, visit.c.outcome == "")
    return statement.values(number=visit.c.number + 1, seen_at=clock.at())


@lru_cache
def _claim(clock: Clock) -> Prepared:
    return Prepared(_next_number(clock).returning(*columns_of(CountsBy, visit)))


def write(
    connection: Connection,
    clock: Clock,
    vault: Vault,
    visit_id: str,
    number: int | None,
    *,
    step: str,
    outcome: str,
    body: str,
    phone: bytes | None = None,
    lease: timedelta | None = None,
) -> Written | None:
    """Store what an answer led to; None when a copy of the answer came first.

    `number` is that of an answer without effects, in one statement; None: it was claimed in this
    transaction. `phone` is the keyed hash of a number that was typed; None leaves the one before.
    With a `lease` the same statement prolongs what the web session holds.
    """
    values: dict[str, Any] = {
        "the_visit": visit_id,
        "the_step": step,
        "the_outcome": outcome,
        "the_body": _seal(vault, visit_id, body),
    }
    if phone is not None:
        values["the_phone"] = phone
    if number is not None:
        values["the_number"] = number
    stored = _Stored(numbered=number is not None, typed=phone is not None)
    if lease is None:
        statement = _store(clock, stored)
    else:
        statement = _renewing(clock, stored, lease)
        values["the_holder"] = visit_id
    found = statement.rows(connection, values)
    return from_row(Written, found[0]) if found else None


_LED_TO: dict[str, BindParameter[Any]] = {
    "step": bindparam("the_step"),
    "outcome": bindparam("the_outcome"),
    "body_enc": bindparam("the_body"),
}


class _Stored(NamedTuple):
    """Whether an answer takes its number as it is stored, and whether a number was typed."""

    numbered: bool
    typed: bool


def _storing(clock: Clock, stored: _Stored) -> Update:
    this = update(visit).where(visit.c.id == bindparam("the_visit"))
    statement = (_next_number(clock) if stored.numbered else this).values(**_LED_TO)
    return statement.values(phone_idx=bindparam("the_phone")) if stored.typed else statement


@lru_cache
def _store(clock: Clock, stored: _Stored) -> Prepared:
    return Prepared(_storing(clock, stored).returning(_kept_until(clock)))


@lru_cache
def _renewing(clock: Clock, stored: _Stored, lease: timedelta) -> Prepared:
    """A row where it was stored, and only then what it holds is prolonged."""
    done = _storing(clock, stored).returning(visit.c.id).cte("done")
    renewed = renewal(clock, lease).where(exists(select(done.c.id)))
    held = renewed.returning(place.c.hold_expires_at).cte("held")
    kept_until = select(func.min(held.c.hold_expires_at)).scalar_subquery().label("kept_until")
    return Prepared(select(kept_until).select_from(done))


def end(connection: Connection, clock: Clock, visit_id: str, outcome: str) -> bool:
    """Over, for this reason ("taken_up", "ended"); False where it was over before."""
    statement = (
        update(visit)
        .where(visit.c.id == visit_id, visit.c.outcome == "")
        .values(outcome=outcome, number=visit.c.number + 1, seen_at=clock.at())
    )
    return connection.execute(statement).rowcount == 1


def erase_bodies(connection: Connection, clock: Clock, older_than: timedelta) -> int:
    """Erase what was given; step and outcome stay for the statistics."""
    statement = (
        update(visit)
        .where(visit.c.seen_at < clock.at(-older_than), visit.c.body_enc.is_not(None))
        .values(nothing_personal(visit))
    )
    return connection.execute(statement).rowcount


def delete_old(connection: Connection, clock: Clock, older_than: timedelta) -> int:
    return connection.execute(delete(visit).where(visit.c.seen_at < clock.at(-older_than))).rowcount


def _seal(vault: Vault, visit_id: str, body: str) -> bytes:
    return vault.seal(body.encode(), _where(visit_id))


def _where(visit_id: str) -> str:
    return f"visit.body:{visit_id}"


# ------------------------------------------------------------------ codes to go on by telephone


def set_code(
    connection: Connection, clock: Clock, code_idx: bytes, visit_id: str, lasts: timedelta
) -> bool:
    """Give an open web session this code, in the place of its last; False for one in use."""
    connection.execute(
        update(visit)
        .where(visit.c.code_idx == code_idx, visit.c.code_until <= clock.at())
        .values(code_idx=None, code_until=None)
    )
    calls = select(resume_code.c.call_id).where(
        resume_code.c.code_idx == code_idx, resume_code.c.expires_at > clock.at()
    )
    statement = (
        update(visit)
        .where(visit.c.id == visit_id, visit.c.outcome == "", ~calls.exists())
        .values(code_idx=code_idx, code_until=clock.at(lasts))
    )
    try:
        with connection.begin_nested():
            return connection.execute(statement).rowcount == 1
    except IntegrityError:
        return False


def web_session_of_code(connection: Connection, clock: Clock, code_idx: bytes) -> str | None:
    """The web session that a code is for, while it counts."""
    statement = select(visit.c.id).where(
        visit.c.code_idx == code_idx, visit.c.code_until > clock.at()
    )
    return connection.execute(statement).scalar_one_or_none()


def take_code(connection: Connection, visit_id: str) -> bytes | None:
    """Take the code of a web session, for the call that goes on; the session has none then."""
    found = connection.execute(
        select(visit.c.code_idx).where(visit.c.id == visit_id)
    ).scalar_one_or_none()
    if found is not None:
        connection.execute(
            update(visit).where(visit.c.id == visit_id).values(code_idx=None, code_until=None)
        )
    return found
