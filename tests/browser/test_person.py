"""The telephone in the browser with a person at the other end: in a queue, in a talk, rung back."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from flask import Flask, Response, request
from playwright.sync_api import expect

from exchange.calls import CallRecord
from exchange.clock import VirtualClock
from exchange.interpreter import Call, ConferenceWait, Gather, Input, QueueWait, Silence
from exchange.numbers import to_e164
from tests.browser.stage import simulated
from tests.support.house import ACCOUNT, TOKEN

pytestmark = pytest.mark.browser

PUBLIC = "http://listener.example"
NATIONAL = "+33974750001"


def twiml(inner: str) -> Response:
    return Response(f"<Response>{inner}</Response>", mimetype="text/xml")


@pytest.fixture
def person() -> Flask:
    """A service that has callers wait, and a person who takes them."""
    app = Flask("person")
    app.config["posted"] = posted = []
    conference = '<Dial action="/voice/after"><Conference beep="false">e1</Conference></Dial>'

    @app.post("/voice/<name>")
    def voice(name: str) -> Response:
        posted.append((name, request.form.to_dict()))
        documents = {
            "incoming": '<Enqueue waitUrl="/voice/wait" action="/voice/left">agents</Enqueue>',
            "wait": '<Gather numDigits="1" timeout="3" action="/voice/key">'
            "<Say>Vous êtes le prochain.</Say></Gather><Play>/audio/music.mp3</Play>",
            "key": "<Say>Vous avez tapé.</Say>",
            "taken": f"<Say>Je vous passe une personne.</Say>{conference}",
            "agent": conference,
            "held": '<Play loop="1">/audio/music.mp3</Play>',
            "after": "<Say>Au revoir.</Say><Hangup/>",
            "back": '<Gather numDigits="1" action="/voice/proven"><Say>Tapez 1.</Say></Gather>',
            "proven": "<Say>Merci.</Say><Hangup/>",
        }
        return twiml(documents.get(name, ""))

    return app


@pytest.fixture
def waiting(person: Flask) -> Iterator[tuple[Flask, str]]:
    """The simulator that rings `person`, and its address. Named before `opens`, it ends last."""
    with simulated(person, PUBLIC) as made:
        yield made


class Agent:
    """Somebody in the conference."""

    def __init__(self, simulator: Any) -> None:
        self.board = simulator.switchboard
        self.call = Call(
            url=f"{PUBLIC}/voice/agent",
            transport=simulator.transport,
            auth_token=TOKEN,
            account_sid=ACCOUNT,
            sender=NATIONAL,
            recipient="client:lucie",
            direction="outbound-api",
            clock=VirtualClock(),
            switchboard=self.board,
        )

    def comes(self) -> None:
        self.board.start(self.call, self)
        self.board.run_pending()

    def holds(self, *, on: bool) -> None:
        conference = self.board.conference_named("e1")
        (caller,) = [m for m in conference.participants.values() if m.call is not self.call]
        self.board.change(conference, caller, hold=on, hold_url=f"{PUBLIC}/voice/held")

    def leaves(self) -> None:
        conference = self.board.conference_named("e1")
        self.board.end_conference(conference)
        self.board.run_pending()

    def answers(self, call: Call, gather: Gather) -> Input:
        return Silence()

    def waits(self, call: Call, queue: QueueWait) -> Input:
        return Silence()

    def confers(self, call: Call, wait: ConferenceWait) -> Input:
        return Silence()


def test_a_caller_waits_is_taken_by_a_person_is_held_and_says_goodbye(person, waiting, opens):
    simulator = waiting[0].extensions["simulator"]
    visitor = opens(waiting[1], hasty=True)
    page, state = visitor.page, visitor.page.locator("#state")
    page.locator("#voice").set_checked(False)
    visitor.calls()
    expect(state).to_have_text("En attente d’une personne")
    expect(page.locator("#talk")).to_contain_text("Vous êtes le prochain.")

    # Keys work while somebody waits.
    visitor.question()
    visitor.presses("1")
    expect(page.locator("#talk")).to_contain_text("Vous avez tapé.")
    music = page.locator("#talk .event", has_text="♪ musique d’attente")
    expect(music).to_be_visible(timeout=15_000)

    queue = simulator.switchboard.queue_named("agents")
    (sid,) = queue.members
    simulator.switchboard.take(queue.sid, sid, f"{PUBLIC}/voice/taken")
    expect(state).to_have_text("Mise en relation…")
    expect(page.locator("#talk")).to_contain_text("Je vous passe une personne.")

    agent = Agent(simulator)
    agent.comes()
    expect(state).to_have_text("En ligne avec une personne")
    page.keyboard.press("5")
    expect(page.locator("#hint")).to_contain_text("Vous parlez avec une personne")

    agent.holds(on=True)
    expect(state).to_have_text("La personne vous a mis en attente")
    agent.holds(on=False)
    expect(state).to_have_text("En ligne avec une personne")

    agent.leaves()
    expect(page.locator("#talk")).to_contain_text("La personne n’est plus en ligne.")
    expect(page.locator("#talk")).to_contain_text("Au revoir.")
    expect(state).to_have_text("Appel terminé")
    asked = [name for name, _ in person.config["posted"]]
    assert "key" in asked
    assert asked.index("taken") < asked.index("after")


def rings(simulator: Any, number: str) -> CallRecord:
    record = CallRecord(
        ACCOUNT,
        NATIONAL,
        number,
        simulator.clock.now(),
        url=f"{PUBLIC}/voice/back",
        status_url=f"{PUBLIC}/voice/status",
        status_events=("initiated", "ringing", "answered", "completed"),
    )
    simulator.calls.add(record)
    simulator.ringing.begin(record)
    simulator.run_pending()
    return record


def own_number(visitor: Any) -> str:
    """The page's mobile, once the simulator knows that it is open."""
    with visitor.page.expect_response("**/telephone/rung?*"):
        number = to_e164(visitor.page.evaluate("caller()"))
    assert number
    return number


