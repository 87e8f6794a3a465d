"""The token of an agent's browser: for whom, for how long, and what is said where there is none."""

from __future__ import annotations

import re

from collections.abc import Iterator
from typing import Any

import jwt
import pytest

from flask.testing import FlaskClient

from prompts.screens import screen
from services.accounts import staff as accounts
from tests.support.forms import code_of, has_code
from tests.support.house import ACCOUNT, House, house
from web.desk.voice_token import device_page
from web.pages import setting

SECRET = "a secret of at least 32 letters, or so"
# Of the authenticator of each, by login.
secrets: dict[str, str] = {}
KEYS = {
    "twilio_api_key_sid": "SK" + "2" * 32,
    "twilio_api_key_secret": SECRET,
    "twilio_twiml_app_sid": "AP" + "3" * 32,
}
PASSWORD = "quatre chevaux et une selle"


@pytest.fixture
def made(database_url: str) -> Iterator[House]:
    with house(database_url) as one:
        for login, role in (("lucie", "agent"), ("sam", "secretary")):
            new = accounts.add(
                one.store, login=login, name=login, role=role, password=PASSWORD, temporary=False
            )
            secrets[login] = has_code(one, new.id)
        yield one


def client_of(made: House, **settings: object) -> FlaskClient:
    made.settings = made.settings.model_copy(update=settings)
    return made.application().test_client()


def csrf(page: str) -> str:
    found = re.search(r'name="csrf-token" content="([^"]+)"', page)
    assert found
    return found[1]


def signed_in(made: House, login: str = "lucie", **settings: object) -> tuple[FlaskClient, str]:
    client = client_of(made, **settings)
    base = made.settings.public_base_url
    form = csrf(client.get("/connexion", base_url=base).text)
    given = {"login": login, "password": PASSWORD, "csrf_token": form}
    answer = client.post("/connexion", base_url=base, data=given, headers={"Origin": base})
    assert answer.status_code in {302, 303}, answer.text
    form = csrf(client.get("/connexion/code", base_url=base).text)
    given = {"code": code_of(made, secrets[login]), "csrf_token": form}
    answer = client.post("/connexion/code", base_url=base, data=given, headers={"Origin": base})
    assert answer.status_code in {302, 303}, answer.text
    return client, csrf(client.get("/compte", base_url=base).text)


def asks(made: House, client: FlaskClient, token: str) -> Any:
    base = made.settings.public_base_url
    headers = {"X-CSRFToken": token, "Origin": base}
    return client.post("/poste/jeton", base_url=base, headers=headers)


def test_an_agent_gets_a_token_of_their_own(made: House):
    answer = asks(made, *signed_in(made, **KEYS))
    assert answer.status_code == 200
    assert answer.headers["Cache-Control"] == "no-store"
    body = jwt.decode(answer.json["token"], SECRET, algorithms=["HS256"])
    (lucie,) = [line.staff for line in accounts.lines(made.store) if line.staff.login == "lucie"]
    assert body["grants"]["identity"] == lucie.id
    assert body["grants"]["voice"]["incoming"] == {"allow": True}
    assert body["sub"] == ACCOUNT
    assert 0 < body["exp"] - body["nbf"] <= 3600


@pytest.mark.parametrize("missing", ["twilio_api_key_sid", "twilio_api_key_secret"])
def test_without_the_settings_it_says_so_in_words(made: House, missing: str):
    answer = asks(made, *signed_in(made, **{**KEYS, missing: ""}))
    assert answer.status_code == 404
    assert answer.json == {"error": "not_set", "message": screen("fr")["device.not_set"]}


def test_nobody_else_gets_one(made: House):
    client, token = signed_in(made, **KEYS)
    assert asks(made, client, "another token").status_code == 400
    base = made.settings.public_base_url
    assert client.get("/poste/jeton", base_url=base).status_code in {404, 405}
    stranger = asks(made, client_of(made, **KEYS), token)
    assert stranger.status_code in {302, 303, 401, 403}
    assert "token" not in (stranger.json or {})


@pytest.mark.parametrize(
    ("settings", "kind", "scripts"),
    [
        (KEYS, "twilio", ["twilio-voice.min.js", "device.js", "device-twilio.js"]),
        ({"simulator_port": 8310}, "stand-in", ["device.js", "http://127.0.0.1:8310/device.js"]),
        ({"environment": "production"}, "", ["device.js"]),
    ],
)
def test_a_page_is_told_which_telephone_it_has(
    made: House, monkeypatch: pytest.MonkeyPatch, settings: Any, kind: str, scripts: list[str]
):
    monkeypatch.setattr("web.desk.voice_token.current", lambda: accounts.lines(made.store)[0].staff)
    client = client_of(made, **settings)
    with client.application.test_request_context("/poste"):
        assert setting()
        page = device_page()
    assert page.config["kind"] == kind
    assert page.config["words"] == screen("fr").part("device")
    assert [re.sub(r"^/assets/|\?.*", "", script) for script in page.scripts] == scripts
    assert page.config.get("tokenUrl") == ("/poste/jeton" if kind == "twilio" else None)
