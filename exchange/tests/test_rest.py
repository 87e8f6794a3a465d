"""The REST paths, through Twilio's own library and by hand."""

import base64
import json

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from threading import Event
from typing import Any
from urllib.parse import urlsplit

import jsonschema
import pytest
import requests

from twilio.base.exceptions import TwilioRestException
from twilio.http.http_client import TwilioHttpClient
from twilio.request_validator import RequestValidator
from twilio.rest import Client

import exchange

from exchange.clock import VirtualClock
from exchange.rest.app import create_app
from exchange.transport import Reply

TOKEN = "test-token"
SID = "AC" + "0" * 31 + "9"
MESSAGES = f"/2010-04-01/Accounts/{SID}/Messages.json"
CALLS = f"/2010-04-01/Accounts/{SID}/Calls.json"
MOBILE = "+33612345678"
CALLBACK = "https://service.test/sms/status"
OPENAPI, VOICE = (
    json.loads((Path(exchange.__file__).parent / "openapi" / name).read_text("utf-8"))
    for name in ("twilio_api_v2010_extract.json", "twilio_voice_v1_extract.json")
)


class OtherHost(TwilioHttpClient):  # type: ignore[misc]  # twilio has no types
    def __init__(self, base) -> None:
        super().__init__(timeout=5)
        self.base = base

    def request(self, method, url, *args, **options):
        return super().request(
            method, self.base + url.removeprefix("https://api.twilio.com"), *args, **options
        )


@pytest.fixture
def twilio(rest, serve):
    with serve(rest) as base:
        client = OtherHost(base)
        yield Client(SID, TOKEN, http_client=client)
        client.session.close()


@pytest.fixture
def web(rest):
    client = rest.test_client()

    class Web:
        auth = (SID, TOKEN)

        def post(self, path, **options) -> Any:
            return client.post(path, auth=self.auth, **options)

        def get(self, path, **options):
            return client.get(path, auth=self.auth, **options)

        def sms(self, **changes):
            form = {"To": MOBILE, "From": "ALLO RDV", "Body": "Bonjour", **changes}
            return self.post(MESSAGES, data={k: v for k, v in form.items() if v is not None})

        bare = client
        pending = staticmethod(rest.extensions["simulator"].run_pending)

    return Web()


def conforms(resource, name, description=OPENAPI) -> None:
    """Check against an extract, with OpenAPI's `nullable` said in JSON Schema."""

    def plain(node) -> Any:
        if isinstance(node, list):
            return [plain(item) for item in node]
        if not isinstance(node, dict):
            return node
        node = {key: plain(value) for key, value in node.items()}
        if node.pop("nullable", False):
            node = {"anyOf": [node, {"type": "null"}]}
        return node

    schemas = plain(description["components"]["schemas"])
    schema = {**schemas[name], "components": {"schemas": schemas}}
    jsonschema.validate(resource, schema)
    assert set(resource) == set(description["components"]["schemas"][name]["properties"])


def test_twilios_library_sends_fetches_and_lists(twilio, rest):
    sent = twilio.messages.create(
        to=MOBILE, from_="ALLO RDV", body="Rendez-vous à 10 h", status_callback=CALLBACK
    )
    assert (sent.status, sent.direction, sent.num_segments) == ("queued", "outbound-api", "1")
    assert sent.date_sent is None
    rest.extensions["simulator"].run_pending()
    fetched = twilio.messages(sent.sid).fetch()
    assert (fetched.status, fetched.body) == ("delivered", "Rendez-vous à 10 h")
    assert abs(fetched.date_sent - datetime.now(UTC)) < timedelta(seconds=30)
    assert [message.sid for message in twilio.messages.list(to=MOBILE)] == [sent.sid]
    assert twilio.messages.list(to="+33687654321") == []


def test_twilios_library_pages_through_all(twilio):
    sent = [twilio.messages.create(to=MOBILE, from_="ALLO RDV", body=str(n)).sid for n in range(7)]
    assert [message.sid for message in twilio.messages.list(page_size=3)] == sent[::-1]
    assert len(twilio.messages.list(limit=2)) == 2


