"""Alerts of the board: when one is raised, when it is over, and that a listener outside is told.

It is over only some way back from where it was raised, so that a value that trembles at its
threshold raises one alert, not twenty. It is noted as told after the answer: a listener whose
answer is lost gets the news a second time.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any, Final, Protocol

from models.database import STORE_ERRORS, Connection
from models.supervision import alerts
from models.supervision.alerts import Alert
from services.messages import spend
from services.store import Store
from services.supervision import cancel_freeze
from services.supervision.board_facts import iso
from services.supervision.counts import BoardFigures

# The usual one, and the least and the most that a supervisor may set: seconds, people, per cent,
# times as much as yesterday, texts, people, seconds.
_THRESHOLDS: Final[Mapping[str, tuple[float, float, float]]] = {
    "longest_wait": (600, 30, 7200),
    "queue_length": (100, 1, 5000),
    "abandoned_rate": (10, 1, 100),
    "step_failure": (2, 1.1, 20),
    "texts_missing": (20, 1, 10_000),
    "agents_at_work": (0, 0, 500),
    "snapshot_age": (5, 3, 300),
}
DEFAULTS: Final = MappingProxyType({name: one[0] for name, one in _THRESHOLDS.items()})
RANGES: Final = MappingProxyType({name: one[1:] for name, one in _THRESHOLDS.items()})
SETTING: Final = "threshold."
# An alert is over below this part of its threshold.
EASED: Final = 0.8
# Of fewer people no rate is worth an alert.
ENOUGH: Final = 20
# For a step with hardly any failures yesterday, this rate (a part of 1) is taken for usual.
USUAL_FAILURE: Final = 0.05
# Jobs in Redis that are none of ours (jobs.closed_jobs).
STRANGE_JOBS: Final = "strange_jobs"
# Wrong look-ups, by telephone and on the site (services.supervision.guessing).
GUESSED: Final = "look_ups_guessed"
GUESSED_ON_SITE: Final = "look_ups_guessed_site"
# One centre is asked for far more than the others (services.supervision.booking_pace).
BOOKING_PACE: Final = "booking_pace"
# Places are open outside the hours of their centres (services.centre_day.watch_hours).
OUTSIDE_HOURS: Final = "outside_hours"
# What happened once, and lasts until a supervisor looks after it.
HAPPENED: Final = frozenset({"search_limit", "watched_file", "unwritten", STRANGE_JOBS})
# "process_gone_dispatcher" and the like: judged by another process.
PROCESS_GONE: Final = "process_gone"
# Raised by the process that holds a text or call back, or by the scheduler, which ends them.
_JUDGED_ELSEWHERE: Final = (
    frozenset(spend.ALERTS.values())
    | {cancel_freeze.ALERT, GUESSED, GUESSED_ON_SITE, BOOKING_PACE, OUTSIDE_HOURS}
    | HAPPENED
)
# Changes older than this are not told any more.
NEWS_FOR: Final = timedelta(hours=6)
_AT_ONCE = 20


@dataclass(frozen=True)
class ThresholdReading:
    """A value at its threshold: `beyond` raises an alert, `eased` ends one."""

    name: str
    value: float
    threshold: float
    beyond: bool
    eased: bool


def thresholds(settings: Mapping[str, Any]) -> dict[str, float]:
    """The present thresholds: those a supervisor set, else the usual ones."""
    return {name: float(settings.get(SETTING + name, usual)) for name, usual in DEFAULTS.items()}


def judge(
    body: Mapping[str, Any], seen: BoardFigures, now: datetime, limits: Mapping[str, float]
) -> list[ThresholdReading]:
    """Judge the board's figures at `now`. An alert whose figure has no value now ends."""
    line, service = body["line"], body["service"]
    waiting = line["calls"] + line["callbacks"]
    longest = 0.0
    if line["longest"]:
        longest = max((now - datetime.fromisoformat(line["longest"])).total_seconds(), 0)
    found = [
        _above("longest_wait", longest, limits["longest_wait"]),
        _above("queue_length", waiting, limits["queue_length"]),
        _above("texts_missing", body["texts"]["missing"], limits["texts_missing"]),
    ]
    if service["answered"] + service["abandoned"] >= ENOUGH:
        rate = service["abandoned_rate"]
        found.append(_above("abandoned_rate", rate, limits["abandoned_rate"]))
    at_work, least = body["agents"]["at_work"], limits["agents_at_work"]
    too_few = at_work <= least and waiting > 0
    found.append(
        ThresholdReading("agents_at_work", at_work, least, beyond=too_few, eased=not too_few)
    )
    found += _failures(seen, limits["step_failure"])
    return found


