"""What is booked on a number already, and for a person."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from operator import attrgetter
from typing import Any, Self

from sqlalchemy import (
    Connection,
    Date,
    LargeBinary,
    ScalarSelect,
    Table,
    and_,
    bindparam,
    exists,
    func,
    literal_column,
    null,
    or_,
    select,
    union_all,
)

from models.booking import hourly
from models.booking.bookings import PersonHashes, opened
from models.booking.reach import campaign_values, of_campaign, of_number
from models.booking.tables import appointment, appointment_for, booking, is_live
from models.clock import Clock
from models.crypto import Vault
from models.messages.tables import FROZEN, budget
from models.prepared import Prepared
from models.rows import record

_LIVE_OF_NUMBER = Prepared(select(func.count().label("live")).where(*of_number(0)))
# What is held back for a number today: see models.messages.budgets.
_SPENT = exists().where(
    budget.c.day == bindparam("the_day", type_=Date),
    budget.c.closed_at.is_not(None),
    or_(
        # The day's; and that texts would leave too late at the provider's pace.
        budget.c.kind == "day",
        budget.c.kind == "late",
        and_(budget.c.kind == "prefix", budget.c.subject == bindparam("the_prefix")),
        and_(budget.c.kind == "number", budget.c.subject == bindparam("the_number")),
    ),
)


def _keys(persons: Sequence[bytes]) -> dict[str, bytes]:
    return {f"person_{number}": one for number, one in enumerate(persons)}


def _of_persons(count: int, *tables: Table) -> ScalarSelect[str]:
    """The booking in which one of so many persons (`_keys`) has a live appointment."""
    keys = [bindparam(f"person_{number}", type_=LargeBinary) for number in range(count)]
    each = [
        select(table.c.booking_id).where(is_live(table), table.c.person_idx.in_(keys))
        for table in tables
    ]
    found = union_all(*each) if len(each) > 1 else each[0]
    return found.limit(1).scalar_subquery()


# Where a campaign is of a named service. A booking of before it had the name has its key still.
_ALL_APPOINTMENTS = (appointment_for, appointment)


@lru_cache
def _find_person(count: int) -> Prepared:
    return Prepared(select(_of_persons(count, *_ALL_APPOINTMENTS).label("booking_id")))


@lru_cache
def _known(clock: Clock, persons: int, named: int, *tables: Table) -> Prepared:
    """A row for each booking of the number, or one without any, so that one statement says all.

    `named`: of how many campaigns of named services it is said whether a booking is of them.
    """
    always = select(literal_column("1").label("one")).subquery("always")
    there = booking.alias("there")
    theirs = and_(
        there.c.phone_idx == bindparam("the_number"),
        or_(there.c.state == "confirmed", there.c.state == "cancelled"),
    )
    person = _of_persons(persons, *tables) if persons else null()
    return Prepared(
        select(
            person.label("booking_id"),
            or_(_SPENT, FROZEN).label("spent"),
            *hourly.on_lines(clock),
            there.c.id,
            there.c.campaign,
            there.c.state,
            there.c.reach,
            there.c.rank,
            there.c.dob_enc,
            there.c.dob_idx,
            (there.c.last_start_at > clock.at()).label("is_ahead"),
            *(
                of_campaign(bindparam(f"campaign_{number}"), there).label(f"is_of_{number}")
                for number in range(named)
            ),
        )
        .select_from(always.outerjoin(there, theirs))
        .order_by(there.c.created_at, there.c.id)
    )


@dataclass(frozen=True)
class OnOneNumber:
    """A person with a booking on a number: their birth date, and which of such a date they are."""

    born: date
    rank: int

    @classmethod
    def of(cls, row: Any, born: date, campaign: str) -> Self:
        """Who a row of `booking` is for, as seen from a campaign.

        Which of two people of one date a person is, each campaign counts for itself: those of
        another one are there by their birth date alone.
        """
        return cls(born, row.rank if row.campaign == campaign else 1)


@record(frozen=True)
class Known:
    """What there is: live bookings of a number for each campaign, and the person's, if any.

    `proved` are those of the number whose owner was there. `spent`: no text leaves to the number on
    that day, for a budget is, or it would leave too late, or nothing leaves after a restore.
    `people` are those whose texts about what lies ahead go to the number, in the order of their
    bookings; people who have cancelled are among them, for they are told of that, too. Of the last
    hour, on lines: `in_a_row` with this number, and `alike` in birth date and postcode.
    """

    live: tuple[int, ...] = ()
    proved: tuple[int, ...] = ()
    booking_id: str | None = None
    spent: bool = False
    people: tuple[OnOneNumber, ...] = ()
    # Of the number and the person, in the first of the campaigns.
    hashes: PersonHashes | None = None
    in_a_row: int = 0
    alike: int = 0


def known(  # noqa: PLR0917
    connection: Connection,
    clock: Clock,
    vault: Vault,
    campaigns: Sequence[str],
    number: str,
    born: date,
    persons: Sequence[bytes | None],
    *,
    day: date,
    prefix: bytes,
    in_a_row: bytes | None = None,
    alike: bytes | None = None,
    of_services: bool = False,
) -> Known:
    """What is booked on a number (E.164), and by a person on it; one statement.

    `persons` are the keys of the person who was `born` then (`person_idx`), one for each campaign.
    `of_services`: these are of named services, and a live appointment of any of them counts.

    `day` and `prefix` (`services.messages.spend`) are those of the budgets of texts that are looked
    at: a caller who books hears at once that no text comes. `in_a_row` and `alike` are keyed hashes
    by which bookings resemble one another (`services.booking.reach`).
    """
    keys = [person_key for person_key in persons if person_key is not None]
    phone, own = vault.index("phone", number), vault.index("dob", born.isoformat())
    values = {
        "the_number": phone,
        **(campaign_values(campaigns) if of_services else {}),
        "the_day": day,
        "the_prefix": prefix,
        "the_row": in_a_row,
        "the_alike": alike,
        **_keys(keys),
    }
    named = len(campaigns) if of_services else 0
    tables = _ALL_APPOINTMENTS if of_services else (appointment,)
    rows = _known(clock, len(keys), named, *tables).rows(connection, values)
    live, proved = [0] * (named or 1), [0] * (named or 1)
    people: list[OnOneNumber] = []
    of_each = _of_each(campaigns[0], named)
    for row in rows:
        if row.id is None:
            continue
        if row.state == "confirmed":
            for nth, is_of in enumerate(of_each):
                if is_of(row):
                    live[nth] += 1
                    # Of an earlier version it is not known, and it counts as it did there.
                    proved[nth] += row.reach is None or row.reach != ""
        if row.is_ahead and (each := _born(vault, row, born, own)):
            people.append(OnOneNumber.of(row, each, campaigns[0]))
    return Known(
        live=tuple(live),
        proved=tuple(proved),
        booking_id=rows[0].booking_id,
        spent=bool(rows[0].spent),
        people=tuple(people),
        hashes=PersonHashes(phone, own, persons[0]),
        in_a_row=rows[0].in_a_row,
        alike=rows[0].alike,
    )


def _of_each(campaign: str, named: int) -> list[Callable[[Any], bool]]:
    """For each campaign, whether a row of `_known` is of it."""
    if not named:
        return [lambda row: bool(row.campaign == campaign)]
    return [attrgetter(f"is_of_{number}") for number in range(named)]


def _born(vault: Vault, row: Any, born: date, own: bytes | None) -> date | None:
    """When a person on a number was born. A birth date that is the person's need not be opened."""
    if row.dob_idx == own:
        return born
    told = opened(vault, row, "dob")
    return date.fromisoformat(told) if told else None


def count_of_number(connection: Connection, vault: Vault, campaign: str, number: str) -> int:
    """How many live bookings a phone number (E.164) has that a campaign is of."""
    values = {"the_number": vault.index("phone", number), "campaign_0": campaign}
    live: int = _LIVE_OF_NUMBER.rows(connection, values)[0].live
    return live


def find_person(connection: Connection, *persons: bytes) -> str | None:
    """The booking in which a person has a live appointment; by their keys of several campaigns."""
    (row,) = _find_person(len(persons)).rows(connection, _keys(persons))
    found: str | None = row.booking_id
    return found
