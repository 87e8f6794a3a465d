"""What people type or paste into fields, as the questions behind them read it.

A number is pasted from a letter, a message, a spreadsheet: with blanks that do not break, dots,
dashes, letters of full width, marks that no eye sees. None of it means anything.
"""

from __future__ import annotations

import re
import unicodedata

from collections.abc import Mapping
from typing import Final

# Longer than any field; what follows is cut off before anything looks at it.
_MOST_PASTED: Final = 400
# Hyphens and dashes, the minus sign and the one of full width.
_DASHES: Final = re.compile("[\u2010-\u2015\u2212\ufe58\ufe63\uff0d]")
_BETWEEN_FIGURES: Final = re.compile(r"[\s.,\-_/·•'’()]+")
# Fields that hold figures, where something else than figures is not what was meant.
_FIGURES: Final = frozenset({"month", "year", "code", "where"})
_DAY_DIGITS: Final = 2


def clean(text: str, most: int) -> str:
    """A text of ordinary letters without marks that no eye sees, cut to `most` of them."""
    if text.isascii() and text.isprintable():
        # Of these, each letter stands for itself.
        return text[:_MOST_PASTED].strip()[:most]
    kept = []
    for letter in unicodedata.normalize("NFKC", _DASHES.sub("-", text[:_MOST_PASTED])):
        if letter.isspace():
            kept.append(" ")
        elif letter.isdecimal():
            # Of any script: a telephone may write them in another one.
            kept.append(str(unicodedata.decimal(letter)))
        elif unicodedata.category(letter) not in {"Cc", "Cf", "Co", "Cn", "Cs"}:
            kept.append(letter)
    return "".join(kept).strip()[:most]


def figures(text: str) -> str:
    """Figures without what stands between them; anything else as it is ("2A004", "mars")."""
    digits = _BETWEEN_FIGURES.sub("", text)
    return digits if digits.isascii() and digits.isdecimal() else text


def answers(form: Mapping[str, str], most: int) -> dict[str, str]:
    """Every field of a form (of some letters), read as its question wants it."""
    found = {name: clean(text, most) for name, text in form.items()}
    for name in _FIGURES & found.keys():
        found[name] = figures(found[name])
    # The whole date may stand in the first of its fields: its signs say where a part ends.
    day = figures(found.get("day", ""))
    if day and len(day) <= _DAY_DIGITS:
        found["day"] = day
    return found
