"""Everything in turn on one machine: the service with its floors, and the parts beside them."""

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
    at_work,
    floors,
    guards,
    load,
    lookups,
    messages,
    rush,
    screens,
    servers,
    stock,
    store,
    traffic,
    usual_call,
    visits,
)
from bench.load import CONNECTIONS, LoadRun, Script
from bench.parts import ALL, Given, PartRuns
from bench.refused import Refused
from bench.servers import CannotMeasure, House, Web
from bench.timing import Say, p99
from bench.weight import weights
from exchange.transport import HttpTransport, Outgoing, Reply
from launcher.ports import HOST

# Three times what a run is expected to need: connections are not served alike.
RESERVE = 3.0
# A lone turn is one of this many of its call.
TURNS_OF_A_CALL = 16
# Seconds to find out roughly how fast everything is; not counted.
TRIAL_SECONDS = 2.0
# First guesses, answers a second, for the trial itself.
GUESS = {"turn_rate": 2500.0, "call_rate": 2000.0, "usual_rate": 1000.0}
HALF = 0.5
# Of the full rate, while people work: nine calls booked each second, and fifty agents beside them.
AT_WORK = 0.1
# Pairs of runs with and without screens, and their seconds.
WATCHED_ROUNDS, WATCHED_SECONDS = 2, 5.0
SERVICE = "wiring:create_server"
# What stands beside the service under the same line of Procfile.dev.
BESIDE = {
    "floor_a": "bench.floors:serve_a",
    "floor_b": "bench.floors:serve_b",
    "usual": "bench.usual_call:create_server",
}
# Boards beside the others on which is seen when they show something, and for how long.
WATCHERS, WORK_SECONDS = 4, 20.0
# Parts for which the service runs, and those in the same database.
WITH_SERVICE = ("calls", "tails", "visits", "work")
AT_CENTRES = (*WITH_SERVICE, "guards")
# Where fewer requests leave than this part of the wished rate, it was not that rate.
KEPT_UP = 0.9
# Of the calls that the usual application was asked for, so many must be booked: it keeps no place
# before it is chosen, so some callers lose theirs to others.
USUALLY_BOOKED = 0.9
# A run, and why it counts for nothing.
Seen = tuple[LoadRun, list[str]]


@dataclass(frozen=True)
class MeasurePlan:
    """How long it all takes: `seconds` for each of `rounds` × 5 runs; and what of it."""

    rounds: int
    seconds: float
    parts: frozenset[str] = ALL


@dataclass
class Measurement:
    """What was seen, under the keys of the results, and `facts` of PostgreSQL."""

    figures: dict[str, float] = field(default_factory=dict)
    wrk_share: float = 0.0
    webhooks_of_a_call: int = 0
    facts: dict[str, str] = field(default_factory=dict)


def measure(
    folder: Path, redis_url: str, plan: MeasurePlan, runs: PartRuns, seen: Measurement
) -> None:
    """Measure all parts of the plan. Raises CannotMeasure where there is no PostgreSQL."""
    house = House(folder, "bench", servers.postgres_url(folder), redis_url)
    seen.facts = servers.postgres_facts(house.database_url)
    new = _empty_databases(house.database_url)

    def run(name: str, part: Callable[[], Given]) -> None:
        seen.figures |= runs.run(name, part)

    with runs.together(*AT_CENTRES):
        if plan.parts.intersection(AT_CENTRES):
            runs.say("preparing the database")
            env = servers.environment(house.database_url, redis_url)
            for step in ("migrate", "demo"):
                servers.command(step, environment=env)
            if plan.parts.intersection(WITH_SERVICE):
                _with_service(house, plan, seen, runs)
            run("guards", lambda: guards.measure(house, runs.say))
    seconds = rush.COMES if plan.rounds > 1 else rush.SHORT
    run("rush", lambda: rush.measure(folder, redis_url, runs.say, seconds=seconds))
    run("booking", lambda: ({"allocate_ratio_postgres": store.ratio(new("ratio"))}, []))
    run("outbox", lambda: ({"outbox_ratio_postgres": messages.ratio(new("outbox"))}, []))
    run("look-ups", lambda: ({"known_unknown_gap_ms_postgres": lookups.gap_ms(new("look"))}, []))
    run("growth", lambda: (store.grown(new), []))


