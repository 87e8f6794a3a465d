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
class Held:
    """A slot held for a caller, with the centre it is at."""

    place: HeldPlace
    near: Near


def hold_slots(
    connection: Connection,
    store: Store,
    campaign: Campaign,
    holder: str,
    near: Sequence[Near],
    *,
    not_before: datetime,
    part_of_day: str = "",
    skip_slots: tuple[int, ...] = (),
) -> list[Held]:
    """Hold the earliest free slot of the nearest centres, in the caller's transaction.

    Three centres where there are three; else the nearest one gives slots some hours and a day
    apart. Where fewer than `campaign.few_places` are free in reach, a single slot is held, so that
    the last places go to as many callers. What `holder` held before is given back first.
    `not_before` is UTC. An empty list means that nothing is free, looked at more than once.
    """
    places.release(connection, holder)
    by_id = {one.centre.id: one for one in near[: FIRST_RING + SECOND_RING]}
    horizon = store.clock.now() + timedelta(days=campaign.horizon_days)
    if not by_id or not_before >= horizon:
        return []

    def wish(centre_id: str, after: datetime) -> Wish:
        zone = ZoneInfo(by_id[centre_id].centre.time_zone)
        return Wish(centre_id, windows(after, horizon, part_of_day, zone), skip_slots)

    def hold(wishes: list[Wish]) -> list[HeldPlace]:
        return places.hold(
            connection,
            store.clock,
            holder,
            wishes,
            lease=campaign.hold_lease,
            longest=campaign.hold_longest,
        )

    for _ in range(ROUNDS):
        free, few = _look(connection, store, campaign, near, not_before, horizon, part_of_day, skip_slots)
        if not free:
            return []
        held = hold([wish(centre_id, not_before) for centre_id in (free[:1] if few else free)])
        if not held:
            continue
        if not few and len(free) == 1:
            first = held[0]
            zone = ZoneInfo(by_id[first.centre_id].centre.time_zone)
            next_day = _midnight_after(first.start_at, zone)
            later = [first.start_at + NEXT_OFFER_AFTER, next_day]
            if later[0] >= next_day:
                later = [next_day, _midnight_after(next_day, zone)]
            for after in later:
                if after < horizon:
                    held += hold([_skipping(wish(first.centre_id, after), held)])
        found = [Held(place, by_id[place.centre_id]) for place in held]
        return sorted(found, key=lambda h: (h.near.kilometres, h.place.start_at))
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


def _look(
    connection: Connection,
    store: Store,
    campaign: Campaign,
    near: Sequence[Near],
    not_before: datetime,
    horizon: datetime,
    part_of_day: str,
    skip_slots: tuple[int, ...],
) -> tuple[list[str], bool]:
    """The nearest centres with a free slot, at most three; and whether few places are left."""
    free: list[str] = []
    count = 0
    for ring in (near[:FIRST_RING], near[FIRST_RING : FIRST_RING + SECOND_RING]):
        if not ring or (len(free) >= MOST_OFFERS and count >= campaign.few_places):
            break
        # Centres within reach of one another share a time zone: no territory has two.
        zone = ZoneInfo(ring[0].centre.time_zone)
        reach = places.look(
            connection,
            store.clock,
            [one.centre.id for one in ring],
            windows=windows(not_before, horizon, part_of_day, zone),
            skip_slots=skip_slots,
            count_up_to=campaign.few_places,
        )
        free += [one.centre.id for one in ring if one.centre.id in reach.centre_ids]
        count += reach.places
    return free[:MOST_OFFERS], count < campaign.few_places


def _skipping(wish: Wish, held: list[HeldPlace]) -> Wish:
    return Wish(wish.centre_id, wish.windows, (*wish.skip_slots, *(h.slot_id for h in held)))


def _midnight_after(moment: datetime, zone: ZoneInfo) -> datetime:
    day = moment.astimezone(zone).date() + timedelta(days=1)
    return datetime.combine(day, time.min, tzinfo=zone).astimezone(UTC)
