"""How the pages of an appointment write it: days, hours, places."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from flows.session import BookedService, CallerBooking, Moving
from flows.steps.my_changes import are_apart, half_of
from web.online.booking_view import HeldOffers

FIRST, SECOND = 1, 2


@dataclass(frozen=True)
class AppointmentView:
    """One appointment: its key below `mine.which`, when, and where."""

    which: str
    when: str
    # " (tomorrow)", for the eye; paper has the date alone.
    near: str
    name: str
    street: str
    town: str
    # Which of the booking's appointments it is. Two may begin at one moment, in two places.
    dose: int
    # What it is for, where its campaign is of a named service.
    services: tuple[str, ...] = ()


@dataclass(frozen=True)
class MyView(HeldOffers):
    """For the templates of one web session, at one moment (UTC).

    `names` are those of services by their campaigns, as a page shows them.
    """

    names: Mapping[str, str] = field(default_factory=dict)

    @property
    def mine(self) -> CallerBooking:
        mine = self.web_session.session.mine
        if mine is None:
            raise LookupError("no appointment was proved")
        return mine

    @property
    def apart(self) -> bool:
        """Whether two services are done in two appointments."""
        return are_apart(self.mine)

    def day_hour(self, start_at: str) -> str:
        return self.written.day_hour(start_at, self.mine.time_zone)

    @property
    def told(self) -> list[AppointmentView]:
        """Each appointment that is ahead, or that there was."""
        mine, both = self.mine, len(self.mine.starts) > 1
        found = []
        for dose, which, start_at in (
            (FIRST, "first", mine.first_start),
            (SECOND, "second", mine.second_start),
        ):
            if not start_at:
                continue
            apart = which == "second" and bool(mine.second_name) and both
            name = mine.second_name if apart else mine.name
            town = mine.second_town if apart else mine.town
            street = "" if apart else mine.street
            found.append(
                AppointmentView(
                    which if both else "only",
                    self.written.date_hour(start_at, mine.time_zone),
                    self.written.near(start_at, mine.time_zone),
                    name,
                    street,
                    town,
                    dose,
                    tuple(
                        self._named(service) for service in mine.services if service.dose == dose
                    ),
                )
            )
        return found

    def _named(self, one: BookedService) -> str:
        return self.names.get(one.campaign, one.service)

    @property
    def _half(self) -> BookedService | None:
        return half_of(self.web_session.session)

    @property
    def half(self) -> str:
        """The one of several services that alone is changed; empty where all of it is."""
        return self._named(self._half) if self._half else ""

    @property
    def kept_services(self) -> list[tuple[str, str]]:
        """What does not change with the half that does: each service, and when it is."""
        if self._half is None:
            return []
        return [
            (self._named(service), self.written.date_hour(service.start_at, self.mine.time_zone))
            for service in self.mine.services
            if service.service != self._half.service
        ]

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
    def news(self) -> list[str]:
        """The keys of what the service changed last, and of which of them."""
        mine = self.mine
        if not mine.changed or mine.kept_far or mine.off:
            return []
        which = "second" if mine.changed_doses == (SECOND,) else "first"
        alone = len(mine.changed_doses) < len(mine.starts)
        only = [f"mine.menu.new_{which}"] if alone else []
        return [*only, f"mine.menu.new_{mine.changed}"]

    @property
    def appointments_to_cancel(self) -> list[AppointmentView]:
        """The appointments that the visitor is about to cancel, with what each is cancelled for."""
        half = self._half
        if half is not None:
            alone = (view for view in self.told if view.dose == half.dose)
            return [replace(view, services=(self.half,)) for view in alone]
        if self.web_session.session.doses_to_cancel == (SECOND,) and len(self.told) > 1:
            return self.told[1:]
        return self.told

    @property
    def old(self) -> str:
        """When the appointment is that is to move."""
        if self._half is not None:
            return self.written.date_hour(self._half.start_at, self.mine.time_zone)
        told = self.told
        return told[-1 if self.web_session.session.moving == Moving.SECOND else 0].when

    @property
    def notice(self) -> str:
        """The key of what is to be said first; empty for nothing."""
        key = f"mine.notice.{self.web_session.notice}"
        return key if self.web_session.notice and key in self.words else ""
