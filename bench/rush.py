"""The first morning: ten times what can be served, at a stroke, fifty on the web for each caller.

`measure` finds out what the web alone can book, lets the rush come over the service with its
dispatcher on a PostgreSQL of its own, and once more with that server stopped hard in the middle and
started again. No visitor waits for the answer of the one before.

Few places are free in one territory, far from all others, and more people of there want one than
the web may give: what is left of them is the telephone's share.
"""

from __future__ import annotations

import asyncio
import itertools
import random
import statistics
import threading
import time

from collections.abc import Coroutine, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import delete, func, select, update

from bench import at_work, servers, stock, traffic
from bench.http import OK, SEE_OTHER, Connections
from bench.load import Say, Script, own_share, p99
from bench.parts import Given
from bench.servers import CannotMeasure, House, Web
from bench.visitors import (
    BOOKED,
    PAGES,
    START,
    Visitor,
    VisitorFigures,
    VisitorIdentity,
    VisitorsPlan,
    people,
    seen_by,
)
from exchange.transport import HttpTransport
from models.admission.arrivals import arrival
from models.booking.tables import booking
from models.centres.tables import centre, postcode
from models.slots.tables import place
from models.supervision.tables import snapshot
from services.admission import waiting_room
from tests.support.postgres import own_server
from tools.launcher import environment
from tools.launcher.ports import HOST

TIMES, WEB_FOR_ONE_CALL = 10, 50
# Seconds: people come, then those who wait give up, then it is looked at whether it is over.
COMES, STAYS, AFTER = 15.0, 10.0, 30.0
# With a restart it is of interest only when all are answered again, and not when no visitor waits.
AFTER_RESTART = 12.0
SHORT = 8.0
# Who is let in thinks so long at each page (seconds), at most.
THINKS = (0.2, 1.0)
# So long all must be as always (seconds) to be over.
STEADY = 6.0
# Between two keys of a caller.
SPEAKS = 0.3
# What the web books alone: so many people at a time, for so long.
AT_ONCE, CAPACITY_SECONDS = 8, 5.0
# Before the rush visitors come as on any day, for so long (seconds).
USUAL_SECONDS = 4.0
SPEAKS_UNDER_MS, SOON_MS = 2000.0, 1000.0
# A new visitor looks so often (seconds) whether it is as always again.
PROBE_EVERY = 0.5
# The share of the telephone, and of visitors who live where there are few places, in percent.
PHONE_SHARE, FROM_THERE = 40, 5
# Where that is: an island, with so many places.
THERE, FEW = "97200", 25
AHEAD = timedelta(hours=72)
RESTARTED = ("speaks_under_2s", "call_p99_ms", "goodput_ratio", "recovery_seconds")


@dataclass(frozen=True)
class RushPlan:
    """Who comes, a second. `calls` holds the webhooks of each caller, as `bench.traffic` signs."""

    port: int
    visitors: float
    callers: float
    comes: float
    after: float
    postcodes: list[str]
    calls: str


@dataclass
class RushObservations:
    """What was to be seen."""

    # Milliseconds of every webhook, and of those that ring.
    webhooks: list[float] = field(default_factory=list)
    rings: list[float] = field(default_factory=list)
    silent: int = 0
    bad: dict[str, int] = field(default_factory=dict)
    came: int = 0
    # Moments of bookings on the web and by telephone, in seconds since the stroke.
    booked: list[float] = field(default_factory=list)
    ends: dict[str, int] = field(default_factory=dict)
    turned_away: int = 0
    # What they had of the machine's processors themselves, until those who wait gave up.
    share: float = 0.0
    # Seconds until everybody new is answered at once again.
    recovery: float | None = None


# ---------------------------------------------------------------- around it


