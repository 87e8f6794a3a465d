"""What a day costs at its pace: a booking on the web, a call, a text, and what only looks.

    python -m bench.beside [--seconds 60] [--results FILE]

First the web waits alone, then visitors book without a worker, then callers. A worker is started,
then a scheduler and a dispatcher, while no visitor and no caller comes. Last, visitors book again,
and those processes deliver their texts: a text costs what these visitors take more than the first.
So each figure is a difference of two stages of the same run.
Seconds of processor are told, and counts, but no times on the wall: others at work on the machine
change those most. `bench/beside.json` has the figures, which
`flask capacity` and `python -m bench.day` read.

The exit status is 0 where it was measured, 1 where others had the machine, and 2 where it could not
be measured.
"""

from __future__ import annotations

import argparse
import sys
import time

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from bench import alone, cast, machine, servers, stock, traffic
from bench.cast import DATABASE, DISPATCHER, SCHEDULER, WEB, WORKER, Cast, Took
from bench.coming import DAY_CALLS, DAY_PARTS, CallsAtARate
from bench.servers import CannotMeasure
from bench.timing import Say
from bench.visitors import BOOKED, VisitorFigures, VisitorsPlan, seen_by
from services.operations.capacity import (
    AT_REST,
    LEADERS,
    OF_A_CALL,
    OF_A_TEXT,
    OF_A_VISIT,
    OF_DELIVERY,
    PROCESSES,
)

FIGURES: Final = Path(__file__).with_name("beside.json")
VOID = 1
# Visitors and calls a second: a small part of what two cores can book, so that no visitor and no
# caller waits for another, and so many that texts share jobs as on the day: a worker forks for each
# job, which stays while texts come without a pause of some seconds. At the limit of the machine a
# call costs less, for each request finds warm what the one before needed.
VISITS: Final = 5.0
CALLS: Final = DAY_CALLS / DAY_PARTS
# Of their requests, as many may have been answered "later": each is one more page, which costs a
# twentieth of a visit at the most.
MOST_TURNED_AWAY: Final = 0.05
# Connections are kept for so many of them.
AT_ONCE: Final = 8
# Of them before it counts, in seconds: caches are filled, and connections made.
WARM_SECONDS: Final = 20.0
# Seconds until the provider has said of each text that it arrived.
TOLD_WITHIN: Final = 240.0
# The worker begins within so many seconds, and a text takes less.
SETTLED_SECONDS: Final = 30.0
SECONDS: Final = 60.0
# Some of what a scheduler does comes once a minute.
MINUTE: Final = 60.0


def measure(folder: Path, redis_url: str, seconds: float, say: Say) -> dict[str, float]:
    """Return the figures, under the names that the plan has for them. Raises CannotMeasure."""
    with cast.cast(folder, redis_url) as everybody:
        postcodes = stock.choose_postcodes(everybody.house.database_url)
        visitors = _Visitors(everybody, postcodes)
        # Some of them may be told to come later, while all is new.
        visitors.come(WARM_SECONDS, most_turned_away=1.0)
        stages = {WEB: _waits(everybody, seconds)}
        say(f"the web alone: {stages[WEB]}")
        # Of both stages with visitors the log has each page whole once.
        servers.settle(everybody.house.database_url)
        visits = everybody.took(lambda: visitors.come(seconds))
        without = visitors.booked
        say(f"{without} visits: {visits}")
        callers = CallsAtARate(everybody.web, folder, postcodes, CALLS)
        came: list[int] = []
        calls = everybody.took(lambda: came.append(callers.for_seconds(seconds)))
        if callers.faults:
            raise CannotMeasure("; ".join(callers.faults))
        say(f"{came[0]} calls: {calls}")
        everybody.start(WORKER)
        _until_told(everybody)
        stages[WORKER] = _waits(everybody, seconds)
        say(f"with a worker: {stages[WORKER]}")
        for name in (SCHEDULER, DISPATCHER):
            everybody.start(name)
        # The scheduler writes the whole feed once, and then what has changed.
        time.sleep(MINUTE)
        stages[LEADERS] = _waits(everybody, MINUTE)
        say(f"with all: {stages[LEADERS]}")
        before = everybody.counts.texts()
        servers.settle(everybody.house.database_url)

        def with_texts() -> None:
            visitors.come(seconds)
            _until_told(everybody)

        told = everybody.took(with_texts)
        texts = everybody.counts.texts() - before
        say(f"{visitors.booked} visits with {texts} texts: {told}")
        connections = everybody.counts.connections()
        workers = len(everybody.web.workers())
    a_visit = each(visits, stages[WEB], without)
    return {
        **visit_figures(a_visit),
        **call_figures(each(calls, stages[WEB], came[0])),
        **text_figures(
            each(told, stages[LEADERS], visitors.booked), a_visit, visitors.booked / texts
        ),
        **rest_figures(stages, workers),
        "connections": connections,
        "texts_a_visit": texts / visitors.booked,
    }


