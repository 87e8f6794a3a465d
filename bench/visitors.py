"""Visitors of the web: each plays public booking from page to page, as a browser would.

`python -m bench.visitors FILE` is some of them at a time for some seconds (see `VisitorsPlan`), in
a process of its own; it writes what it saw as one line of JSON.

A page is read as far as a visit needs it: the hidden fields, the offers, where it leads to. Those
of the peer (bench/peers/form_handler.py) have the same names. Where a page wants its form sent by a
script (`hx-boost`), it is, as by the browsers of nearly all: the next page comes in the answer.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import random
import re
import sys
import time

from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from bench import traffic
from bench.helpers import outcome_of
from bench.timing import own_share
from launcher import ports

START, ROOM, POLL = "/rendez-vous", "/salle", "/salle/etat"
HOST = traffic.BASE.removeprefix("https://")
# Seconds: an answer that takes longer is none.
LONGEST = 20.0
# Of all answers, as many may have been "later": who is told so waits, which is in the figures.
MOST_TURNED_AWAY = 0.01
# A visit has a dozen pages; one that goes on and on has lost its way.
MOST_PAGES = 60
SEE_OTHER, BAD, BUSY = 303, 400, 503
# Connections for each of some visitors at a time.
SPREAD = 8
HIDDEN = re.compile(r'<input type="hidden" name="(\w+)" value="([^"]*)">')
# A form that a script sends, and what it says then.
_BOOSTED = 'hx-boost="true"'
_BY_SCRIPT = ("HX-Request: true", "HX-Boosted: true")
# On pages of those who work here.
CSRF = re.compile(r'name="csrf[-_]token" (?:content|value)="([^"]+)"')
_OFFER = re.compile(r'<button name="place" value="([^"]+)"')
_TOWN = re.compile(r'<input type="radio" name="code" value="([^"]+)"')
_EACH = re.compile(r'data-each="(\d+)"')
# On the waiting room's page, whatever its address.
_OF_ROOM = '<div id="room"'
BOOKED, NOTHING, GAVE_UP, ASTRAY = "booked", "nothing free", "gave up", "astray"
# Of a visit, in order.
PAGES = ("rendez-vous", "naissance", "commune", "creneaux", "joindre", "confirmer", "fait")
# Pages at which a visit is over.
ENDS = {"fait": BOOKED} | dict.fromkeys(("attente", "pas-encore", "ouverture", "fin"), NOTHING)


@dataclass(frozen=True)
class VisitorIdentity:
    """Who visits: a date of birth (DDMMYYYY), where they live, and the place they ask from."""

    born: str
    postcode: str
    number: str
    address: str = ""


@dataclass(frozen=True)
class PageAnswer:
    """What came back; `ms` from the moment it was asked for.

    `location` is where it leads to, or the address of the page that it is.
    """

    status: int
    location: str
    body: str
    ms: float
    retry_after: float = 0.0

    @property
    def is_room(self) -> bool:
        """Whether it is the waiting room's page."""
        return _OF_ROOM in self.body


