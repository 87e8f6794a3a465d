"""Whether two samples may be of one distribution: the test of Mann and Whitney, by its ranks."""

from __future__ import annotations

import math

from collections import Counter
from collections.abc import Sequence


def mann_whitney(first: Sequence[float], second: Sequence[float]) -> float:
    """The two-sided p of both being alike, by the normal approximation with ties and continuity.

    Of samples of some twenty values each and more.
    """
    both = sorted([*first, *second])
    ranks: dict[float, float] = {}
    start = 0
    for value, count in sorted(Counter(both).items()):
        ranks[value] = start + (count + 1) / 2
        start += count
    n, m = len(first), len(second)
    u = sum(ranks[one] for one in first) - n * (n + 1) / 2
    total = n + m
    ties = sum(count**3 - count for count in Counter(both).values())
    spread = math.sqrt(n * m / 12 * (total + 1 - ties / (total * (total - 1))))
    if not spread:
        return 1.0
    away = max(abs(u - n * m / 2) - 0.5, 0.0) / spread
    return math.erfc(away / math.sqrt(2))
