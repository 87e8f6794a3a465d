"""What a supervisor set, over the settings and the campaign; a value is JSON."""

from __future__ import annotations

import json

from typing import Any

from sqlalchemy import Connection, delete, select

from models.clock import Clock
from models.supervision.tables import board_setting
from models.writes import upsert


def read(connection: Connection) -> dict[str, Any]:
    """All that is set, by name."""
    rows = connection.execute(select(board_setting.c.name, board_setting.c.value))
    return {row.name: json.loads(row.value) for row in rows}


def write(connection: Connection, clock: Clock, name: str, value: Any, who: str) -> None:
    """Set one; `who` is a staff id."""
    values = {"name": name, "value": json.dumps(value), "who": who, "at": clock.at()}
    upsert(connection, board_setting, values)


def forget(connection: Connection, name: str) -> None:
    """Delete a setting, as if it had never been set."""
    connection.execute(delete(board_setting).where(board_setting.c.name == name))


def value(connection: Connection, name: str) -> Any:
    """One of them; None where it was never set."""
    statement = select(board_setting.c.value).where(board_setting.c.name == name)
    found = connection.execute(statement).scalar_one_or_none()
    return None if found is None else json.loads(found)
