"""`flask slots open` and `flask slots list`."""

from __future__ import annotations

import csv
import sys

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

import click

from models.clock import Clock
from models.database import Database
from services.import_centres import Progress, no_progress
from services.list_slots import HEADER, UnknownCentre, list_slots
from services.open_slots import SlotsRefused, open_slots, parse_hours


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


def make(database: Database, clock: Clock) -> click.Group:
    @click.group()
    def slots() -> None:
        """Slots: times at a centre with a number of places."""

    slots.add_command(_open(database, clock))
    slots.add_command(_list(database, clock))
    return slots


def _open(database: Database, clock: Clock) -> click.Command:
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
