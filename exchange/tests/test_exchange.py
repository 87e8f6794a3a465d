"""The call state machine, against what Twilio documents."""

import pytest

from twilio.request_validator import RequestValidator

from exchange.interpreter import Call, Keys, QueueWait, Silence
from exchange.interpreter.script import APPLICATION_ERROR
from exchange.interpreter.webhooks import Overrides
from exchange.transport import ConnectFailed, ReadTimedOut, Reply

BASE = "http://service.test"
TOKEN = "test-token"
XML = {"Content-Type": "text/xml"}


def gather(attributes="", inner="<Say>Question ?</Say>", after="<Say>Suite.</Say>") -> str:
    return f'<Gather action="/next" {attributes}>{inner}</Gather>{after}'


NEXT = "<Say>Merci.</Say><Hangup/>"


@pytest.mark.parametrize(
    ("attributes", "keys", "digits", "finished"),
    [
        ("", "123#", "123", "#"),
        ("", "123", "123", ""),
        ("", "123#456", "123", "#"),
        ('numDigits="1"', "1", "1", ""),
        ('numDigits="2"', "123", "12", ""),
        ('numDigits="2"', "1#", "1", "#"),
        ('numDigits="5"', "75", "75", ""),
        ('finishOnKey="*"', "12#*", "12#", "*"),
        ('finishOnKey=""', "#", "#", ""),
        ('finishOnKey="" numDigits="1"', "*", "*", ""),
        ('finishOnKey="9"', "12", "12", ""),
    ],
)
def test_keys_are_collected_and_submitted(ring, attributes, keys, digits, finished):
    call = ring({"/in": gather(attributes), "/next": NEXT})
    call.press(keys)
    form = call.requests[-1].form
    assert (form["Digits"], form["FinishedOnKey"], form["msg"]) == (digits, finished, "Gather End")
    assert form["CallStatus"] == "in-progress"
    assert (call.ended, call.end_reason, call.last_spoken) == (True, "hangup", "Merci.")


@pytest.mark.parametrize(
    ("attributes", "action"),
    [
        ("", "silence"),
        ("", "#"),
        ('input="speech"', "1"),
        ('input="dtmf"', "words"),
    ],
)
def test_without_input_the_next_verb_follows(ring, attributes, action):
    call = ring({"/in": gather(attributes), "/next": NEXT})
    acts = {"silence": call.silence, "words": lambda: call.say("Oui.")}
    acts.get(action, lambda: call.press(action))()
    assert call.spoken == ["Question ?", "Suite."]
    assert call.end_reason == "document-ended"
    assert len(call.requests) == 1


@pytest.mark.parametrize("action", [Silence(), Keys("#")])
@pytest.mark.parametrize(
    ("attributes", "posted"),
    [
        ('actionOnEmptyResult="true"', {"msg": "Gather End"}),
        (
            'actionOnEmptyResult="true" input="dtmf speech"',
            {"SpeechResult": "", "Confidence": "0.0"},
        ),
    ],
)
def test_silence_is_posted_when_asked_for(ring, attributes, posted, action):
    form = ring({"/in": gather(attributes), "/next": NEXT}).act(action).requests[-1].form
    assert posted.items() <= form.items()
    assert "Digits" not in form


def test_speech_is_posted(ring):
    call = ring({"/in": gather('input="dtmf speech" language="fr-FR"'), "/next": NEXT})
    call.says("Soixante-quinze mille onze.", 0.91)
    form = call.requests[-1].form
    assert form["SpeechResult"] == "Soixante-quinze mille onze."
    assert (form["Confidence"], form["Language"]) == ("0.91", "fr-FR")
    assert "Digits" not in form


def test_confidence_may_be_absent(ring):
    call = ring({"/in": gather('input="speech"'), "/next": NEXT}).say("Oui.", None)
    assert "Confidence" not in call.requests[-1].form


def test_a_gather_without_action_asks_its_own_document(ring):
    call = ring({"/in": ['<Gather numDigits="1"/>', "<Say>Deux.</Say>"]}).press("1")
    assert [request.url for request in call.requests] == [f"{BASE}/in"] * 2


