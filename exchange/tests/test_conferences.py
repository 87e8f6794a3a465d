"""Conferences: who is in them, what REST does to them, and what is told of them."""

from typing import Any

import pytest

from twilio.request_validator import RequestValidator

from exchange.interpreter import ConferenceWait, Gather, QueueWait
from exchange.testing.fixtures import BASE, TOKEN
from exchange.tests.test_rest import conforms
from exchange.transport import ConnectFailed

EVENTS = "start end join leave mute hold modify announcement"
AGENT, CALLER, THIRD = "+33142685300", "+33612345678", "+33612345679"


def room(action="/dialled", callback="/conference", **attributes) -> str:
    more = "".join(f' {name}="{value}"' for name, value in attributes.items())
    return (
        f'<Dial action="{action}"><Conference statusCallback="{callback}"'
        f' statusCallbackEvent="{EVENTS}" beep="false"{more}>entry-1</Conference></Dial>'
    )


SERVICE = {
    "/agent": room(),
    "/in": room(callback="/other"),
    "/ends": room(endConferenceOnExit="true"),
    "/waits": room(startConferenceOnEnter="false"),
    "/beeps": room().replace('beep="false"', 'beep="true"'),
    "/dialled": "<Say>Au revoir.</Say>",
    "/elsewhere": "<Say>Vous revoilà.</Say><Gather timeout='5'/>",
    "/hold": "<Say>Un instant, s'il vous plaît.</Say><Pause length='20'/>",
    "/conference": "",
    "/other": "",
    "/status": "",
}


@pytest.fixture
def here(house):
    return house(SERVICE)


def talking(here) -> Any:
    """An agent and a caller in a conference; its SID comes third."""
    agent = here.rings(AGENT, "/agent")
    caller = here.rings(CALLER)
    here.goes_on()
    assert agent.waiting_conference
    assert caller.waiting_conference
    return agent, caller, seat(agent).sid


def seat(call) -> Any:
    assert call.waiting_conference is not None
    return call.waiting_conference.seat


def test_two_calls_meet_and_the_first_ones_callback_is_told(here):
    agent = here.rings(AGENT, "/agent")
    assert isinstance(agent.waiting, ConferenceWait)
    assert not seat(agent).started
    caller = here.rings(CALLER)
    here.goes_on()
    assert seat(agent).started
    assert (seat(agent).others, seat(caller).others) == (1, 1)
    assert here.events() == ["participant-join", "participant-join", "conference-start"]
    assert here.forms("/other") == []
    first, second, start = here.forms("/conference")
    assert first["ConferenceSid"] == seat(agent).sid
    assert set(first) == {
        "ConferenceSid",
        "FriendlyName",
        "AccountSid",
        "SequenceNumber",
        "Timestamp",
        "StatusCallbackEvent",
        "CallSid",
        "Muted",
        "Hold",
        "Coaching",
        "EndConferenceOnExit",
        "StartConferenceOnEnter",
    }
    assert (first["CallSid"], second["CallSid"]) == (agent.sid, caller.sid)
    assert (first["FriendlyName"], first["StartConferenceOnEnter"]) == ("entry-1", "true")
    assert "CallSid" not in start
    assert [form["SequenceNumber"] for form in (first, second, start)] == ["1", "2", "3"]
    for sent in here.sent("/conference"):
        given = sent.headers["X-Twilio-Signature"]
        assert RequestValidator(TOKEN).validate(sent.url, dict(sent.form), given)


def test_the_last_to_leave_ends_it_and_the_call_goes_on_after_the_dial(here):
    agent, caller, sid = talking(here)
    here.clock.advance(90)
    caller.hang_up()
    here.goes_on()
    assert agent.waiting_conference is not None
    agent.hang_up()
    here.goes_on()
    assert here.events()[3:] == ["participant-leave", "participant-leave", "conference-end"]
    left, _, end = here.forms("/conference")[3:]
    assert left["ReasonParticipantLeft"] == "participant_hung_up"
    assert left["ParticipantCallStatus"] == "completed"
    assert end["ReasonConferenceEnded"] == "last-participant-left"
    assert end["CallSidEndingConference"] == agent.sid
    resource = here.get(f"/Conferences/{sid}.json")
    conforms(resource, "api.v2010.account.conference")
    assert (resource["status"], resource["reason_conference_ended"]) == (
        "completed",
        "last-participant-left",
    )
    # Whoever hung up has no more to do with the <Dial>.
    assert here.forms("/dialled") == []