def test_twilios_library_filters_by_date(twilio, rest):
    twilio.messages.create(to=MOBILE, from_="ALLO RDV", body="a")
    assert twilio.messages.list(date_sent=datetime.now(UTC).date()) == []
    rest.extensions["simulator"].run_pending()
    now = datetime.now(UTC)
    assert len(twilio.messages.list(date_sent=now.date())) == 1
    assert len(twilio.messages.list(date_sent_after=now - timedelta(minutes=1))) == 1
    assert twilio.messages.list(date_sent_after=now + timedelta(minutes=1)) == []
    assert len(twilio.messages.list(date_sent_before=now + timedelta(minutes=1))) == 1
    assert twilio.messages.list(date_sent_before=date(2020, 1, 1)) == []


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"To": "+336"}, 21211),
        ({"To": "0612345678"}, 21211),
        ({"To": "+33712345678"}, 21211),
        ({"To": "+33692123456"}, 21211),
        ({"To": None}, 21604),
        ({"From": None}, 21603),
        ({"To": "+33142685300"}, 21614),
        ({"To": "+33975123456"}, 21614),
        ({"To": "+33199000001"}, 21614),
        ({"To": "+262262123456"}, 21614),
        ({"From": "1234"}, 21606),
        ({"From": "ALLO RENDEZ VOUS"}, 21606),
        ({"From": "ALLÔ"}, 21606),
        ({"Body": None}, 21602),
        ({"Body": "  "}, 21602),
        ({"Body": "a" * 1601}, 21617),
        ({"StatusCallback": "/sms/status"}, 21609),
        ({"StatusCallback": "https://service.test/s#rc=9"}, 21609),
        ({"Bodie": "x"}, 20001),
        ({"ValidityPeriod": "soon"}, 20001),
        ({"SmartEncoded": "perhaps"}, 20001),
        ({"MessagingServiceSid": "MG1"}, 20001),
        ({"ContentRetention": "forget"}, 20001),
        ({"Body": ["a", "b"]}, 20001),
    ],
)
def test_refuses_what_twilio_refuses(web, changes, code):
    answer = web.sms(**changes)
    error = answer.get_json()
    assert (answer.status_code, error["code"]) == (400, code), error["message"]
    assert set(error) == {"code", "message", "more_info", "status"}
    assert error["more_info"] == f"https://www.twilio.com/docs/errors/{code}"


@pytest.mark.parametrize(
    "changes",
    [
        {"To": "+33639980001"},
        {"To": "+262692123456"},
        {"To": "+590690123456"},
        {"From": "+33974750001"},
        {"From": "RDV 2021"},
        {"Body": "a" * 1600},
        {"ValidityPeriod": "400", "SmartEncoded": "true"},
    ],
)
def test_accepts_what_twilio_accepts(web, changes):
    answer = web.sms(**changes)
    assert answer.status_code == 201
    conforms(answer.get_json(), "api.v2010.account.message")


def test_json_bodies_are_refused(web):
    assert web.post(MESSAGES, json={"To": MOBILE}).get_json()["code"] == 20001


@pytest.mark.parametrize("query", ["?PageSize=0", "?PageSize=1001", "?Foo=1", "?DateSent=soon"])
def test_refuses_a_bad_query(web, query):
    assert web.get(MESSAGES + query).get_json()["code"] == 20001


def test_asks_for_the_account_and_its_token(web):
    for header in ({}, {"Authorization": "Basic !"}, {"Authorization": "Bearer x"}):
        answer = web.bare.get(MESSAGES, headers=header)
        assert (answer.status_code, answer.get_json()["code"]) == (401, 20003)
        assert answer.headers["WWW-Authenticate"].startswith("Basic")
    assert web.bare.get(MESSAGES, auth=(SID, "wrong")).status_code == 401


@pytest.mark.parametrize(
    "path",
    [
        MESSAGES.replace(SID, "AC" + "1" * 32),
        f"/2010-04-01/Accounts/{SID}/Messages/SM{'0' * 32}.json",
        f"/2010-04-01/Accounts/{SID}/Calls/CA{'0' * 32}.json",
        f"/2010-04-01/Accounts/{SID}/Faxes.json",
    ],
)
def test_unknown_resources(web, path):
    answer = web.get(path)
    assert (answer.status_code, answer.get_json()["code"]) == (404, 20404)


def test_a_message_tells_its_life_in_signed_callbacks(web, inbox):
    sid = web.sms(StatusCallback=CALLBACK + "#rc=2").get_json()["sid"]
    web.pending()
    assert [form["MessageStatus"] for form in inbox.forms] == ["sent", "delivered"]
    for form, headers, url in zip(inbox.forms, inbox.headers, inbox.urls, strict=True):
        assert form["MessageSid"] == form["SmsSid"] == sid
        assert form["SmsStatus"] == form["MessageStatus"]
        assert "ErrorCode" not in form
        assert url == CALLBACK
        assert RequestValidator(TOKEN).validate(url, form, headers["X-Twilio-Signature"])