@dataclass
class Connections:
    """Connections that are kept open, as those of a proxy in front are: one request on each.

    The web server closes one that lay idle for some seconds. It is opened anew, as a proxy does it:
    nobody who visits notices.
    """

    port: int
    most: int
    broken: int = 0
    _free: asyncio.Queue[Any] = field(default_factory=asyncio.Queue)

    def __post_init__(self) -> None:
        for _ in range(self.most):
            self._free.put_nowait(None)

    @asynccontextmanager
    async def _one(self) -> AsyncIterator[list[Any]]:
        """A list with a reader and a writer; an empty one where none is open."""
        pair: list[Any] = list(await self._free.get() or ())
        try:
            yield pair
        except BaseException:
            _close(pair)
            raise
        finally:
            self._free.put_nowait(tuple(pair) or None)

    async def close(self) -> None:
        """Close all of them, each when whoever uses it is done."""
        for _ in range(self.most):
            kept = await self._free.get()
            if kept:
                kept[1].close()
                with contextlib.suppress(OSError):
                    await kept[1].wait_closed()
            self._free.put_nowait(None)

    async def send(self, request: bytes) -> tuple[int, dict[str, list[str]], bytes]:
        """Status, headers and body; 0 where there was no answer."""
        try:
            async with asyncio.timeout(LONGEST), self._one() as pair:
                head = await self._asked(pair, request)
                found = await _answer(head, pair[0])
                if "close" in found[1].get("connection", ()):
                    _close(pair)
                return found
        except (OSError, asyncio.IncompleteReadError, ValueError):
            self.broken += 1
            return 0, {}, b""

    async def _asked(self, pair: list[Any], request: bytes) -> bytes:
        """Send a request and return the head of its answer, on a new connection where need be."""
        if pair and not _is_closed(pair):
            pair[1].write(request)
            try:
                return await _head(pair[0])
            except (OSError, asyncio.IncompleteReadError) as error:
                if getattr(error, "partial", b""):
                    raise
        # Not a byte came: it lay idle and was closed, just now or before.
        _close(pair)
        pair[:] = await asyncio.open_connection(ports.HOST, self.port)
        pair[1].write(request)
        return await _head(pair[0])


def _is_closed(pair: Sequence[Any]) -> bool:
    """Whether the other end has closed a connection while nothing was asked on it."""
    reader, writer = pair
    return bool(reader.at_eof() or reader.exception() is not None or writer.is_closing())


def _close(pair: list[Any]) -> None:
    if pair:
        pair[1].close()
    pair.clear()


async def read(reader: asyncio.StreamReader) -> tuple[int, dict[str, list[str]], bytes]:
    """Return status, headers by their names in lower case, and body of an answer."""
    return await _answer(await _head(reader), reader)


async def _head(reader: asyncio.StreamReader) -> bytes:
    return await reader.readuntil(b"\r\n\r\n")


async def _answer(
    raw: bytes, reader: asyncio.StreamReader
) -> tuple[int, dict[str, list[str]], bytes]:
    head = raw.decode("latin-1").split("\r\n")
    headers: dict[str, list[str]] = {}
    for line in head[1:]:
        name, colon, value = line.partition(": ")
        if colon:
            headers.setdefault(name.lower(), []).append(value)
    status = int(head[0].split(" ", 2)[1])
    if "chunked" in headers.get("transfer-encoding", ()):
        body = b""
        while size := int(await reader.readline(), 16):
            body += await reader.readexactly(size)
            await reader.readexactly(2)
        await reader.readexactly(2)
        return status, headers, body
    return status, headers, await reader.readexactly(int(headers.get("content-length", ["0"])[0]))


