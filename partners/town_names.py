"""Names of towns as a voice can say them, from La Poste's capitals without accents.

Accents cannot be computed. They come from INSEE's table of towns, by code; for a town that is not
in it, or has changed its name, word by word from that table. A word that is not there keeps its
plain letters.
"""

from __future__ import annotations

import re

from collections.abc import Mapping
from typing import Final

from flows.understanding.vocabulary import plain

# Written small inside a name. "LES" may stand for "lès" (near), which only a known name tells.
_PARTICLES: Final = frozenset(
    {"au", "aux", "de", "des", "di", "du", "en", "entre", "et", "la", "las", "le", "les", "lez"}
    | {"los", "ou", "par", "sous", "sur"}
)
_ARTICLES: Final = frozenset({"LA", "LE", "LES", "LAS", "LOS"})
_ELIDED: Final = frozenset({"D", "L", "M"})
_ABBREVIATIONS: Final = {"ST": "SAINT", "STE": "SAINTE", "STES": "SAINTES", "STS": "SAINTS"}
# Islands of the Pacific keep the spaces of their names.
_WITHOUT_HYPHENS: Final = ("986", "987", "988", "989")
_ARRONDISSEMENT = re.compile(r"(PARIS|LYON|MARSEILLE) (\d{2})")


def bare(text: str) -> str:
    """Capitals without accents, words separated by single spaces: how La Poste writes."""
    return plain(text).upper()


class TownNames:
    """`known` maps INSEE codes to names with their accents."""

    def __init__(self, known: Mapping[str, str]) -> None:
        self._known = dict(known)
        learnt: dict[str, set[str]] = {}
        for name in known.values():
            for word in re.split(r"[-' ]", name):
                learnt.setdefault(bare(word), set()).add(word)
        # A word that is spelt in two ways teaches nothing; nor do short ones ("pré" and "près").
        self._spelling = {
            plain: next(iter(words))
            for plain, words in learnt.items()
            if len(words) == 1 and len(plain) > len("PRES")
        }

    def speakable(self, name: str, insee: str) -> str:
        """`ST AUBIN DES LANDES` → `Saint-Aubin-des-Landes`, `PARIS 11` → `Paris 11e`."""
        arrondissement = _ARRONDISSEMENT.fullmatch(name)
        if arrondissement:
            number = int(arrondissement[2])
            return f"{arrondissement[1].capitalize()} {number}{'er' if number == 1 else 'e'}"
        known = self._known.get(insee, "")
        if known and _letters(known) == _letters(name):
            return known
        return self._compose(name.split(), " " if insee.startswith(_WITHOUT_HYPHENS) else "-")

    def _compose(self, words: list[str], hyphen: str) -> str:
        said = ""
        for index, given in enumerate(words):
            word = _ABBREVIATIONS.get(given, given)
            if word == "H" and said.lower().endswith("c"):
                said += "'h"  # Breton: Ploulec'h
            elif index == 0:
                said = self._spelt(word)
            elif words[index - 1] in _ELIDED:
                said += "'" + self._spelt(word)
            else:
                after_article = index == 1 and words[0] in _ARTICLES
                said += " " if after_article else hyphen
                said += self._inside(word, more=index + 1 < len(words), after_article=after_article)
        return said

    def _inside(self, word: str, *, more: bool, after_article: bool) -> str:
        if more and not after_article:
            if word in {"D", "L"}:
                return word.lower()
            if word == "A":
                return "à"
            if word.lower() in _PARTICLES:
                return word.lower()
        return self._spelt(word)

    def _spelt(self, word: str) -> str:
        return self._spelling.get(word, word.capitalize())


def _letters(name: str) -> str:
    return "".join(_ABBREVIATIONS.get(word, word) for word in bare(name).split())
