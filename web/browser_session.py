"""The cookie that a browser has of us, and what Flask calls its session.

There is nothing in it but a token. Signed in, its hash is a row of the database; before that, it
only ties a form to the browser that asked for it. Neither token ever becomes the other, so that an
attacker who plants one in a browser gains nothing.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets

from typing import Any

from flask import Flask, Request
from flask.sessions import SessionInterface, SessionMixin
from werkzeug import Response

from web.marks import SIGNED

CSRF = "csrf_token"
_TOKEN_BYTES = 32


class BrowserSession(dict[str, Any], SessionMixin):
    """`token` is that of a signed-in user, or ""; `csrf_token` belongs to it."""

    def __init__(self, token: str, form: str, csrf: str, *, fresh: bool) -> None:
        super().__init__({CSRF: csrf})
        self.token = token
        self.form = form
        self.fresh = fresh
        self.asked = False

    def __getitem__(self, key: str) -> Any:
        self.asked = self.asked or key == CSRF
        return super().__getitem__(key)


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
        fresh = not token and not form
        if fresh:
            form = secrets.token_urlsafe(_TOKEN_BYTES)
        # Of which of the two: else a token known to others could be used as the other.
        text = f"in:{token}" if token else f"form:{form}"
        csrf = hmac.digest(self._key, text.encode(), hashlib.sha256).hex()
        return BrowserSession(token, form, csrf, fresh=fresh)

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
