"""The REST paths of conferences and of those who are in them."""

from datetime import datetime
from http import HTTPStatus
from xml.sax.saxutils import escape, quoteattr

from flask import Flask, Response, jsonify, request

from exchange.calls import CallRecord
from exchange.conferences import Conference, Participant
from exchange.orders import NoSeat
from exchange.rest.calls import events, numbers
from exchange.rest.paths import (
    ACCOUNT,
    Refused,
    between,
    changed,
    created,
    given_flag,
    given_url,
    not_found,
    page,
)
from exchange.rest.server import Simulator

CONFERENCE_EVENTS = {
    "start",
    "end",
    "join",
    "leave",
    "mute",
    "hold",
    "modify",
    "speaker",
    "announcement",
}
PARTICIPANT = f"{ACCOUNT}/Conferences/<ConferenceSid>/Participants/<CallSid>.json"


def add_conferences(app: Flask, simulator: Simulator) -> None:  # noqa: C901, PLR0915 - routes
    """Add conferences and their participants."""
    switchboard = simulator.switchboard

    def known(sid: str) -> Conference:
        conference = switchboard.conference(sid)
        if conference is None:
            raise not_found()
        return conference

    def member(sid: str, call_sid: str) -> tuple[Conference, Participant]:
        conference = known(sid)
        participant = switchboard.participant(conference, call_sid)
        if participant is None:
            raise not_found()
        return conference, participant

    @app.get(f"{ACCOUNT}/Conferences.json")
    def list_conferences(AccountSid: str) -> Response:  # noqa: N803 - the description's name
        simulator.check(AccountSid)
        made, updated = between("DateCreated"), between("DateUpdated")
        status, name = request.args.get("Status"), request.args.get("FriendlyName")
        found = [
            (conference.sid, conference.resource())
            for conference in switchboard.conferences()
            if status in {None, conference.status}
            and name in {None, conference.name}
            and made(conference.date_created)
            and updated(conference.date_updated or conference.date_created)
        ]
        return page("conferences", found)

    @app.get(f"{ACCOUNT}/Conferences/<Sid>.json")
    def fetch_conference(AccountSid: str, Sid: str) -> Response:  # noqa: N803
        simulator.authenticate(AccountSid)
        return jsonify(known(Sid).resource())

    @app.post(f"{ACCOUNT}/Conferences/<Sid>.json")
    def update_conference(AccountSid: str, Sid: str) -> Response:  # noqa: N803
        simulator.authenticate(AccountSid)
        conference = known(Sid)
        simulator.check(AccountSid)
        announcement = given_url("AnnounceUrl", 21205)
        fault = simulator.take_fault()
        if conference.status == "completed":
            raise not_found()
        if announcement:
            method = request.form.get("AnnounceMethod", "POST")
            switchboard.announce(conference, announcement, method)
        if request.form.get("Status") == "completed":
            switchboard.end_conference(conference)
        return changed(conference.resource(), fault)

    @app.get(f"{ACCOUNT}/Conferences/<ConferenceSid>/Participants.json")
    def list_participants(AccountSid: str, ConferenceSid: str) -> Response:  # noqa: N803
        simulator.authenticate(AccountSid)
        conference = known(ConferenceSid)
        simulator.check(AccountSid)
        wanted = {name: request.args.get(name) for name in ("Muted", "Hold", "Coaching")}
        found = [
            (call_sid, resource)
            for call_sid, resource in switchboard.participants(conference)
            if all(
                value is None or resource[name.lower()] == (value.lower() == "true")
                for name, value in wanted.items()
            )
        ]
        return page("participants", found)

    @app.post(f"{ACCOUNT}/Conferences/<ConferenceSid>/Participants.json")
    def create_participant(AccountSid: str, ConferenceSid: str) -> Response:  # noqa: N803
        simulator.check(AccountSid)
        record = _leg(AccountSid, simulator.clock.now())
        fault = simulator.take_call_fault()
        conference = switchboard.conference(ConferenceSid)
        if conference is not None and conference.status == "completed":
            raise not_found()
        # A name is as good as a SID, and makes a conference where there is none.
        conference = conference or switchboard.conference_for(ConferenceSid)
        record.twiml = _joins(conference.name)
        label = request.form.get("Label", "")
        simulator.calls.add(record)
        switchboard.expect(conference, record.sid, label)
        resource = conference.expected_resource(record, label, _wish_flags())
        simulator.ringing.begin(record)
        return created(resource, fault)

    @app.get(PARTICIPANT)
    def fetch_participant(AccountSid: str, ConferenceSid: str, CallSid: str) -> Response:  # noqa: N803
        simulator.authenticate(AccountSid)
        conference, participant = member(ConferenceSid, CallSid)
        return jsonify(conference.participant_resource(participant))

    @app.post(PARTICIPANT)
    def update_participant(AccountSid: str, ConferenceSid: str, CallSid: str) -> Response:  # noqa: N803
        simulator.authenticate(AccountSid)
        conference, participant = member(ConferenceSid, CallSid)
        simulator.check(AccountSid)
        form = request.form
        hold_url, announcement = given_url("HoldUrl", 21205), given_url("AnnounceUrl", 21205)
        coached = form.get("CallSidToCoach", "")
        if given_flag("Coaching") and not coached and not participant.coaching:
            raise Refused(16025, "CallSidToCoach is required to coach")
        fault = simulator.take_fault()
        try:
            switchboard.change(
                conference,
                participant,
                muted=given_flag("Muted"),
                hold=given_flag("Hold"),
                hold_url=hold_url,
                hold_method=form.get("HoldMethod", "GET"),
                end=given_flag("EndConferenceOnExit"),
                coaching=given_flag("Coaching"),
                coached=coached,
            )
        except NoSeat as error:
            raise Refused(16025, str(error)) from error
        if announcement:
            method = form.get("AnnounceMethod", "POST")
            switchboard.announce(conference, announcement, method, participant)
        return changed(conference.participant_resource(participant), fault)

    @app.delete(PARTICIPANT)
    def delete_participant(AccountSid: str, ConferenceSid: str, CallSid: str) -> Response:  # noqa: N803
        simulator.authenticate(AccountSid)
        conference, participant = member(ConferenceSid, CallSid)
        simulator.take_fault()
        switchboard.kick(conference, participant)
        return Response(status=HTTPStatus.NO_CONTENT)


