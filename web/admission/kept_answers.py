"""Pages that are the same for all visitors, kept in memory as answered (`web.cacheable`).

They are asked for far more often than they change, and cost neither the application nor the store
while they are fresh. One that is too old is shown a little longer while one thread asks for the
next, and much longer where the application does not give one. A browser that can has them smaller.
"""

from __future__ import annotations

import gzip
import re
import threading

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final

Headers = list[tuple[str, str]]
MOST: Final = 256
MOST_BYTES: Final = 200_000
# Of all of them.
MOST_BYTES_KEPT: Final = 2_000_000
# Below this a smaller one gains nothing.
LEAST_BYTES: Final = 600
_LEVEL: Final = 6
_SMALLER: Final = ("text/", "application/json", "application/javascript", "image/svg")
_SECONDS: Final = re.compile(r"(max-age|stale-while-revalidate|stale-if-error)=(\d{1,9})")
_OF_A_CONNECTION: Final = frozenset({"date", "connection", "content-length"})


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
        if not status.startswith("200"):
            return None
        made = _made(headers, body, now)
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
    policy = names.get("cache-control", "")
    if "public" not in policy or "set-cookie" in names or len(body) > MOST_BYTES:
        return None
    if names.get("vary", "").lower() not in {"", "accept-encoding"} or "content-encoding" in names:
        return None
    seconds = {name: int(value) for name, value in _SECONDS.findall(policy)}
    fresh = now + seconds.get("max-age", 0)
    if fresh <= now:
        return None
    headers = [header for header in headers if header[0].lower() not in _OF_A_CONNECTION]
    etag = names.get("etag", "")
    small, small_headers = b"", None
    if len(body) >= LEAST_BYTES and names.get("content-type", "").startswith(_SMALLER):
        small = gzip.compress(body, _LEVEL, mtime=0)
        headers.append(("Vary", "Accept-Encoding"))
        small_headers = [
            (name, f"W/{value}" if name.lower() == "etag" and value.startswith('"') else value)
            for name, value in headers
        ]
        small_headers.append(("Content-Encoding", "gzip"))
    return CachedAnswer(
        headers,
        body,
        etag.removeprefix("W/"),
        fresh,
        fresh + seconds.get("stale-while-revalidate", 0),
        fresh + seconds.get("stale-if-error", 0),
        small_headers,
        small,
    )


def answer(kept: CachedAnswer, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    """Give what is kept: nothing where the browser has it, the smaller one where it can."""
    wanted = environ.get("HTTP_IF_NONE_MATCH")
    is_small = kept.small_headers is not None and "gzip" in environ.get("HTTP_ACCEPT_ENCODING", "")
    headers = kept.small_headers if is_small else kept.headers
    assert headers is not None  # noqa: S101 - see `is_small`
    if wanted and kept.etag and kept.etag in wanted:
        start_response("304 Not Modified", headers)
        return [b""]
    start_response("200 OK", headers)
    return [b"" if environ["REQUEST_METHOD"] == "HEAD" else kept.small if is_small else kept.body]
