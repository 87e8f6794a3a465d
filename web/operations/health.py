"""For machines that watch: alive, ready, measured."""

from __future__ import annotations

import hmac

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import structlog

from flask import Blueprint, Request, Response, request
from prometheus_client import CONTENT_TYPE_LATEST

from services.attempts import ip_of
from services.health.doctor import KEPT, Checked, Whose
from web.marks import public

# What a proxy is told by a worker that goes.
ENDS: Final = "this one ends: ask another\n"

log = structlog.get_logger()


@dataclass(frozen=True)
class MetricsReaders:
    """Who may read the measures: how many calls come, and what fails, is for no other.

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


def blueprint(
    *,
    measures: Callable[[], bytes],
    readers: MetricsReaders,
    version: str,
    look: Callable[[], Sequence[Checked]],
    goes: Callable[[], bool] = lambda: False,
) -> Blueprint:
    """/healthz, /readyz, /readyz/machine, /metrics. `measures` gives the body of the last.

    `look` gives what the doctor found, now or a moment ago; it is cheap to call. `goes`: whether
    this worker ends, so that a proxy is to send its requests elsewhere.
    """
    health = Blueprint("health", __name__)
    # What was bad when it was asked last: the log has each change once, however often that is.
    logged: list[str] = []

    def look_and_log() -> Sequence[Checked]:
        found = look()
        now = [check.name for check in found if check.is_bad]
        if now != logged:
            log.warning("not ready", checks=now) if now else log.info("ready again")
            logged[:] = now
        return found

    @health.get("/healthz")
    @public
    def healthz() -> Response:
        return _text(f"ok {version}\n")

    @health.get("/readyz")
    @public
    def readyz() -> Response:
        if goes():
            return _text(ENDS, 503)
        return _told(look_and_log(), details=readers.may_read(request))

    @health.get("/readyz/machine")
    @public
    def readyz_machine() -> Response:
        """For a proxy: of what is the same on every machine, sending calls elsewhere cures none."""
        if goes():
            return _text(ENDS, 503)
        own = [check for check in look_and_log() if check.whose is Whose.MACHINE]
        return _told(own, details=readers.may_read(request))

    @health.get("/metrics")
    @public
    def metrics() -> Response:
        if not readers.may_read(request):
            return _text("METRICS_TOKEN says who reads this\n", 403)
        return Response(measures(), content_type=CONTENT_TYPE_LATEST)

    return health


def _told(found: Sequence[Checked], *, details: bool) -> Response:
    """503 where something is bad; what it is, and what is only lacking, for those who may read."""
    is_ready = not any(check.is_bad for check in found)
    lines = ["ready" if is_ready else "not ready"]
    if details:
        lines += [
            f"{check.name}: {check.finding.says}; remedy: {check.finding.remedy}"
            for check in found
            if not check.is_good
        ]
    answer = _text("\n".join(lines) + "\n", 200 if is_ready else 503)
    if not is_ready:
        answer.headers["Retry-After"] = str(round(KEPT))
    return answer


def _text(body: str, status: int = 200) -> Response:
    return Response(body, status=status, mimetype="text/plain")
