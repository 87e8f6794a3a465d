"""Acts that are done at the same moment, in threads."""

from __future__ import annotations

import threading

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Result = TypeVar("Result")


def at_once(*acts: Callable[[], Result]) -> list[Result]:
    """What each came to; all of them begin together."""
    ready = threading.Barrier(len(acts), timeout=20)

    def begin(act: Callable[[], Result]) -> Result:
        ready.wait()
        return act()

    with ThreadPoolExecutor(len(acts)) as threads:
        return list(threads.map(begin, acts))
