"""Gauges of what waits in the store, for machines that watch the service."""

from __future__ import annotations

import math

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from typing import Final

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from models.clock import Clock
from models.database import Connection
from models.messages import freezes, look_ups
from models.operations import gauges, processes, provider_records, traces
from models.operations.traces import CHAINS
from models.queue import callbacks
from models.slots import places
from models.supervision import alerts, snapshots
from services import attempts
from services.admission.waiting_room import NAME, Room
from services.campaign.campaign import Campaign
from services.health.watch_processes import GONE, MISSED_FOR
from services.health.watch_processes import KINDS as PROCESSES
from services.messages import spend
from services.messages.deliver_message import KINDS
from services.privacy import days_of_turns
from services.store import Store

# Seconds.
_A_DAY: Final = 86_400.0


class StoreCollector(Collector):
    """Gauges read from the database at each scrape. `campaign` is that of now."""

    def __init__(self, store: Store, campaign: Callable[[], Campaign]) -> None:
        self._store, self._campaign = store, campaign

    def collect(self) -> Iterator[GaugeMetricFamily]:
        store, clock = self._store, self._store.clock
        waiting = GaugeMetricFamily("allo_outbox_waiting", "Messages not sent yet", labels=["kind"])
        age = GaugeMetricFamily(
            "allo_outbox_age_seconds", "Age of the oldest message not sent yet", labels=["kind"]
        )
        with store.database.statement() as connection:
            for kind in KINDS:
                count, oldest = look_ups.oldest_unsent(connection, clock, (kind,))
                waiting.add_metric([kind], count)
                age.add_metric([kind], _age(clock, oldest))
            promised, oldest = callbacks.waiting(connection, clock)
            held = places.count_held(connection, clock)
            kept = provider_records.waiting(connection)
            freeze = freezes.current(connection)
            found = snapshots.get(connection, NAME)
            unlinked = [traces.waiting(connection, chain) for chain in CHAINS]
            anchored = [traces.last_anchor(connection, chain) for chain in CHAINS]
            more = [
                *_of_processes(connection, store),
                *_of_bookings(connection, store, self._campaign()),
                *_of_trouble(connection, store),
                *_of_replicas(connection),
            ]
        days = days_of_turns.look(store)
        room = Room.read(found.body, found.at) if found and found.body else Room()
        yield from (waiting, age)
        yield from _of_chains(clock, unlinked, anchored)
        yield from more
        yield _one(
            "allo_turn_days_ahead", "Days after today that have a partition of turns", days.ahead
        )
        yield _one("allo_turns_stray", "Turns in no day's partition, 1000 at the most", days.stray)
        for name, words, value in (
            ("allo_callbacks_waiting", "Promises to ring, not kept yet", promised),
            (
                "allo_callbacks_age_seconds",
                "Age of the oldest promise whose number may be rung now",
                _age(clock, oldest),
            ),
            (
                "allo_provider_records_waiting",
                "Texts and calls of erased people that the provider has not deleted yet",
                kept,
            ),
            (
                "allo_outbox_frozen_seconds",
                "Since nothing leaves, after a restore; 0: what is due leaves",
                _age(clock, freeze.began_at if freeze else None),
            ),
            ("allo_places_held", "Places held at this moment", held),
            ("allo_room_waiting", "People in the waiting room of the web", room.waiting),
            (
                "allo_room_rate",
                "People that it lets in, a second",
                room.rate if room.active else 0.0,
            ),
        ):
            yield GaugeMetricFamily(name, words, value=value)


def _of_processes(connection: Connection, store: Store) -> Iterator[GaugeMetricFamily]:
    """By kind: how old the last sign of any is, how many run, how many were killed."""
    known = processes.kinds(connection, store.clock, PROCESSES, GONE, MISSED_FOR)
    for name, words, values in (
        (
            "allo_process_age_seconds",
            "Since any process of a kind gave a sign of life; endless where none ever did",
            [(kind.kind, math.inf if kind.age is None else kind.age) for kind in known],
        ),
        (
            "allo_processes",
            "Processes that gave a sign of life lately",
            [(kind.kind, kind.running) for kind in known],
        ),
        (
            "allo_processes_lost",
            "Processes killed within the hour, in whose place no other was started",
            [(kind.kind, kind.lost) for kind in known],
        ),
    ):
        yield _by("process", name, words, values)


