"""Orders at partners: which appointment is asked for there, and how far that is.

States: asked → booked, or → refused where the partner has nothing of it; unsure, where a try got no
answer; undoing → undone, where the partner has something that is to go. The person's details are
sealed and erased when it is over; what the partner has is kept, for a later cancellation.
"""

from __future__ import annotations

import json

from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass, field, fields
from datetime import date, datetime, timedelta
from typing import Any, Final, NamedTuple

from sqlalchemy import (
    ColumnElement,
    Connection,
    String,
    and_,
    exists,
    false,
    literal,
    or_,
    select,
    update,
)

from models.booking.tables import booking
from models.centres.tables import centre
from models.clock import Clock
from models.crypto import Vault
from models.messages.tables import message
from models.partners.rows import PartnerCentreRow
from models.partners.tables import partner_booking, partner_centre, partner_slot
from models.rows import from_row
from models.slots.tables import place, slot
from models.writes import insert_new

ASKED, UNSURE, BOOKED = "asked", "unsure", "booked"
REFUSED, UNDOING, UNDONE = "refused", "undoing", "undone"
# The kind of message that asks a partner; its key begins with it and the order's id.
_MESSAGE: Final = "partner"
# Nothing is settled yet.
GOES_ON: Final = (ASKED, UNSURE)
# Why nothing came of it, in `error`.
GONE, NO_ANSWER, NOT_OURS, CLOSED = "gone", "no_answer", "not_ours", "closed"
REFUSALS: Final = (GONE, NO_ANSWER, NOT_OURS, CLOSED)
# In the id of a partner's centre whose free moments are places of ours, between the platform's name
# and our centre's id.
_MIRROR: Final = ":booking-"
# An order's places are held under this and its id (40 letters).
_HOLDER: Final = "partner:"
_ERROR_LENGTH: Final = 20
_STANDS_STILL: Final = timedelta(days=7)


@dataclass(frozen=True)
class DoseThere:
    """One appointment of an order: our place, and what the partner has for it. UTC.

    `agenda` and `appointment` are the partner's ids, empty while it has none. `confirmed`: it said
    yes; `removed`: it was cancelled there.
    """

    dose: int
    place_id: int
    slot_id: int
    start_at: datetime
    agenda: str = ""
    appointment: str = ""
    confirmed: bool = False
    removed: bool = False


@dataclass(frozen=True)
class OrderedPerson:
    """The person who comes, as the channel took it. `number` is E.164 or empty."""

    first_name: str
    last_name: str
    born: date
    postcode: str
    number: str = ""
    text: bool = True
    language: str = "fr"
    groups: tuple[str, ...] = ()
    for_other: bool = False
    who: str = "caller"
    call_id: str | None = None


@dataclass(frozen=True)
class OrderRow:
    """An order as it is kept. `visitor` is None once it is erased. Moments are UTC."""

    id: str
    key: str
    platform: str
    centre_id: str
    state: str
    channel: str
    holder: str
    booking_id: str
    visitor: OrderedPerson | None
    campaign: str
    patient: str
    doses: tuple[DoseThere, ...]
    error: str
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True)
class MirroredSlot:
    """A slot of ours that mirrors free moments of a partner. No `doses`: it may be either."""

    slot_id: int
    start_at: datetime
    doses: frozenset[int] = field(default_factory=frozenset)

    def may_be(self, dose: int) -> bool:
        return not self.doses or dose in self.doses


def holder_of(order_id: str) -> str:
    """The name that an order's places are held under (40 letters)."""
    return f"{_HOLDER}{order_id}"


class MirrorOf(NamedTuple):
    """At which platform a centre of ours is booked, and what its appointments are for."""

    platform: str
    service: str


def mirror_id(platform: str, centre_id: str) -> str:
    """The id of the platform's centre whose free moments are places of this centre of ours."""
    return f"{platform}{_MIRROR}{centre_id}"


def is_mirror(partner_centre_id: str) -> bool:
    """Whether a partner's centre is one that is booked through us."""
    return _MIRROR in partner_centre_id


def is_mirror_row() -> ColumnElement[bool]:
    """An SQL expression: `is_mirror` of a row of `partner_centre`; its `centre_id` is ours."""
    c = partner_centre.c
    return c.id == c.platform + literal(_MIRROR, String) + c.centre_id


def mirrors(centre_id: ColumnElement[str]) -> ColumnElement[bool]:
    """An SQL expression: whether a centre of ours mirrors a partner's agendas at present."""
    return exists().where(
        partner_centre.c.centre_id == centre_id,
        is_mirror_row(),
        partner_centre.c.gone_at.is_(None),
    )


