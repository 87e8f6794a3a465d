"""How names are compared that people write with accents and capitals, or without."""

from __future__ import annotations

import unicodedata


def bare(text: str) -> str:
    """The same text in small letters without accents: "Élan" is "elan"."""
    apart = unicodedata.normalize("NFKD", text.casefold())
    return "".join(letter for letter in apart if not unicodedata.combining(letter))


def as_printed(text: str) -> str:
    """Words that are spoken as pages have them: they are typed with a typewriter's apostrophe."""
    return text.replace("'", "’")
