"""Pages of the waiting room, put together from bytes that were made once.

A template is asked for once for each kind and language, through the application like any page, so
that its headers and its frame are those of all others. Marks stand for what differs from one
visitor to the next; replacing them is all that is left to do when a visitor comes.
"""

from __future__ import annotations

import html
import math
import re

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache
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
        self._words = screen(language)
        self._sayings = Sayings(self._words)

    def ahead(self, people: int) -> str:
        return self._number("room.waiting.ahead", people)

    def others(self, people: int) -> str:
        return self._number("room.before.others", people)

    def each(self, seconds: int) -> str:
        return self._words["room.each"].format(seconds=seconds)

    def wait(self, seconds: float) -> str:
        whole = math.ceil(seconds / _MINUTE) * _MINUTE if seconds >= _MINUTE else 0
        return self._words["room.waiting.wait"].format(time=self._sayings.wait(whole))

    def _number(self, key: str, people: int) -> str:
        if people <= 1:
            return self._words[f"{key}_one" if people == 1 else f"{key}_none"]
        return self._words[key].format(people=self._sayings.count(people))


def about(people: float) -> int:
    """A number that is not more exact than it can be: of three digits, and zeros."""
    zeros = 1
    while people >= _THREE_DIGITS:
        people /= 10
        zeros *= 10
    return max(round(people), 0) * zeros


@lru_cache
def words_of(language: str) -> Words:
    """Read once for each language."""
    return Words(language)


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
