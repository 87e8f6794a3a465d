"""Who looks at screens while it is measured, and the process that writes for them."""

from __future__ import annotations

import secrets
import sys

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import update

from bench import servers, traffic
from bench.servers import House
from models.accounts import staff as staff_rows
from models.accounts.staff import Staff
from models.agents import agents
from models.agents.tables import agent, intent, leg
from models.crypto import Vault
from models.database import Database
from models.queue.tables import queue_entry
from models.supervision import snapshots
from services.accounts import second_factor
from services.store import Store
from services.supervision.write_board import NAME

BOARDS, DESKS = 20, 50
_PREFIX = "__Host-" if traffic.BASE.startswith("https") else ""


@dataclass(frozen=True)
class Hired:
    """Somebody who is signed in: their id, and the cookie of their browser."""

    id: str
    is_board: bool
    cookie: str

    @property
    def screen(self) -> tuple[str, str]:
        """What their screen asks for, and by which cookie."""
        return "/supervision/etat" if self.is_board else "/poste/etat", self.cookie


def hire(house: House, boards: int, desks: int, *, pausing: str = "") -> list[Hired]:
    """Make those who look at screens, each signed in.

    Agents are ready; those who have a reason for `pausing` are never rung.
    """
    state = {"after": "paused", "reason": pausing} if pausing else {"after": "ready"}
    made = servers.settings(house.database_url, house.redis_url)
    vault = Vault(made.vault_keys(), index_key=made.look_up_key())
    store = Store(Database(house.database_url, pool_size=2), vault)
    hired = []
    for number in range(boards + desks):
        is_board = number < boards
        staff_id, token = store.chance.identifier(), secrets.token_urlsafe(32)
        role = "supervisor" if is_board else "agent"
        person = Staff(staff_id, f"screen{staff_id[:12]}", f"Screen {number}", role)
        with store.database.transaction() as connection:
            staff_rows.add(connection, store.clock, person, "nobody signs in with this")
            staff_rows.begin_session(connection, store.clock, token, person.id, strong=True)
            secret = second_factor.new_secret()
            staff_rows.change_secret(connection, store.clock, store.vault, person.id, secret)
            if not is_board:
                agents.begin(connection, store.clock, person.id)
                agents.move(connection, store.clock, person.id, ("offline",), **state)
        hired.append(Hired(person.id, is_board, f"{_PREFIX}allo={token}"))
    store.database.dispose()
    return hired


def send_home(database_url: str) -> None:
    """End every call of the line, and let all agents be as free as they were when they came.

    For callers of the bench hang up without a word when their process ends: what is measured after
    them begins with nobody in the line.
    """
    with servers.opened(database_url) as database, database.transaction() as connection:
        now = datetime.now(UTC)
        gone = queue_entry.c.ended_at.is_(None)
        connection.execute(update(queue_entry).where(gone).values(state="left", ended_at=now))
        rung = leg.c.ended_at.is_(None)
        connection.execute(update(leg).where(rung).values(state="ended", ended_at=now))
        undone = intent.c.state.in_(("pending", "doing"))
        connection.execute(update(intent).where(undone).values(state="failed"))
        connection.execute(
            update(agent).values(
                state="ready", reason="", then_pause=None, entry_id=None, since=now, seen_at=now
            )
        )


@contextmanager
def dispatcher(house: House) -> Iterator[None]:
    """The process that writes for screens, and brings agents and callers together."""
    log = house.folder / f"{house.name}-dispatcher.log"
    began = datetime.now(UTC)
    command = (sys.executable, "-m", "flask", "dispatcher")
    environment = house.environment("dispatcher")

    with (
        servers.running(*command, environment=environment, log=log) as writer,
        servers.opened(house.database_url) as database,
    ):

        def is_written() -> bool:
            with database.statement() as connection:
                found = snapshots.get(connection, NAME)
            return found is not None and found.at >= began

        servers.wait_until(is_written, writer, "flask dispatcher", log)
        yield
