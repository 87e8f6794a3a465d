"""Every question to the provider is one that its own description allows; its answers are heard."""

from __future__ import annotations

import json
import subprocess
import sys
import threading

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest

from flask import Flask, Response, request
from werkzeug.serving import make_server

import ivr.call_control

from exchange.rest.validation import EXTRACT, Contract
from ivr.call_control import TwilioCallControl
from services.ports import Busy, NoAnswer, ProviderRefused
from tests.support.house import ACCOUNT, BASE, TOKEN

pytestmark = pytest.mark.slow

QUEUE, CALL, CONFERENCE = "QU" + "1" * 32, "CA" + "2" * 32, "CF" + "3" * 32
NOW = datetime(2026, 11, 25, 8, 0, tzinfo=UTC)


@dataclass
class Provider:
    """A server that holds each request against the description, and answers as it is told."""

    asked: list[tuple[str, str, dict[str, Any]]] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    answers: list[tuple[int, dict[str, str], Any]] = field(default_factory=list)
    port: int = 0

    def app(self) -> Flask:
        contract, made = Contract(), Flask("provider")

        def answer(**_: str) -> Response:
            violation = contract.violation(request)
            if violation:
                self.wrong.append(f"{request.method} {request.path}: {violation}")
            if request.authorization is None or request.authorization.username != ACCOUNT:
                self.wrong.append("nobody said who asks")
            given = {**request.args.to_dict(flat=False), **request.form.to_dict(flat=False)}
            path = request.path.removeprefix(f"/2010-04-01/Accounts/{ACCOUNT}")
            self.asked.append((request.method, path, given))
            status, headers, body = self.answers.pop(0) if self.answers else (200, {}, {})
            return Response(json.dumps(body), status, headers, mimetype="application/json")

        for path, methods in json.loads(EXTRACT.read_text("utf-8"))["paths"].items():
            allowed = [method.upper() for method in methods if method in {"get", "post", "delete"}]
            rule = path.replace("{", "<").replace("}", ">")
            made.add_url_rule(rule, path, answer, methods=allowed)
        return made

    def control(self, **options: Any) -> TwilioCallControl:
        return TwilioCallControl(
            ACCOUNT,
            TOKEN,
            api_base_url=f"http://127.0.0.1:{self.port}",
            public_base_url=BASE,
            caller_id="+33974750001",
            **options,
        )


@pytest.fixture
def provider() -> Iterator[Provider]:
    made = Provider()
    server = make_server("127.0.0.1", 0, made.app(), threaded=True)
    made.port = server.server_port
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield made
    server.shutdown()
    thread.join()
    server.server_close()


def error(status: int, code: int, **headers: str) -> tuple[int, dict[str, str], Any]:
    return status, headers, {"code": code, "message": "no", "status": status}


def url(path: str) -> list[str]:
    return [f"{BASE}{path}#rc=2&rp=ct,rt,5xx&ct=2000&rt=4500"]


EVERY: list[tuple[Callable[[TwilioCallControl], Any], str, dict[str, list[str]]]] = [
    (
        lambda c: c.take_from_queue(QUEUE, CALL, "/voice/turn?n=3&again=1"),
        f"POST /Queues/{QUEUE}/Members/{CALL}.json",
        {"Url": url("/voice/turn?n=3&again=1"), "Method": ["POST"]},
    ),
    (
        lambda c: c.redirect(CALL, "/voice/turn?n=3&returned=1"),
        f"POST /Calls/{CALL}.json",
        {"Url": url("/voice/turn?n=3&returned=1"), "Method": ["POST"]},
    ),
    (lambda c: c.hang_up(CALL), f"POST /Calls/{CALL}.json", {"Status": ["completed"]}),
    (lambda c: c.status_of(CALL), f"GET /Calls/{CALL}.json", {}),
    (
        lambda c: c.hold(CONFERENCE, CALL, on=True, path="/voice/hold?entry=1"),
        f"POST /Conferences/{CONFERENCE}/Participants/{CALL}.json",
        {"Hold": ["true"], "HoldUrl": url("/voice/hold?entry=1"), "HoldMethod": ["POST"]},
    ),
    (
        lambda c: c.hold(CONFERENCE, CALL, on=False),
        f"POST /Conferences/{CONFERENCE}/Participants/{CALL}.json",
        {"Hold": ["false"]},
    ),
    (
        lambda c: c.coach(CONFERENCE, CALL, coached_sid="CA" + "4" * 32, muted=False),
        f"POST /Conferences/{CONFERENCE}/Participants/{CALL}.json",
        {"Coaching": ["true"], "CallSidToCoach": ["CA" + "4" * 32], "Muted": ["false"]},
    ),
    (
        lambda c: c.coach(CONFERENCE, CALL, muted=True),
        f"POST /Conferences/{CONFERENCE}/Participants/{CALL}.json",
        {"Coaching": ["false"], "Muted": ["true"]},
    ),
]


