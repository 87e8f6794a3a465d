"""`flask centres names`: how a centre is written and said, and a word of an operator on it."""

from __future__ import annotations

import click

from commands import operator
from commands.terminal import refusals
from jobs import feeds
from services.centre_day.name_centres import NameCentres, NameRefused
from services.store import Store


def add(group: click.Group, store: Store) -> None:
    """Add the command to `flask centres`."""

    @group.command(
        epilog="Example: flask centres names 21 --spoken 'hôpital Saint-André'"
        " --written 'Hôpital Saint-André'"
    )
    @click.argument("centre_id", metavar="GID")
    @click.option("--written", default="", help="As pages and texts write it.")
    @click.option("--spoken", default="", help="As callers hear it; without it, as it is written.")
    @click.option("--undo", is_flag=True, help="Take the last word back.")
    def names(*, centre_id: str, written: str, spoken: str, undo: bool) -> None:
        """Show what a centre is called, or say it better than the import made it.

        Names are made at the import of the directory, by prompts/places/centres.toml. What is said
        here stays over every import. `--undo` takes back one word after the other.
        """
        if undo and (written or spoken):
            raise click.UsageError("say either a name or --undo")
        naming = NameCentres(store, operator.name, feeds.towns_by_letters)
        with refusals(NameRefused):
            if undo:
                found = naming.undo(centre_id)
            elif written or spoken:
                found = naming.say(centre_id, written=written, spoken=spoken)
            else:
                found = naming.read(centre_id)
        click.echo(f"written:   {found.written}")
        click.echo(f"spoken:    {found.spoken}")
        click.echo(f"directory: {found.of_source}")
        if found.corrected:
            click.echo("an operator said so; `--undo` takes it back")
