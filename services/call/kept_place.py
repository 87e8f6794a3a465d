"""The part of a call's outside that is about a place kept for somebody of the waiting list."""

from __future__ import annotations

from datetime import date

from flows.session import KeptOffer
from flows.world import Unbooked
from models.database import Connection
from models.waiting_list import waiting
from models.waiting_list.waiting import WaitingListEntry
from prompts.catalogue import load
from services.booking.confirm_booking import NotBooked
from services.call.context import CallContext
from services.campaign.campaign import Campaign
from services.messages.phone_capabilities import ContactWay, way_of
from services.queue import voice_messages
from services.slots.offer import offer_at
from services.waiting_list import entries, kept_places
from services.waiting_list.entries import EntryState
from services.work import Work


class KeptPlaces(CallContext):
    """For `services.call.world`."""

    def kept_place(self, born: date) -> KeptOffer | None:
        found = kept_places.find(
            self.transaction(),
            self.store,
            number=self.session.caller,
            born=born,
            call_id=self.turn.call_id,
        )
        kept = self._kept(self.transaction(), found) if found else None
        if kept and self.session.rung_for:
            voice_messages.heard(
                self.transaction(), self.store, self.session.rung_for, self.turn.call_id
            )
        return kept

    def news_told(self, rung_for: str) -> None:
        voice_messages.heard(self.transaction(), self.store, rung_for, self.turn.call_id)

    def _kept(self, connection: Connection, entry: WaitingListEntry) -> KeptOffer | None:
        store = self.store
        held = waiting.offered_to(connection, store.clock, entry.id)
        if len(held) != entry.doses or entry.offered_until is None:
            # It ran out, and nobody has passed it on yet.
            return None
        first = held[0]
        texts = way_of(connection, store, entry.number) is ContactWay.TEXT
        text_to = entry.number if texts else ""
        offer = offer_at(first, *held)
        return KeptOffer(entry.id, entry.offered_until.isoformat(), text_to, offer)

    def take_place(self, kept: KeptOffer) -> str | Unbooked:
        connection, store = self.transaction(), self.store
        booked = entries.accept(
            Work(connection, store, self._campaign_of_entry(connection, kept)),
            kept.entry,
            catalogue=load(self.session.language),
            national_number=self.service.national_number,
            text_to=kept.text_to or None,
            call_id=self.turn.call_id,
            chosen=kept.offer.places,
        )
        if isinstance(booked, NotBooked):
            return Unbooked.PERSON if booked.person_needed else Unbooked.GONE
        if booked.message_id:
            self.messages.append(booked.message_id)
        return booked.reference

    def refuse_place(self, kept: KeptOffer) -> bool:
        connection, store = self.transaction(), self.store
        campaign = self._campaign_of_entry(connection, kept)
        entries.decline(Work(connection, store, campaign), kept.entry, chosen=kept.offer.places)
        standing = entries.position(connection, store, kept.entry)
        return standing is not None and standing.state in {EntryState.WAITING, EntryState.OFFERED}

    def _campaign_of_entry(self, connection: Connection, kept: KeptOffer) -> Campaign:
        """The entry's own, which need not be the one of now."""
        entry = waiting.load(connection, self.store.vault, kept.entry)
        own = self.service.campaigns.by_name(entry.campaign) if entry else None
        return own or self.campaign
