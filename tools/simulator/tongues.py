"""What people understand and say, by language: a file of `languages/` is a language, found there.

The files hold parts of regular expressions. A caller understands all of the languages at once, as
a caller does who hears a welcome in one language and a menu in another.
"""

from __future__ import annotations

import re
import tomllib

from collections.abc import Mapping
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).resolve().parent / "languages"
# What a call begins in.
COUNTRY = "fr"
STAR, HASH = "*", "#"


@lru_cache
def tongues() -> Mapping[str, Mapping[str, Any]]:
    """Each language by its code ("fr"), as its file has it."""
    found = {}
    for path in sorted(FOLDER.glob("*.toml")):
        with path.open("rb") as file:
            found[path.stem] = tomllib.load(file)
    return found


def spoken(tag: str) -> str:
    """The language of a tag as providers write it ("fr-FR"); an unknown one is French."""
    code = tag.partition("-")[0].casefold()
    return code if code in tongues() else COUNTRY


@cache
def about(name: str) -> re.Pattern[str]:
    """Whether a label or a sentence is about this ("yes", "without" …) in any language."""
    # An hour may be followed by anything.
    end = "" if name == "time" else r"\b"
    return re.compile(rf"\b(?:{_any('about', name)}){end}", re.IGNORECASE)


@cache
def ends(name: str) -> re.Pattern[str]:
    """Whether a sentence tells of an end ("confirmed", "promised" …) in any language."""
    end = r"\b" if name == "confirmed" else ""
    return re.compile(rf"\b(?:{_any('ends', name)}){end}", re.IGNORECASE)


@lru_cache
def reference() -> re.Pattern[str]:
    """A reference that is said: its ten digits are the group `digits`."""
    return re.compile(
        rf"\b(?:{_any('ends', 'reference')})\b(?:[^0-9.!?]{{0,40}}|\s*[.:]\s*)"
        # A full stop may end it, and a telephone number follow.
        r"(?P<digits>\d(?:[\s,.\-–]*\d){9})(?![\s,\-–]*\d)",
        re.IGNORECASE,
    )


@cache
def names(code: str) -> re.Pattern[str]:
    """Whether a label names a language."""
    return re.compile(rf"\b(?:{'|'.join(tongues()[code]['name'])})\b", re.IGNORECASE)


@lru_cache
def option() -> re.Pattern[str]:
    """Where a menu names a key: "tapez 1", "press key 2"; the key is the group `key`."""
    before = rf"(?:(?:{_any('menu', 'before_key')})\s+)?"
    keys = _any("menu", "star") + "|" + _any("menu", "hash")
    return re.compile(
        rf"\b(?:{_any('menu', 'verbs')})\s+{before}(?P<key>\d|\*|#|{keys})"
        rf"(?![\s,]*\d)(?!\s*(?:{_any('menu', 'counts')}))",
        re.IGNORECASE,
    )


@lru_cache
def key_words() -> Mapping[str, str]:
    """Keys that are said by a word."""
    return {
        word: key
        for tongue in tongues().values()
        for name, key in (("star", STAR), ("hash", HASH))
        for word in tongue["menu"][name]
    }


@lru_cache
def follows_key() -> re.Pattern[str]:
    """What a label begins with that stands behind its key: "tapez 1 pour …"."""
    return re.compile(rf"\s*(?:,\s*)?(?:{_any('menu', 'follows_key')})\b", re.IGNORECASE)


@lru_cache
def fields() -> tuple[tuple[str, re.Pattern[str]], ...]:
    """What can be asked for, by name."""
    first = next(iter(tongues().values()))["fields"]
    return tuple((name, re.compile(rf"\b(?:{_any('fields', name)})\b")) for name in first)


@lru_cache
def preferences() -> tuple[tuple[int, re.Pattern[str]], ...]:
    """What a caller who wants an appointment prefers in a label: points, and what they are for."""
    return tuple(
        (pattern["points"], re.compile(pattern["words"], re.IGNORECASE))
        for tongue in tongues().values()
        for pattern in tongue["prefers"]
    )


def unlabelled(label: str) -> str:
    """A label without the word that it begins with: "pour prendre …" is "prendre …"."""
    begins = "|".join(word for tongue in tongues().values() for word in tongue["label"])
    return re.sub(rf"^(?:{begins})\s+", "", label)


@lru_cache
def months() -> tuple[tuple[str, ...], ...]:
    """The names of the months of each language, in small letters."""
    return tuple(
        tuple(name.casefold() for name in tongue["months"]) for tongue in tongues().values()
    )


@lru_cache
def written_date() -> re.Pattern[str]:
    """A date with its month in letters: groups day, month, year, or day_en, month_en, year_en."""
    every = tongues().values()
    ordinals = "|".join(word for tongue in every for word in tongue["ordinals"])
    joins = "|".join(word for tongue in every for word in tongue["date_joins"])
    return re.compile(
        rf"\b(?P<day>\d{{1,2}})(?:{ordinals})?\s+(?:(?:{joins})\s+)?(?P<month>[^\W\d_]+)\s+"
        rf"(?:(?:{joins})\s+)?(?P<year>\d{{4}})\b"
        rf"|\b(?P<month_en>[a-z]+)\s+(?P<day_en>\d{{1,2}})(?:{ordinals})?,?\s+(?P<year_en>\d{{4}})\b",
        re.IGNORECASE,
    )


def _any(table: str, name: str) -> str:
    return "|".join(word for tongue in tongues().values() for word in tongue[table][name])
