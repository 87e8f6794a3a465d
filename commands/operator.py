"""Who works at the command line: the account of this machine, for the history of acts."""

from __future__ import annotations

import functools
import os
import pwd

from collections.abc import Callable
from typing import Any, Protocol

from models.database import Connection
from services.accounts.staff import OPERATOR, record_act
from services.store import Store

# The attribute of a command that is marked so.
MARK = "reads_people"


class NotRecorded(Exception):
    """A command that is marked as reading people showed them, and no line says so."""


class Seen(Protocol):
    """What a command calls before it shows anything."""

    def __call__(self, connection: Connection, what: str, subject: str, **details: Any) -> None:
        """Write into the history of acts that an operator saw who is booked.

        `what` has at most 24 letters, and words in `prompts/pages/board.*.toml`; `subject` is an id
        or the name of a list; `details` hold nothing personal.
        """
        ...


def name() -> str:
    """The name of the account that runs this command; its number where it has none."""
    number = os.getuid()
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return str(number)


def reads_people(store: Store) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """A decorator of a command that reads people: it gets `seen`, and must call it.

    It stands below the options, next to the function. A command that ends well without having
    called it raises NotRecorded.
    """

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        @functools.wraps(command)
        def recorded(*args: Any, **options: Any) -> None:
            lines = 0

            def seen(connection: Connection, what: str, subject: str, **details: Any) -> None:
                nonlocal lines
                lines += 1
                told = {"by": name(), **details}
                record_act(connection, store, OPERATOR, what, subject, details=told)

            command(seen, *args, **options)
            if not lines:
                raise NotRecorded(command.__name__)

        setattr(recorded, MARK, True)
        return recorded

    return decorate
