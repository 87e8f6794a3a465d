"""Pages of the waiting room, put together from bytes that were made once.

A template is asked for once for each kind and language, through the application like any page, so
that its headers and its frame are those of all others. Marks stand for what differs from one
visitor to the next; replacing them is all that is left to do when a visitor comes.
"""

from __future__ import annotations

import html
import json
import math
import re

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any, Final
from urllib.parse import parse_qsl, urljoin

from werkzeug.test import create_environ, run_wsgi_app

from prompts.catalogue import COUNTRY_LANGUAGE
from prompts.screens import screen
from web.admission.waiting_room import ASKED, LETTERS, RoomPageRequest
from web.public.words import Sayings
from web.tickets import ROOM

Wsgi = Callable[[dict[str, Any], Any], Iterable[bytes]]
Headers = list[tuple[str, str]]
# Kept of each kind; a new opening makes a new one.
KEPT: Final = 32
MOST_FIELDS: Final = 40
_MARKS: Final = re.compile(f"({'|'.join(LETTERS)})".encode())
_SPLIT: Final = {letter.encode(): number for number, letter in enumerate(LETTERS)}
_MINUTE: Final = 60
_NONE: Final = b""
_SENTENCES: Final = 1024
_TOLD: Final = 256
_THREE_DIGITS: Final = 1000
# Of the page alone, and said by the server that sends it.
_OF_ONE: Final = frozenset({"content-length", "set-cookie", "vary", "etag"})


class NotMade(Exception):
    """The application gave no page to make copies of."""


@dataclass(frozen=True)
class RoomPageTemplate:
    """A page with places for what differs: numbers are those of `waiting_room.LETTERS`."""

    headers: Headers
    parts: tuple[bytes | int, ...]

    def filled(
        self,
        ahead: bytes = _NONE,
        wait: bytes = _NONE,
        each: bytes = _NONE,
        form: bytes = _NONE,
        address: bytes = _NONE,
    ) -> bytes:
        values = (ahead, wait, each, form, address)
        return b"".join(
            [values[part] if part.__class__ is int else part for part in self.parts]  # type: ignore[misc]
        )


class RoomPages:
    """Makes them when they are first asked for; one for each worker."""

    def __init__(self, app: Wsgi, public_base_url: str) -> None:
        self._app = app
        self._root = urljoin(public_base_url, "/")
        self._made: dict[tuple[str, str, int], RoomPageTemplate] = {}

    def page(self, kind: str, language: str, opening: int = 0) -> RoomPageTemplate:
        """One kind in one language. Raises NotMade."""
        key = kind, language, opening if kind == "before" else 0
        made = self._made.get(key)
        if made is None:
            made = self._make(*key)
            if len(self._made) >= KEPT:
                self._made = {}
            self._made[key] = made
        return made

    def _make(self, kind: str, language: str, opening: int) -> RoomPageTemplate:
        query = "" if language == COUNTRY_LANGUAGE else f"lang={language}"
        environ = create_environ(ROOM, self._root, query)
        environ[ASKED] = RoomPageRequest(kind, opening)
        body, status, headers = run_wsgi_app(self._app, environ, buffered=True)
        if not status.startswith("200"):
            raise NotMade(kind)
        kept = [header for header in headers if header[0].lower() not in _OF_ONE]
        parts = [_SPLIT.get(part, part) for part in _MARKS.split(b"".join(body)) if part]
        return RoomPageTemplate(kept, tuple(parts))


# ---------------------------------------------------------------- what differs


class Words:
    """Sentences of one language with their numbers."""

    def __init__(self, language: str) -> None:
        words = screen(language)
        self._sayings = Sayings(words)
        count = self._sayings.count
        self._ahead = {name: words[f"room.waiting.{name}"] for name in _of("ahead")}
        self._others = {name: words[f"room.before.{name}"] for name in _of("others")}
        self._wait = words["room.waiting.wait"]
        self._each = words["room.each"]

        # So few are different that each is made once: a few thousand sentences.
        self.ahead = lru_cache(maxsize=_SENTENCES)(partial(_number, self._ahead, "ahead", count))
        self.others = lru_cache(maxsize=_SENTENCES)(partial(_number, self._others, "others", count))
        self.each = lru_cache(maxsize=_SENTENCES)(self._seconds)
        self._minutes = lru_cache(maxsize=_SENTENCES)(self._waited)

    def wait(self, seconds: float) -> str:
        return self._minutes(math.ceil(seconds / _MINUTE) if seconds >= _MINUTE else 0)

    def _seconds(self, seconds: int) -> str:
        return self._each.format(seconds=seconds)

    def _waited(self, minutes: int) -> str:
        return self._wait.format(time=self._sayings.wait(minutes * _MINUTE))


def about(people: float) -> int:
    """A number that is not more exact than it can be: of three digits, and zeros."""
    zeros = 1
    while people >= _THREE_DIGITS:
        people /= 10
        zeros *= 10
    return max(round(people), 0) * zeros


def _number(words: dict[str, str], name: str, count: Callable[[int], str], people: int) -> str:
    if people <= 1:
        return words[f"{name}_one" if people == 1 else f"{name}_none"]
    return words[name].format(people=count(people))


def _of(name: str) -> tuple[str, str, str]:
    return name, f"{name}_one", f"{name}_none"


@lru_cache
def words_of(language: str) -> Words:
    """Read once for each language."""
    return Words(language)


@lru_cache(maxsize=_TOLD)
def told(**values: object) -> bytes:
    """For the page's script: so many are told the same that it is written once."""
    return json.dumps(values, ensure_ascii=False, separators=(",", ":")).encode()


def escaped(text: str) -> bytes:
    return html.escape(text).encode()


def hidden(body: bytes) -> bytes:
    """The fields of a form that could not be taken, to be sent once more.

    They go back only to the visitor who just sent them. Raises ValueError for what is no form.
    """
    fields = parse_qsl(
        body.decode("utf-8"), keep_blank_values=True, max_num_fields=MOST_FIELDS, errors="strict"
    )
    return b"".join(
        f'<input type="hidden" name="{html.escape(name)}" value="{html.escape(value)}">'.encode()
        for name, value in fields
    )
