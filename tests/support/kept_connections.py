"""Connections to PostgreSQL that one test closes and the next one opens.

Behind a new one is a new process of the server which knows no table yet: to connect and to ask four
tables something costs ten times what it costs on a connection that is there. Nothing that a test
said on a connection is left on it, and within a test a connection that was closed is not seen
again; what broke, or was in the middle of something, is closed.
"""

from __future__ import annotations

import os
import select
import threading

from typing import Any

import psycopg

from psycopg.pq import TransactionStatus
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg

# As many as most tests have open; what is more is closed.
MOST = 6


class KeptConnection(psycopg.Connection[Any]):
    """One that an engine puts aside instead of closing it; a test that closes it does close it."""

    shelf: Shelf | None = None
    key: object = None

    def is_alive(self) -> bool:
        """Whether the server has not ended it meanwhile: of itself it says nothing else."""
        return not select.select([self.pgconn.socket], [], [], 0)[0]

    def is_as_new(self) -> bool:
        """Whether nothing is left of what was said on it; False where that cannot be had."""
        if self.pgconn.transaction_status != TransactionStatus.IDLE:
            return False
        try:
            self.autocommit = True
            self.isolation_level = self.read_only = self.deferrable = None
            # Settings, locks, temporary tables, prepared statements; not what it knows of tables.
            self.execute("DISCARD ALL", prepare=False)
            self.autocommit = False
        except psycopg.Error:
            return False
        # The driver's own notes of what is prepared, and who hears the server's remarks.
        threshold = self.prepare_threshold
        self._prepared = type(self._prepared)()
        self.prepare_threshold = threshold
        self._notice_handlers.clear()
        return True


class Shelf:
    """The connections of this process to one database, from one test to the next.

    Only those of its owner: a test may remove any other role, and make another of the same name.
    """

    def __init__(self, host: object, database: str, owner: str) -> None:
        self._place = (host, database, owner)
        self._made_in = os.getpid()
        self._is_open = False
        self._changing = threading.Lock()
        self._closed: list[KeptConnection] = []
        self._ready: list[KeptConnection] = []

    def opens(self) -> None:
        """Keep connections from now on."""
        self._is_open = True
        _shelves[self._place] = self

    def ends(self) -> None:
        """Close all of them; until it opens again others close as always."""
        _shelves.pop(self._place, None)
        with self._changing:
            aside = [*self._closed, *self._ready]
            self._closed, self._ready = [], []
            self._is_open = False
        for one in aside:
            one.close()

    def pids(self) -> list[int]:
        """The server's processes behind what is put aside."""
        with self._changing:
            return [one.info.backend_pid for one in (*self._closed, *self._ready)]

    def next_test(self) -> None:
        """What was closed may be opened from now on."""
        with self._changing:
            self._ready += self._closed
            self._closed.clear()

    def takes_back(self, connection: KeptConnection) -> bool:
        """Whether it was put aside instead of closed. A process that was forked closes its own."""
        if self._made_in != os.getpid() or not connection.is_as_new():
            return False
        with self._changing:
            if not self._is_open or len(self._closed) + len(self._ready) >= MOST:
                return False
            self._closed.append(connection)
        return True

    def gives(self, arguments: tuple[Any, ...], options: dict[str, Any]) -> KeptConnection | None:
        """A connection that was made with just this, or a new one; None in a forked process."""
        if self._made_in != os.getpid():
            return None
        # Without the types of values, which each engine makes anew of the same settings.
        key = repr([*arguments, *sorted((k, v) for k, v in options.items() if k != "context")])
        with self._changing:
            for one in [one for one in reversed(self._ready) if one.key == key]:
                self._ready.remove(one)
                if one.is_alive():
                    return one
                one.close()
        made = KeptConnection.connect(*arguments, **options)
        made.key, made.shelf = key, self
        return made


_shelves: dict[tuple[object, object, object], Shelf] = {}
_of_psycopg: Any = PGDialect_psycopg
_connects, _closes = _of_psycopg.connect, _of_psycopg.do_close


def _connect(dialect: PGDialect_psycopg, *arguments: Any, **options: Any) -> Any:
    """Where an engine makes a connection, after whoever listens to it has had their say."""
    place = (options.get("host"), options.get("dbname"), options.get("user"))
    shelf = _shelves.get(place)
    given = None if shelf is None else shelf.gives(arguments, options)
    return _connects(dialect, *arguments, **options) if given is None else given


def _close(dialect: PGDialect_psycopg, connection: Any) -> None:
    """Where an engine closes a connection that its pool has no more use for."""
    shelf = connection.shelf if isinstance(connection, KeptConnection) else None
    if shelf is None or not shelf.takes_back(connection):
        _closes(dialect, connection)


_of_psycopg.connect, _of_psycopg.do_close = _connect, _close
