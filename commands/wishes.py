"""What the commands share that change a centre with people booked in it."""

from __future__ import annotations

import functools

from collections.abc import Callable
from dataclasses import replace
from datetime import date, time
from typing import Any

import click

from commands.terminal import progress_bar, refusals
from services.centre_day.centre_life import OPERATOR, LifeRefused, LifeReport, OperationRequest

Command = Callable[..., Any]


def dry_run_option(command: Command) -> Command:
    return click.option(
        "--dry-run", is_flag=True, help="Say what would become of each booking; change nothing."
    )(command)


def yes_option(command: Command) -> Command:
    return click.option(
        "--yes", is_flag=True, help="Do not ask, whoever is booked: for programs, and the sure."
    )(command)


# Does an operation with the wish that the options tell of.
CarryOut = Callable[[Callable[[OperationRequest], LifeReport]], None]


def changes_centre(command: Command) -> Command:
    """Add `--why`, `--who`, `--dry-run` and `--yes`; the command is called with a CarryOut."""

    def with_wish(*, why: str, who: str, dry_run: bool, yes: bool, **options: object) -> None:
        wish = OperationRequest(why, who, dry_run, progress_bar)
        command(functools.partial(carry_out, wish=wish, yes=yes), **options)

    changing: Command = functools.update_wrapper(with_wish, command)
    for option in (
        yes_option,
        dry_run_option,
        click.option("--who", default=OPERATOR, show_default=True, help="A staff id."),
        click.option(
            "--why",
            required=True,
            metavar="TEXT",
            help="Kept in the history of each booking: 80 letters at most, and nobody's name.",
        ),
    ):
        changing = option(changing)
    return changing


def carry_out(
    operation: Callable[[OperationRequest], LifeReport], wish: OperationRequest, *, yes: bool
) -> None:
    """Do it and print what was done; a refusal is one sentence and exit status 1.

    Where people are booked it says first how many and what would become of them. It then asks the
    operator, unless it is told `yes`. Any answer but yes changes nothing (exit status 1).
    """
    with refusals(LifeRefused):
        if not (yes or wish.dry_run):
            _ask(operation(replace(wish, dry_run=True)))
        report = operation(wish)
    if report.dry_run:
        # What was done is told by `flask operations show`; this leaves nothing to be shown.
        for booking_id, fate in report.fates.items():
            click.echo(f"{booking_id} {fate}")
    click.echo(report.last_line())


def _ask(preview: LifeReport) -> None:
    touched = len(preview.fates)
    if touched:
        click.echo(preview.last_line(), err=True)
        click.confirm(f"This touches {touched} booked. Do it?", abort=True, err=True)


def as_day(text: str) -> date:
    """`2021-01-18` as a day. Raises LifeRefused."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise LifeRefused(f"{text!r} is no day; write it like 2021-01-18") from None


def as_time(text: str) -> time:
    """`09:00` as a time of the centre's own clock. Raises LifeRefused."""
    try:
        found = time.fromisoformat(text)
    except ValueError:
        found = None
    if found is None or len(text) != len("09:00"):
        raise LifeRefused(f"{text!r} is no time; write it like 09:00")
    return found
