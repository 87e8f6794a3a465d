"""The official file of vaccination centres ("Lieux de vaccination contre la Covid-19").

https://www.data.gouv.fr/fr/datasets/lieux-de-vaccination-contre-la-covid-19/ : one row a centre,
semicolons, UTF-8. Editions differ in the number and the order of columns and in how dates are
written; `rdv_tel2`, `centre_fermeture` and `reserve_professionels_sante` (spelt so) came later.
"""

from __future__ import annotations

import re

from collections.abc import Mapping
from datetime import date, datetime
from pathlib import Path
from typing import Final

from models.centres import geography
from partners import semicolon_file
from partners.hours import Meaning, read_day
from partners.motives import plain
from partners.phones import read_phones
from partners.platforms import PARTNERS
from services.centres.import_centres import HOURS_NOTE, CentreFeed, CentreRecord, RefusedRow

KIND: Final = "a file of vaccination centres"
DAYS: Final = ("lundi", "mardi", "mercredi", "jeudi", "vendredi", "samedi", "dimanche")
REQUIRED: Final = (
    "gid",
    "nom",
    "adr_num",
    "adr_voie",
    "com_cp",
    "com_insee",
    "com_nom",
    "lat_coor1",
    "long_coor1",
    *(f"rdv_{day}" for day in DAYS),
    "rdv_site_web",
    "rdv_tel",
    "rdv_modalites",
)

_GID = re.compile(r"[0-9A-Za-z_.-]{1,40}")
_YES: Final = {"t", "true", "oui", "o", "1", "vrai"}
_NO: Final = {"", "f", "false", "non", "n", "0", "faux"}

# The people who are admitted, in the centres' own words. "Communauté professionnelle" and "carte
# professionnelle" are not people; the file also spells "professionels".
_PROFESSIONALS = re.compile(
    r"\bprofessionn?els?\b|\bpersonnels? (?:de sante|soignants?|hospitaliers?)\b|\bsoignants?\b"
)
_PUBLIC = re.compile(
    r"\b75(?:\b|ans)|\b(?:grand|au|le|ouvert) public\b|\bpublic (?:de|\(|\+)|\bpopulation\b"
    r"|\bpersonnes? agees?\b"
)
# A telephone number or another line for professionals does not tell which people are admitted.
_ONLY_A_CONTACT = re.compile(
    r"\bpour les ps\b|\bpour les professionnels de sante ?(?:,|:|au \d) ?(?:contacter|\d)?"
)
_NUMBER = re.compile(r"(?:\+33|0) ?\d(?:[ .]?\d\d){4}")
_NAME_RESERVES = re.compile(r"\b(?:reserve|pour|dedie)\b.*\bprofessionn?els?\b")


class _BadRow(Exception):
    """Why a row is refused."""


def read(path: Path) -> CentreFeed:
    """Read and check a whole edition (plain or .gz). Raises FileRefused; writes nothing.

    A row is refused, with its line and the reason, for a missing or repeated gid, a missing name, a
    postcode or a position that cannot be, or a date that is none. Unreadable hours and telephone
    numbers are dropped and counted; the centre's own words about hours go into its notes.
    """
    rows, refused = semicolon_file.read(path, kind=KIND, required=REQUIRED, key="gid")
    feed = CentreFeed(refused)
    lines: dict[str, int] = {}
    for row in rows:
        try:
            feed.records.append(_record(row.cells, lines, feed))
            lines[row.cells["gid"]] = row.line
        except _BadRow as bad:
            refused.append(RefusedRow(row.line, str(bad), row.cells["gid"]))
    refused.sort(key=lambda row: row.line)
    return feed


def _record(cells: dict[str, str], lines: Mapping[str, int], feed: CentreFeed) -> CentreRecord:
    gid = cells["gid"]
    if not gid:
        raise _BadRow("no gid")
    if not _GID.fullmatch(gid):
        raise _BadRow(f"gid {gid!r} is not an identifier")
    if gid in lines:
        raise _BadRow(f"gid {gid} is already on line {lines[gid]}")
    if not cells["nom"]:
        raise _BadRow("no name")
    postcode = cells["com_cp"]
    if postcode and not geography.is_postcode(postcode):
        raise _BadRow(f"postcode {postcode!r} cannot be")
    departement = geography.departement(cells["com_insee"], postcode)
    latitude, longitude = _position(cells, departement)
    opens_on = _date(cells.get("date_ouverture", ""))
    closes_on = _date(cells.get("date_fermeture", ""))
    closed = _flag(cells, "centre_fermeture")
    mode = booking_mode(
        name=cells["nom"],
        terms=cells["rdv_modalites"],
        link=cells["rdv_site_web"],
        reserved=_flag(cells, "reserve_professionels_sante"),
    )
    hours, words = _hours(cells, feed)
    link = _link(cells["rdv_site_web"])
    notes = [" ".join(cells["rdv_modalites"].split()), words]
    if cells["rdv_site_web"] and not link:
        notes.append(f"Rendez-vous en ligne : {cells['rdv_site_web']}")
    return CentreRecord(
        id=gid,
        name=" ".join(cells["nom"].split()),
        street=" ".join(f"{cells['adr_num']} {cells['adr_voie']}".split()),
        postcode=postcode,
        insee=cells["com_insee"] if len(cells["com_insee"]) == len("75056") else "",
        town=cells["com_nom"],
        latitude=latitude,
        longitude=longitude,
        phones=_phones(cells, departement, feed),
        booking_link=link,
        booking_mode=mode,
        hours=hours,
        notes="\n".join(note for note in notes if note),
        opens_on=opens_on,
        closes_on=closes_on,
        closed=closed,
    )


