"""For machines that watch: alive, ready, measured."""

from __future__ import annotations

import structlog

from flask import Blueprint, Response
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import REGISTRY

from services.operations.store_gauges import StoreCollector
from services.store import Store
from web.marks import public

log = structlog.get_logger()


def blueprint(store: Store, *, multiprocess_dir: str) -> Blueprint:
    """/healthz, /readyz, /metrics. `multiprocess_dir` is empty for a single process."""
    health = Blueprint("health", __name__)

    @health.get("/healthz")
    @public
    def healthz() -> Response:
        return _text("ok\n")

    @health.get("/readyz")
    @public
    def readyz() -> Response:
        try:
            store.database.ping()
        except Exception as error:  # noqa: BLE001 (whatever it is, we are not ready)
            log.warning("not ready", error=type(error).__name__)
            return _text("the store does not answer\n", 503)
        return _text("ready\n")

    @health.get("/metrics")
    @public
    def metrics() -> Response:
        if multiprocess_dir:
            registry = CollectorRegistry()
            MultiProcessCollector(registry, path=multiprocess_dir)  # type: ignore[no-untyped-call]
            body = generate_latest(registry)
        else:
            body = generate_latest(REGISTRY)
        gauges = CollectorRegistry()
        try:
            gauges.register(StoreCollector(store))
            body += generate_latest(gauges)
        except Exception as error:  # noqa: BLE001 (the counters are worth having alone)
            log.warning("gauges failed", error=type(error).__name__)
        return Response(body, content_type=CONTENT_TYPE_LATEST)

    return health


def _text(body: str, status: int = 200) -> Response:
    return Response(body, status=status, mimetype="text/plain")
