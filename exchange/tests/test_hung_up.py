"""A caller who puts the receiver down at any moment, in the middle of whatever goes on."""

from collections.abc import Callable
from typing import Any

import pytest

from exchange.clock import OwnPaced, VirtualClock
from exchange.interpreter import Call, Gather, HangUp, HungUp, Keys, Silence
from exchange.legs import drive
from exchange.orders import Seat
from exchange.testing.fixtures import BASE, SID, TOKEN

ENQUEUE = '<Enqueue action="/after" waitUrl="/wait">fr</Enqueue>'
SERVICE = {
    "/say": '<Say>Un.</Say><Play>/ding.mp3</Play><Pause/><Say loop="2">Deux.</Say><Hangup/>',
    "/ask": '<Gather action="/asked" timeout="5"><Say>Question ?</Say><Pause/></Gather>',
    "/asked": "<Say>Merci.</Say>",
    "/queue": ENQUEUE,
    "/wait": '<Say>Patientez.</Say><Gather action="/key"><Say>Tapez 1.</Say></Gather>',
    "/key": "<Say>Un instant.</Say><Leave/>",
    "/after": "<Say>Après.</Say>",
    "/music": '<Enqueue action="/after">fr</Enqueue>',
    "/room": '<Dial action="/after"><Conference statusCallback="/conference"'
    ' statusCallbackEvent="join leave">entry-1</Conference></Dial>',
    "/hold": "<Say>Un instant.</Say><Pause/>",
    "/announce": "<Say>Une annonce.</Say>",
    "/dial": '<Dial action="/after"><Sip>sip:nobody@example.net</Sip></Dial>',
    "/broken": "<Record/>",
    "/status": "",
    "/conference": "",
}


class Caller:
    """A leg, its clock and its ear: all of them say that the caller is gone, from a moment on.

    `busy` is what it does meanwhile in a conference, the first time that it is asked there.
    """

    def __init__(self, patience, busy=lambda call: None) -> None:
        self.patience, self.busy = patience, busy
        self.moments: list[str] = []
        self.rounds = 0

    def moment(self, what, *_) -> None:
        self.moments.append(what)
        if len(self.moments) > self.patience:
            raise HungUp

    def answers(self, call, asked: Gather):
        self.moment("answers")
        return Keys("1")

    def waits(self, call, queue):
        self.moment("waits")
        self.rounds += 1
        return Silence() if self.rounds < 3 else HangUp()

    def confers(self, call, wait):
        self.moment("confers")
        self.rounds += 1
        if self.rounds == 1:
            self.busy(call)
        return Silence() if self.rounds < 4 else HangUp()


class Felt(VirtualClock):
    """Time in which the caller may find that it is enough."""

    def __init__(self, caller: Caller) -> None:
        super().__init__()
        self.caller = caller

    def advance(self, seconds: float) -> None:
        super().advance(seconds)
        self.caller.moment("time")


def call_of(here, path, **options) -> Call:
    return Call(
        url=BASE + path,
        status_url=f"{BASE}/status",
        transport=here.service,
        auth_token=TOKEN,
        account_sid=SID,
        switchboard=here.board,
        **options,
    )


def rings(here, path, caller: Caller, **options) -> Call:
    call = call_of(
        here,
        path,
        clock=Felt(caller),
        heard_by=lambda heard: caller.moment("heard"),
        sent_by=lambda sent: caller.moment("sent"),
        answered_by=lambda: caller.moment("answered"),
        seated_by=lambda seat: caller.moment("seated"),
        over_by=lambda: caller.moment("over"),
        **options,
    )
    return drive(call, caller)


def held(here) -> Callable[[Call], None]:
    """Put a participant on hold, with a document of the service's."""

    def acts(call) -> None:
        here.post(
            f"/Conferences/{call.seat.sid}/Participants/{call.sid}.json",
            200,
            Hold="true",
            HoldUrl=f"{BASE}/hold",
        )

    return acts


def announced(here) -> Callable[[Call], None]:
    def acts(call) -> None:
        here.post(
            f"/Conferences/{call.seat.sid}/Participants/{call.sid}.json",
            200,
            AnnounceUrl=f"{BASE}/announce",
        )

    return acts


def redirected(here) -> Callable[[Call], None]:
    return lambda call: call.redirect(f"{BASE}/say")


# Each way through the exchange: where it begins, what others do meanwhile.
WAYS: dict[str, tuple[str, Callable[[Any], Callable[[Call], None]] | None]] = {
    "what is said and played": ("/say", None),
    "a question": ("/ask", None),
    "a queue with its document": ("/queue", None),
    "a queue with music": ("/music", None),
    "a conference": ("/room", None),
    "hold, with its document": ("/room", held),
    "an announcement": ("/room", announced),
    "an order": ("/room", redirected),
    "a number that nobody can ring": ("/dial", None),
    "a document that cannot be played": ("/broken", None),
}


