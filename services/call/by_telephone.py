"""The part of a call's outside for whom no text reaches: to be rung, and what a ring tells."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from zoneinfo import ZoneInfo

from flows.session import CallerBooking, Offer, Session
from flows.world import NotMine, ReminderHours
from models.booking import bookings
from services.booking.find_booking import NotFound, find_rung
from services.booking.my_bookings import told
from services.call.take_turn import Turn
from services.campaign.campaign import Campaign
from services.messages.reminders import calls_about
from services.queue import voice_messages


class ByTelephone:
    """For `services.call.world`."""

    _campaign: Campaign
    _national_number: str
    _caller_id: str
    _turn: Turn
    _session: Session

    def calls_about(self, offer: Offer) -> ReminderHours:
        starts = [offer.local_start, *([offer.local_second] if offer.local_second else [])]
        found = calls_about(
            self._campaign,
            starts,
            ZoneInfo(offer.time_zone),
            self._session.caller,
            self._turn.store.clock.now(),
        )
        return ReminderHours(found.evening, found.before)

    def wish_calls(self, references: tuple[str, ...]) -> None:
        turn = self._turn
        bookings.wish_calls(turn.transaction(), turn.store.vault, references)

    def our_number(self, *, we_ring: bool = False) -> str:
        return self._caller_id if we_ring else self._national_number

    def rung_about(self, rung_for: str, born: date) -> CallerBooking | NotMine:
        turn = self._turn
        connection, store = turn.transaction(), turn.store
        rung = voice_messages.rung(connection, store, rung_for)
        booking_id = str(rung.known.get("booking_id", "")) if rung else ""
        found = find_rung(
            connection,
            store,
            booking_id=booking_id,
            others=voice_messages.others_on_line(connection, store, rung) if rung else (),
            born=born,
            caller=self._session.caller,
            call_id=turn.call_id,
        )
        if isinstance(found, NotFound):
            return NotMine.PERSON if found.person else NotMine.TRY_AGAIN
        if rung is not None and found.file.id == booking_id:
            voice_messages.heard(connection, store, rung_for, turn.call_id)
        elif rung is not None:
            voice_messages.heard_beside(connection, store, found.file.id)
        mine = told(found, store.clock.now(), self._campaign.name)
        return replace(mine, reference=found.file.reference)
