"""Write the supervisors' board, each second, in one process."""

from __future__ import annotations

import json

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

import structlog

from models.database import STORE_ERRORS, first_line
from models.desk import cases
from models.messages import budgets, freezes, messages
from models.queue import call_queues
from models.queue.call_queues import CallQueue
from models.queue.handling import PUTS_DOWN
from models.supervision import alerts, board, snapshots, tallies
from models.supervision import settings as board_settings
from models.supervision.board import QueueCounts
from services.campaign.campaign import Campaign
from services.campaign.campaigns import Campaigns
from services.campaign.opening_hours import OpeningHours
from services.campaign.phone_share import SETTING, raised_floor
from services.messages.spend import day_of
from services.numbers.numbers import Numbers
from services.queue.wait_estimate import ASSUMED_AGENTS, Throughput, read_throughput, when
from services.store import Store
from services.supervision import alerts as board_alerts
from services.supervision.board import put_together
from services.supervision.board_facts import Facts, MessageFacts, PlacesCounted
from services.supervision.counting import Counting
from services.supervision.counts import BoardFigures
from services.supervision.free_places import CountFree
from services.waiting_list.offer_figures import offer_figures

NAME: Final = "board"
ENTRIES_SHOWN: Final = 40
SUMMARISED_EVERY: Final = timedelta(seconds=10)
# A quarter of a year by quarters of an hour.
TALLIES_KEPT: Final = timedelta(days=92)
FORGOTTEN_EVERY: Final = timedelta(hours=6)
# Messages, cases and offers: no figures by the second, and a morning's reminders are many rows.
COUNTED_EVERY: Final = timedelta(seconds=5)
# Budgets of which something is held back, at most: a flood may close thousands of numbers'.
BUDGETS_SHOWN: Final = 100

log = structlog.get_logger()


class WriteBoard:
    """The task of the process that writes. Not for several threads."""

    def __init__(
        self,
        store: Store,
        campaigns: Campaigns,
        numbers: Numbers | None = None,
        *,
        places: CountFree | None = None,
        counts_every: timedelta = timedelta(),
    ) -> None:
        """`places` are counted by another task; None: by this one.

        What happened is counted as often as the board is written, or every `counts_every`.
        """
        self._store = store
        self._campaigns = campaigns
        # Those that people call; None: one.
        self._numbers = numbers
        self._counting = Counting(store)
        self._counts_every = counts_every
        # What was counted last, and when (UTC).
        self._seen: tuple[datetime, BoardFigures] | None = None
        self._places = FreePlaces(store, places)
        self._messages = MessageCounts(store)
        self._summarised = self._forgotten = store.clock.now() - FORGOTTEN_EVERY
        self._first = True

    def __call__(self) -> int:
        """Count, judge, store; gives how many alerts were raised or ended."""
        store, now = self._store, self._store.clock.now()
        self._keep_up()
        campaign = self._campaigns.current()
        horizon = timedelta(days=campaign.horizon_days)
        seen = self._count(now)
        places = self._places.refresh(now + horizon)
        told = self._messages.refresh(now, self._counting.day, campaign)
        called = self._numbers.several() if self._numbers else ()
        services = self._services()
        with store.database.statement() as connection:
            settings = board_settings.read(connection)
            limits = board_alerts.thresholds(settings)
            all_queues = call_queues.all_queues(connection)
            lasting = alerts.raised(connection)
            line = board.in_line(connection, store.clock, PUTS_DOWN)
            paces = {
                language: read_throughput(connection, language)
                for language in sorted({queue.language for queue in all_queues})
            }
            before = snapshots.get(connection, NAME) if self._first else None
            freeze = freezes.current(connection)
            held_up = freezes.waiting(connection) if freeze else 0
            owed = board.promised(connection, now)
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
                promised=board.together(list(owed.values())),
                promised_for=owed,
                agents=board.agents(connection),
                members=call_queues.memberships(connection),
                texts=board.texts(connection, store.clock, self._counting.day),
                messages=told,
                places=places,
                paces=paces,
                rung_by=_rung_by(all_queues, line, paces, campaign.hours, now),
                alerts=lasting,
                thresholds=limits,
                campaign=campaign.name,
                floor=raised_floor(campaign.phone_share, settings.get(SETTING)),
                floor_of_campaign=campaign.phone_share,
                horizon=horizon,
                numbers=called,
                line_by_number=board.in_line_by_number(connection) if called else (),
                services=services,
            )
        body = put_together(facts)
        judged = board_alerts.judge(body, seen, now, limits)
        if before is not None:
            # A snapshot that was late and is written again: the alert ends with the next second.
            age, longest = (now - before.at).total_seconds(), limits["snapshot_age"]
            judged += [_lasts("snapshot_age", round(age), longest)] if age > longest else []
        if freeze is not None:
            # After a restore, until an operator lets messages leave again.
            judged.append(_lasts("outbox_frozen", held_up))
        if seen.corrected:
            # Quarters whose stored counts were not what the rows say, and were counted anew.
            judged.append(_lasts("tallies_wrong", seen.corrected))
        self._first = False
        with store.database.transaction() as connection:
            names = {alert.name for alert in lasting}
            changed = board_alerts.apply(connection, store, judged, names)
            snapshots.put(connection, store.clock, NAME, body)
        return changed

    def _count(self, now: datetime) -> BoardFigures:
        """What happened; where it cannot be counted now, what was counted last, with its moment."""
        if self._seen is not None and timedelta() <= now - self._seen[0] < self._counts_every:
            return self._seen[1]
        try:
            found = self._counting.refresh(now)
        except STORE_ERRORS as error:
            if self._seen is None:
                raise
            at, before = self._seen
            log.warning("not counted: what was counted before stays", error=first_line(error))
            return before if before.counted_to else replace(before, counted_to=at)
        self._seen = now, found
        return found

    def _services(self) -> tuple[Campaign, ...]:
        """Open campaigns of several services; none where there is one."""
        found = self._campaigns.open_now()
        return found if len(found) > 1 else ()

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


