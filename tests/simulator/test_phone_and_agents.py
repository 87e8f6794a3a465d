"""The telephone in the browser with somebody at the other end: in a queue, and in a conference."""

from typing import Any

import pytest

from exchange.testing.fixtures import BASE
from tools.simulator.phone import Phone

SERVICE = {
    "/voice/incoming": '<Enqueue waitUrl="/voice/wait" action="/voice/after">fr</Enqueue>',
    "/voice/wait": (
        '<Gather numDigits="1" timeout="5" action="/voice/key">'
        "<Say>Vous êtes premier. Pour être rappelé, tapez 1.</Say></Gather>"
    ),
    "/voice/key": "<Leave/>",
    "/voice/after": "<Say>Nous vous rappellerons.</Say>",
    "/voice/taken": (
        '<Dial action="/voice/dialled"><Conference beep="false">entry-1</Conference></Dial>'
    ),
    "/voice/dialled": "<Say>Au revoir.</Say>",
    "/voice/status": "",
}


class Page:
    """A page at its telephone, without HTTP: what it sees, plays and presses."""

    def __init__(self, phone) -> None:
        self.phone, self.line = phone, phone.ring("+33612345678")

    def state(self) -> Any:
        """Where the call is, once it needs the page."""
        return self.phone.state(self.line, 0, patient=True)

    def listens(self) -> Any:
        while (state := self.state())["waits"] == "play":
            self.line.leg.has_played(state["count"])
        return state


@pytest.fixture
def here(house):
    return house({**SERVICE, "/agent": SERVICE["/voice/taken"], "/voice/fallback": ""})


@pytest.fixture
def page(here, settings):
    here.simulator.settings = settings.model_copy(update={"service_url": BASE})
    page = Page(Phone(here.simulator, now=lambda: 0.0, patience_s=30.0))
    yield page
    page.line.leg.hang_up()
    assert page.line.ended.wait(20)


def member(here) -> str:
    (queue,) = here.get("/Queues.json")["queues"]
    return f"/Queues/{queue['sid']}/Members/Front.json"


def test_keys_are_pressed_in_the_waiting_document(here, page):
    state = page.listens()
    assert (state["waits"], state["queue"]) == ("answer", "fr")
    page.line.leg.press(state["question"]["turn"], "1")
    state = page.listens()
    assert state["events"][-1]["text"] == "Nous vous rappellerons."
    assert here.forms("/voice/after")[0]["QueueResult"] == "leave"


def test_an_agent_takes_who_is_in_the_middle_of_a_question(here, page):
    agent = here.rings("+33142685300", "/agent")
    assert page.listens()["waits"] == "answer"
    here.post(member(here), 200, Url=f"{BASE}/voice/taken")
    page.line.leg.look(0, 30.0)
    state = waits_for(page, "talk")
    assert (state["queue"], state["talk"]["others"], state["talk"]["started"]) == ("", 1, True)
    assert here.forms("/voice/after")[0]["QueueResult"] == "redirected"
    here.goes_on()
    agent.hang_up()
    assert page.line.leg.hang_up()
    assert page.line.ended.wait(20)
    assert here.get(f"/Calls/{page.line.call.sid}.json")["status"] == "completed"


def test_the_end_of_the_talk_goes_on_after_the_dial(here, page):
    page.listens()
    here.post(member(here), 200, Url=f"{BASE}/voice/taken")
    talk = waits_for(page, "talk")["talk"]
    here.post(f"/Conferences/{talk['sid']}.json", 200, Status="completed")
    waits_for(page, "play")
    state = page.listens()
    assert state["events"][-1]["text"] == "Au revoir."
    assert state["talk"] is None


def test_who_is_held_hears_so(here, page):
    page.listens()
    here.post(member(here), 200, Url=f"{BASE}/voice/taken")
    talk = waits_for(page, "talk")["talk"]
    path = f"/Conferences/{talk['sid']}/Participants/{page.line.call.sid}.json"
    here.post(path, 200, Hold="true")
    held = until(page, lambda state: state["talk"] and state["talk"]["hold"])
    assert held["events"][-1]["text"] == "(hold music)"


def until(page, true) -> Any:
    """Look again and again, each time the call's thread has said something new."""
    leg = page.line.leg
    with leg._changed:
        assert leg._changed.wait_for(lambda: true(now(page)), 20)
    return now(page)


def waits_for(page, what) -> Any:
    return until(page, lambda state: state["waits"] == what)


def now(page) -> Any:
    return page.phone.state(page.line, 0)
