"""Deliver one message of the outbox: claim it, make its words, choose its way, note what came.

The way: a text where the line takes texts, else a call, else a case for an agent. Hours and the cap
of a number may put a message off or turn it to a call; they never touch the first confirmation of a
booking (services.messages.topics). Last of all, every text passes the budgets of the day
(services.messages.spend): what they refuse is told by a call where its person has not heard or seen
it yet, else it is held back until the next day, or until a supervisor sends it. A message that may
have reached the provider already is looked up there before anything is sent again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import structlog

from models.crypto import CannotOpen
from models.database import Connection
from models.messages import claims, look_ups, outbox
from models.messages.outbox import FOLLOW_UP, MAIL, RESEND, SENT_BODY, ClaimedMessage
from models.supervision import alerts
from models.waiting_list.offers import TOO_LATE
from services import tracing
from services.campaign.call_hours import next_call_at, next_text_at
from services.campaign.campaign import Campaign
from services.messages import delivery_failures, spend
from services.messages.change_notices import as_written
from services.messages.delivery_failures import ForSomebody
from services.messages.mails import Mails
from services.messages.notices import PARTNER, Arrange, CallPlan, Later, ReadyNotice, Render
from services.messages.phone_capabilities import (
    REFUSAL,
    PhoneCapabilities,
    PhoneKind,
    given_anew,
    line_from,
    line_of,
    look_up_line,
    remember_kind,
)
from services.messages.provider_pace import ProviderPace
from services.messages.retry_plan import LONGEST_RETRY, next_try
from services.messages.sms_parts import parts
from services.messages.spend import Budgets, Charge, Over
from services.messages.topics import OF_THE_DAY, UNCAPPED, Manner, Topic, manner_of, topic_of
from services.messages.write_message import open_case
from services.numbers.numbers import Numbers
from services.ports import Busy, LineTypes, Messenger, NoAnswer, ProviderRefused
from services.store import Store
from services.telemetry import MESSAGES

SMS = "sms"
# The kind of a call that reads the present appointment: an agent asked for it.
VOICE = "voice"
# In the order in which they are claimed; each as often as the others.
KINDS = (
    SMS,
    "booking_changed",
    "booking_cancelled",
    "case",
    "waiting_offer",
    "reminder",
    "evening",
    "callback",
    "booked_already",
    VOICE,
    RESEND,
    FOLLOW_UP,
    PARTNER,
    MAIL,
)
# Longer than the provider's client waits (8 s to connect, 8 s for an answer), short enough for a
# lost worker's message to be sent by another within a minute.
LEASE = timedelta(seconds=25)
# A message about a booking that did not leave within this is written anew: it may have changed.
STALE = timedelta(minutes=1)
# A number to which another promise is live is tried again after this long.
LINE_TAKEN = timedelta(minutes=15)
# The period in which a number's texts are counted.
_DAY = timedelta(days=1)
# What is delivered first where texts are paced: finished texts, whose people wait for them.
FIRST_KINDS = (SMS, "booked_already")
# What became of a message that got no permit at the provider's pace.
PACED = "pace"
# Why a message of OF_THE_DAY is dropped that was held back.
NO_USE = "of no use"
# The kind of the case that an undeliverable message leaves.
UNDELIVERED = "undelivered"
# The kind of the case that a message leaves for which there are no words, and the alert.
UNWRITTEN = "unwritten"
# What is raised where a message is not as its words need it: it never will be. An error of the
# database is none of these, and passes.
_NO_WORDS = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError)

log = structlog.get_logger()


@dataclass(frozen=True)
class DeliveryDependencies:
    """What a relay has beside a store and a messenger.

    `notices` say what a message of their kind has become. `arrange` None: nothing is told by call,
    and `campaign` None: no hours and no cap are known (tools, and tests of other things).
    `line_types` None: a line's kind is known only from its number and from earlier deliveries.
    `budgets` None: nothing is counted, as for tools.
    `partner` processes an order at a partner, and gives a word for the log; None: another process
    does. `pace` None: texts leave as they come.
    """

    notices: Mapping[str, Render] = field(default_factory=dict)
    arrange: Arrange | None = None
    campaign: Callable[[], Campaign] | None = None
    line_types: LineTypes | None = None
    budgets: Budgets | None = None
    partner: Callable[[ClaimedMessage], str] | None = None
    pace: ProviderPace | None = None
    # The numbers that people call, which a text comes from; None: the one of the account.
    numbers: Numbers | None = None
    # Delivers a mail, and gives a word for the log; None: no server for mails is set.
    mails: Mails | None = None

    def sender_of(self, claimed: ClaimedMessage) -> str:
        """The sender of a text about it; empty: SMS_SENDER."""
        return self.numbers.of(claimed.called).sender if self.numbers else ""

    def render(
        self, connection: Connection, store: Store, claimed: ClaimedMessage
    ) -> ReadyNotice | Later | None:
        """The present form of a message that is no follow-up; None: it is not needed any more."""
        render = self.notices.get(claimed.kind)
        if render is not None:
            return render(connection, store, claimed)
        if claimed.kind == SMS:
            return as_written(connection, store, claimed)
        # This process has no words for its kind: the message is kept for one that has.
        return Later(_in(store, LINE_TAKEN))

    def still_wanted(self, connection: Connection, store: Store, claimed: ClaimedMessage) -> bool:
        """Whether a message still needs to be told, asked just before its call."""
        root = delivery_failures.root_of(connection, store, claimed)
        return root is not None and isinstance(self.render(connection, store, root), ReadyNotice)


NO_MEANS = DeliveryDependencies()


def deliver_message(
    store: Store,
    messenger: Messenger,
    message_id: str,
    means: DeliveryDependencies = NO_MEANS,
    *,
    late: bool = False,
) -> str:
    """Deliver a message if it is due; returns a word for the log: what came of it.

    `late`: at the provider's pace its text would come too late, so it goes by its other way, if it
    has one; else it waits on.

    Raises nothing for errors of a provider or a network, nor for a message that is faulty.
    """
    try:
        with store.database.transaction() as connection:
            claimed = claims.claim(connection, store.clock, store.vault, message_id, LEASE)
    except CannotOpen:
        return _put_aside(store, message_id)
    if claimed is None:
        return "not due"
    return deliver_claimed(store, messenger, claimed, means, late=late)


def deliver_claimed(
    store: Store,
    messenger: Messenger,
    claimed: ClaimedMessage,
    means: DeliveryDependencies = NO_MEANS,
    *,
    late: bool = False,
) -> str:
    """Deliver a message that was claimed just now; as `deliver_message`."""
    with (
        tracing.of_call(claimed.call_id),
        tracing.span("deliver", message_kind=claimed.kind, message_id=claimed.id),
    ):
        result = _Delivery(store, messenger, means, claimed, late).deliver()
    MESSAGES.labels(claimed.kind, result).inc()
    return result


@dataclass(frozen=True)
class _ToSend:
    """Words to be sent, which are stored already, and the number they go to."""

    recipient: str
    body: str


@dataclass
class _Delivery:
    store: Store
    messenger: Messenger
    means: DeliveryDependencies
    claimed: ClaimedMessage
    # Its text would come too late.
    late: bool = False
    # What was counted for the text that is to go.
    charge: Charge | None = None

    def deliver(self) -> str:
        try:
            if self.claimed.kind in {PARTNER, MAIL}:
                return self._attend()
            if self.claimed.ambiguous:
                looked = self._look_up()
                if looked:
                    return looked
            self._ask_what_line()
            made = self._with_permit(self._make())
            if isinstance(made, str):
                return made
            with tracing.span("provider text"):
                sid = self._send(made)
            return self._note(sid, made.body, "sent")
        except (ProviderRefused, Busy, NoAnswer) as error:
            return self._again(error)
        except Exception as error:  # noqa: BLE001 (one that is not right holds up no other)
            return self._failed(error)

    def _send(self, made: _ToSend) -> str:
        sender = self.means.sender_of(self.claimed)
        # A messenger has a sender of its own, which is left to it.
        more = {"sender": sender} if sender else {}
        return self.messenger.send(self.claimed.id, made.recipient, made.body, **more)

    def _attend(self) -> str:
        """What is no text and no call goes a way of its own."""
        if self.claimed.kind == MAIL:
            return self._mail()
        if self.means.partner is not None:
            return self.means.partner(self.claimed)
        with self.store.database.transaction() as connection:
            return self._put_off(connection, _in(self.store, LINE_TAKEN), "no partner")

    def _mail(self) -> str:
        if self.means.mails is not None:
            return self.means.mails.deliver(self.claimed)
        with self.store.database.transaction() as connection:
            return self._drop(connection, "no way")

    # ------------------------------------------------------------ an earlier try

    def _look_up(self) -> str | None:
        """Settle an earlier try: a word if it left, or is another relay's; None: it is to go."""
        claimed = self.claimed
        written = claimed.payload.get("body", "") if claimed.kind == SMS else ""
        body = str(claimed.payload.get(SENT_BODY) or written)
        if body:
            sid = self.messenger.find(claimed.recipient, body, claimed.created_at)
            if sid is not None:
                return self._note(sid, body, "found")
            # Looking up may have taken most of the lease.
            with self.store.database.transaction() as connection:
                if not outbox.keep(connection, self.store.clock, claimed, LEASE):
                    return "taken over"
        return None

    # ------------------------------------------------------------ the provider's pace

    def _with_permit(self, made: _ToSend | str) -> _ToSend | str:
        """Wait for the permit of a text; where none is near it is put back."""
        pace = self.means.pace
        if isinstance(made, str) or pace is None or not pace.is_set:
            return made
        permit = pace.take(self.store, parts(made.body), first=self.claimed.kind in FIRST_KINDS)
        if permit.given:
            if permit.wait:
                pace.pause(permit.wait.total_seconds())
            return made
        with self.store.database.transaction() as connection:
            self._give_back(connection)
            outbox.await_permit(connection, self.store.clock, self.claimed, permit.wait, PACED)
        return PACED

    # ------------------------------------------------------------ its words and its way

    def _ask_what_line(self) -> None:
        """Let the provider tell the kind of a line that is not known yet; never needed to go on."""
        claimed, types = self.claimed, self.means.line_types
        if types is not None and claimed.recipient:
            learnt = look_up_line(self.store, types, claimed.recipient, claimed.line)
            self.claimed = replace(claimed, line=learnt)

    def _make(self) -> _ToSend | str:
        """What is to be sent; or a word for what became of it without that."""
        claimed = self.claimed
        if claimed.kind == SMS and not self.late and self._goes_at_once():
            return self._at_once(str(claimed.payload["body"]))
        try:
            with self.store.database.transaction() as connection:
                return self._make_in(connection)
        except _TakenOver:
            return "taken over"

    def _at_once(self, body: str) -> _ToSend | str:
        """A finished text that needs no further look, within its budgets."""
        if self.means.budgets is None:
            return _ToSend(self.claimed.recipient, body)
        database = self.store.database
        # Counted by one statement of its own: no transaction holds the day's row for longer.
        with database.statement() as connection:
            over = self._charge(connection, body)
        if over is None:
            return _ToSend(self.claimed.recipient, body)
        with database.transaction() as connection:
            return self._hold(connection, over)

    def _goes_at_once(self) -> bool:
        """Whether a finished text needs no further look: the common way of a confirmation."""
        claimed, line = self.claimed, self._line()
        manner = manner_of(claimed)
        free = manner.any_hour and not manner.capped
        is_new = self.store.clock.now() - claimed.created_at < STALE
        # What was held back tells what its booking is by now.
        true = claimed.held_at is None and (is_new or claimed.booking_id is None)
        return free and true and line.text and bool(claimed.payload.get("body"))

    def _make_in(self, connection: Connection) -> _ToSend | str:
        claimed, manner = self.claimed, manner_of(self.claimed)
        if claimed.held_at and not claimed.let_go_by and topic_of(claimed) in OF_THE_DAY:
            return self._drop(connection, NO_USE)
        match self._became(connection, manner):
            case None:
                return self._drop(connection, "needless")
            case Later(at):
                return self._put_off(connection, at, "later")
            case ForSomebody(why):
                return self._leave_to_somebody(connection, why)
            case ready:
                return self._go(connection, ready, manner)

    def _became(self, connection: Connection, manner: Manner) -> delivery_failures.Outcome:
        """What the message has become by now. Raises _Unwritten."""
        store, render = self.store, self.means.render
        try:
            if self.claimed.kind == FOLLOW_UP:
                return delivery_failures.look(connection, store, self.claimed, manner, render)
            return render(connection, store, self.claimed)
        except _NO_WORDS as error:
            raise _Unwritten from error

    def _go(self, connection: Connection, ready: ReadyNotice, manner: Manner) -> _ToSend | str:
        """The way of a message: by text, by call, later, or not at all."""
        known = ready.recipient == self.claimed.recipient
        self.claimed = replace(self.claimed, recipient=ready.recipient)
        line = self._line() if known else line_of(connection, self.store, ready.recipient)
        if line.wrong or line.kind is PhoneKind.NONE:
            return self._reach_no_one(connection, manner, "wrong" if line.wrong else "no way")
        if not (ready.text and line.text) or (ready.by_call_first and ready.call):
            # A person who wants no texts is rung only about what they must know or asked for.
            if line.stopped and not (manner.case or manner.wished):
                return self._reach_no_one(connection, manner, "stopped")
            return self._by_call(connection, ready, manner, "no way")
        if self.late:
            return self._instead(connection, ready)
        return self._text(connection, ready, manner)

    def _instead(self, connection: Connection, ready: ReadyNotice) -> str:
        """A call where its text would come too late; where no call comes in time, it waits on."""
        plan, store = ready.if_late, self.store
        campaign = self.means.campaign() if self.means.campaign else None
        if plan is not None and plan.until is not None and campaign is not None:
            now = store.clock.now()
            if next_call_at(campaign, ready.recipient, now, machine=True) < plan.until:
                return self._call(connection, plan)
        outbox.await_permit(connection, store.clock, self.claimed, timedelta(), PACED)
        return PACED

    def _text(self, connection: Connection, ready: ReadyNotice, manner: Manner) -> _ToSend | str:
        """A text, within hours, cap and budgets."""
        campaign = self.means.campaign() if self.means.campaign else None
        opens = _opens(ready, manner, self.store.clock.now(), campaign)
        if opens is not None:
            return self._put_off(connection, opens, "hours")
        if manner.capped and not self.claimed.let_go_by and self._is_capped(connection, campaign):
            return self._by_call(connection, ready, manner, "cap")
        over = self._charge(connection, ready.text)
        if over is None:
            return self._write(connection, ready)
        # Its person heard or saw what a confirmation says, and what they did themselves.
        told = topic_of(self.claimed) is Topic.CONFIRMATION or ready.any_hour
        if manner.by_call and ready.call is not None and not told:
            return self._call(connection, ready.call)
        return self._hold(connection, over)

    def _is_capped(self, connection: Connection, campaign: Campaign | None) -> bool:
        """Whether the number had as many texts of capped topics as it gets in a day."""
        if campaign is None:
            return False
        store = self.store
        index = store.vault.index("phone", self.claimed.recipient) or b""
        texts = look_ups.texts_since(connection, store.clock, index, _DAY, UNCAPPED)
        return texts >= campaign.texts_per_number

    # ------------------------------------------------------------ what it may cost

    def _charge(self, connection: Connection, body: str) -> Over | None:
        """Count the text in the transaction given; the budget that it would pass, if it does."""
        budgets, claimed = self.means.budgets, self.claimed
        if budgets is None:
            return None
        charged = budgets.charge_text(
            connection,
            self.store,
            claimed.recipient,
            parts(body),
            claimed.client,
            whatever=claimed.let_go_by is not None,
        )
        if isinstance(charged, Over):
            return charged
        self.charge = charged
        return None

    def _hold(self, connection: Connection, over: Over) -> str:
        store, at = self.store, spend.next_day(self.store)
        if self.means.campaign is not None:
            at = next_text_at(self.means.campaign(), self.claimed.recipient, at)
        outbox.hold(connection, store.clock, store.vault, self.claimed, at, over.kind)
        log.info("message held back", message=self.claimed.id, budget=over.kind)
        return "held"

    def _give_back(self, connection: Connection) -> None:
        """The provider did not take it: it costs nothing."""
        if self.charge is not None and self.means.budgets is not None:
            self.means.budgets.give_back(connection, self.charge)

    def _by_call(self, connection: Connection, ready: ReadyNotice, manner: Manner, why: str) -> str:
        if manner.by_call and ready.call is not None:
            return self._call(connection, ready.call)
        return self._reach_no_one(connection, manner, why)

    def _reach_no_one(self, connection: Connection, manner: Manner, why: str) -> str:
        if manner.case:
            return self._leave_to_somebody(connection, why)
        log.info("message dropped", message=self.claimed.id, why=why)
        return self._drop(connection, why)

    def _line(self) -> PhoneCapabilities:
        claimed = self.claimed
        # For the first confirmation the number was given, read back and agreed to just then.
        first = topic_of(claimed) is Topic.CONFIRMATION
        given_at = claimed.created_at if first else None
        now = self.store.clock.now()
        return line_from(claimed.recipient, claimed.line, now=now, given_at=given_at)

    def _write(self, connection: Connection, ready: ReadyNotice) -> _ToSend | str:
        store = self.store
        if self.claimed.kind == SMS and ready.text == self.claimed.payload.get("body"):
            return _ToSend(ready.recipient, ready.text)
        kept = outbox.about_to_text(
            connection,
            store.clock,
            store.vault,
            self.claimed,
            body=ready.text,
            parts=parts(ready.text),
            lease=LEASE,
        )
        return _ToSend(ready.recipient, ready.text) if kept else "taken over"

    def _call(self, connection: Connection, plan: CallPlan) -> str:
        store, claimed, arrange = self.store, self.claimed, self.means.arrange
        if self._comes_too_late(plan):
            return self._drop(connection, TOO_LATE)
        if arrange is None or not arrange(connection, store, claimed, plan):
            return self._put_off(connection, _in(store, LINE_TAKEN), "line taken")
        if not outbox.told_by_call(connection, store.clock, store.vault, claimed):
            raise _TakenOver
        return "call"

    def _comes_too_late(self, plan: CallPlan) -> bool:
        """Whether a kept place expires before a call may tell the person of it."""
        if topic_of(self.claimed) is not Topic.OFFER or plan.until is None:
            return False
        if self.means.campaign is None:
            return False
        number, now = self.claimed.recipient, self.store.clock.now()
        return next_call_at(self.means.campaign(), number, now, machine=True) >= plan.until

    def _put_off(self, connection: Connection, at: datetime, why: str) -> str:
        outbox.put_off(connection, self.store.clock, self.claimed, at, why)
        return why

    def _drop(self, connection: Connection, why: str) -> str:
        outbox.drop(connection, self.store.clock, self.claimed, why)
        return "dropped"

    def _leave_unwritten(self, error: BaseException | None) -> str:
        """No try will find words for it: a case for its person, at once, and an alert."""
        store, claimed = self.store, self.claimed
        log.error("message cannot be written", message=claimed.id, error=type(error).__name__)
        with store.database.transaction() as connection:
            if claimed.booking_id or manner_of(claimed).case:
                word = self._leave_to_somebody(connection, UNWRITTEN, UNWRITTEN)
            else:
                word = self._drop(connection, UNWRITTEN)
            alert_id = store.chance.identifier()
            alerts.happened(connection, store.clock, alert_id, name=UNWRITTEN, value=1, threshold=0)
        return word

    def _leave_to_somebody(self, connection: Connection, why: str, kind: str = UNDELIVERED) -> str:
        """No message reaches that person: a case, in the transaction that ends the message."""
        store, claimed = self.store, self.claimed
        if not outbox.drop(connection, store.clock, claimed, "case"):
            return "taken over"
        root = delivery_failures.root_of(connection, store, claimed)
        why, message_id = f"{topic_of(claimed)} {why}", root.id if root else claimed.id
        about = {"booking_id": claimed.booking_id, "message_id": message_id}
        open_case(connection, store, kind, why, **about)
        return "case"

    # ------------------------------------------------------------ what came of it

    def _note(self, sid: str, body: str, word: str) -> str:
        store = self.store
        with store.database.statement() as connection:
            outbox.sent(connection, store.clock, self.claimed.id, sid, parts(body))
            known = self.claimed.line
            if known is not None and known.wrong and not self._line().wrong:
                given_anew(connection, store, self.claimed.recipient)
            if known is not None and known.source == REFUSAL and known.kind and self._line().text:
                # Until the next refusal the number is what its plan says.
                remember_kind(connection, store, self.claimed.recipient, None, REFUSAL)
        return word

    def _again(self, error: ProviderRefused | Busy | NoAnswer) -> str:
        store, claimed = self.store, self.claimed
        again = next_try(error, claimed.attempts, ambiguous=claimed.ambiguous)
        with store.database.transaction() as connection:
            if not isinstance(error, NoAnswer):
                self._give_back(connection)
            if again is None:
                code = "no answer" if isinstance(error, NoAnswer) else error.code
                outbox.move_state(connection, store.clock, claimed.id, "failed", error_code=code)
                return "refused" if isinstance(error, ProviderRefused) else "given up"
            outbox.put_back(connection, store.clock, claimed, again)
        if isinstance(error, ProviderRefused):
            log.error("texts are refused for what we are", code=error.code)
        return "no answer" if again.ambiguous else "busy"

    def _failed(self, error: Exception) -> str:
        """An error on our side: tried again later, and after a day of it a case for an agent.

        It may have left, so it is looked up before it is sent again.
        """
        if isinstance(error, _Unwritten):
            return self._leave_unwritten(error.__cause__)
        store, claimed = self.store, self.claimed
        log.error("message failed", message=claimed.id, error=type(error).__name__)
        again = next_try(NoAnswer(), claimed.attempts)
        with store.database.transaction() as connection:
            if again is None and manner_of(claimed).case:
                return self._leave_to_somebody(connection, "error")
            if again is None:
                return self._drop(connection, "error")
            outbox.put_back(connection, store.clock, claimed, replace(again, code="error"))
        return "error"


def _put_aside(store: Store, message_id: str) -> str:
    """A message under an unknown key is kept: a key that was forgotten may be set again."""
    log.error("message cannot be opened", message=message_id)
    with store.database.transaction() as connection:
        claims.put_aside(connection, store.clock, message_id, LONGEST_RETRY)
    return "unreadable"


class _Unwritten(Exception):
    """What it is about has no words; its cause says why."""


class _TakenOver(Exception):
    """Another relay has this message now; what was begun for it is undone."""


def _opens(
    ready: ReadyNotice, manner: Manner, now: datetime, campaign: Campaign | None
) -> datetime | None:
    """When a text may leave that may wait; None: now."""
    if campaign is None or manner.any_hour or ready.any_hour:
        return None
    opens = next_text_at(campaign, ready.recipient, now)
    too_late = ready.latest is not None and opens > ready.latest
    return None if opens <= now or too_late else opens


def _in(store: Store, after: timedelta) -> datetime:
    return store.clock.now() + after