def test_callbacks_are_tried_again_a_few_times(web, inbox):
    inbox.statuses = [500, 500, 200, 500, 500, 500]
    web.sms(StatusCallback=CALLBACK)
    web.pending()
    assert [f["MessageStatus"] for f in inbox.forms] == ["sent"] * 3 + ["delivered"] * 3


def faults(web, **switches) -> Any:
    answer = web.post("/_faults", json=switches)
    assert answer.status_code == 200, answer.get_json()
    return answer.get_json()


def test_undeliverable_numbers(web, inbox):
    faults(web, undeliverable={MOBILE: 30003})
    sid = web.sms(StatusCallback=CALLBACK).get_json()["sid"]
    web.pending()
    assert inbox.forms[-1]["MessageStatus"] == "undelivered"
    assert inbox.forms[-1]["ErrorCode"] == "30003"
    resource = web.get(MESSAGES.replace(".json", f"/{sid}.json")).get_json()
    assert (resource["status"], resource["error_code"]) == ("undelivered", 30003)
    conforms(resource, "api.v2010.account.message")


@pytest.mark.parametrize(
    ("switches", "told"),
    [
        ({"drop_status_callbacks": True}, []),
        ({"drop_status_callbacks": ["sent"]}, ["delivered"]),
        ({"shuffle_status_callbacks": True}, ["delivered", "sent"]),
    ],
)
def test_lost_and_late_callbacks(web, inbox, switches, told):
    faults(web, **switches)
    sid = web.sms(StatusCallback=CALLBACK).get_json()["sid"]
    web.pending()
    assert [form["MessageStatus"] for form in inbox.forms] == told
    assert web.get(MESSAGES.replace(".json", f"/{sid}.json")).get_json()["status"] == "delivered"


def test_faults_come_in_order_one_a_request(web):
    faults(web, next=["500", {"429": 7}, "ok", {"delay": 2}])
    answers = [web.sms() for _ in range(4)]
    assert [answer.status_code for answer in answers] == [500, 429, 201, 201]
    assert answers[1].headers["Retry-After"] == "7"
    assert answers[1].get_json()["code"] == 20429
    assert len(web.get(MESSAGES).get_json()["messages"]) == 2


def test_accepts_and_cuts_the_connection(web):
    faults(web, next=["cut"])
    with pytest.raises(ConnectionAbortedError):
        web.sms(Body="kept")
    assert [m["body"] for m in web.get(MESSAGES).get_json()["messages"]] == ["kept"]


def test_a_configured_rate(settings, inbox):
    clock = VirtualClock()
    app = create_app(settings, transport=inbox, threads=0, clock=clock)
    app.extensions["simulator"].faults.set({"rate_per_second": 2})
    form = {"To": MOBILE, "From": "ALLO RDV", "Body": "a"}

    def send() -> int:
        return app.test_client().post(MESSAGES, data=form, auth=(SID, TOKEN)).status_code

    assert [send() for _ in range(3)] == [201, 201, 429]
    clock.advance(1)
    assert send() == 201


@pytest.mark.parametrize(
    "switches",
    [
        {"next": ["perhaps"]},
        {"next": [{"delay": "long"}]},
        {"undeliverable": {MOBILE: 1}},
        {"undeliverable": True},
        {"rate_per_second": 0},
        {"answers": {MOBILE: "asleep"}},
        {"unknown": 1},
    ],
)
def test_bad_switches_change_nothing(web, switches):
    before = web.get("/_faults").get_json()
    assert web.post("/_faults", json=switches).status_code == 400
    assert web.get("/_faults").get_json() == before


def test_switches_are_locked_and_can_be_reset(web):
    assert web.bare.post("/_faults", json={}).status_code == 401
    faults(web, next=["500"], drop_status_callbacks=True)
    assert faults(web, reset=True) == {
        "next": 0,
        "undeliverable": {},
        "drop_status_callbacks": False,
        "shuffle_status_callbacks": False,
        "rate_per_second": None,
        "calls_per_second": None,
        "queue_full": False,
        "system_error": False,
        "refuses": None,
        "problems": False,
        "answers": {},
        "line_types": {},
    }


