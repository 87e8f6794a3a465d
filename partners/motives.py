"""For which people a motive is, and which dose: read from names that centres wrote freely.

Partners have next to no fields for it; a category ("Vaccination PS") or the motive itself ("1ère
injection +70 ANS (PF)") says it in words. Where the words exclude a group, they are believed. Where
they say nothing the motive is for the public.
"""

from __future__ import annotations

import re
import unicodedata

from dataclasses import dataclass
from typing import Final

from models.partners.rows import FROM_AGE, PUBLIC

PROFESSIONALS: Final = "professionals"
CONDITION: Final = "condition"
NOT_A_VACCINATION: Final = "it is not a vaccination"
IS_A_TEST: Final = "it is a test"
OTHER_VACCINE: Final = "it is against something else"
FOR_PROFESSIONALS: Final = "it is for professionals"

_TEST = re.compile(r"\btests?\b|\bpcr\b|\bantigeni|\bserolog|\btrod\b|\bdepistage|\bprelevement")
_COVID = re.compile(
    r"\bcovid|\bsars\b|\bpfizer|\bbiontech|\bpfz\b|\bmoderna|\bastra ?zeneca|\bjanssen|\bcomirnaty"
)
_OTHER = re.compile(
    r"\bgripp|\bfievre jaune|\bpneumo|\btetanos|\bdtp|\bhepatite|\brougeole|\bmeningo|\bzona\b"
)
_VACCINATION = re.compile(
    r"vaccin|impf|\binj|\bdoses?\b|\brappel|\bbooster|\bprimo|\bshot\b|\bjab\b"
)
_DOSES: Final = (
    (
        1,
        re.compile(
            r"\b1 ?(?:ere|re|st)\b|\b1er(?:e)? ?(?:inj|dose|rdv|rendez)|\bpremiere\b|\bfirst\b"
            r"|\berst"
            r"|\binj(?:ection)?s?[ .:n°-]*1\b|\bdoses?[ .:n°-]*1\b|\bd1\b|\bv1\b|\bjanssen"
            r"|\b(?:pfz|pf|pfizer|moderna|mod|mdn|az|astra ?zeneca)[ -]*1\b"
            r"|\b(?:dose|injection) unique\b|\bprimo"
        ),
    ),
    (
        2,
        re.compile(
            r"\b2 ?(?:nde?|eme|e|ieme|de)\b|\bseconde?\b|\bdeuxieme\b|\bzweit"
            r"|\binj(?:ection)?s?[ .:n°-]*2\b|\bdoses?[ .:n°-]*2\b|\bd2\b|\bv2\b"
            r"|\b(?:pfz|pf|pfizer|moderna|mod|mdn|az|astra ?zeneca)[ -]*2\b"
        ),
    ),
    (
        3,
        re.compile(
            r"\b3 ?(?:rd|eme|e|ieme)\b|\btroisieme\b|\bthird\b|\bdritt|\brappel|\bbooster"
            r"|\binj(?:ection)?s?[ .:n°-]*3\b|\bdoses?[ .:n°-]*3\b|\bd3\b"
        ),
    ),
)
# "Non professionnels de santé", "hors professionnels": the others are meant.
_NOT_PROFESSIONALS = re.compile(
    r"\b(?:non|hors|sauf|excepte|autres? que)[ -]+(?:les |des |de )?"
    r"(?:professionn?els?|soignants?|ps)\b"
    r"(?: (?:de|du) (?:sante|secteur \w+))?"
)
_PROFESSIONALS = re.compile(
    r"\bprofessionn?el(?:le)?s?\b|\bsoignants?\b|\bpersonnels?\b|\bps\b|\bpsl\b|\bpompiers?\b"
    r"|\bambulanciers?\b|\baides? (?:a|au) domicile\b|\betudiants? en\b|\bauxiliaires? de vie\b"
    r"|\bsalaries\b|\bagents? (?:hospitaliers?|du ch)\b|\benseignants?\b|\bforces de l.ordre\b"
    r"|\bmedecins?\b(?! traitant)|\binfirmiere?s?\b|\bpharmaciens\b"
)
# "Maison des professionnels" is a building, "réservé aux professionnels" is a rule.
_NAME_RESERVES = re.compile(
    r"\b(?:reservee?s?|pour|dediee?s?)\b[^,;|]*\b(?:professionn?els?|soignants?)\b"
)
# "GHBS Professionnels Quimperlé": not a building's name, so a rule.
_NAME_TELLS = re.compile(r"(?<!\bdes )(?<!\bde )(?<!\bd')(?<!\baux )\bprofessionn?els\b")
_OTHERS_TOO = re.compile(
    r"(?:\bet\b|\bou\b|[,/;]) *(?:les |des |aux |de |du |le )*"
    r"(?:personnes?|(?:grand |tout )?public|population|plus de \d\d|\+ ?(?:de )?\d\d|\d\d ans)"
    r"|\+ *(?:les |des )?(?:personnes?|public|population)"
    r"|\b(?:grand|tout) public\b"
)
_CONDITION = re.compile(
    r"\bco-?morbidit|\bhaut[ -]+risque|\ba risques?\b|\bvulnerable|\bordonnance|\bprescription"
    r"|\benceinte|\bpathologie|\bimmuno|\bgreff|\bdialys|\bcancer|\bhandicap|\btrisomi"
    r"|\bconvocation|\bsur courrier|\bpatients? (?:du|de l|suivi)"
)
_NO_MATTER = re.compile(
    r"\b(?:avec ou )?sans (?:conditions?|co-?morbidites?|ordonnances?|prescription)"
)
_EITHER = re.compile(r"\bou\b|/|\bet (?:les |des |aux )?(?:personnes?|patients?|malades?)")
_BETWEEN = re.compile(
    r"\b(\d\d) ?(?:ans)? ?(?:-|a|et) ?(\d\d) ?ans\b|\bentre (\d\d) (?:ans )?et (\d\d)\b"
)
_LEAST = re.compile(
    r"\+ ?(?:de )?(\d\d) ?ans\b|\bplus de (\d\d)\b|\b(\d\d) ?ans (?:et|ou) (?:\+|plus)"
    r"|\b(\d\d) ?(?:ans )?(?:et|ou) (?:\+|plus|davantage)|(?:>=?|≥) ?(\d\d)\b"
    r"|\b(?:a partir de|des) (?:l.age de )?(\d\d) ?ans|\b(\d\d) ?(?:ans ?)?\+(?! ?\d)|\+ ?(\d\d)\b"
)
_BELOW = re.compile(r"\bmoins de (\d\d)\b|(?:^|[ (])-(\d\d) ?ans\b|(?:<=?|≤) ?(\d\d)\b")


