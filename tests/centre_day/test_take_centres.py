"""`flask centres take` and `give`, from the directory to a caller who books."""

from __future__ import annotations

import json
import re

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from sqlalchemy import func, select

from models.accounts.tables import staff_act
from models.centres import takes
from models.centres.tables import centre, centre_take
from models.clock import FixedClock
from models.desk.tables import agent_case
from models.slots.tables import place
from services.campaign.campaigns import Campaigns
from services.centre_day.centre_life import CentreLife
from services.centre_day.take_centres import (
    TakeCentres,
    TakeRefused,
    TakeWish,
    refusal_of,
)
from services.centre_day.take_file import read_take_file
from tests.support.command_line import Flask, command_line
from tests.support.house import House, house, mornings
from tests.support.imports import centre_row, write_centres
from tests.support.rows import rows_of

PARIS = {
    "com_cp": "75011",
    "com_insee": "75111",
    "com_nom": "Paris 11e",
    "lat_coor1": "48.860",
    "long_coor1": "2.379",
}
RESERVED = {"rdv_modalites": "Réservé aux professionnels de santé"}
WALK_IN = {"rdv_modalites": "Sans rendez-vous", "rdv_tel": ""}


@pytest.fixture
def town(service: House) -> House:
    """A service whose directory is still to come."""
    return service


@pytest.fixture
def flask(town: House) -> Flask:
    return command_line(town)


@pytest.fixture
def directory(flask: Flask, tmp_path: Path) -> Path:
    """Six centres of Paris in the official form: only 1 and 2 are fit to be taken."""
    rows = [
        centre_row("1", **PARIS),
        centre_row("2", **PARIS, rdv_site_web="https://partners.doctolib.fr/x"),
        centre_row("3", **PARIS, **RESERVED),
        centre_row("4", **PARIS, **WALK_IN),
        centre_row("5", **PARIS, date_fermeture="17/01/2021"),
        centre_row("6", **PARIS, rdv_lundi="à préciser"),
    ]
    file = write_centres(tmp_path / "directory.csv", rows)
    assert flask("centres", "import", file).exit_code == 0
    return file


def modes(town: House) -> dict[str, str]:
    found = rows_of(town.database, select(centre.c.id, centre.c.booking_mode))
    return {row.id: row.booking_mode for row in found}


def of(town: House, gid: str):
    (row,) = rows_of(town.database, select(centre).where(centre.c.id == gid))
    return row


def acts(town: House) -> list[tuple[str, str]]:
    rows = rows_of(town.database, select(staff_act).order_by(staff_act.c.id))
    return [(row.what, row.subject) for row in rows]


def test_from_the_directory_to_a_caller_who_books(town: House, flask: Flask, directory: Path):
    took = flask("centres", "take", "1", "--hours", "mon-fri 09:00-11:00", "--capacity", 2)
    assert took.exit_code == 0
    assert took.stdout.startswith(
        "1 (Centre 1, Paris 11e): ours, mon-fri 09:00-11:00, 2 places each 10 minutes\n"
    )
    assert "1 taken, 0 changed, 0 already so, 0 refused" in took.stdout
    opened = flask("slots", "open", "--all", "--from", "2026-11-26", "--days", 28)
    # Twenty weekdays of twelve slots: only the centre that is ours.
    assert "240 slots opened, 0 already there, 480 places added, 1 centres" in opened.stdout
    caller = town.phone().books()
    assert caller.ended
    (booked,) = town.bookings()
    assert booked.centre_id == "1"


