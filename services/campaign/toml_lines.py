"""On which line each entry of a TOML document stands, for messages that name it.

`tomllib` does not say. This reads only where keys and elements begin, and only in a document that
`tomllib` has accepted, so it need not judge anything.
"""

from __future__ import annotations

import re
import tomllib

from collections.abc import Mapping

# ("eligible", 0, "minimum_age"): keys, and the number of an element in an array.
Entry = tuple[str | int, ...]

_TOKEN = re.compile(
    r'"""(?:\\.|[^\\])*?"""(?!")'
    r"|'''.*?'''(?!')"
    r'|"(?:\\.|[^"\\\n])*"'
    r"|'[^'\n]*'"
    r"|\#[^\n]*"
    r"|\n"
    r"|[\[\]{}=,.]"
    r"|[^\s\[\]{}=,.\"'\#]+",
    re.DOTALL,
)
_END = "\0"


def lines_of(text: str) -> dict[Entry, int]:
    """The line (from 1) of every key, table header and element of an array in a valid document."""
    return _Scanner(text).lines


def line_of(lines: Mapping[Entry, int], entry: Entry) -> int | None:
    """The line of an entry, or of the nearest thing around it; None where there is none."""
    around = (entry[:length] for length in range(len(entry), 0, -1))
    return next((lines[key] for key in around if key in lines), None)


class _Scanner:
    def __init__(self, text: str) -> None:
        self.lines: dict[Entry, int] = {}
        self._tokens: list[tuple[str, int]] = []
        line, at = 1, 0
        for found in _TOKEN.finditer(text):
            line += text.count("\n", at, found.start())
            at = found.start()
            # A comment says nothing, wherever it stands.
            if not found[0].startswith("#"):
                self._tokens.append((found[0], line))
        self._tokens.append((_END, line))
        self._at = 0
        # How many elements each array of tables has so far.
        self._counts: dict[Entry, int] = {}
        self._document()

    @property
    def _word(self) -> str:
        return self._tokens[self._at][0]

    @property
    def _line(self) -> int:
        return self._tokens[self._at][1]

    def _skip(self, *tokens: str) -> None:
        while self._word in tokens:
            self._at += 1

    def _document(self) -> None:
        table: Entry = ()
        while True:
            self._skip("\n")
            if self._word == _END:
                return
            if self._word == "[":
                table = self._header()
            else:
                self._pair(table)

    def _header(self) -> Entry:
        line = self._line
        self._at += 1
        several = self._word == "["
        self._skip("[")
        keys = self._keys()
        self._skip("]")
        path: Entry = ()
        for number, key in enumerate(keys, 1):
            path = (*path, key)
            self.lines.setdefault(path, line)
            if several and number == len(keys):
                self._counts[path] = self._counts.get(path, 0) + 1
            if path in self._counts:
                path = (*path, self._counts[path] - 1)
        self.lines.setdefault(path, line)
        return path

    def _keys(self) -> list[str]:
        keys = [_bare(self._word)]
        self._at += 1
        while self._word == ".":
            keys.append(_bare(self._tokens[self._at + 1][0]))
            self._at += 2
        return keys

    def _pair(self, table: Entry) -> None:
        line = self._line
        path = table
        for key in self._keys():
            path = (*path, key)
            self.lines.setdefault(path, line)
        self._skip("=")
        self._value(path)

    def _value(self, path: Entry) -> None:
        if self._word == "[":
            self._at += 1
            number = 0
            while True:
                self._skip("\n", ",")
                if self._word == "]":
                    break
                self.lines[(*path, number)] = self._line
                self._value((*path, number))
                number += 1
            self._at += 1
        elif self._word == "{":
            self._at += 1
            while True:
                self._skip("\n", ",")
                if self._word == "}":
                    break
                self._pair(path)
            self._at += 1
        else:
            # A number or a moment is several tokens ("1", ".", "5").
            while self._word not in {"\n", ",", "]", "}", _END}:
                self._at += 1


def _bare(key: str) -> str:
    if not key.startswith(('"', "'")):
        return key
    parsed: Mapping[str, str] = tomllib.loads(f"key = {key}")
    return parsed["key"]
