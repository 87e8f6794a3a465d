"""How long a sentence takes to say: the words, and the pauses between its pieces.

A voice on the telephone reads about 160 words a minute. Of a number it says more than it shows:
each two digits count as a word ("1942" is two, "45" is one). Between groups of digits ("45, 21") it
pauses for a moment, so that they can be written down.
"""

from __future__ import annotations

import re

from dataclasses import dataclass
from functools import lru_cache

_WORD = re.compile(r"\w+(?:['’.-]\w+)*['’]?")
_DIGITS = re.compile(r"[0-9]+")
_DIGITS_A_WORD = 2
_MINUTE = 60.0  # seconds


# What stands between two groups of digits that are dictated.
BETWEEN_GROUPS = re.compile(r"(?<=[0-9]), (?=[0-9])")


@dataclass(frozen=True)
class VoicePauses:
    """Where a voice pauses, and for how many seconds; `group` between two groups of digits.

    `rate` is how fast it speaks: 1 is as it does by itself.
    """

    ends: re.Pattern[str]
    pause: float
    group: float
    rate: float = 1.0


NORMAL = VoicePauses(ends=re.compile(r"\|"), pause=0.4, group=0.2)
# What 8 asks for: more and longer pauses, and the same voice. Groups of digits end a piece here.
SLOW = VoicePauses(ends=re.compile(r"\||(?<=[.!?:;,])\s+"), pause=0.9, group=0.9)
WORDS_A_MINUTE = 160


@lru_cache(maxsize=20_000)
def words(text: str) -> int:
    """The words of a text as they are heard; "rendez-vous" is one, "d'un" is one."""
    return sum(map(_heard, _WORD.findall(text)))


def _heard(word: str) -> int:
    runs = [-(-len(run) // _DIGITS_A_WORD) for run in _DIGITS.findall(word)]
    return max(1, sum(runs))


def seconds(marked: str, pace: VoicePauses = NORMAL) -> float:
    """How long a text takes in which "|" marks the pauses."""
    said = pieces(marked, pace)
    pauses = max(0, len(said) - 1) * pace.pause
    pauses += sum(len(BETWEEN_GROUPS.findall(piece)) for piece in said) * pace.group
    return words(marked) * _MINUTE / WORDS_A_MINUTE / pace.rate + pauses


def pieces(marked: str, pace: VoicePauses = NORMAL) -> list[str]:
    """What is said in one breath."""
    return [piece.strip() for piece in pace.ends.split(marked) if piece.strip()]
