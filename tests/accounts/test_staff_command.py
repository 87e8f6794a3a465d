"""`flask staff`: accounts are made and changed on the command line, with clear refusals."""

from __future__ import annotations

import re

from datetime import timedelta

import click
import pytest

from click.testing import Result

from models.accounts import staff as rows
from models.queue.tables import agent_queue
from services.accounts import passwords
from services.accounts import staff as accounts
from tests.support.approvals import confirms_all
from tests.support.cameras import read
from tests.support.forms import PASSWORD, Browser
from tests.support.house import House

DRAWN = re.compile(r"[ ▄▀█]{20,}")


def flask(made: House, *arguments: str, stdin: str = "") -> Result:
    return made.app.test_cli_runner().invoke(args=["staff", *arguments], input=stdin)


def read_in_letters(output: str) -> str:
    """Return the address of a code that a command drew, or "" if no camera can read it."""
    lines = [line for line in output.splitlines() if DRAWN.fullmatch(line)]
    return read([drawn_row(line, white) for line in lines for white in ("▀█", "▄█")])


def drawn_row(line: str, white: str) -> bytearray:
    return bytearray(0xFF if letter in white else 0 for letter in line)


def account(made: House, login: str) -> rows.StaffAccount:
    with made.database.statement() as connection:
        found = rows.by_login(connection, made.store.vault, login)
    assert found is not None
    return found


def test_somebody_is_added_and_signs_in_with_the_password_that_was_printed(made: House):
    added = flask(made, "add", "Camille", "--role", "agent", "--name", "Camille Martin")
    assert added.exit_code == 0, added.output
    password = added.output.split(": ")[1].strip()
    assert re.fullmatch(r"(?:[a-z2-9]{4}-){3}[a-z2-9]{4}", password)
    browser = Browser(made.app)
    answer = browser.signs_in("camille", password)
    assert answer.headers["Location"] == "/connexion/mot-de-passe"
    assert account(made, "camille").staff.languages == ("fr",)


def test_a_password_from_standard_input_is_not_printed_and_needs_no_change(made: House):
    added = flask(
        made, "add", "camille", "--role", "agent", "--name", "C. Martin", "--password-stdin",
        "--languages", "fr,en", stdin=f"{PASSWORD}\n",
    )  # fmt: skip
    assert added.exit_code == 0, added.output
    assert PASSWORD not in added.output
    browser = Browser(made.app)
    browser.comes_in(made, "camille")
    assert browser.is_in()
    assert account(made, "camille").staff.languages == ("fr", "en")


def test_a_second_factor_can_be_printed_at_once(made: House):
    added = flask(
        made, "add", "maxence", "--role", "supervisor", "--name", "Maxence Durand", "--totp"
    )
    assert added.exit_code == 0, added.output
    secret = re.search(r"otpauth://totp/\S+secret=([A-Z2-7]+)", added.output)
    assert secret
    assert account(made, "maxence").totp_secret == secret.group(1)
    assert read_in_letters(added.output) == re.findall(r"otpauth://\S+", added.output)[0]


@pytest.mark.parametrize(
    ("arguments", "stdin", "said"),
    [
        (["x", "--role", "agent", "--name", "A"], "", "is no login"),
        (["a b", "--role", "agent", "--name", "A"], "", "is no login"),
        (["camille", "--role", "boss", "--name", "A"], "", "boss"),
        (["camille", "--role", "agent", "--name", " "], "", "a name has"),
        (["camille", "--role", "agent", "--name", "A", "--languages", "francais"], "", "languages"),
        (["camille", "--role", "agent", "--name", "A", "--centre", "1"], "", "secretary"),
        (["camille", "--role", "agent", "--name", "A", "--password-stdin"], "short\n", "12"),
        (["camille", "--role", "agent", "--name", "A", "--password-stdin"], "", "standard input"),
        (["there", "--role", "agent", "--name", "A"], "", "already"),
        (["camille", "--name", "A"], "", "--role"),
    ],
)
def test_what_is_not_right_is_said_in_a_sentence(
    made: House, arguments: list[str], stdin: str, said: str
):
    made.employs("agent", login="there")
    refused = flask(made, "add", *arguments, stdin=stdin)
    assert refused.exit_code != 0
    assert said in refused.output
    assert "Traceback" not in refused.output
    assert len(accounts.lines(made.store)) == 1


