"""Calls as Twilio keeps them."""

import uuid

from dataclasses import dataclass, field
from datetime import datetime
from email.utils import format_datetime
from typing import Any

from exchange.interpreter.webhooks import API_VERSION, Told

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
class CallRecord(Told):
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
    status_url: str = ""
    # Seconds that it rings before nobody has answered.
    timeout_s: int = 60
    parent_sid: str | None = None
    # The number of the next status callback.
    sequence: int = 0
    status_events: tuple[str, ...] = ("completed",)
    date_updated: datetime | None = None
    start_time: datetime | None = None
    end_time: datetime | None = None
    duration: int | None = None
    transcript: list[str] = field(default_factory=list)

    @property
    def uri(self) -> str:
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
            "parent_call_sid": self.parent_sid,
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
