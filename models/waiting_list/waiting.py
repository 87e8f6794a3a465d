"""The waiting list: the people who wait, where, and in what order they come for a place.

An entry waits at one centre, or anywhere within some kilometres in its own territory. Lower classes
come first, and within a class the entry that came first. States: waiting → offered → taken
(booked), back to waiting, or gone.
"""

from __future__ import annotations

import json
import math

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    Update,
    and_,
    bindparam,
    case,
    exists,
    func,
    literal,
    literal_column,
    or_,
    select,
    text,
    union_all,
    update,
)

from models.booking.bookings import opened, person_idx
from models.booking.tables import appointment, appointment_for, booking
from models.centres.geography import EARTH_RADIUS_KM, distance_km
from models.centres.tables import centre
from models.clock import Clock
from models.crypto import Vault
from models.messages.tables import message
from models.rows import from_row, values_of
from models.slots.holders import of_holder
from models.slots.places import is_free, serves, service_values
from models.slots.slots import HeldAppointment, held_appointments
from models.slots.tables import place
from models.tables import nothing_personal
from models.waiting_list.tables import waiting_entry
from models.writes import insert_new

# To the letter what the indexes say, or it would not be used.
_LIVE = text("waiting_entry.state IN ('waiting', 'offered')")
_WAITING: ColumnElement[str] = literal_column("'waiting'")
_CONFIRMED: ColumnElement[str] = literal_column("'confirmed'")
_OFFERED: ColumnElement[str] = literal_column("'offered'")
# As many are given together: more than there are threads that offer at the same time.
_PAGE = 20
# So many entries that wait longest in one territory are looked at before the neighbourhood is.
_FIRST = 500
KILOMETRES_PER_DEGREE = math.radians(1) * EARTH_RADIUS_KM
# A flat map is wrong by less than this at the distances of a waiting list. Entries that pass are
# measured exactly.
_FLAT = 1.04


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
        return (self.campaign, *_names(self.beside))


@dataclass(frozen=True)
class Freed:
    """A place that is free, at a centre for which people may wait; `start_at` is UTC."""

    place_id: int
    slot_id: int
    centre_id: str
    start_at: datetime
    latitude: float | None
    longitude: float | None
    territory: str
    time_zone: str
    centre_name: str
    town: str


@dataclass(frozen=True)
class WaitingListCandidate:
    """An entry that a place may suit. `booked`: its person has an appointment by now.

    `order`: its class, since when it waits, and its id; the lowest comes first.
    """

    id: str
    booked: bool
    order: tuple[int, datetime, str]


def holder_of(entry_id: str) -> str:
    """The name on which the places offered to an entry are held (40 letters)."""
    return f"waiting:{entry_id}"


def beside_of(names: Sequence[str]) -> str | None:
    """How campaigns beside the first are stored: each between commas, so that one can be found."""
    return f",{','.join(names)}," if names else None


def _names(beside: str | None) -> list[str]:
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
    statement = select(waiting_entry.c.id).where(_LIVE, waiting_entry.c.person_idx == key)
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
        connection.execute(select(exists().where(_LIVE).select_from(waiting_entry))).scalar_one()
    )


# ---------------------------------------------------------------- which entry comes first


def freed(
    connection: Connection,
    clock: Clock,
    campaign: str,
    place_ids: Collection[int],
    service: str = "",
) -> list[Freed]:
    """Those of these places that are free and for which people may wait, by their start.

    With a `service`, that of the campaign, those that serve it; people who want it with others wait
    for them, too. At centres that are open and whose
    places this service books. Where the list is empty, this is the only statement.
    """
    mine = and_(_LIVE, _wants(waiting_entry.c, campaign, named=bool(service)))
    columns: list[Any] = [
        *(place.c[name] for name in ("id", "slot_id", "centre_id", "start_at")),
        *(centre.c[name] for name in ("latitude", "longitude", "territory")),
        *(centre.c[name] for name in ("time_zone", "name", "town")),
    ]
    statement = (
        select(*columns)
        .join(centre, centre.c.id == place.c.centre_id)
        .where(
            place.c.id.in_(place_ids),
            is_free(clock),
            *([serves(place, 1)] if service else []),
            centre.c.closed_at.is_(None),
            centre.c.booking_mode == "ours",
            or_(
                exists().where(mine, waiting_entry.c.centre_id == centre.c.id).correlate(centre),
                exists()
                .where(mine, waiting_entry.c.territory == centre.c.territory)
                .correlate(centre),
            ),
        )
        .order_by(place.c.start_at, place.c.id)
    )
    values = service_values([service] if service else [])
    return [Freed(*row) for row in connection.execute(statement, values)]


