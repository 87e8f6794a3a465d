"""Calls to a number that the file of numbers does not have: told once for each number.

Such a call is answered as one to the default. The number is the provider's word for a number of
ours, and no caller's.
"""

from __future__ import annotations

import threading

import structlog

from services.numbers.numbers import dialled
from services.telemetry import UNKNOWN_NUMBERS

# With more of them in one process, the rest are counted together.
MOST = 20
OTHERS = "others"

log = structlog.get_logger()
_told: set[str] = set()
_telling = threading.Lock()


def tell_unknown(to: str) -> None:
    """Count a call to `to`, as the provider writes it; the first in this process is logged."""
    number = dialled(to) or OTHERS
    with _telling:
        is_new = number not in _told
        if is_new and len(_told) >= MOST:
            number = OTHERS
        elif is_new:
            _told.add(number)
            log.warning("number not known", number=number)
    UNKNOWN_NUMBERS.labels(number).inc()


def forget() -> None:
    """Tell each again: for tests, which share a process."""
    with _telling:
        _told.clear()
