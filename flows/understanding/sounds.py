"""How French names sound, roughly: enough to tell that "vitrey" may be Vitré."""

from __future__ import annotations

import re

from collections.abc import Sequence
from functools import lru_cache

_SAINT = {"st": "saint", "ste": "sainte", "sts": "saints", "stes": "saintes"}
# Applied to each word in this order; the capital letters are sounds.
_SOUNDS = [
    (re.compile(pattern), sound)
    for pattern, sound in (
        ("st(?=$)|ste(?=$)", "st"),
        ("[éèêë]|ée$", "E"),
        ("[àâä]", "a"),
        ("[îï]", "i"),
        ("[ôö]", "o"),
        ("[ûüù]", "u"),
        ("ÿ", "i"),
        ("œ", "e"),
        ("(?:er|ez|et|ey|ay|ai|ais|ait|aie|aix|ets)$", "E"),
        ("e?au[xtds]?", "o"),
        ("ph", "f"),
        ("ch", "C"),
        ("qu?", "k"),
        ("ç|c(?=[eiyE])|ss|x$", "s"),
        ("sc?(?=[eiyE])", "s"),
        ("c", "k"),
        ("gu(?=[eiyE])", "g"),
        ("g(?=[eiyE])", "j"),
        ("[aeou]ill?(?=e)|ill(?=e)|y", "i"),
        (r"(.)\1+", r"\1"),
        ("(?:ai|ei|i|u)[nm](?![aeiouE])", "I"),
        ("(?:a|e)[nm](?![aeiouE])", "A"),
        ("o[nm](?![aeiouE])", "O"),
        ("ai|ei", "E"),
        ("ou", "U"),
        ("h", ""),
        ("(?:es?|[tdxspzg]+)$", ""),
    )
]


def in_full(word: str) -> str:
    """A word as names are compared: the short forms of "saint" in full."""
    return _SAINT.get(word, word)


@lru_cache(4096)
def _sound_of(word: str) -> str:
    for pattern, sound in _SOUNDS:
        word = pattern.sub(sound, word)
    return word


def sound(words: Sequence[str]) -> str:
    return "".join(_sound_of(in_full(word)) for word in words)
