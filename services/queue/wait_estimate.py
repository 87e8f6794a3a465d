"""How long a place in the queue takes, and whether a caller can still be promised a call.

One process measures once a second what agents did in the last half hour and what they do now
(`write_throughput`); all other processes read that (`read_throughput`). Handling is all of an
agent's time for one caller: from the reservation through the ring, the talk and the note. The time
spent on numbers that did not answer is part of it. Few measurements count together with a prior.

The next caller is served after the others by the agent who is free first. No caller is served
faster than the account may begin calls: one for the agent and one for the caller who is rung back.
"""

from __future__ import annotations

import json
import time

from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any
from weakref import WeakKeyDictionary

from models.database import Connection
from models.queue import handling
from models.queue.handling import AtWork, Owed
from models.supervision import snapshots
from services.campaign.call_hours import calling_hours
from services.campaign.opening_hours import OpeningHours, tomorrow_evening
from services.store import Store

NAME = "pace"
WITHIN = timedelta(minutes=30)
# Until there are measurements: five minutes a caller, as if that had been measured so often.
PRIOR = timedelta(minutes=5)
PRIOR_WEIGHT = 5
# A talk that has lasted longer than usual is assumed to end soon; its real end is not known.
SOON = 0.15
# When a number that did not answer is rung again: services.agents.call_back says so, too.
AGAIN = timedelta(minutes=15)
# At a random moment of a talk, this part of it is left on average.
HALF = 0.5
# One call for the agent and one for the caller who is rung.
CALLS_EACH = 2
# The number of agents of a day, for estimates at night: old ones weigh less each second.
_USUAL_SECONDS = 1800.0
# No agent was ever at work and none is known: an operator reads the promises.
ASSUMED_AGENTS = 1
# A promise is made only if it is kept when handling takes so much longer, and this early.
SLOWER = 1.1
BEFORE_EVENING = timedelta(minutes=15)
# Callers who are rung again meanwhile are counted in so many rounds; after that, all of them are.
_LOOKS = 50
# A worker asks the database at most so often (seconds).
_FRESH = 1.0


@dataclass(frozen=True)
class Throughput:
    """How fast the queue of one language moves.

    `rate_per_minute`: callers served by `agents` (0: no agent is at work). `mean`: seconds for each
    caller served, with a share of the tries that failed. `free`: in how many seconds each agent is
    free, soonest first. `share`: the part of these agents' time for this language. `usual`: how
    many agents are at work within hours. `cps`: calls a second that may begin.
    """

    rate_per_minute: float = 0.0
    agents: int = 0
    cps: float = 1.0
    mean: float = PRIOR.total_seconds()
    free: tuple[float, ...] = ()
    share: float = 0.0
    usual: float = 0.0
    # Seconds for each try to reach a caller, and the part of tries that come again.
    each: float = PRIOR.total_seconds()
    again: float = 0.0


# ---------------------------------------------------------------- measured, by one process


def write_throughput(store: Store, calls_per_second: float = 1.0) -> int:
    """Measure, and store the snapshot; returns how many agents are at work."""
    clock, now = store.clock, store.clock.now()
    with store.database.statement() as connection:
        done = handling.handled(connection, clock, WITHIN)
        in_vain = handling.in_vain(connection, clock, WITHIN)
        there = handling.at_work(connection, clock)
        waiting = handling.waiting(connection)
        before = _stored(connection)
    languages = set(done) | set(waiting) | set(before)
    languages.update(name for agent in there for name in agent.languages)
    body = {}
    for language in sorted(languages):
        seconds, vain = done.get(language, []), in_vain.get(language, [])
        mean = _blended(sum(seconds) + sum(vain), len(seconds))
        each = _blended(sum(seconds) + sum(vain), len(seconds) + len(vain))
        again = len(vain) / (len(seconds) + len(vain) + PRIOR_WEIGHT)
        mine = [agent for agent in there if language in agent.languages]
        if not mine and language in before:
            # At night, what was measured by day still counts.
            was = before[language]
            mean, each, again = was.mean, was.each, was.again
        share = sum(_share(agent, language, waiting) for agent in mine)
        usual = before[language].usual if language in before else 0.0
        pace = Throughput(
            rate_per_minute=60 * share / mean,
            agents=len(mine),
            cps=calls_per_second,
            mean=mean,
            free=tuple(sorted(_free_in(agent, now, each) for agent in mine)),
            each=each,
            again=again,
            share=share,
            usual=_usual(usual, share),
        )
        body[language] = asdict(pace)
    with store.database.transaction() as connection:
        snapshots.put(connection, clock, NAME, body)
    forget_throughput()
    return len(there)


def _blended(seconds: float, count: int) -> float:
    return (seconds + PRIOR_WEIGHT * PRIOR.total_seconds()) / (count + PRIOR_WEIGHT)


def _free_in(one: AtWork, now: datetime, mean: float) -> float:
    """Seconds until an agent has time."""
    if one.busy_since is None:
        return 0.0
    return max(mean - (now - one.busy_since).total_seconds(), SOON * mean)


def _share(one: AtWork, language: str, waiting: Mapping[str, int]) -> float:
    """The part of an agent's time for callers of one language, by how many of them wait."""
    all_of_theirs = sum(waiting.get(name, 0) for name in one.languages if name != language)
    mine = max(waiting.get(language, 0), 1)
    return mine / (mine + all_of_theirs)


