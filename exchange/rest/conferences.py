"""The REST paths of conferences and of those who are in them."""

from http import HTTPStatus
from xml.sax.saxutils import escape, quoteattr

from flask import Flask, Response, jsonify, request

from exchange.conferences import Conference, Participant
from exchange.orders import NoSeat
from exchange.rest.calls import rung
from exchange.rest.paths import (
    Refused,
    answer,
    between,
    given_flag,
    given_url,
    known,
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
PARTICIPANT = "/Conferences/<ConferenceSid>/Participants/<CallSid>.json"


def add_conferences(app: Flask, simulator: Simulator) -> None:  # noqa: C901, PLR0915 - routes
    at, switchboard = simulator.paths(app), simulator.switchboard

    def member(sid: str, call_sid: str) -> tuple[Conference, Participant]:
        conference = known(switchboard.conference(sid))
        return conference, known(switchboard.participant(conference, call_sid))

    @at("GET", "/Conferences.json")
    def list_conferences() -> Response:
        simulator.check()
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

    @at("GET", "/Conferences/<Sid>.json")
    def fetch_conference(Sid: str) -> Response:  # noqa: N803
        return jsonify(known(switchboard.conference(Sid)).resource())

    @at("POST", "/Conferences/<Sid>.json")
    def update_conference(Sid: str) -> Response:  # noqa: N803
        conference = known(switchboard.conference(Sid))
        simulator.check()
        announcement = given_url("AnnounceUrl", 21205)
        fault = simulator.take_fault()
        if conference.status == "completed":
            raise not_found()
        if announcement:
            method = request.form.get("AnnounceMethod", "POST")
            switchboard.announce(conference, announcement, method)
        if request.form.get("Status") == "completed":
            switchboard.end_conference(conference)
        return answer(conference.resource(), fault)

    @at("GET", "/Conferences/<ConferenceSid>/Participants.json")
    def list_participants(ConferenceSid: str) -> Response:  # noqa: N803
        conference = known(switchboard.conference(ConferenceSid))
        simulator.check()
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

    @at("POST", "/Conferences/<ConferenceSid>/Participants.json")
    def create_participant(ConferenceSid: str) -> Response:  # noqa: N803
        simulator.check()
        record = rung(simulator)
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
        return answer(resource, fault, HTTPStatus.CREATED)

    @at("GET", PARTICIPANT)
    def fetch_participant(ConferenceSid: str, CallSid: str) -> Response:  # noqa: N803
        conference, participant = member(ConferenceSid, CallSid)
        return jsonify(conference.participant_resource(participant))

    @at("POST", PARTICIPANT)
    def update_participant(ConferenceSid: str, CallSid: str) -> Response:  # noqa: N803
        conference, participant = member(ConferenceSid, CallSid)
        simulator.check()
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
        return answer(conference.participant_resource(participant), fault)

    @at("DELETE", PARTICIPANT)
    def delete_participant(ConferenceSid: str, CallSid: str) -> Response:  # noqa: N803
        conference, participant = member(ConferenceSid, CallSid)
        simulator.take_fault()
        switchboard.kick(conference, participant)
        return Response(status=HTTPStatus.NO_CONTENT)


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