def _empty_databases(database_url: str) -> Callable[[str], str]:
    """Return what makes a database with that name, with all tables and no rows.

    It is a copy of one that is migrated once: to copy it takes less than to make all tables.
    """
    made: list[str] = []

    def new(name: str) -> str:
        if not made:
            servers.migrate(servers.beside(database_url, "bench_empty"))
            made.append("bench_empty")
        return servers.beside(database_url, f"bench_{name}", made[0])

    return new


def _with_service(house: House, plan: MeasurePlan, seen: Measurement, runs: PartRuns) -> None:
    """The parts for which the service runs; for the first two, what stands beside it, too."""
    url = house.database_url
    floors.fill(url)
    usual_call.fill(url)
    servers.settle(url)
    with ExitStack() as stack:
        counts = stack.enter_context(contextlib.closing(stock.RowCounts(url)))
        webs = {"service": stack.enter_context(servers.web(house, "service", SERVICE))}
        # They end before visitors come and people work: threads of theirs keep connections.
        beside = stack.enter_context(ExitStack())
        for name, factory in BESIDE.items():
            webs[name] = beside.enter_context(servers.web(house, name, factory))
        service = _Service(house, webs, counts, plan=plan, seen=seen, say=runs.say)
        service.trial()
        seen.figures |= runs.run("calls", service.rounds)
        seen.figures |= runs.run("tails", service.tails)
        beside.close()
        rounds = visits.ROUNDS if plan.rounds > 1 else 1
        seen.figures |= runs.run(
            "visits", lambda: visits.measure(house, webs["service"], runs.say, rounds=rounds)
        )
        seen.figures |= runs.run("work", service.watched)


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


