"""After a restore: nothing leaves until it is known what left before the store was lost.

A store that comes back from a back-up means to send what it had sent meanwhile, and knows nothing
of who booked meanwhile. The provider knows what left. So everything that leaves is frozen, the
provider's own lists since the back-up are compared with the store, and only then it goes on:

- A text that waits in the outbox and that the provider has sent is marked as sent.
- A text that says of a booking what the store says of it needs nothing.
- Any other text that tells of a booking is a case for an agent, with its words. What the store
  still means to send about that booking is dropped, for its person was told something else since.
- A promise whose number was rung since, and answered, is a case instead of another call; so is a
  call from or to a number that takes no texts, of which the store knows nothing.
- Everything else stays to be sent.

Every text is a transaction of its own. What was looked at is found again by the provider's id, so
that this may be stopped, and done again, at any time.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import islice
from typing import Final, TypeVar

import structlog

from models.booking import changes
from models.booking.changes import BookingDetails
from models.centres.centres import centre_states
from models.clock import FixedClock
from models.crypto import CannotOpen
from models.database import STORE_ERRORS, Connection, unhurried
from models.desk import lost_texts
from models.desk.lost_texts import CAME, RANG, TEXT, LostText
from models.messages import freezes, outbox
from models.messages.freezes import OutboxFreeze
from models.messages.outbox import FAILING, SENT_BODY, ClaimedMessage
from models.operations import processes, restores
from models.operations.restores import RESTORED
from models.queue import callbacks
from models.supervision import alerts
from services.campaign.campaign import Campaign
from services.messages import reminders, told_texts
from services.messages.deliver_message import SMS, DeliveryDependencies
from services.messages.notices import ReadyNotice
from services.messages.phone_capabilities import PhoneKind, kind_of_number, takes_texts
from services.messages.sms_parts import parts
from services.messages.write_message import open_case
from services.ports import ListedCall, ListedText, ProviderLog
from services.refused import OperatorRefused
from services.store import Store

# The kind of the cases that are opened here.
CASE: Final = "restored"
ALERT: Final = "outbox_frozen"
# A store that was written to so lately does not say by itself when its back-up was taken.
LATELY: Final = timedelta(minutes=2)
# A call from a number without texts that is shorter booked nothing.
LEAST_BOOKING: Final = timedelta(seconds=60)
# Ids that are looked up in one statement.
_AT_ONCE = 200
_T = TypeVar("_T")

log = structlog.get_logger()


class RestoreRefused(OperatorRefused):
    """One sentence for the operator."""


# ---------------------------------------------------------------- the freeze


@dataclass(frozen=True)
class Begun:
    """`is_new`: nothing was frozen before. `being_sent`: messages a relay may be sending still.

    `processes` of the back-up had not ended; they are over.
    """

    freeze: OutboxFreeze
    is_new: bool
    being_sent: int
    waiting: int
    processes: int = 0


def begin(store: Store, by: str, since: datetime | None = None) -> Begun:
    """Let nothing leave from now on, in any process of any machine. Again changes nothing.

    `since` (UTC) is from when the provider is asked later; None: from the newest moment that the
    store knows. Raises RestoreRefused where that cannot be the moment of the back-up.
    """
    with store.database.transaction() as connection:
        unhurried(connection)
        if since is None and freezes.current(connection) is None:
            since = _newest(connection, store)
        made = since is not None and freezes.begin(
            connection, store.clock, store.chance.identifier(), since=since, by=by
        )
        waiting = freezes.waiting(connection)
        # Else they would be looked for, and rung about, as killed.
        over = processes.end_all(connection, store.clock) if made else 0
        alerts.begin(
            connection,
            store.clock,
            store.chance.identifier(),
            name=ALERT,
            value=waiting,
            threshold=0,
        )
    try:
        freezes.wait_for_claims(store.database)
    except STORE_ERRORS as error:
        raise RestoreRefused(
            "nothing is claimed any more, but a transaction that began before does not end"
            f" ({type(error).__name__}): run it again, until it says what may be leaving"
        ) from None
    with store.database.statement() as connection:
        found = freezes.current(connection)
        being_sent = freezes.being_sent(connection, store.clock)
    if found is None:
        raise RestoreRefused("the freeze was ended at this very moment; begin again")
    log.warning("outbox frozen", since=found.since_at.isoformat(), by=by)
    return Begun(found, made, being_sent, waiting, over)


def _newest(connection: Connection, store: Store) -> datetime:
    found = restores.newest_moment(connection)
    if found is None:
        raise RestoreRefused(
            "this store knows of no call, booking or message: say with --since from when the"
            " provider is to be asked"
        )
    if store.clock.now() - found < LATELY:
        raise RestoreRefused(
            f"this store was written to at {_told(found)}, so it does not say when its back-up was"
            " taken: say it with --since (the name of its file has it)"
        )
    return found


def end(store: Store, by: str, *, anyway: bool = False) -> int:
    """Let everything leave again; gives how many messages wait. Raises RestoreRefused.

    `anyway`: though the provider's lists were not compared, so that texts may come twice.
    """
    with store.database.transaction() as connection:
        freeze = _frozen(connection)
        if freeze.reconciled_at is None and not anyway:
            raise RestoreRefused(
                "what left before is not compared yet, so people would be texted twice: run"
                " `flask restore reconcile` first, or say --anyway"
            )
        freezes.end(connection, store.clock, by)
        alerts.end(connection, store.clock, ALERT)
        waiting = freezes.waiting(connection)
    log.warning("outbox free", by=by, reconciled=freeze.reconciled_at is not None)
    return waiting


@dataclass(frozen=True)
class Status:
    """`freeze` None: there never was one."""

    freeze: OutboxFreeze | None
    being_sent: int
    waiting: int

    @property
    def lasts(self) -> bool:
        return self.freeze is not None and self.freeze.ended_at is None


def status(store: Store) -> Status:
    """Whether anything is frozen, and what waits."""
    with store.database.statement() as connection:
        return Status(
            freezes.newest(connection),
            freezes.being_sent(connection, store.clock),
            freezes.waiting(connection),
        )


def nothing_leaves(store: Store) -> str:
    """The sentence for as long as a freeze lasts; empty where there is none."""
    with store.database.statement() as connection:
        freeze = freezes.current(connection)
    return sentence(freeze) if freeze is not None else ""


def sentence(freeze: OutboxFreeze) -> str:
    """What machines and operators are told while a freeze lasts."""
    done = (
        "compared with the provider: flask restore end"
        if freeze.reconciled_at
        else "not compared yet: flask restore reconcile"
    )
    return f"texts and call backs are frozen since {_told(freeze.began_at)}, {done}"


def _frozen(connection: Connection) -> OutboxFreeze:
    freeze = freezes.current(connection)
    if freeze is None:
        raise RestoreRefused("nothing is frozen: run `flask restore begin` first")
    return freeze


def _told(moment: datetime) -> str:
    return moment.isoformat(timespec="seconds")


# ---------------------------------------------------------------- comparing


@dataclass(frozen=True)
class _Verdict:
    """What becomes of one text or call. `became` is a word of the report.

    `marks` are messages that are sent by it, `drops` those that do not leave, `ends` promises that
    are not kept by a machine any more; `case` is whether an agent looks at it, and `booking_id` the
    booking it speaks of, where the store knows it.
    """

    became: str
    marks: tuple[str, ...] = ()
    drops: tuple[str, ...] = ()
    ends: tuple[str, ...] = ()
    case: bool = False
    booking_id: str | None = None


class _OnlyLooked(Exception):
    """A dry run is done with one text or call."""


Progress = Callable[[int], None]


def _no_progress(_count: int) -> None:
    """No operator watches."""


@dataclass
class Reconciler:
    """Compares what the provider lists with what the store means to send."""

    store: Store
    listed: ProviderLog
    means: DeliveryDependencies
    campaigns: Callable[[], Iterable[Campaign]]
    dry_run: bool = False
    watch: Progress = _no_progress
    counts: Counter[str] = field(default_factory=Counter)
    # What a dry run would have changed before.
    _taken: set[str] = field(default_factory=set)
    _numbers: set[str] = field(default_factory=set)
    _then: FixedClock | None = None
    _staff: frozenset[str] = frozenset()

    def run(self, since: datetime | None = None) -> Mapping[str, int]:
        """Compare everything since the back-up; gives counts by word. Again counts what is new.

        Raises RestoreRefused, and what the lists raise; what was done before stays done.
        """
        store = self.store
        with store.database.statement() as connection:
            freeze = _frozen(connection)
            if freezes.being_sent(connection, store.clock):
                raise RestoreRefused(
                    "messages that were claimed before the freeze may be leaving at this moment:"
                    " try again in half a minute"
                )
            self._staff = restores.staff_numbers(connection, store.vault)
        if not self.dry_run:
            # What was planned after the back-up is unknown here, and would be written after the
            # freeze: it must be there to be found.
            reminders.plan(store, self.campaigns())
        since = since or freeze.since_at
        for texts in _portions(self.listed.texts(since)):
            self._look_at_texts(texts)
        for calls in _portions(self.listed.calls(since)):
            self._look_at_calls(calls)
        if not self.dry_run:
            with store.database.transaction() as connection:
                freezes.note(
                    connection, store.clock, freeze.id, _sum(freeze.counts, self.counts),
                    complete=True,
                )  # fmt: skip
        return dict(self.counts)

    @contextmanager
    def _transaction(self) -> Iterator[Connection]:
        """One for each text and call; a dry run takes back what it did in it."""
        with suppress(_OnlyLooked), self.store.database.transaction() as connection:
            yield connection
            if self.dry_run:
                raise _OnlyLooked

    # ------------------------------------------------------------ texts

    def _look_at_texts(self, texts: list[ListedText]) -> None:
        with self.store.database.statement() as connection:
            known = restores.texts_known(connection, [one.sid for one in texts])
        self.counts["texts"] += len(texts)
        for text in texts:
            if text.sid in known:
                self.counts["texts_known"] += 1
                continue
            with self._transaction() as connection:
                verdict = self._judge_text(connection, text)
                self._apply(connection, verdict, _lost_of(text))
                self._mark(connection, verdict, text)
            self.counts[verdict.became] += 1
        self.watch(len(texts))

    def _judge_text(self, connection: Connection, text: ListedText) -> _Verdict:
        sent = self._sent_by(connection, text)
        if sent is not None:
            return _Verdict("texts_marked", marks=(sent,))
        name = told_texts.name_of_words(text.body)
        if name in told_texts.PASSING or text.body == "":
            return _Verdict("texts_passing")
        if name.startswith("callback"):
            return self._judge_promise(connection, text, name)
        file = self._booking_in(connection, text.body)
        if file is not None and self._says_what_is(connection, text.body, name, file):
            return _Verdict("texts_true", booking_id=file.id)
        if file is None:
            return _Verdict("texts_to_cases", case=True)
        drops = tuple(restores.unsent_of(connection, file.id))
        return _Verdict("texts_to_cases", drops=drops, case=True, booking_id=file.id)

    def _judge_promise(self, connection: Connection, text: ListedText, name: str) -> _Verdict:
        """A text about a call to come is true as long as the store has the promise of one."""
        promised = restores.promises_to(connection, self.store.vault, text.recipient)
        if name not in told_texts.PROMISING or promised:
            return _Verdict("texts_passing")
        return _Verdict("texts_to_cases", case=True)

    def _sent_by(self, connection: Connection, text: ListedText) -> str | None:
        """The message of the outbox that this text is, if it waits there."""
        try:
            waiting = restores.unsent_to(connection, self.store.vault, text.recipient)
        except CannotOpen:
            return None
        left = [one for one in waiting if one.id not in self._taken]
        for one in left:
            written = one.payload.get("body", "") if one.kind == SMS else ""
            if text.body in {one.payload.get(SENT_BODY), written}:
                return one.id
        for one in left:
            if text.body in self._words(connection, one, text.at):
                return one.id
        return None

    def _words(
        self, connection: Connection, message: ClaimedMessage, then: datetime
    ) -> Iterator[str]:
        """What a message would say now, and what it said when the text left."""
        if self._then is None:
            self._then = FixedClock(then)
        self._then.moment = then
        for store in (self.store, replace(self.store, clock=self._then)):
            ready = self.means.render(connection, store, message)
            if isinstance(ready, ReadyNotice) and ready.text:
                yield ready.text

    def _booking_in(self, connection: Connection, body: str) -> BookingDetails | None:
        """The booking whose reference stands in a text, where the store knows it."""
        vault = self.store.vault
        for reference in told_texts.references_in(body):
            found = changes.id_by_reference(connection, vault, reference)
            if found is not None:
                return changes.load(connection, vault, found)
        return None

    def _says_what_is(
        self, connection: Connection, body: str, name: str, file: BookingDetails
    ) -> bool:
        states = centre_states(connection, sorted({one.centre_id for one in file.live}))
        zones = {one: state.time_zone for one, state in states.items()}
        return told_texts.says_what_is(body, name, file, zones)

    def _mark(self, connection: Connection, verdict: _Verdict, text: ListedText) -> None:
        clock = self.store.clock
        for message_id in verdict.marks:
            outbox.sent(connection, clock, message_id, text.sid, parts(text.body))
            if text.status in FAILING or text.status == "delivered":
                outbox.move_state(
                    connection, clock, message_id, text.status, error_code=text.error_code or None
                )

    # ------------------------------------------------------------ calls

    def _look_at_calls(self, calls: list[ListedCall]) -> None:
        with self.store.database.statement() as connection:
            known = restores.calls_known(connection, [one.sid for one in calls])
        self.counts["calls"] += len(calls)
        for call in calls:
            if call.sid in known:
                self.counts["calls_known"] += 1
                continue
            with self._transaction() as connection:
                verdict = self._judge_call(connection, call)
                lost = LostText(
                    "", "", RANG if call.is_ours else CAME, call.sid, call.other, "", call.at
                )
                self._apply(connection, verdict, lost)
            self.counts[verdict.became] += 1
        self.watch(len(calls))

    def _judge_call(self, connection: Connection, call: ListedCall) -> _Verdict:
        number, vault = call.other, self.store.vault
        if not number or number.startswith("client:") or number in self._staff:
            return _Verdict("calls_of_ours" if number else "calls_withheld")
        if not call.is_over:
            return _Verdict("calls_unanswered")
        # A person who takes texts has one about what was booked.
        untold = not takes_texts(number) and kind_of_number(number) is not PhoneKind.NONE
        if not call.is_ours:
            long = timedelta(seconds=call.seconds) >= LEAST_BOOKING
            told = long and untold
            return _Verdict("calls_to_cases", case=True) if told else _Verdict("calls_passing")
        ends = tuple(restores.promises_to(connection, vault, number))
        # What a call was to tell may be what it told.
        drops = self._by_call_alone(connection, number) if untold else ()
        if ends or drops or untold:
            return _Verdict("calls_to_cases", drops=drops, ends=ends, case=True)
        return _Verdict("calls_passing")

    def _by_call_alone(self, connection: Connection, number: str) -> tuple[str, ...]:
        waiting = restores.unsent_to(connection, self.store.vault, number)
        return tuple(one.id for one in waiting if one.id not in self._taken)

    # ------------------------------------------------------------ what is done

    def _apply(self, connection: Connection, verdict: _Verdict, lost: LostText) -> None:
        clock = self.store.clock
        fresh = [one for one in verdict.drops if one not in self._taken]
        self._taken |= {*verdict.marks, *verdict.drops}
        self.counts["dropped"] += restores.drop(connection, clock, fresh)
        for entry_id in set(verdict.ends) - self._taken:
            self._taken.add(entry_id)
            ended = callbacks.end(connection, clock, entry_id, "left", RESTORED, only=("waiting",))
            self.counts["promises_ended"] += ended
        if verdict.case:
            self._open(connection, verdict, lost)

    def _open(self, connection: Connection, verdict: _Verdict, lost: LostText) -> None:
        """A case for each number, however many texts it had."""
        store = self.store
        case_id = lost_texts.open_case_of(connection, store.vault, lost.number, CASE)
        if case_id is None:
            case_id = open_case(connection, store, CASE, "", booking_id=verdict.booking_id)
            self.counts["cases"] += lost.number not in self._numbers
            self._numbers.add(lost.number)
        new = replace(lost, id=store.chance.identifier(), case_id=case_id)
        lost_texts.add(connection, store.clock, store.vault, new)


def _lost_of(text: ListedText) -> LostText:
    return LostText("", "", TEXT, text.sid, text.recipient, text.body, text.at)


def _portions(listed: Iterator[_T]) -> Iterator[list[_T]]:
    while some := list(islice(listed, _AT_ONCE)):
        yield some


def _sum(before: Mapping[str, int], more: Mapping[str, int]) -> dict[str, int]:
    """Counts of several runs together; what was listed is that of the last."""
    listed = {"texts", "texts_known", "calls", "calls_known"}
    return {
        name: more.get(name, 0) + (0 if name in listed else before.get(name, 0))
        for name in {*before, *more}
    }
