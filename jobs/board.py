"""The tasks of the supervisors' board, for the process that is there once."""

from __future__ import annotations

import time

from jobs.alert_listener import HttpListener, TellAlerts
from jobs.timed import Task
from services.campaign.campaigns import Campaigns
from services.store import Store
from services.supervision.write_board import WriteBoard

# A screen that asks each second shows an event within two: this, a worker's memory of it
# (services.supervision.snapshots), and the second.
BOARD_EVERY = 0.6
ALERTS_EVERY = 1.0


def board_tasks(
    store: Store,
    campaigns: Campaigns,
    *,
    alert_url: str,
    public_base_url: str,
    parts_a_day: int = 0,
) -> list[Task]:
    """Write the board again and again, and send alerts to the listener at `alert_url`, if any.

    `parts_a_day`: the limit of texts' parts in 24 hours, which the board shows; 0: none.
    """
    write = WriteBoard(store, campaigns, parts_a_day=parts_a_day)
    planned = [Task("board", BOARD_EVERY, write)]
    if alert_url:
        board = f"{public_base_url}/supervision"
        tell = TellAlerts(store, HttpListener(alert_url), board, ticks=time.monotonic)
        planned.append(Task("alerts", ALERTS_EVERY, tell))
    return planned
