"""`flask setup`: from an empty database to `Ready for callers`, and what is missing on the way."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from click.testing import Result
from sqlalchemy import func, select, update
from structlog.testing import capture_logs

import config

from app.web import look_at_store
from models.accounts.tables import staff
from models.centres.tables import centre, postcode
from models.database import Database
from models.migrations.schema import newest
from models.slots.tables import place, slot
from services.campaign.campaign import Campaign
from services.setup.going_live import Installation, missing
from services.setup.town import BadTown, read_town
from tests.support.command_line import Flask, command_line
from tests.support.house import CAMPAIGN, NOON, House, mornings
from tests.support.imports import centre_row, write_centres
from tests.support.postgres import NOWHERE
from tests.support.rows import rows_of

EXAMPLE = config.ROOT / "deploy" / "town.toml"
READY = "Ready for callers"
PARIS = {
    "com_cp": "75011",
    "com_insee": "75111",
    "com_nom": "Paris 11e",
    "lat_coor1": "48.860",
    "long_coor1": "2.379",
}
LAPOSTE = (
    "Code_commune_INSEE;Nom_commune;Code_postal;Ligne_5;Libelle_d_acheminement;coordonnees_gps\n"
    "75111;PARIS 11;75011;;PARIS 11;48.859,2.378\n"
)
TOWN = """
number = "+33974750001"
directory = "directory.csv"
postcodes = "postcodes.csv"
open_days = 7

[[centres]]
gid = "1"
hours = "mon-fri 09:00-10:00"
capacity = 2

[[centres]]
departement = "75"
minutes = 60

[[staff]]
login = "camille"
name = "Camille Martin"
role = "agent"

