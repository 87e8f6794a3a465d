"""What commands do at the terminal: say no, show a bar, print a table."""

from __future__ import annotations

import sys

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import chain

import click

from services.centres.import_centres import Progress, no_progress
from services.csv_cells import write_rows


@contextmanager
def refusals(*kinds: type[Exception]) -> Iterator[None]:
    """An exception of these kinds is one sentence on standard error, and exit status 1."""
    try:
        yield
    except kinds as refused:
        raise click.ClickException(str(refused)) from None


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
