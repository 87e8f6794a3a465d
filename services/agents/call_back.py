"""Keep promises to ring back: when, how often, by which party, and what becomes of a try.

An agent is reserved and in the conference first; then the number is dialled, once, and the person
who picks up proves not to be a machine. Promises of the machine need no agent. A try is counted
before the provider is asked, so that a crash never leads to a fourth try. A number that is busy or
does not answer is rung again after a while. An answering machine gets one more try and, on a
mobile, one text. After the last try the promise is lost, and the person is told so.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import structlog

from flows.agents import RungPerson
from flows.session import CallerKind, Session
from flows.steps.resume import ENTRY_OF
from flows.understanding import NotUnderstood, telephone
from models.agents import agents, legs, stored_commands
from models.agents.legs import NewLeg
from models.call import turns
from models.database import Connection
from models.messages import freezes
from models.queue import callbacks, voice
from models.queue.queues import QueueEntry
from prompts.catalogue import load
from services.agents import connect_agent, provider_commands
from services.agents.command_store import CommandKind, ring
from services.campaign.call_hours import next_call_at
from services.campaign.campaign import Campaign
from services.messages import text_names, texts
from services.messages.notices import Reason
from services.messages.spend import Budgets, Over, next_day
from services.messages.topics import Topic
from services.messages.write_message import write_message
from services.numbers.numbers import CalledNumber, Numbers
from services.ports import CallControl, WakeUp
from services.queue import voice_messages
from services.queue.promise_callback import (
    MACHINE,
    UNLESS_BOOKED,
    end_where_needless,
)
from services.queue.typed_callback import give_to_agents
from services.store import Store
from services.telemetry import CALLBACKS
from services.waiting_list import offer_notices

MOST_TRIES = 3
# A caller who was silent, or was cut off and may ring again, is rung once.
TRIES: Mapping[str, int] = {Reason.SILENT: 1, Reason.CUT: 1}
MOST_MACHINES = 2
AFTER_FIRST = timedelta(minutes=15)
AFTER_SECOND = timedelta(hours=2)
# How soon to look again whether the number to be rung is still busy with a call to us.
ON_THE_LINE = timedelta(minutes=2)
# No caller is in the menu for longer, even if the provider failed to report the end.
IN_THE_MENU = timedelta(minutes=10)
# A try of which nothing is heard for so long is over, even if the provider failed to report it.
# Three wordings of the question take less.
SILENT_FOR = timedelta(minutes=3)
STRANDED_FOR = timedelta(seconds=20)
# An hour after the announced time without a call, the person is told of the delay.
LATE_BY = timedelta(hours=1)
# A promise that was not kept for so long is ended.
LONGEST = timedelta(days=7)
# Calls that ring at once for the machine's own promises: half of what the account may begin, and
# never fewer than these. The other half is for agents' calls.
LEAST_MACHINES = 4
_AT_ONCE = 50
# The outcome of a try that a person answered; of one in which they wanted no more calls.
REACHED, REFUSED = "reached", "refused"
# The provider's words for the end of a call, and the outcome of a try for each.
_OUTCOMES = {
    "completed": "machine",
    "busy": "busy",
    "no-answer": "no_answer",
    "canceled": "failed",
    "failed": "failed",
}

log = structlog.get_logger()


@dataclass(frozen=True)
class CallBack:
    """What all promises share: the present campaign and the number to ring (E.164, for texts)."""

    campaign: Callable[[], Campaign]
    national_number: str
    wake_up: WakeUp | None = None
    # Tells whether a message still needs to be told; None: it always does.
    still_wanted: voice_messages.StillWanted | None = None
    # What calls may cost in a day; None: they are not counted.
    budgets: Budgets | None = None
    # The numbers that people call, which say what is seen when we ring; None: one number.
    numbers: Numbers | None = None

    def _number_of(self, promise: QueueEntry) -> CalledNumber:
        """The number that a promise came in by."""
        if self.numbers is None:
            return CalledNumber(self.national_number)
        return self.numbers.of(promise.called)

    # ------------------------------------------------------------ dialling

    def dial(self, connection: Connection, store: Store, entry: QueueEntry) -> None:
        """Dial a reserved promise once its agent is there, or free both if it must not be dialled.

        In the transaction that noted the agent.
        """
        promise = callbacks.load(connection, store.vault, entry.id, lock=True)
        if promise is not None:
            self._dial(connection, store, promise)

    def dial_machines(self, store: Store, control: CallControl) -> int:
        """Ring the numbers that the machine rings; returns how many. The dispatcher's task."""
        # Most looks find nothing: they open no transaction.
        with store.database.statement() as connection:
            if not callbacks.is_any_for_machine(connection, store.clock):
                return 0
        rung, lines = 0, machines_at_once(control.calls_per_second)
        while rung < lines:
            taken: list[str] = []
            try:
                asked = self._dial_next(store, lines, taken)
            except Exception as error:
                if not taken:
                    raise
                # A message that cannot be told must not keep the others from being told.
                log.error("call not begun", entry=taken[0], error=type(error).__name__)
                with store.database.transaction() as connection:
                    later = store.clock.at(ON_THE_LINE)
                    callbacks.change(connection, store.clock, taken[0], ("waiting",), due_at=later)
                asked = None
            if not taken:
                break
            if asked is not None:
                provider_commands.carry_out(store, control, asked)
            rung += 1
        return rung

    def _dial_next(self, store: Store, lines: int, taken: list[str]) -> str | None:
        """Take the machine's next promise and note it in `taken`; returns its command's id."""
        with store.database.transaction() as connection:
            if callbacks.machines_dialling(connection) >= lines:
                return None
            found = callbacks.next_for_machine(connection, store.clock)
            if found is None:
                return None
            taken.append(found)
            promise = callbacks.load(connection, store.vault, found)
            return self._dial(connection, store, promise) if promise else None

    def _dial(self, connection: Connection, store: Store, promise: QueueEntry) -> str | None:
        """Store one try and the command to dial; returns the command's id, None if not allowed."""
        if promise.state != "reserved" or legs.of_entry(
            connection, store.vault, promise.id, ("callback",)
        ):
            return None
        if freezes.is_on(connection):
            # A supervisor gave it to an agent, or the freeze began while the agent was rung.
            _let_wait(connection, store, promise, store.clock.now() + ON_THE_LINE)
            return None
        if self._is_over(connection, store, promise):
            return None
        now = store.clock.now()
        # A caller who waits or talks on that very line cannot be rung on it.
        busy = callbacks.on_the_line(connection, store.clock, promise, menu_within=IN_THE_MENU)
        allowed = self._next_call(promise, now + ON_THE_LINE if busy else now)
        if allowed > now:
            _let_wait(connection, store, promise, allowed)
            return None
        if self._is_over_budget(connection, store, promise):
            tomorrow = self._next_call(promise, next_day(store))
            _let_wait(connection, store, promise, tomorrow)
            CALLBACKS.labels("budget").inc()
            return None
        made = store.chance.identifier()
        # Before the provider is asked: a call that may have rung has rung.
        tried = {"tries": promise.tries + 1, "last_try_at": store.clock.at()}
        callbacks.change(connection, store.clock, promise.id, ("reserved",), **tried)
        leg = NewLeg(made, "callback", promise.id, promise.number, staff_id=promise.staff_id)
        seen = self._number_of(promise).caller_id
        at_once = promise.staff_id is not None
        return ring(connection, store, leg, at_once=at_once, caller_id=seen)

    def _is_over_budget(self, connection: Connection, store: Store, promise: QueueEntry) -> bool:
        """Count the call; whether it must wait, because the day's budget of calls is spent.

        A person that an agent is to ring is rung all the same: an agent's time is a limit of its
        own, and the board is told.
        """
        if self.budgets is None:
            return False
        over = self.budgets.charge_call(connection, store, promise.number)
        if not isinstance(over, Over):
            return False
        if promise.mode == MACHINE:
            return True
        self.budgets.charge_call(connection, store, promise.number, whatever=True)
        return False

    def _is_over(self, connection: Connection, store: Store, promise: QueueEntry) -> bool:
        """Whether the promise is not needed any more, or its number cannot be rung; then ended."""
        # The provider may have refused to dial it each time.
        unusable = kind_of(promise.number) is None or promise.tries >= MOST_TRIES
        if promise.message_id:
            needless = voice_messages.is_needless(connection, store, promise, self.still_wanted)
            if unusable and not needless:
                voice_messages.in_vain(connection, store, promise)
            return needless or unusable
        if promise.reason in UNLESS_BOOKED and callbacks.booked_since(connection, promise):
            self.end(connection, store, promise, "left", "booked")
        elif callbacks.served_since(connection, promise):
            self.end(connection, store, promise, "left", "served")
        elif unusable:
            self.end(connection, store, promise, "lost", "unusable")
            self._write(connection, store, promise, "callback_lost")
        else:
            return False
        return True

    # ------------------------------------------------------------ what becomes of a try

    def told(
        self, store: Store, try_id: str, call_sid: str, status: str, seconds: int | None = None
    ) -> str:
        """Take the provider's report on a try; returns its outcome, empty where it is not over.

        Reports may come in any order. For a try that is over only the number of `seconds` that it
        lasted still counts, once.
        """
        if seconds is not None:
            with store.database.transaction() as connection:
                new = voice.add_seconds(connection, store.clock, try_id, call_sid, seconds)
                if new and self.budgets is not None:
                    promise = callbacks.of_try(connection, store.vault, try_id)
                    number = promise.number if promise else ""
                    self.budgets.add_seconds(connection, store, number, seconds)
        if status not in _OUTCOMES:
            states = {"initiated": "ringing", "queued": "asked", "ringing": "ringing"}
            with store.database.transaction() as connection:
                if callbacks.is_try_of(connection, store.clock, try_id, call_sid):
                    state = states.get(status, "answered")
                    legs.move(connection, store.clock, try_id, state)
            return ""
        return self._over(store, try_id, _OUTCOMES[status], call_sid)

    def _over(self, store: Store, try_id: str, outcome: str, call_sid: str = "") -> str:
        def end(connection: Connection) -> tuple[bool, str | None]:
            promise = callbacks.of_try(connection, store.vault, try_id, lock=True)
            if call_sid and not callbacks.is_try_of(connection, store.clock, try_id, call_sid):
                # Over already; or the second of two calls, where the provider was asked twice.
                return False, None
            if not legs.move(connection, store.clock, try_id, "ended", outcome=outcome):
                return False, None
            # A waiting promise lost its agent while it rang: the try counts all the same.
            if promise is None or promise.state not in {"waiting", "reserved"}:
                return True, None
            return True, self.missed(connection, store, promise, outcome)

        ended, message = store.database.retried(end)
        if not ended:
            return ""
        CALLBACKS.labels(outcome).inc()
        if message and self.wake_up:
            self.wake_up.message(message)
        return outcome

    def missed(
        self, connection: Connection, store: Store, promise: QueueEntry, outcome: str
    ) -> str | None:
        """Not reached: try a reserved promise again, or end it, and free its agent.

        In the transaction that ended the try. Returns the id of a text written.
        """
        if promise.message_id:
            return self._not_told(connection, store, promise)
        machines = callbacks.tries_with(connection, promise.id, "machine")
        if promise.tries >= TRIES.get(promise.reason, MOST_TRIES) or machines >= MOST_MACHINES:
            self.end(connection, store, promise, "lost", outcome)
            return self._write(connection, store, promise, "callback_lost")
        due = self._try_again(connection, store, promise)
        if outcome == "machine":
            return self._write(connection, store, promise, "callback_missed", due)
        return None

    def _not_told(self, connection: Connection, store: Store, promise: QueueEntry) -> str | None:
        """A message was not told by this try: ring once more, or give up telling it by call.

        A machine and a person count the same, because their reports come in any order. Returns the
        id of a text, if one was written.
        """
        if voice.agent_spoke(connection, promise.id):
            voice_messages.told_by_agent(connection, store, promise)
            return None
        written = offer_notices.not_reached(connection, store, promise.message_id or "")
        if promise.tries >= MOST_TRIES:
            voice_messages.in_vain(connection, store, promise)
            return written
        self._try_again(connection, store, promise)
        return written

    def _try_again(self, connection: Connection, store: Store, promise: QueueEntry) -> datetime:
        """Let the promise wait for another try; returns when that is (UTC)."""
        after = AFTER_FIRST if promise.tries <= 1 else AFTER_SECOND
        due = self._next_call(promise, store.clock.now() + after)
        _let_wait(connection, store, promise, due)
        return due

    def _next_call(self, promise: QueueEntry, moment: datetime) -> datetime:
        machine = promise.mode == MACHINE
        return next_call_at(self.campaign(), promise.number, moment, machine=machine)

    def end(
        self,
        connection: Connection,
        store: Store,
        promise: QueueEntry,
        state: str,
        outcome: str,
    ) -> None:
        """End a promise that waits or is reserved, and free its agent."""
        callbacks.end(connection, store.clock, promise.id, state, outcome)
        _free(connection, store, promise)
        CALLBACKS.labels(f"{state}_{outcome}").inc()

    def _write(
        self,
        connection: Connection,
        store: Store,
        promise: QueueEntry,
        text: str,
        due: datetime | None = None,
    ) -> str | None:
        """One text of each kind for a promise, to a mobile; returns its id where it is new."""
        is_mobile = kind_of(promise.number) is CallerKind.MOBILE
        if not is_mobile or not text_names.wanted(self.campaign(), text):
            return None
        body = texts.filled(
            load(promise.language),
            text,
            due=(due or store.clock.now()).astimezone(ZoneInfo(self.campaign().zone)),
            number=self._number_of(promise).number,
        )
        return write_message(
            connection,
            store,
            "sms",
            promise.number,
            {"body": body},
            key=f"{text}:{promise.id}",
            call_id=promise.origin_call_id,
            topic=Topic.CALLBACK,
        )

    # ------------------------------------------------------------ the call is answered

    def rung(
        self, connection: Connection, store: Store, try_id: str, call_sid: str
    ) -> Session | None:
        """A call of ours is answered, by a person or a machine; returns how that call begins.

        None where it is not wanted any more.
        """
        promise = callbacks.of_try(connection, store.vault, try_id)
        if promise is None or not callbacks.is_try_of(connection, store.clock, try_id, call_sid):
            return None
        legs.move(connection, store.clock, try_id, "answered")
        machine = promise.mode == MACHINE
        rung_as = promise.reason if promise.message_id else MACHINE
        kind = kind_of(promise.number) or CallerKind.NONE
        asked = promise.reason if promise.reason == Reason.CUT else Reason.ASKED
        given = Session() if machine else _given(connection, store, promise)
        return given.but(
            language=promise.language,
            called=promise.called or "",
            caller=promise.number,
            caller_kind=str(kind),
            earlier=promise.origin_call_id or "",
            line="" if machine else promise.id,
            rung_for=try_id,
            rung_as=rung_as if machine else str(asked),
        )

    # ------------------------------------------------------------ periodic tasks

    def look_after(self, store: Store) -> int:
        """End tries without news, put off what must wait, tell people whose call is late."""
        done = 0
        with store.database.statement() as connection:
            silent = callbacks.silent_tries(connection, store.clock, SILENT_FOR)
            stranded = callbacks.stranded(connection, store.clock, STRANDED_FOR)
            undialled = callbacks.undialled(connection, store.clock, STRANDED_FOR)
        for try_id in silent:
            done += bool(self._over(store, try_id, "failed"))
        for entry_id in stranded:
            with store.database.transaction() as connection:
                promise = callbacks.load(connection, store.vault, entry_id, lock=True)
                if promise is not None and promise.state == "reserved":
                    self.missed(connection, store, promise, "failed")
                    done += 1
        for entry_id in undialled:
            # A try of an earlier agent blocked this one, and came to nothing.
            with store.database.transaction() as connection:
                promise = callbacks.load(connection, store.vault, entry_id, lock=True)
                if promise is not None:
                    self._dial(connection, store, promise)
                    done += 1
        done += end_where_needless(store)
        done += voice_messages.resume_displaced(store) + give_to_agents(store)
        return done + self._put_off(store) + self._tell_late(store)

    def _put_off(self, store: Store) -> int:
        """Outside the hours of calls, no agent and no line is reserved for a promise."""
        now, put_off = store.clock.now(), 0
        for mode in ("agent", MACHINE):
            allowed = next_call_at(self.campaign(), "", now, machine=mode == MACHINE)
            if allowed > now:
                with store.database.transaction() as connection:
                    put_off += callbacks.put_off(connection, store.clock, mode, allowed)
        return put_off

    def _tell_late(self, store: Store) -> int:
        """Tell people whose call did not come within an hour of the announced time; they keep it.

        After `LONGEST` the promise is ended instead.
        """
        told = 0
        with store.database.transaction() as connection:
            for entry_id in callbacks.older(connection, store.clock, LONGEST, limit=_AT_ONCE):
                promise = callbacks.load(connection, store.vault, entry_id, lock=True)
                if promise is not None:
                    self.end(connection, store, promise, "lost", "too_old")
                    told += bool(self._write(connection, store, promise, "callback_lost"))
        with store.database.transaction() as connection:
            for entry_id in callbacks.overdue(connection, store.clock, LATE_BY, limit=_AT_ONCE):
                promise = callbacks.load(connection, store.vault, entry_id, lock=True)
                if promise is not None:
                    # When it will come is not known any more.
                    callbacks.change(
                        connection, store.clock, entry_id, ("waiting",), expected_at=None
                    )
                    told += bool(self._write(connection, store, promise, "callback_late"))
                    CALLBACKS.labels("late").inc()
        return told


