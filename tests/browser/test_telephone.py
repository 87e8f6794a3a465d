"""The telephone in the browser, as a visitor meets it: a real Chromium, a real service."""

from __future__ import annotations

import re

from collections.abc import Iterator

import pytest

from flask import Flask, Response, request
from playwright.sync_api import expect

from exchange.transport import ConnectFailed, Outgoing, Reply
from tests.browser.stage import simulated
from tools.simulator.answers import AnswersLeg

pytestmark = pytest.mark.browser

BORN = {"dob": "12031942", "postcode": "75011"}
MOBILE, LANDLINE = "+33612345678", "+33142685300"

# A voice that takes no time and remembers what it was given; headless browsers have none.
VOICE = """
const later = setTimeout;
window.setTimeout = (then, milliseconds) => later(then, milliseconds / 20);
window.spoken = [];
const voices = [{lang: 'fr-FR', name: 'Claire'}, {lang: 'en-GB', name: 'Ann'}];
window.SpeechSynthesisUtterance = class { constructor(text) { this.text = text; } };
Object.defineProperty(window, 'speechSynthesis', {value: {
  getVoices: () => voices,
  cancel: () => {},
  speak: (said) => {
    window.spoken.push({text: said.text, lang: said.lang, rate: said.rate});
    if (!window.endless) setTimeout(() => said.onend?.(), 0);
  },
}});
"""
# A microphone in which somebody says what `window.says` holds.
MICROPHONE = """
window.SpeechRecognition = class {
  start() {
    window.recognised = this.lang;
    setTimeout(() => {
      const best = {transcript: window.says, confidence: 0.75};
      this.onresult({results: [[best]]});
      this.onend();
    }, 0);
  }
};
"""


def test_a_visitor_books_by_keys_and_the_text_appears(visits, staged):
    visitor = visits(390)
    visitor.hurries()
    visitor.calls()
    expect(visitor.page.locator("#state")).to_have_text("En ligne")
    visitor.books(AnswersLeg(BORN, MOBILE))

    expect(visitor.page.locator("#state")).to_have_text("Appel terminé")
    expect(visitor.page.locator("#talk")).to_contain_text("raccroché.")
    (booking,) = staged.house.bookings()
    assert booking.state == "confirmed"
    staged.delivers()
    text = visitor.page.locator("#texts .text")
    expect(text).to_have_count(1)
    expect(text).to_contain_text(booking.reference)
    assert staged.simulator.extensions["simulator"].calls.newest_first()[0].status == "completed"


def test_who_calls_from_a_landline_and_gives_a_mobile_sees_its_text(visits, staged):
    visitor = visits()
    visitor.page.select_option("#from", "landline")
    visitor.hurries()
    visitor.calls()
    visitor.books(AnswersLeg({**BORN, "phone": "0612345678"}, LANDLINE))
    staged.delivers()
    expect(visitor.page.locator("#texts .text")).to_contain_text("06 12 34 56 78")


def test_keys_may_come_from_the_keyboard_and_show_on_the_screen(visits):
    visitor = visits()
    visitor.hurries()
    visitor.calls()
    visitor.question()
    visitor.page.keyboard.press("1")
    question = visitor.question()
    while "naissance" not in visitor.told():
        visitor.presses(visitor.answer(AnswersLeg(BORN, MOBILE), question).digits)
        question = visitor.question()
    for key in "120319":
        visitor.page.keyboard.press(key)
    expect(visitor.page.locator("#display")).to_have_text("120319")
    visitor.page.locator("#words").focus()
    visitor.page.keyboard.type("42")
    expect(visitor.page.locator("#display")).to_have_text("120319")


def test_silence_goes_on_by_itself_and_is_never_an_end(visits):
    # Time itself is the browser's: with all of it used up at once, nothing is waited for.
    visitor = visits(script="const real = setInterval; window.setInterval = f => real(f, 5);")
    visitor.page.locator("#voice").set_checked(False)
    visitor.page.evaluate(
        "() => { let now = Date.now(); Date.now = () => (now += 500); "
        "const later = setTimeout; window.setTimeout = (f, ms) => later(f, ms / 50); }"
    )
    visitor.calls()
    silence = visitor.page.locator("#talk .silence")
    expect(silence.first).to_contain_text("(silence)", timeout=15_000)
    # Another wording comes after it.
    service = visitor.page.locator("#talk .service")
    expect(service.nth(1)).to_be_visible()
    assert service.nth(1).inner_text() != service.nth(0).inner_text()