def test_what_was_said_at_the_take_is_what_slots_are(town: House, flask: Flask, directory: Path):
    week = "lun 09:00-10:00 14:00-15:00; jeudi 08:00-09:00"
    flask("centres", "take", "1", "--hours", week, "--capacity", 3, "--minutes", 30)
    row = of(town, "1")
    assert json.loads(row.our_hours) == {
        "0": [["09:00", "10:00"], ["14:00", "15:00"]],
        "3": [["08:00", "09:00"]],
    }
    assert (row.our_mode, row.slot_capacity, row.slot_minutes) == ("ours", 3, 30)
    # The directory's own hours stay beside it.
    assert row.hours == '{"0": [["09:00", "12:00"]]}'
    opened = flask("slots", "open", "--centre", "1", "--from", "2026-11-26", "--days", 7)
    # A Monday of four, a Thursday of two.
    assert "6 slots opened, 0 already there, 18 places added" in opened.stdout


def test_a_second_take_changes_nothing_and_says_so(town: House, flask: Flask, directory: Path):
    flask("centres", "take", "1")
    again = flask("centres", "take", "1")
    assert again.exit_code == 0
    assert "0 taken, 0 changed, 1 already so, 0 refused\n" in again.stdout
    assert acts(town) == [("centre_taken", "1")]
    assert len(rows_of(town.database, select(centre_take))) == 1


def test_what_cannot_be_taken_is_named_and_the_rest_is_taken(
    town: House, flask: Flask, directory: Path
):
    result = flask("centres", "take", "99", "3", "4", "5", "1")
    assert result.exit_code == 1
    for said, sentence in zip(
        result.stderr.splitlines(),
        (
            "there is no centre 99",
            "centre 3 (Centre 3, Paris 11e) is reserved for professionals",
            "centre 4 (Centre 4, Paris 11e) takes people without an appointment",
            "centre 5 (Centre 5, Paris 11e) is closed",
        ),
        strict=True,
    ):
        assert said.startswith(sentence)
    assert [gid for gid, mode in modes(town).items() if mode == "ours"] == ["1"]
    alone = flask("centres", "take", "99", "4")
    assert alone.exit_code == 3


WRONG_TERMS = (
    (("--hours", "9-12"), "'9-12' are no hours of some days; write them like mon-fri"),
    (("--hours", "mon 09:00-25:00"), "'09:00-25:00' are no hours"),
    (("--hours", "mon 12:00-09:00"), "the hours 12:00-09:00 end before they begin"),
    (("--hours", "mon 09:00-12:00 11:00-13:00"), "09:00-12:00 and 11:00-13:00 overlap"),
    (("--hours", "moonday 09:00-12:00"), "'moonday' is no day of the week"),
    (("--hours", "mon 09:00-12:00", "--hours", "mon 14:00-15:00"), "mon is there twice"),
    (("--hours", "mon 09:00-09:20", "--minutes", 30), "no slot of 30 minutes fits into"),
    (("--capacity", 0), "a capacity of 0 cannot be"),
    (("--minutes", 0), "a slot every 0 minutes cannot be"),
)


def test_terms_that_cannot_be_change_nothing(town: House, flask: Flask, directory: Path):
    for options, sentence in WRONG_TERMS:
        result = flask("centres", "take", "1", *options)
        assert result.exit_code == 1, options
        assert result.stderr.startswith(f"Error: {sentence}")
    assert modes(town)["1"] == "own_phone"


def test_slots_that_do_not_fit_into_the_directorys_hours_are_refused(
    town: House, flask: Flask, directory: Path
):
    result = flask("centres", "take", "1", "--minutes", 240)
    assert result.exit_code == 3
    assert "no slot of 240 minutes fits into 09:00-12:00" in result.stderr
    short = flask("centres", "take", "1", "--hours", "mon 09:00-09:05")
    assert "no slot of 10 minutes fits into 09:00-09:05" in short.stderr
    assert modes(town)["1"] == "own_phone"


def test_a_dry_run_writes_nothing(town: House, flask: Flask, directory: Path):
    result = flask("centres", "take", "1", "3", "--dry-run")
    assert (
        "dry run, nothing is changed: 1 taken, 0 changed, 0 already so, 1 refused" in result.stdout
    )
    assert (modes(town)["1"], acts(town)) == ("own_phone", [])
    flask("centres", "take", "1")
    given = flask("centres", "give", "1", "--dry-run")
    assert "dry run, nothing is changed: 1 given back, 0 refused" in given.stdout
    assert modes(town)["1"] == "ours"


