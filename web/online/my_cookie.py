"""Whose appointment a browser has open: a signed cookie that names its web session.

It lives for twenty minutes after the last page, and no longer than the browser: the next user of a
shared computer has neither the link nor the birth date.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from flask import Request
from itsdangerous import BadSignature, Signer
from werkzeug import Response

from web.online.signed_session import SignedWebSession

LIVES = timedelta(minutes=20)
_NAME = "allo-mine"


class MyCookie(SignedWebSession):
    """Reads and writes it, by the clock that is given."""

    def __init__(self, key: str, *, https: bool) -> None:
        super().__init__(_NAME, key, https=https)
        self._signer = Signer(key, salt=_NAME)

    def read(self, request: Request, now: datetime) -> str:
        """The id of the web session; empty where there is none, or it was left for too long."""
        try:
            told = self._signer.unsign(request.cookies.get(self.name, "")).decode()
        except (BadSignature, UnicodeDecodeError):
            return ""
        visit_id, _, seen = told.partition(".")
        if not seen.isdecimal() or now.timestamp() - int(seen) > LIVES.total_seconds():
            return ""
        return visit_id

    def write(self, response: Response, visit_id: str, now: datetime) -> None:
        told = f"{visit_id}.{int(now.timestamp())}"
        self.put(response, self._signer.sign(told).decode())