def test_calls_through_twilios_library(twilio, rest, inbox):
    call = twilio.calls.create(
        to=MOBILE,
        from_="+33974750001",
        twiml="<Response><Say>Votre rappel.</Say></Response>",
        status_callback="https://service.test/voice/status",
        status_callback_event=["initiated", "answered", "completed"],
    )
    assert call.status == "queued"
    rest.extensions["simulator"].run_pending()
    fetched = twilio.calls(call.sid).fetch()
    assert (fetched.status, fetched.direction) == ("completed", "outbound-api")
    assert [form["CallStatus"] for form in inbox.forms] == ["initiated", "in-progress", "completed"]
    assert [c.sid for c in twilio.calls.list(status="completed", to=MOBILE)] == [call.sid]
    with pytest.raises(TwilioRestException) as caught:
        twilio.calls(call.sid).update(url="https://service.test/x")
    assert caught.value.code == 21220


def test_a_call_can_be_ended_before_it_rings(web, inbox):
    form = {"To": MOBILE, "From": "+33974750001", "Url": "https://service.test/out"}
    created = web.post(CALLS, data=form).get_json()
    conforms(created, "api.v2010.account.call")
    path = CALLS.replace(".json", f"/{created['sid']}.json")
    assert web.post(path, data={"Status": "canceled"}).get_json()["status"] == "canceled"
    assert web.post(path, data={"Status": "asleep"}).get_json()["code"] == 20001
    web.pending()
    assert inbox.urls == []


@pytest.mark.parametrize("outcome", ["busy", "no-answer", "failed"])
def test_a_number_may_not_answer(web, inbox, outcome):
    faults(web, answers={MOBILE: outcome})
    form = {
        "To": MOBILE,
        "From": "+33974750001",
        "Url": "https://service.test/out",
        "StatusCallback": "https://service.test/voice/status",
    }
    created = web.post(CALLS, data=form).get_json()
    web.pending()
    assert inbox.forms[-1]["CallStatus"] == outcome
    assert (
        web.get(CALLS.replace(".json", f"/{created['sid']}.json")).get_json()["status"] == outcome
    )


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"Url": None}, 21205),
        ({"Url": "/relative"}, 21205),
        ({"To": "+33"}, 21211),
        ({"From": "ALLO RDV"}, 21212),
        ({"Url": None, "Twiml": "a" * 4001}, 32018),
        ({"StatusCallbackEvent": "sneezed"}, 21626),
        ({"Timeout": "x"}, 20001),
        ({"Method": "PUT"}, 20001),
    ],
)
def test_refuses_bad_calls(web, changes, code):
    form = {"To": MOBILE, "From": "+33974750001", "Url": "https://service.test/out", **changes}
    answer = web.post(CALLS, data={k: v for k, v in form.items() if v is not None})
    assert (answer.status_code, answer.get_json()["code"]) == (400, code)


def test_a_telephone_elsewhere_can_register_its_call(web):
    sid = "CA" + "a" * 32
    form = {"CallSid": sid, "From": MOBILE, "To": "+33974750001"}
    assert web.post("/_calls", data=form).get_json()["status"] == "in-progress"
    web.post("/_calls", data={**form, "CallStatus": "completed", "CallDuration": "61"})
    (call,) = web.get(CALLS).get_json()["calls"]
    assert (call["status"], call["duration"], call["direction"]) == ("completed", "61", "inbound")
    conforms(call, "api.v2010.account.call")
    assert web.post("/_calls", data={"CallSid": "x"}).status_code == 400


def test_pages_for_people_and_machines(web):
    web.sms(Body="<b>Bonjour</b>")
    page = web.bare.get("/").get_data(as_text=True)
    assert "stand-in for Twilio" in page
    assert "&lt;b&gt;Bonjour" in page
    health = web.bare.get("/healthz")
    assert (health.status_code, health.data) == (200, b"ok")


def test_threads_deliver_without_being_asked(settings, serve):
    delivered = Event()

    class Waiting:
        def send(self, outgoing):
            if outgoing.form["MessageStatus"] == "delivered":
                delivered.set()
            return Reply(204)

    app = create_app(settings, transport=Waiting())
    credentials = base64.b64encode(f"{SID}:{TOKEN}".encode()).decode()
    with serve(app) as base:
        form = {"To": MOBILE, "From": "ALLO RDV", "Body": "a", "StatusCallback": CALLBACK}
        headers = {"Authorization": f"Basic {credentials}"}
        assert requests.post(base + MESSAGES, form, headers=headers, timeout=5).status_code == 201
        assert delivered.wait(10)
    assert urlsplit(base).hostname == "127.0.0.1"
