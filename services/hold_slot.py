"""Find the nearest free slots and hold up to three of them for a caller."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

from models import places
from models.database import Connection
from models.places import HeldPlace, Window, Wish
from services.campaign import Campaign
from services.directory import Near
from services.store import Store

MOST_OFFERS = 3
# Most callers find three centres among the nearest dozen; the rest is looked at only when not.
FIRST_RING = 12
SECOND_RING = 60
# Looks again this often when others were quicker, before it says that nothing is free.
ROUNDS = 5
# How far apart the offers of one and the same centre are.
NEXT_OFFER_AFTER = timedelta(hours=3)
MORNING = (time(0), time(12, 30))
AFTERNOON = (time(12, 30), time(23, 59, 59))
PART_OF_DAY_DAYS = 14


@dataclass(frozen=True)
class Wanted:
    """Where and when a caller would go.

    `near` are centres, nearest first. `not_before` is UTC. `part_of_day` is "morning", "afternoon"
    or empty; `skip_slots` were read to the caller before.
    """

    near: Sequence[Near]
    not_before: datetime
    part_of_day: str = ""
    skip_slots: tuple[int, ...] = ()


@dataclass(frozen=True)
class Held:
    """A slot held for a caller, with the centre it is at."""

    place: HeldPlace
    near: Near


def hold_slots(
    connection: Connection, store: Store, campaign: Campaign, holder: str, wanted: Wanted
) -> list[Held]:
    """Hold the earliest free slot of the nearest centres, in the caller's transaction.

    Three centres where there are three; else the nearest one gives slots some hours and a day
    apart. Where fewer than `campaign.few_places` are free in reach, a single slot is held, so that
    the last places go to as many callers. What `holder` held before is given back first. An empty
    list means that nothing is free, looked at more than once.
    """
    places.release(connection, holder)
    horizon = store.clock.now() + timedelta(days=campaign.horizon_days)
    if not wanted.near or wanted.not_before >= horizon:
        return []
    search = _Search(connection, store, campaign, holder, wanted, horizon)
    for _ in range(ROUNDS):
        centre_ids, few = search.look()
        if not centre_ids:
            return []
        held = search.hold(centre_ids[:1] if few else centre_ids, wanted.not_before)
        if held and not few and len(centre_ids) == 1:
            held += search.later_at(held[0])
        if held:
            found = [Held(place, search.centres[place.centre_id]) for place in held]
            return sorted(found, key=lambda one: (one.near.kilometres, one.place.start_at))
    return []


def windows(
    after: datetime, before: datetime, part_of_day: str, zone: ZoneInfo
) -> tuple[Window, ...]:
    """From `after` to `before`, or the mornings or afternoons in between, by the centre's clock."""
    if not part_of_day:
        return ((after, before),)
    opens, closes = MORNING if part_of_day == "morning" else AFTERNOON
    first = after.astimezone(zone).date()
    found = []
    for day in (first + timedelta(days=n) for n in range(PART_OF_DAY_DAYS)):
        start = datetime.combine(day, opens, tzinfo=zone).astimezone(UTC)
        end = datetime.combine(day, closes, tzinfo=zone).astimezone(UTC)
        if max(start, after) < min(end, before):
            found.append((max(start, after), min(end, before)))
    return tuple(found) or ((after, after),)


@dataclass
class _Search:
    connection: Connection
    store: Store
    campaign: Campaign
    holder: str
    wanted: Wanted
    horizon: datetime

    def __post_init__(self) -> None:
        near = self.wanted.near[: FIRST_RING + SECOND_RING]
        self.centres = {one.centre.id: one for one in near}
        # Centres within reach of one another share a time zone: no territory has two.
        self.zone = ZoneInfo(near[0].centre.time_zone)

    def look(self) -> tuple[list[str], bool]:
        """The nearest centres with a free slot, at most three; and whether few places are left."""
        near, few_places = self.wanted.near, self.campaign.few_places
        found: list[str] = []
        count = 0
        for ring in (near[:FIRST_RING], near[FIRST_RING : FIRST_RING + SECOND_RING]):
            if not ring or (len(found) >= MOST_OFFERS and count >= few_places):
                break
            reach = places.look(
                self.connection,
                self.store.clock,
                [one.centre.id for one in ring],
                self._wish(self.wanted.not_before),
                count_up_to=few_places,
            )
            found += [one.centre.id for one in ring if one.centre.id in reach.centre_ids]
            count += reach.places
        return found[:MOST_OFFERS], count < few_places

    def hold(
        self, centre_ids: Sequence[str], after: datetime, skip_slots: tuple[int, ...] = ()
    ) -> list[HeldPlace]:
        """Hold the first free slot of each of these centres, from `after` on."""
        return places.hold(
            self.connection,
            self.store.clock,
            self.holder,
            centre_ids,
            self._wish(after, skip_slots),
            lease=self.campaign.hold_lease,
            longest=self.campaign.hold_longest,
        )

    def later_at(self, first: HeldPlace) -> list[HeldPlace]:
        """Two more slots at the one centre: some hours later if that is the same day, and a day."""
        tomorrow = self._midnight_after(first.start_at)
        after = [first.start_at + NEXT_OFFER_AFTER, tomorrow]
        if after[0] >= tomorrow:
            after = [tomorrow, self._midnight_after(tomorrow)]
        held: list[HeldPlace] = []
        for moment in after:
            if moment < self.horizon:
                had = tuple(one.slot_id for one in (first, *held))
                held += self.hold([first.centre_id], moment, had)
        return held

    def _wish(self, after: datetime, skip_slots: tuple[int, ...] = ()) -> Wish:
        wanted = self.wanted
        return Wish(
            windows(after, self.horizon, wanted.part_of_day, self.zone),
            wanted.skip_slots + skip_slots,
        )

    def _midnight_after(self, moment: datetime) -> datetime:
        day = moment.astimezone(self.zone).date() + timedelta(days=1)
        return datetime.combine(day, time.min, tzinfo=self.zone).astimezone(UTC)