def test_the_timeout_runs_after_the_nested_verbs(ring):
    inner = f'<Say>{"a" * 30}</Say><Pause length="8"/>'
    call = ring({"/in": gather('timeout="4"', inner, "")})
    call.silence()
    assert call.duration_s == 2 + 8 + 4


def test_a_key_stops_the_prompt(ring):
    inner = '<Say>Longue question.</Say><Pause length="60"/>'
    call = ring({"/in": gather('numDigits="1"', inner, ""), "/next": "<Hangup/>"})
    call.press("1", interrupts=True)
    assert call.duration_s == 0


def test_says_plays_and_pauses_in_virtual_time(ring):
    call = ring({"/in": '<Say>Un.</Say><Pause length="60"/><Play>/ding.mp3</Play><Pause/>'})
    assert [heard.kind for heard in call.heard] == ["say", "pause", "play", "pause"]
    assert 64 <= call.duration_s <= 66


def test_relative_urls_resolve_against_the_document(ring):
    table = {"/in": "<Redirect>a/b?x=1</Redirect>", "/a/b": "<Redirect>c</Redirect>"}
    call = ring({**table, "/a/c": "<Hangup/>"})
    assert call.webhooks.transport.paths() == ["/in", "/a/b?x=1", "/a/c"]


def test_get_puts_the_parameters_in_the_signed_url(ring):
    call = ring({"/in": '<Gather action="/next" method="GET"/>', "/next": "<Hangup/>"}).press("7#")
    last = call.requests[-1]
    assert "Digits=7" in last.url
    assert last.form == {}
    assert RequestValidator(TOKEN).validate(last.url, {}, last.headers["X-Twilio-Signature"])


def test_every_request_is_signed_and_carries_twilios_parameters(ring):
    call = ring(
        {"/in": gather(), "/next": NEXT, "/status": Reply(204)}, status_url=f"{BASE}/status"
    )
    call.press("1#")
    names = {
        f"{side}{part}"
        for side in ("From", "To", "Caller", "Called")
        for part in ("", "City", "State", "Zip", "Country")
    }
    for request in call.requests:
        assert names | {"AccountSid", "ApiVersion", "CallSid", "Direction"} <= set(request.form)
        signature = request.headers["X-Twilio-Signature"]
        assert RequestValidator(TOKEN).validate(request.url, dict(request.form), signature)
    first, _, status = call.requests
    assert (first.form["CallStatus"], first.form["Direction"]) == ("ringing", "inbound")
    assert {"CallToken", "StirVerstat"} <= set(first.form)
    assert status.form["CallStatus"] == "completed"
    assert status.form["CallbackSource"] == "call-progress-events"
    assert {"CallDuration", "Duration", "SequenceNumber", "Timestamp"} <= set(status.form)


def test_the_fragment_is_obeyed_and_never_sent(ring):
    table = {
        "/in": gather('numDigits="1"').replace("/next", "/next#rc=2&amp;rp=5xx,rt&amp;rt=4000"),
        "/next": [Reply(500), ReadTimedOut(), NEXT],
    }
    call = ring(table).press("1")
    tries = call.requests[1:]
    assert [request.attempt for request in tries] == [0, 1, 2]
    assert {request.url for request in tries} == {f"{BASE}/next"}
    assert len({request.headers["I-Twilio-Idempotency-Token"] for request in tries}) == 1
    assert [sent.read_timeout_s for sent in call.webhooks.transport.sent[1:]] == [4.0, 4.0, 4.0]
    assert call.ended_normally


