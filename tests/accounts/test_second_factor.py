"""A second factor for everybody: nothing is shown before it, and nothing resets past it."""

from __future__ import annotations

import re

from datetime import timedelta

import pytest

from sqlalchemy import select

from models.accounts import staff as rows
from models.accounts.tables import staff_recovery
from services.accounts import second_factor
from services.accounts import staff as accounts
from services.accounts.lost_factor import take_factor_away
from services.accounts.second_factor import RECOVERY_CODES
from tests.support.approvals import loses_factor
from tests.support.forms import OTHER_PASSWORD, PASSWORD, Browser, code_of, has_code
from tests.support.house import House, StaffClient
from tests.support.rows import dump

CODES = re.compile(r"<li><code>([a-z2-9-]{19})</code></li>")


def acts(made: House) -> list[str]:
    return [one.act.what for one in accounts.read_acts(made.store)]


def codes_of(browser: StaffClient) -> list[str]:
    """The recovery codes of whoever is signed in here, made anew."""
    return CODES.findall(browser.post("/compte/secours").text)


@pytest.fixture
def camille(made: House) -> tuple[Browser, list[str]]:
    """A browser of an agent that stands before the second factor, and the agent's codes."""
    who = made.employs("agent", login="camille", password=PASSWORD)
    codes = codes_of(made.signs_in("agent", staff=who))
    browser = Browser(made.app)
    browser.signs_in("camille")
    return browser, codes


# ---------------------------------------------------------------- before anything else


def test_a_new_account_shows_nothing_before_its_password_and_second_factor(made: House):
    accounts.add(made.store, login="camille", name="C. Martin", role="agent", password=PASSWORD)
    browser = Browser(made.app)
    assert browser.signs_in("camille").headers["Location"] == "/connexion/mot-de-passe"
    for path in ("/poste", "/poste/etat", "/compte", "/compte/secours"):
        assert browser.goes(path).status_code == 302
    browser.goes("/connexion/mot-de-passe")
    answer = browser.sends("/connexion/mot-de-passe", new=OTHER_PASSWORD, again=OTHER_PASSWORD)
    assert answer.headers["Location"] == "/connexion/inscription"
    for path in ("/poste", "/poste/etat", "/compte", "/compte/secours"):
        assert browser.goes(path).status_code == 302
    page = browser.goes("/connexion/inscription").text
    secret = page.split('class="secret">')[1].split("<")[0].replace(" ", "")
    answer = browser.sends("/connexion/inscription", code=code_of(made, secret))
    assert answer.headers["Location"] == "/compte/secours?next=/poste"
    assert browser.is_in()


def test_a_session_of_before_second_factors_lacks_one(made: House):
    who = made.employs("agent")
    with made.database.transaction() as connection:
        rows.begin_session(connection, made.clock, "of before", who.id, strong=False)
    browser = StaffClient(made.app, who, "of before")
    assert browser.get("/poste").status_code == 302
    assert browser.get("/connexion/inscription").status_code == 200


@pytest.mark.parametrize("role", rows.ROLES)
def test_another_password_neither_removes_nor_skips_the_second_factor(made: House, role: str):
    who = made.employs(role, login="camille", password=PASSWORD)
    secret = has_code(made, who.id)
    accounts.give_password(made.store, "camille", OTHER_PASSWORD)
    thief = Browser(made.app)
    assert thief.signs_in("camille", OTHER_PASSWORD).headers["Location"] == "/connexion/code"
    for path in ("/connexion/mot-de-passe", "/connexion/inscription", "/compte"):
        assert thief.goes(path).status_code == 302
    thief.goes("/connexion/code")
    fields = {"new": PASSWORD, "again": PASSWORD}
    assert "/connexion" in thief.sends("/connexion/mot-de-passe", **fields).headers["Location"]
    with made.database.statement() as connection:
        account = rows.by_id(connection, made.store.vault, who.id)
    assert account is not None
    assert account.totp_secret == secret


# ---------------------------------------------------------------- recovery codes


def test_a_recovery_code_opens_the_account_once(made: House, camille: tuple[Browser, list[str]]):
    browser, codes = camille
    assert len(set(codes)) == len(codes) == RECOVERY_CODES
    answer = browser.sends("/connexion/secours", code=f" {codes[0].upper().replace('-', ' ')} ")
    assert answer.status_code == 302
    assert browser.is_in()
    assert f"non utilisés : {RECOVERY_CODES - 1}" in browser.goes("/compte").text.replace(
        "\xa0", " "
    )
    assert "staff_recovery_used" in acts(made)
    again = Browser(made.app)
    again.signs_in("camille")
    refused = again.sends("/connexion/secours", code=codes[0])
    assert refused.status_code == 401
    assert "a déjà servi" in refused.text
    assert again.sends("/connexion/secours", code=codes[1]).status_code == 302


