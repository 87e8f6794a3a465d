"""`flask store verify`."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import click

from services.booking.verify_store import verify_store
from services.campaign.campaign import Campaign
from services.store import Store


def make(store: Store, campaigns: Callable[[], Iterable[Campaign]]) -> click.Group:
    """The group `store`; `campaigns` gives those that are known, for their intervals."""

    @click.group("store")
    def group() -> None:
        """Look after the slot store."""

    @group.command(epilog="Example: flask store verify --limit 5")
    @click.option(
        "--limit",
        type=click.IntRange(min=0),
        default=20,
        show_default=True,
        help="How many contradictions of each kind are named; all are counted.",
    )
    @click.pass_context
    def verify(context: click.Context, limit: int) -> None:
        """Recount everything and name what contradicts itself; exit status 1 if anything does.

        Nothing is changed and nobody is held up: it may run while calls are served. What is named
        are ids and numbers, never a person.
        """
        verified = verify_store(store, campaigns(), limit=limit, say=click.echo)
        click.echo(verified.last_line())
        if verified.contradictions:
            context.exit(1)

    return group
