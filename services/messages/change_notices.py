"""What is told of a changed booking, by any side, from what is true when it is told.

Of several changes the last one tells: a message of an earlier version says nothing any more.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

from models.booking import changes
from models.booking.changes import BookingDetails
from models.database import Connection
from models.messages.outbox import ClaimedMessage
from prompts.catalogue import load
from services.campaign.campaign import Campaign
from services.messages import text_names, texts
from services.messages.notices import CallPlan, ReadyNotice, Render, appointment_call
from services.messages.phone_capabilities import ContactWay, way_of
from services.messages.topics import Topic, manner_of, topic_of, topic_of_change
from services.messages.whose import of_booking
from services.store import Store

# A person must know of an appointment so long before it.
NOTICE = timedelta(hours=3)
# The text (services.messages.texts.NAMES) that each thing is told by.
_TEXTS = {"cancelled": "cancelled", "restored": "restored", "case": "closed", "kept": "kept"}

CampaignOf = Callable[[str], Campaign | None]


def renders(campaign_of: CampaignOf, national_number: str) -> dict[str, Render]:
    """The notices of changes, by kind."""

    def render(connection: Connection, store: Store, claimed: ClaimedMessage) -> ReadyNotice | None:
        payload = claimed.payload
        file = changes.load(connection, store.vault, claimed.booking_id or "")
        if file is None or file.number is None or not payload:
            return None
        now = store.clock.now()
        moments = _ahead(payload, now)
        if file.version != payload.get("version", file.version) or not moments:
            return None
        by_us = "operation" in payload
        wanted = text_names.wanted(campaign_of(file.campaign), _text_name(payload))
        if not wanted and not by_us:
            return None
        if payload.get("asked") and way_of(connection, store, file.number) is not ContactWay.TEXT:
            # A person who made the change heard of it then, and is not rung to be told again.
            return None
        topic = topic_of_change(payload["what"], by_us=by_us)
        return ReadyNotice(
            file.number,
            # A person that we moved is told by a call if the campaign does without this text.
            _text(connection, store, file, payload, national_number) if wanted else "",
            appointment_call(file, topic, until=max(moments)),
            any_hour=bool(payload.get("asked")),
            latest=min(moments) - NOTICE,
        )

    return dict.fromkeys(("booking_changed", "booking_cancelled", "case"), render)


def _text(
    connection: Connection,
    store: Store,
    file: BookingDetails,
    payload: Mapping[str, Any],
    number: str,
) -> str:
    # Of what is cancelled there is a page as well: it can be taken back there for ten minutes.
    link = store.link_of(
        file.reference, [appointment.start_at for appointment in file.appointments]
    )
    whose = of_booking(connection, store, file)
    return texts.of_change(load(file.language), payload, number=number, link=link, whose=whose)


def call_about(
    connection: Connection, store: Store, booking_id: str, topic: Topic
) -> CallPlan | None:
    """How a booking is told of by call; None where nothing of it lies ahead."""
    file = changes.load(connection, store.vault, booking_id)
    if file is None:
        return None
    ahead = [appointment.start_at for appointment in file.ahead(store.clock.now())]
    return appointment_call(file, topic, until=max(ahead)) if ahead else None


def _ahead(payload: Mapping[str, Any], now: datetime) -> list[datetime]:
    """The moments, old and new, that a change is about and that have not passed."""
    told = [dose.get(name) for dose in payload.get("doses", ()) for name in ("start", "was")]
    moments = [datetime.fromisoformat(text) for text in told if text]
    return [moment for moment in moments if moment > now]


def _text_name(payload: Mapping[str, Any]) -> str:
    moved = "closed" if "operation" in payload else "changed"
    return _TEXTS.get(str(payload["what"]), moved)


def as_written(connection: Connection, store: Store, claimed: ClaimedMessage) -> ReadyNotice | None:
    """A finished text as it was stored; None where it was erased."""
    call = None
    if claimed.booking_id and manner_of(claimed).by_call:
        call = call_about(connection, store, claimed.booking_id, topic_of(claimed))
    body = str(claimed.payload.get("body", ""))
    return ReadyNotice(claimed.recipient, body, call) if body and claimed.recipient else None
