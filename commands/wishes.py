"""What the commands share that change a centre with people booked in it."""

from __future__ import annotations

import functools

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import date, time
from typing import Any

import click

from commands import operator
from commands.terminal import progress_bar
from services.accounts import four_eyes
from services.centre_day.centre_life import CentreLife
from services.centre_day.operation import (
    OPERATOR,
    LifeRefused,
    LifeReport,
    OperationKind,
    OperationRequest,
)
from services.centre_day.said_hours import Outside

Command = Callable[..., Any]
# Centres that are told one by one.
_MOST_TOLD = 20


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


def changes_centre(life: CentreLife) -> Callable[[Command], Command]:
    """A decorator of commands that change a centre: see `_changes_centre`."""
    return functools.partial(_changes_centre, life)


def _changes_centre(life: CentreLife, command: Command) -> Command:
    """Add `--why`, `--who`, `--dry-run` and `--yes`; the command is called with a CarryOut."""

    def with_wish(*, why: str, who: str, dry_run: bool, yes: bool, **options: object) -> None:
        wish = OperationRequest(why, who, dry_run, progress_bar)
        about = " ".join(str(value) for value in options.values())
        command(functools.partial(carry_out, life, wish=wish, yes=yes, about=about), **options)

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
    life: CentreLife,
    operation: Callable[[OperationRequest], LifeReport],
    wish: OperationRequest,
    *,
    yes: bool,
    about: str,
) -> None:
    """Do it and print what was done; a refusal is one sentence and exit status 1.

    Where people are booked it says first how many and what would become of them. It then asks the
    operator, unless it is told `yes`. Any answer but yes changes nothing (exit status 1). A centre
    that closes, and an act that moves many people, wait for a second person, `yes` or not.
    """
    if not wish.dry_run:
        preview = operation(replace(wish, dry_run=True))
        if not yes:
            _ask(preview)
        _for_two(life, preview, about)
    report = operation(wish)
    if report.dry_run:
        # What was done is told by `flask operations show`; this leaves nothing to be shown.
        for booking_id, fate in report.fates.items():
            click.echo(f"{booking_id} {fate}")
    click.echo(report.last_line())


def _for_two(life: CentreLife, preview: LifeReport, about: str) -> None:
    """`about` tells the act from others of its kind. Raises four_eyes.SecondNeeded."""
    closes = preview.kind == OperationKind.CENTRE and not preview.operation_id
    if not closes and preview.people <= four_eyes.MANY:
        return
    newest = life.newest(limit=1, centre_id=preview.centre_id)
    stopped = [
        operation
        for operation in newest
        if not operation.details["done"] and operation.undone_at is None
    ]
    if closes and stopped and stopped[0].kind == preview.kind:
        # It goes on: two people have begun it.
        return
    kind = four_eyes.CENTRE if closes else four_eyes.MOVED
    subject = f"{preview.kind} {about}"[: four_eyes.LONGEST_SUBJECT]
    by = four_eyes.account(operator.name())
    four_eyes.demand(life.store, four_eyes.Wish(kind, subject, preview.people, by))


def _ask(preview: LifeReport) -> None:
    touched = len(preview.fates)
    if touched:
        click.echo(preview.last_line(), err=True)
        click.confirm(f"This touches {touched} booked. Do it?", abort=True, err=True)


def tell_outside(found: Sequence[Outside]) -> None:
    """Say on standard error what is open outside the hours of these centres, and what closes it."""
    for each in found[:_MOST_TOLD]:
        click.echo(f"{each.line()}. {each.remedy}", err=True)
    if len(found) > _MOST_TOLD:
        more = len(found) - _MOST_TOLD
        click.echo(f"… and {more} more centres: `flask slots outside` names all", err=True)


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
