"""Files of rows with semicolons, as French public bodies publish them.

Everything is read and looked at before a row is handed out: what is not such a file, or not all of
it, is refused with a sentence, and the caller has written nothing yet.
"""

from __future__ import annotations

import csv
import gzip
import io
import zlib

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from services.centres.import_centres import FileRefused, RefusedRow

LARGEST_BYTES: Final = 64 * 1024 * 1024
# No row of the real files spans two lines; an address might. More than this is a lost quote.
_MOST_LINES_A_ROW: Final = 10
# How other kinds of files begin; the gzip of our own extracts is opened before this is asked.
_OTHER_KINDS: Final = (
    (b"%PDF", "a PDF document"),
    (b"PK\x03\x04", "a ZIP archive or an office document"),
    (b"\xd0\xcf\x11\xe0", "an old office document"),
    (b"\x1f\x8b", "a compressed file"),
    (b"\x89PNG", "a picture"),
    (b"\xff\xfe", "UTF-16 text; save it as UTF-8"),
    (b"\xfe\xff", "UTF-16 text; save it as UTF-8"),
)


@dataclass(frozen=True)
class Row:
    """Cells by column name, blanks around them removed. `line` is where the row begins."""

    line: int
    cells: dict[str, str]


def read(
    path: Path, *, kind: str, required: Collection[str], key: str
) -> tuple[list[Row], list[RefusedRow]]:
    """All rows of a file, and those that cannot be taken apart.

    `kind` completes "this is not …" in sentences. Columns are found by name; others than the
    `required` may be there or not. `key` is the column whose value a refused row still gives.
    Raises FileRefused: not such a file, or its end is missing.
    """
    text = _text(path, kind)
    records = _records(text)
    header = [name.strip() for name in next(records, (1, 1, [], ""))[2]]
    _check_header(header, kind, required)
    # Lines as the csv module counts them.
    lines = io.StringIO(text, newline="").readlines()
    if not text.endswith("\n"):
        raise _stops_in_the_middle(len(lines))
    key_index = header.index(key)
    good: list[Row] = []
    refused: list[RefusedRow] = []
    for first, last, cells, problem in records:
        reason = problem
        if not reason and len(cells) != len(header):
            if not "".join(lines[last:]).strip():
                raise _stops_in_the_middle(first)
            reason = f"{len(cells)} cells where the header has {len(header)}"
        if not reason:
            good.append(Row(first, {n: c.strip() for n, c in zip(header, cells, strict=True)}))
            continue
        # A stray quotation mark may have swallowed the lines after it: each of them is named.
        for number in range(first, last + 1):
            parts = lines[number - 1].split(";")
            value = parts[key_index].strip() if key_index < len(parts) else ""
            refused.append(RefusedRow(number, reason, value))
    if not good and not refused:
        raise FileRefused("the file has a header and no rows")
    return good, refused


def _records(text: str) -> Iterator[tuple[int, int, list[str], str]]:
    """First line, last line, cells, and what is wrong, for each row that is not blank."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=";", strict=True)
    while True:
        first = reader.line_num + 1
        cells: list[str] = []
        problem = ""
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            problem = f"cannot be taken apart ({error})"
        if reader.line_num - first > _MOST_LINES_A_ROW or "unexpected end" in problem:
            raise FileRefused(
                f"the file is incomplete: the quotation mark opened on line {first} is not closed"
            )
        if problem or any(cell.strip() for cell in cells):
            yield first, reader.line_num, cells, problem


def _stops_in_the_middle(line: int) -> FileRefused:
    return FileRefused(f"the file is incomplete: its last line ({line}) stops in the middle")


def _text(path: Path, kind: str) -> str:
    content = _content(path)
    if not content.strip():
        raise FileRefused("the file is empty")
    other = next((name for start, name in _OTHER_KINDS if content.startswith(start)), "")
    if content.lstrip().startswith(b"<"):
        other = "a web page or XML"
    if len(content) > LARGEST_BYTES:
        other = "something larger than 64 MiB"
    if not other and b"\0" in content:
        other = "binary data"
    if other:
        raise FileRefused(f"this is not {kind} but {other}")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        if error.reason == "unexpected end of data":
            raise FileRefused("the file is incomplete: it stops inside a character") from None
        line = content.count(b"\n", 0, error.start) + 1
        raise FileRefused(
            f"the file is not UTF-8 (line {line}); if it is Latin-1, convert it to UTF-8 first"
        ) from None


def _content(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST_BYTES + 1)
        if path.suffix == ".gz":
            with gzip.open(io.BytesIO(content)) as unpacked:
                content = unpacked.read(LARGEST_BYTES + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise FileRefused(f"the file cannot be read: {error}") from None
    return content


def _check_header(header: list[str], kind: str, required: Collection[str]) -> None:
    missing = sorted(set(required) - set(header))
    if missing:
        raise FileRefused(f"this is not {kind}: it has no column {', '.join(missing)}")
    twice = sorted({name for name in required if header.count(name) > 1})
    if twice:
        raise FileRefused(f"this is not {kind}: column {', '.join(twice)} is there twice")
