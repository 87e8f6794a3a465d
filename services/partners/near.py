"""What partners have free near a person, beside ours: how old that is, and how to take it.

None of it is held. Where a Keldoc centre is booked from here its free moments are places of ours,
too (services.partners.booking); all others are taken on the partner's own site or by the centre's
telephone.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

from flows.session import Session
from flows.understanding import NotUnderstood, telephone
from models.database import Connection
from models.partners import bookings as rows
from models.partners import rows as partner_rows
from models.partners.bookings import MirroredSlot
from models.partners.rows import PartnerNear
from models.rows import from_row
from services.campaign.campaign import Campaign
from services.campaign.eligibility import eligibility
from services.service import Service
from services.store import Store

MOST_CENTRES = 3
# Of a centre that is booked here, so many moments are shown.
MOST_MOMENTS = 6
# Older data is not shown: a page prints its age, but a caller on the telephone cannot judge it.
OLDEST_ON_A_PAGE = timedelta(hours=6)
OLDEST_ON_THE_PHONE = timedelta(hours=2)


class BookingWay(StrEnum):
    """How a partner's appointment is taken. Words for each are to be found under these keys."""

    HERE = "here"  # asked for through us
    SITE = "site"  # on the partner's own site
    PHONE = "phone"  # by the centre's own telephone


@dataclass(frozen=True)
class Moment:
    """One appointment that may be asked for here, with its second where there are two doses.

    Slots are ours; moments are UTC. Nothing is held: it may be gone when it is asked for.
    """

    slot_id: int
    start_at: datetime
    second_slot_id: int = 0
    second_start_at: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class PartnerOffer(PartnerNear):
    """A partner's centre with something free, and how to take it.

    `free` counts what the partner showed at `read_at`, `minutes_old` ago. `moments` only with
    `BookingWay.HERE`.
    """

    minutes_old: int
    way: BookingWay
    moments: tuple[Moment, ...] = ()

    @property
    def bookable_here(self) -> bool:
        return self.way is BookingWay.HERE


def near(
    connection: Connection, store: Store, service: Service, session: Session
) -> tuple[PartnerOffer, ...]:
    """Partners' centres near the session's place, for pages and desks: see `near_place`.

    Empty where the place is not known yet, and for who wants several services at once: a partner
    gives appointments for one.
    """
    campaign = wanted_of(service, session)
    if not session.territory or campaign is None or not service.directory.has_partners(connection):
        return ()
    return near_place(
        connection,
        store,
        campaign,
        (session.latitude, session.longitude),
        session.territory,
        born=session.born_on if session.born else None,
        groups=session.groups,
        kilometres=session.within or campaign.radius_kilometres,
    )


def wanted_of(service: Service, session: Session) -> Campaign | None:
    """The campaign that a session is for, or the one of now; None where it is for several."""
    if not session.wanted:
        return service.campaign
    if len(session.wanted) > 1:
        return None
    return service.campaigns.by_name(session.wanted[0])


def near_place(
    connection: Connection,
    store: Store,
    campaign: Campaign,
    place: tuple[float, float],
    territory: str,
    *,
    born: date | None,
    groups: tuple[str, ...] = (),
    kilometres: float,
    oldest: timedelta = OLDEST_ON_A_PAGE,
    most: int = MOST_CENTRES,
) -> tuple[PartnerOffer, ...]:
    """Partners' centres near a latitude and longitude, nearest first, on days when they may come.

    Of the campaign's service alone. `born` None: for any person who may book. Two statements at
    most; none of them locks.
    """
    now = store.clock.now()
    first_day = eligibility(campaign, born, groups, now).first_day if born else None
    age = _age(born, now) if born else None
    found = partner_rows.near(
        connection,
        *place,
        territory,
        kilometres,
        _begins(first_day, now, campaign),
        age=age,
        service=campaign.service,
    )
    found = [place for place in found if now - place.read_at <= oldest]
    found = _once_each(found)[:most]
    here = _bookable_here(connection, store, campaign, found, first_day)
    return tuple(_offer(place, now, here.get(place.id, ())) for place in found)


def ordinary(phone: str) -> str:
    """A number (E.164) that costs no more than an ordinary call; empty where it is none."""
    try:
        return telephone(phone)[0]
    except NotUnderstood:
        return ""


