"""Any order of events: no place is lost, none is doubled, and nobody who was booked is forgotten.

Callers hold, confirm, hang up and are cut off; bookings are cancelled and moved; a centre closes
for a day or for good and opens again; the sweeper dies, workers die, the clock moves.
"""

from __future__ import annotations

import itertools

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import ClassVar
from zoneinfo import ZoneInfo

import pytest

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import and_, case, exists, func, select, update

from flows.world import Unbooked
from jobs.scheduler import tidy
from models.booking.tables import appointment, booking, history
from models.call import turns
from models.call.turns import Body
from models.centres.tables import centre
from models.desk.tables import agent_case
from models.slots import slots
from models.slots.tables import place, slot
from models.turn_days import day_of
from services.booking.change_booking import cancel, move, undo_cancel
from services.booking.changed import By, Cancelled, Moved, Restored
from services.booking.confirm_booking import Booked, Request
from services.call.end_call import record_call_status
from services.campaign.campaign import Campaign
from services.campaign.campaigns import Campaigns
from services.centre_day.centre_life import CentreLife
from services.centre_day.operation import LifeRefused, OperationRequest
from services.slots.allocate import Allocate, Channel, Chosen, Holder
from services.slots.give_back import keep_for_return
from services.slots.hold_slot import HeldSlot
from services.slots.offer import chosen_of
from services.waiting_list.entries import advance
from services.work import Work
from tests.support.house import House, campaign_with, mornings
from tests.support.postgres import UsedAgain
from tests.support.rows import change, clock_of, doubles, holds, near, orders, request_for, rows_of

pytestmark = [pytest.mark.once, pytest.mark.slow]

CALLERS = ("CA-a", "CA-b", "CA-c", "CA-d")
CENTRES = ("1", "2")
DAY = timedelta(days=1)
PARIS = ZoneInfo("Europe/Paris")
DESK = Holder(Channel.AGENT, "desk-1")
AGENT = By("agent-1", Channel.AGENT, "asked for it")
OPERATOR = OperationRequest("a test")
callers = st.sampled_from(CALLERS)
centres = st.sampled_from(CENTRES)


class Died(Exception):
    """What a worker feels when it dies before its commit."""


