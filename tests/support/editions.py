"""Files of centres in the shapes of two later editions of the official file, with made-up centres.

March 2021 has dates as YYYY-MM-DD and the columns `rdv_tel2`, `centre_fermeture` and
`reserve_professionels_sante`; November 2021 has `centre_type` as well, hundreds of centres that
are closed, and consulates. What is odd in the rows here was odd in the same way there.
"""

from __future__ import annotations

import csv

from dataclasses import dataclass
from pathlib import Path
from typing import Final

_DAYS: Final = ("lundi", "mardi", "mercredi", "jeudi", "vendredi", "samedi", "dimanche")
MARCH: Final = (
    *("gid", "nom", "arrete_pref_numero", "xy_precis", "id_adr", "adr_num", "adr_voie"),
    *("com_cp", "com_insee", "com_nom", "lat_coor1", "long_coor1"),
    *("structure_siren", "structure_type", "structure_rais", "structure_num"),
    *("structure_voie", "structure_cp", "structure_insee", "structure_com"),
    *("_userid_creation", "_userid_modification", "_edit_datemaj", "lieu_accessibilite"),
    *(f"rdv_{day}" for day in _DAYS),
    *("rdv", "date_fermeture", "date_ouverture", "rdv_site_web", "rdv_tel", "rdv_tel2"),
    *("rdv_modalites", "rdv_consultation_prevaccination", "centre_svi_repondeur"),
    *("centre_fermeture", "reserve_professionels_sante"),
)
NOVEMBER: Final = (*MARCH, "centre_type")
CONSULATES: Final = 196
Row = dict[str, str]


def _town(
    code: str, insee: str, name: str, latitude: float | str, longitude: float | str
) -> dict[str, str]:
    return {
        "com_cp": code,
        "com_insee": insee,
        "com_nom": name,
        "lat_coor1": str(latitude),
        "long_coor1": str(longitude),
    }


VITRE: Final = _town("35500", "35360", "Vitré", 48.1226, -1.2161)
RENNES: Final = _town("35000", "35238", "Rennes", 48.1069, -1.6768)
TULLE: Final = _town("19000", "19272", "Tulle", 45.2672, 1.7712)
SAINT_DENIS: Final = _town("97490", "97411", "Saint-Denis", -20.8885, 55.4692)
ILL: Final = _town("67400", "67218", "Illkirch-Graffenstaden", 48.5379, 7.7247)
# The one centre of each of these islands; the position of the first is one in Lyon.
SAINT_BARTH: Final = _town("97133", "97123", "Saint-Barthélemy", 45.7578, 4.832)
SAINT_MARTIN: Final = _town("97150", "97127", "Saint-Martin", 18.0731, -63.0822)


def _centre(gid: int, name: str, town: dict[str, str], hours: str = "9h-12h", **cells: str) -> Row:
    """Open from Monday to Friday, with an agenda at a partner, if nothing else is said."""
    row = {
        "gid": str(gid),
        "nom": name,
        "xy_precis": "0.99999996364357",
        "adr_voie": "Rue de la Gare",
        "structure_siren": "130007966",
        "structure_rais": "AGENCE REGIONALE DE SANTE",
        "_edit_datemaj": "2021-03-03 12:00:01.971072",
        **{f"rdv_{day}": hours for day in _DAYS[:5]},
        "rdv_samedi": "fermé",
        "rdv_dimanche": "fermé",
        "rdv": "t",
        "date_ouverture": "2021-01-18",
        "rdv_site_web": f"https://partners.doctolib.fr/centre-de-sante/x/centre-{gid}?pid=1",
        "rdv_tel": "+33299740000",
    }
    return row | town | cells


_ALONE: Final = {"rdv_site_web": "", "rdv_tel": ""}
# Centres that both editions have as they are; the file closes more than it names anew.
_COMMON: Final = tuple(_centre(gid, f"Centre {gid}", RENNES) for gid in range(1, 41))
_ISLANDS: Final = (
    _centre(1293, "Centre de vaccination de Saint-Barthélemy", SAINT_BARTH, rdv_site_web=""),
    _centre(2542, "Centre de vaccination de Saint-Martin", SAINT_MARTIN),
)


@dataclass(frozen=True)
class Edition:
    """A file and what an import of it into an empty store must count."""

    header: tuple[str, ...]
    rows: tuple[Row, ...]
    placed: int
    without_position: int
    refused: int
    reserved: int
    walk_in_only: int
    walk_in_also: int
    ended: int

    def write(self, path: Path, *, without: frozenset[str] = frozenset()) -> Path:
        """The file; rows of these gids left out."""
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(
                file, self.header, delimiter=";", lineterminator="\n", restval=""
            )
            writer.writeheader()
            writer.writerows(row for row in self.rows if row["gid"] not in without)
        return path