@pytest.mark.parametrize(
    "arguments",
    [
        ["role", "nobody", "agent"],
        ["disable", "nobody"],
        ["password", "nobody"],
        ["totp", "nobody"],
        ["lost", "nobody", "--with", "nobody", "--why", "lost"],
        ["signout", "nobody"],
        ["queues", "nobody"],
        ["acts", "--login", "nobody"],
    ],
)
def test_somebody_who_is_not_there_is_named(made: House, arguments: list[str]):
    refused = flask(made, *arguments)
    assert refused.exit_code == 1
    assert "there is no 'nobody'" in refused.output


def test_the_list_says_what_is_special(made: House):
    made.employs("agent", login="camille", name="Camille Martin", languages=("fr", "en"))
    made.employs("secretary", login="sacha", name="Sacha Petit", centre_id="21")
    accounts.disable(made.store, "sacha")
    accounts.give_second_factor(made.store, "sacha")
    listed = flask(made, "list").output.splitlines()
    assert listed == [
        "camille  agent  Camille Martin  fr,en  national",
        "sacha  secretary  Sacha Petit  fr  national  disabled  second factor  centre 21",
        "2 accounts",
    ]


def test_the_list_has_the_ids_that_a_provider_rings(made: House):
    camille = made.employs("agent", login="camille", name="Camille Martin", languages=("fr",))
    listed = flask(made, "list", "--ids").output.splitlines()
    assert listed[0] == f"camille  {camille.id}  agent  Camille Martin  fr  national"


def test_roles_passwords_and_accounts_change(made: House):
    made.employs("agent", login="camille", password=PASSWORD)
    assert flask(made, "role", "camille", "supervisor").output == "camille is a supervisor\n"
    assert account(made, "camille").staff.role == "supervisor"
    given = flask(made, "password", "camille").output.splitlines()[1].split(": ")[1]
    assert passwords.fits(given, account(made, "camille").password_hash)
    assert account(made, "camille").password_temporary
    assert flask(made, "disable", "camille").output == "camille is disabled\n"
    assert account(made, "camille").disabled
    assert flask(made, "disable", "camille", "--enable").output == "camille is enabled\n"
    assert not account(made, "camille").disabled


def test_a_second_factor_is_taken_away_by_two_and_replaced_by_none(made: House):
    made.employs("supervisor", login="maxence")
    made.employs("supervisor", login="dominique")
    assert "otpauth://" in flask(made, "totp", "maxence").output
    first = account(made, "maxence").totp_secret
    assert first is not None
    again = flask(made, "totp", "maxence")
    assert again.exit_code == 1
    assert "flask staff lost maxence" in again.output
    assert account(made, "maxence").totp_secret == first
    words = ("lost", "maxence", "--with", "dominique", "--why", "telephone stolen")
    asked = flask(made, *words)
    assert asked.exit_code == 1
    assert "dominique must confirm" in asked.output
    confirms_all(made, "dominique")
    lost = flask(made, *words)
    assert lost.output == "maxence has no second factor\n"
    assert account(made, "maxence").totp_secret is None


def test_signing_somebody_out_counts_their_sessions(made: House):
    who = made.employs("agent", login="camille")
    browsers = [made.signs_in("agent", staff=who) for _ in range(3)]
    assert flask(made, "signout", "camille").output == "camille is signed out of 3 sessions\n"
    assert {browser.get("/compte").status_code for browser in browsers} == {302}


