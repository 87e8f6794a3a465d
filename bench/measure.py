"""The measurement of one database: floors and service in turn, on the same server and disk."""

from __future__ import annotations

import contextlib
import itertools
import math
import statistics
import time

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from bench import (
    against,
    at_work,
    filling,
    floors,
    guards,
    load,
    lookups,
    messages,
    room,
    screens,
    servers,
    stock,
    store,
    traffic,
    visits,
)
from bench.load import CONNECTIONS, LoadRun, Script
from bench.parts import ALL, PARTS, SETUP_SECONDS, Given, PartRuns, limited
from bench.refused import Refused
from bench.servers import CannotMeasure, House, Web
from bench.timing import Say, p99
from bench.weight import told_of, weight
from exchange.transport import HttpTransport, Outgoing, Reply
from launcher.ports import HOST

# Three times what a run is expected to need: connections are not served alike, above all where
# they wait for SQLite's one writer.
RESERVE = 3.0
# A lone turn is one of this many of its call.
TURNS_OF_A_CALL = 16
# Seconds to find out roughly how fast everything is; not counted.
TRIAL_SECONDS = 2.0
# First guesses, answers a second, for the trial itself.
GUESS = {"turn_rate": 2500.0, "call_rate": 2000.0}
HALF = 0.5
# Of the full rate, while people work: nine calls booked each second, and fifty agents beside them.
AT_WORK = 0.1
# Of floor (a) between visits.
FLOOR_SECONDS = 2.0
# Pairs of runs with and without screens, and their seconds.
WATCHED_ROUNDS, WATCHED_SECONDS = 2, 5.0
SERVICE = "wiring:create_server"
FLOORS = {"floor_a": "bench.floors:serve_a", "floor_b": "bench.floors:serve_b"}
# Boards beside the others on which is seen when they show something, and for how long.
WATCHERS, WORK_SECONDS = 4, 20.0
# Parts for which the service runs beside its floors.
WITH_FLOORS = frozenset({"calls", "tails", "visits", "work"})
# Parts in the database of the demonstration.
AT_CENTRES = WITH_FLOORS | {"room", "guards"}
# Where fewer requests leave than this part of the wished rate, it was not that rate.
KEPT_UP = 0.9
# A run, and why it counts for nothing.
Seen = tuple[LoadRun, list[str]]


@dataclass(frozen=True)
class MeasurePlan:
    """How long it all takes: `seconds` for each of `rounds` × 4 runs; and what of it."""

    rounds: int
    seconds: float
    parts: frozenset[str] = ALL


@dataclass
class Measurement:
    """What was seen, under the keys of the results, and `facts` of one database."""

    figures: dict[str, float] = field(default_factory=dict)
    wrk_share: float = 0.0
    webhooks_of_a_call: int = 0
    facts: dict[str, str] = field(default_factory=dict)


def of_database(kind: str) -> list[tuple[str, str]]:
    """Return the parts that are measured on this database, each with the one it is told under."""
    once = {servers.POSTGRES: ("peers", "growth"), servers.SQLITE: ("room",)}[kind]
    of_each = [(name, kind) for name, part in PARTS.items() if not part.once]
    return of_each + [(name, "") for name in once]


