"""The feed of free slots for others, published each half minute."""

from __future__ import annotations

from jobs.timed import Task
from services.public.smart_feed import SmartFeed

# Seconds.
EVERY = 30


def feed_tasks(feed: SmartFeed) -> list[Task]:
    """Runs beside other tasks: writing all of it takes a while."""
    return [Task("feed", EVERY, feed.write)]
