"""`flask centres` and `flask postcodes`: official files, and which centres are ours.

Closing a centre by hand is here, too.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import click

from commands import centre_list, centre_names, centre_takes
from commands.terminal import Commands, progress_bar
from commands.wishes import CarryOut, changes_centre, tell_outside
from jobs import feeds
from models.clock import Clock
from models.database import Database
from services.centre_day.centre_life import IMPORT, CentreLife
from services.centre_day.operation import OperationRequest
from services.centre_day.said_hours import find_outside
from services.centres.import_centres import FileRefused, RefusedRow, import_centres
from services.centres.import_postcodes import import_postcodes

EXIT_ALL_REFUSED = 3
# Of rows that are refused alike, so many are named by their line.
MOST_LINES = 10


def make(database: Database, clock: Clock, life: CentreLife) -> click.Group:
    centres = Commands("centres", help="Vaccination centres.")

    @centres.command("import", epilog="Example: flask centres import centres-vaccination.csv")
    @click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
    @click.option(
        "--allow-closing",
        "--force",
        "force",
        is_flag=True,
        help="Close or misplace more than 10 % of the open centres.",
    )
    def import_(*, file: Path, force: bool) -> None:
        """Take in the official file of vaccination centres (CSV with semicolons, UTF-8, or .gz).

        May be run again at any time, while calls are served. A centre that is no longer in the
        file, or whose closing date is past, is closed; a bad row is named on standard error and the
        rest goes in (exit status 3 when every row is bad). A centre whose position cannot be stands
        where its town is. A centre that was set to `ours` stays so unless the file reserves it.
        Nobody who is booked is lost: at a closed centre they are moved or become a case for an
        agent, at one that the file reserves they become a case.
        """
        with _import_of(file):
            feed = feeds.read_centres(file)
            if not feed.records:
                _tell_refused(file, feed.refused, feed.records)
            with progress_bar("centres", len(feed.records)) as progress:
                report = import_centres(database, clock, feed, force=force, progress=progress)
        # Of a file that changes nothing, the one sentence is enough.
        _tell_rows(feed.refused)
        _tell_rows(feed.unplaced, "; without position")
        if feed.phones_unusable:
            click.echo(f"{feed.phones_unusable} telephone fields without a usable number")
        click.echo(
            f"{feed.hours_not_told} opening hours still to be told by the centre, "
            f"{feed.hours_not_understood} opening hours not understood"
        )
        click.echo(report.kinds_line())
        if report.closed:
            click.echo(f"{report.closed} closed")
        _tell_booked(life)
        tell_outside(find_outside(database, clock))
        click.echo(report.last_line())

    @centres.command(epilog="Example: flask centres close 21 --why 'the hall is flooded'")
    @click.argument("centre_id", metavar="GID")
    @changes_centre(life)
    def close(carry_out: CarryOut, *, centre_id: str) -> None:
        """Close a centre; whoever is booked is moved or becomes a case for an agent.

        Run again it goes on where it was stopped. `flask operations undo` opens it again; an import
        does not.
        """
        carry_out(lambda each: life.close_centre(centre_id, each))

    centre_takes.add(centres, life)
    centre_list.add(centres, life.store)
    centre_names.add(centres, life.store)
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


def make_postcodes(database: Database) -> click.Group:
    postcodes = click.Group("postcodes", help="Postcodes and their towns.")

    @postcodes.command("import", epilog="Example: flask postcodes import laposte_hexasmal.csv")
    @click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
    def import_(file: Path) -> None:
        """Take in La Poste's list of postcodes (CSV with semicolons, UTF-8, or .gz).

        May be run again at any time. A bad row is named on standard error and the rest goes in
        (exit status 3 when every row is bad), and so is a position that cannot be.
        """
        with _import_of(file):
            feed = feeds.read_postcodes(file)
            _tell_refused(file, feed.refused, feed.towns)
            codes = len({town.code for town in feed.towns})
            with progress_bar("postcodes", codes) as progress:
                report = import_postcodes(database, feed, progress=progress)
        _tell_rows(report.unplaced)
        click.echo(report.last_line())

    return postcodes


@contextmanager
def _import_of(file: Path) -> Iterator[None]:
    try:
        yield
    except FileRefused as refused:
        raise click.ClickException(f"{file}: {refused}; nothing is changed") from None


def _tell_refused(file: Path, refused: Iterable[RefusedRow], good: Sequence[object]) -> None:
    """Name the bad rows. Raises click.exceptions.Exit where there is no good one."""
    _tell_rows(refused)
    if not good:
        click.echo(f"Error: {file}: every row was refused; nothing is changed", err=True)
        raise click.exceptions.Exit(EXIT_ALL_REFUSED)


def _tell_rows(rows: Iterable[RefusedRow], what: str = "") -> None:
    """A line on standard error for each row; rows that are alike are one line with their count."""
    alike: dict[str, list[RefusedRow]] = {}
    for row in rows:
        alike.setdefault(row.kind or row.reason, []).append(row)
    for kind, some in alike.items():
        if len(some) == 1:
            click.echo(f"line {some[0].line}: {some[0].reason}{what}", err=True)
            continue
        lines = ", ".join(str(row.line) for row in some[:MOST_LINES])
        more = f" and {len(some) - MOST_LINES} more" if len(some) > MOST_LINES else ""
        click.echo(f"{len(some)} rows: {kind}{what} (lines {lines}{more})", err=True)
