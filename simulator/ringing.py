"""Outbound calls: the numbers and devices that the service asks to be called.

A number answers and listens in silence, or presses the keys that the switch `answers` gives it, or
is a machine, or somebody with a temperament, or is busy, or does not answer. Listening takes such a
call no time, for its clock is virtual; waiting in a queue and talking in a conference take real
time. `client:<name>` rings a device until its page takes the call.
"""

from collections.abc import Callable
from email.utils import format_datetime
from urllib.parse import urldefrag

from simulator.calls import FINAL, CallRecord
from simulator.clock import Clock, VirtualClock, WallClock
from simulator.exchange import (
    API_VERSION,
    PLACES,
    Call,
    ConferenceWait,
    Gather,
    HangUp,
    Heard,
    Input,
    Keys,
    Overrides,
    QueueWait,
    Silence,
)
from simulator.faults import MACHINE
from simulator.legs import KeysLeg, Leg, MachineLeg
from simulator.people import somebody
from simulator.signing import signature
from simulator.subscribers import Rung, Subscriber
from simulator.switchboard import Switchboard
from simulator.transport import ConnectFailed, Outgoing, ReadTimedOut, Transport

CLIENT = "client:"
# Seconds between being asked for a call and ringing, and what Twilio adds to every time-out.
BEFORE_S = 0.05
TIMEOUT_BUFFER_S = 5
# How long (seconds) a number that a <Dial> rings talks before it hangs up.
BRIEF_TALK_S = 20
SIP_CODES = {"busy": "486", "no-answer": "487", "failed": "404"}


class DeviceLeg:
    """Whoever is at a device: presses what was pressed there, and stays until it hangs up."""

    def __init__(self, switchboard: Switchboard, name: str) -> None:
        self._switchboard, self._name = switchboard, name

    def answers(self, call: Call, gather: Gather) -> Input:
        """See `Leg`."""
        keys = self._switchboard.devices.take_keys(self._name)
        if not keys and self._switchboard.threads:
            call.mailbox.wait(gather.prompt_s + gather.timeout_s)
            keys = self._switchboard.devices.take_keys(self._name)
        return Keys(keys) if keys else Silence()

    def waits(self, call: Call, queue: QueueWait) -> Input:
        """See `Leg`."""
        return Silence()

    def confers(self, call: Call, wait: ConferenceWait) -> Input:
        """See `Talker`."""
        return Silence()


class BriefLeg:
    """Whoever answers a <Dial>: another leg until they are connected, and then a short talk."""

    def __init__(self, leg: Leg) -> None:
        self._leg = leg

    def answers(self, call: Call, gather: Gather) -> Input:
        """See `Leg`."""
        return self._leg.answers(call, gather)

    def waits(self, call: Call, queue: QueueWait) -> Input:
        """See `Leg`."""
        return self._leg.waits(call, queue)

    def confers(self, call: Call, wait: ConferenceWait) -> Input:
        """See `Talker`."""
        return HangUp() if wait.since_s >= BRIEF_TALK_S else Silence()


