"""Tell somebody outside of alerts: once when one is raised, once when it is over.

Told is told after the answer: who takes the news but whose answer is lost gets it a second time.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any, Final, Protocol

from models.supervision import alerts
from models.supervision.alerts import Alert
from services.store import Store
from services.supervision.board import iso

# What is older than this is no news.
NEWS_FOR: Final = timedelta(hours=6)
_AT_ONCE = 20


class Listener(Protocol):
    """Where alerts are told."""

    def tell(self, news: dict[str, Any]) -> bool:
        """Whether the news was taken. Raises nothing, takes three seconds at most."""
        ...


def tell_alerts(store: Store, listener: Listener, board: str) -> bool:
    """Tell what is not told; False where somebody did not take it. `board`: its address."""
    since = store.clock.now() - NEWS_FOR
    with store.database.statement() as connection:
        waiting = alerts.untold(connection, since, _AT_ONCE)
    for one in waiting:
        for state_of, news in _news(one, board):
            if not listener.tell(news):
                return False
            with store.database.transaction() as connection:
                alerts.told(connection, one.id, state_of)
    return True


def _news(one: Alert, board: str) -> Iterator[tuple[datetime, dict[str, Any]]]:
    """What is to be told of an alert, and of which moment that is; nothing in it is personal."""
    raised = {
        "name": one.name,
        "state": "raised",
        "value": one.value,
        "threshold": one.threshold,
        "since": iso(one.began_at),
        "board": board,
    }
    if one.told_at is None:
        yield one.began_at, raised
    if one.ended_at is not None:
        yield one.ended_at, raised | {"state": "ended", "until": iso(one.ended_at)}
