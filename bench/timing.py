"""What a list of times comes to, and rates that are taken in turns."""

from __future__ import annotations

import os
import statistics
import time

from collections.abc import Callable, Sequence
from dataclasses import dataclass

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


@dataclass(frozen=True)
class Growth:
    """The slowest of a hundred, in milliseconds, on a small table and on a large one."""

    few_ms: float
    many_ms: float

    @property
    def ratio(self) -> float:
        return self.many_ms / self.few_ms


def growth(
    few: Callable[[int], float],
    many: Callable[[int], float],
    *,
    asked: int,
    warm: int,
    each: int,
    questions: int = 0,
) -> Growth:
    """Ask both `asked` times, in slices of `each` one after the other.

    What is asked gets its number and gives its seconds; `warm` come first and are not counted.

    There are so many different `questions`, which come again and again in their order. Of each the
    quicker half of its times counts, and the slowest of a hundred questions is told: what makes one
    slow in a large table does so each time. Of single times the slowest of a hundred are mostly
    those that met something else on the machine, and which of the two tables met more of that is
    chance. 0: all are alike, and the slowest of a hundred times is told.

    The first of a slice meets a connection that rested meanwhile, and is slower for that. A slice
    is to be all questions, so that it is one of them: with ten slices a round these ten were told.
    """
    times: tuple[list[float], list[float]] = ([], [])
    for start in range(-warm, asked, each):
        for seen, ask in zip(times, (few, many), strict=True):
            taken = [ask(start + number) for number in range(each)]
            if start >= 0:
                seen.extend(taken)
    if questions:
        times = (_of_each(times[0], questions), _of_each(times[1], questions))
    return Growth(*(1000 * p99(seen, "questions") for seen in times))


def _of_each(times: Sequence[float], questions: int) -> list[float]:
    """What each question took, of times in the order in which they were asked.

    It is the mean of the quicker half of its times. The median of six is slow where three of them
    met something else, and on a machine with others that is so for more than one in a hundred.
    """
    return [_quicker_half(times[number::questions]) for number in range(questions)]


def _quicker_half(times: Sequence[float]) -> float:
    return statistics.fmean(sorted(times)[: (len(times) + 1) // 2])
