"""`flask centres import`, as an operator meets it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from click.testing import Result
from sqlalchemy import select, update

from models.centres.tables import centre
from models.database import Database
from tests.support.imports import HEADER, centre_row, write_centres

# Columns that the editions of March and November 2021 have beside the first one's.
LATER = (*HEADER, "rdv", "centre_fermeture", "reserve_professionels_sante")


@pytest.fixture
def file(tmp_path):
    def write(*rows):
        return write_centres(tmp_path / "centres.csv", list(rows), LATER)

    return write


def stored(database: Database) -> dict[str, Any]:
    with database.statement() as connection:
        return {row.id: row for row in connection.execute(select(centre))}


def last_line(result: Result) -> str:
    return result.stdout.splitlines()[-1]


def test_what_is_stored(run, file, database, clock):
    there = {"com_cp": "97410", "com_insee": "97416", "lat_coor1": "-21.34", "long_coor1": "55.49"}
    run("centres", "import", file(centre_row("1", **there, rdv_tel="+33262359764")))
    row = stored(database)["1"]
    assert (row.departement, row.territory, row.time_zone) == ("974", "974", "Indian/Reunion")
    assert row.phones == '["+262262359764"]'
    assert row.hours == '{"0": [["09:00", "12:00"]]}'
    assert row.source == "official"
    assert row.created_at == row.updated_at == clock.moment
    assert row.closed_at is None


def test_a_centre_that_disappears_is_closed_and_may_come_back(run, file, database):
    rows = [centre_row(str(number)) for number in range(1, 21)]
    run("centres", "import", file(*rows))
    gone = run("centres", "import", file(*rows[1:]))
    assert gone.exit_code == 0
    assert "1 closed" in gone.stdout
    assert stored(database)["1"].closed_at is not None
    assert "0 closed" not in run("centres", "import", file(*rows[1:])).stdout
    back = run("centres", "import", file(*rows))
    assert "0 new, 1 updated, 19 unchanged" in last_line(back)
    assert stored(database)["1"].closed_at is None


@pytest.mark.parametrize("option", ["--allow-closing", "--force"])
def test_closing_more_than_a_tenth_changes_nothing_until_it_is_meant(run, file, database, option):
    rows = [centre_row(str(number)) for number in range(1, 21)]
    run("centres", "import", file(*rows))
    before = stored(database)
    path = file(*rows[5:])
    refused = run("centres", "import", path)
    assert (refused.exit_code, refused.stdout) == (1, "")
    assert refused.stderr == (
        f"Error: {path}: the file would close 5 of the 20 open centres, more than 10% "
        "(5 are not in it any more, 0 are closed by it); if that is meant, say --allow-closing; "
        "nothing is changed\n"
    )
    assert stored(database) == before
    allowed = run("centres", "import", option, path)
    assert allowed.exit_code == 0
    assert "5 closed" in allowed.stdout.splitlines()


def test_columns_of_the_position_that_changed_places_are_refused(run, file, database):
    path = file(*(centre_row(str(number)) for number in range(1, 21)))
    run("centres", "import", path)
    before = stored(database)
    text = path.read_text(encoding="utf-8").replace("lat_coor1;long_coor1", "long_coor1;lat_coor1")
    path.write_text(text, encoding="utf-8")
    refused = run("centres", "import", path)
    assert refused.exit_code == 1
    assert "no usable position for 20 of the 20 open centres" in refused.stderr
    assert "--force" in refused.stderr
    assert len(refused.stderr.splitlines()) == 1
    assert stored(database) == before


ALONE = {"rdv": "f", "rdv_tel": ""}


def test_an_import_counts_how_people_may_come_and_whom_it_refuses(run, file, database):
    path = file(
        centre_row("1", reserve_professionels_sante="t"),
        centre_row("2", **ALONE),
        centre_row("3", rdv="f"),
        centre_row("4", date_fermeture="2021-01-17", centre_fermeture="f"),
        centre_row("5", date_fermeture="2021-01-18", centre_fermeture="f"),
        *(centre_row(str(number), com_insee="99352") for number in range(100, 112)),
    )
    first = run("centres", "import", path)
    counts = "1 reserved, 1 without appointments only, 1 with or without, 1 past their last day"
    assert counts in first.stdout.splitlines()
    # Alike refusals are one line with their count.
    lines = "lines 7, 8, 9, 10, 11, 12, 13, 14, 15, 16"
    assert first.stderr.splitlines() == [f"12 rows: it is abroad ({lines} and 2 more)"]
    found = stored(database)
    assert [row.walk_in for row in found.values()] == ["", "only", "also", "", ""]
    # On its last day a centre is open still.
    assert {gid for gid, row in found.items() if row.closed_at} == {"4"}
    assert "0 new, 0 updated, 5 unchanged" in last_line(run("centres", "import", path))


def test_a_centre_closes_when_its_last_day_is_over_there(run, file, database, clock):
    """In Guadeloupe the day lasts five hours longer."""
    there = {"com_cp": "97110", "com_insee": "97120", "lat_coor1": "16.24", "long_coor1": "-61.53"}
    last_day = {"date_fermeture": "2021-01-18"}
    path = file(centre_row("1", **last_day), centre_row("2", **there, **last_day))
    run("centres", "import", path)
    assert not [gid for gid, row in stored(database).items() if row.closed_at]
    clock.moment = datetime(2021, 1, 18, 23, 30, tzinfo=UTC)
    run("centres", "import", "--allow-closing", path)
    assert [gid for gid, row in stored(database).items() if row.closed_at] == ["1"]


def test_a_centre_without_position_stands_where_its_town_is(run, file, database, tmp_path):
    nowhere = {"lat_coor1": "", "long_coor1": ""}
    run("centres", "import", file(centre_row("1", **nowhere)))
    codes = tmp_path / "codes.csv"
    codes.write_text(
        "Code_commune_INSEE;Nom_commune;Code_postal;coordonnees_gps\n"
        "35360;VITRE;35500;48.1132,-1.1937\n",
        encoding="utf-8",
    )
    assert run("postcodes", "import", codes).exit_code == 0

    def stands() -> tuple[str, float, bool]:
        row = stored(database)["1"]
        return row.name, row.latitude, row.roughly

    assert stands() == ("Centre 1", 48.1132, True)
    # It stays there: not news of the centre, nor gone when the source changes its name.
    again = run("centres", "import", file(centre_row("1", **nowhere)))
    assert "0 updated, 1 unchanged" in last_line(again)
    run("centres", "import", file(centre_row("1", nom="Autre", **nowhere)))
    assert stands() == ("Autre", 48.1132, True)
    # Its own position, when it has one, is the better.
    run("centres", "import", file(centre_row("1")))
    assert stands() == ("Centre 1", 48.1226, False)


def test_a_bad_row_does_not_close_its_centre(run, file, database):
    rows = [centre_row(str(number)) for number in range(1, 21)]
    run("centres", "import", file(*rows))
    result = run("centres", "import", file(centre_row("1", nom=""), *rows[1:]))
    assert result.exit_code == 0
    assert "line 2: no name" in result.stderr
    assert last_line(result).endswith("1 refused")
    assert stored(database)["1"].closed_at is None


def test_ours_survives_an_import_except_where_the_file_reserves(run, file, database):
    reserved = centre_row("2", rdv_modalites="Réservé aux professionnels")
    run("centres", "import", file(centre_row("1"), centre_row("2"), centre_row("3", **ALONE)))
    with database.transaction() as connection:
        connection.execute(update(centre).values(booking_mode="ours"))
    run("centres", "import", file(centre_row("1", nom="A"), reserved, centre_row("3", **ALONE)))
    found = stored(database)
    assert [found[gid].booking_mode for gid in "123"] == ["ours", "reserved", "ours"]
    assert found["3"].walk_in == "only"


@pytest.mark.parametrize("content", [b"", b"%PDF-1.4 nothing", b"gid;nom\r\n1;x\r\n"])
def test_other_files_change_nothing_and_say_so(run, tmp_path, database, content):
    path = tmp_path / "x.csv"
    path.write_bytes(content)
    result = run("centres", "import", path)
    assert result.exit_code == 1
    assert result.stderr.startswith("Error: ")
    assert len(result.stderr.splitlines()) == 1
    assert "nothing is changed" in result.stderr
    assert stored(database) == {}


def test_only_bad_rows(run, file, database):
    result = run("centres", "import", file(centre_row("1", nom="")))
    assert result.exit_code == 3
    assert "every row was refused" in result.stderr
    assert stored(database) == {}


def test_no_such_file(run, tmp_path):
    assert run("centres", "import", tmp_path / "none.csv").exit_code == 2


def test_the_real_file_goes_in_twice(run, official_file):
    first = run("centres", "import", official_file)
    assert last_line(first) == (
        "854 read, 854 new, 0 updated, 0 unchanged, 852 placed, 2 without position, 0 refused"
    )
    assert last_line(run("centres", "import", official_file)) == (
        "854 read, 0 new, 0 updated, 854 unchanged, 852 placed, 2 without position, 0 refused"
    )
