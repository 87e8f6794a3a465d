"""`flask postcodes import`, and what is known of a code after it."""

from __future__ import annotations

import json

from typing import Any

import pytest

from sqlalchemy import select

from models.centres.tables import postcode
from models.database import Database

HEADER = "Code_commune_INSEE;Nom_commune;Code_postal;Ligne_5;Libellé_d_acheminement;coordonnees_gps"
ROWS = (
    "35015;BALAZE;35500;;BALAZE;48.17,-1.18",
    "35360;VITRE;35500;;VITRE;48.114,-1.193",
    "75116;PARIS 16;75116;;PARIS;48.86,2.26",
    "2A004;AJACCIO;20000;;AJACCIO;41.93,8.70",
    "97416;ST PIERRE;97410;;ST PIERRE;-21.31,55.49",
    "97416;ST PIERRE;97410;TERRE SAINTE;ST PIERRE;-21.31,55.49",
    "76095;BIHOREL;76420;;BIHOREL;",
    "76540;ROUEN;76000;;ROUEN;49.44,1.09",
    "76351;LE HAVRE;76600;;LE HAVRE;49.50,0.13",
    "97701;ST BARTHELEMY;97133;;ST BARTHELEMY;",
    "99138;MONACO;98000;;MONACO;",
)


@pytest.fixture
def file(tmp_path):
    def write(*rows):
        path = tmp_path / "postcodes.csv"
        path.write_bytes("".join(f"{line}\r\n" for line in (HEADER, *rows)).encode())
        return path

    return write


def stored(database: Database) -> dict[str, Any]:
    with database.statement() as connection:
        return {row.code: row for row in connection.execute(select(postcode))}


def test_import_twice(run, file, database):
    path = file(*ROWS)
    first = run("postcodes", "import", path)
    assert first.exit_code == 0
    assert first.stdout.splitlines()[-1] == (
        "11 read, 9 codes, 9 new, 0 updated, 0 unchanged, 0 removed, 0 refused"
    )
    assert "0 new, 0 updated, 9 unchanged" in run("postcodes", "import", path).stdout
    assert sorted(stored(database)) == sorted(
        {"35500", "75116", "20000", "97410", "76420", "76000", "76600", "97133", "98000"}
    )


def test_what_is_known_of_a_code(run, file, database):
    run("postcodes", "import", file(*ROWS))
    codes = stored(database)
    assert codes["35500"].main_town == "Vitré"
    assert [town["name"] for town in json.loads(codes["35500"].towns)] == ["Vitré", "Balazé"]
    assert (codes["35500"].latitude, codes["35500"].longitude) == (48.114, -1.193)
    assert codes["75116"].main_town == "Paris 16e"
    assert (codes["20000"].departement, codes["20000"].territory) == ("2A", "corse")
    assert (codes["97410"].departement, codes["97410"].territory) == ("974", "974")
    assert len(json.loads(codes["97410"].towns)) == 1


def test_a_code_without_position(run, file, database):
    run("postcodes", "import", file(*ROWS))
    codes = stored(database)
    # The middle of the département's others; nothing where there are none.
    assert (codes["76420"].latitude, codes["76420"].longitude) == (49.47, 0.61)
    assert codes["97133"].latitude is None
    assert codes["98000"].latitude == pytest.approx(43.74, abs=0.01)


def test_changes_and_codes_that_are_gone(run, file, database):
    run("postcodes", "import", file(*ROWS))
    other = (ROWS[0].replace("48.17", "48.18"), *ROWS[1:3], *ROWS[4:])
    line = run("postcodes", "import", file(*other)).stdout.splitlines()[-1]
    assert line == "10 read, 8 codes, 0 new, 1 updated, 7 unchanged, 1 removed, 0 refused"
    assert "20000" not in stored(database)


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("35015;BALAZE;3550;;B;48.1,-1.1", "postcode '3550' cannot be"),
        ("35015;BALAZE;;;B;48.1,-1.1", "no postcode"),
        ("X;BALAZE;35500;;B;48.1,-1.1", "'X' is no INSEE code"),
        ("35015;;35500;;B;48.1,-1.1", "no name"),
        ("35015;BALAZE;35500;;B;north", "'north' is no position"),
    ],
)
def test_a_bad_row_is_named_and_the_rest_goes_in(run, file, row, reason):
    result = run("postcodes", "import", file(row, *ROWS))
    assert result.exit_code == 0
    assert f"line 2: {reason}" in result.stderr
    assert "12 read, 9 codes, 9 new" in result.stdout
    assert result.stdout.splitlines()[-1].endswith("1 refused")


@pytest.mark.parametrize("content", [b"", b"%PDF-1.4", b"a;b\r\n1;2\r\n", HEADER.encode()])
def test_other_files_change_nothing_and_say_so(run, tmp_path, database, content):
    path = tmp_path / "x.csv"
    path.write_bytes(content)
    result = run("postcodes", "import", path)
    assert result.exit_code == 1
    assert len(result.stderr.splitlines()) == 1
    assert stored(database) == {}


def test_only_bad_rows(run, file):
    assert run("postcodes", "import", file("X;A;35500;;A;")).exit_code == 3


def test_the_real_file(run, laposte_file, database):
    result = run("postcodes", "import", laposte_file)
    assert result.stdout.splitlines()[-1] == (
        "39193 read, 6328 codes, 6328 new, 0 updated, 0 unchanged, 0 removed, 0 refused"
    )
    codes = stored(database)
    assert "99999" not in codes
    assert "75999" not in codes
    towns = {code: codes[code].main_town for code in MAIN_TOWNS}
    assert towns == MAIN_TOWNS
    assert codes["42620"].departement == "42"
    assert {town["departement"] for town in json.loads(codes["42620"].towns)} == {"03", "42"}
    assert sum(row.latitude is None for row in codes.values()) == 140


MAIN_TOWNS = {
    "75011": "Paris 11e",
    "75116": "Paris 16e",
    "69003": "Lyon 3e",
    "13001": "Marseille 1er",
    "35000": "Rennes",
    "35500": "Vitré",
    "26400": "Crest",
    "20000": "Ajaccio",
    "97410": "Saint-Pierre",
    "97600": "Mamoudzou",
    "97500": "Saint-Pierre",
    "94240": "L'Haÿ-les-Roses",
    "88100": "Saint-Dié-des-Vosges",
}
