"""Conferences: who is in them, and what is told of them to their status callback."""

import uuid

from collections import OrderedDict, deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from email.utils import format_datetime
from typing import Any

from exchange.calls import CallRecord
from exchange.interpreter import API_VERSION
from exchange.orders import Party, Seat, Wish

# A conference is mixed where most of its participants are.
REGION = "ie1"


def said(value: bool) -> str:  # noqa: FBT001 - a converter
    """Return a truth value as Twilio writes it in forms."""
    return "true" if value else "false"


@dataclass
class Participant:
    """A call in a conference; `wish` is what it came in with."""

    call: Party
    wish: Wish
    joined: datetime
    muted: bool = False
    hold: bool = False
    hold_url: str = ""
    hold_method: str = "GET"
    coaching: str = ""
    end: bool = False
    label: str = ""
    date_updated: datetime | None = None

    def seat(self, conference: "Conference") -> Seat:
        return Seat(
            conference.name,
            conference.sid,
            started=conference.status == "in-progress",
            others=len(conference.participants) - 1,
            muted=self.muted,
            hold=self.hold,
            hold_url=self.hold_url,
            hold_method=self.hold_method,
            coaching=self.coaching,
        )

    def form(self) -> dict[str, str]:
        """Return what a status callback says of a participant."""
        label = {"ParticipantLabel": self.label} if self.label else {}
        return {
            "CallSid": self.call.sid,
            "Muted": said(self.muted),
            "Hold": said(self.hold),
            "Coaching": said(bool(self.coaching)),
            "EndConferenceOnExit": said(self.end),
            "StartConferenceOnEnter": said(self.wish.start),
            **label,
        }


@dataclass
class Conference:
    """One conference; instants are aware and in UTC. Used under the switchboard's lock only."""

    account_sid: str
    name: str
    date_created: datetime
    sid: str = field(default_factory=lambda: f"CF{uuid.uuid4().hex}")
    status: str = "init"
    date_updated: datetime | None = None
    reason_ended: str | None = None
    ended_by: str | None = None
    participants: "OrderedDict[str, Participant]" = field(default_factory=OrderedDict)
    # Calls dialled for it that are not there yet: their labels by SID.
    expected: dict[str, str] = field(default_factory=dict)
    # The callback is the first participant's, once and for all.
    callback: Wish | None = None
    sequence: int = 0
    outbox: deque[dict[str, str]] = field(default_factory=deque)

    @property
    def uri(self) -> str:
        return f"/{API_VERSION}/Accounts/{self.account_sid}/Conferences/{self.sid}.json"

    @property
    def ready(self) -> bool:
        """Whether it begins now: two are there, and one of them begins it."""
        return (
            self.status == "init"
            and len(self.participants) > 1
            and any(member.wish.start for member in self.participants.values())
        )

    def find(self, call_sid_or_label: str) -> Participant | None:
        """Return the participant of that call or of that label, or None."""
        found = self.participants.get(call_sid_or_label)
        if found is not None:
            return found
        labelled = (p for p in self.participants.values() if p.label == call_sid_or_label)
        return next(labelled, None)

    def resource(self) -> dict[str, Any]:
        """Return the resource with every field of Twilio's schema."""
        base = self.uri.removesuffix(".json")
        return {
            "account_sid": self.account_sid,
            "api_version": API_VERSION,
            "call_sid_ending_conference": self.ended_by,
            "date_created": format_datetime(self.date_created),
            "date_updated": format_datetime(self.date_updated or self.date_created),
            "friendly_name": self.name,
            "reason_conference_ended": self.reason_ended,
            "region": REGION,
            "sid": self.sid,
            "status": self.status,
            "subresource_uris": {
                "participants": f"{base}/Participants.json",
                "recordings": f"{base}/Recordings.json",
            },
            "uri": self.uri,
        }

    def expected_resource(
        self, record: CallRecord, label: str, flags: Mapping[str, bool]
    ) -> dict[str, Any]:
        """Return a participant whose call was not even rung yet."""
        return {
            **self._participant(record.sid, label, "", record.date_created, None),
            "hold": False,
            "queue_time": "0",
            "status": "queued",
            **flags,
        }

    def participant_resource(self, participant: Participant) -> dict[str, Any]:
        sid, label, coaching = participant.call.sid, participant.label, participant.coaching
        return {
            **self._participant(sid, label, coaching, participant.joined, participant.date_updated),
            "end_conference_on_exit": participant.end,
            "hold": participant.hold,
            "muted": participant.muted,
            "queue_time": None,
            "start_conference_on_enter": participant.wish.start,
            "status": "connected",
        }

    def _participant(
        self, call_sid: str, label: str, coaching: str, since: datetime, updated: datetime | None
    ) -> dict[str, Any]:
        """Return what is shown of a participant wherever it is."""
        return {
            "account_sid": self.account_sid,
            "call_sid": call_sid,
            "call_sid_to_coach": coaching or None,
            "coaching": bool(coaching),
            "conference_sid": self.sid,
            "date_created": format_datetime(since),
            "date_updated": format_datetime(updated or since),
            "label": label or None,
            "uri": self.uri.replace(".json", f"/Participants/{call_sid}.json"),
        }