def test_who_ends_it_on_exit_sends_the_others_on(here):
    agent = here.rings(AGENT, "/ends")
    caller = here.rings(CALLER)
    here.clock.advance(60)
    agent.hang_up()
    here.goes_on()
    assert caller.spoken == ["Au revoir."]
    (dialled,) = here.forms("/dialled")
    assert dialled["CallSid"] == caller.sid
    assert (dialled["DialCallStatus"], dialled["DialCallDuration"]) == ("answered", "60")
    assert here.forms("/conference")[-1]["ReasonConferenceEnded"] == (
        "participant-with-end-conference-on-exit-left"
    )


def test_nobody_talks_before_somebody_may_begin(here):
    first = here.rings(CALLER, "/waits")
    second = here.rings(THIRD, "/waits")
    here.goes_on()
    assert "conference-start" not in here.events()
    assert not seat(second).started
    sid = seat(first).sid
    assert here.get(f"/Conferences/{sid}.json")["status"] == "init"
    here.rings(AGENT, "/agent")
    here.goes_on()
    assert here.events().count("conference-start") == 1
    assert here.get(f"/Conferences/{sid}.json")["status"] == "in-progress"


def test_somebody_is_held_and_hears_the_hold_document(here):
    _, caller, sid = talking(here)
    path = f"/Conferences/{sid}/Participants/{caller.sid}.json"
    held = here.post(path, 200, Hold="true", HoldUrl=f"{BASE}/hold", HoldMethod="POST")
    conforms(held, "api.v2010.account.conference.participant")
    assert held["hold"] is True
    here.goes_on()
    assert caller.last_spoken == "Un instant, s'il vous plaît."
    assert here.sent("/hold")[0].method == "POST"
    # It is played again as long as the hold lasts.
    caller.silence()
    assert len(here.sent("/hold")) == 2
    here.post(path, 200, Hold="false")
    here.goes_on()
    assert not seat(caller).hold
    caller.silence()
    assert len(here.sent("/hold")) == 2
    assert here.events()[-2:] == ["participant-hold", "participant-unhold"]
    assert here.forms("/conference")[-1]["CallSid"] == caller.sid


def test_a_hold_document_is_fetched_with_get_unless_told_otherwise(here):
    _, caller, sid = talking(here)
    path = f"/Conferences/{sid}/Participants/{caller.sid}.json"
    here.post(path, 200, Hold="true", HoldUrl=f"{BASE}/hold")
    here.goes_on()
    assert here.sent("/hold")[0].method == "GET"


def test_without_a_document_there_is_music(here):
    _, caller, sid = talking(here)
    here.post(f"/Conferences/{sid}/Participants/{caller.sid}.json", 200, Hold="true")
    here.goes_on()
    assert caller.heard[-1].text == "(hold music)"


def test_somebody_is_muted_and_heard_again(here):
    agent, _, sid = talking(here)
    path = f"/Conferences/{sid}/Participants/{agent.sid}.json"
    assert here.post(path, 200, Muted="true")["muted"] is True
    here.post(path, 200, Muted="true")
    here.goes_on()
    assert seat(agent).muted
    here.post(path, 200, Muted="false")
    here.goes_on()
    assert here.events()[3:] == ["participant-mute", "participant-unmute"]


