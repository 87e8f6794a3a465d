"""Calls that REST acts on while they go on, calls that the service makes, and devices."""

from typing import Any

import pytest

from twilio.request_validator import RequestValidator

from exchange.interpreter import Gather
from exchange.legs import KeysLeg
from exchange.testing.fixtures import BASE, TOKEN
from exchange.tests.test_rest import conforms

NUMBER, MOBILE = "+33974750001", "+33612345678"
MENU = (
    "<Gather numDigits='1' timeout='5' action='/key'><Say>Tapez 1.</Say></Gather><Say>Rien.</Say>"
)
JOIN = "<Dial action='/dialled'><Conference>entry-1</Conference></Dial>"
SERVICE = {
    "/in": MENU,
    "/key": "<Say>Merci.</Say>",
    "/passed": "<Say>Je vous passe une personne.</Say><Gather timeout='5'/>",
    "/out": MENU,
    "/agent": JOIN,
    "/dialled": "<Say>Fini.</Say>",
    "/status": "",
    "/leg": "",
}
EVENTS = "initiated ringing answered completed"
CALL_FIELDS = {
    *("AccountSid", "ApiVersion", "CallSid", "CallStatus", "Direction"),
    *("Called", "CalledCity", "CalledState", "CalledZip", "CalledCountry"),
    *("Caller", "CallerCity", "CallerState", "CallerZip", "CallerCountry"),
    *("From", "FromCity", "FromState", "FromZip", "FromCountry"),
    *("To", "ToCity", "ToState", "ToZip", "ToCountry"),
}
PROGRESS_FIELDS = {"CallbackSource", "SequenceNumber", "Timestamp"}


@pytest.fixture
def here(house):
    return house(SERVICE)


def makes_call(here, to=MOBILE, path="/out", **more) -> str:
    made = here.post(
        "/Calls.json",
        201,
        To=to,
        From=NUMBER,
        Url=BASE + path,
        StatusCallback=f"{BASE}/leg#rc=1",
        StatusCallbackEvent=EVENTS,
        **more,
    )
    return str(made["sid"])


def told(here) -> list[str]:
    return [form["CallStatus"] for form in here.forms("/leg")]


def status(here, sid) -> str:
    return str(here.get(f"/Calls/{sid}.json")["status"])


def test_a_call_is_redirected_in_the_middle_of_a_question(here):
    call = here.rings()
    assert isinstance(call.waiting, Gather)
    conforms(
        here.post(f"/Calls/{call.sid}.json", 200, Url=f"{BASE}/passed?n=3", Method="POST"),
        "api.v2010.account.call",
    )
    here.goes_on()
    assert call.since_input == "Je vous passe une personne."
    assert call.requests[-1].url == f"{BASE}/passed?n=3"
    assert "Digits" not in call.requests[-1].form
    assert here.sent("/key") == []
    assert isinstance(call.waiting, Gather)


def test_a_redirection_wins_over_a_key_that_crosses_it(here):
    call = here.rings()
    here.post(f"/Calls/{call.sid}.json", 200, Url=f"{BASE}/passed")
    call.press("1")
    assert here.sent("/key") == []
    assert call.last_spoken == "Je vous passe une personne."


def test_a_call_can_be_given_a_document_itself(here):
    call = here.rings()
    twiml = "<Response><Say>Au revoir.</Say></Response>"
    here.post(f"/Calls/{call.sid}.json", 200, Twiml=twiml)
    here.goes_on()
    assert call.last_spoken == "Au revoir."
    assert call.ended_normally


def test_a_redirection_that_fails_goes_to_the_fallback(here):
    call = here.rings(fallback_url=f"{BASE}/key")
    here.post(f"/Calls/{call.sid}.json", 200, Url=f"{BASE}/nowhere")
    here.goes_on()
    assert call.requests[-2].form["ErrorUrl"] == f"{BASE}/nowhere"
    assert call.last_spoken == "Merci."


def test_the_end_can_be_told_to_another_url(here):
    call = here.rings()
    here.post(f"/Calls/{call.sid}.json", 200, StatusCallback=f"{BASE}/leg")
    call.hang_up()
    assert told(here) == ["completed"]
    assert here.sent("/status") == []


def test_only_a_live_call_can_be_redirected(here):
    call = here.rings().hang_up()
    path = f"/Calls/{call.sid}.json"
    assert here.post(path, 400, Url=f"{BASE}/passed")["code"] == 21220
    sid = makes_call(here)
    assert here.post(f"/Calls/{sid}.json", 400, Url=f"{BASE}/passed")["code"] == 21220
    unknown = here.post(f"/Calls/CA{'0' * 32}.json", 404, Url=f"{BASE}/passed")
    assert unknown["code"] == 20404


