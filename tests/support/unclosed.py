"""Connections to SQLite that nobody closed: the test that made one fails, and no bystander.

Python 3.13 complains of them when it comes to collect them, in whatever test runs by then.
"""

from __future__ import annotations

import gc
import sqlite3

from functools import partial
from typing import Any
from weakref import WeakSet

from tests.support import parts

_open: WeakSet[Watched] = WeakSet()
# Open at the end of a test, and still in use: a fixture of a whole module has them.
_in_use: WeakSet[Watched] = WeakSet()
_lost: list[str] = []


class Watched(sqlite3.Connection):
    """A connection that knows which test made it."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.made_in = parts.environment("PYTEST_CURRENT_TEST") or "no test"
        _open.add(self)

    def close(self) -> None:
        super().close()
        _open.discard(self)

    def __del__(self) -> None:
        made_in = getattr(self, "made_in", None)
        try:
            # Raises for one that is closed.
            self.total_changes  # noqa: B018
        except sqlite3.ProgrammingError:
            return
        if made_in is not None:
            _lost.append(made_in)
        self.close()


def watch() -> None:
    """Let every connection of this process be watched from now on."""
    watched = partial(sqlite3.connect, factory=Watched)
    sqlite3.connect = sqlite3.dbapi2.connect = watched  # type: ignore[assignment]


def lost() -> list[str]:
    """The tests that left a connection to the garbage, once for each; said once.

    It looks for garbage only where a connection is open of which it is not known who has it.
    """
    if set(_open) - set(_in_use):
        gc.collect()
        _in_use.update(_open)
    found = _lost.copy()
    _lost.clear()
    return found