def _of_bookings(
    connection: Connection, store: Store, campaign: Campaign
) -> Iterator[GaugeMetricFamily]:
    """Whether people should be booking at this hour, and whether they are."""
    now = store.clock.now()
    of_day, newest = gauges.booked(connection, store.clock)
    count, oldest = gauges.on_the_line(connection)
    yield _one(
        "allo_booking_hours",
        "1 while the campaign gives appointments and its agents' hours are on",
        float(campaign.is_open(now) and campaign.hours.is_open(now)),
    )
    yield _one("allo_booked_day", "Bookings made within 24 hours", of_day)
    yield _one(
        "allo_booked_age_seconds",
        "Since the last booking; a day where there was none within one",
        _A_DAY if newest is None else _age(store.clock, newest),
    )
    yield _one("allo_line_waiting", "Callers who wait on the line for a person", count)
    yield _one("allo_line_age_seconds", "Since the first of them waits", _age(store.clock, oldest))


def _of_trouble(connection: Connection, store: Store) -> Iterator[GaugeMetricFamily]:
    """Guessing, what is spent, and the alerts that the service raised itself."""
    wrong, everything = attempts.lately(connection, store, attempts.BY_TELEPHONE)
    yield _one("allo_look_ups_wrong", "Wrong look-ups of the last five minutes", wrong)
    yield _one("allo_look_ups", "All look-ups of the last five minutes", everything)
    yield _one(
        "allo_look_ups_guessed",
        "1 while they look guessed, and changes by telephone go to agents",
        float(attempts.too_many(wrong, everything)),
    )
    day = spend.day_of(store)
    yield _by(
        "budget",
        "allo_spent_ratio",
        "The part of a budget of the day that is spent",
        [
            (name, gauges.spent(connection, day, kind))
            for name, kind in (("texts", spend.DAY), ("calls", spend.CALL_DAY))
        ],
    )
    yield _by(
        "alert",
        "allo_alert_raised",
        "1 for each alert of the supervisors' board that lasts",
        [(alert.name, 1.0) for alert in alerts.raised(connection)],
    )


def _of_replicas(connection: Connection) -> Iterator[GaugeMetricFamily]:
    found = gauges.replication(connection)
    if found is None:
        return
    yield _one("allo_replicas", "Replicas that follow the database", found.replicas)
    if found.seconds is not None:
        yield _one("allo_replication_lag_seconds", "How late the last one is", found.seconds)
    if found.bytes is not None:
        yield _one("allo_replication_lag_bytes", "What the last one has not got", found.bytes)


def _one(name: str, words: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, words, value=value)


def _by(
    label: str, name: str, words: str, values: Iterable[tuple[str, float]]
) -> GaugeMetricFamily:
    """One gauge for each value of a label."""
    family = GaugeMetricFamily(name, words, labels=[label])
    for of, value in values:
        family.add_metric([of], value)
    return family


def _of_chains(
    clock: Clock, unlinked: Sequence[int], anchored: Sequence[datetime | None]
) -> Iterator[GaugeMetricFamily]:
    """What is recorded and not linked yet; how long ago an anchor left, where one ever did."""
    lines = GaugeMetricFamily(
        "allo_traces_unlinked", "Lines recorded and not chained yet", labels=["chain"]
    )
    ages = GaugeMetricFamily(
        "allo_trace_anchor_age_seconds", "Since the end of the chain left", labels=["chain"]
    )
    for chain, count, at in zip(CHAINS, unlinked, anchored, strict=True):
        lines.add_metric([chain], count)
        if at is not None:
            ages.add_metric([chain], _age(clock, at))
    yield from (lines, ages)


def _age(clock: Clock, since: datetime | None) -> float:
    return max((clock.now() - since).total_seconds(), 0.0) if since else 0.0
