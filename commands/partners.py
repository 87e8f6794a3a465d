"""`flask partners`: what partners' answers say, and what their centres are."""

from __future__ import annotations

from collections.abc import Callable, Collection
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import click

from commands.terminal import print_csv, refusals
from jobs import partner_feeds, partner_files
from models.clock import Clock
from models.database import Database
from models.partners import rows as partner_rows
from models.partners.rows import Feed
from services.partners import match as partner_match

COLUMNS: Final = ("platform", "centre", "start", "dose", "motive", "bookable_for")


def make(
    database: Database,
    clock: Clock,
    settings_file: str,
    services: Callable[[], Collection[str]] = lambda: ("",),
) -> click.Group:
    """The group `partners`; `settings_file` is what the setting PARTNERS names, or "".

    `services` are those of the campaigns, "" for one without a name.
    """
    partners = click.Group("partners", help="Slots of Doctolib, Maiia and Keldoc.")
    partners.add_command(read)
    partners.add_command(make_check(services))
    _add_reading(partners, database, clock, settings_file, services)
    _add_matching(partners, database)
    return partners


def _add_reading(
    group: click.Group,
    database: Database,
    clock: Clock,
    settings_file: str,
    services: Callable[[], Collection[str]],
) -> None:
    @group.command("run", epilog="Example: flask partners run keldoc")
    @click.argument("platform", required=False, type=click.Choice(list(partner_files.PARTNERS)))
    def run(*, platform: str | None) -> None:
        """Read the platforms of the file that PARTNERS names once, now, at their pace."""
        if not settings_file:
            raise click.ClickException(
                "PARTNERS names no file, so no partner is read; see docs/partners.md"
            )
        told, why_not = _file(Path(settings_file)).for_services(services())
        for why in why_not:
            click.echo(f"Error: {why}", err=True)
        feeds = partner_feeds.feeds_of(told, database, clock)
        chosen = [feed for feed in feeds if platform in {None, feed.platform.name}]
        if not chosen:
            raise click.ClickException(f"{settings_file} does not name {platform}")
        refused = bool(why_not)
        for feed in chosen:
            feed.told = lambda line: click.echo(line, err=True)
            try:
                counts = partner_feeds.run_round(feed)
            except partner_feeds.NotNow as no:
                refused = True
                click.echo(f"Error: {no}", err=True)
                continue
            click.echo(
                f"{feed.platform.name}: {counts.centres} centres, {counts.slots} slots,"
                f" {counts.left_out} left out, {counts.gone} gone, {counts.troubles} not read"
            )
        if refused:
            raise click.exceptions.Exit(1)

    @group.command("list", epilog="Example: flask partners list")
    def list_() -> None:
        """Print how reading each platform goes, as CSV."""
        with database.statement() as connection:
            feeds = partner_rows.freshness(connection)
            counts = partner_rows.counts(connection)
        rows = [
            (
                feed.platform,
                *counts.get(feed.platform, (0, 0)),
                *(f"{at:%Y-%m-%dT%H:%M:%SZ}" if at else "" for at in _moments(feed)),
                feed.error,
            )
            for feed in feeds
        ]
        print_csv(("platform", "centres", "free", "tried_at", "read_at", "paused", "error"), rows)


def _add_matching(group: click.Group, database: Database) -> None:
    @group.command("matches", epilog="Example: flask partners matches --all")
    @click.option("--all", "everything", is_flag=True, help="Also those that are settled.")
    def matches(*, everything: bool) -> None:
        """Print partners' centres that could be several of ours, or one perhaps, as CSV."""
        with database.statement() as connection:
            found = partner_rows.matches(connection, only_unsure=not everything)
        rows = [
            (
                centre_row.id,
                centre_row.name,
                centre_row.postcode,
                centre_row.town,
                centre_row.matched,
                centre_row.centre_id or "",
                " ".join(f"{centre}:{score}" for centre, score in centre_row.candidates),
            )
            for centre_row in found
        ]
        print_csv(
            ("partner_centre", "name", "postcode", "town", "matched", "centre", "candidates"), rows
        )

    @group.command("match", epilog="Example: flask partners match doctolib:practice-1 4821")
    @click.argument("partner_centre")
    @click.argument("centre")
    def match(*, partner_centre: str, centre: str) -> None:
        """Say which centre of ours (its gid, or `none`) a partner's centre is, for ever."""
        ours = None if centre == "none" else centre
        with database.transaction() as connection:
            if ours and not partner_rows.is_centre(connection, ours):
                raise click.ClickException(f"there is no centre {ours}")
            if not partner_match.settle(connection, partner_centre, ours):
                raise click.ClickException(f"no partner has a centre {partner_centre}")
        click.echo(f"{partner_centre} is {ours or 'no centre of ours'}")


