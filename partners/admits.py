"""The people a centre of the official file admits, and how one comes there, in its own words.

The terms (`rdv_modalites`), the name and the cells of hours are free text. What they do not say is
not made up: a centre is reserved only where its words speak of professionals (or students) and
of no others, and takes people without an appointment only where the file says so.
"""

from __future__ import annotations

import re

from collections.abc import Iterable
from typing import Final

from models.centres.tables import WALK_IN_ALSO, WALK_IN_ONLY
from partners.motives import is_reserved_centre, plain
from partners.platforms import PARTNERS

# The people who are admitted, in the centres' own words. "Communauté professionnelle" and "carte
# professionnelle" are not people; the file also spells "professionels". One professional alone is
# a person who vaccinates or signs, unless a place is kept for them.
_PROFESSIONALS = re.compile(
    r"\bprofessionn?els\b|\breserve\w*\b[^.;]*\bprofessionn?el\b"
    r"|\bpersonnels? (?:de sante|soignants?|hospitaliers?|prioritaires?|enseignants?|communa\w+"
    r"|municipa\w+|medica\w+|medico-\w+|scolaires?|de l'education|du (?:1 ?er|premier|2nd|second)"
    r" degre|des? (?:l'|la )?(?:ecoles?|etablissements?))\b"
    r"|\bsoignants?\b|\breserve\w* (?:(?:aux?|a la|a l') ?)?(?:ps\b|personnels?\b|etudiante?s?\b"
    r"|eleves\b|lyceens\b|collegiens\b|agents\b|salaries\b|detenus\b|patients? de l'etablissement)"
)
_PUBLIC = re.compile(
    r"\b75(?:\b|ans)|\b(?:grand|au|le|ouvert) public\b|\bpublic (?:de|\(|\+)|\bpopulation\b"
    r"|\bpersonnes? agees?\b|\btous? publics?\b"
    r"|(?:\bet\b|\bou\b|[,/;+&]) *(?:pour )?(?:les |aux |des |de |du )*(?:personnes?|public)\b"
)
# A telephone number or another line for professionals does not tell which people are admitted, nor
# does who vaccinates, examines or inscribes them.
_ONLY_A_CONTACT = re.compile(
    r"\bpour les ps\b|\bpour les professionnels de sante ?(?:,|:|au \d) ?(?:contacter|\d)?"
    r"|\b(?:par|aupres|avec|chez|equipes?|presence|avis|ordonnance|prescription|accord)"
    r"(?: (?:d'|de |des |du |l'|les? |un |une |nos |vos |votre |son )*(?:d'|de |des |un )*)?"
    r" ?(?:un )?(?:equipe )?(?:de )?professionn?els?(?: de (?:la )?sante)?\b"
)
_NUMBER = re.compile(r"(?:\+33|0) ?\d(?:[ .]?\d\d){4}")
_NAME_RESERVES = re.compile(
    r"\b(?:reserve|pour|dedie)\b.*\bprofessionn?els?\b|\bprofessionn?els? prioritaires?\b"
    r"|\breserve\w* (?:aux? )?(?:ps|personnels?|etudiante?s?|soignants?)\b"
    r"|(?<!\bdes )(?<!\bde )(?<!\bdu )(?<!\baux )\bpersonnels\b"
    r"|\bpersonnel (?:de sante|soignant|hospitalier|prioritaire|enseignant|scolaire"
    r"|de l'education|du (?:1 ?er|premier|2nd|second) degre)\b"
)

_APPOINTMENT = re.compile(r"\brendez[- ]?vous\b|\brdvs?\b|\br\. ?d\. ?v\b\.?")
_EITHER = re.compile(
    r"\bavec ?(?:et|ou|/|,)? ?sans rdv\b|\bsans ou avec rdv\b|\bsans et avec rdv\b"
)
_WITHOUT = re.compile(r"\b(?:sans|ni) (?:prise de |prendre )?rdv\b")
# "Pas sans rendez-vous", and what was so for some days: "Sans rdv jusqu'au 10/01".
_NOT_WITHOUT = re.compile(
    r"\b(?:pas|aucune?s?|jamais|impossible|interdit\w*|refuse\w*|eviter)\b[^.;:!]{0,60}"
    r"\bsans (?:prise de |prendre )?rdv\b"
    r"|\bsans rdv\b[^.;]{0,20}\b(?:jusqu|n'est|n'est plus|ne (?:sera|seront)|impossible|interdit"
    r"|refuse|non (?:accepte|admis))"
)
_NO: Final = {"f", "false", "non", "n", "0", "faux"}


def booking_mode(*, name: str, terms: str, link: str, reserved: bool = False) -> str:
    """`reserved`, `partner` or `own_phone`, in this order.

    Reserved: the column of later editions says so, or the terms (`rdv_modalites`) or the name speak
    of professionals and the terms name no other group ("Ouvert tous professionnels" as against
    "Ouvert tous professionnels, public 75 ans et plus"). A public opening announced for a later day
    counts as public: the file does not say when it was written. The words in a link's address are
    not evidence; several centres that are open to all share an agenda made for professionals.
    """
    if reserved or _is_reserved(plain(name), plain(terms)):
        return "reserved"
    return "partner" if any(partner in link.lower() for partner in PARTNERS) else "own_phone"


def _is_reserved(name: str, terms: str) -> bool:
    terms = _NUMBER.sub(" ", _ONLY_A_CONTACT.sub(" ", terms))
    if _PUBLIC.search(terms):
        return False
    if _PROFESSIONALS.search(terms):
        return True
    if is_reserved_centre(name):
        return True
    return bool(_NAME_RESERVES.search(name)) and not _PUBLIC.search(name)


def walk_in(*, texts: Iterable[str], rdv: str, has_way_to_book: bool) -> str:
    """Whether people may come without an appointment: "only" so, "also" so, or "" where not.

    The file says so in the column `rdv` ("f": no appointments) or in words of its name, its terms
    or its hours (`texts`). Where it gives a link or a number to book at as well, or says "avec et
    sans", both ways are open: most centres of November 2021 with `f` have an agenda.
    """
    words = [_APPOINTMENT.sub("rdv", plain(text)) for text in texts]
    either = any(_EITHER.search(text) for text in words)
    without = any(_WITHOUT.search(text) and not _NOT_WITHOUT.search(text) for text in words)
    flag = rdv.strip().lower()
    if not (either or without or flag in _NO):
        return ""
    needs_none = flag in _NO or not flag
    return WALK_IN_ONLY if needs_none and not (either or has_way_to_book) else WALK_IN_ALSO
