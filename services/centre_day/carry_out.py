"""Carrying out what was asked of a centre, and taking it back: places, then people, some at a time.

How it may be stopped at any moment and run again is told in services/centre_day/centre_life.py.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Final

from models.centre_day import operations
from models.centre_day.operations import CentreFreeSlot, Operation, Ranges
from models.centres.centres import CentreState, centre_state
from models.database import Connection
from models.operations import shared_files
from services.campaign.campaigns import Campaigns
from services.centre_day.move_people import MoveOutcome, MovePeople
from services.centre_day.operation import (
    FOREVER,
    LifeRefused,
    LifeReport,
    OperationKind,
    difference,
    size_of,
    span_of,
)
from services.centre_day.other_place import Stock
from services.centre_day.said_hours import SaidHours, beyond
from services.centres.directory import Directory
from services.centres.import_centres import Watch
from services.store import Store

# Places blocked in one transaction: some milliseconds, in which callers hardly wait.
BATCH_PLACES: Final = 500


class CarryOut:
    """Carries out operations that have begun. `ticks` is a monotonic clock in seconds."""

    def __init__(
        self, store: Store, campaigns: Campaigns, directory: Directory, ticks: Callable[[], float]
    ) -> None:
        self.store = store
        self.campaigns = campaigns
        self._directory = directory
        self._ticks = ticks

    def carry_out(self, operation_id: str, watch: Watch) -> LifeReport:
        begun = self.find(operation_id)
        with self.store.database.statement() as connection:
            centre = centre_of(connection, begun.centre_id)
        if begun.kind == OperationKind.CAPACITY:
            self._adjust(begun)
        elif begun.kind == OperationKind.OUTSIDE:
            self._keep_to_hours(begun)
        else:
            self._block_span(begun)
        begun = self.find(operation_id)
        people = self.people(centre, begun, begun.details["blocked"])
        if begun.kind == OperationKind.HOUR:
            people.to_slot = self.slot(begun, 1)
            people.opens = begun.details["opened"]
        people.only_cases = begun.kind == OperationKind.NOT_OURS
        fates = self._settle_people(begun, people, watch)
        if begun.kind == OperationKind.HOUR:
            self._set_blocked(begun.details["opened"], blocked=False)
        with self.store.database.transaction() as connection:
            done = self.found(connection, begun.id, lock=True)
            done.details["done"] = True
            operations.save_details(connection, done)
            # It may have begun too long ago for the feed to look at what it did last.
            shared_files.read_again(connection, self.store.clock, begun.centre_id)
        return LifeReport(
            begun.kind,
            begun.centre_id,
            begun.id,
            blocked=size_of(done.details["blocked"]),
            opened=size_of(done.details["opened"]),
            fates=fates,
        )

    def find(self, operation_id: str) -> Operation:
        """One operation. Raises LifeRefused."""
        with self.store.database.statement() as connection:
            return self.found(connection, operation_id)

    def found(self, connection: Connection, operation_id: str, *, lock: bool = False) -> Operation:
        found = operations.find(connection, operation_id, self.store.vault, lock=lock)
        if found is None:
            raise LifeRefused(f"there is no operation {operation_id}")
        return found

    def people(self, centre: CentreState, one: Operation, from_places: Ranges) -> MovePeople:
        return MovePeople(
            self.store,
            self.campaigns,
            self._directory,
            Stock(self.store, self._ticks),
            one,
            centre,
            from_places,
        )

    def slot(self, one: Operation, which: int) -> CentreFreeSlot:
        """Of a moved hour the slot that it was (0) or that took over (1)."""
        start = datetime.fromisoformat(one.details["wants"][("from", "to")[which]])
        return CentreFreeSlot(one.details["slots"][which], one.centre_id, start, 1)

    def _block_span(self, begun: Operation) -> None:
        """Block every place of the operation's time, passing over those just being written."""
        start, end = span_of(begun)
        wait = False
        while True:
            with self.store.database.transaction() as connection:
                current = self.found(connection, begun.id, lock=True)
                found = operations.lock_open(
                    connection,
                    begun.centre_id,
                    start,
                    end,
                    limit=1 if wait else BATCH_PLACES,
                    wait=wait,
                )
                self._block(connection, current, found)
            if not found and wait:
                return
            # A transaction that waits holds nothing else, or two might wait for one another.
            wait = not found

    def _block(self, connection: Connection, current: Operation, ids: list[int]) -> None:
        """Block places that are locked, and note them."""
        if ids:
            operations.set_blocked(connection, ids, blocked=True)
            self._note(connection, current, "blocked", ids)

    def _note(self, connection: Connection, current: Operation, what: str, ids: list[int]) -> None:
        current.details[what] = operations.with_ids(current.details[what], ids)
        operations.save_details(connection, current)

    def _adjust(self, begun: Operation) -> None:
        """Cut or add places, a slot in each transaction."""
        with self.store.database.statement() as connection:
            slots = operations.slots_in(connection, begun.centre_id, *span_of(begun))
        for slot_id in slots:
            with self.store.database.transaction() as connection:
                current = self.found(connection, begun.id, lock=True)
                operations.lock_slot(connection, slot_id)
                places = operations.places_of(connection, self.store.clock, [slot_id], lock=True)
                surplus, blocked, missing = difference(places, current.details["wants"]["capacity"])
                self._block(connection, current, [each.id for each in surplus])
                more = [each.id for each in blocked]
                operations.set_blocked(connection, more, blocked=False)
                if missing:
                    more += operations.add_places(connection, slot_id, missing, like=slot_id)
                if more:
                    self._note(connection, current, "opened", more)
                    self.store.publish_places_freed(connection, more)

    def _keep_to_hours(self, begun: Operation) -> None:
        """Cut the places that are outside what was said of the centre, a slot in a transaction."""
        clock, said = self.store.clock, SaidHours.read(begun.details["wants"])
        with self.store.database.statement() as connection:
            outside = beyond(connection, clock, begun.centre_id, said)
        for found, keeps in outside:
            with self.store.database.transaction() as connection:
                current = self.found(connection, begun.id, lock=True)
                operations.lock_slot(connection, found.id)
                places = operations.places_of(connection, clock, [found.id], lock=True)
                surplus, _, _ = difference(places, keeps)
                self._block(connection, current, [each.id for each in surplus])

    def _settle_people(
        self, begun: Operation, people: MovePeople, watch: Watch
    ) -> dict[str, MoveOutcome]:
        """Move the people who have one of the places, or open cases, until none is left."""
        fates: dict[str, MoveOutcome] = {}
        while True:
            with self.store.database.transaction() as connection:
                current = self.found(connection, begun.id, lock=True)
                listed: list[str] = current.details["bookings"]
                here = operations.booked_at(
                    connection, begun.centre_id, self.store.clock.now(), FOREVER
                )
                found = dict.fromkeys(
                    booking_id
                    for booking_id, place_id in here
                    if operations.holds_id(people.from_places, place_id)
                )
                new = [booking_id for booking_id in found if booking_id not in set(listed)]
                if new:
                    current.details["bookings"] = listed + new
                    operations.save_details(connection, current)
            if people.undo:
                # The others were brought back before, or have what became of them written down.
                todo = [booking_id for booking_id in found if booking_id not in fates]
            else:
                todo = [booking_id for booking_id in (*listed, *new) if booking_id not in fates]
            if not todo:
                return fates
            with watch("bookings", len(todo)) as progress:
                for booking_id in todo:
                    with self.store.database.transaction() as connection:
                        fates[booking_id] = people.settle(connection, booking_id)
                    progress(1)

    def take_back(
        self, centre: CentreState, found: Operation, report: LifeReport, watch: Watch
    ) -> None:
        blocked, opened = found.details["blocked"], found.details["opened"]
        people = self.people(centre, found, blocked)
        people.undo = True
        with watch("bookings", len(found.details["bookings"])) as progress:
            for booking_id in found.details["bookings"]:
                with self.store.database.transaction() as connection:
                    report.fates[booking_id] = people.bring_back(connection, booking_id)
                progress(1)
        if opened:
            report.fates |= self._close_again(centre, found, watch)
        with self.store.database.transaction() as connection:
            if found.kind == OperationKind.CENTRE:
                operations.set_closed(connection, self.store.clock, centre.id, closed=False)
            elif found.kind == OperationKind.NOT_OURS:
                operations.make_ours(connection, self.store.clock, centre.id)
        self._set_blocked(blocked, blocked=False)
        with self.store.database.transaction() as connection:
            operations.set_undone(connection, self.store.clock, found.id)
        report.blocked, report.opened = size_of(opened), size_of(blocked)

    def _close_again(
        self, centre: CentreState, found: Operation, watch: Watch
    ) -> dict[str, MoveOutcome]:
        """Block what the operation had opened; people booked there since go elsewhere."""
        opened = found.details["opened"]

        self._set_blocked(opened, blocked=True)
        people = self.people(centre, found, opened)
        people.undo = True
        if found.kind == OperationKind.HOUR:
            # With the hour they go back, too.
            people.to_slot = self.slot(found, 0)
            people.opens = found.details["blocked"]
        return self._settle_people(found, people, watch)

    def _set_blocked(self, ranges: Ranges, *, blocked: bool) -> None:
        """Block places, or open them for all, those who wait for one first.

        Some in each transaction, passing over what is in use. Those come last, one by one: a
        transaction that waits holds nothing else.
        """

        def write(ids: list[int], *, wait: bool) -> list[int]:
            with self.store.database.transaction() as connection:
                found = operations.set_blocked(connection, ids, blocked=blocked, wait=wait)
                if not blocked:
                    free = operations.unbooked(connection, found)
                    self.store.publish_places_freed(connection, free)
                return found

        ids = list(operations.ids_in(ranges))
        left: list[int] = []
        for start in range(0, len(ids), BATCH_PLACES):
            some = ids[start : start + BATCH_PLACES]
            left += sorted(set(some) - set(write(some, wait=False)))
        for place_id in left:
            write([place_id], wait=True)


def centre_of(connection: Connection, centre_id: str, *, lock: bool = False) -> CentreState:
    """A centre; with `lock` it is locked for what is asked for. Raises LifeRefused."""
    found = centre_state(connection, centre_id, lock=lock)
    if found is None:
        raise LifeRefused(f"there is no centre {centre_id}")
    return found
