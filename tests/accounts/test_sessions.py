"""Sessions: what a thief of one gets, how long one lasts, and forms that are sent twice."""

from __future__ import annotations

import re

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest

from flask import Blueprint
from sqlalchemy import select, update

from models.accounts import staff as rows
from models.accounts.tables import staff_session
from models.agents.tables import agent
from services.accounts import staff as accounts
from services.accounts.sign_in import MOMENT, SignIn
from tests.support.approvals import loses_factor
from tests.support.forms import FORM, PASSWORD, SESSION, Browser, code_of, has_code
from tests.support.house import BASE, House, StaffClient
from tests.support.rows import dump
from web.marks import roles


def thief(made: House, token: str) -> Browser:
    """Another browser with the token of somebody else's session."""
    browser = Browser(made.app, address="203.0.113.66")
    browser.plants(SESSION, token)
    return browser


def later(made: House, **after: int) -> None:
    made.clock.advance(timedelta(**after))  # type: ignore[attr-defined]


# ---------------------------------------------------------------- stolen


def test_a_stolen_session_ends_with_signing_out(made: House):
    made.employs("agent", login="camille", password=PASSWORD)
    browser = Browser(made.app)
    browser.comes_in(made, "camille")
    stolen = thief(made, browser.cookie())
    assert stolen.is_in()
    browser.goes("/compte")
    browser.sends("/deconnexion")
    assert not stolen.is_in()


def test_a_session_stolen_before_the_second_factor_never_gets_in(made: House):
    who = made.employs("supervisor", login="maxence", password=PASSWORD)
    secret = has_code(made, who.id)
    browser = Browser(made.app)
    browser.signs_in("maxence")
    stolen = thief(made, browser.cookie())
    browser.sends("/connexion/code", code=code_of(made, secret))
    assert browser.is_in()
    assert not stolen.is_in()
    stolen.goes("/connexion")
    later(made, seconds=30)
    answer = stolen.sends("/connexion/code", code=code_of(made, secret))
    assert answer.headers["Location"] == "/connexion"
    assert not stolen.is_in()


def test_a_planted_session_is_not_taken_over(made: House):
    """Fixation: a token that somebody else knows is never the one of a session."""
    made.employs("agent", login="camille", password=PASSWORD)
    for name in (SESSION, FORM):
        browser = Browser(made.app)
        browser.plants(name, "known-to-a-thief")
        browser.comes_in(made, "camille")
        assert browser.is_in()
        assert browser.cookie() not in {"", "known-to-a-thief"}
        assert not thief(made, "known-to-a-thief").is_in()


def test_the_token_of_a_form_is_no_session(made: House):
    browser = Browser(made.app)
    browser.goes("/connexion")
    form = browser.cookie(FORM)
    assert form
    assert not thief(made, form).is_in()


def test_signing_in_again_ends_the_session_that_the_browser_had(made: House):
    made.employs("agent", login="camille", password=PASSWORD)
    browser = Browser(made.app)
    browser.comes_in(made, "camille")
    first = browser.cookie()
    browser.goes("/connexion", query_string={"lang": "fr"})
    browser.goes("/compte")
    browser.sends("/connexion", login="camille", password=PASSWORD)
    assert browser.cookie() != first
    assert not thief(made, first).is_in()


def test_signing_out_everywhere_ends_all_sessions(made: House):
    who = made.employs("agent")
    here, there = made.signs_in("agent", staff=who), made.signs_in("agent", staff=who)
    other = made.signs_in("agent")
    assert "Ailleurs" in here.get("/compte").text
    assert here.post("/compte/partout").status_code == 302
    assert [one.get("/compte").status_code for one in (here, there, other)] == [302, 302, 200]