def test_somebody_takes_the_callers_of_the_queues_that_were_named(made: House):
    made.employs("agent", login="camille")
    with made.database.transaction() as connection:
        now = made.clock.now()
        connection.execute(
            agent_queue.insert().values(
                id="fr-bretagne", language="fr", region="bretagne", created_at=now, updated_at=now
            )
        )
    assert "takes fr, fr-bretagne" in flask(made, "queues", "camille", "fr-bretagne", "fr").output
    assert accounts.lines(made.store)[0].queues == ("fr", "fr-bretagne")
    assert "takes the national queues" in flask(made, "queues", "camille").output
    refused = flask(made, "queues", "camille", "fr-corse")
    assert refused.exit_code == 1
    assert "there is no queue fr-corse; there are en, fr, fr-bretagne" in refused.output


def test_every_act_is_in_the_history_and_stays_there(made: House):
    made.employs("agent", login="camille")
    flask(made, "role", "camille", "operator")
    flask(made, "disable", "camille")
    lines = flask(made, "acts", "--last", "2").output.splitlines()
    assert [line.split()[1:3] for line in lines[:2]] == [
        ["operator", "staff_disabled"],
        ["operator", "staff_role"],
    ]
    assert lines[2] == "2 acts"
    with (
        pytest.raises(Exception, match="append only"),
        made.database.transaction() as connection,
    ):
        connection.exec_driver_sql("DELETE FROM staff_act")


def test_looking_at_a_file_is_an_act(made: House):
    who = made.employs("agent", login="camille")
    with made.database.transaction() as connection:
        accounts.read_file(connection, made.store, who, "b" * 32, why="call", entry="e1")
    made.clock.advance(timedelta(minutes=1))  # type: ignore[attr-defined]
    (written,) = accounts.read_acts(made.store, subject="b" * 32)
    assert (written.act.staff_id, written.act.what, written.act.why) == (
        who.id,
        "read_file",
        "call",
    )
    assert written.act.details == {"entry": "e1"}
    assert "camille read_file" in flask(made, "acts", "--login", "camille").output


def test_accounts_to_try_with_are_made_once_and_not_in_production(made: House):
    first = flask(made, "demo").output.splitlines()
    assert f"staff: agent1 / {accounts.DEMONSTRATION_PASSWORD}" in first
    assert len(first) == 7
    assert flask(made, "demo").output == ""
    made.settings = made.settings.model_copy(update={"environment": "production"})
    made.app = made.application()
    refused = flask(made, "demo")
    assert refused.exit_code == 1
    assert "production" in refused.output


def test_every_command_shows_an_example(made: House):
    group = made.app.cli.get_command(click.Context(made.app.cli), "staff")
    assert isinstance(group, click.Group)
    for name, command in group.commands.items():
        assert (command.epilog or "").startswith("Example: flask staff"), name
        assert command.help, name


def test_accounts_to_try_with_of_an_earlier_version_get_the_secret_that_everybody_knows(
    made: House,
):
    accounts.make_demonstration(made.store)
    agent = account(made, "agent1")
    with made.database.transaction() as connection:
        rows.change_secret(connection, made.clock, made.store.vault, agent.staff.id, None)
    assert accounts.make_demonstration(made.store) == []
    assert account(made, "agent1").totp_secret == accounts.DEMONSTRATION_SECRET


def test_a_secretary_is_of_a_centre_that_we_book_for(made: House):
    made.opens_centre("2", mode="partner")
    who = ("--role", "secretary", "--name", "Sacha Petit")
    for centre_id, why in (("404", "there is no centre 404"), ("2", "flask centres take 2")):
        refused = flask(made, "add", "sacha", *who, "--centre", centre_id)
        assert refused.exit_code == 1
        assert why in refused.output
    made.opens_centre("1")
    assert flask(made, "add", "sacha", *who, "--centre", "1").exit_code == 0
    refused = flask(made, "role", "sacha", "secretary", "--centre", "2")
    assert refused.exit_code == 1
