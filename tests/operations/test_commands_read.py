"""Commands that read people say so in the history of acts, with the name of who works there."""

from __future__ import annotations

import json

from collections.abc import Iterator

import click
import pytest

from sqlalchemy import select

from commands import operator
from commands.operator import MARK, NotRecorded
from models.accounts.tables import staff_act
from services.accounts.staff import record_act
from tests.support.house import MOBILE, House, mornings
from tests.support.rows import rows_of

# Each command that reads people, with what it is asked in these tests.
PEOPLE = {
    "bookings cancel": ("{reference}", "--why", "ill"),
    "bookings day": ("--centre", "1", "--date", "2026-11-26"),
    "bookings export": (),
    "bookings move": ("{reference}", "--first", "2026-11-27T10:00", "--why", "flooded"),
    "bookings restore": ("{reference}", "--why", "mistaken"),
    "bookings show": ("{reference}",),
    "staff acts": (),
}
# Those of `flask person` write their request and an act: tests/operations/test_person_rights.py.
REQUESTS = {"person erase", "person export", "person finish"}
# Each command that shows nobody who is booked, with what it is asked; None: it is not run here, for
# it is a process, reads files alone, or prints what it was given.
NOBODY: dict[str, tuple[str, ...] | None] = {
    "assets install": None,
    "backup run": None,
    "backup verify": None,
    "calls map": None,
    "calls time": None,
    "calls walk": None,
    "campaign check": None,
    "capacity": (),
    "centres close": ("1", "--why", "flooded", "--dry-run"),
    "centres give": ("1", "--dry-run"),
    "centres import": None,
    "centres list": (),
    "centres names": ("1",),
    "centres wheelchair": ("1",),
    "centres take": ("1", "--dry-run"),
    "data erase": (),
    "db grant": None,
    "demo": None,
    "deploy errors": None,
    "deploy fallback": None,
    "dispatcher": None,
    "doctor": None,
    "feed write": None,
    "incidents begin": ("--fr", "Des appels sont coupés.", "--en", "Some calls are cut off."),
    "incidents end": None,
    "incidents list": (),
    "keys add": None,
    "keys list": (),
    "keys reseal": None,
    "keys retire": None,
    "legal check": None,
    "numbers check": None,
    "numbers list": (),
    "messages costs": ("--month", "2026-11"),
    "messages held": (),
    "messages pending": (),
    "messages resend": ("--topic", "confirmation", "--since", "24h", "--dry-run"),
    "migrate": None,
    "operations list": (),
    "operations show": None,
    "operations undo": None,
    "partners check": None,
    "partners list": (),
    "partners match": None,
    "partners matches": ("--all",),
    "partners read": None,
    "partners run": None,
    "postcodes import": None,
    "prompts check": None,
    "prompts recordings check": None,
    "prompts script": None,
    "provider check": None,
    "provider connect": None,
    "queues add": None,
    "queues create": None,
    "queues list": (),
    "queues remove": None,
    "restore begin": ("--since", "2026-11-25T08:00"),
    "restore end": None,
    "restore reconcile": None,
    "restore status": (),
    "scheduler": None,
    "setup": ("--check",),
    "slots capacity": (
        *("--centre", "1", "--from", "2026-11-26", "--to", "2026-11-26"),
        *("--capacity", "1", "--why", "x", "--dry-run"),
    ),
    "slots close-day": ("--centre", "1", "--day", "2026-11-26", "--why", "x", "--dry-run"),
    "slots keep-to-hours": None,
    "slots list": ("--centre", "1"),
    "slots move-hour": None,
    "slots open": None,
    "slots outside": (),
    "slots serve": None,
    "staff add": None,
    "staff demo": None,
    "staff disable": None,
    "staff list": (),
    "staff lost": None,
    "staff password": None,
    "staff queues": None,
    "staff role": None,
    "staff signout": None,
    "staff totp": None,
    "staff unwatch": None,
    "staff watch": None,
    "staff watched": (),
    "store verify": (),
    "understand": None,
    "worker": None,
}
REASON = "Mme Durand rappelle"