[[staff]]
login = "maxence"
name = "Maxence Durand"
role = "supervisor"
"""
INSTALLED = Installation(
    production=True,
    national_number="+33974750002",
    caller_id="+33974750002",
    sms_sender="AlloRDV",
    account_sid="AC0123456789abcdef0123456789abcdef",
    auth_token="a-token-of-the-provider",
    api_base_url="https://api.twilio.com",
    known=frozenset({"made-up"}),
)


@pytest.fixture
def empty(database_url: str) -> Iterator[House]:
    """A service that was migrated and knows nothing."""
    made = House(database_url)
    yield made
    made.close()


@pytest.fixture
def flask(empty: House) -> Flask:
    return command_line(empty)


@pytest.fixture
def town(tmp_path: Path) -> Path:
    """A file with a directory of two centres beside it."""
    rows = [centre_row("1", **PARIS), centre_row("2", **PARIS), centre_row("3", **PARIS)]
    rows[2]["rdv_modalites"] = "Réservé aux professionnels de santé"
    write_centres(tmp_path / "directory.csv", rows)
    (tmp_path / "postcodes.csv").write_text(LAPOSTE, encoding="utf-8")
    file = tmp_path / "town.toml"
    file.write_text(TOWN, encoding="utf-8")
    return file


def whats(result: Result) -> list[str]:
    """The words of what is missing, in order."""
    return [line.partition(":")[0] for line in result.stderr.splitlines() if ": " in line][:-1]


def test_one_file_and_a_caller_books(empty: House, flask: Flask, town: Path):
    result = flask("setup", "--from", town)
    assert result.stderr == ""
    assert result.exit_code == 0
    assert result.stdout.splitlines()[-1] == READY
    assert "centres: 2 taken" in result.stdout
    assert "staff: camille (agent), password, to be changed at the first sign-in:" in result.stdout
    opened = rows_of(
        empty.database,
        select(slot.c.centre_id, func.count(), func.max(slot.c.capacity)).group_by(
            slot.c.centre_id
        ),
    )
    # Centre 1 by its own line, the other one by that of its département; 3 is reserved.
    assert sorted(tuple(row) for row in opened) == [("1", 5 * 6, 2), ("2", 3, 1)]
    empty.phone().books()
    (booked,) = empty.bookings()
    assert booked.centre_id in {"1", "2"}


def test_again_it_does_nothing_and_is_ready(empty: House, flask: Flask, town: Path):
    flask("setup", "--from", town)
    before = everything(empty)
    again = flask("setup", "--from", town)
    assert again.stdout.splitlines() == [
        "This is a rehearsal: a stand-in at 127.0.0.1:8010 is the provider.",
        READY,
    ]
    assert everything(empty) == before


def everything(house: House) -> list[list[object]]:
    tables = (centre, postcode, slot, place, staff)
    return [[tuple(row) for row in rows_of(house.database, select(one))] for one in tables]


def test_check_says_what_is_missing_and_changes_nothing(empty: House, flask: Flask, town: Path):
    before = everything(empty)
    result = flask("setup", "--check")
    assert result.exit_code == 1
    assert whats(result) == ["postcodes", "directory", "centres", "agent", "supervisor"]
    assert READY not in result.output
    assert everything(empty) == before
    flask("setup", "--from", town)
    assert flask("setup", "--check").stdout.splitlines()[-1] == READY


def test_a_set_up_that_was_stopped_goes_on(empty: House, flask: Flask, town: Path):
    """The directory is there, and a centre without slots."""
    flask("postcodes", "import", town.parent / "postcodes.csv")
    flask("centres", "import", town.parent / "directory.csv")
    flask("centres", "take", "2")
    flask("staff", "add", "camille", "--role", "agent", "--name", "Somebody Else")
    half = flask("setup", "--check")
    assert whats(half) == ["slots", "supervisor"]
    assert "1 centre is ours and has no free place" in half.stderr
    assert "`flask slots open --all" in half.stderr
    result = flask("setup", "--from", town)
    assert result.exit_code == 0
    names = rows_of(empty.database, select(staff.c.name).order_by(staff.c.login))
    assert [row.name for row in names] == ["Somebody Else", "Maxence Durand"]


def test_what_cannot_be_done_is_told_and_the_rest_is_done(empty: House, flask: Flask, town: Path):
    text = TOWN.replace('gid = "1"', 'gid = "3"').replace('"maxence"', '"m"')
    town.write_text(text, encoding="utf-8")
    result = flask("setup", "--from", town)
    assert result.exit_code == 1
    first, second, *rest = result.stderr.splitlines()
    assert first.startswith("Not done: line 7: centre 3 (Centre 3, Paris 11e) is reserved")
    assert second.startswith("Not done: 'm' is no login")
    assert [one.partition(":")[0] for one in rest] == [
        *("supervisor", "1 missing, 2 not done. Run `flask setup` again when it is mended")
    ]
    assert READY not in result.output
    # What could be done was.
    assert len(rows_of(empty.database, select(slot.c.id))) == 6


def test_settings_that_say_something_else_are_named(empty: House, flask: Flask, town: Path):
    other = town.with_name("other.toml")
    other.write_text((config.ROOT / "campaigns" / "demonstration.toml").read_text("utf-8"))
    text = 'campaign = "other.toml"\n' + TOWN.replace("+33974750001", "+33974759999")
    town.write_text(text, encoding="utf-8")
    result = flask("setup", "--from", town)
    assert result.exit_code == 1
    number, campaign, _ = result.stderr.splitlines()
    assert number == (
        "number: NATIONAL_NUMBER is +33974750001, and the file says +33974759999. "
        "NATIONAL_NUMBER=+33974759999 in the environment or in .env, or mend the file"
    )
    assert campaign.startswith("campaign: CAMPAIGN is ")
    assert f"CAMPAIGN={other} in the environment" in campaign


@pytest.mark.parametrize(
    ("command", "warnings"), [("migrate", 0), ("db", 0), ("setup", 0), ("bookings", 1), ("", 1)]
)
def test_commands_that_make_the_store_do_not_warn_that_it_is_not_there(command: str, warnings: int):
    absent = Database(NOWHERE)
    with capture_logs() as logs:
        look_at_store(absent, command)
    absent.dispose()
    assert [one["event"] for one in logs] == ["the store does not answer"] * warnings


def test_an_empty_database_is_migrated(empty_url: str, town: Path):
    made = House(empty_url)
    try:
        flask = command_line(made)
        check = flask("setup", "--check")
        assert whats(check) == ["schema"]
        assert "the database is empty, and must be at" in check.stderr
        result = flask("setup", "--from", town)
        assert result.exit_code == 0
        assert f"schema: from nothing to {newest()}" in result.stdout
        assert result.stdout.splitlines()[-1] == READY
    finally:
        made.close()


def test_it_asks_for_what_is_missing(empty: House, flask: Flask, town: Path):
    folder = town.parent
    answers = (
        *(folder / "postcodes.csv", folder / "directory.csv"),
        *("1 2", "mon-fri 09:00-10:00", 2, 20, 7),
        *("camille", "Camille Martin"),
        *("maxence", "Maxence Durand"),
    )
    result = flask("setup", says="".join(f"{one}\n" for one in answers))
    assert result.exit_code == 0, result.output
    assert result.stdout.splitlines()[-1] == READY
    assert len(rows_of(empty.database, select(slot.c.id))) == 2 * 5 * 3
    # Nothing is missing: nothing is asked.
    assert flask("setup", says="").exit_code == 0


def test_what_is_answered_wrongly_is_told_and_left(empty: House, flask: Flask, town: Path):
    flask("postcodes", "import", town.parent / "postcodes.csv")
    flask("centres", "import", town.parent / "directory.csv")
    answers = ("1", "whenever", "c", "Camille", "s", "Sacha")
    result = flask("setup", says="".join(f"{one}\n" for one in answers))
    assert result.exit_code == 1
    assert "Not done: 'whenever' are no hours of some days" in result.stderr
    assert whats(result)[-3:] == ["centres", "agent", "supervisor"]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ('numbr = "1"', "line 1: numbr is not known"),
        ("number = 1", 'line 1: number is no text; write number = "…"'),
        ('directory = "nowhere.csv"', "line 1: directory: there is no file"),
        ("open_days = 0", "line 1: open_days is a number from 1 to 366"),
        ("centres = 1", "line 1: centres is no list; write [[centres]]"),
        ("[[centres]]\ncapacity = 2", 'line 1: give either gid = "21" or departement = "35"'),
        ('[[centres]]\ngid = "1"\nhours = "never"', "line 1: 'never' are no hours"),
        ('[[staff]]\nlogin = "a"', "line 1: an account needs login"),
        ('\n[[staff]]\nlogin = "a"\nname = "A"\nrole = "king"', "line 5: role is one of agent"),
        ("[[staff", "this is not TOML"),
    ],
)
def test_a_file_that_is_not_right_changes_nothing(tmp_path: Path, text: str, sentence: str):
    file = tmp_path / "town.toml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(BadTown) as bad:
        read_town(file)
    assert sentence in str(bad.value)


def test_a_bad_file_ends_the_command_with_every_mistake(flask: Flask, tmp_path: Path):
    file = tmp_path / "town.toml"
    file.write_text("number = 1\nopen_days = 0\n")
    result = flask("setup", "--from", file)
    assert result.exit_code == 1
    assert "nothing is changed" in result.stderr
    assert len(result.stderr.splitlines()) == 3


def test_the_example_is_ready_with_the_extracts_of_the_project(database_url: str):
    """As docs/going-live.md has it; the house's own campaign, which one dose is enough for."""
    with_example = House(database_url)
    try:
        flask = command_line(with_example)
        result = flask("setup", "--from", EXAMPLE)
        assert result.stderr == ""
        assert result.stdout.splitlines()[-1] == READY
        assert "2 taken" in result.stdout
    finally:
        with_example.close()


