"""The official towns, kept so that a web worker can afford them, and found by their letters."""

from __future__ import annotations

import io
import re

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from rapidfuzz import fuzz, process

from flows.understanding.phrases import Lexicon
from flows.understanding.sounds import in_full
from flows.understanding.vocabulary import Phrase, plain

_DISTRICT = re.compile(r"(.+) ([0-9]{1,2})(?:er|e)")
_TAB = "\t"
_MOST_COMPARED = 40
# Letters that may stand for one sound at the start of a name.
_SAME_START = {
    **dict.fromkeys("aeo", "aeho"),
    **dict.fromkeys("iy", "hiy"),
    "u": "hu",
    "h": "aehioy",
    "c": "ckqs",
    "k": "ckq",
    "q": "ckq",
    "s": "cs",
    "f": "fp",
    "p": "fp",
    "g": "gj",
    "j": "gj",
}


@dataclass(frozen=True, slots=True)
class Area:
    """A département: its code, and the names by which it and the land around it are known."""

    code: str
    name: str
    regions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class NamedPostcode:
    """A town within a postcode, as the official table has it; 0 inhabitants where not known."""

    postcode: str
    name: str
    departement: str
    inhabitants: int = 0


@dataclass(frozen=True, slots=True)
class TownName:
    """A town that was said. `postcodes` are all of its codes, in order."""

    name: str
    postcodes: tuple[str, ...]
    departement: str
    departement_name: str
    inhabitants: int

    @property
    def postcode(self) -> str:
        return self.postcodes[0]


class TownTable:
    """All towns, in parallel arrays: some 36,000 of them in less than five MiB."""

    def __init__(self, rows: Iterable[NamedPostcode], areas: Iterable[Area]) -> None:
        self._areas = {area.code: area for area in areas}
        self._codes = sorted(self._areas)
        self.places = Lexicon(
            *((codes, [words]) for words, codes in _places(self._areas.values()).items())
        )
        self._keys: list[str] = []
        self._names = bytearray()
        self._name_at = array("I", [0])
        self._departements = array("B")
        self._inhabitants = array("I")
        self._postcodes = array("I")
        self._postcode_at = array("I", [0])
        last = ""
        for line in _sorted_lines(row for row in rows if row.departement in self._areas):
            town, _, postcode = line.rpartition(_TAB)
            if town != last:
                self._add(*town.split(_TAB))
                last = town
            if len(self._postcodes) == self._postcode_at[-2] or self._postcodes[-1] != int(
                postcode
            ):
                self._postcodes.append(int(postcode))
                self._postcode_at[-1] = len(self._postcodes)

    def _add(self, letters: str, departement: str, name: str, inhabitants: str) -> None:
        namesake = bool(self._keys) and self._keys[-1] == letters
        self._keys.append(self._keys[-1] if namesake else letters)
        self._names += name.encode()
        self._name_at.append(len(self._names))
        self._departements.append(self._codes.index(departement))
        self._inhabitants.append(int(inhabitants))
        self._postcode_at.append(len(self._postcodes))

    def __len__(self) -> int:
        return len(self._keys)

    def called(self, letters: str) -> range:
        """The towns of exactly this name."""
        return range(bisect_left(self._keys, letters), bisect_right(self._keys, letters))

    def beginning(self, letters: str) -> range:
        """The towns whose names begin like this."""
        return range(bisect_left(self._keys, letters), bisect_left(self._keys, letters + "~"))

    def like(self, letters: str, least: float) -> list[tuple[float, int]]:
        """The towns whose names look like this, by rapidfuzz's ratio, the most alike first.

        Only names that begin with the same sound: the others would take five times as long.
        """
        found: list[tuple[float, int]] = []
        for letter in _SAME_START.get(letters[0], letters[0]):
            these = self.beginning(letter)
            keys = self._keys[these.start : these.stop]
            alike = process.extract(
                letters, keys, scorer=fuzz.ratio, limit=_MOST_COMPARED, score_cutoff=least
            )
            found += ((score, these.start + at) for _, score, at in alike)
        return sorted(found, key=lambda one: -one[0])[:_MOST_COMPARED]

    def has_area(self, code: str) -> bool:
        return code in self._areas

    def departement(self, at: int) -> str:
        return self._codes[self._departements[at]]

    def inhabitants(self, at: int) -> int:
        return self._inhabitants[at]

    def key(self, at: int) -> str:
        return self._keys[at]

    def name(self, at: int) -> str:
        return self._names[self._name_at[at] : self._name_at[at + 1]].decode()

    def postcodes(self, at: int) -> tuple[str, ...]:
        own = self._postcodes[self._postcode_at[at] : self._postcode_at[at + 1]]
        return tuple(f"{code:05d}" for code in own)

    def town(self, at: int) -> TownName:
        area = self._areas[self.departement(at)]
        return TownName(
            self.name(at), self.postcodes(at), area.code, area.name, self._inhabitants[at]
        )


def _places(areas: Iterable[Area]) -> Mapping[Phrase, frozenset[str]]:
    """The words for départements and regions, with the codes that they mean."""
    found: dict[Phrase, set[str]] = {}
    for area in areas:
        for name in (area.name, *area.regions):
            words = tuple(plain(name).split())
            found.setdefault(words, set()).add(area.code)
            if words[0] in {"la", "le", "les"}:
                found.setdefault(words[1:], set()).add(area.code)
    return {words: frozenset(codes) for words, codes in found.items()}


def _sorted_lines(rows: Iterable[NamedPostcode]) -> Iterator[str]:
    """Each row as a line, in order, out of one block of memory.

    What small objects take for a moment a worker hardly gives back while others lie among them.
    """
    block = io.BytesIO("\n".join(sorted(map(_line, rows))).encode())
    for line in block:
        yield line.decode().rstrip("\n")


def _line(row: NamedPostcode) -> str:
    town = ("".join(words_of(row.name)), row.departement, row.name, str(row.inhabitants))
    return _TAB.join((*town, row.postcode))


def words_of(name: str) -> list[str]:
    """The words of a name; of a district, those of its town, by which it is found."""
    district_of = _DISTRICT.fullmatch(name)
    return [in_full(word) for word in plain(district_of[1] if district_of else name).split()]


def district(name: str) -> int:
    """The number of a district ("Lyon 3e"), or 0."""
    found = _DISTRICT.fullmatch(name)
    return int(found[2]) if found else 0
