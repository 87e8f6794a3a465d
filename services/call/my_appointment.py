"""The part of a call's outside that finds and changes appointments that there are."""

from __future__ import annotations

from datetime import date

from flows.session import CallerBooking, Moving, Offer, Session
from flows.world import NotChanged, NotMine
from models.booking import changes
from prompts.catalogue import load
from services import attempts
from services.booking.change_booking import By, Changed, Unchanged, cancel, move, undo_cancel
from services.booking.find_booking import NotFound, find_booking, read_booking
from services.booking.my_bookings import places_of, told, why_not
from services.booking.text_booking import text_booking
from services.call.take_turn import Turn
from services.campaign.campaign import Campaign
from services.campaign.campaigns import Campaigns
from services.slots.allocate import Channel, Holder

_ASKED = {Channel.PHONE: "asked for by telephone", Channel.WEB: "asked for on the site"}


class MyAppointments:
    """For `services.call.world`. `messages` are the ids of what the outbox got in this turn."""

    _campaign: Campaign
    _campaigns: Campaigns
    _national_number: str
    _turn: Turn
    _session: Session
    _holder: Holder
    messages: list[str]

    def find_booking(self, reference: str, born: date) -> CallerBooking | NotMine:
        turn = self._turn
        found = find_booking(
            turn.transaction(),
            turn.store,
            reference=reference,
            born=born,
            caller=self._session.caller,
            call_id=turn.call_id,
        )
        if isinstance(found, NotFound):
            return NotMine.PERSON if found.person else NotMine.TRY_AGAIN
        return told(found, turn.store.clock.now(), self._campaign.name)

    def text_booking(self, born: date) -> bool:
        turn = self._turn
        asked = text_booking(
            turn.transaction(),
            turn.store,
            born=born,
            caller=self._session.caller,
            call_id=turn.call_id,
            catalogue=load(self._session.language),
            national_number=self._national_number,
        )
        if asked is None:
            return False
        # Whether there is such a message or not: to be told of one that is none does nothing.
        self.messages.append(asked.message_id)
        return True

    def booking_now(self, booking_id: str) -> CallerBooking | None:
        turn = self._turn
        found = read_booking(turn.reading(), turn.store, booking_id)
        return told(found, turn.store.clock.now(), self._campaign.name) if found else None

    def changes_need_a_person(self) -> bool:
        if self._holder.channel is Channel.WEB:
            # Whoever is there came by a link that was written to the number on file.
            return False
        return attempts.changes_need_a_person(self._turn.reading(), self._turn.store)

    def cancel_booking(self, mine: CallerBooking, doses: tuple[int, ...]) -> NotChanged | None:
        connection = self._turn.transaction()
        if self.changes_need_a_person():
            return NotChanged.PERSON
        campaign = self._campaign_of(mine)
        done = cancel(connection, self._turn.store, campaign, mine.id, doses, by=self._by(mine))
        return _refusal(done)

    def move_booking(self, mine: CallerBooking, offer: Offer, moving: Moving) -> NotChanged | None:
        connection = self._turn.transaction()
        if self.changes_need_a_person():
            return NotChanged.PERSON
        done = move(
            connection,
            self._turn.store,
            self._campaign,
            self._holder,
            mine.id,
            to=places_of(offer, moving),
            by=self._by(mine),
        )
        return _refusal(done)

    def undo_cancel(self, mine: CallerBooking) -> NotChanged | None:
        connection = self._turn.transaction()
        campaign = self._campaign_of(mine) or self._campaign
        done = undo_cancel(
            connection, self._turn.store, campaign, self._holder, mine.id, by=self._by(mine)
        )
        return _refusal(done)

    def _campaign_of(self, mine: CallerBooking) -> Campaign | None:
        """The booking's own, which need not be the one of now."""
        if mine.movable:
            return self._campaign
        names = changes.campaigns_of(self._turn.reading(), [mine.id])
        return self._campaigns.by_name(names.get(mine.id, ""))

    def _by(self, mine: CallerBooking) -> By:
        turn = self._turn
        key = f"{turn.call_id}:{turn.number}"
        channel = self._holder.channel
        return By("caller", channel, _ASKED[channel], key, mine.version)


def _refusal(done: Changed | Unchanged) -> NotChanged | None:
    return why_not(done) if isinstance(done, Unchanged) else None
