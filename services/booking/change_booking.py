"""Cancel, move, restore: what may become of a booking, and what that does to its other dose.

- Cancelling the first dose cancels the second as well: its interval counts from the first.
- Cancelling the second alone keeps the first, and says that a second is missing.
- Moving the first keeps the second where it still is within the campaign's interval, at the same
  centre; else the second moves with it, or nothing moves.
- The second moves within the interval of the first, at the same centre.
- An appointment that has begun stays as it is.
- What was cancelled is kept for ten minutes, so that it can be taken back; only then it is for
  whoever waits for a place, and for all.

Each is one transaction, the caller's: places, appointments, a line of history and a message, or
nothing of it. Changes of one booking come one after the other.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Any, ClassVar, TypeVar
from zoneinfo import ZoneInfo

from flows.session import Commitment
from flows.understanding import birthday
from models.booking import bookings, changes, freezes, history
from models.booking.changes import (
    BookedAppointment,
    BookingDetails,
    ChangedMeanwhile,
    ServiceDone,
)
from models.booking.history import Change, NewestChange
from models.centres.centres import CentreState, centre_states
from models.database import Connection
from models.desk import cases
from models.partners.bookings import is_mirrored
from services.booking import stand_in
from services.booking.partner_message import follow
from services.campaign.campaign import Campaign
from services.messages.mails import mail_change
from services.messages.topics import topic_of_change
from services.messages.write_message import write_message
from services.slots.allocate import MACHINES, Allocate, Channel, Chosen, Holder, second_days
from services.slots.give_back import (
    UNDO_WITHIN,
    give_back_holds,
    give_back_places,
    keep_for_undo,
    undoing,
)
from services.store import Store
from services.work import Work

FIRST, SECOND = 1, 2
# Any place of a slot will do: Allocate.book needs an id for each dose, and nobody holds these.
NO_PLACE = {FIRST: -FIRST, SECOND: -SECOND}
MOST_WHY = 80
# The kind of the case of a person for whom a place out of reach is kept: an agent asks them.
FAR_PLACE = "far_place"
# Who changes by these has asked for it, or talks with whoever does.
_BY_THEMSELVES = frozenset({Channel.PHONE, Channel.WEB, Channel.AGENT})


class Became(StrEnum):
    """What happened to one dose. Words for each are to be found under these keys."""

    CANCELLED = "cancelled"
    CANCELLED_WITH_FIRST = "cancelled_with_first"
    KEPT = "kept"
    KEPT_SECOND_MISSING = "kept_second_missing"
    MOVED = "moved"
    MOVED_WITH_FIRST = "moved_with_first"
    RESTORED = "restored"


class WhyNot(StrEnum):
    """Why nothing was changed."""

    UNKNOWN = "unknown"
    # The dose, or the whole booking, is cancelled already, or was never booked.
    NOT_LIVE = "not_live"
    BEGUN = "begun"
    # It is not what whoever asks has seen: somebody else changed it meanwhile.
    CHANGED = "changed"
    ALREADY_THERE = "already_there"
    GONE = "gone"
    # The centre takes nobody through us, or there is no such slot.
    NOT_OFFERED = "not_offered"
    # The second would not be within the interval of the first.
    INTERVAL = "interval"
    # Between this and what else the person has, there is no time to get from one to the other.
    NO_TIME = "no_time"
    OTHER_CENTRE = "other_centre"
    # The first may move, but no second is free within the interval of its new day.
    NO_SECOND = "no_second"
    OTHER_CAMPAIGN = "other_campaign"
    # Who may come on the day booked is not old enough yet on the new one.
    TOO_YOUNG = "too_young"
    # Restoring: the newest change is no cancellation, or one of too long ago.
    NOT_CANCELLED = "not_cancelled"
    TOO_LATE = "too_late"
    # Restoring: the person has another appointment by now.
    BOOKED_AGAIN = "booked_again"
    # Only an agent cancels for the moment: too many were cancelled by machine.
    FROZEN = "frozen"


@dataclass(frozen=True)
class By:
    """Who changes a booking, through which channel, and why.

    `why` is a word of models.booking.history, or what an operator typed (80 letters, sealed there).
    `key` makes a change happen once: with the same key it is answered as before. `seen` is the
    version of the booking that whoever asks was told about; None when that does not matter.
    """

    who: str
    channel: Channel
    why: str = ""
    key: str = ""
    seen: int | None = None


@dataclass(frozen=True)
class Telling:
    """Whether a person is written to, and after how long; and until when it can be taken back."""

    tell: bool = True
    after: timedelta | None = None
    undo_within: timedelta = UNDO_WITHIN


@dataclass(frozen=True)
class DoseChange:
    """One dose after a change; `start_at` (UTC) is when it is, or would have been.

    Of one that moved, `was_at` (UTC) is when it was before, and `was_centre_id` where; of one whose
    hour and centre are the same as before, None and empty.
    """

    dose: int
    became: Became
    centre_id: str
    start_at: datetime
    was_at: datetime | None = None
    was_centre_id: str = ""
    # Of which services, where these have names; empty: of all that is done there.
    services: tuple[str, ...] = ()


@dataclass(frozen=True)
class Changed:
    """What happened, dose by dose. `message_id` is None where there is no phone to tell.

    `repeated` says that this very change (by its key) was made before, and nothing was done now.
    """

    # In the history; the kind of the message; why it was not done where another was quicker.
    what: ClassVar[str]
    message: ClassVar[str] = "booking_changed"
    meanwhile: ClassVar[WhyNot] = WhyNot.CHANGED

    version: int
    doses: tuple[DoseChange, ...]
    message_id: str | None = None
    repeated: bool = False

    def became(self, dose: int) -> Became | None:
        """What became of a dose; None for one that had been cancelled before."""
        return next((one.became for one in self.doses if one.dose == dose), None)


class Cancelled(Changed):
    """Some or all doses are cancelled."""

    what, message = "cancelled", "booking_cancelled"


class Moved(Changed):
    """One or both doses are elsewhere now."""

    what = "moved"


class Restored(Changed):
    """A cancellation was taken back."""

    what = "restored"
    # Under the lock only the person's own key can stand in the way.
    meanwhile = WhyNot.BOOKED_AGAIN


_Made = TypeVar("_Made", bound=Changed)


@dataclass(frozen=True)
class Unchanged:
    """Nothing was changed."""

    why: WhyNot


class _Refused(Exception):
    """Its argument is a WhyNot."""


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

    def act(one: _OneChange) -> None:
        if by.channel in MACHINES and freezes.is_on(connection, store.clock):
            raise _Refused(WhyNot.FROZEN)
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

    def act(one: _OneChange) -> None:
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
    they may be gone. Without `tell` nobody is written to.
    """

    def act(one: _OneChange) -> None:
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
    except _Refused:
        return False
    return True


