"""The file that a set-up reads: number, campaign, centres with their terms, staff.

Every mistake is one sentence with its line. docs/going-live.md describes it; deploy/town.toml is
one.
"""

from __future__ import annotations

import tomllib

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from models.accounts.staff import ROLES
from services.campaign.toml_lines import Entry, line_of, lines_of
from services.centre_day.take_centres import Terms
from services.centre_day.take_file import ENTRIES, terms_of
from services.refused import OperatorRefused
from services.slots.open_slots import MOST_DAYS

_ENTRIES: Final = ("number", "campaign", "directory", "postcodes", "open_days", "centres", "staff")
_OF_STAFF: Final = ("login", "name", "role", "languages", "centre")
# Enough for both doses of most campaigns.
OPEN_DAYS: Final = 42


class BadTown(Exception):
    """All mistakes of a file, each one sentence with file and line."""

    def __init__(self, *problems: str) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


@dataclass(frozen=True)
class CentresOf:
    """One entry: a centre by its `gid`, or every one of a département that can be taken."""

    terms: Terms
    gid: str = ""
    departement: str = ""
    line: int = 0


@dataclass(frozen=True)
class Person:
    """A person who works here; their password is made up and told once."""

    login: str
    name: str
    role: str
    languages: tuple[str, ...] = ("fr",)
    centre_id: str | None = None


@dataclass(frozen=True)
class Town:
    """What a set-up shall come to. Empty or None: the file does not say.

    `open_days` from tomorrow on, by each centre's calendar.
    """

    number: str = ""
    campaign: Path | None = None
    directory: Path | None = None
    postcodes: Path | None = None
    open_days: int = OPEN_DAYS
    centres: tuple[CentresOf, ...] = ()
    staff: tuple[Person, ...] = ()


@dataclass
class _Reader:
    path: Path
    lines: dict[Entry, int]
    mistakes: list[tuple[int, str]] = field(default_factory=list)

    def wrong(self, entry: Entry, sentence: str) -> None:
        self.mistakes.append((line_of(self.lines, entry) or 1, sentence))

    def known(self, table: Mapping[str, Any], entry: Entry, names: tuple[str, ...]) -> None:
        for name in table:
            if name not in names:
                self.wrong((*entry, name), f"{name} is not known: there are {', '.join(names)}")

    def text(self, table: Mapping[str, Any], entry: Entry, name: str) -> str:
        value = table.get(name, "")
        if not isinstance(value, str):
            self.wrong((*entry, name), f'{name} is no text; write {name} = "…"')
            return ""
        return value.strip()

    def file(self, told: Mapping[str, Any], name: str) -> Path | None:
        """A path, from the folder of the file itself on."""
        text = self.text(told, (), name)
        if not text:
            return None
        found = (self.path.parent / text).resolve()
        if not found.exists():
            self.wrong((name,), f"{name}: there is no file {found}")
        return found

    def tables(self, told: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
        value = told.get(name, [])
        if not isinstance(value, list) or not all(isinstance(entry, dict) for entry in value):
            self.wrong((name,), f"{name} is no list; write [[{name}]]")
            return []
        return value


def read_town(path: Path) -> Town:
    """Read and check a file. Raises BadTown with every mistake in it."""
    try:
        text = path.read_text("utf-8-sig").replace("\r\n", "\n")
        told = tomllib.loads(text)
    except (OSError, UnicodeDecodeError) as error:
        raise BadTown(f"{path}: the file cannot be read: {error}") from None
    except tomllib.TOMLDecodeError as error:
        raise BadTown(f"{path}: this is not TOML: {error}") from None
    reader = _Reader(path, lines_of(text))
    reader.known(told, (), _ENTRIES)
    found = Town(
        number=reader.text(told, (), "number"),
        campaign=reader.file(told, "campaign"),
        directory=reader.file(told, "directory"),
        postcodes=reader.file(told, "postcodes"),
        open_days=_days(reader, told.get("open_days", OPEN_DAYS)),
        centres=_each(reader, told, "centres", _centres),
        staff=_each(reader, told, "staff", _person),
    )
    if reader.mistakes:
        raise BadTown(*(f"{path}, line {line}: {said}" for line, said in sorted(reader.mistakes)))
    return found


def _each(
    reader: _Reader,
    told: Mapping[str, Any],
    name: str,
    make: Callable[[_Reader, Mapping[str, Any], Entry], Any],
) -> tuple[Any, ...]:
    made = (make(reader, one, (name, n)) for n, one in enumerate(reader.tables(told, name)))
    return tuple(row for row in made if row is not None)


def _days(reader: _Reader, value: object) -> int:
    if type(value) is int and 1 <= value <= MOST_DAYS:
        return value
    reader.wrong(("open_days",), f"open_days is a number from 1 to {MOST_DAYS}")
    return OPEN_DAYS


def _centres(reader: _Reader, table: Mapping[str, Any], entry: Entry) -> CentresOf | None:
    rest = {name: value for name, value in table.items() if name != "departement"}
    line = line_of(reader.lines, entry) or 1
    if ("gid" in table) == ("departement" in table):
        reader.wrong(entry, 'give either gid = "21" or departement = "35"')
        return None
    try:
        terms = terms_of(rest, Terms())
    except OperatorRefused as refused:
        sentence = str(refused).replace(", ".join(ENTRIES), ", ".join((*ENTRIES, "departement")))
        reader.wrong(entry, sentence)
        return None
    where = str(table.get("departement", "")).strip().upper()
    return CentresOf(terms, str(table.get("gid", "")).strip(), where, line)


def _person(reader: _Reader, table: Mapping[str, Any], entry: Entry) -> Person | None:
    before = len(reader.mistakes)
    reader.known(table, entry, _OF_STAFF)
    login, name, role, centre = (
        reader.text(table, entry, key) for key in ("login", "name", "role", "centre")
    )
    if not login or not name:
        reader.wrong(entry, 'an account needs login = "camille" and name = "Camille Martin"')
    if role not in ROLES:
        reader.wrong((*entry, "role"), f"role is one of {', '.join(ROLES)}")
    languages = table.get("languages", ["fr"])
    if not isinstance(languages, list) or not all(isinstance(code, str) for code in languages):
        reader.wrong((*entry, "languages"), 'languages are a list; write ["fr", "en"]')
        return None
    if len(reader.mistakes) > before:
        return None
    return Person(login, name, role, tuple(languages), centre or None)
