"""Bring a partner in line with an order of ours: ask for it, undo it, take back what was cancelled.

The appointment is first written as a draft at the partner, which occupies no slot, and its id is
stored. Then it is confirmed, which may be asked for again and again. So a lost answer or a crash at
any moment makes no second appointment, and what exists at the partner can be taken away. Our
booking is made in the transaction that notes the last confirmation; where it cannot be, what the
partner has is cancelled.
"""

from __future__ import annotations

import threading

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final

import structlog

from models.booking import changes
from models.call import calls, turns
from models.centres.centres import CentreState, centre_states
from models.database import Connection
from models.desk import cases
from models.desk import desk as desk_rows
from models.messages import outbox
from models.messages.outbox import ClaimedMessage, Retry
from models.partners import bookings as rows
from models.partners import mirror
from models.partners.bookings import (
    BOOKED,
    CLOSED,
    GOES_ON,
    GONE,
    NO_ANSWER,
    NOT_OURS,
    REFUSED,
    UNDOING,
    UNDONE,
    UNSURE,
    DoseThere,
    OrderedPerson,
    OrderRow,
)
from models.slots.places import HeldPlace
from prompts.catalogue import load
from services.booking.change_booking import undoable
from services.booking.confirm_booking import Booked, Request, confirm_booking
from services.booking.reach import Reach
from services.messages import texts
from services.messages.phone_capabilities import takes_texts
from services.messages.retry_plan import next_try
from services.messages.topics import Topic
from services.messages.write_message import open_case, write_message
from services.partners.booking import LEASE as HOLD_LEASE
from services.partners.booking import for_partner
from services.ports import Busy, NoAnswer, PartnerBooker, PartnerTime, ProviderRefused
from services.service import Service
from services.slots.allocate import Channel, Holder
from services.slots.give_back import UNDO_GRACE, give_back_holds, undoing
from services.slots.offer import offer_at
from services.store import Store
from services.telemetry import BOOKINGS
from services.work import Work

# As of a text: longer than one request may take. It is prolonged before each.
LEASE: Final = timedelta(seconds=25)
# After so long the caller or visitor is told that no answer came; the partner's side is undone.
DEADLINE: Final = timedelta(minutes=30)
# What only our operator can mend is tried again at this pace.
OURS_AGAIN: Final = timedelta(minutes=5)
# So many orders are attended to at a time, and none for so long after one got no answer.
MOST_AT_ONCE: Final = 4
QUIET: Final = timedelta(seconds=5)
NOTHING_CAME: Final = "no answer"
_TURN: Final = timedelta(seconds=2)
# That appointment cannot be made, with any account.
_NEVER: Final = frozenset({"400", "404", "409", "410", "422"})
# What a case is called that an operator must look at: keys, quota, what we send.
CASE: Final = "partner"
# After some hours without an answer an operator should know.
_SOMEBODY_LOOKS: Final = 60
# Waits do not grow beyond that of this try, however many there were.
_MOST_PACE: Final = 8

log = structlog.get_logger()


class OrderProcessor:
    """Attends to the orders of one installation. `booker` None: no partner is configured.

    A partner that does not answer takes no more than some of those who deliver, and for a moment
    after that none: texts leave meanwhile.
    """

    def __init__(self, store: Store, service: Service, booker: PartnerBooker | None) -> None:
        self._store = store
        self._service = service
        self._booker = booker
        self._at_once = threading.BoundedSemaphore(MOST_AT_ONCE)
        self._quiet_until: datetime | None = None

    def __call__(self, claimed: ClaimedMessage) -> str:
        """Do what is due about the order of a claimed message; gives a word for the log."""
        now = self._store.clock.now()
        if self._quiet_until is not None and now < self._quiet_until:
            return self._later(claimed, self._quiet_until)
        if not self._at_once.acquire(blocking=False):
            return self._later(claimed, now + _TURN)
        try:
            done = _Attempt(self._store, self._service, self._booker, claimed).run()
        except _TakenOver:
            return "taken over"
        finally:
            self._at_once.release()
        self._quiet_until = self._store.clock.now() + QUIET if done == NOTHING_CAME else None
        return done

    def _later(self, claimed: ClaimedMessage, at: datetime) -> str:
        with self._store.database.transaction() as connection:
            outbox.put_off(connection, self._store.clock, claimed, at, "partner busy")
        return "put off"