class Places(RuleBasedStateMachine):
    """Two small centres, one place blocked from the beginning."""

    doses: ClassVar[int] = 1
    # A database of its own for each example, and what becomes of it.
    create: ClassVar[Callable[[], str]]
    drop: ClassVar[Callable[[str], None]]

    def __init__(self) -> None:
        super().__init__()
        self.url = type(self).create()
        # However many places there are, each caller is offered one.
        campaign = self.rules_of_all()
        self.house = House(self.url, campaign=campaign)
        starts = mornings(3)
        if self.doses == 2:
            starts += mornings(2, first=23)
        self.house.opens_centre("1", kilometres=1, starts=starts, capacity=2)
        self.house.opens_centre("2", kilometres=2, starts=starts[:1] + starts[-1:])
        change(self.house.database, update(place).where(place.c.id == 1).values(blocked=True))
        self.near = near(self.house)
        self.life = CentreLife(
            self.house.store, Campaigns.fixed(self.house.campaign), ticks=lambda: 0.0
        )
        self.numbers = itertools.count(1)
        # What each caller was offered last: it may have run out meanwhile.
        self.offered: dict[str, HeldSlot] = {}
        self.sweeper_lives = True
        self.operations: list[str] = []
        # Bookings that were confirmed to somebody, and those that were cancelled since.
        self.confirmed = 0
        self.cancelled: set[str] = set()

    def teardown(self) -> None:
        self.house.close()
        type(self).drop(self.url)

    # ------------------------------------------------------------ what another machine changes

    def rules_of_all(self) -> Campaign:
        return campaign_with(doses=self.doses, few_places=1000)

    def searches(self, caller: str) -> list[HeldSlot]:
        return holds(self.house, caller, near=self.near, returning=f"resume:{caller}")

    def books(self, caller: str, request: Request) -> Booked | Unbooked:
        return orders(self.house, request)

    def suits(self, caller: str, one: Place) -> bool:
        """Whether a place serves what the caller wants."""
        return True

    # ------------------------------------------------------------ callers

    @rule(caller=callers)
    def hold(self, caller: str) -> None:
        expected = min(1, self.could_have(caller))
        held = self.searches(caller)
        # With so few places each caller holds one, and hears "no" only when there is none.
        assert len(held) == expected
        self.offered.pop(caller, None)
        if held:
            self.offered[caller] = held[0]

    @precondition(lambda self: self.offered)
    @rule(data=st.data())
    def confirm(self, data: st.DataObject) -> None:
        caller = data.draw(st.sampled_from(sorted(self.offered)))
        held = self.offered.pop(caller)
        expected = all(self.can_be_booked(caller, one) for one in held_places(held))
        assert self.confirms(caller, held) == expected

    @precondition(lambda self: self.offered)
    @rule(thief=callers, data=st.data())
    def confirm_what_another_holds(self, thief: str, data: st.DataObject) -> None:
        others = sorted(set(self.offered) - {thief})
        if not others:
            return
        held = self.offered[data.draw(st.sampled_from(others))]
        owners = {other: self.holder_count(other) for other in CALLERS if other != thief}
        self.confirms(thief, held)
        self.offered.pop(thief, None)
        for other, before in owners.items():
            assert self.holder_count(other) == before, "a live hold of somebody else was touched"

    def confirms(self, caller: str, held: HeldSlot) -> bool:
        before = self.booked_places()
        request = replace(request_for(held, caller), idempotency_suffix=str(next(self.numbers)))
        booked = isinstance(self.books(caller, request), Booked)
        # All doses or none.
        assert self.booked_places() == before + self.doses * booked
        self.confirmed += booked
        return booked

    @rule(caller=callers)
    def go_on_talking(self, caller: str) -> None:
        with self.house.database.transaction() as connection:
            turns.record(
                connection,
                self.house.clock,
                self.house.store.vault,
                caller,
                next(self.numbers),
                day_of(self.house.clock.now()),
                step="offers",
                outcome="asked",
                body=Body("", "{}", ""),
                lease=self.house.campaign.hold_lease,
            )

    @rule(caller=callers, status=st.sampled_from(["completed", "failed", "busy"]))
    def hang_up(self, caller: str, status: str) -> None:
        record_call_status(self.house.store, self.house.campaign, caller, status)
        assert self.holder_count(caller) == 0
        self.offered.pop(caller, None)

    @rule(caller=callers)
    def line_is_cut(self, caller: str) -> None:
        """After a choice: what was chosen waits, everything else is free."""
        held = self.offered.pop(caller, None)
        ids = [place_id for place_id, _ in held_places(held)] if held else []
        # What could not be confirmed, for its centre closed, is no longer anybody's choice.
        live = self.holder_count(caller) if held else 0
        with self.house.database.transaction() as connection:
            keep_for_return(
                Work(connection, self.house.store, self.house.campaign),
                caller,
                ids,
                keeper=f"resume:{caller}",
            )
        assert self.holder_count(caller) == 0
        assert self.holder_count(f"resume:{caller}") == live

    # ------------------------------------------------------------ who is booked

    @precondition(lambda self: self.confirmed)
    @rule(data=st.data(), dose=st.sampled_from([None, 1, 2]))
    def cancels(self, data: st.DataObject, dose: int | None) -> None:
        booking_id = self.draws_booking(data)
        if booking_id is None:
            return
        before = self.booked_places()
        with self.house.database.transaction() as connection:
            done = cancel(
                connection,
                self.house.store,
                booking_id,
                None if dose is None else [dose],
                by=AGENT,
            )
        gone = before - self.booked_places()
        if isinstance(done, Cancelled):
            # A first takes its second along.
            assert 1 <= gone <= (1 if dose == 2 else self.doses)
            if not self.live_doses(booking_id):
                self.cancelled.add(booking_id)
        else:
            assert gone == 0

    @precondition(lambda self: self.confirmed)
    @rule(data=st.data())
    def takes_back(self, data: st.DataObject) -> None:
        booking_id = self.draws_booking(data, "confirmed", "cancelled")
        if booking_id is None:
            return
        before, kept = self.booked_places(), self.holder_count(f"undo:{booking_id}")
        with self.house.database.transaction() as connection:
            done = undo_cancel(
                connection, self.house.store, self.house.campaign, DESK, booking_id, by=AGENT
            )
        back = self.booked_places() - before
        if isinstance(done, Restored):
            assert 1 <= back <= self.doses
            assert self.holder_count(f"undo:{booking_id}") == 0
            self.cancelled.discard(booking_id)
        else:
            assert back == 0
            assert self.holder_count(f"undo:{booking_id}") == kept

    @precondition(lambda self: self.sweeper_lives)
    @rule()
    def nobody_can_take_it_back_any_more(self) -> None:
        before = self.count()
        advance(self.house.store, lambda: [self.house.campaign])
        after = self.count()
        assert before["held"] - after["held"] == after["free"] - before["free"] >= 0

    @precondition(lambda self: self.confirmed)
    @rule(data=st.data(), dose=st.integers(1, 2))
    def reschedules(self, data: st.DataObject, dose: int) -> None:
        booking_id = self.draws_booking(data)
        if booking_id is None:
            return
        found = rows_of(self.house.database, select(slot).order_by(slot.c.id))
        to = data.draw(st.sampled_from(found))
        before = self.live_doses(booking_id)
        with self.house.database.transaction() as connection:
            done = move(
                connection,
                self.house.store,
                self.house.campaign,
                DESK,
                booking_id,
                to={dose: Chosen(0, to.id, to.start_at)},
                by=AGENT,
            )
        after = self.live_doses(booking_id)
        assert after.keys() == before.keys(), "a dose was lost on the way"
        assert (after != before) == isinstance(done, Moved)
        if isinstance(done, Moved):
            assert after[dose] == to.id

    def draws_booking(self, data: st.DataObject, *states: str) -> str | None:
        wanted = states or ("confirmed",)
        live = select(booking.c.id).where(booking.c.state.in_(wanted)).order_by(booking.c.id)
        found = [row.id for row in rows_of(self.house.database, live)]
        return data.draw(st.sampled_from(found)) if found else None

    # ------------------------------------------------------------ the centres' life

    @rule(centre_id=centres)
    def close_centre(self, centre_id: str) -> None:
        with suppress(LifeRefused):
            report = self.life.close_centre(centre_id, OPERATOR)
            self.operations.append(report.operation_id)

    @rule(centre_id=centres, ahead=st.integers(0, 3))
    def close_day(self, centre_id: str, ahead: int) -> None:
        with suppress(LifeRefused):
            report = self.life.close_day(centre_id, self.today() + ahead * DAY, OPERATOR)
            self.operations.append(report.operation_id)

    @rule(centre_id=centres, ahead=st.integers(0, 3), capacity=st.integers(0, 4))
    def set_capacity(self, centre_id: str, ahead: int, capacity: int) -> None:
        day = self.today() + ahead * DAY
        with suppress(LifeRefused):
            report = self.life.set_capacity(centre_id, day, day, capacity, OPERATOR)
            self.operations.append(report.operation_id)

    @precondition(lambda self: self.operations)
    @rule(data=st.data())
    def undo(self, data: st.DataObject) -> None:
        operation_id = data.draw(st.sampled_from(self.operations))
        with suppress(LifeRefused):
            self.life.undo(operation_id, OPERATOR)

    # ------------------------------------------------------------ what goes wrong

    @rule(minutes=st.integers(1, 6))
    def time_passes(self, minutes: int) -> None:
        clock_of(self.house).advance(timedelta(minutes=minutes))

    @rule(hours=st.integers(1, 12))
    def hours_pass(self, hours: int) -> None:
        clock_of(self.house).advance(timedelta(hours=hours))

    @rule(seconds=st.integers(1, 90))
    def the_clock_is_set_back(self, seconds: int) -> None:
        clock_of(self.house).advance(-timedelta(seconds=seconds))

    @rule()
    def the_sweeper_dies(self) -> None:
        self.sweeper_lives = False

    @precondition(lambda self: self.sweeper_lives)
    @rule()
    def tidy_up(self) -> None:
        before = self.count()
        tidy(self.house.store)
        assert self.count() == before, "tidying up is for the eye only"

    @precondition(lambda self: self.offered)
    @rule(data=st.data())
    def a_worker_dies_before_its_commit(self, data: st.DataObject) -> None:
        caller = data.draw(st.sampled_from(sorted(self.offered)))
        before = self.count()
        house = self.house
        chosen = chosen_of(request_for(self.offered[caller], caller).offer)
        with suppress(Died), house.database.transaction() as connection:
            allocator = Allocate(
                Work(connection, house.store, house.campaign), Holder(Channel.PHONE, caller)
            )
            allocator.book(chosen, "never-committed")
            raise Died
        assert self.count() == before

    # ------------------------------------------------------------ what is always true

    @invariant()
    def nothing_is_lost(self) -> None:
        counted = self.count()
        capacity = select(func.sum(slot.c.capacity))
        assert sum(counted.values()) == rows_of(self.house.database, capacity)[0][0]

    @invariant()
    def the_operators_list_says_the_same(self) -> None:
        counted = self.count()
        with self.house.database.statement() as connection:
            listed = [
                row for gid in CENTRES for row in slots.counts(connection, self.house.clock, gid)
            ]
        assert sum(row.capacity for row in listed) == sum(counted.values())
        assert sum(row.booked for row in listed) == counted["booked"]
        assert sum(row.held for row in listed) == counted["held"]
        assert sum(row.blocked for row in listed) == counted["blocked"]

    @invariant()
    def nothing_is_given_twice(self) -> None:
        assert doubles(self.house.database) == 0
        live = rows_of(
            self.house.database,
            select(
                appointment.c.booking_id,
                appointment.c.start_at,
                place.c.booking_id.label("of_place"),
                place.c.start_at.label("start_of_place"),
            )
            .join(place, appointment.c.place_id == place.c.id)
            .where(appointment.c.state == "confirmed"),
        )
        assert len(live) == self.booked_places()
        for row in live:
            assert row.booking_id == row.of_place
            assert row.start_at == row.start_of_place

    @invariant()
    def nobody_is_forgotten(self) -> None:
        """Whoever was confirmed is booked still, or cancelled, or somebody looks after them."""
        states = select(booking.c.id, booking.c.state)
        found = {row.id: row.state for row in rows_of(self.house.database, states)}
        assert len(found) == self.confirmed
        cases = {row.booking_id for row in rows_of(self.house.database, select(agent_case))}
        for booking_id, state in found.items():
            if booking_id in self.cancelled:
                assert state == "cancelled"
            else:
                assert state == "confirmed" or booking_id in cases
        told = select(history.c.booking_id).where(history.c.what == "booked")
        assert {row.booking_id for row in rows_of(self.house.database, told)} == set(found)

    @invariant()
    def nobody_holds_more_than_asked_or_longer_than_allowed(self) -> None:
        for caller in CALLERS:
            assert self.holder_count(caller) <= self.doses
            assert self.holder_count(f"resume:{caller}") <= self.doses
        # What is kept for whoever cancelled is what they had, and nobody has it meanwhile.
        kept = select(place.c.id).where(
            place.c.held_by.like("undo:%"),
            ~exists().where(
                appointment.c.place_id == place.c.id,
                appointment.c.state == "cancelled",
                place.c.held_by == "undo:" + appointment.c.booking_id,
            ),
        )
        assert rows_of(self.house.database, kept) == []
        limits = select(func.count()).where(place.c.hold_expires_at > place.c.hold_limit_at)
        assert rows_of(self.house.database, limits) == [(0,)]
        both = select(func.count()).where(
            place.c.held_by.is_not(None), place.c.booking_id.is_not(None)
        )
        assert rows_of(self.house.database, both) == [(0,)]

    # ------------------------------------------------------------ what the rows say

    def today(self) -> date:
        return self.house.clock.now().astimezone(PARIS).date()

    def count(self) -> dict[str, int]:
        now = self.house.clock.at()
        live = and_(place.c.held_by.is_not(None), place.c.hold_expires_at > now)
        state = case(
            (place.c.booking_id.is_not(None), "booked"),
            (place.c.blocked, "blocked"),
            (live, "held"),
            else_="free",
        )
        found = select(state.label("state"), func.count()).group_by("state")
        counted = dict.fromkeys(("free", "held", "booked", "blocked"), 0)
        return counted | {row[0]: row[1] for row in rows_of(self.house.database, found)}

    def booked_places(self) -> int:
        return self.count()["booked"]

    def holder_count(self, holder: str) -> int:
        held = select(func.count()).where(
            place.c.held_by == holder, place.c.hold_expires_at > self.house.clock.at()
        )
        return int(rows_of(self.house.database, held)[0][0])

    def live_doses(self, booking_id: str) -> dict[int, int]:
        """The slot of each live dose."""
        statement = (
            select(appointment.c.dose, place.c.slot_id)
            .join(place, place.c.id == appointment.c.place_id)
            .where(appointment.c.booking_id == booking_id, appointment.c.state == "confirmed")
        )
        return {row.dose: row.slot_id for row in rows_of(self.house.database, statement)}

    def can_be_booked(self, caller: str, chosen: tuple[int, int]) -> bool:
        """Whether the hold lives, or the slot has another place for it."""
        place_id, slot_id = chosen

        def is_own(row: Place) -> bool:
            return row.id == place_id and row.held_by == caller

        return any(
            row.slot_id == slot_id and ((row.free and self.suits(caller, row)) or is_own(row))
            for row in self.unblocked()
        )

    def unblocked(self) -> list[Place]:
        """Every place that nobody has booked or blocked; `free`: nor holds."""
        statement = select(
            place.c.id, place.c.slot_id, place.c.centre_id, place.c.start_at, place.c.held_by,
            place.c.hold_expires_at, place.c.services,
        ).where(place.c.booking_id.is_(None), ~place.c.blocked)  # fmt: skip
        now = self.house.clock.now()
        return [
            Place(
                row.id,
                row.slot_id,
                row.centre_id,
                row.start_at,
                row.held_by,
                row.held_by is None or row.hold_expires_at <= now,
                row.services,
            )
            for row in rows_of(self.house.database, statement)
        ]

    def could_have(self, caller: str) -> int:
        """How many first places a search of this caller may find, told from the rows alone."""
        is_open = select(centre.c.id).where(centre.c.closed_at.is_(None))
        open_centres = {row.id for row in rows_of(self.house.database, is_open)}
        own = (caller, f"resume:{caller}")
        now, campaign = self.house.clock.now(), self.house.campaign
        found = [
            one
            for one in self.unblocked()
            if one.centre_id in open_centres and (one.free or one.held_by in own)
            if self.suits(caller, one)
        ]
        firsts = [
            one
            for one in found
            if now + campaign.lead <= one.start_at < now + campaign.horizon_days * DAY
        ]
        if self.doses == 1:
            return len(firsts)
        least, most = campaign.second_after_days
        return sum(
            any(
                one.centre_id == other.centre_id and least <= (other.day - one.day).days <= most
                for other in found
            )
            for one in firsts
        )


