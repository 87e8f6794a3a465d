"""Positions in the files that cannot be: of a town at sea, of a centre in another town's street."""

from __future__ import annotations

from typing import Any

import pytest

from sqlalchemy import select

from models.centres.tables import centre, postcode
from models.database import Database
from tests.support.imports import centre_row, write_centres

LA_POSTE = "Code_commune_INSEE;Nom_commune;Code_postal;coordonnees_gps"
# As La Poste has them: Cayenne lies 22 km from where it is, Arles in the middle of the Camargue.
TOWNS = (
    "97302;CAYENNE;97300;5.02174,-52.50125",
    "97305;MACOURIA;97355;4.98238,-52.50844",
    "97309;REMIRE MONTJOLY;97354;4.88437,-52.27884",
    "97353;MARIPASOULA;97370;2.97088,-53.75842",
    "13004;ARLES;13200;43.54687,4.66216",
    "13055;MARSEILLE;13001;43.29998,5.38411",
    "13001;AIX EN PROVENCE;13100;43.53607,5.39857",
    "35360;VITRE;35500;48.11400,-1.19300",
    "35238;RENNES;35000;48.11198,-1.68186",
    "35288;ST MALO;35400;48.64065,-1.97822",
)
CAYENNE = {
    "com_cp": "97300",
    "com_insee": "97302",
    "com_nom": "Cayenne",
    "lat_coor1": "4.92453",
    "long_coor1": "-52.3207",
}
HOSPITAL = (4.92453, -52.3207)


@pytest.fixture
def la_poste(tmp_path):
    def write(*rows: str):
        path = tmp_path / "postcodes.csv"
        path.write_bytes("".join(f"{line}\r\n" for line in (LA_POSTE, *rows)).encode())
        return path

    return write


@pytest.fixture
def directory(tmp_path):
    def write(*rows: dict[str, str]):
        return write_centres(tmp_path / "centres.csv", list(rows))

    return write


def town(database: Database, code: str) -> tuple[float | None, float | None]:
    with database.statement() as connection:
        row = connection.execute(select(postcode).where(postcode.c.code == code)).one()
    return row.latitude, row.longitude


def hall(database: Database, gid: str) -> Any:
    with database.statement() as connection:
        return connection.execute(select(centre).where(centre.c.id == gid)).one()


@pytest.mark.parametrize("first", ["postcodes", "centres"])
def test_a_town_at_sea_is_put_where_its_centres_are(run, la_poste, directory, database, first):
    files = {"postcodes": la_poste(*TOWNS), "centres": directory(centre_row("1", **CAYENNE))}
    run(first, "import", files.pop(first))
    ((second, file),) = files.items()
    run(second, "import", file)
    assert town(database, "97300") == HOSPITAL
    assert (hall(database, "1").latitude, hall(database, "1").longitude) == HOSPITAL
    again = run("postcodes", "import", la_poste(*TOWNS))
    assert again.exit_code == 0
    assert "line 2: position 5.02174, -52.50125 of Cayenne is far from the centres" in again.stderr
    assert town(database, "97300") == HOSPITAL
    assert "0 refused" in again.stdout


def test_a_wide_commune_stays_where_it_is(run, la_poste, directory, database):
    arles = {"com_cp": "13200", "com_insee": "13004", "com_nom": "Arles"}
    run("postcodes", "import", la_poste(*TOWNS))
    result = run(
        *("centres", "import"),
        directory(centre_row("566", **arles, lat_coor1="43.6714", long_coor1="4.61833")),
    )
    assert result.stderr == ""
    assert town(database, "13200") == (43.54687, 4.66216)
    assert not hall(database, "566").roughly


def test_a_town_in_another_part_of_the_country_is_named_and_left_out(run, la_poste, database):
    told = run("postcodes", "import", la_poste(*TOWNS, "35176;MARPIRE;35220;43.30000,5.40000"))
    assert told.exit_code == 0
    assert "line 12: position 43.3, 5.4 of Marpiré is far from the others of département 35" in (
        told.stderr
    )
    # As every code without a position: the middle of the département's others.
    north, east = town(database, "35220")
    assert north == pytest.approx(48.3, abs=0.05)
    assert east == pytest.approx(-1.6, abs=0.05)
    assert town(database, "97370") == (2.97088, -53.75842)


def test_a_centre_far_from_its_town_stands_where_the_town_is(run, la_poste, directory, database):
    run("postcodes", "import", la_poste(*TOWNS))
    # Vitry-sur-Seine, 260 km from Vitré.
    strayed = centre_row("1", lat_coor1="48.7875", long_coor1="2.3928")
    told = run("centres", "import", directory(strayed, centre_row("2")))
    assert told.exit_code == 0
    assert "line 2: position 48.7875, 2.3928 is far from Vitré; without position" in told.stderr
    assert "2 read, 2 new, 0 updated, 0 unchanged, 1 placed, 1 without position" in told.stdout
    found = hall(database, "1")
    assert (found.latitude, found.longitude, found.roughly) == (48.114, -1.193, True)
    assert town(database, "35500") == (48.114, -1.193)


def test_in_guyane_a_centre_may_be_far_from_the_middle_of_its_commune(
    run, la_poste, directory, database
):
    run("postcodes", "import", la_poste(*TOWNS))
    village = {"com_cp": "97370", "com_insee": "97353", "com_nom": "Maripasoula"}
    row = centre_row("1", **village, lat_coor1="3.6425", long_coor1="-54.028")
    assert run("centres", "import", directory(row)).stderr == ""
    assert town(database, "97370") == (3.6425, -54.028)


def test_of_the_published_files_three_towns_are_put_elsewhere(
    run, laposte_file, official_file, database
):
    run("centres", "import", official_file)
    told = run("postcodes", "import", laposte_file).stderr
    moved = ("Cayenne", "Kourou", "Saint-Laurent-du-Maroni")
    assert len(told.splitlines()) == len(moved)
    assert all(f"of {name} is far from the centres of that town" in told for name in moved)
