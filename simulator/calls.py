"""Calls as Twilio keeps them, and the outbound ones rung by the REST server itself."""

import threading
import uuid

from dataclasses import dataclass, field
from datetime import datetime
from email.utils import format_datetime
from typing import Any

from simulator.background import Background
from simulator.clock import Clock
from simulator.exchange import API_VERSION, Call
from simulator.faults import Faults
from simulator.legs import KeysLeg, drive
from simulator.signing import signature
from simulator.transport import ConnectFailed, Outgoing, ReadTimedOut, Transport

FINAL = frozenset({"completed", "busy", "failed", "no-answer", "canceled"})
SUBRESOURCES = (
    "notifications",
    "recordings",
    "payments",
    "events",
    "siprec",
    "streams",
    "transcriptions",
    "user_defined_message_subscriptions",
    "user_defined_messages",
)


@dataclass
class CallRecord:
    """One call; instants are aware and in UTC, `duration` in seconds."""

    account_sid: str
    sender: str
    recipient: str
    date_created: datetime
    direction: str = "outbound-api"
    sid: str = field(default_factory=lambda: f"CA{uuid.uuid4().hex}")
    status: str = "queued"
    url: str = ""
    method: str = "POST"
    twiml: str = ""
    fallback_url: str = ""
    status_callback: str = ""
    status_events: tuple[str, ...] = ("completed",)
    date_updated: datetime | None = None
    start_time: datetime | None = None
    end_time: datetime | None = None
    duration: int | None = None
    transcript: list[str] = field(default_factory=list)

    @property
    def uri(self) -> str:
        """The path of the resource on the REST server."""
        return f"/{API_VERSION}/Accounts/{self.account_sid}/Calls/{self.sid}.json"

    def resource(self) -> dict[str, Any]:
        """Return the resource with every field of Twilio's schema."""
        base = self.uri.removesuffix(".json")
        return {
            "account_sid": self.account_sid,
            "answered_by": None,
            "api_version": API_VERSION,
            "caller_name": None,
            "date_created": format_datetime(self.date_created),
            "date_updated": format_datetime(self.date_updated or self.date_created),
            "direction": self.direction,
            "duration": None if self.duration is None else str(self.duration),
            "end_time": self.end_time and format_datetime(self.end_time),
            "forwarded_from": None,
            "from": self.sender,
            "from_formatted": self.sender,
            "group_sid": None,
            "parent_call_sid": None,
            "phone_number_sid": f"PN{'0' * 32}",
            "price": None,
            "price_unit": "USD",
            "queue_time": "0",
            "sid": self.sid,
            "start_time": self.start_time and format_datetime(self.start_time),
            "status": self.status,
            "subresource_uris": {
                name: f"{base}/{name.title().replace('_', '')}.json" for name in SUBRESOURCES
            },
            "to": self.recipient,
            "to_formatted": self.recipient,
            "trunk_sid": None,
            "uri": self.uri,
        }


class Ringing:
    """Rings the numbers that the service asks to be called.

    A number answers and listens in silence, or presses the keys that the switch `answers` gives
    it, or is busy, or does not answer. Listening takes no time: the clock of the call is virtual.
    """

    def __init__(
        self,
        *,
        faults: Faults,
        background: Background,
        transport: Transport,
        auth_token: str,
        clock: Clock,
    ) -> None:
        self._faults, self._background, self._transport = faults, background, transport
        self._auth_token, self._clock = auth_token, clock
        self._lock = threading.Lock()

    def begin(self, record: CallRecord) -> None:
        """Have the call rung; returns at once."""
        self._background.add(0.05, lambda: self._ring(record))

    def end(self, record: CallRecord, status: str) -> bool:
        """End a call that is not over, as `completed` or `canceled`; return whether it was."""
        with self._lock:
            if record.status in FINAL:
                return False
            self._close(record, status)
            return True

    def _close(self, record: CallRecord, status: str, duration: int = 0) -> None:
        record.status, record.duration = status, duration
        record.end_time = record.date_updated = self._clock.now()

    def _ring(self, record: CallRecord) -> None:
        with self._lock:
            if record.status in FINAL:
                return
            record.status = "ringing"
            record.start_time = record.date_updated = self._clock.now()
        answer = self._faults.answers.get(record.recipient, ())
        if isinstance(answer, str):
            self.end(record, answer)
            self._tell_unanswered(record, answer)
            return
        record.status = "in-progress"
        call = Call(
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
        )
        drive(call, KeysLeg(answer))
        record.transcript = call.spoken
        with self._lock:
            if record.status not in FINAL:
                self._close(record, call.status, call.duration_s)

    def _tell_unanswered(self, record: CallRecord, status: str) -> None:
        if not record.status_callback or "completed" not in record.status_events:
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
            "SequenceNumber": "0",
            "Timestamp": format_datetime(self._clock.now()),
            "CallDuration": "0",
            "Duration": "0",
        }
        headers = {"X-Twilio-Signature": signature(self._auth_token, record.status_callback, form)}
        try:
            self._transport.send(Outgoing("POST", record.status_callback, form, headers))
        except (ConnectFailed, ReadTimedOut):
            return
