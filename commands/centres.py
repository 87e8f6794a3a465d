"""`flask centres`: take in an edition of the official file, and close a centre by hand."""

from __future__ import annotations

from pathlib import Path

import click

from commands.slots import progress_bar
from commands.wishes import carry_out, why_options
from jobs import feeds
from models.clock import Clock
from models.database import Database
from services.centre_day.centre_life import IMPORT, CentreLife, OperationRequest
from services.centres.import_centres import FileRefused, import_centres

EXIT_ALL_REFUSED = 3


def make(database: Database, clock: Clock, life: CentreLife) -> click.Group:
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
        Nobody who is booked is lost: at a closed centre they are moved or become a case for an
        agent, at one that the file reserves they become a case.
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
        _tell_booked(life)
        click.echo(report.last_line())

    @centres.command(epilog="Example: flask centres close 21 --why 'the hall is flooded'")
    @click.argument("centre_id", metavar="GID")
    @why_options
    def close(*, centre_id: str, why: str, who: str, dry_run: bool, yes: bool) -> None:
        """Close a centre; whoever is booked is moved or becomes a case for an agent.

        Run again it goes on where it was stopped. `flask operations undo` opens it again; an import
        does not.
        """
        wish = OperationRequest(why, who, dry_run, progress_bar)
        carry_out(lambda each: life.close_centre(centre_id, each), wish, yes=yes)

    return centres


def _tell_booked(life: CentreLife) -> None:
    """See to the people at centres that this import, or one that was stopped, has closed."""
    for done in life.settle(
        OperationRequest("no longer so in the official file", IMPORT, watch=progress_bar)
    ):
        click.echo(f"centre {done.centre_id}: {done.last_line()}")
    for closing in life.came_back():
        click.echo(
            f"centre {closing.centre_id} is back; what was closed there stays so until "
            f"`flask operations undo {closing.id}`"
        )
