"""Where an appointment is: the place as people know it, without what is done there.

A person finds a place by its name, and a taxi driver does, too: a hospital is called a hospital.
What the appointment is for, and what ward or illness a place is about, is not told to a person who
reads a text over a shoulder: the parts of a name that say it are left out.
"""

from __future__ import annotations

import re

from functools import lru_cache

# Needs, wards, specialities, and who else comes there. A part left out in error costs the person a
# word of the name; one left in tells other readers of the telephone about the appointment.
_WHAT_FOR = re.compile(
    r"vaccin|covax|inject|covid|corona|virus|infect|[eé]pid[eé]mi|hygi[eè]n|d[eé]pist|pr[eé]vention"
    r"|soins?\b|soignant|malad|malaise|urgences|consultation|examens?\b|diagnosti|r[eé]anim"
    r"|g[eé]riatr|g[eé]ronto|cardio|\bonc['’o]|cancer|(?<!médico-)chirurg|radiol|imagerie|laborato|biolog"
    r"|ologi|matern|dentai|kin[eé]|psych|th[eé]rap|r[eé][eé]duc|handicap|patient|personnel|professionnels"
    r"|\bdoses?\b|en attente|(?-i:\b(?:C\.?V\.?|CDV\w*|CeGIDD|CEGIDD|EPSM|SSR|USLD|IRSA)(?!\w))",
    re.IGNORECASE,
)
_PARTS = re.compile(r"[,;()/]| [-–—] |-(?=h[oô]p|clin|cent)", re.IGNORECASE)
_WAY = (
    r"(?:rue|r\.?|avenue|av\.?|place|pl\.?|boulevard|bo?u?l?v?d\.?|rampe|chemin|che\.?|impasse"
    r"|imp\.?|all[eé]es?|quai|route|rte\.?|cours|square|mail|esplanade|promenade|faubourg)"
)
# "Rue du Docteur Roux" as the sign at its corner has it.
_DOCTORS_STREET = re.compile(
    rf"\b({_WAY} (?:du |des |de la |de l')?)docteur(?:e|s)?\b(?= )", re.IGNORECASE
)
# A spreadsheet took these house numbers for hours and days: 1, 2-4, 10-12.
_AN_HOUR = re.compile(r"^(\d{1,2}):00(?::00)? ?[AP]M\b")
_A_DAY = re.compile(
    r"^0?(\d{1,2})-(janv|f[eé]vr|mars|avr|mai|juin|juil|ao[uû]t|sept|oct|nov|d[eé]c)\.?(?= )",
    re.IGNORECASE,
)
_MONTHS = (
    *("janv", "fevr", "mars", "avr", "mai", "juin"),
    *("juil", "aout", "sept", "oct", "nov", "dec"),
)
_TWICE = re.compile(r"^(\d+) \1(?= )")
_POSTCODE_AND_AFTER = re.compile(r"(?:^|(?<=\D) )\d{5}(?: .*|$)")


# Some hundred centres have their address in every text.
@lru_cache(4096)
def discreet(place: str) -> str:
    """The parts that do not say what for: "CHU Brest, unité épidémique" leaves "CHU Brest"."""
    parts = (part.strip(" ,.-") for part in _PARTS.split(_tidy(place)))
    told = (_POSTCODE_AND_AFTER.sub("", part) for part in parts)
    return ", ".join(part for part in told if part and not says_what_for(part))


def says_what_for(name: str) -> bool:
    """Whether a name tells a stranger what is done at a place."""
    return _WHAT_FOR.search(name) is not None


def _tidy(place: str) -> str:
    tidy = " ".join(place.split())
    tidy = _AN_HOUR.sub(r"\1", tidy)
    tidy = _A_DAY.sub(lambda found: f"{found[1]}-{_month(found[2])}", tidy)
    tidy = _TWICE.sub(r"\1", tidy)
    return _DOCTORS_STREET.sub(r"\1Dr", tidy)


def _month(name: str) -> int:
    plain = name.lower().replace("é", "e").replace("û", "u")
    return _MONTHS.index(plain) + 1