# ---------------------------------------------------------------- in the caller's transaction


def answered(connection: Connection, store: Store, try_id: str, call_id: str) -> RungPerson:
    """A person proved to be there, in their call's transaction; says to which side they go.

    The try is over with it. From here on this call belongs to its caller: it is not hung up with
    the agent's line.
    """
    promise = callbacks.of_try(connection, store.vault, try_id, lock=True)
    if promise is not None and promise.message_id:
        is_there = voice_messages.is_there(connection, store, promise, try_id, call_id)
        return RungPerson.MACHINE if is_there else RungPerson.OVER
    ours = legs.move(connection, store.clock, try_id, "ended", outcome=REACHED)
    if promise is None or promise.state not in {"waiting", "reserved"}:
        return RungPerson.OVER
    if ours:
        CALLBACKS.labels(REACHED).inc()
    clock = store.clock
    if promise.mode == MACHINE:
        callbacks.answered(connection, clock, promise.id, call_id, "done")
        return RungPerson.MACHINE
    if promise.state == "waiting" or not ours or not _agent_has_them(connection, store, promise):
        return RungPerson.LINE
    callbacks.answered(connection, clock, promise.id, call_id, "talking")
    stored_commands.settle(connection, clock, promise.id, (CommandKind.DIAL_CALLBACK,))
    return RungPerson.AGENT


