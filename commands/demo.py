"""`flask demo`: fill an empty installation and keep its slots topped up."""

from __future__ import annotations

from collections.abc import Callable

import click

from commands.slots import progress_bar
from jobs import feeds
from models.clock import Clock
from models.database import Database
from services.centres.import_centres import FileRefused
from services.operations.demonstration import prepare


def make(
    database: Database, clock: Clock, add_people: Callable[[int], int] = lambda _count: 0
) -> click.Command:
    """The command `demo`; `add_people` books so many a day who never were."""

    @click.command("demo", epilog="Example: flask demo")
    @click.option("--refresh", is_flag=True, help="Read the extracts in data/ anew.")
    @click.option(
        "--people",
        type=click.IntRange(1, 200),
        metavar="COUNT",
        help="Only book so many people a day at the centre of the account `secretary`.",
    )
    def demo(*, refresh: bool, people: int | None) -> None:
        """Fill an empty store with postcodes and centres, and open slots for the coming weeks.

        May be run at each start: it then only adds the days that have come into reach.
        """
        if people is not None:
            click.echo(f"{add_people(people)} people who never were are booked")
            return
        try:
            report = prepare(
                database,
                clock,
                read_postcodes=feeds.read_postcodes,
                read_centres=feeds.read_centres,
                main_towns=feeds.read_main_towns(),
                refresh=refresh,
                watch=progress_bar,
            )
        except FileRefused as refused:
            raise click.ClickException(str(refused)) from None
        for line in report.lines():
            click.echo(line)

    return demo
