"""What processes without a port have counted: handed on by the store, told at /metrics of the web.

A platform gives a worker no port, and any number of each kind may run. So each process adds what it
counted since the last time to the totals of its kind, with its sign of life. A total never becomes
less when a process ends. What was counted in the last seconds before a kill is lost, and a commit
whose answer was lost is counted twice.
"""

from __future__ import annotations

import json
import threading

from collections.abc import Iterable, Iterator, Mapping
from datetime import timedelta
from typing import Final

from prometheus_client.metrics_core import Metric
from prometheus_client.registry import REGISTRY, Collector

from models.operations import processes
from services.store import Store

# Every process gives a sign so often, in seconds.
SIGN_EVERY: Final = 5
# Counters of ours; what the library tells of a process itself is that process's own.
_OURS: Final = "allo_"
# When a series was made says nothing about one that several processes add to.
_MADE: Final = "_created"
_ENDINGS: Final = ("_total", "_bucket", "_sum", "_count")
# What is measured at times is true for a while only.
FRESH: Final = timedelta(hours=3)
# The gauges among what is handed on, each with what it tells.
CERTIFICATE: Final = "allo_certificate_expires_seconds"
GAUGES: Final = {
    CERTIFICATE: "Until the certificate of PUBLIC_BASE_URL expires, as the scheduler sees it",
}


def counted(registry: Collector = REGISTRY) -> dict[str, float]:
    """The counters of this process by series: JSON of name and labels."""
    found = {}
    for family in registry.collect():
        if not family.name.startswith(_OURS) or family.type == "gauge":
            continue
        for sample in family.samples:
            if not sample.name.endswith(_MADE):
                found[_series(sample.name, sample.labels)] = sample.value
    return found


def more(now: Mapping[str, float], before: Mapping[str, float]) -> dict[str, float]:
    """By how much each series grew."""
    grown = {series: value - before.get(series, 0.0) for series, value in now.items()}
    return {series: value for series, value in grown.items() if value > 0}


class ProcessSigns:
    """The signs of life of one process, and what it counts. May be used by several threads."""

    def __init__(
        self, store: Store, kind: str, machine: str, registry: Collector = REGISTRY
    ) -> None:
        """`machine` is the name of the machine that it runs on."""
        self._store, self._kind, self._machine = store, kind, machine
        self._registry = registry
        self._id = store.chance.identifier()
        self._told: dict[str, float] = {}
        self._one = threading.Lock()

    def __call__(self) -> int:
        """Give a sign, and hand on what was counted since; gives how many series grew.

        Raises as the store does; what could not be handed on is handed on next time.
        """
        with self._one:
            now = counted(self._registry)
            grown = more(now, self._told)
            with self._store.database.transaction() as connection:
                clock = self._store.clock
                processes.sign(connection, clock, self._id, self._kind, self._machine)
                processes.add(connection, clock, self._kind, grown)
            self._told = now
        return len(grown)

    def end(self) -> None:
        """The process ends by itself: hand on the rest, and let no watcher miss it."""
        self()
        with self._store.database.transaction() as connection:
            processes.ends(connection, self._store.clock, self._id)


def told(store: Store) -> list[tuple[str, str, float]]:
    """What was handed on: kind of process, series, value; of gauges only what is fresh."""
    with store.database.statement() as connection:
        found = processes.measures(connection)
    since = store.clock.now() - FRESH
    return [
        (kind, series, value)
        for kind, series, value, at in found
        if at >= since or _names(series)[0] not in GAUGES
    ]


class Merged(Collector):
    """The counters of this web server, and beside them those of processes without a port.

    The latter have the label `process`, and are the same at each web server of the service.
    """

    def __init__(self, own: Collector, handed_on: Iterable[tuple[str, str, float]]) -> None:
        self._own, self._handed_on = own, handed_on

    def collect(self) -> Iterator[Metric]:
        families = {family.name: family for family in self._own.collect()}
        # In a folder of counters, what no process has counted yet is no family.
        known = {family.name: family for family in REGISTRY.collect()}
        for kind, series, value in self._handed_on:
            name, labels = _names(series)
            plain = _family_of(name, known)
            if plain not in families:
                words = known[plain].documentation if plain in known else GAUGES.get(plain, plain)
                sort = known[plain].type if plain in known else "gauge"
                families[plain] = Metric(plain, words, sort)
            families[plain].add_sample(name, {**labels, "process": kind}, value)
        yield from families.values()


def put_gauge(store: Store, kind: str, name: str, value: float) -> None:
    """Hand on what a process has measured; `name` is one of GAUGES."""
    with store.database.transaction() as connection:
        processes.put(connection, store.clock, kind, _series(name, {}), value)


def _series(name: str, labels: Mapping[str, str]) -> str:
    return json.dumps([name, dict(sorted(labels.items()))], separators=(",", ":"))


def _names(series: str) -> tuple[str, dict[str, str]]:
    name, labels = json.loads(series)
    return name, labels


def _family_of(name: str, known: Mapping[str, object]) -> str:
    """The family that a series belongs to: a name without the ending of its kind."""
    for ending in _ENDINGS:
        if name.endswith(ending) and name.removesuffix(ending) in known:
            return name.removesuffix(ending)
    return name