def test_an_answered_call_can_be_completed_but_not_cancelled(here):
    call = here.rings()
    here.post(f"/Calls/{call.sid}.json", 200, Status="canceled")
    here.goes_on()
    assert not call.ended
    here.post(f"/Calls/{call.sid}.json", 200, Status="completed")
    here.goes_on()
    assert call.end_reason == "completed-by-api"
    assert here.forms("/status")[-1]["CallStatus"] == "completed"


def test_an_agents_device_rings_and_is_taken(here):
    devices = here.board.devices
    devices.register("agent-7")
    sid = makes_call(here, "client:agent-7", "/agent")
    here.goes_on()
    seen = devices.events("agent-7", 0)
    assert [event["kind"] for event in seen["events"]] == ["registered", "incoming"]
    assert (seen["state"], seen["call"], seen["from"]) == ("ringing", sid, NUMBER)
    assert status(here, sid) == "ringing"
    assert told(here) == ["initiated", "ringing"]
    assert here.sent("/agent") == []
    assert devices.accept("agent-7")
    here.goes_on()
    assert told(here) == ["initiated", "ringing", "in-progress"]
    assert here.forms("/agent")[0]["To"] == "client:agent-7"
    assert devices.events("agent-7", 2)["events"][0] == {"n": 3, "kind": "connected", "call": sid}
    caller = here.rings(path="/agent")
    here.goes_on()
    assert caller.waiting_conference.seat.others == 1
    assert devices.hang_up("agent-7")
    here.goes_on()
    assert told(here)[-1] == "completed"
    assert status(here, sid) == "completed"
    assert devices.events("agent-7", 0)["state"] == "idle"
    assert [form["SequenceNumber"] for form in here.forms("/leg")] == ["0", "1", "2", "3"]
    for sent in here.sent("/leg"):
        given = sent.headers["X-Twilio-Signature"]
        assert RequestValidator(TOKEN).validate(sent.url, dict(sent.form), given)


def test_what_is_said_to_a_device_is_told_and_keys_are_taken(house):
    here = house({**SERVICE, "/key": "<Say>Merci.</Say><Gather timeout='5'/>"})
    devices = here.board.devices
    devices.register("agent-7")
    makes_call(here, "client:agent-7")
    here.goes_on()
    devices.accept("agent-7")
    # Pressed before the question is even asked: the exchange has it at the first Gather.
    devices.press("agent-7", "1")
    here.goes_on()
    assert here.forms("/key")[0]["Digits"] == "1"
    heard = [e["text"] for e in devices.events("agent-7", 0)["events"] if e["kind"] == "heard"]
    assert heard[:2] == ["Tapez 1.", "Merci."]


@pytest.mark.parametrize(
    ("does", "ends"),
    [
        (lambda devices, _: devices.reject("agent-7"), "busy"),
        (lambda devices, _: devices.unregister("agent-7"), "busy"),
        (lambda _, clock: clock.advance(31), "no-answer"),
    ],
)
def test_a_device_may_refuse_or_let_it_ring(here, does, ends):
    devices = here.board.devices
    devices.register("agent-7")
    sid = makes_call(here, "client:agent-7", "/agent", Timeout="25")
    here.goes_on()
    does(devices, here.clock)
    here.goes_on()
    assert (told(here)[-1], status(here, sid)) == (ends, ends)
    assert here.sent("/agent") == []
    assert not devices.accept("agent-7")


def test_a_device_that_nobody_registered_does_not_answer(here):
    sid = makes_call(here, "client:agent-7", "/agent")
    here.goes_on()
    assert told(here) == ["initiated", "no-answer"]
    assert status(here, sid) == "no-answer"


def test_a_device_that_talks_is_busy(here):
    devices = here.board.devices
    devices.register("agent-7")
    makes_call(here, "client:agent-7", "/agent")
    here.goes_on()
    devices.accept("agent-7")
    here.goes_on()
    second = makes_call(here, "client:agent-7", "/agent")
    here.goes_on()
    assert status(here, second) == "busy"


def test_a_ringing_call_can_be_cancelled(here):
    devices = here.board.devices
    devices.register("agent-7")
    sid = makes_call(here, "client:agent-7", "/agent")
    here.goes_on()
    assert here.post(f"/Calls/{sid}.json", 200, Status="completed")["status"] == "completed"
    here.goes_on()
    assert devices.events("agent-7", 0)["events"][-1]["kind"] == "cancelled"
    assert not devices.accept("agent-7")


