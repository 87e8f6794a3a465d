"""SMS as Twilio keeps them: the record, its life, and the callbacks that tell it."""

import uuid

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from email.utils import format_datetime
from typing import Any

from exchange.background import Background
from exchange.callbacks import Callbacks
from exchange.clock import Clock
from exchange.faults import Faults
from exchange.interpreter import API_VERSION
from exchange.segments import segment_count

# Between two steps of a message, in seconds.
STEP_S = 0.05
ERROR_MESSAGES = {
    30001: "Queue overflow",
    30002: "Account suspended",
    30003: "Unreachable destination handset",
    30004: "Message blocked",
    30005: "Unknown destination handset",
    30006: "Landline or unreachable carrier",
    30007: "Message filtered",
    30008: "Unknown error",
}


@dataclass
class Message:
    """One SMS; instants are aware and in UTC."""

    account_sid: str
    sender: str
    recipient: str
    body: str
    date_created: datetime
    status_callback: str = ""
    sid: str = field(default_factory=lambda: f"SM{uuid.uuid4().hex}")
    status: str = "queued"
    date_updated: datetime | None = None
    date_sent: datetime | None = None
    error_code: int | None = None

    @property
    def uri(self) -> str:
        return f"/{API_VERSION}/Accounts/{self.account_sid}/Messages/{self.sid}.json"

    def resource(self) -> dict[str, Any]:
        """Return the resource with every field of Twilio's schema."""
        return {
            "account_sid": self.account_sid,
            "api_version": API_VERSION,
            "body": self.body,
            "date_created": format_datetime(self.date_created),
            "date_sent": self.date_sent and format_datetime(self.date_sent),
            "date_updated": format_datetime(self.date_updated or self.date_created),
            "direction": "outbound-api",
            "error_code": self.error_code,
            "error_message": ERROR_MESSAGES.get(self.error_code or 0),
            "from": self.sender,
            "messaging_service_sid": None,
            "num_media": "0",
            "num_segments": str(segment_count(self.body)),
            "price": None,
            "price_unit": "USD",
            "sid": self.sid,
            "status": self.status,
            "subresource_uris": {"media": self.uri.replace(".json", "/Media.json")},
            "to": self.recipient,
            "uri": self.uri,
        }


class MessageLife:
    """Takes a message from `queued` to its end and tells each step to its status callback."""

    def __init__(
        self,
        *,
        faults: Faults,
        background: Background,
        callbacks: Callbacks,
        clock: Clock,
    ) -> None:
        self._faults, self._background, self._callbacks = faults, background, callbacks
        self._clock = clock

    def begin(self, message: Message) -> None:
        """Have the message sent; returns at once."""
        self._background.add(STEP_S, lambda: self._send(message))

    def _send(self, message: Message) -> None:
        self._enter(message, "sending")
        message.date_sent = self._clock.now()
        self._enter(message, "sent")
        error_code = self._faults.undeliverable.get(message.recipient)
        events: list[tuple[str, int | None]] = [
            ("sent", None),
            ("undelivered" if error_code else "delivered", error_code),
        ]
        if self._faults.shuffle_status_callbacks:
            # Reversed is the one disorder that always shows a status going backwards.
            events.reverse()
        self._tell(message, events)

    def _tell(self, message: Message, events: list[tuple[str, int | None]]) -> None:
        """Post the events one after the other; the message ends when its end is told."""
        status, code = events[0]
        if status != "sent":
            self._enter(message, status, code)

        def go_on() -> None:
            if events[1:]:
                self._tell(message, events[1:])

        self._post(message, status, code, lambda: self._background.add(STEP_S, go_on))

    def _post(
        self,
        message: Message,
        status: str,
        error_code: int | None,
        afterwards: Callable[[], None],
    ) -> None:
        if not message.status_callback or self._faults.drops(status):
            afterwards()
            return
        form = {
            "ApiVersion": API_VERSION,
            "MessageStatus": status,
            "SmsSid": message.sid,
            "SmsStatus": status,
            "To": message.recipient,
            "From": message.sender,
            "MessageSid": message.sid,
            "AccountSid": message.account_sid,
        }
        if error_code is not None:
            form["ErrorCode"] = str(error_code)
        what = f"the {status} callback of {message.sid}"
        self._callbacks.tell(message.status_callback, form, what, afterwards)

    def _enter(self, message: Message, status: str, error_code: int | None = None) -> None:
        message.error_code = error_code
        message.date_updated = self._clock.now()
        message.status = status