@dataclass(frozen=True, slots=True)
class MotiveVerdict:
    """`bookable_for` is `public`, `age>=N`, `age<N`, `age=N-M`, `condition` or `professionals`."""

    dose: int
    bookable_for: str
    excluded: str = ""


def judge(
    name: str, category: str = "", *, dose: int = 0, vaccination: bool = False
) -> MotiveVerdict:
    """Judge a motive by its name and its category's.

    `dose` and `vaccination` are what the partner's own fields tell, and go before the words.
    """
    words, around = plain(name), plain(category)
    both = f"{around} | {words}"
    # A category for professionals and others may hold a motive for professionals alone.
    reserved = PROFESSIONALS if _is_reserved(words) or _is_reserved(around) else ""
    found = MotiveVerdict(dose or _dose(words) or _dose(around), reserved or _for_whom(both))
    why = ""
    if _TEST.search(words):
        why = IS_A_TEST
    elif _OTHER.search(words) and not _COVID.search(words):
        why = OTHER_VACCINE
    elif not (vaccination or _VACCINATION.search(both) or _COVID.search(both)):
        why = NOT_A_VACCINATION
    elif found.bookable_for == PROFESSIONALS:
        why = FOR_PROFESSIONALS
    return MotiveVerdict(found.dose, found.bookable_for, why)


def is_reserved_centre(name: str) -> bool:
    """Whether a centre's own name keeps it for professionals, whatever its motives say."""
    words = _NOT_PROFESSIONALS.sub(" ", plain(name))
    told = _NAME_RESERVES.search(words) or _NAME_TELLS.search(words)
    return bool(told) and not _OTHERS_TOO.search(words)


def plain(text: str) -> str:
    """Small letters without accents, single spaces: how the patterns here are written."""
    decomposed = unicodedata.normalize("NFKD", text.replace("’", "'"))
    bare = "".join(letter for letter in decomposed if not unicodedata.combining(letter))
    return " ".join(re.sub(r"[–—−]", "-", bare).lower().split())


def _dose(words: str) -> int:
    found = [number for number, pattern in _DOSES if pattern.search(words)]
    return found[0] if len(found) == 1 else 0


def _is_reserved(words: str) -> bool:
    words = _NOT_PROFESSIONALS.sub(" ", words)
    return bool(_PROFESSIONALS.search(words)) and not _OTHERS_TOO.search(words)


def _for_whom(words: str) -> str:
    age = _age(words)
    has_condition = _CONDITION.search(_NO_MATTER.sub(" ", words))
    if has_condition and not (age and _EITHER.search(words)):
        return CONDITION
    return age or PUBLIC


def _age(words: str) -> str:
    between = _BETWEEN.search(words)
    if between:
        low, high = [group for group in between.groups() if group]
        return f"age={low}-{high}"
    least = _first(_LEAST, words)
    below = _first(_BELOW, words)
    if least and below and least < below:
        return f"age={least}-{int(below) - 1}"
    if least:
        return f"{FROM_AGE}{least}"
    return f"age<{below}" if below else ""


def _first(pattern: re.Pattern[str], words: str) -> str:
    found = pattern.search(words)
    return next((group for group in found.groups() if group), "") if found else ""