class Ringing:
    """Rings what the service asks to be called, and makes a call of whatever answers."""

    def __init__(
        self, *, switchboard: Switchboard, transport: Transport, auth_token: str, clock: Clock
    ) -> None:
        self._switchboard, self._transport = switchboard, transport
        self._auth_token, self._clock = auth_token, clock
        self._background, self._faults = switchboard.background, switchboard.faults
        # Whoever knows a number is asked before the switch `answers`, in order.
        self.subscribers: list[Subscriber] = []
        # How to stop a call that rings at a subscriber's, by its SID.
        self._stops: dict[str, Callable[[], None]] = {}

    def begin(self, record: CallRecord) -> None:
        """Have the call rung; returns at once."""
        self._background.add(BEFORE_S, lambda: self._ring(record))

    def end(self, record: CallRecord, status: str) -> bool:
        """End a call as `completed` or `canceled`, as far as it can be; return whether it was.

        A call that was answered cannot be cancelled any more.
        """
        if record.status in FINAL:
            return False
        if record.status == "in-progress" and self._switchboard.live(record.sid) is not None:
            return status == "completed" and self._switchboard.complete(record.sid)
        rang, stop = record.status == "ringing", self._stops.pop(record.sid, None)
        self._close(record, status)
        if record.recipient.startswith(CLIENT):
            name = record.recipient.removeprefix(CLIENT)
            self._switchboard.devices.stop_ringing(name, record.sid)
        if stop is not None:
            stop()
        if rang:
            self._background.add(0, lambda: self._tell(record, status))
        return True

    def _close(self, record: CallRecord, status: str) -> None:
        record.status, record.duration = status, 0
        record.end_time = record.date_updated = self._clock.now()
        self._switchboard.never_came(record.sid, status)

    def _ring(self, record: CallRecord) -> None:
        if record.status in FINAL:
            return
        record.status = "ringing"
        record.start_time = record.date_updated = self._clock.now()
        if record.recipient.startswith(CLIENT):
            self._ring_device(record, record.recipient.removeprefix(CLIENT))
            return
        subscriber = next((s for s in self.subscribers if s.knows(record.recipient)), None)
        if subscriber is not None and record.recipient not in self._faults.answers:
            self._ring_subscriber(record, subscriber)
            return
        answer = self._faults.answers.get(record.recipient, ())
        if answer in {"busy", "no-answer", "failed"}:
            self._tell(record, "initiated")
            if answer != "failed":
                self._tell(record, "ringing")
            self._unanswered(record, str(answer))
            return
        self._answered(record, self._call(record, VirtualClock()), self._who(record, answer))

    @staticmethod
    def _who(record: CallRecord, answer: str | tuple[str, ...]) -> Leg:
        if isinstance(answer, tuple):
            leg = KeysLeg(answer)
            return leg if record.parent_sid is None else BriefLeg(leg)
        kind, _, rest = answer.partition(":")
        if f"{kind}:" == MACHINE:
            return MachineLeg(rest)
        name, _, seed = rest.partition(":")
        return somebody(name, int(seed or 0), sender=record.recipient)

    def _ring_subscriber(self, record: CallRecord, subscriber: Subscriber) -> None:
        def make(clock: Clock, heard_by: Callable[[Heard], None] | None) -> Call:
            return self._call(record, clock, heard_by, rung=record.sequence)

        def answer(call: Call, leg: Leg, over: Callable[[Call], None]) -> None:
            if record.status == "ringing":
                self._answered(record, call, leg, over)

        def refuse(status: str) -> None:
            if record.status == "ringing":
                self._background.add(0, lambda: self._unanswered(record, status))

        rung = Rung(record, make, answer, refuse)

        def rang_out() -> None:
            if record.status == "ringing":
                self._unanswered(record, "no-answer")
                subscriber.stops(rung)

        self._stops[record.sid] = lambda: subscriber.stops(rung)
        self._tell(record, "initiated")
        self._tell(record, "ringing")
        self._background.add(record.timeout_s + TIMEOUT_BUFFER_S, rang_out, timed=True)
        subscriber.rings(rung)

    def _ring_device(self, record: CallRecord, name: str) -> None:
        devices = self._switchboard.devices

        def answered() -> None:
            self._background.add(0, lambda: self._device_took(record, name))

        def refused() -> None:
            self._background.add(0, lambda: self._unanswered(record, "busy"))

        def rang_out() -> None:
            if devices.stop_ringing(name, record.sid):
                self._unanswered(record, "no-answer")

        self._tell(record, "initiated")
        how = devices.ring(name, record.sid, record.sender, answered, refused)
        if how != "ringing":
            self._unanswered(record, how)
            return
        self._tell(record, "ringing")
        self._background.add(record.timeout_s + TIMEOUT_BUFFER_S, rang_out, timed=True)

    def _device_took(self, record: CallRecord, name: str) -> None:
        if record.status in FINAL:
            return
        devices = self._switchboard.devices

        def heard(what: Heard) -> None:
            if what.kind in {"say", "play", "beep"}:
                devices.hears(name, record.sid, what.text)

        clock = WallClock() if self._switchboard.threads else VirtualClock()
        call = self._call(record, clock, heard, rung=record.sequence)
        devices.connected(name, record.sid, call.mailbox)
        self._answered(record, call, DeviceLeg(self._switchboard, name))

    def _call(
        self,
        record: CallRecord,
        clock: Clock,
        heard_by: Callable[[Heard], None] | None = None,
        rung: int | None = None,
    ) -> Call:
        return Call(
            url=record.url,
            method=record.method,
            twiml=record.twiml,
            fallback_url=record.fallback_url,
            status_url=record.status_callback,
            status_events=record.status_events,
            transport=self._transport,
            auth_token=self._auth_token,
            account_sid=record.account_sid,
            call_sid=record.sid,
            sender=record.sender,
            recipient=record.recipient,
            direction=record.direction,
            clock=clock,
            heard_by=heard_by,
            switchboard=self._switchboard,
            rung=rung,
        )

    def _answered(
        self,
        record: CallRecord,
        call: Call,
        leg: Leg,
        then: Callable[[Call], None] = lambda _: None,
    ) -> None:
        record.status = "in-progress"
        self._stops.pop(record.sid, None)

        def over(call: Call) -> None:
            record.transcript = call.spoken
            then(call)
            if record.recipient.startswith(CLIENT):
                name = record.recipient.removeprefix(CLIENT)
                self._switchboard.devices.ended(name, record.sid)

        self._switchboard.start(call, leg, over)

    def _unanswered(self, record: CallRecord, status: str) -> None:
        if record.status in FINAL:
            return
        self._close(record, status)
        self._tell(record, status)

    def _tell(self, record: CallRecord, status: str) -> None:
        """Tell the progress of a call that is not answered yet, or never was."""
        event = status if status in {"initiated", "ringing"} else "completed"
        if not record.status_callback or event not in record.status_events:
            return
        form = {
            "AccountSid": record.account_sid,
            "ApiVersion": API_VERSION,
            "CallSid": record.sid,
            "CallStatus": status,
            "From": record.sender,
            "To": record.recipient,
            "Called": record.recipient,
            "Caller": record.sender,
            "Direction": record.direction,
            "CallbackSource": "call-progress-events",
            "SequenceNumber": str(record.sequence),
            "Timestamp": format_datetime(self._clock.now()),
            **PLACES,
        }
        record.sequence += 1
        if event == "completed":
            form |= {"CallDuration": "0", "Duration": "0"}
            if status in SIP_CODES:
                form["SipResponseCode"] = SIP_CODES[status]
        url = urldefrag(record.status_callback).url
        headers = {"X-Twilio-Signature": signature(self._auth_token, url, form)}
        limits = Overrides.of(record.status_callback)
        outgoing = Outgoing(
            "POST", url, form, headers, limits.connect_timeout_s, limits.read_timeout_s
        )
        try:
            self._transport.send(outgoing)
        except (ConnectFailed, ReadTimedOut):
            return