def is_mirrored(connection: Connection, centre_id: str) -> bool:
    """Whether a centre of ours mirrors a partner's agendas at present."""
    there = select(mirrors(literal(centre_id, String)))
    return bool(connection.execute(there).scalar_one())


def mirrored(connection: Connection) -> dict[str, str]:
    """Centres of ours that mirror a partner's agendas at present, each with the id it has there."""
    statement = select(partner_centre.c.centre_id, partner_centre.c.id).where(
        is_mirror_row(), partner_centre.c.gone_at.is_(None)
    )
    return {row.centre_id: row.id for row in connection.execute(statement)}


def mirror_of(connection: Connection, centre_id: str) -> MirrorOf | None:
    """Where a centre of ours is booked, and for what; None where no partner has it at present."""
    c = partner_centre.c
    statement = select(c.platform, c.service).where(
        c.centre_id == centre_id, is_mirror_row(), c.gone_at.is_(None)
    )
    row = connection.execute(statement.order_by(c.id)).first()
    return None if row is None else MirrorOf(row.platform, row.service)


def centre_told(
    connection: Connection, platform: str, centre_id: str, service: str = ""
) -> PartnerCentreRow | None:
    """A centre of ours as one of the platform's; None where no partner books it, or it is closed.

    `service` is what its appointments are for.
    """
    statement = select(centre).where(
        centre.c.id == centre_id, centre.c.booking_mode == "partner", centre.c.closed_at.is_(None)
    )
    row = connection.execute(statement).one_or_none()
    if row is None:
        return None
    phones = json.loads(row.phones)
    return from_row(
        PartnerCentreRow,
        row,
        id=mirror_id(platform, row.id),
        platform=platform,
        phone=phones[0] if phones else "",
        link=row.booking_link,
        phone_only=False,
        service=service,
    )


# ------------------------------------------------------------------ orders


def add(
    connection: Connection,
    clock: Clock,
    vault: Vault,
    order_id: str,
    *,
    campaign: str,
    visitor: OrderedPerson,
    **columns: str,
) -> bool:
    """Write an order down, as `asked`; False when its key is there already.

    Another copy of the form waits for it. `columns` are key, platform, centre_id and channel.
    """
    person = {field.name: getattr(visitor, field.name) for field in fields(OrderedPerson)}
    person["born"] = visitor.born.isoformat()
    body = json.dumps({"campaign": campaign, "visitor": person}, ensure_ascii=False)
    values = columns | {
        "id": order_id,
        "state": ASKED,
        "holder": holder_of(order_id),
        "order_enc": vault.seal_text(body, _where(order_id)),
    }
    return insert_new(connection, clock, partner_booking, values, "created_at", "updated_at")


def find(connection: Connection, key: str) -> str | None:
    """The order of a form, by its key."""
    statement = select(partner_booking.c.id).where(partner_booking.c.key == key)
    return connection.execute(statement).scalar_one_or_none()


def load(
    connection: Connection, vault: Vault, order_id: str, *, lock: bool = False
) -> OrderRow | None:
    """An order; with `lock` no other transaction changes it until this one ends."""
    statement = select(partner_booking).where(partner_booking.c.id == order_id)
    row = connection.execute(statement.with_for_update() if lock else statement).one_or_none()
    return None if row is None else _opened(row, vault)


def of_booking(connection: Connection, booking_id: str) -> list[str]:
    """The orders whose appointments a booking of ours stands for, while the partner has them."""
    statement = select(partner_booking.c.id).where(
        partner_booking.c.booking_id == booking_id, partner_booking.c.state == BOOKED
    )
    return list(connection.execute(statement).scalars())


def change(
    connection: Connection, clock: Clock, order_id: str, *, seen: Collection[str], **values: Any
) -> bool:
    """Write what became of an order that is in one of the states `seen`; False where it is not.

    `values` are columns; `doses` are DoseThere.
    """
    if "doses" in values:
        values["appointment_refs"] = _doses_json(values.pop("doses"))
    if "error" in values:
        values["error"] = values["error"][:_ERROR_LENGTH]
    statement = (
        update(partner_booking)
        .where(partner_booking.c.id == order_id, partner_booking.c.state.in_(seen))
        .values(updated_at=clock.at(), **values)
    )
    return connection.execute(statement).rowcount == 1


def erase(connection: Connection, clock: Clock, after: timedelta) -> int:
    """Erase the person from orders that were over so long ago: our booking has its own copy.

    An order that stood still for a week will not end any more, so it is erased, too.
    """
    order = partner_booking.c
    statement = (
        update(partner_booking)
        .where(
            order.order_enc.is_not(None),
            or_(
                and_(order.state.not_in((*GOES_ON, UNDOING)), order.updated_at < clock.at(-after)),
                order.updated_at < clock.at(-_STANDS_STILL),
            ),
        )
        .values(order_enc=None)
    )
    return connection.execute(statement).rowcount


