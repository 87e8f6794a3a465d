"""The waiting list: the people who wait, where, and in what order they come for a place.

An entry waits at one centre, or anywhere within some kilometres in its own territory. Lower classes
come first, and within a class the entry that came first. States: waiting → offered → taken
(booked), back to waiting, or gone.
"""

from __future__ import annotations

import json
import math

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Update,
    and_,
    bindparam,
    case,
    exists,
    literal_column,
    or_,
    select,
    text,
    union_all,
    update,
)

from models.booking.bookings import opened, person_idx
from models.booking.tables import appointment, appointment_for, booking
from models.clock import Clock
from models.crypto import Vault
from models.rows import from_row, values_of
from models.slots.holders import of_holder
from models.slots.slots import HeldAppointment, held_appointments
from models.tables import nothing_personal
from models.waiting_list.tables import waiting_entry
from models.writes import insert_new

# To the letter what the indexes say, or it would not be used.
LIVE = text("waiting_entry.state IN ('waiting', 'offered')")
WAITING: ColumnElement[str] = literal_column("'waiting'")
_CONFIRMED: ColumnElement[str] = literal_column("'confirmed'")
_OFFERED: ColumnElement[str] = literal_column("'offered'")


@dataclass(frozen=True)
class Waiter:
    """A person who waits. `number` (E.164) is where they are told; `not_before` is UTC.

    Either `centre_id`, or a position (degrees) with its territory and how far they would go: never
    farther than the campaign's radius, and never over a sea. Of several classes the lower
    `class_rank` comes first. `postcode` and `language` are needed when they book.
    `for_other`: the person who asked did so for another person.
    `twin`: the second of two people of one birth date who are asked for together.
    """

    born: date
    number: str
    postcode: str
    rank: int = 1
    language: str = "fr"
    centre_id: str | None = None
    latitude: float | None = None
    longitude: float | None = None
    territory: str | None = None
    kilometres: float | None = None
    not_before: datetime | None = None
    class_rank: int = 0
    for_other: bool = False
    twin: bool = False
    # The number of ours that was called; None: the default.
    called: str | None = None
    # Other campaigns of the same appointment (`beside_of`); None: none.
    beside: str | None = None


@dataclass(frozen=True)
class WaitingListEntry:
    """An entry with its person; moments are UTC. Erased ones are never given.

    `for_other`: another person put them on the list, or it is unknown who did.
    """

    id: str
    campaign: str
    state: str
    class_rank: int
    centre_id: str | None
    doses: int
    not_before: datetime | None
    born: date
    rank: int
    language: str
    postcode: str
    number: str
    offers: int
    offered_until: datetime | None
    created_at: datetime
    for_other: bool = True
    # The number of ours that its person called; None: the default.
    called: str | None = None
    beside: str | None = None

    @property
    def campaigns(self) -> tuple[str, ...]:
        """All that its person wants at once, the first of them as in `campaign`."""
        return (self.campaign, *names_of(self.beside))


def holder_of(entry_id: str) -> str:
    """The name on which the places offered to an entry are held (40 letters)."""
    return f"waiting:{entry_id}"


def beside_of(names: Sequence[str]) -> str | None:
    """How campaigns beside the first are stored: each between commas, so that one can be found."""
    return f",{','.join(names)}," if names else None


def names_of(beside: str | None) -> list[str]:
    return beside.strip(",").split(",") if beside else []


def offer_key(entry_id: str, slot_id: int) -> str:
    """The key of the one offer of a slot to an entry: no entry is offered the same slot twice."""
    return f"waiting:{entry_id}:{slot_id}"


def add(  # noqa: PLR0917 (where, and a row of the table)
    connection: Connection,
    clock: Clock,
    vault: Vault,
    entry_id: str,
    campaign: str,
    doses: int,
    new: Waiter,
) -> str:
    """Put a person on the list; gives the id of their live entry, which may be there already.

    A repeated request changes nothing of the entry, for it may come from a stranger.
    """
    person = {
        "born": new.born.isoformat(),
        "rank": new.rank,
        "language": new.language,
        "postcode": new.postcode,
        "for_other": new.for_other,
    }
    key = person_idx(vault, campaign, new.born, new.number, new.rank)
    values = values_of(new, waiting_entry) | {
        "id": entry_id,
        "campaign": campaign,
        "doses": doses,
        "state": "waiting",
        "band": None if new.latitude is None else band_of(new.latitude),
        "person_enc": vault.seal_text(json.dumps(person), _where("person", entry_id)),
        "person_idx": key,
        "phone_enc": vault.seal_text(new.number, _where("phone", entry_id)),
        "phone_idx": vault.index("phone", new.number),
        "offers": 0,
    }
    # Twice, for the entry in the way may end just then.
    for _ in range(2):
        if insert_new(connection, clock, waiting_entry, values, "created_at", "updated_at"):
            return entry_id
        found = _live_of(connection, key)
        if found is not None:
            return found
    raise RuntimeError("an entry is in the way of another and cannot be found")


