"""Tells alerts to ALERT_WEBHOOK_URL, by the process that writes the board."""

from __future__ import annotations

import json

from collections.abc import Callable
from typing import Any

import structlog
import urllib3

from services.store import Store
from services.supervision.alerts import Listener, tell_alerts

TIMEOUT_SECONDS = 3.0
FIRST_PAUSE = 2.0
LONGEST_PAUSE = 60.0
_TAKEN = range(200, 300)

log = structlog.get_logger()


class HttpListener:
    """POSTs JSON to an address. It follows no redirect, and keeps no answer.

    `what` is told there, for the log of what was not.
    """

    def __init__(self, address: str, what: str = "alert") -> None:
        self._address, self._what = address, what
        self._pool = urllib3.PoolManager(retries=False, timeout=urllib3.Timeout(TIMEOUT_SECONDS))

    def tell(self, news: dict[str, Any]) -> bool:
        headers = {"Content-Type": "application/json", "User-Agent": "allo-rendez-vous"}
        try:
            answer = self._pool.request(
                "POST", self._address, body=json.dumps(news), headers=headers, redirect=False
            )
        except urllib3.exceptions.HTTPError as error:
            # Not its text: the address may carry a secret.
            log.warning("not told", what=self._what, error=type(error).__name__)
            return False
        if answer.status not in _TAKEN:
            log.warning("not told", what=self._what, status=answer.status)
            return False
        return True


class TellAlerts:
    """Tells what is not told yet; after a failure it waits, longer each time.

    It takes as long as the listener does: a task for a thread of its own.
    """

    def __init__(
        self, store: Store, listener: Listener, board: str, *, ticks: Callable[[], float]
    ) -> None:
        """`board` is the address of the page; `ticks` a monotonic clock in seconds."""
        self._store, self._listener, self._board, self._ticks = store, listener, board, ticks
        self._pause = FIRST_PAUSE
        self._next = 0.0

    def __call__(self) -> int:
        """Tell, unless it waits; gives whether it tried."""
        if self._ticks() < self._next:
            return 0
        is_taken = False
        try:
            is_taken = tell_alerts(self._store, self._listener, self._board)
        finally:
            if is_taken:
                self._pause = FIRST_PAUSE
            else:
                self._next = self._ticks() + self._pause
                self._pause = min(self._pause * 2, LONGEST_PAUSE)
        return 1
