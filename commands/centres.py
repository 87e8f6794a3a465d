"""`flask centres import`: take in an edition of the official vaccination-centre file."""

from __future__ import annotations

from pathlib import Path

import click

from commands.slots import progress_bar
from jobs import feeds
from models.clock import Clock
from models.database import Database
from services.import_centres import FileRefused, import_centres

EXIT_ALL_REFUSED = 3


def make(database: Database, clock: Clock) -> click.Group:
    @click.group()
    def centres() -> None:
        """Vaccination centres."""

    @centres.command("import", epilog="Example: flask centres import centres-vaccination.csv")
    @click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
    @click.option("--allow-closing", is_flag=True, help="Close more than 10 % of the open centres.")
    def import_(*, file: Path, allow_closing: bool) -> None:
        """Take in the official file of vaccination centres (CSV with semicolons, UTF-8, or .gz).

        May be run again at any time, while calls are served. A centre that is no longer in the file
        is closed; a bad row is named on standard error and the rest goes in (exit status 3 when
        every row is bad). A centre that was set to `ours` stays so unless the file reserves it.
        """
        try:
            feed = feeds.read_centres(file)
            for row in feed.refused:
                click.echo(f"line {row.line}: {row.reason}", err=True)
            if not feed.records:
                click.echo(f"Error: {file}: every row was refused; nothing is changed", err=True)
                raise click.exceptions.Exit(EXIT_ALL_REFUSED)
            with progress_bar("centres", len(feed.records)) as progress:
                report = import_centres(
                    database, clock, feed, allow_closing=allow_closing, progress=progress
                )
        except FileRefused as refused:
            raise click.ClickException(f"{file}: {refused}; nothing is changed") from None
        if feed.phones_unusable:
            click.echo(f"{feed.phones_unusable} telephone fields without a usable number")
        click.echo(
            f"{feed.hours_not_told} opening hours still to be told by the centre, "
            f"{feed.hours_not_understood} opening hours not understood"
        )
        if report.closed:
            click.echo(f"{report.closed} closed")
        click.echo(report.last_line())

    return centres