# ---------------------------------------------------------------- what ready means


def lacks(house: House, *, campaign: Campaign = CAMPAIGN, **changes: Any) -> list[str]:
    found = missing(house.store, campaign, replace(INSTALLED, **changes))
    assert all(one.sentence and one.remedy for one in found)
    return [one.what for one in found]


@pytest.fixture
def ready(service: House) -> House:
    """Nothing is missing."""
    service.opens_centre("1", starts=mornings(4))
    service.employs("agent")
    service.employs("supervisor")
    assert lacks(service) == []
    return service


def test_nobody_could_book(ready: House):
    change = update(centre).where(centre.c.id == "1")
    for what, values in (
        ("centres", {"booking_mode": "own_phone"}),
        ("centres", {"booking_mode": "ours", "closed_at": NOON}),
    ):
        with ready.database.transaction() as connection:
            connection.execute(change.values(**values))
        assert lacks(ready) == [what]
    with ready.database.transaction() as connection:
        connection.execute(change.values(closed_at=None))
        connection.execute(update(place).values(blocked=True))
    assert lacks(ready) == ["slots"]


def test_slots_beyond_the_campaigns_horizon_are_none(ready: House):
    assert lacks(ready, campaign=replace(CAMPAIGN, lead=timedelta(days=7))) == ["slots"]
    late = replace(CAMPAIGN, opens_at=NOON + timedelta(days=90))
    assert lacks(ready, campaign=late) == ["slots"]
    soon = replace(CAMPAIGN, opens_at=NOON + timedelta(days=1))
    assert lacks(ready, campaign=soon) == []