def measure(folder: Path, redis_url: str, say: Say, *, seconds: float = COMES) -> Given:
    """Return flat results, and sentences about what does not count. Raises CannotMeasure."""
    with own_server(folder, prefix="rush", environment=environment.inherited()) as server:
        house = House(folder, "rush", server.create(), redis_url)
        url = house.database_url
        for step in ("migrate", "demo"):
            house.command(step)
        few = _leave_few_places(url)
        servers.settle(url)
        postcodes = stock.choose_postcodes(url)
        before = _capacity(house, postcodes)
        with _open_house(house) as service:
            # Visitors come as on any day: by them the service learns what a visitor costs.
            _visitors(service, postcodes, 1, USUAL_SECONDS)
            quiet = _rush(service, house, postcodes, before, seconds)
            say(f"rush: {quiet.came} came on the web, {len(quiet.rings)} rang; {quiet.ends}")
        phone_share = _phone_share(url, few)
        _forget_who_waits(url)
        # A machine is faster in one minute than in the next, and the rush lies between the two.
        # Both find the tables as a server leaves them that has had time to look after them.
        servers.settle(url)
        after = _capacity(house, postcodes)
        found = figures(quiet, [before, after], seconds)
        capacity = statistics.mean(rate.bookings for rate in (before, after))
        found |= {"capacity": round(capacity, 1), "phone_share": round(phone_share, 1)}
        with _open_house(house) as service:

            def stops_and_starts() -> None:
                server.stops_hard()
                server.starts()

            stopper = threading.Timer(seconds / 2, stops_and_starts)
            stopper.start()
            try:
                broken = _rush(service, house, postcodes, after, seconds, AFTER_RESTART)
            finally:
                stopper.join()
        restarted = figures(broken, [before, after], seconds)
        found |= {f"restart_{name}": restarted[name] for name in RESTARTED if name in restarted}
        sound = house.command("store", "verify").strip().rpartition("\n")[2]
    void = [f"rush: {what}: {count}" for what, count in quiet.bad.items()]
    if not sound.endswith(" 0 contradictions"):
        void.append(f"rush: the store after the restart: {sound}")
    return {f"rush_{name}": value for name, value in found.items()}, void


@contextmanager
def _open_house(house: House, room: str = "auto") -> Iterator[Web]:
    """The service behind a proxy, with the process that lets visitors in."""
    # The proxy says where each visitor is from.
    proxied = replace(house, settings={"proxy_hops": "1", "web_room": room})
    with servers.web(proxied, "rush") as service, at_work.dispatcher(house):
        yield service


def _forget_who_waits(url: str) -> None:
    """A visitor who gave up keeps a place in the room until its turn: here not before others."""
    with servers.opened(url) as database, database.transaction() as connection:
        connection.execute(delete(arrival))
        connection.execute(delete(snapshot).where(snapshot.c.name == waiting_room.NAME))


def _leave_few_places(url: str) -> list[int]:
    """Block all places of that territory but some, far enough ahead for the share to hold.

    Of those that are left as many have a lot of the telephone as its share says: of the first ones
    these are one more or less, by the hour.
    """
    with servers.opened(url) as database, database.transaction() as connection:
        of_there = select(postcode.c.territory).where(postcode.c.code == THERE)
        centres = select(centre.c.id).where(centre.c.territory == of_there.scalar_subquery())
        there = place.c.centre_id.in_(centres)
        ahead = datetime.now(UTC) + AHEAD
        first = select(place.c.id).where(there, place.c.start_at > ahead)
        first = first.order_by(place.c.start_at, place.c.id)
        of_phone = FEW * PHONE_SHARE // 100
        few = [
            *connection.execute(first.where(place.c.lot < PHONE_SHARE).limit(of_phone)).scalars(),
            *connection.execute(
                first.where(place.c.lot >= PHONE_SHARE).limit(FEW - of_phone)
            ).scalars(),
        ]
        if len(few) < FEW:
            raise CannotMeasure(f"there are only {len(few)} places near {THERE}")
        others = update(place).where(there, place.c.id.not_in(few))
        connection.execute(others.values(blocked=True))
    return few


