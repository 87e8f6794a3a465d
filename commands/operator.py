"""Who works at the command line: the account of this machine, for the history of acts."""

from __future__ import annotations

import os
import pwd

from typing import Any

from models.database import Connection
from services.accounts.staff import OPERATOR, record_act
from services.store import Store


def name() -> str:
    """The name of the account that runs this command; its number where it has none."""
    number = os.getuid()
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return str(number)


def record_reading(
    connection: Connection, store: Store, what: str, subject: str, **details: Any
) -> None:
    """Write into the history of acts that an operator saw who is booked. At most 24 letters."""
    details = {"by": name(), **details}
    record_act(connection, store, OPERATOR, what, subject, details=details)