def candidates(
    connection: Connection,
    campaign: str,
    one: Freed,
    *,
    most_kilometres: float,
    most_doses: int,
    without: Sequence[str] = (),
    named: bool = False,
) -> list[WaitingListCandidate]:
    """The first entries that may want a place, in order; an empty list means that none does.

    Locks nothing. Those that were asked about this slot before are left out, and `without`.
    `named`: the campaign is of a service with a name, and people who want it with others count.

    Reads few rows however many wait. Of the entries by distance it reads the first few hundred of
    the territory. Where none of these is near, it reads the neighbourhood, which then is small.
    """
    asks = _Asks(campaign, one, most_doses, most_kilometres, named)
    rows = list(connection.execute(asks.at_centre(without)))
    if one.latitude is not None:
        at_centre, whole = rows, len(rows) < _PAGE
        by_distance, all_near = _near(connection, asks, without)
        # Each of the two lists may end early. An entry counts only while no unread entry of the
        # other list can come before it.
        rows = [row for row in at_centre if all_near or _key(row) < _key(by_distance[-1])]
        rows += [row for row in by_distance if whole or _key(row) < _key(at_centre[-1])]
    return [
        WaitingListCandidate(row.id, bool(row.booked), _key(row)) for row in sorted(rows, key=_key)
    ]


def _near(connection: Connection, asks: _Asks, without: Sequence[str]) -> tuple[list[Any], bool]:
    """The first of those by distance, in order; and whether there are no others."""
    skip = list(without)
    for ask in (asks.first_of_all, asks.near):
        while True:
            rows = connection.execute(ask(skip)).all()
            found = [row for row in rows if _reaches(row, asks)]
            if found:
                return found, ask == asks.near and len(rows) < _PAGE
            if len(rows) < _PAGE:
                break
            # All of these were just beyond their own distance.
            skip += [row.id for row in rows]
    return [], True


@dataclass(frozen=True)
class _Asks:
    """The three statements that look for entries for a place; each gives a page, in order."""

    campaign: str
    one: Freed
    most_doses: int
    most_kilometres: float
    named: bool

    def at_centre(self, without: Sequence[str]) -> Select[Any]:
        entry = waiting_entry.c
        here = self._select(entry, without).where(_LIVE, entry.centre_id == self.one.centre_id)
        return here.order_by(entry.class_rank, entry.created_at, entry.id)

    def first_of_all(self, without: Sequence[str]) -> Select[Any]:
        entry = waiting_entry.c
        order = (entry.class_rank, entry.created_at, entry.id)
        first = select(waiting_entry).where(_LIVE, entry.territory == self.one.territory)
        some = first.order_by(*order).limit(_FIRST).subquery().c
        found = self._select(some, without).where(self._within(some))
        return found.order_by(some.class_rank, some.created_at, some.id)

    def near(self, without: Sequence[str]) -> Select[Any]:
        entry = waiting_entry.c
        there = self._select(entry, without).where(
            _LIVE, entry.territory == self.one.territory, *self._box(), self._within(entry)
        )
        # Not a bare column, or a database would walk along the order of all instead of looking
        # into the neighbourhood.
        return there.order_by(entry.class_rank + 0, entry.created_at, entry.id)

    def _select(self, entry: Any, without: Sequence[str]) -> Select[Any]:
        booked = _is_booked(entry)
        asked = exists().where(
            message.c.dedupe_key == literal("waiting:") + entry.id + literal(f":{self.one.slot_id}")
        )
        columns: list[Any] = [entry.class_rank, entry.created_at, entry.id]
        columns += [entry.latitude, entry.longitude, entry.kilometres]
        statement = select(*columns, case((booked, 1), else_=0).label("booked")).where(
            entry.state == _WAITING,
            _wants(entry, self.campaign, named=self.named),
            # How many places several services need is another matter.
            or_(entry.doses <= self.most_doses, entry.beside.is_not(None))
            if self.named
            else entry.doses <= self.most_doses,
            or_(entry.not_before.is_(None), entry.not_before <= self.one.start_at),
            or_(entry.offers == 0, ~asked),
        )
        if without:
            statement = statement.where(entry.id.not_in(without))
        return statement.limit(_PAGE)

    def _within(self, entry: Any) -> ColumnElement[bool]:
        reach = entry.kilometres * _FLAT
        away = _squared(entry, self.one.latitude or 0.0, self.one.longitude or 0.0)
        return and_(entry.kilometres.is_not(None), away <= reach * reach)

    def _box(self) -> list[ColumnElement[bool]]:
        """The bands and longitudes of a box around the circle."""
        latitude, longitude = self.one.latitude or 0.0, self.one.longitude or 0.0
        north = self.most_kilometres * _FLAT / KILOMETRES_PER_DEGREE
        # Degrees of longitude are narrowest on the side of the pole.
        east = north / math.cos(math.radians(min(abs(latitude) + north, 89)))
        bands = range(band_of(latitude - north), band_of(latitude + north) + 1)
        entry = waiting_entry.c
        return [entry.band.in_(bands), entry.longitude.between(longitude - east, longitude + east)]


