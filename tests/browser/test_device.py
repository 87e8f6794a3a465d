"""The desk's telephone in a real browser, over a stand-in for the provider's voice library.

The library itself needs the provider. What it is asked for, and what comes of its events, is
looked at here.
"""

from __future__ import annotations

import json
import re

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from flask import Flask, Response, jsonify, request, send_from_directory
from playwright.sync_api import Browser, Page

from prompts.screens import screen
from tests.browser.stage import served

pytestmark = pytest.mark.browser

STATIC = Path(__file__).resolve().parents[2] / "web" / "static"
CONFIG = {
    "kind": "twilio",
    "identity": "5af0",
    "tokenUrl": "/poste/jeton",
    "words": screen("fr").part("device"),
}
PAGE = """<!doctype html><html lang="fr"><head><meta name="csrf-token" content="c-1">
<script src="/before.js"></script><script src="/sdk.js" defer></script>
<script src="/static/device.js" defer></script>
<script src="/static/device-twilio.js" defer></script><script src="/desk.js" defer></script>
<script type="application/json" id="device-config">{config}</script></head><body></body></html>"""
# As much of the library as a desk uses; `window.made` is the device, `window.ring()` rings it.
SDK = """
class Speaker {
  handlers = {};
  on(name, fn) { (this.handlers[name] ??= []).push(fn); return this; }
  fire(name, ...given) { for (const fn of this.handlers[name] ?? []) fn(...given); }
}
window.Twilio = {Device: class extends Speaker {
  constructor(token, options) {
    super();
    Object.assign(this, {tokens: [token], options, silenced: []});
    this.audio = {
      incoming: (on) => on || this.silenced.push('incoming'),
      outgoing: (on) => on || this.silenced.push('outgoing'),
      disconnect: (on) => on || this.silenced.push('disconnect'),
      setAudioConstraints: async (given) => { this.constraints = given; },
    };
    window.made = this;
  }
  async register() { this.fire('registered'); }
  updateToken(token) { this.tokens.push(token); }
  destroy() { this.destroyed = true; }
}};
window.ring = () => {
  const call = window.ringing = new Speaker();
  call.parameters = {CallSid: 'CA1', From: '+33974750001'};
  call.did = [];
  call.accept = () => { call.did.push('accept'); call.fire('accept', call); };
  call.reject = () => { call.did.push('reject'); call.fire('reject'); };
  call.disconnect = () => { call.did.push('disconnect'); call.fire('disconnect', call); };
  call.mute = (on) => call.did.push(`mute ${on}`);
  window.made.fire('incoming', call);
};
"""
DESK = """
window.told = [];
window.device = createDevice();
for (const name of ['incoming', 'connected', 'disconnected', 'error', 'tokenWillExpire']) {
  device.on(name, (detail) => told.push([name, detail]));
}
"""
POLICY = "default-src 'none'; script-src 'self'; connect-src 'self'"
MICROPHONE = """
Object.defineProperty(navigator, 'mediaDevices', {value: {getUserMedia: async (given) => {
  window.asked = given;
  if (window.refuses) throw new DOMException('no', 'NotAllowedError');
  return {getTracks: () => [{stop: () => { window.stopped = true; }}]};
}}});
"""


class Desk:
    """A page with a telephone, and the service behind it.

    `desk(before, **config)` opens the page; the script `before` runs ahead of all others.
    """

    def __init__(self, page: Page) -> None:
        self.page, self.url = page, ""
        self.troubles: list[str] = []
        page.on("pageerror", lambda error: self.troubles.append(str(error)))
        self.app = Flask("desk", static_folder=None)
        for path, text in (("/sdk.js", SDK), ("/desk.js", DESK)):
            self.app.add_url_rule(path, path, self.script(text))
        self.app.add_url_rule("/before.js", "before", self.runs_first)
        self.app.add_url_rule("/static/<name>", "static", self.static)
        self.app.add_url_rule("/poste/jeton", "token", self.token, methods=["POST"])
        self.app.add_url_rule("/", "page", self.html)
        self.begins()

    def begins(self) -> None:
        """Forget what was before."""
        self.before = MICROPHONE
        self.config: dict[str, Any] = dict(CONFIG)
        self.tokens = 0
        self.status = 200
        self.csrf: list[str | None] = []
        self.troubles.clear()

    def __call__(self, before: str = "", **config: Any) -> Desk:
        self.before += before
        self.config.update(config)
        self.page.goto(self.url)
        return self

    def script(self, text: str) -> Callable[[], Response]:
        return lambda: Response(text, mimetype="text/javascript")

    def runs_first(self) -> Response:
        return Response(self.before, mimetype="text/javascript")

    def static(self, name: str) -> Response:
        return send_from_directory(STATIC, name)

    def token(self) -> tuple[Response, int]:
        self.csrf.append(request.headers.get("X-CSRFToken"))
        self.tokens += 1
        return jsonify(token=f"token {self.tokens}"), self.status

    def html(self) -> Response:
        answer = Response(PAGE.replace("{config}", json.dumps(self.config)), mimetype="text/html")
        answer.headers["Content-Security-Policy"] = POLICY
        return answer

    def registers(self) -> Desk:
        self.page.evaluate("device.register()")
        return self

    def does(self, script: str) -> Any:
        return self.page.evaluate(script)

    def has_tokens(self, count: int) -> None:
        """Look until the telephone has had so many. (A page with this policy evaluates no text.)"""
        for _ in range(400):
            if self.page.evaluate("made.tokens.length") == count:
                return
            self.page.wait_for_timeout(10)
        raise AssertionError(f"never {count} tokens")

    def told(self) -> list[list[Any]]:
        return list(self.page.evaluate("told"))

    def codes(self) -> list[str]:
        return [detail["code"] for name, detail in self.told() if name == "error"]