def nothing_to_ask() -> ColumnElement[bool]:
    """An SQL expression: whether the partner needs not be asked anything more about an order."""
    order = partner_booking.c
    unsent = exists().where(
        message.c.kind == _MESSAGE,
        message.c.state.in_(("pending", "sending")),
        message.c.dedupe_key.startswith(literal(f"{_MESSAGE}:", String) + order.id),
    )
    return and_(order.state.not_in((*GOES_ON, UNDOING)), ~unsent)


def erase_ids(connection: Connection, clock: Clock, after: timedelta) -> int:
    """Erase what the partner calls people and appointments, with our booking or after so long."""
    order = partner_booking.c
    statement = (
        update(partner_booking)
        .where(
            or_(order.patient_ref != "", order.appointment_refs != "[]"),
            nothing_to_ask(),
            or_(
                exists().where(booking.c.id == order.booking_id, booking.c.erased_at.is_not(None)),
                and_(order.state.in_((REFUSED, UNDONE)), order.updated_at < clock.at(-after)),
            ),
        )
        .values(patient_ref="", appointment_refs="[]")
    )
    return connection.execute(statement).rowcount


def _opened(row: Any, vault: Vault) -> OrderRow:
    body = vault.open_text(row.order_enc, _where(row.id))
    visitor, campaign = None, ""
    if body:
        kept = json.loads(body)
        campaign = kept["campaign"]
        told = kept["visitor"]
        told |= {"born": date.fromisoformat(told["born"]), "groups": tuple(told["groups"])}
        visitor = OrderedPerson(**told)
    return from_row(
        OrderRow,
        row,
        booking_id=row.booking_id or "",
        visitor=visitor,
        campaign=campaign,
        patient=row.patient_ref,
        doses=read_doses(row.appointment_refs),
    )


def read_doses(text: str) -> tuple[DoseThere, ...]:
    """What is kept of an order's appointments."""
    return tuple(
        DoseThere(**dose | {"start_at": datetime.fromisoformat(dose["start_at"])})
        for dose in json.loads(text)
    )


def _doses_json(doses: Sequence[DoseThere]) -> str:
    return json.dumps([asdict(dose) | {"start_at": dose.start_at.isoformat()} for dose in doses])


def _where(order_id: str) -> str:
    return f"partner_booking.order:{order_id}"


# ------------------------------------------------------------------ what may be asked for


def free_slots(
    connection: Connection,
    clock: Clock,
    partner_centre_ids: Collection[str],
    after: datetime,
    before: datetime,
) -> dict[str, list[MirroredSlot]]:
    """Slots with a free place at mirrored centres, soonest first, by the partner's centre.

    Only what the partner showed as free, too. Moments are UTC.
    """
    statement = (
        select(partner_slot.c.partner_centre_id, slot.c.id, slot.c.start_at, partner_slot.c.dose)
        .select_from(partner_slot)
        .join(partner_centre, partner_centre.c.id == partner_slot.c.partner_centre_id)
        .join(
            slot,
            (slot.c.centre_id == partner_centre.c.centre_id)
            & (slot.c.start_at == partner_slot.c.start_at),
        )
        .where(
            partner_slot.c.partner_centre_id.in_(partner_centre_ids),
            partner_slot.c.start_at > after,
            partner_slot.c.start_at < before,
            exists().where(
                place.c.slot_id == slot.c.id, place.c.blocked == false(), nobodys(clock)
            ),
        )
        .order_by(slot.c.start_at, slot.c.id)
    )
    found: dict[str, dict[int, tuple[datetime, set[int]]]] = {}
    for partner_id, slot_id, start_at, dose in connection.execute(statement):
        _, doses = found.setdefault(partner_id, {}).setdefault(slot_id, (start_at, set()))
        doses.add(dose)
    return {
        partner_id: [
            MirroredSlot(slot_id, start_at, frozenset() if 0 in doses else frozenset(doses))
            for slot_id, (start_at, doses) in slots.items()
        ]
        for partner_id, slots in found.items()
    }


def nobodys(clock: Clock) -> ColumnElement[bool]:
    """An SQL expression: whether a place has neither a booking nor a holder."""
    held_no_more = or_(place.c.held_by.is_(None), place.c.hold_expires_at <= clock.at())
    return and_(place.c.booking_id.is_(None), held_no_more)
