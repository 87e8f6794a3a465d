"""Public booking in the web, all pages: beside floor (a), and beside a usual Flask application.

Visitors have browsers that run scripts, as nearly all have: the next page comes in the answer to a
form where a page of ours wants it so, and is asked for where one of the usual application leads to
it. Some without scripts come last, for the table alone.
"""

from __future__ import annotations

import statistics
import time

from collections.abc import Callable
from contextlib import ExitStack

from bench import servers, stock
from bench.peers import form_handler
from bench.servers import House, Web
from bench.timing import Say
from bench.visitors import VisitorFigures, VisitorsPlan, seen_by

# At the same time: as many as find a thread in two workers while the telephone has its own, even
# where most of them come to the same one.
VISITORS = 4
ROUNDS, SECONDS = 2, 3.0
# Before those that count: a worker, and each of its connections, takes twice as long at first, and
# four visitors are not through with that before six seconds.
WARM_ROUNDS = 2
# Visitors who take more than this part of the machine measure themselves.
MOST_OF_THE_MACHINE = 0.3


def measure(
    house: House,
    service: Web,
    floor_a: Callable[[], float | None],
    say: Say,
    *,
    rounds: int = ROUNDS,
) -> tuple[dict[str, float], list[str]]:
    """Return flat results, and sentences about what does not count.

    `floor_a` measures floor (a) once, and is asked in each round.
    """
    postcodes = stock.choose_postcodes(house.database_url)
    form_handler.fill(house.database_url)
    kind, void, floors = house.kind, list[str](), list[float]()
    seen: dict[str, list[VisitorFigures]] = {"service": [], "peer": []}
    with ExitStack() as stack:
        peer = stack.enter_context(
            servers.usual(house, "peer", "bench.peers.form_handler:create_app")
        )
        for number in range(WARM_ROUNDS + rounds):
            for name, web in (("service", service), ("peer", peer)):
                one = seen_by(_plan(web, postcodes), house.folder)
                if number < WARM_ROUNDS:
                    continue
                faults = one.faults()
                if one.share > MOST_OF_THE_MACHINE and name == "service":
                    faults.append(f"the visitors took {one.share:.0%} of the machine")
                void += [f"visits of {name}: {fault}" for fault in faults]
                if not faults:
                    seen[name].append(one)
            if number >= WARM_ROUNDS and (rate := floor_a()) is not None:
                floors.append(rate)
    plain = seen_by(_plan(service, postcodes, scripts=False), house.folder)
    if not seen["service"] or not seen["peer"]:
        return {}, void
    ours, theirs = (
        statistics.median(one.bookings for one in seen[name]) for name in ("service", "peer")
    )
    answers = statistics.median(one.rate for one in seen["service"])
    found = {
        "web_rate": round(answers, 1),
        "web_bookings_per_second": round(ours, 1),
        "peer_bookings_per_second": round(theirs, 1),
        "web_ratio_peer": round(ours / theirs, 3),
        "web_client_share": round(max(one.share for one in seen["service"]), 3),
    }
    if floors:
        found["web_ratio_floor_a"] = round(answers / statistics.median(floors), 3)
    else:
        void.append("floor (a) could not be measured between visits")
    if faults := plain.faults():
        void += [f"visits without scripts: {fault}" for fault in faults]
    else:
        found["web_plain_bookings_per_second"] = round(plain.bookings, 1)
        found["web_plain_ratio_peer"] = round(plain.bookings / theirs, 3)
    say(f"{kind}: {ours:.1f} web bookings/s ({answers:.0f} answers/s), the peer {theirs:.1f}/s")
    return {f"{name}_{kind}": value for name, value in found.items()}, void


def _plan(web: Web, postcodes: list[str], *, scripts: bool = True) -> VisitorsPlan:
    seed = time.time_ns() % 2**32
    return VisitorsPlan(web.port, VISITORS, SECONDS, seed, postcodes, scripts=scripts)