def booking_mode(*, name: str, terms: str, link: str, reserved: bool = False) -> str:
    """`reserved`, `partner` or `own_phone`, in this order.

    Reserved: the column of later editions says so, or the terms (`rdv_modalites`) or the name speak
    of professionals and the terms name no other group ("Ouvert tous professionnels" as against
    "Ouvert tous professionnels, public 75 ans et plus"). A public opening announced for a later day
    counts as public: the file does not say when it was written. The words in a link's address are
    not evidence; several centres that are open to all share an agenda made for professionals.
    """
    plain_terms = _NUMBER.sub(" ", _ONLY_A_CONTACT.sub(" ", plain(terms)))
    names_professionals = _PROFESSIONALS.search(plain_terms) or _NAME_RESERVES.search(plain(name))
    if reserved or (names_professionals and not _PUBLIC.search(plain_terms)):
        return "reserved"
    return "partner" if any(name in link.lower() for name in PARTNERS) else "own_phone"


def _position(cells: dict[str, str], departement: str) -> tuple[float | None, float | None]:
    texts = [cells[name].replace(",", ".") for name in ("lat_coor1", "long_coor1")]
    if not any(texts):
        return None, None
    if not all(texts):
        raise _BadRow("latitude without longitude, or longitude without latitude")
    try:
        latitude, longitude = (float(text) for text in texts)
    except ValueError:
        raise _BadRow(f"position {texts[0]!r}, {texts[1]!r} is not two numbers") from None
    if not geography.is_plausible(latitude, longitude, departement):
        where = f"département {departement}" if departement else "France"
        raise _BadRow(f"position {texts[0]}, {texts[1]} is not near {where}")
    return latitude, longitude


def _date(text: str) -> date | None:
    if not text:
        return None
    for form in ("%d/%m/%Y", "%Y-%m-%d"):
        try:
            return datetime.strptime(text[:10], form).date()  # noqa: DTZ007  a day has no zone
        except ValueError:
            continue
    raise _BadRow(f"{text!r} is not a date")


def _flag(cells: dict[str, str], column: str) -> bool:
    text = cells.get(column, "").lower()
    if text in _YES:
        return True
    if text in _NO:
        return False
    raise _BadRow(f"{column} is {text!r}, neither yes nor no")


def _hours(
    cells: dict[str, str], feed: CentreFeed
) -> tuple[dict[int, tuple[tuple[str, str], ...]], str]:
    hours = {}
    words: dict[str, None] = {}
    for number, name in enumerate(DAYS):
        cell = cells[f"rdv_{name}"]
        day = read_day(cell)
        if day.intervals:
            hours[number] = day.intervals
        if day.meaning is Meaning.NOT_TOLD:
            feed.hours_not_told += 1
        if day.meaning is Meaning.UNCLEAR or day.partial:
            feed.hours_not_understood += 1
        if day.meaning in {Meaning.NOT_TOLD, Meaning.UNCLEAR} or day.partial:
            words[f"{name} « {' '.join(cell.split())} »"] = None
    return hours, HOURS_NOTE + ", ".join(words) if words else ""


def _phones(cells: dict[str, str], departement: str, feed: CentreFeed) -> tuple[str, ...]:
    found: dict[str, None] = {}
    for column in ("rdv_tel", "rdv_tel2", "lieu_tel"):
        text = cells.get(column, "")
        numbers = read_phones(text, departement)
        if text and not numbers:
            feed.phones_unusable += 1
        found.update(dict.fromkeys(numbers))
    return tuple(found)


def _link(text: str) -> str:
    # Only web addresses: the cell also holds e-mail addresses and words like "doctolib en cours",
    # and a link is shown to be clicked on.
    if re.fullmatch(r"https?://[^\s/@]+(?:/\S*)?", text, re.IGNORECASE):
        return text
    return f"https://{text}" if re.fullmatch(r"www\.[\w.-]+\.\w{2,}(?:/\S*)?", text) else ""
