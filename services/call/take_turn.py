"""One turn of a call, from the newest stored turn to the bytes that are answered.

A turn without effect is two autocommitted statements. Neither it nor a call that has just begun
waits for the disk: should the database crash in the same moment, the caller is asked once more. A
turn with an effect is one transaction that first locks the turn, then acts, then writes it; the
answer is stored with the effect or not at all. The request that comes second gets the stored bytes.
"""

from __future__ import annotations

from contextlib import ExitStack
from datetime import date, timedelta
from types import TracebackType
from typing import Self

from models import turn_days
from models.call import calls, pace, turns
from models.call.calls import Started
from models.call.turns import Body, StoredTurn
from models.database import Connection
from services.store import Store

__all__ = ["Body", "StoredTurn"]


class AlreadyAnswered(Exception):
    """A copy of this webhook was quicker; its answer is stored by now."""


class Turn:
    """The unit of work of one webhook. Leaving it without `finish` undoes everything.

    `day` is the one on which the call rang, as our own address tells it; None: it is looked up.
    """

    def __init__(self, store: Store, call_id: str, number: int, day: date | None = None) -> None:
        self.store = store
        self.call_id = call_id
        self.number = number
        self.day = day
        self._stack = ExitStack()
        self._statements: Connection | None = None
        self._transaction: Connection | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is None and self._transaction is not None:
            self._transaction.rollback()
        self._stack.__exit__(kind, error, trace)

    def start_call(self, caller: str | None, called: str | None = None) -> Started:
        """Store a call that rings, unless it is known already. `caller` is E.164 or None.

        `called` is the number of ours that was dialled; None: the default.
        """
        store = self.store
        connection = self._connection()
        started = calls.start(
            connection,
            store.clock,
            store.vault,
            self.call_id,
            caller,
            called,
            may_be_lost=True,
        )
        self.day = started.day
        line = started.slow and store.vault.index("phone", caller)
        if line:
            pace.still_rings(connection, store.clock, line)
        return started

    def newest(self) -> StoredTurn | None:
        """The newest turn of this call up to this one."""
        connection, vault = self._connection(), self.store.vault
        if self.day is not None:
            found = turns.newest(connection, vault, self.call_id, self.number, self.day)
            # Else the address told another day, or the version before wrote on another.
            if not self.number or (found is not None and found.number >= self.number - 1):
                return found
        found = turns.newest(connection, vault, self.call_id, self.number)
        if found is not None:
            self.day = found.day
        return found

    def _day_of_call(self, connection: Connection) -> date:
        """The day of this call's turns, the first one's included."""
        if self.day is None:
            known = turn_days.of_call(connection, self.call_id)
            self.day = known or turn_days.day_of(self.store.clock.now())
        return self.day

    def reading(self) -> Connection:
        """Where to read: the transaction if there is one, for a thread has no second connection."""
        return self._transaction or self._connection()

    def _connection(self) -> Connection:
        # One connection for the reading and the writing statement of a turn without effect.
        if self._statements is None:
            self._statements = self._stack.enter_context(self.store.database.statement())
        return self._statements

    def undo(self) -> None:
        """Roll back what this turn has done so far; it may read again after that."""
        if self._transaction is not None:
            self._transaction.rollback()
        self._give_back()

    def _give_back(self) -> None:
        """Leave whatever is open: a transaction commits, a connection goes back to the pool."""
        self._statements = self._transaction = None
        self._stack.close()

    def transaction(self) -> Connection:
        """The transaction of this turn's effects; the first call locks the turn.

        Raises AlreadyAnswered.
        """
        if self._transaction is None:
            self._give_back()
            self._transaction = self._stack.enter_context(self.store.database.transaction())
            day = self._day_of_call(self._transaction)
            if not turns.lock(self._transaction, self.call_id, self.number, day):
                raise AlreadyAnswered
        return self._transaction

    def renew(self, lease: timedelta) -> None:
        """Prolong what the call holds: an effect that has nothing to do with it is an answer, too.

        Raises AlreadyAnswered.
        """
        turns.renew(self.transaction(), self.store.clock, self.call_id, lease)

    def _completed(self, step: str, outcome: str, body: Body, about: str) -> Connection | None:
        """Write the turn into the transaction of its effects, and give that.

        None where this turn has had no effect. Raises AlreadyAnswered.
        """
        effects = self._transaction
        if effects is not None and not turns.record(
            effects,
            self.store.clock,
            self.store.vault,
            self.call_id,
            self.number,
            self._day_of_call(effects),
            step=step,
            outcome=outcome,
            body=body,
            about=about,
        ):
            raise AlreadyAnswered
        return effects

    def finish(
        self,
        *,
        step: str,
        outcome: str,
        body: Body,
        about: str = "",
        renew_for: timedelta | None = None,
    ) -> None:
        """Store the answer; `renew_for` prolongs what the call holds. Raises AlreadyAnswered.

        `about` are the services that the conversation is about after it, as "grippe+covid".
        When it returns, the turn and its effects are committed; a turn that has had no effect may
        be lost in a crash of the database all the same.
        """
        store = self.store
        if self._completed(step, outcome, body, about):
            self._give_back()
            return
        connection = self._connection()
        recorded = turns.record(
            connection,
            store.clock,
            store.vault,
            self.call_id,
            self.number,
            self._day_of_call(connection),
            step=step,
            outcome=outcome,
            body=body,
            about=about,
            lease=renew_for,
            may_be_lost=True,
        )
        self._give_back()
        if not recorded:
            raise AlreadyAnswered