def _change(  # noqa: PLR0917 (what all three changes share)
    connection: Connection,
    store: Store,
    booking_id: str,
    made: type[_Made],
    act: Callable[[_OneChange], None],
    by: By,
    telling: Telling = Telling(),
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
                    doses = tuple(map(_from_json, details["doses"]))
                    return made(details["version"], doses, repeated=True)
            if by.seen is not None and by.seen != file.version:
                return Unchanged(WhyNot.CHANGED)
            one = _OneChange(connection, store, file, made.what, by)
            act(one)
            return made(one.version, one.told(), one.finish(made.message, telling))
    except _Refused as refused:
        return Unchanged(refused.args[0])
    except ChangedMeanwhile:
        return Unchanged(made.meanwhile)


@dataclass
class _OneChange:
    """A locked booking, and what has been done to it so far."""

    connection: Connection
    store: Store
    file: BookingDetails
    what: str
    by: By

    def __post_init__(self) -> None:
        self.live = {one.dose: one for one in self.file.live}
        self.version = self.file.version
        self._told: dict[tuple[int, tuple[str, ...]], DoseChange] = {}
        self._places: dict[str, list[int]] = {}

    def live_and_ahead(self, doses: Collection[int] | None) -> list[int]:
        """The live ones of these doses; without any given, the live ones that have not begun."""
        if doses is not None:
            asked = [dose for dose in self.live if dose in doses]
        else:
            now = self.store.clock.now()
            asked = [dose for dose, one in self.live.items() if one.start_at > now]
        if not asked:
            begun = doses is None and bool(self.live)
            raise _Refused(WhyNot.BEGUN if begun else WhyNot.NOT_LIVE)
        return asked

    def doses_of(self, service: str) -> list[int]:
        """The live doses in which something of this service is done."""
        return [
            dose
            for dose, one in self.live.items()
            if any(each.service == service for each in one.live_services)
        ]

    def services_of(self, doses: Collection[int], service: str = "") -> list[ServiceDone]:
        """What is done in these live doses, of one service or of all."""
        return [
            each
            for dose in doses
            for each in self.live[dose].live_services
            if service in {"", each.service}
        ]

    def shared_with_others(self, service: str, doses: Collection[int]) -> int:
        """The dose, of these, in which another service is done beside this one; 0 for none.

        Raises _Refused where the service is done in none of them.
        """
        if not service:
            return 0
        theirs = self.doses_of(service)
        if not doses or not set(doses) <= set(theirs):
            raise _Refused(WhyNot.NOT_LIVE)
        others = (
            dose
            for dose in doses
            if any(each.service != service for each in self.live[dose].live_services)
        )
        return next(others, 0)

    def commitments_beside(self, doses: Collection[int], service: str) -> tuple[Commitment, ...]:
        """What else its person comes for, where these doses move, or this service in them.

        Two doses are days apart.
        """
        if not self.file.of_several:
            return ()
        return tuple(
            Commitment(self.file.reference, one.centre_id, one.start_at.isoformat())
            for dose, one in self.live.items()
            if dose not in doses or (service and self.shared_with_others(service, [dose]))
        )

    def say_campaign(self, ended: Collection[ServiceDone]) -> None:
        """A booking is of a campaign of which something is done still."""
        left = [each for each in self.services_of(self.live) if each not in ended]
        if left and self.file.campaign not in {each.campaign for each in left}:
            changes.set_campaign(self.connection, self.file.id, left[0].campaign)

    def note(
        self,
        dose: int,
        became: Became,
        *,
        to: tuple[int, str, datetime] | None = None,
        of: Collection[ServiceDone] = (),
        was: BookedAppointment | None = None,
    ) -> None:
        """Remember what became of a dose, for the answer, the history and the message.

        `of` are the services of which it is said, in this dose and others; empty: of all. `was` is
        where it was, if it had another number.
        """
        was = was or next(one for one in self.file.appointments if one.dose == dose)
        services = tuple(each.service for each in was.services if each in of)
        place_id, centre_id, start_at = to or (was.place_id, was.centre_id, was.start_at)
        if to is not None:
            self._places.setdefault("taken", []).append(place_id)
        told = dose_change(was, became, centre_id, start_at)
        self._told[dose, services] = replace(told, dose=dose, services=services)

    def told(self) -> tuple[DoseChange, ...]:
        return tuple(self._told[key] for key in sorted(self._told))

    def book(
        self, allocator: Allocate, where: Mapping[int, BookedAppointment]
    ) -> dict[int, tuple[int, str, datetime]]:
        """Book these places, or others of their slots; gives for each dose what was booked."""
        has_none = self.file.is_stand_in
        if has_none and self.what == Restored.what:
            # Nothing was kept for it, and it needs no place.
            return {one.dose: (one.place_id, one.centre_id, one.start_at) for one in where.values()}
        place_ids = allocator.book(list(where.values()), self.file.id, stand_in=has_none)
        if place_ids is None:
            raise _Refused(WhyNot.GONE)
        return {
            each.dose: (place_id, each.centre_id, each.start_at)
            for each, place_id in zip(where.values(), place_ids, strict=True)
        }

    def free(self, place_ids: Iterable[int]) -> None:
        """Give places back, and say so before anybody can see them."""
        freed = list(place_ids)
        self._places["freed"] = freed
        give_back_places(self.connection, self.file.id, freed)
        self._publish(freed + self._kept_before())

    def keep_for_undo(self, place_ids: list[int], within: timedelta) -> None:
        """Give places back, but to nobody else for the next minutes."""
        self._places["freed"] = place_ids
        kept_before = self._kept_before()
        if self.file.is_stand_in:
            # It had none of them.
            place_ids = []
        blocked = keep_for_undo(self.connection, self.store, self.file.id, place_ids, within=within)
        self._publish(kept_before + blocked)

    def _kept_before(self) -> list[int]:
        """Places of an earlier cancellation, which nobody can take back after this change."""
        return give_back_holds(self.connection, undoing(self.file.id))

    def _publish(self, freed: list[int]) -> None:
        self.store.publish_places_freed(self.connection, freed, self.file.campaign)

    def finish(self, kind: str, telling: Telling) -> str | None:
        """Write the line of history and the message; gives the message's id if there is one."""
        by = self.by
        details: dict[str, Any] = {
            "version": self.version,
            "doses": [change_to_json(one) for one in self.told()],
            **self._places,
        }
        if by.key:
            details["key"] = by.key
        why = by.why[:MOST_WHY]
        line = Change(by.who, by.channel, self.what, why, details)
        history.add(self.connection, self.store.clock, self.store.vault, self.file.id, line)
        # A person who chose something else, or nothing, need not be asked any more.
        cases.close_of_booking(self.connection, self.store.clock, self.file.id, FAR_PLACE)
        undo_within = telling.undo_within if self.what == "cancelled" else None
        follow(self.connection, self.store, self.file.id, self.version, undo_within=undo_within)
        return self._tell(kind, telling.after) if telling.tell else None

    def _tell(self, kind: str, after: timedelta | None) -> str | None:
        file = self.file
        if file.number is None and file.mail is None:
            return None
        where = centre_states(self.connection, {one.centre_id for one in self._told.values()})
        payload = {
            "what": self.what,
            # Whoever did it themselves waits for it with the telephone in the hand.
            "asked": self.by.channel in _BY_THEMSELVES,
            "reference": file.reference,
            "version": self.version,
            "doses": [dose_for_text(one, where[one.centre_id]) for one in self.told()],
        }
        key, topic = f"{kind}:{file.id}:{self.version}", topic_of_change(self.what)
        mailed = mail_change(self.connection, self.store, file, payload, key=key, topic=topic)
        if file.number is None:
            return mailed
        if file.is_stand_in:
            booking_id = stand_in.behind(self.connection, self.store, file)
            return stand_in.tell(self.connection, self.store, file.number, booking_id)
        return write_message(
            self.connection,
            self.store,
            kind,
            file.number,
            payload,
            key=key,
            topic=topic,
            booking_id=file.id,
            due_at=self.store.clock.now() + after if after else None,
        )


def _split(one: _OneChange, allocator: Allocate, service: str, dose: int, chosen: Chosen) -> None:
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
        one: _OneChange,
        allocator: Allocate,
        to: Mapping[int, Chosen],
        moving: Collection[ServiceDone] | None = None,
    ) -> None:
        if not to or not set(to) <= set(one.live):
            raise _Refused(WhyNot.NOT_LIVE)
        theirs = one.services_of(to) if moving is None else moving
        names = {each.campaign for each in theirs} or {one.file.campaign}
        # The new place must serve all of what moves.
        if names != {each.name for each in allocator.campaigns}:
            raise _Refused(WhyNot.OTHER_CAMPAIGN)
        _not_begun(one, to)
        starts = changes.slot_starts(one.connection, [each.slot_id for each in to.values()])
        self._moving: dict[int, BookedAppointment] = {}
        for dose, each in sorted(to.items()):
            if each.slot_id not in starts:
                raise _Refused(WhyNot.NOT_OFFERED)
            centre_id, start_at = starts[each.slot_id]
            if start_at <= one.store.clock.now():
                raise _Refused(WhyNot.BEGUN)
            # Asked along with the other dose, it may be there already.
            if one.live[dose].slot_id != each.slot_id:
                place_id = each.place_id or NO_PLACE[dose]
                self._moving[dose] = BookedAppointment(
                    dose, place_id, each.slot_id, centre_id, start_at, "confirmed"
                )
        if not self._moving:
            raise _Refused(WhyNot.ALREADY_THERE)
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
            raise _Refused(WhyNot.NOT_OFFERED)
        for each in self._moving.values():
            if not self._old_enough(each):
                raise _Refused(WhyNot.TOO_YOUNG)
        if not self._allocator.leaves_time([each.slot_id for each in self._moving.values()]):
            raise _Refused(WhyNot.NO_TIME)
        pair = {FIRST, SECOND} <= set(self._after) and not self._one.file.of_several
        why = self._why_not_together() if pair else None
        if why is None:
            return self._moving
        if SECOND in self._asked:
            raise _Refused(why)
        first = self._after[FIRST]
        second = self._allocator.hold_second(first.start_at, first.centre_id, self._zone())
        if second is None:
            raise _Refused(WhyNot.NO_SECOND)
        where = (second.place_id, second.slot_id, second.centre_id, second.start_at)
        return self._moving | {SECOND: BookedAppointment(SECOND, *where, "confirmed")}

    def _is_offered(self, centre_id: str) -> bool:
        if self._allocator.holder.channel is not Channel.SUPERVISOR:
            return self._centres[centre_id].bookable
        # A supervisor may move a booking to any centre except a mirrored one: its slots belong to
        # the partner.
        return not is_mirrored(self._one.connection, centre_id)

    def _old_enough(self, there: BookedAppointment) -> bool:
        # What groups were certified is not kept: whoever was let in at an age still is.
        born = self._one.file.born
        if born is None:
            return True
        zone = ZoneInfo(self._centres[there.centre_id].time_zone)
        day, before = (
            one.start_at.astimezone(zone).date() for one in (there, self._one.live[there.dose])
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


def _not_begun(one: _OneChange, doses: Iterable[int]) -> None:
    if any(one.live[dose].start_at <= one.store.clock.now() for dose in doses):
        raise _Refused(WhyNot.BEGUN)


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
        raise _Refused(WhyNot.NOT_CANCELLED)
    if newest.details.get("version") != file.version:
        raise _Refused(WhyNot.CHANGED)
    if not last.is_recent:
        raise _Refused(WhyNot.TOO_LATE)
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
        raise _Refused(WhyNot.BEGUN)
    return lost, ended


def _nobody_else(one: _OneChange) -> None:
    file = one.file
    if file.born is None or file.number is None:
        return
    person = bookings.person_idx(one.store.vault, file.campaign, file.born, file.number, file.rank)
    # The first dose may be live in this very booking, and then only the second comes back.
    found = person and bookings.find_person(one.connection, person)
    # A stand-in's person has another booking in any case, and nobody is to learn that.
    if found not in {None, file.id} and not file.is_stand_in:
        raise _Refused(WhyNot.BOOKED_AGAIN)


def dose_change(
    was: BookedAppointment, became: Became, centre_id: str, start_at: datetime
) -> DoseChange:
    """What is told of a dose that is at this centre and moment (UTC) after a change."""
    change = DoseChange(was.dose, became, centre_id, start_at)
    if became is Became.RESTORED or (centre_id, start_at) == (was.centre_id, was.start_at):
        return change
    return replace(change, was_at=was.start_at, was_centre_id=was.centre_id)


def change_to_json(one: DoseChange) -> dict[str, Any]:
    """As the history keeps it."""
    was_at = one.was_at.isoformat() if one.was_at else None
    told = asdict(one) | {"start_at": one.start_at.isoformat(), "was_at": was_at}
    if not one.services:
        del told["services"]
    return told


def _from_json(fields: Mapping[str, Any]) -> DoseChange:
    was_at = datetime.fromisoformat(fields["was_at"]) if fields["was_at"] else None
    start_at = datetime.fromisoformat(fields["start_at"])
    known = {"became": Became(fields["became"]), "start_at": start_at, "was_at": was_at}
    known["services"] = tuple(fields.get("services", ()))
    return DoseChange(**{**fields, **known})


def dose_for_text(one: DoseChange, where: CentreState) -> dict[str, Any]:
    """What a text about this dose needs; moments carry the centre's own zone."""
    zone = ZoneInfo(where.time_zone)
    return {
        "dose": one.dose,
        "became": one.became,
        "start": one.start_at.astimezone(zone).isoformat(),
        "was": one.was_at.astimezone(zone).isoformat() if one.was_at else None,
        "was_centre_id": one.was_centre_id,
        "time_zone": where.time_zone,
        "centre_id": where.id,
        "name": where.name,
        "street": where.street,
        "postcode": where.postcode,
        "town": where.town,
        **({"services": list(one.services)} if one.services else {}),
    }