class MessageCounts:
    """Messages, cases, waiting lists, offers of freed places. Not for several threads."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._kept: tuple[datetime, MessageFacts] | None = None

    def refresh(self, now: datetime, day: datetime, campaign: Campaign) -> MessageFacts:
        """The figures of now, or of a few seconds ago; `day` (UTC) is when today began."""
        if self._kept is not None and timedelta() <= now - self._kept[0] < COUNTED_EVERY:
            return self._kept[1]
        store = self._store
        with store.database.statement() as connection:
            found = MessageFacts(
                waiting=messages.waiting_by_topic(connection, store.clock),
                missing=messages.missing_by_topic(connection, day),
                cases=cases.count_open(connection),
                offers=offer_figures(connection, store, campaign),
                waiting_lists=board.waiting_lists(connection),
                held=messages.held(connection),
                budgets=budgets.of_day(connection, day_of(store), most=BUDGETS_SHOWN),
            )
        self._kept = now, found
        return found


class FreePlaces:
    """Free places by département, as they were counted last. Not for several threads."""

    def __init__(self, store: Store, counting: CountFree | None) -> None:
        self._store = store
        self._is_mine = counting is None
        self._counting = counting or CountFree(store)
        # What the board had before this process wrote it; None: that is not read yet.
        self._before: PlacesCounted | None = None

    def refresh(self, until: datetime) -> PlacesCounted:
        """Those that start before `until` (UTC), counted by this task where no other does.

        Until a whole count is there, what the board had before with the moment of that.
        """
        if self._is_mine:
            try:
                with self._store.database.statement() as connection:
                    self._counting.refresh(connection, until, None)
            except STORE_ERRORS as error:
                log.warning("places not counted: the last ones stay", error=first_line(error))
        counted = self._counting.counted
        if counted is not None:
            free = Counter[str]()
            for centre in counted.free.values():
                free[centre.departement] += centre.all
            return PlacesCounted(counted.at, dict(free))
        if self._before is None:
            with self._store.database.statement() as connection:
                found = snapshots.get(connection, NAME)
            self._before = _places_before(found.body if found else None)
        return self._before


def _places_before(body: str | None) -> PlacesCounted:
    places = json.loads(body).get("places", {}) if body else {}
    if not places.get("counted_at"):
        return PlacesCounted(None, {})
    return PlacesCounted(datetime.fromisoformat(places["counted_at"]), places["free"])


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
    for row in line:
        if row.state == "waiting":
            ahead[language_of[row.queue_id]] += row.count
    latest = now
    for language, count in ahead.items():
        pace = paces[language]
        found = when(count, pace, hours, now, usual=pace.usual or ASSUMED_AGENTS)
        if found is None:
            return None
        latest = max(latest, found)
    return latest


def _is_open(queue: CallQueue, campaign: Campaign, store: Store) -> bool:
    if queue.state == call_queues.HOURS:
        return campaign.hours.is_open(store.clock.now())
    return queue.state == "open"


def _lasts(name: str, value: float, threshold: float = 0) -> board_alerts.ThresholdReading:
    """An alert for as long as it is read; a figure of when it began."""
    return board_alerts.ThresholdReading(name, value, threshold, beyond=True, eased=False)
