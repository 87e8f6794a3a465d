"""The words by which answers are understood, read once for each language."""

from __future__ import annotations

from functools import lru_cache

from flows.understanding.vocabulary import Vocabulary
from prompts import service_words
from prompts.catalogue import load
from prompts.service_words import Words


def vocabulary(language: str, words: Words | None = None) -> Vocabulary:
    """The words of a language, with those that callers say for a service (None: that in use).

    Raises FileNotFoundError for a language that is not here.
    """
    return _vocabulary(language, words or service_words.in_use())


@lru_cache(maxsize=64)
def _vocabulary(language: str, words: Words) -> Vocabulary:
    catalogue = load(language, words)
    return Vocabulary.read(language, catalogue.locale, catalogue.heard)
