"""`flask centres list`: where the GID of `flask centres take` comes from."""

from __future__ import annotations

import csv
import io

from collections.abc import Callable
from pathlib import Path

import pytest

from click.testing import Result

from tests.support.house import House
from tests.support.imports import centre_row, write_centres

Flask = Callable[..., Result]


@pytest.fixture
def flask(service: House, tmp_path: Path) -> Flask:
    """A command line, beside a directory of five centres in two towns; one of them is ours."""
    runner = service.app.test_cli_runner()

    def invoke(*arguments: object) -> Result:
        return runner.invoke(args=[str(one) for one in arguments], catch_exceptions=False)

    paris = {"com_cp": "75011", "com_insee": "75111", "com_nom": "Paris 11e"}
    paris |= {"lat_coor1": "48.860", "long_coor1": "2.379"}
    rennes = {"com_cp": "35000", "com_insee": "35238", "com_nom": "Rennes"}
    rennes |= {"lat_coor1": "48.111", "long_coor1": "-1.679"}
    rows = [
        centre_row("1", **paris),
        centre_row("2", **paris, rdv_modalites="Réservé aux professionnels de santé"),
        centre_row("3", **rennes),
        centre_row("4", **rennes, rdv_modalites="Sans rendez-vous", rdv_tel=""),
        centre_row("5", **paris, date_fermeture="17/01/2021"),
    ]
    rows[2]["nom"] = "Hôpital Pontchaillou"
    assert invoke("centres", "import", write_centres(tmp_path / "all.csv", rows)).exit_code == 0
    assert invoke("centres", "take", "1").exit_code == 0
    return invoke


def gids(result: Result) -> list[str]:
    assert result.exit_code == 0, result.output
    return [line.split()[0] for line in result.stdout.splitlines()]


def test_every_open_centre_is_there_with_whether_it_can_be_taken(flask: Flask):
    result = flask("centres", "list")
    ours, reserved, fit, walk_in = result.stdout.splitlines()
    assert ours == "1  Centre 1, 75011 Paris 11e: ours"
    assert reserved.startswith("2  Centre 2, 75011 Paris 11e: is reserved for professionals")
    assert fit == "3  Hôpital Pontchaillou, 35000 Rennes: can be taken"
    assert walk_in.startswith("4  Centre 4, 35000 Rennes: takes people without an appointment")


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        (("--ours",), ["1"]),
        (("--departement", "35"), ["3", "4"]),
        (("--name", "hopital"), ["3"]),
        (("--name", "RENNES", "--departement", "35"), ["3", "4"]),
        (("--limit", 2), ["1", "2"]),
    ],
)
def test_it_is_narrowed_down(flask: Flask, asked: tuple[object, ...], found: list[str]):
    assert gids(flask("centres", "list", *asked)) == found


def test_the_nearest_to_a_postcode_come_first(flask: Flask):
    result = flask("centres", "list", "--near", "75011", "--limit", 3)
    assert gids(result)[2] == "3"
    assert set(gids(result)[:2]) == {"1", "2"}
    assert " km: can be taken" in result.stdout.splitlines()[2]
    assert result.stderr == "… and 1 more\n"
    unknown = flask("centres", "list", "--near", "Rennes")
    assert unknown.exit_code == 1
    assert "--near takes a postcode, as 35000" in unknown.stderr


def test_a_program_gets_it_as_csv(flask: Flask):
    table = flask("centres", "list", "--departement", "35", "--name", "hôpital", "--csv").stdout
    (row,) = csv.DictReader(io.StringIO(table))
    assert (row["gid"], row["standing"], row["kilometres"]) == ("3", "can be taken", "")


def test_where_there_is_none_it_says_so(flask: Flask):
    result = flask("centres", "list", "--name", "nowhere")
    assert (result.exit_code, result.stderr) == (1, "no open centre is like that\n")