@pytest.mark.parametrize("way", WAYS)
def test_whoever_hangs_up_at_any_moment_leaves_everything(house, way):
    path, meanwhile = WAYS[way]
    patience = 0
    while True:
        here = house(SERVICE)
        caller = Caller(patience, meanwhile(here) if meanwhile else lambda call: None)
        call = rings(here, path, caller)
        assert (call.ended, call.waiting, call.seat, call.queue) == (True, None, None, "")
        (told,) = here.forms("/status")
        # Who gives up while it rings was not answered.
        answered = "answered" in caller.moments[:patience]
        assert told["CallSid"] == call.sid
        assert told["CallStatus"] == ("completed" if answered else "no-answer")
        for queue in here.get("/Queues.json")["queues"]:
            assert queue["current_size"] == 0
        here.goes_on()
        assert here.events().count("participant-join") == here.events().count("participant-leave")
        before = caller.moments[: caller.moments.index("over")]
        if len(before) <= patience:
            # The call was over before this caller's patience was.
            break
        assert call.end_reason == "caller-hung-up", f"after {before}"
        # What leaving takes is told, and nothing is heard or asked any more.
        assert set(before[patience + 1 :]) <= {"sent", "time", "seated"}, before
        assert [form["QueueResult"] for form in here.forms("/after") if "QueueResult" in form] in (
            ([], ["hangup"], ["leave"])
        )
        patience += 1
    assert patience > 3


def test_a_caller_who_waits_is_told_as_gone(house):
    here = house(SERVICE)
    caller = Caller(patience=7)
    call = rings(here, "/queue", caller)
    assert caller.moments[7] == "heard"
    assert [form["QueueResult"] for form in here.forms("/after")] == ["hangup"]
    assert call.end_reason == "caller-hung-up"


def test_a_leg_may_raise_it_instead_of_returning_hang_up(house):
    class Short(Caller):
        def answers(self, call, asked):
            raise HungUp

    call = rings(house(SERVICE), "/ask", Short(1000))
    assert (call.end_reason, call.heard[-1].kind) == ("caller-hung-up", "pause")


def test_an_outbound_call_may_be_hung_up_while_its_progress_is_told(house):
    here = house(SERVICE)
    caller = Caller(0)
    call = rings(
        here,
        "/say",
        caller,
        direction="outbound-api",
        status_events=("initiated", "ringing", "answered", "completed"),
    )
    assert (call.end_reason, call.dialled) == ("caller-hung-up", True)
    assert [form["CallStatus"] for form in here.forms("/status")] == ["initiated", "completed"]
    assert here.sent("/say") == []


def test_nobody_is_there_any_more_when_the_end_is_told(house):
    here = house(SERVICE)
    calls: list[Call] = []
    order: list[tuple[bool, str, int]] = []

    def over() -> None:
        (call,) = calls
        order.append((call.ended, call.status, len(here.sent("/status"))))

    calls.append(call_of(here, "/say", over_by=over))
    calls[0].dial()
    assert order == [(True, "completed", 0)]
    assert len(here.sent("/status")) == 1


@pytest.mark.parametrize(
    ("path", "times"),
    [
        ("/say", 1),
        ("/ask", 1),
        ("/queue", 1),
        ("/room", 1),
        ("/dial", 1),
        ("/broken", 1),
        ("/hangup", 1),
        ("/empty", 1),
        ("/reject", 0),
        ("/elsewhere", 0),
    ],
)
def test_the_first_verb_that_answers_does_so_once(house, path, times):
    documents = {
        **SERVICE,
        "/hangup": "<Hangup/>",
        "/empty": "",
        "/reject": "<Redirect>/refused</Redirect>",
        "/refused": '<Reject reason="busy"/>',
        "/elsewhere": "<Redirect>/reject</Redirect>",
    }
    here = house(documents)
    caller = Caller(1000)
    call = rings(here, path, caller)
    assert caller.moments.count("answered") == times
    if times:
        # Before anything is heard.
        heard = caller.moments.index("heard") if "heard" in caller.moments else 1000
        assert caller.moments.index("answered") < heard
    else:
        assert (call.status, call.end_reason) == ("busy", "rejected")


def test_an_outbound_call_is_answered_before_it_is_dialled(house):
    caller = Caller(1000)
    rings(house(SERVICE), "/say", caller, direction="outbound-api")
    assert "answered" not in caller.moments


def test_the_ear_is_told_of_each_change_of_the_seat(house):
    here = house(SERVICE)
    seats: list[Seat | None] = []
    call: Any = here.call(path="/room", seated_by=seats.append).dial()
    other = here.rings("+33142685300", "/room")
    call.obey()
    here.post(f"/Conferences/{call.seat.sid}/Participants/{call.sid}.json", 200, Muted="true")
    call.obey()
    other.hang_up()
    call.hang_up()
    told = [(seat.started, seat.muted) if seat else None for seat in seats]
    assert told == [(False, False), (True, False), (True, True), None]


def test_everything_is_heard_before_its_time_passes(house):
    """For a leg that makes sound: time is what it takes to listen to what was told before."""

    class Listening(OwnPaced):
        heard_s = told_s = 0.0

        def advance(self, seconds: float) -> None:
            self.heard_s = self.told_s

    for path in ("/say", "/queue", "/music", "/dial", "/broken"):
        here, clock = house(SERVICE), Listening()

        def hears(heard, clock=clock) -> None:
            assert clock.heard_s == clock.told_s, f"{heard} was told before the last was heard"
            clock.told_s += heard.seconds

        call = call_of(here, path, heard_by=hears, clock=clock).dial()
        assert call.heard