def test_a_supervisor_listens_whispers_and_joins(house):
    here = house({**SERVICE, "/listen": room(muted="true")})
    agent, _, sid = talking(here)
    boss = here.rings(THIRD, "/listen")
    assert seat(boss).muted
    path = f"/Conferences/{sid}/Participants/{boss.sid}.json"
    coaching = {"Muted": "false", "Coaching": "true", "CallSidToCoach": agent.sid}
    shown = here.post(path, 200, **coaching)
    assert (shown["coaching"], shown["call_sid_to_coach"]) == (True, agent.sid)
    here.goes_on()
    assert seat(boss).coaching == agent.sid
    assert here.forms("/conference")[-1]["StatusCallbackEvent"] == "participant-modify"
    assert here.forms("/conference")[-1]["Coaching"] == "true"
    assert here.post(path, 200, Coaching="false")["call_sid_to_coach"] is None
    nobody = {"Coaching": "true", "CallSidToCoach": "CA" + "0" * 32}
    assert here.post(path, 400, **nobody)["code"] == 16025


def test_nobody_can_coach_who_is_not_there(house):
    here = house({**SERVICE, "/coach": room(coach="CA" + "0" * 32)})
    call = here.rings(THIRD, "/coach")
    assert here.forms("/dialled")[-1]["DialCallStatus"] == "failed"
    assert call.errors[0].code == 13240


def test_a_conference_is_ended_over_rest(here):
    agent, caller, sid = talking(here)
    done = here.post(f"/Conferences/{sid}.json", 200, Status="completed")
    assert (done["status"], done["reason_conference_ended"]) == (
        "completed",
        "conference-ended-via-api",
    )
    here.goes_on()
    assert agent.spoken == caller.spoken == ["Au revoir."]
    assert here.events()[-3:] == ["participant-leave", "participant-leave", "conference-end"]
    assert {form["ReasonParticipantLeft"] for form in here.forms("/conference")[3:5]} == {
        "conference_ended_via_api"
    }
    assert here.post(f"/Conferences/{sid}.json", 404, Status="completed")
    # The name is free again.
    assert seat(here.rings(THIRD)).sid != sid


def test_a_participant_is_taken_out_and_goes_on_after_the_dial(here):
    agent, caller, sid = talking(here)
    assert here.delete(f"/Conferences/{sid}/Participants/{agent.sid}.json") == 204
    here.goes_on()
    assert agent.spoken == ["Au revoir."]
    assert caller.waiting_conference is not None
    assert here.delete(f"/Conferences/{sid}/Participants/{agent.sid}.json") == 404
    assert here.delete(f"/Conferences/{sid}/Participants/{caller.sid}.json") == 204
    here.goes_on()
    assert here.forms("/conference")[-1]["ReasonConferenceEnded"] == "last-participant-kicked"


def test_a_call_is_redirected_out_of_a_conference(here):
    _, caller, sid = talking(here)
    here.post(f"/Calls/{caller.sid}.json", 200, Url=f"{BASE}/elsewhere")
    here.goes_on()
    assert isinstance(caller.waiting, Gather)
    assert caller.since_input == "Vous revoilà."
    left = here.forms("/conference")[-1]
    assert left["ReasonParticipantLeft"] == "participant_updated_via_api"
    assert left["ParticipantCallStatus"] == "in-progress"
    shown = here.get(f"/Conferences/{sid}/Participants.json")["participants"]
    assert len(shown) == 1


def test_an_announcement_is_heard_by_all_or_by_one(here):
    agent, caller, sid = talking(here)
    here.post(f"/Conferences/{sid}.json", 200, AnnounceUrl=f"{BASE}/hold")
    here.goes_on()
    assert agent.last_spoken == caller.last_spoken == "Un instant, s'il vous plaît."
    path = f"/Conferences/{sid}/Participants/{caller.sid}.json"
    here.post(path, 200, AnnounceUrl=f"{BASE}/hold")
    here.goes_on()
    assert (len(agent.spoken), len(caller.spoken)) == (1, 2)
    assert here.events()[-1] == "announcement-end"


