"""What was written and told to a person about their booking, as an agent sees it, and once more.

What did not come to them stands first. Of a message its topic, its way and its fate are shown; what
it said is what the booking says.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from models.database import Connection
from models.desk import desk as rows
from models.messages import messages, outbox
from models.messages.messages import MessageRow
from models.messages.outbox import FAILING, MAIL
from services.booking.find_booking import FoundBooking, read_booking
from services.campaign.call_hours import next_call_at
from services.desk.booking import BookingRefused, Refusal, Texted, is_nonce, was_told
from services.desk.offers import DeskWork
from services.messages import phone_capabilities
from services.messages.deliver_message import VOICE
from services.messages.phone_capabilities import ContactWay
from services.messages.reminders import Ahead, ahead_of
from services.messages.topics import Topic
from services.messages.write_message import write_message
from services.service import Service
from services.store import Store

# Rows that only looked what became of another, and did nothing themselves.
_LOOKED = ("pending", "sending", "dropped")
# Why something was dropped that its person should have got.
_NOT_TOLD = frozenset({"case", "cap", "spend", "stopped", "no way", "wrong"})


@dataclass(frozen=True)
class MessageView:
    """A message in a file. `at` (UTC) is when it came to where it is, or when it is due.

    `fate`: waits, due (for `at`), leaving, sent, promised (a call), arrived, heard, refused, missed
    (a text), unheard (a call), dropped, withheld (it should have gone). `way` is empty where it is
    not known yet. `open`: its person was not told, and nothing else goes in its place.
    """

    id: str
    topic: str
    way: str
    fate: str
    at: datetime
    why: str
    open: bool


@dataclass(frozen=True)
class BookingMessages:
    """All messages of a booking, and its reminders to come."""

    shown: tuple[MessageView, ...]
    ahead: tuple[Ahead, ...]

    @property
    def open(self) -> int:
        """How many did not come to their person."""
        return sum(entry.open for entry in self.shown)


def told(
    connection: Connection, store: Store, service: Service, found: FoundBooking
) -> BookingMessages:
    """What was told of a booking, and will be; one statement."""
    file = found.file
    there = messages.of_booking(connection, file.id)
    now = store.clock.now()
    followed = {entry.follows: entry for entry in there if entry.follows}
    shown = [
        _shown(entry, now, followed)
        for entry in there
        if not (entry.kind == outbox.FOLLOW_UP and entry.way is None and entry.state in _LOOKED)
    ]
    # Newest first, and what did not arrive before all else.
    shown.sort(key=lambda one: (one.open, one.at), reverse=True)
    zones = {centre.id: centre.time_zone for centre in found.centres.values()}
    texted = any(entry.topic in messages.CONFIRMATIONS and entry.kind != MAIL for entry in there)
    ahead = ahead_of(service.campaigns.by_name, file, zones, now, texted=texted)
    return BookingMessages(tuple(shown), tuple(ahead))


def _shown(one: MessageRow, now: datetime, followed: dict[str, MessageRow]) -> MessageView:
    fate = _fate(one, now)
    at = one.due_at if fate == "due" else one.updated_at
    if fate in {"sent", "promised"} and one.sent_at:
        at = one.sent_at
    elif fate == "waits":
        at = one.created_at
    why = (one.error_code or "") if fate not in {"arrived", "heard"} else ""
    topic = one.topic or str(Topic.CONFIRMATION if one.kind == "sms" else Topic.CHANGE)
    lost = one.state in FAILING or fate in {"withheld", "refused"}
    # Of most notices no person knows before they leave.
    way = one.way or {"sms": "text", VOICE: "call", MAIL: MAIL}.get(one.kind, "")
    return MessageView(one.id, topic, way, fate, at, why, lost and not _goes(one, followed))


def _goes(one: MessageRow, followed: dict[str, MessageRow]) -> bool:
    """Whether something went in its place, or will: that has a line of its own."""
    after = followed.get(one.id)
    return after is not None and (after.way is not None or after.state != "dropped")


def _fate(one: MessageRow, now: datetime) -> str:
    call = one.way == "call"
    if one.state == "pending" and one.error_code == outbox.HELD:
        return "withheld"
    if one.state == "dropped":
        if one.error_code == "refused":
            return "refused"
        return "withheld" if one.error_code in _NOT_TOLD else "dropped"
    fates = {
        "pending": "due" if one.due_at > now else "waits",
        "sending": "leaving",
        "sent": "promised" if call else "sent",
        "failed": "refused",
        "undelivered": "unheard" if call else "missed",
        "delivered": "heard" if call else "arrived",
    }
    return fates[one.state]


def have_called(at: DeskWork, booking_id: str, *, nonce: str) -> Texted | BookingRefused:
    """Let the machine ring the number on file and tell the appointment. Raises ValueError.

    As often a day as a text. The person who answers proves to be one and gives the birth date
    first, as in each such call.
    """
    if not is_nonce(nonce):
        raise ValueError("not a form of this desk")
    rows.alone(at.connection, booking_id)
    found = read_booking(at.connection, at.store, booking_id)
    now = at.store.clock.now()
    if found is None or not any(appointment.start_at > now for appointment in found.file.live):
        return BookingRefused(Refusal.UNKNOWN)
    number = found.file.number or ""
    if phone_capabilities.way_of(at.connection, at.store, number) is ContactWay.NONE:
        return BookingRefused(Refusal.NO_CALLS)
    key = f"{VOICE}:{booking_id}:"
    told_before = was_told(at, number, key, nonce)
    if told_before is not None:
        return told_before
    message_id = write_message(
        at.connection,
        at.store,
        VOICE,
        number,
        {},
        key=key + nonce,
        topic=Topic.VOICE,
        booking_id=booking_id,
        call_id=at.desk.call_id or None,
    )
    rings_at = next_call_at(at.service.campaign, number, now, machine=True)
    return Texted(message_id or "", None if rings_at <= now else rings_at)