@pytest.mark.parametrize(
    ("fragment", "replies", "attempts", "code"),
    [
        ("", [ConnectFailed(), "<Hangup/>"], 2, None),
        ("", [ConnectFailed(), ConnectFailed(), "<Hangup/>"], 2, 11205),
        ("", [Reply(500), "<Hangup/>"], 1, 11200),
        ("", [ReadTimedOut(), "<Hangup/>"], 1, 11200),
        ("#rc=0", [ConnectFailed(), "<Hangup/>"], 1, 11205),
        ("#rc=1&rp=4xx", [Reply(404), "<Hangup/>"], 2, None),
        ("#rc=1&rp=4xx", [Reply(503), "<Hangup/>"], 1, 11200),
        ("#rc=3&rp=all", [Reply(503), Reply(404), ConnectFailed(), "<Hangup/>"], 4, None),
        ("#rc=9", ["<Hangup/>"], 0, 11200),
        ("#rp=never", ["<Hangup/>"], 0, 11200),
        ("#rt=60000", ["<Hangup/>"], 0, 11200),
        # Fifteen seconds in all: the second attempt has no time left.
        ("#rc=5&rp=all&rt=15000", [ReadTimedOut(), "<Hangup/>"], 1, 11200),
        ("#rc=5&rp=all&rt=8000", [ReadTimedOut(), ReadTimedOut(), "<Hangup/>"], 2, 11200),
    ],
)
def test_retries(ring, fragment, replies, attempts, code):
    call = ring({"/in": replies}, url=f"{BASE}/in{fragment}")
    assert len(call.requests) == attempts
    assert [error.code for error in call.errors] == ([code] if code else [])


def test_overrides_have_twilios_defaults():
    assert Overrides.of(f"{BASE}/in") == Overrides(1, frozenset({"ct"}), 5.0, 15.0)


@pytest.mark.parametrize(
    ("reply", "code"),
    [
        (Reply(500), 11200),
        (Reply(403), 11200),
        (Reply(302, b"", {"Location": "/other"}), 11200),
        (Reply(200, b"<Response/>", XML, elapsed_s=15.1), 11200),
        (Reply(200, b"<Response/>", {"Content-Type": "text/html"}), 12300),
        (Reply(204), 12300),
        ("<Say/>", 13520),
        ("<Redirect></Redirect>", 12200),
        ("<Record/>", 0),
        (ConnectFailed(), 11205),
    ],
)
def test_a_failure_leads_to_the_fallback(ring, reply, code):
    table = {"/in": gather('numDigits="1"'), "/next": reply, "/fall": "<Say>Pardon.</Say>"}
    call = ring(table, fallback_url=f"{BASE}/fall").press("1")
    last = call.requests[-1]
    assert last.url == f"{BASE}/fall"
    assert (last.form["ErrorCode"], last.form["ErrorUrl"]) == (str(code), f"{BASE}/next")
    assert call.last_spoken == "Pardon."
    assert [error.code for error in call.errors] == [code]
    assert not call.ended_normally


def test_without_a_fallback_the_caller_hears_an_apology(ring):
    call = ring({"/in": Reply(500)})
    assert (call.spoken, call.end_reason) == ([APPLICATION_ERROR], "application-error")


def test_a_failing_fallback_ends_the_call(ring):
    call = ring({"/in": Reply(500), "/fall": Reply(500)}, fallback_url=f"{BASE}/fall")
    assert call.end_reason == "application-error"
    assert len(call.errors) == 2


def test_a_script_that_never_asks_is_stopped(ring):
    call = ring({"/in": "<Redirect>/in</Redirect>"})
    assert call.end_reason == "application-error"
    assert len(call.requests) == 50


@pytest.mark.parametrize(
    ("reason", "status"),
    [("", "no-answer"), ('reason="busy"', "busy"), ('reason="rejected"', "no-answer")],
)
def test_reject(ring, reason, status):
    call = ring({"/in": f"<Reject {reason}/>", "/s": Reply(204)}, status_url=f"{BASE}/s")
    assert (call.end_reason, call.requests[-1].form["CallStatus"]) == ("rejected", status)


def test_hanging_up_tells_the_status_callback(ring):
    call = ring({"/in": gather(), "/s": Reply(204)}, status_url=f"{BASE}/s")
    call.hangs_up().hangs_up()
    assert call.end_reason == "caller-hung-up"
    assert [request.url for request in call.requests] == [f"{BASE}/in", f"{BASE}/s"]
    with pytest.raises(RuntimeError):
        call.press("1")


