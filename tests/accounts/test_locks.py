"""Guessing is stopped, and whoever is guessed at goes on working."""

from __future__ import annotations

from datetime import timedelta

import pytest

from sqlalchemy import func, select

from models.attempts import attempt
from services.accounts.sign_in import WRONG_FOR_LOGIN, WRONG_FROM_ADDRESS, network
from tests.support.forms import DEVICE, PASSWORD, Browser, code_of, has_code
from tests.support.house import House
from tests.support.rows import dump

QUARTER = timedelta(minutes=15)


@pytest.fixture
def camille(made: House) -> Browser:
    """An agent's own browser, which signed in before and is out now."""
    made.employs("agent", login="camille", password=PASSWORD)
    browser = Browser(made.app)
    browser.comes_in(made, "camille")
    browser.goes("/compte")
    browser.sends("/deconnexion")
    return browser


def guesses(made: House, count: int, *, login: str = "camille", far: bool = True) -> list[int]:
    """Wrong tries of a stranger, each from another address if `far`; the answers' statuses."""
    browser = Browser(made.app)
    browser.goes("/connexion")
    statuses = []
    for number in range(count):
        if far:
            browser.address = f"198.51.{number // 250}.{number % 250}"
        answer = browser.sends("/connexion", login=login, password=f"guess number {number}")
        statuses.append(answer.status_code)
    return statuses


def test_after_five_wrong_tries_strangers_wait_even_with_the_right_password(
    made: House, camille: Browser
):
    assert guesses(made, 7) == [401] * WRONG_FOR_LOGIN + [429] * 2
    stranger = Browser(made.app, address="203.0.113.9")
    answer = stranger.comes_in(made, "camille")
    assert answer.status_code == 429
    assert "quart d’heure" in answer.text
    made.clock.advance(QUARTER + timedelta(seconds=1))  # type: ignore[attr-defined]
    assert stranger.comes_in(made, "camille").status_code == 302


def test_not_even_from_the_agents_own_address(made: House, camille: Browser):
    """All of a centre may come from one address."""
    for number in range(WRONG_FROM_ADDRESS):
        guesses(made, 1, login=f"login{number}", far=False)
    assert Browser(made.app).comes_in(made, "camille").status_code == 429
    assert camille.comes_in(made, "camille").status_code == 302


def test_a_closed_login_is_closed_whether_it_exists_or_not(made: House, camille: Browser):
    assert guesses(made, 8, login="nobody") == guesses(made, 8)


def test_an_address_that_guesses_many_logins_waits(made: House):
    browser = Browser(made.app)
    browser.goes("/connexion")
    statuses = [
        browser.sends("/connexion", login=f"login{number}", password="a guess of mine").status_code
        for number in range(WRONG_FROM_ADDRESS + 2)
    ]
    assert statuses == [401] * WRONG_FROM_ADDRESS + [429] * 2


def test_the_known_device_has_a_count_of_its_own(made: House, camille: Browser):
    camille.goes("/connexion")
    statuses = [
        camille.sends("/connexion", login="camille", password=f"guess {number}").status_code
        for number in range(12)
    ]
    assert statuses == [401] * 10 + [429] * 2
    # Strangers' tries were none of these, and these are none of theirs.
    made.clock.advance(QUARTER + timedelta(seconds=1))  # type: ignore[attr-defined]
    assert camille.comes_in(made, "camille").status_code == 302


def test_right_ones_are_not_counted_as_wrong(made: House, camille: Browser):
    for _ in range(WRONG_FOR_LOGIN + 3):
        stranger = Browser(made.app, address="203.0.113.9")
        assert stranger.comes_in(made, "camille").status_code == 302


def test_a_device_that_is_known_for_one_login_is_a_stranger_for_another(
    made: House, camille: Browser
):
    made.employs("agent", login="victim", password=PASSWORD)
    camille.goes("/connexion")
    statuses = [
        camille.sends("/connexion", login="victim", password=f"guess {number}").status_code
        for number in range(7)
    ]
    assert statuses == [401] * WRONG_FOR_LOGIN + [429] * 2


