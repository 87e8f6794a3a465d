"""Later editions of the official file come in whole: an operator imports them, callers ring."""

from __future__ import annotations

import json

from datetime import UTC, datetime
from typing import Any

import pytest

from sqlalchemy import select, update

from models.centres.tables import centre
from models.clock import FixedClock
from models.database import Database
from services.centres.import_centres import HOURS_NOTE
from services.slots.open_slots import day_starts
from tests.support.editions import CONSULATES, Edition, march, november
from tests.support.feed_profile import faults, locations_of
from tests.support.imports import Run

WHEN = {
    "march": datetime(2021, 3, 3, 18, 0, tzinfo=UTC),
    "november": datetime(2021, 11, 18, 18, 0, tzinfo=UTC),
}
EDITIONS = {"march": march(), "november": november()}


def stored(database: Database) -> dict[str, Any]:
    with database.statement() as connection:
        return {row.id: row for row in connection.execute(select(centre))}


def totals(edition: Edition) -> str:
    counts = f"{edition.placed} placed, {edition.without_position} without position"
    return f"{counts}, {edition.refused} refused"


@pytest.fixture(params=sorted(EDITIONS))
def edition(request: Any, clock: FixedClock) -> Edition:
    clock.moment = WHEN[request.param]
    return EDITIONS[request.param]


def test_it_counts_what_is_in_it_and_says_the_same_again(run: Run, edition: Edition, tmp_path):
    path = edition.write(tmp_path / "c.csv")
    first = run("centres", "import", path)
    assert first.exit_code == 0
    lines = first.stdout.splitlines()
    new = edition.placed + edition.without_position
    assert lines[-1] == (
        f"{len(edition.rows)} read, {new} new, 0 updated, 0 unchanged, {totals(edition)}"
    )
    assert (
        f"{edition.reserved} reserved, {edition.walk_in_only} without appointments only, "
        f"{edition.walk_in_also} with or without, {edition.ended} past their last day"
    ) in lines
    again = run("centres", "import", path).stdout.splitlines()
    assert again[-1] == (
        f"{len(edition.rows)} read, 0 new, 0 updated, {new} unchanged, {totals(edition)}"
    )


def test_march_by_its_rows(run: Run, database: Database, clock: FixedClock, tmp_path):
    clock.moment = WHEN["march"]
    result = run("centres", "import", march().write(tmp_path / "c.csv"))
    found = stored(database)
    assert "line 56: postcode '1900' cannot be" in result.stderr
    assert "line 57: gid 65 is already on line 45" in result.stderr
    assert (
        "2 rows: a position that is not near its département; without position (lines 42, 52)"
        in result.stderr
    )
    reserved = {gid for gid, row in found.items() if row.booking_mode == "reserved"}
    assert reserved == {"83", "65", "66", "67", "68", "69"}
    assert found["869"].phones == '["+33299740000", "+33299740001"]'
    # Nothing knows its town yet: no file of postcodes was taken in.
    assert (found["869"].latitude, found["869"].roughly) == (None, False)
    assert json.loads(found["869"].hours)["0"] == [["10:00", "12:00"]]
    assert json.loads(found["209"].hours)["0"] == [["08:30", "13:00"], ["13:30", "17:00"]]
    night = tuple(map(tuple, json.loads(found["1244"].hours)["0"]))
    assert night == (("20:00", "24:00"),)
    starts = day_starts(night, WHEN["march"].date(), "Europe/Paris", 30)
    assert [f"{one:%H:%M}" for one in (starts[0], starts[-1])] == ["19:00", "22:30"]
    assert {gid for gid, row in found.items() if row.closed_at} == {"71"}
    assert str(found["72"].closes_on) == "2021-06-30"
    island = found["1293"]
    assert (island.territory, island.time_zone) == ("977", "America/St_Barthelemy")
    assert (island.latitude, island.closed_at, island.booking_mode) == (None, None, "own_phone")


def test_november_by_its_rows(run: Run, database: Database, clock: FixedClock, tmp_path):
    clock.moment = WHEN["november"]
    result = run("centres", "import", november().write(tmp_path / "c.csv"))
    found = stored(database)
    # Alike refusals are one line with their count.
    abroad = [line for line in result.stderr.splitlines() if "abroad" in line]
    lines = "lines 44, 45, 46, 47, 48, 49, 50, 51, 52, 53"
    assert abroad == [f"{CONSULATES} rows: it is abroad ({lines} and {CONSULATES - 10} more)"]
    assert not any("Consulat" in row.name for row in found.values())
    ways = {
        way: {gid for gid, row in found.items() if row.walk_in == way} for way in ("only", "also")
    }
    assert ways == {
        "only": {"2847", "2840", "2747"},
        "also": {"2841", "619", "2831", "845", "75"},
    }
    assert json.loads(found["2831"].hours)["0"] == [["08:30", "12:40"], ["14:00", "18:00"]]
    assert json.loads(found["845"].hours)["0"] == [["08:00", "16:00"]]
    assert json.loads(found["75"].hours)["0"] == [["09:00", "20:00"]]
    assert HOURS_NOTE + "lundi « aléatoire »" in found["2728"].notes
    # On its last day a centre is open still.
    assert {gid for gid, row in found.items() if row.closed_at} == {"582", "2498", "2531"}
    assert {gid for gid, row in found.items() if row.latitude is None} == {"1293", "2728", "2022"}


