"""A centre that a caller asks for by its name.

Words weigh by how few names have them: "centre" and "salle" say next to nothing, and no list of
such words is needed. The name of the town alone never means a centre there.
"""

from __future__ import annotations

import math
import re

from collections import Counter
from collections.abc import Sequence

from rapidfuzz import fuzz

from services.centres.directory import NearbyCentre
from services.letters import bare

# Of 100: how alike a word heard and a word of a name must be.
_ALIKE = 85.0
# How much of a name's weight must have been said, and how much more than of any other.
_CERTAIN = 0.75
_AHEAD = 0.2
# A short word is alike too many others.
_SHORTEST = 3


def named_centre(text: str, near: Sequence[NearbyCentre]) -> NearbyCentre | None:
    """The one centre whose name these words say; None where they say none, or more than one."""
    said = _words(text)
    names = [_words(near_centre.centre.name) for near_centre in near]
    known_by = Counter(word for name in names for word in set(name))
    scores = []
    for one, name in zip(near, names, strict=True):
        town = set(_words(one.centre.town))
        own = [word for word in dict.fromkeys(name) if word not in town]
        weights = {word: math.log(1 + len(near) / known_by[word]) for word in own}
        total = sum(weights.values())
        met = sum(weight for word, weight in weights.items() if _is_said(word, said))
        scores.append((met / total if total else 0.0, one))
    scores.sort(key=lambda score: -score[0])
    if not scores or scores[0][0] < _CERTAIN:
        return None
    if len(scores) > 1 and scores[1][0] > scores[0][0] - _AHEAD:
        return None
    return scores[0][1]


def _is_said(word: str, said: Sequence[str]) -> bool:
    return any(fuzz.ratio(word, heard) >= _ALIKE for heard in said)


def _words(text: str) -> list[str]:
    return [word for word in re.findall(r"[a-z0-9]+", bare(text)) if len(word) >= _SHORTEST]
