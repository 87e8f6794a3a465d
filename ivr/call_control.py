"""Acts on live calls by the provider's REST, over urllib3: light enough for a web worker.

The port services.ports.CallControl. One method takes at most three seconds in all, because an agent
at a desk waits for it. (The provider's own client takes as much memory as half a worker.)
"""

from __future__ import annotations

import json
import time

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

import urllib3

from urllib3.exceptions import (
    ConnectTimeoutError,
    HTTPError,
    MaxRetryError,
    NameResolutionError,
    NewConnectionError,
)

from ivr.addresses import OVERRIDES
from services.ports import Busy, NoAnswer, ProviderRefused

# For connecting and for the answer together.
SECONDS = 3.0
# The provider's clock and ours may differ by this much.
CLOCK_MARGIN = timedelta(minutes=5)
LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
_TOO_MANY, _NOT_FOUND, _REFUSED, _SERVER_ERROR = 429, 404, 400, 500
_GONE = "20404"
# How many queues an account may have in one answer, and how many calls are looked at.
_QUEUES_PAGE, _CALLS_PAGE = 1000, 20
# Events that we ask to be told; the provider tells the end of a call in any case.
_EVENTS = ("initiated", "ringing", "answered", "completed")
_FORM = "application/x-www-form-urlencoded"


