"""Everything in turn on one machine: the service with its floors, and the parts beside them."""

from __future__ import annotations

import contextlib
import itertools
import math
import statistics
import time

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from bench import (
    at_work,
    floors,
    growth,
    load,
    messages,
    rush,
    servers,
    stock,
    store,
    traffic,
    visits,
)
from bench.at_work import Workday
from bench.load import CONNECTIONS, LoadRun, Script, p99
from bench.machine import weights
from bench.parts import ALL, Given, PartRuns
from bench.servers import CannotMeasure, House, Web
from exchange.transport import HttpTransport
from models.migrations.runner import upgrade
from tools.launcher.ports import HOST

# Three times what a run is expected to need: connections are not served alike.
RESERVE = 3.0
# A lone turn is one of this many of its call.
TURNS_OF_A_CALL = 16
# Requests of calls that the floor is asked again and again.
SAMPLE = 3200
# Seconds to find out roughly how fast everything is; not counted.
TRIAL_SECONDS = 2.0
# First guesses, answers a second, for the trial itself.
GUESS = {"turn": 2500.0, "service": 2000.0, "usual": 1000.0}
HALF = 0.5
# Of the full rate, while people work: nine calls booked each second, and fifty agents beside them.
AT_WORK = 0.1
# Pairs of runs with and without screens, and their seconds.
WATCHED_ROUNDS, WATCHED_SECONDS = 2, 5.0
# What stands beside the service under the same line of Procfile.dev.
BESIDE = {
    "floor_b": "bench.floors:create_server",
    "usual": "bench.stock:create_usual",
}
# Boards beside the others on which is seen when they show something, and for how long.
WATCHERS, WORK_SECONDS = 4, 20.0
# Parts for which the service runs, and those in the same database.
WITH_SERVICE = ("calls", "tails", "visits", "work")
AT_CENTRES = (*WITH_SERVICE, "guards")
# Parts in databases of their own, which are copies of this one.
APART, EMPTY = ("booking", "outbox", "look-ups", "growth"), "bench_empty"
# Where fewer requests leave than this part of the wished rate, it was not that rate.
KEPT_UP = 0.9
# Of calls that were answered, so many must be booked. The usual application keeps no place before
# it is chosen, so a caller may lose theirs to another.
BOOKED = 0.95


@dataclass(frozen=True)
class MeasurePlan:
    """How long it all takes: `seconds` for each of `rounds` × 4 runs; and what of it."""

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

    def run(name: str, part: Callable[[], Given]) -> None:
        seen.figures |= runs.run(name, part)

    with runs.together(*AT_CENTRES):
        if plan.parts.intersection(AT_CENTRES):
            runs.say("preparing the database")
            for step in ("migrate", "demo"):
                house.command(step)
            if plan.parts.intersection(WITH_SERVICE):
                _with_service(house, plan, seen, runs)
            run("guards", lambda: visits.guards(house))
    if plan.parts.intersection(APART):
        # To copy one that has all tables takes less than to make them.
        upgrade(servers.beside(house.database_url, EMPTY))

    def new(name: str) -> str:
        return servers.beside(house.database_url, f"bench_{name}", EMPTY)

    seconds = rush.COMES if plan.rounds > 1 else rush.SHORT
    run("rush", lambda: rush.measure(folder, redis_url, runs.say, seconds=seconds))
    run("booking", lambda: ({"allocate_ratio_postgres": store.ratio(new("ratio"))}, []))
    run("outbox", lambda: ({"outbox_ratio_postgres": messages.ratio(new("outbox"))}, []))
    run("look-ups", lambda: ({"known_unknown_gap_ms_postgres": store.gap_ms(new("look"))}, []))
    run("growth", lambda: (growth.measure(new), []))


def _with_service(house: House, plan: MeasurePlan, seen: Measurement, runs: PartRuns) -> None:
    """The parts for which the service runs; for the first two, what stands beside it, too."""
    url = house.database_url
    floors.fill(url)
    stock.fill_usual(url)
    servers.settle(url)
    with ExitStack() as stack:
        counts = stack.enter_context(contextlib.closing(stock.RowCounts(url)))
        webs = {"service": stack.enter_context(servers.web(house, "service"))}
        # They end before visitors come and people work: threads of theirs keep connections.
        beside = stack.enter_context(ExitStack())
        for name, factory in BESIDE.items():
            webs[name] = beside.enter_context(servers.web(house, name, factory))
        service = _Service(house, webs, counts, plan, seen)
        service.trial()
        seen.figures |= runs.run("calls", service.rounds)
        seen.figures |= runs.run("tails", service.tails)
        beside.close()
        rounds = visits.ROUNDS if plan.rounds > 1 else 1
        visit = partial(visits.measure, house, webs["service"], rounds)
        seen.figures |= runs.run("visits", visit)
        seen.figures |= runs.run("work", service.work)