def commands(group: click.Command, path: str = "") -> Iterator[tuple[str, click.Command]]:
    """Every command that does something, by its words."""
    if not isinstance(group, click.Group):
        yield path, group
        return
    context = click.Context(group)
    for name in group.list_commands(context):
        found = group.get_command(context, name)
        assert found
        yield from commands(found, f"{path} {name}".strip())


@pytest.fixture
def town(service: House) -> House:
    """A booking of a person, and a reason that was typed."""
    service.opens_centre("1", starts=mornings(4), capacity=2)
    service.phone().books(born="12031942")
    with service.database.transaction() as connection:
        record_act(connection, service.store, "anna", "searched", "", REASON)
    return service


def of_people(town: House) -> set[str]:
    """What no other command may show."""
    (booked,) = town.bookings()
    return {booked.reference or "", MOBILE, MOBILE.removeprefix("+33"), "1942-03-12", REASON}


def run(town: House, command: str, options: tuple[str, ...]) -> str:
    (booked,) = town.bookings()
    given = [one.format(reference=booked.reference) for one in options]
    result = town.app.test_cli_runner().invoke(args=[*command.split(), *given])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.output


def reads(town: House) -> list[tuple[str, str]]:
    found = rows_of(town.database, select(staff_act).order_by(staff_act.c.id))
    return [(one.what, json.loads(one.details).get("by", "")) for one in found]


def test_of_every_command_it_is_said_whether_it_reads_people(service: House):
    """A new one is added to PEOPLE, and marked with `reads_people`; or to NOBODY."""
    found = dict(commands(service.app.cli))
    marked = {name for name, one in found.items() if getattr(one.callback, MARK, False)}
    assert marked == set(PEOPLE)
    assert set(found) - marked - REQUESTS == set(NOBODY)


@pytest.mark.parametrize("command", PEOPLE)
def test_who_reads_people_is_written_down_with_their_name(town: House, command: str):
    if command == "bookings restore":
        run(town, "bookings cancel", PEOPLE["bookings cancel"])
    before = len(reads(town))
    run(town, command, PEOPLE[command])
    (line,) = reads(town)[before:]
    assert line[1] == operator.name()


@pytest.mark.parametrize("command", [name for name, asked in NOBODY.items() if asked is not None])
def test_no_other_command_shows_a_person(town: House, command: str):
    said = run(town, command, NOBODY[command] or ())
    assert "Usage:" not in said
    assert [one for one in of_people(town) if one in said] == []


def test_a_command_that_is_marked_and_records_nothing_is_a_mistake(service: House):
    @operator.reads_people(service.store)
    def forgetful(seen: operator.Seen) -> None:
        """It shows people."""

    with pytest.raises(NotRecorded, match="forgetful"):
        forgetful()


@pytest.mark.parametrize(
    "words",
    [
        ["bookings", "export"],
        ["bookings", "day", "--centre", "1", "--date", "2026-11-26"],
        ["bookings", "show", "4521000001"],
        ["slots", "list", "--centre", "1"],
        ["centres", "list"],
        ["staff", "list"],
        ["messages", "pending"],
        ["store", "verify"],
    ],
    ids=" ".join,
)
def test_on_an_empty_database_a_command_names_the_remedy_and_no_sql(
    empty_url: str, words: list[str]
):
    made = House(empty_url)
    try:
        said = made.app.test_cli_runner().invoke(args=words)
    finally:
        made.close()
    assert said.exit_code == 1
    assert isinstance(said.exception, SystemExit)
    last = said.stderr.splitlines()[-1]
    assert last == (
        "Error: the store cannot be used: it lacks tables of this version; run flask migrate, as"
        " the owner of the tables"
    )
    assert "SELECT" not in said.output