class TwilioCallControl:
    """The port by the provider's REST. `proxy` is that of the environment, for what is not here."""

    def __init__(
        self,
        account_sid: str,
        auth_token: str,
        *,
        api_base_url: str,
        public_base_url: str,
        caller_id: str,
        calls_per_second: float = 1.0,
        proxy: str = "",
    ) -> None:
        parts = urlsplit(api_base_url)
        # A proxy of the environment has no business between two processes of one machine.
        proxied = proxy if parts.hostname not in LOOPBACK else ""
        self._http: urllib3.PoolManager = (
            urllib3.ProxyManager(proxied, num_pools=2, maxsize=8)
            if proxied
            else urllib3.PoolManager(num_pools=2, maxsize=8)
        )
        self._base = f"{api_base_url.rstrip('/')}/2010-04-01/Accounts/{account_sid}"
        self._headers = urllib3.make_headers(basic_auth=f"{account_sid}:{auth_token}")
        self._public = public_base_url
        self._caller_id = caller_id
        self._calls_per_second = calls_per_second

    @property
    def calls_per_second(self) -> float:
        return self._calls_per_second

    def problem(self) -> str:
        """Why the provider does nothing for this account now, in a word; empty where it does."""
        try:
            self._ask("GET", "/Queues.json", query={"PageSize": "1"})
        except (ProviderRefused, Busy) as refused:
            return f"it says {refused.code}"
        except NoAnswer:
            return "no answer"
        return ""

    # ------------------------------------------------------------ queues

    def make_queue(self, name: str, max_size: int) -> str:
        deadline = _Deadline()
        form = {"FriendlyName": name, "MaxSize": str(max_size)}
        # The name is unique in an account: a worker that makes it second is refused, and then finds
        # it.
        sid = self._queue_named(name, deadline)
        if sid is None:
            try:
                return str(self._ask("POST", "/Queues.json", deadline, form=form)["sid"])
            except ProviderRefused:
                sid = self._queue_named(name, deadline)
                if sid is None:
                    raise
        self._ask("POST", f"/Queues/{_part(sid)}.json", deadline, form={"MaxSize": str(max_size)})
        return sid

    def _queue_named(self, name: str, deadline: _Deadline) -> str | None:
        query = {"PageSize": str(_QUEUES_PAGE)}
        found = self._ask("GET", "/Queues.json", deadline, query=query)
        there = (str(queue["sid"]) for queue in found["queues"] if queue["friendly_name"] == name)
        return next(there, None)

    def take_from_queue(self, queue_sid: str, call_sid: str, path: str) -> None:
        form = {"Url": self._absolute(path), "Method": "POST"}
        self._ask("POST", f"/Queues/{_part(queue_sid)}/Members/{_part(call_sid)}.json", form=form)

    # ------------------------------------------------------------ calls

    def ring(
        self,
        to: str,
        path: str,
        *,
        status_path: str,
        ring_seconds: int,
        caller_id: str = "",
    ) -> str:
        form = {
            "To": to,
            "From": caller_id or self._caller_id,
            "Url": self._absolute(path),
            "Method": "POST",
            "StatusCallback": self._absolute(status_path),
            "StatusCallbackMethod": "POST",
            "StatusCallbackEvent": _EVENTS,
            "Timeout": str(ring_seconds),
        }
        sid = self._ask("POST", "/Calls.json", form=form).get("sid")
        if not sid:
            raise NoAnswer
        return str(sid)

    def find_call(self, to: str, since: datetime) -> str | None:
        query = {"To": to, "PageSize": str(_CALLS_PAGE)}
        newest: tuple[datetime, str] | None = None
        for found in self._ask("GET", "/Calls.json", query=query)["calls"]:
            made = _moment(found.get("date_created"))
            if made < since - CLOCK_MARGIN:
                continue
            if newest is None or made > newest[0]:
                newest = (made, str(found["sid"]))
        return newest[1] if newest else None

    def status_of(self, call_sid: str) -> str:
        return str(self._ask("GET", f"/Calls/{_part(call_sid)}.json").get("status", ""))

    def redirect(self, call_sid: str, path: str) -> None:
        form = {"Url": self._absolute(path), "Method": "POST"}
        self._ask("POST", f"/Calls/{_part(call_sid)}.json", form=form)

    def hang_up(self, call_sid: str) -> None:
        self._ask("POST", f"/Calls/{_part(call_sid)}.json", form={"Status": "completed"})

    # ------------------------------------------------------------ conferences

    def hold(self, conference_sid: str, call_sid: str, *, on: bool, path: str = "") -> None:
        form = {"Hold": _said(on)}
        if on and path:
            form |= {"HoldUrl": self._absolute(path), "HoldMethod": "POST"}
        self._participant(conference_sid, call_sid, form)

    def mute(self, conference_sid: str, call_sid: str, *, on: bool) -> None:
        self._participant(conference_sid, call_sid, {"Muted": _said(on)})

    def coach(
        self, conference_sid: str, call_sid: str, *, coached_sid: str = "", muted: bool
    ) -> None:
        form = {"Coaching": _said(bool(coached_sid)), "Muted": _said(muted)}
        if coached_sid:
            form["CallSidToCoach"] = coached_sid
        self._participant(conference_sid, call_sid, form)

    def _participant(self, conference_sid: str, call_sid: str, form: Mapping[str, str]) -> None:
        path = f"/Conferences/{_part(conference_sid)}/Participants/{_part(call_sid)}.json"
        self._ask("POST", path, form=form)

    # ------------------------------------------------------------ one request

    def _absolute(self, path: str) -> str:
        return f"{self._public}{path}{OVERRIDES}"

    def _ask(
        self,
        method: str,
        path: str,
        deadline: _Deadline | None = None,
        *,
        query: Mapping[str, str] | None = None,
        form: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        """The answer as JSON. Raises Refused, Busy, NoAnswer."""
        url = f"{self._base}{path}" + (f"?{urlencode(query)}" if query else "")
        headers = dict(self._headers)
        body = None
        if form is not None:
            body = urlencode(form, doseq=True)
            headers["Content-Type"] = _FORM
        left = (deadline or _Deadline()).left()
        try:
            answer = self._http.request(
                method,
                url,
                body=body,
                headers=headers,
                timeout=urllib3.Timeout(total=left),
                retries=False,
                redirect=False,
            )
        except HTTPError as error:
            # Not connected means not asked; everything else may have arrived.
            raise _unreached(error) from error
        return _read(answer.status, answer.headers, answer.data)


class _Deadline:
    """What is left of the seconds that one method has."""

    def __init__(self) -> None:
        self._ends = time.monotonic() + SECONDS

    def left(self) -> float:
        """Seconds. Raises Busy where there are none: nothing more is asked then."""
        left = self._ends - time.monotonic()
        if left <= 0:
            raise Busy("slow")
        return left


def _unreached(error: HTTPError) -> Exception:
    cause = error.reason if isinstance(error, MaxRetryError) else error
    never = (ConnectTimeoutError, NewConnectionError, NameResolutionError)
    return Busy("unreachable") if isinstance(cause, never) else NoAnswer(type(error).__name__)


def _read(status: int, headers: Mapping[str, str], data: bytes) -> dict[str, Any]:
    if status < _REFUSED:
        return _object(data)
    if status == _TOO_MANY:
        return _raise(Busy(_code(data, status), _seconds(headers.get("Retry-After"))))
    if status >= _SERVER_ERROR:
        return _raise(NoAnswer(_code(data, status)))
    return _raise(ProviderRefused(_GONE if status == _NOT_FOUND else _code(data, status)))


def _raise(error: Exception) -> dict[str, Any]:
    raise error


def _code(data: bytes, status: int) -> str:
    """The provider's own number of an error, or that of HTTP."""
    try:
        return str(_object(data).get("code") or status)
    except NoAnswer:
        return str(status)


def _object(data: bytes) -> dict[str, Any]:
    if not data:
        # Nothing is said of what was deleted.
        return {}
    try:
        found = json.loads(data)
    except ValueError:
        raise NoAnswer("json") from None
    if not isinstance(found, dict):
        raise NoAnswer("json")
    return found


def _seconds(value: str | None) -> timedelta | None:
    try:
        return timedelta(seconds=min(float(value), 3600)) if value else None
    except ValueError:
        return None


def _moment(value: object) -> datetime:
    """A date of the provider (RFC 2822); one that is not there yet is that of now."""
    if not value:
        return datetime.now(UTC)
    return parsedate_to_datetime(str(value))


def _part(sid: str) -> str:
    return quote(sid, safe="")


def _said(value: bool) -> str:  # noqa: FBT001 (a converter)
    return "true" if value else "false"