def _agent_has_them(connection: Connection, store: Store, promise: QueueEntry) -> bool:
    return promise.staff_id is not None and agents.talks(
        connection, store.clock, promise.staff_id, promise.id, of_entry=promise.id
    )


def refused(connection: Connection, store: Store, try_id: str) -> None:
    """The person who picked up wants no call, in their call's transaction."""
    promise = callbacks.of_try(connection, store.vault, try_id, lock=True)
    legs.move(connection, store.clock, try_id, "ended", outcome=REFUSED)
    if promise is not None and promise.message_id:
        if voice_messages.refused(connection, store, promise):
            CALLBACKS.labels(REFUSED).inc()
        return
    if promise is None or not callbacks.end(connection, store.clock, promise.id, "left", REFUSED):
        return
    CALLBACKS.labels(REFUSED).inc()
    _free(connection, store, promise)


def _given(connection: Connection, store: Store, promise: QueueEntry) -> Session:
    """What was given in the call that the promise was made in, as long as it is kept.

    Nothing of it is said before an agent hands the caller back to the machine: the birth date must
    not be read to another person who answers this call.
    """
    origin = promise.origin_call_id
    newest = turns.newest(connection, store.vault, origin) if origin else None
    if newest is None or newest.body is None:
        return Session()
    was = Session.from_json(newest.body.session)
    return was.but(
        step="",
        resume=ENTRY_OF.get(was.resume, was.resume),
        trail=(),
        misses=0,
        silent_turns=0,
        alive=False,
        speech_off_at="",
        unsure=False,
        replied="",
        resumed=True,
    )


def _let_wait(connection: Connection, store: Store, promise: QueueEntry, due: datetime) -> None:
    """At the same place, not before `due` (UTC).

    A promise that waits already, for its agent was lost while it rang, is rung no sooner either.
    """
    waits = {"state": "waiting", "staff_id": None, "reserved_at": None, "due_at": due}
    callbacks.change(connection, store.clock, promise.id, ("waiting", "reserved"), **waits)
    _free(connection, store, promise)


def _free(connection: Connection, store: Store, promise: QueueEntry) -> None:
    """The agent who waited for an answer is free again, and their line is hung up."""
    if promise.staff_id is None:
        return
    connect_agent.hang_up_legs(connection, store, promise)
    connect_agent.free_agent(connection, store, promise.staff_id, promise.id)


def machines_at_once(calls_per_second: float) -> int:
    """How many calls may ring at once for the machine's promises; 0 calls a second counts as 1."""
    return max(LEAST_MACHINES, int((calls_per_second or 1.0) * provider_commands.RING_SECONDS / 2))


def kind_of(number: str) -> CallerKind | None:
    """What a number can be used for; None where it is never dialled: premium, foreign, short."""
    try:
        return telephone(number)[1]
    except NotUnderstood:
        return None
