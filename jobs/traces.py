"""What is recorded is chained and anchored, by the scheduler process."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from jobs.alert_listener import HttpListener
from jobs.timed import Task
from services.privacy.anchor_traces import (
    FILE,
    WEBHOOK,
    AnchorFile,
    Anchoring,
    AnchorWebhook,
    Way,
)
from services.privacy.traces import Chainer

# Seconds. Until a line is linked, a thief who may delete it leaves no trace of it.
CHAIN_EVERY: Final = 5
# An anchor leaves each hour; one that could not leave is tried again so soon.
ANCHOR_EVERY: Final = 60


def trace_tasks(chainer: Chainer, file: str, address: str) -> list[Task]:
    """Tasks for threads of their own: a look through all lines takes seconds.

    `file` and `address` are where anchors go; empty: not there.
    """
    ways: dict[str, Way] = {}
    if file:
        ways[FILE] = AnchorFile(Path(file))
    if address:
        ways[WEBHOOK] = AnchorWebhook(HttpListener(address, "anchor"))
    return [
        Task("chain", CHAIN_EVERY, chainer),
        Task("anchor", ANCHOR_EVERY, Anchoring(chainer, ways)),
    ]
