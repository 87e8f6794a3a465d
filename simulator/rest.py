"""Twilio's REST paths for messages and calls, as a Flask application."""

import base64
import binascii
import hmac
import re
import time

from collections import deque
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from datetime import time as clock_time
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any
from urllib.parse import urlencode

from flask import Flask, Response, jsonify, render_template_string, request

from simulator.background import Background
from simulator.calls import FINAL, CallRecord, Ringing
from simulator.clock import Clock, WallClock
from simulator.exchange import API_VERSION, Overrides
from simulator.faults import Fault, Faults
from simulator.messages import Message, MessageLife
from simulator.numbers import is_sender, is_valid, receives_sms
from simulator.phone import Phone
from simulator.phone import blueprint as telephone
from simulator.settings import Settings
from simulator.store import R, Store
from simulator.transport import HttpTransport, Transport
from simulator.validation import Contract

ACCOUNT = f"/{API_VERSION}/Accounts/<AccountSid>"
MAX_BODY = 1600
MIDNIGHT = clock_time(0)
MAX_TWIML = 4000
DEFAULT_PAGE_SIZE = 50
CALL_SID = re.compile(r"CA[0-9a-f]{32}")
CALL_EVENTS = {"initiated", "ringing", "answered", "completed"}
STATUS_CALLBACK_THREADS = 4

PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Twilio simulator</title></head><body>
<h1>A stand-in for Twilio</h1>
<p>It answers Twilio's REST paths for messages and calls under /2010-04-01/. Nothing leaves this
machine: no SMS is sent and no telephone rings. <a href="/telephone">A telephone to try</a>.</p>
<h2>Last SMS</h2>
{% if not messages %}<p>None yet.</p>{% endif %}
{% for message in messages %}<p>{{ message.date_created.strftime("%Y-%m-%d %H:%M:%S") }} UTC,
from {{ message.sender }} to {{ message.recipient }}, {{ message.status }}:<br>
{{ message.body }}</p>{% endfor %}
<h2>Last calls made by the service</h2>
{% if not calls %}<p>None yet.</p>{% endif %}
{% for call in calls %}<p>{{ call.date_created.strftime("%Y-%m-%d %H:%M:%S") }} UTC,
from {{ call.sender }} to {{ call.recipient }}, {{ call.status }}:<br>
{{ call.transcript | join(" ") }}</p>{% endfor %}
</body></html>
"""


class Refused(Exception):
    """A request that Twilio answers with an error body; `code` is Twilio's error number."""

    def __init__(
        self, code: int, message: str, status: int = HTTPStatus.BAD_REQUEST, retry_after: float = 0
    ) -> None:
        super().__init__(message)
        self.code, self.message, self.status = code, message, int(status)
        self.retry_after = retry_after

    def response(self) -> Response:
        """Return the answer with Twilio's four fields."""
        response = jsonify(
            code=self.code,
            message=self.message,
            more_info=f"https://www.twilio.com/docs/errors/{self.code}",
            status=self.status,
        )
        response.status_code = self.status
        if self.status == HTTPStatus.UNAUTHORIZED:
            response.headers["WWW-Authenticate"] = 'Basic realm="Twilio API"'
        if self.retry_after:
            response.headers["Retry-After"] = f"{self.retry_after:g}"
        return response


class CutBody:
    """A body that breaks off before its first byte, so that the server drops the connection."""

    def __iter__(self) -> Iterator[bytes]:
        """Break off."""
        raise ConnectionAbortedError("the connection is cut, as the switch asks")


class RateLimit:
    """Counts requests in the last second against the switch `rate_per_second`."""

    def __init__(self, faults: Faults, clock: Clock) -> None:
        self._faults, self._clock = faults, clock
        self._taken: deque[datetime] = deque()

    def exceeded(self) -> bool:
        """Count one request; return whether it is one too many."""
        limit, now = self._faults.rate_per_second, self._clock.now()
        if limit is None:
            return False
        while self._taken and now - self._taken[0] >= timedelta(seconds=1):
            self._taken.popleft()
        if len(self._taken) >= limit:
            return True
        self._taken.append(now)
        return False


