"""The life of a centre with people booked in it: no person is lost.

A centre or a day closes, capacity is cut or added, an hour moves. A person booked there is moved
to another place, which is taken before the old one is given up, or becomes a case for an agent and
keeps the booking as it is. Either way there is a line of history and, where the person has a phone,
a message in the outbox.

How it is done, so that it may be stopped at any moment and run again:

1. the row of the operation, in the transaction that closes the centre (or makes the new hour);
2. places are blocked, booked ones too, some in each transaction, with their ids in the operation.
   A blocked place can be neither held nor confirmed, so its person was booked before, and is
   found in
3. a transaction for each booking: see services/centre_day/move_people.py. What is done is not done
again;
4. what the operation opens is opened for all, and the operation is marked as done.

Asking for the same once more goes on with an operation that is not done. Undoing goes the same way
back: people first, each to a place that is opened for them alone, then the places for all.
"""

from __future__ import annotations

import time

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from datetime import time as clock_time
from typing import Any, Final

from models.booking import history
from models.booking.history import Change
from models.centre_day import operations
from models.centre_day.operations import CentreFreeSlot, Operation, PlaceState
from models.centres.centres import CentreState, centre_state, hours_of
from models.database import Connection
from models.partners.bookings import is_mirrored
from services.campaign.campaigns import Campaigns
from services.centre_day.carry_out import CarryOut, centre_of
from services.centre_day.move_people import MovePeople
from services.centre_day.operation import (
    FOREVER,
    MOMENT,
    LifeRefused,
    LifeReport,
    OperationKind,
    OperationRequest,
    Span,
    check_request,
    difference,
    is_unfinished,
    midnight_of,
    moment_of,
    size_of,
    spans_of,
    touches,
)
from services.centre_day.said_hours import SaidHours, beyond, said_of
from services.centres.directory import Directory
from services.slots.open_slots import MOST_DAYS, MOST_PLACES
from services.store import Store

IMPORT: Final = "import"
_ONE_DAY: Final = timedelta(days=1)


@dataclass(frozen=True)
class _Asked:
    """An operation that is asked for, in the transaction that begins it.

    `span` is the time whose places it takes away or adds; `wants` tells it from others of its kind.
    """

    connection: Connection
    kind: str
    centre: CentreState
    span: Span
    wish: OperationRequest
    wants: dict[str, Any] = field(default_factory=dict)