CSV = """gid;name;hours;capacity;minutes
1;Centre 1;mon-fri 09:00-12:00 | sat 09:00-11:00;4;15
99;Nobody;;;
2;Centre 2;tomorrow;2;
2;Centre 2;tue 09:00-12:00;two;
2;Centre 2;tue 09:00-12:00;2;20
1;Again;;;
;No gid;;;
2;too;many;cells;here;you see
"""


def test_a_file_with_bad_lines_is_taken_without_them(
    town: House, flask: Flask, directory: Path, tmp_path: Path
):
    file = tmp_path / "ours.csv"
    file.write_text("\ufeff" + CSV, encoding="utf-8")
    result = flask("centres", "take", "--from", file)
    assert result.exit_code == 1
    assert [line.partition(":")[0] for line in result.stderr.splitlines()] == [
        *("line 3", "line 4", "line 5", "line 7", "line 8", "line 9")
    ]
    assert "line 4: 'tomorrow' are no hours of some days" in result.stderr
    assert "line 5: capacity is 'two', and must be a number" in result.stderr
    assert "line 7: centre 1 is on line 2 already" in result.stderr
    assert "2 taken, 0 changed, 0 already so, 6 refused" in result.stdout
    first, second = of(town, "1"), of(town, "2")
    assert (first.slot_capacity, first.slot_minutes) == (4, 15)
    assert json.loads(first.our_hours)["5"] == [["09:00", "11:00"]]
    assert (second.slot_capacity, second.slot_minutes) == (2, 20)


TOML = """
[[centres]]
gid = "1"
hours = { monday = ["09:00-12:00"], samedi = [] }
capacity = 4

[[centres]]
gid = "2"
hours = { monday = "09:00-12:00" }

[[centres]]
gid = 2
mode = "by_pigeon"

[[centres]]
gid = 6
hours = "mon 09:00-12:00"
kapacity = 3
"""


def test_a_toml_file_says_the_same(town: House, flask: Flask, directory: Path, tmp_path: Path):
    file = tmp_path / "ours.toml"
    file.write_text(TOML, encoding="utf-8")
    result = flask("centres", "take", "--from", file)
    assert result.exit_code == 1
    assert [line.partition(": ")[0] for line in result.stderr.splitlines()] == [
        *("line 7", "line 11", "line 15")
    ]
    assert "kapacity is not known" in result.stderr
    assert json.loads(of(town, "1").our_hours) == {"0": [["09:00", "12:00"]]}
    assert modes(town)["2"] == "partner"


@pytest.mark.parametrize(
    ("name", "text", "sentence"),
    [
        ("x.csv", "gid,capaciti\n1,2\n", "line 1: column 'capaciti' is not known"),
        ("x.csv", "centre\n1\n", "line 1: column 'centre' is not known"),
        ("x.csv", "", "line 1: its columns are not right"),
        ("x.toml", "gid = 1\n", "it names no centres"),
        ("x.toml", "[[centres]\n", "this is not TOML"),
        ("x.txt", "1\n", "end its name in .csv or .toml"),
    ],
)
def test_a_file_that_is_none_is_refused_as_a_whole(
    tmp_path: Path, name: str, text: str, sentence: str
):
    file = tmp_path / name
    file.write_text(text)
    with pytest.raises(TakeRefused, match=re.escape(sentence)):
        read_take_file(file)


