"""`flask centres list`: the centres of the directory, and their GIDs, for an operator's choice."""

from __future__ import annotations

from collections.abc import Sequence

import click

from commands.terminal import print_csv
from services.centre_day.list_centres import ListedCentre, list_centres
from services.store import Store

COLUMNS = (
    *("gid", "name", "postcode", "town", "departement", "standing", "kilometres"),
    *("spoken", "directory"),
)


def add(group: click.Group, store: Store) -> None:
    """Add the command to `flask centres`."""

    @group.command("list", epilog="Example: flask centres list --near 35000 --limit 10")
    @click.option("--near", metavar="POSTCODE", default="", help="The nearest to it first.")
    @click.option(
        *("--departement", "--department"),
        metavar="CODE",
        default="",
        help="Those of a département: 35, 2A, 971.",
    )
    @click.option("--name", default="", help="A part of the centre's name, or of its town's.")
    @click.option("--ours", is_flag=True, help="Those that this service books for.")
    @click.option("--limit", type=click.IntRange(min=1), help="So many at most.")
    @click.option("--csv", "as_csv", is_flag=True, help="As CSV; else a table for the eye.")
    def list_(
        *, near: str, departement: str, name: str, ours: bool, limit: int | None, as_csv: bool
    ) -> None:
        """List open centres with their GID, and whether each is ours or can be taken.

        Options narrow it down together. Exit status 1 where there is none.
        """
        found = list_centres(
            store,
            near=near.strip(),
            departement=departement.strip().upper(),
            name=name.strip(),
            ours=ours,
        )
        if as_csv:
            print_csv(COLUMNS, [_cells(centre) for centre in found[:limit]])
        else:
            _tell(found[:limit])
        more = len(found) - len(found[:limit])
        if more:
            click.echo(f"… and {more} more", err=True)
        if not found:
            click.echo("no open centre is like that", err=True)
            raise click.exceptions.Exit(1)


def _cells(one: ListedCentre) -> Sequence[object]:
    centre, kilometres = one.state, "" if one.kilometres is None else one.kilometres
    return (
        *(centre.id, centre.name, centre.postcode, centre.town, centre.departement, one.standing),
        kilometres,
        centre.spoken,
        centre.of_source,
    )


def _tell(found: Sequence[ListedCentre]) -> None:
    width = max((len(listed.state.id) for listed in found), default=0)
    for listed in found:
        centre = listed.state
        far = f", {listed.kilometres:g} km" if listed.kilometres is not None else ""
        click.echo(
            f"{centre.id:<{width}}  {centre.name}, {centre.postcode} {centre.town}{far}:"
            f" {listed.standing}"
        )
        others = []
        if centre.spoken != centre.name:
            others.append(f"said “{centre.spoken}”")
        if centre.of_source != centre.name:
            others.append(f"in the directory “{centre.of_source}”")
        if others:
            click.echo(f"{'':<{width}}  {', '.join(others)}")