class _Service:
    """The service and what stands beside it, and their runs."""

    def __init__(
        self,
        house: House,
        webs: dict[str, Web],
        counts: stock.RowCounts,
        *,
        plan: MeasurePlan,
        seen: Measurement,
        say: Say,
    ) -> None:
        self._house, self._webs, self._counts = house, webs, counts
        self._plan, self._seen, self._say, self._folder = plan, seen, say, house.folder
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
        self._guess, self._trial = dict(GUESS), dict[str, float]()
        postcodes = stock.choose_postcodes(house.database_url)
        transport = _CountingTransport(self._transport("service"), counts)
        pattern = traffic.rehearse(transport, postcodes[0])
        if transport.booked_by < 0:
            raise CannotMeasure("the rehearsed call booked nothing")
        self._booked_by = transport.booked_by
        self._signer = traffic.Signer(pattern)
        self._usual = traffic.Signer(traffic.rehearse(self._transport("usual"), postcodes[0]))
        seen.webhooks_of_a_call = len(pattern)
        self._callers = traffic.callers(postcodes, seed=time.time_ns() % 2**32)
        self._runs: dict[str, Callable[[float], Seen]] = {
            "floor_a": lambda seconds: self._floor("floor_a", seconds),
            "floor_b": lambda seconds: self._floor("floor_b", seconds),
            "turn_rate": self._turns,
            "call_rate": self._calls,
            "usual_rate": self._usual_calls,
        }

    def _transport(self, name: str) -> HttpTransport:
        return HttpTransport(f"http://{HOST}:{self._webs[name].port}", traffic.BASE)

    # Parts

    def trial(self) -> None:
        """Warm everything up, and learn how many requests a run will need."""
        self._sample = self._write("sample", [self._signer.call(c) for c in self._some(320)])
        for name, run in self._runs.items():
            seen, faults = run(min(TRIAL_SECONDS, self._plan.seconds))
            self._guess[name] = self._trial[name] = seen.rate
            self._say(f"trial {name} {seen.rate:.0f}/s {'; '.join(faults)}".rstrip())

    def rounds(self) -> Given:
        """Each of the five once in each round, one after the other."""
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
            self._say(f"round {number}: {', '.join(said)}")
        found = call_figures(self._rates, self._signer.webhooks, self._usual.webhooks)
        for name in self._costs[0] if self._costs else ():
            found[name] = round(statistics.median(one[name] for one in self._costs), 3)
        return _named(found | self._weights("web_worker")), self._void

    def tails(self) -> Given:
        """The slowest of a hundred at half the load, with requests that leave on time."""
        self._void = []
        found: dict[str, float] = {}
        for name, prepare in (("turn", self._turn_script), ("call", self._call_script)):
            half = self._full(f"{name}_rate") * HALF
            if self._counted(f"{name} at half load", partial(self._paced, prepare, half)):
                slowest = p99(self._times_ms, f"{name}s")
                found[f"{name}_p99_ms"] = round(slowest, 1)
                self._say(f"{name}s at {half:.0f}/s: p99 {slowest:.1f} ms")
        return _named(found), self._void

    def watched(self) -> Given:
        """Screens that are open, and then people at work behind them, as in production."""
        self._void, self._refused = [], Refused()
        screens.send_home(self._house.database_url)
        hired = screens.hire(self._house, screens.BOARDS, screens.DESKS)
        file = self._folder / "screens"
        file.write_text("\n".join(one.line for one in hired), "utf-8")
        with screens.dispatcher(self._house):
            found = self._with_screens(file)
            desks = [one for one in hired if not one.is_board]
            seen, faults = self._tried_to_work(file, desks)
            if faults:
                self._say(f"void: people at work: {'; '.join(faults)}")
                screens.send_home(self._house.database_url)
                seen, faults = self._tried_to_work(file, desks)
            self._void += [f"people at work: {fault}" for fault in faults]
        found |= seen | self._weights("staff_worker")
        found["screens_refused_percent"] = round(100 * self._refused.share, 3)
        self._void += self._refused.of_a_part()
        return _named(found), self._void

    # Of parts

    def _full(self, name: str) -> float:
        """The rate of the rounds; that of the trial where there were none that count."""
        runs = self._rates.get(name)
        return statistics.median(runs) if runs else self._trial[name]

    def _weights(self, name: str) -> dict[str, float]:
        """What the service's workers have. Raises CannotMeasure where none is left."""
        web = self._webs["service"]
        workers = web.workers()
        if not workers:
            raise CannotMeasure("the service's workers have ended: see its log")
        return weights(name, web.process.pid, workers)

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
        return {"board_cost_ratio": round(statistics.median(ratios), 3)}

    def _half_of_turns(self, file: Path | None = None) -> Seen:
        """Lone turns at half their rate, and what workers needed for each; `file`: of screens."""
        rate = self._full("turn_rate") * HALF
        # Those calls begin at the full rate, so that no screen is open yet.
        script = self._turn_script(math.ceil(rate * min(self._plan.seconds, WATCHED_SECONDS)))
        web = self._webs["service"]
        with ExitStack() as stack:
            eyes = stack.enter_context(screens.opened(web, file)) if file else None
            before = self._worked()
            seen = load.replay(script, web.port, rate=rate)
            spent = self._worked() - before
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
        port = self._webs["service"].port
        stage = at_work.WorkdayStage(
            service=port,
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
            at_work.opened(stage, self._folder / "work", make_queues) as work,
        ):
            # While the line formed, callers came at the full rate and screens gave way to them.
            eyes.count()
            load.replay(script, port, rate=rate)
        seen, times_ms = work[0], script.times_ms()
        found, missing = at_work.figures(seen, times_ms)
        refused = eyes.refused + seen.refused
        faults = self._with_refused(seen.faults() + eyes.faults() + missing, refused)
        told = ", ".join(f"{name} {value:.0f}" for name, value in found.items())
        self._say(f"at least {seen.fewest_waiting} in the line, {seen.talks} talks: {told}")
        return found, faults

    # Runs

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
                self._seen.wrk_share = max(self._seen.wrk_share, seen.share)
                return seen.rate
            self._say(f"void: {what}: {'; '.join(faults)}")
        self._void.append(f"{what}: {'; '.join(faults)}")
        return None

    def _floor(self, name: str, seconds: float) -> Seen:
        return load.replay(self._sample, self._webs[name].port, seconds=seconds, again=True), []

    def _calls(self, seconds: float) -> Seen:
        script = self._call_script(math.ceil(self._guess["call_rate"] * seconds * RESERVE))
        before, written = self._counts.bookings(), self._counts.written()
        worked, of_database = self._worked(), servers.server_seconds(self._house.database_url)
        seen = load.replay(script, self._webs["service"].port, seconds=seconds)
        self._expect("call_rate", seen)
        worked = self._worked() - worked
        of_database = servers.server_seconds(self._house.database_url) - of_database
        # By connection: calls that are over, and the webhook of the next one that was sent last.
        # That one may or may not have been worked on when the time was up.
        each, booked_by = self._signer.webhooks, self._booked_by
        least = sum(bookings(sent - 1, each, booked_by) for sent in seen.sent)
        most = sum(bookings(sent, each, booked_by) for sent in seen.sent)
        faults = _unfinished(seen) + _wrong("bookings", self._counts.bookings, before, least, most)
        if not faults and seen.answers:
            # Once nothing is written any more.
            after = self._counts.written()
            self._costs.append(costs(seen.answers, each, worked, of_database, written, after))
        return seen, faults

    def _usual_calls(self, seconds: float) -> Seen:
        count = math.ceil(self._guess["usual_rate"] * seconds * RESERVE / self._usual.webhooks)
        script = self._write("usual", [self._usual.call(c) for c in self._some(count)])
        before = self._counts.usual_bookings()
        seen = load.replay(script, self._webs["usual"].port, seconds=seconds)
        self._expect("usual_rate", seen)
        booked = _settled(self._counts.usual_bookings) - before
        faults = _unfinished(seen)
        if booked < seen.answers / self._usual.webhooks * USUALLY_BOOKED:
            faults.append(f"only {booked} bookings of {seen.answers} answers")
        return seen, faults

    def _turns(self, seconds: float) -> Seen:
        script = self._turn_script(math.ceil(self._guess["turn_rate"] * seconds * RESERVE))
        before = self._counts.turns()
        seen = load.replay(script, self._webs["service"].port, seconds=seconds)
        self._expect("turn_rate", seen)
        faults = _wrong("turns", self._counts.turns, before, seen.answers, sum(seen.sent))
        return seen, _unfinished(seen) + faults

    def _worked(self) -> float:
        """Seconds that workers of the service had of a processor so far."""
        return sum(map(servers.processor_seconds, self._webs["service"].workers()))

    def _expect(self, name: str, seen: LoadRun) -> None:
        """Prepare for the fastest run so far, whatever slowed the others down."""
        self._guess[name] = max(self._guess[name], seen.rate)

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


