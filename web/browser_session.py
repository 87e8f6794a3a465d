"""The cookie that a browser has of us, and what Flask calls its session.

There is nothing in it but a token. Signed in, its hash is a row of the database; before that, it
only ties a form to the browser that asked for it. Neither token ever becomes the other, so that an
attacker who plants one in a browser gains nothing.
"""

from __future__ import annotations

import hmac
import secrets
import time

from typing import Any, Final

from cryptography.hazmat.primitives.hashes import SHA1, SHA256
from cryptography.hazmat.primitives.hmac import HMAC
from flask import Flask, Request
from flask.sessions import SessionInterface, SessionMixin
from itsdangerous import URLSafeTimedSerializer
from itsdangerous.encoding import base64_encode
from werkzeug import Response

from web.marks import SIGNED

CSRF = "csrf_token"
_TOKEN_BYTES = 32
# What Flask-WTF signs its tokens for.
_SALT: Final = "wtf-csrf-token"
_MOMENT_BYTES: Final = 4


class BrowserSession(dict[str, Any], SessionMixin):
    """`token` is that of a signed-in user, or ""; `csrf_token` belongs to it.

    The token of a form is made for the page that asks for it: most pages have none.
    """

    def __init__(self, token: str, form: str, keyed: HMAC) -> None:
        # It is said to be there from the start, as Flask-WTF looks for it before it reads it.
        super().__init__({CSRF: ""})
        self.token = token
        self.form = form
        self.fresh = not token and not form
        self.asked = False
        self._keyed = keyed

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
        return _digest(self._keyed, text.encode()).hex()


class Cookies(SessionInterface):
    """Reads and writes them. Over https their names keep other hosts from writing them."""

    def __init__(self, key: str, *, https: bool) -> None:
        prefix = "__Host-" if https else ""
        self.name = f"{prefix}allo"
        self.form_name = f"{prefix}allo-form"
        self.device_name = f"{prefix}allo-device"
        self._keyed = HMAC(key.encode(), SHA256())
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
        return BrowserSession(token, form, self._keyed)

    def save_session(self, app: Flask, session: SessionMixin, response: Response) -> None:
        if not isinstance(session, BrowserSession) or not session.asked:
            return
        if "Vary" in response.headers:
            response.vary.add("Cookie")
        else:
            # Nearly always: to read what is not there takes as long as to write it.
            response.headers.add("Vary", "Cookie")
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


class FormTokens:
    """The tokens in forms, signed as Flask-WTF signs them, which reads them too.

    It makes its signer anew and derives the key for each token that it signs or reads, which takes
    as long as a statement. Here the key is derived once.
    """

    def __init__(self, secret_key: str) -> None:
        signer = URLSafeTimedSerializer(secret_key, salt=_SALT).make_signer(_SALT)
        # As Flask-WTF signs; a signature by SHA-1 with a key is as good as its key.
        self._keyed = HMAC(signer.derive_key(), SHA1())  # noqa: S303

    def signed(self, token: str) -> str:
        """The token of a session as a form has it."""
        moment = int(time.time()).to_bytes(_MOMENT_BYTES, "big")
        text = b"%b.%b" % (_payload(token), base64_encode(moment))
        return (b"%b.%b" % (text, self._signature(text))).decode("ascii")

    def is_of(self, token: str, sent: str) -> bool:
        """Whether a form's token is of this session and was signed as here.

        False, too, for one that Flask-WTF itself signed, which writes the same shorter.
        """
        text, _, signature = sent.encode("utf-8", "replace").rpartition(b".")
        ours = hmac.compare_digest(text.rpartition(b".")[0], _payload(token))
        return hmac.compare_digest(signature, self._signature(text)) and ours

    def _signature(self, text: bytes) -> bytes:
        return base64_encode(_digest(self._keyed, text))


def _payload(token: str) -> bytes:
    return base64_encode(b'"%b"' % token.encode("ascii"))


def _digest(keyed: HMAC, text: bytes) -> bytes:
    # To read the key in takes several times as long as to hash so little: a copy has it already.
    of_text = keyed.copy()
    of_text.update(text)
    return of_text.finalize()
