"""`flask operations`: what was changed at centres with people in them, and taking it back."""

from __future__ import annotations

import click

from commands.terminal import Commands, moment, progress_bar
from commands.wishes import carry_out, dry_run_option, yes_option
from models.centre_day.operations import Operation
from services.centre_day.centre_life import CentreLife
from services.centre_day.operation import OperationRequest


def make(life: CentreLife) -> click.Group:
    """The group `operations`."""
    group = Commands(
        "operations", help="Changes to many places at once: closing, capacity, a moved hour."
    )

    @group.command("list", epilog="Example: flask operations list --centre 21")
    @click.option("--centre", "centre_id", metavar="GID", help="Only of this centre.")
    @click.option("--last", default=50, show_default=True, help="How many.")
    def list_(*, centre_id: str | None, last: int) -> None:
        """The newest operations: id, moment (UTC), kind, centre, state, who, why."""
        found = life.newest(limit=last, centre_id=centre_id)
        for operation in found:
            click.echo(_line(operation))
        click.echo(f"{len(found)} operations")

    @group.command(epilog="Example: flask operations show 0f3a…")
    @click.argument("operation_id", metavar="ID")
    def show(*, operation_id: str) -> None:
        """What became of each booking; by its id, for references are personal.

        Each line has the booking, what was done, and from where to where (dose, centre, UTC).
        """
        one = life.find(operation_id)
        click.echo(_line(one))
        seen = set()
        for booking_id, change in life.lines_of(one):
            seen.add(booking_id)
            click.echo(
                " ".join(
                    (
                        booking_id,
                        change.what,
                        *(_where(each) for each in change.details.get("from", ())),
                        *(f"→ {_where(each)}" for each in change.details.get("to", ())),
                    )
                )
            )
        for booking_id in one.details["bookings"]:
            if booking_id not in seen:
                click.echo(f"{booking_id} nothing")
        click.echo(f"{len(one.details['bookings'])} bookings")

    @group.command(epilog="Example: flask operations undo 0f3a…")
    @click.argument("operation_id", metavar="ID")
    @dry_run_option
    @yes_option
    def undo(*, operation_id: str, dry_run: bool, yes: bool) -> None:
        """Take an operation back, as far as nobody has changed anything since.

        People who were moved go back to their old time where it is still to be had; cases are
        closed; whoever stays is told so. May be run again when it was stopped; undoing twice does
        nothing.
        """
        wish = OperationRequest("", dry_run=dry_run, watch=progress_bar)
        carry_out(
            life,
            lambda each: life.undo(operation_id, each),
            wish,
            yes=yes,
            about=f"undo {operation_id}",
        )

    return group


def _line(one: Operation) -> str:
    if one.undone_at is not None:
        state = "undone"
    elif one.details.get("undoing"):
        state = "being undone"
    else:
        state = "done" if one.details["done"] else "not finished"
    at = moment(one.at)
    return f"{one.id} {at} {one.kind} centre {one.centre_id}, {state}, by {one.who}: {one.why}"


def _where(one: list[object]) -> str:
    dose, *_, centre_id, start = one
    return f"{dose}@{centre_id} {start}"
