"""Pages that are the same for all, from memory where possible, else from the application.

They are asked for far more often than they change, and cost neither the application nor the store
while they are fresh. One that is too old is shown a little longer while one thread asks for the
next, and much longer where the application does not give one. A browser that can has them smaller.

Only what `web.cacheable` marks as the same for all is kept, by its path and by the part of its
query that says which page it is. So a meaningless query cannot get past the memory.
"""

from __future__ import annotations

import gzip
import threading

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Final

from werkzeug.datastructures import ResponseCacheControl
from werkzeug.http import parse_cache_control_header
from werkzeug.test import run_wsgi_app

from services.admission.load_shedder import LoadShedder
from services.telemetry import GATE_ANSWERS
from web.admission.room_pages import START, RoomPages
from web.environ import Environ, Headers, Wsgi, language_of
from web.online.asked_centre import NOTHING, asked_in

# Pages that are kept, their bytes in all, and those of one.
MOST: Final = 256
MOST_BYTES_KEPT: Final = 2_000_000
MOST_BYTES: Final = 200_000
# First pages of booking at a centre that are kept, and their bytes.
MOST_CENTRES: Final = 64
MOST_CENTRES_BYTES: Final = 500_000
# Below this a smaller one gains nothing.
LEAST_BYTES: Final = 600
_LEVEL: Final = 6
_SMALLER: Final = ("text/", "application/json", "application/javascript", "image/svg")
_OF_A_CONNECTION: Final = frozenset({"date", "connection", "content-length"})
_CONDITIONS: Final = frozenset({"HTTP_IF_NONE_MATCH", "HTTP_IF_MODIFIED_SINCE"})


@dataclass(frozen=True)
class CachedAnswer:
    """One answer. The moments are those of a monotonic clock, in seconds."""

    headers: Headers
    body: bytes
    etag: str
    fresh_until: float
    stale_until: float
    usable_until: float
    small_headers: Headers | None = None
    small: bytes = b""
    # Held by the thread that asks for the next one.
    renewing: threading.Lock = field(default_factory=threading.Lock, compare=False)

    @property
    def size(self) -> int:
        return len(self.body) + len(self.small)

    def answer(self, environ: Environ, start_response: Any) -> list[bytes]:
        """Nothing where the browser has it, the smaller one where it can."""
        headers, body = self.headers, self.body
        if self.small_headers and "gzip" in environ.get("HTTP_ACCEPT_ENCODING", ""):
            headers, body = self.small_headers, self.small
        if self.etag and self.etag in environ.get("HTTP_IF_NONE_MATCH", ""):
            start_response("304 Not Modified", headers)
            return [b""]
        start_response("200 OK", headers)
        return [b"" if environ["REQUEST_METHOD"] == "HEAD" else body]


class KeptAnswers:
    """By path and language. May be used by several threads."""

    def __init__(self, most: int = MOST, most_bytes: int = MOST_BYTES_KEPT) -> None:
        self._most, self._most_bytes = most, most_bytes
        self._bytes = 0
        self._kept: dict[str, CachedAnswer] = {}
        self._writing = threading.Lock()

    def get(self, key: str) -> CachedAnswer | None:
        return self._kept.get(key)

    def put(
        self, key: str, status: str, headers: Headers, body: bytes, now: float
    ) -> CachedAnswer | None:
        """Keep an answer if it may be shown to all; None where it may not."""
        made = _made(headers, body, now) if status.startswith("200") else None
        if made is None:
            return None
        with self._writing:
            self._forget(key)
            if made.size > self._most_bytes:
                return made
            while len(self._kept) >= self._most or self._bytes + made.size > self._most_bytes:
                self._forget(next(iter(self._kept)))
            self._kept[key] = made
            self._bytes += made.size
        return made

    def _forget(self, key: str) -> None:
        old = self._kept.pop(key, None)
        self._bytes -= old.size if old is not None else 0


def _made(headers: Headers, body: bytes, now: float) -> CachedAnswer | None:
    names = {name.lower(): value for name, value in headers}
    policy = parse_cache_control_header(names.get("cache-control"), cls=ResponseCacheControl)
    if not policy.public or not policy.max_age:
        return None
    if "set-cookie" in names or "content-encoding" in names or len(body) > MOST_BYTES:
        return None
    if names.get("vary", "").lower() not in {"", "accept-encoding"}:
        return None
    headers = [header for header in headers if header[0].lower() not in _OF_A_CONNECTION]
    small, small_headers = b"", None
    if len(body) >= LEAST_BYTES and names.get("content-type", "").startswith(_SMALLER):
        small = gzip.compress(body, _LEVEL, mtime=0)
        headers.append(("Vary", "Accept-Encoding"))
        small_headers = [
            (name, f"W/{value}" if name.lower() == "etag" and value.startswith('"') else value)
            for name, value in headers
        ]
        small_headers.append(("Content-Encoding", "gzip"))
    fresh = now + policy.max_age
    return CachedAnswer(
        headers,
        body,
        names.get("etag", "").removeprefix("W/"),
        fresh,
        fresh + (policy.stale_while_revalidate or 0),
        fresh + (policy.stale_if_error or 0),
        small_headers,
        small,
    )


