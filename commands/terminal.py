"""What commands do at the terminal: say no, show a bar, print a table."""

from __future__ import annotations

import sys

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import chain
from typing import IO, Any

import click

from models.database import STORE_ERRORS, first_line, lacks_right
from services.centres.import_centres import Progress, no_progress
from services.csv_cells import write_rows
from services.refused import OperatorRefused
from services.store_refusals import is_known, refusal


class Commands(click.Group):
    """A group whose commands end with one sentence where a use case refuses an operator."""

    def invoke(self, context: click.Context) -> Any:
        with refusals(OperatorRefused):
            return super().invoke(context)


class Mistakes(click.ClickException):
    """Sentences, each a line on standard error, and exit status 1."""

    def __init__(self, sentences: Iterable[str]) -> None:
        super().__init__("\n".join(sentences))

    def show(self, file: IO[Any] | None = None) -> None:
        click.echo(self.message, file=file, err=file is None)


@contextmanager
def refusals(*kinds: type[Exception]) -> Iterator[None]:
    """An exception of these kinds is one sentence on standard error, and exit status 1."""
    try:
        yield
    except kinds as refused:
        raise click.ClickException(str(refused)) from None


def says_what_grants(command: click.Command, role: str) -> click.Command:
    """A command, and all below it, that ends with one sentence where the store refuses.

    Its role may do nothing after a restore, until the rights are given anew. `role` is the one
    of DATABASE_URL, empty where that names none.
    """
    invoke = command.invoke

    def invoke_or_say(context: click.Context) -> Any:
        try:
            return invoke(context)
        except STORE_ERRORS as error:
            if not lacks_right(error):
                if not is_known(error):
                    raise
                raise click.ClickException("; ".join(refusal(error))) from None
            raise click.ClickException(
                f"the database's role lacks a right ({first_line(error)}): run `flask db grant"
                f" {role or 'ROLE'}` as the owner of the tables (MIGRATION_DATABASE_URL)"
            ) from None

    command.invoke = invoke_or_say  # type: ignore[assignment, method-assign]
    return command


def moment(at: datetime) -> str:
    """Return a moment as commands tell it: to the second, in UTC."""
    return at.astimezone(UTC).isoformat(timespec="seconds")


def as_moment(text: str, like: str) -> datetime:
    """Return a moment of the command line, in UTC unless it says otherwise.

    Raises click.ClickException, which says what one is `like`.
    """
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise click.ClickException(f"{text!r} is no moment; write it like {like}") from None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


@contextmanager
def progress_bar(what: str, total: int) -> Iterator[Progress]:
    """Show a bar on standard error where that is a terminal and there is work."""
    if not total:
        yield no_progress
        return
    with click.progressbar(
        range(total),
        label=what.capitalize(),
        file=sys.stderr,
        hidden=not sys.stderr.isatty(),
    ) as bar:
        yield bar.update


def print_csv(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print a table as CSV on standard output, each row as soon as it is there.

    No text in it is a formula to a spreadsheet: a number +33… has an apostrophe in front.
    """
    write_rows(sys.stdout, chain([columns], rows))
    # What is told on standard error afterwards comes after it.
    sys.stdout.flush()