def find(
    connection: Connection, vault: Vault, campaign: str, *, born: date, number: str, rank: int
) -> str | None:
    """The live entry of a person."""
    return _live_of(connection, person_idx(vault, campaign, born, number, rank))


def _live_of(connection: Connection, key: bytes | None) -> str | None:
    statement = select(waiting_entry.c.id).where(LIVE, waiting_entry.c.person_idx == key)
    return connection.execute(statement).scalar_one_or_none()


def load(
    connection: Connection,
    vault: Vault,
    entry_id: str,
    *,
    lock: bool = False,
    only_waiting: bool = False,
) -> WaitingListEntry | None:
    """Read an entry; None for one that is unknown or erased.

    With `lock` no other transaction changes it until this one ends. With `only_waiting` it is
    locked without patience: None, too, when it is not waiting, or another transaction has it.
    """
    statement = select(waiting_entry).where(
        waiting_entry.c.id == entry_id, waiting_entry.c.person_enc.is_not(None)
    )
    if only_waiting:
        statement = statement.where(waiting_entry.c.state == "waiting")
        statement = statement.with_for_update(skip_locked=True)
    elif lock:
        statement = statement.with_for_update()
    row = connection.execute(statement).one_or_none()
    if row is None:
        return None
    return of_row(row, vault)


def of_row(row: Any, vault: Vault) -> WaitingListEntry:
    """The entry of a whole row that is not erased."""
    person = json.loads(vault.open_text(row.person_enc, _where("person", row.id)) or "{}")
    person["born"] = date.fromisoformat(person["born"])
    number = vault.open_text(row.phone_enc, _where("phone", row.id)) or ""
    return from_row(WaitingListEntry, row, number=number, **{"for_other": True, **person})


def anybody(connection: Connection) -> bool:
    """Whether the list has any person, of whatever campaign."""
    return bool(
        connection.execute(select(exists().where(LIVE).select_from(waiting_entry))).scalar_one()
    )


# ---------------------------------------------------------------- which entry comes first


def band_of(latitude: float) -> int:
    """The band of latitudes, a tenth of a degree high, in which an entry is found."""
    return math.floor(latitude * 10)


# ---------------------------------------------------------------- what becomes of an entry


def set_offered(connection: Connection, clock: Clock, entry_id: str, lasts: timedelta) -> datetime:
    """A place is held for it from now on; gives the end of the offer (UTC).

    `lasts` counts from now, whenever they can be told.

    The entry must be locked and waiting.
    """
    statement = (
        update(waiting_entry)
        .where(waiting_entry.c.id == entry_id, waiting_entry.c.state == "waiting")
        .values(
            state="offered",
            offers=waiting_entry.c.offers + 1,
            offered_until=clock.at(lasts),
            updated_at=clock.at(),
        )
        .returning(waiting_entry.c.offered_until)
    )
    until: datetime = connection.execute(statement).scalar_one()
    return until


def narrow(  # noqa: PLR0917 (an entry, and what it becomes)
    connection: Connection,
    clock: Clock,
    vault: Vault,
    entry: WaitingListEntry,
    campaigns: Sequence[str],
    doses: int,
) -> WaitingListEntry | None:
    """Let an entry of several campaigns wait for these of them alone, at its old position.

    The entry must be locked. `doses` is how many places they need. None, and the entry is over,
    where its person waits for the first of them already.
    """
    first, *others = campaigns
    key = person_idx(vault, first, entry.born, entry.number, entry.rank)
    known = _live_of(connection, key)
    if known not in {None, entry.id}:
        settle(connection, clock, entry.id, "gone")
        return None
    values = {"campaign": first, "beside": beside_of(others), "person_idx": key, "doses": doses}
    connection.execute(
        update(waiting_entry)
        .where(LIVE, waiting_entry.c.id == entry.id)
        .values(**values, updated_at=clock.at())
    )
    return replace(entry, campaign=first, beside=beside_of(others), doses=doses)