def test_a_centre_closes_when_its_last_day_is_over_there(
    run: Run, database: Database, clock: FixedClock, tmp_path
):
    """The same file a day later; in Guadeloupe the day lasts five hours longer."""
    clock.moment = WHEN["november"]
    path = november().write(tmp_path / "c.csv")
    run("centres", "import", path)
    clock.moment = datetime(2021, 11, 18, 23, 30, tzinfo=UTC)
    again = run("centres", "import", path)
    assert "1 closed" in again.stdout.splitlines()
    assert stored(database)["72"].closed_at is not None


@pytest.mark.parametrize("option", ["--allow-closing", "--force"])
def test_with_a_third_of_the_centres_gone_nothing_changes_until_it_is_meant(
    run: Run, database: Database, clock: FixedClock, tmp_path, option: str
):
    clock.moment = WHEN["november"]
    edition = november()
    run("centres", "import", edition.write(tmp_path / "c.csv"))
    before = stored(database)
    open_before = sum(row.closed_at is None for row in before.values())
    gone = frozenset(str(gid) for gid in range(1, 21))
    path = edition.write(tmp_path / "less.csv", without=gone)
    refused = run("centres", "import", path)
    assert refused.exit_code == 1
    assert refused.stdout == ""
    assert refused.stderr == (
        f"Error: {path}: the file would close 20 of the {open_before} open centres, more than 10% "
        "(20 are not in it any more, 0 are closed by it); if that is meant, say --allow-closing; "
        "nothing is changed\n"
    )
    assert stored(database) == before
    allowed = run("centres", "import", option, path)
    assert allowed.exit_code == 0
    assert "20 closed" in allowed.stdout.splitlines()


def test_an_edition_whose_columns_of_the_position_changed_places_is_refused(
    run: Run, database: Database, clock: FixedClock, tmp_path
):
    clock.moment = WHEN["march"]
    edition = march()
    run("centres", "import", edition.write(tmp_path / "c.csv"))
    before = stored(database)
    path = edition.write(tmp_path / "mirrored.csv")
    text = path.read_text(encoding="utf-8").replace("lat_coor1;long_coor1", "long_coor1;lat_coor1")
    path.write_text(text, encoding="utf-8")
    refused = run("centres", "import", path)
    assert refused.exit_code == 1
    placed = edition.placed - 1
    assert f"no usable position for {placed} of the {placed} open centres" in refused.stderr
    assert "--force" in refused.stderr
    assert len(refused.stderr.splitlines()) == 1
    assert stored(database) == before


def test_a_centre_without_a_position_stands_where_its_town_is(
    run: Run, database: Database, clock: FixedClock, tmp_path
):
    clock.moment = WHEN["november"]
    path = november().write(tmp_path / "c.csv")
    run("centres", "import", path)
    codes = tmp_path / "codes.csv"
    codes.write_text(
        "Code_commune_INSEE;Nom_commune;Code_postal;Ligne_5;Libellé_d_acheminement;coordonnees_gps\n"
        "35360;VITRE;35500;;VITRE;48.1132,-1.1937\n"
        "19272;TULLE;19000;;TULLE;45.2731,1.7632\n"
        "97701;ST BARTHELEMY;97133;;ST BARTHELEMY;\n",
        encoding="utf-8",
    )
    assert run("postcodes", "import", codes).exit_code == 0
    found = stored(database)
    assert (found["2728"].latitude, found["2728"].longitude) == (48.1132, -1.1937)
    assert found["2728"].roughly
    assert found["2022"].roughly
    # La Poste gives this island no position.
    assert (found["1293"].latitude, found["1293"].roughly) == (None, False)
    # Not news of the centre: neither now nor when the source changes its name does it lose it.
    again = run("centres", "import", path).stdout.splitlines()[-1]
    assert f"0 updated, {len(found)} unchanged" in again
    edition = november()
    for row in edition.rows:
        if row["gid"] == "2728":
            row["nom"] = "Autre bus"
    run("centres", "import", edition.write(tmp_path / "c.csv"))
    row = stored(database)["2728"]
    assert (row.name, row.latitude, row.roughly) == ("Autre bus", 48.1132, True)
    # Its own position, when it has one, is the better.
    for each in edition.rows:
        if each["gid"] == "2728":
            each |= {"lat_coor1": "48.1226", "long_coor1": "-1.2161"}
    run("centres", "import", edition.write(tmp_path / "c.csv"))
    row = stored(database)["2728"]
    assert (row.latitude, row.roughly) == (48.1226, False)


def test_ours_stays_ours_where_people_come_without_an_appointment(
    run: Run, database: Database, clock: FixedClock, tmp_path
):
    clock.moment = WHEN["november"]
    path = november().write(tmp_path / "c.csv")
    run("centres", "import", path)
    with database.transaction() as connection:
        connection.execute(update(centre).where(centre.c.id == "2840").values(booking_mode="ours"))
    run("centres", "import", path)
    row = stored(database)["2840"]
    assert (row.booking_mode, row.walk_in) == ("ours", "only")


def test_in_the_feed_each_centre_fits_the_profile(
    run: Run, edition: Edition, database: Database, clock: FixedClock, tmp_path
):
    run("centres", "import", edition.write(tmp_path / "c.csv"))
    with database.transaction() as connection:
        connection.execute(update(centre).values(booking_mode="ours"))
    open_ids = {gid for gid, row in stored(database).items() if row.closed_at is None}
    found, feed = locations_of(database, clock, tmp_path / "feed")
    assert {one["id"] for one in found} == open_ids
    assert feed.left_out == ()
    assert not {one["id"]: faults(one) for one in found if faults(one)}
    assert "position" not in next(one for one in found if one["id"] == "1293")
