"""`flask postcodes import`: take in La Poste's list of postcodes."""

from __future__ import annotations

from pathlib import Path

import click

from commands.slots import progress_bar
from jobs import feeds
from models.clock import Clock
from models.database import Database
from services.centres.import_centres import FileRefused
from services.centres.import_postcodes import import_postcodes

EXIT_ALL_REFUSED = 3


def make(database: Database, clock: Clock) -> click.Group:
    @click.group()
    def postcodes() -> None:
        """Postcodes and their towns."""

    @postcodes.command("import", epilog="Example: flask postcodes import laposte_hexasmal.csv")
    @click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
    def import_(file: Path) -> None:
        """Take in La Poste's list of postcodes (CSV with semicolons, UTF-8, or .gz).

        May be run again at any time. A bad row is named on standard error and the rest goes in
        (exit status 3 when every row is bad).
        """
        try:
            feed = feeds.read_postcodes(file)
            for row in feed.refused:
                click.echo(f"line {row.line}: {row.reason}", err=True)
            if not feed.towns:
                click.echo(f"Error: {file}: every row was refused; nothing is changed", err=True)
                raise click.exceptions.Exit(EXIT_ALL_REFUSED)
            codes = len({town.code for town in feed.towns})
            with progress_bar("postcodes", codes) as progress:
                report = import_postcodes(database, feed, progress=progress)
        except FileRefused as refused:
            raise click.ClickException(f"{file}: {refused}; nothing is changed") from None
        click.echo(report.last_line())

    return postcodes
