"""`flask data erase` and `flask migrate`."""

from __future__ import annotations

import click

from models.migrations import runner
from services.operations.erase_data import NotAllErased, erase_data
from services.store import Store


def make(store: Store) -> click.Group:
    """The group `data`."""

    @click.group("data")
    def group() -> None:
        """Look after what is stored."""

    @group.command(epilog="Example: flask data erase")
    def erase() -> None:
        """Erase personal data that is due (the scheduler does the same every hour)."""
        try:
            erased = erase_data(store)
        except NotAllErased as failed:
            raise click.ClickException(
                f"not everything could be erased ({failed}); the log says why. Run it again."
            ) from None
        for kind, count in erased.items():
            click.echo(f"{count} {kind} erased")

    return group


def make_migrate(database_url: str) -> click.Command:
    """The command `migrate`."""

    @click.command("migrate", epilog="Example: flask migrate")
    def migrate() -> None:
        """Bring the database to the newest schema. May be run again at any time.

        It does not wait long for anybody: when a table is kept busy, it gives up with exit status 1
        and leaves the calls alone.
        """
        try:
            before, after = runner.upgrade(database_url)
        except (runner.SchemaBusy, runner.SchemaUnknown) as told:
            raise click.ClickException(str(told)) from None
        if before == after:
            click.echo(f"The database is at {after} already.")
        else:
            click.echo(f"The database went from {before or 'nothing'} to {after}.")

    return migrate
