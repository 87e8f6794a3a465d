"""The telephone in the browser: its page, and the requests that the page makes.

A page that can post here can ring the service under any number, so only pages that came from here,
on this machine, may: hosts are loopback names, and a POST must come from the page's own origin.
"""

import logging
import math
import re
import secrets
import threading
import time

from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from flask import Blueprint, Response, jsonify, render_template, request

from exchange.calls import FINAL, CallRecord
from exchange.interpreter import BY_API, Call
from exchange.legs import drive
from exchange.numbers import WITHHELD, is_valid, receives_sms, to_e164, to_national
from exchange.rest.devices import Unwell
from exchange.rest.patience import MOST_PATIENT, PATIENCE_S, Patience
from exchange.rest.server import Simulator
from exchange.settings import LOOPBACK, Settings
from exchange.subscribers import Rung
from exchange.switchboard import spawn
from tools.simulator.browser import AWAY_S, BrowserLeg, LineClock
from tools.simulator.rung_phone import RungPages
from tools.simulator.sayings import in_pairs

log = logging.getLogger(__name__)

FILES = Path(__file__).parent / "telephone"
# Calls at a time, and calls that are over whose page may still ask for its texts.
MOST_LIVE = 20
MOST_KEPT = 100
MOST_WORDS = 500
KEYS = re.compile(r"[0-9*#]{1,40}")
TEN_DIGITS = 10


@dataclass(frozen=True)
class Line:
    """One call from a page. `id` is a secret between the page and this process."""

    id: str
    leg: BrowserLeg
    call: Call
    record: CallRecord
    since: datetime
    ended: threading.Event = field(default_factory=threading.Event)

    @property
    def own(self) -> str:
        """The number of the page, of any caller."""
        call = self.call
        return call.sender if call.direction == "inbound" else call.recipient

    def numbers(self) -> set[str]:
        """Return the numbers whose texts this caller sees: its own, and mobiles it gave."""
        found = {self.own}
        for event in self.leg.look(0)["events"]:
            digits = re.sub(r"\D", "", event["text"]) if event["kind"] in {"keys", "said"} else ""
            number = to_e164(digits) if len(digits) == TEN_DIGITS else None
            if number and is_valid(number) and receives_sms(number):
                found.add(number)
        return found


