"""Centres in the store: what an import writes, and what the counter of slots asks."""

from __future__ import annotations

import json

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import TypeVar

from sqlalchemy import Connection, bindparam, case, func, null, or_, select, update
from sqlalchemy.dialects.postgresql import insert

from models.centres import postcodes
from models.centres.postcodes import Address
from models.centres.tables import centre
from models.clock import Clock
from models.database import Database
from models.prepared import Prepared
from models.rows import columns_of, from_row

_IDS_PER_STATEMENT = 500
# The columns that a source does not decide; for the two modes there is a rule, see save().
_OURS = {
    *("id", "booking_mode", "source_mode", "closed_at", "created_at", "updated_at"),
    # Of an operator, see takes.py.
    *("our_mode", "our_hours", "slot_capacity", "slot_minutes"),
    *("our_name", "our_spoken_name", "our_wheelchair"),
}
# A name that an operator said stays, by the column that has it.
_NAMES = {"name": centre.c.our_name, "spoken_name": centre.c.our_spoken_name}
_FROM_SOURCE = [column.name for column in centre.c if column.name not in _OURS]


@dataclass(frozen=True)
class CentreState:
    """A centre, open or not, and where it is; `time_zone` is IANA, `closed_at` UTC.

    `name` as it is written, `spoken_name` as it is said where that differs.
    """

    id: str
    name: str
    street: str
    postcode: str
    town: str
    time_zone: str
    territory: str = ""
    latitude: float | None = None
    longitude: float | None = None
    booking_mode: str = "ours"
    closed_at: datetime | None = None
    spoken_name: str = ""

    @property
    def closed(self) -> bool:
        return self.closed_at is not None

    @property
    def bookable(self) -> bool:
        """Whether it takes new people through us."""
        return not self.closed and self.booking_mode == "ours"

    def is_off(self, *, blocked: bool) -> bool:
        """Whether an appointment there, with its place blocked or not, cannot take place.

        Where a centre takes its bookings otherwise by now, its places are blocked and its
        appointments stand.
        """
        return self.closed or (blocked and self.bookable)


@dataclass(frozen=True)
class CentreHours:
    """What opening slots needs of a centre. Hours are local: weekday (0 = Monday) to intervals.

    `capacity` (places) and `minutes` of a slot are what an operator said; None: nothing.
    """

    id: str
    name: str
    time_zone: str
    hours: dict[int, list[tuple[str, str]]]
    notes: str
    opens_on: date | None
    closes_on: date | None
    closed: bool
    ours: bool = True
    capacity: int | None = None
    minutes: int | None = None


def centre_states(
    connection: Connection, centre_ids: Collection[str], *, lock: bool = False
) -> dict[str, CentreState]:
    """Centres by id, open or not; unknown ids are left out.

    With `lock` two operations on one begin one after the other.
    """
    statement = select(*columns_of(CentreState, centre)).where(centre.c.id.in_(centre_ids))
    if lock:
        statement = statement.with_for_update(key_share=True)
    return {row.id: from_row(CentreState, row) for row in connection.execute(statement)}


def centre_state(
    connection: Connection, centre_id: str, *, lock: bool = False
) -> CentreState | None:
    if lock:
        return centre_states(connection, [centre_id], lock=True).get(centre_id)
    found = _STATE.rows(connection, {"the_centre": centre_id})
    return from_row(CentreState, found[0]) if found else None


_STATE = Prepared(
    select(*columns_of(CentreState, centre)).where(centre.c.id == bindparam("the_centre"))
)


def our_centres(connection: Connection) -> list[CentreState]:
    """The open centres that this service books for, for staff who may see all of them."""
    c = centre.c
    statement = (
        select(*columns_of(CentreState, centre))
        .where(c.closed_at.is_(None), c.booking_mode == "ours")
        .order_by(c.departement, c.town, c.name, c.id)
    )
    return [from_row(CentreState, row) for row in connection.execute(statement)]


def ours_in(connection: Connection, departement: str) -> set[str]:
    """The ids of the open centres of a département that this service books for."""
    c = centre.c
    statement = select(c.id).where(
        c.departement == departement, c.closed_at.is_(None), c.booking_mode == "ours"
    )
    return set(connection.execute(statement).scalars())


def count(database: Database) -> int:
    with database.statement() as connection:
        return connection.execute(select(func.count()).select_from(centre)).scalar_one()


def known(database: Database, source: str) -> dict[str, tuple[str, bool]]:
    """Fingerprint and "is closed" of every centre that came from the source, by id."""
    statement = select(centre.c.id, centre.c.fingerprint, centre.c.closed_at).where(
        centre.c.source == source
    )
    with database.statement() as connection:
        return {
            row.id: (row.fingerprint, row.closed_at is not None)
            for row in connection.execute(statement)
        }


def placed(database: Database, source: str) -> set[str]:
    """The open centres of a source to which the source itself gave a position."""
    c = centre.c
    statement = select(c.id).where(
        c.source == source, c.closed_at.is_(None), c.latitude.is_not(None), ~c.roughly
    )
    with database.statement() as connection:
        return set(connection.execute(statement).scalars())


