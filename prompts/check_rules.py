"""The limits, words and longest values by which sentences are judged."""

from __future__ import annotations

import re
import string

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import lru_cache
from typing import Any

import gsm0338

from prompts.catalogue import PAUSE, SHORT, Catalogue
from prompts.service_words import ENTRIES, PLACEHOLDER
from prompts.values import Part

MOST_WORDS = 20  # in a sentence
# In a sentence of [say.short], for callers who need more time. A language whose days and hours take
# more words than those of French has as many more.
MOST_WORDS_SLOW = 12
MOMENT_WORDS = 7
MOST_CHOICES = 4  # in a menu
ONE_PART, TWO_PARTS = 160, 306  # septets of a text, 3GPP TS 23.038
# Keys that mean the same everywhere: a person, slower, again, back, and the end of an entry.
EVERYWHERE = frozenset("089*#")
PERSON_KEY = "0"
# The engine tells of a person in each menu; what has no step tells it itself.
TELLS_PERSON = ("person", "crowded")
# The text that nearly all people get; a longer address has another form.
COMMON_TEXT = re.compile(r"confirmation")
FORBIDDEN = re.compile(
    r"internet|\b(web)?sites?\b|\bweb\b|\bonline\b|maintenance|\bwww\b", re.IGNORECASE
)
# Angle brackets would be read aloud; formats carry what a voice must know.
MARK_UP = re.compile(r"</?[a-z][^>]*>", re.IGNORECASE)
# Texts must not ask for a reply: the sender is a name, without a number to reply to.
ANSWER = re.compile(
    r"r[ée]pond[es]|\breply\b|\brespond\b|renvoyez|\btext (us|back)\b", re.IGNORECASE
)
# What begins so in [text] is no text by itself.
PIECE = "part_"
# Texts that are written with a link alone: its page tells the number to ring.
WITH_LINK = re.compile(r"confirmation_(linked|least)(_both)?$")
# What every text begins with.
SIGN = "part_from"
HEALTH = re.compile(
    r"vacc|covid|virus|dose|inject|h[ôo]pital|hospital|clini|medic|m[ée]dic|m[ée]decin|sant[ée]\b"
    r"|health|\bsoins?\b|pharma|docteur|doctor|infirmi|nurse|maladie|illness|patient|g[ée]riatr",
    re.IGNORECASE,
)
NEVER_SAID = "may not stand in a text: never_in_texts of the service has it; say it otherwise"
# Percent of a voice's own rate: below this it drawls.
SLOWEST_RATE = 80

_SENTENCE_END = re.compile(r"(?<=[.!?…])\s+")
_GSM = gsm0338.Codec()

# The longest that is likely to be said, by a value's name (and format), else by its format.
# A street or a centre can be longer; one in twenty is.
LONGEST: Mapping[str, Any] = {
    "place": "Centre de vaccination de la salle polyvalente Jean Jaurès",
    "name": "Salle polyvalente Jaurès, La Ferté-sous-Jouarre",
    "centre": "Salle polyvalente Jaurès, La Ferté-sous-Jouarre",
    "spot": "La Ferté-sous-Jouarre",
    "town": "La Ferté-sous-Jouarre",
    "street": "112 avenue du Général de Gaulle",
    "ending": "78",
    "minimum_age": 75,
    "key": "3",
    "far_town": "La Ferté-sous-Jouarre",
    "service": "la carte d'identité",
    "months": 12,
    "group": "personnes qui vivent en résidence",
    "ahead": 340,
    "code:pairs": "204060",
    "address": "112 avenue du General de Gaulle, 77260 La Ferte-sous-Jouarre",
    "number": "09 74 75 00 01",
    "reference": "4521738908",
    "commune": "77260 La Ferte-sous-Jouarre",
    "reason": "The place of your appointment is closed that day.",
    "away": 149,
    "which": "votre premier rendez-vous",
    "instead": "en vez del mié. 23/09 a las 10:45",
    "instead_both": "en vez del mié. 23/09 a las 10:45 y del mié. 23/09 a las 10:45",
}
LONGEST_OF_FORMAT: Mapping[str, Any] = {
    "": "Seine-Saint-Denis",
    "date": date(1942, 9, 24),
    "day_hour": datetime(2026, 9, 23, 10, 45),  # noqa: DTZ001 (by the clock of the place)
    "menu_hour": datetime(2026, 9, 23, 10, 45),  # noqa: DTZ001
    "written_day_hour": datetime(2026, 9, 23, 10, 45),  # noqa: DTZ001
    "short_day_hour": datetime(2026, 9, 23, 10, 45),  # noqa: DTZ001
    "tight_day_hour": datetime(2026, 9, 23, 10, 45),  # noqa: DTZ001
    "hour": datetime(2026, 9, 23, 10, 45),  # noqa: DTZ001
    "written_hour": datetime(2026, 9, 23, 10, 45),  # noqa: DTZ001
    "digits": "75011",
    "pairs": "4521738908",
    "number": "+33612345678",
    "km": 0.4,
    "far": 22.2,
    "written_number": "+33612345678",
    "short_km": 0.4,
    "weeks": (21, 30),
    "at": "La Ferté-sous-Jouarre",
    "there": "La Ferté-sous-Jouarre",
    "near": "La Ferté-sous-Jouarre",
    "person": "father_in_law",
    "born": "self",
    "and": ("la carte d'identité", "le passeport"),
    "from_age": 75,
}
# Where a place is, in a conversation by text.
COMMON_PLACE = "112 avenue du General de Gaulle, La Ferte-sous-Jouarre"
# Of what is written in one part of a text, the usual and not the longest.
COMMON_ADDRESS = "12 rue de la Paix, 75011 Paris 11e"


