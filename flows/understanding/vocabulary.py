"""The words of one language that understanding needs, read from its file in `prompts/`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self


@dataclass(frozen=True)
class Vocabulary:
    """What people say in one language, beyond what libraries know of it."""

    language: str
    locale: str

    @classmethod
    def read(cls, language: str, locale: str, heard: Mapping[str, Any]) -> Self:
        """From the table `[heard]` of a language file."""
        del heard
        return cls(language, locale)
