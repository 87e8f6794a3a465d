"""Whose appointment a browser has open: a signed cookie that names the visit which stands for it.

It lives for twenty minutes after the last page, and no longer than the browser: whoever sits there
next has neither the link nor the birth date.
"""

from __future__ import annotations

import hmac

from datetime import datetime, timedelta

from flask import Request
from itsdangerous import BadSignature, Signer
from werkzeug import Response

LIVES = timedelta(minutes=20)


class MyCookie:
    """Reads and writes it, by the clock that is given. Over https other hosts cannot write it."""

    def __init__(self, key: str, *, https: bool) -> None:
        self.name = f"{'__Host-' if https else ''}allo-mine"
        self._https = https
        self._signer = Signer(key, salt="allo-mine")
        self._forms = Signer(key, salt="allo-mine-form")

    def read(self, request: Request, now: datetime) -> str:
        """The id of the visit; empty where there is none, or it was left for too long."""
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
        response.set_cookie(
            self.name,
            self._signer.sign(told).decode(),
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
        """What the forms of these pages carry."""
        return self._forms.get_signature(visit_id).decode()

    def is_token(self, token: str, visit_id: str) -> bool:
        return hmac.compare_digest(token.encode(), self.token(visit_id).encode())
