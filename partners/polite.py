"""Ask a partner's web server politely.

Every request names this service and how to reach its operator. robots.txt is heeded. Between two
requests to a host lies a pause, longer where robots.txt says so. A server in trouble is asked again
a little later, and one that refuses us (403, 429, 503, 520 to 527) is to be left alone. What it
sends is read in pieces and never beyond a limit, within one deadline however slowly it comes. A
redirect is followed only to the partner's own hosts.
"""

from __future__ import annotations

import re
import time

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urljoin, urlsplit
from urllib.robotparser import RobotFileParser

import requests
import tenacity

from urllib3.exceptions import HTTPError

from partners.in_time import in_time
from partners.reading import LARGEST_BYTES, shortened
from partners.walking import GONE, NOT_FOUND, OK, Ask, Blocked, PartnerAnswer

__all__ = ["Blocked", "Manners", "Polite"]

# Seconds.
CONNECT: Final = 5.0
SILENCE: Final = 8.0
DEADLINE: Final = 15.0
LEAST_BETWEEN: Final = 1.0
ROBOTS_EVERY: Final = 24 * 3600.0
_ROBOTS_BYTES: Final = 512 * 1024
_PIECE: Final = 64 * 1024
_REDIRECTS: Final = 3
_BAD_REQUEST: Final = 400
_LAST_STAR = re.compile(r"(?m)^(\s*(?:dis)?allow\s*:\s*/[^\s*]*)\*+\s*$", re.IGNORECASE)
_TRIES: Final = 3
_MOVED: Final = frozenset({301, 302, 303, 307, 308})
# Signs that we are not wanted at the moment: 520 to 527 are Cloudflare's.
_REFUSED: Final = frozenset({_BAD_REQUEST, 401, 403, 429, 503, *range(520, 528)})


class _Passing(Exception):
    """Something that may be over in a moment."""


class _Unusable(Exception):
    """Some words: why an answer is not used."""


@dataclass(frozen=True)
class Manners:
    """How a platform is asked: `hosts` are all it may lead to, times are seconds.

    `silence` is how long nothing may come, `deadline` how long all of an answer may take.
    """

    user_agent: str
    hosts: frozenset[str]
    between: float = 2.0
    silence: float = SILENCE
    deadline: float = DEADLINE
    largest: int = LARGEST_BYTES


@dataclass
class _Host:
    next_at: float = 0.0
    robots: RobotFileParser | None = None
    robots_at: float = 0.0