def booked_of(connection: Connection, vault: Vault, entry: WaitingListEntry) -> set[str]:
    """For which of an entry's campaigns its person has a live appointment."""
    keys = {
        person_idx(vault, name, entry.born, entry.number, entry.rank): name
        for name in entry.campaigns
    }
    found = union_all(
        *(
            select(table.c.person_idx).where(
                table.c.person_idx.in_(list(keys)), table.c.state == _CONFIRMED
            )
            for table in (appointment_for, appointment)
        )
    )
    return {keys[bytes(row.person_idx)] for row in connection.execute(found)}


def settle(
    connection: Connection, clock: Clock, entry_id: str, state: str, *, behind: bool = False
) -> bool:
    """It waits again or is over, as `taken` or `gone`; False when it was over before.

    It waits at its old position, or `behind` all others of its class.
    """
    values: dict[str, Any] = {"state": state, "offered_until": None, "updated_at": clock.at()}
    if behind:
        values["created_at"] = clock.at()
    statement = update(waiting_entry).where(LIVE, waiting_entry.c.id == entry_id).values(**values)
    return connection.execute(statement).rowcount == 1


def lapsed(
    connection: Connection, clock: Clock, *, limit: int = 1, only: str | None = None
) -> list[tuple[str, str]]:
    """Entries, with their campaigns, whose offer has run out, the longest ago first.

    With `only` this entry alone, which is locked then: none where another transaction has it.
    """
    statement = (
        select(waiting_entry.c.id, waiting_entry.c.campaign)
        .where(
            waiting_entry.c.state == _OFFERED,
            waiting_entry.c.offered_until <= clock.at(),
        )
        .order_by(waiting_entry.c.offered_until, waiting_entry.c.id)
        .limit(limit)
    )
    if only is not None:
        statement = statement.where(waiting_entry.c.id == only)
        statement = statement.with_for_update(skip_locked=True)
    return [(row.id, row.campaign) for row in connection.execute(statement)]


def is_booked(connection: Connection, entry_id: str) -> bool:
    """Whether the entry's person has a live appointment."""
    statement = select(
        exists().where(waiting_entry.c.id == entry_id, is_booked_otherwise(waiting_entry.c))
    )
    return bool(connection.execute(statement).scalar_one())


def wants(entry: Any, campaign: str, *, named: bool) -> ColumnElement[bool]:
    """Whether an entry is for a campaign, alone or, where services are `named`, with others."""
    first: ColumnElement[bool] = entry.campaign == campaign
    if not named:
        return first
    return or_(first, entry.beside.contains(f",{campaign},", autoescape=True))


def is_booked_otherwise(entry: Any) -> ColumnElement[bool]:
    """Whether the person of an entry has a live appointment of its campaign."""
    return or_(
        *(
            exists().where(
                table.c.person_idx == entry.person_idx,
                table.c.person_idx.is_not(None),
                table.c.state == _CONFIRMED,
            )
            for table in (appointment, appointment_for)
        )
    )


def offered_to(connection: Connection, clock: Clock, entry_id: str) -> list[HeldAppointment]:
    """What is held for an entry at this moment, the first appointment first."""
    return held_appointments(connection, clock, of_holder(holder_of(entry_id)))


def reference_of(connection: Connection, vault: Vault, entry_id: str) -> str | None:
    """The reference of the booking that an entry has become, by the key that it was stored with."""
    statement = select(booking.c.id, booking.c.reference_enc).where(
        booking.c.idempotency_key == bindparam("the_key", f"{holder_of(entry_id)}:1")
    )
    row = connection.execute(statement).one_or_none()
    return opened(vault, row, "reference") if row else None


def erase_due(connection: Connection, clock: Clock, *, ended: timedelta, oldest: timedelta) -> int:
    """Erase the people of entries that ended `ended` ago; end and erase entries `oldest` old."""
    old = waiting_entry.c.created_at < clock.at(-oldest)
    over = and_(
        waiting_entry.c.state.in_(("taken", "gone")),
        waiting_entry.c.updated_at < clock.at(-ended),
    )
    return connection.execute(_erasing(or_(old, over))).rowcount


def erase_of_campaign(connection: Connection, campaign: str) -> int:
    """End and erase the entries of a campaign; gives how many."""
    return connection.execute(_erasing(waiting_entry.c.campaign == campaign)).rowcount


def _erasing(which: ColumnElement[bool]) -> Update:
    return (
        update(waiting_entry)
        .where(waiting_entry.c.person_enc.is_not(None), which)
        .values(
            **nothing_personal(waiting_entry),
            offered_until=None,
            state=case((waiting_entry.c.state == "taken", "taken"), else_="gone"),
        )
    )


def _where(column: str, entry_id: str) -> str:
    return f"waiting_entry.{column}:{entry_id}"
