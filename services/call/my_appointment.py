"""The part of a call's outside that finds, changes and rings about appointments that there are."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from zoneinfo import ZoneInfo

from flows.session import CallerBooking, Moving, Offer
from flows.world import NotChanged, NotMine, ReminderHours
from models.booking import bookings, changes, history
from models.booking.changes import BookingDetails
from prompts.catalogue import load
from services import attempts
from services.booking.change_booking import cancel, move, undo_cancel
from services.booking.changed import By, Changed, Unchanged
from services.booking.find_booking import FoundBooking, find_booking, find_rung, read_booking
from services.booking.my_bookings import place_of, places_of, take_far, told, why_not
from services.booking.text_booking import text_booking
from services.call.context import CallContext
from services.campaign.campaign import Campaign
from services.messages import text_names
from services.messages.phone_capabilities import ContactWay, way_of
from services.messages.reminders import calls_about
from services.queue import voice_messages
from services.slots.allocate import Channel

# The texts that tell a caller of what they changed.
_CHANGES = ("changed", "cancelled", "restored")
_ASKED = {Channel.PHONE: history.BY_TELEPHONE, Channel.WEB: history.ON_THE_SITE}


class MyAppointments(CallContext):
    """For `services.call.world`."""

    def find_booking(self, reference: str, born: date) -> CallerBooking | NotMine:
        found = find_booking(
            self.transaction(),
            self.store,
            reference=reference,
            born=born,
            caller=self.session.caller,
            call_id=self.turn.call_id,
        )
        if isinstance(found, NotMine):
            return found
        return self._shown(found)

    def _shown(self, found: FoundBooking) -> CallerBooking:
        open_ones = [campaign.name for campaign in self.open_campaigns()]
        mine = told(found, self.now(), self.campaign.name, open_ones)
        caller = self.session.caller
        return replace(mine, own_line=bool(caller) and caller == found.file.number)

    def text_booking(self, born: date) -> bool:
        asked = text_booking(
            self.transaction(),
            self.store,
            born=born,
            caller=self.session.caller,
            call_id=self.turn.call_id,
            catalogue=load(self.session.language),
            national_number=self.number.number,
        )
        if asked is None:
            return False
        # Whether there is such a message or not: to be told of one that is none does nothing.
        self.messages.append(asked)
        return True

    def booking_now(self, booking_id: str) -> CallerBooking | None:
        found = read_booking(self.reading(), self.store, booking_id)
        return replace(self._shown(found), texted=self._is_texted(found.file)) if found else None

    def _is_texted(self, file: BookingDetails) -> bool:
        campaign = self.service.campaigns.by_name(file.campaign)
        return (
            self.holder.channel is Channel.PHONE
            and all(text_names.wanted(campaign, name) for name in _CHANGES)
            and file.number is not None
            and way_of(self.reading(), self.store, file.number) is ContactWay.TEXT
        )

    def changes_need_a_person(self, mine: CallerBooking, *, cancelling: bool) -> bool:
        if self.holder.channel is Channel.WEB:
            # The visitor came by a link that was written to the number on file. A freeze is
            # met at the last question.
            return False
        now = attempts.caution(self.reading(), self.store)
        # No guess finds a reference, a birth date and the number that belongs to them.
        return (now.guessed and not mine.own_line) or (now.frozen and cancelling)

    def cancel_booking(
        self, mine: CallerBooking, doses: tuple[int, ...], service: str = ""
    ) -> NotChanged | None:
        by = self._by(mine)
        done = cancel(self.transaction(), self.store, mine.id, doses, by=by, service=service)
        return _refusal(done)

    def move_booking(
        self, mine: CallerBooking, offer: Offer, moving: Moving, service: str = ""
    ) -> NotChanged | None:
        connection = self.transaction()
        to = place_of(mine, offer, service) if service else places_of(offer, moving)
        done_there = [
            done.campaign
            for done in mine.services
            if done.dose in to and service in {"", done.service}
        ]
        campaign, *beside = self.wanted(tuple(dict.fromkeys(done_there)))
        done = move(
            connection,
            self.store,
            campaign,
            self.holder,
            mine.id,
            to=to,
            by=self._by(mine),
            beside=tuple(beside),
            service=service,
        )
        return _refusal(done)

    def undo_cancel(self, mine: CallerBooking) -> NotChanged | None:
        connection = self.transaction()
        campaign = self._campaign_of(mine) or self.campaign
        done = undo_cancel(
            connection, self.store, campaign, self.holder, mine.id, by=self._by(mine)
        )
        return _refusal(done)

    def take_far(self, mine: CallerBooking) -> None:
        take_far(self.transaction(), self.store, mine.id, self.holder.channel)

    # ------------------------------------------------ for people that no text reaches: to be rung

    def calls_about(self, offer: Offer) -> ReminderHours:
        starts = [offer.local_start, *([offer.local_second] if offer.local_second else [])]
        return calls_about(
            self.wanted(()),
            starts,
            ZoneInfo(offer.time_zone),
            self.session.caller,
            self.now(),
        )

    def wish_calls(self, references: tuple[str, ...]) -> None:
        bookings.wish_calls(self.transaction(), self.store.vault, references)

    def rung_about(self, rung_for: str, born: date) -> CallerBooking | NotMine:
        connection, store = self.transaction(), self.store
        rung = voice_messages.rung(connection, store, rung_for)
        booking_id = str(rung.known.get("booking_id", "")) if rung else ""
        found = find_rung(
            connection,
            store,
            booking_id=booking_id,
            others=voice_messages.others_on_line(connection, store, rung) if rung else (),
            born=born,
            caller=self.session.caller,
            call_id=self.turn.call_id,
        )
        if isinstance(found, NotMine):
            return found
        if rung is not None and found.file.id == booking_id:
            voice_messages.heard(connection, store, rung_for, self.turn.call_id)
        elif rung is not None:
            voice_messages.heard_beside(connection, store, found.file.id)
        return replace(self._shown(found), reference=found.file.reference)

    def _campaign_of(self, mine: CallerBooking, service: str = "") -> Campaign | None:
        """The booking's own, or that of what is done in it, which need not be the one of now."""
        of_service = (done.campaign for done in mine.services if service in {"", done.service})
        named = next(of_service, None)
        if named is not None:
            return self.service.campaigns.by_name(named)
        if mine.movable:
            return self.campaign
        names = changes.campaigns_of(self.reading(), [mine.id])
        return self.service.campaigns.by_name(names.get(mine.id, ""))

    def _by(self, mine: CallerBooking) -> By:
        key = f"{self.turn.call_id}:{self.turn.number}"
        channel = self.holder.channel
        return By("caller", channel, _ASKED[channel], key, mine.version)


def _refusal(done: Changed | Unchanged) -> NotChanged | None:
    return why_not(done) if isinstance(done, Unchanged) else None