class _Visitors:
    """Visitors who book at a rate; `booked` of them came last."""

    def __init__(self, everybody: Cast, postcodes: list[str]) -> None:
        self._everybody, self._postcodes = everybody, postcodes
        self.booked = 0

    def come(self, seconds: float, most_turned_away: float = MOST_TURNED_AWAY) -> None:
        """Raises CannotMeasure where they were not served."""
        plan = VisitorsPlan(
            self._everybody.web.port,
            AT_ONCE,
            seconds,
            time.time_ns() % 2**32,
            self._postcodes,
            VISITS,
        )
        seen: VisitorFigures = seen_by(plan, self._everybody.house.folder)
        self.booked = seen.ends.get(BOOKED, 0)
        if not self.booked or seen.broken or seen.turned_away > most_turned_away * seen.answers:
            raise CannotMeasure("; ".join(seen.faults()) or "nobody was booked")


def _waits(everybody: Cast, seconds: float) -> Took:
    """What is taken while nobody comes."""
    # What has just been started makes its connections, and catches up.
    time.sleep(WARM_SECONDS)
    return everybody.took(lambda: time.sleep(seconds))


def _until_told(everybody: Cast) -> None:
    """Wait until the provider has said of all that the worker was told of that they arrived.

    A job that nobody took within a while is gone, and its text waits for a scheduler's sweep: what
    does not become less any more is not waited for. Raises CannotMeasure.
    """
    until, before, since = time.monotonic() + TOLD_WITHIN, -1, time.monotonic()
    while left := everybody.counts.undelivered():
        now = time.monotonic()
        if left != before:
            before, since = left, now
        if now - since > SETTLED_SECONDS:
            return
        if now > until:
            raise CannotMeasure(f"{left} texts were not delivered within {TOLD_WITHIN:g} s")
        time.sleep(0.5)


# ---------------------------------------------------------------- differences


def a_second(took: Took) -> dict[str, float]:
    """What was taken in a second: cores by process, and what PostgreSQL wrote."""
    found = {f"{name}_cores": spent / took.seconds for name, spent in took.processor.items()}
    written = {
        "wal_bytes": took.wal, "stored_bytes": took.files,
        "commits": took.commits, "writes": took.writes,
    }  # fmt: skip
    return found | {name: value / took.seconds for name, value in written.items()}


def each(took: Took, at_rest: Took, count: int) -> dict[str, float]:
    """What each of so many cost, without what is taken where nobody comes."""
    rest = a_second(at_rest)
    return {
        name: max(value - rest.get(name, 0.0), 0.0) * took.seconds / count
        for name, value in a_second(took).items()
    }


def visit_figures(a_visit: Mapping[str, float]) -> dict[str, float]:
    """The costs of a booking on the web, by their names in the plan."""
    return {f"visit_{name}": _cost(a_visit, name) for name in OF_A_VISIT}


def call_figures(a_call: Mapping[str, float]) -> dict[str, float]:
    """The same of a call that books."""
    return {f"call_{name}": _cost(a_call, name) for name in OF_A_CALL}


def text_figures(
    a_visit_and_texts: Mapping[str, float], a_visit: Mapping[str, float], visits_a_text: float
) -> dict[str, float]:
    """The same of a text: the rest of a visit with it."""
    found = {}
    for name in OF_A_TEXT:
        alone = 0.0 if name in OF_DELIVERY else _cost(a_visit, name)
        found[f"text_{name}"] = max(_cost(a_visit_and_texts, name) - alone, 0.0) * visits_a_text
    return found


def rest_figures(stages: Mapping[str, Took], workers: int) -> dict[str, float]:
    """What each process takes where nobody comes; PostgreSQL's part by who asks it.

    A stage has more processes than the one before, the last one all. The web has so many `workers`,
    and its figures are of one of them.
    """
    found: dict[str, float] = {}
    before: dict[str, float] = {}
    every = a_second(list(stages.values())[-1])
    for name in PROCESSES:
        found[f"{name}_rest_cores"] = every[f"{name}_cores"] / (workers if name == WEB else 1)
    for name, stage in stages.items():
        now, many = a_second(stage), workers if name == WEB else 1
        for what in AT_REST:
            key = f"{DATABASE}_cores" if what == "database_cores" else what
            found[f"{name}_rest_{what}"] = max(now[key] - before.get(key, 0.0), 0.0) / many
        before = now
    return found


def _cost(found: Mapping[str, float], name: str) -> float:
    """In milliseconds where its name says so."""
    if name.endswith("_ms"):
        return 1000 * found[f"{name.removesuffix('_ms')}_cores"]
    return found[name]


# ---------------------------------------------------------------- the command


def main(say: Callable[[str], None] = print) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m bench.beside", description=__doc__.split("\n")[0]
    )
    parser.add_argument("--seconds", type=float, default=SECONDS, help="of a stage (%(default)g)")
    parser.add_argument("--results", type=Path, default=FIGURES, help="to write (%(default)s)")
    options = parser.parse_args()
    try:
        with cast.stage() as (folder, redis_url, others):
            known = machine.facts(folder)
            found = measure(folder, redis_url, options.seconds, say)
    except (CannotMeasure, traffic.Astray, OSError) as problem:
        print(f"bench.beside: {problem}", file=sys.stderr)
        return alone.CANNOT
    facts = alone.told(known, others)
    void = machine.too_busy(float(facts["others"]))
    rounded = {name: round(value, 6) for name, value in sorted(found.items())}
    told = alone.as_json({**facts, "beside_void": void, **rounded})
    options.results.write_text(told, "utf-8")
    say(told)
    return VOID if void else 0


if __name__ == "__main__":
    sys.exit(main())
