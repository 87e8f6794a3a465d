"""The switchboard: every live call of this process, the queues, the conferences, the devices.

A call that is given a switchboard (`Call(switchboard=…)`) waits in a queue that it shares with
others and talks in a conference that others can join. Whoever wants something of a live call,
the REST paths above all, asks here; the call hears of it through its mailbox.

In a server, calls are driven by threads with small stacks, and waiting takes real time. In tests
(`threads=False`) nothing moves by itself: `run_pending` does what is to be done, and the clock is
a virtual one.
"""

import logging
import threading

from collections.abc import Callable
from email.utils import format_datetime
from functools import partial
from typing import Any, Protocol

from exchange.background import Background
from exchange.callbacks import Callbacks
from exchange.calls import FINAL, CallRecord
from exchange.clock import Clock, VirtualClock
from exchange.conferences import Conference, Participant
from exchange.devices import Devices
from exchange.faults import Faults
from exchange.interpreter import Call
from exchange.legs import Leg, drive, step
from exchange.media import Recordings
from exchange.orders import (
    Announce,
    Beep,
    Complete,
    Drop,
    NoSeat,
    Order,
    Party,
    QueueRefused,
    Redirect,
    Released,
    Seat,
    Seated,
    Wish,
)
from exchange.queues import Queue
from exchange.store import Store
from exchange.transport import Transport

log = logging.getLogger(__name__)

# Bytes of stack for a call's thread: a call goes some forty frames deep, with HTTP below it.
STACK = 512 * 1024
# Conferences that are over can still be asked for, so many of them.
KEPT_CONFERENCES = 1000
HUNG_UP = "participant_hung_up"
# Conferences with such names are two legs of one <Dial>, and none to the account.
BRIDGE = "bridge-"


class Dialler(Protocol):
    """Makes calls to numbers and devices; see `ringing.Ringing`."""

    def begin(self, record: CallRecord) -> None:
        """Have a call rung; return at once."""

    def end(self, record: CallRecord, status: str) -> bool:
        """End a call."""


