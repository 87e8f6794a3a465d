"""`flask centres wheelchair`: whether one comes in with a wheelchair, by an operator's word."""

from __future__ import annotations

import click

from commands import operator
from commands.terminal import refusals
from services.centre_day.wheelchair import WORDS, AccessRefused, WheelchairAccess
from services.store import Store


def add(group: click.Group, store: Store) -> None:
    """Add the command to `flask centres`."""

    @group.command(epilog="Example: flask centres wheelchair 21 yes")
    @click.argument("centre_id", metavar="GID")
    @click.argument("word", type=click.Choice(WORDS), required=False)
    def wheelchair(*, centre_id: str, word: str | None) -> None:
        """Show or say whether a centre can be entered with a wheelchair.

        The site shows it beside each offer and on the centre's page. What is said here stays over
        every import; `unset` takes it back.
        """
        access = WheelchairAccess(store, operator.name)
        with refusals(AccessRefused):
            found = access.say(centre_id, word) if word else access.read(centre_id)
        click.echo(f"{found.name}: {found.told or 'not told'}")
        if found.our_wheelchair is not None:
            click.echo(
                f"an operator said so (the directory: {found.wheelchair or 'not told'}); "
                "`unset` takes it back"
            )
