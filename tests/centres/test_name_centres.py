"""Names of centres from the directory to what callers hear, and an operator's word over them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from sqlalchemy import select

from models.accounts.tables import staff_act
from models.centres.tables import centre
from tests.support.command_line import Flask, command_line
from tests.support.house import House, house
from tests.support.imports import centre_row, write_centres
from tests.support.rows import rows_of

PARIS = {
    "com_cp": "75011",
    "com_insee": "75111",
    "com_nom": "Paris 11e",
    "lat_coor1": "48.860",
    "long_coor1": "2.379",
}
RAW = "CHU PARIS 11E - SITE SAINT ANDRE"


@pytest.fixture
def town(database_url: str) -> Iterator[House]:
    """A service whose directory is still to come."""
    with house(database_url) as made:
        yield made


@pytest.fixture
def flask(town: House) -> Flask:
    return command_line(town)


@pytest.fixture
def directory(flask: Flask, tmp_path: Path) -> Path:
    """One centre of Paris, whose name shouts."""
    file = write_centres(tmp_path / "directory.csv", [centre_row("1", **PARIS, nom=RAW)])
    assert flask("centres", "import", file).exit_code == 0
    return file


def names(town: House) -> tuple[str, str, str]:
    c = centre.c
    (row,) = rows_of(town.database, select(c.name, c.spoken_name, c.source_name))
    return tuple(row)


def test_a_caller_hears_the_name_as_people_say_it_and_reads_it_as_they_write_it(
    town: House, flask: Flask, directory: Path
):
    assert names(town) == ("CHU, site Saint-André", "C H U, site Saint-André", RAW)
    flask("centres", "take", "1", "--hours", "mon-fri 09:00-11:00")
    flask("slots", "open", "--all", "--from", "2026-11-26", "--days", 28)
    caller = town.phone().dials()
    caller.presses("1").presses("12031942").presses("1").presses("75011").presses("1")
    caller.hears_text("C H U, site Saint-André")
    assert "SAINT ANDRE" not in str(caller.heard)


def test_an_operator_corrects_both_and_the_next_import_leaves_them(
    town: House, flask: Flask, directory: Path
):
    said = flask("centres", "names", "1", "--written", "Hôpital St-André")
    assert said.exit_code == 0
    assert names(town) == ("Hôpital St-André", "", RAW)
    said = flask("centres", "names", "1", "--spoken", "hôpital Saint-André")
    assert "spoken:    hôpital Saint-André\n" in said.stdout
    assert f"directory: {RAW}\n" in said.stdout
    word = ("Hôpital St-André", "hôpital Saint-André", RAW)
    assert names(town) == word
    # The same file, and one in which the source says something else.
    flask("centres", "import", directory)
    assert names(town) == word
    rows = [centre_row("1", **PARIS, nom="CHU PARIS 11E - SITE ANDRE")]
    flask("centres", "import", write_centres(directory, rows))
    assert names(town) == (*word[:2], "CHU PARIS 11E - SITE ANDRE")
    listed = flask("centres", "list")
    assert "1  Hôpital St-André, 75011 Paris 11e" in listed.stdout
    assert "said “hôpital Saint-André”, in the directory “CHU PARIS 11E - SITE ANDRE”" in (
        listed.stdout
    )


def test_each_word_is_taken_back_one_after_the_other(town: House, flask: Flask, directory: Path):
    made = names(town)
    flask("centres", "names", "1", "--written", "Hôpital St-André")
    flask("centres", "names", "1", "--spoken", "hôpital Saint-André")
    # Said again, it is no other word.
    flask("centres", "names", "1", "--spoken", "hôpital Saint-André")
    flask("centres", "names", "1", "--undo")
    assert names(town) == ("Hôpital St-André", "", RAW)
    flask("centres", "names", "1", "--undo")
    assert names(town) == made
    nothing_left = flask("centres", "names", "1", "--undo")
    assert nothing_left.exit_code == 1
    assert "nothing to take back" in nothing_left.stderr
    acts = rows_of(town.database, select(staff_act.c.what).where(staff_act.c.subject == "1"))
    assert [one.what for one in acts] == ["centre_named"] * 4


def test_what_cannot_be_a_name_is_refused(town: House, flask: Flask, directory: Path):
    before = names(town)
    for arguments, why in (
        (("1", "--written", "x" * 81), "81 letters"),
        (("1", "--spoken", "3 - 4"), "no letter"),
        (("99", "--spoken", "Salle"), "there is no centre 99"),
    ):
        refused = flask("centres", "names", *arguments)
        assert refused.exit_code == 1
        assert why in refused.stderr
    assert names(town) == before


def test_an_operator_lists_the_names_that_look_mangled_and_names_one(
    town: House, flask: Flask, tmp_path: Path
):
    rows = [
        centre_row("7", **PARIS, nom="US Créteil"),
        centre_row("8", **PARIS, nom="Salle des fêtes"),
        centre_row("9", **PARIS, nom="Centre FOCH"),
    ]
    flask("centres", "import", write_centres(tmp_path / "directory.csv", rows))
    listed = flask("centres", "names", "--doubtful", "--csv")
    assert listed.exit_code == 0
    assert listed.stdout.splitlines() == [
        "gid,name,town,why,directory",
        "7,US Créteil,Paris 11e,letters that nobody knows,US Créteil",
        "9,Centre Foch,Paris 11e,letters that nobody knows,Centre FOCH",
    ]
    flask("centres", "names", "7", "--written", "Union sportive de Créteil")
    for_the_eye = flask("centres", "names", "--doubtful")
    assert for_the_eye.exit_code == 0
    assert for_the_eye.stdout == (
        "9  Centre Foch, Paris 11e: letters that nobody knows; in the directory “Centre FOCH”\n"
    )


@pytest.mark.parametrize("words", [(), ("1", "--doubtful"), ("--doubtful", "--undo")])
def test_names_are_of_one_centre_or_of_all_that_look_mangled(flask: Flask, words: tuple[str, ...]):
    asked = flask("centres", "names", *words)
    assert asked.exit_code == 2
    assert "say either a GID or --doubtful alone" in asked.stderr
