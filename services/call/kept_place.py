"""The part of a call's outside that is about a place kept for a person of the waiting list."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

from flows.session import KeptOffer
from flows.world import Unbooked
from models.database import Connection
from models.waiting_list import waiting
from models.waiting_list.waiting import WaitingListEntry
from prompts.catalogue import load
from services.call.context import CallContext
from services.centres.directory import kilometres_from
from services.messages.phone_capabilities import ContactWay, way_of
from services.queue import voice_messages
from services.slots.offer import offer_at
from services.waiting_list import entries
from services.waiting_list.entries import EntryState
from services.work import Work


class KeptPlaces(CallContext):
    """For `services.call.world`."""

    def kept_place(self, born: date) -> KeptOffer | None:
        found = entries.find_kept(
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
            # It ran out, and no job has passed it on yet.
            return None
        first = held[0]
        texts = way_of(connection, store, entry.number) is ContactWay.TEXT
        text_to = entry.number if texts else ""
        away = kilometres_from(connection, entry.postcode, first)
        offer = offer_at(first, *held, kilometres=away)
        return KeptOffer(entry.id, entry.offered_until.isoformat(), text_to, offer)

    def take_place(self, kept: KeptOffer) -> str | Unbooked:
        booked = entries.accept(
            self._work_of(kept),
            kept.entry,
            catalogue=load(self.session.language),
            national_number=self.number.number,
            text_to=kept.text_to or None,
            call_id=self.turn.call_id,
            chosen=kept.offer.places,
        )
        return self.told(booked)

    def refuse_place(self, kept: KeptOffer) -> bool:
        work = self._work_of(kept)
        entries.decline(work, kept.entry, chosen=kept.offer.places)
        standing = entries.position(work.connection, self.store, kept.entry)
        return standing is not None and standing.state in {EntryState.WAITING, EntryState.OFFERED}

    def _work_of(self, kept: KeptOffer) -> Work:
        """By the rules of the entry's own campaign, which need not be the one of now."""
        work = self.work()
        entry = waiting.load(work.connection, self.store.vault, kept.entry)
        own = self.service.campaigns.by_name(entry.campaign) if entry else None
        return replace(work, campaign=own, beside=()) if own else work
