"""Remind people of their appointments, and ring those who asked for it in the evening.

Each day is written once, in sets (`models.messages.reminders`), when the hour has come by the clock
of its centres. It is cut into parts, each of them a transaction: any number of processes share
them, and what one was writing when it died is written by another. What missed its hour is written
later, as long as that makes sense. A row only names its appointment. Whether it still exists, which
person is told and how, is found at delivery.

Where several services are done on one day, each of their campaigns reminds of it on the days that
it names, and what is done at one centre is told at once: the hour that comes first counts, and
no person is reminded twice.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from flows.world import ReminderHours
from models.booking import changes
from models.booking.changes import BookedAppointment, BookingDetails
from models.centres.centres import centre_states
from models.database import Connection, unhurried
from models.messages import reminders
from models.messages.outbox import ClaimedMessage
from models.messages.reminders import ReminderDay, ReminderPart
from prompts.catalogue import load
from prompts.values import TOMORROW, near_day
from services.campaign.call_hours import next_call_at
from services.campaign.campaign import Campaign
from services.messages import text_names, texts
from services.messages.notices import ReadyNotice, Render, appointment_call
from services.messages.texts import MessagePlace, Writer
from services.messages.topics import Topic
from services.messages.whose import of_booking
from services.store import Store

REMINDER, EVENING = "reminder", "evening"
# A person who booked or changed something so lately needs no reminder.
UNLESS_LATELY = timedelta(hours=12)
# What missed its hour is made up for until then, by the same clock.
LATEST = time(20)
# An evening that was missed is made up for on one of the next.
EVENINGS_BACK = timedelta(days=3)
# A call about an appointment that begins within this is of no use.
TOO_LATE = timedelta(hours=1)
# Appointments of one part, which are some tenths of a second to write.
PART = 5000

CampaignOf = Callable[[str], Campaign | None]


# ---------------------------------------------------------------- planning


def plan(
    store: Store,
    campaigns: Iterable[Campaign],
    *,
    goes_on: Callable[[], bool] = lambda: True,
    part: int = PART,
) -> int:
    """Write what is due now and was not written, as long as it `goes_on`; gives how many messages.

    Safe to do by several processes at once: each part of a day, of `part` appointments, is written
    by one of them in a transaction of its own.
    """
    now, written = store.clock.now(), 0
    with store.database.statement() as connection:
        found = reminders.zones(connection)
    for campaign in campaigns:
        for zone in found:
            for due in _due(campaign, zone, now):
                written += _write(store, due, goes_on, part)
    return written


@dataclass(frozen=True)
class _Due:
    """A day whose hour has come; `by_call` None: it is the evening's calls."""

    day: ReminderDay
    by_call: bool | None


def _due(campaign: Campaign, zone_name: str, now: datetime) -> list[_Due]:
    """What is to be written by this clock at this moment.

    An hour that the clocks skip comes when they have skipped it; one that comes twice comes once,
    for its day is written by then.
    """
    zone = ZoneInfo(zone_name)
    today = now.astimezone(zone).date()
    if now >= _moment(today, LATEST.hour * 60, zone):
        return []
    found = []
    for reminder in campaign.reminders:
        if now >= _moment(today, reminder.at, zone):
            day = today + timedelta(days=reminder.days_before)
            what = f"days{reminder.days_before}"
            found.append(_Due(_day(what, campaign, zone_name, day), reminder.by_call))
    evening = campaign.evening_call
    if evening is not None and now >= _moment(today, evening, zone):
        found.append(_Due(_day(EVENING, campaign, zone_name, today), None))
    return found


def _day(what: str, campaign: Campaign, zone_name: str, day: date) -> ReminderDay:
    zone = ZoneInfo(zone_name)
    begins, ends = (_moment(each_day, 0, zone) for each_day in (day, day + timedelta(days=1)))
    return ReminderDay(what, campaign.name, zone_name, day, begins, ends)