def _named(found: Mapping[str, float]) -> dict[str, float]:
    return {f"{name}_postgres": value for name, value in found.items()}


def call_figures(
    rates: Mapping[str, Sequence[float]], webhooks: int, usual_webhooks: int
) -> dict[str, float]:
    """Medians of the runs, answers a second, and what they are beside what stood beside them.

    A call has so many `webhooks`, one of the usual application `usual_webhooks`. What could not be
    had is missing.
    """
    found = {name: statistics.median(runs) for name, runs in rates.items() if runs}
    usual = found.pop("usual_rate", 0.0) / usual_webhooks
    figures = {name: round(rate, 1) for name, rate in found.items()}
    floor = found.get("floor_b")
    for name in ("turn", "call"):
        rate = found.get(f"{name}_rate")
        if rate is not None and floor:
            figures[f"{name}_ratio"] = round(rate / floor, 3)
    if usual:
        figures["peers_calls_per_second"] = round(usual, 1)
    if "call_rate" in found:
        calls = found["call_rate"] / webhooks
        figures["calls_per_second"] = round(calls, 1)
        if usual:
            figures["peers_call_ratio"] = round(calls / usual, 3)
    return figures


def costs(  # noqa: PLR0917 (all of one run)
    answers: int,
    webhooks: int,
    worked: float,
    of_database: float,
    before: stock.Written,
    after: stock.Written,
) -> dict[str, float]:
    """Return what a webhook and a call of so many `webhooks` cost, from a run with these answers.

    `worked` and `of_database`: seconds that workers and PostgreSQL had of a processor.
    """
    calls = answers / webhooks
    return {
        "worker_ms_a_webhook": 1000 * worked / answers,
        "database_ms_a_webhook": 1000 * of_database / answers,
        "wal_bytes_a_call": (after.wal - before.wal) / calls,
        "stored_bytes_a_call": (after.files - before.files) / calls,
        "commits_a_call": (after.commits - before.commits) / calls,
        "writes_a_call": (after.writes - before.writes) / calls,
    }


def bookings(sent: int, webhooks: int, booked_by: int) -> int:
    """How many bookings the first `sent` requests of a connection make.

    Its calls have `webhooks` each, of which number `booked_by` (from 0) books.
    """
    calls, begun = divmod(max(sent, 0), webhooks)
    return calls + (begun > booked_by)


def _unfinished(seen: LoadRun) -> list[str]:
    return [f"{seen.finished} connections ran out of requests"] if seen.finished else []


def _wrong(what: str, count: Callable[[], int], before: int, least: int, most: int) -> list[str]:
    found = _settled(count) - before
    if least <= found <= most:
        return []
    return [f"{found} {what} in the database, where {least} to {most} were asked for"]


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
