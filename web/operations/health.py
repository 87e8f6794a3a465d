"""For machines that watch: alive, ready, measured."""

from __future__ import annotations

import hmac

from collections.abc import Callable
from dataclasses import dataclass

import structlog

from flask import Blueprint, Request, Response, request
from prometheus_client import CONTENT_TYPE_LATEST

from services.attempts import ip_of
from services.operations.check_keys import WrongKeys, check_keys
from services.store import Store
from web.marks import public

log = structlog.get_logger()


@dataclass(frozen=True)
class MetricsReaders:
    """Who may read the measures: how many calls come, and what fails, is nobody else's.

    With a `token` those who send it ("Authorization: Bearer …"). Without one the programs of this
    machine, which a request cannot prove that came by a proxy.
    """

    token: str = ""
    everybody: bool = False
    behind_proxy: bool = False

    def may_read(self, asked: Request) -> bool:
        """Whether this request is one of theirs."""
        if self.everybody:
            return True
        if self.token:
            given = asked.headers.get("Authorization", "")
            return hmac.compare_digest(given.encode(), f"Bearer {self.token}".encode())
        if self.behind_proxy or "X-Forwarded-For" in asked.headers:
            return False
        found = ip_of(asked.remote_addr or "")
        return found is not None and found.is_loopback


def blueprint(store: Store, *, measures: Callable[[], bytes], readers: MetricsReaders) -> Blueprint:
    """/healthz, /readyz, /metrics; `measures` gives the body of the last."""
    health = Blueprint("health", __name__)
    compared: list[bool] = []

    @health.get("/healthz")
    @public
    def healthz() -> Response:
        return _text("ok\n")

    @health.get("/readyz")
    @public
    def readyz() -> Response:
        try:
            # Once they fit, they do: settings are read once.
            if not compared and check_keys(store):
                compared.append(True)
            store.database.ping()
        except WrongKeys as error:
            log.error("not ready", error=str(error))
            return _text("the keys do not fit the store\n", 503)
        except Exception as error:  # noqa: BLE001 (whatever it is, we are not ready)
            log.warning("not ready", error=type(error).__name__)
            return _text("the store does not answer\n", 503)
        return _text("ready\n")

    @health.get("/metrics")
    @public
    def metrics() -> Response:
        if not readers.may_read(request):
            return _text("METRICS_TOKEN says who reads this\n", 403)
        return Response(measures(), content_type=CONTENT_TYPE_LATEST)

    return health


def _text(body: str, status: int = 200) -> Response:
    return Response(body, status=status, mimetype="text/plain")
