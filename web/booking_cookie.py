"""Which visit a browser is on: a signed cookie that names it, and a token for its forms.

The cookie ends with the browser, and two hours after the last answer: a computer in a library is
somebody else's by then. The forms' token is tied to the visit, so that a page of an earlier visit
never answers for another.
"""

from __future__ import annotations

import hmac

from datetime import timedelta

from flask import Request
from itsdangerous import BadData, Signer, URLSafeTimedSerializer
from werkzeug import Response

LIVES = timedelta(hours=2)
_COOKIE_SALT = "allo-visit"
_FORM_SALT = "allo-visit-form"


class VisitCookie:
    """Reads and writes it. Over https its name keeps other hosts from writing it."""

    def __init__(self, key: str, *, https: bool) -> None:
        self.name = f"{'__Host-' if https else ''}allo-visit"
        self._https = https
        self._signer = URLSafeTimedSerializer(key, salt=_COOKIE_SALT)
        self._forms = Signer(key, salt=_FORM_SALT)

    def read(self, request: Request) -> str:
        """The id of the browser's visit; empty where it has none, or one of too long ago."""
        signed = request.cookies.get(self.name, "")
        if not signed:
            return ""
        try:
            found = self._signer.loads(signed, max_age=int(LIVES.total_seconds()))
        except BadData:
            return ""
        return found if isinstance(found, str) else ""

    def write(self, response: Response, visit_id: str) -> None:
        response.set_cookie(
            self.name,
            self._signer.dumps(visit_id),
            secure=self._https,
            httponly=True,
            samesite="Lax",
            path="/",
        )

    def forget(self, response: Response) -> None:
        response.delete_cookie(
            self.name, secure=self._https, httponly=True, samesite="Lax", path="/"
        )

    def token(self, visit_id: str) -> str:
        """What the forms of a visit carry."""
        return self._forms.get_signature(visit_id).decode()

    def is_token(self, token: str, visit_id: str) -> bool:
        return hmac.compare_digest(token.encode(), self.token(visit_id).encode())
