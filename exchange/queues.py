"""Queues of waiting calls: first come, first served, unless somebody is taken by name."""

import uuid

from collections import OrderedDict
from dataclasses import dataclass, field
from datetime import datetime
from email.utils import format_datetime
from typing import Any

from exchange.interpreter import API_VERSION
from exchange.orders import Party

# What Twilio gives a queue that nobody set a size for, and the most it allows.
DEFAULT_MAX_SIZE = 1000
MOST_MAX_SIZE = 5000


@dataclass(frozen=True)
class Member:
    """A call in a queue, since an instant (aware, UTC)."""

    call: Party
    since: datetime


@dataclass
class Queue:
    """One queue; instants are aware and in UTC. Used under the switchboard's lock only."""

    account_sid: str
    name: str
    date_created: datetime
    max_size: int = DEFAULT_MAX_SIZE
    sid: str = field(default_factory=lambda: f"QU{uuid.uuid4().hex}")
    date_updated: datetime | None = None
    members: "OrderedDict[str, Member]" = field(default_factory=OrderedDict)

    def enter(self, call: Party, now: datetime) -> None:
        self.members[call.sid] = Member(call, now)

    @property
    def full(self) -> bool:
        return len(self.members) >= self.max_size

    @property
    def front(self) -> str:
        """The SID of the call that has waited longest, or an empty string."""
        return next(iter(self.members), "")

    def position(self, call_sid: str) -> int:
        """Return the place of a call, 1 for the front, 0 for a call that is not here."""
        return next((n for n, sid in enumerate(self.members, 1) if sid == call_sid), 0)

    def average_s(self, now: datetime) -> int:
        """Return how long those who wait have waited, in seconds, on average."""
        waits = [(now - member.since).total_seconds() for member in self.members.values()]
        return int(sum(waits) / len(waits)) if waits else 0

    @property
    def uri(self) -> str:
        return f"/{API_VERSION}/Accounts/{self.account_sid}/Queues/{self.sid}.json"

    def resource(self, now: datetime) -> dict[str, Any]:
        """Return the resource with every field of Twilio's schema."""
        return {
            "account_sid": self.account_sid,
            "average_wait_time": self.average_s(now),
            "current_size": len(self.members),
            "date_created": format_datetime(self.date_created),
            "date_updated": format_datetime(self.date_updated or self.date_created),
            "friendly_name": self.name,
            "max_size": self.max_size,
            "sid": self.sid,
            "uri": self.uri,
        }

    def member_resource(self, call_sid: str, now: datetime, position: int = 0) -> dict[str, Any]:
        """Return a member as Twilio shows it; raises KeyError for a call that is not here."""
        member = self.members[call_sid]
        return {
            "call_sid": call_sid,
            "date_enqueued": format_datetime(member.since),
            "position": position or self.position(call_sid),
            "queue_sid": self.sid,
            "uri": self.uri.replace(".json", f"/Members/{call_sid}.json"),
            "wait_time": int((now - member.since).total_seconds()),
        }
