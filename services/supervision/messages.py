"""What the board tells of messages, cases and offers of freed places; counted every few seconds.

Supervisors need no figures by the second here, and a morning's reminders are many rows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from models.desk import cases
from models.messages import messages, outbox
from models.messages.messages import TopicBacklog
from services.campaign.campaign import Campaign
from services.messages.spend import DAY
from services.store import Store
from services.waiting_list.offer_figures import OfferFigures, offer_figures

COUNTED_EVERY: Final = timedelta(seconds=5)
# A day's texts are added up less often: the limit is no matter of seconds.
SPENT_EVERY: Final = timedelta(seconds=30)


@dataclass(frozen=True)
class MessageFacts:
    """Waiting and come to nothing by topic, open cases by kind, offers, and parts in 24 hours.

    `parts` is None where no limit is set (`parts_a_day` 0).
    """

    waiting: Sequence[TopicBacklog]
    missing: Mapping[str, int]
    cases: Mapping[str, int]
    offers: OfferFigures
    parts: int | None
    parts_a_day: int


class MessageCounts:
    """Kept from one second to the next. Not for several threads."""

    def __init__(self, store: Store, parts_a_day: int = 0) -> None:
        self._store = store
        self._parts_a_day = parts_a_day
        self._parts: tuple[datetime, int] | None = None
        self._kept: tuple[datetime, MessageFacts] | None = None

    def refresh(self, now: datetime, day: datetime, campaign: Campaign) -> MessageFacts:
        """The figures of now, or of a few seconds ago; `day` (UTC) is when today began."""
        if self._kept is not None and timedelta() <= now - self._kept[0] < COUNTED_EVERY:
            return self._kept[1]
        store = self._store
        with store.database.statement() as connection:
            if self._parts_a_day and (
                self._parts is None or not timedelta() <= now - self._parts[0] < SPENT_EVERY
            ):
                self._parts = now, outbox.parts_since(connection, store.clock, DAY)
            found = MessageFacts(
                waiting=messages.waiting_by_topic(connection, store.clock),
                missing=messages.missing_by_topic(connection, day),
                cases=cases.count_open(connection),
                offers=offer_figures(connection, store, campaign),
                parts=self._parts[1] if self._parts else None,
                parts_a_day=self._parts_a_day,
            )
        self._kept = now, found
        return found