class _Service:
    """The service and what stands beside it, and their runs; one that does not count raises."""

    def __init__(
        self,
        house: House,
        webs: dict[str, Web],
        counts: stock.RowCounts,
        plan: MeasurePlan,
        seen: Measurement,
    ) -> None:
        self._house, self._webs, self._counts = house, webs, counts
        self._plan, self._seen, self._folder = plan, seen, house.folder
        # Answers a second: those of the last round, or of the trial.
        self._rates = dict(GUESS)
        postcodes = stock.choose_postcodes(house.database_url)
        self._signers = {
            name: traffic.Signer(traffic.rehearse(self._transport(name), postcodes[0]))
            for name in ("service", "usual")
        }
        seen.webhooks_of_a_call = self._signers["service"].webhooks
        self._callers = traffic.callers(postcodes, seed=time.time_ns() % 2**32)

    def _transport(self, name: str) -> HttpTransport:
        return HttpTransport(f"http://{HOST}:{self._webs[name].port}", traffic.BASE)

    # Parts

    def trial(self) -> None:
        """Warm everything up, and learn how many requests a run will need."""
        self._sample = self._call_script("service", SAMPLE, "sample")
        # What does not count is found out by the rounds.
        with contextlib.suppress(CannotMeasure):
            self._round(min(TRIAL_SECONDS, self._plan.seconds))

    def rounds(self) -> Given:
        """What stands beside each other once in each round, one after the other."""
        found = call_figures([self._round(self._plan.seconds) for _ in range(self._plan.rounds)])
        web = self._webs["service"]
        return _named(found | weights("web_worker", web.process.pid, web.workers())), []

    def tails(self) -> Given:
        """The slowest of a hundred at half the load, with requests that leave on time."""
        turns, calls = self._rates["turn"] * HALF, self._rates["service"] * HALF
        script = self._turn_script(math.ceil(turns * self._plan.seconds))
        self._replay("service", script, rate=turns)
        found = {"turn_p99_ms": round(p99(script.times_ms(), "turns"), 1)}
        script = self._call_script("service", math.ceil(calls * self._plan.seconds))
        self._replay("service", script, rate=calls)
        return _named(found | {"call_p99_ms": round(p99(script.times_ms(), "calls"), 1)}), []

    def work(self) -> Given:
        """Screens that are open, and then people at work behind them, as in production."""
        at_work.send_home(self._house.database_url)
        hired = at_work.hire(self._house, at_work.BOARDS, at_work.DESKS)
        # Whose pauses boards show is no agent for callers: a bell that rings would be in the way.
        watchers = at_work.hire(self._house, WATCHERS, 1, pausing=at_work.REASONS[0])
        day = Workday(self._webs["service"].port, [staff.screen for staff in hired])
        busy = replace(
            day,
            provider=servers.provider_port(),
            agents=[(staff.id, staff.cookie) for staff in hired if not staff.is_board],
            probe=(watchers[-1].id, watchers[-1].cookie),
            boards=[staff.cookie for staff in watchers[:-1]],
            form=self._signers["service"].form,
        )
        watched, ratios = list[at_work.WorkdayFigures](), list[float]()
        with at_work.dispatcher(self._house):
            for _ in range(min(self._plan.rounds, WATCHED_ROUNDS)):
                alone = self._milliseconds_a_turn(lambda act: act())
                looked_at = self._milliseconds_a_turn(
                    lambda act: watched.append(at_work.during(day, act))
                )
                ratios.append(alone / looked_at)
            figures = self._at_work(busy, watched)
        answers, later = sum(work.staff for work in watched), sum(work.later for work in watched)
        if later > answers * at_work.MOST_LATER:
            raise CannotMeasure(f"{later} of {answers} answers to screens and agents were: later")
        figures["board_cost_ratio"] = round(statistics.median(ratios), 3)
        figures["screens_refused_percent"] = round(100 * later / answers, 3)
        web = self._webs["service"]
        return _named(figures | weights("staff_worker", web.process.pid, web.workers())), []

    # Runs

    def _round(self, seconds: float) -> dict[str, float]:
        """Answers a second of all, calls a second of both applications, and what a call cost."""
        floor = self._replay("floor_b", self._sample, seconds=seconds, again=True)
        turns = self._turn_script(math.ceil(self._rates["turn"] * seconds * RESERVE))
        before = self._counts.turns()
        seen = self._replay("service", turns, seconds=seconds)
        stored = _settled(self._counts.turns) - before
        if stored < seen.answers:
            raise CannotMeasure(f"{stored} turns were stored of {seen.answers} that were answered")
        self._rates["turn"] = seen.rate
        usual = self._calls("usual", self._counts.usual_bookings, seconds)
        return {
            "floor_b": floor.rate,
            "turn_rate": seen.rate,
            **self._calls("service", self._counts.bookings, seconds),
            "peers_calls_per_second": usual["calls_per_second"],
        }

    def _calls(self, name: str, bookings: Callable[[], int], seconds: float) -> dict[str, float]:
        """Whole booking calls, in one after the other on each connection."""
        web, url, each = self._webs[name], self._house.database_url, self._signers[name].webhooks
        script = self._call_script(name, math.ceil(self._rates[name] * seconds * RESERVE))
        before, written = bookings(), self._counts.written()
        worked, of_database = servers.workers_seconds(web), servers.server_seconds(url)
        seen = self._replay(name, script, seconds=seconds)
        worked = servers.workers_seconds(web) - worked
        of_database = servers.server_seconds(url) - of_database
        booked = _settled(bookings) - before
        if booked < BOOKED * (seen.answers / each - CONNECTIONS):
            raise CannotMeasure(f"{name}: {booked} bookings of {seen.answers} answers")
        self._rates[name] = seen.rate
        # A call that is under way when time is up may be booked, and is no whole one.
        calls = min(seen.answers / each, booked)
        now, all_calls = self._counts.written(), seen.answers / each
        return {
            "call_rate": seen.rate,
            "calls_per_second": calls / seen.seconds,
            "worker_ms_a_webhook": 1000 * worked / seen.answers,
            "database_ms_a_webhook": 1000 * of_database / seen.answers,
            **{f"{name}_a_call": (now[name] - written[name]) / all_calls for name in now},
        }

    def _milliseconds_a_turn(self, during: Callable[[Callable[[], None]], None]) -> float:
        """Processor time of workers for a lone turn, at half their rate, `during` something else.

        At the full rate screens give way to callers, as they must.
        """
        rate = self._rates["turn"] * HALF
        # Those calls begin at the full rate, so that no screen is open yet.
        script = self._turn_script(math.ceil(rate * min(self._plan.seconds, WATCHED_SECONDS)))
        taken = list[float]()

        def act() -> None:
            before = servers.workers_seconds(self._webs["service"])
            seen = self._replay("service", script, rate=rate)
            spent = servers.workers_seconds(self._webs["service"]) - before
            taken.append(1000 * spent / seen.answers)

        during(act)
        return taken[0]

    def _at_work(self, day: Workday, watched: list[at_work.WorkdayFigures]) -> dict[str, float]:
        """The slowest of a hundred webhooks and acts, and boards, with a long line."""
        rate = self._rates["service"] * AT_WORK
        requests = math.ceil(rate * max(self._plan.seconds, WORK_SECONDS))
        script = self._call_script("service", requests)

        def act() -> None:
            self._replay("service", script, rate=rate)

        seen = at_work.during(day, act, lambda: self._house.command("queues", "create"))
        watched.append(seen)
        return at_work.figures(seen, script.times_ms())

    def _replay(
        self,
        name: str,
        script: Script,
        *,
        seconds: float = 0.0,
        again: bool = False,
        rate: float = 0.0,
    ) -> LoadRun:
        port = self._webs[name].port
        seen = load.replay(script, port, seconds=seconds, again=again, rate=rate)
        faults = seen.faults()
        if seconds and seen.finished:
            faults.append(f"{seen.finished} connections ran out of requests")
        if seen.rate < rate * KEPT_UP:
            faults.append("the load could not be kept up")
        if faults:
            raise CannotMeasure(f"{name}: {'; '.join(faults)}")
        self._seen.wrk_share = max(self._seen.wrk_share, seen.share)
        return seen

    # Requests

    def _call_script(self, name: str, requests: int, file: str = "calls") -> Script:
        signer = self._signers[name]
        count = math.ceil(requests / signer.webhooks / CONNECTIONS) * CONNECTIONS
        calls = [signer.call(caller) for caller in itertools.islice(self._callers, count)]
        return Script.of_calls(self._folder / file, calls)

    def _turn_script(self, requests: int) -> Script:
        """Bring calls to the question for the date of birth; return the turns from there on."""
        count = math.ceil(requests / TURNS_OF_A_CALL / CONNECTIONS) * CONNECTIONS
        some, signer = list(itertools.islice(self._callers, count)), self._signers["service"]
        starts = Script.of_calls(self._folder / "starts", [signer.start(number) for number in some])
        if self._replay("service", starts).answers != sum(starts.lengths):
            raise CannotMeasure("calls could not be begun")
        turns = [signer.lone_turns(caller, TURNS_OF_A_CALL) for caller in some]
        # The next turn of a call comes after one of each other call of its connection.
        by_connection = [
            list(itertools.chain(*zip(*mine, strict=True))) for mine in load.dealt(turns)
        ]
        return Script.write(self._folder / "turns", by_connection)


def _named(found: Mapping[str, float]) -> dict[str, float]:
    return {f"{name}_postgres": value for name, value in found.items()}


def call_figures(rounds: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Medians of the rounds; ratios are taken within each, for what slows one slows the other."""
    ratios = {
        "turn_ratio": ("turn_rate", "floor_b"),
        "call_ratio": ("call_rate", "floor_b"),
        "peers_call_ratio": ("calls_per_second", "peers_calls_per_second"),
    }
    found = {name: [round_[name] for round_ in rounds] for name in rounds[0]}
    for name, (one, other) in ratios.items():
        found[name] = [round_[one] / round_[other] for round_ in rounds]
    return {name: round(statistics.median(values), 3) for name, values in found.items()}


def _settled(count: Callable[[], int]) -> int:
    """Count when the last requests, whose answers no client waited for, are done with."""
    found = -1
    for _ in range(50):
        now = count()
        if now == found:
            break
        found = now
        time.sleep(0.3)
    return found