@pytest.fixture(scope="module")
def opened(browser: Browser) -> Iterator[Desk]:
    """The page and its service, the same for all tests of this file."""
    context = browser.new_context()
    made = Desk(context.new_page())
    with served(made.app) as made.url:
        yield made
        context.close()


@pytest.fixture
def desk(opened: Desk) -> Iterator[Desk]:
    """A page that is not open yet and remembers nothing; no error in it is forgiven."""
    opened.begins()
    yield opened
    assert opened.troubles == []


def test_it_registers_with_a_token_and_takes_a_call(desk: Desk):
    page = desk().registers()
    assert page.csrf == ["c-1"]
    assert page.does("made.tokens") == ["token 1"]
    assert page.does("made.silenced") == ["incoming", "outgoing", "disconnect"]
    assert page.does("made.constraints.echoCancellation")
    assert page.does("stopped"), "the microphone was only tried"
    page.does("ring()")
    page.does("device.accept()")
    page.does("device.mute(true)")
    page.does("device.hangup()")
    assert page.does("ringing.did") == ["accept", "mute true", "disconnect"]
    assert page.told() == [
        ["incoming", {"id": "CA1", "from": "+33974750001"}],
        ["connected", {"id": "CA1"}],
        ["disconnected", {"id": "CA1", "why": "ended"}],
    ]


@pytest.mark.parametrize(
    ("event", "why"), [("cancel", "cancelled"), ("reject", "rejected"), ("disconnect", "ended")]
)
def test_a_call_that_ends_by_itself_is_told_once(desk: Desk, event: str, why: str):
    page = desk().registers()
    page.does("ring()")
    page.does(f"ringing.fire('{event}')")
    page.does("ringing.fire('disconnect')")
    assert page.told()[1:] == [["disconnected", {"id": "CA1", "why": why}]]


def test_a_token_is_renewed_before_it_ends(desk: Desk):
    page = desk().registers()
    page.does("made.fire('tokenWillExpire')")
    page.has_tokens(2)
    assert page.told() == [["tokenWillExpire", {}]]


def test_a_token_that_is_refused_again_and_again_is_renewed_once(desk: Desk):
    page = desk().registers()
    for _ in range(4):
        page.does("made.fire('error', {code: 31205})")
    page.has_tokens(2)
    assert page.tokens == 2
    assert page.codes() == ["token"] * 4


@pytest.mark.parametrize(
    ("number", "code"),
    [(31005, "unreachable"), (53405, "media"), (31402, "microphone"), (12345, "failed")],
)
def test_an_error_of_the_library_is_a_sentence_in_french(desk: Desk, number: int, code: str):
    page = desk().registers()
    page.does(f"made.fire('error', {{code: {number}}})")
    words = {"code": code, "message": screen("fr")[f"device.{code}"], "number": number}
    assert page.told() == [["error", words]]


@pytest.mark.parametrize(
    ("status", "code"),
    [(404, "not_set"), (401, "signed_out"), (403, "signed_out"), (500, "failed")],
)
def test_without_a_token_it_says_why_and_does_not_ring(desk: Desk, status: int, code: str):
    page = desk()
    page.status = status
    page.registers()
    assert page.codes() == [code]
    assert page.does("window.made") is None


def test_what_is_asked_without_a_call_is_told(desk: Desk):
    page = desk().registers()
    page.does("device.hangup()")
    assert page.codes() == ["no_call"]


@pytest.mark.parametrize(
    ("script", "kind", "code"),
    [
        ("window.refuses = true;", "twilio", "microphone"),
        ("", "", "none"),
        ("", "stand-in", "unreachable"),
    ],
    ids=["a refused microphone", "no telephone at all", "a stand-in that was not loaded"],
)
def test_what_keeps_it_from_ringing_is_told_before_anybody_waits(
    desk: Desk, script: str, kind: str, code: str
):
    page = desk(script, kind=kind).registers()
    assert page.codes() == [code]
    assert page.does("window.made") is None


def test_a_destroyed_telephone_tells_nothing_more(desk: Desk):
    page = desk().registers()
    page.does("ring()")
    page.does("device.destroy()")
    page.does("ringing.fire('disconnect')")
    assert page.does("made.destroyed")
    assert [name for name, _ in page.told()] == ["incoming"]


def test_every_code_has_words_in_both_languages():
    names = ("device.js", "device-twilio.js")
    written = "".join((STATIC / name).read_text("utf-8") for name in names)
    codes = {*re.findall(r'fails\("(\w+)"', written), *re.findall(r'[35]\d{4}, "(\w+)"', written)}
    codes |= {"not_set", "signed_out", "failed"}
    assert {"token", "media", "no_call"} <= codes
    for language in ("fr", "en"):
        assert codes <= set(screen(language).part("device"))
