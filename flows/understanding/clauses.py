"""The parts of what a caller says in one breath: between commas, and before a reason.

"À l'hôpital, comme ça je verrai ma belle-sœur" answers in its first part. Only a caller who speaks
of themselves, and to no person beside them, is looked into so: a television reads lists.
"""

from __future__ import annotations

import re

from functools import lru_cache

from flows.understanding.vocabulary import Vocabulary, plain


def clauses(text: str, vocabulary: Vocabulary) -> tuple[str, ...]:
    """The parts of more words than one, as they are spelt, behind which nothing is denied.

    None where there is one alone, where another person is spoken to, or where something is taken
    back.
    """
    words = plain(text).split()
    of_others = vocabulary.beside_words | vocabulary.taken_back
    if not vocabulary.own_words & set(words) or of_others & set(words[1:]):
        return ()
    kept: list[str] = []
    for part in _edges(vocabulary).split(text):
        said = plain(part).split()
        if any((word,) in vocabulary.negators for word in said):
            kept = []
        if 1 < len(said) < len(words):
            kept.append(part)
    return tuple(kept)


@lru_cache
def _edges(vocabulary: Vocabulary) -> re.Pattern[str]:
    # What stands behind a reason is none of the parts.
    reasons = "|".join(map(re.escape, vocabulary.reasons))
    return re.compile(rf"[,;:.!?…]+(?:\s+|$)|\b(?:{reasons})[^,;.!?]*", re.IGNORECASE)
