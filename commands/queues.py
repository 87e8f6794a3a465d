"""`flask queues …`: the queues of callers who wait for an agent, here and at the provider."""

from __future__ import annotations

import re

from collections.abc import Callable

import click

from commands.terminal import Commands
from models.queue import call_queues
from services.accounts import staff as accounts
from services.ports import CallControl
from services.queue.entries import make_queues
from services.store import Store

_ID = re.compile(r"[a-z]{2}(?:-[a-z0-9-]{1,36})?")
_LARGEST = 5000


def make(store: Store, control: Callable[[], CallControl]) -> click.Group:
    """The group `queues`; `control` is asked for when the provider is."""
    group = Commands(
        "queues", help="Queues of a language, national or of a region, and who answers them."
    )
    _add_making(group, store, control)
    _add_members(group, store)
    return group


def _add_making(group: click.Group, store: Store, control: Callable[[], CallControl]) -> None:
    @group.command(epilog="Example: flask queues create")
    @click.argument("queue_id", required=False)
    @click.option("--region", default="", help="As agents read it; none: the language's national.")
    @click.option(
        "--overflow",
        type=click.IntRange(0, 120),
        default=3,
        show_default=True,
        help="Minutes until the national queue takes its callers, too.",
    )
    @click.option("--size", type=click.IntRange(1, _LARGEST), default=_LARGEST, show_default=True)
    def create(queue_id: str | None, region: str, overflow: int, size: int) -> None:
        """Make the provider's queues of ours; with QUEUE_ID (fr-bretagne) a new one before.

        Release runs it; it may be run again.
        """
        if queue_id is not None:
            if not _ID.fullmatch(queue_id):
                raise click.ClickException(
                    f"{queue_id} is no name of a queue: a language, or fr-bretagne"
                )
            with store.database.transaction() as connection:
                new = call_queues.add_queue(
                    connection,
                    store.clock,
                    queue_id,
                    queue_id[:2],
                    region,
                    overflow_minutes=overflow,
                    max_size=size,
                )
            click.echo(f"{queue_id}: {'made' if new else 'was there'}")
        made, failed = make_queues(store, control(), anew=True)
        for name in made:
            click.echo(f"{name}: at the provider")
        if failed:
            # No caller depends on it: the dispatcher tries again, and callers are held meanwhile.
            click.echo(
                f"not made at the provider, tried again later: {', '.join(failed)}", err=True
            )

    @group.command("list", epilog="Example: flask queues list")
    def show() -> None:
        """List queues: name, language, region, state, overflow, size, provider's id, members."""
        with store.database.statement() as connection:
            members = call_queues.memberships(connection)
            for queue in call_queues.all_queues(connection):
                there = sum(queue.id in theirs for theirs in members.values())
                columns = (
                    queue.id,
                    queue.language,
                    queue.region or "-",
                    queue.state,
                    f"{queue.overflow_minutes} min",
                    str(queue.max_size),
                    queue.provider_sid or "-",
                    f"{there} members",
                )
                click.echo("\t".join(columns))


def _add_members(group: click.Group, store: Store) -> None:
    @group.command(epilog="Example: flask queues add fr-bretagne camille")
    @click.argument("queue_id")
    @click.argument("login")
    def add(queue_id: str, login: str) -> None:
        """Let LOGIN answer QUEUE_ID; who is in no queue answers those of their languages."""
        _change(store, queue_id, login, there=True)

    @group.command(epilog="Example: flask queues remove fr-bretagne camille")
    @click.argument("queue_id")
    @click.argument("login")
    def remove(queue_id: str, login: str) -> None:
        """Let LOGIN answer QUEUE_ID no longer."""
        _change(store, queue_id, login, there=False)


def _change(store: Store, queue_id: str, login: str, *, there: bool) -> None:
    with store.database.statement() as connection:
        found = accounts.find(connection, store, login)
        theirs = set(call_queues.of_member(connection, found.id))
    wanted = theirs | {queue_id} if there else theirs - {queue_id}
    accounts.set_queues(store, login, sorted(wanted))
    click.echo(f"{login}: {', '.join(sorted(wanted)) or 'the queues of their languages'}")
