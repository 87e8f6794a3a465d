"""Which services slots and their places serve: bits by name, and labels that change.

A place serves all (no bits), or those whose bits it has. A slot has the bits of all its places
together; one whose places differ has capacity apart for its services.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, func, insert, or_, select, update

from models.advisory_locks import one_after_another
from models.booking.tables import appointment, appointment_for
from models.clock import Clock
from models.slots.tables import place, service, slot

# As many bits as the column has without its sign.
MOST_SERVICES = 15
_LOCK = b"service"


class TooManyServices(Exception):
    """There is no bit left for another one."""


@dataclass(frozen=True)
class InTheWay:
    """Why places keep what they serve: the first of them, at `start_at` (UTC).

    `service` is booked there and would be served no more; empty: a person is choosing the place.
    """

    start_at: datetime
    service: str
    places: int


def bits_of(connection: Connection, names: Collection[str]) -> int:
    """The bits of these services, which are given one where they have none yet (changes).

    Raises TooManyServices.
    """
    if not names:
        return 0
    one_after_another(connection, [_LOCK])
    bits = known(connection)
    for name in sorted(set(names) - bits.keys()):
        free = (1 << number for number in range(MOST_SERVICES))
        bit = next((one for one in free if one not in bits.values()), None)
        if bit is None:
            raise TooManyServices
        connection.execute(insert(service).values(name=name, bit=bit))
        bits[name] = bit
    return sum(bits[name] for name in set(names))


def known(connection: Connection) -> dict[str, int]:
    """The bit of each service that slots were ever opened for, by its name."""
    return {row.name: row.bit for row in connection.execute(select(service.c.name, service.c.bit))}


def label(
    connection: Connection,
    clock: Clock,
    slot_ids: Sequence[int],
    bits: int,
    numbers: tuple[int, int] | None = None,
) -> int | InTheWay:
    """Let places of these slots serve what these bits mean; gives how many changed.

    `numbers` are the first and the last place of each slot, both included; None: all. Nothing is
    changed where one of them is held, or is booked for a service that it would serve no more.
    """
    theirs = [place.c.slot_id.in_(slot_ids)]
    if numbers is not None:
        theirs.append(place.c.number.between(*numbers))
    # Locked, so that no person takes one of them meanwhile.
    lock = select(place.c.id).where(*theirs).order_by(place.c.id).with_for_update()
    found = connection.execute(lock).scalars().all()
    if not found:
        return 0
    held = or_(place.c.held_by.is_(None), place.c.hold_expires_at <= clock.at())
    chosen = connection.execute(
        select(func.min(place.c.start_at), func.count()).where(*theirs, ~held)
    ).one()
    if chosen[1]:
        return InTheWay(chosen[0], "", chosen[1])
    if bits:
        booked = connection.execute(
            select(func.min(place.c.start_at), func.min(appointment_for.c.service), func.count())
            .select_from(place)
            .join(appointment, appointment.c.place_id == place.c.id)
            .join(appointment_for, appointment_for.c.appointment_id == appointment.c.id)
            .outerjoin(service, service.c.name == appointment_for.c.service)
            .where(
                *theirs,
                appointment.c.state == "confirmed",
                appointment_for.c.state == "confirmed",
                or_(service.c.bit.is_(None), service.c.bit.op("&")(bits) == 0),
            )
        ).one()
        if booked[2]:
            return InTheWay(*booked)
    changed = connection.execute(
        update(place).where(*theirs, place.c.services != bits).values(services=bits)
    ).rowcount
    _sum_up(connection, slot_ids)
    return changed


def _sum_up(connection: Connection, slot_ids: Sequence[int]) -> None:
    """Let each slot say what its places serve together."""
    rows = connection.execute(
        select(place.c.slot_id, place.c.services).where(place.c.slot_id.in_(slot_ids)).distinct()
    ).all()
    together: dict[int, int] = {}
    for row in rows:
        before = together.get(row.slot_id)
        serves_all = row.services == 0 or before == 0
        together[row.slot_id] = 0 if serves_all else (before or 0) | row.services
    by_bits: dict[int, list[int]] = {}
    for slot_id, bits in together.items():
        by_bits.setdefault(bits, []).append(slot_id)
    for bits, some in by_bits.items():
        connection.execute(update(slot).where(slot.c.id.in_(some)).values(services=bits))