def test_a_refused_status_callback_is_recorded(ring):
    call = ring({"/in": "<Hangup/>", "/s": Reply(403)}, status_url=f"{BASE}/s")
    assert [error.code for error in call.errors] == [15003]


def test_a_queue_plays_its_waiting_document_round_and_round(ring):
    enqueue = '<Enqueue waitUrl="/wait" action="/after">agents</Enqueue><Say>Après.</Say>'
    call = ring(
        {"/in": enqueue, "/wait": "<Say>Patientez.</Say><Pause length='30'/>", "/after": NEXT}
    )
    assert isinstance(call.waiting, QueueWait)
    assert call.requests[-1].form["QueuePosition"] == "1"
    call.silence()
    assert call.spoken == ["Patientez.", "Patientez."]
    assert int(call.requests[-1].form["QueueTime"]) >= 30
    call.hang_up()
    assert call.requests[-1].form["QueueResult"] == "hangup"


def test_a_caller_may_leave_the_queue(ring):
    enqueue = '<Enqueue waitUrl="/wait" action="/after">agents</Enqueue>'
    wait = '<Gather numDigits="1" action="/key"><Say>Tapez 1 pour être rappelé.</Say></Gather>'
    call = ring({"/in": enqueue, "/wait": wait, "/key": "<Leave/>", "/after": NEXT})
    call.press("1")
    assert call.requests[-1].form["QueueResult"] == "leave"
    assert call.end_reason == "hangup"


def test_leaving_without_an_action_goes_on_after_the_enqueue(ring):
    call = ring({"/in": '<Enqueue waitUrl="/w">a</Enqueue><Say>Après.</Say>', "/w": "<Leave/>"})
    assert call.spoken == ["Après."]


def test_a_queue_refuses_what_twilio_refuses_there(ring):
    call = ring({"/in": '<Enqueue waitUrl="/w">a</Enqueue>', "/w": "<Dial>+33142685300</Dial>"})
    assert [error.code for error in call.errors] == [12200]


def test_dial_goes_on_with_its_action(ring):
    dial = '<Dial action="/after"><Number>+33142685300</Number></Dial>'
    call = ring({"/in": dial, "/after": "<Hangup/>"}, dial_status="no-answer")
    assert call.dialed == ["Number +33142685300"]
    assert call.requests[-1].form["DialCallStatus"] == "no-answer"


def test_a_given_document_needs_absolute_urls(ring):
    call = ring({"/next": NEXT}, twiml="<Response><Redirect>/next</Redirect></Response>")
    assert [error.code for error in call.errors] == [11100]
    call = ring({"/next": NEXT}, twiml=f"<Response><Redirect>{BASE}/next</Redirect></Response>")
    assert call.last_spoken == "Merci."


def test_an_outbound_call_tells_its_progress(ring):
    events = ("initiated", "ringing", "answered", "completed")
    call = ring(
        {"/in": "<Hangup/>", "/s": Reply(204)},
        status_url=f"{BASE}/s",
        direction="outbound-api",
        status_events=events,
    )
    told = [r.form for r in call.requests if r.url.endswith("/s")]
    assert [f["CallStatus"] for f in told] == ["initiated", "ringing", "in-progress", "completed"]
    assert [f["SequenceNumber"] for f in told] == ["0", "1", "2", "3"]


def test_reads_as_a_call(tiny, in_process):
    app = tiny()
    caller = Call(url=f"{BASE}/voice/incoming", transport=in_process(app), auth_token=TOKEN)
    caller.dials().hears_text("Pour prendre rendez-vous, tapez 1.")
    caller.presses("1").presses("1").hears_text("date de naissance")
    caller.stays_silent().hears_text("date de naissance").presses("12031942#")
    caller.hears_text("12 mars 1942")
    with pytest.raises(AssertionError, match="was not said"):
        caller.hears_text("13 mars 1942")
    assert caller.waiting_gather is not None
    assert caller.waiting_gather.num_digits == 1
    assert caller.documents[-1].startswith(b"<?xml")
