"""Webhooks as data: what was sent, and with which signature, so that a test can bend either."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from io import BytesIO
from typing import Any
from urllib.parse import urlencode

from flask import Flask
from twilio.request_validator import RequestValidator
from werkzeug.datastructures import MultiDict
from werkzeug.test import EnvironBuilder, run_wsgi_app
from werkzeug.wrappers import Response

from ivr.signature import CONFERENCE_EVENTS, FORM
from tests.support.house import ACCOUNT, BASE, MOBILE, TOKEN

CALL = "CA" + "1" * 32
MESSAGE = "SM" + "2" * 32
Fields = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Webhook:
    """One request. `body` stands instead of the fields; a `signature` of None sends no header."""

    path: str
    fields: Fields
    query: str = ""
    method: str = "POST"
    body: bytes | None = None
    content_type: str = FORM
    signature: str | None = None
    environ: tuple[tuple[str, str], ...] = ()

    @property
    def url(self) -> str:
        """The public address, as the provider writes it."""
        return BASE + self.path + (f"?{self.query}" if self.query else "")

    def signed(
        self,
        *,
        token: str = TOKEN,
        url: str | None = None,
        fields: Iterable[tuple[str, str]] | None = None,
    ) -> Webhook:
        """Signed for this address and these fields, or for others than are sent."""
        over = MultiDict(list(self.fields if fields is None else fields))
        signature = RequestValidator(token).compute_signature(url or self.url, over)
        return replace(self, signature=str(signature))

    def with_fields(self, **changed: str | None) -> Webhook:
        """With other values; None takes a field away."""
        kept = [(name, value) for name, value in self.fields if name not in changed]
        new = [(name, value) for name, value in changed.items() if value is not None]
        return replace(self, fields=(*kept, *new))

    @property
    def bytes_sent(self) -> bytes:
        return urlencode(self.fields).encode() if self.body is None else self.body

    def environ_of(self) -> dict[str, Any]:
        """As a server would hand it over: a client of a library would set right what is mangled."""
        builder = EnvironBuilder(
            path=self.path,
            query_string=self.query,
            base_url=BASE,
            method=self.method,
            content_type=self.content_type,
            input_stream=BytesIO(self.bytes_sent),
            content_length=len(self.bytes_sent),
        )
        environ = builder.get_environ()
        builder.close()
        if self.signature is not None:
            environ["HTTP_X_TWILIO_SIGNATURE"] = self.signature
        environ.update(self.environ)
        return environ

    def send(self, app: Flask) -> Response:
        """The application's answer. An exception that it lets out fails the test."""
        pieces, status, headers = run_wsgi_app(app, self.environ_of(), buffered=True)
        return Response(b"".join(pieces), status, headers)


def genuine(path: str, **fields: str) -> Webhook:
    """An unsigned webhook with all that the provider would send to this path."""
    if path.startswith("/sms"):
        own = {"MessageSid": MESSAGE, "MessageStatus": "delivered", "To": MOBILE}
    else:
        own = {"CallSid": CALL, "CallStatus": "in-progress", "From": MOBILE, "Direction": "inbound"}
        if path == "/voice/turn":
            own["Digits"] = "1"
        elif path == CONFERENCE_EVENTS:
            own["ConferenceSid"] = "CF" + "3" * 32
    return Webhook(path, tuple({"AccountSid": ACCOUNT, **own, **fields}.items()))
