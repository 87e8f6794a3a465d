"""Cells of a CSV that a person may open in a spreadsheet."""

from __future__ import annotations

# What a spreadsheet takes for the beginning of a formula (OWASP, CSV injection).
FORMULAS = ("=", "+", "-", "@", "\t", "\r")


def cell(value: object) -> object:
    """A value for a cell; text that would be read as a formula gets an apostrophe in front.

    Numbers stay as they are, for nobody types them; None is an empty cell.
    """
    if value is None:
        return ""
    if isinstance(value, str) and value.startswith(FORMULAS):
        return f"'{value}"
    return value
