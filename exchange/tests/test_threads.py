"""Live calls in threads of their own, as the server has them: nobody asks them to go on."""

import threading

from exchange.background import Background
from exchange.clock import VirtualClock, WallClock
from exchange.interpreter import Call, HangUp, Silence
from exchange.switchboard import Switchboard
from exchange.testing.fixtures import BASE, SID, TOKEN, Documents

PATIENCE_S = 20
JOIN = '<Dial action="/dialled"><Conference beep="false">entry-1</Conference></Dial>'
SERVICE = {
    "/line": '<Enqueue waitUrl="/wait" action="/after">fr</Enqueue>',
    "/wait": "<Say>Patientez.</Say><Pause length='180'/>",
    "/after": "",
    "/room": JOIN,
    "/dialled": "<Say>Au revoir.</Say>",
}


class Waiter:
    """Waits for ever, and says when it has met somebody."""

    def __init__(self) -> None:
        self.met, self.over = threading.Event(), threading.Event()

    def answers(self, call, gather):
        return HangUp()

    def waits(self, call, queue):
        return Silence()

    def confers(self, call, wait):
        if wait.seat.others:
            self.met.set()
        return Silence()


def start(board, path, sender="+33612345678") -> tuple[Call, Waiter]:
    call = Call(
        url=BASE + path,
        transport=Documents(SERVICE),
        auth_token=TOKEN,
        account_sid=SID,
        sender=sender,
        clock=VirtualClock(),
        switchboard=board,
    )
    leg = Waiter()
    board.start(call, leg, lambda _: leg.over.set())
    return call, leg


class Told(Switchboard):
    """Says when the first caller has come into a queue."""

    def __init__(self, **options) -> None:
        super().__init__(**options)
        self.queued = threading.Event()

    def enqueue(self, call, queue) -> str:
        sid = super().enqueue(call, queue)
        self.queued.set()
        return sid


def test_a_caller_is_taken_out_of_a_long_pause_and_meets_an_agent():
    clock = WallClock()
    board = Told(
        transport=Documents({}),
        auth_token=TOKEN,
        clock=clock,
        background=Background(1, clock),
        threads=True,
    )
    caller, waiting = start(board, "/line")
    assert board.queued.wait(PATIENCE_S)
    (queue,) = board.queues()
    _, agent = start(board, "/room", "+33142685300")
    assert board.take(queue.sid, caller.sid, f"{BASE}/room") is not None
    assert waiting.met.wait(PATIENCE_S)
    assert agent.met.wait(PATIENCE_S)
    conference = board.conference_named("entry-1")
    assert conference is not None
    board.end_conference(conference)
    assert waiting.over.wait(PATIENCE_S)
    assert agent.over.wait(PATIENCE_S)
    assert caller.ended_normally
    assert caller.last_spoken == "Au revoir."
    assert board.live_calls() == []
