"""The part of a call's outside that is about a person: the line, and what comes after an agent."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

from flows.session import Session
from flows.world import (
    AfterAgent,
    AfterQueue,
    BackFromAgent,
    NoPerson,
    QueuePlace,
    Unavailable,
)
from models.database import Connection
from models.queue import callbacks, queues
from models.queue.queues import QueueStatus
from services.agents import connect_agent
from services.agents.connect_agent import How
from services.call.take_turn import Turn
from services.campaign.campaign import Campaign
from services.campaign.opening_hours import OpeningHours, hours_of
from services.centres.directory import Directory
from services.queue import entries
from services.queue.entries import QueueCaller, WaitEstimate, WaitEstimates
from services.queue.wait_estimate import Throughput, wait_seconds

# Spoken everywhere, so whoever speaks a language without a queue is not left alone.
_COUNTRY_LANGUAGE = "fr"
# These are no reasons to turn away who has a place already.
_FOR_NEWCOMERS = frozenset({NoPerson.TOO_LONG, NoPerson.FULL})
_HOW = {
    How.FINISHED: AfterAgent.FINISHED,
    How.HANDED_BACK: AfterAgent.HANDED_BACK,
    How.LOST: AfterAgent.LOST_AGENT,
    How.STILL: AfterAgent.STILL,
}


class CallerInQueue:
    """For `services.call.world`."""

    _campaign: Campaign
    _turn: Turn
    _session: Session
    _directory: Directory
    _wait_estimates: WaitEstimates

    def now(self) -> datetime:
        raise NotImplementedError

    def _renew(self) -> None:
        raise NotImplementedError

    def join_queue(self, session: Session, reason: str) -> QueuePlace | Unavailable:
        turn, store = self._turn, self._turn.store
        departement = self._departement(session)
        status = self._door(session.language, departement)
        if status is None:
            return Unavailable(NoPerson.CLOSED)
        pace = self._estimate().pace if status.agents else Throughput()
        caller = QueueCaller(
            call_id=turn.call_id,
            number=entries.number_of(session),
            language=session.language,
            departement=departement,
            known={**entries.what_is_known(session), "reason": reason},
            reason=reason,
            earlier=session.line,
        )
        closed = entries.why_closed(status, self._hours, self.now(), pace)
        if closed is not None:
            newcomer = closed.why not in _FOR_NEWCOMERS or not entries.has_place(
                turn.reading(), store, caller, self._campaign
            )
            if newcomer:
                return closed
        connection = turn.transaction()
        entry_id = entries.join(connection, store, self._campaign, caller, status)
        # What was chosen is kept while they wait. After the line: the end of their call, which may
        # come just then, has the two in this order.
        self._renew()
        place = queues.queue_position(connection, store.clock, entry_id)
        ahead = place.ahead if place else 0
        wait = wait_seconds(ahead, pace)
        if wait is not None:
            queues.mark_told(connection, store.clock, entry_id, wait)
        tried = place is not None and place.outcome == callbacks.CAME_BACK
        return QueuePlace(entry_id, status.queue.id, ahead, wait, rung_in_vain=tried)

    def leave_queue(self) -> None:
        turn = self._turn
        entries.leave(turn.transaction(), turn.store, self._session.line)

    def promise_place(self, number: str) -> bool:
        turn, line = self._turn, self._session.line
        estimate = self._estimate()
        connection = turn.transaction()
        place = queues.queue_position(connection, turn.store.clock, line)
        at = estimate.callback_at
        if place is not None:
            at = entries.place_promise(
                place.ahead, self._hours, self.now(), estimate, joined_at=place.joined_at
            )
        return entries.promise(connection, turn.store, line, number=number, at=at)

    def callback_at(self) -> datetime | None:
        at = self._estimate().callback_at
        return at.astimezone(self._zone) if at else None

    def promised_at(self) -> datetime | None:
        turn = self._turn
        place = queues.load(turn.reading(), turn.store.vault, self._session.line)
        at = place.expected_at if place else None
        return at.astimezone(self._zone) if at else None

    def after_queue(self) -> AfterQueue:
        turn = self._turn
        return entries.after_queue(turn.reading(), turn.store, self._session.line, turn.call_id)

    def after_agent(self) -> BackFromAgent:
        turn = self._turn
        connection, store = turn.reading(), turn.store
        after = connect_agent.after_agent(connection, store, turn.call_id)
        place = queues.load(connection, store.vault, after.entry_id) if after.entry_id else None
        what = _HOW[after.how]
        if after.how is How.LOST and place and place.kind == queues.CALLBACK:
            what = AfterAgent.PROMISED
        return BackFromAgent(
            what,
            step=after.step,
            conference=after.entry_id,
            queue=place.queue_id if place else "",
        )

    @property
    def _hours(self) -> OpeningHours:
        return hours_of(self._campaign)

    @property
    def _zone(self) -> ZoneInfo:
        return self._hours.zone

    def _estimate(self) -> WaitEstimate:
        turn = self._turn
        language = self._session.language
        return self._wait_estimates.read(turn.reading(), turn.store, self._campaign, language)

    def _door(self, language: str, departement: str | None) -> QueueStatus | None:
        turn = self._turn
        for spoken in dict.fromkeys((language, _COUNTRY_LANGUAGE)):
            doors = queues.queue_statuses(turn.reading(), turn.store.clock, spoken)
            status = entries.choose(doors, departement)
            if status is not None:
                return status
        return None

    def _departement(self, session: Session) -> str | None:
        """Where the caller is, as far as they said it."""
        connection: Connection = self._turn.reading()
        found = session.postcode and self._directory.postcode(connection, session.postcode)
        return found.departement if found else None