def test_the_voice_speaks_in_the_prompts_language_and_a_key_stops_it(visits):
    visitor = visits(script=VOICE)
    visitor.page.locator("#patient").set_checked(True)
    visitor.calls()
    visitor.question()
    spoken = visitor.page.evaluate("spoken")
    assert "Allô Rendez-vous" in " ".join(piece["text"] for piece in spoken)
    assert {piece["lang"] for piece in spoken[:2]} == {"fr-FR"}
    assert {piece["rate"] for piece in spoken} == {1}

    # Pace 8: the same again in more and shorter breaths, never in a drawl.
    visitor.presses("8")
    visitor.question()
    slower = visitor.page.evaluate("spoken")[len(spoken) :]
    assert {piece["rate"] for piece in slower} == {1}
    assert len(slower) > len(spoken)

    # A voice that never ends: the first key cuts it short, and the answer is heard.
    visitor.page.evaluate("window.endless = true")
    visitor.presses("9")
    visitor.page.wait_for_function(
        "turn => call.playing && call.question?.turn > turn", arg=visitor.turn
    )
    turn = visitor.page.evaluate("call.question.turn")
    visitor.presses("1")
    visitor.page.wait_for_function("turn => call.question?.turn > turn", arg=turn)


@pytest.fixture
def listener() -> Flask:
    """A service of three questions: keys only, keys or speech, speech only; then a queue."""
    app = Flask("listener")
    app.config["heard"] = heard = []

    def twiml(inner: str) -> Response:
        return Response(f"<Response>{inner}</Response>", mimetype="text/xml")

    def asks(inputs: str, action: str) -> Response:
        return twiml(
            f'<Say>Avant.</Say><Gather input="{inputs}" action="{action}" numDigits="1"'
            f' language="fr-FR"><Say language="fr-FR">Une question.</Say></Gather>'
        )

    @app.post("/voice/incoming")
    def incoming() -> Response:
        return asks("dtmf", "/voice/second")

    @app.post("/voice/second")
    def second() -> Response:
        heard.append(request.form.to_dict())
        return asks("dtmf speech", "/voice/third")

    @app.post("/voice/third")
    def third() -> Response:
        heard.append(request.form.to_dict())
        return asks("speech", "/voice/queue")

    @app.post("/voice/queue")
    def queue() -> Response:
        heard.append(request.form.to_dict())
        return twiml('<Enqueue waitUrl="/voice/wait">agents</Enqueue>')

    @app.post("/voice/wait")
    def wait() -> Response:
        return twiml("<Say>Un instant.</Say>")

    @app.post("/voice/status")
    def status() -> Response:
        return twiml("")

    return app


@pytest.fixture
def listening(listener: Flask) -> Iterator[tuple[Flask, str]]:
    """The simulator that rings `listener`, and its address. Named before `opens`, it ends last."""
    with simulated(listener, "http://listener.example") as made:
        yield made


def test_what_is_said_is_heard_only_where_the_service_listens(listener, listening, opens):
    heard = listener.config["heard"]
    visitor = opens(listening[1], script=MICROPHONE)
    page, hint = visitor.page, visitor.page.locator("#hint")
    visitor.hurries()
    page.fill("#words", "bonjour")
    page.click("#speak")
    expect(hint).to_have_text("Appelez d’abord.")

    visitor.calls()
    visitor.question()
    expect(page.locator("#microphone")).to_be_hidden()
    page.click("#speak")
    expect(hint).to_contain_text("n’écoute que les touches")
    visitor.presses("1")

    visitor.question()
    expect(hint).to_contain_text("à voix haute")
    page.click("#speak")
    visitor.question()
    assert heard[1]["SpeechResult"] == "bonjour"

    visitor.presses("1")
    expect(hint).to_contain_text("n’écoute que la voix")
    page.evaluate("window.says = 'quelqu’un'")
    page.click("#microphone")
    expect(page.locator("#state")).to_have_text("En attente d’une personne")
    assert (heard[2]["SpeechResult"], heard[2]["Confidence"]) == ("quelqu’un", "0.75")
    assert page.evaluate("recognised") == "fr-FR"
    visitor.page.click("#hang-up")
    expect(page.locator("#state")).to_have_text("Appel terminé")


