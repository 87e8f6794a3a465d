"""What the rooms of the gate share: what it is made of, what it counts, how it answers briefly."""

from __future__ import annotations

import time

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Final

from werkzeug.http import parse_cookie

from models.clock import DatabaseClock
from prompts.catalogue import COUNTRY_LANGUAGE
from prompts.screens import LANGUAGES
from services.campaign.campaigns import Campaigns
from services.store import Store
from web import alone
from web.marks import LANGUAGE_COOKIE, SIGNED
from web.pages import language_of_browser

Environ = dict[str, Any]
Wsgi = Callable[[Environ, Any], Iterable[bytes]]
Headers = list[tuple[str, str]]
# How long (seconds) a visitor who found no thread waits before they ask again.
RETRY_SECONDS: Final = 5
# The same for a visitor in the middle of a web session: they go first.
RETRY_VISIT: Final = 2
_TEXT: Final = [("Content-Type", "text/plain; charset=utf-8"), ("Cache-Control", "no-store")]
# Headers by which another cache or browser could keep an answer.
_OF_KEEPING: Final = frozenset({"cache-control", "etag", "last-modified", "expires"})


@dataclass(frozen=True)
class GateParts:
    """What the gate is made of. `threads` are those of one worker."""

    store: Store
    campaigns: Campaigns
    secret_key: str
    public_base_url: str
    threads: int = 6
    hops: int = 0
    # "never": visitors begin web sessions as they come.
    mode: str = "auto"
    # What pages of errors say to ring (E.164).
    national_number: str = ""
    # Whether the store keeps requests waiting at the moment, or did just now.
    store_hangs: Callable[[], bool] = lambda: False
    # Whether every request is for `public_base_url`, whatever its Host says; a developer may write
    # localhost, or come by a tunnel.
    one_host: bool = False

    @property
    def https(self) -> bool:
        return self.public_base_url.startswith("https://")

    def wall_clock(self) -> Callable[[], float]:
        """Gives the seconds of the epoch, of this machine; of the store's clock in tests."""
        clock = self.store.clock
        if isinstance(clock, DatabaseClock):
            return time.time
        return lambda: clock.now().timestamp()


@dataclass
class UnderWay:
    """Requests of one worker that were read whole and are not answered yet.

    The event loop alone adds and takes away; others read.
    """

    requests: int = 0


@dataclass
class LedgerTally:
    """What happened since the ledger was written last.

    Several threads add to it without a lock: the telephone is not to wait for a count, and one that
    is lost now and then changes nothing.
    """

    # By counter and label.
    counts: Counter[tuple[str, str]] = field(default_factory=Counter)
    # Answers of the room, and all that were given since the last look at the pressure.
    rooms: int = 0
    answers: int = 0

    def taken(self) -> Counter[tuple[str, str]]:
        """The counts until now, which begin anew."""
        counts, self.counts = self.counts, Counter()
        counts["gate", "room"] += self.rooms
        self.rooms = 0
        return counts


def language_of(query: str) -> str:
    """The language of an address: what it says, else the country's (`web.pages.speak`)."""
    for pair in query.split("&") if query else ():
        name, _, code = pair.partition("=")
        if name == "lang":
            return code if code in LANGUAGES else COUNTRY_LANGUAGE
    return COUNTRY_LANGUAGE


def language_for(environ: Environ) -> str:
    """The language of an answer to one visitor, as `web.pages.language` chooses it."""
    asked = f"&{environ.get('QUERY_STRING', '')}"
    if "&lang=" in asked:
        return language_of(asked[1:])
    cookies = parse_cookie(environ.get("HTTP_COOKIE", ""))
    for name in (f"__Host-{LANGUAGE_COOKIE}", LANGUAGE_COOKIE):
        if cookies.get(name) in LANGUAGES:
            return str(cookies[name])
    return language_of_browser(environ.get("HTTP_ACCEPT_LANGUAGE", ""))


def is_for_a_person(environ: Environ) -> bool:
    """Whether a browser asks for a page, and no script, file or machine for something else."""
    if environ.get("PATH_INFO", "").startswith(SIGNED):
        return False
    if environ.get("HTTP_HX_REQUEST") and not environ.get("HTTP_HX_BOOSTED"):
        return False
    mode = environ.get("HTTP_SEC_FETCH_MODE", "navigate")
    is_page = mode == "navigate" or bool(environ.get("HTTP_HX_BOOSTED"))
    return is_page and "text/html" in environ.get("HTTP_ACCEPT", "*/*").replace("*/*", "text/html")


def busy(environ: Environ, start_response: Any, seconds: int, number: str) -> Iterable[bytes]:
    """That there is no free thread at this moment: a page to a person, else in brief."""
    if not number or not is_for_a_person(environ):
        return briefly(start_response, seconds)
    start_response("503 Service Unavailable", alone.headers(seconds))
    return [alone.page(503, language_for(environ), number)]


def briefly(start_response: Any, seconds: int) -> Iterable[bytes]:
    """That there is no free thread at this moment, to a client that needs no words."""
    start_response("503 Service Unavailable", [*_TEXT, ("Retry-After", str(seconds))])
    return [b"busy\n"]


def for_one_visitor(start_response: Any, cookie: str) -> Any:
    """Answer, with a cookie where there is one, so that no cache keeps it for others."""

    def start(status: str, headers: Headers, *error: Any) -> Any:
        own = [header for header in headers if header[0].lower() not in _OF_KEEPING]
        own.append(("Cache-Control", "no-store"))
        if cookie:
            own.append(("Set-Cookie", cookie))
        return start_response(status, own, *error)

    return start
