"""The feed of free slots for others, written each minute."""

from __future__ import annotations

from jobs.timed import Task
from services.public.smart_feed import SmartFeed

# Seconds.
EVERY = 60


def feed_tasks(feed: SmartFeed) -> list[Task]:
    """Runs beside other tasks: writing all of it at a start takes a while."""
    return [Task("feed", EVERY, feed.write)]
