"""`flask slots`: open and list them, close a day, change capacity, move an hour."""

from __future__ import annotations

from datetime import datetime

import click

from commands.terminal import Commands, print_csv, progress_bar
from commands.wishes import CarryOut, as_day, as_time, changes_centre, tell_outside
from services.centre_day.centre_life import CentreLife
from services.centre_day.said_hours import bookable, find_outside
from services.slots.open_slots import (
    HEADER,
    SlotsRefused,
    list_slots,
    open_slots,
    parse_hours,
    serve,
)
from services.store import Store


def make(store: Store, life: CentreLife) -> click.Group:
    """The commands `slots …`."""
    slots = Commands("slots", help="Slots: times at a centre with a number of places.")
    _add_opening(slots, store)
    _add_changing(slots, life)
    _add_hours(slots, life)
    return slots


def _add_opening(group: click.Group, store: Store) -> None:
    @group.command(
        "open",
        epilog="Example: flask slots open --centre 21 --from 2021-01-18 --days 5 "
        "--hours 09:00-12:00 --hours 14:00-17:00 --every 10 --capacity 2",
    )
    @click.option("--centre", "centre_ids", multiple=True, metavar="GID", help="May be repeated.")
    @click.option(
        "--all", "every_centre", is_flag=True, help="Every open centre of ours, by its own hours."
    )
    @click.option(
        "--from",
        "first",
        required=True,
        type=click.DateTime(["%Y-%m-%d"]),
        help="First day, in the centre's own time zone.",
    )
    @click.option("--days", required=True, type=int, help="How many days.")
    @click.option(
        "--hours",
        multiple=True,
        metavar="HH:MM-HH:MM",
        help="On each of the days; may be repeated. Without: the centre's own hours.",
    )
    @click.option(
        "--every",
        type=int,
        help="Minutes for a slot; without: as `centres take` said, else 10.",
    )
    @click.option(
        "--capacity",
        type=int,
        help="Places in a slot; without: as `centres take` said, else 1.",
    )
    @click.option(
        "--service",
        "serving",
        multiple=True,
        metavar="NAME",
        help="What new slots are for, as campaigns name it; may be repeated. Without: for all.",
    )
    def open_(
        *,
        centre_ids: tuple[str, ...],
        every_centre: bool,
        first: datetime,
        days: int,
        hours: tuple[str, ...],
        every: int | None,
        capacity: int | None,
        serving: tuple[str, ...],
    ) -> None:
        """Open slots. Run twice it does not double them; a larger --capacity adds places."""
        if every_centre == bool(centre_ids):
            raise click.UsageError("say either --centre GID or --all")
        if every_centre and hours:
            raise click.UsageError("--all opens each centre by its own hours: leave out --hours")
        report = open_slots(
            store,
            centre_ids=None if every_centre else sorted(set(centre_ids)),
            first=first.date(),
            days=days,
            hours=sorted({parse_hours(text) for text in hours}),
            every=every,
            capacity=capacity,
            watch=progress_bar,
            serving=serving,
        )
        for line in report.lines():
            click.echo(line)
        tell_outside(find_outside(store.database, store.clock, centre_ids or None))

    @group.command(
        "serve",
        epilog="Example: flask slots serve --centre 21 --from 2026-10-12 --days 5 "
        "--hours 09:00-12:00 --service covid --places 1-2",
    )
    @click.option("--centre", "centre_id", required=True, metavar="GID")
    @click.option(
        "--from",
        "first",
        required=True,
        type=click.DateTime(["%Y-%m-%d"]),
        help="First day, in the centre's own time zone.",
    )
    @click.option("--days", required=True, type=int, help="How many days.")
    @click.option(
        "--hours", multiple=True, metavar="HH:MM-HH:MM", help="Slots that start then; else all."
    )
    @click.option(
        "--service", "serving", multiple=True, metavar="NAME", help="Without: for all services."
    )
    @click.option(
        "--places", metavar="FIRST-LAST", help="Only these places of each slot, counted from 1."
    )
    def serve_(
        *,
        centre_id: str,
        first: datetime,
        days: int,
        hours: tuple[str, ...],
        serving: tuple[str, ...],
        places: str | None,
    ) -> None:
        """Say what slots that are there are for: all of them, or nothing is changed.

        Refused where a place is booked for something that it would serve no more.
        """
        changed = serve(
            store.database,
            store.clock,
            centre_id=centre_id,
            first=first.date(),
            days=days,
            hours=sorted({parse_hours(text) for text in hours}),
            serving=serving,
            places=_two_numbers(places) if places else None,
        )
        click.echo(f"{changed} places changed")

    @group.command("list", epilog="Example: flask slots list --centre 21")
    @click.option("--centre", "centre_id", required=True, metavar="GID")
    def list_(centre_id: str) -> None:
        """Print a centre's slots as CSV; starts are in the centre's own time zone."""
        print_csv(HEADER, list_slots(store.database, store.clock, centre_id))


