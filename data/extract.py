"""Make the extracts in this folder from the published files.

    python data/extract.py centres-vaccination_2021-01-15.csv laposte_hexasmal.csv communes.json

`communes.json` is in the package @etalab/decoupage-administratif (npm), folder data.

Columns that the service does not read are left out; nothing else is changed, so that the extracts
go through the same readers as the published files.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import sys

from collections.abc import Iterable, Sequence
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from partners.town_names import bare  # noqa: E402  run as a script, from any folder

DAYS = ("lundi", "mardi", "mercredi", "jeudi", "vendredi", "samedi", "dimanche")
CENTRES = (
    *("gid", "nom", "adr_num", "adr_voie", "com_cp", "com_insee", "com_nom"),
    *("lat_coor1", "long_coor1", *(f"rdv_{day}" for day in DAYS)),
    *("lieu_tel", "rdv", "date_fermeture", "date_ouverture"),
    *("rdv_site_web", "rdv_tel", "rdv_modalites", "lieu_accessibilite"),
)
POSTCODES = ("Code_commune_INSEE", "Nom_commune", "Code_postal", "coordonnees_gps")


def main(centres: Path, postcodes: Path, communes: Path) -> None:
    _write(
        HERE / "centres.csv.gz", CENTRES, ([r[name] for name in CENTRES] for r in _rows(centres))
    )
    names: dict[str, str] = {}
    short = []
    for row in _rows(postcodes):
        position = ",".join(f"{float(n):.5f}" for n in row["coordonnees_gps"].split(",") if n)
        short.append([*(row[name] for name in POSTCODES[:-1]), position])
        names[row["Code_commune_INSEE"]] = row["Nom_commune"]
    _write(HERE / "postcodes.csv.gz", POSTCODES, short)
    _write(HERE / "towns.csv.gz", ("insee", "name", "inhabitants"), _towns(communes, names))


def _towns(communes: Path, names: dict[str, str]) -> list[tuple[str, str, int]]:
    """One row for each town of the postcodes; a merged town's former name where that is used."""
    towns: dict[str, tuple[str, str, int]] = {}
    for town in json.loads(communes.read_text(encoding="utf-8")):
        code, name, inhabitants = town["code"], town["nom"], town.get("population", 0)
        if code not in names:
            continue
        _, other, most = towns.get(code, (code, name, 0))
        plain = bare(name).replace("SAINT", "ST")
        best = name if plain == names[code].replace("SAINT", "ST") else other
        towns[code] = (code, best, max(most, inhabitants))
    return sorted(towns.values())


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file, delimiter=";"))


def _write(path: Path, header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    text = io.StringIO(newline="")
    writer = csv.writer(text, delimiter=";", lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    content = text.getvalue().encode()
    # Without a time stamp: the same files give the same bytes.
    path.write_bytes(gzip.compress(content, mtime=0) if path.suffix == ".gz" else content)


if __name__ == "__main__":
    main(*(Path(argument) for argument in sys.argv[1:4]))