@pytest.mark.parametrize(("do", "where", "given"), EVERY, ids=[one[1] for one in EVERY])
def test_a_question_is_one_that_the_description_allows(
    provider: Provider,
    do: Callable[[TwilioCallControl], Any],
    where: str,
    given: dict[str, list[str]],
) -> None:
    do(provider.control())
    assert provider.wrong == []
    ((method, path, said),) = provider.asked
    assert f"{method} {path}" == where
    assert said == given


def test_the_description_is_held_against_what_is_asked(provider: Provider) -> None:
    provider.control()._ask("POST", f"/Calls/{CALL}.json", form={"Stauts": "completed"})
    assert provider.wrong == [
        f"POST /2010-04-01/Accounts/{ACCOUNT}/Calls/{CALL}.json: Unknown parameter Stauts"
    ]


@pytest.mark.parametrize("to", ["client:0123456789abcdef", "+33145678901"])
def test_a_ring_says_where_to_go_on_and_whom_to_tell(provider: Provider, to: str) -> None:
    provider.answers.append((201, {}, {"sid": CALL}))
    sid = provider.control().ring(
        to, "/voice/agent?leg=1", status_path="/voice/leg?leg=1", ring_seconds=25
    )
    assert sid == CALL
    assert provider.wrong == []
    ((_, path, said),) = provider.asked
    assert path == "/Calls.json"
    assert said == {
        "To": [to],
        "From": ["+33974750001"],
        "Url": url("/voice/agent?leg=1"),
        "Method": ["POST"],
        "StatusCallback": url("/voice/leg?leg=1"),
        "StatusCallbackMethod": ["POST"],
        "StatusCallbackEvent": ["initiated", "ringing", "answered", "completed"],
        "Timeout": ["25"],
    }


def call(sid: str, made: datetime | None) -> dict[str, Any]:
    return {"sid": sid, "date_created": made and format_datetime(made)}


def test_the_newest_call_since_then_is_found(provider: Provider) -> None:
    calls = [
        call("CAold", NOW - timedelta(hours=1)),
        call("CAnew", NOW + timedelta(seconds=3)),
        call("CAthen", NOW),
    ]
    provider.answers.append((200, {}, {"calls": calls}))
    assert provider.control().find_call("client:1", NOW) == "CAnew"
    provider.answers.append((200, {}, {"calls": calls[:1]}))
    assert provider.control().find_call("client:1", NOW) is None
    assert provider.wrong == []


def test_what_became_of_a_call_is_the_providers_word(provider: Provider) -> None:
    provider.answers.append((200, {}, {"sid": CALL, "status": "no-answer"}))
    assert provider.control().status_of(CALL) == "no-answer"


def test_a_queue_that_is_there_gets_its_size(provider: Provider) -> None:
    there = {
        "queues": [{"sid": "QUx", "friendly_name": "en"}, {"sid": QUEUE, "friendly_name": "fr"}]
    }
    provider.answers.append((200, {}, there))
    assert provider.control().make_queue("fr", 5000) == QUEUE
    assert provider.asked[-1] == ("POST", f"/Queues/{QUEUE}.json", {"MaxSize": ["5000"]})
    assert provider.wrong == []


