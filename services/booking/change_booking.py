"""Cancel, move, restore: what may become of a booking, and what that does to its other dose.

- Cancelling the first dose cancels the second as well: its interval counts from the first.
- Cancelling the second alone keeps the first, and says that a second is missing.
- Moving the first keeps the second where it still is within the campaign's interval, at the same
  centre; else the second moves with it, or nothing moves.
- The second moves within the interval of the first, at the same centre.
- An appointment that has begun stays as it is.
- What was cancelled is kept for ten minutes, so that it can be taken back; only then it is for
  people who wait for a place, and for all.

Each is one transaction, the caller's: places, appointments, a line of history and a message, or
nothing of it. Changes of one booking come one after the other.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import replace
from datetime import date, timedelta
from typing import TypeVar
from zoneinfo import ZoneInfo

from flows.understanding import birthday
from models.booking import bookings, changes, freezes, history, look_up
from models.booking.changes import BookedAppointment, BookingDetails, ChangedMeanwhile, ServiceDone
from models.booking.history import NewestChange
from models.centres.centres import centre_states
from models.database import Connection
from models.partners.bookings import is_mirrored
from services.booking.changed import (
    FIRST,
    SECOND,
    Became,
    By,
    Cancelled,
    Changed,
    Moved,
    Restored,
    Telling,
    Unchanged,
    WhyNot,
    change_from_json,
)
from services.booking.one_change import OneChange, Refused
from services.campaign.campaign import Campaign
from services.slots.allocate import MACHINES, Allocate, Channel, Chosen, Holder, second_days
from services.slots.give_back import UNDO_WITHIN, undoing
from services.store import Store
from services.work import Work

# Any place of a slot will do: Allocate.book needs an id for each dose, and no person holds these.
NO_PLACE = {FIRST: -FIRST, SECOND: -SECOND}
_TOLD_AT_ONCE = Telling()


_Made = TypeVar("_Made", bound=Changed)


def cancel(
    connection: Connection,
    store: Store,
    booking_id: str,
    doses: Collection[int] | None = None,
    *,
    by: By,
    tell: bool = True,
    undo_within: timedelta = UNDO_WITHIN,
    tell_after: timedelta | None = None,
    service: str = "",
) -> Cancelled | Unchanged:
    """Cancel these doses, or all that have not begun; the second goes with the first.

    Of several services each stands for itself. With a `service` only what is done of it is
    cancelled, and its place is given back where nothing else is done there.

    `tell`: its person is written to, `tell_after` that time; not where nothing reaches them. Its
    places are kept to take it back `undo_within`.
    """

    def act(one: OneChange) -> None:
        if by.channel in MACHINES and freezes.is_on(connection, store.clock):
            raise Refused(WhyNot.FROZEN)
        asked = one.live_and_ahead(one.doses_of(service) if service else doses)
        with_first = FIRST in asked and not one.file.of_several
        gone = [dose for dose in one.live if with_first or dose in asked]
        _not_begun(one, gone)
        ended = one.services_of(gone, service)
        # Something else is done there, and the place stays taken.
        go_on = [dose for dose in gone if set(one.live[dose].live_services) - set(ended)]
        for dose in gone:
            follows = with_first and dose != FIRST
            became = Became.CANCELLED_WITH_FIRST if follows else Became.CANCELLED
            one.note(dose, became, of=ended)
        for dose in go_on:
            others = set(one.live[dose].live_services) - set(ended)
            one.note(dose, Became.KEPT, of=sorted(others, key=lambda each: each.id))
        for dose in one.live.keys() - set(gone):
            alone = one.file.of_several
            one.note(dose, Became.KEPT if alone else Became.KEPT_SECOND_MISSING)
        gone = [dose for dose in gone if dose not in go_on]
        one.version = changes.cancel_appointments(connection, store.clock, booking_id, gone, ended)
        one.say_campaign(ended)
        one.keep_for_undo([one.live[dose].place_id for dose in gone], undo_within)

    telling = Telling(tell, tell_after, undo_within)
    return _change(connection, store, booking_id, Cancelled, act, by, telling)


def move(
    connection: Connection,
    store: Store,
    campaign: Campaign,
    holder: Holder,
    booking_id: str,
    *,
    to: Mapping[int, Chosen],
    by: By,
    beside: tuple[Campaign, ...] = (),
    service: str = "",
) -> Moved | Unchanged:
    """Move doses to places that the holder holds, or to any place of their slots.

    The new places are held and booked before the old ones are given back. `to` is by dose; of a
    Chosen, the slot decides where and when, and place 0 is any place of it. What else the holder
    holds is given back, unless nothing is changed.

    `beside` are the campaigns of what else is done in these doses. With a `service` only what is
    done of it moves: out of a place that it shares with another service it gets one of its own.
    """

    def act(one: OneChange) -> None:
        stays = one.commitments_beside(to, service)
        work = Work(connection, store, campaign, beside, commitments=stays)
        allocator = Allocate(work, holder)
        shared = one.shared_with_others(service, to)
        if shared:
            _split(one, allocator, service, shared, to[shared])
            return
        there = one.book(allocator, _Target(one, allocator, to).places())
        one.version = changes.move_appointments(connection, store.clock, booking_id, there)
        for dose in one.live:
            if dose in there:
                became = Became.MOVED if dose in to else Became.MOVED_WITH_FIRST
                one.note(dose, became, to=there[dose])
            else:
                one.note(dose, Became.KEPT)
        one.free(one.live[dose].place_id for dose in there)

    return _change(connection, store, booking_id, Moved, act, by)


def undo_cancel(
    connection: Connection,
    store: Store,
    campaign: Campaign,
    holder: Holder,
    booking_id: str,
    *,
    by: By,
    tell: bool = True,
    undo_within: timedelta = UNDO_WITHIN,
) -> Restored | Unchanged:
    """Take the newest change back if it is a cancellation of less than ten minutes ago.

    `undo_within` is another time, where `cancel` was given it. All that it cancelled comes back, at
    the very same times, or nothing. Its places are kept for this; only where one was blocked since,
    they may be gone. Without `tell` no person is written to.
    """

    def act(one: OneChange) -> None:
        newest = _newest(connection, store, one.file, undo_within)
        lost, ended = _cancelled_last(store, one.file, newest)
        _nobody_else(one)
        keeper = replace(holder, id=undoing(booking_id))
        off = {dose: each for dose, each in lost.items() if dose not in one.live}
        there = one.book(Allocate(Work(connection, store, campaign), keeper), off) if off else {}
        one.version = changes.restore_appointments(
            connection, store.clock, booking_id, there, ended
        )
        for dose, each in one.live.items():
            one.note(dose, Became.KEPT, of=each.live_services if dose in lost else ())
        for dose in lost:
            one.note(dose, Became.RESTORED, to=there.get(dose), of=ended)

    telling = Telling(tell)
    return _change(connection, store, booking_id, Restored, act, by, telling)


def undoable(connection: Connection, store: Store, file: BookingDetails) -> bool:
    """Whether the newest change is a cancellation that can be taken back now.

    The same statements for any booking, and for one that is not there.
    """
    return is_undoable(store, file, _newest(connection, store, file))


def is_undoable(store: Store, file: BookingDetails, newest: NewestChange) -> bool:
    """The same by the newest change, as it was read for UNDO_WITHIN."""
    try:
        _cancelled_last(store, file, newest)
    except Refused:
        return False
    return True


def _change(  # noqa: PLR0917 (what all three changes share)
    connection: Connection,
    store: Store,
    booking_id: str,
    made: type[_Made],
    act: Callable[[OneChange], None],
    by: By,
    telling: Telling = _TOLD_AT_ONCE,
) -> _Made | Unchanged:
    """Lock a booking for one change; where `act` refuses, nothing is changed."""
    try:
        # Allocate.book takes a booking's places back when it fails, the old ones too: hence all of
        # a change lies in a savepoint.
        with connection.begin_nested():
            file = changes.load(connection, store.vault, booking_id, lock=True)
            if file is None:
                return Unchanged(WhyNot.UNKNOWN)
            for line in history.of_booking(connection, booking_id) if by.key else ():
                details = line.change.details
                if line.change.what == made.what and details.get("key") == by.key:
                    doses = tuple(map(change_from_json, details["doses"]))
                    return made(details["version"], doses, repeated=True)
            if by.seen is not None and by.seen != file.version:
                return Unchanged(WhyNot.CHANGED)
            one = OneChange(connection, store, file, made.what, by)
            act(one)
            return made(one.version, one.told(), one.finish(made.message, telling))
    except Refused as refused:
        return Unchanged(refused.args[0])
    except ChangedMeanwhile:
        return Unchanged(made.meanwhile)


def _split(one: OneChange, allocator: Allocate, service: str, dose: int, chosen: Chosen) -> None:
    """Move what is done of a service out of an appointment of several, into one of its own."""
    moving = one.services_of([dose], service)
    new = max(each.dose for each in one.file.appointments) + 1
    where = _Target(one, allocator, {dose: chosen}, moving).places()[dose]
    there = one.book(allocator, {new: replace(where, dose=new)})
    one.version = changes.split_appointment(
        one.connection,
        one.store.clock,
        one.file.id,
        new,
        there[new],
        moving,
        one.live[dose].state,
    )
    one.note(new, Became.MOVED, to=there[new], of=moving, was=one.live[dose])
    for each in one.live:
        stays = [done for done in one.services_of([each]) if done not in moving]
        one.note(each, Became.KEPT, of=stays)


class _Target:
    """Where the doses of a booking shall be after a move, and whether that may be.

    `moving` is what is done in them and moves; None: all of it.
    """

    def __init__(
        self,
        one: OneChange,
        allocator: Allocate,
        to: Mapping[int, Chosen],
        moving: Collection[ServiceDone] | None = None,
    ) -> None:
        if not to or not set(to) <= set(one.live):
            raise Refused(WhyNot.NOT_LIVE)
        theirs = one.services_of(to) if moving is None else moving
        names = {each.campaign for each in theirs} or {one.file.campaign}
        # The new place must serve all of what moves.
        if names != {each.name for each in allocator.campaigns}:
            raise Refused(WhyNot.OTHER_CAMPAIGN)
        _not_begun(one, to)
        starts = changes.slot_starts(one.connection, [each.slot_id for each in to.values()])
        self._moving: dict[int, BookedAppointment] = {}
        for dose, each in sorted(to.items()):
            if each.slot_id not in starts:
                raise Refused(WhyNot.NOT_OFFERED)
            centre_id, start_at = starts[each.slot_id]
            if start_at <= one.store.clock.now():
                raise Refused(WhyNot.BEGUN)
            # Asked along with the other dose, it may be there already.
            if one.live[dose].slot_id != each.slot_id:
                place_id = each.place_id or NO_PLACE[dose]
                self._moving[dose] = BookedAppointment(
                    dose, place_id, each.slot_id, centre_id, start_at, "confirmed"
                )
        if not self._moving:
            raise Refused(WhyNot.ALREADY_THERE)
        self._one = one
        self._allocator = allocator
        self._asked = to
        self._after = one.live | self._moving
        self._centres = centre_states(
            one.connection, {each.centre_id for each in self._after.values()}
        )

    def places(self) -> dict[int, BookedAppointment]:
        """What to book, by dose: what was asked, and a second found for a first that moves."""
        if not all(self._is_offered(each.centre_id) for each in self._moving.values()):
            raise Refused(WhyNot.NOT_OFFERED)
        for each in self._moving.values():
            if not self._old_enough(each):
                raise Refused(WhyNot.TOO_YOUNG)
        if not self._allocator.leaves_time([each.slot_id for each in self._moving.values()]):
            raise Refused(WhyNot.NO_TIME)
        pair = {FIRST, SECOND} <= set(self._after) and not self._one.file.of_several
        why = self._why_not_together() if pair else None
        if why is None:
            return self._moving
        if SECOND in self._asked:
            raise Refused(why)
        first = self._after[FIRST]
        second = self._allocator.hold_second(first.start_at, first.centre_id, self._zone())
        if second is None:
            raise Refused(WhyNot.NO_SECOND)
        where = (second.place_id, second.slot_id, second.centre_id, second.start_at)
        return self._moving | {SECOND: BookedAppointment(SECOND, *where, "confirmed")}

    def _is_offered(self, centre_id: str) -> bool:
        if self._allocator.holder.channel is not Channel.SUPERVISOR:
            return self._centres[centre_id].bookable
        # A supervisor may move a booking to any centre except a mirrored one: its slots belong to
        # the partner.
        return not is_mirrored(self._one.connection, centre_id)

    def _old_enough(self, there: BookedAppointment) -> bool:
        # What groups were certified is not kept: a person let in at an age still is.
        born = self._one.file.born
        if born is None:
            return True
        zone = ZoneInfo(self._centres[there.centre_id].time_zone)
        day, before = (
            dose.start_at.astimezone(zone).date() for dose in (there, self._one.live[there.dose])
        )
        if _age_on(born, day) >= _age_on(born, before):
            return True
        return all(each.eligible_on(born, day) is not None for each in self._allocator.campaigns)

    def _zone(self) -> ZoneInfo:
        return ZoneInfo(self._centres[self._after[FIRST].centre_id].time_zone)

    def _why_not_together(self) -> WhyNot | None:
        first, second = self._after[FIRST], self._after[SECOND]
        if first.centre_id != second.centre_id:
            return WhyNot.OTHER_CENTRE
        window = second_days(self._allocator.campaign, first.start_at, self._zone())
        return None if window[0] <= second.start_at < window[1] else WhyNot.INTERVAL


def _age_on(born: date, day: date) -> int:
    """Whole years; who was born on 29 February is older on 1 March in other years."""
    years = day.year - born.year
    return years - (birthday(born, years) > day)


def _not_begun(one: OneChange, doses: Iterable[int]) -> None:
    if any(one.live[dose].start_at <= one.store.clock.now() for dose in doses):
        raise Refused(WhyNot.BEGUN)


def _newest(
    connection: Connection,
    store: Store,
    file: BookingDetails,
    within: timedelta = UNDO_WITHIN,
) -> NewestChange:
    # A "will attend" reply is not a change, so it does not end the undo window.
    return history.newest_change(connection, store.clock, file.id, within)


def _cancelled_last(
    store: Store, file: BookingDetails, last: NewestChange
) -> tuple[dict[int, BookedAppointment], list[ServiceDone]]:
    """The appointments that the newest change cancelled, and that have not begun, by dose.

    And what was cancelled in them, where services have names.
    """
    newest = last.change
    if newest is None or newest.what != "cancelled" or "doses" not in newest.details:
        raise Refused(WhyNot.NOT_CANCELLED)
    if newest.details.get("version") != file.version:
        raise Refused(WhyNot.CHANGED)
    if not last.is_recent:
        raise Refused(WhyNot.TOO_LATE)
    gone = {Became.CANCELLED, Became.CANCELLED_WITH_FIRST}
    doses = {
        each["dose"]: each.get("services", ())
        for each in newest.details["doses"]
        if each["became"] in gone
    }
    lost = {each.dose: each for each in file.appointments if each.dose in doses}
    ended = [
        done
        for dose, each in lost.items()
        for done in each.services
        if done.service in doses[dose] and not done.is_live
    ]
    if any(each.start_at <= store.clock.now() for each in lost.values()):
        raise Refused(WhyNot.BEGUN)
    return lost, ended


def _nobody_else(one: OneChange) -> None:
    file = one.file
    if file.born is None or file.number is None:
        return
    person = bookings.person_idx(one.store.vault, file.campaign, file.born, file.number, file.rank)
    # The first dose may be live in this very booking, and then only the second comes back.
    found = person and look_up.find_person(one.connection, person)
    # A stand-in's person has another booking in any case, and no person is to learn that.
    if found not in {None, file.id} and not file.is_stand_in:
        raise Refused(WhyNot.BOOKED_AGAIN)
