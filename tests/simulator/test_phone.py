"""The telephone in the browser, below its page: what its requests do, and whom they obey."""

import threading

from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any, cast

import pytest

from flask import Flask, request

from exchange.interpreter import Call, Gather, Keys
from exchange.messages import Message
from exchange.testing.fixtures import SID, TOKEN
from exchange.testing.tiny_service import make_service, twiml
from exchange.transport import ConnectFailed, Reply, WsgiTransport
from tools.simulator import browser
from tools.simulator.answers import AnswersLeg
from tools.simulator.app import create_app
from tools.simulator.phone import MOST_KEPT, Phone, blueprint

HOME = "http://localhost"
MOBILE = "0612345678"


class Clock:
    """Seconds that pass when a test says so."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


class Desk:
    """A simulator with a telephone whose requests wait for what comes of them."""

    def __init__(self, settings, transport, **options) -> None:
        self.now = Clock()
        self.rest = create_app(settings, transport=transport, threads=0)
        self.simulator = self.rest.extensions["simulator"]
        self.phone = Phone(self.simulator, now=self.now, **{"patience_s": 30.0, **options})
        self.app = Flask("telephone")
        self.app.register_blueprint(blueprint(self.phone, settings))

    def page(self) -> "Page":
        return Page(self)


class Page:
    """One page: what it was told so far, and its requests."""

    def __init__(self, desk: Desk) -> None:
        self.desk, self.client = desk, desk.app.test_client()
        self.events: list[dict[str, Any]] = []
        self.state: dict[str, Any] = {}

    def post(self, path: str, given: object) -> Any:
        return self.client.post(f"/telephone/calls{path}", json=given, headers={"Origin": HOME})

    def calls(self, sender=MOBILE) -> "Page":
        answer = self.post("", {"from": sender})
        assert answer.status_code == 201, answer.json
        return self.takes(answer.json)

    def does(self, **given) -> str:
        answer = self.post(f"/{self.state['id']}?after={len(self.events)}", given)
        assert answer.status_code == 200, answer.json
        self.takes(answer.json)
        return str(answer.json["result"])

    def looks(self) -> "Page":
        path = f"/telephone/calls/{self.state['id']}?after={len(self.events)}"
        return self.takes(self.client.get(path).json)

    def takes(self, state) -> "Page":
        self.state = state
        self.events += state["events"]
        assert len(self.events) == state["count"]
        return self

    def listens(self) -> "Page":
        """Play whatever there is until a question, a queue or the end."""
        while self.state["waits"] == "play":
            self.does(played=len(self.events))
        return self

    def presses(self, keys, **more) -> str:
        return self.does(turn=self.turn, keys=keys, **more)

    @property
    def turn(self) -> int:
        return int(self.state["question"]["turn"])

    @property
    def line(self):
        return self.desk.phone.line(self.state["id"])

    def heard(self) -> list[str]:
        """What was said since this caller last did something."""
        last = max((n for n, one in enumerate(self.events) if one["kind"] == "keys"), default=-1)
        return [one["text"] for one in self.events[last + 1 :] if one["kind"] == "say"]


@pytest.fixture
def desk(settings):
    """`desk(service)`: a Desk that rings this application; every call is over in the end."""
    desks = []

    def make(service, **options):
        transport = WsgiTransport(service) if isinstance(service, Flask) else service
        desks.append(Desk(settings, transport, **options))
        return desks[-1]

    yield make
    for one in desks:
        for line in one.phone._lines.values():
            line.leg.hang_up()
            assert line.ended.wait(20)


def answering(**documents) -> Flask:
    """A service whose /voice/NAME answers the TwiML given under that name."""
    app = Flask("answering")
    app.config["forms"] = forms = []

    @app.post("/voice/<name>")
    def answer(name):
        forms.append((name, request.form.to_dict()))
        return twiml(documents.get(name, ""))

    return app


def test_a_whole_booking_through_the_requests(desk):
    texts: list[str] = []
    page = desk(make_service(texts.append)).page().calls()
    leg = AnswersLeg({"dob": "12031942", "postcode": "75011"}, "+33612345678")
    while page.listens().state["waits"] == "answer":
        question = page.state["question"]
        attributes = {"finishOnKey": question["finish"]}
        if question["digits"]:
            attributes["numDigits"] = str(question["digits"])
        told = SimpleNamespace(since_input=" ".join(page.heard()))
        answer = leg.answers(cast("Call", told), Gather(attributes, (), ""))
        assert isinstance(answer, Keys)
        for key in answer.digits:
            assert page.presses(key) == "taken"
        if page.state["question"] and page.state["question"]["typed"]:
            # Digits that a key would end: here the caller just waits.
            page.does(turn=page.turn, silence=True)
    assert texts == ["+33612345678"]
    assert (page.state["end"], page.state["errors"]) == ("hangup", [])
    assert "Votre référence" in " ".join(page.heard())


def test_the_exchange_says_when_keys_are_complete(desk):
    gather = '<Gather numDigits="3" finishOnKey="#" action="/voice/next"><Say>Clé ?</Say></Gather>'
    service = answering(incoming=gather, next=gather)
    page = desk(service).page().calls()
    assert page.presses("1") == "taken"
    assert page.state["question"]["typed"] == "1"
    first = page.turn
    page.presses("23")
    assert service.config["forms"][-1][1]["Digits"] == "123"
    assert page.turn == first + 1
    page.presses("4#")
    form = service.config["forms"][-1][1]
    assert (form["Digits"], form["FinishedOnKey"]) == ("4", "#")
    # More keys than are wanted in one go: the rest is lost, as on a line.
    page.presses("56789")
    assert service.config["forms"][-1][1]["Digits"] == "567"
    assert page.state["question"]["typed"] == ""


def test_an_answer_to_a_question_that_is_over_is_late(desk):
    service = answering(incoming='<Gather numDigits="1" action="/voice/incoming"/>')
    page = desk(service).page().calls()
    turn = page.turn
    page.presses("1")
    assert page.does(turn=turn, keys="2") == "late"
    assert page.does(turn=turn, silence=True) == "late"
    assert page.does(turn=turn, said="deux") == "late"
    assert [one["kind"] for one in page.events] == ["keys"]


def test_silence_submits_what_was_typed_and_else_goes_on(desk):
    service = answering(
        incoming='<Gather action="/voice/typed"/><Redirect>/voice/silent</Redirect>',
        silent='<Gather action="/voice/typed"/>',
        typed="<Hangup/>",
    )
    page = desk(service).page().calls()
    page.does(turn=page.turn, silence=True)
    assert service.config["forms"][-1][0] == "silent"
    page.presses("42")
    page.does(turn=page.turn, silence=True)
    name, form = service.config["forms"][-2]
    assert (name, form["Digits"]) == ("typed", "42")
    assert page.state["end"] == "hangup"


def test_words_are_heard_where_speech_is_awaited_and_no_key_came_first(desk):
    service = answering(
        incoming='<Gather action="/voice/both" numDigits="1"/>',
        both='<Gather input="dtmf speech" language="fr-FR" action="/voice/both"/>',
    )
    page = desk(service).page().calls()
    assert page.does(turn=page.turn, said="bonjour") == "deaf_to_speech"
    page.presses("1")
    assert page.state["question"]["language"] == "fr-FR"
    page.presses("7")
    assert page.does(turn=page.turn, said="bonjour") == "deaf_to_speech"
    page.presses("#")
    assert page.does(turn=page.turn, said="  le douze ", confidence=0.5) == "taken"
    form = service.config["forms"][-1][1]
    assert (form["SpeechResult"], form["Confidence"]) == ("le douze", "0.5")
    assert page.events[-1]["kind"] == "said"
    page.does(turn=page.turn, said="le douze")
    assert "Confidence" not in service.config["forms"][-1][1]


def test_keys_are_not_heard_where_only_speech_is(desk):
    service = answering(incoming='<Gather input="speech" language="fr-FR"/>')
    page = desk(service).page().calls()
    assert page.presses("1") == "deaf_to_keys"


def test_the_call_waits_until_the_page_has_played_what_is_said(desk):
    service = answering(
        incoming='<Say>Un</Say><Pause length="9"/><Redirect>/voice/next</Redirect>',
        next="<Say>Deux</Say>",
    )
    page = desk(service).page().calls()
    assert page.state["waits"] == "play"
    assert [name for name, _ in service.config["forms"]] == ["incoming"]
    page.does(played=1)
    assert page.events[-1]["kind"] == "pause"
    assert [name for name, _ in service.config["forms"]] == ["incoming"]
    page.does(played=2)
    assert [name for name, _ in service.config["forms"]] == ["incoming", "next"]
    page.listens()
    assert page.state["end"] == "document-ended"


def test_a_caller_who_hangs_up_while_listening_is_gone(desk):
    service = answering(incoming="<Say>Un</Say><Redirect>/voice/next</Redirect>")
    page = desk(service).page().calls()
    page.does(hang_up=True)
    assert (page.state["waits"], page.state["end"]) == ("over", "caller-hung-up")
    (status,) = [form for name, form in service.config["forms"] if name == "status"]
    assert status["CallStatus"] == "completed"
    assert "next" not in dict(service.config["forms"])


def test_who_waits_in_a_queue_is_told_so_and_may_leave(desk):
    service = answering(
        incoming='<Enqueue waitUrl="/voice/wait" action="/voice/left">agents</Enqueue>',
        wait="<Say>Un instant.</Say>",
    )
    page = desk(service).page().calls()
    assert page.state["queue"] == "agents"
    page.listens()
    assert page.state["waits"] == "queue"
    page.does(hang_up=True)
    forms = dict(service.config["forms"])
    assert forms["left"]["QueueResult"] == "hangup"
    assert page.state["queue"] == ""


def test_a_page_that_went_away_hangs_up_after_a_minute(desk, monkeypatch):
    monkeypatch.setattr(browser, "LOOK_S", 0.01)
    here = desk(answering(incoming="<Gather/>"))
    page = here.page().calls()
    here.now.seconds += 59
    page.looks()
    here.now.seconds += 59
    assert page.looks().state["waits"] == "answer"
    here.now.seconds += 61
    assert page.line.ended.wait(20)
    assert (page.looks().state["end"], page.state["left"]) == ("caller-hung-up", "away")


def test_a_call_that_the_service_ends_over_rest_is_cut(desk, monkeypatch):
    monkeypatch.setattr(browser, "LOOK_S", 0.01)
    here = desk(answering(incoming="<Gather/>"))
    page = here.page().calls()
    (record,) = here.simulator.calls.newest_first()
    assert (record.direction, record.sender, record.status) == (
        "inbound",
        "+33612345678",
        "in-progress",
    )
    answer = here.rest.test_client().post(
        f"/2010-04-01/Accounts/{SID}/Calls/{record.sid}.json",
        data={"Status": "completed"},
        auth=(SID, TOKEN),
    )
    assert answer.status_code == 200
    assert page.line.ended.wait(20)
    assert page.looks().state["left"] == "cut"


def test_so_many_calls_at_a_time_and_no_more(desk):
    here = desk(answering(incoming="<Gather/>"), most_live=2)
    pages = [here.page().calls(), here.page().calls("0142685300")]
    refused = here.page().post("", {"from": MOBILE})
    assert (refused.status_code, refused.json) == (503, {"error": "too_many_calls"})
    pages[0].does(hang_up=True)
    assert pages[0].line.ended.wait(20)
    here.page().calls()


def test_of_calls_that_are_over_only_the_last_are_kept(desk):
    here = desk(answering(incoming="<Hangup/>"))
    first = here.page().calls()
    assert first.line.ended.wait(20)
    for _ in range(MOST_KEPT):
        assert here.page().calls().line.ended.wait(20)
    assert len(here.phone._lines) == MOST_KEPT
    gone = first.client.get(f"/telephone/calls/{first.state['id']}")
    assert (gone.status_code, gone.json) == (404, {"error": "gone"})


def test_several_pages_at_once_do_not_hear_each_other(desk):
    here = desk(make_service(), most_patient=8)
    start = threading.Barrier(8)

    def one(number):
        page = here.page()
        start.wait()
        page.calls(f"06123456{number:02d}").presses("1")
        page.presses("1")
        return [event["kind"] for event in page.events], page.heard()

    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(one, range(8)))
    assert all(result == results[0] for result in results)
    assert len({call.sid for call in here.simulator.calls.newest_first()}) == 8


def test_no_more_requests_wait_than_leave_threads_for_the_others(desk):
    here = desk(answering(incoming="<Gather/>"))
    taken = 0
    while here.phone._patience._places.acquire(blocking=False):
        taken += 1
    page = here.page()
    # It does not wait, and so may come before the service's answer.
    page.takes(page.post("", {"from": MOBILE}).json)
    assert page.state["waits"] in {"work", "answer"}
    for _ in range(taken):
        here.phone._patience._places.release()


def texted(here: Desk, number: str, body: str) -> None:
    message = Message(SID, "AlloRDV", number, body, here.simulator.clock.now())
    here.simulator.messages.add(message)


def test_a_caller_sees_the_texts_to_its_number_and_to_a_mobile_it_gave(desk):
    here = desk(answering(incoming='<Gather action="/voice/incoming"/>'))
    texted(here, "+33142685300", "before")
    page = here.page().calls("0142685300")
    texted(here, "+33612345678", "a mobile that nobody named yet")
    assert page.state["texts"] == []
    page.presses("0612345678#")
    texted(here, "+33611111111", "another one's")
    texted(here, "+33142685300", "own")
    bodies = [text["body"] for text in page.looks().state["texts"]]
    assert bodies == ["a mobile that nobody named yet", "own"]


class Down:
    def send(self, outgoing):
        raise ConnectFailed


class Broken:
    def send(self, outgoing):
        raise RuntimeError("out of order")


class Angry:
    def send(self, outgoing):
        return Reply(500)


@pytest.mark.parametrize(("transport", "code"), [(Down(), 11205), (Angry(), 11200)])
def test_a_service_that_is_down_is_named(desk, transport, code):
    page = desk(transport).page().calls().listens()
    assert page.state["end"] == "application-error"
    assert code in {error["code"] for error in page.state["errors"]}


def test_an_accident_of_our_own_ends_the_call_too(desk):
    page = desk(Broken()).page().calls()
    assert (page.state["waits"], page.state["end"]) == ("over", "application-error")


def test_pieces_and_language_reach_the_page(desk):
    slow = '<prosody rate="85%">lentement</prosody>'
    say = f'<Say language="fr-FR">Bonjour <break time="400ms"/>{slow}</Say>'
    page = desk(answering(incoming=say)).page().calls()
    (heard,) = page.events
    assert heard["language"] == "fr-FR"
    assert [(one["text"], one["pause_s"], one["rate"]) for one in heard["pieces"]] == [
        ("Bonjour", 0, 1.0),
        ("", 0.4, 1.0),
        ("lentement", 0, 0.85),
    ]


# Whom it obeys


def test_the_page_and_its_files_come_from_here_alone(desk):
    client = desk(Down()).page().client
    page = client.get("/telephone")
    assert page.status_code == 200
    assert "09 74 75 00 01" in page.text
    policy = page.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    for name in ("telephone.css", "telephone.js", "telephone.svg"):
        file = client.get(f"/telephone/files/{name}")
        assert file.status_code == 200
        assert name in page.text
        assert b"https://" not in file.data
        file.close()
    assert "https://" not in page.text


@pytest.mark.parametrize("host", ["rebound.example", "127.0.0.1.example:8010", "192.168.1.2:8010"])
def test_a_name_that_is_not_this_machine_is_refused(desk, host):
    client = desk(Down()).page().client
    for answer in (
        client.get("/telephone", headers={"Host": host}),
        client.get("/telephone/calls/x", headers={"Host": host}),
        client.post("/telephone/calls", headers={"Host": host, "Origin": f"http://{host}"}),
    ):
        assert (answer.status_code, answer.json) == (403, {"error": "not_this_host"})


@pytest.mark.parametrize("host", ["127.0.0.1:8010", "localhost:8010", "[::1]:8010"])
def test_this_machine_has_several_names(desk, host):
    client = desk(Down()).page().client
    assert client.get("/telephone", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize("origin", ["http://evil.example", "http://localhost:8000", "null", None])
def test_a_post_from_another_page_is_refused(desk, origin):
    page = desk(answering(incoming="<Gather/>")).page().calls()
    headers = {} if origin is None else {"Origin": origin}
    for path in ("", f"/{page.state['id']}"):
        answer = page.client.post(
            f"/telephone/calls{path}", json={"from": MOBILE, "hang_up": True}, headers=headers
        )
        assert (answer.status_code, answer.json) == (403, {"error": "not_this_origin"})
    assert page.looks().state["waits"] == "answer"


@pytest.mark.parametrize("sender", ["12", "", "abc", "0812", None, 33612345678, ["0612345678"]])
def test_a_number_that_does_not_exist_cannot_call(desk, sender):
    answer = desk(Down()).page().post("", {"from": sender})
    assert (answer.status_code, answer.json) == (400, {"error": "bad_number"})


def test_a_withheld_number_can(desk):
    service = answering(incoming="<Gather/>")
    desk(service).page().calls("withheld")
    assert service.config["forms"][0][1]["From"] == "+266696687"


@pytest.mark.parametrize(
    "given",
    [
        {}, {"turn": 1}, {"turn": 1, "keys": ""}, {"turn": 1, "keys": "A"},
        {"turn": "1", "keys": "1"}, {"turn": 1, "keys": "1" * 41},
        {"turn": 1, "said": " "}, {"turn": 1, "said": "a" * 501},
        {"turn": 1, "silence": "yes"}, {"played": "1"}, {"hang_up": 1.5},
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_refused_and_changes_nothing(desk, given):
    page = desk(answering(incoming="<Gather/>")).page().calls()
    answer = page.post(f"/{page.state['id']}", given)
    assert (answer.status_code, answer.json) == (400, {"error": "bad_request"})
    assert page.looks().state["question"]["typed"] == ""


def test_a_body_that_is_no_object_is_refused(desk):
    client = desk(Down()).page().client
    for body in (b"", b"[]", b"from=0612345678"):
        answer = client.post("/telephone/calls", data=body, headers={"Origin": HOME})
        assert answer.status_code == 400


def test_a_call_that_this_process_does_not_know_is_gone(desk):
    page = desk(Down()).page()
    assert page.client.get("/telephone/calls/x").json == {"error": "gone"}
    assert page.post("/x", {"hang_up": True}).status_code == 404


def test_it_hangs_in_the_simulators_application(rest):
    answer = rest.test_client().get("/telephone")
    assert answer.status_code == 200
    assert answer.content_type.startswith("text/html")
