"""People who look for an appointment: on the web, in the usual application, and agents at desks.

`python -m bench.finders` is told of one run after the other, each a `FindersPlan` as a line of
JSON, and answers with a line of what was found (`FinderFigures`); or a `VisitorsPlan` of those who
book (bench/visitors.py). Whoever is done is followed by
another one, so that there are as many all the time.

On the web somebody opens the page, gives a reference and a birth date, and sees the page that
follows. An agent's page is open all day, so it is opened before a run begins: the agent sends what
is known of somebody, and opens the one that is found for a reason. The pages of the usual
application (bench/peers/form_handler.py) have the names of ours.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import re
import sys
import time

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import Any, Final
from urllib.parse import urlencode

from bench import traffic
from bench.helpers import Helper, helper, tell
from bench.servers import CannotMeasure
from bench.timing import own_share
from bench.visitors import (
    BUSY,
    CSRF,
    HIDDEN,
    HOST,
    SEE_OTHER,
    SPREAD,
    Connections,
    VisitorFigures,
    VisitorsPlan,
    come,
)

# At the same time.
FINDERS: Final = 16
WEB, DESK = "web", "desk"
PAGE, DESK_PAGE = "/mon-rendez-vous", "/poste"
SEARCH, OPEN = "/poste/chercher", "/poste/chercher/ouvrir"
# What may be opened by an agent in an hour without a caller is sixty: after so many another one
# takes their place.
FILES: Final = 50
OK: Final = 200
# Seconds after the last one of a run in which an answer is awaited.
LATE_SECONDS: Final = 30.0
_BETWEEN_DIGITS = re.compile(r"\D+")
_MASKED = re.compile(r'name="booking_id" value="([0-9a-f]+)"')


@dataclass(frozen=True)
class Wanted:
    """Whose appointment is looked for. `born` is an ISO date."""

    reference: str
    born: str
    postcode: str


@dataclass(frozen=True)
class FindersPlan:
    """One run: `where` is WEB or DESK; `first` is the number of the one who is looked for first.

    `agents` are cookies of signed-in agents, as many for each of the finders.
    """

    port: int
    where: str
    wanted: Sequence[Wanted]
    seconds: float
    first: int = 0
    finders: int = FINDERS
    agents: Sequence[str] = ()


@dataclass
class FinderFigures:
    """What they saw. `share` is their own part of the machine's processors."""

    seconds: float = 0.0
    found: int = 0
    answers: int = 0
    turned_away: int = 0
    broken: int = 0
    share: float = 0.0
    # What was answered otherwise than it should be, by what was asked for.
    wrong: dict[str, int] = field(default_factory=dict)

    @property
    def rate(self) -> float:
        """Look-ups a second."""
        return self.found / self.seconds

    def faults(self) -> list[str]:
        """Why it counts for nothing."""
        faults = [f"{count} × {what}" for what, count in self.wrong.items()]
        if self.broken:
            faults.append(f"{self.broken} answers did not come")
        if not self.found:
            faults.append("nobody was found")
        return faults


class Finders:
    """The other end of the process that plays them; one for a whole measurement."""

    def __init__(self, process: Helper) -> None:
        self._process = process

    def look(self, plan: FindersPlan) -> FinderFigures:
        """Let them look. Raises CannotMeasure."""
        return FinderFigures(**self._played(plan))

    def book(self, plan: VisitorsPlan) -> VisitorFigures:
        """Let visitors book from the same process. Raises CannotMeasure."""
        return VisitorFigures(**self._played(plan))

    def _played(self, plan: FindersPlan | VisitorsPlan) -> dict[str, Any]:
        return self._process.ask(json.dumps(asdict(plan)), plan.seconds + LATE_SECONDS)


@contextmanager
def ready() -> Iterator[Finders]:
    """Their process, which ends with the block."""
    with helper("bench.finders") as process:
        process.hear()
        yield Finders(process)


# ---------------------------------------------------------------- in their own process


@dataclass
class Desk:
    """An agent's page that is open."""

    cookie: str
    token: str = ""
    files: int = 0