def _above(name: str, value: float, threshold: float) -> ThresholdReading:
    return ThresholdReading(
        name, value, threshold, beyond=value > threshold, eased=value <= threshold * EASED
    )


def _failures(seen: BoardFigures, threshold: float) -> Iterator[ThresholdReading]:
    """Steps at which people fail more often than yesterday at this hour."""
    if seen.hour_yesterday is None:
        return
    for (name, step), entered in seen.hour.items():
        if name != "entered" or entered < ENOUGH:
            continue
        before = seen.hour_yesterday.get(("entered", step), 0)
        if before < ENOUGH:
            continue
        usual = max(_failed(seen.hour_yesterday, step) / before, USUAL_FAILURE)
        times = round(_failed(seen.hour, step) / entered / usual, 2)
        yield _above(f"step_failure:{step}", times, threshold)


def _failed(counts: Mapping[tuple[str, str], float], step: str) -> float:
    return counts.get(("missed", step), 0) + counts.get(("silent", step), 0)


def apply(
    connection: Connection, store: Store, judged: list[ThresholdReading], lasting: set[str]
) -> int:
    """Raise and end what is to be, in the caller's transaction; gives how many changed.

    `lasting`: the names of the alerts that are raised.
    """
    changed = alerts.end_seen(connection, store.clock, HAPPENED) if lasting & HAPPENED else 0
    values = {alert.name: alert for alert in judged}
    for name in lasting - _JUDGED_ELSEWHERE:
        if name.startswith(PROCESS_GONE):
            continue
        if name not in values or values[name].eased:
            changed += alerts.end(connection, store.clock, name)
    for alert in judged:
        if alert.beyond and alert.name not in lasting:
            changed += alerts.begin(
                connection,
                store.clock,
                store.chance.identifier(),
                name=alert.name,
                value=alert.value,
                threshold=alert.threshold,
            )
    return changed


def note_strange_jobs(store: Store, count: int) -> None:
    """A worker refused so many jobs. A store that is away hears of the next ones."""
    alert_id = store.chance.identifier()
    with suppress(*STORE_ERRORS), store.database.transaction() as connection:
        alerts.happened(
            connection,
            store.clock,
            alert_id,
            name=STRANGE_JOBS,
            value=count,
            threshold=0,
            again=count,
        )


# ---------------------------------------------------------------- told outside


class Listener(Protocol):
    """Where alerts are told."""

    def tell(self, news: dict[str, Any]) -> bool:
        """Whether the news was taken. Raises nothing, takes three seconds at most."""
        ...


def tell_alerts(store: Store, listener: Listener, board: str) -> bool:
    """Tell what is not told; False where `listener` did not take it. `board`: its address."""
    since = store.clock.now() - NEWS_FOR
    with store.database.statement() as connection:
        waiting = alerts.untold(connection, since, _AT_ONCE)
    for alert in waiting:
        for state_of, news in _news(alert, board):
            if not listener.tell(news):
                return False
            with store.database.transaction() as connection:
                alerts.told(connection, alert.id, state_of)
    return True


def _news(one: Alert, board: str) -> Iterator[tuple[datetime, dict[str, Any]]]:
    """The news of an alert, each with its moment; without personal data."""
    raised = {
        "name": one.name,
        "state": "raised",
        "value": one.value,
        "threshold": one.threshold,
        "since": iso(one.began_at),
        "board": board,
    }
    if one.told_at is None:
        yield one.began_at, raised
    if one.ended_at is not None:
        yield one.ended_at, raised | {"state": "ended", "until": iso(one.ended_at)}
