"""The part of a call's outside that is about a place kept for somebody of the waiting list."""

from __future__ import annotations

from datetime import date

from flows.session import KeptOffer, Offer, Session
from flows.world import Unbooked
from models.database import Connection
from models.waiting_list import waiting
from models.waiting_list.waiting import WaitingListEntry
from prompts.catalogue import load
from services.booking.confirm_booking import NotBooked
from services.call.take_turn import Turn
from services.campaign.campaign import Campaign
from services.campaign.campaigns import Campaigns
from services.messages.phone_capabilities import ContactWay, way_of
from services.queue import voice_messages
from services.waiting_list import entries, kept_places
from services.waiting_list.entries import EntryState


class KeptPlaces:
    """For `services.call.world`. `messages` are the ids of what the outbox got in this turn."""

    _campaign: Campaign
    _campaigns: Campaigns
    _national_number: str
    _turn: Turn
    _session: Session
    messages: list[str]

    def kept_place(self, born: date) -> KeptOffer | None:
        turn = self._turn
        found = kept_places.find(
            turn.transaction(),
            turn.store,
            number=self._session.caller,
            born=born,
            call_id=turn.call_id,
        )
        kept = self._kept(turn.transaction(), found) if found else None
        if kept and self._session.rung_for:
            voice_messages.heard(
                turn.transaction(), turn.store, self._session.rung_for, turn.call_id
            )
        return kept

    def news_told(self, rung_for: str) -> None:
        turn = self._turn
        voice_messages.heard(turn.transaction(), turn.store, rung_for, turn.call_id)

    def _kept(self, connection: Connection, entry: WaitingListEntry) -> KeptOffer | None:
        store = self._turn.store
        held = waiting.offered_to(connection, store.clock, entry.id)
        if len(held) != entry.doses or entry.offered_until is None:
            # It ran out, and nobody has passed it on yet.
            return None
        first, second = held[0], held[1] if len(held) > 1 else None
        texts = way_of(connection, store, entry.number) is ContactWay.TEXT
        offer = Offer(
            place_id=first.place_id,
            slot_id=first.slot_id,
            centre_id=first.centre_id,
            name=first.name,
            street=first.street,
            postcode=first.postcode,
            town=first.town,
            start_at=first.start_at.isoformat(),
            time_zone=first.time_zone,
            kilometres=0.0,
            second_place_id=second.place_id if second else 0,
            second_slot_id=second.slot_id if second else 0,
            second_start_at=second.start_at.isoformat() if second else "",
        )
        return KeptOffer(
            entry.id, entry.offered_until.isoformat(), entry.number if texts else "", offer
        )

    def take_place(self, kept: KeptOffer) -> str | Unbooked:
        turn = self._turn
        connection, store = turn.transaction(), turn.store
        booked = entries.accept(
            connection,
            store,
            self._campaign_of_entry(connection, kept),
            kept.entry,
            catalogue=load(self._session.language),
            national_number=self._national_number,
            text_to=kept.text_to or None,
            call_id=turn.call_id,
            chosen=kept.offer.places,
        )
        if isinstance(booked, NotBooked):
            return Unbooked.PERSON if booked.person_needed else Unbooked.GONE
        if booked.message_id:
            self.messages.append(booked.message_id)
        return booked.reference

    def refuse_place(self, kept: KeptOffer) -> bool:
        turn = self._turn
        connection, store = turn.transaction(), turn.store
        campaign = self._campaign_of_entry(connection, kept)
        entries.decline(connection, store, campaign, kept.entry, chosen=kept.offer.places)
        standing = entries.position(connection, store, kept.entry)
        return standing is not None and standing.state in {EntryState.WAITING, EntryState.OFFERED}

    def _campaign_of_entry(self, connection: Connection, kept: KeptOffer) -> Campaign:
        """The entry's own, which need not be the one of now."""
        entry = waiting.load(connection, self._turn.store.vault, kept.entry)
        own = self._campaigns.by_name(entry.campaign) if entry else None
        return own or self._campaign
