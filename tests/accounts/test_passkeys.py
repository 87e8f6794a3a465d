"""Passkeys: made and used for our site alone, by their owner, once for each challenge."""

from __future__ import annotations

import json

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from sqlalchemy import select

from models.accounts import factors
from models.accounts import staff as rows
from models.accounts.tables import staff_passkey, staff_session
from services.accounts import staff as accounts
from services.accounts.passkeys import ASKED_FOR, PasskeySite
from tests.accounts.soft_key import PRESENT, SoftKey
from tests.support.approvals import loses_factor
from tests.support.forms import PASSWORD, Browser, code_of, has_code
from tests.support.house import BASE, House

USE, MAKE = "/connexion/cle", "/connexion/inscription/cle"


def acts(made: House) -> list[str]:
    return [one.act.what for one in accounts.read_acts(made.store)]


def sent(browser: Browser, path: str, **fields: str) -> Any:
    """What a page's script gets for what it sends."""
    headers = {"Origin": BASE, "X-CSRFToken": browser.token(), "Accept": "application/json"}
    return browser.client.post(path, data=fields, headers=headers)


def asked(browser: Browser, path: str) -> dict[str, Any]:
    answer = sent(browser, f"{path}/defi")
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = json.loads(answer.text)
    return found


def at_code(made: House, login: str = "camille") -> Browser:
    """A browser that gave the password and stands before the second factor."""
    browser = Browser(made.app)
    browser.signs_in(login)
    return browser


@pytest.fixture
def key(made: House) -> SoftKey:
    """The key of an agent who made it at the first sign-in, and has nothing else."""
    made.employs("agent", login="camille", password=PASSWORD)
    browser, key = at_code(made), SoftKey()
    assert browser.page.request.path == "/connexion/inscription"
    answer = sent(browser, MAKE, answer=key.makes(asked(browser, MAKE)), name=" clé  bleue ")
    assert answer.json == {"next": "/compte/secours?next=/poste"}
    assert browser.is_in()
    return key


def passkeys(made: House) -> list[Any]:
    with made.database.statement() as connection:
        return list(connection.execute(select(staff_passkey)))


# ---------------------------------------------------------------- made


def test_a_key_is_made_for_our_site_with_its_owner_verified(made: House):
    who = made.employs("agent", login="camille", password=PASSWORD)
    browser = at_code(made)
    options = asked(browser, MAKE)
    assert options["rp"]["id"] == "allo.example"
    assert options["authenticatorSelection"]["userVerification"] == "required"
    assert options["attestation"] == "none"
    assert options["user"]["name"] == "camille"
    assert who.name == options["user"]["displayName"]


def test_with_a_key_one_is_in_and_the_next_sign_in_asks_for_it(made: House, key: SoftKey):
    (row,) = passkeys(made)
    assert (row.name, row.transports, row.sign_count) == ("clé bleue", "usb", 1)
    assert "staff_passkey" in acts(made)
    browser = at_code(made)
    assert browser.page.request.path == "/connexion/code"
    # There is no authenticator, so that no code is asked for.
    assert 'autocomplete="one-time-code"' not in browser.page.text
    options = asked(browser, USE)
    assert options["userVerification"] == "required"
    assert [one["transports"] for one in options["allowCredentials"]] == [["usb"]]
    key.count += 1
    answer = sent(browser, USE, answer=key.signs(options), next="/compte")
    assert answer.json == {"next": "/compte"}
    assert browser.is_in()


ODD: dict[str, Callable[[SoftKey], object]] = {
    "another origin": lambda key: setattr(key, "origin", "https://evil.example"),
    "another site": lambda key: setattr(key, "rp_id", "evil.example"),
    "nobody verified": lambda key: setattr(key, "flags", PRESENT),
    "nobody there": lambda key: setattr(key, "flags", 0),
}


@pytest.mark.parametrize("odd", ODD)
def test_no_key_is_taken_with(made: House, odd: str):
    made.employs("agent", login="camille", password=PASSWORD)
    browser, key = at_code(made), SoftKey()
    ODD[odd](key)
    answer = sent(browser, MAKE, answer=key.makes(asked(browser, MAKE)))
    assert answer.status_code == 409
    assert "pas été acceptée" in answer.json["message"]
    assert not passkeys(made)
    assert not browser.is_in()


