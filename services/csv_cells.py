"""CSV that a person may open in a spreadsheet: the only place that writes any."""

from __future__ import annotations

import csv

from collections.abc import Iterable
from typing import Final, Protocol

# What a spreadsheet takes for the beginning of a formula (OWASP, CSV injection); the wide ones are
# those of Japanese keyboards, which some read as the narrow ones.
FORMULAS: Final = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


class Written(Protocol):
    """Where rows go."""

    def write(self, text: str, /) -> object: ...


def write_rows(
    file: Written, rows: Iterable[Iterable[object]], *, delimiter: str = ",", end: str = "\n"
) -> None:
    """Write rows as CSV, each as soon as it is there; no text in them is a formula."""
    writer = csv.writer(file, delimiter=delimiter, lineterminator=end)
    for row in rows:
        writer.writerow([cell(value) for value in row])


def cell(value: object) -> object:
    """A value for a cell; text that would be read as a formula gets an apostrophe in front.

    Numbers stay as they are, for no person types them; None is an empty cell.
    """
    if value is None:
        return ""
    if isinstance(value, str) and value.startswith(FORMULAS):
        return f"'{value}"
    return value
