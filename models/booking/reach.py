"""What was booked without a proof that its number is reached: the counts that the limits look at.

`booking.reach` says what proved a number. A booking of a public channel without a proof has an
empty one, and `place_idx` for the client address, or the line, that it came from.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from functools import lru_cache
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    FromClause,
    ScalarSelect,
    and_,
    bindparam,
    exists,
    func,
    or_,
    select,
    update,
)

from models.advisory_locks import alone
from models.booking import hourly
from models.booking.hourly import AskedAt, CentreHour
from models.booking.tables import appointment_for, booking, history
from models.clock import Clock
from models.messages.tables import message
from models.online.tables import reach_code
from models.prepared import Prepared

DAY = timedelta(hours=24)


class Proof(StrEnum):
    """What proved that a booking's number is reached."""

    NONE = ""
    LINE = "line"  # the call came from it, or was made to it
    CODE = "code"  # a code that was texted to it was typed back
    AGENT = "agent"  # a member of staff, or the service itself, looked at who asks


@dataclass(frozen=True)
class UnprovedCounts:
    """What there is beside a booking that is asked for without a proof.

    `live` are those of the number for each campaign, whatever proved them. The others are of the
    last 24 hours and without a proof, of number, birth date and place; `others` are of the number,
    and of other web sessions and calls. `hour` is its centre's, of bookings with a number.
    """

    live: tuple[int, ...]
    number: int
    others: int
    born: int
    place: int
    hour: CentreHour


def _lock_keys(**named: bytes | None) -> list[bytes]:
    """For `models.advisory_locks.alone`: two that race for one limit wait for each other."""
    return [f"reach {name}".encode() + idx for name, idx in named.items() if idx]


def count_proved(connection: Connection, phone: bytes, campaign: str) -> int:
    """How many live bookings a number has whose owner was there, and that a campaign is of."""
    values = {"the_number": phone, "campaign_0": campaign}
    live: int = _PROVED_OF_NUMBER.rows(connection, values)[0].live
    return live


def of_campaign(campaign: Any, of: FromClause = booking) -> ColumnElement[bool]:
    """Whether a booking is of a campaign: the first of several that it names, or any other.

    `of`: the table of bookings, or a name of its own for it.
    """
    done = exists().where(
        appointment_for.c.booking_id == of.c.id,
        appointment_for.c.campaign == campaign,
        appointment_for.c.state == "confirmed",
    )
    return or_(of.c.campaign == campaign, done)


# Live bookings of a number in a campaign.
OF_NUMBER = (
    booking.c.phone_idx == bindparam("the_number"),
    booking.c.campaign == bindparam("campaign_0"),
    booking.c.state == "confirmed",
)


def of_number(which: int) -> tuple[ColumnElement[bool], ...]:
    """The same where services have names; of several campaigns, the one with this number from 0."""
    return (
        booking.c.phone_idx == bindparam("the_number"),
        of_campaign(bindparam(f"campaign_{which}")),
        booking.c.state == "confirmed",
    )


def campaign_values(campaigns: Sequence[str]) -> dict[str, str]:
    """The binds of these campaigns."""
    return {f"campaign_{number}": name for number, name in enumerate(campaigns)}


# Made in this very web session or call.
_OWN = or_(
    booking.c.idempotency_key == bindparam("the_first"),
    booking.c.idempotency_key == bindparam("the_second"),
)
# Of an earlier version it is not known, and it counts as it did there.
IS_PROVED = or_(booking.c.reach.is_(None), booking.c.reach != "")
_PROVED_OF_NUMBER = Prepared(select(func.count().label("live")).where(*of_number(0), IS_PROVED))


def unproved(
    connection: Connection,
    clock: Clock,
    *,
    campaigns: Sequence[str],
    named: bool,
    phone: bytes | None,
    born: bytes | None,
    place: bytes | None,
    holder: str,
    where: AskedAt,
) -> UnprovedCounts:
    """Count for a booking that gives a number without a proof, in one statement.

    Others that ask for the same number, birth date or place wait until this transaction ends; those
    that ask for the same centre do not, and may pass its limit of an hour by a few. `named`: its
    campaigns are of services that have names.
    """
    values = {
        **hourly.values_of(where),
        "the_number": phone,
        **campaign_values(campaigns),
        "the_born": born,
        "the_place": place,
        "the_first": f"{holder}:1",
        "the_second": f"{holder}:2",
    }
    count = _unproved(clock, len(campaigns) if named else 0)
    (row,) = alone(connection, _lock_keys(number=phone, born=born, place=place), count, values)
    live = tuple(getattr(row, f"live_{number}") for number in range(len(campaigns)))
    return UnprovedCounts(
        live, row.number, row.others, row.born, row.place, hourly.centre_hour(row)
    )


