"""The REST paths of calls, and the paths by which telephones elsewhere bring theirs in."""

import re

from collections.abc import Mapping
from dataclasses import asdict
from http import HTTPStatus

from flask import Blueprint, Flask, Response, jsonify, request

from exchange.calls import FINAL, CallRecord
from exchange.interpreter import Call
from exchange.numbers import is_valid
from exchange.orders import NoSeat, Party, QueueRefused, Wish
from exchange.rest.paths import (
    INCOMPLETE,
    Refused,
    answer,
    between,
    fields,
    given_twiml,
    given_url,
    known,
    matching,
    page,
)
from exchange.rest.patience import Patience
from exchange.rest.rights import may_call
from exchange.rest.server import Simulator
from exchange.ringing import CLIENT

CALL_SID = re.compile(r"CA[0-9a-f]{32}")
CLIENT_NAME = re.compile(r"client:[A-Za-z0-9_.@+-]{1,120}")
DIRECTIONS = {"inbound", "outbound-api", "outbound-dial"}
CALL_EVENTS = {"initiated", "ringing", "answered", "completed"}


def add_calls(app: Flask, simulator: Simulator) -> None:  # noqa: C901 - routes
    at = simulator.paths(app)

    @at("POST", "/Calls.json")
    def create_call() -> Response:
        simulator.check()
        record = _call(simulator)
        fault = simulator.take_call_fault()
        simulator.calls.add(record)
        resource = record.resource()
        simulator.ringing.begin(record)
        return answer(resource, fault, HTTPStatus.CREATED)

    @at("GET", "/Calls.json")
    def list_calls() -> Response:
        simulator.check()
        started, ended = between("StartTime"), between("EndTime")
        status, parent = request.args.get("Status"), request.args.get("ParentCallSid")
        found = [
            record
            for record in matching(simulator.calls)
            if started(record.start_time)
            and ended(record.end_time)
            and status in {None, record.status}
            and parent in {None, record.parent_sid}
        ]
        return page("calls", [(record.sid, record.resource()) for record in found])

    @at("GET", "/Calls/<Sid>.json")
    def fetch_call(Sid: str) -> Response:  # noqa: N803
        return jsonify(known(simulator.calls.get(Sid)).resource())

    @at("POST", "/Calls/<Sid>.json")
    def update_call(Sid: str) -> Response:  # noqa: N803
        record = known(simulator.calls.get(Sid))
        simulator.check()
        form = request.form
        status, twiml, url = form.get("Status"), given_twiml(), given_url("Url", 21205)
        callback = given_url("StatusCallback", 21609)
        fault = simulator.take_fault()
        if callback:
            _report_to(simulator, record, callback)
        if status is not None:
            simulator.ringing.end(record, status)
        elif twiml or url:
            method = form.get("Method", "POST")
            switchboard = simulator.switchboard
            if not switchboard.redirect(record.sid, url, method=method, twiml=twiml):
                raise Refused(21220, "Call is not in-progress. Cannot redirect.")
            record.date_updated = simulator.clock.now()
        return answer(record.resource(), fault)

    @at("DELETE", "/Calls/<Sid>.json")
    def delete_call(Sid: str) -> Response:  # noqa: N803
        record = known(simulator.calls.get(Sid))
        simulator.check()
        simulator.take_fault()
        if record.status not in FINAL:
            raise Refused(20009, INCOMPLETE, HTTPStatus.CONFLICT)
        simulator.calls.remove(Sid)
        return Response(status=HTTPStatus.NO_CONTENT)


def _report_to(simulator: Simulator, record: CallRecord, callback: str) -> None:
    record.status_url = callback
    call = simulator.switchboard.live(record.sid)
    if isinstance(call, Call):
        call.report_to(callback)


def _call(simulator: Simulator) -> CallRecord:
    """Return the call that the form asks for; raises Refused with Twilio's code."""
    record = rung(simulator)
    record.url, record.twiml = given_url("Url", 21205), given_twiml()
    if not record.url and not record.twiml:
        raise Refused(21205, "Url parameter is required.")
    record.method = request.form.get("Method", "POST")
    record.fallback_url = given_url("FallbackUrl", 21205)
    return record


def rung(simulator: Simulator) -> CallRecord:
    """Return a call to whom the form names, and what is told of it; raises Refused."""
    recipient, sender = _numbers()
    may_call(simulator.account, sender, recipient)
    return CallRecord(
        simulator.settings.twilio_account_sid,
        sender,
        recipient,
        simulator.clock.now(),
        status_url=given_url("StatusCallback", 21609),
        status_events=_events(),
        timeout_s=request.form.get("Timeout", 60, int),
    )