class Simulator:
    """The server's state and parts; `app.extensions["simulator"]` holds it for tests."""

    def __init__(
        self,
        settings: Settings,
        *,
        faults: Faults,
        transport: Transport,
        clock: Clock,
        threads: int,
        sleep: Callable[[float], None],
    ) -> None:
        self.settings, self.faults, self.clock, self.sleep = settings, faults, clock, sleep
        self.transport = transport
        self.messages: Store[Message] = Store()
        self.calls: Store[CallRecord] = Store()
        self.background = Background(threads, clock)
        self.rate = RateLimit(faults, clock)
        self.contract = Contract()
        token = settings.twilio_auth_token
        self.life = MessageLife(
            faults=faults,
            background=self.background,
            transport=transport,
            auth_token=token,
            clock=clock,
        )
        self.ringing = Ringing(
            faults=faults,
            background=self.background,
            transport=transport,
            auth_token=token,
            clock=clock,
        )

    def run_pending(self) -> int:
        """Do all that waits in the background now, for a simulator made without threads."""
        return self.background.run_pending()

    def authenticate(self, account_sid: str | None = None) -> None:
        """Raise Refused unless the request bears our account and token."""
        given = request.headers.get("Authorization", "")
        scheme, _, encoded = given.partition(" ")
        try:
            pair = base64.b64decode(encoded, validate=True)
        except binascii.Error:
            pair = b""
        ours = f"{self.settings.twilio_account_sid}:{self.settings.twilio_auth_token}".encode()
        if scheme.lower() != "basic" or not hmac.compare_digest(pair, ours):
            raise Refused(20003, "Authenticate", HTTPStatus.UNAUTHORIZED)
        if account_sid not in {None, self.settings.twilio_account_sid}:
            raise not_found()

    def check(self, account_sid: str) -> None:
        """Raise Refused for a request that Twilio's description does not allow."""
        self.authenticate(account_sid)
        violation = self.contract.violation(request)
        # An absent number or body has an error code of its own, given further down.
        if violation is not None and "is a required property" not in violation:
            raise Refused(20001, f"Invalid parameter: {violation}")

    def take_fault(self) -> Fault:
        """Return the fault for a request that creates something; raises those that refuse it."""
        fault = self.faults.take()
        if fault.kind == "error":
            raise Refused(20500, "An internal server error has occurred", 500)
        if fault.kind == "rate" or self.rate.exceeded():
            raise Refused(20429, "Too Many Requests", 429, retry_after=fault.seconds or 1)
        if fault.kind == "delay":
            self.sleep(fault.seconds)
        return fault


def not_found() -> Refused:
    """Return Twilio's answer for a path that leads to nothing."""
    message = f"The requested resource {request.path} was not found"
    return Refused(20404, message, HTTPStatus.NOT_FOUND)


def created(resource: dict[str, Any], fault: Fault) -> Response:
    """Answer 201, or cut the connection after all was done."""
    response = jsonify(resource)
    response.status_code = HTTPStatus.CREATED
    if fault.kind == "cut":
        # The promised length makes the client notice that nothing follows.
        length = response.headers["Content-Length"]
        response = Response(CutBody(), HTTPStatus.CREATED, mimetype="application/json")
        response.headers["Content-Length"] = length
    return response


def create_app(
    settings: Settings | None = None,
    *,
    faults: Faults | None = None,
    transport: Transport | None = None,
    clock: Clock | None = None,
    threads: int = STATUS_CALLBACK_THREADS,
    sleep: Callable[[float], None] = time.sleep,
) -> Flask:
    """Make the application; one process must serve it, for its state is in memory.

    With `threads=0` nothing happens in the background until
    `app.extensions["simulator"].run_pending()` is called. `transport` carries the callbacks.
    """
    settings = settings or Settings()
    simulator = Simulator(
        settings,
        faults=faults or Faults(),
        transport=transport or HttpTransport(settings.service_base, settings.public_base),
        clock=clock or WallClock(),
        threads=threads,
        sleep=sleep,
    )
    app = Flask(__name__)
    app.extensions["simulator"] = simulator
    app.register_error_handler(Refused, Refused.response)
    app.register_error_handler(404, lambda _: not_found().response())
    app.register_error_handler(405, lambda _: Refused(20004, "Method not allowed", 405).response())
    _add_messages(app, simulator)
    _add_calls(app, simulator)
    _add_control(app, simulator)
    _add_registration(app, simulator)
    app.register_blueprint(telephone(Phone(simulator), settings))
    return app


def _add_messages(app: Flask, simulator: Simulator) -> None:
    @app.post(f"{ACCOUNT}/Messages.json")
    def create_message(AccountSid: str) -> Response:  # noqa: N803 - the description's name
        simulator.check(AccountSid)
        message = _message(AccountSid, simulator.clock.now())
        fault = simulator.take_fault()
        simulator.messages.add(message)
        resource = message.resource()
        simulator.life.begin(message)
        return created(resource, fault)

    @app.get(f"{ACCOUNT}/Messages.json")
    def list_messages(AccountSid: str) -> Response:  # noqa: N803
        simulator.check(AccountSid)
        wanted = _between("DateSent")
        found = [message for message in _matching(simulator.messages) if wanted(message.date_sent)]
        return _page("messages", found)

    @app.get(f"{ACCOUNT}/Messages/<Sid>.json")
    def fetch_message(AccountSid: str, Sid: str) -> Response:  # noqa: N803
        simulator.authenticate(AccountSid)
        message = simulator.messages.get(Sid)
        if message is None:
            raise not_found()
        return jsonify(message.resource())


