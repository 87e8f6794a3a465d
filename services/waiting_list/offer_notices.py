"""What is told of the waiting list and of promised news, made when it goes.

An offer is told by a call to everybody in the hours of calls, and by a text to a mobile outside of
them; a mobile that is not reached at the first ring gets one text at once. It is told while the
place is kept, and until when. News is told when its moment has come, which may have been put off
since it was promised.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any
from zoneinfo import ZoneInfo

from flows.session import Party
from flows.world import News
from models.booking import reach
from models.database import Connection
from models.messages import outbox
from models.messages.outbox import ClaimedMessage
from models.slots.slots import HeldAppointment
from models.waiting_list import offers, waiting
from models.waiting_list.waiting import WaitingListEntry
from prompts.catalogue import load
from services.campaign.campaign import Campaign
from services.campaign.eligibility import eligibility
from services.centres.directory import kilometres_from
from services.messages import text_names, texts
from services.messages.notices import CallPlan, Later, ReadyNotice, Reason, Render
from services.messages.offer_hours import may_ring
from services.messages.texts import MessagePlace
from services.messages.topics import Topic
from services.messages.whose import Whose
from services.messages.write_message import write_message
from services.store import Store
from services.waiting_list.entries import EntryState

OFFER, NEWS = "waiting_offer", "callback"
# A promise of an earlier version, which is not a message's: the line takes it over by itself.
_NOT_OURS_FOR = outbox.SETTLE

CampaignOf = Callable[[str], Campaign | None]


@dataclass(frozen=True)
class OfferNotices:
    """Renders of both kinds. `campaign_of` knows campaigns by name; `number` (E.164) is to ring."""

    campaign_of: CampaignOf
    number: str

    def renders(self) -> Mapping[str, Render]:
        return {OFFER: self.offer, NEWS: self.news}

    def offer(
        self, connection: Connection, store: Store, claimed: ClaimedMessage
    ) -> ReadyNotice | None:
        """What a person is told of a place that is kept for them; None once it is not."""
        told = claimed.payload
        entry = waiting.load(connection, store.vault, str(told.get("entry", "")))
        campaign = self.campaign_of(str(told.get("campaign", "")))
        # A text after a call that reached no person tells of the same offer.
        offer_id = str(told.get("of", claimed.id))
        if entry is None or campaign is None or entry.state != EntryState.OFFERED:
            return None
        if offers.is_over(connection, offer_id):
            return None
        now = store.clock.now()
        held = waiting.offered_to(connection, store.clock, entry.id)
        over = entry.offered_until is None or entry.offered_until <= now
        if over or [held_place.slot_id for held_place in held] != list(told.get("slots", ())):
            return None
        wanted = text_names.wanted(campaign, "offer")
        text = self._offer_text(connection, entry, held) if wanted else ""
        if "of" in told:
            return ReadyNotice(entry.number, text) if text else None
        call = CallPlan(
            str(Reason.OFFER), entry.language, {"entry": entry.id}, until=entry.offered_until
        )
        first = may_ring(campaign, entry.number, now)
        return ReadyNotice(entry.number, text, call, by_call_first=first)

    def _offer_text(
        self, connection: Connection, entry: WaitingListEntry, held: list[HeldAppointment]
    ) -> str:
        where = held[0]
        zone = ZoneInfo(where.time_zone)
        until = entry.offered_until or where.start_at
        return texts.offer(
            load(entry.language),
            starts=[held_place.start_at.astimezone(zone) for held_place in held],
            where=MessagePlace.of(where),
            kilometres=kilometres_from(connection, entry.postcode, where),
            until=until.astimezone(zone),
            number=self.number,
            # Two of one line may each have an offer; the caller's own needs no name.
            whose=Whose(entry.born) if entry.for_other else None,
        )

    def news(
        self, connection: Connection, store: Store, claimed: ClaimedMessage
    ) -> ReadyNotice | Later | None:
        """What a person wished to be told; put off with its moment, and not told who booked."""
        told = claimed.payload
        if "news" not in told:
            return Later(store.clock.now() + _NOT_OURS_FOR)
        news = News(str(told["news"]))
        campaign = self.campaign_of(str(told.get("campaign", "")))
        now = store.clock.now()
        if campaign is None or (campaign.closes_at and now >= campaign.closes_at):
            return None
        if campaign.opens_at and now < campaign.opens_at:
            return Later(campaign.opens_at)
        if news is News.TURN and told.get("born"):
            groups = tuple(str(told.get("groups", "")).split())
            found = eligibility(campaign, date.fromisoformat(str(told["born"])), groups, now)
            if found.first_day is None:
                return Later(found.tell_at) if found.tell_at and found.tell_at > now else None
        # What a stranger booked on their number does not keep the news from them.
        phone = store.vault.index("phone", claimed.recipient) or b""
        if reach.count_proved(connection, phone, campaign.name):
            return None
        language = str(told.get("language") or "fr")
        text = ""
        if text_names.wanted(campaign, str(news)):
            text = texts.filled(
                load(language), str(news), number=self.number, whose=_whose(told, news)
            )
        call = CallPlan(str(Reason.NEWS), language, {"news": str(news)})
        # Who asked for a call is called; who asked for a text is where texts do not go.
        return ReadyNotice(claimed.recipient, text, call, by_call_first=not told.get("by_text"))


def _whose(told: Mapping[str, Any], news: News) -> Whose | None:
    """Whose turn has come, where it is not, or not alone, that of the person who asked for news."""
    if news is not News.TURN or told.get("for_whom") not in {Party.OTHER, Party.TWO}:
        return None
    return Whose(date.fromisoformat(str(told["born"]))) if told.get("born") else None


def not_reached(connection: Connection, store: Store, message_id: str) -> str | None:
    """A call about an offer reached no person: one text of it, at once, where texts go.

    In the transaction that ends the try; gives the id of the text where it is new. Nothing for a
    message that tells of something else.
    """
    told = outbox.load(connection, store.vault, message_id)
    if told is None or told.claimed.kind != OFFER or "of" in told.claimed.payload:
        return None
    payload = {**told.claimed.payload, "of": message_id}
    key = f"waiting_text:{message_id}"
    recipient = told.claimed.recipient
    return write_message(
        connection,
        store,
        OFFER,
        recipient,
        payload,
        key=key,
        topic=Topic.OFFER,
        called=told.claimed.called,
    )
