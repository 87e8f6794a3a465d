"""Write the supervisors' board, each second, in one process."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

import structlog

from models.queue import queues
from models.queue.queues import CallQueue
from models.supervision import alerts, board, snapshots, tallies
from models.supervision import settings as board_settings
from models.supervision.board import QueueCounts
from services.campaign.campaign import Campaign
from services.campaign.campaigns import Campaigns
from services.campaign.opening_hours import OpeningHours
from services.campaign.phone_share import SETTING, raised_floor
from services.queue.wait_estimate import ASSUMED_AGENTS, Throughput, read_throughput, when
from services.store import Store
from services.supervision import alerts as board_alerts
from services.supervision.board import Facts, put_together
from services.supervision.counts import Counting
from services.supervision.messages import MessageCounts
from services.supervision.places import FreePlaces

NAME: Final = "board"
ENTRIES_SHOWN: Final = 40
SUMMARISED_EVERY: Final = timedelta(seconds=10)
# A quarter of a year by quarters of an hour.
TALLIES_KEPT: Final = timedelta(days=92)
FORGOTTEN_EVERY: Final = timedelta(hours=6)

log = structlog.get_logger()


class WriteBoard:
    """The task of the process that writes. Not for several threads."""

    def __init__(self, store: Store, campaigns: Campaigns, *, parts_a_day: int = 0) -> None:
        self._store = store
        self._campaigns = campaigns
        self._counting = Counting(store)
        self._places = FreePlaces(store)
        self._messages = MessageCounts(store, parts_a_day)
        self._summarised = self._forgotten = store.clock.now() - FORGOTTEN_EVERY
        self._first = True

    def __call__(self) -> int:
        """Count, judge, store; gives how many alerts were raised or ended."""
        store, now = self._store, self._store.clock.now()
        self._keep_up()
        campaign = self._campaigns.current()
        horizon = timedelta(days=campaign.horizon_days)
        seen = self._counting.refresh(now)
        places = self._places.refresh(now, now + horizon)
        messages = self._messages.refresh(now, self._counting.day, campaign)
        with store.database.statement() as connection:
            settings = board_settings.read(connection)
            limits = board_alerts.thresholds(settings)
            all_queues = queues.all_queues(connection)
            lasting = alerts.raised(connection)
            line = board.in_line(connection)
            paces = {one: read_throughput(connection, one) for one in _languages(all_queues)}
            before = snapshots.get(connection, NAME) if self._first else None
            facts = Facts(
                now=now,
                seen=seen,
                queues=all_queues,
                doors={
                    all_queue.id: _is_open(all_queue, campaign, self._store)
                    for all_queue in all_queues
                },
                line=line,
                entries=board.entries(connection, ENTRIES_SHOWN),
                promised=board.promised(connection, now),
                agents=board.agents(connection),
                members=queues.memberships(connection),
                texts=board.texts(connection, store.clock, self._counting.day),
                messages=messages,
                places=places,
                paces=paces,
                rung_by=_rung_by(all_queues, line, paces, campaign.hours, now),
                alerts=lasting,
                thresholds=limits,
                campaign=campaign.name,
                floor=raised_floor(campaign.phone_share, settings.get(SETTING)),
                floor_of_campaign=campaign.phone_share,
                horizon=horizon,
            )
        body = put_together(facts)
        judged = board_alerts.judge(body, seen, now, limits)
        if before is not None:
            judged += _was_frozen((now - before.at).total_seconds(), limits["snapshot_age"])
        self._first = False
        return self._store_all(body, judged, {one.name for one in lasting})

    def _store_all(
        self, body: dict[str, Any], judged: list[board_alerts.ThresholdReading], lasting: set[str]
    ) -> int:
        store = self._store
        named = {one.name: one for one in judged}
        news = any(one.beyond and one.name not in lasting for one in judged) or any(
            name not in named or named[name].eased for name in lasting
        )
        changed = 0
        with store.database.transaction() as connection:
            if news:
                changed = board_alerts.apply(connection, store, judged)
            snapshots.put(connection, store.clock, NAME, body)
        return changed

    def _keep_up(self) -> None:
        """What makes the next counting quick, and keeps the counts from growing for ever."""
        now = self._store.clock.now()
        if now - self._summarised >= SUMMARISED_EVERY:
            self._summarised = now
            with self._store.database.statement() as connection:
                board.summarise(connection)
        if now - self._forgotten >= FORGOTTEN_EVERY:
            self._forgotten = now
            with self._store.database.transaction() as connection:
                tallies.forget(connection, self._store.clock, TALLIES_KEPT)


def _languages(all_queues: Sequence[CallQueue]) -> list[str]:
    return sorted({all_queue.language for all_queue in all_queues})


def _rung_by(
    all_queues: Sequence[CallQueue],
    line: Sequence[QueueCounts],
    paces: Mapping[str, Throughput],
    hours: OpeningHours,
    now: datetime,
) -> datetime | None:
    """When the last of those who wait now will have been served; None: not by tomorrow evening."""
    language_of = {all_queue.id: all_queue.language for all_queue in all_queues}
    ahead = Counter[str]()
    for one in line:
        if one.state == "waiting":
            ahead[language_of[one.queue_id]] += one.count
    latest = now
    for language, count in ahead.items():
        pace = paces[language]
        found = when(count, pace, hours, now, usual=pace.usual or ASSUMED_AGENTS)
        if found is None:
            return None
        latest = max(latest, found)
    return latest


def _is_open(queue: CallQueue, campaign: Campaign, store: Store) -> bool:
    if queue.state == queues.HOURS:
        return campaign.hours.is_open(store.clock.now())
    return queue.state == "open"


def _was_frozen(seconds: float, threshold: float) -> list[board_alerts.ThresholdReading]:
    """The snapshot was late and is written again: the alert ends with the next second."""
    name = "snapshot_age"
    if seconds <= threshold:
        return []
    return [
        board_alerts.ThresholdReading(name, round(seconds), threshold, beyond=True, eased=False)
    ]
