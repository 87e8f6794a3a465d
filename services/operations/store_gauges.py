"""Gauges of what waits in the store, for machines that watch the service."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from models.clock import Clock
from models.messages import freezes, outbox
from models.operations import provider_records, traces
from models.operations.traces import CHAINS
from models.queue import callbacks
from models.slots import places
from models.supervision import snapshots
from services.admission.admission_controller import read_room
from services.admission.waiting_room import NAME, Room
from services.messages.deliver_message import KINDS
from services.store import Store


class StoreCollector(Collector):
    """Gauges read from the database at each scrape."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def collect(self) -> Iterator[GaugeMetricFamily]:
        store, clock = self._store, self._store.clock
        waiting = GaugeMetricFamily("allo_outbox_waiting", "Messages not sent yet", labels=["kind"])
        age = GaugeMetricFamily(
            "allo_outbox_age_seconds", "Age of the oldest message not sent yet", labels=["kind"]
        )
        with store.database.statement() as connection:
            for kind in KINDS:
                count, oldest = outbox.oldest_unsent(connection, clock, (kind,))
                waiting.add_metric([kind], count)
                age.add_metric([kind], _age(clock, oldest))
            promised, oldest = callbacks.waiting(connection, clock)
            held = places.count_held(connection, clock)
            kept = provider_records.waiting(connection)
            freeze = freezes.current(connection)
            found = snapshots.get(connection, NAME)
            unlinked = [traces.waiting(connection, chain) for chain in CHAINS]
            anchored = [traces.last_anchor(connection, chain) for chain in CHAINS]
        room = read_room(found.body, found.at) if found and found.body else Room()
        yield from (waiting, age)
        yield from _of_chains(clock, unlinked, anchored)
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