class Visitor:
    """One person with a browser, which runs `scripts`.

    `think` gives the seconds between a page and its form.
    """

    def __init__(
        self,
        connections: Connections,
        person: VisitorIdentity,
        *,
        until: float,
        think: Any = None,
        scripts: bool = True,
    ) -> None:
        self._connections, self._person, self._until = connections, person, until
        self._think, self._scripts = think, scripts
        self._cookies: dict[str, str] = {}
        self.answers: list[PageAnswer] = []
        # How often something of the visit was turned away.
        self.turned_away = 0

    async def ask(
        self, path: str, form: Mapping[str, str] | None = None, *, by_script: bool = False
    ) -> PageAnswer:
        body = "" if form is None else urlencode(form)
        lines = [
            f"{'GET' if form is None else 'POST'} {path} HTTP/1.1",
            f"Host: {HOST}",
            "Accept: text/html",
        ]
        if self._cookies:
            lines.append("Cookie: " + "; ".join(f"{k}={v}" for k, v in self._cookies.items()))
        if by_script:
            lines += _BY_SCRIPT
        if self._person.address:
            lines.append(f"X-Forwarded-For: {self._person.address}")
        if form is not None:
            lines += [
                f"Origin: {traffic.BASE}",
                "Content-Type: application/x-www-form-urlencoded",
                f"Content-Length: {len(body)}",
            ]
        began = time.monotonic()
        request = ("\r\n".join(lines) + "\r\n\r\n" + body).encode("ascii")
        status, headers, found = await self._connections.send(request)
        for cookie in headers.get("set-cookie", ()):
            name, _, value = cookie.partition(";")[0].partition("=")
            self._cookies[name] = value
        leads_to = headers.get("location") or headers.get("hx-push-url") or [""]
        answer = PageAnswer(
            status,
            leads_to[0].removeprefix(traffic.BASE),
            found.decode("utf-8"),
            (time.monotonic() - began) * 1000,
            float(headers.get("retry-after", ["0"])[0]),
        )
        self.answers.append(answer)
        return answer

    async def books(self) -> str:
        """From the first question to the reference: BOOKED, NOTHING, GAVE_UP or ASTRAY."""
        path: str = START
        form: dict[str, str] | None = None
        by_script = False
        for _ in range(MOST_PAGES):
            if time.monotonic() > self._until:
                return GAVE_UP
            answer = await self.ask(path, form, by_script=by_script)
            if answer.status in {0, BUSY}:
                # As the page says: the same once more, after a moment. A wait that goes on when all
                # others have ended is no time in which bookings were asked for.
                self.turned_away += 1
                left = max(self._until - time.monotonic(), 0.0)
                await asyncio.sleep(min(answer.retry_after or 1.0, left))
                continue
            if answer.status >= BAD:
                return f"{ASTRAY}: {answer.status} at {path}"
            path = answer.location.partition("?")[0] or path
            if answer.status == SEE_OTHER:
                form, by_script = None, False
            elif answer.is_room:
                if not await self._waits(answer):
                    return GAVE_UP
                path, form, by_script = START, None, False
            elif end := ENDS.get(path.rpartition("/")[2]):
                return end
            else:
                if self._think is not None:
                    await asyncio.sleep(self._think())
                form = self._fills_in(path.rpartition("/")[2], answer.body)
                by_script = self._scripts and _BOOSTED in answer.body
        return ASTRAY

    async def _waits(self, answer: PageAnswer) -> bool:
        """In the waiting room, as long as its page says; False: gave up."""
        each = float(_EACH.findall(answer.body)[0])
        while time.monotonic() < self._until:
            # As web/static/room.js has it.
            soon = each * random.uniform(0.75, 1.25)  # noqa: S311 - nothing secret
            await asyncio.sleep(min(soon, max(self._until - time.monotonic(), 0.05)))
            told = await self.ask(POLL)
            if told.status != 200:  # noqa: PLR2004
                continue
            said = json.loads(told.body)
            if said.get("go"):
                return True
            each = float(said.get("each", each))
        return False

    def _fills_in(self, slug: str, page: str) -> dict[str, str]:
        # The first of a name counts.
        hidden = dict(reversed(HIDDEN.findall(page)))
        born = self._person.born
        offers = _OFFER.findall(page)
        towns = _TOWN.findall(page)
        fields = {
            "rendez-vous": {"whom": "self"},
            "naissance": {"day": born[:2], "month": born[2:4], "year": born[4:]},
            "commune": {"where": self._person.postcode},
            "laquelle": {"code": towns[0] if towns else ""},
            "creneaux": {"place": offers[0] if offers else ""},
            "joindre": {"number": self._person.number, "wish": "number"},
        }
        return hidden | fields.get(slug, {})


