"""`flask centres names` and `wheelchair`: what an operator says of a centre, over every import."""

from __future__ import annotations

from collections.abc import Iterable

import click

from commands import operator
from commands.terminal import print_csv
from jobs import feeds
from models.centres.names import NamedState
from services.centre_day.name_centres import NameCentres
from services.centre_day.wheelchair import WORDS, WheelchairAccess
from services.store import Store


def add(group: click.Group, store: Store) -> None:
    """Add the commands to `flask centres`."""

    @group.command(
        epilog="Example: flask centres names 21 --spoken 'hôpital Saint-André'"
        " --written 'Hôpital Saint-André'"
    )
    @click.argument("centre_id", metavar="GID", required=False)
    @click.option("--written", default="", help="As pages and texts write it.")
    @click.option("--spoken", default="", help="As callers hear it; without it, as it is written.")
    @click.option("--undo", is_flag=True, help="Take the last word back.")
    @click.option("--doubtful", is_flag=True, help="List the names that look mangled, by rules.")
    @click.option("--csv", "as_csv", is_flag=True, help="That list as CSV; else for the eye.")
    def names(
        *,
        centre_id: str | None,
        written: str,
        spoken: str,
        undo: bool,
        doubtful: bool,
        as_csv: bool,
    ) -> None:
        """Show what a centre is called, or say it better than the import made it.

        Names are made at the import of the directory, by prompts/places/centres.toml. What is said
        here stays over every import. `--undo` takes back one word after the other. `--doubtful`
        lists open centres to look at: some of their names are right.
        """
        if doubtful == bool(centre_id) or (doubtful and (written or spoken or undo)):
            raise click.UsageError("say either a GID or --doubtful alone")
        if undo and (written or spoken):
            raise click.UsageError("say either a name or --undo")
        naming = NameCentres(store, operator.name, feeds.towns_by_letters)
        if centre_id is None:
            _tell_doubtful(naming.doubtful(), as_csv=as_csv)
            return
        if undo:
            found = naming.undo(centre_id)
        elif written or spoken:
            found = naming.say(centre_id, written=written, spoken=spoken)
        else:
            found = naming.read(centre_id)
        click.echo(f"written:   {found.name}")
        click.echo(f"spoken:    {found.spoken}")
        click.echo(f"directory: {found.of_source}")
        if found.corrected:
            click.echo("an operator said so; `--undo` takes it back")

    @group.command(epilog="Example: flask centres wheelchair 21 yes")
    @click.argument("centre_id", metavar="GID")
    @click.argument("word", type=click.Choice(WORDS), required=False)
    def wheelchair(*, centre_id: str, word: str | None) -> None:
        """Show or say whether a centre can be entered with a wheelchair.

        The site shows it beside each offer and on the centre's page. What is said here stays over
        every import; `unset` takes it back.
        """
        access = WheelchairAccess(store, operator.name)
        found = access.say(centre_id, word) if word else access.read(centre_id)
        click.echo(f"{found.name}: {found.told or 'not told'}")
        if found.our_wheelchair is not None:
            click.echo(
                f"an operator said so (the directory: {found.wheelchair or 'not told'}); "
                "`unset` takes it back"
            )


def _tell_doubtful(found: Iterable[tuple[NamedState, str]], *, as_csv: bool) -> None:
    rows = [(one.id, one.name, one.town, why, one.of_source) for one, why in found]
    if as_csv:
        print_csv(("gid", "name", "town", "why", "directory"), rows)
        return
    for gid, name, town, why, source in rows:
        click.echo(f"{gid}  {name}, {town}: {why}; in the directory “{source}”")
    click.echo(f"{len(rows)} names look mangled", err=True)
