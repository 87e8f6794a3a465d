"""Any order of holding, confirming and hanging up: no place is lost, none is doubled."""

from __future__ import annotations

import itertools
import shutil
import tempfile

from datetime import timedelta
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import and_, case, func, or_, select, update

from jobs.scheduler import tidy
from models import slots, turns
from models.tables import appointment, place
from models.turns import Body
from services.end_call import record_call_status
from services.hold_slot import Held
from tests.store.tools import change, clock_of, confirms, doubles, holds, near, rows_of
from tests.support.house import CAMPAIGN, House, mornings

CALLERS = ("CA-a", "CA-b", "CA-c", "CA-d")
CAPACITY = 6
callers = st.sampled_from(CALLERS)


class Places(RuleBasedStateMachine):
    """One small centre: three slots of two places, of which one is blocked."""

    template: Path

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        file = Path(self.folder.name) / "machine.sqlite3"
        shutil.copyfile(self.template, file)
        self.house = House(f"sqlite:///{file}")
        self.house.opens_centre("1", starts=mornings(3), capacity=2)
        change(self.house.database, update(place).where(place.c.id == 1).values(blocked=True))
        self.near = near(self.house)
        # What each caller was offered last: it may have run out meanwhile.
        self.offered: dict[str, Held] = {}
        self.booked: set[str] = set()
        self.turns = itertools.count(1)

    def teardown(self) -> None:
        self.house.close()
        self.folder.cleanup()

    @rule(caller=callers)
    def hold(self, caller: str) -> None:
        if caller in self.booked:
            return
        free = self.count()["free"]
        mine = self.holder_count(caller)
        held = holds(self.house, caller, near=self.near)
        # With so few places each caller holds one, and hears "no" only when there is none.
        assert len(held) == min(1, free + mine)
        self.offered.pop(caller, None)
        if held:
            self.offered[caller] = held[0]

    @precondition(lambda self: self.offered)
    @rule(data=st.data())
    def confirm(self, data: st.DataObject) -> None:
        caller = data.draw(st.sampled_from(sorted(self.offered)))
        held = self.offered.pop(caller)
        mine, free = self.holder_count(caller), self.free_in_slot(held.place.slot_id)
        booked = confirms(self.house, caller, held)
        # A live hold is enough; without one the slot must still have a free place.
        assert (booked is not None) == bool(mine or free)
        if booked:
            self.booked.add(caller)

    @rule(thief=callers, data=st.data())
    def confirm_what_another_holds(self, thief: str, data: st.DataObject) -> None:
        others = sorted(set(self.offered) - {thief})
        if not others or thief in self.booked:
            return
        held = self.offered[data.draw(st.sampled_from(others))]
        owners = {other: self.holder_count(other) for other in CALLERS if other != thief}
        if confirms(self.house, thief, held):
            self.booked.add(thief)
            self.offered.pop(thief, None)
        for other, before in owners.items():
            assert self.holder_count(other) == before, "a live hold of somebody else was touched"

    @rule(caller=callers)
    def go_on_talking(self, caller: str) -> None:
        with self.house.database.transaction() as connection:
            turns.record(
                connection,
                self.house.clock,
                self.house.store.vault,
                caller,
                next(self.turns),
                step="offers",
                outcome="asked",
                body=Body("", "{}", ""),
                lease=CAMPAIGN.hold_lease,
            )

    @rule(caller=callers, status=st.sampled_from(["completed", "failed", "busy"]))
    def hang_up(self, caller: str, status: str) -> None:
        record_call_status(self.house.store, caller, status)
        assert self.holder_count(caller) == 0
        self.offered.pop(caller, None)

    @rule(minutes=st.integers(1, 6))
    def time_passes(self, minutes: int) -> None:
        clock_of(self.house).advance(timedelta(minutes=minutes))

    @rule()
    def tidy_up(self) -> None:
        before = self.count()
        tidy(self.house.store)
        assert self.count() == before, "tidying up is for the eye only"

    @invariant()
    def nothing_is_lost(self) -> None:
        assert sum(self.count().values()) == CAPACITY

    @invariant()
    def the_operators_list_says_the_same(self) -> None:
        counted = self.count()
        listed = slots.count(self.house.database, self.house.clock, "1")
        assert sum(row.capacity for row in listed) == CAPACITY
        assert sum(row.booked for row in listed) == counted["booked"] == len(self.booked)
        assert sum(row.held for row in listed) == counted["held"]
        assert sum(row.blocked for row in listed) == counted["blocked"] == 1

    @invariant()
    def nothing_is_given_twice(self) -> None:
        assert doubles(self.house.database) == 0
        live = rows_of(
            self.house.database,
            select(place.c.booking_id, appointment.c.booking_id).join(
                appointment, appointment.c.place_id == place.c.id
            ),
        )
        assert len(live) == len(self.booked)
        assert all(on_the_place == on_the_appointment for on_the_place, on_the_appointment in live)

    @invariant()
    def nobody_holds_more_than_asked_or_longer_than_allowed(self) -> None:
        for caller in CALLERS:
            assert self.holder_count(caller) <= 1
        limits = select(func.count()).where(place.c.hold_expires_at > place.c.hold_limit_at)
        assert rows_of(self.house.database, limits) == [(0,)]

    # ------------------------------------------------------------ what the rows say

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

    def holder_count(self, caller: str) -> int:
        held = select(func.count()).where(
            place.c.held_by == caller, place.c.hold_expires_at > self.house.clock.at()
        )
        return int(rows_of(self.house.database, held)[0][0])

    def free_in_slot(self, slot_id: int) -> int:
        free = select(func.count()).where(
            place.c.slot_id == slot_id,
            place.c.booking_id.is_(None),
            ~place.c.blocked,
            or_(place.c.held_by.is_(None), place.c.hold_expires_at <= self.house.clock.at()),
        )
        return int(rows_of(self.house.database, free)[0][0])


def test_any_order_of_events_keeps_the_count(sqlite_url: str):
    class FromTemplate(Places):
        template = Path(sqlite_url.removeprefix("sqlite:///"))

    run_state_machine_as_test(
        FromTemplate,
        settings=settings(
            max_examples=60,
            stateful_step_count=30,
            derandomize=True,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