def _numbers() -> tuple[str, str]:
    """Return whom to ring and who rings, as the form has them; raises Refused."""
    form = request.form
    recipient, sender = form.get("To", ""), form.get("From", "")
    if not recipient:
        raise Refused(21201, "No 'To' number is specified")
    if not sender:
        raise Refused(21213, "No 'From' number is specified")
    if recipient.startswith(CLIENT):
        if not CLIENT_NAME.fullmatch(recipient):
            raise Refused(21217, f"{recipient} is not a valid client name")
    elif not is_valid(recipient):
        raise Refused(21211, f"The 'To' number {recipient} is not a valid phone number.")
    if not is_valid(sender):
        raise Refused(21212, f"The caller ID {sender} is not a valid phone number")
    return recipient, sender


def _events() -> tuple[str, ...]:
    """Return the call events that the form asks to be told of; raises Refused."""
    given = tuple(" ".join(request.form.getlist("StatusCallbackEvent")).split()) or ("completed",)
    if set(given) - CALL_EVENTS:
        raise Refused(21626, f"Invalid StatusCallbackEvent {' '.join(given)}")
    return given


def add_lines(own: Blueprint, simulator: Simulator) -> None:  # noqa: C901 - routes
    """Add what a telephone in another process asks; see `remote.RemoteSwitchboard`."""
    switchboard, boxes = simulator.switchboard, simulator.boxes
    patience = Patience()

    def party(sid: str) -> Party:
        return known(switchboard.live(sid))

    @own.post("/_calls")
    def register_call() -> Response:
        """Show a call in Calls.json; with `Box`, it can also be reached.

        One that the service asked for and that is over does not come to life again: the answer
        says how it ended.
        """
        form, now = request.form, simulator.clock.now()
        status, life = form.get("CallStatus", "in-progress"), ""
        record = _shown(simulator, form)
        if record.status in FINAL and (status in FINAL or record.direction != "inbound"):
            return jsonify(record.resource())
        if status in FINAL and form.get("Box") and not boxes.runs(form["Box"], record.sid):
            # Who was not sure to have had it has not.
            return jsonify(record.resource())
        record.status, record.date_updated = status, now
        if status in FINAL:
            record.duration = form.get("CallDuration", 0, int)
            boxes.end(record.sid, status)
            record.end_time = now
        elif form.get("Box"):
            life = boxes.begin(form["Box"], form)
        return jsonify({**record.resource(), "life": life})

    @own.get("/_orders")
    def orders() -> Response:
        box, after = request.args.get("box", ""), request.args.get("after", 0, int)
        known = request.args.get("life", "")
        with patience.of(wanted=request.args.get("wait") != "0") as seconds:
            life, found = boxes.orders(box, after, seconds, known)
        return jsonify(life=life, orders=found)

    @own.post("/_calls/<sid>/queue")
    def enqueue(sid: str) -> Response:
        call = party(sid)
        try:
            return jsonify(sid=switchboard.enqueue(call, fields()["queue"]))
        except QueueRefused as refused:
            return jsonify(refused=refused.result, sid=refused.sid)

    @own.get("/_calls/<sid>/queue")
    def figures(sid: str) -> Response:
        return jsonify(switchboard.figures(party(sid)))

    @own.delete("/_calls/<sid>/queue")
    def leave_queue(sid: str) -> Response:
        return jsonify(left=switchboard.leave_queue(party(sid)))

    @own.post("/_calls/<sid>/conference")
    def join(sid: str) -> Response:
        call, given = party(sid), fields()
        try:
            seat = switchboard.join(call, Wish(**{**given, "events": tuple(given["events"])}))
        except NoSeat as refused:
            return jsonify(refused=str(refused))
        return jsonify(asdict(seat))

    @own.delete("/_calls/<sid>/conference")
    def leave_conference(sid: str) -> Response:
        switchboard.leave_conference(party(sid), request.args.get("reason", ""))
        return jsonify(left=True)


def _shown(simulator: Simulator, form: Mapping[str, str]) -> CallRecord:
    """Return the record of a call that runs elsewhere, made if need be; raises Refused."""
    sid, direction = form.get("CallSid", ""), form.get("Direction", "inbound")
    if not CALL_SID.fullmatch(sid):
        raise Refused(20001, "CallSid is not the SID of a call")
    if direction not in DIRECTIONS:
        raise Refused(20001, "Direction is none of a call's")
    record = simulator.calls.get(sid)
    if record is None:
        now = simulator.clock.now()
        record = CallRecord(
            simulator.settings.twilio_account_sid,
            form.get("From", ""),
            form.get("To", ""),
            now,
            direction=direction,
            sid=sid,
            start_time=now,
        )
        simulator.calls.add(record)
    return record
