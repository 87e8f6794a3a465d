"""`flask slots`: open and list them, close a day, change capacity, move an hour."""

from __future__ import annotations

import csv
import sys

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

import click

from commands.wishes import as_day, as_time, carry_out, why_options
from models.clock import Clock
from models.database import Database
from services.centre_day.centre_life import CentreLife, OperationRequest
from services.centres.import_centres import Progress, no_progress
from services.slots.list_slots import HEADER, UnknownCentre, list_slots
from services.slots.open_slots import ReleaseOffers, SlotsRefused, open_slots, parse_hours


@contextmanager
def progress_bar(what: str, total: int) -> Iterator[Progress]:
    """Show a bar on standard error where that is a terminal and there is work."""
    if not total:
        yield no_progress
        return
    with click.progressbar(
        range(total),
        label=what.capitalize(),
        file=sys.stderr,
        hidden=not sys.stderr.isatty(),
    ) as bar:
        yield bar.update


def make(
    database: Database, clock: Clock, life: CentreLife, offers: ReleaseOffers | None = None
) -> click.Group:
    """The commands `slots …`; `offers` are those who wait for new places."""

    @click.group()
    def slots() -> None:
        """Slots: times at a centre with a number of places."""

    slots.add_command(_open(database, clock, offers))
    slots.add_command(_list(database, clock))
    slots.add_command(_close_day(life))
    slots.add_command(_capacity(life))
    slots.add_command(_move_hour(life))
    return slots


def _open(database: Database, clock: Clock, offers: ReleaseOffers | None) -> click.Command:
    @click.command(
        "open",
        epilog="Example: flask slots open --centre 21 --from 2021-01-18 --days 5 "
        "--hours 09:00-12:00 --hours 14:00-17:00 --every 10 --capacity 2",
    )
    @click.option("--centre", "centre_ids", multiple=True, metavar="GID", help="May be repeated.")
    @click.option(
        "--all", "every_centre", is_flag=True, help="Every open centre, by its own hours."
    )
    @click.option(
        "--from",
        "first",
        required=True,
        type=click.DateTime(["%Y-%m-%d"]),
        help="First day, in the centre's own time zone.",
    )
    @click.option("--days", required=True, type=int, help="How many days.")
    @click.option(
        "--hours",
        multiple=True,
        metavar="HH:MM-HH:MM",
        help="On each of the days; may be repeated. Without: the centre's own hours.",
    )
    @click.option("--every", default=10, show_default=True, type=int, help="Minutes for a slot.")
    @click.option("--capacity", default=1, show_default=True, type=int, help="Places in a slot.")
    def open_(
        *,
        centre_ids: tuple[str, ...],
        every_centre: bool,
        first: datetime,
        days: int,
        hours: tuple[str, ...],
        every: int,
        capacity: int,
    ) -> None:
        """Open slots. Run twice it does not double them; a larger --capacity adds places."""
        if every_centre == bool(centre_ids):
            raise click.UsageError("say either --centre GID or --all")
        if every_centre and hours:
            raise click.UsageError("--all opens each centre by its own hours: leave out --hours")
        try:
            report = open_slots(
                database,
                clock,
                centre_ids=None if every_centre else sorted(set(centre_ids)),
                first=first.date(),
                days=days,
                hours=sorted({parse_hours(text) for text in hours}),
                every=every,
                capacity=capacity,
                watch=progress_bar,
                offers=offers,
            )
        except SlotsRefused as refused:
            raise click.ClickException(str(refused)) from None
        for line in report.lines():
            click.echo(line)

    return open_


def _list(database: Database, clock: Clock) -> click.Command:
    @click.command("list", epilog="Example: flask slots list --centre 21")
    @click.option("--centre", "centre_id", required=True, metavar="GID")
    def list_(centre_id: str) -> None:
        """Print a centre's slots as CSV; starts are in the centre's own time zone."""
        try:
            rows = list_slots(database, clock, centre_id)
        except UnknownCentre as unknown:
            raise click.ClickException(str(unknown)) from None
        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerow(HEADER)
        writer.writerows(rows)

    return list_


def _close_day(life: CentreLife) -> click.Command:
    @click.command(
        "close-day",
        epilog="Example: flask slots close-day --centre 21 --day 2021-01-18 --why 'no vaccine'",
    )
    @click.option("--centre", "centre_id", required=True, metavar="GID")
    @click.option("--day", required=True, metavar="YYYY-MM-DD", help="The centre's own day.")
    @why_options
    def close_day(
        *, centre_id: str, day: str, why: str, who: str, dry_run: bool, yes: bool
    ) -> None:
        """Close a centre for a day; whoever is booked is moved or becomes a case for an agent.

        Run again it goes on where it was stopped. `flask operations undo` takes it back.
        """
        wish = OperationRequest(why, who, dry_run, progress_bar)
        carry_out(lambda each: life.close_day(centre_id, as_day(day), each), wish, yes=yes)

    return close_day


def _capacity(life: CentreLife) -> click.Command:
    @click.command(
        "capacity",
        epilog="Example: flask slots capacity --centre 21 --from 2021-01-18 --to 2021-01-22 "
        "--capacity 3 --why 'a nurse is ill'",
    )
    @click.option("--centre", "centre_id", required=True, metavar="GID")
    @click.option("--from", "first", required=True, metavar="YYYY-MM-DD", help="First day.")
    @click.option("--to", "last", required=True, metavar="YYYY-MM-DD", help="Last day.")
    @click.option("--capacity", required=True, type=int, help="Places of each slot; 0 for none.")
    @why_options
    def capacity_(
        *,
        centre_id: str,
        first: str,
        last: str,
        capacity: int,
        why: str,
        who: str,
        dry_run: bool,
        yes: bool,
    ) -> None:
        """Cut or add places of every slot of some days; the surplus of people is moved.

        Free places go first. What is cut stays in the list as blocked, and is the first to come
        back when capacity is added.
        """
        wish = OperationRequest(why, who, dry_run, progress_bar)
        carry_out(
            lambda each: life.set_capacity(centre_id, as_day(first), as_day(last), capacity, each),
            wish,
            yes=yes,
        )

    return capacity_


def _move_hour(life: CentreLife) -> click.Command:
    @click.command(
        "move-hour",
        epilog="Example: flask slots move-hour --centre 21 --day 2021-01-18 --from 09:00 "
        "--to 10:30 --why 'delivery is late'",
    )
    @click.option("--centre", "centre_id", required=True, metavar="GID")
    @click.option("--day", required=True, metavar="YYYY-MM-DD", help="The centre's own day.")
    @click.option("--from", "start", required=True, metavar="HH:MM", help="By its own clock.")
    @click.option("--to", required=True, metavar="HH:MM", help="By its own clock.")
    @why_options
    def move_hour(
        *,
        centre_id: str,
        day: str,
        start: str,
        to: str,
        why: str,
        who: str,
        dry_run: bool,
        yes: bool,
    ) -> None:
        """Move a slot with the people in it to another hour of the same day."""
        wish = OperationRequest(why, who, dry_run, progress_bar)
        carry_out(
            lambda each: life.move_hour(centre_id, as_day(day), as_time(start), as_time(to), each),
            wish,
            yes=yes,
        )

    return move_hour