@lru_cache
def _unproved(clock: Clock, named: int) -> Prepared:
    """For so many campaigns of named services; 0: for the one that has no name."""
    late = (booking.c.reach == "", booking.c.created_at > clock.at(-DAY))
    same_number = booking.c.phone_idx == bindparam("the_number")
    return Prepared(
        select(
            *(
                _count(*(of_number(number) if named else OF_NUMBER)).label(f"live_{number}")
                for number in range(named or 1)
            ),
            _count(same_number, *late).label("number"),
            _count(same_number, *late, ~_OWN).label("others"),
            _count(booking.c.dob_idx == bindparam("the_born"), *late).label("born"),
            _count(
                booking.c.place_idx == bindparam("the_place"),
                booking.c.phone_idx.is_not(None),
                *late,
            ).label("place"),
            *hourly.of_centre(clock, booking.c.phone_idx.is_not(None)),
        ),
    )


@dataclass(frozen=True)
class NumberlessCounts:
    """Live bookings without any number, of this place, and of this birth date and postcode.

    Those of this very web session or call are left out: a couple comes together. `recent` are those
    of the birth date in the last 24 hours, with or without a number. `hour` is its centre's, of
    bookings without a number.
    """

    place: int
    person: int
    recent: int
    hour: CentreHour


def numberless(
    connection: Connection,
    clock: Clock,
    *,
    campaigns: Sequence[str],
    named: bool,
    born: bytes | None,
    postcode: str,
    place: bytes | None,
    holder: str,
    where: AskedAt,
) -> NumberlessCounts:
    """Count for a booking that has no number at all, in one statement.

    Others that ask for the same birth date, place or centre wait until this transaction ends.
    `named`: its campaigns are of services that have names; a booking of one of them counts.
    """
    values = {
        **hourly.values_of(where),
        **campaign_values(campaigns),
        "the_born": born,
        "the_postcode": postcode,
        "the_place": place,
        "the_first": f"{holder}:1",
        "the_second": f"{holder}:2",
    }
    count = _numberless(clock, len(campaigns) if named else 0)
    keys = _lock_keys(born=born, place=place, centre=where.centre_id.encode())
    (row,) = alone(connection, keys, count, values)
    return NumberlessCounts(row.place, row.person, row.recent, hourly.centre_hour(row))


@lru_cache
def _numberless(clock: Clock, named: int) -> Prepared:
    born = booking.c.dob_idx == bindparam("the_born")
    of = booking.c.campaign == bindparam("campaign_0")
    if named:
        of = or_(*(of_campaign(bindparam(f"campaign_{number}")) for number in range(named)))
    live = (
        booking.c.reach == "",
        booking.c.phone_idx.is_(None),
        of,
        booking.c.state == "confirmed",
        booking.c.last_start_at > clock.at(),
        ~_OWN,
    )
    here = booking.c.postcode == bindparam("the_postcode")
    return Prepared(
        select(
            _count(booking.c.place_idx == bindparam("the_place"), *live).label("place"),
            _count(born, here, *live).label("person"),
            _count(born, booking.c.reach == "", booking.c.created_at > clock.at(-DAY)).label(
                "recent"
            ),
            *hourly.of_centre(clock, booking.c.phone_idx.is_(None)),
        ),
    )


def _count(*which: ColumnElement[bool]) -> ScalarSelect[Any]:
    return select(func.count()).select_from(booking).where(*which).scalar_subquery()


def is_unreached() -> ColumnElement[bool]:
    """Whether nothing ever reached the person of a booking, as far as providers finally told.

    No person proved the number, for this booking or another one; the provider reported that the
    text of the confirmation did not arrive; no other message came, and no mail left; and nothing
    was changed or said since. A report that is late or missing says nothing, and neither does a
    call without an answer: many landlines ring in vain.
    """
    other = booking.alias("other")
    proved = exists().where(
        other.c.phone_idx == booking.c.phone_idx,
        other.c.reach.in_([Proof.LINE, Proof.CODE, Proof.AGENT]),
    )
    typed_back = exists().where(
        reach_code.c.phone_idx == booking.c.phone_idx, reach_code.c.proved_at.is_not(None)
    )
    of_it = message.c.booking_id == booking.c.id
    # What came of a mail that left is not reported; it says that the place is theirs.
    mailed = and_(message.c.kind == "mail", message.c.state == "sent")
    came = exists().where(of_it, or_(message.c.state == "delivered", mailed))
    # What the provider never took failed on our side or on its way there.
    came_back = and_(message.c.state == "failed", message.c.provider_sid.is_not(None))
    back = (
        message.c.topic == "confirmation",
        message.c.way.is_distinct_from("call"),
        or_(message.c.state == "undelivered", came_back),
    )
    said = exists().where(history.c.booking_id == booking.c.id, history.c.what != "booked")
    return and_(
        booking.c.reach == "",
        booking.c.phone_idx.is_not(None),
        exists().where(of_it, *back),
        ~proved,
        ~typed_back,
        ~came,
        ~said,
    )


def forget_places(connection: Connection, clock: Clock, after: timedelta) -> int:
    """Forget where bookings came from that no limit counts any more; gives how many.

    One without a number is counted as long as it lies ahead.
    """
    statement = (
        update(booking)
        .where(
            booking.c.place_idx.is_not(None),
            booking.c.created_at < clock.at(-after),
            or_(
                booking.c.phone_idx.is_not(None),
                booking.c.state != "confirmed",
                booking.c.last_start_at < clock.at(),
            ),
        )
        .values(place_idx=None)
    )
    return connection.execute(statement).rowcount