class Switchboard:
    """All that is live; safe between threads. It is the `Lines` that calls are given."""

    def __init__(
        self,
        *,
        transport: Transport,
        auth_token: str,
        account_sid: str = "AC00000000000000000000000000000001",
        clock: Clock | None = None,
        background: Background | None = None,
        faults: Faults | None = None,
        threads: bool = False,
    ) -> None:
        self.clock: Clock = clock or VirtualClock()
        self.background = background or Background(0, self.clock)
        self.faults = faults or Faults()
        self.account_sid, self.threads = account_sid, threads
        self.calls: Store[CallRecord] = Store()
        self.devices = Devices(self.clock)
        # Rings whom a <Dial> names; without it such a <Dial> is only noted.
        self.dialler: Dialler | None = None
        self.callbacks = Callbacks(transport, auth_token, self.background)
        self._recordings = Recordings(transport)
        self._lock = threading.RLock()
        self._live: dict[str, Party] = {}
        self._queues: dict[str, Queue] = {}
        self._waiting: dict[str, Queue] = {}
        self._conferences: dict[str, Conference] = {}
        self._talking: dict[str, Conference] = {}
        # Live calls whose own telephone or page is muted, wherever they sit.
        self._silent: set[str] = set()

    # Calls

    def start(self, call: Call, leg: Leg, then: Callable[[Call], None] = lambda _: None) -> None:
        """Dial a call made with this switchboard and let `leg` act until it is over.

        Returns at once. `then` is called when the call is over. With threads the call has one of
        its own; without, it goes on in `run_pending`, as far as it can without others.
        """
        if self.threads:
            self._thread(call, leg, then)
            return

        def go_on() -> None:
            if not call.ended and step(call, leg):
                then(call)

        call.mailbox.on_post = lambda: self.background.add(0, go_on)
        self.background.add(0, go_on)

    def run_pending(self) -> int:
        """Do all that is to be done now, for a switchboard without threads."""
        return self.background.run_pending()

    def live(self, call_sid: str) -> Party | None:
        with self._lock:
            return self._live.get(call_sid)

    def live_calls(self) -> list[Party]:
        with self._lock:
            return list(self._live.values())

    def redirect(
        self, call_sid: str, url: str = "", *, method: str = "POST", twiml: str = ""
    ) -> bool:
        """Have a live call play another document, wherever it is; False when it is not live."""
        return self._order(call_sid, Redirect(url, method, twiml))

    def complete(self, call_sid: str) -> bool:
        """End a live call, as the REST parameter does; False when it is not live."""
        return self._order(call_sid, Complete())

    def drop(self, call_sid: str) -> bool:
        """Let the person at the call's end hang up; False when it is not live."""
        return self._order(call_sid, Drop())

    def mute(self, call_sid: str, *, on: bool) -> bool:
        """Mute a live call where it is, and where it comes to, or let it be heard.

        False where it is in no conference now.
        """
        with self._lock:
            if not on:
                self._silent.discard(call_sid)
            elif call_sid in self._live:
                self._silent.add(call_sid)
            conference = self._talking.get(call_sid)
            if conference is None:
                return False
            self.change(conference, conference.participants[call_sid], muted=on)
            return True

    def _order(self, call_sid: str, order: Order) -> bool:
        call = self.live(call_sid)
        if call is None:
            return False
        call.mailbox.post(order)
        return True

    # What calls ask; see `Lines`

    def enter(self, call: Party) -> None:
        now = self.clock.now()
        with self._lock:
            self._live[call.sid] = call
        record = self.calls.get(call.sid)
        if record is None:
            record = CallRecord(
                self.account_sid,
                call.sender,
                call.recipient,
                now,
                direction=call.direction,
                sid=call.sid,
            )
            self.calls.add(record)
        if record.status not in FINAL:
            record.status = "in-progress"
            record.start_time = record.start_time or now
            record.date_updated = now
        if not self.threads and isinstance(call, Call) and call.mailbox.on_post is None:
            call.mailbox.on_post = partial(self.background.add, 0, call.obey)

    def over(self, call: Party) -> None:
        self.leave_queue(call)
        self.leave_conference(call, HUNG_UP)
        with self._lock:
            self._live.pop(call.sid, None)
            self._silent.discard(call.sid)
        record = self.calls.get(call.sid)
        if record is not None and record.status not in FINAL:
            now = self.clock.now()
            record.status = call.status if call.status in FINAL else "completed"
            record.end_time = record.date_updated = now
            record.duration = call.duration_s if isinstance(call, Call) else 0
        self.never_came(call.sid, call.status)

    def enqueue(self, call: Party, queue: str) -> str:
        if self.faults.system_error:
            raise QueueRefused("system-error")
        with self._lock:
            found = self.queue_named(queue) or self.make_queue(queue)
            if found.full or self.faults.queue_full:
                raise QueueRefused("queue-full", found.sid)
            found.enter(call, self.clock.now())
            self._waiting[call.sid] = found
            return found.sid

    def figures(self, call: Party) -> dict[str, str]:
        now = self.clock.now()
        with self._lock:
            queue = self._waiting.get(call.sid)
            if queue is None:
                return {}
            waited = (now - queue.members[call.sid].since).total_seconds()
            return {
                "QueueSid": queue.sid,
                "QueuePosition": str(queue.position(call.sid)),
                "QueueTime": str(int(waited)),
                "AvgQueueTime": str(queue.average_s(now)),
                "CurrentQueueSize": str(len(queue.members)),
                "MaxQueueSize": str(queue.max_size),
            }

    def leave_queue(self, call: Party) -> bool:
        with self._lock:
            queue = self._waiting.pop(call.sid, None)
            if queue is not None:
                del queue.members[call.sid]
            return queue is not None

    def join(self, call: Party, wish: Wish) -> Seat:
        with self._lock:
            conference = self.conference_for(wish.name)
            if wish.coach and wish.coach not in conference.participants:
                raise NoSeat(f"{wish.coach} is not in the conference")
            if len(conference.participants) >= wish.most:
                raise NoSeat("the conference is full")
            if conference.callback is None:
                conference.callback = wish
            label = conference.expected.pop(call.sid, "")
            member = Participant(
                call,
                wish,
                self.clock.now(),
                muted=wish.muted or call.sid in self._silent,
                coaching=wish.coach,
                end=wish.end,
                label=label or wish.label,
            )
            conference.participants[call.sid] = member
            self._talking[call.sid] = conference
            self._tell(conference, "participant-join", member)
            if conference.ready:
                conference.status = "in-progress"
                self._tell(conference, "conference-start")
            self._changed(conference, but=call.sid)
            if wish.beep in {"true", "onEnter"}:
                self._beep(conference)
            return member.seat(conference)

    def bridge(
        self, call: Party, to: str, caller_id: str, timeout_s: int
    ) -> tuple[Seat, str] | None:
        """See `Lines`: the two meet in a conference that nobody else is told of."""
        if self.dialler is None:
            return None
        record = CallRecord(
            self.account_sid,
            caller_id,
            to,
            self.clock.now(),
            direction="outbound-dial",
            timeout_s=timeout_s,
            parent_sid=call.sid,
        )
        name = f"{BRIDGE}{record.sid}"
        record.twiml = (
            '<Response><Dial><Conference beep="false" endConferenceOnExit="true">'
            f"{name}</Conference></Dial></Response>"
        )
        with self._lock:
            seat = self.join(call, Wish(name, end=True, beep="false"))
            self.expect(self.conference_for(name), record.sid, "")
        self.calls.add(record)
        self.dialler.begin(record)
        return seat, record.sid

    def leave_conference(self, call: Party, reason: str) -> None:
        with self._lock:
            conference = self._talking.get(call.sid)
            if conference is not None:
                self._leave(conference, conference.participants[call.sid], reason)

    def pass_time(self, call: Party, seconds: float) -> None:
        call.pass_time(seconds)
        if self.threads and not call.own_pace:
            call.mailbox.wait(seconds)

    def length(self, url: str) -> float | None:
        return self._recordings.length(url)

    # Queues, for the REST paths

    def make_queue(self, name: str, max_size: int | None = None) -> Queue:
        """Make a queue; raises ValueError when there is one of that name."""
        with self._lock:
            if self.queue_named(name) is not None:
                raise ValueError(f"there is a queue named {name!r}")
            queue = Queue(self.account_sid, name, self.clock.now())
            queue.max_size = queue.max_size if max_size is None else max_size
            self._queues[queue.sid] = queue
            return queue

    def queue_resource(self, queue: Queue) -> dict[str, Any]:
        with self._lock:
            return queue.resource(self.clock.now())

    def queue(self, sid: str) -> Queue | None:
        with self._lock:
            return self._queues.get(sid)

    def queue_named(self, name: str) -> Queue | None:
        with self._lock:
            return next((q for q in self._queues.values() if q.name == name), None)

    def queues(self) -> list[Queue]:
        """Return all queues, the oldest first."""
        with self._lock:
            return list(self._queues.values())

    def change_queue(self, queue: Queue, *, name: str = "", max_size: int | None = None) -> None:
        with self._lock:
            queue.name = name or queue.name
            queue.max_size = queue.max_size if max_size is None else max_size
            queue.date_updated = self.clock.now()

    def members(self, sid: str) -> list[tuple[str, dict[str, Any]]]:
        """Return the call and the resource of everybody in a queue, the front first."""
        now = self.clock.now()
        with self._lock:
            queue = self._queues[sid]
            return [
                (call_sid, queue.member_resource(call_sid, now, position))
                for position, call_sid in enumerate(queue.members, 1)
            ]

    def delete_queue(self, sid: str) -> bool:
        """Forget an empty queue; False when calls wait in it."""
        with self._lock:
            if self._queues[sid].members:
                return False
            del self._queues[sid]
            return True

    def take(
        self, queue_sid: str, call_sid: str, url: str, method: str = "POST"
    ) -> dict[str, Any] | None:
        """Take a call (or `Front`) out of a queue and have it play `url`.

        Returns the member as it was, or None when there is no such member any more.
        """
        with self._lock:
            queue = self._queues.get(queue_sid)
            if queue is None:
                return None
            sid = queue.front if call_sid == "Front" else call_sid
            if sid not in queue.members:
                return None
            resource = queue.member_resource(sid, self.clock.now())
            call = queue.members.pop(sid).call
            self._waiting.pop(sid, None)
        call.mailbox.post(Redirect(url, method))
        return {**resource, "position": 0}

    # Conferences, for the REST paths

    def conference_for(self, name: str) -> Conference:
        """Return the live conference of that name, made if need be."""
        with self._lock:
            found = self.conference_named(name)
            if found is not None:
                return found
            conference = Conference(self.account_sid, name, self.clock.now())
            self._conferences[conference.sid] = conference
            over = [c.sid for c in self._conferences.values() if c.status == "completed"]
            for sid in over[: max(0, len(over) - KEPT_CONFERENCES)]:
                del self._conferences[sid]
            return conference

    def conference(self, sid: str) -> Conference | None:
        """Return the conference of that SID, live or over, or None."""
        with self._lock:
            return self._conferences.get(sid)

    def conference_named(self, name: str) -> Conference | None:
        """Return the live conference of that name, or None."""
        with self._lock:
            return next(
                (
                    conference
                    for conference in reversed(self._conferences.values())
                    if conference.name == name and conference.status != "completed"
                ),
                None,
            )

    def conferences(self) -> list[Conference]:
        """Return all conferences, the newest first."""
        with self._lock:
            found = reversed(self._conferences.values())
            return [one for one in found if not one.name.startswith(BRIDGE)]

    def participant(self, conference: Conference, call_sid_or_label: str) -> Participant | None:
        """Return the participant of that call or of that label, or None."""
        with self._lock:
            return conference.find(call_sid_or_label)

    def participants(self, conference: Conference) -> list[tuple[str, dict[str, Any]]]:
        """Return the call and the resource of everybody in a conference, in order."""
        with self._lock:
            return [
                (sid, conference.participant_resource(member))
                for sid, member in conference.participants.items()
            ]

    def expect(self, conference: Conference, call_sid: str, label: str) -> None:
        """Take note that a call was dialled for a conference; it is not there before it joins."""
        with self._lock:
            conference.expected[call_sid] = label

    def end_conference(self, conference: Conference) -> None:
        with self._lock:
            if conference.status != "completed":
                self._end(conference, "conference-ended-via-api", None)

    def kick(self, conference: Conference, participant: Participant) -> None:
        """Take a participant out, if still there: its <Dial> is over."""
        with self._lock:
            if participant.call.sid not in conference.participants:
                return
            self._leave(conference, participant, "participant_updated_via_api", kicked=True)
            participant.call.mailbox.post(Released(conference.sid))

    def change(
        self,
        conference: Conference,
        participant: Participant,
        *,
        muted: bool | None = None,
        hold: bool | None = None,
        hold_url: str = "",
        hold_method: str = "GET",
        end: bool | None = None,
        coaching: bool | None = None,
        coached: str = "",
    ) -> None:
        """Change what is given. Raises NoSeat when whoever is to be coached is not there."""
        with self._lock:
            if participant.call.sid not in conference.participants:
                return
            if coached and coached not in conference.participants:
                raise NoSeat(f"{coached} is not in the conference")
            participant.date_updated = self.clock.now()
            if hold is not None:
                participant.hold_url, participant.hold_method = hold_url, hold_method
                if hold != participant.hold:
                    participant.hold = hold
                    self._tell(conference, f"participant-{'' if hold else 'un'}hold", participant)
            if muted is not None and muted != participant.muted:
                participant.muted = muted
                self._tell(conference, f"participant-{'' if muted else 'un'}mute", participant)
            before = participant.coaching, participant.end
            if coaching is False:
                participant.coaching = ""
            elif coached:
                participant.coaching = coached
            if end is not None:
                participant.end = end
            if before != (participant.coaching, participant.end):
                self._tell(conference, "participant-modify", participant)
            participant.call.mailbox.post(Seated(participant.seat(conference)))

    def announce(
        self, conference: Conference, url: str, method: str, to: Participant | None = None
    ) -> None:
        """Play a document to one participant, or to all."""
        with self._lock:
            for participant in [to] if to else conference.participants.values():
                participant.call.mailbox.post(Announce(url, method))
            self._tell(conference, "announcement-end", to, AnnounceUrl=url)

    # Inside

    def _thread(self, call: Call, leg: Leg, then: Callable[[Call], None]) -> None:
        def run() -> None:
            try:
                drive(call, leg)
            except Exception:
                # One call's trouble must not keep its number in the queue for ever.
                log.exception("a call of the switchboard failed")
                call.ended, call.end_reason = True, "application-error"
                self.over(call)
            then(call)

        spawn(run)

    def _leave(
        self,
        conference: Conference,
        member: Participant,
        reason: str,
        *,
        kicked: bool = False,
    ) -> None:
        self._left(conference, member, reason)
        how = "kicked" if kicked else "left"
        if member.end:
            self._end(conference, f"participant-with-end-conference-on-exit-{how}", member)
        elif not conference.participants and not conference.expected:
            self._end(conference, f"last-participant-{how}", member)
        else:
            self._changed(conference)
            if member.wish.beep in {"true", "onExit"}:
                self._beep(conference)

    def _left(self, conference: Conference, member: Participant, reason: str) -> None:
        del conference.participants[member.call.sid]
        del self._talking[member.call.sid]
        status = "completed" if reason == HUNG_UP else "in-progress"
        more = {"ParticipantCallStatus": status, "ReasonParticipantLeft": reason}
        self._tell(conference, "participant-leave", member, **more)

    def _end(self, conference: Conference, reason: str, by: Participant | None) -> None:
        via_api = reason == "conference-ended-via-api"
        why = "conference_ended_via_api" if via_api else "moderator_ended_conference"
        for member in list(conference.participants.values()):
            self._left(conference, member, why)
            member.call.mailbox.post(Released(conference.sid))
        conference.status, conference.reason_ended = "completed", reason
        conference.ended_by = None if by is None else by.call.sid
        expected = [record for sid in conference.expected if (record := self.calls.get(sid))]
        conference.expected.clear()
        if self.dialler is not None and conference.name.startswith(BRIDGE):
            for record in expected:
                self.background.add(0, partial(self.dialler.end, record, "completed"))
        more = {"CallSidEndingConference": by.call.sid} if by else {}
        if by and by.label:
            more["ParticipantLabelEndingConference"] = by.label
        sentence = f"{by.call.sid if by else 'The API'} ended the conference: {reason}"
        more |= {"ReasonConferenceEnded": reason, "Reason": sentence}
        self._tell(conference, "conference-end", None, **more)

    def never_came(self, call_sid: str, status: str) -> None:
        """Take note that a call is over, for a conference that it was dialled for."""
        with self._lock:
            for conference in self._conferences.values():
                if conference.expected.pop(call_sid, None) is None:
                    continue
                self._tell(
                    conference,
                    "participant-leave",
                    CallSid=call_sid,
                    ParticipantCallStatus=status,
                    ReasonParticipantLeft="participant_add_failed",
                )
                bridge = conference.name.startswith(BRIDGE)
                for member in conference.participants.values() if bridge else ():
                    member.call.mailbox.post(Released(conference.sid, status))
                if bridge or not (conference.participants or conference.expected):
                    self._end(conference, "last-participant-left", None)

    def _changed(self, conference: Conference, but: str = "") -> None:
        for sid, member in conference.participants.items():
            if sid != but:
                member.call.mailbox.post(Seated(member.seat(conference)))

    @staticmethod
    def _beep(conference: Conference) -> None:
        for member in conference.participants.values():
            member.call.mailbox.post(Beep())

    def _tell(
        self,
        conference: Conference,
        event: str,
        member: Participant | None = None,
        **more: str,
    ) -> None:
        wish = conference.callback
        conference.date_updated = self.clock.now()
        if wish is None or not wish.callback_url or kind_of(event) not in wish.events:
            return
        conference.sequence += 1
        if self.faults.drops(event):
            return
        conference.outbox.append(
            {
                "ConferenceSid": conference.sid,
                "FriendlyName": conference.name,
                "AccountSid": conference.account_sid,
                "SequenceNumber": str(conference.sequence),
                "Timestamp": format_datetime(self.clock.now()),
                "StatusCallbackEvent": event,
                **(member.form() if member else {}),
                **more,
            }
        )
        if len(conference.outbox) == 1:
            self.background.add(0, lambda: self._post(conference, wish))

    def _post(self, conference: Conference, wish: Wish) -> None:
        """Send the oldest event; the next one when it was taken, so that they come in order."""

        def go_on() -> None:
            with self._lock:
                conference.outbox.popleft()
                more = bool(conference.outbox)
            if more:
                self.background.add(0, lambda: self._post(conference, wish))

        event, what = conference.outbox[0], f"an event of {conference.sid}"
        self.callbacks.tell(wish.callback_url, event, what, go_on, method=wish.callback_method)


def kind_of(event: str) -> str:
    """Return the word of `statusCallbackEvent` that an event falls under."""
    what, _, happened = event.partition("-")
    if what == "announcement":
        return what
    return happened.removeprefix("un")


_spawning = threading.Lock()


def spawn(run: Callable[[], None]) -> threading.Thread:
    """Start a daemon thread with a small stack."""
    with _spawning:
        before = threading.stack_size(STACK)
        try:
            thread = threading.Thread(target=run, daemon=True)
            thread.start()
        finally:
            threading.stack_size(before)
    return thread