class PagesForAll:
    """One memory for each worker. `web` answers what the load shedder has let in."""

    def __init__(
        self,
        web: Wsgi,
        load_shedder: LoadShedder,
        pages: RoomPages,
        store_hangs: Callable[[], bool] = lambda: False,
    ) -> None:
        self._web, self._load_shedder, self._pages = web, load_shedder, pages
        self._store_hangs = store_hangs
        self.ticks: Callable[[], float] = load_shedder.ticks
        self.kept = KeptAnswers()
        # Clients can ask for any number of centres: these pages push none out of the other memory.
        self.kept_for_centres = KeptAnswers(MOST_CENTRES, MOST_CENTRES_BYTES)

    def fresh(self, path: str, environ: Environ, start_response: Any) -> list[bytes] | None:
        """The page of a GET, where it is fresh in memory; else None."""
        memory, query = self._what_counts(path, environ["QUERY_STRING"])
        kept = memory.get(f"{path}?{query}")
        if kept is None or self.ticks() >= kept.fresh_until:
            return None
        return _from_memory(kept, environ, start_response)

    def answer(self, path: str, environ: Environ, start_response: Any) -> Iterable[bytes]:
        """The page of a GET or HEAD."""
        memory, query = self._what_counts(path, environ.get("QUERY_STRING", ""))
        # The application is asked for the address under which the copy is kept. Otherwise a visitor
        # who writes an address in another way could have all others shown a different page.
        environ["QUERY_STRING"] = query
        key = f"{path}?{query}"
        kept = memory.get(key)
        if kept is not None:
            now = self.ticks()
            # In a store that hangs the next one would be waited for in vain.
            if now < kept.fresh_until or (now < kept.usable_until and self._store_hangs()):
                return _from_memory(kept, environ, start_response)
            if now < kept.stale_until:
                if not kept.renewing.acquire(blocking=False):
                    return _from_memory(kept, environ, start_response)
                try:
                    return self._fetch(memory, key, kept, environ, start_response)
                finally:
                    kept.renewing.release()
        return self._fetch(memory, key, kept, environ, start_response)

    def _what_counts(self, path: str, query: str) -> tuple[KeptAnswers, str]:
        """Where a page is kept, and what of its query says which page it is."""
        if not query:
            return self.kept, ""
        if path.startswith("/assets/"):
            # The version of a file is a part of its name.
            return self.kept, next((part for part in query.split("&") if part.startswith("v=")), "")
        asked = asked_in(query) if path == START else NOTHING
        special = asked.centre or asked.service
        memory = self.kept_for_centres if special else self.kept
        return memory, asked.query(language_of(query))

    def _fetch(
        self,
        memory: KeptAnswers,
        key: str,
        old: CachedAnswer | None,
        environ: Environ,
        start_response: Any,
    ) -> Iterable[bytes]:
        if not self._load_shedder.web_begins(goes_on=False):
            if old is not None and self.ticks() < old.usable_until:
                return _from_memory(old, environ, start_response)
            return self._pages.turn_away(environ, start_response, "page")
        # Whole, whatever this browser has: others have not.
        whole = {name: value for name, value in environ.items() if name not in _CONDITIONS}
        whole["REQUEST_METHOD"] = "GET"
        chunks, status, answered = run_wsgi_app(self._web, whole, buffered=True)
        body, headers, now = b"".join(chunks), list(answered), self.ticks()
        new = memory.put(key, status, headers, body, now)
        if new is None and status.startswith("5") and old is not None and now < old.usable_until:
            new = old
        if new is not None:
            return _from_memory(new, environ, start_response)
        start_response(status, headers)
        return [b"" if environ["REQUEST_METHOD"] == "HEAD" else body]


def _from_memory(kept: CachedAnswer, environ: Environ, start_response: Any) -> list[bytes]:
    GATE_ANSWERS.labels("kept").inc()
    return kept.answer(environ, start_response)
