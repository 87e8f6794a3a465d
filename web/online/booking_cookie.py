"""Which web session a browser is on: a signed cookie that names it.

It ends with the browser, and two hours after the last answer: another person may use a computer in
a library by then.
"""

from __future__ import annotations

from datetime import timedelta

from flask import Request
from itsdangerous import BadData, URLSafeTimedSerializer
from werkzeug import Response

from web.online.signed_session import SignedWebSession

LIVES = timedelta(hours=2)
_NAME = "allo-visit"


class WebSessionCookie(SignedWebSession):
    """Reads and writes it."""

    def __init__(self, key: str, *, https: bool) -> None:
        super().__init__(_NAME, key, https=https)
        self._signer = URLSafeTimedSerializer(key, salt=_NAME)

    def read(self, request: Request) -> str:
        """The id of the browser's web session; empty where it has none, or one of too long ago."""
        signed = request.cookies.get(self.name, "")
        if not signed:
            return ""
        try:
            found = self._signer.loads(signed, max_age=int(LIVES.total_seconds()))
        except BadData:
            return ""
        return found if isinstance(found, str) else ""

    def write(self, response: Response, visit_id: str) -> None:
        self.put(response, self._signer.dumps(visit_id))
