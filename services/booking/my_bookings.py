"""Bookings in the words of a conversation: what is told of one, and why one was not changed."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

from flows.session import BookedService, CallerBooking, MineState, Moving, Offer
from flows.world import NotChanged
from models.booking import changes, history
from models.booking.changes import BookedAppointment
from models.booking.history import Change, NewestChange
from models.centres.centres import centre_states
from models.database import Connection
from models.desk import cases
from models.slots.slot_query import Window
from services.booking.changed import FAR_PLACE, FIRST, SECOND, Unchanged, WhyNot
from services.booking.find_booking import FoundBooking
from services.slots.allocate import Channel, Chosen, second_days
from services.slots.offer import chosen_of
from services.store import Store
from services.work import Work

_WHY = {
    WhyNot.NOT_LIVE: NotChanged.CHANGED,
    WhyNot.BEGUN: NotChanged.CHANGED,
    WhyNot.CHANGED: NotChanged.CHANGED,
    WhyNot.NOT_CANCELLED: NotChanged.CHANGED,
    WhyNot.ALREADY_THERE: NotChanged.SAME,
    WhyNot.GONE: NotChanged.GONE,
    WhyNot.NOT_OFFERED: NotChanged.GONE,
    WhyNot.INTERVAL: NotChanged.NO_PAIR,
    WhyNot.NO_TIME: NotChanged.NO_PAIR,
    WhyNot.OTHER_CENTRE: NotChanged.NO_PAIR,
    WhyNot.NO_SECOND: NotChanged.NO_PAIR,
    WhyNot.TOO_YOUNG: NotChanged.TOO_YOUNG,
    WhyNot.TOO_LATE: NotChanged.TOO_LATE,
    WhyNot.BOOKED_AGAIN: NotChanged.BOOKED_AGAIN,
    WhyNot.UNKNOWN: NotChanged.PERSON,
    WhyNot.FROZEN: NotChanged.PERSON,
    WhyNot.OTHER_CAMPAIGN: NotChanged.PERSON,
}


def why_not(unchanged: Unchanged) -> NotChanged:
    return _WHY[unchanged.why]


def told(
    found: FoundBooking, now: datetime, campaign: str, open_ones: Collection[str] = ()
) -> CallerBooking:
    """What the caller may hear of their booking. `campaign` is the one that is open.

    `open_ones` are all that are, where they are of several services.
    """
    file = found.file
    ahead = file.ahead(now)
    state = MineState.AHEAD if ahead else MineState.PAST if file.live else MineState.CANCELLED
    shown: Sequence[BookedAppointment] = ahead or file.live or file.appointments
    starts = {booked.dose: booked.start_at.isoformat() for booked in shown}
    where = found.centres[shown[0].centre_id]
    elsewhere = {booked.centre_id for booked in shown} - {where.id}
    second = found.centres[elsewhere.pop()] if elsewhere else None
    changed, changed_doses = _changed(found.newest, starts)
    return CallerBooking(
        id=file.id,
        ahead=tuple(
            (appointment.centre_id, appointment.start_at.isoformat()) for appointment in ahead
        ),
        version=file.version,
        state=state,
        name=where.name,
        street=where.street,
        town=where.town,
        time_zone=where.time_zone,
        first_start=starts.get(FIRST, ""),
        second_start=starts.get(SECOND, ""),
        spoken=where.spoken_name,
        second_name=second.name if second else "",
        second_spoken=second.spoken_name if second else "",
        second_town=second.town if second else "",
        postcode=file.postcode or "",
        slots=tuple(appointment.slot_id for appointment in file.live),
        undo=found.undo,
        off=tuple(
            appointment.dose
            for appointment in ahead
            if found.centres[appointment.centre_id].is_off(blocked=appointment.blocked)
        ),
        movable=set(file.campaigns) <= {campaign, *open_ones},
        services=tuple(
            BookedService(
                done.service,
                done.campaign,
                booked.dose,
                booked.start_at.isoformat(),
                booked.centre_id,
                booked.slot_id,
            )
            for booked in shown
            for done in (booked.live_services if file.live else booked.services)
        ),
        changed=changed,
        changed_doses=changed_doses,
        kept_far=_kept_far(found.newest) if ahead else 0,
    )


def _changed(newest: NewestChange, told: Collection[int]) -> tuple[str, tuple[int, ...]]:
    """What of these doses we moved last, hour or place, and which of them."""
    change = newest.change
    if change is None or change.what != "moved" or change.channel != Channel.SUPERVISOR:
        return "", ()
    moved = [dose for dose in change.details.get("doses", ()) if dose["was_at"]]
    moved = [dose for dose in moved if dose["dose"] in told]
    hour = any(dose["was_at"] != dose["start_at"] for dose in moved)
    place = any(dose.get("was_centre_id", dose["centre_id"]) != dose["centre_id"] for dose in moved)
    words = [word for word, is_so in (("hour", hour), ("place", place)) if is_so]
    return "_".join(words), tuple(dose["dose"] for dose in moved)


def _kept_far(newest: NewestChange) -> int:
    """How many kilometres away a place is kept that its person has not taken yet; 0 for none."""
    if newest.change is None or newest.said_yes:
        return 0
    return int(newest.change.details.get("kilometres", 0))


def take_far(connection: Connection, store: Store, booking_id: str, channel: Channel) -> None:
    """Note that a person takes the place out of reach that is kept for them; its case is closed."""
    cases.close_of_booking(connection, store.clock, booking_id, FAR_PLACE)
    line = Change("caller", channel, history.SAID_YES)
    history.add(connection, store.clock, store.vault, booking_id, line)


def places_of(offer: Offer, moving: Moving) -> dict[int, Chosen]:
    """Where each dose goes; of a pair that is offered both go, else the one that moves."""
    return doses_of(chosen_of(offer), moving)


def place_of(mine: CallerBooking, offer: Offer, service: str) -> dict[int, Chosen]:
    """Where what is done of one service goes: the appointment in which it is moves, or leaves."""
    doses = (done.dose for done in mine.services if done.service == service)
    return {dose: chosen_of(offer)[0] for dose in doses}


def doses_of(chosen: Sequence[Chosen], moving: Moving) -> dict[int, Chosen]:
    """The same of places that are chosen, the first appointment first."""
    if moving is Moving.SECOND:
        return {SECOND: chosen[0]}
    if moving is Moving.FIRST:
        return {FIRST: chosen[0]}
    return dict(zip((FIRST, SECOND), chosen, strict=False))


def room_for_second(work: Work, booking_id: str) -> tuple[str, Window] | None:
    """The centre at which a second appointment must be, and when it may start (UTC)."""
    file = changes.load(work.connection, work.store.vault, booking_id)
    doses: Mapping[int, BookedAppointment] = (
        {appointment.dose: appointment for appointment in file.live} if file is not None else {}
    )
    if FIRST not in doses or SECOND not in doses:
        return None
    first = doses[FIRST]
    where = centre_states(work.connection, [first.centre_id])[first.centre_id]
    zone = ZoneInfo(where.time_zone)
    return first.centre_id, second_days(work.campaign, first.start_at, zone)
