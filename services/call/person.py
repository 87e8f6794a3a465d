"""The part of a call's outside that is about a person: the line, and what comes after an agent."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from flows.agents import AfterQueue, BackFromAgent, NoPerson, QueuePlace, Unavailable
from flows.session import Session
from models.database import Connection
from models.queue import call_queues, callbacks, order, queues
from models.queue.call_queues import QueueStatus
from prompts.catalogue import COUNTRY_LANGUAGE
from services.agents import connect_agent
from services.call.context import CallContext
from services.campaign.call_hours import zone_of
from services.campaign.opening_hours import OpeningHours
from services.queue import entries
from services.queue.entries import QueueCaller, WaitEstimate
from services.queue.promise_callback import promised_for
from services.queue.wait_estimate import Throughput, wait_seconds

# These are no reasons to turn away who has a place already.
_FOR_NEWCOMERS = frozenset({NoPerson.TOO_LONG, NoPerson.FULL})


class CallerInQueue(CallContext):
    """For `services.call.world`."""

    def join_queue(self, session: Session, reason: str) -> QueuePlace | Unavailable:
        store = self.store
        departement = self._departement(session)
        status = self._door(session.language, departement)
        if status is None:
            return Unavailable(NoPerson.CLOSED)
        # The overflow is that of the number's own queue.
        number = self.number if status.queue.id == self.number.queue else None
        overflow_queue = number.overflow_queue if number else ""
        if overflow_queue and not status.agents:
            status = replace(status, agents=self._agents_of(overflow_queue))
        pace = self._estimate().pace if status.agents else Throughput()
        caller = QueueCaller(
            call_id=self.turn.call_id,
            number=entries.number_of(session),
            language=session.language,
            departement=departement,
            known={**entries.what_is_known(session), "reason": reason},
            reason=reason,
            earlier=session.line,
            called=session.called or None,
            overflow_queue=overflow_queue,
            overflow=number.overflow if number else timedelta(),
        )
        closed = entries.why_closed(status, self._hours, self.now(), pace)
        if closed is not None:
            newcomer = closed.why not in _FOR_NEWCOMERS or not entries.has_place(
                self.reading(), store, caller, self.campaign
            )
            if newcomer:
                return closed
        connection = self.transaction()
        entry_id = entries.join(connection, store, self.campaign, caller, status)
        # What was chosen is kept while they wait. After the line: the end of their call, which may
        # come just then, has the two in this order.
        self.renew()
        place = order.queue_position(connection, store.clock, entry_id)
        ahead = place.ahead if place else 0
        wait = wait_seconds(ahead, pace)
        if wait is not None:
            queues.mark_told(connection, store.clock, entry_id, wait)
        tried = place is not None and place.outcome == callbacks.CAME_BACK
        return QueuePlace(entry_id, status.queue.id, ahead, wait, rung_in_vain=tried)

    def leave_queue(self) -> None:
        entries.leave(self.transaction(), self.store, self.session.line)

    def promise_place(self, number: str) -> bool:
        line = self.session.line
        estimate = self._estimate()
        connection = self.transaction()
        place = order.queue_position(connection, self.store.clock, line)
        at = estimate.callback_at
        if place is not None:
            at = entries.place_promise(place, estimate, self._hours, self.now())
        at = promised_for(self.campaign, number, at, self.now())
        return entries.promise(connection, self.store, line, number=number, at=at)

    def person_hours(self) -> tuple[datetime, datetime] | None:
        opens = self._hours.next_opening(self.now())
        closes = self._hours.closes_at(opens) if opens else None
        return (opens, closes) if opens and closes else None

    def agents_at_work(self) -> bool:
        return self._estimate().pace.agents > 0

    def callback_at(self) -> datetime | None:
        at, number = self._estimate().callback_at, self.session.caller
        return promised_for(self.campaign, number, at, self.now())

    def promised_at(self) -> datetime | None:
        place = queues.load(self.reading(), self.store.vault, self.session.line)
        at = place.expected_at if place else None
        return at.astimezone(zone_of(self.session.caller)) if at else None

    def after_queue(self) -> AfterQueue:
        return entries.after_queue(self.reading(), self.store, self.session.line, self.turn.call_id)

    def after_agent(self) -> BackFromAgent:
        return connect_agent.after_agent(self.reading(), self.store, self.turn.call_id)

    @property
    def _hours(self) -> OpeningHours:
        return self.campaign.hours

    def _estimate(self) -> WaitEstimate:
        language = self.session.language
        return self.service.wait_estimates.read(self.reading(), self.store, self.campaign, language)

    def _door(self, language: str, departement: str | None) -> QueueStatus | None:
        # A caller whose language has no queue waits in the one of the country.
        for spoken in dict.fromkeys((language, COUNTRY_LANGUAGE)):
            doors = call_queues.queue_statuses(self.reading(), self.store.clock, spoken)
            number = self.number
            status = entries.choose(doors, departement, number.queue, number.overflow_queue)
            if status is not None:
                return status
        return None

    def _agents_of(self, queue_id: str) -> int:
        """How many agents are there for a queue, whatever its language."""
        found = call_queues.find_queue(self.reading(), queue_id)
        if found is None:
            return 0
        doors = call_queues.queue_statuses(self.reading(), self.store.clock, found.language)
        return next((door.agents for door in doors if door.queue.id == queue_id), 0)

    def _departement(self, session: Session) -> str | None:
        """Where the caller is, as far as they said it."""
        connection: Connection = self.reading()
        found = session.postcode and self.service.directory.postcode(connection, session.postcode)
        return found.departement if found else None