def march() -> Edition:
    """As of 3 March 2021."""
    swapped = TULLE | {"lat_coor1": TULLE["long_coor1"], "long_coor1": TULLE["lat_coor1"]}
    rows = (
        *_COMMON,
        *_ISLANDS,
        _centre(83, "Site gériatrique", TULLE, reserve_professionels_sante="t"),
        _centre(65, "CH (réservé aux professionnels de santé)", TULLE),
        _centre(66, "CH - personnels", TULLE),
        _centre(67, "Centre ASTRA ZENECA Personnels de Santé", TULLE),
        _centre(68, "CPTS - professionnels prioritaires", VITRE, reserve_professionels_sante="f"),
        _centre(69, "Salle", VITRE, rdv_modalites="Vaccination du personnel du 1er degré"),
        _centre(70, "Ville", VITRE, rdv_modalites="avec et sans inscription auprès d'un"
                " professionnel de santé"),
        _centre(209, "Les Tanzmatten -  plus de 65 ans", ILL, "8:30-13:00 & 13:30-17:00"),
        _centre(869, "Maison de santé", swapped, "10H12H", rdv_tel2="0299740001"),
        _centre(1244, "Espace", {**VITRE, "com_insee": ""}, "20:00-00:00"),
        _centre(71, "Éphémère", VITRE, date_fermeture="2021-03-02"),
        _centre(72, "Jusqu'en été", VITRE, date_fermeture="2021-06-30"),
        _centre(73, "CH Cayenne", {**TULLE, "com_cp": "1900"}),
        _centre(65, "Deux fois", TULLE),
    )  # fmt: skip
    return Edition(
        MARCH,
        rows,
        # All but Saint-Barthélemy and the one whose two figures changed places.
        placed=len(_COMMON) + 11 + 1,
        without_position=2,
        refused=2,
        reserved=6,
        walk_in_only=0,
        walk_in_also=0,
        ended=1,
    )


def _consulate(number: int) -> Row:
    """Abroad; many a postcode there looks like one of here."""
    towns = (
        _town("16000", "", "Alger", 36.7631, 3.0506),
        _town("10117", "", "Berlin", 52.5163, 13.3781),
        _town("", "", "New York", 40.7737, -73.9643),
        _town("99243", "99352", "Oran", 35.6977, -0.6337),
    )
    name = f"Consulat général de France {number}"
    return _centre(3200 + number, name, towns[number % len(towns)], "", **_ALONE)


def november() -> Edition:
    """As of 18 November 2021."""
    both = "08h30-12h40/14h00-18h00/sans rendez-vous 08h30-12h40/sans rendez-vous 14h00-18h00"
    rows = (
        *_COMMON,
        *_ISLANDS,
        *map(_consulate, range(CONSULATES)),
        _centre(83, "Site gériatrique", TULLE, reserve_professionels_sante="t"),
        _centre(257, "PAIMPOL - CH (réservé PS)", VITRE),
        _centre(2841, "Campus", VITRE, rdv="f", rdv_modalites="Accès réservé aux étudiants",
                centre_type='{"Campagne scolaire"}'),
        # Without appointments, by the column and by words, with and without another way.
        _centre(2847, "Barnum", VITRE, "10h-18h", rdv="f", **_ALONE,
                rdv_modalites="Barnum tout en un (vaccination sans RDV)",
                centre_type='{"Dispositif aller vers ...","Equipe mobile"}'),
        _centre(2840, "Itinérant", VITRE, rdv="f", **_ALONE),
        _centre(2747, "Polygone (sans rdv)", VITRE, rdv="", **_ALONE),
        _centre(619, "Salle polyvalente", TULLE, rdv="f", centre_type='{"Grand centre"}'),
        _centre(2831, "Lycée", SAINT_DENIS, both, rdv="f"),
        _centre(845, "Salle des fêtes", TULLE, "8-16h/sans rendez-vous 8-15h"),
        _centre(75, "Ville", VITRE, "9:00-20:00/avec et sans rendez-vous"),
        # Closed by their date, by the column, and open to their last day.
        _centre(582, "Louviers", VITRE, date_fermeture="2021-08-28", centre_fermeture="t"),
        _centre(2498, "Éphémère", VITRE, date_fermeture="2021-06-16", centre_fermeture="f"),
        _centre(2531, "UHSI", TULLE, "fermé", rdv="", centre_fermeture="t",
                centre_type="{UHSI}"),
        _centre(835, "Forum", VITRE, date_fermeture="2021-11-30", centre_fermeture="f"),
        _centre(72, "Dernier jour", VITRE, date_fermeture="2021-11-18"),
        _centre(2728, "Bus", {**VITRE, "lat_coor1": "", "long_coor1": ""}, "aléatoire"),
        _centre(2022, "Vaccinodrome", {**TULLE, "lat_coor1": "0", "long_coor1": "0"}),
    )  # fmt: skip
    return Edition(
        NOVEMBER,
        rows,
        # All but Saint-Barthélemy, the bus and the null island.
        placed=len(_COMMON) + 1 + 15,
        without_position=3,
        refused=CONSULATES,
        reserved=3,
        walk_in_only=3,
        walk_in_also=5,
        ended=3,
    )
