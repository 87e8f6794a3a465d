"""The tasks of the supervisors' board, for the process that is there once."""

from __future__ import annotations

import time

from jobs.alert_listener import HttpListener, TellAlerts
from jobs.timed import Task
from services.campaigns import Campaigns
from services.store import Store
from services.write_board import WriteBoard

BOARD_EVERY = 1.0


def board_tasks(
    store: Store, campaigns: Campaigns, *, alert_url: str, public_base_url: str
) -> list[Task]:
    """Write the board each second, and tell alerts where somebody listens (`alert_url`)."""
    planned = [Task("board", BOARD_EVERY, WriteBoard(store, campaigns))]
    if alert_url:
        board = f"{public_base_url}/supervision"
        tell = TellAlerts(store, HttpListener(alert_url), board, ticks=time.monotonic)
        planned.append(Task("alerts", BOARD_EVERY, tell))
    return planned