class OnDatabase:
    """The parts that are measured on one database; figures come into `outcome`."""

    def __init__(
        self, house: House, plan: MeasurePlan, runs: PartRuns, outcome: Measurement
    ) -> None:
        self._house, self._plan, self._runs, self._outcome = house, plan, runs, outcome
        # The database that has all tables and no rows, once there is one.
        self._empty = ""

    def at_centres(self) -> None:
        """The parts in the database of the demonstration."""
        here = [one for one in of_database(self._house.kind) if one[0] in AT_CENTRES]
        if not any(name in self._plan.parts for name, _ in here):
            return
        house, runs = self._house, self._runs
        with runs.together(*here):
            with limited(SETUP_SECONDS):
                runs.say(f"{house.kind}: preparing the database")
                env = servers.environment(house.database_url, house.redis_url)
                for step in ("migrate", "demo"):
                    servers.command(step, environment=env)
                floors.fill(house.database_url)
            if self._plan.parts & WITH_FLOORS:
                _with_floors(house, self._plan, self._outcome, runs)
            self._measured("guards", lambda: guards.measure(house, runs.say))
            if house.kind == servers.SQLITE:
                # No database has a part in it.
                self._measured("room", lambda: room.measure(house, runs.say))

    def beside(self) -> None:
        """The parts that fill databases of their own, and have a bar."""
        house, say = self._house, self._runs.say
        self._own("booking", lambda: {"allocate_ratio": round(store.ratio(self._new("ratio")), 3)})
        self._own("outbox", lambda: {"outbox_ratio": round(messages.ratio(self._new("outbox")), 3)})
        self._own(
            "look-ups",
            lambda: {"known_unknown_gap_ms": round(lookups.gap_ms(self._new("lookups")), 2)},
        )
        if house.kind == servers.POSTGRES:
            self._measured(
                "peers", lambda: against.measure(self._new, house.folder, house.redis_url, say)
            )
        self._own(
            "filling", lambda: filling.fill(self._new("filling"), house.folder, house.redis_url)
        )
        if house.kind == servers.POSTGRES:
            self._measured("growth", lambda: (store.grown(self._new), []))

    def at_the_end(self) -> None:
        """What has no bar: where no time is left for it, nothing is missed."""
        self._own("crowd", lambda: store.crowd(self._new("crowd")))

    def _measured(self, name: str, part: Callable[[], Given]) -> None:
        of = "" if PARTS[name].once else self._house.kind
        self._outcome.figures |= self._runs.run(name, of, part)

    def _own(self, name: str, part: Callable[[], Mapping[str, float]]) -> None:
        """A part whose figures are named without their database."""
        kind = self._house.kind
        self._measured(name, lambda: ({f"{key}_{kind}": one for key, one in part().items()}, []))

    def _new(self, name: str, template: str = "") -> str:
        """A database beside that of the demonstration, with all tables: a copy of `template`.

        Without that name it has no rows. To copy it takes less than to make all tables.
        """
        if not self._empty:
            url = servers.beside(self._house.database_url, "bench_empty")
            servers.migrate(url)
            self._empty = "bench_empty"
        of = f"bench_{template}" if template else self._empty
        return servers.beside(self._house.database_url, f"bench_{name}", of)


def database(kind: str, folder: Path, redis_url: str, outcome: Measurement) -> House:
    """Return a house whose database is there, with its facts. Raises CannotMeasure."""
    if kind == servers.POSTGRES:
        with limited(SETUP_SECONDS):
            url = servers.postgres_url(folder)
        outcome.facts = servers.postgres_facts(url)
    else:
        url = f"sqlite:///{folder / 'allo.sqlite3'}"
        outcome.facts = servers.sqlite_facts()
    return House(folder, kind, url, redis_url)


def _with_floors(house: House, plan: MeasurePlan, outcome: Measurement, runs: PartRuns) -> None:
    """The parts for which the service runs beside its floors."""
    kind, url, say = house.kind, house.database_url, runs.say
    with ExitStack() as stack:
        with limited(SETUP_SECONDS):
            counts = stack.enter_context(contextlib.closing(stock.RowCounts(url)))
            servers.settle(url)
            webs = {"service": stack.enter_context(servers.web(house, "service", SERVICE))}
            # They end before people work: each thread of theirs keeps a connection to the database.
            below = stack.enter_context(ExitStack())
            for name, factory in FLOORS.items():
                webs[name] = below.enter_context(servers.web(house, name, factory))
            one = _One(house, webs, counts, plan=plan, outcome=outcome, say=say)
            one.trial()
        rounds = visits.ROUNDS if plan.rounds > 1 else 1

        def visit() -> Given:
            return visits.measure(house, webs["service"], one.floor_a, say, rounds=rounds)

        def measured(name: str, part: Callable[[], Given]) -> None:
            outcome.figures.update(runs.run(name, kind, part))

        measured("calls", one.rounds)
        measured("tails", one.tails)
        measured("visits", visit)
        below.close()
        measured("work", one.watched)


@dataclass
class _CountingTransport:
    """Remembers which webhook of the rehearsal made the booking."""

    inner: HttpTransport
    counts: stock.RowCounts
    sent: int = 0
    booked_by: int = -1

    def send(self, request: Outgoing) -> Reply:
        before = self.counts.bookings()
        reply = self.inner.send(request)
        if self.counts.bookings() > before:
            self.booked_by = self.sent
        self.sent += 1
        return reply


