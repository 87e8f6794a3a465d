"""Visitors of the web: each plays public booking from page to page, as a browser would.

A page is read as far as a visit needs it: the hidden fields, the offers, where it leads to. Those
of the peer (bench/peers/form_handler.py) have the same names. Where a page wants its form sent by a
script (`hx-boost`), it is, as by the browsers of nearly all: the next page comes in the answer.
"""

from __future__ import annotations

import asyncio
import json
import random
import re
import time

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from bench import http, traffic
from bench.http import BAD, BUSY, OK, SEE_OTHER, Connections
from bench.load import own_share

START, ROOM, POLL = "/rendez-vous", "/salle", "/salle/etat"
# Of all answers, as many may have been "later": who is told so waits, which is in the figures.
MOST_TURNED_AWAY = 0.01
# A visit has a dozen pages; one that goes on and on has lost its way.
MOST_PAGES = 60
# Connections for each of some visitors at a time.
SPREAD = 8
HIDDEN = re.compile(r'<input type="hidden" name="(\w+)" value="([^"]*)">')
# A form that a script sends, and what it says then.
_BOOSTED = 'hx-boost="true"'
_BY_SCRIPT = {"HX-Request": "true", "HX-Boosted": "true"}
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


class Visitor:
    """One person with a browser; `think` gives the seconds between a page and its form."""

    def __init__(
        self,
        connections: Connections,
        person: VisitorIdentity,
        *,
        until: float,
        think: Callable[[], float] | None = None,
    ) -> None:
        self._connections, self._person, self._until = connections, person, until
        self._think = think
        self._cookies: dict[str, str] = {}
        self.answers = 0
        # How often something of the visit was turned away.
        self.turned_away = 0

    async def ask(
        self, path: str, form: Mapping[str, str] | None = None, *, by_script: bool = False
    ) -> PageAnswer:
        headers = {"Accept": "text/html"}
        if self._cookies:
            headers["Cookie"] = "; ".join(f"{k}={v}" for k, v in self._cookies.items())
        if by_script:
            headers |= _BY_SCRIPT
        if self._person.address:
            headers["X-Forwarded-For"] = self._person.address
        began = time.monotonic()
        status, got, body = await self._connections.send(http.request(path, form, headers))
        for cookie in got.get("set-cookie", ()):
            name, _, value = cookie.partition(";")[0].partition("=")
            self._cookies[name] = value
        leads_to = got.get("location") or got.get("hx-push-url") or [""]
        self.answers += 1
        return PageAnswer(
            status,
            leads_to[0].removeprefix(traffic.BASE),
            body.decode("utf-8"),
            (time.monotonic() - began) * 1000,
            float(got.get("retry-after", ["0"])[0]),
        )

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
                by_script = _BOOSTED in answer.body
        return ASTRAY

    async def _waits(self, answer: PageAnswer) -> bool:
        """In the waiting room, as long as its page says; False: gave up."""
        each = float(_EACH.findall(answer.body)[0])
        while time.monotonic() < self._until:
            # As web/static/room.js has it.
            soon = each * random.uniform(0.75, 1.25)  # noqa: S311 - nothing secret
            await asyncio.sleep(min(soon, max(self._until - time.monotonic(), 0.05)))
            told = await self.ask(POLL)
            if told.status != OK:
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
    """`visitors` at a time for `seconds`, each followed by another one."""

    port: int
    visitors: int
    seconds: float
    seed: int
    postcodes: list[str]


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


def seen_by(plan: VisitorsPlan) -> VisitorFigures:
    """Let them come, and return what they saw."""
    return asyncio.run(_come(plan))


async def _come(plan: VisitorsPlan) -> VisitorFigures:
    # More of them than people, in turn: else a handful may all have met the same worker.
    connections = Connections(plan.port, SPREAD * plan.visitors)
    waiting = people(plan.postcodes, plan.seed)
    began, share = time.monotonic(), own_share()
    until = began + plan.seconds
    ends: dict[str, int] = {}
    turned_away = answers = 0

    async def one_after_the_other() -> None:
        nonlocal turned_away, answers
        while time.monotonic() < until:
            visitor = Visitor(connections, next(waiting), until=until)
            end = await visitor.books()
            ends[end] = ends.get(end, 0) + 1
            turned_away += visitor.turned_away
            answers += visitor.answers

    await asyncio.gather(*(one_after_the_other() for _ in range(plan.visitors)))
    seconds = time.monotonic() - began
    await connections.close()
    return VisitorFigures(seconds, answers, ends, turned_away, connections.broken, share())