def test_a_service_that_is_down_is_said_in_a_sentence(listening, opens):
    simulator, url = listening
    simulator.extensions["simulator"].transport = Nobody()
    visitor = opens(url)
    visitor.hurries()
    visitor.calls()
    banner = visitor.page.locator("#banner")
    expect(banner).to_contain_text("Le service ne répond pas à http://127.0.0.1:")
    visitor.page.click("[data-language=en]")
    expect(banner).to_contain_text("is it running (make run)?")
    expect(visitor.page.locator("#talk")).to_contain_text("The call ended with an error.")


class Nobody:
    def send(self, outgoing: Outgoing) -> Reply:
        raise ConnectFailed


def test_the_page_is_complete_in_english(visits):
    visitor = visits()
    words = visitor.page.evaluate("WORDS")
    assert set(words["fr"]) == set(words["en"])
    for key, french in words["fr"].items():
        assert french.count("{}") == words["en"][key].count("{}"), key
    used = visitor.page.evaluate(
        "[...document.querySelectorAll('[data-t],[data-label]')]"
        ".flatMap(e => [e.dataset.t, e.dataset.label]).filter(Boolean)"
    )
    assert set(used) <= set(words["fr"])
    visitor.page.click("[data-language=en]")
    assert visitor.page.evaluate("document.documentElement.lang") == "en"
    expect(visitor.page.locator("#call")).to_have_text("Call")
    visible = visitor.page.locator("body").inner_text().replace("Français", "")
    assert not re.search(r"\b(vous|le|la|depuis|votre)\b", visible.replace("Rendez-vous", ""))
    # And the choice is kept.
    visitor.page.reload()
    expect(visitor.page.locator("#call")).to_have_text("Call")


def test_hanging_up_and_leaving_the_page_end_the_call(visits, staged):
    calls = staged.simulator.extensions["simulator"].calls
    visitor = visits()
    visitor.hurries()
    visitor.calls()
    visitor.question()
    visitor.page.click("#hang-up")
    expect(visitor.page.locator("#talk")).to_contain_text("Vous avez raccroché.")
    visitor.calls()
    visitor.question()
    visitor.page.goto("about:blank")
    other = visits()
    other.page.wait_for_function("true")
    for _ in range(100):
        if {call.status for call in calls.newest_first()} == {"completed"}:
            break
        other.page.wait_for_timeout(50)
    assert [call.status for call in calls.newest_first()] == ["completed", "completed"]


def test_a_restarted_simulator_is_said_in_a_sentence(visits, staged):
    visitor = visits()
    visitor.hurries()
    visitor.calls()
    visitor.question()
    visitor.page.evaluate("call.id = 'unknown'")
    expect(visitor.page.locator("#banner")).to_contain_text("Le simulateur a redémarré")
    expect(visitor.page.locator("#call")).to_be_visible()
    # The refusal itself is what the browser notes.
    assert all("404" in trouble for trouble in visitor.troubles)
    visitor.troubles.clear()


def test_nothing_hangs_over_the_edge_and_nothing_is_small(visits):
    visitor = visits()
    visitor.hurries()
    visitor.calls()
    visitor.question()
    page = visitor.page
    for width in (390, 640, 1280):
        page.set_viewport_size({"width": width, "height": 860})
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), width
        sizes = page.evaluate(
            "[...document.querySelectorAll('body *')].filter(e => e.offsetParent && "
            "e.innerText?.trim()).map(e => parseFloat(getComputedStyle(e).fontSize))"
        )
        assert min(sizes) >= 16, width
        unnamed = page.evaluate(
            "[...document.querySelectorAll('button, input, select')]"
            ".filter(e => e.offsetParent && !(e.innerText?.trim() || e.labels?.length"
            " || e.getAttribute('aria-label'))).length"
        )
        assert unnamed == 0, width
