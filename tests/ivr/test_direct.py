"""Webhooks that are answered in front of the framework: what is read and said is the same there.

All refusals of tests/ivr/test_signatures.py are tried with this layer in front.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

import pytest

from flask import Flask, Request
from hypothesis import example, given, settings
from hypothesis import strategies as st
from werkzeug.datastructures import MultiDict
from werkzeug.exceptions import Forbidden
from werkzeug.test import run_wsgi_app

from ivr.direct import DirectWebhooks
from ivr.signature import FORM, SignatureCheck
from tests.ivr.webhooks import Webhook, genuine
from tests.support.house import ACCOUNT, BASE, TOKEN, House

CHECK = SignatureCheck(BASE, ACCOUNT, ("", TOKEN))
TURN = "/voice/turn"
VOICE = ("/voice/incoming", TURN, "/voice/status", "/voice/fallback", "/voice/crowded")
thorough = settings(derandomize=True, database=None, max_examples=300, deadline=None)


def behind(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    """An application that says what it could read."""
    read = Request(environ).form.to_dict()
    start_response("299 Behind", [])
    return [urlencode(read).encode()]


def sent(hook: Webhook, answer: Any) -> tuple[str, bytes]:
    layer = DirectWebhooks(behind, CHECK, {TURN: answer})
    pieces, status, _ = run_wsgi_app(layer, hook.environ_of(), buffered=True)
    return status, b"".join(pieces)


def without_the_layer(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SignatureCheck, "read_plain", lambda *_: None)


@pytest.mark.parametrize("path", VOICE)
def test_the_answer_is_that_of_the_application(
    small_service: House, monkeypatch: pytest.MonkeyPatch, path: str
):
    app = small_service.app
    hook = replace(genuine(path, CallStatus="completed"), query="n=3&failed=1").signed()
    direct = hook.send(app)
    without_the_layer(app, monkeypatch)
    behind_it = hook.send(app)
    assert (direct.status, direct.data) == (behind_it.status, behind_it.data)
    assert sorted(direct.headers) == sorted(behind_it.headers)


@pytest.mark.parametrize("path", VOICE)
def test_a_webhook_of_a_call_does_not_enter_the_framework(
    small_service: House, monkeypatch: pytest.MonkeyPatch, path: str
):
    def fails(*_: object) -> None:
        raise AssertionError("dispatched")

    monkeypatch.setattr(Flask, "full_dispatch_request", fails)
    assert genuine(path).signed().send(small_service.app).status_code == 200


@pytest.mark.parametrize("problem", [Forbidden, ZeroDivisionError])
def test_what_is_refused_for_its_words_or_fails_goes_on_as_it_came(problem: type[Exception]):
    def fails(_form: object, _args: object) -> str:
        raise problem

    status, said = sent(genuine(TURN).signed(), fails)
    assert status == "299 Behind"
    assert said == urlencode(genuine(TURN).fields).encode()


@pytest.mark.parametrize(
    "hook",
    [
        genuine(TURN),
        replace(genuine(TURN).signed(), signature="é"),
        genuine(TURN).signed(token="another"),
        genuine(TURN, AccountSid="AC" + "9" * 32).signed(),
        genuine(TURN, CallSid="CA1").signed(),
        replace(genuine(TURN).signed(), method="PUT"),
        replace(genuine(TURN).signed(), content_type=f"{FORM}; charset=utf-8"),
        replace(genuine(TURN).signed(), environ=(("CONTENT_LENGTH", ""),)),
        replace(genuine(TURN).signed(), environ=(("CONTENT_LENGTH", "-1"),)),
        replace(genuine(TURN), query="n=1&n=2").signed(),
        replace(genuine(TURN), query="n").signed(),
        replace(genuine(TURN), query="n=%ff").signed(),
        replace(genuine(TURN), path="/voice/turn/").signed(),
        replace(genuine(TURN), path="/voice/gather").signed(),
    ],
    ids=str,
)
def test_whatever_is_otherwise_goes_on_as_it_came(hook: Webhook):
    def answers(_form: object, _args: object) -> str:
        raise AssertionError("answered")

    status, _said = sent(hook, answers)
    assert status == "299 Behind"


letters = st.text(st.sampled_from("aB1_.-&=+% %4142é\x00\n;?#"), max_size=6)
plain = st.from_regex(r"[A-Za-z][A-Za-z0-9_.-]{0,4}", fullmatch=True)
pairs = st.lists(st.tuples(st.one_of(plain, letters), letters), max_size=5)


@thorough
@given(more=pairs, query=pairs, raw=st.booleans())
@example(more=[("A", ""), ("a", "1")], query=[("n", "1")], raw=False)
@example(more=[("CallSid", "CA1")], query=[], raw=False)
def test_what_is_read_is_what_the_check_lets_in_and_the_parsers_read(
    more: list[tuple[str, str]], query: list[tuple[str, str]], *, raw: bool
):
    fields = (*genuine(TURN).fields, *more)
    encoded = "&".join("=".join(pair) for pair in query) if raw else urlencode(query)
    hook = replace(
        genuine(TURN),
        fields=fields,
        body="&".join("=".join(pair) for pair in fields).encode() if raw else None,
        query=encoded if encoded.isascii() else "",
    )
    parsed = Request(hook.environ_of()).form
    signed = hook.signed(fields=MultiDict(parsed).items(multi=True))
    environ = signed.environ_of()
    read = CHECK.read_plain(environ)
    # What is behind can read it all the same.
    asked = Request(environ)
    if read is not None:
        CHECK.check(asked)
        assert read == (asked.form.to_dict(), asked.args.to_dict())
    assert asked.form == parsed


def test_what_the_provider_sends_is_read_here():
    """Or the layer would be of no use, and no test would say so."""
    hook = replace(genuine(TURN, CallToken="%7B%22a%22 é+"), query="n=7&again=1").signed()
    read = CHECK.read_plain(hook.environ_of())
    assert read == (dict(hook.fields), {"n": "7", "again": "1"})