class _TakenOver(Exception):
    """Another relay has this message now."""


class _None(Exception):
    """The partner has nothing for this dose."""

    def __init__(self, dose: int) -> None:
        super().__init__(dose)
        self.dose = dose


@dataclass
class _Attempt:
    store: Store
    service: Service
    booker: PartnerBooker | None
    claimed: ClaimedMessage
    order: OrderRow = field(init=False)

    def run(self) -> str:
        store = self.store
        with store.database.transaction() as connection:
            order_id = str(self.claimed.payload.get("order", ""))
            order = rows.load(connection, store.vault, order_id)
            if order is None or order.state in {REFUSED, UNDONE}:
                return self._done(connection, "needless")
            if order.state in GOES_ON:
                # Our places stay held while the partner is being asked.
                turns.renew(connection, store.clock, order.holder, HOLD_LEASE)
        self.order = order
        try:
            return self._go_on() if order.state in GOES_ON else self._take_back()
        except ProviderRefused as refused:
            return self._ours(refused.code)
        except (Busy, NoAnswer) as error:
            return self._again(error)

    # ------------------------------------------------------------ asking for it

    def _go_on(self) -> str:
        order = self.order
        if self.store.clock.now() - order.created_at > DEADLINE:
            return self._give_up(NO_ANSWER)
        with self.store.database.statement() as connection:
            where = centre_states(connection, [order.centre_id]).get(order.centre_id)
        if where is None or order.visitor is None:
            return self._give_up(CLOSED)
        booker = self._booker()
        try:
            patient = order.patient or self._register(booker, order.visitor)
            doses = list(order.doses)
            for number, one in enumerate(doses):
                doses[number] = self._prepared(booker, patient, one)
                self._keep(doses=doses)
            for number, one in enumerate(doses):
                if one.confirmed:
                    continue
                doses[number] = self._confirmed(booker, patient, one)
                if number + 1 < len(doses):
                    self._keep(doses=doses)
        except _None as none:
            return self._give_up(GONE, none.dose)
        return self._book(doses, order.visitor, where)

    def _register(self, booker: PartnerBooker, visitor: OrderedPerson) -> str:
        self._keep()
        patient = booker.register(self.order.centre_id, visitor)
        self._keep(patient_ref=patient)
        return patient

    def _prepared(self, booker: PartnerBooker, patient: str, one: DoseThere) -> DoseThere:
        if one.appointment:
            return one
        self._keep()
        agenda = booker.free_agenda(self._time(one))
        if not agenda:
            raise _None(one.dose)
        self._keep()
        with _none_of(one):
            appointment = booker.prepare(self._time(one), agenda, patient)
        return replace(one, agenda=agenda, appointment=appointment)

    def _confirmed(self, booker: PartnerBooker, patient: str, one: DoseThere) -> DoseThere:
        self._keep()
        with _none_of(one):
            booker.confirm(self._time(one), one.agenda, patient, one.appointment)
        return replace(one, confirmed=True)

    def _book(self, doses: Sequence[DoseThere], visitor: OrderedPerson, where: CentreState) -> str:
        """The partner has all of it: ours, in the transaction that notes so; else it goes back."""
        store, order = self.store, self.order
        with store.database.transaction() as connection:
            self._still_goes_on(connection)
            booked = self._confirm_ours(connection, visitor, where)
            if isinstance(booked, Booked):
                key = f"{order.holder}:1"
                rows.change(
                    connection,
                    store.clock,
                    order.id,
                    seen=GOES_ON,
                    # What the partner has for a stand-in is taken away, once it was told.
                    state=UNDOING if booked.stand_in else BOOKED,
                    error="",
                    doses=doses,
                    booking_id=desk_rows.bookings_of_keys(connection, [key])[key],
                )
                if booked.stand_in:
                    now = store.clock.now()
                    outbox.put_off(connection, store.clock, self.claimed, now, "stand-in")
                    return "stand-in"
                BOOKINGS.labels(order.channel).inc()
                return self._done(connection, "booked")
        return self._give_up(NOT_OURS)

    def _confirm_ours(
        self, connection: Connection, visitor: OrderedPerson, where: CentreState
    ) -> Booked | object:
        order, number = self.order, visitor.number
        campaign = self.service.campaigns.by_name(order.campaign) or self.service.campaign
        places = [
            HeldPlace(dose.place_id, dose.slot_id, order.centre_id, dose.start_at)
            for dose in order.doses
        ]
        request = Request(
            holder=Holder(Channel(order.channel), order.holder),
            offer=offer_at(where, *places),
            born=visitor.born,
            postcode=visitor.postcode,
            number=number or None,
            text_to=number if visitor.text and takes_texts(number) else None,
            call_id=visitor.call_id,
            for_other=visitor.for_other,
            groups=visitor.groups,
            name=f"{visitor.first_name} {visitor.last_name}",
            who=visitor.who,
            # The partner has it by now; the limits were looked at before it was asked there.
            reach=Reach(is_settled=True),
        )
        return confirm_booking(
            Work(connection, self.store, for_partner(campaign)),
            request,
            catalogue=load(visitor.language),
            national_number=self._number_told(connection),
        )

    # ------------------------------------------------------------ nothing comes of it

    def _give_up(self, why: str, dose: int = 0) -> str:
        """Give our side back and tell the person; what the partner has is taken away after that."""
        store = self.store
        with store.database.transaction() as connection:
            now = self._still_goes_on(connection)
            give_back_holds(connection, now.holder)
            gone = [part.place_id for part in now.doses if part.dose == dose]
            mirror.block(connection, store.clock, gone)
            there = any(part.appointment for part in now.doses)
            state = UNDOING if there else REFUSED
            rows.change(connection, store.clock, now.id, seen=GOES_ON, state=state, error=why)
            self._tell(connection, now)
            if not there:
                return self._done(connection, "refused")
        self.order = replace(now, state=UNDOING)
        return self._take_back()

    def _tell(self, connection: Connection, order: OrderRow) -> None:
        """Text the result to a visitor who left a mobile: they may have closed the page."""
        visitor = order.visitor
        if visitor is None or not visitor.text or not takes_texts(visitor.number):
            return
        number = self._number_told(connection)
        body = texts.filled(load(visitor.language), "reply_not_taken", number=number)
        key, payload = f"not_taken:{order.id}", {"body": body}
        write_message(
            connection,
            self.store,
            "sms",
            visitor.number,
            payload,
            key=key,
            topic=Topic.REPLY,
            call_id=visitor.call_id,
        )

    def _number_told(self, connection: Connection) -> str:
        """Which of our numbers a text tells the visitor to ring: the one that they rang."""
        visitor = self.order.visitor
        called = calls.called_of(connection, visitor.call_id) if visitor else None
        return self.service.numbers.of(called).number

    # ------------------------------------------------------------ taking back

    def _take_back(self) -> str:
        """Take away what the partner has and should not: of an order, or of a booking since."""
        store, order = self.store, self.order
        if order.state == BOOKED and self._may_come_back():
            with store.database.transaction() as connection:
                later = store.clock.now() + UNDO_GRACE
                outbox.put_off(connection, store.clock, self.claimed, later, "undoable")
            return "put off"
        doses_to_cancel = self._doses_to_cancel()
        doses, seen = list(order.doses), (BOOKED, UNDOING)
        for number, one in enumerate(doses):
            if one.dose not in doses_to_cancel:
                continue
            self._keep()
            self._booker().cancel(order.centre_id, one.appointment)
            doses[number] = replace(one, removed=True)
            self._keep(seen, doses=doses)
        with store.database.transaction() as connection:
            if all(dose.removed or not dose.appointment for dose in doses):
                rows.change(connection, store.clock, order.id, seen=seen, state=UNDONE)
            return self._done(connection, "undone" if doses_to_cancel else "needless")

    def _may_come_back(self) -> bool:
        """Whether it was cancelled so lately that this may be taken back, once more perhaps.

        The news of an earlier change may come in the middle of that.
        """
        store, booking_id = self.store, self.order.booking_id
        with store.database.statement() as connection:
            if desk_rows.held_by(connection, store.clock, [undoing(booking_id)]):
                return True
            file = changes.load(connection, store.vault, booking_id)
            return file is not None and undoable(connection, store, file)

    def _doses_to_cancel(self) -> set[int]:
        order = self.order
        there = {part.dose: part for part in order.doses if part.appointment and not part.removed}
        if order.state != BOOKED:
            return set(there)
        with self.store.database.statement() as connection:
            file = changes.load(connection, self.store.vault, order.booking_id)
        live = {part.dose: (part.centre_id, part.start_at) for part in (file.live if file else ())}
        return {
            dose for dose, one in there.items() if live.get(dose) != (order.centre_id, one.start_at)
        }

    # ------------------------------------------------------------ what went wrong

    def _ours(self, code: str) -> str:
        """Keys, quota, what we send: an operator hears of it once, and it is tried again."""
        log.error("a partner refuses us", order=self.order.id, code=code)
        with self.store.database.transaction() as connection:
            self._add_case(connection, code)
            self._put_back(connection, OURS_AGAIN, code, error=code)
        return "refused to us"

    def _again(self, error: Busy | NoAnswer) -> str:
        is_silent = isinstance(error, NoAnswer)
        code = "no answer" if isinstance(error, NoAnswer) else error.code
        plan = next_try(error, min(self.claimed.attempts, _MOST_PACE))
        with self.store.database.transaction() as connection:
            if self.claimed.attempts == _SOMEBODY_LOOKS:
                self._add_case(connection, "no answer")
            changed = {"state": UNSURE} if is_silent and self.order.state in GOES_ON else {}
            self._put_back(connection, plan.after if plan else OURS_AGAIN, code, **changed)
        return NOTHING_CAME if is_silent else "busy"

    def _put_back(
        self, connection: Connection, after: timedelta, code: str, **changed: str
    ) -> None:
        """Try again `after` a while, and note what `changed` about an order that goes on."""
        clock = self.store.clock
        if changed:
            rows.change(connection, clock, self.order.id, seen=GOES_ON, **changed)
        outbox.put_back(connection, clock, self.claimed, Retry(after, code))

    def _add_case(self, connection: Connection, code: str) -> None:
        """One for each message and code, however often it is tried."""
        store, order = self.store, self.order
        why = f"{order.platform} {code}"
        known = cases.of_message(connection, self.claimed.id)
        if any(case.why == why and case.closed_at is None for case in known):
            return
        about = {"booking_id": order.booking_id or None, "message_id": self.claimed.id}
        open_case(connection, store, CASE, why, **about)

    # ------------------------------------------------------------ small things

    def _booker(self) -> PartnerBooker:
        """Raises Refused where there are no keys for that centre (any more)."""
        if self.booker is None or not self.booker.knows(self.order.centre_id):
            raise ProviderRefused("no keys")
        return self.booker

    def _time(self, one: DoseThere) -> PartnerTime:
        return PartnerTime(self.order.centre_id, one.dose, one.start_at)

    def _still_goes_on(self, connection: Connection) -> OrderRow:
        """The order as it is now, locked. Raises _TakenOver where it goes on no more."""
        now = rows.load(connection, self.store.vault, self.order.id, lock=True)
        if now is None or now.state not in GOES_ON:
            raise _TakenOver
        return now

    def _keep(self, seen: Sequence[str] = GOES_ON, **values: object) -> None:
        """Keep the claim, and write what changed. Raises _TakenOver."""
        clock = self.store.clock
        with self.store.database.transaction() as connection:
            # An answer that came after another process took over must not be stored.
            if not outbox.keep(connection, clock, self.claimed, LEASE):
                raise _TakenOver
            if values and not rows.change(connection, clock, self.order.id, seen=seen, **values):
                raise _TakenOver

    def _done(self, connection: Connection, word: str) -> str:
        outbox.drop(connection, self.store.clock, self.claimed, "done")
        return word


@contextmanager
def _none_of(one: DoseThere) -> Iterator[None]:
    """Raises _None where the partner says that this appointment can never be made."""
    try:
        yield
    except ProviderRefused as refused:
        if refused.code in _NEVER:
            raise _None(one.dose) from refused
        raise