def test_the_page_of_a_number_rings_when_the_service_calls_it(person, waiting, opens):
    simulator = waiting[0].extensions["simulator"]
    visitor = opens(waiting[1], 390, hasty=True)
    page = visitor.page
    visitor.hurries()
    record = rings(simulator, own_number(visitor))
    expect(page.locator("#incoming-text")).to_contain_text(
        "Appel de 09 74 75 00 01 pour le 06 12 34"
    )
    expect(page.locator("#take")).to_be_focused()
    assert record.status == "ringing"

    page.click("#take")
    expect(page.locator("#incoming")).to_be_hidden()
    expect(page.locator("#state")).to_have_text("En ligne")
    visitor.turn = 0
    visitor.question()
    visitor.presses("1")
    expect(page.locator("#talk")).to_contain_text("Merci.")
    expect(page.locator("#state")).to_have_text("Appel terminé")
    assert record.status == "completed"
    told = [form["CallStatus"] for name, form in person.config["posted"] if name == "status"]
    assert told == ["initiated", "ringing", "in-progress", "completed"]
    assert dict(person.config["posted"])["proven"]["Digits"] == "1"


def test_a_call_that_is_refused_is_busy_to_the_service(person, waiting, opens):
    simulator = waiting[0].extensions["simulator"]
    visitor = opens(waiting[1], hasty=True)
    record = rings(simulator, own_number(visitor))
    visitor.page.click("#refuse")
    expect(visitor.page.locator("#incoming")).to_be_hidden()
    with visitor.page.expect_response("**/telephone/rung?*"):
        simulator.run_pending()
    assert record.status == "busy"


def test_whoever_is_on_the_telephone_is_busy(person, waiting, opens):
    simulator = waiting[0].extensions["simulator"]
    visitor = opens(waiting[1], hasty=True)
    visitor.hurries()
    number = own_number(visitor)
    visitor.calls()
    expect(visitor.page.locator("#state")).to_have_text("En attente d’une personne")
    with visitor.page.expect_response("**/telephone/rung?*busy=1*"):
        pass
    record = rings(simulator, number)
    simulator.run_pending()
    assert record.status == "busy"
    visitor.page.click("#hang-up")


def test_a_call_that_the_service_gives_up_rings_no_more(person, waiting, opens):
    simulator = waiting[0].extensions["simulator"]
    visitor = opens(waiting[1], hasty=True)
    record = rings(simulator, own_number(visitor))
    expect(visitor.page.locator("#incoming")).to_be_visible()
    assert simulator.ringing.end(record, "canceled")
    expect(visitor.page.locator("#incoming")).to_be_hidden()
    expect(visitor.page.locator("#call")).to_be_focused()
