"""Book at a partner for a person: kept on our side first, asked there by the outbox, then ours.

One transaction of the channel keeps the places, writes the order down and puts its message into
the outbox. services.partners.deliver asks the partner; only when the partner has the appointments
is the booking made here, with its reference and its text. The person is not told "booked" before.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

from models.booking import bookings, changes, look_up
from models.centres.centres import CentreState, centre_states
from models.database import Connection
from models.partners import bookings as rows
from models.partners.bookings import DoseThere, OrderedPerson, OrderRow
from services.booking.partner_message import send
from services.campaign.campaign import Campaign
from services.campaign.eligibility import eligibility
from services.service import Service
from services.slots.allocate import STAFF, Allocate, Channel, Holder, second_window
from services.store import Store
from services.work import Work

# So long the places are kept without a try at the partner, and each try keeps them anew.
LEASE = timedelta(minutes=30)
# No try keeps them beyond this.
LONGEST = timedelta(hours=2)
LONGEST_NAME = 60


class Why(StrEnum):
    """Why nothing was asked for. Words for each are to be found under these keys."""

    # Another person has it by now.
    GONE = "gone"
    # There is an appointment of theirs already, or too many of this number; only a person says so.
    PERSON_NEEDED = "person_needed"
    # No centre that is booked through us, or two appointments that do not belong together.
    NOT_OFFERED = "not_offered"
    TOO_YOUNG = "too_young"
    # The partner needs a first and a last name.
    NO_NAME = "no_name"


class OrderStage(StrEnum):
    """Where an order is. Words for each are to be found under these keys."""

    ASKED = "asked"
    BOOKED = "booked"
    REFUSED = "refused"


@dataclass(frozen=True, kw_only=True)
class PartnerOrder(OrderedPerson):
    """One person's appointment at a centre that is booked at its partner.

    `key` names the form: the same key twice is one order (at most 80 letters). `holder` is the
    channel that asks; its own holds stay as they are. Slots are ours (`Moment`); the second is 0
    where there is one dose. `number` is E.164 or empty; a text goes there where `text` is set.
    """

    key: str
    holder: Holder
    centre_id: str
    slot_id: int
    second_slot_id: int = 0
    # The campaign's name; empty: the one of now.
    campaign: str = ""


@dataclass(frozen=True)
class PlacedOrder:
    """The order is written; `message_id` is passed to the code that wakes the workers up.

    `repeated`: an earlier copy of the form did so.
    """

    id: str
    message_id: str = ""
    repeated: bool = False


@dataclass(frozen=True)
class NotAsked:
    """Nothing was kept and nothing is asked for."""

    why: Why


@dataclass(frozen=True)
class OrderState:
    """Where an order is now; `starts` are by the centre's clock, one for each dose.

    `booking_id` and `reference` only once it is booked on both sides. `why`, of a refused one: a
    word of models.partners.bookings.REFUSALS. `late`: no answer came for some minutes.
    """

    id: str
    stage: OrderStage
    centre_id: str
    centre_name: str
    town: str
    starts: tuple[datetime, ...]
    time_zone: str = "Europe/Paris"
    booking_id: str = ""
    reference: str = ""
    why: str = ""
    late: bool = False

    @property
    def is_over(self) -> bool:
        """Whether a page that waits for it may stop asking."""
        return self.stage is not OrderStage.ASKED


class _NotAsked(Exception):
    def __init__(self, why: Why) -> None:
        super().__init__(why)
        self.why = why


def ask(
    connection: Connection, store: Store, service: Service, order: PartnerOrder
) -> PlacedOrder | NotAsked:
    """Keep the places, write the order down and send it off, in the caller's transaction.

    Nothing is told to the person but that it is being asked for.
    """
    known = rows.find(connection, order.key)
    if known is not None:
        return PlacedOrder(known, repeated=True)
    try:
        with connection.begin_nested():
            return _ask(connection, store, _campaign_of(store, service, order), order)
    except _NotAsked as not_asked:
        known = rows.find(connection, order.key)
        return PlacedOrder(known, repeated=True) if known else NotAsked(not_asked.why)


def _campaign_of(store: Store, service: Service, order: PartnerOrder) -> Campaign:
    """The campaign that an order names, or the one of now. Raises _NotAsked where it is over."""
    if not order.campaign:
        return service.campaign
    named = service.campaigns.by_name(order.campaign)
    if named is None or not named.is_open(store.clock.now()):
        raise _NotAsked(Why.NOT_OFFERED)
    return named


def _ask(
    connection: Connection, store: Store, campaign: Campaign, order: PartnerOrder
) -> PlacedOrder:
    first, last = _name(order.first_name), _name(order.last_name)
    order = replace(order, first_name=first, last_name=last)
    if not (first and last):
        raise _NotAsked(Why.NO_NAME)
    if _is_booked(connection, store, campaign, order):
        raise _NotAsked(Why.PERSON_NEEDED)
    partner = rows.mirror_of(connection, order.centre_id)
    if partner is None or partner.service != campaign.service:
        # No partner has it now, or the partner gives its appointments for something else.
        raise _NotAsked(Why.NOT_OFFERED)
    where, starts = _where(connection, store, campaign, order)
    order_id = store.chance.identifier()
    # First, so that a copy of the form waits here until this one is there, or is not.
    if not rows.add(
        connection,
        store.clock,
        store.vault,
        order_id,
        campaign=campaign.name,
        visitor=order,
        key=order.key,
        platform=partner.platform,
        centre_id=where.id,
        channel=order.holder.channel,
    ):
        raise _NotAsked(Why.GONE)
    doses = _hold(connection, store, campaign, order, starts, order_id)
    rows.change(connection, store.clock, order_id, seen=(rows.ASKED,), doses=doses)
    return PlacedOrder(order_id, send(connection, store, order_id))


def _hold(  # noqa: PLR0917
    connection: Connection,
    store: Store,
    campaign: Campaign,
    order: PartnerOrder,
    starts: list[tuple[int, datetime]],
    order_id: str,
) -> list[DoseThere]:
    """Hold a place for each dose under the order's own name. Raises _NotAsked."""
    holder = Holder(order.holder.channel, rows.holder_of(order_id))
    allocator = Allocate(Work(connection, store, for_partner(campaign)), holder)
    doses = []
    for number, (slot_id, start_at) in enumerate(starts, start=1):
        held = allocator.hold_slot(slot_id)
        if held is None:
            raise _NotAsked(Why.GONE)
        doses.append(DoseThere(number, held.place_id, slot_id, start_at))
    return doses


