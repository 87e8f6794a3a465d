"""Faults of the database, one at a time and at a chosen statement."""

from __future__ import annotations

import threading

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, event
from sqlalchemy.exc import OperationalError

from exchange.transport import Outgoing, Reply, Transport, WsgiTransport
from models.database import Database
from tests.support.house import House


class Gone(Exception):
    """What a driver says when the server went away."""


def _lost(what: str) -> OperationalError:
    return OperationalError(what, None, Gone("server closed the connection unexpectedly"))


def refused(_connection: Connection) -> None:
    """The statement never reaches the server."""
    raise _lost("statement")


def connection_lost(connection: Connection) -> None:
    """The connection is dead, and says so when the statement is sent over it."""
    raw = connection.connection.dbapi_connection
    assert raw is not None
    raw.close()


class Faults:
    """Makes the n-th statement of an armed stretch fail; counts what it saw."""

    def __init__(self, database: Database) -> None:
        self.fired = False
        self.seen = 0
        self._lock = threading.Lock()
        self._at = 0
        self._before: Callable[[Connection], None] | None = None
        self._answer_lost = False
        self._commit: Callable[[Connection], None] | None = None
        for engine in database.engines:
            event.listen(engine, "before_cursor_execute", self._statement)
            event.listen(engine, "after_cursor_execute", self._executed)
            event.listen(engine, "commit", self._committing)

    @contextmanager
    def at_statement(self, number: int, fault: Callable[[Connection], None]) -> Iterator[None]:
        """Before the statement; `number` counts from 1, and 0 means every one."""
        with self._armed(number):
            self._before = fault
            yield

    @contextmanager
    def answer_lost(self, number: int) -> Iterator[None]:
        """The statement is carried out, and nobody learns it."""
        with self._armed(number):
            self._answer_lost = True
            yield

    @contextmanager
    def commit_lost(self, *, done: bool) -> Iterator[None]:
        """The connection breaks at COMMIT; whether it was `done` the application cannot know."""

        def broken(connection: Connection) -> None:
            raw = connection.connection.dbapi_connection
            assert raw is not None
            if done:
                raw.commit()
            connection.invalidate()
            raise _lost("COMMIT")

        with self._armed(0):
            self._commit = broken
            yield

    @contextmanager
    def _armed(self, number: int) -> Iterator[None]:
        self.fired, self.seen, self._at = False, 0, number
        try:
            yield
        finally:
            self._before = self._commit = None
            self._answer_lost = False

    def _statement(self, connection: Connection, *_rest: Any) -> None:
        with self._lock:
            self.seen += 1
            due = self._at in (0, self.seen)
        if self._before is not None and due:
            self.fired = True
            self._before(connection)

    def _executed(self, connection: Connection, cursor: Any, *_rest: Any) -> None:
        if self._answer_lost and self._at in (0, self.seen):
            self.fired = True
            cursor.close()
            connection.invalidate()
            raise _lost("answer")

    def _committing(self, connection: Connection) -> None:
        if self._commit is not None:
            self.fired = True
            self._commit(connection)


class FaultyTransport:
    """Passes webhooks on; those from `first` to `last` (from 0) happen under a fault."""

    def __init__(
        self,
        house: House,
        fault: Callable[[], Any],
        first: int,
        last: int | None = None,
    ) -> None:
        self._inner: Transport = WsgiTransport(house.app)
        self._fault = fault
        self._numbers = range(first, (first if last is None else last) + 1)
        self.sent = 0
        self.replies: list[Reply] = []

    def send(self, request: Outgoing) -> Reply:
        number, self.sent = self.sent, self.sent + 1
        if number in self._numbers:
            with self._fault():
                reply = self._inner.send(request)
        else:
            reply = self._inner.send(request)
        self.replies.append(reply)
        return reply
