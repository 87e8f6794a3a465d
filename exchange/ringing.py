"""Outbound calls: the numbers and devices that the service asks to be called.

A number answers and listens in silence, or presses the keys that the switch `answers` gives it, or
is a machine, or somebody with a temperament, or is busy, or does not answer. Listening takes such a
call no time, for its clock is virtual; waiting in a queue and talking in a conference take real
time. `client:<name>` rings a device until its page takes the call. A number or a client that
another process has a telephone for rings there, too. Where one has a trunk, a number that it may
not call is not answered at all.

A call may ring in several places, and the first that takes it has it. That, and whether it still
rings at all when somebody takes it, is decided here, under one lock.
"""

import threading

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

from exchange.boxes import Boxes, RemoteCall
from exchange.calls import FINAL, CallRecord
from exchange.clock import Clock, VirtualClock, WallClock
from exchange.devices import Elsewhere
from exchange.faults import MACHINE
from exchange.interpreter import (
    Call,
    ConferenceWait,
    Gather,
    HangUp,
    Heard,
    Input,
    Keys,
    QueueWait,
    Silence,
)
from exchange.legs import KeysLeg, Leg, MachineLeg
from exchange.orders import REFUSALS, Mailbox, Press, Ring, StopRinging
from exchange.subscribers import Rung, Subscriber, Taken
from exchange.switchboard import Switchboard
from exchange.transport import Transport

CLIENT = "client:"
# Seconds between being asked for a call and ringing, and what Twilio adds to every time-out.
BEFORE_S = 0.05
TIMEOUT_BUFFER_S = 5
# How long (seconds) a number that a <Dial> rings talks before it hangs up.
BRIEF_TALK_S = 20
# How a telephone would have said that nobody takes a call.
SIP_CODES = {"busy": "486", "no-answer": "487", "failed": "404"}
# Where a call rings that rings nowhere else, and where a client does; other places are boxes.
SUBSCRIBER, PAGE = "subscriber", "page"


class DeviceLeg:
    """Whoever is at a device: presses what was pressed there, and stays until it hangs up."""

    def __init__(self, switchboard: Switchboard, name: str) -> None:
        self._switchboard, self._name = switchboard, name

    def answers(self, call: Call, gather: Gather) -> Input:
        keys = self._switchboard.devices.take_keys(self._name)
        if not keys and self._switchboard.threads:
            call.mailbox.wait(gather.prompt_s + gather.timeout_s)
            keys = self._switchboard.devices.take_keys(self._name)
        return Keys(keys) if keys else Silence()

    def waits(self, call: Call, queue: QueueWait) -> Input:
        return Silence()


class BriefLeg(KeysLeg):
    """Whoever answers a <Dial>: given keys until they are connected, and then a short talk."""

    def confers(self, call: Call, wait: ConferenceWait) -> Input:
        return HangUp() if wait.since_s >= BRIEF_TALK_S else Silence()


@dataclass
class _Rings:
    """Where a call rings, and how it is stopped in each of these places."""

    stops: dict[str, Callable[[], object]] = field(default_factory=dict)
    refusals: set[str] = field(default_factory=set)


