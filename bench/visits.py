"""Public booking in the web, all pages: beside floor (a), and beside a usual Flask application.

Both are asked in turns, in short slices one after the other: what slows the machine down for a
while slows both of a round, and what counts is the median of what one is beside the other in each
round. Which of them is first changes with each.

Both write to the same file of SQLite, and to its log. The one that commits when the log has become
long writes it back for both, and for whatever wrote before: the service from 4,000 pages on, and
the usual application from SQLite's own 1,000 on. So whatever is left of the log is written back
before the first slice and after each, and the time for it counts as that slice's own.

Visitors have browsers that run scripts, as nearly all have: the next page comes in the answer to a
form where a page of ours wants it so, and is asked for where one of the usual application leads to
it. Some without scripts come last, for the table alone.
"""

from __future__ import annotations

import statistics
import time

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from sqlalchemy import text

from bench import servers, stock
from bench.peers import form_handler
from bench.servers import House, Web, opened
from bench.timing import Say
from bench.visitors import BOOKED, VisitorFigures, VisitorsPlan, seen_by

# At the same time: as many as find a thread in two workers while the telephone has its own, even
# where most of them come to the same one.
VISITORS = 4
ROUNDS, SECONDS = 4, 1.5
# Before those that count: a worker, and each of its connections, takes twice as long at first, and
# four visitors are not through with that before six seconds.
WARM_ROUNDS, WARM_SECONDS = 2, 3.0
# Floor (a) is asked in each of so many rounds: it hardly changes.
FLOOR_EACH = 2
# Visitors without scripts, once.
PLAIN_SECONDS = 3.0
# Visitors who take more than this part of the machine measure themselves.
MOST_OF_THE_MACHINE = 0.3


@dataclass(frozen=True)
class _Slice:
    """What visitors saw, and what was written back after them."""

    seen: VisitorFigures
    written_back: float

    @property
    def bookings(self) -> float:
        """Bookings a second."""
        return self.seen.ends.get(BOOKED, 0) / (self.seen.seconds + self.written_back)


def measure(
    house: House,
    service: Web,
    floor_a: Callable[[], float | None],
    say: Say,
    *,
    rounds: int = ROUNDS,
) -> tuple[dict[str, float], list[str]]:
    """Return flat results, and sentences about what does not count.

    `floor_a` measures floor (a) once, and is asked in some of the rounds.
    """
    postcodes = stock.choose_postcodes(house.database_url)
    form_handler.fill(house.database_url)
    kind, void, floors = house.kind, list[str](), list[float]()
    seen = list[dict[str, _Slice]]()
    with ExitStack() as stack:
        write_back = stack.enter_context(_log_of(house.database_url))
        peer = stack.enter_context(
            servers.usual(house, "peer", "bench.peers.form_handler:create_app")
        )
        webs = {"service": service, "peer": peer}
        write_back()
        for number in range(WARM_ROUNDS + rounds):
            is_warm = number >= WARM_ROUNDS
            seconds = SECONDS if is_warm else WARM_SECONDS
            one = dict[str, _Slice]()
            for name in sorted(webs, reverse=number % 2 == 0):
                plan = _plan(webs[name], postcodes, seconds)
                one[name] = _Slice(seen_by(plan, house.folder), write_back())
            if not is_warm:
                continue
            if faults := _faults(one):
                void += faults
            else:
                seen.append(one)
            if (number - WARM_ROUNDS) % FLOOR_EACH == 0 and (rate := floor_a()) is not None:
                floors.append(rate)
    plain = seen_by(_plan(service, postcodes, PLAIN_SECONDS, scripts=False), house.folder)
    if not seen:
        return {}, void
    ours, theirs = (
        statistics.median(one[name].bookings for one in seen) for name in ("service", "peer")
    )
    answers = statistics.median(one["service"].seen.rate for one in seen)
    ratio = statistics.median(one["service"].bookings / one["peer"].bookings for one in seen)
    found = {
        "web_rate": round(answers, 1),
        "web_bookings_per_second": round(ours, 1),
        "peer_bookings_per_second": round(theirs, 1),
        "web_ratio_peer": round(ratio, 3),
        "web_client_share": round(max(one["service"].seen.share for one in seen), 3),
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


def _faults(of_a_round: dict[str, _Slice]) -> list[str]:
    """Why a round counts for nothing."""
    found = []
    for name, one in of_a_round.items():
        faults = one.seen.faults()
        if one.seen.share > MOST_OF_THE_MACHINE and name == "service":
            faults.append(f"the visitors took {one.seen.share:.0%} of the machine")
        found += [f"visits of {name}: {fault}" for fault in faults]
    return found


@contextmanager
def _log_of(url: str) -> Iterator[Callable[[], float]]:
    """What writes SQLite's log back into its file, and gives the seconds that it took.

    Nothing on PostgreSQL, where a process of the server does that.
    """
    with opened(url) as database, database.statement() as connection:

        def write_back() -> float:
            if not database.is_sqlite:
                return 0.0
            began = time.perf_counter()
            connection.execute(text("PRAGMA wal_checkpoint(PASSIVE)")).one()
            return time.perf_counter() - began

        yield write_back


def _plan(web: Web, postcodes: list[str], seconds: float, *, scripts: bool = True) -> VisitorsPlan:
    seed = time.time_ns() % 2**32
    return VisitorsPlan(web.port, VISITORS, seconds, seed, postcodes, scripts=scripts)