def _message(account_sid: str, now: datetime) -> Message:
    """Return the message that the form asks for; raises Refused with Twilio's code."""
    form = request.form
    recipient, sender, body = form.get("To", ""), form.get("From", ""), form.get("Body", "")
    if not recipient:
        raise Refused(21604, "A 'To' phone number is required.")
    if not sender:
        raise Refused(21603, "A 'From' phone number is required.")
    if not body.strip():
        raise Refused(21602, "Message body is required.")
    if len(body) > MAX_BODY:
        message = f"The concatenated message body exceeds the {MAX_BODY} character limit."
        raise Refused(21617, message)
    if not is_valid(recipient):
        raise Refused(21211, f"The 'To' number {recipient} is not a valid phone number.")
    if not receives_sms(recipient):
        raise Refused(21614, f"To number: {recipient}, is not a mobile number")
    if not is_sender(sender):
        message = (
            f"The From phone number {sender} is not a valid, SMS-capable inbound phone number"
            " or short code for your account."
        )
        raise Refused(21606, message)
    callback = _url("StatusCallback", 21609)
    return Message(account_sid, sender, recipient, body, now, status_callback=callback)


def _add_calls(app: Flask, simulator: Simulator) -> None:
    @app.post(f"{ACCOUNT}/Calls.json")
    def create_call(AccountSid: str) -> Response:  # noqa: N803
        simulator.check(AccountSid)
        record = _call(AccountSid, simulator.clock.now())
        fault = simulator.take_fault()
        simulator.calls.add(record)
        resource = record.resource()
        simulator.ringing.begin(record)
        return created(resource, fault)

    @app.get(f"{ACCOUNT}/Calls.json")
    def list_calls(AccountSid: str) -> Response:  # noqa: N803
        simulator.check(AccountSid)
        started, ended = _between("StartTime"), _between("EndTime")
        status = request.args.get("Status")
        found = [
            record
            for record in _matching(simulator.calls)
            if started(record.start_time)
            and ended(record.end_time)
            and status in {None, record.status}
            and "ParentCallSid" not in request.args
        ]
        return _page("calls", found)

    @app.get(f"{ACCOUNT}/Calls/<Sid>.json")
    def fetch_call(AccountSid: str, Sid: str) -> Response:  # noqa: N803
        simulator.authenticate(AccountSid)
        return jsonify(_known_call(simulator, Sid).resource())

    @app.post(f"{ACCOUNT}/Calls/<Sid>.json")
    def update_call(AccountSid: str, Sid: str) -> Response:  # noqa: N803
        simulator.authenticate(AccountSid)
        record = _known_call(simulator, Sid)
        simulator.check(AccountSid)
        status = request.form.get("Status")
        twiml, url = request.form.get("Twiml", ""), _url("Url", 21205)
        if len(twiml) > MAX_TWIML:
            raise Refused(32018, f"Twiml parameter is longer than {MAX_TWIML} characters")
        if status is not None:
            simulator.ringing.end(record, status)
        elif twiml or url:
            if record.status in FINAL:
                raise Refused(21220, "Call is not in-progress. Cannot redirect.")
            record.twiml, record.url = twiml, url
            record.date_updated = simulator.clock.now()
        return jsonify(record.resource())


def _known_call(simulator: Simulator, sid: str) -> CallRecord:
    record = simulator.calls.get(sid)
    if record is None:
        raise not_found()
    return record


def _call(account_sid: str, now: datetime) -> CallRecord:
    """Return the call that the form asks for; raises Refused with Twilio's code."""
    form = request.form
    recipient, sender, twiml = form.get("To", ""), form.get("From", ""), form.get("Twiml", "")
    if not recipient:
        raise Refused(21201, "No 'To' number is specified")
    if not sender:
        raise Refused(21213, "No 'From' number is specified")
    if not is_valid(recipient):
        raise Refused(21211, f"The 'To' number {recipient} is not a valid phone number.")
    if not is_valid(sender):
        raise Refused(21212, f"The caller ID {sender} is not a valid phone number")
    url = _url("Url", 21205)
    if not url and not twiml:
        raise Refused(21205, "Url parameter is required.")
    if len(twiml) > MAX_TWIML:
        raise Refused(32018, f"Twiml parameter is longer than {MAX_TWIML} characters")
    events = tuple(" ".join(form.getlist("StatusCallbackEvent")).split()) or ("completed",)
    if set(events) - CALL_EVENTS:
        raise Refused(21626, f"Invalid StatusCallbackEvent {' '.join(events)}")
    return CallRecord(
        account_sid,
        sender,
        recipient,
        now,
        url=url,
        method=form.get("Method", "POST"),
        twiml=twiml,
        fallback_url=_url("FallbackUrl", 21205),
        status_callback=_url("StatusCallback", 21609),
        status_events=events,
    )


