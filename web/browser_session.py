"""The cookie that a browser has of us, and what Flask calls its session.

There is nothing in it but a token. Signed in, its hash is a row of the database; before that, it
only ties a form to the browser that asked for it. Neither token ever becomes the other, so that an
attacker who plants one in a browser gains nothing.
"""

from __future__ import annotations

import hmac
import secrets

from hashlib import sha256
from typing import Any

from flask import Flask, Request
from flask.sessions import SessionInterface, SessionMixin
from werkzeug import Response

from web.marks import SIGNED

CSRF = "csrf_token"
_TOKEN_BYTES = 32


class BrowserSession(dict[str, Any], SessionMixin):
    """`token` is that of a signed-in user, or ""; `csrf_token` belongs to it.

    The token of a form is made for the page that asks for it: most pages have none.
    """

    def __init__(self, token: str, form: str, key: bytes) -> None:
        # It is said to be there from the start, as Flask-WTF looks for it before it reads it.
        super().__init__({CSRF: ""})
        self.token = token
        self.form = form
        self.fresh = not token and not form
        self.asked = False
        self._key = key

    def __getitem__(self, key: str) -> Any:
        if key == CSRF and not self.asked:
            self.asked = True
            self[CSRF] = self._csrf()
        return super().__getitem__(key)

    def _csrf(self) -> str:
        if self.fresh:
            self.form = secrets.token_urlsafe(_TOKEN_BYTES)
        # Of which of the two: else a token known to others could be used as the other.
        text = f"in:{self.token}" if self.token else f"form:{self.form}"
        return hmac.new(self._key, text.encode(), sha256).hexdigest()


class Cookies(SessionInterface):
    """Reads and writes them. Over https their names keep other hosts from writing them."""

    def __init__(self, key: str, *, https: bool) -> None:
        prefix = "__Host-" if https else ""
        self.name = f"{prefix}allo"
        self.form_name = f"{prefix}allo-form"
        self.device_name = f"{prefix}allo-device"
        self._key = key.encode()
        self._flags: dict[str, Any] = {
            "secure": https,
            "httponly": True,
            "samesite": "Strict",
            "path": "/",
        }

    def open_session(self, app: Flask, request: Request) -> BrowserSession | None:
        if request.path.startswith(SIGNED):
            return None
        token = request.cookies.get(self.name, "")
        form = request.cookies.get(self.form_name, "")
        return BrowserSession(token, form, self._key)

    def save_session(self, app: Flask, session: SessionMixin, response: Response) -> None:
        if not isinstance(session, BrowserSession) or not session.asked:
            return
        response.vary.add("Cookie")
        if session.fresh and not session.token:
            response.set_cookie(self.form_name, session.form, **self._flags)

    def sign_in(self, response: Response, token: str) -> None:
        """Until the browser ends, or the session does."""
        response.set_cookie(self.name, token, **self._flags)
        response.delete_cookie(self.form_name, **self._flags)

    def sign_out(self, response: Response) -> None:
        response.delete_cookie(self.name, **self._flags)

    def know(self, response: Response, cookie: str, seconds: int) -> None:
        """Let the browser remember which user signed in here."""
        response.set_cookie(self.device_name, cookie, max_age=seconds, **self._flags)