def _leg(account_sid: str, now: datetime) -> CallRecord:
    """Return the call to a new participant that the form asks for; raises Refused."""
    recipient, sender = numbers()
    return CallRecord(
        account_sid,
        sender,
        recipient,
        now,
        status_callback=given_url("StatusCallback", 21609),
        status_events=events(),
        timeout_s=request.form.get("Timeout", 60, int),
    )


def _wish_flags() -> dict[str, bool]:
    """Return what of a new participant can be told before it is there."""
    start = given_flag("StartConferenceOnEnter")
    return {
        "muted": bool(given_flag("Muted")),
        "start_conference_on_enter": True if start is None else start,
        "end_conference_on_exit": bool(given_flag("EndConferenceOnExit")),
    }


def _joins(name: str) -> str:
    """Return the document that brings a new participant in, with what the form asks for."""
    form = request.form
    attributes = {
        "muted": form.get("Muted"),
        "beep": form.get("Beep"),
        "startConferenceOnEnter": form.get("StartConferenceOnEnter"),
        "endConferenceOnExit": form.get("EndConferenceOnExit"),
        "maxParticipants": form.get("MaxParticipants"),
        "coach": form.get("CallSidToCoach"),
        "participantLabel": form.get("Label"),
        "statusCallback": given_url("ConferenceStatusCallback", 21609) or None,
        "statusCallbackMethod": form.get("ConferenceStatusCallbackMethod"),
        "statusCallbackEvent": _conference_events(),
    }
    written = "".join(
        f" {name}={quoteattr(value)}" for name, value in attributes.items() if value is not None
    )
    return f"<Response><Dial><Conference{written}>{escape(name)}</Conference></Dial></Response>"


def _conference_events() -> str | None:
    given = " ".join(request.form.getlist("ConferenceStatusCallbackEvent")).split()
    if set(given) - CONFERENCE_EVENTS:
        raise Refused(21626, f"Invalid ConferenceStatusCallbackEvent {' '.join(given)}")
    return " ".join(given) or None
