"""Where an appointment is, in words that tell a stranger nothing about health.

Many centres carry their purpose in their name, so a place is told by street and town; the name is
used only where there is no street and the name says nothing. A street that is called after a doctor
says nothing either: half of the towns have one. One that is called after a hospital does.
"""

from __future__ import annotations

import re

from functools import lru_cache

# Words of the trade, of care homes and of health authorities. A name left out in error costs the
# person a look at the map; one left in tells other readers of the telephone about the appointment.
_ABOUT_HEALTH = re.compile(
    r"vaccin|covax|inject|covid|corona|virus|infect|[eé]pid[eé]mi|hygi[eè]n|ambu\b|ambula"
    r"|h[oô]pita|hospi[ct]|clini|m[eé]di?c|m[eé]dec|m[eé]dip|sant[eé]\b|sanit|sanato|health"
    r"|soin|soign|aidants|ehpad|pharma|docteur|doctor|cabinet|dispensaire|centre\b|center\b"
    r"|g[eé]riatr|g[eé]ronto|cardio|\bonc['’o]|cancer|chirurg|radiol|imagerie|laborato|biolog"
    r"|d[eé]pist|pr[eé]vention|infirm|nurs|malad|malaise|patient|urgences|matern|dentai|kin[eé]"
    r"|psych|th[eé]rap|r[eé][eé]duc|r[eé]anim|consultation|croix[- ]rouge|handicap|retraite\b"
    r"|r[eé]serv[eé] aux prof|(?-i:\bC\.?[Hh]\.?(?:[A-Z]\.?){0,3}(?!\w)|\bCHICAM\b|\bGH[A-Z]{0,3}\b"
    r"|\bC(?:PTS|TPS|DV\w*|VP?|PAM|LS|MCO|eGIDD|PN|DPS|\.?D\.?H\.?S)\b|\bMSPP?U?\b|\bAP-?HP\b"
    r"|\b(?:ARS|ELSAN|EFS|EPSM|GCS|IFSI|SAMU|SDIS|SSR|USLD|IHU|HIA|HPL|HIHL|HIPR|PSLA|IRSA)\b)",
    re.IGNORECASE,
)
# Centres of other kinds, and those of towns.
_ANOTHER_CENTRE = re.compile(
    r"\b(centre (multim|cultur|commerc|sporti|socio|social|de congr|des congr|d'expo|a[eé]r[eé])"
    r"|(place|rue) du centre\b|centre[- ](ville|bourg)\b)",
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
    """The parts of a place that say nothing: "5 rue X - Maison médicale" leaves "5 rue X"."""
    parts = (part.strip(" ,.-") for part in _PARTS.split(_tidy(place)))
    told = (_POSTCODE_AND_AFTER.sub("", part) for part in parts)
    return ", ".join(part for part in told if part and not says_health(part))


def says_health(name: str) -> bool:
    """Whether a name tells a stranger what kind of appointment this is."""
    return _ABOUT_HEALTH.search(_ANOTHER_CENTRE.sub("", name)) is not None


def _tidy(place: str) -> str:
    tidy = " ".join(place.split())
    tidy = _AN_HOUR.sub(r"\1", tidy)
    tidy = _A_DAY.sub(lambda found: f"{found[1]}-{_month(found[2])}", tidy)
    tidy = _TWICE.sub(r"\1", tidy)
    return _DOCTORS_STREET.sub(r"\1Dr", tidy)


def _month(name: str) -> int:
    plain = name.lower().replace("é", "e").replace("û", "u")
    return _MONTHS.index(plain) + 1