def people(postcodes: Sequence[str], seed: int) -> Iterator[VisitorIdentity]:
    """A hundred thousand of them; the same `seed` gives the same ones."""
    chance = random.Random(seed)  # noqa: S311 - nothing secret
    return (
        VisitorIdentity(
            born=f"{chance.randint(1, 28):02d}{chance.randint(1, 12):02d}"
            f"{chance.randint(*traffic.YEARS)}",
            postcode=chance.choice(postcodes),
            number=f"061{chance.randrange(10**7):07d}",
            address=f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}",
        )
        for number in range(100_000)
    )


# ---------------------------------------------------------------- some at a time


@dataclass(frozen=True)
class VisitorsPlan:
    """`visitors` at a time for `seconds`, each of whom is followed by another one.

    With a `rate` they come at so many a second, however many are there. Their browsers run
    `scripts`.
    """

    port: int
    visitors: int
    seconds: float
    seed: int
    postcodes: list[str]
    rate: float = 0.0
    scripts: bool = True


@dataclass(frozen=True)
class VisitorFigures:
    """What they saw. `share` is their own part of the machine's processors."""

    seconds: float
    answers: int
    ends: dict[str, int]
    turned_away: int
    broken: int
    share: float

    @property
    def rate(self) -> float:
        """Answers a second."""
        return self.answers / self.seconds

    @property
    def bookings(self) -> float:
        """Bookings a second."""
        return self.ends.get(BOOKED, 0) / self.seconds

    def faults(self) -> list[str]:
        """Why it counts for nothing."""
        found = []
        if self.broken or self.turned_away > MOST_TURNED_AWAY * self.answers:
            found.append(f"{self.broken} answers did not come, {self.turned_away} were: later")
        lost = {end: n for end, n in self.ends.items() if end not in {BOOKED, GAVE_UP}}
        if lost:
            found.append(f"visits ended without a booking: {lost}")
        if not self.ends.get(BOOKED):
            found.append("nobody was booked")
        return found


def seen_by(plan: VisitorsPlan, folder: Path) -> VisitorFigures:
    """Let them come. Raises CannotMeasure."""
    file = folder / "visitors.json"
    return VisitorFigures(**outcome_of("bench.visitors", plan, file, plan.seconds + 60))


async def come(plan: VisitorsPlan) -> VisitorFigures:
    """Let them come from this process."""
    # More of them than people, in turn: else a handful may all have met the same worker.
    connections = Connections(plan.port, SPREAD * plan.visitors)
    waiting = people(plan.postcodes, plan.seed)
    began, share = time.monotonic(), own_share()
    until = began + plan.seconds
    ends: dict[str, int] = {}
    turned_away = answers = 0

    async def comes(until: float) -> None:
        nonlocal turned_away, answers
        visitor = Visitor(connections, next(waiting), until=until, scripts=plan.scripts)
        end = await visitor.books()
        ends[end] = ends.get(end, 0) + 1
        turned_away += visitor.turned_away
        answers += len(visitor.answers)

    async def one_after_the_other() -> None:
        while time.monotonic() < until:
            await comes(until)

    if plan.rate:
        # Whoever has come by then ends the visit.
        await _at_a_rate(lambda: comes(until + LONGEST), plan.rate, until)
    else:
        await asyncio.gather(*(one_after_the_other() for _ in range(plan.visitors)))
    seconds = time.monotonic() - began
    return VisitorFigures(seconds, answers, ends, turned_away, connections.broken, share())


async def _at_a_rate(
    comes: Callable[[], Coroutine[Any, Any, None]], rate: float, until: float
) -> None:
    """Let one come each `1 / rate` seconds, whatever becomes of those before; wait for them all."""
    began = time.monotonic()
    async with asyncio.TaskGroup() as visits:
        for number in itertools.count():
            due = began + number / rate
            if due >= until:
                return
            await asyncio.sleep(max(due - time.monotonic(), 0.0))
            visits.create_task(comes())


if __name__ == "__main__":
    print(json.dumps(asdict(asyncio.run(
        come(VisitorsPlan(**json.loads(Path(sys.argv[1]).read_text("utf-8"))))
    ))))  # fmt: skip
