"""Answers to screens and to who works at them that say: later.

Where callers need the workers, screens give way and ask again a second later, as they are made to.
One among thousands says nothing of a measurement; where there are more, it was not one of people
whose screens work. So their part of all answers is told as a figure, and above MOST it is void.
"""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

# Of all answers, at most.
MOST: Final = 0.001
LATER: Final = HTTPStatus.SERVICE_UNAVAILABLE


@dataclass(frozen=True)
class Refused:
    """How many of some answers were refused; of several runs they are added."""

    count: int = 0
    answers: int = 0

    def __add__(self, more: Refused) -> Refused:
        return Refused(self.count + more.count, self.answers + more.answers)

    @property
    def share(self) -> float:
        return self.count / self.answers if self.answers else 0.0

    def of_a_run(self) -> list[str]:
        """Why a run counts for nothing: it had more than its part, and not just one by chance."""
        return self.of_a_part() if self.count > 1 else []

    def of_a_part(self) -> list[str]:
        """Why all runs together do."""
        if self.share <= MOST:
            return []
        what = f"{self.count} of {self.answers} answers to screens and agents were refused"
        return [f"{what}: {self.share:.2%}, at most {MOST:.1%}"]