class Ringing:
    """Rings what the service asks to be called, and makes a call of whatever answers."""

    def __init__(
        self,
        *,
        switchboard: Switchboard,
        transport: Transport,
        auth_token: str,
        clock: Clock,
        boxes: Boxes,
    ) -> None:
        self._switchboard, self._transport = switchboard, transport
        self._auth_token, self._clock, self._boxes = auth_token, clock, boxes
        self._background, self._faults = switchboard.background, switchboard.faults
        # Whoever knows a number is asked before the switch `answers`, in order.
        self.subscribers: list[Subscriber] = []
        # The calls that ring, by SID. A call is one of them, and its record says that it rings,
        # until somebody takes it, all have refused it, or it is ended; the lock is for that.
        self._rings: dict[str, _Rings] = {}
        self._lock = threading.RLock()

    def begin(self, record: CallRecord) -> None:
        """Have the call rung; returns at once."""
        self._background.add(BEFORE_S, lambda: self._ring(record))

    def end(self, record: CallRecord, status: str) -> bool:
        """End a call as `completed` or `canceled`, as far as it can be; return whether it was.

        A call that was answered cannot be cancelled any more.
        """
        with self._lock:
            if record.status in FINAL:
                return False
            answered = (
                record.status == "in-progress" and self._switchboard.live(record.sid) is not None
            )
            rang = record.status == "ringing"
            stops = () if answered else self._close(record, status)
        if answered:
            return status == "completed" and self._switchboard.complete(record.sid)
        for stop in stops:
            stop()
        if rang:
            self._background.add(0, lambda: self._tell(record, status))
        return True

    # What telephones in other processes tell

    def answered_there(self, box: str, call_sid: str) -> Ring | None:
        """Give a call to the process that wants to take it; None where it is too late for that.

        Asked again, for want of an answer, the answer is the same until the call has begun there.
        """
        record = self._switchboard.calls.get(call_sid)
        if record is None:
            return None
        with self._lock:
            others = self._take(record, box)
            if others is None:
                live = self._switchboard.live(call_sid)
                theirs = isinstance(live, RemoteCall) and live.box == box and not live.begun
                return _order(record) if theirs else None
            # Within the lock: whoever ends the call from now on finds it live.
            self._goes_through(box, record)
        for stop in others:
            stop()
        return _order(record)

    def refused_there(self, box: str, call_sid: str, status: str) -> None:
        """Take note that a process did not have a call taken: `busy`, `no-answer` or `failed`."""
        record = self._switchboard.calls.get(call_sid)
        if record is not None:
            self._refused(record, box, status)

    def gone_there(self, box: str) -> None:
        """Take note that a process is gone, and what rang there rings there no more."""
        with self._lock:
            rang = [sid for sid, rings in self._rings.items() if box in rings.stops]
        for sid in rang:
            self.refused_there(box, sid, "failed")

    # Ringing

    def _ring(self, record: CallRecord) -> None:
        with self._lock:
            if record.status in FINAL:
                return
            record.status = "ringing"
            record.start_time = record.date_updated = self._clock.now()
        if record.recipient.startswith(CLIENT):
            self._ring_client(record, record.recipient.removeprefix(CLIENT))
            return
        if record.recipient not in self._faults.answers and self._ring_somebody(record):
            return
        nobody = "failed" if self._boxes.trunk else ()
        answer = self._faults.answers.get(record.recipient, nobody)
        if answer in REFUSALS:
            self._tell(record, "initiated")
            if answer != "failed":
                self._tell(record, "ringing")
            self._unanswered(record, str(answer))
            return
        with self._lock:
            if record.status in FINAL:
                return
            record.status = "in-progress"
        self._answered(
            record, self._call(record, VirtualClock(), rang=False), self._who(record, answer)
        )

    def _ring_somebody(self, record: CallRecord) -> bool:
        """Ring a number that somebody answers for; False where nobody does."""
        boxes = self._boxes.named(record.recipient)
        if not boxes:
            subscriber = next((s for s in self.subscribers if s.knows(record.recipient)), None)
            if subscriber is not None:
                self._ring_subscriber(record, subscriber)
                return True
            # Out there a number is dialled once, by the process that came last, however many could.
            boxes = self._boxes.towards(record.recipient)[-1:]
        if not boxes:
            return False
        self._tell(record, "initiated")
        self._tell(record, "ringing")
        if self._places(record, {box: self._stop_there(box, record) for box in boxes}):
            self._ring_there(record, boxes)
        return True

    def _who(self, record: CallRecord, answer: str | tuple[str, ...]) -> Leg:
        if isinstance(answer, tuple):
            return KeysLeg(answer) if record.parent_sid is None else BriefLeg(answer)
        kind, _, rest = answer.partition(":")
        if f"{kind}:" == MACHINE:
            return MachineLeg(rest)
        name, _, seed = rest.partition(":")
        return self._faults.temperaments[name](int(seed or 0), record.recipient)

    def _ring_subscriber(self, record: CallRecord, subscriber: Subscriber) -> None:
        def make(clock: Clock, heard_by: Callable[[Heard], None] | None) -> Call:
            return self._call(record, clock, heard_by=heard_by)

        def answer(call: Call, leg: Leg, over: Callable[[Call], None]) -> None:
            if self._take(record, SUBSCRIBER) is not None:
                self._answered(record, call, leg, over)

        def refuse(status: str) -> None:
            if record.status == "ringing":
                self._background.add(0, lambda: self._refused(record, SUBSCRIBER, status))

        rung = Rung(record, make, answer, refuse)
        self._tell(record, "initiated")
        self._tell(record, "ringing")
        if self._places(record, {SUBSCRIBER: lambda: subscriber.stops(rung)}):
            self._rings_out(record)
            subscriber.rings(rung)

    def _ring_client(self, record: CallRecord, name: str) -> None:
        devices = self._switchboard.devices

        def answered() -> None:
            self._background.add(0, lambda: self._device_took(record, name))

        def refused() -> None:
            self._background.add(0, lambda: self._refused(record, PAGE, "busy"))

        self._tell(record, "initiated")
        boxes = self._boxes.named(record.recipient)
        stops: dict[str, Callable[[], object]]
        stops = {box: self._stop_there(box, record) for box in boxes}
        stops[PAGE] = lambda: devices.stop_ringing(name, record.sid)
        with self._lock:
            # Or it could be stopped before it rings, and never again.
            if not self._places(record, stops):
                return
            how = devices.ring(name, record.sid, record.sender, answered, refused)
        if how != "ringing":
            self._refused(record, PAGE, how)
        if how == "ringing" or boxes:
            self._tell(record, "ringing")
            self._ring_there(record, boxes)

    def _ring_there(self, record: CallRecord, boxes: Sequence[str]) -> None:
        """Have it rung in other processes, and here perhaps; nobody may have taken it meanwhile."""
        with self._lock:
            rings = self._rings.get(record.sid, _Rings())
            for box in boxes:
                if box in rings.stops:
                    self._boxes.post(box, record.sid, _order(record))
        self._rings_out(record)

    def _stop_there(self, box: str, record: CallRecord) -> Callable[[], None]:
        return lambda: self._boxes.post(box, record.sid, StopRinging(record.sid))

    def _rings_out(self, record: CallRecord) -> None:
        self._background.add(
            record.timeout_s + TIMEOUT_BUFFER_S,
            lambda: self._unanswered(record, "no-answer"),
            timed=True,
        )

    # Who has it

    def _places(self, record: CallRecord, stops: dict[str, Callable[[], object]]) -> bool:
        """Have a call ring in these places; False when it was ended before."""
        with self._lock:
            if record.status != "ringing":
                return False
            self._rings[record.sid] = _Rings(stops)
            return True

    def _take(self, record: CallRecord, place: str) -> Sequence[Callable[[], object]] | None:
        """Let the first have a call; return how it is stopped elsewhere, or None to all others."""
        with self._lock:
            rings = self._rings.get(record.sid)
            if rings is None or place not in rings.stops:
                return None
            del self._rings[record.sid], rings.stops[place]
            record.status = "in-progress"
            return list(rings.stops.values())

    def _refused(self, record: CallRecord, place: str, status: str) -> None:
        """Take note that a call is not taken in one place; in the last one, that is told."""
        with self._lock:
            rings = self._rings.get(record.sid)
            if rings is None or rings.stops.pop(place, None) is None:
                return
            rings.refusals.add(status)
            if rings.stops:
                return
        self._unanswered(record, min(rings.refusals, key=REFUSALS.index))

    def _unanswered(self, record: CallRecord, status: str) -> None:
        with self._lock:
            if record.status != "ringing":
                return
            stops = self._close(record, status)
        for stop in stops:
            stop()
        self._tell(record, status)

    def _close(self, record: CallRecord, status: str) -> Sequence[Callable[[], object]]:
        """Have nobody take a call any more; return how it is stopped where it rings."""
        rings = self._rings.pop(record.sid, _Rings())
        record.status, record.duration = status, 0
        record.end_time = record.date_updated = self._clock.now()
        self._switchboard.never_came(record.sid, status)
        return list(rings.stops.values())

    # Whoever has it

    def _device_took(self, record: CallRecord, name: str) -> None:
        devices = self._switchboard.devices
        others = self._take(record, PAGE)
        if others is None:
            # Too late: it is over. Or a telephone was sooner, which the page knows.
            if record.status in FINAL:
                devices.ended(name, record.sid)
            return
        for stop in others:
            stop()

        def heard(what: Heard) -> None:
            if what.kind in {"say", "play", "beep"}:
                devices.hears(name, record.sid, what.text)

        clock = WallClock() if self._switchboard.threads else VirtualClock()
        call = self._call(record, clock, heard_by=heard)
        devices.connected(name, record.sid, call.mailbox)
        self._answered(record, call, DeviceLeg(self._switchboard, name))

    def _goes_through(self, box: str, record: CallRecord) -> None:
        """Have a call live that runs in another process from now on."""
        switchboard, sid = self._switchboard, record.sid

        def over(call: RemoteCall, told: bool) -> None:  # noqa: FBT001 - see `RemoteCall`
            self._over_there(record, call, told=told)

        call = RemoteCall(
            sid,
            record.sender,
            record.recipient,
            box,
            record.direction,
            begun=False,
            on_over=over,
        )
        self._boxes.enter(call)
        if record.recipient.startswith(CLIENT):
            elsewhere = Elsewhere(
                call.mailbox,
                mute=lambda on: switchboard.mute(sid, on=on),
                press=lambda keys: self._boxes.post(box, sid, Press(keys)),
            )
            name = record.recipient.removeprefix(CLIENT)
            switchboard.devices.connected_elsewhere(name, sid, record.sender, elsewhere)

    def _over_there(self, record: CallRecord, call: RemoteCall, *, told: bool) -> None:
        self._page_has_ended(record)
        if told:
            return
        seconds = call.lasted_s(self._clock.now()) if call.begun else 0
        record.duration = seconds
        if call.begun and "answered" in record.status_events:
            # That much its process has told, and can tell no more.
            record.sequence += 1
        self._background.add(0, lambda: self._tell(record, call.status, seconds))

    def _tell(self, record: CallRecord, status: str, seconds: int = 0) -> None:
        """Send the status callback of a call that no `Call` tells of, as its record numbers it.

        Of one that ends a call, `seconds` is how long it was.
        """
        event = status if status in {"initiated", "ringing"} else "completed"
        if not record.status_url or event not in record.status_events:
            return
        with self._lock:
            number, record.sequence = record.sequence, record.sequence + 1
        form = record.progress(status, number, self._clock.now(), seconds)
        if status in SIP_CODES:
            form["SipResponseCode"] = SIP_CODES[status]
        self._switchboard.callbacks.once(record.status_url, form)

    def _call(self, record: CallRecord, clock: Clock, *, rang: bool = True, **hooks: Any) -> Call:
        return Taken(_order(record), Mailbox(), self._switchboard).call(
            rang=rang,
            transport=self._transport,
            auth_token=self._auth_token,
            clock=clock,
            **hooks,
        )

    def _answered(
        self,
        record: CallRecord,
        call: Call,
        leg: Leg,
        then: Callable[[Call], None] = lambda _: None,
    ) -> None:
        def over(call: Call) -> None:
            record.transcript = call.spoken
            then(call)
            self._page_has_ended(record)

        self._switchboard.start(call, leg, over)

    def _page_has_ended(self, record: CallRecord) -> None:
        if record.recipient.startswith(CLIENT):
            name = record.recipient.removeprefix(CLIENT)
            self._switchboard.devices.ended(name, record.sid)


def _order(record: CallRecord) -> Ring:
    """Return what a process is asked that is to ring it: all that the record says of that."""
    given = {each.name: getattr(record, each.name) for each in fields(Ring)}
    return Ring(**{**given, "timeout_s": record.timeout_s + TIMEOUT_BUFFER_S})
