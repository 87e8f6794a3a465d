"""The one door to places: every channel that takes one comes through here.

Places are given back in services/slots/give_back.py. Nothing else in the project writes who holds
or has a place (a test reads the code for it), and behind both stands `uq_appointment_place`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

from models.booking.changes import BookedAppointment, slot_starts
from models.rows import record
from models.slots import places, slot_query
from models.slots.places import FreeCentres, HeldPlace
from models.slots.slot_query import Apart, Share, SlotQuery, Window
from services.campaign.campaign import TWO_PLACES, Campaign, places_of
from services.campaign.phone_share import phone_floor
from services.slots.leave_time import busy, leaves_time
from services.work import Work


class Channel(StrEnum):
    """Who comes to the door."""

    PHONE = "phone"
    AGENT = "agent"
    WEB = "web"
    PARTNER = "partner"
    # A freed place goes to the longest waiting; a supervisor moves people when a centre closes.
    WAITING = "waiting"
    SUPERVISOR = "supervisor"
    # The service itself frees what no person could be told of.
    SYSTEM = "system"


# Where no person of ours looks at what is asked for.
MACHINES = frozenset({Channel.PHONE, Channel.WEB})
# Staff, who have the file before them.
STAFF = frozenset({Channel.AGENT, Channel.SUPERVISOR})
# The telephone's share is for those who have nothing else: a caller, or an agent for a caller.
_WITHOUT_SHARE = frozenset({Channel.WEB, Channel.PARTNER})
_MOMENT = timedelta(seconds=1)


@record(frozen=True)
class Holder:
    """`id` names a call, a web session, a desk: it has one set of live holds (40 letters)."""

    channel: Channel
    id: str


@record(frozen=True)
class Chosen:
    """A place to be booked, with the slot it is of: where it went, another of the slot will do.

    `start_at` is UTC.
    """

    place_id: int
    slot_id: int
    start_at: datetime


@record(frozen=True)
class Pair:
    """The first appointment and, where the campaign has two doses, the second."""

    first: HeldPlace
    second: HeldPlace | None = None

    @property
    def places(self) -> tuple[HeldPlace, ...]:
        return (self.first,) if self.second is None else (self.first, self.second)


class Allocate:
    """Take places for one holder, in the caller's transaction."""

    def __init__(self, work: Work, holder: Holder) -> None:
        self.work = work
        self.connection = work.connection
        self.store = work.store
        self.campaign = work.campaign
        self.campaigns = work.campaigns
        self.holder = holder
        in_two = work.beside and places_of(work.campaigns) == TWO_PLACES
        # What one place must serve, and what the place beside it.
        self._services = work.services[:1] if in_two else work.services
        self._beside = work.services[1:] if in_two else ()
        self._apart = (
            Apart(*work.campaign.second_after_days)
            if work.campaign.doses > 1 and not work.beside
            else None
        )
        self._floor: int | None = None

    def wish(
        self,
        windows: tuple[Window, ...],
        skip_slots: tuple[int, ...] = (),
        zone: ZoneInfo | None = None,
    ) -> SlotQuery:
        """First appointments in these windows (UTC) that this holder may have.

        `zone` is that of the centres, where they have one and the same.
        """
        return SlotQuery(
            windows,
            skip_slots=skip_slots,
            share=self.share(),
            apart=self._apart,
            zone=zone.key if zone else "",
            services=self._services,
            beside=self._beside,
        )

    def share(self) -> Share | None:
        """Which places the holder may have; None means all.

        A share of each centre is for the telephone and for agents until shortly before; what is
        left of it then is for all, so that it does not rot.
        """
        if self.holder.channel not in _WITHOUT_SHARE:
            return None
        if self._floor is None:
            self._floor = phone_floor(self.connection, self.campaign)
        if not self._floor:
            return None
        return Share(self._floor, self.store.clock.now() + self.campaign.phone_share_until)

    def look(self, centre_ids: Sequence[str], wish: SlotQuery, *, nearest: int) -> FreeCentres:
        """Look without taking for the first `nearest` centres with a free place.

        Places of all centres are counted, no further than to `campaign.few_places`.
        """
        return places.look(
            self.connection,
            self.store.clock,
            centre_ids,
            self._in_time(centre_ids, wish),
            nearest=nearest,
            count_up_to=self.campaign.few_places,
        )

    def hold(
        self,
        centre_ids: Sequence[str],
        wish: SlotQuery,
        zone: ZoneInfo,
        *,
        patient: bool = False,
    ) -> list[Pair]:
        """Hold the earliest place at each centre, with its second where there are two doses.

        So with the place beside it, where two services take two. A first one whose second was just
        taken by another person is given back at once. `zone` is that of the centres.
        """
        held = self._hold(centre_ids, wish, patient=patient)
        if self._apart is None and not self._beside:
            return [Pair(held_place) for held_place in held]
        return self._with_second(held, zone, patient=patient)

    def hold_second(self, first: datetime, centre_id: str, zone: ZoneInfo) -> HeldPlace | None:
        """Hold a second appointment for a first one that starts at `first` (UTC)."""
        found = self._seconds({centre_id: first}, zone)
        return found.get(centre_id)

    def hold_slot(self, slot_id: int, *, second: bool = False) -> HeldPlace | None:
        """Hold any place of one slot; None when the holder can have none of it.

        `second`: it is the place beside, where two services take two.
        """
        held = places.hold_slot(
            self.connection,
            self.store.clock,
            self.holder.id,
            slot_id,
            share=self.share(),
            services=self._beside if second and self._beside else self._services,
            lease=self.campaign.hold_lease,
            longest=self.campaign.hold_longest,
        )
        return held[0] if held else None

    def leaves_time(self, slot_ids: Sequence[int]) -> bool:
        """Whether appointments in these slots leave time for what their people have already."""
        if not self.work.commitments:
            return True
        return leaves_time(self.work, slot_starts(self.connection, slot_ids).values())

    def book(
        self,
        chosen: Sequence[Chosen | HeldPlace | BookedAppointment],
        booking_id: str,
        *,
        stand_in: bool = False,
    ) -> tuple[int, ...] | None:
        """Book all of these places or none; what else the holder holds is given back.

        `stand_in`: none is booked, all are free at once, and by the statements no person can tell.

        Gives the places in the order of `chosen`: where a hold ran out, another place of the same
        slot may be in its stead. None when a slot has none left, or leaves no time for what its
        person has already: nothing is booked then.
        """
        if not self.leaves_time([place.slot_id for place in chosen]):
            return None
        wanted = {place.place_id: place.place_id for place in chosen}
        take = self._give_up if stand_in else self._book
        booked = take(list(wanted), booking_id)
        for number, one in enumerate(chosen):
            if one.place_id in booked:
                continue
            # A hold that ran out is never confirmed; but the same slot may have another place.
            again = self.hold_slot(one.slot_id, second=number > 0)
            if again is None or not take([again.place_id], booking_id):
                places.unbook(self.connection, booking_id)
                return None
            wanted[one.place_id] = again.place_id
        return tuple(wanted[place.place_id] for place in chosen)

    def _book(self, place_ids: list[int], booking_id: str) -> frozenset[int]:
        return places.book(self.connection, self.store.clock, self.holder.id, place_ids, booking_id)

    def _give_up(self, place_ids: list[int], _booking_id: str) -> frozenset[int]:
        return places.give_up(self.connection, self.store.clock, self.holder.id, place_ids)

    def _with_second(self, firsts: list[HeldPlace], zone: ZoneInfo, *, patient: bool) -> list[Pair]:
        # One UPDATE holds a second at each centre, so no centre may come twice; it never does.
        starts = {first.centre_id: first.start_at for first in firsts}
        seconds = self._seconds(starts, zone, patient=patient)
        alone = [first.place_id for first in firsts if first.centre_id not in seconds]
        if alone:
            places.release(self.connection, self.holder.id, alone)
        return [
            Pair(first, seconds[first.centre_id]) for first in firsts if first.centre_id in seconds
        ]

    def _seconds(
        self, firsts: dict[str, datetime], zone: ZoneInfo, *, patient: bool = False
    ) -> dict[str, HeldPlace]:
        """Hold seconds: at the hour of the first or later if possible, else at any hour.

        Of two services in two places, those that begin at most an hour after the first.
        """
        found: dict[str, HeldPlace] = {}
        if not firsts:
            return found
        if self._beside:
            next_to = SlotQuery(
                tuple(map(just_after, firsts.values())),
                each=True,
                share=self.share(),
                services=self._beside,
            )
            held = self._hold(list(firsts), next_to, patient=patient)
            return {held_place.centre_id: held_place for held_place in held}
        least, most = self.campaign.second_after_days
        for same_hour in (True, False):
            windows = {
                centre_id: second_window(start, zone, least, most, same_hour=same_hour)
                for centre_id, start in firsts.items()
                if centre_id not in found
            }
            if not windows:
                break
            wish = SlotQuery(
                tuple(windows.values()), each=True, share=self.share(), services=self._services
            )
            held = self._hold(list(windows), wish, patient=patient)
            found |= {held_place.centre_id: held_place for held_place in held}
        return found

    def _hold(
        self, centre_ids: Sequence[str], wish: SlotQuery, *, patient: bool
    ) -> list[HeldPlace]:
        return places.hold(
            self.connection,
            self.store.clock,
            self.holder.id,
            centre_ids,
            self._in_time(centre_ids, wish),
            lease=self.campaign.hold_lease,
            longest=self.campaign.hold_longest,
            patient=patient,
        )

    def _in_time(self, centre_ids: Sequence[str], wish: SlotQuery) -> SlotQuery:
        windows = busy(self.work, centre_ids)
        return replace(wish, busy=windows) if windows else wish


def just_after(first: datetime) -> Window:
    """When a place may start (UTC) that is beside one which starts at `first`."""
    # A window ends before its last moment.
    return first + _MOMENT, first + slot_query.NEIGHBOURS + _MOMENT


def second_days(campaign: Campaign, first: datetime, zone: ZoneInfo) -> Window:
    """When a second appointment may start (UTC), at any hour, after a first one at `first`."""
    return second_window(first, zone, *campaign.second_after_days, same_hour=False)


def second_window(
    first: datetime, zone: ZoneInfo, least: int, most: int, *, same_hour: bool
) -> Window:
    """When a second appointment may start (UTC), counted in days of the centre's calendar.

    From the hour of the first on the first possible day, or from the beginning of that day.
    """
    local = first.astimezone(zone)
    opens = local.time() if same_hour else time.min
    start = datetime.combine(local.date() + timedelta(days=least), opens, tzinfo=zone)
    end = datetime.combine(local.date() + timedelta(days=most + 1), time.min, tzinfo=zone)
    return start.astimezone(UTC), end.astimezone(UTC)