def test_a_departement_is_taken_but_for_what_cannot_be(town: House, flask: Flask, directory: Path):
    result = flask("centres", "take", "--department", "75")
    assert result.exit_code == 0
    assert "3 taken, 0 changed, 0 already so, 2 refused" in result.stdout
    assert "1 have no hours, and get no slots without --hours: 6" in result.stdout
    assert "1 is reserved for professionals" in result.stderr
    assert {one for one, mode in modes(town).items() if mode == "ours"} == {"1", "2", "6"}
    nobody = flask("centres", "take", "--departement", "2a")
    assert nobody.exit_code == 1
    assert "there is no open centre in département 2A" in nobody.stderr


def test_one_way_to_say_which(flask: Flask):
    assert flask("centres", "take").exit_code == 2
    assert flask("centres", "take", "1", "--departement", "35").exit_code == 2
    assert flask("centres", "give").exit_code == 2
    assert flask("centres", "give", "1", "--last").exit_code == 2


# ---------------------------------------------------------------- giving back


def blocked(town: House, gid: str) -> list[int]:
    """How many places of a centre are blocked, and how many there are."""
    counted = select(func.count().filter(place.c.blocked), func.count())
    (row,) = rows_of(town.database, counted.where(place.c.centre_id == gid))
    return list(row)


@pytest.fixture
def ours(town: House, flask: Flask, directory: Path) -> House:
    """Centre 2, which the directory has at a partner, is ours with slots."""
    flask("centres", "take", "2", "--hours", "mon-fri 09:00-10:00")
    flask("slots", "open", "--centre", "2", "--from", "2026-11-26", "--days", 7)
    return town


def test_a_centre_goes_back_to_what_the_directory_says(ours: House, flask: Flask):
    result = flask("centres", "give", "2")
    assert result.exit_code == 0
    assert result.stdout.splitlines() == [
        "2 (Centre 2, Paris 11e): partner",
        "1 given back, 0 refused",
    ]
    row = of(ours, "2")
    assert (row.booking_mode, row.our_mode, row.our_hours) == ("partner", None, None)
    assert blocked(ours, "2") == [30, 30]
    assert acts(ours) == [("centre_taken", "2"), ("centre_given", "2")]
    again = flask("centres", "give", "2")
    assert again.exit_code == 3
    assert "centre 2 (Centre 2, Paris 11e) is not ours" in again.stderr


def test_what_was_given_back_can_be_taken_again_with_its_places(ours: House, flask: Flask):
    flask("centres", "give", "2")
    assert flask("centres", "take", "2").exit_code == 0
    assert blocked(ours, "2") == [0, 30]
    assert ours.phone().books().ended
    assert len(ours.bookings()) == 1


def test_a_centre_with_live_bookings_stays_ours(ours: House, flask: Flask):
    ours.phone().books()
    result = flask("centres", "give", "2", "99")
    assert result.exit_code == 3
    first, second = result.stderr.splitlines()
    assert first.startswith("1 person is booked at centre 2 (Centre 2, Paris 11e): it stays ours.")
    assert "flask centres close 2 --why" in first
    assert second == "there is no centre 99"
    assert modes(ours)["2"] == "ours"
    assert blocked(ours, "2") == [0, 30]
    assert flask("centres", "give", "--last").exit_code == 3
    assert modes(ours)["2"] == "ours"


def test_a_booking_that_is_over_keeps_no_centre(ours: House, flask: Flask):
    ours.phone().books()
    (booked,) = ours.bookings()
    assert isinstance(ours.clock, FixedClock)
    ours.clock.advance(booked.start_at - ours.clock.now() + timedelta(minutes=1))
    assert flask("centres", "give", "2").exit_code == 0


def test_who_books_in_that_very_moment_keeps_it_and_is_a_case(database_url: str):
    """Between the look at the bookings and the commit."""
    with house(database_url) as town:
        town.opens_centre("1", starts=mornings(4))
        caller = town.phone().goes_to("confirm")
        life = CentreLife(town.store, Campaigns.fixed(town.campaign))

        def by() -> str:
            if not town.bookings():
                caller.presses("1")
            return "operator"

        report = TakeCentres(life, by).give(["1"])
        assert report.given == ["1"]
        (booked,) = town.bookings()
        assert booked.state == "confirmed"
        (case,) = rows_of(town.database, select(agent_case))
        assert (case.kind, case.booking_id is not None) == ("centre_not_ours", True)
        assert blocked(town, "1") == [4, 4]


