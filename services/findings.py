"""A look at the installation or at the provider's account: how grave, a sentence, what to do."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Level(Enum):
    """`WARNING`: something is lacking or to be known, and callers are booked all the same."""

    GOOD = "good"
    WARNING = "warning"
    BAD = "bad"


@dataclass(frozen=True)
class Finding:
    """One sentence, and for what is bad another one: what to do."""

    level: Level
    says: str
    remedy: str = ""


def good(says: str) -> Finding:
    """All is well."""
    return Finding(Level.GOOD, says)


def warning(says: str, remedy: str = "") -> Finding:
    """Callers are booked all the same."""
    return Finding(Level.WARNING, says, remedy)


def bad(says: str, remedy: str) -> Finding:
    """Callers should not be sent here: they would not be served."""
    return Finding(Level.BAD, says, remedy)
