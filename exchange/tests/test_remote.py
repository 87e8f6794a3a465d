"""Calls that run in another process and wait in the simulator's queue all the same."""

from typing import Any

import pytest

from exchange.clock import VirtualClock
from exchange.interpreter import Call, QueueWait
from exchange.orders import Mailbox, Redirect, Seat, Seated, read, written
from exchange.remote import RemoteSwitchboard, Unreachable
from exchange.testing.fixtures import BASE, SID, TOKEN, Documents

DOCUMENTS = {
    "/in": '<Enqueue waitUrl="/wait" action="/after">fr</Enqueue>',
    "/wait": "<Say>Patientez.</Say>",
    "/after": "<Say>Après.</Say>",
    "/taken": (
        '<Dial action="/dialled"><Conference statusCallback="/conference" beep="false">'
        "entry-1</Conference></Dial>"
    ),
    "/dialled": "<Say>Au revoir.</Say>",
    "/conference": "",
    "/status": "",
    "/hold": "<Say>Un instant.</Say><Pause length='20'/>",
}


class Elsewhere:
    """A process of its own, as far as the simulator can tell: its calls and their documents."""

    def __init__(self, base, settings) -> None:
        self.service = Documents(DOCUMENTS)
        self.lines = RemoteSwitchboard(base, settings, self.service, listens=False)

    def rings(self, sender="+33612345678") -> Call:
        return Call(
            url=f"{BASE}/in",
            status_url=f"{BASE}/status",
            transport=self.service,
            auth_token=TOKEN,
            account_sid=SID,
            sender=sender,
            clock=VirtualClock(),
            switchboard=self.lines,
        ).dial()

    def forms(self, path) -> list[dict[str, str]]:
        return [dict(sent.form) for sent in self.service.sent if sent.url == BASE + path]


@pytest.fixture
def here(house):
    return house(DOCUMENTS)


@pytest.fixture
def elsewhere(here, serve, settings, monkeypatch):
    # Waiting takes time that nobody waits for: an order ends it, and there is none but in `obey`.
    monkeypatch.setattr(Mailbox, "wait", lambda mailbox, _: bool(mailbox))
    with serve(here.app) as base:
        yield Elsewhere(base, settings)


def queue(here) -> Any:
    (found,) = here.get("/Queues.json")["queues"]
    return found


def test_it_waits_with_the_others_and_is_taken(here, elsewhere):
    near, far = here.rings("+33612345679"), elsewhere.rings()
    assert isinstance(far.waiting, QueueWait)
    assert elsewhere.forms("/wait")[0]["QueuePosition"] == "2"
    assert far.waiting.sid == queue(here)["sid"]
    here.post(f"/Queues/{queue(here)['sid']}/Members/{far.sid}.json", 200, Url=f"{BASE}/taken")
    assert elsewhere.lines.collect() == 1
    far.obey()
    assert elsewhere.forms("/after")[0]["QueueResult"] == "redirected"
    assert far.conference == "entry-1"
    assert near.waiting_queue is not None
    assert here.get(f"/Calls/{far.sid}.json")["status"] == "in-progress"


def test_it_meets_somebody_is_held_and_goes_on_after_the_dial(here, elsewhere):
    far, near = elsewhere.rings(), here.rings("+33612345679", "/taken")
    here.post(f"/Calls/{far.sid}.json", 200, Url=f"{BASE}/taken")
    elsewhere.lines.collect()
    far.obey()
    here.goes_on()
    assert near.waiting_conference.seat.others == 1
    assert far.waiting_conference.seat.started
    path = f"/Conferences/{near.waiting_conference.sid}/Participants/{far.sid}.json"
    here.post(path, 200, Hold="true", HoldUrl=f"{BASE}/hold", HoldMethod="POST")
    elsewhere.lines.collect()
    far.obey()
    assert far.last_spoken == "Un instant."
    here.post(f"/Conferences/{near.waiting_conference.sid}.json", 200, Status="completed")
    elsewhere.lines.collect()
    far.obey()
    assert far.ended_normally
    assert far.last_spoken == "Au revoir."
    assert here.get(f"/Calls/{far.sid}.json")["status"] == "completed"


def test_who_was_taken_in_the_moment_of_leaving_waits_for_the_order(here, elsewhere, monkeypatch):
    far = elsewhere.rings()
    here.post(f"/Queues/{queue(here)['sid']}/Members/{far.sid}.json", 200, Url=f"{BASE}/taken")

    def wait(mailbox, _seconds) -> bool:
        elsewhere.lines.collect()
        return bool(mailbox)

    monkeypatch.setattr(Mailbox, "wait", wait)
    elsewhere.service.table["/wait"] = ["<Leave/>"]
    far.silence()
    assert far.conference == "entry-1"
    assert elsewhere.forms("/after")[0]["QueueResult"] == "redirected"


def test_hanging_up_makes_room(here, elsewhere):
    far = elsewhere.rings()
    assert queue(here)["current_size"] == 1
    far.hang_up()
    assert queue(here)["current_size"] == 0
    assert elsewhere.forms("/after")[0]["QueueResult"] == "hangup"
    assert here.get(f"/Calls/{far.sid}.json")["status"] == "completed"


def test_a_full_queue_says_so_there_too(here, elsewhere):
    here.faults(queue_full=True)
    elsewhere.rings()
    assert elsewhere.forms("/after")[0]["QueueResult"] == "queue-full"


def test_a_process_that_is_gone_leaves_the_queue(here, elsewhere):
    far = elsewhere.rings()
    here.clock.advance(9)
    here.goes_on()
    elsewhere.lines.collect()
    here.clock.advance(9)
    here.goes_on()
    assert queue(here)["current_size"] == 1
    here.clock.advance(3)
    here.goes_on()
    assert queue(here)["current_size"] == 0
    assert here.get(f"/Calls/{far.sid}.json")["status"] == "completed"


def test_without_the_simulator_a_queue_is_an_error_of_the_system(settings, closed_port):
    alone = Elsewhere(f"http://127.0.0.1:{closed_port}", settings)
    assert alone.rings().spoken == ["Après."]
    assert alone.forms("/after")[0]["QueueResult"] == "system-error"
    with pytest.raises(Unreachable):
        alone.lines.collect()


def test_strangers_may_not_bring_calls_in(here):
    for path in ("/_calls", "/_calls/CA1/queue", "/_calls/CA1/conference"):
        assert here.client.post(path, json={}).status_code == 401
    assert here.client.get("/_orders?box=a").status_code == 401


@pytest.mark.parametrize(
    "order",
    [
        Redirect("http://a/b", method="GET"),
        Seated(Seat("entry-1", "CF1", started=True, others=2, coaching="CA1")),
    ],
)
def test_orders_go_through_json(order):
    assert read(written(order)) == order
