"""What the guards against abuse cost the honest: workers' processor time of a call and of a visit.

Two web servers stand on one database: as it is shipped, and with every budget, share and pace off.
The limits of the first are so high that nobody of a bench reaches one, for it is looked at all the
same; a visitor is not as slow as people, so the pace is a thousandth of a second. Both are asked in
turns, in short slices, and what counts is the median of what one costs beside the other in each
round. What PostgreSQL does for a guard is not in it: tests/online/test_reach.py counts its round
trips.
"""

from __future__ import annotations

import itertools
import statistics
import time

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from typing import Final

from bench import load, servers, stock, traffic, visitors
from bench.load import CONNECTIONS, Script
from bench.parts import Given
from bench.servers import CannotMeasure, House, Web
from bench.timing import Say
from exchange.transport import HttpTransport
from launcher.ports import HOST

# Rounds that count, after one that warms up; booking calls and seconds of visits of a slice.
ROUNDS, CALLS, VISITS_SECONDS = 9, 4 * CONNECTIONS, 2.0
# A worker that has just begun takes seconds for its first pages.
WARM_SECONDS: Final = 6.0
VISITORS: Final = 4
# The settings that are guards.
SHIPPED: Final = (
    "unproved_per_address",
    "unproved_per_birth_date",
    "unproved_per_number",
    "bookings_without_number",
    "holds_per_address",
    "holds_per_browser",
    "holds_per_number",
    "offers_stay_seconds",
    "cluster_size",
)
OUT_OF_REACH: Final = "100000"
PACE: Final = {"seconds_per_answer": "0.001", "seconds_to_book": "0.001"}
ON: Final = dict.fromkeys(SHIPPED, OUT_OF_REACH) | {"offers_stay_seconds": "20"} | PACE
OFF: Final = dict.fromkeys((*SHIPPED, *PACE), "0")


def measure(house: House, say: Say) -> Given:
    """Return flat results, and sentences about what does not count. Raises CannotMeasure."""
    postcodes = stock.choose_postcodes(house.database_url)
    costs: dict[str, dict[str, list[float]]] = {"call": {}, "visit": {}}
    with ExitStack() as stack:
        webs = {
            name: stack.enter_context(
                # Behind a proxy, each visitor comes from an address of their own.
                servers.web(
                    replace(house, name=name, settings=given | {"proxy_hops": "1"}),
                    "guarded",
                    "wiring:create_server",
                )
            )
            for name, given in (("on", ON), ("off", OFF))
        }
        call = _calls(webs, postcodes, house)
        for number in range(ROUNDS + 1):
            visit = _visits(postcodes, house, VISITS_SECONDS if number else WARM_SECONDS)
            for name in sorted(webs, reverse=number % 2 == 0):
                for what, act in (("call", call), ("visit", visit)):
                    cost = _cost(webs[name], act)
                    if number:
                        costs[what].setdefault(name, []).append(cost)
    ratios = {
        what: statistics.median(map(float.__truediv__, seen["off"], seen["on"]))
        for what, seen in costs.items()
    }
    say(", ".join(f"without guards ÷ with, a {what}: {one:.3f}" for what, one in ratios.items()))
    return {f"guards_{what}_ratio_postgres": round(one, 3) for what, one in ratios.items()}, []


def _cost(web: Web, act: Callable[[Web], float]) -> float:
    """Return the workers' processor time for what an act counts, in seconds."""
    before = servers.workers_seconds(web)
    count = act(web)
    return (servers.workers_seconds(web) - before) / count


def _calls(
    webs: Mapping[str, Web], postcodes: Sequence[str], house: House
) -> Callable[[Web], float]:
    patterns = [
        traffic.rehearse(HttpTransport(f"http://{HOST}:{web.port}", traffic.BASE), postcodes[0])
        for web in webs.values()
    ]
    if len({len(pattern) for pattern in patterns}) != 1:
        raise CannotMeasure("with guards a call has another number of webhooks than without")
    signer = traffic.Signer(patterns[0])
    callers = traffic.callers(postcodes, seed=time.time_ns() % 2**32)

    def act(web: Web) -> float:
        calls = [signer.call(caller) for caller in itertools.islice(callers, CALLS)]
        seen = load.replay(Script.of_calls(house.folder / "guards", calls), web.port)
        if faults := seen.faults():
            raise CannotMeasure("; ".join(faults))
        return float(len(calls))

    return act


def _visits(postcodes: list[str], house: House, seconds: float) -> Callable[[Web], float]:
    def act(web: Web) -> float:
        seed = time.time_ns() % 2**32
        plan = visitors.VisitorsPlan(web.port, VISITORS, seconds, seed, postcodes)
        seen = visitors.seen_by(plan, house.folder)
        if faults := seen.faults():
            raise CannotMeasure("; ".join(faults))
        # By answers: a visit that is under way at the end has had some of its own.
        return float(seen.answers)

    return act
