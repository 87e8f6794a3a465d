"""A locked booking, and what one change has done to it so far."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from flows.session import Commitment
from models.booking import changes, history
from models.booking.changes import BookedAppointment, BookingDetails, ServiceDone
from models.booking.history import Change
from models.centres.centres import centre_states
from models.database import Connection
from models.desk import cases
from services.booking import stand_in
from services.booking.changed import (
    FAR_PLACE,
    MOST_WHY,
    Became,
    By,
    DoseChange,
    Restored,
    Telling,
    WhyNot,
    change_to_json,
    dose_change,
    dose_for_text,
)
from services.booking.partner_message import follow
from services.messages.mails import mail_change
from services.messages.topics import topic_of_change
from services.messages.write_message import write_message
from services.slots.allocate import Allocate, Channel
from services.slots.give_back import give_back_holds, give_back_places, keep_for_undo, undoing
from services.store import Store

# The person asked for what is changed by these, or talks with an agent.
_BY_THEMSELVES = frozenset({Channel.PHONE, Channel.WEB, Channel.AGENT})


class Refused(Exception):
    """Its argument is a WhyNot."""


@dataclass
class OneChange:
    """A locked booking, and what has been done to it so far."""

    connection: Connection
    store: Store
    file: BookingDetails
    what: str
    by: By

    def __post_init__(self) -> None:
        self.live = {appointment.dose: appointment for appointment in self.file.live}
        self.version = self.file.version
        self._told: dict[tuple[int, tuple[str, ...]], DoseChange] = {}
        self._places: dict[str, list[int]] = {}

    def live_and_ahead(self, doses: Collection[int] | None) -> list[int]:
        """The live ones of these doses; without any given, the live ones that have not begun."""
        if doses is not None:
            asked = [dose for dose in self.live if dose in doses]
        else:
            now = self.store.clock.now()
            asked = [dose for dose, one in self.live.items() if one.start_at > now]
        if not asked:
            begun = doses is None and bool(self.live)
            raise Refused(WhyNot.BEGUN if begun else WhyNot.NOT_LIVE)
        return asked

    def doses_of(self, service: str) -> list[int]:
        """The live doses in which something of this service is done."""
        return [
            dose
            for dose, one in self.live.items()
            if any(each.service == service for each in one.live_services)
        ]

    def services_of(self, doses: Collection[int], service: str = "") -> list[ServiceDone]:
        """What is done in these live doses, of one service or of all."""
        return [
            each
            for dose in doses
            for each in self.live[dose].live_services
            if service in {"", each.service}
        ]

    def shared_with_others(self, service: str, doses: Collection[int]) -> int:
        """The dose, of these, in which another service is done beside this one; 0 for none.

        Raises Refused where the service is done in none of them.
        """
        if not service:
            return 0
        theirs = self.doses_of(service)
        if not doses or not set(doses) <= set(theirs):
            raise Refused(WhyNot.NOT_LIVE)
        others = (
            dose
            for dose in doses
            if any(each.service != service for each in self.live[dose].live_services)
        )
        return next(others, 0)

    def commitments_beside(self, doses: Collection[int], service: str) -> tuple[Commitment, ...]:
        """What else its person comes for, where these doses move, or this service in them.

        Two doses are days apart.
        """
        if not self.file.of_several:
            return ()
        return tuple(
            Commitment(self.file.reference, one.centre_id, one.start_at.isoformat())
            for dose, one in self.live.items()
            if dose not in doses or (service and self.shared_with_others(service, [dose]))
        )

    def say_campaign(self, ended: Collection[ServiceDone]) -> None:
        """A booking is of a campaign of which something is done still."""
        left = [each for each in self.services_of(self.live) if each not in ended]
        if left and self.file.campaign not in {each.campaign for each in left}:
            changes.set_campaign(self.connection, self.file.id, left[0].campaign)

    def note(
        self,
        dose: int,
        became: Became,
        *,
        to: tuple[int, str, datetime] | None = None,
        of: Collection[ServiceDone] = (),
        was: BookedAppointment | None = None,
    ) -> None:
        """Remember what became of a dose, for the answer, the history and the message.

        `of` are the services of which it is said, in this dose and others; empty: of all. `was` is
        where it was, if it had another number.
        """
        was = was or next(
            appointment for appointment in self.file.appointments if appointment.dose == dose
        )
        services = tuple(each.service for each in was.services if each in of)
        place_id, centre_id, start_at = to or (was.place_id, was.centre_id, was.start_at)
        if to is not None:
            self._places.setdefault("taken", []).append(place_id)
        told = dose_change(was, became, centre_id, start_at)
        self._told[dose, services] = replace(told, dose=dose, services=services)

    def told(self) -> tuple[DoseChange, ...]:
        return tuple(self._told[key] for key in sorted(self._told))

    def book(
        self, allocator: Allocate, where: Mapping[int, BookedAppointment]
    ) -> dict[int, tuple[int, str, datetime]]:
        """Book these places, or others of their slots; gives for each dose what was booked."""
        has_none = self.file.is_stand_in
        if has_none and self.what == Restored.what:
            # Nothing was kept for it, and it needs no place.
            return {new.dose: (new.place_id, new.centre_id, new.start_at) for new in where.values()}
        place_ids = allocator.book(list(where.values()), self.file.id, stand_in=has_none)
        if place_ids is None:
            raise Refused(WhyNot.GONE)
        return {
            each.dose: (place_id, each.centre_id, each.start_at)
            for each, place_id in zip(where.values(), place_ids, strict=True)
        }

    def free(self, place_ids: Iterable[int]) -> None:
        """Give places back, and say so before anybody can see them."""
        freed = list(place_ids)
        self._places["freed"] = freed
        give_back_places(self.connection, self.file.id, freed)
        self._publish(freed + self._kept_before())

    def keep_for_undo(self, place_ids: list[int], within: timedelta) -> None:
        """Give places back, but to no other person for the next minutes."""
        self._places["freed"] = place_ids
        kept_before = self._kept_before()
        if self.file.is_stand_in:
            # It had none of them.
            place_ids = []
        blocked = keep_for_undo(self.connection, self.store, self.file.id, place_ids, within=within)
        self._publish(kept_before + blocked)

    def _kept_before(self) -> list[int]:
        """Places of an earlier cancellation, which no person can take back after this change."""
        return give_back_holds(self.connection, undoing(self.file.id))

    def _publish(self, freed: list[int]) -> None:
        self.store.publish_places_freed(self.connection, freed, self.file.campaign)

    def finish(self, kind: str, telling: Telling) -> str | None:
        """Write the line of history and the message; gives the message's id if there is one."""
        by = self.by
        details: dict[str, Any] = {
            "version": self.version,
            "doses": [change_to_json(dose) for dose in self.told()],
            **self._places,
        }
        if by.key:
            details["key"] = by.key
        why = by.why[:MOST_WHY]
        line = Change(by.who, by.channel, self.what, why, details)
        history.add(self.connection, self.store.clock, self.store.vault, self.file.id, line)
        # A person who chose something else, or nothing, need not be asked any more.
        cases.close_of_booking(self.connection, self.store.clock, self.file.id, FAR_PLACE)
        undo_within = telling.undo_within if self.what == "cancelled" else None
        follow(self.connection, self.store, self.file.id, self.version, undo_within=undo_within)
        return self._tell(kind, telling.after) if telling.tell else None

    def _tell(self, kind: str, after: timedelta | None) -> str | None:
        file = self.file
        if file.number is None and file.mail is None:
            return None
        where = centre_states(self.connection, {dose.centre_id for dose in self._told.values()})
        payload = {
            "what": self.what,
            # A person who did it themselves waits for it with the telephone in the hand.
            "asked": self.by.channel in _BY_THEMSELVES,
            "reference": file.reference,
            "version": self.version,
            "doses": [dose_for_text(dose, where[dose.centre_id]) for dose in self.told()],
        }
        key, topic = f"{kind}:{file.id}:{self.version}", topic_of_change(self.what)
        mailed = mail_change(self.connection, self.store, file, payload, key=key, topic=topic)
        if file.number is None:
            return mailed
        if file.is_stand_in:
            booking_id = stand_in.behind(self.connection, self.store, file)
            return stand_in.tell(self.connection, self.store, file.number, booking_id)
        return write_message(
            self.connection,
            self.store,
            kind,
            file.number,
            payload,
            key=key,
            topic=topic,
            booking_id=file.id,
            due_at=self.store.clock.now() + after if after else None,
        )