class Phone:
    """The lines of all pages. `now` is a clock in seconds that never goes back."""

    def __init__(
        self,
        simulator: Simulator,
        *,
        now: Callable[[], float] = time.monotonic,
        most_live: int = MOST_LIVE,
        away_s: float = AWAY_S,
        patience_s: float = PATIENCE_S,
        most_patient: int = MOST_PATIENT,
    ) -> None:
        self._simulator, self._now = simulator, now
        self._most_live, self._away_s = most_live, away_s
        self._lines: OrderedDict[str, Line] = OrderedDict()
        self._lock = threading.Lock()
        self._patience = Patience(patience_s, most_patient)
        self.rung = RungPages(now)

    def ring(self, sender: str, recipient: str = "") -> Line:
        """Have `sender` (E.164) ring the service; raises Unwell when too many calls are live.

        `recipient` is one of the service's numbers; empty: the national one.
        """
        line = self._line(sender, recipient or self._simulator.settings.national_number)
        self._keep(line)
        self._simulator.calls.add(line.record)
        spawn(lambda: self._run(line))
        return line

    def take(self, key: str) -> Line:
        """Take a call of the service's that rings a page; raises Unwell when it rings no more."""
        rung = self.rung.take(key)
        if rung is None:
            raise Unwell("rang_out", HTTPStatus.NOT_FOUND)
        line = self._taken(rung)
        try:
            self._keep(line)
        except Unwell:
            rung.refuse("busy")
            raise
        rung.record.status = "in-progress"
        spawn(lambda: self._run(line))
        return line

    def _keep(self, line: Line) -> None:
        with self._lock:
            if sum(not each.ended.is_set() for each in self._lines.values()) >= self._most_live:
                raise Unwell("too_many_calls", HTTPStatus.SERVICE_UNAVAILABLE)
            self._lines[line.id] = line
            over = [each.id for each in self._lines.values() if each.ended.is_set()]
            for old in over[: max(0, len(self._lines) - MOST_KEPT)]:
                del self._lines[old]

    def line(self, line_id: str) -> Line:
        """Return a call; raises Unwell when this process does not know it."""
        with self._lock:
            line = self._lines.get(line_id)
        if line is None:
            raise Unwell("gone", HTTPStatus.NOT_FOUND)
        return line

    def state(self, line: Line, after: int, *, patient: bool = False) -> dict[str, Any]:
        """Return all that the page shows; `patient` waits a moment for the service's answer."""
        with self._patience.of(wanted=patient) as seconds:
            looked = line.leg.look(after, seconds)
        call = line.call
        if call.end_reason == BY_API:
            looked["left"] = "cut"
        return {
            **looked,
            "id": line.id,
            "from": line.own,
            "queue": call.queue,
            "talk": asdict(seat) if (seat := call.seat) else None,
            "end": call.end_reason if looked["waits"] == "over" else None,
            "errors": [asdict(error) for error in call.errors],
            "texts": self._texts(line),
        }

    def _texts(self, line: Line) -> list[dict[str, str]]:
        numbers = line.numbers()
        found = [
            message
            for message in self._simulator.messages.newest_first()
            if message.recipient in numbers and message.date_created >= line.since
        ]
        return [
            {
                "sid": message.sid,
                "from": message.sender,
                "to": message.recipient,
                "body": message.body,
                "at": message.date_created.isoformat(),
            }
            for message in reversed(found)
        ]

    def _line(self, sender: str, recipient: str) -> Line:
        simulator, settings = self._simulator, self._simulator.settings
        since = simulator.clock.now()
        record = CallRecord(
            settings.twilio_account_sid,
            sender,
            recipient,
            since,
            direction="inbound",
            status="in-progress",
            start_time=since,
        )
        leg = BrowserLeg(self._now, record, self._away_s)
        call = Call(
            **settings.incoming,
            transport=simulator.transport,
            sender=sender,
            recipient=recipient,
            clock=LineClock(leg),
            call_sid=record.sid,
            heard_by=leg.heard,
            switchboard=simulator.switchboard,
        )
        return self._at_page(leg, call, record)

    def _taken(self, rung: Rung) -> Line:
        """Return the line that a call of the service's becomes in a page."""
        leg = BrowserLeg(self._now, rung.record, self._away_s)
        return self._at_page(leg, rung.make(LineClock(leg), leg.heard), rung.record)

    def _at_page(self, leg: BrowserLeg, call: Call, record: CallRecord) -> Line:
        leg.sits_at(call)
        return Line(secrets.token_urlsafe(16), leg, call, record, self._simulator.clock.now())

    def _run(self, line: Line) -> None:
        call, record = line.call, line.record
        try:
            drive(call, line.leg)
        except Exception:
            # Whatever it was, the page must hear of an end.
            log.exception("a call of the browser's telephone failed")
            call.ended, call.end_reason = True, "application-error"
        finally:
            record.transcript = call.spoken
            record.status = call.status if call.status in FINAL else "completed"
            record.end_time = record.date_updated = self._simulator.clock.now()
            record.duration = math.ceil((record.end_time - line.since).total_seconds())
            line.leg.over()
            line.ended.set()


