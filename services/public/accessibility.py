"""What the last audit of accessibility counted: for the statement that the law asks for.

docs/accessibilite/rgaa.md is the audit; tests/docs/test_rgaa.py holds the statement to this.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Final

_WHOLE = 100
_PARTLY = 50


@dataclass(frozen=True)
class Audit:
    """Criteria of RGAA 4.1 by their state; `gaps` are the numbers of those that are not met."""

    met: int
    not_applicable: int
    gaps: tuple[str, ...]
    on: date

    @property
    def concerned(self) -> int:
        """How many criteria concern this service."""
        return self.met + len(self.gaps)

    @property
    def percent(self) -> int:
        """The part of those that is met, rounded down."""
        return _WHOLE * self.met // self.concerned

    @property
    def state(self) -> str:
        """In the law's three words: "whole", "partly" (from half on) or "not"."""
        if not self.gaps:
            return "whole"
        return "partly" if self.percent >= _PARTLY else "not"


AUDIT: Final = Audit(
    met=66,
    not_applicable=36,
    gaps=("8.2", "12.1", "12.10", "13.1"),
    on=date(2026, 11, 30),
)
