"""What a recogniser may expect to hear at a question: it guesses better among fewer words."""

from __future__ import annotations

from functools import lru_cache

from flows.steps import STEPS
from flows.steps.common import reads_back
from flows.understanding.vocabulary import Vocabulary

# Kinds of hints in a language's file, beside the names of steps.
EVERYWHERE, READ_BACK = "everywhere", "read_back"


@lru_cache
def hints(vocabulary: Vocabulary, step: str) -> tuple[str, ...]:
    """Words for this step, in the caller's language, as they are spelt."""
    own = vocabulary.hints.get(READ_BACK if reads_back(step) else step, ())
    months = vocabulary.month_names if step in STEPS and STEPS[step].takes_date else ()
    return (*own, *months, *vocabulary.hints.get(EVERYWHERE, ()))
