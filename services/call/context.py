"""What all parts of a call's outside share: one turn of one call."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from flows.session import Session
from flows.world import Unbooked
from models.call import calls
from models.database import Connection
from services.booking.confirm_booking import Booked
from services.call.take_turn import Turn
from services.campaign.campaign import Campaign
from services.numbers.numbers import CalledNumber
from services.service import Service
from services.slots.allocate import Channel, Holder
from services.work import Work


def _at_number(campaign: Campaign, number: CalledNumber) -> Campaign:
    """The campaign as callers of this number find it: with the hours of its agents."""
    return replace(campaign, agents_hours=number.hours) if number.hours else campaign


class CallContext:
    """One turn of one call. `messages` are the ids of what the outbox got in this turn."""

    def __init__(self, service: Service, turn: Turn, session: Session) -> None:
        self.service = service
        # Each one for the whole turn, whatever opens or is changed meanwhile.
        self.number = service.numbers.of(session.called)
        self.campaign = _at_number(service.campaign, self.number)
        self.turn = turn
        self.store = turn.store
        self.session = session
        self.messages: list[str] = []
        # Whether what was booked last has no text, though its number may get some.
        self.untexted = False
        # Whether the text about what was booked in this turn leaves today.
        self.text_left = True
        # The entry of the waiting list that this turn made; empty where it was there before.
        self.joined = ""
        # Whether the holder may hold something already.
        self.holds = bool(session.offers)
        self.holder = Holder(Channel.PHONE, turn.call_id)
        # The call that a booking or a promise is of, where there is one.
        self.of_call: str | None = turn.call_id

    def now(self) -> datetime:
        return self.store.clock.now()

    def is_called_by(self, number: CalledNumber) -> None:
        """The call is one to this number of ours from here on (changes). Raises AlreadyAnswered."""
        kept = self.service.numbers.kept(number)
        calls.set_called(self.transaction(), self.turn.call_id, kept or None)
        self.number = number
        self.campaign = _at_number(self.service.campaign, number)

    def reading(self) -> Connection:
        return self.turn.reading()

    def transaction(self) -> Connection:
        """The transaction of this turn's effects. Raises AlreadyAnswered."""
        return self.turn.transaction()

    def work(self) -> Work:
        """What this turn's effects are made with. Raises AlreadyAnswered."""
        return Work(self.transaction(), self.store, self.campaign)

    def told(self, booked: Booked | Unbooked) -> str | Unbooked:
        """What a conversation hears of a booking: its reference, or why there is none."""
        if isinstance(booked, Unbooked):
            return booked
        self.untexted = booked.untexted
        if booked.message_id:
            self.messages.append(booked.message_id)
        return booked.reference

    def renew(self) -> None:
        """Prolong what the call holds, if it may hold something."""
        if self.holds:
            self.turn.renew(self.campaign.hold_lease)