class _One:
    """One database's runs."""

    def __init__(
        self,
        house: House,
        webs: dict[str, Web],
        counts: stock.RowCounts,
        *,
        plan: MeasurePlan,
        outcome: Measurement,
        say: Say,
    ) -> None:
        self._kind, self._webs, self._counts = house.kind, webs, counts
        self._plan, self._outcome, self._say = plan, outcome, say
        self._times_ms: list[float] = []
        # Answers a second of the runs that count, and why others of the part do not.
        self._rates: dict[str, list[float]] = {}
        # What a call costs, in each run of calls.
        self._costs: list[dict[str, float]] = []
        self._void: list[str] = []
        # What screens and agents were refused in runs that count.
        self._refused = Refused()
        # Of workers' processor time, for each turn of the run that was last.
        self._milliseconds = 0.0
        self._folder = house.folder
        self._house = house
        self._guess, self._trial = dict(GUESS), dict[str, float]()
        postcodes = stock.choose_postcodes(house.database_url)
        service = f"http://{HOST}:{webs['service'].port}"
        transport = _CountingTransport(HttpTransport(service, traffic.BASE), counts)
        pattern = traffic.rehearse(transport, postcodes[0])
        if transport.booked_by < 0:
            raise CannotMeasure("the rehearsed call booked nothing")
        self._booked_by = transport.booked_by
        self._signer = traffic.Signer(pattern)
        outcome.webhooks_of_a_call = len(pattern)
        self._callers = traffic.callers(postcodes, seed=time.time_ns() % 2**32)
        self._runs: dict[str, Callable[[float], Seen]] = {
            "floor_a": lambda seconds: self._floor("floor_a", seconds),
            "floor_b": lambda seconds: self._floor("floor_b", seconds),
            "turn_rate": self._turns,
            "call_rate": self._calls,
        }

    # Runs

    def trial(self) -> None:
        """Warm everything up, and learn how many requests a run will need."""
        self._sample = self._write("sample", [self._signer.call(c) for c in self._some(320)])
        for name, run in self._runs.items():
            seen, faults = run(min(TRIAL_SECONDS, self._plan.seconds))
            self._guess[name] = self._trial[name] = seen.rate
            self._say(f"{self._kind}: trial {name} {seen.rate:.0f}/s {'; '.join(faults)}".rstrip())

    def rounds(self) -> Given:
        """Each of the four once in each round, one after the other."""
        self._rates, self._void, self._costs = {}, [], []
        for number in range(1, self._plan.rounds + 1):
            said = []
            for name, run in self._runs.items():
                counted = self._counted(
                    f"{name} in round {number}", partial(run, self._plan.seconds)
                )
                if counted is not None:
                    self._rates.setdefault(name, []).append(counted)
                    said.append(f"{name} {counted:.0f}/s")
            self._say(f"{self._kind}: round {number}: {', '.join(said)}")
        found = call_figures(self._rates, self._signer.webhooks)
        for name in self._costs[0] if self._costs else ():
            found[name] = round(statistics.median(one[name] for one in self._costs), 3)
        return self._named(found | self._weights("web_worker")), self._void

    def tails(self) -> Given:
        """The slowest of a hundred at half the load, with requests that leave on time."""
        self._void = []
        found: dict[str, float] = {}
        for name, prepare in (("turn", self._turn_script), ("call", self._call_script)):
            half = self._full(f"{name}_rate") * HALF
            if self._counted(f"{name} at half load", partial(self._paced, prepare, half)):
                slowest = p99(self._times_ms, f"{name}s")
                found[f"{name}_p99_ms"] = round(slowest, 1)
                self._say(f"{self._kind}: {name}s at {half:.0f}/s: p99 {slowest:.1f} ms")
        return self._named(found), self._void

    def floor_a(self) -> float | None:
        """Answers a second of floor (a), for whoever measures beside it; None where it failed."""
        seen, faults = self._floor("floor_a", FLOOR_SECONDS)
        return None if seen.faults() or faults else seen.rate

    def _full(self, name: str) -> float:
        """The rate of the rounds; that of the trial where there were none that count."""
        runs = self._rates.get(name)
        return statistics.median(runs) if runs else self._trial[name]

    def _named(self, found: Mapping[str, float]) -> dict[str, float]:
        return {f"{name}_{self._kind}": value for name, value in found.items()}

    def _weights(self, name: str) -> dict[str, float]:
        """What the service's workers have. Raises CannotMeasure where none is left."""
        web = self._webs["service"]
        workers = [weight(pid) for pid in web.workers()]
        if not workers:
            raise CannotMeasure("the service's workers have ended: see its log")
        return told_of(name, weight(web.process.pid), workers)

    def watched(self) -> Given:
        """Screens that are open, and then people at work behind them, as in production."""
        self._void, self._refused = [], Refused()
        screens.send_home(self._house.database_url)
        hired = screens.hire(self._house, screens.BOARDS, screens.DESKS)
        file = self._folder / f"screens-{self._kind}"
        file.write_text("\n".join(one.line for one in hired), "utf-8")
        with screens.dispatcher(self._house):
            found = self._with_screens(file)
            desks = [one for one in hired if not one.is_board]
            seen, faults = self._tried_to_work(file, desks)
            if faults:
                self._say(f"{self._kind}: void: people at work: {'; '.join(faults)}")
                screens.send_home(self._house.database_url)
                seen, faults = self._tried_to_work(file, desks)
            self._void += [f"people at work: {fault}" for fault in faults]
        found |= seen | self._weights("staff_worker")
        found["screens_refused_percent"] = round(100 * self._refused.share, 3)
        self._void += self._refused.of_a_part()
        return self._named(found), self._void

    def _with_screens(self, file: Path) -> dict[str, float]:
        """What a lone turn costs with nobody at a screen, and with 70 that ask each second.

        Turns come at half their rate: at the full one screens give way to callers, as they must.
        """
        ratios = list[float]()
        for number in range(min(self._plan.rounds, WATCHED_ROUNDS)):
            what = f"lone turns in round {number + 1}"
            plain = self._counted(f"{what}, no screens", self._half_of_turns)
            alone = self._milliseconds
            looked_at = self._counted(f"{what}, screens", partial(self._half_of_turns, file))
            # A pair counts or does not: what else the machine did is in both.
            if plain is not None and looked_at is not None:
                ratios.append(alone / self._milliseconds)
        if not ratios:
            return {}
        ratio = statistics.median(ratios)
        self._say(f"{self._kind}: processor time of turns, without screens ÷ with: {ratio:.3f}")
        return {"board_cost_ratio": round(ratio, 3)}

    def _half_of_turns(self, file: Path | None = None) -> Seen:
        """Lone turns at half their rate, and what workers needed for each; `file`: of screens."""
        rate = self._full("turn_rate") * HALF
        # Those calls begin at the full rate, so that no screen is open yet.
        script = self._turn_script(math.ceil(rate * min(self._plan.seconds, WATCHED_SECONDS)))
        web = self._webs["service"]
        with ExitStack() as stack:
            eyes = stack.enter_context(screens.opened(web, file)) if file else None
            before = sum(map(servers.processor_seconds, web.workers()))
            seen = load.replay(script, web.port, rate=rate)
            spent = sum(map(servers.processor_seconds, web.workers())) - before
        self._milliseconds = spent * 1000 / max(seen.answers, 1)
        faults = eyes.faults() if eyes else []
        if seen.rate < rate * KEPT_UP:
            faults.append("the load could not be kept up")
        refused = eyes.refused if eyes else Refused()
        return seen, self._with_refused(faults, refused, counts=not seen.faults())

    def _with_refused(
        self, faults: list[str], refused: Refused, *, counts: bool = True
    ) -> list[str]:
        """The faults of a run, and that of what was refused; without any it is added up."""
        found = faults + refused.of_a_run()
        if counts and not found:
            self._refused += refused
        return found

    def _tried_to_work(
        self, file: Path, desks: Sequence[screens.Hired]
    ) -> tuple[dict[str, float], list[str]]:
        """As `_at_work`; where it cannot be measured that is its fault."""
        try:
            return self._at_work(file, desks)
        except CannotMeasure as problem:
            return {}, [str(problem)]

    def _at_work(
        self, file: Path, desks: Sequence[screens.Hired]
    ) -> tuple[dict[str, float], list[str]]:
        """The slowest of a hundred webhooks and acts, and boards, with a long line; and faults."""
        # Whose pauses boards show is no agent for callers: a bell that rings would be in the way.
        watchers = screens.hire(self._house, WATCHERS, 1, pausing=at_work.REASONS[0])
        stage = at_work.WorkdayStage(
            service=self._webs["service"].port,
            provider=servers.provider_port(),
            agents=[(one.id, one.cookie) for one in desks],
            probe=(watchers[-1].id, watchers[-1].cookie),
            boards=[one.cookie for one in watchers[:-1]],
            form=self._signer.form,
        )
        env = self._house.environment("queues")
        make_queues = partial(servers.command, "queues", "create", environment=env)
        rate = self._full("call_rate") * AT_WORK
        script = self._call_script(math.ceil(rate * max(self._plan.seconds, WORK_SECONDS)))
        with (
            screens.opened(self._webs["service"], file) as eyes,
            at_work.opened(stage, self._folder / f"work-{self._kind}", make_queues) as work,
        ):
            # While the line formed, callers came at the full rate and screens gave way to them.
            eyes.count()
            load.replay(script, self._webs["service"].port, rate=rate)
        seen = work[0]
        times_ms = script.times_ms()
        found, missing = at_work.figures(seen, times_ms)
        refused = eyes.refused + seen.refused
        faults = self._with_refused(seen.faults() + eyes.faults() + missing, refused)
        told = ", ".join(f"{name} {value:.0f}" for name, value in found.items())
        self._say(
            f"{self._kind}: at least {seen.fewest_waiting} in the line, {seen.talks} talks:"
            f" {told} ({len(seen.webhooks) + len(times_ms)}, {len(seen.acts)}, {len(seen.boards)})"
        )
        return found, faults

    def _paced(self, prepare: Callable[[int], Script], rate: float) -> Seen:
        script = prepare(math.ceil(rate * self._plan.seconds))
        seen = load.replay(script, self._webs["service"].port, rate=rate)
        self._times_ms = script.times_ms()
        behind = seen.rate < rate * KEPT_UP
        return seen, ["the load could not be kept up"] if behind else []

    def _counted(self, what: str, run: Callable[[], Seen]) -> float | None:
        """Return the rate of a run that counts: the first, or the one that repeats it."""
        faults: list[str] = []
        for _ in range(2):
            seen, wrong = run()
            faults = seen.faults() + wrong
            if not faults:
                self._outcome.wrk_share = max(self._outcome.wrk_share, seen.share)
                return seen.rate
            self._say(f"{self._kind}: void: {what}: {'; '.join(faults)}")
        self._void.append(f"{what}: {'; '.join(faults)}")
        return None

    def _floor(self, name: str, seconds: float) -> Seen:
        return load.replay(self._sample, self._webs[name].port, seconds=seconds, again=True), []

    def _calls(self, seconds: float) -> Seen:
        script = self._call_script(math.ceil(self._guess["call_rate"] * seconds * RESERVE))
        web = self._webs["service"]
        before, written = self._counts.bookings(), self._counts.written()
        worked, of_database = self._worked(web)
        seen = load.replay(script, web.port, seconds=seconds)
        self._expect("call_rate", seen)
        after = self._worked(web)
        worked, of_database = after[0] - worked, after[1] - of_database
        # By connection: calls that are over, and the webhook of the next one that was sent last.
        # That one may or may not have been worked on when the time was up.
        each, booked_by = self._signer.webhooks, self._booked_by
        least = sum(bookings(sent - 1, each, booked_by) for sent in seen.sent)
        most = sum(bookings(sent, each, booked_by) for sent in seen.sent)
        faults = _unfinished(seen) + self._wrong("bookings", before, least, most)
        if not faults and seen.answers:
            # Once nothing is written any more.
            found = costs(seen.answers, each, worked, written, self._counts.written())
            if of_database:
                found["database_ms_a_webhook"] = 1000 * of_database / seen.answers
            self._costs.append(found)
        return seen, faults

    def _worked(self, web: Web) -> tuple[float, float]:
        """Seconds that workers and PostgreSQL had of a processor so far; 0 of SQLite."""
        workers = sum(map(servers.processor_seconds, web.workers()))
        if self._kind == servers.SQLITE:
            return workers, 0.0
        return workers, servers.server_seconds(self._house.database_url)

    def _turns(self, seconds: float) -> Seen:
        script = self._turn_script(math.ceil(self._guess["turn_rate"] * seconds * RESERVE))
        before = self._counts.turns()
        seen = load.replay(script, self._webs["service"].port, seconds=seconds)
        self._expect("turn_rate", seen)
        faults = self._wrong("turns", before, seen.answers, sum(seen.sent))
        return seen, _unfinished(seen) + faults

    def _expect(self, name: str, seen: LoadRun) -> None:
        """Prepare for the fastest run so far, whatever slowed the others down."""
        self._guess[name] = max(self._guess[name], seen.rate)

    def _wrong(self, what: str, before: int, least: int, most: int) -> list[str]:
        count = self._counts.bookings if what == "bookings" else self._counts.turns
        found = _settled(count) - before
        if least <= found <= most:
            return []
        return [f"{found} {what} in the database, where {least} to {most} were asked for"]

    # Requests

    def _some(self, count: int) -> Iterator[traffic.TrafficCaller]:
        return itertools.islice(self._callers, count)

    def _write(self, name: str, calls: list[list[bytes]]) -> Script:
        return Script.of_calls(self._folder / name, calls)

    def _call_script(self, requests: int) -> Script:
        each = math.ceil(requests / self._signer.webhooks / CONNECTIONS)
        return self._write("calls", [self._signer.call(c) for c in self._some(each * CONNECTIONS)])

    def _turn_script(self, requests: int) -> Script:
        """Bring calls to the question for the date of birth; return the turns from there on."""
        each = math.ceil(requests / TURNS_OF_A_CALL / CONNECTIONS)
        some = list(self._some(each * CONNECTIONS))
        starts = self._write("starts", [self._signer.start(caller) for caller in some])
        seen = load.replay(starts, self._webs["service"].port)
        if seen.faults() or seen.answers != starts.requests:
            raise CannotMeasure(f"calls could not be begun: {seen.faults() or seen.answers}")
        turns = [self._signer.lone_turns(caller, TURNS_OF_A_CALL) for caller in some]
        # The next turn of a call comes after one of each other call of its connection.
        by_connection = [
            list(itertools.chain(*zip(*mine, strict=True))) for mine in load.dealt(turns)
        ]
        return Script.write(self._folder / "turns", by_connection)


