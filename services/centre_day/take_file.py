"""A file of centres that are to be taken: CSV (comma or semicolon), or TOML with `[[centres]]`.

What is good in it counts, and every other line is named. Columns and entries have the same names:
`gid`, `hours`, `capacity`, `minutes`, `mode`.
"""

from __future__ import annotations

import csv
import io
import tomllib

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from services.campaign.toml_lines import line_of, lines_of
from services.centre_day.take_centres import (
    Refusal,
    TakeRefused,
    TakeWish,
    Terms,
)
from services.refused import OperatorRefused
from services.slots.week import parse_week, week_of

ENTRIES: Final = ("gid", "hours", "capacity", "minutes", "mode")
# For people who read the table; not read here.
_PASSED_OVER: Final = ("name", "nom", "town")
# Where a row cannot be taken apart: no name of an entry.
_WRONG: Final = "!"
_LARGEST_BYTES: Final = 16 * 1024 * 1024


@dataclass
class TakeFile:
    """The centres that a file names, and what in it is not right."""

    wishes: list[TakeWish] = field(default_factory=list)
    bad: list[Refusal] = field(default_factory=list)


def read_take_file(path: Path, usual: Terms | None = None) -> TakeFile:
    """Read a file that ends in .csv or .toml; `usual` is for what a line leaves open.

    Raises TakeRefused where it is no such file as a whole.
    """
    text = _text(path)
    if path.suffix.lower() == ".toml":
        rows = _toml_rows(path, text)
    elif path.suffix.lower() == ".csv":
        rows = _csv_rows(path, text)
    else:
        raise TakeRefused(f"{path}: end its name in .csv or .toml, which says how it is read")
    return read_rows(rows, usual or Terms())


def read_rows(rows: Iterator[tuple[int, Mapping[str, Any]]], usual: Terms) -> TakeFile:
    """The wishes of rows with their lines, as `read_take_file`."""
    found, lines = TakeFile(), dict[str, int]()
    for line, row in rows:
        gid = str(row.get("gid", "")).strip()
        try:
            if not gid:
                raise TakeRefused("there is no gid")
            if gid in lines:
                raise TakeRefused(f"centre {gid} is on line {lines[gid]} already")
            terms = terms_of(row, usual)
        except OperatorRefused as refused:
            found.bad.append(Refusal(gid, str(refused), line))
            continue
        lines[gid] = line
        found.wishes.append(TakeWish(gid, terms, line))
    return found


def terms_of(row: Mapping[str, Any], usual: Terms) -> Terms:
    """What a row says over what is usual. Raises OperatorRefused."""
    if _WRONG in row:
        raise TakeRefused(str(row[_WRONG]))
    unknown = sorted(set(row) - {*ENTRIES, *_PASSED_OVER})
    if unknown:
        raise TakeRefused(f"{unknown[0]} is not known: there are {', '.join(ENTRIES)}")
    given: dict[str, Any] = {}
    hours = row.get("hours")
    if hours:
        given["hours"] = week_of(hours) if isinstance(hours, Mapping) else parse_week(str(hours))
    for name in ("capacity", "minutes"):
        value = row.get(name)
        if value is not None and value != "":
            given[name] = _number(name, value)
    if row.get("mode"):
        given["mode"] = str(row["mode"]).strip()
    terms = replace(usual, **given)
    terms.check()
    return terms


def _number(name: str, value: object) -> int:
    text = str(value).strip()
    if isinstance(value, bool) or not text.isascii() or not text.isdigit():
        raise TakeRefused(f"{name} is {text!r}, and must be a number")
    return int(text)


def _text(path: Path) -> str:
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise TakeRefused(f"{path}: this file cannot be read ({error.strerror})") from None
    if len(raw) > _LARGEST_BYTES:
        raise TakeRefused(f"{path}: this is no list of centres: it is larger than 16 MiB")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise TakeRefused(f"{path}, line {line}: this is not UTF-8; save it as UTF-8") from None


def _toml_rows(path: Path, text: str) -> Iterator[tuple[int, Mapping[str, Any]]]:
    text = text.replace("\r\n", "\n")
    try:
        tables = tomllib.loads(text).get("centres")
    except tomllib.TOMLDecodeError as error:
        raise TakeRefused(f"{path}: this is not TOML: {error}") from None
    if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
        raise TakeRefused(f'{path}: it names no centres; write [[centres]] and gid = "21"')
    lines = lines_of(text)
    return ((line_of(lines, ("centres", n)) or 1, one) for n, one in enumerate(tables))


def _csv_rows(path: Path, text: str) -> Iterator[tuple[int, Mapping[str, Any]]]:
    head = text.partition("\n")[0]
    delimiter = ";" if head.count(";") > head.count(",") else ","
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    header = [name.strip().lower() for name in next(reader, [])]
    unknown = sorted(set(header) - {*ENTRIES, *_PASSED_OVER})
    if "gid" not in header or unknown or len(set(header)) != len(header):
        about = f"column {unknown[0]!r} is not known" if unknown else "its columns are not right"
        raise TakeRefused(f"{path}, line 1: {about}; there are {', '.join(ENTRIES)}, each once")
    return _csv_lines(path, reader, header)


def _csv_lines(
    path: Path, reader: Any, header: list[str]
) -> Iterator[tuple[int, Mapping[str, Any]]]:
    while True:
        line = reader.line_num + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise TakeRefused(
                f"{path}, line {line}: this cannot be taken apart ({error})"
            ) from None
        if not any(cell.strip() for cell in cells):
            continue
        row = dict(zip(header, (cell.strip() for cell in cells), strict=False))
        if len(cells) != len(header):
            row[_WRONG] = f"{len(cells)} cells where the header has {len(header)}"
        yield line, row
