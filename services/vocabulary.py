"""The words by which answers are understood, read once for each language."""

from __future__ import annotations

from functools import lru_cache

from flows.understanding.vocabulary import Vocabulary
from prompts.catalogue import load


@lru_cache
def vocabulary(language: str) -> Vocabulary:
    """The words of a language. Raises FileNotFoundError for one that is not here."""
    catalogue = load(language)
    return Vocabulary.read(language, catalogue.locale, catalogue.heard)