def call_figures(rates: Mapping[str, Sequence[float]], webhooks: int) -> dict[str, float]:
    """Medians of the runs, answers a second, and what they are beside the floor of the same runs.

    A call has so many `webhooks`. What could not be had is missing.
    """
    found = {name: statistics.median(runs) for name, runs in rates.items() if runs}
    figures = {name: round(rate, 1) for name, rate in found.items()}
    floor = found.get("floor_b")
    for name in ("turn", "call"):
        rate = found.get(f"{name}_rate")
        if rate is not None and floor:
            figures[f"{name}_ratio"] = round(rate / floor, 3)
    if "call_rate" in found:
        figures["calls_per_second"] = round(found["call_rate"] / webhooks, 1)
    return figures


def costs(
    answers: int,
    webhooks: int,
    worked: float,
    before: stock.Written | None,
    after: stock.Written | None,
) -> dict[str, float]:
    """Return what a webhook and a call of so many `webhooks` cost, from a run with these answers.

    `worked`: seconds that workers had of a processor. What the database wrote is known of
    PostgreSQL alone.
    """
    calls = answers / webhooks
    found = {"worker_ms_a_webhook": 1000 * worked / answers}
    if before is not None and after is not None:
        found |= {
            "wal_bytes_a_call": (after.wal - before.wal) / calls,
            "stored_bytes_a_call": (after.files - before.files) / calls,
            "commits_a_call": (after.commits - before.commits) / calls,
            "writes_a_call": (after.writes - before.writes) / calls,
        }
    return found


def bookings(sent: int, webhooks: int, booked_by: int) -> int:
    """How many bookings the first `sent` requests of a connection make.

    Its calls have `webhooks` each, of which number `booked_by` (from 0) books.
    """
    calls, begun = divmod(max(sent, 0), webhooks)
    return calls + (begun > booked_by)


def _unfinished(seen: LoadRun) -> list[str]:
    return [f"{seen.finished} connections ran out of requests"] if seen.finished else []


def _settled(count: Callable[[], int]) -> int:
    """Count when the last requests, whose answers nobody waited for, are done with."""
    found = -1
    for _ in range(50):
        now = count()
        if now == found:
            break
        found = now
        time.sleep(0.3)
    return found