def test_a_queue_that_is_not_there_is_made_with_its_size(provider: Provider) -> None:
    provider.answers += [(200, {}, {"queues": []}), (201, {}, {"sid": QUEUE})]
    assert provider.control().make_queue("fr", 5000) == QUEUE
    assert provider.asked[-1][2] == {"FriendlyName": ["fr"], "MaxSize": ["5000"]}
    assert provider.wrong == []


def test_a_queue_that_somebody_else_makes_meanwhile_is_found(provider: Provider) -> None:
    there = {"queues": [{"sid": QUEUE, "friendly_name": "fr"}]}
    provider.answers += [(200, {}, {"queues": []}), error(400, 22003), (200, {}, there)]
    assert provider.control().make_queue("fr", 5000) == QUEUE


@pytest.mark.parametrize(
    ("answer", "kind", "code"),
    [
        (error(404, 20404), ProviderRefused, "20404"),
        ((404, {}, {}), ProviderRefused, "20404"),
        (error(400, 21220), ProviderRefused, "21220"),
        ((403, {}, "no object"), ProviderRefused, "403"),
    ],
)
def test_a_refusal_has_its_code(
    provider: Provider, answer: Any, kind: type[ProviderRefused], code: str
) -> None:
    provider.answers.append(answer)
    with pytest.raises(kind) as refused:
        provider.control().hang_up(CALL)
    assert refused.value.code == code


def test_too_many_at_once_is_busy_for_as_long_as_it_says(provider: Provider) -> None:
    provider.answers.append(error(429, 20429, **{"Retry-After": "2"}))
    with pytest.raises(Busy) as busy:
        provider.control().hang_up(CALL)
    assert busy.value.after == timedelta(seconds=2)
    assert busy.value.code == "20429"


@pytest.mark.parametrize("status", [500, 503])
def test_a_failure_of_the_provider_tells_nothing(provider: Provider, status: int) -> None:
    provider.answers.append(error(status, 20500))
    with pytest.raises(NoAnswer):
        provider.control().hang_up(CALL)


def test_an_answer_without_sense_tells_nothing(provider: Provider) -> None:
    provider.answers.append((201, {}, {}))
    with pytest.raises(NoAnswer):
        provider.control().ring("+33145678901", "/a", status_path="/b", ring_seconds=5)


def test_who_cannot_be_reached_was_not_asked(provider: Provider) -> None:
    control = provider.control()
    closed = make_server("127.0.0.1", 0, Flask("nobody"))
    closed.server_close()
    control = TwilioCallControl(
        ACCOUNT,
        TOKEN,
        api_base_url=f"http://127.0.0.1:{closed.server_port}",
        public_base_url=BASE,
        caller_id="+33974750001",
    )
    with pytest.raises(Busy):
        control.hang_up(CALL)


def test_an_answer_that_does_not_come_is_none(
    provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = threading.Event()
    done = threading.Event()

    def answer(*_: Any) -> list[bytes]:
        asked.set()
        done.wait(10)
        return []

    server = make_server("127.0.0.1", 0, answer, threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    monkeypatch.setattr(ivr.call_control, "SECONDS", 0.3)
    control = TwilioCallControl(
        ACCOUNT,
        TOKEN,
        api_base_url=f"http://127.0.0.1:{server.server_port}",
        public_base_url=BASE,
        caller_id="+33974750001",
    )
    try:
        with pytest.raises(NoAnswer):
            control.hang_up(CALL)
        assert asked.is_set()
    finally:
        done.set()
        server.shutdown()
        thread.join()
        server.server_close()


def test_a_web_worker_loads_no_client_of_the_providers_for_it() -> None:
    code = (
        "import sys, ivr.call_control;"
        " print([m for m in ('twilio.rest', 'requests') if m in sys.modules])"
    )
    ran = subprocess.run(  # noqa: S603
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert ran.stdout.strip() == "[]"