@dataclass
class Polite:
    """A session with one platform. `clock` gives seconds that only grow."""

    manners: Manners
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    session: requests.Session = field(default_factory=requests.Session)
    requests_made: int = 0
    _hosts: dict[str, _Host] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.session.headers.update(
            {
                "User-Agent": self.manners.user_agent,
                "Accept": "application/json",
                # What is unpacked here may be a thousand times what came.
                "Accept-Encoding": "identity",
            }
        )
        in_time(self.session, lambda: self.manners.deadline)
        # Do not use the proxies or passwords of the operator's environment.
        self.session.trust_env = False

    def wait_for(self, url: str) -> float:
        """Seconds until the host of this address may be asked again."""
        return max(0.0, self._host(url).next_at - self.clock())

    def get(self, ask: Ask) -> PartnerAnswer:
        """Ask, at once or when it is polite. Raises Blocked; an Answer with `why` for the rest."""
        retrying = tenacity.Retrying(
            sleep=self.sleep,
            stop=tenacity.stop_after_attempt(_TRIES),
            wait=tenacity.wait_exponential(multiplier=2, max=8),
            retry=tenacity.retry_if_exception_type(_Passing),
            reraise=True,
        )
        try:
            status, content = retrying(self._asked, ask)
        except (_Unusable, _Passing) as no:
            return PartnerAnswer(0, why=str(no))
        return PartnerAnswer(status, content)

    # -------------------------------------------------------------- one request

    def _asked(self, ask: Ask) -> tuple[int, bytes]:
        status, headers, content = self._follow(ask.url, list(ask.query), self.manners.largest)
        if status in {OK, NOT_FOUND, GONE}:
            return status, content
        # A wrong question is answered in JSON; a refused client is answered in words.
        if status in _REFUSED and not (
            status == _BAD_REQUEST and content.lstrip().startswith(b"{")
        ):
            told = shortened(content[:80].decode("utf-8", "replace"), 30)
            raise Blocked(f"answer {status} {told}".strip(), _seconds(headers))
        if status >= 500:  # noqa: PLR2004 (errors of the server)
            raise _Passing(f"answer {status}")
        raise _Unusable(f"answer {status}")

    def _follow(
        self, url: str, query: list[tuple[str, str]], largest: int, *, robots: bool = False
    ) -> tuple[int, Mapping[str, str], bytes]:
        """Ask where it leads among the partner's hosts; `robots`: for the rules themselves."""
        for _hop in range(_REDIRECTS + 1):
            if not robots and not self._allowed(url):
                raise _Unusable("robots.txt says no")
            self._take_turn(url)
            status, headers, content = self._request(url, query, largest)
            if status not in _MOVED:
                return status, headers, content
            url, query = urljoin(url, headers.get("Location", "")), []
            self._check_host(url)
        raise _Unusable(f"{'robots.txt' if robots else 'it'} leads in circles")

    def _request(
        self, url: str, query: list[tuple[str, str]], largest: int
    ) -> tuple[int, Mapping[str, str], bytes]:
        self.requests_made += 1
        until = self.clock() + self.manners.deadline
        try:
            with self.session.get(
                url,
                params=query,
                timeout=(CONNECT, self.manners.silence),
                allow_redirects=False,
                stream=True,
            ) as response:
                return response.status_code, response.headers, self._body(response, until, largest)
        except requests.RequestException as error:
            raise _Passing(f"no answer ({type(error).__name__})") from None

    def _body(self, response: requests.Response, until: float, largest: int) -> bytes:
        if response.headers.get("Content-Encoding", "identity").lower() not in {"", "identity"}:
            raise _Unusable("it is packed, which was not asked for")
        told = response.headers.get("Content-Length", "")
        if told.isdecimal() and float(told) > largest:
            raise _Unusable(f"it is larger than {largest} bytes")
        pieces: list[bytes] = []
        size = 0
        try:
            # As it comes: a server that sends a byte a second is told from one that sends.
            while piece := response.raw.read1(_PIECE):
                size += len(piece)
                if size > largest:
                    raise _Unusable(f"it is larger than {largest} bytes")
                if self.clock() > until:
                    raise _Unusable("it takes too long to come")
                pieces.append(piece)
        except (OSError, HTTPError) as error:
            raise _Passing(f"it broke off ({type(error).__name__})") from None
        return b"".join(pieces)

    # -------------------------------------------------------------- manners

    def _host(self, url: str) -> _Host:
        return self._hosts.setdefault(urlsplit(url).netloc.lower(), _Host())

    def _check_host(self, url: str) -> None:
        if (urlsplit(url).netloc.lower()) not in self.manners.hosts:
            raise _Unusable("it leads to another host")

    def _take_turn(self, url: str) -> None:
        """Wait until the host may be asked, and say when it may be asked next."""
        self._check_host(url)
        host = self._host(url)
        left = host.next_at - self.clock()
        if left > 0:
            self.sleep(left)
        host.next_at = self.clock() + max(LEAST_BETWEEN, self.manners.between, self._delay(host))

    def _delay(self, host: _Host) -> float:
        told: Any = host.robots.crawl_delay(self.manners.user_agent) if host.robots else None
        return min(float(told or 0), 60.0)

    def _allowed(self, url: str) -> bool:
        """Whether robots.txt lets us: an error (5xx) forbids all, a missing file allows all."""
        self._check_host(url)
        host = self._host(url)
        if host.robots is None or self.clock() - host.robots_at > ROBOTS_EVERY:
            parts = urlsplit(url)
            address = f"{parts.scheme}://{parts.netloc}/robots.txt"
            robots = RobotFileParser(address)
            status, headers, content = self._follow(address, [], _ROBOTS_BYTES, robots=True)
            if status in {401, 403, 429} or status >= 500:  # noqa: PLR2004
                raise Blocked(f"robots.txt: answer {status}", _seconds(headers))
            told = content.decode("utf-8", "replace") if status == OK else ""
            # To its reader a star is a letter; at the end of a rule it changes nothing.
            robots.parse(_LAST_STAR.sub(r"\1", told).splitlines())
            host.robots, host.robots_at = robots, self.clock()
        return host.robots.can_fetch(self.manners.user_agent, url)


def _seconds(headers: Mapping[str, str]) -> float:
    told = headers.get("Retry-After", "")
    return min(float(told), 24 * 3600.0) if told.isdecimal() else 0.0
