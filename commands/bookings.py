"""`flask bookings export`, `day`, `show`, `cancel`, `restore` and `move`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import click

from commands import operator
from commands.operator import Seen
from commands.terminal import Commands, moment, print_csv
from models.booking import bookings, changes, history
from models.booking.changes import BookingDetails
from models.booking.history import HistoryLine
from models.centre_day import attendance
from models.centre_day.attendance import Comes
from models.centres.centres import CentreState, centre_state, centre_states
from models.database import Connection
from services.accounts import four_eyes
from services.accounts.staff import OPERATOR
from services.booking.change_booking import cancel, move, undo_cancel
from services.booking.changed import FIRST, MOST_WHY, SECOND, Became, By, Changed, Unchanged, WhyNot
from services.campaign.campaign import Campaign
from services.desk.watched import note_opened
from services.slots.allocate import Channel, Chosen, Holder
from services.store import Store

COLUMNS = (
    "reference", "channel", "centre_id", "centre_name", "start", "dose", "state", "created_at",
)  # fmt: skip
PEOPLE = ("born", "phone", "name", "postcode")
SERVICES = ("services",)
DAY = ("start", "reference_ends", "dose", "services", "channel", "state")
DAY_PEOPLE = ("born", "name")
_DOSE = click.IntRange(FIRST, SECOND)
_MOMENT = click.DateTime(["%Y-%m-%dT%H:%M"])

_SENTENCES = {
    WhyNot.UNKNOWN: "there is no such booking",
    WhyNot.NOT_LIVE: "it is cancelled already, or has no such dose",
    WhyNot.BEGUN: "an appointment that has begun cannot be changed, nor can one be put in the past",
    WhyNot.CHANGED: "it was changed meanwhile: look at it again",
    WhyNot.ALREADY_THERE: "it is there already",
    WhyNot.GONE: "no place is free there",
    WhyNot.NOT_OFFERED: "there is no such slot",
    WhyNot.INTERVAL: "the two doses would not be as far apart as the campaign wants them",
    WhyNot.NO_TIME: "there would be no time to get from one appointment to the other",
    WhyNot.OTHER_CENTRE: "the two doses would be at two centres: move the first, or both",
    WhyNot.NO_SECOND: "no second dose is free there within the campaign's interval",
    WhyNot.OTHER_CAMPAIGN: "it belongs to another campaign",
    WhyNot.TOO_YOUNG: "the person would be too young on that day",
    WhyNot.NOT_CANCELLED: "the last change was not a cancellation: there is nothing to take back",
    WhyNot.TOO_LATE: "it was cancelled more than ten minutes ago: book it anew",
    WhyNot.BOOKED_AGAIN: "the person has another appointment by now",
}
_BECAME = {
    Became.CANCELLED: "cancelled",
    Became.CANCELLED_WITH_FIRST: "cancelled, for its interval counts from the first dose",
    Became.KEPT: "stays",
    Became.KEPT_SECOND_MISSING: "stays; its second dose is missing now",
    Became.MOVED: "moved",
    Became.MOVED_WITH_FIRST: "moved along with the first dose",
    Became.RESTORED: "restored",
}


def make(store: Store, campaign_of: Callable[[str], Campaign | None]) -> click.Group:
    """The group `bookings`; `campaign_of` finds a campaign by the name that bookings keep."""
    group = Commands("bookings", help="Look at bookings, and change one.")
    _add_looking(group, store)
    _add_day(group, store)
    _add_changing(group, store, campaign_of)
    return group


def _add_looking(group: click.Group, store: Store) -> None:
    @group.command("export", epilog="Example: flask bookings export > bookings.csv")
    @click.option("--with-people", is_flag=True, help="Add who comes: birth date, phone, name.")
    @click.option("--with-services", is_flag=True, help="Add what each appointment is for.")
    @operator.reads_people(store)
    def export(seen: Seen, *, with_people: bool, with_services: bool) -> None:
        """Every appointment as CSV on standard output; that it was read is recorded.

        `start` carries the centre's own time zone, `created_at` is UTC. A reference is empty once
        it has been erased. With people it waits for a supervisor who confirms it, each time. The
        services of an appointment are in one column, apart by a blank; none where there is only one
        service.
        """
        if with_people:
            with store.database.statement() as connection:
                people = bookings.count(connection)
            _for_two(store, "bookings", people)
        with store.database.transaction() as connection:
            found = bookings.export(
                connection, store.vault, with_people=with_people, with_services=with_services
            )
            what = "people_exported" if with_people else "bookings_exported"
            seen(connection, what, "bookings")
            columns = COLUMNS + PEOPLE * with_people + SERVICES * with_services
            print_csv(columns, map(_exported, found))

    @group.command("show", epilog="Example: flask bookings show 4521000001")
    @click.argument("reference")
    @click.option("--with-people", is_flag=True, help="Add who comes: birth date, phone, name.")
    @operator.reads_people(store)
    def show(seen: Seen, *, reference: str, with_people: bool) -> None:
        """Everything about one booking, with its history; that it was read is recorded.

        Appointments are told by the centre's own clock, everything else in UTC.
        """
        with store.database.transaction() as connection:
            file = _found(connection, store, reference)
            seen(connection, "person_shown" if with_people else "booking_shown", file.id)
            if with_people:
                note_opened(connection, store, OPERATOR, file)
            centres = centre_states(
                connection, {appointment.centre_id for appointment in file.appointments}
            )
            lines = history.of_booking(connection, file.id, store.vault)
        for line in _told(file, centres, with_people=with_people):
            click.echo(line)
        click.echo("history:")
        for row in lines:
            click.echo(f"  {_line(row)}")


def _for_two(store: Store, subject: str, people: int) -> None:
    """Let a supervisor confirm a list with people. Raises SecondNeeded."""
    by = four_eyes.account(operator.name())
    four_eyes.demand(store, four_eyes.Wish(four_eyes.EXPORT, subject, people, by))


def _add_day(group: click.Group, store: Store) -> None:
    @group.command("day", epilog="Example: flask bookings day --centre 892 --date 2026-12-03")
    @click.option("--centre", "centre_id", required=True, metavar="GID")
    @click.option("--date", "on", required=True, type=click.DateTime(["%Y-%m-%d"]))
    @click.option("--with-people", is_flag=True, help="Add birth date and name.")
    @operator.reads_people(store)
    def day(seen: Seen, *, centre_id: str, on: datetime, with_people: bool) -> None:
        """Who comes to a centre on a day, by the hour, as CSV; that it was read is recorded.

        `start` carries the centre's own time zone. A reference shows its last four digits. With
        people, and more than fifty of them, it waits for a supervisor who confirms it.
        """
        with store.database.statement() as connection:
            there = centre_state(connection, centre_id)
            if there is None:
                raise click.ClickException(
                    f"there is no centre {centre_id}: `flask centres list` has them"
                )
            zone = ZoneInfo(there.time_zone)
            window = (on.replace(tzinfo=zone), (on + timedelta(days=1)).replace(tzinfo=zone))
            expected = attendance.day(connection, store.vault, centre_id, window)
        if with_people and len(expected) > four_eyes.MANY:
            _for_two(store, f"{centre_id} {on.date()}", len(expected))
        with store.database.transaction() as connection:
            details = {"day": on.date().isoformat(), "people": with_people}
            seen(connection, "day_exported", centre_id, **details)
        columns = DAY + DAY_PEOPLE * with_people
        print_csv(columns, (_of_day(each, zone)[: len(columns)] for each in expected))


def _add_changing(
    group: click.Group, store: Store, campaign_of: Callable[[str], Campaign | None]
) -> None:
    @group.command("cancel", epilog='Example: flask bookings cancel 4521000001 --why "moved away"')
    @click.argument("reference")
    @click.option("--dose", type=_DOSE, help="Only this one. The second goes with the first.")
    @click.option("--why", required=True, help="For the history; nothing about the person.")
    @operator.reads_people(store)
    def cancel_(seen: Seen, *, reference: str, dose: int | None, why: str) -> None:
        """Cancel a booking, or one dose of it."""
        by = _by(why)
        with store.database.transaction() as connection:
            file = _found(connection, store, reference)
            seen(connection, "booking_changed", file.id)
            doses = None if dose is None else [dose]
            _tell(cancel(connection, store, file.id, doses, by=by))

    @group.command("restore", epilog='Example: flask bookings restore 4521000001 --why "mistaken"')
    @click.argument("reference")
    @click.option("--why", required=True, help="For the history; nothing about the person.")
    @operator.reads_people(store)
    def restore(seen: Seen, *, reference: str, why: str) -> None:
        """Take a cancellation back, within ten minutes: so long its places are kept."""
        by = _by(why)
        with store.database.transaction() as connection:
            file = _found(connection, store, reference)
            seen(connection, "booking_changed", file.id)
            campaign = _campaign(campaign_of, file)
            _tell(undo_cancel(connection, store, campaign, _holder(store), file.id, by=by))

    @group.command(
        "move",
        epilog="Example: flask bookings move 4521000001 --first 2021-01-20T10:00 --why flooded",
    )
    @click.argument("reference")
    @click.option("--first", type=_MOMENT, help="Start of the new slot, by the centre's clock.")
    @click.option("--second", type=_MOMENT, help="The same for the second dose.")
    @click.option("--centre", "centre_id", metavar="GID", help="Another centre.")
    @click.option("--why", required=True, help="For the history; nothing about the person.")
    @operator.reads_people(store)
    def move_(
        seen: Seen,
        *,
        reference: str,
        first: datetime | None,
        second: datetime | None,
        centre_id: str | None,
        why: str,
    ) -> None:
        """Move one dose or both; the second follows the first where it has to."""
        wanted = {dose: at for dose, at in ((FIRST, first), (SECOND, second)) if at}
        if not wanted:
            raise click.UsageError("say --first, --second or both")
        by = _by(why)
        with store.database.transaction() as connection:
            file = _found(connection, store, reference)
            seen(connection, "booking_changed", file.id)
            campaign = _campaign(campaign_of, file)
            to = {
                dose: _slot(connection, centre_id or file.centre_id, start)
                for dose, start in wanted.items()
            }
            _tell(move(connection, store, campaign, _holder(store), file.id, to=to, by=by))


def _exported(row: bookings.BookingRow) -> tuple[object, ...]:
    start = row.start_at.astimezone(ZoneInfo(row.time_zone))
    person = row.person
    return (
        row.reference,
        row.channel,
        row.centre_id,
        row.centre_name,
        start.isoformat(timespec="minutes"),
        row.dose,
        row.state,
        row.created_at.isoformat(timespec="seconds"),
        *((person.born, person.number, person.name, person.postcode) if person else ()),
        *((" ".join(row.services),) if row.services is not None else ()),
    )


def _told(
    file: BookingDetails, centres: dict[str, CentreState], *, with_people: bool
) -> Iterator[str]:
    yield f"state: {file.state}, version {file.version}"
    yield f"campaign: {file.campaign}"
    yield f"booked: {moment(file.created_at)} by {file.channel}"
    for appointment in file.appointments:
        where = centres[appointment.centre_id]
        start = appointment.start_at.astimezone(ZoneInfo(where.time_zone)).isoformat(
            timespec="minutes"
        )
        at = f"{where.name}, {where.postcode} {where.town} (centre {where.id})"
        yield (
            f"dose {appointment.dose}: {appointment.state}, {start}, {at},"
            f" place {appointment.place_id}"
        )
    if with_people:
        yield f"born: {file.born or ''}"
        yield f"phone: {file.number or ''}"
        yield f"name: {file.name or ''}"
        yield f"postcode: {file.postcode or ''}"
        yield f"rank: {file.rank}"


def _line(one: HistoryLine) -> str:
    change = one.change
    told = f"{moment(one.at)} {change.what} by {change.who} ({change.channel})"
    if change.why:
        told += f", {change.why}"
    doses = [
        f"dose {each['dose']} {each['became']} {each['start_at']}"
        for each in change.details.get("doses", ())
        if isinstance(each, dict) and {"dose", "became", "start_at"} <= each.keys()
    ]
    return f"{told}: {'; '.join(doses)}" if doses else told


def _found(connection: Connection, store: Store, reference: str) -> BookingDetails:
    digits = "".join(letter for letter in reference if letter.isdigit())
    found = changes.find_by_reference(connection, store.vault, digits)
    if found is None:
        raise click.ClickException("no booking has this reference (an erased one has none)")
    return found


def _campaign(campaign_of: Callable[[str], Campaign | None], file: BookingDetails) -> Campaign:
    campaign = campaign_of(file.campaign)
    if campaign is None:
        raise click.ClickException(
            f"the campaign {file.campaign} of this booking is in no file that CAMPAIGN names"
        )
    return campaign


def _slot(connection: Connection, centre_id: str, local: datetime) -> Chosen:
    where = centre_states(connection, [centre_id]).get(centre_id)
    if where is None:
        raise click.ClickException(f"there is no centre {centre_id}")
    start = local.replace(tzinfo=ZoneInfo(where.time_zone)).astimezone(UTC)
    slot_id = changes.slot_at(connection, centre_id, start)
    if slot_id is None:
        raise click.ClickException(f"centre {centre_id} has no slot at {local:%Y-%m-%dT%H:%M}")
    return Chosen(0, slot_id, start)


def _by(why: str) -> By:
    if not why.strip() or len(why) > MOST_WHY:
        raise click.UsageError(f"--why takes 1 to {MOST_WHY} letters")
    return By(who="operator", channel=Channel.SUPERVISOR, why=why.strip())


def _holder(store: Store) -> Holder:
    return Holder(Channel.SUPERVISOR, f"op:{store.chance.identifier()}")


def _tell(result: Changed | Unchanged) -> None:
    if isinstance(result, Unchanged):
        raise click.ClickException(f"nothing is changed: {_SENTENCES[result.why]}")
    for dose in result.doses:
        click.echo(f"dose {dose.dose}: {_BECAME[dose.became]} ({moment(dose.start_at)})")


def _of_day(each: Comes, zone: ZoneInfo) -> tuple[object, ...]:
    """The columns DAY and DAY_PEOPLE."""
    return (
        each.start_at.astimezone(zone).isoformat(timespec="minutes"),
        each.ends,
        each.dose,
        " ".join(done.service for done in each.services),
        each.channel,
        each.shown or "expected",
        each.born,
        each.name,
    )
