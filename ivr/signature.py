"""Only the provider drives the telephone: a check in front of every route below /voice and /sms.

It hangs on the application and goes by the path, for a blueprint's own hook never sees a wrong
method or an unknown path. The signed address is the public one exactly as configured, plus path
and query: what the server behind a proxy sees is of no use. Whatever goes wrong, the answer is 403.
"""

from __future__ import annotations

import hmac
import re

from collections.abc import Sequence
from typing import cast

import structlog

from flask import Flask, Request, Response, request
from twilio.request_validator import RequestValidator
from werkzeug.local import LocalProxy

from services.telemetry import REFUSED

PREFIXES = ("/voice", "/sms")
HEADER = "X-Twilio-Signature"
FORM = "application/x-www-form-urlencoded"
# A real webhook is about a kilobyte; the provider's own limit for an answer is 64.
MOST_BYTES = 64 * 1024
_PLAIN = re.compile(r"[!-~]*")
# Names of fields, one a line.
_NAMES = re.compile(r"[A-Za-z][A-Za-z0-9_.-]*(?:\n[A-Za-z][A-Za-z0-9_.-]*)*")
_CALL = re.compile(r"CA[0-9a-f]{32}")
_MESSAGE = re.compile(r"(?:SM|MM)[0-9a-f]{32}")
_CONFERENCE = re.compile(r"CF[0-9a-f]{32}")
# What is told here of a conference may be of none of its calls.
CONFERENCE_EVENTS = "/voice/conference"
_OF_NO_CALL = frozenset({"conference-start", "conference-end"})

log = structlog.get_logger()


class NotSigned(Exception):
    """The request is not one of the provider's; the reason is a word for the counter."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class _Fields(dict[str, list[str]]):
    """A form as the provider's library likes it best.

    It asks each field of any form for `getall` first, and falls back by way of an exception.
    """

    def getall(self, name: str) -> list[str]:
        return self[name]


class SignatureCheck:
    """Checks one request. `tokens` are the auth token and, after a rotation, the one before."""

    def __init__(self, public_base_url: str, account_sid: str, tokens: Sequence[str]) -> None:
        self._base = public_base_url
        self._account_sid = account_sid
        self._validators = [RequestValidator(token) for token in tokens if token]

    def check(self, incoming: Request) -> None:
        """Raises NotSigned, or whatever a mangled request makes the parsers raise."""
        self._check_shape(incoming)
        fields = _Fields(incoming.form.lists())
        if not self._is_signed(incoming, fields):
            raise NotSigned("wrong")
        # The provider never says a thing twice, and its names are plain: what is otherwise is not
        # read at all. (Names and values are signed as one run of letters.)
        for values in (fields, dict(incoming.args.lists())):
            if any(len(said) != 1 for said in values.values()):
                raise NotSigned("repeated")
            if values and not _NAMES.fullmatch("\n".join(values)):
                raise NotSigned("field_name")
        self._check_ids(incoming)

    def _check_shape(self, incoming: Request) -> None:
        if incoming.mimetype != FORM:
            raise NotSigned("content_type")
        if (incoming.content_length or 0) > MOST_BYTES:
            raise NotSigned("too_large")
        if not incoming.headers.get(HEADER):
            raise NotSigned("absent")
        # Parsers of addresses drop tabs and line ends without a word, so a changed address could
        # have the signature of another.
        environ = incoming.environ
        if not _PLAIN.fullmatch(environ["PATH_INFO"] + environ.get("QUERY_STRING", "")):
            raise NotSigned("address")

    def _is_signed(self, incoming: Request, fields: _Fields) -> bool:
        # Not incoming.url, which decodes what the signature covers undecoded.
        environ = incoming.environ
        url = self._base + environ["PATH_INFO"]
        if environ.get("QUERY_STRING"):
            url += "?" + environ["QUERY_STRING"]
        signature = incoming.headers[HEADER]
        return any(_fits(validator, url, fields, signature) for validator in self._validators)

    def _check_ids(self, incoming: Request) -> None:
        form = incoming.form
        if form.get("AccountSid") != self._account_sid:
            raise NotSigned("account")
        if incoming.path == CONFERENCE_EVENTS:
            if not _CONFERENCE.fullmatch(form.get("ConferenceSid", "")):
                raise NotSigned("conference_id")
            whole = "CallSid" not in form and form.get("StatusCallbackEvent") in _OF_NO_CALL
            if not whole and not _CALL.fullmatch(form.get("CallSid", "")):
                raise NotSigned("call_id")
        elif incoming.path.startswith("/voice"):
            if not _CALL.fullmatch(form.get("CallSid", "")):
                raise NotSigned("call_id")
        elif not _MESSAGE.fullmatch(form.get("MessageSid", "")):
            raise NotSigned("message_id")


def _fits(validator: RequestValidator, url: str, fields: _Fields, signature: str) -> bool:
    """Whether the signature is that of the address as it stands, else with or without its port.

    The library tries the last two, and takes every address apart to do so: half of the check's
    cost, for what hardly ever helps.
    """
    expected: str = validator.compute_signature(url, fields)
    if hmac.compare_digest(expected.encode(), signature.encode()):
        return True
    return bool(validator.validate(url, fields, signature))


def guard(app: Flask, check: SignatureCheck) -> None:
    """Put the check in front of the telephone's routes, the unknown ones among them."""

    def refuse_unsigned() -> Response | None:
        if not request.path.startswith(PREFIXES):
            return None
        try:
            # The request itself: each look through Flask's stand-in for it costs a microsecond.
            check.check(cast("LocalProxy[Request]", request)._get_current_object())  # noqa: SLF001
        except NotSigned as refused:
            reason = refused.reason
        except Exception as error:  # noqa: BLE001 (any failure to check is a failed check)
            reason = type(error).__name__
        else:
            return None
        REFUSED.labels(reason).inc()
        log.warning(
            "refused", path=request.url_rule.rule if request.url_rule else "", reason=reason
        )
        return Response("Forbidden\n", status=403, mimetype="text/plain")

    app.before_request(refuse_unsigned)
