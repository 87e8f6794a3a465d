"""Sentences with what they mean, and what the functions make of them."""

from __future__ import annotations

import csv
import gzip
import tomllib

from collections.abc import Callable, Iterable
from datetime import date
from functools import lru_cache
from pathlib import Path

from flows.understanding.dates import dates
from flows.understanding.digits import digit_readings, phones
from flows.understanding.postcodes import postcodes
from flows.understanding.vocabulary import Vocabulary
from prompts.catalogue import load

DATA = Path(__file__).parent / "data"
POSTCODES = Path(__file__).parents[2] / "data" / "postcodes.csv.gz"
TODAY = date(2026, 11, 25)
# Of dates_of_birth.csv: where two digits of the year are said.
SHORT_YEARS = frozenset({"annee_courte", "chiffres"})
# What the command prints where nothing is understood.
NOTHING = "?"
Readings = Callable[[str], str]


@lru_cache
def vocabulary(language: str) -> Vocabulary:
    catalogue = load(language)
    return Vocabulary.read(language, catalogue.locale, catalogue.heard)


@lru_cache
def known() -> frozenset[str]:
    """The postcodes that exist."""
    with gzip.open(POSTCODES, "rt", encoding="utf-8") as file:
        return frozenset(row["Code_postal"] for row in csv.DictReader(file, delimiter=";"))


def date_of(text: str, *, language: str = "fr", today: date = TODAY) -> str:
    return _told(d.isoformat() for d in dates(text, vocabulary(language), today))


def postcode_of(text: str, *, language: str = "fr") -> str:
    return _told(postcodes(text, vocabulary(language), known().__contains__))


def digits_of(text: str, *, language: str = "fr") -> str:
    return _told(digit_readings(text, vocabulary(language)))


def phone_of(text: str, *, language: str = "fr") -> str:
    return _told(phones(text, vocabulary(language)))


def spoken(name: str) -> list[tuple[str, str]]:
    """Sentence and meaning, of a table in data/."""
    return [(row["text"], row["expected"]) for row in _rows(name)]


def spoken_dates(today: date) -> list[tuple[str, str]]:
    """The same of birth dates; a year of two digits that a child may have, too, is asked."""
    rows = _rows("dates_of_birth.csv")
    return [
        (row["text"], _both_centuries(row["expected"], today))
        if row["style"] in SHORT_YEARS
        else (row["text"], row["expected"])
        for row in rows
    ]


def _rows(name: str) -> list[dict[str, str]]:
    with (DATA / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter=";"))


def _both_centuries(expected: str, today: date) -> str:
    old = date.fromisoformat(expected)
    child = old.replace(year=old.year + 100)
    return f"{old},{child}" if child <= today else expected


def harder(kind: str) -> list[tuple[str, str]]:
    with (DATA / "harder_numbers.toml").open("rb") as file:
        return [(text, expected) for text, expected in tomllib.load(file)[kind]]


def misses(rows: list[tuple[str, str]], read: Readings) -> tuple[list[str], list[str]]:
    """What was not understood, and what was understood wrongly.

    Wrong is whatever is neither the meaning nor "?", and any guess where a person would ask.
    """
    unclear: list[str] = []
    wrong: list[str] = []
    for text, expected in rows:
        found = read(text)
        if found == expected:
            continue
        said = f"{text!r}: {found}, not {expected}"
        (unclear if found == NOTHING else wrong).append(said)
    return unclear, wrong


def _told(readings: Iterable[str]) -> str:
    return ",".join(readings) or NOTHING
