"""What all parts of a call's outside share: one turn of one call."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from flows.session import Session
from flows.world import Unbooked
from models.about import SEVERAL
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
        self.campaign = self.as_here(self._of_session(session))
        self.turn = turn
        self.store = turn.store
        self.session = session
        self.messages: list[str] = []
        # Whether what was booked last has no text, though its number may get some.
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
        self.campaign = self.as_here(self._of_session(self.session))

    def reading(self) -> Connection:
        return self.turn.reading()

    def transaction(self) -> Connection:
        """The transaction of this turn's effects. Raises AlreadyAnswered."""
        return self.turn.transaction()

    def as_here(self, campaign: Campaign) -> Campaign:
        """The campaign as those find it who come this way."""
        return _at_number(campaign, self.number)

    def _of_session(self, session: Session) -> Campaign:
        """What the person wants; else what the number is for; else the one of now."""
        of_number = (self.number.campaign,) if self.number.campaign else ()
        known = (self.service.campaigns.by_name(name) for name in (*session.wanted[:1], *of_number))
        return next(filter(None, known), None) or self.service.campaign

    def open_campaigns(self) -> tuple[Campaign, ...]:
        """Those that give appointments now, one a service; of this number, if it is for one."""
        if self.number.campaign:
            return (self.campaign,)
        return tuple(map(self.as_here, self.service.campaigns.open_now()))

    def wanted(self, names: tuple[str, ...]) -> tuple[Campaign, ...]:
        """The campaigns of these names, in this order; of none, those of the conversation."""
        names = names or self.session.wanted
        if not names:
            return (self.campaign,)
        known = (self.service.campaigns.by_name(name) for name in names)
        return tuple(map(self.as_here, filter(None, known))) or (self.campaign,)

    def about(self, session: Session) -> str:
        """The services that a conversation is about, by their names, as "covid+grippe".

        What was asked for, or what the number is for; empty where neither is known yet, and where
        the one service has no name.
        """
        of_number = (self.number.campaign,) if self.number.campaign else ()
        names = session.wanted or session.wished or of_number
        known = (self.service.campaigns.by_name(name) for name in names)
        return SEVERAL.join(sorted({each.service for each in known if each and each.service}))

    def all_open(self, names: tuple[str, ...]) -> bool:
        """Whether all of these give appointments now; of no names, those of the conversation."""
        known = [self.service.campaigns.by_name(name) for name in names or self.session.wanted]
        return all(campaign is not None and campaign.is_open(self.now()) for campaign in known)

    def work(self, wanted: tuple[str, ...] = ()) -> Work:
        """What this turn's effects are made with. Raises AlreadyAnswered.

        `wanted` are the names of campaigns; empty: those of the conversation.
        """
        first, *beside = self.wanted(wanted)
        everybody = self.service.campaigns.of_services()
        return Work(self.transaction(), self.store, first, tuple(beside), everybody)

    def told(self, booked: Booked | Unbooked) -> str | Unbooked:
        """What a conversation hears of a booking: its reference, or why there is none."""
        if isinstance(booked, Unbooked):
            return booked
        if booked.message_id:
            self.messages.append(booked.message_id)
        return booked.reference

    def renew(self) -> None:
        """Prolong what the call holds, if it may hold something."""
        if self.holds:
            self.turn.renew(self.campaign.hold_lease)
