"""The official file of vaccination centres ("Lieux de vaccination contre la Covid-19").

https://www.data.gouv.fr/fr/datasets/lieux-de-vaccination-contre-la-covid-19/ : one row a centre,
semicolons, UTF-8. Editions differ in the number and the order of columns and in how dates are
written; `rdv_tel2`, `centre_fermeture` and `reserve_professionels_sante` (spelt so) came later. The
later ones also list consulates abroad.
"""

from __future__ import annotations

import re

from datetime import date, datetime
from pathlib import Path
from typing import Final

from models.centres import geography
from partners import semicolon_file
from partners.admits import booking_mode, walk_in
from partners.hours import Meaning, read_day
from partners.motives import plain
from partners.phones import read_phones
from partners.semicolon_file import Row
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
# What makes of a yes to wheelchairs none that one can rely on.
_BUT: Final = frozenset(
    {"mais", "sauf", "pas", "sous", "partiel", "partielle", "partiellement", "difficile"}
    | {"complique", "limite", "limitee", "marche", "marches", "etage", "escalier", "escaliers"}
)
_YES: Final = {"t", "true", "oui", "o", "1", "vrai"}
_NO: Final = {"", "f", "false", "non", "n", "0", "faux"}
# Degrees.
_POLE: Final = 90.0
_DATE_LINE: Final = 180.0

# Whose people live abroad, and are vaccinated there.
_CONSULATE = re.compile(r"\b(?:consula\w+|ambassades?)\b")


class _BadRow(Exception):
    """Why a row is refused; `kind` is the same for rows that are refused alike."""

    def __init__(self, reason: str, kind: str = "") -> None:
        super().__init__(reason)
        self.kind = kind or reason


class _BadPosition(Exception):
    """Why a centre stays without a position."""

    def __init__(self, reason: str, kind: str) -> None:
        super().__init__(reason)
        self.kind = kind


def read(path: Path) -> CentreFeed:
    """Read and check a whole edition (plain or .gz). Raises FileRefused; writes nothing.

    A row is refused, with its line and the reason, for a missing or repeated gid, a missing name, a
    postcode that cannot be, a date that is none, or an address abroad. A position that cannot be is
    left out, with a line of its own, and the centre stays: it may be the only one of an island.
    Unreadable hours and telephone numbers are dropped and counted; the centre's own words about
    hours go into its notes.
    """
    rows, refused = semicolon_file.read(path, kind=KIND, required=REQUIRED, key="gid")
    feed = CentreFeed(refused)
    for row in rows:
        try:
            feed.records.append(_record(row, feed))
            feed.lines[row.cells["gid"]] = row.line
        except _BadRow as bad:
            refused.append(RefusedRow(row.line, str(bad), row.cells["gid"], bad.kind))
    refused.sort(key=lambda row: row.line)
    return feed


def _record(row: Row, feed: CentreFeed) -> CentreRecord:
    cells = row.cells
    gid = cells["gid"]
    if not gid:
        raise _BadRow("no gid")
    if not _GID.fullmatch(gid):
        raise _BadRow(f"gid {gid!r} is not an identifier", "a gid that is not an identifier")
    if gid in feed.lines:
        where = f"gid {gid} is already on line {feed.lines[gid]}"
        raise _BadRow(where, "a gid that was there already")
    if not cells["nom"]:
        raise _BadRow("no name")
    if _is_abroad(cells):
        raise _BadRow("it is abroad")
    postcode = cells["com_cp"]
    if postcode and not geography.is_postcode(postcode):
        raise _BadRow(f"postcode {postcode!r} cannot be", "a postcode that cannot be")
    departement = geography.departement(cells["com_insee"], postcode)
    opens_on = _date(cells.get("date_ouverture", ""))
    closes_on = _date(cells.get("date_fermeture", ""))
    closed = _flag(cells, "centre_fermeture")
    mode = booking_mode(
        name=cells["nom"],
        terms=cells["rdv_modalites"],
        link=cells["rdv_site_web"],
        reserved=_flag(cells, "reserve_professionels_sante"),
    )
    try:
        latitude, longitude = _position(cells, departement)
    except _BadPosition as bad:
        latitude = longitude = None
        feed.unplaced.append(RefusedRow(row.line, str(bad), gid, bad.kind))
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
        walk_in=walk_in(
            texts=(
                cells["nom"],
                cells["rdv_modalites"],
                *(cells[f"rdv_{day}"] for day in DAYS),
            ),
            rdv=cells.get("rdv", ""),
            has_way_to_book=bool(link or cells["rdv_tel"] or cells.get("rdv_tel2")),
        ),
        hours=hours,
        notes="\n".join(note for note in notes if note),
        opens_on=opens_on,
        closes_on=closes_on,
        closed=closed,
        wheelchair=wheelchair(cells.get("lieu_accessibilite", "")),
    )