def _moment(day: date, minute: int, zone: ZoneInfo) -> datetime:
    """A minute after midnight on the clocks of a zone, in UTC; of two the first."""
    local = datetime.combine(day, time(minute // 60, minute % 60), tzinfo=zone)
    return local.astimezone(UTC)


def _write(store: Store, due: _Due, goes_on: Callable[[], bool], part: int) -> int:
    with store.database.statement() as connection:
        left = reminders.parts_left(connection, due.day)
    if left is None:
        with store.database.transaction() as connection:
            unhurried(connection)
            if reminders.claim(connection, store.clock, due.day):
                _cut(connection, store, due, part)
        # Cut by this process, or by another one while this one waited for it.
        left = 1
    written, more = 0, bool(left)
    while more and goes_on():
        with store.database.transaction() as connection:
            unhurried(connection)
            taken = reminders.take_part(connection, due.day)
            more = taken is not None
            if taken is not None:
                written += _write_part(connection, store, due, taken)
    return written


def _cut(connection: Connection, store: Store, due: _Due, part: int) -> None:
    if due.by_call is None:
        now = store.clock.now()
        reminders.cut_evening(connection, due.day, part, begins=now - EVENINGS_BACK, ends=now)
    else:
        reminders.cut(connection, due.day, part)


def _write_part(connection: Connection, store: Store, due: _Due, part: ReminderPart) -> int:
    if due.by_call is None:
        return reminders.ring_in_the_evening(
            connection, store.clock, due.day, part, topic=str(Topic.EVENING)
        )
    return reminders.remind(
        connection,
        store.clock,
        due.day,
        part,
        topic=str(Topic.REMINDER),
        by_call=due.by_call,
        unless_lately=UNLESS_LATELY,
    )


# ---------------------------------------------------------------- delivering


def renders(campaign_of: CampaignOf, national_number: str) -> Mapping[str, Render]:
    """What a reminder and an evening's call have become by now, by kind of message."""

    def reminder(
        connection: Connection, store: Store, claimed: ClaimedMessage
    ) -> ReadyNotice | None:
        """None for what is cancelled, closed, erased, on another day by now, or has begun."""
        file = _file(connection, store, claimed)
        told = _told(connection, store, file, claimed.dedupe_key) if file else []
        if file is None or not told:
            return None
        where = centre_states(connection, [told[0].centre_id])[told[0].centre_id]
        zone = ZoneInfo(where.time_zone)
        starts = [booked.start_at.astimezone(zone) for booked in told]
        call = appointment_call(file, Topic.REMINDER, until=told[0].start_at - TOO_LATE)
        if file.calls:
            return ReadyNotice(file.number or "", call=call)
        if not _wanted(campaign_of, file):
            return None
        # Written when it leaves, and read that day: the date stands beside the word all the same.
        tomorrow = near_day(starts[0], store.clock.now()) == TOMORROW
        link = store.link_of(file.reference, [booked.start_at for booked in file.live])
        whose = of_booking(connection, store, file)
        text = texts.reminder(
            Writer(load(file.language), file.reference, national_number, link, whose),
            starts=starts,
            where=MessagePlace.of(where),
            tomorrow=tomorrow,
            which=_which(file, told),
        )
        return ReadyNotice(file.number or "", text, latest=call.until, if_late=call)

    def evening(
        connection: Connection, store: Store, claimed: ClaimedMessage
    ) -> ReadyNotice | None:
        file = _file(connection, store, claimed)
        ahead = _ahead(connection, store, file) if file else []
        if file is None or not ahead or not file.calls:
            return None
        call = appointment_call(file, Topic.EVENING, until=ahead[0].start_at - TOO_LATE)
        return ReadyNotice(file.number or "", call=call)

    return {REMINDER: reminder, EVENING: evening}


def _file(connection: Connection, store: Store, claimed: ClaimedMessage) -> BookingDetails | None:
    """The booking of a message; None where its person cannot be told, without a number."""
    file = changes.load(connection, store.vault, claimed.booking_id or "")
    return file if file is not None and file.number else None


def _told(
    connection: Connection, store: Store, file: BookingDetails, key: str
) -> list[BookedAppointment]:
    """What a reminder tells: all that the booking has there on its day, and nothing that is gone.

    The appointment that it was written for may be gone, and another of the day be left.
    """
    _, appointment_id, what, day = key.split(":")
    ahead = _ahead(connection, store, file)
    if not ahead:
        return []
    mine = reminders.doses_of(connection, file.id, int(appointment_id), f"{what}:{day}")
    where = centre_states(connection, {booked.centre_id for booked in ahead})

    def is_that_day(one: BookedAppointment) -> bool:
        local = one.start_at.astimezone(ZoneInfo(where[one.centre_id].time_zone))
        return local.date() == date.fromisoformat(day)

    told = [booked for booked in ahead if booked.dose in mine and is_that_day(booked)]
    told.sort(key=lambda one: one.start_at)
    return [booked for booked in told if booked.centre_id == told[0].centre_id]


def _wanted(campaign_of: CampaignOf, file: BookingDetails) -> bool:
    """Whether one of the campaigns of what is booked sends reminders."""
    return any(text_names.wanted(campaign_of(name), REMINDER) for name in file.campaigns)


def _which(file: BookingDetails, told: Sequence[BookedAppointment]) -> int | None:
    """Whether it is the first or the second of the booking's two; None where it is all of it.

    Of several services their days say which comes first, for each stands for itself.
    """
    if len(told) == len(file.live):
        return None
    if not file.of_several:
        return told[0].dose
    by_day = sorted(file.live, key=lambda one: one.start_at)
    return by_day.index(told[0]) + 1 if len(by_day) == texts.SECOND else None


def _ahead(connection: Connection, store: Store, file: BookingDetails) -> list[BookedAppointment]:
    """What is still to come, without appointments that were reported as impossible."""
    gone = reminders.cannot_be(connection, file.id)
    return [booked for booked in file.ahead(store.clock.now()) if booked.dose not in gone]


# ---------------------------------------------------------------- what is still to come


@dataclass(frozen=True)
class Ahead:
    """A reminder that will be written at that moment (UTC), of the appointment of that dose."""

    at: datetime
    dose: int
    by_call: bool


def ahead_of(
    campaign_of: CampaignOf,
    file: BookingDetails,
    zones: Mapping[str, str],
    now: datetime,
    *,
    texted: bool,
) -> list[Ahead]:
    """The reminders of a booking whose day was not written yet, soonest first.

    Of several appointments at one centre on one day there is one, of the first.
    `zones` are the time zones of its centres; `texted`: its person was written to when they booked.
    A person who changes something later is not reminded within UNLESS_LATELY.
    """
    if not file.number or not (file.calls or (texted and _wanted(campaign_of, file))):
        return []
    # For each day and centre, and how many days before: the earliest hour of all campaigns.
    found: dict[tuple[str, date, int], Ahead] = {}
    first: dict[tuple[str, date], int] = {}
    for booked in sorted(file.live, key=lambda one: one.start_at):
        zone = ZoneInfo(zones[booked.centre_id])
        day = booked.start_at.astimezone(zone).date()
        dose = first.setdefault((booked.centre_id, day), booked.dose)
        names = {each.campaign for each in booked.live_services} or {file.campaign}
        campaigns = [campaign for name in names if (campaign := campaign_of(name)) is not None]
        for each in (reminder for campaign in campaigns for reminder in campaign.reminders):
            at = _moment(day - timedelta(days=each.days_before), each.at, zone)
            lately = at - file.created_at < UNLESS_LATELY
            which = (booked.centre_id, day, each.days_before)
            later = which in found and found[which].at <= at
            if at > now and not lately and each.by_call >= file.calls and not later:
                found[which] = Ahead(at, dose, file.calls)
    return sorted(found.values(), key=lambda one: (one.at, one.dose))


# ---------------------------------------------------------------- what is offered


def calls_about(
    campaigns: Sequence[Campaign],
    starts: Sequence[datetime],
    zone: ZoneInfo,
    number: str,
    now: datetime,
) -> ReminderHours:
    """What campaigns of one booking do for a person who asks to be rung at `number` (E.164).

    `starts` are their appointments' (aware). Calls keep to the hours of calls, and none is made
    when it would be too late. An appointment within the time of `UNLESS_LATELY` is not reminded of.
    Where the first is too soon for any call, `before` is that of the second.
    """
    first, last = min(starts), max(starts)

    def allowed(moment: datetime, start: datetime = first) -> datetime | None:
        if moment < now:
            return None
        at = next_call_at(campaigns[0], number, moment, machine=True).astimezone(zone)
        return at if at < start - TOO_LATE else None

    evening, today = None, now.astimezone(zone).date()
    hours = [campaign.evening_call for campaign in campaigns if campaign.evening_call is not None]
    if hours:
        moments = [_moment(today, hour, zone) for hour in hours]
        moments += [_moment(today + timedelta(days=1), hour, zone) for hour in hours]
        evening = allowed(min(moment for moment in moments if moment > now))

    def before(start: datetime) -> datetime | None:
        day = start.astimezone(zone).date()
        rung = [each for campaign in campaigns for each in campaign.reminders if each.by_call]
        moments = sorted(
            _moment(day - timedelta(days=each.days_before), each.at, zone) for each in rung
        )
        far = (moment for moment in moments if moment > now + UNLESS_LATELY)
        return next((at for moment in far if (at := allowed(moment, start)) is not None), None)

    before_first = before(first)
    alone = evening is None and before_first is None
    return ReminderHours(evening, before(last) if alone else before_first)
