"""The words on pages, from `pages/`: `desk.ready` is `ready` in `desk.<language>.toml` there.

They are apart from what is spoken: a telephone call never reads them.
"""

from __future__ import annotations

import re
import tomllib

from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from prompts import service_words
from prompts.catalogue import as_invited, flat
from prompts.service_words import PAGE, Words

FOLDER = Path(__file__).resolve().parent / "pages"
# The frame of every page: a language of pages is one that has this file.
FRAME = "page"


def languages(folder: Path = FOLDER) -> tuple[str, ...]:
    """The languages of pages, as callers are invited to them; they have all that French has."""
    return as_invited(path.name.split(".")[1] for path in folder.glob(f"{FRAME}.*.toml"))


LANGUAGES = languages()
# Where a language ties them (French), these stand apart from their word, and never alone at the
# start of a line.
_APART = re.compile(r"(?<=\S) (?=[?!:;»%])|(?<=«) ")
_TIED = "\u00a0"


class NoSuchWords(KeyError):
    """A key that the language does not have."""


class Screen:
    """Every word on pages in one language."""

    def __init__(self, language: str, words: Mapping[str, str]) -> None:
        self.language = language
        self._words = words

    def __getitem__(self, key: str) -> str:
        """The words of a key as they are written. Raises NoSuchWords."""
        try:
            return self._words[key]
        except KeyError:
            raise NoSuchWords(f"{key} ({self.language})") from None

    def __contains__(self, key: str) -> bool:
        return key in self._words

    def __iter__(self) -> Iterator[str]:
        return iter(self._words)

    def text(self, key: str, **values: object) -> str:
        """The words of a key with `{values}` filled in. Raises NoSuchWords, KeyError."""
        words = self[key]
        return words.format(**values) if values else words

    @property
    def locale(self) -> str:
        """The locale by which Babel writes days and numbers on these pages."""
        return self["page.language.locale"]

    def part(self, name: str) -> dict[str, str]:
        """All words of one file, for a script: `part("desk")["ready"]`."""
        start = f"{name}."
        return {
            key.removeprefix(start): words
            for key, words in self._words.items()
            if key.startswith(start)
        }


@lru_cache
def named_languages() -> tuple[tuple[str, str], ...]:
    """Each language with its own name. Reads one file of each: a worker may never show the rest."""
    named = []
    for language in LANGUAGES:
        with (FOLDER / f"{FRAME}.{language}.toml").open("rb") as file:
            named.append((language, str(tomllib.load(file)["language"]["name"])))
    return tuple(named)


def screen(language: str, words: Words | None = None) -> Screen:
    """A language with the words of a service; without `words`, those in use. Each is read once.

    Raises OSError, tomllib.TOMLDecodeError, NoSuchWords.
    """
    return _screen(language, words or service_words.in_use())


@lru_cache(maxsize=64)
def _screen(language: str, words: Words) -> Screen:
    if language not in LANGUAGES:
        raise NoSuchWords(language)
    return read(FOLDER, language, words)


def read(folder: Path, language: str, words: Words | None = None) -> Screen:
    """A language from the files of a folder, with the words of a service (None: those in use)."""
    own = (words or service_words.in_use())[language]
    written: dict[str, Any] = {}
    for path in sorted(folder.glob(f"*.{language}.toml")):
        table = tomllib.loads(path.read_text("utf-8"))
        written.update(flat(table, f"{path.name.split('.', 1)[0]}."))
    for key, text in written.items():
        if not isinstance(text, str):
            raise TypeError(f"{key} is no text")
    filled = {key: own.fill(PAGE, text) for key, text in written.items()}
    if filled.get(f"{FRAME}.language.ties") == "yes":
        filled = {key: _APART.sub(_TIED, text) for key, text in filled.items()}
    return Screen(language, filled)