def save(database: Database, clock: Clock, rows: Sequence[dict[str, object]]) -> None:
    """Insert or update centres, in one transaction.

    A booking mode that an operator set (`ours`, or another) is kept by an update; except that a
    source which says `reserved` wins, for no caller may be sent where only professionals are let
    in, and ends what the operator said. What the source says is kept beside it. A name that an
    operator said is kept, too.
    `closed` in a row closes the centre (a closing time already there stays); else it is open.
    """
    open_rows = [
        {k: v for k, v in row.items() if k != "closed"} for row in rows if not row["closed"]
    ]
    closed_rows = [{k: v for k, v in row.items() if k != "closed"} for row in rows if row["closed"]]
    with database.transaction() as connection:
        for batch, closed_at in ((open_rows, None), (closed_rows, clock.at())):
            if not batch:
                continue
            batch = [row | {"source_mode": row["booking_mode"]} for row in batch]  # noqa: PLW2901
            new = insert(centre).values(
                created_at=clock.at(), updated_at=clock.at(), closed_at=closed_at
            )
            again = new.on_conflict_do_update(
                index_elements=[centre.c.id],
                set_={
                    **{name: new.excluded[name] for name in _FROM_SOURCE},
                    **{
                        name: func.coalesce(said, new.excluded[name])
                        for name, said in _NAMES.items()
                    },
                    "booking_mode": case(
                        (new.excluded.booking_mode == "reserved", "reserved"),
                        (centre.c.our_mode.is_not(None), centre.c.our_mode),
                        (centre.c.booking_mode == "ours", "ours"),
                        else_=new.excluded.booking_mode,
                    ),
                    "source_mode": new.excluded.booking_mode,
                    "our_mode": case(
                        (new.excluded.booking_mode == "reserved", null()),
                        else_=centre.c.our_mode,
                    ),
                    "closed_at": func.coalesce(centre.c.closed_at, new.excluded.closed_at)
                    if closed_at is not None
                    else None,
                    "updated_at": new.excluded.updated_at,
                },
            )
            connection.execute(again, batch)


def close(database: Database, clock: Clock, ids: Sequence[str]) -> None:
    """Close centres that are open. Bookings point at centres, so no row is ever deleted."""
    for start in range(0, len(ids), _IDS_PER_STATEMENT):
        some = ids[start : start + _IDS_PER_STATEMENT]
        with database.transaction() as connection:
            connection.execute(
                update(centre)
                .where(centre.c.id.in_(some), centre.c.closed_at.is_(None))
                .values(closed_at=clock.at(), updated_at=clock.at())
            )


def place_roughly(database: Database) -> None:
    """Put centres whose source gives no position where their town is, as far as that is known.

    Towns that are far from their own centres are put where these are, before. Asked again after
    each import of centres or postcodes; what is right already is not written.
    """
    c = centre.c
    wanted = (c.id, c.postcode, c.insee, c.departement, c.latitude, c.longitude)
    with database.transaction() as connection:
        postcodes.move_to_centres(connection)
        rows = connection.execute(
            select(*wanted).where(or_(c.latitude.is_(None), c.roughly), c.postcode + c.insee != "")
        ).all()
        addresses = {row.id: Address(row.postcode, row.insee, row.departement) for row in rows}
        found = postcodes.positions_of_towns(connection, addresses)
        for row in rows:
            latitude, longitude = found.get(row.id, (None, None))
            if (row.latitude, row.longitude) == (latitude, longitude):
                continue
            connection.execute(
                update(centre)
                .where(c.id == row.id)
                .values(latitude=latitude, longitude=longitude, roughly=latitude is not None)
            )


def insert_new(database: Database, rows: Sequence[dict[str, object]]) -> None:
    """Insert centres that are not there yet; those that are stay as they are."""
    if rows:
        with database.transaction() as connection:
            connection.execute(insert(centre).on_conflict_do_nothing(), list(rows))


def forget_past_closings(database: Database, clock: Clock, today: date) -> None:
    """Clear closing dates before `today`, so that the demonstration is open whatever the date."""
    with database.transaction() as connection:
        connection.execute(
            update(centre)
            .where(centre.c.closed_at.is_(None), centre.c.closes_on < today)
            .values(closes_on=None, updated_at=clock.at())
        )


def hours_of(
    database: Database, ids: Sequence[str] | None = None, *, ours: bool = False
) -> list[CentreHours]:
    """Read the named centres (unknown ids left out) or all open ones, in the order of their ids.

    `ours`: only those that we book for. An operator's hours count before those of the source.
    """
    c = centre.c
    columns = ("id", "name", "time_zone", "notes", "opens_on", "closes_on", "closed_at")
    statement = select(
        *(c[name] for name in columns),
        func.coalesce(c.our_hours, c.hours).label("hours"),
        (c.booking_mode == "ours").label("ours"),
        c.slot_capacity.label("capacity"),
        c.slot_minutes.label("minutes"),
    ).order_by(c.id)
    if ids is None:
        statement = statement.where(c.closed_at.is_(None))
    else:
        statement = statement.where(c.id.in_(ids))
    if ours:
        statement = statement.where(c.booking_mode == "ours")
    with database.statement() as connection:
        rows = connection.execute(statement).all()
    return [
        from_row(
            CentreHours,
            row,
            hours={
                int(day): [(start, end) for start, end in intervals]
                for day, intervals in json.loads(row.hours).items()
            },
            closed=row.closed_at is not None,
            ours=bool(row.ours),
        )
        for row in rows
    ]


State = TypeVar("State")


def locked(connection: Connection, kind: type[State], centre_id: str) -> State | None:
    """What a command reads of a centre before it writes: columns of `kind`, the row kept for it."""
    statement = (
        select(*columns_of(kind, centre))
        .where(centre.c.id == centre_id)
        .with_for_update(key_share=True)
    )
    row = connection.execute(statement).first()
    return None if row is None else from_row(kind, row)