@dataclass(frozen=True)
class Problem:
    """What is wrong, where, and what to do: a line of `flask prompts check`."""

    file: str
    where: str
    what: str

    def __str__(self) -> str:
        place = f"{self.where}: " if self.where else ""
        return f"{self.file}: {place}{self.what}"


def long_of(key: str) -> str:
    """The sentence that an entry of [say.short] says in fewer words; empty for another entry."""
    table = f"{SHORT}."
    return key.removeprefix(table) if key.startswith(table) else ""


def sentences_of(marked: str) -> list[str]:
    """The sentences of a text; a pause ends none."""
    text = " ".join(marked.replace(PAUSE, " ").split())
    return [sentence for sentence in _SENTENCE_END.split(text) if sentence]


def longest(parts: Sequence[Part]) -> dict[str, Any]:
    """The longest values that are likely in these parts."""
    values = {}
    for part in parts:
        if part.name:
            name = part.name.rstrip(string.digits)
            by_name = LONGEST.get(f"{name}:{part.format}" if part.format else name)
            values[part.name] = by_name or LONGEST_OF_FORMAT[part.format]
    return values


def names_of(parts: Sequence[Part]) -> set[str]:
    return {part.name for part in parts if part.name}


def unknown_formats(parts: Sequence[Part], catalogue: Catalogue) -> str:
    unknown = sorted({part.format for part in parts} - catalogue.formats)
    if not unknown:
        return ""
    known = ", ".join(sorted(catalogue.formats - {""}))
    return f'no value is said as "{unknown[0]}"; the formats are {known}'


@lru_cache(maxsize=500)
def septets(letter: str) -> int | None:
    """How much of a text a letter takes; None for one that GSM-7 does not have."""
    try:
        return len(_GSM.encode(letter)[0])
    except UnicodeEncodeError:
        return None


def length_of(text: str) -> int:
    """Septets of a text; what comes from outside is brought into the alphabet before sending."""
    return sum(septets(letter) or 1 for letter in text)


def unfilled(table: str, source: Any, where: str = "") -> Iterator[tuple[str, str]]:
    """Placeholders that the table of a service's words does not have, by their place."""
    if isinstance(source, Mapping):
        for key, entry in source.items():
            yield from unfilled(table, entry, f"{where}.{key}".strip("."))
    elif isinstance(source, list):
        for number, entry in enumerate(source):
            yield from unfilled(table, entry, f"{where}[{number}]")
    elif isinstance(source, str):
        for found in PLACEHOLDER.finditer(source):
            if found["name"].lower() not in ENTRIES[table]:
                known = ", ".join(ENTRIES[table])
                what = f"{{service:{found['name']}}} is no entry of [{table}] in the words of a"
                yield where, f"{what} service; there are {known}"