def test_several_people_share_a_machine(made: House, camille: Browser):
    made.employs("agent", login="dominique", password=PASSWORD)
    camille.comes_in(made, "dominique")
    camille.goes("/compte")
    camille.sends("/deconnexion")
    guesses(made, 10)
    guesses(made, 10, login="dominique")
    assert camille.comes_in(made, "camille").status_code == 302
    camille.goes("/compte")
    camille.sends("/deconnexion")
    assert camille.comes_in(made, "dominique").status_code == 302


@pytest.mark.parametrize("change", ["login", "signature", "age"])
def test_the_mark_of_a_device_cannot_be_made_up(made: House, camille: Browser, change: str):
    cookie = camille.cookie(DEVICE)
    assert camille.client.get_cookie(DEVICE)
    if change == "login":
        cookie = cookie.replace(".", ".0", 1)
    elif change == "signature":
        cookie = cookie[:-1] + ("0" if cookie[-1] != "0" else "1")
    else:
        made.clock.advance(timedelta(days=181))  # type: ignore[attr-defined]
    guesses(made, 6)
    stranger = Browser(made.app, address="203.0.113.9")
    stranger.plants(DEVICE, cookie)
    assert stranger.comes_in(made, "camille").status_code == 429


@pytest.mark.parametrize("cookie", ["", "x", "....", "a.b.c.d", "é.1.2.3", "." * 3000])
def test_whatever_stands_in_the_cookie_of_a_device_nothing_breaks(made: House, cookie: str):
    made.employs("agent", login="camille", password=PASSWORD)
    browser = Browser(made.app)
    browser.plants(DEVICE, cookie)
    assert browser.comes_in(made, "camille").status_code == 302


def test_codes_are_counted_apart_and_guessing_them_stops(made: House):
    who = made.employs("supervisor", login="maxence", password=PASSWORD)
    secret = has_code(made, who.id)
    thief = Browser(made.app, address="203.0.113.9")
    thief.signs_in("maxence")
    statuses = [
        thief.sends("/connexion/code", code=f"{number:06d}").status_code for number in range(7)
    ]
    assert statuses == [401] * 5 + [429] * 2
    assert thief.sends("/connexion/code", code=code_of(made, secret)).status_code == 429
    assert not thief.is_in()


def test_tries_are_rows_of_the_store_and_name_nobody(made: House, database_url: str):
    guesses(made, 3)
    with made.database.statement() as connection:
        rows = connection.execute(select(attempt.c.kind, attempt.c.good)).all()
        assert sorted({row.kind for row in rows}) == ["address", "sign_in"]
        assert not any(row.good for row in rows)
        assert connection.execute(select(func.count()).select_from(attempt)).scalar_one() == 6
    assert "198.51" not in dump(database_url)


def test_an_address_counts_for_the_network_of_one_customer():
    assert network("2001:db8:1:2:3::4") == network("2001:db8:1:2:ffff::1")
    assert network("2001:db8:1:2::1") != network("2001:db8:1:3::1")
    assert network("::ffff:192.0.2.7") == network("192.0.2.7")
    assert network("192.0.2.7") != network("192.0.2.8")
    assert network("nonsense") == "nonsense"


@pytest.mark.parametrize(
    ("hops", "forwarded", "counts_for"),
    [
        (0, "203.0.113.5", "192.0.2.1"),
        (1, "10.0.0.1, 203.0.113.5", "203.0.113.5"),
        (2, "203.0.113.5, 10.0.0.1", "203.0.113.5"),
        (1, "", "192.0.2.1"),
    ],
)
def test_only_our_own_proxies_are_believed(made: House, hops: int, forwarded: str, counts_for: str):
    made.settings = made.settings.model_copy(update={"proxy_hops": hops})
    browser = Browser(made.application())
    browser.goes("/connexion")
    browser.client.post(
        "/connexion",
        data={"login": "nobody", "password": "a guess of mine", "csrf_token": browser.token()},
        headers={"X-Forwarded-For": forwarded},
        environ_overrides={"REMOTE_ADDR": "192.0.2.1"},
    )
    index = made.store.vault.index("address", counts_for)
    with made.database.statement() as connection:
        kept = connection.execute(
            select(attempt.c.subject_idx).where(attempt.c.kind == "address")
        ).scalar_one()
    assert kept == index