def _url(name: str, code: int) -> str:
    """Return an absolute URL of the form, or an empty string when absent."""
    url = request.form.get(name, "")
    if url and not re.match(r"https?://[^/?#\s]+", url):
        raise Refused(code, f"{name} is not a valid URL: {url}")
    try:
        Overrides.of(url)
    except ValueError as error:
        raise Refused(code, f"{name}: {error}") from error
    return url


def _add_control(app: Flask, simulator: Simulator) -> None:
    @app.get("/healthz")
    def healthz() -> Response:
        return Response("ok", mimetype="text/plain")

    @app.get("/")
    def home() -> str:
        return render_template_string(
            PAGE,
            messages=simulator.messages.newest_first()[:20],
            calls=simulator.calls.newest_first()[:20],
        )

    @app.get("/_faults")
    def show_faults() -> Response:
        simulator.authenticate()
        return jsonify(simulator.faults.state())

    @app.post("/_faults")
    def set_faults() -> Response:
        simulator.authenticate()
        wanted = request.get_json(silent=True)
        if not isinstance(wanted, dict):
            raise Refused(20001, "The body is not a JSON object")
        try:
            simulator.faults.set(wanted)
        except (ValueError, TypeError) as error:
            raise Refused(20001, str(error)) from error
        return jsonify(simulator.faults.state())


def _add_registration(app: Flask, simulator: Simulator) -> None:
    @app.post("/_calls")
    def register_call() -> Response:
        """Let a telephone outside this process show its call, so that Calls.json lists it."""
        simulator.authenticate()
        form = request.form
        if not CALL_SID.fullmatch(form.get("CallSid", "")):
            raise Refused(20001, "CallSid is not the SID of a call")
        now = simulator.clock.now()
        record = simulator.calls.get(form["CallSid"])
        if record is None:
            record = CallRecord(
                simulator.settings.twilio_account_sid,
                form.get("From", ""),
                form.get("To", ""),
                now,
                direction="inbound",
                sid=form["CallSid"],
                start_time=now,
            )
            simulator.calls.add(record)
        record.status = form.get("CallStatus", "in-progress")
        record.date_updated = now
        if record.status in FINAL:
            record.end_time = now
            record.duration = form.get("CallDuration", 0, int)
        return jsonify(record.resource())


def _matching(store: Store[R]) -> list[R]:
    """Return the records with the To and From of the query, the newest first."""
    to, sender = request.args.get("To"), request.args.get("From")
    return [
        record
        for record in store.newest_first()
        if to in {None, record.recipient} and sender in {None, record.sender}
    ]


def _between(name: str) -> Callable[[datetime | None], bool]:
    """Return the test that `name`, `name<` and `name>` of the query ask for, bounds included.

    A bare date stands for that whole day in UTC, an instant for that second. For equality,
    midnight means the day too: so Twilio's own library writes a date.
    """
    bounds = {
        operator: _instant(f"{name}{operator}", request.args[f"{name}{operator}"])
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


def _instant(name: str, value: str) -> tuple[datetime, datetime]:
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


def _page(key: str, found: list[R]) -> Response:
    """Return one page of a list in Twilio's form, with links that keep the filters.

    A page token names the last record of the page before, so that new records move nothing.
    """
    size = request.args.get("PageSize", DEFAULT_PAGE_SIZE, int)
    page = request.args.get("Page", 0, int)
    token = request.args.get("PageToken", "")
    start = page * size
    if token:
        after = token.removeprefix("PA")
        start = next((n + 1 for n, record in enumerate(found) if record.sid == after), len(found))
    shown = found[start : start + size]
    filters = {
        name: value
        for name, value in request.args.items()
        if name not in {"PageSize", "Page", "PageToken"}
    }

    def link(number: int, page_token: str = "") -> str:
        query = {**filters, "PageSize": size, "Page": number}
        if page_token:
            query["PageToken"] = page_token
        return f"{request.path}?{urlencode(query)}"

    more = start + size < len(found)
    before = found[start - size - 1].sid if start > size else ""
    return jsonify(
        {
            "end": page * size + max(len(shown) - 1, 0),
            "first_page_uri": link(0),
            "next_page_uri": link(page + 1, f"PA{shown[-1].sid}") if more and shown else None,
            "page": page,
            "page_size": size,
            "previous_page_uri": link(page - 1, before and f"PA{before}") if page else None,
            "start": page * size,
            "uri": request.full_path.rstrip("?"),
            key: [record.resource() for record in shown],
        }
    )
