"""What a list of times comes to, and rates that are taken in turns."""

from __future__ import annotations

import os
import statistics
import time

from collections.abc import Callable, Sequence

from bench.servers import CannotMeasure

Say = Callable[[str], None]


def p99(times: Sequence[float], what: str) -> float:
    """Return the slowest of a hundred, in the unit of `times`.

    Raises CannotMeasure, naming `what`, where there are too few to tell.
    """
    if len(times) < 2:  # noqa: PLR2004
        raise CannotMeasure(f"{len(times)} {what} were answered")
    return statistics.quantiles(times, n=100)[98]


def own_share() -> Callable[[], float]:
    """What this process has of the machine's processors from now on until it is asked; 1: all."""
    used, began = sum(os.times()[:2]), time.monotonic()

    def share() -> float:
        seconds = time.monotonic() - began
        return (sum(os.times()[:2]) - used) / (seconds * (os.cpu_count() or 1))

    return share


def ratio(rounds: int, one: Callable[[], float], other: Callable[[], float]) -> float:
    """The rate of one way beside that of the other: the median of what it is in each of `rounds`.

    What slows the machine down for a while slows both of a round. Which of them is first changes
    with each. A round more comes first, which warms everything up and is not counted.
    """
    seen = []
    for number in range(rounds + 1):
        if number % 2:
            of_one = one()
            of_other = other()
        else:
            of_other = other()
            of_one = one()
        if number:
            seen.append(of_one / of_other)
    return statistics.median(seen)