def wheelchair(text: str) -> str:
    """Access with a wheelchair by what a centre wrote: "yes", "no", or empty for neither plainly.

    The column is of free text (half of it empty, and whole timetables in it). A yes with a "but"
    is none: a visitor who comes in a wheelchair must not stand before stairs.
    """
    words = re.findall(r"[a-z0-9]+", plain(text))
    if not words or _BUT.intersection(words):
        return ""
    if words[0] in {"oui", "o", "accessible"}:
        return "yes"
    return "no" if words in (["non"], ["n"]) else ""


def _is_abroad(cells: dict[str, str]) -> bool:
    """Whether a row lies outside France: many countries' postcodes look like French ones.

    By the INSEE code of a foreign country, or by a position that is on no French land although it
    is a place: neither the null island nor two figures that changed places.
    """
    insee = cells["com_insee"]
    if insee.startswith("99"):
        return True
    try:
        latitude, longitude = _numbers(cells)
    except _BadPosition:
        return False
    if latitude is None or longitude is None:
        return False
    is_place = abs(latitude) <= _POLE and abs(longitude) <= _DATE_LINE and (latitude or longitude)
    mirrored = geography.is_plausible(longitude, latitude, "")
    if not is_place or mirrored or geography.is_plausible(latitude, longitude, ""):
        return False
    french = geography.departement(insee, "") or cells["com_cp"].startswith(("97", "98"))
    return not french or bool(_CONSULATE.search(plain(cells["nom"])))


def _numbers(cells: dict[str, str]) -> tuple[float | None, float | None]:
    texts = [cells[name].replace(",", ".") for name in ("lat_coor1", "long_coor1")]
    if not any(texts):
        return None, None
    if not all(texts):
        half = "latitude without longitude, or longitude without latitude"
        raise _BadPosition(half, half)
    try:
        latitude, longitude = (float(text) for text in texts)
    except ValueError:
        raise _BadPosition(
            f"position {texts[0]!r}, {texts[1]!r} is not two numbers", "a position that is none"
        ) from None
    return latitude, longitude


def _position(cells: dict[str, str], departement: str) -> tuple[float | None, float | None]:
    latitude, longitude = _numbers(cells)
    if latitude is None or longitude is None:
        return None, None
    if not geography.is_plausible(latitude, longitude, departement):
        where = f"département {departement}" if departement else "France"
        raise _BadPosition(
            f"position {latitude:g}, {longitude:g} is not near {where}",
            "a position that is not near its département",
        )
    return latitude, longitude


def _date(text: str) -> date | None:
    if not text:
        return None
    for form in ("%d/%m/%Y", "%Y-%m-%d"):
        try:
            return datetime.strptime(text[:10], form).date()  # noqa: DTZ007  a day has no zone
        except ValueError:
            continue
    raise _BadRow(f"{text!r} is not a date", "a date that is none")


def _flag(cells: dict[str, str], column: str) -> bool:
    text = cells.get(column, "").lower()
    if text in _YES:
        return True
    if text in _NO:
        return False
    raise _BadRow(f"{column} is {text!r}, neither yes nor no", f"{column} neither yes nor no")


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
