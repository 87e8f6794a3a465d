"""What is kept about a person, as a page of plain text that they can read."""

from __future__ import annotations

import json

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from prompts.screens import Screen, screen
from services.privacy.person_rights import Told

# The clock of who reads it; appointments of other zones are in the JSON with their own.
_COUNTRY = ZoneInfo("Europe/Paris")


def person_page(told: Told, language: str) -> str:
    """The page in a language ("fr"): a heading for each kind of row, a line for each column.

    Columns without a word of their own are ids and counts of ours; the JSON has them.
    """
    words = screen(language)
    return "\n".join(_lines(told, words))


def sections(told: Told, words: Screen) -> list[tuple[str, list[list[tuple[str, str]]]]]:
    """The same for a page: a heading, and rows of what stands for a column and its value."""
    return [
        (words[f"person.table.{name}"], [list(_columns(row, words)) for row in rows])
        for name, rows in told.kept.items()
    ]


def _lines(told: Told, words: Screen) -> Iterator[str]:
    yield words["person.title"].upper()
    yield words.text("person.made", request=told.request_id, at=_moment(told.at))
    yield ""
    yield words["person.about"]
    for heading, rows in sections(told, words):
        yield ""
        yield f"{heading} ({words.text('person.count', count=len(rows))})"
        yield "-" * len(heading)
        for row in rows:
            yield from (f"  {name} : {value}" for name, value in row)
            yield ""
    if not told.kept:
        yield words["person.nothing"]
    yield words["person.rights"]


def _columns(row: Mapping[str, Any], words: Screen) -> Iterator[tuple[str, str]]:
    for name, value in row.items():
        key = f"person.column.{name}"
        if key in words and value not in (None, "", [], {}):
            yield words[key], _value(value, words)


def _value(value: Any, words: Screen) -> str:
    if isinstance(value, bool):
        return words["person.yes" if value else "person.no"]
    if isinstance(value, datetime):
        return _moment(value)
    if isinstance(value, dict | list):
        return json.dumps(value, ensure_ascii=False)
    return f"« {value} »" if words.language == "fr" and _is_ours(value) else str(value)


def _is_ours(value: Any) -> bool:
    """Whether it is a word of the software: lower case without a blank."""
    return isinstance(value, str) and value.isascii() and value.isalpha() and value.islower()


def _moment(when: datetime) -> str:
    return f"{when.astimezone(_COUNTRY):%d/%m/%Y %H:%M}"
