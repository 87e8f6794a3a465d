"""Texts through the provider's own client. Workers only: web workers never load it."""

from __future__ import annotations

import json
import re
import threading

from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import requests

from twilio.base.exceptions import (
    TwilioException,
    TwilioRestException,
    TwilioServiceException,
)
from twilio.http.http_client import TwilioHttpClient
from twilio.http.response import Response
from twilio.rest import Client

from ivr.call_control import LOOPBACK
from services.ports import Busy, NoAnswer, ProviderRefused

# Seconds to connect, and again to wait for an answer; the lease of a message is longer than both.
# (The client's own default is to wait for ever, and it takes no pair.)
ANSWER_SECONDS = 8.0
# The provider's clock and ours may differ by this much.
CLOCK_MARGIN = timedelta(minutes=5)
_LOOK_AT = 50
_TOO_MANY = 429
_SERVER_ERROR = 500


class RedirectedHttpClient(TwilioHttpClient):  # type: ignore[misc]  # it has no types
    """The provider's HTTP client, talking to another base address (a stand-in, a proxy)."""

    def __init__(self, base_url: str, *, answer_seconds: float = ANSWER_SECONDS) -> None:
        super().__init__(timeout=answer_seconds)
        self._base = urlsplit(base_url)
        if self._base.hostname in LOOPBACK:
            # A proxy of the environment has no business between two processes of one machine.
            self.session.trust_env = False
        # Several threads share one client: what one was told is not for another.
        self._told = threading.local()

    @property
    def retry_after(self) -> timedelta | None:
        """How long the last answer in this thread asked to wait."""
        found: timedelta | None = getattr(self._told, "retry_after", None)
        return found

    def request(self, method: str, url: str, *args: Any, **kwargs: Any) -> Response:
        parts = urlsplit(url)
        path = self._base.path.rstrip("/") + parts.path
        moved = urlunsplit((self._base.scheme, self._base.netloc, path, parts.query, ""))
        response: Response = super().request(method, moved, *args, **kwargs)
        self._told.retry_after = _seconds((response.headers or {}).get("Retry-After"))
        return response


class TwilioMessenger:
    """The port services.ports.Messenger, by the provider's REST."""

    def __init__(
        self,
        account_sid: str,
        auth_token: str,
        *,
        api_base_url: str,
        public_base_url: str,
        sender: str,
    ) -> None:
        self._http = RedirectedHttpClient(api_base_url)
        self._client = Client(account_sid, auth_token, http_client=self._http)
        self._status_url = f"{public_base_url}/sms/status"
        self._sender = sender

    def send(self, message_id: str, recipient: str, body: str, *, sender: str = "") -> str:
        try:
            sent = self._client.messages.create(
                to=recipient,
                from_=sender or self._sender,
                body=body,
                status_callback=f"{self._status_url}?m={message_id}",
            )
        except (TwilioException, requests.RequestException) as error:
            raise translated(error, self._http) from error
        if not sent.sid:
            raise NoAnswer
        return str(sent.sid)

    def find(self, recipient: str, body: str, since: datetime) -> str | None:
        try:
            # By recipient alone: a text that is still queued has no date of sending to filter by.
            for found in self._client.messages.list(to=recipient, limit=_LOOK_AT):
                created = found.date_created
                if found.body == body and (created is None or created >= since - CLOCK_MARGIN):
                    return str(found.sid)
        except (TwilioException, requests.RequestException) as error:
            raise translated(error, self._http) from error
        return None


def translated(error: Exception, http: RedirectedHttpClient) -> Exception:
    """An error of the provider's client in words of services.ports."""
    if isinstance(error, TwilioException):
        status, code = _told(error)
        if status == _TOO_MANY:
            return Busy(code, http.retry_after)
        refused = 0 < status < _SERVER_ERROR
        return ProviderRefused(code, status) if refused else NoAnswer(code)
    # Not connected means not sent; everything else may have arrived.
    not_connected = isinstance(error, requests.ConnectTimeout) or (
        isinstance(error, requests.ConnectionError) and "NewConnectionError" in repr(error)
    )
    return Busy("unreachable") if not_connected else NoAnswer(type(error).__name__)


def _told(error: TwilioException) -> tuple[int, str]:
    """The status and the code of an answer; 0 where there was none that could be read.

    Of a list, the client gives the answer itself instead of what it says. An answer in the words of
    RFC 9457 is an error of another kind, with the same two.
    """
    if isinstance(error, TwilioRestException | TwilioServiceException):
        return error.status, str(error.code or error.status)
    answer = error.args[-1] if error.args else None
    if not isinstance(answer, Response):
        return 0, type(error).__name__
    try:
        found = json.loads(answer.text)
    except ValueError:
        found = None
    code = found.get("code") if isinstance(found, dict) else None
    return answer.status_code, str(code or answer.status_code)


def _seconds(value: str | None) -> timedelta | None:
    if value and re.fullmatch(r"[0-9]{1,4}", value):
        return timedelta(seconds=int(value))
    return None