def _usual(before: float, now: float) -> float:
    """Agents of a normal hour: follows the present number slowly, and keeps it at night."""
    if now <= 0 or before <= 0:
        return max(before, now)
    return before + (now - before) / _USUAL_SECONDS


# ---------------------------------------------------------------- read, by all processes

_read: WeakKeyDictionary[Any, tuple[float, dict[str, Throughput]]] = WeakKeyDictionary()


def read_throughput(connection: Connection, language: str = "fr") -> Throughput:
    """The present throughput, not older than a second or two; one statement at most."""
    engine, moment = connection.engine, time.monotonic()
    found = _read.get(engine)
    if found is None or moment - found[0] > _FRESH:
        found = _read[engine] = (moment, _stored(connection))
    return found[1].get(language, Throughput())


def forget_throughput() -> None:
    """Drop what this process remembers, so that the database is asked next time."""
    _read.clear()


def _stored(connection: Connection) -> dict[str, Throughput]:
    found = snapshots.get(connection, NAME)
    if found is None or found.body is None:
        return {}
    return {
        language: Throughput(**{**values, "free": tuple(values["free"])})
        for language, values in json.loads(found.body).items()
    }


def wait_seconds(ahead: int, pace: Throughput) -> int | None:
    """Seconds that a caller with `ahead` callers before them waits; None where no agent serves."""
    if pace.agents <= 0 or pace.share <= 0:
        return None
    # Agents who serve another language meanwhile make this queue's wait longer.
    longer = pace.agents / pace.share
    seconds = _by_agents(ahead, pace) * longer
    # A caller who was not reached is rung again before callers who came later.
    late = max(seconds - AGAIN.total_seconds(), 0.0)
    seconds += late * pace.again / (1 - pace.again)
    return round(max(seconds, ahead * CALLS_EACH / pace.cps))


def _by_agents(ahead: int, pace: Throughput) -> float:
    """Seconds until an agent is free for the caller who has `ahead` others before them.

    If each talk took exactly the average, the caller would go to the agent who is free first. Talks
    vary, so some agent is free sooner than that. The second estimate shares among all agents the
    work that is due by then, less what they are in the middle of at that moment.
    """
    rounds, place = divmod(ahead, pace.agents)
    free = pace.free or (0.0,) * pace.agents
    in_turn = rounds * pace.each + free[place]
    begun = (pace.agents - 1) * pace.each * HALF
    shared = (sum(free) + ahead * pace.each - begun) / pace.agents
    return max(min(in_turn, shared), 0.0)


def can_promise(
    connection: Connection,
    store: Store,
    hours: OpeningHours,
    now: datetime,
    *,
    language: str = "fr",
    owed: Owed | None = None,
) -> datetime | None:
    """When a callback that is promised now will be made, by the clock of `hours`.

    None: not by tomorrow evening (where tomorrow is closed: that of the next day that is open), so
    that it must not be promised. Two statements; one where `owed` is given.
    """
    pace = read_throughput(connection, language)
    owed = owed or handling.owed(connection, store.clock, language)
    usual = pace.usual or handling.agents_known(connection, language) or ASSUMED_AGENTS
    later = [due for due, _ in owed.later]
    return when(owed.due, pace, hours, now, usual=usual, later=later)


def when(
    ahead: int,
    pace: Throughput,
    hours: OpeningHours,
    now: datetime,
    *,
    usual: float,
    later: Sequence[datetime] = (),
) -> datetime | None:
    """The same from what is known; `usual` agents are at work from the next opening on.

    The `ahead` callers come first. So do those of `later` (UTC, in order) who may be rung by the
    moment at which the others were served, be that tonight or tomorrow.
    """
    calling = calling_hours(hours)
    last = tomorrow_evening(calling, now)
    by_then = _after_all(
        ahead, later, lambda count: _served_at(count * SLOWER, pace, calling, now, usual)
    )
    if last is None or by_then is None or by_then > last - BEFORE_EVENING:
        return None
    return _after_all(ahead, later, lambda count: _served_at(count, pace, calling, now, usual))


def _after_all(
    ahead: int, later: Sequence[datetime], served_at: Callable[[int], datetime | None]
) -> datetime | None:
    """The moment at which all callers before a caller who comes now were served."""
    counted, at = 0, served_at(ahead)
    for _ in range(_LOOKS):
        before = bisect_right(later, at) if at is not None else counted
        if before <= counted:
            return at
        # Callers rung meanwhile delay that moment, by which still others may be rung.
        counted, at = before, served_at(ahead + before)
    return served_at(ahead + len(later))


def _served_at(
    ahead: float, pace: Throughput, hours: OpeningHours, now: datetime, usual: float
) -> datetime | None:
    """The moment by which so many callers were served; None where that is not for weeks."""
    closes = hours.closes_at(now)
    begins = now
    if closes is not None and pace.agents:
        wait = wait_seconds(int(ahead), pace) or 0
        until = now + timedelta(seconds=wait)
        if until <= closes:
            return until.astimezone(hours.zone)
        # Callers who are not served today are the first of the next hours.
        open_for = max((closes - now).total_seconds(), 0.0)
        ahead -= min(open_for * pace.share / pace.mean, ahead)
        begins = closes
    elif closes is not None:
        # The queue is open but no agent is at work: when one comes is unknown; today counts as 0.
        begins = closes
    opens = hours.next_opening(begins)
    if opens is None:
        return None
    each = max(pace.mean / max(usual, 0.01), CALLS_EACH / pace.cps)
    return hours.after_open(opens, timedelta(seconds=ahead * each))