def test_lists_know_names_and_states(here):
    agent, caller, sid = talking(here)
    found = here.get("/Conferences.json", FriendlyName="entry-1", Status="in-progress")
    assert [one["sid"] for one in found["conferences"]] == [sid]
    assert here.get("/Conferences.json", FriendlyName="other")["conferences"] == []
    assert here.get("/Conferences.json", Status="completed")["conferences"] == []
    shown = here.get(f"/Conferences/{sid}/Participants.json")["participants"]
    assert [one["call_sid"] for one in shown] == [agent.sid, caller.sid]
    for one in shown:
        conforms(one, "api.v2010.account.conference.participant")
    assert here.get(f"/Conferences/{sid}/Participants.json", Muted="true")["participants"] == []
    missing = here.get(f"/Conferences/{sid}/Participants/CA{'0' * 32}.json", 404)
    assert missing["code"] == 20404


def test_a_participant_is_dialled_into_a_conference_by_its_name(here):
    _, _, sid = talking(here)
    made = here.post(
        "/Conferences/entry-1/Participants.json",
        201,
        To=THIRD,
        From="+33974750001",
        Label="third",
        EndConferenceOnExit="false",
        StatusCallback=f"{BASE}/leg",
        StatusCallbackEvent="initiated ringing answered completed",
    )
    conforms(made, "api.v2010.account.conference.participant")
    assert (made["conference_sid"], made["status"], made["label"]) == (sid, "queued", "third")
    assert here.get(f"/Conferences/{sid}/Participants/third.json", 404)
    here.goes_on()
    shown = here.get(f"/Conferences/{sid}/Participants/third.json")
    assert (shown["call_sid"], shown["status"]) == (made["call_sid"], "connected")
    joined = here.forms("/conference")[-1]
    assert (joined["StatusCallbackEvent"], joined["ParticipantLabel"]) == (
        "participant-join",
        "third",
    )
    told = [form["CallStatus"] for form in here.forms("/leg")]
    assert told == ["initiated", "ringing", "in-progress"]
    here.post(f"/Calls/{made['call_sid']}.json", 200, Status="completed")
    here.goes_on()
    assert here.forms("/leg")[-1]["CallStatus"] == "completed"


def test_a_participant_who_does_not_answer_is_told_as_having_left(here):
    _, _, sid = talking(here)
    here.faults(answers={THIRD: "no-answer"})
    here.post(f"/Conferences/{sid}/Participants.json", 201, To=THIRD, From="+33974750001")
    here.goes_on()
    left = here.forms("/conference")[-1]
    assert (left["StatusCallbackEvent"], left["ReasonParticipantLeft"]) == (
        "participant-leave",
        "participant_add_failed",
    )
    assert left["ParticipantCallStatus"] == "no-answer"


def test_beeps_are_heard_where_they_are_wanted(here):
    agent = here.rings(AGENT, "/agent")
    here.rings(CALLER, "/beeps")
    here.goes_on()
    assert [heard.kind for heard in agent.heard][-1] == "beep"


def test_events_are_sent_in_order_and_tried_again(here):
    here.service.table["/conference"] = [
        here.service.table["/status"][0],
        ConnectFailed(),
        here.service.table["/status"][0],
    ]
    talking(here)
    assert here.events() == [
        "participant-join",
        "participant-join",
        "participant-join",
        "conference-start",
    ]


def test_events_can_be_lost(here):
    here.faults(drop_status_callbacks=["participant-join"])
    talking(here)
    assert here.events() == ["conference-start"]


def test_a_caller_taken_from_the_queue_meets_the_agent(house):
    here = house(
        {
            **SERVICE,
            "/line": '<Enqueue waitUrl="/wait" action="/after">fr</Enqueue>',
            "/wait": "<Say>Patientez.</Say>",
            "/after": "",
        }
    )
    caller = here.rings(CALLER, "/line")
    assert isinstance(caller.waiting, QueueWait)
    agent = here.rings(AGENT, "/agent")
    (queue,) = here.get("/Queues.json")["queues"]
    here.post(f"/Queues/{queue['sid']}/Members/{caller.sid}.json", 200, Url=f"{BASE}/in")
    here.goes_on()
    assert caller.conference == agent.conference == "entry-1"
    assert here.events()[-1] == "conference-start"
    agent.hang_up()
    caller.hang_up()
    assert caller.errors == []