def test_the_last_take_is_undone_with_its_terms(ours: House, flask: Flask):
    flask("centres", "take", "1", "2", "--capacity", 5)
    result = flask("centres", "give", "--last")
    assert result.exit_code == 0
    assert "2 given back, 0 refused" in result.stdout
    # It was ours before, with other terms; the other one was not.
    second = of(ours, "2")
    assert (second.booking_mode, second.slot_capacity) == ("ours", None)
    assert second.our_hours is not None
    assert modes(ours)["1"] == "own_phone"
    # Then the one before it, then there is nothing left.
    assert flask("centres", "give", "--last").exit_code == 0
    assert modes(ours)["2"] == "partner"
    nothing = flask("centres", "give", "--last")
    assert nothing.exit_code == 1
    assert "nothing was taken that could be undone" in nothing.stderr


# ---------------------------------------------------------------- after an import


def test_an_import_leaves_an_operators_word_alone(ours: House, flask: Flask, tmp_path: Path):
    rows = [
        centre_row("1", **PARIS, rdv_lundi="8h-9h"),
        centre_row("2", **PARIS, rdv_lundi="8h-9h"),
    ]
    newer = write_centres(tmp_path / "newer.csv", rows)
    flask("centres", "import", "--allow-closing", newer)
    row = of(ours, "2")
    assert (row.booking_mode, row.source_mode) == ("ours", "own_phone")
    assert (row.hours, json.loads(row.our_hours)["0"]) == (
        '{"0": [["08:00", "09:00"]]}',
        [["09:00", "10:00"]],
    )
    # It goes back to what the newest edition says, not to what one said at the take.
    flask("centres", "give", "2")
    assert modes(ours)["2"] == "own_phone"


def test_an_edition_that_reserves_a_centre_ends_our_word(ours: House, flask: Flask, tmp_path: Path):
    rows = [centre_row("1", **PARIS), centre_row("2", **PARIS, **RESERVED)]
    reserving = write_centres(tmp_path / "reserving.csv", rows)
    flask("centres", "import", "--allow-closing", reserving)
    assert modes(ours)["2"] == "reserved"
    undone = flask("centres", "give", "--last")
    assert undone.exit_code == 0
    assert modes(ours)["2"] == "reserved"


def test_a_mode_of_the_operator_outlives_an_import(
    town: House, flask: Flask, directory: Path, tmp_path: Path
):
    assert flask("centres", "take", "2", "--mode", "own_phone").exit_code == 0
    assert modes(town)["2"] == "own_phone"
    other = centre_row("2", **PARIS, nom="Other", rdv_site_web="https://partners.doctolib.fr/x")
    flask("centres", "import", "--allow-closing", write_centres(tmp_path / "n.csv", [other]))
    assert modes(town)["2"] == "own_phone"
    assert flask("centres", "give", "2").exit_code == 0
    assert modes(town)["2"] == "partner"


def test_walk_in_and_mirrored_centres_are_not_taken(town: House, flask: Flask, directory: Path):
    with town.database.statement() as connection:
        state = takes.states(connection, ids=["1"])["1"]
    walk_in = replace(state, walk_in="only")
    sentence = refusal_of(town.clock, walk_in, TakeWish("1"), (), anywhere=False)
    assert "takes people without an appointment" in sentence
    mirroring = refusal_of(town.clock, state, TakeWish("1"), {"1"}, anywhere=False)
    assert "mirrors a partner's agendas" in mirroring
    assert refusal_of(town.clock, state, TakeWish("1"), (), anywhere=False) == ""
