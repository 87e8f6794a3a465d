"""The first morning: ten times what can be served, at a stroke, fifty on the web for each caller.

`measure` finds out what the web alone can book, lets the rush come over the service with its
dispatcher on a PostgreSQL of its own, and once more with that server stopped hard in the middle and
started again. `python -m bench.rush FILE` is the rush, in a process of its own (see `RushPlan`):
no visitor waits for the answer of the one before.

Few places are free in one territory, far from all others, and more people of there want one than
the web may give: what is left of them is the telephone's share.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import random
import statistics
import sys
import threading
import time

from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import delete, func, select, update

from bench import screens, servers, stock, traffic, visitors
from bench.helpers import outcome_of
from bench.load import Script
from bench.parts import Given
from bench.servers import CannotMeasure, House, Web
from bench.timing import Say, own_share, p99
from bench.visitors import BOOKED, Connections, Visitor, VisitorIdentity, people
from exchange.transport import HttpTransport
from launcher import environment
from launcher.ports import HOST
from models.admission.tables import arrival
from models.booking.tables import booking
from models.centres.tables import centre, postcode
from models.slots.tables import place
from models.supervision.tables import snapshot
from services.admission import waiting_room
from tests.support.postgres import OwnServer, own_server

CREATE_APP = "wiring:create_server"
TIMES, WEB_FOR_ONE_CALL = 10, 50
# Seconds: people come, then those who wait give up, then it is looked at whether it is over.
COMES, STAYS, AFTER = 15.0, 10.0, 30.0
# With a restart it is of interest only when all are answered again, and not when nobody waits.
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
# Before the rush visitors come as on any day: a tenth of what can be booked, for so long (seconds).
USUAL_PART, USUAL_SECONDS = 0.1, 4.0
SPEAKS_UNDER_MS, SOON_MS = 2000.0, 1000.0
# Somebody new looks so often (seconds) whether it is as always again.
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
    stays: float
    after: float
    seed: int
    postcodes: list[str]
    calls: str


@dataclass
class RushObservations:
    """What was to be seen; lists are a moment (seconds since the stroke) and a value."""

    # Milliseconds of every webhook, and of those that ring.
    webhooks: list[tuple[float, float]] = field(default_factory=list)
    rings: list[tuple[float, float]] = field(default_factory=list)
    silent: int = 0
    bad: dict[str, int] = field(default_factory=dict)
    came: list[tuple[float, int]] = field(default_factory=list)
    web: list[tuple[float, int]] = field(default_factory=list)
    phone: list[tuple[float, int]] = field(default_factory=list)
    waiting: list[tuple[float, int]] = field(default_factory=list)
    ends: dict[str, int] = field(default_factory=dict)
    turned_away: int = 0
    # What they had of the machine's processors themselves, until those who wait gave up.
    share: float = 0.0
    # Seconds until everybody new is answered at once again, and until they need not wait.
    recovery: float | None = None
    empty: float | None = None


# ---------------------------------------------------------------- around it


def measure(folder: Path, redis_url: str, say: Say, *, seconds: float = COMES) -> Given:
    """Return flat results, and sentences about what does not count. Raises CannotMeasure."""
    inherited = environment.inherited()
    with ExitStack() as stack:
        server = stack.enter_context(own_server(folder, prefix="rush", environment=inherited))
        house = House(folder, "rush", server.create(), redis_url)
        env = servers.environment(house.database_url, redis_url)
        for step in ("migrate", "demo"):
            servers.command(step, environment=env)
        few = _leave_few_places(house.database_url)
        servers.settle(house.database_url)
        postcodes = stock.choose_postcodes(house.database_url)
        capacity, of_few = _capacity(house, "before", postcodes, say)
        with _open_house(house) as service:
            _usual(service, house, postcodes, capacity)
            quiet = _rush(service, house, postcodes, capacity, seconds, say)
        phone_share = _phone_share(house.database_url, few)
        _forget_who_waits(house.database_url)
        # A machine is faster in one minute than in the next, and the rush lies between the two.
        # Both find the tables as a server leaves them that has had time to look after them.
        servers.settle(house.database_url)
        both = ((capacity, of_few), _capacity(house, "after", postcodes, say))
        capacity, of_few = (statistics.mean(two) for two in zip(*both, strict=True))
        found = _figures(quiet, capacity, seconds, of_few)
        found["rush_capacity"] = round(capacity, 1)
        found["rush_phone_share"] = round(phone_share, 1)
        found["rush_phone_share_floor"] = float(PHONE_SHARE)
        with _open_house(house) as service:
            stopper = threading.Timer(seconds / 2, _stops_and_starts, (server,))
            stopper.start()
            try:
                broken = _rush(
                    service, house, postcodes, capacity, seconds, say, after=AFTER_RESTART
                )
            finally:
                stopper.join()
        restarted = _figures(broken, capacity, seconds, of_few)
        for name in RESTARTED:
            if f"rush_{name}" in restarted:
                found[f"rush_restart_{name}"] = restarted[f"rush_{name}"]
        said = servers.command("store", "verify", environment=env).strip().splitlines()[-1:]
        sound = "".join(said)
        say(f"rush: after the restart: {sound}")
    void = [f"rush: {what}: {count}" for what, count in quiet.bad.items()]
    if not sound.endswith(" 0 contradictions"):
        void.append(f"rush: the store after the restart: {sound}")
    return found, void


@contextmanager
def _open_house(house: House, name: str = "rush", room: str = "auto") -> Iterator[Web]:
    """The service behind a proxy, with the process that lets visitors in."""
    proxied = _Proxied(house.folder, house.name, house.database_url, house.redis_url, room)
    with (
        servers.web(proxied, name, CREATE_APP) as service,
        screens.dispatcher(house),
    ):
        yield service


def _forget_who_waits(url: str) -> None:
    """Whoever gave up keeps their place in the room until its turn: not in front of others here."""
    with servers.opened(url) as database, database.transaction() as connection:
        connection.execute(delete(arrival))
        connection.execute(delete(snapshot).where(snapshot.c.name == waiting_room.NAME))


@dataclass(frozen=True)
class _Proxied(House):
    """Visitors come over one proxy, which says where each is from."""

    room: str = "auto"

    def environment(self, name: str) -> dict[str, str]:
        return super().environment(name) | {"PROXY_HOPS": "1", "WEB_ROOM": self.room}


def _stops_and_starts(server: OwnServer) -> None:
    server.stops_hard()
    server.starts()


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


def _capacity(house: House, when: str, postcodes: list[str], say: Say) -> tuple[float, float]:
    """Bookings a second of the web alone, as many at a time as it takes; and the visitors' share.

    The share is what they have of the machine's processors themselves. `when`: before or after
    the rush.
    """
    # With no room in front, as many begin as are done: only then is it what can be booked. The
    # dispatcher works beside, as it does in the rush.
    with _open_house(house, f"alone-{when}", room="never") as service:

        def books() -> visitors.VisitorFigures:
            seed = time.time_ns() % 2**32
            plan = visitors.VisitorsPlan(service.port, AT_ONCE, CAPACITY_SECONDS, seed, postcodes)
            return visitors.seen_by(plan, house.folder)

        # Once to warm up.
        books()
        seen = books()
    if not seen.bookings:
        raise CannotMeasure(f"no visitor was booked on the web {when} the rush")
    say(f"rush: {when} it the web alone books {seen.bookings:.1f}/s")
    return seen.bookings, seen.share


def _usual(service: Web, house: House, postcodes: list[str], capacity: float) -> None:
    """Let visitors come as on any day: by them the service learns what a visitor costs."""
    seed, rate = time.time_ns() % 2**32, USUAL_PART * capacity
    visitors.seen_by(
        visitors.VisitorsPlan(service.port, AT_ONCE, USUAL_SECONDS, seed, postcodes, rate),
        house.folder,
    )


def _rush(  # noqa: PLR0917 (all of the same measurement)
    service: Web,
    house: House,
    postcodes: list[str],
    capacity: float,
    seconds: float,
    say: Say,
    *,
    after: float = AFTER,
) -> RushObservations:
    visitors_a_second = TIMES * capacity
    callers_a_second = visitors_a_second / WEB_FOR_ONE_CALL
    calls = _calls(service, postcodes, callers_a_second * seconds, house.folder)
    plan = RushPlan(
        service.port,
        visitors_a_second,
        callers_a_second,
        seconds,
        STAYS,
        after,
        time.time_ns() % 2**32,
        postcodes,
        str(calls),
    )
    file = house.folder / "rush.json"
    seen = RushObservations(**outcome_of("bench.rush", plan, file, seconds + STAYS + after + 120))
    say(
        f"rush: {len(seen.came)} came on the web, {len(seen.rings)} rang; {seen.ends};"
        f" {seen.turned_away} × later; over after {seen.recovery} s,"
        f" nobody waits after {seen.empty} s; they had {seen.share:.0%} of the machine; {seen.bad}"
    )
    return seen


def _calls(service: Web, postcodes: list[str], count: float, folder: Path) -> Path:
    base = f"http://{HOST}:{service.port}"
    signer = traffic.Signer(traffic.rehearse(HttpTransport(base, traffic.BASE), postcodes[0]))
    some = traffic.callers(postcodes, seed=time.time_ns() % 2**32)
    file = folder / "rush-calls"
    Script.write(file, [signer.call(next(some)) for _ in range(int(count) + 1)])
    return file


def _figures(
    seen: RushObservations, capacity: float, seconds: float, of_few: float = 0.0
) -> dict[str, float]:
    """What of it has a bar. Bookings count from when the first could have been made on.

    A crowd has more of the machine itself than the few (`of_few`, a share) by whom the web's
    capacity was measured: what is left of the machine can book as much less.
    """
    rings = [ms for _, ms in seen.rings]
    every = [ms for _, ms in seen.webhooks]
    if len(rings) < 2:  # noqa: PLR2004
        return {}
    under = sum(ms < SPEAKS_UNDER_MS for ms in rings) - seen.silent
    # A visit of its own lasts so long, however fast the service is.
    ready = len(visitors.PAGES) * statistics.mean(THINKS)
    within = [at for at, _ in (*seen.web, *seen.phone) if ready <= at <= seconds + STAYS]
    booked = len(within) / (seconds + STAYS - ready)
    left = min((1 - seen.share) / (1 - of_few), 1.0)
    found = {
        "rush_speaks_under_2s": round(100 * under / len(rings), 2),
        "rush_call_p99_ms": round(p99(every, "webhooks"), 1),
        "rush_goodput_ratio": round(booked / (capacity * left), 3),
        "rush_goodput": round(booked, 1),
        "rush_load_share": round(seen.share, 3),
        "rush_visitors": float(len(seen.came)),
        "rush_calls": float(len(rings)),
    }
    if seen.recovery is not None:
        found["rush_recovery_seconds"] = round(seen.recovery, 1)
    if seen.empty is not None:
        found["rush_room_empty_seconds"] = round(seen.empty, 1)
    return found


# ---------------------------------------------------------------- the rush


class _Rush:
    def __init__(self, plan: RushPlan) -> None:
        self._plan = plan
        self._seen = RushObservations()
        self._chance = random.Random(plan.seed)  # noqa: S311 - nothing secret
        # As many as a proxy keeps open to two workers; callers have their own, as the provider has.
        self._web = Connections(plan.port, 64)
        self._phone = Connections(plan.port, 64)
        self._began = time.monotonic()

    def _now(self) -> float:
        return time.monotonic() - self._began

    async def comes(self) -> RushObservations:
        plan = self._plan
        self._began, share = time.monotonic(), own_share()
        everybody = [
            asyncio.create_task(self._arrive(plan.visitors, self._visits())),
            asyncio.create_task(self._arrive(plan.callers, self._rings())),
            asyncio.create_task(self._count()),
        ]
        await asyncio.gather(*everybody[:2])
        await asyncio.sleep(max(plan.comes + plan.stays - self._now(), 0))
        self._seen.share = share()
        await self._recovers()
        everybody[2].cancel()
        self._seen.bad |= {"connections broke": self._web.broken} if self._web.broken else {}
        return self._seen

    async def _arrive(
        self, rate: float, stories: Sequence[Callable[[], Coroutine[Any, Any, None]]]
    ) -> None:
        """Each when they are due, whatever became of those before."""
        started = []
        for number, story in enumerate(stories):
            due = number / rate
            if due > self._plan.comes:
                break
            await asyncio.sleep(max(due - self._now(), 0))
            started.append(asyncio.create_task(story()))
        await asyncio.gather(*started)

    def _visits(self) -> list[Callable[[], Coroutine[Any, Any, None]]]:
        plan = self._plan
        count = int(plan.visitors * plan.comes) + 1
        found: list[Callable[[], Coroutine[Any, Any, None]]] = []
        for one in itertools.islice(people(plan.postcodes, plan.seed), count):
            there = self._chance.randrange(100) < FROM_THERE
            person = replace(one, postcode=THERE) if there else one
            found.append(lambda person=person: self._visit(person))  # type: ignore[misc]
        return found

    async def _visit(self, person: VisitorIdentity) -> None:
        seen, plan = self._seen, self._plan
        seen.came.append((self._now(), 1))
        until = self._began + plan.comes + plan.stays
        visitor = Visitor(
            self._web, person, until=until, think=lambda: self._chance.uniform(*THINKS)
        )
        end = await visitor.books()
        seen.ends[end] = seen.ends.get(end, 0) + 1
        seen.turned_away += visitor.turned_away
        if end == BOOKED:
            seen.web.append((self._now(), 1))

    def _rings(self) -> list[Callable[[], Coroutine[Any, Any, None]]]:
        found: list[Callable[[], Coroutine[Any, Any, None]]] = []
        file = Path(self._plan.calls)
        for number in range(int(self._plan.callers * self._plan.comes) + 1):
            part = file.with_name(f"{file.name}.{number}").read_bytes()
            webhooks = part.split(b"\0")[:-1]
            found.append(lambda webhooks=webhooks: self._call(webhooks))  # type: ignore[misc]
        return found

    async def _call(self, webhooks: Sequence[bytes]) -> None:
        """All its keys, each after what is said; the last one is the status at the end."""
        seen = self._seen
        for number, webhook in enumerate(webhooks):
            began = self._now()
            status, _, body = await self._phone.send(webhook)
            ms = (self._now() - began) * 1000
            seen.webhooks.append((began, ms))
            if not number:
                seen.rings.append((began, ms))
                seen.silent += not (b"<Say" in body or b"<Play" in body)
            if status != 200:  # noqa: PLR2004
                what = f"webhook answered {status}"
                seen.bad[what] = seen.bad.get(what, 0) + 1
            if number < len(webhooks) - 1 and b"<Gather" not in body:
                if number < len(webhooks) - 2:
                    # The short answer of a service that is too full, or an apology.
                    return
                seen.phone.append((self._now(), 1))
            await asyncio.sleep(SPEAKS)

    async def _count(self) -> None:
        while True:
            done = sum(self._seen.ends.values())
            self._seen.waiting.append((self._now(), len(self._seen.came) - done))
            await asyncio.sleep(1)

    async def _recovers(self) -> None:
        """Somebody new comes and comes: from when on is each answered at once, and when let in."""
        plan = self._plan
        fine: float | None = None
        empty: float | None = None
        over = plan.comes + plan.stays
        number = 0
        while (at := self._now() - over) < plan.after:
            if empty is not None and at - empty > STEADY:
                break
            person = VisitorIdentity(
                "12031942", plan.postcodes[0], "0612345678", f"172.16.0.{number % 250}"
            )
            visitor = Visitor(self._web, person, until=time.monotonic() + 5)
            page = await visitor.ask(visitors.START)
            led = await visitor.ask(visitors.START, {"whom": "self"})
            # A page of the waiting room says the truth and counts; one that says "later" does not.
            is_fine = (
                page.status in {200, visitors.SEE_OTHER}
                and led.status == visitors.SEE_OTHER
                and max(page.ms, led.ms) < SOON_MS
            )
            is_let_in = is_fine and not page.is_room and visitors.ROOM not in led.location
            fine = (at if fine is None else fine) if is_fine else None
            empty = (at if empty is None else empty) if is_let_in else None
            number += 1
            await asyncio.sleep(PROBE_EVERY)
        self._seen.recovery, self._seen.empty = fine, empty


def main(file: str) -> None:
    plan = RushPlan(**json.loads(Path(file).read_text("utf-8")))
    print(json.dumps(asdict(asyncio.run(_Rush(plan).comes()))))


if __name__ == "__main__":
    main(sys.argv[1])
