"""`flask migrate`, `flask store`, `flask data` and `flask demo`: the store as a whole."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import partial
from pathlib import Path

import click

from commands import operator
from commands.terminal import Commands, progress_bar, refusals
from jobs import feeds
from models.clock import Clock
from models.database import Database
from models.migrations.plan import make_plan
from models.migrations.runner import NotMigrated, upgrade
from models.migrations.schema import SchemaUnknown
from services.booking.verify_store import verify_store
from services.campaign.campaign import Campaign
from services.centres.import_centres import FileRefused
from services.privacy.anchor_traces import read_anchors
from services.privacy.erase_data import NotAllErased, erase_campaign, erase_data
from services.privacy.traces import Chainer
from services.privacy.verify_traces import verify_traces
from services.setup.demonstration import prepare
from services.store import Store


def make(
    store: Store, campaigns: Callable[[], Iterable[Campaign]], chainer: Chainer, anchor_file: str
) -> click.Group:
    """The group `store`; `campaigns` gives those that are known, for their intervals.

    `chainer` knows the secrets of the traces; `anchor_file` is where anchors are, empty: nowhere.
    """
    group = Commands("store", help="Look after the slot store.")

    @group.command(epilog="Example: flask store verify --limit 5")
    @click.option(
        "--limit",
        type=click.IntRange(min=0),
        default=20,
        show_default=True,
        help="How many contradictions of each kind are named; all are counted.",
    )
    @click.option(
        "--anchors",
        "file",
        type=click.Path(path_type=Path),
        default=anchor_file or None,
        help="The file of anchors, if not that of TRACES_ANCHOR_FILE.",
    )
    @click.pass_context
    def verify(context: click.Context, limit: int, file: Path | None) -> None:
        """Recount everything and name what contradicts itself; exit status 1 if anything does.

        Then compare the history of bookings and the acts of staff with the chain of what was
        recorded, and the chain with the anchors outside: the first line that is missing, changed or
        new in the past is named first. Nothing is changed and nobody is held up: it may run while
        calls are served. What is named are ids and numbers, never a person.
        """
        if file:
            read_anchors(file)
        verified = verify_store(store, campaigns(), limit=limit, say=click.echo)
        # Anew: the recount may have taken minutes, and anchors go on leaving.
        anchors = read_anchors(file) if file else None
        broken = verify_traces(chainer, anchors, limit=limit, say=click.echo)
        verified = replace(verified, contradictions=verified.contradictions + broken)
        click.echo(verified.last_line())
        if verified.contradictions:
            context.exit(1)

    return group


def make_data(store: Store) -> click.Group:
    """The group `data`."""
    group = click.Group("data", help="Look after what is stored.")

    @group.command(epilog="Example: flask data erase")
    @click.option(
        "--campaign",
        default="",
        metavar="NAME",
        help="The people of this campaign, before it is due.",
    )
    @click.option("--yes", is_flag=True, help="Do not ask.")
    def erase(*, campaign: str, yes: bool) -> None:
        """Erase personal data that is due (the scheduler does the same every hour).

        Of a campaign: every booking of it alone whose appointments lie behind, its messages and its
        waiting list, for ever. What has an appointment ahead stays.
        """
        if campaign:
            if not yes:
                click.confirm(f"Erase the people of {campaign} for ever?", abort=True)
            done = erase_campaign(store, campaign, by=operator.name())
            for kind, count in done.erased.items():
                click.echo(f"{count} {kind} erased")
            click.echo(f"{done.ahead} bookings have an appointment ahead and stay")
            return
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

    @click.command("migrate", epilog="Example: flask migrate --plan")
    @click.option(
        "is_plan",
        "--plan",
        is_flag=True,
        help="Say what would run, which tables it keeps busy how, and about how long; run nothing.",
    )
    def migrate(*, is_plan: bool) -> None:
        """Bring the database to the newest schema. May be run again at any time.

        It does not wait long for anybody: when a table is kept busy, it gives up with exit status 1
        and leaves the calls alone.
        """
        if is_plan:
            with refusals(SchemaUnknown):
                for line in make_plan(database_url).lines():
                    click.echo(line)
            return
        with refusals(NotMigrated, SchemaUnknown):
            before, after = upgrade(database_url)
        if before == after:
            click.echo(f"The database is at {after} already.")
        else:
            click.echo(f"The database went from {before or 'nothing'} to {after}.")

    return migrate


def make_demo(
    database: Database,
    clock: Clock,
    add_people: Callable[[int], int] = lambda _count: 0,
    *,
    own_centres: Path | None = None,
    production: bool = False,
) -> click.Command:
    """The command `demo`; `add_people` makes bookings of so many invented people a day.

    `own_centres` is the campaign's own file of centres; None: the extract in data/.
    """

    @click.command("demo", epilog="Example: flask demo")
    @click.option("--refresh", is_flag=True, help="Read the extracts in data/ anew.")
    @click.option(
        "--people",
        type=click.IntRange(1, 200),
        metavar="COUNT",
        help="Only book so many people a day at the centre of the account `secretary`.",
    )
    def demo(*, refresh: bool, people: int | None) -> None:
        """Fill an empty store with postcodes and centres, and open slots for the coming weeks.

        May be run at each start: it then only adds the days that have come into reach. Not in
        production, where nobody may be sent to a hall that is none.
        """
        if production:
            raise click.ClickException(
                "ENVIRONMENT is production, and a demonstration makes every centre ours and adds "
                "halls and people that are none: `flask setup` goes live instead"
            )
        if people is not None:
            click.echo(f"{add_people(people)} people who never were are booked")
            return
        with refusals(FileRefused):
            report = prepare(
                database,
                clock,
                read_postcodes=feeds.read_postcodes,
                read_centres=partial(feeds.read_centres, own_centres or feeds.CENTRES_EXTRACT),
                # A town hall is no hall of every main town.
                main_towns=() if own_centres else feeds.read_main_towns(),
                refresh=refresh,
                watch=progress_bar,
            )
        for line in report.lines():
            click.echo(line)

    return demo
