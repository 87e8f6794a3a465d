"""How the pages of an appointment write it: days, hours, places."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from flows.session import Mine, Moving, Offer
from prompts.catalogue import written_number
from prompts.screens import Screen
from services.visits import Visit
from web.calendar_file import Appointment
from web.desk_view import Written

FIRST, SECOND = 1, 2


@dataclass(frozen=True)
class Told:
    """One appointment: its key below `mine.which`, when, and where."""

    which: str
    when: str
    name: str
    street: str
    town: str


@dataclass(frozen=True)
class MyView:
    """For the templates of one visit, at one moment (UTC)."""

    visit: Visit
    words: Screen
    now: datetime

    @property
    def written(self) -> Written:
        return Written(self.words)

    @property
    def mine(self) -> Mine:
        mine = self.visit.session.mine
        if mine is None:
            raise LookupError("no appointment was proved")
        return mine

    @staticmethod
    def number(number: str) -> str:
        return written_number(number)

    def day_hour(self, start_at: str) -> str:
        return self.written.day_hour(start_at, self.mine.time_zone)

    @property
    def told(self) -> list[Told]:
        """Each appointment that is ahead, or that there was."""
        mine, both = self.mine, len(self.mine.starts) > 1
        found = []
        for which, start_at in (("first", mine.first_start), ("second", mine.second_start)):
            if not start_at:
                continue
            apart = which == "second" and bool(mine.second_name) and both
            name = mine.second_name if apart else mine.name
            town = mine.second_town if apart else mine.town
            street = "" if apart else mine.street
            found.append(
                Told(which if both else "only", self.day_hour(start_at), name, street, town)
            )
        return found

    @property
    def off(self) -> str:
        """The key of which of them cannot take place; empty where all of them can."""
        off = self.mine.off
        if not off:
            return ""
        if len(self.mine.starts) == 1:
            return "mine.menu.off"
        which = "both" if len(off) > 1 else "second" if off == (SECOND,) else "first"
        return f"mine.menu.off_{which}"

    @property
    def doomed(self) -> list[Told]:
        """Those that are to be cancelled."""
        if self.visit.session.doomed == (SECOND,) and len(self.told) > 1:
            return self.told[1:]
        return self.told

    @property
    def old(self) -> str:
        """When the appointment is that is to move."""
        told = self.told
        return told[-1 if self.visit.session.moving == Moving.SECOND else 0].when

    @property
    def notice(self) -> str:
        """The key of what is to be said first; empty for nothing."""
        key = f"mine.notice.{self.visit.notice}"
        return key if self.visit.notice and key in self.words else ""

    def start(self, offer: Offer) -> str:
        return self.written.day_hour(offer.start_at, offer.time_zone)

    def second(self, offer: Offer) -> str:
        return self.written.day_hour(offer.second_start_at, offer.time_zone)

    def away(self, offer: Offer) -> str:
        return self.written.kilometres(offer.kilometres)

    @property
    def kept_until(self) -> str:
        until = self.visit.kept_until
        if until is None or not self.visit.session.offers:
            return ""
        return self.written.hour(until, self.visit.session.offers[0].time_zone)

    @property
    def kept_seconds(self) -> int:
        until = self.visit.kept_until
        return max(0, int((until - self.now).total_seconds())) if until else 0

    @property
    def appointments(self) -> list[Appointment]:
        """For a calendar: each with a key that stays when it moves."""
        mine = self.mine
        doses = [
            dose
            for dose, start in ((FIRST, mine.first_start), (SECOND, mine.second_start))
            if start
        ]
        return [
            Appointment(f"{mine.id}:{dose}", start, one.street, "", one.town)
            for dose, start, one in zip(doses, mine.starts, self.told, strict=True)
        ]
