"""To wait for what another process does, of which nothing tells us: the one place that looks again.

What can be waited for itself is waited for itself: a thread's event, a process's end, a pipe.
"""

from __future__ import annotations

import time

from collections.abc import Callable

# Seconds between two looks, and after which something is wrong, however busy the machine is: less
# than the 120 that a test may take.
BETWEEN = 0.02
PATIENCE = 90.0


def comes(
    condition: Callable[[], object], seconds: float = PATIENCE, *, between: float = BETWEEN
) -> bool:
    """Look until it is so, every `between` seconds; False when it has not become so in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() >= deadline:
            return False
        time.sleep(between)
    return True


def wait_for(condition: Callable[[], object], what: str, seconds: float = PATIENCE) -> None:
    """Look until it is so; the test fails when it has not become so in time."""
    assert comes(condition, seconds), f"{what}: not within {seconds:.0f} s"