def _key(row: Any) -> tuple[int, datetime, str]:
    return row.class_rank, row.created_at, row.id


def band_of(latitude: float) -> int:
    """The band of latitudes, a tenth of a degree high, in which an entry is found."""
    return math.floor(latitude * 10)


def _reaches(row: Any, asks: _Asks) -> bool:
    latitude, longitude = asks.one.latitude or 0.0, asks.one.longitude or 0.0
    away = distance_km(row.latitude, row.longitude, latitude, longitude)
    return away <= min(float(row.kilometres), asks.most_kilometres)


def people_ahead(connection: Connection, entry_id: str) -> int | None:
    """How many live entries come before one and want some of the same places; None if not live.

    For an entry at a centre: all at this centre and those whose distance reaches it. For one by
    distance: those whose circle meets its own, and those at a centre within it.
    """
    entry = waiting_entry.c
    mine = connection.execute(
        select(waiting_entry, centre.c.latitude.label("lat"), centre.c.longitude.label("lon"))
        .add_columns(centre.c.territory.label("land"))
        .outerjoin(centre, centre.c.id == entry.centre_id)
        .where(_LIVE, entry.id == entry_id)
    ).one_or_none()
    if mine is None:
        return None
    before = [
        _LIVE,
        or_(*(_wants(entry, name, named=True) for name in (mine.campaign, *_names(mine.beside)))),
        or_(
            entry.class_rank < mine.class_rank,
            and_(
                entry.class_rank == mine.class_rank,
                or_(
                    entry.created_at < mine.created_at,
                    and_(entry.created_at == mine.created_at, entry.id < mine.id),
                ),
            ),
        ),
    ]
    if mine.centre_id is not None:
        count = _count(connection, *before, entry.centre_id == mine.centre_id)
        latitude, longitude, territory, mine_reach = mine.lat, mine.lon, mine.land, 0.0
    else:
        latitude, longitude, territory = mine.latitude, mine.longitude, mine.territory
        mine_reach = float(mine.kilometres)
        away = _squared(centre.c, latitude, longitude)
        there = select(centre.c.id).where(
            centre.c.territory == territory, away <= mine_reach * mine_reach
        )
        count = _count(connection, *before, entry.centre_id.in_(there))
    if latitude is None or longitude is None:
        return count
    both = entry.kilometres + mine_reach
    meet = _squared(entry, latitude, longitude) <= both * both
    return count + _count(connection, *before, entry.territory == territory, meet)


def _squared(table: Any, latitude: float, longitude: float) -> Any:
    north = (table.latitude - latitude) * KILOMETRES_PER_DEGREE
    east = (table.longitude - longitude) * (
        KILOMETRES_PER_DEGREE * math.cos(math.radians(latitude))
    )
    return north * north + east * east


def _count(connection: Connection, *conditions: Any) -> int:
    statement = select(func.count()).select_from(waiting_entry).where(*conditions)
    return connection.execute(statement).scalar_one()


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
        .where(_LIVE, waiting_entry.c.id == entry.id)
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
    statement = update(waiting_entry).where(_LIVE, waiting_entry.c.id == entry_id).values(**values)
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
    statement = select(exists().where(waiting_entry.c.id == entry_id, _is_booked(waiting_entry.c)))
    return bool(connection.execute(statement).scalar_one())


def _wants(entry: Any, campaign: str, *, named: bool) -> ColumnElement[bool]:
    """Whether an entry is for a campaign, alone or, where services are `named`, with others."""
    first: ColumnElement[bool] = entry.campaign == campaign
    if not named:
        return first
    return or_(first, entry.beside.contains(f",{campaign},", autoescape=True))


def _is_booked(entry: Any) -> ColumnElement[bool]:
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
