"""One booking whose appointments cannot stay: it moves, or an agent has a case; and the way back.

Each is one transaction, the caller's. The booking is locked first, the new place is taken before
the old one is given up, and a line of history that names the operation says that it is done: what
is asked for twice happens once.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Final
from zoneinfo import ZoneInfo

from models.booking import changes, history
from models.booking.changes import BookedAppointment, BookingDetails, Doses
from models.booking.history import Change
from models.centre_day import operations
from models.centre_day.operations import CentreFreeSlot, Operation, Ranges
from models.centres.centres import CentreState, centre_states
from models.database import Connection
from models.desk import cases
from models.partners.bookings import is_mirrored
from services.booking.changed import (
    FAR_PLACE,
    MOST_WHY,
    Became,
    DoseChange,
    change_to_json,
    dose_change,
    dose_for_text,
)
from services.booking.partner_message import follow
from services.campaign.campaigns import Campaigns
from services.centre_day.other_place import OtherPlaces, Plan, Stock
from services.centres.directory import Directory
from services.messages.mails import mail_change
from services.messages.topics import Topic
from services.messages.write_message import open_case, write_message
from services.slots.allocate import Allocate, Channel, Holder
from services.slots.give_back import give_back_places
from services.slots.look_beyond import KEPT_WITHIN_KILOMETRES
from services.store import Store
from services.work import Work

# Others may be quicker so many times before a person becomes a case.
MOST_TRIES: Final = 20


class MoveOutcome(StrEnum):
    """What became of a booking."""

    MOVED = "moved"
    # A place beyond the campaign's radius is kept for its person, who has not been asked; and a
    # case, for an agent asks them.
    FAR = "far"
    CASE = "case"
    # Cancelled or moved by another person before the operation came to it.
    LEFT = "left"
    # Undoing: at the old time again; the case is closed; nothing of the old time is to be had;
    # changed by a person since, and left alone.
    BACK = "back"
    CASE_CLOSED = "case_closed"
    STAYS = "stays"
    CHANGED = "changed"


class _Gone(Exception):
    """A place is not to be had any more; what was done for it is rolled back."""


@dataclass
class MovePeople:
    """For one operation at one centre.

    `from_places` are the places that no person may keep. With `to_slot` people go there, to one of
    `opens`, which are blocked until then; without, to the best other place; and with `only_cases`
    nowhere. `undo` says that this is the way back.
    """

    store: Store
    campaigns: Campaigns
    directory: Directory
    stock: Stock
    operation: Operation
    centre: CentreState
    from_places: Ranges
    to_slot: CentreFreeSlot | None = None
    opens: Ranges = field(default_factory=list)
    only_cases: bool = False
    undo: bool = False

    def __post_init__(self) -> None:
        self._near: dict[tuple[str, str | None], dict[str, float]] = {}
        # One transaction holds, books and gives back, so all share a name.
        self._holder = Holder(Channel.SUPERVISOR, f"op:{self.operation.id}")

    # -------------------------------------------------------- away

    def settle(
        self, connection: Connection, booking_id: str, *, dry_run: bool = False
    ) -> MoveOutcome:
        """Move a booking or make it a case; what was done before is only told again.

        A dry run writes nothing and goes by what is free in `stock`.
        """
        file = changes.load(connection, self.store.vault, booking_id, lock=not dry_run)
        if file is None:
            return MoveOutcome.LEFT
        lines = [] if dry_run else self._lines(connection, booking_id, undo=self.undo)
        done = {line.what for line in lines}
        if "case" in done:
            return MoveOutcome.CASE
        goes = self._goes(file)
        if not goes:
            far = any(line.details["fate"] == MoveOutcome.FAR for line in lines)
            moved = MoveOutcome.FAR if far else MoveOutcome.MOVED
            return moved if "moved" in done else MoveOutcome.LEFT
        work = self._work(connection, file)
        # A person who cannot be told would go to where the booking was: a person must be there.
        if work is not None and file.number is not None and not self.only_cases:
            for fate in (MoveOutcome.MOVED, MoveOutcome.FAR):
                beyond = fate is MoveOutcome.FAR
                if dry_run:
                    plan = self._plan(work, file, goes, beyond=beyond)
                    self.stock.take(plan or {})
                    if plan:
                        return fate
                    continue
                taken = self._take(work, file, goes, beyond=beyond)
                if taken is not None:
                    self._move(work, file, taken, goes=goes, fate=fate)
                    return fate
        if not dry_run:
            self._make_case(connection, file, goes)
        return MoveOutcome.CASE

    def _goes(self, file: BookingDetails) -> dict[int, BookedAppointment]:
        """The doses that cannot stay, by dose: none that has begun."""
        now = self.store.clock.now()
        return {
            appointment.dose: appointment
            for appointment in file.live
            if appointment.start_at > now
            and operations.holds_id(self.from_places, appointment.place_id)
        }

    def _work(self, connection: Connection, file: BookingDetails) -> Work | None:
        """By the rules of the booking's own campaigns; None where one of them is no more.

        And where two services are done in two places, which an agent puts together again.
        """
        known = [self.campaigns.by_name(name) for name in file.campaigns]
        campaigns = [campaign for campaign in known if campaign is not None]
        if len(campaigns) < len(known) or (file.of_several and len(file.live) > 1):
            return None
        return Work(connection, self.store, campaigns[0], tuple(campaigns[1:]))

    def _plan(
        self,
        work: Work,
        file: BookingDetails,
        goes: Mapping[int, BookedAppointment],
        *,
        beyond: bool,
    ) -> Plan | None:
        """The best other place in reach; `beyond`: the nearest that is out of reach."""
        if self.to_slot is not None:
            to = dict.fromkeys(goes, self.to_slot)
            return to if len(goes) == 1 and not beyond else None
        near = self._centres_near(work, file.postcode)
        radius = work.campaign.radius_kilometres
        reach = [gid for gid, away in near.items() if not radius < away <= KEPT_WITHIN_KILOMETRES]
        for some in [[gid] for gid in near if gid not in reach] if beyond else [reach]:
            plan = OtherPlaces(
                work,
                self.stock,
                near=some,
                zone=ZoneInfo(self.centre.time_zone),
                born=file.born,
                goes=goes,
                stays={
                    appointment.dose: appointment
                    for appointment in file.live
                    if appointment.dose not in goes
                },
            ).find()
            if plan is not None:
                return plan
        return None

    def _centres_near(self, work: Work, postcode: str | None) -> dict[str, float]:
        """The centre itself, then those around the person's postcode, nearest first.

        With how many kilometres each is away from there; 0 for the centre itself. Without a
        postcode they are counted from the centre.
        """
        key = (work.campaign.name, postcode)
        if key not in self._near:
            town = self.directory.postcode(work.connection, postcode) if postcode else None
            where: Any = self.centre if town is None or town.latitude is None else town
            near = self.directory.nearest(
                work.connection,
                where.latitude or 0.0,
                where.longitude or 0.0,
                where.territory,
                max(work.campaign.radius_kilometres, KEPT_WITHIN_KILOMETRES),
                postcode=(postcode if town else "") or self.centre.postcode,
            )
            others = {near_centre.centre.id: near_centre.kilometres for near_centre in near}
            self._near[key] = {self.centre.id: 0.0} | others | {self.centre.id: 0.0}
        return self._near[key]

    def _take(
        self,
        work: Work,
        file: BookingDetails,
        goes: Mapping[int, BookedAppointment],
        *,
        beyond: bool,
    ) -> Doses | None:
        """Book other places beside the old ones; None when there are none."""
        allocator = Allocate(work, self._holder)
        looked_again = False
        for _ in range(MOST_TRIES):
            plan = self._plan(work, file, goes, beyond=beyond)
            if plan is None:
                if looked_again or self.to_slot is not None or not self.stock.stale:
                    break
                # No person becomes a case on the word of an old picture.
                self.stock.look_again()
                looked_again = True
                continue
            try:
                with work.connection.begin_nested():
                    if self.to_slot is not None:
                        self._unblock_one(work.connection, self.to_slot.slot_id, self.opens)
                    taken = self._book(allocator, file.id, plan)
            except _Gone:
                if self.to_slot is not None:
                    break
                continue
            self.stock.take(plan)
            return taken
        return None

    def _book(self, allocator: Allocate, booking_id: str, plan: Plan) -> Doses:
        """Hold a place of each slot, then book them together. Raises _Gone."""
        held = {}
        for dose, one in sorted(plan.items()):
            found = allocator.hold_slot(one.slot_id)
            if found is None:
                self.stock.is_gone(one.slot_id)
                raise _Gone
            held[dose] = found
        place_ids = allocator.book(list(held.values()), booking_id)
        # It gives all of a booking's places back when it fails, the old ones too.
        if place_ids is None:
            raise _Gone
        return {
            dose: (place_id, one.centre_id, one.start_at)
            for (dose, one), place_id in zip(held.items(), place_ids, strict=True)
        }

    def _unblock_one(self, connection: Connection, slot_id: int, opens: Ranges) -> None:
        """Open one place of a slot for a person, in the transaction that takes it.

        The rest stays blocked until all have theirs.
        """
        for place in operations.places_of(connection, self.store.clock, [slot_id]):
            mine = place.blocked and not place.booked and operations.holds_id(opens, place.id)
            if mine and operations.set_blocked(connection, [place.id], blocked=False):
                return

    def _move(
        self,
        work: Work,
        file: BookingDetails,
        to: Doses,
        *,
        goes: Collection[int],
        fate: MoveOutcome,
    ) -> None:
        connection = work.connection
        before = {appointment.dose: appointment for appointment in file.live}
        version = changes.move_appointments(connection, self.store.clock, file.id, to)
        follow(connection, self.store, file.id, version, undo_within=None)
        freed = [before[dose].place_id for dose in to]
        give_back_places(connection, file.id, freed)
        # Those that are blocked are no person's; the others may be what a person waits for.
        self.store.publish_places_freed(connection, freed, file.campaign)
        doses = self._changes(file, to, goes)
        details = {
            "version": version,
            "from": [_where(before[dose]) for dose in sorted(to)],
            "to": [[dose, *to[dose][:2], to[dose][2].isoformat()] for dose in sorted(to)],
            "doses": [change_to_json(change) for change in doses],
        }
        far: dict[str, Any] = {}
        if fate is MoveOutcome.FAR:
            about = {"booking_id": file.id, "operation_id": self.operation.id}
            (away,) = {self._centres_near(work, file.postcode)[to[dose][1]] for dose in to}
            far = {"case": open_case(connection, self.store, FAR_PLACE, "", **about)}
            far["kilometres"] = round(away)
        self._note(connection, file.id, "moved", fate, details | far)
        key = f"booking_changed:{file.id}:{version}"
        told = {
            "what": "far" if far else "moved",
            "version": version,
            "doses": _for_text(connection, doses),
            **far,
        }
        self._tell(connection, file, "booking_changed", key, told)

    def _make_case(
        self, connection: Connection, file: BookingDetails, goes: Mapping[int, BookedAppointment]
    ) -> None:
        about = {"booking_id": file.id, "operation_id": self.operation.id}
        # Why is read from the operation, where it is sealed.
        case_id = open_case(connection, self.store, self.operation.kind, "", **about)
        details = {
            "version": file.version,
            "case": case_id,
            "from": [_where(place) for place in goes.values()],
        }
        self._note(connection, file.id, "case", MoveOutcome.CASE, details)
        told = {"what": "case", "case": case_id, "goes": list(goes)}
        self._tell(connection, file, "case", f"case:{case_id}", told)

    # -------------------------------------------------------- and back

    def bring_back(
        self, connection: Connection, booking_id: str, *, dry_run: bool = False
    ) -> MoveOutcome:
        """Put a booking back to where the operation found it, and close its case.

        A dry run writes nothing.
        """
        file = changes.load(connection, self.store.vault, booking_id, lock=not dry_run)
        done = [] if dry_run else self._lines(connection, booking_id, undo=True)
        if done:
            return MoveOutcome(done[-1].details["fate"])
        made = self._lines(connection, booking_id, undo=False)
        if file is None or not made:
            return MoveOutcome.LEFT
        newest = made[-1].details
        if made[-1].what == "case":
            case_closed = MoveOutcome.CASE_CLOSED
            return case_closed if dry_run else self._close_case(connection, file, newest)
        if not file.live or file.version != newest["version"]:
            return MoveOutcome.CHANGED
        if not dry_run:
            return self._go_back(connection, file, newest["from"])
        places = [place_id for _, place_id, *_ in newest["from"]]
        free = len(operations.unbooked(connection, places)) == len(places)
        may = free and self._may_go_back(connection, newest["from"])
        return MoveOutcome.BACK if may else MoveOutcome.STAYS

    def _may_go_back(self, connection: Connection, old: Sequence[tuple[Any, ...]]) -> bool:
        # What its partner had was taken away when they left.
        now = self.store.clock.now()
        ahead = all(datetime.fromisoformat(start) > now for *_, start in old)
        return ahead and not is_mirrored(connection, self.centre.id)

    def _go_back(
        self, connection: Connection, file: BookingDetails, old: Sequence[tuple[Any, ...]]
    ) -> MoveOutcome:
        work = self._work(connection, file)
        taken = self._old_places(work, file, old) if work else None
        if work is None or taken is None:
            details = {"version": file.version}
            self._note(connection, file.id, "kept", MoveOutcome.STAYS, details)
            key = f"kept:{self.operation.id}:{file.id}"
            self._tell(connection, file, "booking_changed", key, {"what": "kept"})
            return MoveOutcome.STAYS
        self._move(work, file, taken, goes=taken, fate=MoveOutcome.BACK)
        cases.close_of_booking(connection, self.store.clock, file.id, FAR_PLACE)
        return MoveOutcome.BACK

    def _old_places(
        self, work: Work, file: BookingDetails, old: Sequence[tuple[Any, ...]]
    ) -> Doses | None:
        """Book the times that the operation took from a person, all or none."""
        if not self._may_go_back(work.connection, old):
            return None
        plan = {
            dose: CentreFreeSlot(slot_id, centre_id, datetime.fromisoformat(start), 1)
            for dose, _, slot_id, centre_id, start in old
        }
        allocator = Allocate(work, self._holder)
        try:
            with work.connection.begin_nested():
                for _, place_id, slot_id, *_ in old:
                    # Their own place where that is blocked; any free one of the slot will do.
                    if operations.holds_id(self.from_places, place_id):
                        self._unblock_one(work.connection, slot_id, [[place_id, place_id]])
                return self._book(allocator, file.id, plan)
        except _Gone:
            return None

    def _close_case(
        self, connection: Connection, file: BookingDetails, details: Mapping[str, Any]
    ) -> MoveOutcome:
        if not cases.close(connection, self.store.clock, details["case"]):
            # An agent has settled it.
            return MoveOutcome.CHANGED
        closed = {"version": file.version, "case": details["case"]}
        self._note(connection, file.id, "case_closed", MoveOutcome.CASE_CLOSED, closed)
        if file.live and file.version == details["version"]:
            key = f"kept:{details['case']}"
            self._tell(connection, file, "booking_changed", key, {"what": "kept"})
        return MoveOutcome.CASE_CLOSED

    # -------------------------------------------------------- lines and messages

    @property
    def _why(self) -> str:
        why = f"undone: {self.operation.why}" if self.undo else self.operation.why
        return why[:MOST_WHY]

    def _lines(self, connection: Connection, booking_id: str, *, undo: bool) -> list[Change]:
        """What this operation wrote into the history of a booking before."""
        return [
            line.change
            for line in history.of_booking(connection, booking_id)
            if line.change.details.get("operation") == self.operation.id
            and line.change.details.get("undo", False) is undo
        ]

    def _note(
        self,
        connection: Connection,
        booking_id: str,
        what: str,
        fate: MoveOutcome,
        details: Mapping[str, Any],
    ) -> None:
        details = {"operation": self.operation.id, "fate": fate, **details}
        if self.undo:
            details["undo"] = True
        line = Change(self.operation.who, Channel.SUPERVISOR, what, self._why, details)
        history.add(connection, self.store.clock, self.store.vault, booking_id, line)

    def _tell(
        self,
        connection: Connection,
        file: BookingDetails,
        kind: str,
        key: str,
        payload: dict[str, Any],
    ) -> None:
        """Write the message; its `payload` is beside the booking as it is."""
        if file.number is None and file.mail is None:
            return
        payload = {
            "reference": file.reference,
            "operation": self.operation.id,
            "kind": self._told_kind(),
            **({"undo": True} if self.undo else {}),
            "version": file.version,
            "doses": _for_text(connection, self._changes(file, {}, ())),
            **payload,
        }
        to, topic = file.number, Topic.CLOSED
        mail_change(connection, self.store, file, payload, key=key, topic=topic)
        if to is None:
            return
        write_message(
            connection, self.store, kind, to, payload, key=key, topic=topic, booking_id=file.id
        )

    def _told_kind(self) -> str:
        """What a text gives as the reason; of some hours it is not true that a day is closed."""
        some_hours = "from" in self.operation.details.get("wants", {})
        if self.operation.kind == "day_closed" and some_hours:
            return "hours_closed"
        return self.operation.kind

    def _changes(self, file: BookingDetails, to: Doses, goes: Collection[int]) -> list[DoseChange]:
        """What becomes of each dose."""
        told = []
        for appointment in file.live:
            _, centre_id, start = to.get(
                appointment.dose,
                (appointment.place_id, appointment.centre_id, appointment.start_at),
            )
            became = Became.KEPT
            if appointment.dose in to:
                became = Became.MOVED if appointment.dose in goes else Became.MOVED_WITH_FIRST
            told.append(dose_change(appointment, became, centre_id, start))
        return told


def _for_text(connection: Connection, doses: Sequence[DoseChange]) -> list[dict[str, Any]]:
    """Each dose as `change_booking` tells of it; moments carry the centre's zone."""
    where = centre_states(connection, {dose.centre_id for dose in doses})
    return [dose_for_text(dose, where[dose.centre_id]) for dose in doses]


def _where(one: BookedAppointment) -> list[Any]:
    return [one.dose, one.place_id, one.slot_id, one.centre_id, one.start_at.isoformat()]