def _offer(one: PartnerNear, now: datetime, moments: tuple[Moment, ...]) -> PartnerOffer:
    way = BookingWay.PHONE if one.phone_only or not one.link else BookingWay.SITE
    return from_row(
        PartnerOffer,
        one,
        next_at=moments[0].start_at if moments else one.next_at,
        minutes_old=max(0, int((now - one.read_at).total_seconds() // 60)),
        way=BookingWay.HERE if moments else way,
        moments=moments,
    )


def _once_each(found: list[PartnerNear]) -> list[PartnerNear]:
    """A centre that is booked here may be read on the partner's public pages, too."""
    here = {(centre.platform, centre.centre_id) for centre in found if rows.is_mirror(centre.id)}
    return [
        centre
        for centre in found
        if rows.is_mirror(centre.id) or (centre.platform, centre.centre_id) not in here
    ]


def _bookable_here(
    connection: Connection,
    store: Store,
    campaign: Campaign,
    found: list[PartnerNear],
    first_day: date | None,
) -> dict[str, tuple[Moment, ...]]:
    """What may be asked for at those of these centres that are booked here, by partner's id."""
    here = {place.id: place for place in found if rows.is_mirror(place.id)}
    if not here:
        return {}
    now = store.clock.now()
    horizon = now + timedelta(days=campaign.horizon_days)
    free = rows.free_slots(
        connection, store.clock, list(here), now + campaign.lead, _latest(campaign, horizon)
    )
    told = {}
    for partner_id, one in here.items():
        zone = ZoneInfo(one.time_zone)
        slots = free.get(partner_id, [])
        firsts = [
            slot
            for slot in slots
            if slot.may_be(1)
            and slot.start_at < horizon
            and (first_day is None or slot.start_at.astimezone(zone).date() >= first_day)
        ]
        moments = (_moment(slot, slots, campaign, zone) for slot in firsts)
        known = [moment for moment in moments if moment is not None]
        if known:
            told[partner_id] = tuple(_spread(known))
    return told


def _moment(
    first: MirroredSlot, slots: list[MirroredSlot], campaign: Campaign, zone: ZoneInfo
) -> Moment | None:
    """A first appointment with the soonest second that goes with it, nearest to the same hour."""
    if campaign.doses == 1:
        return Moment(first.slot_id, first.start_at)
    least, most = campaign.second_after_days
    local = first.start_at.astimezone(zone)
    seconds = [
        slot
        for slot in slots
        if slot.may_be(2)
        and least <= (slot.start_at.astimezone(zone).date() - local.date()).days <= most
    ]
    if not seconds:
        return None
    second = min(seconds, key=lambda slot: (abs(_apart(local, slot, zone)), slot.start_at))
    return Moment(first.slot_id, first.start_at, second.slot_id, second.start_at)


def _apart(first: datetime, slot: MirroredSlot, zone: ZoneInfo) -> float:
    """Seconds between the hours of two days."""
    second = slot.start_at.astimezone(zone)
    return (
        timedelta(hours=second.hour, minutes=second.minute)
        - timedelta(hours=first.hour, minutes=first.minute)
    ).total_seconds()


def _spread(moments: list[Moment]) -> list[Moment]:
    """Not six in a row of one morning: the soonest three, then one of each later day."""
    soonest = moments[: MOST_MOMENTS // 2]
    days = {moment.start_at.date() for moment in soonest}
    others = []
    for later in moments[len(soonest) :]:
        if later.start_at.date() not in days:
            days.add(later.start_at.date())
            others.append(later)
    left = [moment for moment in moments if moment not in soonest and moment not in others]
    chosen = (soonest + others + left)[:MOST_MOMENTS]
    return sorted(chosen, key=lambda one: one.start_at)


def _begins(first_day: date | None, now: datetime, campaign: Campaign) -> datetime:
    """The first moment (UTC) that is worth telling."""
    soonest = now + campaign.lead
    if first_day is None:
        return soonest
    begins = datetime.combine(first_day, time.min, tzinfo=ZoneInfo(campaign.zone))
    return max(soonest, begins.astimezone(UTC))


def _latest(campaign: Campaign, horizon: datetime) -> datetime:
    if campaign.doses == 1:
        return horizon
    return horizon + timedelta(days=campaign.second_after_days[1] + 1)


def _age(born: date, now: datetime) -> int:
    today = now.date()
    return today.year - born.year - ((today.month, today.day) < (born.month, born.day))
