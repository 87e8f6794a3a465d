"""Any order of events with two services: the same store, and what is done in its appointments.

Callers want influenza, Covid or both in one appointment; slots serve one, both or all. Each half is
cancelled, moved and brought back by itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, precondition, rule
from sqlalchemy import select, update

from flows.world import Unbooked
from models.booking.tables import appointment, appointment_for
from models.slots import services
from models.slots.tables import place, slot
from prompts.catalogue import load
from services.booking.change_booking import cancel, move, undo_cancel
from services.booking.changed import Cancelled, Moved, Restored
from services.booking.confirm_booking import Booked, Request, confirm_booking
from services.booking.verify_store import verify_store
from services.campaign.campaign import Campaign
from services.campaign.campaigns import Campaigns
from services.centre_day.centre_life import CentreLife
from services.slots.allocate import Channel, Chosen, Holder
from services.slots.hold_slot import HeldSlot, HoldRequest, hold_slots
from services.work import Work
from tests.slots.test_holds_machine import (
    AGENT,
    CALLERS,
    DESK,
    Place,
    Places,
    callers,
    machine,
    play,
)
from tests.support.house import campaign_with
from tests.support.rows import change, rows_of

pytestmark = [pytest.mark.once, pytest.mark.slow]

GRIPPE = campaign_with(name="grippe", service="grippe", together=("covid",), few_places=1000)
COVID = campaign_with(name="covid", service="covid", few_places=1000)
WANTED = ((GRIPPE,), (COVID,), (GRIPPE, COVID))
BITS = {"grippe": 1, "covid": 2}
# What the slots serve, in the order of their ids; 0: all.
SERVES = (0, 1, 2, 3, 0)
wanted = st.sampled_from(WANTED)
halves = st.sampled_from(["grippe", "covid"])


class Autumn(Places):
    """The two small centres, with slots for different services."""

    def __init__(self) -> None:
        super().__init__()
        self.wants: dict[str, Sequence[Campaign]] = dict.fromkeys(CALLERS, (GRIPPE, COVID))
        with self.house.database.transaction() as connection:
            for name, bit in BITS.items():
                assert services.bits_of(connection, [name]) == bit
        ids = [
            row.id for row in rows_of(self.house.database, select(slot.c.id).order_by(slot.c.id))
        ]
        assert len(ids) == len(SERVES)
        for slot_id, bits in zip(ids, SERVES, strict=True):
            for table, column in ((slot, slot.c.id), (place, place.c.slot_id)):
                labels = update(table).where(column == slot_id).values(services=bits)
                change(self.house.database, labels)
        self.life = CentreLife(self.house.store, Campaigns.fixed(GRIPPE, COVID), ticks=lambda: 0.0)

    # ------------------------------------------------------------ what it has otherwise

    def rules_of_all(self) -> Campaign:
        return GRIPPE

    def work(self, connection: object, caller: str) -> Work:
        first, *others = self.wants[caller]
        return Work(connection, self.house.store, first, tuple(others))  # type: ignore[arg-type]

    def searches(self, caller: str) -> list[HeldSlot]:
        with self.house.database.transaction() as connection:
            return hold_slots(
                self.work(connection, caller),
                Holder(Channel.PHONE, caller),
                HoldRequest(
                    near=self.near,
                    not_before=self.house.clock.now() + GRIPPE.lead,
                    returning=f"resume:{caller}",
                ),
            )

    def books(self, caller: str, request: Request) -> Booked | Unbooked:
        with self.house.database.transaction() as connection:
            return confirm_booking(
                self.work(connection, caller),
                request,
                catalogue=load("fr"),
                national_number="+33974750001",
            )

    def suits(self, caller: str, one: Place) -> bool:
        return one.services == 0 or all(
            one.services & BITS[each.service] for each in self.wants[caller]
        )

    @rule(caller=callers, campaigns=wanted)
    def changes_mind(self, caller: str, campaigns: Sequence[Campaign]) -> None:
        """What was offered for something else is not confirmed."""
        if self.wants[caller] != campaigns:
            self.offered.pop(caller, None)
            self.wants[caller] = campaigns

    @initialize()
    def somebody_has_both(self) -> None:
        self.books_at_once(CALLERS[0])

    @rule(caller=callers)
    def books_at_once(self, caller: str) -> None:
        """So that there are halves to change, however few events an example has."""
        self.hold(caller)
        held = self.offered.pop(caller, None)
        assert held is None or self.confirms(caller, held)

    # ------------------------------------------------------------ each half by itself

    @precondition(lambda self: self.confirmed)
    @rule(data=st.data(), service=st.sampled_from(["", "grippe", "covid"]))
    def cancels(self, data: st.DataObject, service: str) -> None:
        booking_id = self.draws_booking(data)
        if booking_id is None:
            return
        before, had = self.booked_places(), self.live_services(booking_id)
        with self.house.database.transaction() as connection:
            done = cancel(connection, self.house.store, booking_id, by=AGENT, service=service)
        gone, left = before - self.booked_places(), self.live_services(booking_id)
        if isinstance(done, Cancelled):
            assert left.keys() < had.keys()
            if service:
                assert had.keys() - left.keys() == {service}
            # The others are where they were, and a place is taken while something is done there.
            assert all(left[each] == had[each] for each in left)
            assert gone == len(set(had.values())) - len(set(left.values()))
            if not left:
                self.cancelled.add(booking_id)
        else:
            assert (gone, left) == (0, had)

    @precondition(lambda self: self.confirmed)
    @rule(data=st.data())
    def takes_back(self, data: st.DataObject) -> None:
        booking_id = self.draws_booking(data, "confirmed", "cancelled")
        if booking_id is None:
            return
        before, had = self.booked_places(), self.live_services(booking_id)
        with self.house.database.transaction() as connection:
            done = undo_cancel(connection, self.house.store, GRIPPE, DESK, booking_id, by=AGENT)
        back, has = self.booked_places() - before, self.live_services(booking_id)
        if isinstance(done, Restored):
            assert has.keys() > had.keys()
            assert back == len(set(has.values())) - len(set(had.values()))
            self.cancelled.discard(booking_id)
        else:
            assert (back, has) == (0, had)

    @precondition(lambda self: self.confirmed)
    @rule(data=st.data(), service=halves)
    def reschedules(self, data: st.DataObject, service: str) -> None:
        booking_id = self.draws_booking(data)
        if booking_id is None:
            return
        had = self.live_services(booking_id)
        if service not in had:
            return
        found = rows_of(self.house.database, select(slot).order_by(slot.c.id))
        to = data.draw(st.sampled_from(found))
        (campaign,) = (one for one in (GRIPPE, COVID) if one.service == service)
        with self.house.database.transaction() as connection:
            done = move(
                connection,
                self.house.store,
                campaign,
                DESK,
                booking_id,
                to={self.number_of(booking_id, service): Chosen(0, to.id, to.start_at)},
                by=AGENT,
                service=service,
            )
        has = self.live_services(booking_id)
        assert has.keys() == had.keys()
        assert all(has[each] == had[each] for each in has if each != service)
        assert (has != had) == isinstance(done, Moved)

    # ------------------------------------------------------------ what is always true

    @invariant()
    def the_store_is_right(self) -> None:
        """Each place serves what is done there; nothing is done nowhere, and nothing twice."""
        said: list[str] = []
        verify_store(self.house.store, [GRIPPE, COVID], limit=3, say=said.append)
        assert said == []

    # ------------------------------------------------------------ what the rows say

    def live_services(self, booking_id: str) -> dict[str, int]:
        """The place at which each service of a booking is done."""
        return {row.service: row.place_id for row in self._live(booking_id)}

    def number_of(self, booking_id: str, service: str) -> int:
        (dose,) = (row.dose for row in self._live(booking_id) if row.service == service)
        return int(dose)

    def _live(self, booking_id: str) -> Sequence[Any]:
        statement = (
            select(appointment_for.c.service, appointment.c.dose, appointment.c.place_id)
            .join(appointment, appointment.c.id == appointment_for.c.appointment_id)
            .where(
                appointment_for.c.booking_id == booking_id,
                appointment_for.c.state == "confirmed",
            )
        )
        return rows_of(self.house.database, statement)


def test_any_order_of_events_keeps_two_services_apart(request: pytest.FixtureRequest):
    play(machine(request, doses=1, kind=Autumn), examples=3, steps=20)


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_any_order_of_fifty_events_keeps_two_services_apart(request: pytest.FixtureRequest):
    play(machine(request, doses=1, kind=Autumn), examples=300, steps=50)