def test_wrong_recovery_codes_are_counted_like_other_codes(
    made: House, camille: tuple[Browser, list[str]]
):
    browser, codes = camille
    tries = [browser.sends("/connexion/secours", code=f"abcd-{n}").status_code for n in range(6)]
    assert tries == [401] * 5 + [429]
    assert browser.sends("/connexion/secours", code=codes[0]).status_code == 429


def test_a_recovery_code_of_somebody_else_opens_nothing(
    made: House, camille: tuple[Browser, list[str]]
):
    _, codes = camille
    other = made.employs("agent", login="dominique", password=PASSWORD)
    has_code(made, other.id)
    browser = Browser(made.app)
    browser.signs_in("dominique")
    assert browser.sends("/connexion/secours", code=codes[0]).status_code == 401


def test_codes_are_shown_once_and_kept_as_keyed_hashes(made: House, database_url: str):
    who = made.employs("agent")
    browser = made.signs_in("agent", staff=who)
    first = codes_of(browser)
    assert not CODES.findall(browser.get("/compte/secours").text)
    with made.database.statement() as connection:
        kept = list(connection.execute(select(staff_recovery.c.code_idx)).scalars())
    everything = dump(database_url)
    index = second_factor.recovery_index(made.store.vault, who.id, first[0])
    assert index in kept
    for code in first:
        assert code not in everything
        assert code.replace("-", "") not in everything
    # New ones replace them all.
    second = codes_of(browser)
    assert not set(first) & set(second)
    with made.database.statement() as connection:
        kept = list(connection.execute(select(staff_recovery.c.code_idx)).scalars())
    assert len(kept) == RECOVERY_CODES
    assert index not in kept


def test_whoever_finds_a_page_open_makes_no_codes(made: House):
    browser = made.signs_in("agent")
    made.clock.advance(timedelta(minutes=11))  # type: ignore[attr-defined]
    answer = browser.post("/compte/secours")
    assert answer.headers["Location"].startswith("/compte/preuve")
    assert "staff_recovery_made" not in acts(made)


# ---------------------------------------------------------------- what is lost


def test_two_people_take_a_lost_factor_away_and_it_is_written_down(made: House):
    who = made.employs("agent", login="camille", password=PASSWORD)
    made.employs("supervisor", login="maxence")
    session = made.signs_in("agent", staff=who)
    codes = codes_of(session)
    loses_factor(made, "camille", second="maxence", why="telephone stolen")
    assert session.get("/compte").status_code == 302
    (act,) = [
        one.act for one in accounts.read_acts(made.store) if one.act.what == "staff_factor_lost"
    ]
    with made.database.statement() as connection:
        witness = accounts.find(connection, made.store, "maxence")
    assert (act.subject, act.why) == (who.id, "telephone stolen")
    assert act.details == {"by": "root", "second": witness.id}
    browser = Browser(made.app)
    assert browser.signs_in("camille").headers["Location"] == "/connexion/inscription"
    # Recovery codes went with it.
    assert browser.goes("/connexion/code").status_code == 302
    with made.database.statement() as connection:
        assert not connection.execute(select(staff_recovery)).all()
    assert codes


@pytest.mark.parametrize(
    ("second", "operator", "why", "said"),
    [
        ("camille", "root", "lost", "cannot be the second person"),
        ("maxence", "Maxence", "lost", "cannot be the second person"),
        ("agent", "root", "lost", "is no supervisor with an open account"),
        ("closed", "root", "lost", "is no supervisor with an open account"),
        ("nobody", "root", "lost", "is no supervisor with an open account"),
        ("maxence", "root", " ", "say why"),
    ],
)
def test_one_person_alone_takes_nothing_away(
    made: House, second: str, operator: str, why: str, said: str
):
    who = made.employs("supervisor", login="camille")
    has_code(made, who.id)
    made.employs("supervisor", login="maxence")
    made.employs("agent", login="agent")
    made.employs("supervisor", login="closed")
    accounts.disable(made.store, "closed")
    with pytest.raises(accounts.StaffRefused, match=said):
        take_factor_away(made.store, "camille", second=second, operator=operator, why=why)
    with made.database.statement() as connection:
        account = rows.by_id(connection, made.store.vault, who.id)
    assert account is not None
    assert account.totp_secret is not None