def blueprint(phone: Phone, settings: Settings) -> Blueprint:
    """The page at /telephone, its files and its requests."""
    pages = Blueprint(
        "telephone",
        __name__,
        url_prefix="/telephone",
        template_folder=str(FILES),
        static_folder=str(FILES),
        static_url_path="/files",
    )
    pages.before_request(check_origin)
    pages.register_error_handler(Unwell, Unwell.response)
    media = f"{settings.service_base} {settings.public_base}"
    policy = (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self';"
        f" img-src 'self' data:; media-src {media};"
        " base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )

    @pages.after_request
    def protect(response: Response) -> Response:
        response.headers["Content-Security-Policy"] = policy
        response.headers["X-Content-Type-Options"] = "nosniff"
        response.headers["Referrer-Policy"] = "no-referrer"
        response.headers["Cache-Control"] = "no-store"
        return response

    @pages.get("", strict_slashes=False)
    def page() -> str:
        return render_template(
            "telephone.html",
            number=_shown(settings.national_number),
            # To choose from, where there are several.
            numbers=[
                {"number": number, "shown": _shown(number), "name": name}
                for number, name in settings.numbers.items()
            ],
            service=settings.service_base,
        )

    @pages.post("/calls")
    def ring() -> tuple[Response, int]:
        given = fields()
        line = phone.ring(sender_of(given), recipient_of(given, settings))
        return jsonify(phone.state(line, 0, patient=True)), HTTPStatus.CREATED

    @pages.get("/rung")
    def rung() -> Response:
        number = sender_of(request.args)
        return jsonify(rung=phone.rung.look(number, busy="busy" in request.args))

    @pages.post("/rung/<key>")
    def answer(key: str) -> tuple[Response, int]:
        if fields().get("take") is True:
            line = phone.take(key)
            return jsonify(phone.state(line, 0, patient=True)), HTTPStatus.CREATED
        return jsonify(done=phone.rung.refuse(key)), HTTPStatus.OK

    @pages.get("/calls/<line_id>")
    def look(line_id: str) -> Response:
        return jsonify(phone.state(phone.line(line_id), after()))

    @pages.post("/calls/<line_id>")
    def do(line_id: str) -> Response:
        line = phone.line(line_id)
        result = act(line.leg, fields())
        return jsonify(result=result, **phone.state(line, after(), patient=True))

    return pages


def check_origin() -> None:
    """Raise Unwell for a page of another site: rebound names and forged posts."""
    if urlsplit(f"//{request.host}").hostname not in LOOPBACK:
        raise Unwell("not_this_host", HTTPStatus.FORBIDDEN)
    own = f"{request.scheme}://{request.host}"
    if request.method not in {"GET", "HEAD"} and request.headers.get("Origin") != own:
        raise Unwell("not_this_origin", HTTPStatus.FORBIDDEN)


def fields() -> Mapping[str, Any]:
    """Return the request's JSON object; raises Unwell."""
    given = request.get_json(silent=True)
    if not isinstance(given, dict):
        raise Unwell("bad_request", HTTPStatus.BAD_REQUEST)
    return given


def after() -> int:
    """Return how many events the page has already."""
    return max(0, request.args.get("after", 0, int))


def sender_of(given: Mapping[str, Any]) -> str:
    """Return the calling number as E.164; raises Unwell for what is none."""
    typed = given.get("from") or given.get("number")
    number = to_e164(typed) if isinstance(typed, str) else None
    if number is None or (number != WITHHELD and not is_valid(number)):
        raise Unwell("bad_number", HTTPStatus.BAD_REQUEST)
    return number


def recipient_of(given: Mapping[str, Any], settings: Settings) -> str:
    """Return the number of the service's that is called; raises Unwell for what is none."""
    number = given.get("to") or settings.national_number
    if number not in settings.numbers:
        raise Unwell("bad_number", HTTPStatus.BAD_REQUEST)
    return str(number)


def _shown(number: str) -> str:
    return in_pairs(to_national(number)) if is_valid(number) else number


def act(leg: BrowserLeg, given: Mapping[str, Any]) -> str:
    """Do what the page says the caller did, and return what became of it; raises Unwell.

    `turn` is the question that the page answers, so that nothing lands on the one after it.
    """
    match given:
        case {"hang_up": True}:
            return leg.hang_up()
        case {"played": int(count)}:
            return leg.has_played(count)
        case {"turn": int(turn), "keys": str(keys)} if KEYS.fullmatch(keys):
            return leg.press(turn, keys, interrupts=given.get("interrupts") is True)
        case {"turn": int(turn), "said": str(text)} if 0 < len(text.strip()) <= MOST_WORDS:
            return leg.say(turn, text.strip(), confidence_of(given))
        case {"turn": int(turn), "silence": True}:
            return leg.stay_silent(turn)
    raise Unwell("bad_request", HTTPStatus.BAD_REQUEST)


def confidence_of(given: Mapping[str, Any]) -> float | None:
    """Return how sure the browser's recogniser is, 0.0 to 1.0, or None where it does not say."""
    value = given.get("confidence")
    return float(value) if isinstance(value, int | float) and 0 < value <= 1 else None