class CentreLife:
    """The operations. `ticks` is a monotonic clock in seconds."""

    def __init__(
        self,
        store: Store,
        campaigns: Campaigns,
        *,
        directory: Directory | None = None,
        ticks: Callable[[], float] = time.monotonic,
    ) -> None:
        self.store = store
        directory = directory or Directory(store.database)
        self._carried = CarryOut(store, campaigns, directory, ticks)

    # ------------------------------------------------------------ what an operator asks for

    def close_centre(self, centre_id: str, wish: OperationRequest) -> LifeReport:
        """Close a centre from now on. Raises LifeRefused."""
        check_request(wish)
        with self._beginning(wish) as connection:
            centre = centre_of(connection, centre_id, lock=not wish.dry_run)
            asked = _Asked(connection, OperationKind.CENTRE, centre, self._from_now(), wish)
            begun = self._unfinished(asked)
            if begun is None and centre.closed and not self._is_unsettled(connection, centre_id):
                raise LifeRefused(f"centre {centre_id} ({centre.name}) is closed already")
            if wish.dry_run:
                return self._would(asked, self._open_places(asked))
            begun = begun or self._begin(asked)
            operations.set_closed(connection, self.store.clock, centre_id, closed=True)
        return self._carried.carry_out(begun.id, wish.watch)

    def close_day(
        self,
        centre_id: str,
        day: date,
        wish: OperationRequest,
        *,
        hours: tuple[clock_time, clock_time] | None = None,
    ) -> LifeReport:
        """Close a centre for one of its own days, or for some hours of it (the end not included).

        Hours are those of the centre's clock. Raises LifeRefused.
        """
        check_request(wish)
        wants = {"day": day.isoformat()}
        if hours is not None:
            wants |= {"from": f"{hours[0]:%H:%M}", "to": f"{hours[1]:%H:%M}"}
        with self._beginning(wish) as connection:
            centre = self._open_centre(connection, centre_id, wish)
            span = self._ahead(centre, day, day)
            if hours is not None:
                start, end = (moment_of(centre, day, hour) for hour in hours)
                span = (max(span[0], start), min(span[1], end))
            asked = _Asked(connection, OperationKind.DAY, centre, span, wish, wants)
            places, begun = self._open_places(asked), self._unfinished(asked)
            if begun is None and not places:
                raise LifeRefused(f"centre {centre_id} has no open place on {day} from now on")
            if wish.dry_run:
                return self._would(asked, places)
            begun = begun or self._begin(asked)
        return self._carried.carry_out(begun.id, wish.watch)

    def set_capacity(
        self, centre_id: str, first: date, last: date, capacity: int, wish: OperationRequest
    ) -> LifeReport:
        """Let each slot of some days (the centre's own, both included) have so many places.

        What is cut are free places first, the highest numbers before the others, then what is held,
        then people. What is added are blocked places of the slot first. Raises LifeRefused.
        """
        check_request(wish)
        if not 0 <= capacity <= MOST_PLACES:
            raise LifeRefused(f"a capacity of {capacity} cannot be: 0 to {MOST_PLACES} can")
        if not timedelta() <= last - first < timedelta(days=MOST_DAYS):
            raise LifeRefused(f"from {first} to {last} is no span of 1 to {MOST_DAYS} days")
        wants = {"from": first.isoformat(), "to": last.isoformat(), "capacity": capacity}
        with self._beginning(wish) as connection:
            centre = self._open_centre(connection, centre_id, wish)
            span = self._ahead(centre, first, last)
            asked = _Asked(connection, OperationKind.CAPACITY, centre, span, wish, wants)
            begun = self._unfinished(asked)
            slots = operations.slots_in(connection, centre_id, *span)
            if begun is None:
                if not slots:
                    raise LifeRefused(
                        f"centre {centre_id} has no slot from {first} to {last} from now on"
                    )
                self._no_closed_day(connection, centre_id, span)
            if wish.dry_run:
                return self._would_set_capacity(asked, slots, capacity)
            begun = begun or self._begin(asked)
        return self._carried.carry_out(begun.id, wish.watch)

    def keep_to_hours(
        self, centre_id: str, wish: OperationRequest, *, said: SaidHours | None = None
    ) -> LifeReport:
        """Close what is open outside the hours that were said of a centre, or above its capacity.

        `said`: other hours than those that the centre has now. People are chosen and moved as where
        capacity is cut. Raises LifeRefused.
        """
        check_request(wish)
        if said is None:
            found = hours_of(self.store.database, [centre_id])
            said = said_of(found[0]) if found else SaidHours("", {})
        with self._beginning(wish) as connection:
            centre = self._open_centre(connection, centre_id, wish)
            if is_mirrored(connection, centre_id):
                raise LifeRefused(
                    f"centre {centre_id} ({centre.name}) is booked at its partner, who says what is"
                    " open there"
                )
            span = self._from_now()
            asked = _Asked(connection, OperationKind.OUTSIDE, centre, span, wish, said.noted())
            begun = self._unfinished(asked)
            outside = beyond(connection, self.store.clock, centre_id, said)
            if begun is None and not outside:
                raise LifeRefused(
                    f"centre {centre_id} ({centre.name}) has no open place outside its hours"
                )
            if wish.dry_run:
                keeps = {each.id: kept for each, kept in outside}
                return self._would(asked, self._surplus(connection, keeps))
            begun = begun or self._begin(asked)
        return self._carried.carry_out(begun.id, wish.watch)

    def move_hour(
        self, centre_id: str, day: date, start: clock_time, to: clock_time, wish: OperationRequest
    ) -> LifeReport:
        """Move a slot with the people in it to another hour of its day, by the centre's clock.

        In the store a slot never moves, for a person may be confirming the hour that they heard:
        another slot takes over, and the places of this one are blocked. Of an hour that comes twice
        the first is meant. Raises LifeRefused.
        """
        check_request(wish)
        with self._beginning(wish) as connection:
            centre = self._open_centre(connection, centre_id, wish)
            if is_mirrored(connection, centre_id):
                raise LifeRefused(
                    f"centre {centre_id} ({centre.name}) is booked at its partner: "
                    "the hour is to be moved there"
                )
            before, after = (moment_of(centre, day, hour) for hour in (start, to))
            span = (before, before + MOMENT)
            wants = {"from": before.isoformat(), "to": after.isoformat()}
            asked = _Asked(connection, OperationKind.HOUR, centre, span, wish, wants)
            begun = self._unfinished(asked)
            places = self._open_places(asked)
            if wish.dry_run:
                if begun is None:
                    self._slot_to_move(asked, places, after)
                # Places of its own, so no person can be in the way.
                there = CentreFreeSlot(0, centre.id, before, len(places))
                return self._would(asked, places, opened=len(places), to_slot=there)
            begun = begun or self._begin_hour(asked, places, after)
        return self._carried.carry_out(begun.id, wish.watch)

    def undo(self, operation_id: str, wish: OperationRequest) -> LifeReport:
        """Take an operation back, as far as no person has changed anything since.

        Operations that touch the same time of a centre are undone newest first. Undoing twice does
        nothing. Of the wish the reason is not used. Raises LifeRefused.
        """
        with self._beginning(wish) as connection:
            found = self._carried.found(connection, operation_id, lock=not wish.dry_run)
            report = LifeReport(found.kind, found.centre_id, found.id, wish.dry_run)
            if found.undone_at is not None:
                report.nothing_to_do = True
                return report
            self._nothing_later(connection, found)
            centre = centre_of(connection, found.centre_id, lock=not wish.dry_run)
            if wish.dry_run:
                asked = _Asked(connection, found.kind, centre, self._from_now(), wish)
                return self._would_undo(asked, found, report)
            found.details["undoing"] = True
            operations.save_details(connection, found)
        self._carried.take_back(centre, found, report, wish.watch)
        return report

    # ------------------------------------------------------------ after an import

    def settle(self, wish: OperationRequest) -> list[LifeReport]:
        """Close in earnest what an import closed, and go on with what was stopped.

        The places of centres that are closed, or not ours to book for any more, are blocked. People
        booked at a closed one are moved as if an operator had closed it. Where a centre takes its
        bookings otherwise now, their appointments stand and each is a case: it may well receive
        them.
        """
        check_request(wish)
        both = (OperationKind.CENTRE, OperationKind.NOT_OURS)
        with self.store.database.statement() as connection:
            centres = operations.unsettled(connection, self.store.clock)
            going_on = [
                operation.id
                for operation in operations.in_force(connection, kinds=both)
                if operation.who == wish.who
                and is_unfinished(operation)
                and self._still(connection, operation)
            ]
        for centre in centres:
            kind = OperationKind.CENTRE if centre.closed else OperationKind.NOT_OURS
            with self.store.database.transaction() as connection:
                centre_of(connection, centre.id, lock=True)
                asked = _Asked(connection, kind, centre, self._from_now(), wish)
                begun = self._unfinished(asked) or self._begin(asked)
            if begun.id not in going_on:
                going_on.append(begun.id)
        return [self._carried.carry_out(operation_id, wish.watch) for operation_id in going_on]

    def came_back(self) -> list[Operation]:
        """Closings by imports of centres that a newer file opened again: they are still in force.

        No person is moved back by a file: an operator undoes them.
        """
        with self.store.database.statement() as connection:
            found = []
            for operation in operations.in_force(connection, kinds=(OperationKind.CENTRE,)):
                centre = centre_state(connection, operation.centre_id)
                if operation.who == IMPORT and centre is not None and not centre.closed:
                    found.append(operation)
            return found

    def _still(self, connection: Connection, one: Operation) -> bool:
        """Whether the centre is what made the operation needful."""
        centre = centre_state(connection, one.centre_id)
        if centre is None:
            return False
        return centre.closed if one.kind == OperationKind.CENTRE else centre.booking_mode != "ours"

    # ------------------------------------------------------------ looking

    def newest(self, *, limit: int, centre_id: str | None = None) -> list[Operation]:
        """The newest operations first."""
        with self.store.database.statement() as connection:
            return operations.newest(connection, self.store.vault, limit=limit, centre_id=centre_id)

    def find(self, operation_id: str) -> Operation:
        """One operation. Raises LifeRefused."""
        return self._carried.find(operation_id)

    def lines_of(self, found: Operation) -> Iterator[tuple[str, Change]]:
        """What an operation wrote into the history of each booking, with the booking's id."""
        with self.store.database.statement() as connection:
            for booking_id in found.details["bookings"]:
                for line in history.of_booking(connection, booking_id):
                    if line.change.details.get("operation") == found.id:
                        yield booking_id, line.change

    # ------------------------------------------------------------ beginning

    def _beginning(self, wish: OperationRequest) -> AbstractContextManager[Connection]:
        # A dry run only reads, and keeps no person waiting.
        database = self.store.database
        return database.statement() if wish.dry_run else database.transaction()

    def _open_centre(
        self, connection: Connection, centre_id: str, wish: OperationRequest
    ) -> CentreState:
        found = centre_of(connection, centre_id, lock=not wish.dry_run)
        if found.closed:
            raise LifeRefused(f"centre {centre_id} ({found.name}) is closed")
        return found

    def _is_unsettled(self, connection: Connection, centre_id: str) -> bool:
        found = operations.unsettled(connection, self.store.clock)
        return any(unsettled.id == centre_id for unsettled in found)

    def _ahead(self, centre: CentreState, first: date, last: date) -> Span:
        """The days by the centre's calendar, without what is past."""
        start, end = midnight_of(centre, first), midnight_of(centre, last + _ONE_DAY)
        now = self.store.clock.now()
        if end <= now:
            raise LifeRefused(f"{last} is past")
        return max(start, now), end

    def _from_now(self) -> Span:
        return self.store.clock.now(), FOREVER

    def _open_places(self, asked: _Asked) -> list[PlaceState]:
        """Places that are not blocked, booked ones too."""
        slots = operations.slots_in(asked.connection, asked.centre.id, *asked.span)
        found = operations.places_of(asked.connection, self.store.clock, slots)
        return [place for place in found if not place.blocked]

    def _surplus(self, connection: Connection, keeps: dict[int, int]) -> list[PlaceState]:
        """The open places that slots have beyond what they keep; slot id to places."""
        by_slot: dict[int, list[PlaceState]] = {slot_id: [] for slot_id in keeps}
        for place in operations.places_of(connection, self.store.clock, list(by_slot)):
            by_slot[place.slot_id].append(place)
        cut: list[PlaceState] = []
        for slot_id, places in by_slot.items():
            surplus, _, _ = difference(places, keeps[slot_id])
            cut += surplus
        return cut

    def _no_closed_day(self, connection: Connection, centre_id: str, span: Span) -> None:
        for operation in operations.in_force(connection, centre_id=centre_id):
            if operation.kind == OperationKind.DAY and touches(operation, [span]):
                raise LifeRefused(
                    f"{operation.details['wants']['day']} is closed by operation {operation.id}: "
                    "undo that first, or leave the day out"
                )

    def _nothing_later(self, connection: Connection, found: Operation) -> None:
        for operation in operations.in_force(connection, centre_id=found.centre_id):
            later = (operation.at, operation.id) > (found.at, found.id)
            if later and touches(operation, spans_of(found)):
                raise LifeRefused(
                    f"operation {operation.id} ({operation.kind}) came later to the same time of "
                    "the centre: undo that first"
                )

    def _unfinished(self, asked: _Asked) -> Operation | None:
        """The same operation, begun before and stopped."""
        for operation in operations.in_force(asked.connection, centre_id=asked.centre.id):
            same = operation.kind == asked.kind and operation.details["wants"] == asked.wants
            if same and is_unfinished(operation):
                return operation
        return None

    def _begin(self, asked: _Asked, **more: Any) -> Operation:
        for other in operations.in_force(asked.connection, centre_id=asked.centre.id):
            if other.details.get("undoing") and touches(other, [asked.span]):
                raise LifeRefused(f"operation {other.id} is just being undone: finish that first")
        details = {
            "wants": asked.wants,
            "span": [moment.isoformat() for moment in asked.span],
            "blocked": [],
            "opened": [],
            "bookings": [],
            "done": False,
            **more,
        }
        clock, wish, id_ = self.store.clock, asked.wish, self.store.chance.identifier()
        new = Operation(
            id_, asked.kind, asked.centre.id, wish.who, wish.why, clock.now(), None, details
        )
        operations.add(asked.connection, clock, self.store.vault, new)
        return new

    def _slot_to_move(self, asked: _Asked, places: Sequence[PlaceState], after: datetime) -> int:
        """The slot of these open places; and nothing is at the other hour."""
        connection, centre, before = asked.connection, asked.centre, asked.span[0]
        if before == after:
            raise LifeRefused("the hours are the same")
        now = self.store.clock.now()
        if min(before, after) <= now:
            raise LifeRefused("the hour is past")
        found = operations.slots_in(connection, centre.id, *asked.span)
        if not found or not places:
            raise LifeRefused(f"centre {centre.id} has no slot with open places at that hour")
        there = operations.slots_in(connection, centre.id, after, after + MOMENT)
        others = operations.places_of(connection, self.store.clock, there)
        if any(not other.blocked or other.booked for other in others):
            raise LifeRefused(
                f"centre {centre.id} has a slot at the new hour already: "
                "cut its capacity to 0 first, or choose another hour"
            )
        return found[0]

    def _begin_hour(
        self, asked: _Asked, places: Sequence[PlaceState], after: datetime
    ) -> Operation:
        connection, source = asked.connection, self._slot_to_move(asked, places, after)
        target = operations.add_slot(connection, asked.centre.id, after, len(places))
        opened = operations.add_places(connection, target, len(places), like=source, blocked=True)
        ids = operations.with_ids([], opened)
        return self._begin(asked, opened=ids, slots=[source, target])

    # ------------------------------------------------------------ dry runs

    def _would(
        self,
        asked: _Asked,
        places: Sequence[PlaceState],
        *,
        opened: int = 0,
        to_slot: CentreFreeSlot | None = None,
    ) -> LifeReport:
        """Block these places, and what becomes of the people, without writing anything."""
        now = self.store.clock.now()
        imagined = Operation("", asked.kind, asked.centre.id, "", "", now, None, {})
        ranges = operations.with_ids([], [place.id for place in places])
        people = self._carried.people(asked.centre, imagined, ranges)
        people.to_slot = to_slot
        people.stock.hidden = Counter(
            place.slot_id for place in places if not place.booked and not place.held
        )
        return self._count(asked, people, len(places), opened)

    def _would_set_capacity(self, asked: _Asked, slots: Sequence[int], capacity: int) -> LifeReport:
        by_slot: dict[int, list[PlaceState]] = {slot_id: [] for slot_id in slots}
        for place in operations.places_of(asked.connection, self.store.clock, list(by_slot)):
            by_slot[place.slot_id].append(place)
        surplus: list[PlaceState] = []
        opened = 0
        for places in by_slot.values():
            cut, blocked, missing = difference(places, capacity)
            surplus += cut
            opened += len(blocked) + missing
        return self._would(asked, surplus, opened=opened)

    def _would_undo(self, asked: _Asked, found: Operation, report: LifeReport) -> LifeReport:
        connection = asked.connection
        people = self._carried.people(asked.centre, found, found.details["opened"])
        people.undo = True
        for booking_id in found.details["bookings"]:
            report.fates[booking_id] = people.bring_back(connection, booking_id, dry_run=True)
        if found.kind == OperationKind.HOUR:
            people.to_slot = self._carried.slot(found, 0)
        since = self._count(asked, people, 0, 0).fates
        report.fates = {**since, **report.fates}
        report.blocked = size_of(found.details["opened"])
        report.opened = size_of(found.details["blocked"])
        return report

    def _count(self, asked: _Asked, people: MovePeople, blocked: int, opened: int) -> LifeReport:
        centre_id, connection = asked.centre.id, asked.connection
        report = LifeReport(asked.kind, centre_id, dry_run=True, blocked=blocked, opened=opened)
        for booking_id, place_id in operations.booked_at(connection, centre_id, *asked.span):
            mine = operations.holds_id(people.from_places, place_id)
            if mine and booking_id not in report.fates:
                report.fates[booking_id] = people.settle(connection, booking_id, dry_run=True)
        return report
