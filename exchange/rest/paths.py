"""What all REST paths share: refusals, answers, lists in pages, URLs and dates."""

import re

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from datetime import time as clock_time
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any, TypeVar
from urllib.parse import urlencode

from flask import Response, jsonify, request

from exchange.faults import Fault
from exchange.interpreter.webhooks import API_VERSION, Overrides
from exchange.store import R, Store

T = TypeVar("T")

# The description's names stand in all paths; `check` finds its operations by them.
ACCOUNT = f"/{API_VERSION}/Accounts/<AccountSid>"
MIDNIGHT = clock_time(0)
MAX_TWIML = 4000
DEFAULT_PAGE_SIZE = 50
# Of a record that is asked to be deleted too early (error 20009).
INCOMPLETE = "Cannot delete this resource before it is complete"


class Refused(Exception):
    """A request that Twilio answers with an error body; `code` is Twilio's error number."""

    def __init__(
        self, code: int, message: str, status: int = HTTPStatus.BAD_REQUEST, retry_after: float = 0
    ) -> None:
        super().__init__(message)
        self.code, self.message, self.status = code, message, int(status)
        self.retry_after = retry_after

    def response(self, *, problem: bool = False) -> Response:
        """Return the answer with Twilio's four fields; a `problem` has those of RFC 9457."""
        info = f"https://www.twilio.com/docs/errors/{self.code}"
        said = {"code": self.code, "status": self.status}
        if problem:
            response = jsonify(**said, type=info, title=self.message)
            response.mimetype = "application/problem+json"
        else:
            response = jsonify(**said, message=self.message, more_info=info)
        response.status_code = self.status
        if self.status == HTTPStatus.UNAUTHORIZED:
            response.headers["WWW-Authenticate"] = 'Basic realm="Twilio API"'
        if self.retry_after:
            response.headers["Retry-After"] = f"{self.retry_after:g}"
        return response


class CutBody:
    """A body that breaks off before its first byte, so that the server drops the connection."""

    def __iter__(self) -> Iterator[bytes]:
        raise ConnectionAbortedError("the connection is cut, as the switch asks")


def not_found() -> Refused:
    """Return Twilio's answer for a path that leads to nothing."""
    message = f"The requested resource {request.path} was not found"
    return Refused(20404, message, HTTPStatus.NOT_FOUND)


def known(found: T | None) -> T:
    """Return what a path leads to; raises Refused where that is nothing."""
    if found is None:
        raise not_found()
    return found


def fields() -> dict[str, Any]:
    """Return the request's JSON object; raises Refused."""
    given = request.get_json(silent=True)
    if not isinstance(given, dict):
        raise Refused(20001, "The body is not a JSON object")
    return given


def answer(resource: Mapping[str, Any], fault: Fault, status: int = HTTPStatus.OK) -> Response:
    """Answer a request that made or changed something, or break off where the fault says so."""
    response = jsonify(resource)
    response.status_code = status
    if fault.kind != "cut":
        return response
    # The promised length makes the client notice that nothing follows.
    broken = Response(CutBody(), status, mimetype="application/json")
    broken.headers["Content-Length"] = response.headers["Content-Length"]
    return broken


def given_flag(name: str) -> bool | None:
    """Return a truth value of the form, or None when absent."""
    value = request.form.get(name)
    return None if value is None else value.lower() == "true"


def given_twiml() -> str:
    """Return the document of the form, or an empty string; raises Refused for a long one."""
    twiml = request.form.get("Twiml", "")
    if len(twiml) > MAX_TWIML:
        raise Refused(32018, f"Twiml parameter is longer than {MAX_TWIML} characters")
    return twiml


def given_url(name: str, code: int) -> str:
    """Return an absolute URL of the form, or an empty string when absent."""
    url = request.form.get(name, "")
    if url and not re.match(r"https?://[^/?#\s]+", url):
        raise Refused(code, f"{name} is not a valid URL: {url}")
    try:
        Overrides.of(url)
    except ValueError as error:
        raise Refused(code, f"{name}: {error}") from error
    return url


def matching(store: Store[R]) -> list[R]:
    """Return the records with the To and From of the query, the newest first."""
    to, sender = request.args.get("To"), request.args.get("From")
    return [
        record
        for record in store.newest_first()
        if to in {None, record.recipient} and sender in {None, record.sender}
    ]


def between(name: str) -> Callable[[datetime | None], bool]:
    """Return the test that `name`, `name<` and `name>` of the query ask for, bounds included.

    A bare date stands for that whole day in UTC, an instant for that second. For equality,
    midnight means the day too: so Twilio's own library writes a date.
    """
    bounds = {
        operator: read_instant(f"{name}{operator}", request.args[f"{name}{operator}"])
        for operator in ("", "<", ">")
        if request.args.get(f"{name}{operator}")
    }

    def matches(instant: datetime | None) -> bool:
        if not bounds:
            return True
        if instant is None:
            return False
        equal, below, above = bounds.get(""), bounds.get("<"), bounds.get(">")
        if equal is not None and equal[0].time() == MIDNIGHT:
            equal = equal[0], equal[0] + timedelta(days=1)
        return (
            (equal is None or equal[0] <= instant < equal[1])
            and (below is None or instant < below[1])
            and (above is None or instant >= above[0])
        )

    return matches


def read_instant(name: str, value: str) -> tuple[datetime, datetime]:
    """Return when the date or second that `value` names begins and ends."""
    value = value.strip()
    try:
        if re.fullmatch(r"\d{4}-\d\d-\d\d", value):
            start, length = datetime.fromisoformat(value), timedelta(days=1)
        else:
            length = timedelta(seconds=1)
            try:
                start = datetime.fromisoformat(value)
            except ValueError:
                start = parsedate_to_datetime(value)
    except ValueError as error:
        raise Refused(20001, f"Invalid parameter: {name} is not a date: {value}") from error
    start = start.replace(tzinfo=start.tzinfo or UTC).replace(microsecond=0)
    return start, start + length


def page(key: str, found: Sequence[tuple[str, Mapping[str, Any]]]) -> Response:
    """Return one page of a list in Twilio's form, with links that keep the filters.

    `found` has the SID and the resource of each.

    A page token names the last record of the page before, so that new records move nothing.
    """
    size = request.args.get("PageSize", DEFAULT_PAGE_SIZE, int)
    number = request.args.get("Page", 0, int)
    token = request.args.get("PageToken", "")
    start = number * size
    if token:
        after = token.removeprefix("PA")
        start = next((n + 1 for n, (sid, _) in enumerate(found) if sid == after), len(found))
    shown = found[start : start + size]
    filters = {
        name: value
        for name, value in request.args.items()
        if name not in {"PageSize", "Page", "PageToken"}
    }

    def link(to: int, page_token: str = "") -> str:
        query = {**filters, "PageSize": size, "Page": to}
        if page_token:
            query["PageToken"] = page_token
        return f"{request.path}?{urlencode(query)}"

    more = start + size < len(found)
    before = found[start - size - 1][0] if start > size else ""
    return jsonify(
        {
            "end": number * size + max(len(shown) - 1, 0),
            "first_page_uri": link(0),
            "next_page_uri": link(number + 1, f"PA{shown[-1][0]}") if more and shown else None,
            "page": number,
            "page_size": size,
            "previous_page_uri": link(number - 1, before and f"PA{before}") if number else None,
            "start": number * size,
            "uri": request.full_path.rstrip("?"),
            key: [resource for _, resource in shown],
        }
    )
