"""Public booking in the web, all pages, beside a usual Flask application.

Both are asked in turns, in short slices one after the other: what slows the machine down for a
while slows both of a round, and what counts is the median of what one is beside the other in each
round. Which of them is first changes with each.

Visitors have browsers that run scripts, as nearly all have: the next page comes in the answer to a
form where a page of ours wants it so, and is asked for where one of the usual application leads to
it.
"""

from __future__ import annotations

import statistics
import time

from bench import servers, stock
from bench.parts import Given
from bench.peers import form_handler
from bench.servers import House, Web
from bench.timing import Say
from bench.visitors import VisitorFigures, VisitorsPlan, seen_by

# At the same time: as many as find a thread in two workers while the telephone has its own, even
# where most of them come to the same one.
VISITORS = 4
ROUNDS, SECONDS = 4, 1.5
# Before those that count: a worker, and each of its connections, takes twice as long at first, and
# four visitors are not through with that before six seconds.
WARM_ROUNDS, WARM_SECONDS = 2, 3.0
# Visitors who take more than this part of the machine measure themselves.
MOST_OF_THE_MACHINE = 0.3


def measure(house: House, service: Web, say: Say, *, rounds: int = ROUNDS) -> Given:
    """Return flat results, and sentences about what does not count."""
    postcodes = stock.choose_postcodes(house.database_url)
    form_handler.fill(house.database_url)
    void, seen = list[str](), list[dict[str, VisitorFigures]]()
    with servers.usual(house, "peer", "bench.peers.form_handler:create_app") as peer:
        webs = {"service": service, "peer": peer}
        for number in range(WARM_ROUNDS + rounds):
            seconds = SECONDS if number >= WARM_ROUNDS else WARM_SECONDS
            one = dict[str, VisitorFigures]()
            for name in sorted(webs, reverse=number % 2 == 0):
                plan = VisitorsPlan(
                    webs[name].port, VISITORS, seconds, time.time_ns() % 2**32, postcodes
                )
                one[name] = seen_by(plan, house.folder)
            if number < WARM_ROUNDS:
                continue
            if faults := _faults(one):
                void += faults
            else:
                seen.append(one)
    if not seen:
        return {}, void
    ours, theirs = (
        statistics.median(one[name].bookings for one in seen) for name in ("service", "peer")
    )
    answers = statistics.median(one["service"].rate for one in seen)
    ratio = statistics.median(one["service"].bookings / one["peer"].bookings for one in seen)
    say(f"{ours:.1f} web bookings/s ({answers:.0f} answers/s), the peer {theirs:.1f}/s")
    return {
        "web_rate_postgres": round(answers, 1),
        "web_bookings_per_second_postgres": round(ours, 1),
        "peer_bookings_per_second_postgres": round(theirs, 1),
        "web_ratio_peer_postgres": round(ratio, 3),
        "web_client_share_postgres": round(max(one["service"].share for one in seen), 3),
    }, void


def _faults(of_a_round: dict[str, VisitorFigures]) -> list[str]:
    """Why a round counts for nothing."""
    found = []
    for name, one in of_a_round.items():
        faults = one.faults()
        if one.share > MOST_OF_THE_MACHINE and name == "service":
            faults.append(f"the visitors took {one.share:.0%} of the machine")
        found += [f"visits of {name}: {fault}" for fault in faults]
    return found
