"""A browser that loads a page, fills its form and sends it, with the token that the page had."""

from __future__ import annotations

import re

from datetime import timedelta
from typing import Any

from flask import Flask
from flask.testing import FlaskClient

from models.accounts import staff as rows
from services.accounts import second_factor
from services.accounts.staff import fold
from tests.support.house import BASE, House

PASSWORD = "cheval correct pile agrafe"
OTHER_PASSWORD = "le soleil brille sur Brest"
SESSION = "__Host-allo"
DEVICE = "__Host-allo-device"
FORM = "__Host-allo-form"
_TOKEN = re.compile(r'name="csrf_token" value="([^"]+)"')


class Browser:
    def __init__(self, app: Flask, *, address: str = "192.0.2.1") -> None:
        self.client: FlaskClient = app.test_client()
        self.address = address
        self.page: Any = None

    def goes(self, path: str, **options: Any) -> Any:
        self.page = self.client.get(path, environ_overrides=self._where(), **options)
        return self.page

    def token(self) -> str:
        found = _TOKEN.search(self.page.text)
        assert found, self.page.text
        return found.group(1)

    def sends(self, path: str, **fields: str) -> Any:
        """Post to `path`, with the token of the page that is open unless another is given."""
        fields.setdefault("csrf_token", self.token())
        headers = {"Origin": BASE, "Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "navigate"}
        answer = self.client.post(
            path, data=fields, headers=headers, environ_overrides=self._where()
        )
        if answer.status_code == 302:
            self.goes(answer.headers["Location"])
        else:
            self.page = answer
        return answer

    def signs_in(self, login: str, password: str = PASSWORD, **fields: str) -> Any:
        self.goes("/connexion")
        return self.sends("/connexion", login=login, password=password, **fields)

    def comes_in(self, made: House, login: str, password: str = PASSWORD, **fields: str) -> Any:
        """Sign in to the end, with a code of an authenticator that its owner has had for long.

        Gives the answer that let the user in, or the one that refused the password.
        """
        secret = _secret_of(made, fold(login))
        answer = self.signs_in(login, password, **fields)
        if answer.headers.get("Location", "").partition("?")[0] != "/connexion/code":
            return answer
        return self.sends("/connexion/code", code=code_of(made, secret), **fields)

    def cookie(self, name: str = SESSION) -> str:
        kept = self.client.get_cookie(name)
        return kept.value if kept else ""

    def plants(self, name: str, value: str) -> None:
        self.client.set_cookie(name, value)

    def is_in(self) -> bool:
        return bool(self.goes("/compte").status_code == 200)

    def _where(self) -> dict[str, str]:
        return {"REMOTE_ADDR": self.address}


def has_code(made: House, staff_id: str) -> str:
    """Give somebody a second factor; its secret."""
    secret = second_factor.new_secret()
    with made.database.transaction() as connection:
        rows.change_secret(connection, made.clock, made.store.vault, staff_id, secret)
    return secret


def code_of(made: House, secret: str, *, steps: int = 0) -> str:
    moment = made.clock.now() + timedelta(seconds=steps * second_factor.STEP_SECONDS)
    return second_factor.code_at(secret, moment)


def _secret_of(made: House, login: str) -> str:
    """The secret of somebody's authenticator, whose code of now was not used; new if need be."""
    with made.database.transaction() as connection:
        account = rows.by_login(connection, made.store.vault, login)
        if account is None:
            return ""
        rows.change(connection, made.clock, account.staff.id, totp_step=0)
    return account.totp_secret or has_code(made, account.staff.id)