CHANGES: dict[str, Callable[[House], object]] = {
    "disabled": lambda made: accounts.disable(made.store, "maxence"),
    "role": lambda made: accounts.change_role(made.store, "maxence", "operator"),
    "password": lambda made: accounts.give_password(made.store, "maxence", PASSWORD),
    "second factor": lambda made: loses_factor(made, "maxence", second="dominique"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_whoever_is_changed_is_out_at_the_next_request(made: House, change: str):
    who = made.employs("supervisor", login="maxence")
    made.employs("supervisor", login="dominique")
    browser = made.signs_in("supervisor", staff=who)
    assert browser.get("/compte").status_code == 200
    CHANGES[change](made)
    assert browser.get("/compte").status_code == 302


def test_the_store_has_no_token_and_no_secret_in_the_open(made: House, database_url: str):
    who = made.employs("agent", login="camille", password=PASSWORD)
    secret = has_code(made, who.id)
    browser = Browser(made.app)
    browser.comes_in(made, "camille")
    browser.sends("/connexion/code", code=code_of(made, secret))
    accounts.set_phone(made.store, who.id, "06 12 34 56 78")
    everything = dump(database_url)
    for private in (browser.cookie(), secret, "+33612345678", PASSWORD):
        assert private not in everything
        assert private.encode().hex().upper() not in everything.upper()


# ---------------------------------------------------------------- limits of time


@pytest.mark.parametrize(("role", "minutes"), [("agent", 60), ("supervisor", 30), ("operator", 30)])
def test_a_session_without_a_sign_of_the_person_is_over(made: House, role: str, minutes: int):
    browser = made.signs_in(role)
    later(made, minutes=minutes)
    assert browser.get("/compte").status_code == 200
    later(made, minutes=minutes, seconds=1)
    assert browser.get("/compte").status_code == 302
    # For good: no later request brings it back.
    assert browser.get("/compte").status_code == 302


@pytest.mark.parametrize("role", ["agent", "supervisor"])
def test_a_session_is_over_after_twelve_hours_whatever_one_does(made: House, role: str):
    browser = made.signs_in(role)
    for _ in range(24):
        assert browser.get("/compte").status_code == 200
        later(made, minutes=30)
    assert browser.get("/compte").status_code == 200
    later(made, seconds=1)
    assert browser.get("/compte").status_code == 302


def with_a_poll(made: House) -> None:
    """A route that a page asks by itself."""
    polls = Blueprint("polls", __name__)
    polls.add_url_rule("/poll", "poll", roles("agent", poll=True)(lambda: "news"))
    made.app.register_blueprint(polls)


def is_talking(made: House, client: StaffClient, state: str) -> None:
    assert client.staff is not None
    row = {"staff_id": client.staff.id, "state": state}
    with made.database.transaction() as connection:
        connection.execute(
            agent.insert().values(since=made.clock.at(), seen_at=made.clock.at(), **row)
        )


def test_a_page_that_asks_by_itself_is_no_sign_of_a_person(made: House):
    with_a_poll(made)
    browser = made.signs_in("agent")
    for _ in range(6):
        assert browser.get("/poll").status_code == 200
        later(made, minutes=10)
    later(made, seconds=1)
    assert browser.get("/poll").status_code == 302


def test_nobody_is_signed_out_in_mid_call(made: House):
    with_a_poll(made)
    browser = made.signs_in("agent")
    is_talking(made, browser, "talking")
    # The page may be dead for all of the call.
    later(made, hours=12, minutes=30)
    assert browser.get("/poll").status_code == 200
    with made.database.transaction() as connection:
        connection.execute(update(agent).values(state="wrapup"))
    # After so long a day it ends with the call.
    assert browser.get("/poll").status_code == 302


def test_after_a_long_call_there_is_time_to_write_it_up(made: House):
    with_a_poll(made)
    browser = made.signs_in("agent")
    is_talking(made, browser, "talking")
    for _ in range(9):
        later(made, minutes=10)
        assert browser.get("/poll").status_code == 200
    with made.database.transaction() as connection:
        connection.execute(update(agent).values(state="wrapup"))
    later(made, minutes=50)
    assert browser.get("/compte").status_code == 200


def test_a_call_that_never_ends_does_not_keep_a_session_for_ever(made: House):
    browser = made.signs_in("agent")
    is_talking(made, browser, "talking")
    later(made, hours=16, seconds=1)
    assert browser.get("/compte").status_code == 302


def test_half_a_sign_in_is_soon_over(made: House):
    who = made.employs("supervisor", login="maxence", password=PASSWORD)
    secret = has_code(made, who.id)
    browser = Browser(made.app)
    browser.signs_in("maxence")
    later(made, minutes=15, seconds=1)
    answer = browser.sends("/connexion/code", code=code_of(made, secret))
    assert answer.headers["Location"] == "/connexion"
    assert not browser.is_in()


def test_asking_again_and_again_writes_once_a_minute(made: House):
    browser = made.signs_in("agent")

    def seen() -> object:
        with made.database.statement() as connection:
            return connection.execute(select(staff_session.c.seen_at)).scalar_one()

    first = seen()
    later(made, seconds=50)
    browser.get("/compte")
    assert seen() == first
    later(made, seconds=11)
    browser.get("/compte")
    assert seen() == made.clock.now()


def test_sessions_that_are_long_over_are_forgotten(made: House):
    browser = made.signs_in("agent")
    later(made, days=8)
    made.signs_in("agent")
    with made.database.transaction() as connection:
        assert rows.forget_sessions(connection, made.clock, timedelta(days=7)) == 1
    assert browser.get("/compte").status_code == 302


# ---------------------------------------------------------------- forms


def post(made: House, browser: StaffClient, **options: object) -> int:
    form = {"phone": "0612345678", "password": PASSWORD}
    return int(browser.post("/compte/telephone", data=form, **options).status_code)


def phone(made: House, client: StaffClient) -> str | None:
    assert client.staff is not None
    with made.database.statement() as connection:
        return accounts.phone_of(connection, made.store, client.staff.id)


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://allo.example"])
def test_another_site_cannot_send_our_forms(made: House, origin: str):
    browser = made.signs_in("agent", staff=made.employs("agent", password=PASSWORD))
    assert post(made, browser, headers={"Origin": origin}) == 403
    assert phone(made, browser) is None
    assert post(made, browser, headers={"Origin": BASE}) == 302


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_nor_when_only_the_browser_says_so(made: House, site: str):
    browser = made.signs_in("agent")
    assert post(made, browser, headers={"Sec-Fetch-Site": site}) == 403
    assert phone(made, browser) is None


def page_token(browser: StaffClient) -> str:
    """The token in the form of a page."""
    found = re.search(r'name="csrf_token" value="([^"]+)"', browser.get("/compte").text)
    assert found is not None
    return found[1]


def sends(browser: StaffClient, token: str, **how: Any) -> int:
    """Send a form with no token but this one."""
    headers = {"Origin": BASE, "X-CSRFToken": ""}
    form = {"phone": "0612345678", "password": PASSWORD, "csrf_token": token}
    answer = browser.post("/compte/telephone", data=form, headers=headers, **how)
    return int(answer.status_code)


def test_the_token_of_a_page_is_of_its_session_alone(made: House):
    browser, other = (
        made.signs_in("agent", staff=made.employs("agent", password=PASSWORD)) for _ in range(2)
    )
    token = page_token(browser)
    assert sends(other, token) == 400
    assert phone(made, other) is None
    for wrong in changed(token):
        assert sends(browser, wrong) == 400, wrong
    assert phone(made, browser) is None
    assert sends(browser, token) == 302
    assert phone(made, browser) == "+33612345678"


def changed(token: str) -> Iterator[str]:
    """The token with one letter changed, in each of its parts, and without one of them."""
    parts = token.split(".")
    for number, part in enumerate(parts):
        if not part:
            # Before the first point nothing stands: what is signed is compressed.
            continue
        middle = len(part) // 2
        letter = "A" if part[middle] != "A" else "B"
        mutant = part[:middle] + letter + part[middle + 1 :]
        yield ".".join([*parts[:number], mutant, *parts[number + 1 :]])
        yield ".".join([*parts[:number], *parts[number + 1 :]])


def test_a_form_of_before_signing_in_does_nothing_after_it(made: House):
    who = made.employs("agent", login="camille", password=PASSWORD)
    browser = Browser(made.app)
    browser.goes("/connexion")
    before = browser.token()
    browser.comes_in(made, "camille")
    answer = browser.sends("/compte/telephone", phone="0612345678", csrf_token=before)
    assert answer.status_code == 400
    assert "Page trop ancienne" in answer.text
    with made.database.statement() as connection:
        assert accounts.phone_of(connection, made.store, who.id) is None


def test_a_form_of_a_session_that_ended_does_nothing(made: House):
    browser = made.signs_in("agent")
    token = browser.csrf()
    kept = browser.get_cookie(SESSION)
    assert kept is not None
    browser.post("/deconnexion")
    browser.set_cookie(SESSION, kept.value)
    assert post(made, browser, headers={"X-CSRFToken": token}) == 401
    assert phone(made, browser) is None


def test_signing_in_needs_a_page_of_ours_too(made: House):
    made.employs("agent", login="camille", password=PASSWORD)
    client = made.app.test_client()
    fields = {"login": "camille", "password": PASSWORD}
    assert client.post("/connexion", data=fields).status_code == 400
    assert client.get_cookie(SESSION) is None


def test_a_script_is_told_in_json_what_a_person_is_told_on_a_page(made: House):
    client = made.app.test_client()
    asked = client.get("/compte", headers={"Accept": "application/json"})
    assert (asked.status_code, asked.json) == (401, {"error": "signed_out"})
    asked = client.get("/compte", headers={"HX-Request": "true"})
    assert asked.status_code == 401
    navigated = client.get("/compte", headers={"Sec-Fetch-Mode": "navigate"})
    assert navigated.status_code == 302


class Screen:
    """A page that has asked once, by the session of an agent; its worker's clock stands still."""

    def __init__(self, made: House) -> None:
        self.ticks = 100.0
        self.sign_in = SignIn(made.store, "a key", ticks=lambda: self.ticks)
        self._made, self._staff = made, made.employs("agent", login="alice")
        with made.database.transaction() as connection:
            rows.begin_session(connection, made.clock, "the token", self._staff.id, strong=True)
        assert self.is_let_in()

    def is_let_in(self, *, moment: bool = True) -> bool:
        return self.sign_in.visit("the token", poll=True, moment=moment) is not None

    def is_signed_out_elsewhere(self) -> None:
        with self._made.database.transaction() as connection:
            rows.end_sessions(connection, self._made.clock, self._staff.id)


def test_a_screen_that_asks_each_second_is_looked_up_every_other(made: House):
    """Where a session was ended elsewhere, what screens poll tells so two seconds later at most."""
    screen = Screen(made)
    screen.is_signed_out_elsewhere()
    assert screen.is_let_in()
    screen.ticks += MOMENT
    assert not screen.is_let_in()


def test_what_is_more_than_counts_looks_at_the_session_each_time(made: House):
    screen = Screen(made)
    screen.is_signed_out_elsewhere()
    assert not screen.is_let_in(moment=False)


def test_what_a_screen_was_told_a_moment_ago_ends_with_its_own_sign_out(made: House):
    screen = Screen(made)
    screen.sign_in.sign_out("the token")
    assert not screen.is_let_in()