def test_a_page_that_is_gone_loses_its_call(here):
    devices = here.board.devices
    devices.register("agent-7")
    sid = makes_call(here, "client:agent-7", "/agent")
    here.goes_on()
    devices.accept("agent-7")
    here.goes_on()
    here.clock.advance(8)
    devices.events("agent-7", 0)
    here.clock.advance(8)
    here.goes_on()
    assert status(here, sid) == "in-progress"
    here.clock.advance(12)
    here.goes_on()
    assert status(here, sid) == "completed"
    assert not devices.registered("agent-7")


def test_a_page_that_is_loaded_again_loses_its_call(here):
    devices = here.board.devices
    devices.register("agent-7")
    sid = makes_call(here, "client:agent-7", "/agent")
    here.goes_on()
    devices.accept("agent-7")
    here.goes_on()
    devices.register("agent-7")
    here.goes_on()
    assert status(here, sid) == "completed"
    assert devices.registered("agent-7")


def test_a_number_answers_and_waits_in_a_conference(house):
    here = house({**SERVICE, "/key": JOIN})
    here.faults(answers={MOBILE: ["1"]})
    sid = makes_call(here)
    here.goes_on()
    assert status(here, sid) == "in-progress"
    call = here.board.live(sid)
    assert call.conference == "entry-1"
    here.board.drop(sid)
    here.goes_on()
    assert told(here) == ["initiated", "ringing", "in-progress", "completed"]


def test_a_machine_says_nothing_and_hangs_up(house):
    ask = "<Gather numDigits='1' timeout='8' action='/key'><Say>Tapez 1.</Say></Gather>"
    here = house({**SERVICE, "/out": f"{ask}<Redirect>/out</Redirect>"})
    here.faults(answers={MOBILE: "machine"})
    sid = makes_call(here)
    here.goes_on()
    assert here.sent("/key") == []
    assert status(here, sid) == "completed"
    assert 30 <= int(here.get(f"/Calls/{sid}.json")["duration"]) <= 40


def test_a_machines_greeting_is_heard_where_speech_is_taken(house):
    ask = "<Gather input='dtmf speech' language='fr-FR' timeout='8' action='/key'/>"
    here = house({**SERVICE, "/out": f"{ask}<Redirect>/out</Redirect>"})
    here.faults(answers={MOBILE: "machine:Bonjour, oui, laissez un message."})
    makes_call(here)
    here.goes_on()
    assert here.forms("/key")[0]["SpeechResult"] == "Bonjour, oui, laissez un message."


@pytest.fixture
def slow(here):
    """The one temperament that there is; each time somebody of it is made: the seed, the number."""
    made: list[tuple[int, str]] = []

    def make(seed, number) -> KeysLeg:
        made.append((seed, number))
        return KeysLeg((), patience=1)

    here.simulator.faults.temperaments = {"slow": make}
    return made


@pytest.mark.parametrize(("how", "seed"), [("person:slow", 0), ("person:slow:7", 7)])
def test_somebody_with_a_temperament_answers(here, slow, how, seed):
    here.faults(answers={MOBILE: how})
    sid = makes_call(here)
    here.goes_on()
    assert slow == [(seed, MOBILE)]
    assert status(here, sid) == "completed"
    assert here.sent("/key") == []


@pytest.mark.parametrize("how", ["person:nobody", "person:slow:x", "machines"])
def test_answers_that_there_are_not_are_refused(here, slow, how):
    with pytest.raises(ValueError, match="is none of"):
        here.faults(answers={MOBILE: how})


def test_busy_numbers_are_told_as_twilio_tells_them(here):
    here.faults(answers={MOBILE: "busy"})
    makes_call(here)
    here.goes_on()
    assert told(here) == ["initiated", "ringing", "busy"]
    assert here.forms("/leg")[-1]["CallDuration"] == "0"


def test_so_many_calls_a_second_and_no_more(here):
    here.faults(calls_per_second=1)
    makes_call(here)
    refused = here.post("/Calls.json", 429, To=MOBILE, From=NUMBER, Url=f"{BASE}/out")
    assert refused["code"] == 20429
    # Only calls are counted.
    here.post("/Messages.json", 201, To=MOBILE, From="ALLO RDV", Body="a")
    here.clock.advance(1)
    makes_call(here)


@pytest.mark.parametrize("to", ["client:", "client:two words", "client:" + "a" * 130])
def test_clients_have_names_of_letters(here, to):
    refused = here.post("/Calls.json", 400, To=to, From=NUMBER, Url=f"{BASE}/out")
    assert refused["code"] == 21217


DIAL = '<Dial action="/dialled" timeout="20">{}</Dial>'


