"""Public booking in the web, all pages: beside a usual application, and what guards cost.

All are asked in turns, in short slices one after the other: what slows the machine down for a while
slows all of a round, and what counts is the median of what one is beside the other in each round.
Which of them is first changes with each.

Visitors have browsers that run scripts, as nearly all have: the next page comes in the answer to a
form where a page of ours wants it so, and is asked for where one of the usual application leads to
it. Guards are measured by workers' processor time, of an answer to visitors and of a booking call,
with and without. Their limits are so high that no visitor of a bench reaches one, for it is looked
at all the same; a visitor is not as slow as people, so the pace is a thousandth of a second. What
PostgreSQL does for a guard is not in it: tests/online/test_reach.py counts its round trips.
"""

from __future__ import annotations

import itertools
import statistics
import time

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from typing import Final, TypeVar

from bench import load, servers, stock, traffic
from bench.load import CONNECTIONS, Script
from bench.parts import Given
from bench.peers import form_handler
from bench.servers import CannotMeasure, House, Web
from bench.visitors import VisitorFigures, VisitorsPlan, seen_by
from exchange.transport import HttpTransport
from tools.launcher.ports import HOST

# At the same time: as many as find a thread in two workers while the telephone has its own, even
# where most of them come to the same one.
VISITORS = 4
ROUNDS, SECONDS = 4, 1.5
# Before those that count: a worker, and each of its connections, takes twice as long at first, and
# four visitors are not through with that before six seconds.
WARM_SECONDS = 6.0
# Visitors who take more than this part of the machine measure themselves.
MOST_OF_THE_MACHINE = 0.3
# Rounds with guards and without; booking calls and seconds of visits of a slice.
GUARD_ROUNDS, CALLS, VISITS_SECONDS = 9, 4 * CONNECTIONS, 2.0
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
PACE: Final = {"seconds_per_answer": "0.001", "seconds_to_book": "0.001"}
ON: Final = dict.fromkeys(SHIPPED, "100000") | {"offers_stay_seconds": "20"} | PACE
OFF: Final = dict.fromkeys((*SHIPPED, *PACE), "0")
Seen = TypeVar("Seen")


def measure(house: House, service: Web, rounds: int = ROUNDS) -> Given:
    """Return bookings beside those of a usual application. Raises CannotMeasure."""
    postcodes = stock.choose_postcodes(house.database_url)
    form_handler.fill(house.database_url)
    peer_app = "bench.peers.form_handler:create_app"
    with servers.web(house, "peer", peer_app, servers.USUAL) as peer:
        webs = {"service": service, "peer": peer}
        for web in webs.values():
            _visited(web, postcodes, WARM_SECONDS)
        seen = in_turns(rounds, webs, lambda web: _visited(web, postcodes, SECONDS))
    ours, theirs = ([round_.bookings for round_ in seen[name]] for name in webs)
    if (share := max(round_.share for round_ in seen["service"])) > MOST_OF_THE_MACHINE:
        raise CannotMeasure(f"the visitors took {share:.0%} of the machine")
    found = {
        "web_rate": statistics.median(round_.rate for round_ in seen["service"]),
        "web_bookings_per_second": statistics.median(ours),
        "peer_bookings_per_second": statistics.median(theirs),
        "web_ratio_peer": statistics.median(map(float.__truediv__, ours, theirs)),
        "web_client_share": share,
    }
    return {f"{name}_postgres": round(value, 3) for name, value in found.items()}, []


def guards(house: House) -> Given:
    """Return what is left of a worker's time with guards. Raises CannotMeasure."""
    postcodes = stock.choose_postcodes(house.database_url)
    with ExitStack() as stack:
        webs = {
            name: stack.enter_context(
                # Behind a proxy, each visitor comes from an address of their own.
                servers.web(
                    replace(house, name=name, settings=given | {"proxy_hops": "1"}), "guarded"
                )
            )
            for name, given in (("on", ON), ("off", OFF))
        }
        calls = _calls(webs, postcodes, house)
        for web in webs.values():
            _visited(web, postcodes, WARM_SECONDS)
        acts: dict[str, Callable[[Web], float]] = {
            "call": calls,
            "visit": lambda web: float(_visited(web, postcodes, VISITS_SECONDS).answers),
        }
        found = {}
        for what, act in acts.items():
            seen = in_turns(GUARD_ROUNDS, webs, lambda web, act=act: cost(web, act))  # type: ignore[misc]
            ratios = map(float.__truediv__, seen["off"], seen["on"])
            found[f"guards_{what}_ratio_postgres"] = round(statistics.median(ratios), 3)
    return found, []


def in_turns(
    rounds: int, webs: Mapping[str, Web], act: Callable[[Web], Seen]
) -> dict[str, list[Seen]]:
    """Return what each gave, in each of `rounds`."""
    seen: dict[str, list[Seen]] = {name: [] for name in webs}
    for number in range(rounds):
        for name in sorted(webs, reverse=number % 2 == 0):
            seen[name].append(act(webs[name]))
    return seen


def cost(web: Web, act: Callable[[Web], float]) -> float:
    """Return the workers' processor time for what an act counts, in seconds."""
    before = servers.workers_seconds(web)
    count = act(web)
    return (servers.workers_seconds(web) - before) / count


def _visited(web: Web, postcodes: list[str], seconds: float) -> VisitorFigures:
    seed = time.time_ns() % 2**32
    seen = seen_by(VisitorsPlan(web.port, VISITORS, seconds, seed, postcodes))
    if faults := seen.faults():
        raise CannotMeasure(f"visits of {web.name}: {'; '.join(faults)}")
    return seen


def _calls(
    webs: Mapping[str, Web], postcodes: Sequence[str], house: House
) -> Callable[[Web], float]:
    transport = HttpTransport(f"http://{HOST}:{webs['on'].port}", traffic.BASE)
    signer = traffic.Signer(traffic.rehearse(transport, postcodes[0]))
    callers = traffic.callers(postcodes, seed=time.time_ns() % 2**32)

    def act(web: Web) -> float:
        calls = [signer.call(caller) for caller in itertools.islice(callers, CALLS)]
        seen = load.replay(Script.of_calls(house.folder / "guards", calls), web.port)
        if faults := seen.faults():
            raise CannotMeasure("; ".join(faults))
        return float(len(calls))

    return act
