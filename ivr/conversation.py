"""One webhook of a call, from what was pressed to the document that answers it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from flows.engine import PERSON_STEPS, advance
from flows.session import Session
from flows.speech import FAILED, RING, Heard, Input, Speech, TurnOutcome, keys
from flows.steps.common import offer_to_resume
from flows.steps.line import LINE_STEPS, QUEUE, WITH_AGENT
from ivr.addresses import Addresses
from ivr.caller import read_caller
from ivr.twiml import render
from prompts.catalogue import load
from services.call.end_call import record_call_status
from services.call.resume_call import find_earlier
from services.call.take_turn import AlreadyAnswered, Body, StoredTurn, Turn
from services.call.world import CallWorld
from services.numbers.unknown import tell_unknown
from services.ports import WakeUp
from services.service import Service
from services.store import Store
from services.telemetry import (
    BOOKINGS,
    CALLS,
    PERSON_ASKED,
    PERSON_REACHED,
    PROMISES,
    QUEUE_JOINED,
    QUEUE_LEFT,
    TURNS,
    TURNS_REPLAYED,
)
from services.work import Work

LANGUAGE = "fr"
_OF_PERSON = PERSON_STEPS | LINE_STEPS
# The provider's words for why a call is out of its queue, where no agent is the reason.
_RESULTS = frozenset({"leave", "hangup", "queue-full", "system-error", "error"})


# So often in a row a question may fail by our fault until the caller is passed to an agent.
FAILURES_PATIENCE = 3


class AnswerErased(Exception):
    """The call is older than what is kept of it."""


@dataclass(frozen=True)
class TurnAnswer:
    """The document, and where the call is; `step` is empty for a copy of an earlier answer."""

    document: str
    step: str = ""
    outcome: str = "replayed"


class Conversation:
    """Answers the webhooks of all calls; one for each web worker."""

    def __init__(
        self, store: Store, service: Service, addresses: Addresses, wake_up: WakeUp
    ) -> None:
        self._store = store
        self._service = service
        self._addresses = addresses
        self._wake_up = wake_up

    def ring(self, call_id: str, caller: str, to: str = "") -> TurnAnswer:
        """A new call, or a copy of its first webhook.

        `to` is the number that was dialled, as the provider writes it; empty: the default.
        """
        with Turn(self._store, call_id, 0) as turn:
            return self._ring(turn, caller, to)

    def ring_for_person(self, call_id: str, caller: str, to: str = "") -> TurnAnswer:
        """A new call whose caller has pressed 0 already, or a copy of that webhook."""
        self.ring(call_id, caller, to)
        return self.turn(call_id, 1, keys("0"), caller, to)

    def turn(  # noqa: PLR0917
        self,
        call_id: str,
        number: int,
        heard: Input,
        caller: str,
        to: str = "",
        day: date | None = None,
    ) -> TurnAnswer:
        """Answer turn `number`: anew, or as it was answered before.

        `day` is the one on which the call rang, as the address tells it; None: it tells none.
        """
        with Turn(self._store, call_id, number, day) as turn:
            newest = turn.newest()
            if newest is not None:
                return self._follow(turn, newest, heard)
        # A call we never heard of, or lost: greeted like any other, never left in silence.
        return self.ring(call_id, caller, to)

    def _follow(self, turn: Turn, newest: StoredTurn, heard: Input) -> TurnAnswer:
        if newest.number != turn.number - 1:
            # A copy, or a turn that the call has gone past: the newest answer it may hear.
            return _replayed(newest)
        if newest.body is None:
            raise AnswerErased
        return self._take(turn, Session.from_json(newest.body.session), heard)

    def again(  # noqa: PLR0917
        self,
        call_id: str,
        number: int,
        caller: str,
        failed: int,
        to: str = "",
        day: date | None = None,
    ) -> TurnAnswer:
        """Say the last answer once more, after a failure of ours; a person after several.

        `failed` is how many answers in a row were lost at this question; `day` as of `turn`.
        """
        with Turn(self._store, call_id, number, day) as turn:
            newest = turn.newest()
            if newest is None:
                return self.ring(call_id, caller, to)
            if newest.number != turn.number - 1:
                _count_agent(newest, number)
                return _replayed(newest)
            if failed >= FAILURES_PATIENCE:
                return self._follow(turn, newest, FAILED)
            said_again = _replayed(newest).document
            return TurnAnswer(self._addresses.after_failures(said_again, failed))

    def first_answer(self, call_id: str) -> TurnAnswer | None:
        """What a call was answered first, where it was."""
        with Turn(self._store, call_id, 0) as turn:
            newest = turn.newest()
        return _replayed(newest) if newest else None

    def rung(self, call_id: str, session: Session) -> TurnAnswer:
        """The first answer on a line that we rang ourselves: a call of its number from here on."""
        with Turn(self._store, call_id, 0) as turn:
            turn.start_call(session.caller or None, session.called or None)
            return self._take(turn, session, RING)

    def status(self, call_id: str, status: str) -> bool:
        """Note how the call stands; True when this ended the call."""
        service = self._service
        return record_call_status(
            self._store,
            service.campaign,
            call_id,
            status,
            national_number=service.national_number,
            numbers=service.numbers,
            wake_up=self._wake_up,
        )

    def _ring(self, turn: Turn, caller: str, to: str) -> TurnAnswer:
        number, kind = read_caller(caller)
        numbers = self._service.numbers
        ours = numbers.called(to) if to else numbers.default
        if ours is None:
            tell_unknown(to)
            ours = numbers.default
        called = numbers.kept(ours)
        started = turn.start_call(number or None, called or None)
        if started.is_new:
            CALLS.labels(str(kind)).inc()
        session = Session(
            language=ours.language or LANGUAGE,
            called=called,
            slow=started.slow,
            caller=number,
            caller_kind=str(kind),
            is_offered=started.is_offered,
        )
        if started.rang_before:
            campaign = self._service.campaign
            earlier = find_earlier(
                Work(turn.reading(), self._store, campaign), turn.call_id, number
            )
            session = offer_to_resume(session, earlier) if earlier else session
        return self._take(turn, session, RING)

    def _take(self, turn: Turn, session: Session, heard: Input) -> TurnAnswer:
        world = CallWorld(self._service, turn, session)
        try:
            after, speech = advance(session, heard, world)
            words = load(speech.language)
            document = render(speech, words, self._addresses, turn.number + 1, turn.day)
            turn.finish(
                step=after.step,
                outcome=speech.outcome,
                body=Body(heard.keys or heard.text, after.to_json(), document),
                about=world.about(after),
                renew_for=self._service.campaign.hold_lease if after.offers else None,
            )
        except AlreadyAnswered:
            turn.undo()
            newest = turn.newest()
            if newest is None:
                raise
            return _replayed(newest)
        # Only now is it true; what is told to others before the commit might never have been.
        for message_id in world.messages:
            self._wake_up.message(message_id)
        TURNS.labels(after.step, speech.outcome).inc()
        if speech.outcome is TurnOutcome.BOOKED:
            BOOKINGS.labels("phone").inc()
        elif speech.outcome is TurnOutcome.PROMISED:
            PROMISES.inc()
        _count_person(session, after, speech.outcome)
        _count_queue(session, heard, speech)
        return TurnAnswer(document, after.step, speech.outcome)


def _count_person(before: Session, after: Session, outcome: TurnOutcome) -> None:
    """Count once for each call that it asked for a person, and once that it came to one."""
    # A caller who goes on with a call that was cut was counted in that one.
    if after.wants_person and not before.wants_person and after.step in _OF_PERSON:
        PERSON_ASKED.inc()
    if after.wants_person and before.step in _OF_PERSON and outcome is TurnOutcome.PROMISED:
        PERSON_REACHED.labels("promise").inc()


def _count_queue(before: Session, heard: Input, speech: Speech) -> None:
    if speech.queue and before.step not in LINE_STEPS:
        QUEUE_JOINED.labels(speech.queue).inc()
    if before.step == QUEUE and not speech.queue:
        result = heard.keys if heard.kind is Heard.QUEUED else ""
        QUEUE_LEFT.labels(result if result in _RESULTS else "other").inc()


def _count_agent(stored: StoredTurn, number: int) -> None:
    """A caller is brought to their agent: at this address the turn that says so is heard."""
    if stored.step != WITH_AGENT or stored.number != number or stored.body is None:
        return
    QUEUE_LEFT.labels("agent").inc()
    if Session.from_json(stored.body.session).wants_person:
        PERSON_REACHED.labels("agent").inc()


def _replayed(stored: StoredTurn) -> TurnAnswer:
    if stored.body is None:
        raise AnswerErased
    TURNS_REPLAYED.inc()
    return TurnAnswer(stored.body.answer)