@pytest.mark.parametrize("odd", [*ODD, "another key", "a count that stands still"])
def test_nobody_is_let_in_with(made: House, key: SoftKey, odd: str):
    browser = at_code(made)
    options = asked(browser, USE)
    key.count += 1
    if odd == "another key":
        key.key = SoftKey().key
    elif odd == "a count that stands still":
        key.count -= 1
    else:
        ODD[odd](key)
    answer = sent(browser, USE, answer=key.signs(options))
    assert answer.status_code == 409
    assert not browser.is_in()


@pytest.mark.parametrize(
    "what", ["", "{}", "[]", "nonsense", '{"id": 3}', '{"id": "é"}', "x" * 40_000]
)
@pytest.mark.parametrize("path", [USE, MAKE])
def test_whatever_a_browser_sends_is_an_answer_or_none(
    made: House, path: str, what: str, monkeypatch: pytest.MonkeyPatch
):
    who = made.employs("agent", login="camille", password=PASSWORD)
    if path == USE:
        new = factors.Passkey("a" * 32, who.id, b"id", b"no key", 0, (), "")
        with made.database.transaction() as connection:
            factors.add_passkey(connection, made.clock, new)
    browser = at_code(made)
    asked(browser, path)
    assert sent(browser, path, answer=what).status_code == 409


# ---------------------------------------------------------------- once


def test_what_was_signed_once_is_not_taken_again(made: House, key: SoftKey):
    browser = at_code(made)
    options = asked(browser, USE)
    key.count += 1
    answer = key.signs(options)
    assert sent(browser, USE, answer=answer).status_code == 200
    again = at_code(made)
    assert sent(again, USE, answer=answer).status_code == 409
    # Nor where another challenge is out.
    asked(again, USE)
    assert sent(again, USE, answer=answer).status_code == 409
    assert not again.is_in()


def test_a_challenge_is_gone_after_a_wrong_answer_and_after_its_time(made: House, key: SoftKey):
    browser = at_code(made)
    options = asked(browser, USE)
    key.count += 1
    right = key.signs(options)
    assert sent(browser, USE, answer="wrong").status_code == 409
    assert sent(browser, USE, answer=right).status_code == 409
    options = asked(browser, USE)
    made.clock.advance(ASKED_FOR + timedelta(seconds=1))  # type: ignore[attr-defined]
    assert sent(browser, USE, answer=key.signs(options)).status_code == 409
    with made.database.statement() as connection:
        kept = list(connection.execute(select(staff_session.c.challenge)).scalars())
    assert len([one for one in kept if one is not None]) == 1


def test_what_was_asked_to_make_a_key_lets_nobody_in(made: House, key: SoftKey):
    """A challenge is for one purpose."""
    browser = at_code(made)
    options = asked(browser, USE)
    with made.database.transaction() as connection:
        found = rows.take_challenge(connection, made.clock, browser.cookie(), ASKED_FOR)
        assert found is not None
        rows.put_challenge(connection, made.clock, browser.cookie(), b"m" + found[1:])
    key.count += 1
    assert sent(browser, USE, answer=key.signs(options)).status_code == 409


def test_wrong_keys_are_counted_like_wrong_codes(made: House, key: SoftKey):
    browser = at_code(made)
    # The browser that made the key is known; this one is not.
    statuses = []
    for _ in range(6):
        asked(browser, USE)
        statuses.append(sent(browser, USE, answer="wrong").status_code)
    assert statuses == [409] * 5 + [429]


def test_a_key_of_somebody_else_opens_nothing(made: House, key: SoftKey):
    who = made.employs("agent", login="dominique", password=PASSWORD)
    new = factors.Passkey("a" * 32, who.id, b"id", b"no key", 0, (), "")
    with made.database.transaction() as connection:
        factors.add_passkey(connection, made.clock, new)
    browser = at_code(made, "dominique")
    key.count += 1
    assert sent(browser, USE, answer=key.signs(asked(browser, USE))).status_code == 409


