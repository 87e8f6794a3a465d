"""The steps of a start, and the line that tells of one that takes long."""

from __future__ import annotations

import threading

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

DATABASE: Final = "PostgreSQL and its schema"
DEMONSTRATION: Final = "demonstration centres and slots"
ACCOUNTS: Final = "accounts to try with"
FILES: Final = "style sheets and scripts of pages"
PROCESSES: Final = "web, worker and the other processes"
STEPS: Final = (DATABASE, DEMONSTRATION, ACCOUNTS, FILES, PROCESSES)
# Seconds.
LONG: Final = 2.0


@contextmanager
def step(name: str, say: Callable[[str], object], *, long: float = LONG) -> Iterator[None]:
    """Say which of STEPS is under way if it takes longer than `long` seconds."""
    line = f"make run: {name} (step {STEPS.index(name) + 1} of {len(STEPS)}) …"
    timer = threading.Timer(long, say, [line])
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        # One that is speaking already ends its line before another begins.
        timer.join()