@dataclass(frozen=True)
class Place:
    """One place that might be had; `free` means that nobody holds it."""

    id: int
    slot_id: int
    centre_id: str
    start_at: datetime
    held_by: str | None
    free: bool
    services: int

    @property
    def day(self) -> date:
        return self.start_at.astimezone(PARIS).date()


def held_places(held: HeldSlot) -> list[tuple[int, int]]:
    return [(one.place_id, one.slot_id) for one in (held.place, held.second) if one]


# ---------------------------------------------------------------- how often


def machine(
    request: pytest.FixtureRequest, *, doses: int, kind: type[Places] = Places
) -> type[Places]:
    """The machine on a database of its own, which is as the migrated one each time it begins."""
    again: UsedAgain = request.getfixturevalue("_postgres_database")

    def drop(_url: str) -> None:
        again.give_back()

    class Ours(kind):  # type: ignore[misc, valid-type]
        pass

    Ours.doses = doses
    Ours.create = staticmethod(again.take)
    Ours.drop = staticmethod(drop)
    return Ours


def play(made: type[Places], *, examples: int, steps: int) -> None:
    run_state_machine_as_test(
        made,
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            derandomize=True,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )


@pytest.mark.parametrize("doses", [1, 2])
def test_any_order_of_events_keeps_the_count(request: pytest.FixtureRequest, doses: int):
    play(machine(request, doses=doses), examples=4, steps=25)


@pytest.mark.long
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("doses", [1, 2])
def test_any_order_of_fifty_events_keeps_the_count(request: pytest.FixtureRequest, doses: int):
    play(machine(request, doses=doses), examples=500, steps=50)
