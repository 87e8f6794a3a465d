"""`flask centres import`, as an operator meets it."""

from __future__ import annotations

from typing import Any

import pytest

from click.testing import Result
from sqlalchemy import select, update

from models.centres.tables import centre
from models.database import Database
from tests.support.imports import centre_row, write_centres


@pytest.fixture
def file(tmp_path):
    def write(*rows):
        return write_centres(tmp_path / "centres.csv", list(rows))

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


def test_a_bad_row_does_not_close_its_centre(run, file, database):
    rows = [centre_row(str(number)) for number in range(1, 21)]
    run("centres", "import", file(*rows))
    result = run("centres", "import", file(centre_row("1", nom=""), *rows[1:]))
    assert result.exit_code == 0
    assert "line 2: no name" in result.stderr
    assert last_line(result).endswith("1 refused")
    assert stored(database)["1"].closed_at is None


def test_ours_survives_an_import_except_where_the_file_reserves(run, file, database):
    run("centres", "import", file(centre_row("1"), centre_row("2")))
    with database.transaction() as connection:
        connection.execute(update(centre).values(booking_mode="ours"))
    run(
        *("centres", "import"),
        file(centre_row("1", nom="A"), centre_row("2", rdv_modalites="Réservé aux professionnels")),
    )
    assert stored(database)["1"].booking_mode == "ours"
    assert stored(database)["2"].booking_mode == "reserved"


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