@pytest.mark.parametrize("noun", ["+33142685300", "<Number>+33142685300</Number>"])
def test_a_dial_rings_another_leg(house, noun):
    here = house({**SERVICE, "/in": DIAL.format(noun)})
    call = here.rings()
    here.goes_on()
    assert call.waiting_conference is not None
    assert call.waiting_conference.seat.others == 1
    # To the account this is no conference.
    assert here.get("/Conferences.json")["conferences"] == []
    (leg,) = here.get("/Calls.json", ParentCallSid=call.sid)["calls"]
    assert (leg["to"], leg["direction"]) == ("+33142685300", "outbound-dial")
    here.clock.advance(42)
    here.board.drop(leg["sid"])
    here.goes_on()
    (form,) = here.forms("/dialled")
    assert (form["DialCallStatus"], form["DialCallSid"]) == ("completed", leg["sid"])
    assert (form["DialCallDuration"], form["DialBridged"]) == ("42", "true")
    assert call.last_spoken == "Fini."


def test_a_dial_that_is_not_answered_says_so(house):
    here = house({**SERVICE, "/in": DIAL.format("<Client>agent-7</Client>")})
    here.faults(answers={"+33142685300": "busy"})
    here.rings()
    here.goes_on()
    assert here.forms("/dialled")[0]["DialCallStatus"] == "no-answer"
    here.service.table["/in"] = [DIAL.format("+33142685300")]
    here.rings()
    here.goes_on()
    busy = here.forms("/dialled")[1]
    assert (busy["DialCallStatus"], busy["DialBridged"]) == ("busy", "false")


def test_who_hangs_up_while_it_rings_stops_the_ringing(house):
    here = house({**SERVICE, "/in": DIAL.format("<Client>agent-7</Client>")})
    here.board.devices.register("agent-7")
    call = here.rings()
    here.goes_on()
    assert here.board.devices.state("agent-7")["state"] == "ringing"
    call.hang_up()
    here.goes_on()
    assert here.board.devices.state("agent-7")["state"] == "idle"
    assert not here.board.devices.accept("agent-7")


# Over HTTP, as a page does it

ORIGIN = {"Origin": "http://127.0.0.1:8000"}


def page(here, what, given=None, headers=ORIGIN) -> Any:
    return here.client.post(f"/device/agent-7/{what}", json=given or {}, headers=headers)


def test_a_page_takes_mutes_and_ends_a_call(here):
    assert here.client.get("/device/agent-7/events?wait=0").status_code == 404
    assert page(here, "accept").status_code == 404
    assert page(here, "register").get_json()["state"] == "idle"
    assert page(here, "accept").status_code == 409
    sid = makes_call(here, "client:agent-7", "/agent")
    here.goes_on()
    seen = here.client.get("/device/agent-7/events?after=1&wait=0", headers=ORIGIN)
    assert seen.get_json()["events"] == [{"n": 2, "kind": "incoming", "call": sid, "from": NUMBER}]
    assert page(here, "accept").get_json()["state"] == "connected"
    here.goes_on()
    assert page(here, "mute", {"on": True}).get_json()["muted"] is True
    assert page(here, "mute", {"on": "yes"}).status_code == 400
    assert page(here, "press", {"keys": "x"}).status_code == 400
    assert page(here, "press", {"keys": "1"}).status_code == 200
    assert page(here, "hangup").get_json()["state"] == "idle"
    here.goes_on()
    assert status(here, sid) == "completed"


def test_only_the_services_pages_on_this_machine_may_use_a_device(here):
    answer = page(here, "register")
    assert answer.headers["Access-Control-Allow-Origin"] == ORIGIN["Origin"]
    other = page(here, "register", headers={"Origin": "http://evil.test"})
    assert other.status_code == 403
    assert "Access-Control-Allow-Origin" not in other.headers
    assert page(here, "register", headers={"Host": "rebound.test"}).status_code == 403
    preflight = here.client.options("/device/agent-7/register", headers=ORIGIN)
    assert preflight.status_code == 204
    assert preflight.headers["Access-Control-Allow-Headers"] == "Content-Type"
    # Programs on this machine send no origin.
    assert page(here, "register", headers={}).status_code == 200


def test_forms_are_like_those_recorded_of_twilio(here):
    """The names of the fields are those of real requests that were published."""
    makes_call(here)
    here.goes_on()
    forms = here.forms("/leg")
    assert set(forms[0]) == CALL_FIELDS | PROGRESS_FIELDS
    assert set(forms[-1]) == CALL_FIELDS | PROGRESS_FIELDS | {"CallDuration", "Duration"}
    here.faults(answers={MOBILE: "busy"})
    makes_call(here)
    here.goes_on()
    busy = here.forms("/leg")[-1]
    assert set(busy) - set(forms[-1]) == {"SipResponseCode"}
    assert (busy["SipResponseCode"], busy["SequenceNumber"]) == ("486", "2")