def _phone_share(url: str, few: Sequence[int]) -> float:
    """Percent of these places that the web has not taken."""
    taken = (
        select(func.count())
        .select_from(place.join(booking, booking.c.id == place.c.booking_id))
        .where(place.c.id.in_(few), booking.c.channel == "web")
    )
    with servers.opened(url) as database, database.statement() as connection:
        web = int(connection.execute(taken).scalar_one())
    return 100 * (1 - web / len(few))


def _visitors(service: Web, postcodes: list[str], at_once: int, seconds: float) -> VisitorFigures:
    seed = time.time_ns() % 2**32
    return seen_by(VisitorsPlan(service.port, at_once, seconds, seed, postcodes))


def _capacity(house: House, postcodes: list[str]) -> VisitorFigures:
    """What visitors see of the web alone, who are as many at a time as it takes.

    With no room in front, as many begin as are done: only then is it what can be booked. The
    dispatcher works beside, as it does in the rush.
    """
    with _open_house(house, room="never") as service:
        # Once to warm up.
        _visitors(service, postcodes, AT_ONCE, CAPACITY_SECONDS)
        seen = _visitors(service, postcodes, AT_ONCE, CAPACITY_SECONDS)
    if not seen.bookings:
        raise CannotMeasure("no visitor was booked on the web beside the rush")
    return seen


def _rush(  # noqa: PLR0917 (all of the same measurement)
    service: Web,
    house: House,
    postcodes: list[str],
    capacity: VisitorFigures,
    seconds: float,
    after: float = AFTER,
) -> RushObservations:
    transport = HttpTransport(f"http://{HOST}:{service.port}", traffic.BASE)
    signer = traffic.Signer(traffic.rehearse(transport, postcodes[0]))
    visitors_a_second = TIMES * capacity.bookings
    callers = visitors_a_second / WEB_FOR_ONE_CALL
    some = traffic.callers(postcodes, seed=time.time_ns() % 2**32)
    calls = house.folder / "rush-calls"
    Script.write(calls, [signer.call(next(some)) for _ in range(int(callers * seconds) + 1)])
    plan = RushPlan(service.port, visitors_a_second, callers, seconds, after, postcodes, str(calls))
    return asyncio.run(_Rush(plan).comes())


def figures(
    seen: RushObservations, beside: Sequence[VisitorFigures], seconds: float
) -> dict[str, float]:
    """What of it has a bar. Bookings count from when the first could have been made on.

    A crowd has more of the machine itself than the few by which the web's capacity was measured
    `beside` it: what is left of the machine can book as much less.
    """
    if len(seen.rings) < 2:  # noqa: PLR2004
        return {}
    under = sum(ms < SPEAKS_UNDER_MS for ms in seen.rings) - seen.silent
    # A visit of its own lasts so long, however fast the service is.
    ready = len(PAGES) * statistics.mean(THINKS)
    within = [at for at in seen.booked if ready <= at <= seconds + STAYS]
    booked = len(within) / (seconds + STAYS - ready)
    capacity, of_few = (
        statistics.mean(values)
        for values in zip(*((round_.bookings, round_.share) for round_ in beside), strict=True)
    )
    left = min((1 - seen.share) / (1 - of_few), 1.0)
    found = {
        "speaks_under_2s": round(100 * under / len(seen.rings), 2),
        "call_p99_ms": round(p99(seen.webhooks, "webhooks"), 1),
        "goodput_ratio": round(booked / (capacity * left), 3),
        "goodput": round(booked, 1),
        "load_share": round(seen.share, 3),
        "visitors": float(seen.came),
        "calls": float(len(seen.rings)),
    }
    if seen.recovery is not None:
        found["recovery_seconds"] = round(seen.recovery, 1)
    return found


# ---------------------------------------------------------------- the rush


