"""What /metrics tells: counters of this web server, of processes without a port, and gauges."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path

import structlog

from flask import Flask, Request, Response, current_app, request
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import REGISTRY, Collector

from services.backups.disk import disk_of
from services.campaign.campaign import Campaign
from services.health.process_counts import Merged, told
from services.health.store_gauges import StoreCollector
from services.store import Store
from services.telemetry import SERVER_ERRORS
from web.marks import SIGNED, who_may

# Its answers are for machines that ask whether the rest works.
_OF_MACHINES = "health"

log = structlog.get_logger()


@dataclass(frozen=True)
class Measures:
    """All of it. `multiprocess_dir` is empty for a single process; `folder` is on the disk told of.

    `campaign` is that of now.
    """

    store: Store
    campaign: Callable[[], Campaign]
    multiprocess_dir: str
    redis_answers: Callable[[], bool]
    folder: Path

    def told(self) -> bytes:
        """The body of an answer. Without the store, the counters of this web server alone."""
        own: Collector = REGISTRY
        if self.multiprocess_dir:
            own = MultiProcessCollector(None, path=self.multiprocess_dir)  # type: ignore[no-untyped-call]
        try:
            gauges = _generated(StoreCollector(self.store, self.campaign))
            counters = _generated(Merged(own, told(self.store)))
        except Exception as error:  # noqa: BLE001 (its own counters are worth having alone)
            log.warning("gauges failed", error=type(error).__name__)
            gauges, counters = b"", _generated(own)
        outside = _Outside(
            {"store": bool(gauges), "redis": self.redis_answers()},
            self.folder,
        )
        return counters + gauges + _generated(outside)


def register(app: Flask) -> None:
    """Count answers of 5xx, the telephone's among them; who turns away before the app does not."""

    def count(answer: Response) -> Response:
        if answer.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR:
            of = _kind_of(request)
            if of:
                SERVER_ERRORS.labels(of).inc()
        return answer

    app.after_request(count)


def _kind_of(asked: Request) -> str:
    """Who got the answer: the telephone, staff, or visitors of the site; empty: a machine."""
    if asked.path.startswith(SIGNED):
        return "telephone"
    if asked.blueprint == _OF_MACHINES:
        return ""
    who = who_may(current_app, asked.endpoint)
    return "site" if who is None or who.public else "staff"


class _Outside(Collector):
    """Gauges of what the service stands on, as this web server sees it."""

    def __init__(self, answers: dict[str, bool], folder: Path) -> None:
        self._answers, self._folder = answers, folder

    def collect(self) -> Iterator[Metric]:
        for name, yes in self._answers.items():
            words = f"1 while the {name} answers this web server"
            yield GaugeMetricFamily(f"allo_{name}_answers", words, value=float(yes))
        try:
            disk = disk_of(self._folder)
        except OSError:
            return
        for name, words, value in (
            ("allo_disk_bytes", "The disk that var/ of this web server is on", disk.total),
            ("allo_disk_free_bytes", "What is free of it", disk.free),
        ):
            yield GaugeMetricFamily(name, words, value=value)


def _generated(collector: Collector) -> bytes:
    registry = CollectorRegistry()
    registry.register(collector)
    return generate_latest(registry)