def test_one_key_belongs_to_one_account(made: House, key: SoftKey):
    made.employs("agent", login="dominique", password=PASSWORD)
    browser = at_code(made, "dominique")
    answer = sent(browser, MAKE, answer=key.makes(asked(browser, MAKE)))
    assert answer.status_code == 409
    assert len(passkeys(made)) == 1


def test_a_password_alone_makes_no_key_where_there_is_a_factor(made: House):
    who = made.employs("agent", login="camille", password=PASSWORD)
    has_code(made, who.id)
    browser = at_code(made)
    answer = sent(browser, f"{MAKE}/defi")
    assert answer.json["next"].startswith("/connexion")
    assert not passkeys(made)


# ---------------------------------------------------------------- looked after


def test_several_keys_are_added_named_and_removed_but_never_the_last(made: House, key: SoftKey):
    browser = at_code(made)
    key.count += 1
    sent(browser, USE, answer=key.signs(asked(browser, USE)))
    browser.goes("/connexion/inscription")
    second = SoftKey()
    options = asked(browser, MAKE)
    assert len(options["excludeCredentials"]) == 1
    assert sent(browser, MAKE, answer=second.makes(options), name="bureau").status_code == 200
    browser.goes("/compte")
    first_id, second_id = (row.id for row in passkeys(made))
    browser.sends("/compte/cle/nom", passkey=second_id, name="maison")
    assert 'value="maison"' in browser.goes("/compte").text
    browser.sends("/compte/cle/retirer", passkey=first_id)
    assert [row.id for row in passkeys(made)] == [second_id]
    browser.goes("/compte")
    kept = browser.sends("/compte/cle/retirer", passkey=second_id)
    assert kept.status_code == 409
    assert "seule deuxième vérification" in kept.text
    assert [row.id for row in passkeys(made)] == [second_id]
    assert "staff_passkey_gone" in acts(made)


def test_an_authenticator_goes_once_there_is_a_key(made: House):
    who = made.employs("agent", login="camille", password=PASSWORD)
    secret = has_code(made, who.id)
    browser = at_code(made)
    browser.sends("/connexion/code", code=code_of(made, secret))
    browser.goes("/connexion/inscription")
    # It has an authenticator already: only a key is offered.
    assert "<svg" not in browser.page.text
    sent(browser, MAKE, answer=SoftKey().makes(asked(browser, MAKE)))
    browser.goes("/compte")
    browser.sends("/compte/cle/retirer", passkey="")
    with made.database.statement() as connection:
        account = rows.by_id(connection, made.store.vault, who.id)
    assert account is not None
    assert account.totp_secret is None
    assert at_code(made).page.request.path == "/connexion/code"


def test_whoever_finds_a_page_open_adds_and_removes_nothing(made: House, key: SoftKey):
    browser = at_code(made)
    key.count += 1
    sent(browser, USE, answer=key.signs(asked(browser, USE)))
    browser.goes("/connexion/inscription")
    made.clock.advance(timedelta(minutes=11))  # type: ignore[attr-defined]
    refused = sent(browser, f"{MAKE}/defi")
    assert refused.json["next"].startswith("/compte/preuve?next=")
    browser.goes("/compte")
    (row,) = passkeys(made)
    answer = browser.sends("/compte/cle/retirer", passkey=row.id)
    assert answer.headers["Location"].startswith("/compte/preuve")
    assert len(passkeys(made)) == 1


def test_a_lost_key_goes_with_the_rest(made: House, key: SoftKey):
    made.employs("supervisor", login="maxence")
    loses_factor(made, "camille", second="maxence")
    assert not passkeys(made)
    assert at_code(made).page.request.path == "/connexion/inscription"


@pytest.mark.parametrize(
    ("public", "rp_id", "origin"),
    [
        ("https://allo.example", "allo.example", "https://allo.example"),
        ("https://allo.example:8443", "allo.example", "https://allo.example:8443"),
        ("http://localhost:8000", "localhost", "http://localhost:8000"),
        ("http://127.0.0.1:8000", "localhost", "http://localhost:8000"),
        ("http://[::1]:8000", "localhost", "http://localhost:8000"),
        ("http://192.0.2.7:8000", "", ""),
    ],
)
def test_keys_sign_for_the_host_of_the_public_address(public: str, rp_id: str, origin: str):
    assert PasskeySite.of(public) == PasskeySite(rp_id, origin)
