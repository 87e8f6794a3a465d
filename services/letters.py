"""How names are compared that people write with accents and capitals, or without."""

from __future__ import annotations

import unicodedata


def bare(text: str) -> str:
    """The same text in small letters without accents: "Élan" is "elan"."""
    apart = unicodedata.normalize("NFKD", text.casefold())
    return "".join(letter for letter in apart if not unicodedata.combining(letter))