class _Rush:
    def __init__(self, plan: RushPlan) -> None:
        self._plan = plan
        self._seen = RushObservations()
        # As many as a proxy keeps open to two workers; callers have their own, as the provider has.
        self._web, self._phone = Connections(plan.port, 64), Connections(plan.port, 64)
        self._began = time.monotonic()

    def _now(self) -> float:
        return time.monotonic() - self._began

    async def comes(self) -> RushObservations:
        plan, share = self._plan, own_share()
        visits = map(self._visit, people(plan.postcodes, time.time_ns() % 2**32))
        file = Path(plan.calls)
        parts = (file.with_name(f"{file.name}.{number}") for number in itertools.count())
        calls = (self._call(part.read_bytes().split(b"\0")[:-1]) for part in parts)
        await asyncio.gather(self._arrive(plan.visitors, visits), self._arrive(plan.callers, calls))
        await asyncio.sleep(max(plan.comes + STAYS - self._now(), 0))
        self._seen.share = share()
        await self._recovers()
        await self._web.close()
        await self._phone.close()
        if self._web.broken:
            self._seen.bad["connections broke"] = self._web.broken
        return self._seen

    async def _arrive(self, rate: float, stories: Iterator[Coroutine[Any, Any, None]]) -> None:
        """Each when they are due, whatever became of those before."""
        async with asyncio.TaskGroup() as started:
            for number in range(int(rate * self._plan.comes) + 1):
                await asyncio.sleep(max(number / rate - self._now(), 0))
                started.create_task(next(stories))

    async def _visit(self, person: VisitorIdentity) -> None:
        seen, plan = self._seen, self._plan
        seen.came += 1
        if random.randrange(100) < FROM_THERE:  # noqa: S311 - nothing secret
            person = replace(person, postcode=THERE)
        until = self._began + plan.comes + STAYS
        visitor = Visitor(self._web, person, until=until, think=lambda: random.uniform(*THINKS))  # noqa: S311
        end = await visitor.books()
        seen.ends[end] = seen.ends.get(end, 0) + 1
        seen.turned_away += visitor.turned_away
        if end == BOOKED:
            seen.booked.append(self._now())

    async def _call(self, webhooks: Sequence[bytes]) -> None:
        """All its keys, each after what is said; the last one is the status at the end."""
        seen = self._seen
        for number, webhook in enumerate(webhooks):
            began = self._now()
            status, _, body = await self._phone.send(webhook)
            ms = (self._now() - began) * 1000
            seen.webhooks.append(ms)
            if not number:
                seen.rings.append(ms)
                seen.silent += not (b"<Say" in body or b"<Play" in body)
            if status != OK:
                what = f"webhook answered {status}"
                seen.bad[what] = seen.bad.get(what, 0) + 1
            if number < len(webhooks) - 1 and b"<Gather" not in body:
                if number < len(webhooks) - 2:
                    # The short answer of a service that is too full, or an apology.
                    return
                seen.booked.append(self._now())
            await asyncio.sleep(SPEAKS)

    async def _recovers(self) -> None:
        """New visitors come and come: from when on is each answered at once."""
        plan, over = self._plan, self._plan.comes + STAYS
        fine: float | None = None
        while (at := self._now() - over) < plan.after and (fine is None or at - fine <= STEADY):
            address = f"172.16.0.{random.randrange(250)}"  # noqa: S311
            person = VisitorIdentity("12031942", plan.postcodes[0], "0612345678", address)
            visitor = Visitor(self._web, person, until=time.monotonic() + 5)
            page = await visitor.ask(START)
            led = await visitor.ask(START, {"whom": "self"})
            # A page of the waiting room says the truth and counts; one that says "later" does not.
            is_fine = page.status in {OK, SEE_OTHER} and led.status == SEE_OTHER
            if not is_fine or max(page.ms, led.ms) >= SOON_MS:
                fine = None
            elif fine is None:
                fine = at
            await asyncio.sleep(PROBE_EVERY)
        self._seen.recovery = fine
