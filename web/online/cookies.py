"""Which web session a browser is on: signed cookies that name it, and a token for its forms.

The token is tied to the web session, so that a page of an earlier one never answers for another.
Another person may use a computer in a library soon: no cookie outlives the browser, or some time
after the last page.
"""

from __future__ import annotations

import hmac

from collections import OrderedDict
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any

from flask import Request
from itsdangerous import BadData, BadSignature, Signer, TimestampSigner, URLSafeTimedSerializer
from itsdangerous.encoding import base64_encode
from itsdangerous.signer import SigningAlgorithm
from werkzeug import Response

BOOKING_LIVES = timedelta(hours=2)
# So long after that the birth date may open it again; what was answered is erased about then.
LONG_AGO = timedelta(hours=24)
MINE_LIVES = timedelta(minutes=20)
# Cookies of which a worker knows what they say.
_KNOWN = 4096


def cookie_in(cookies: str, name: str) -> str:
    """The value of a cookie of this very name in a browser's header; empty where there is none.

    For what stands in front of the application and is asked thousands of times a second. Another
    host can write a cookie whose name only ends like ours. A value in quotes is none of ours.
    """
    named = f"{name}="
    place = cookies.find(named)
    while place > 0 and cookies[place - 1] not in "; ":
        place = cookies.find(named, place + 1)
    return "" if place < 0 else cookies[place + len(named) :].partition(";")[0]


class _InOneCall(SigningAlgorithm):
    """HMAC with SHA-1 as the library has it, which builds it up in Python each time."""

    def get_signature(self, key: bytes, value: bytes) -> bytes:
        return hmac.digest(key, value, "sha1")


def _signer(key: str, salt: str) -> Signer:
    return Signer(key, salt=salt, algorithm=_InOneCall())


class SignedWebSession:
    """A cookie of one name. Over https that name keeps other hosts from writing it."""

    def __init__(self, name: str, key: str, *, https: bool) -> None:
        self.name = f"{'__Host-' if https else ''}{name}"
        self._https = https
        self._forms = _signer(key, f"{name}-form")

    def put(self, response: Response, signed: str) -> None:
        """Give it to the browser, until that is closed."""
        response.set_cookie(
            self.name, signed, secure=self._https, httponly=True, samesite="Lax", path="/"
        )

    def forget(self, response: Response) -> None:
        response.delete_cookie(
            self.name, secure=self._https, httponly=True, samesite="Lax", path="/"
        )

    def token(self, visit_id: str) -> str:
        """The token that the forms of a web session carry."""
        return self._forms.get_signature(visit_id).decode()

    def is_token(self, token: str, visit_id: str) -> bool:
        return hmac.compare_digest(token.encode(), self.token(visit_id).encode())


class _Short(URLSafeTimedSerializer):
    """What is signed is some thirty letters: no zip of it is shorter, so none is tried."""

    def dump_payload(self, obj: Any) -> bytes:
        return base64_encode(self.serializer.dumps(obj))


class _Known(OrderedDict[str, tuple[str, int]]):
    """What signed values say that this worker has signed or read lately, and when each was signed.

    A browser sends what the answer before has given it. Nothing is kept that we have not signed.
    """

    def put(self, signed: str, said: tuple[str, int]) -> None:
        self[signed] = said
        if len(self) > _KNOWN:
            self.popitem(last=False)


@lru_cache(maxsize=4)
def known_by(_key: str) -> _Known:
    """The one of a worker for what was signed by this key: for the gate and the pages behind it."""
    return _Known()


class WebSessionCookie(SignedWebSession):
    """Of a booking."""

    def __init__(self, key: str, *, https: bool) -> None:
        super().__init__("allo-visit", key, https=https)
        self._words = _Short(key)
        # The serializer would make one for each request.
        self._stamps = TimestampSigner(key, salt="allo-visit", algorithm=_InOneCall())
        self._known = known_by(key)
        self._browser = SignedWebSession("allo-browser", key, https=https)
        self._browsers = _signer(key, "allo-browser")

    def read(self, request: Request) -> str:
        """The id of the browser's web session; empty where it has none, or one of too long ago."""
        return self._read(request, BOOKING_LIVES)

    def read_long_ago(self, request: Request) -> str:
        """The same of a cookie that has run out, which proves nothing by itself."""
        return "" if self.read(request) else self._read(request, LONG_AGO)

    def is_unknown(self, request: Request) -> bool:
        """Whether the browser sent no cookie of ours that a booking begins with."""
        return not (request.cookies.get(self.name) or request.cookies.get(self._browser.name))

    def read_in_front(self, environ: dict[str, Any]) -> str:
        """The same as `read`, before there is a request of the application."""
        return self._named(cookie_in(environ.get("HTTP_COOKIE", ""), self.name), BOOKING_LIVES)

    def _read(self, request: Request, lives: timedelta) -> str:
        return self._named(request.cookies.get(self.name, ""), lives)

    def _named(self, signed: str, lives: timedelta) -> str:
        if not signed:
            return ""
        known = self._known.get(signed)
        if known is None:
            try:
                words, at = self._stamps.unsign(signed, return_timestamp=True)
                found = self._words.load_payload(words)
            except BadData:
                return ""
            if not isinstance(found, str):
                return ""
            known = found, int(at.timestamp())
            self._known.put(signed, known)
        visit_id, signed_at = known
        age = self._stamps.get_timestamp() - signed_at
        return visit_id if 0 <= age <= lives.total_seconds() else ""

    def write(self, response: Response, visit_id: str) -> None:
        signed_at = self._stamps.get_timestamp()
        signed = self._stamps.sign(self._words.dump_payload(visit_id)).decode()
        self._known.put(signed, (visit_id, signed_at))
        self.put(response, signed)

    def browser(self, request: Request) -> str:
        """What this browser is known by, until it is closed; empty where it is not.

        It outlives the web session, so that one browser does not hold places for several.
        """
        try:
            return self._browsers.unsign(request.cookies.get(self._browser.name, "")).decode()
        except (BadSignature, UnicodeDecodeError):
            return ""

    def write_browser(self, response: Response, browser: str) -> None:
        self._browser.put(response, self._browsers.sign(browser).decode())


class MyCookie(SignedWebSession):
    """Of an appointment that a browser has open, by the clock that is given."""

    def __init__(self, key: str, *, https: bool) -> None:
        super().__init__("allo-mine", key, https=https)
        self._signer = _signer(key, "allo-mine")

    def read(self, request: Request, now: datetime) -> str:
        """The id of the web session; empty where there is none, or it was left for too long."""
        try:
            told = self._signer.unsign(request.cookies.get(self.name, "")).decode()
        except (BadSignature, UnicodeDecodeError):
            return ""
        visit_id, _, seen = told.partition(".")
        if not seen.isdecimal() or now.timestamp() - int(seen) > MINE_LIVES.total_seconds():
            return ""
        return visit_id

    def write(self, response: Response, visit_id: str, now: datetime) -> None:
        told = f"{visit_id}.{int(now.timestamp())}"
        self.put(response, self._signer.sign(told).decode())