class Run:
    """One run of them; each looks once at least."""

    def __init__(self, plan: FindersPlan, desks: Mapping[str, Desk]) -> None:
        self.plan, self.desks = plan, desks
        self.seen = FinderFigures()
        self.connections = Connections(plan.port, SPREAD * plan.finders)
        self._numbers = itertools.count(plan.first)
        self.until = 0.0

    async def all_of_them(self) -> FinderFigures:
        if self.plan.where == DESK:
            for cookie in self.plan.agents:
                await self._open_page(self.desks[cookie])
        share, began = own_share(), time.monotonic()
        self.until = began + self.plan.seconds
        await asyncio.gather(*map(self._one_after_the_other, range(self.plan.finders)))
        seen = self.seen
        seen.seconds = time.monotonic() - began
        seen.share = share()
        seen.broken = self.connections.broken
        await self.connections.close()
        return seen

    async def _one_after_the_other(self, finder: int) -> None:
        while True:
            number = next(self._numbers)
            wanted = self.plan.wanted[number % len(self.plan.wanted)]
            if self.plan.where == DESK:
                found = await self._at_desk(self._desk(finder), wanted)
            else:
                found = await self._on_the_web(number, wanted)
            # Others added to it meanwhile.
            self.seen.found += found
            if time.monotonic() >= self.until:
                return

    def _desk(self, finder: int) -> Desk:
        for cookie in self.plan.agents[finder :: self.plan.finders]:
            if self.desks[cookie].files < FILES:
                return self.desks[cookie]
        raise CannotMeasure("every agent has opened as many files as they may")

    # Both ways

    async def _on_the_web(self, number: int, wanted: Wanted) -> bool:
        browser = _Browser(
            self, address=f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"
        )
        status, _, page = await browser.ask(PAGE)
        if status != OK:
            return self._is_wrong(status, PAGE)
        year, month, day = wanted.born.split("-")
        form = {"reference": wanted.reference, "day": day, "month": month, "year": year}
        hidden = dict(reversed(HIDDEN.findall(page)))
        status, location, _ = await browser.ask(PAGE, hidden | form)
        if status != SEE_OTHER:
            return self._is_wrong(status, f"POST {PAGE}")
        status, _, page = await browser.ask(location.partition("?")[0])
        return status == OK or self._is_wrong(status, location)

    async def _open_page(self, desk: Desk) -> None:
        if desk.token:
            return
        status, _, page = await _Browser(self, cookie=desk.cookie).ask(DESK_PAGE)
        if status != OK:
            raise CannotMeasure(f"an agent's page was answered {status}")
        desk.token = CSRF.findall(page)[0]

    async def _at_desk(self, desk: Desk, wanted: Wanted) -> bool:
        browser = _Browser(self, cookie=desk.cookie)
        form = {"csrf_token": desk.token, **asdict(wanted)}
        status, _, page = await browser.ask(SEARCH, form)
        masked = _MASKED.findall(page)
        if status != OK or not masked:
            return self._is_wrong(status, SEARCH)
        desk.files += 1
        form = {"csrf_token": desk.token, "booking_id": masked[0], "reason": "asked"}
        status, _, page = await browser.ask(OPEN, form)
        digits = _BETWEEN_DIGITS.sub("", page)
        return (status == OK and wanted.reference in digits) or self._is_wrong(status, OPEN)

    def _is_wrong(self, status: int, what: str) -> bool:
        """False; it is counted, but for what nobody waits any more."""
        if status not in {0, BUSY} or time.monotonic() < self.until:
            key = f"{status} at {what}"
            self.seen.wrong[key] = self.seen.wrong.get(key, 0) + 1
        return False


class _Browser:
    """Asks as a browser does, and again where it is told: later."""

    def __init__(self, run: Run, *, address: str = "", cookie: str = "") -> None:
        self._run = run
        self._of_desk = bool(cookie)
        self._head = f"X-Forwarded-For: {address}\r\n" if address else ""
        name, _, value = cookie.partition("=")
        self._cookies = {name: value} if cookie else {}

    async def ask(self, path: str, form: Mapping[str, str] | None = None) -> tuple[int, str, str]:
        """Status, where it leads to, and body; 0 or BUSY where its time was up."""
        run = self._run
        while True:
            status, headers, body = await run.connections.send(self._request(path, form))
            run.seen.answers += 1
            if status != BUSY:
                break
            run.seen.turned_away += 1
            after = float(headers.get("retry-after", ["1"])[0])
            left = run.until - time.monotonic()
            if left <= 0:
                break
            await asyncio.sleep(min(after, left))
        for cookie in headers.get("set-cookie", ()):
            name, _, value = cookie.partition(";")[0].partition("=")
            self._cookies[name] = value
        location = headers.get("location", [""])[0].removeprefix(traffic.BASE)
        return status, location, body.decode("utf-8")

    def _request(self, path: str, form: Mapping[str, str] | None) -> bytes:
        body = "" if form is None else urlencode(form)
        cookies = "; ".join(f"{name}={value}" for name, value in self._cookies.items())
        head = (
            f"{'GET' if form is None else 'POST'} {path} HTTP/1.1\r\nHost: {HOST}\r\n"
            f"Accept: text/html\r\n{self._head}"
        )
        if cookies:
            head += f"Cookie: {cookies}\r\n"
        if form is not None:
            head += (
                f"Origin: {traffic.BASE}\r\nContent-Type: application/x-www-form-urlencoded\r\n"
                f"Content-Length: {len(body)}\r\n"
            )
            if self._of_desk:
                # The page's script sends it, and shows the part that comes back.
                head += "HX-Request: true\r\n"
        return f"{head}\r\n{body}".encode("ascii")


def _main() -> None:
    desks: dict[str, Desk] = {}
    tell()
    for line in sys.stdin:
        made: dict[str, Any] = json.loads(line)
        if "visitors" in made:
            tell(**asdict(asyncio.run(come(VisitorsPlan(**made)))))
            continue
        made["wanted"] = [Wanted(**one) for one in made["wanted"]]
        plan = FindersPlan(**made)
        for cookie in plan.agents:
            desks.setdefault(cookie, Desk(cookie))
        tell(**asdict(asyncio.run(Run(plan, desks).all_of_them())))


if __name__ == "__main__":
    _main()