def _add_hours(group: click.Group, life: CentreLife) -> None:
    @group.command("outside", epilog="Example: flask slots outside")
    @click.option("--centre", "centre_ids", multiple=True, metavar="GID", help="Without: all ours.")
    def outside(*, centre_ids: tuple[str, ...]) -> None:
        """Name open places outside the hours of their centre, or above its capacity.

        They stay bookable until they are closed. Exit status 1 where there are some.
        """
        ours = {centre.id for centre in bookable(life.store.database)}
        for centre_id in centre_ids:
            if centre_id not in ours:
                raise click.ClickException(
                    f"centre {centre_id} is not booked for here: `flask centres list --ours` has"
                    " those that are"
                )
        found = find_outside(life.store.database, life.store.clock, centre_ids or None)
        for each in found:
            click.echo(each.line())
        if found:
            raise click.exceptions.Exit(1)
        click.echo("nothing is open outside the hours that were said")

    @group.command(
        "keep-to-hours",
        epilog="Example: flask slots keep-to-hours --centre 21 --why 'mornings only' --dry-run",
    )
    @click.option("--centre", "centre_id", required=True, metavar="GID")
    @changes_centre(life)
    def keep_to_hours(carry_out: CarryOut, *, centre_id: str) -> None:
        """Close what is open outside a centre's hours, or above its capacity; move the people.

        The hours are those of `flask centres take`, else of the directory. What was opened with
        `slots open --hours`, or by its secretary, stays. `flask operations undo` takes it back.
        """
        carry_out(lambda each: life.keep_to_hours(centre_id, each))


def _two_numbers(text: str) -> tuple[int, int]:
    first, dash, last = text.partition("-")
    if not dash or not first.isdecimal() or not last.isdecimal():
        raise SlotsRefused(f"{text!r} are no places; write the first and the last, as 1-3")
    return int(first), int(last)


def _add_changing(group: click.Group, life: CentreLife) -> None:
    @group.command(
        "close-day",
        epilog="Example: flask slots close-day --centre 21 --day 2021-01-18 --why 'no vaccine'",
    )
    @click.option("--centre", "centre_id", required=True, metavar="GID")
    @click.option("--day", required=True, metavar="YYYY-MM-DD", help="The centre's own day.")
    @changes_centre(life)
    def close_day(carry_out: CarryOut, *, centre_id: str, day: str) -> None:
        """Close a centre for a day; whoever is booked is moved or becomes a case for an agent.

        Run again it goes on where it was stopped. `flask operations undo` takes it back.
        """
        carry_out(lambda each: life.close_day(centre_id, as_day(day), each))

    @group.command(
        "capacity",
        epilog="Example: flask slots capacity --centre 21 --from 2021-01-18 --to 2021-01-22 "
        "--capacity 3 --why 'a nurse is ill'",
    )
    @click.option("--centre", "centre_id", required=True, metavar="GID")
    @click.option("--from", "first", required=True, metavar="YYYY-MM-DD", help="First day.")
    @click.option("--to", "last", required=True, metavar="YYYY-MM-DD", help="Last day.")
    @click.option("--capacity", required=True, type=int, help="Places of each slot; 0 for none.")
    @changes_centre(life)
    def capacity_(
        carry_out: CarryOut, *, centre_id: str, first: str, last: str, capacity: int
    ) -> None:
        """Cut or add places of every slot of some days; the surplus of people is moved.

        Free places go first. What is cut stays in the list as blocked, and is the first to come
        back when capacity is added.
        """
        carry_out(
            lambda each: life.set_capacity(centre_id, as_day(first), as_day(last), capacity, each)
        )

    @group.command(
        "move-hour",
        epilog="Example: flask slots move-hour --centre 21 --day 2021-01-18 --from 09:00 "
        "--to 10:30 --why 'delivery is late'",
    )
    @click.option("--centre", "centre_id", required=True, metavar="GID")
    @click.option("--day", required=True, metavar="YYYY-MM-DD", help="The centre's own day.")
    @click.option("--from", "start", required=True, metavar="HH:MM", help="By its own clock.")
    @click.option("--to", required=True, metavar="HH:MM", help="By its own clock.")
    @changes_centre(life)
    def move_hour(carry_out: CarryOut, *, centre_id: str, day: str, start: str, to: str) -> None:
        """Move a slot with the people in it to another hour of the same day."""
        carry_out(
            lambda each: life.move_hour(centre_id, as_day(day), as_time(start), as_time(to), each)
        )