def _moments(feed: Feed) -> tuple[datetime | None, ...]:
    return feed.tried_at, feed.read_at, feed.pause_until


def _file(path: Path) -> partner_feeds.PartnersFile:
    with refusals(partner_feeds.BadPartnersFile):
        return partner_feeds.read_partners_file(path)


def make_check(services: Callable[[], Collection[str]]) -> click.Command:
    """The command `partners check`, for campaigns of these services."""

    @click.command("check", epilog="Example: flask partners check partners.toml")
    @click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
    def checks(*, file: Path) -> None:
        """Check a file of partners; each mistake is one sentence with its line."""
        told, refused = _file(file).for_services(services())
        for platform in told.platforms:
            what = f" for {platform.service}" if platform.service else ""
            click.echo(
                f"{platform.name}:{what} {len(platform.links)} centres,"
                f" {len(platform.departements)} départements"
                f"{', our own centres' if platform.from_our_centres else ''}; at {platform.host},"
                f" {platform.between:g} s between requests, every {platform.every:g} minutes"
            )
        click.echo(f"We say who we are: {told.user_agent}")
        for why in refused:
            click.echo(f"Error: {why}", err=True)
        if refused:
            raise click.exceptions.Exit(1)

    return checks


# Where there is one service, without a name.
check = make_check(lambda: ("",))


def _moment(
    _context: click.Context, _parameter: click.Parameter, value: str | None
) -> datetime | None:
    if value is None:
        return None
    try:
        told = datetime.fromisoformat(value)
    except ValueError:
        raise click.BadParameter(f"{value!r} is no moment like 2021-05-13T09:00Z") from None
    return told if told.tzinfo else told.replace(tzinfo=UTC)


@click.command(epilog="Example: flask partners read doctolib booking.json availabilities.json")
@click.argument("platform", type=click.Choice(list(partner_files.READERS)))
@click.argument(
    "files",
    metavar="FILE...",
    nargs=-1,
    required=True,
    # One that is not there is told like one that is no answer: the others are printed.
    type=click.Path(path_type=Path),
)
@click.option("--motive", default="", help="Id or name of the motive that was asked for.")
@click.option("--centre", default="", help="The partner's id of the centre that was asked about.")
@click.option("--now", callback=_moment, help="Leave out what lies before (UTC unless it says so).")
def read(
    *, platform: str, files: tuple[Path, ...], motive: str, centre: str, now: datetime | None
) -> None:
    """Print the free slots of recorded answers as CSV, one line a slot, times in UTC.

    Several files are read together: a booking page or a list of motives tells what slots are for.
    Standard error says what each file is, what was left out and why. A file that is no answer of
    the platform is named, the others are printed, and the exit status is 1.
    """
    found = partner_files.read_files(platform, files, centre=centre, motive=motive, now=now)
    print_csv(
        COLUMNS,
        (
            (
                platform,
                slot.centre,
                f"{slot.start_at:%Y-%m-%dT%H:%M:%SZ}",
                slot.dose,
                slot.motive,
                slot.bookable_for,
            )
            for slot in found.slots
        ),
    )
    several = len(files) > 1
    for file in found.files:
        before = f"{click.format_filename(file.path)}: " if several else ""
        if file.reading is None:
            continue
        click.echo(f"{before}{file.reading.kind}", err=True)
        for note in file.reading.notes:
            click.echo(f"{before}{note}", err=True)
        for left in file.reading.left_out:
            click.echo(f"{before}left out: {left.where}: {left.why}", err=True)
    if any(slot.bookable_for == partner_files.UNKNOWN for slot in found.slots):
        click.echo(
            "no motive is told for some slots: whom they are for and which dose is not known"
            " (read the booking page or the motives beside them)",
            err=True,
        )
    refused = [file for file in found.files if file.reading is None]
    for file in refused:
        click.echo(f"Error: {click.format_filename(file.path)}: {file.refused}", err=True)
    if len(refused) < len(files):
        click.echo(
            f"{len(found.slots)} slots, {found.left_out} left out, {found.repeated} repeated",
            err=True,
        )
    if refused:
        raise click.exceptions.Exit(1)