def for_partner(campaign: Campaign) -> Campaign:
    """The campaign, with holds that live as long as an order may wait for its partner."""
    return replace(campaign, hold_lease=LEASE, hold_longest=LONGEST)


def state_of(connection: Connection, store: Store, order_id: str) -> OrderState | None:
    """Where an order is now; None where there is none of that id."""
    row = rows.load(connection, store.vault, order_id)
    if row is None:
        return None
    where = centre_states(connection, [row.centre_id]).get(row.centre_id)
    zone = ZoneInfo(where.time_zone if where else "Europe/Paris")
    reference = ""
    if row.booking_id:
        file = changes.load(connection, store.vault, row.booking_id)
        reference = file.reference if file else ""
    return OrderState(
        id=row.id,
        stage=_stage(row),
        centre_id=row.centre_id,
        centre_name=where.name if where else "",
        town=where.town if where else "",
        starts=tuple(dose.start_at.astimezone(zone) for dose in row.doses),
        time_zone=zone.key,
        booking_id=row.booking_id,
        reference=reference,
        why=row.error if _stage(row) is OrderStage.REFUSED else "",
        late=store.clock.now() - row.created_at > timedelta(minutes=2),
    )


def is_of(connection: Connection, store: Store, order_id: str, staff_id: str) -> bool:
    """Whether this staff member asked for it."""
    row = rows.load(connection, store.vault, order_id)
    return row is not None and row.visitor is not None and row.visitor.who == staff_id


def _stage(row: OrderRow) -> OrderStage:
    if row.booking_id:
        return OrderStage.BOOKED
    return OrderStage.ASKED if row.state in rows.GOES_ON else OrderStage.REFUSED


def _name(typed: str) -> str:
    return " ".join(typed.split())[:LONGEST_NAME]


def _is_booked(
    connection: Connection, store: Store, campaign: Campaign, order: PartnerOrder
) -> bool:
    """Whether our booking would not be made, for this number has too many, or the person has one.

    The latter is for staff alone: a visitor goes on to the same end as any other, and what the
    partner gave for it is taken back (services.partners.deliver).
    """
    if order.number and order.holder.channel is Channel.WEB:
        live = look_up.count_of_number(connection, store.vault, campaign.name, order.number)
        if live >= campaign.per_number:
            return True
    if order.holder.channel not in STAFF:
        return False
    rank = 2 if order.for_other else 1
    person = bookings.person_idx(store.vault, campaign.name, order.born, order.number or None, rank)
    return person is not None and look_up.find_person(connection, person) is not None


def _where(
    connection: Connection, store: Store, campaign: Campaign, order: PartnerOrder
) -> tuple[CentreState, list[tuple[int, datetime]]]:
    """The centre, and slot and start of each dose. Raises _NotAsked."""
    slot_ids = [slot_id for slot_id in (order.slot_id, order.second_slot_id) if slot_id]
    if len(slot_ids) != campaign.doses:
        raise _NotAsked(Why.NOT_OFFERED)
    where = centre_states(connection, [order.centre_id]).get(order.centre_id)
    found = changes.slot_starts(connection, slot_ids)
    there = [(slot_id, found[slot_id][1]) for slot_id in slot_ids if slot_id in found]
    away = any(found[slot_id][0] != order.centre_id for slot_id in found)
    if where is None or away:
        raise _NotAsked(Why.NOT_OFFERED)
    now = store.clock.now()
    if len(there) != len(slot_ids) or there[0][1] <= now:
        raise _NotAsked(Why.GONE)
    zone = ZoneInfo(where.time_zone)
    first_day = eligibility(campaign, order.born, order.groups, now).first_day
    if first_day is None or there[0][1].astimezone(zone).date() < first_day:
        raise _NotAsked(Why.TOO_YOUNG)
    if len(there) > 1:
        opens, closes = second_window(
            there[0][1], zone, *campaign.second_after_days, same_hour=False
        )
        if not opens <= there[1][1] < closes:
            raise _NotAsked(Why.NOT_OFFERED)
    return where, there
