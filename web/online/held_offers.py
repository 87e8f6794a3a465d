"""What pages of a web session show of offers that are held, for booking and for moving alike."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

from flows.session import Offer
from prompts.screens import Screen
from services.online.web_sessions import WebSession
from web.written import DeskWords


@dataclass(frozen=True)
class HeldOffers:
    """A web session at one moment (UTC), and the words of its language."""

    web_session: WebSession
    words: Screen
    now: datetime

    @cached_property
    def written(self) -> DeskWords:
        return DeskWords(self.words)

    def start(self, offer: Offer) -> str:
        return self.written.day_hour(offer.start_at, offer.time_zone)

    def second(self, offer: Offer) -> str:
        return self.written.day_hour(offer.second_start_at, offer.time_zone)

    def away(self, offer: Offer) -> str:
        return self.written.kilometres(offer.kilometres)

    @property
    def kept_until(self) -> str:
        """The hour until which the places are kept, by their centre's clock; empty: not kept."""
        until = self.web_session.kept_until
        if until is None or not self.web_session.session.offers:
            return ""
        return self.written.hour(until, self.web_session.session.offers[0].time_zone)

    @property
    def kept_seconds(self) -> int:
        until = self.web_session.kept_until
        return max(0, int((until - self.now).total_seconds())) if until else 0