def test_two_doses_need_a_second_place_in_their_interval(ready: House):
    """Four mornings are enough for one dose, and for nobody where two are given."""
    two = replace(CAMPAIGN, doses=2, second_after_days=(21, 28))
    assert lacks(ready, campaign=two) == ["slots"]
    ready.opens_slots("1", mornings(1, first=22))
    assert lacks(ready, campaign=two) == []


def test_a_campaign_that_is_over(ready: House):
    over = replace(CAMPAIGN, closes_at=NOON - timedelta(days=1))
    assert lacks(ready, campaign=over) == ["campaign"]


def test_nobody_answers_or_watches(ready: House):
    with ready.database.transaction() as connection:
        connection.execute(update(staff).values(disabled_at=NOON))
    assert lacks(ready) == ["agent", "supervisor"]


def test_accounts_that_everybody_knows_are_no_staff_in_production(ready: House):
    with ready.database.transaction() as connection:
        connection.execute(update(staff).values(demonstration=True))
    assert lacks(ready) == ["agent", "supervisor", "passwords"]
    assert lacks(ready, production=False) == []


@pytest.mark.parametrize(
    ("setting", "value", "what"),
    [
        ("national_number", "0974", "number"),
        ("national_number", "", "number"),
        ("caller_id", "made-up", "number"),
        ("account_sid", "made-up", "provider"),
        ("auth_token", "", "provider"),
        ("sms_sender", "", "provider"),
        ("api_base_url", "", "provider"),
    ],
)
def test_settings_of_nobody(ready: House, setting: str, value: str, what: str):
    changed: dict[str, Any] = {setting: value}
    assert lacks(ready, **changed) == [what]


def test_a_database_that_does_not_answer():
    made = House("postgresql://nobody@127.0.0.1:1/nothing")
    try:
        assert lacks(made) == ["database"]
    finally:
        made.close()


def test_a_schema_of_another_version(ready: House, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("services.setup.going_live.newest", lambda: "9999")
    assert lacks(ready) == ["schema"]
    monkeypatch.setattr("services.setup.going_live.newest", lambda: "0001")
    (found,) = missing(ready.store, CAMPAIGN, INSTALLED)
    assert "this version knows 0001 only" in found.sentence
