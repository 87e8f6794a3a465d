"""Gauges of what waits in the store, for machines that watch the service."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from models.messages import outbox
from models.queue import callbacks
from models.slots import places
from models.supervision import snapshots
from services.admission.admission_controller import read_room
from services.admission.waiting_room import NAME, Room
from services.messages.deliver_message import KINDS
from services.store import Store


class StoreCollector(Collector):
    """Gauges read from the database when somebody asks."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def collect(self) -> Iterator[GaugeMetricFamily]:
        store = self._store
        waiting = GaugeMetricFamily("allo_outbox_waiting", "Messages not sent yet", labels=["kind"])
        age = GaugeMetricFamily(
            "allo_outbox_age_seconds", "Age of the oldest message not sent yet", labels=["kind"]
        )
        promised = GaugeMetricFamily("allo_callbacks_waiting", "Promises to ring, not kept yet")
        longest = GaugeMetricFamily(
            "allo_callbacks_age_seconds", "Age of the oldest promise whose number may be rung now"
        )
        held = GaugeMetricFamily("allo_places_held", "Places held at this moment")
        room = GaugeMetricFamily("allo_room_waiting", "People in the waiting room of the web")
        rate = GaugeMetricFamily("allo_room_rate", "People that it lets in, a second")
        with store.database.statement() as connection:
            for kind in KINDS:
                count, oldest = outbox.oldest_unsent(connection, store.clock, (kind,))
                seconds = (store.clock.now() - oldest).total_seconds() if oldest else 0.0
                waiting.add_metric([kind], count)
                age.add_metric([kind], max(seconds, 0.0))
            count, oldest = callbacks.waiting(connection, store.clock)
            promised.add_metric([], count)
            seconds = (store.clock.now() - oldest).total_seconds() if oldest else 0.0
            longest.add_metric([], max(seconds, 0.0))
            held.add_metric([], places.count_held(connection, store.clock))
            found = snapshots.get(connection, NAME)
            told = read_room(found.body, found.at) if found and found.body else Room()
            room.add_metric([], told.waiting)
            rate.add_metric([], told.rate if told.active else 0.0)
        yield from (waiting, age, promised, longest, held, room, rate)
