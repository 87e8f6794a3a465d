"""Twenty boards and fifty desks that ask each second, and the process that writes for them.

`python -m bench.screens PORT FILE` is the crowd itself, in a process of its own: one connection for
each screen, kept open, each asking a second after it last did. FILE has a line for each screen: the
path, a blank, the cookie. It writes what it saw when it is told to stop, from when it was last told
to count.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import subprocess
import sys
import time

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import update

from bench import at_work, servers, traffic
from bench.helpers import Helper, helper, tell, word
from bench.refused import LATER, Refused
from bench.servers import House, Web
from launcher.ports import HOST
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
EACH_SECONDS = 1.0
# Fewer answers than this part of what was asked for, and screens stood still.
SERVED = 0.9
# The word after which they count.
COUNT = "count"
_BROKEN = 400
_PREFIX = "__Host-" if traffic.BASE.startswith("https") else ""


@dataclass(frozen=True)
class ScreenFigures:
    """What the screens got in `seconds`; `later` of the answers were refused."""

    answers: int
    later: int
    bad: int
    broken: int
    seconds: float

    @property
    def refused(self) -> Refused:
        return Refused(self.later, self.answers)

    def faults(self) -> list[str]:
        """Why a run with these screens counts for nothing, whatever was refused."""
        found = []
        if self.bad or self.broken:
            found.append(f"screens: {self.bad} bad answers, {self.broken} connections broke")
        wanted = (BOARDS + DESKS) * self.seconds / EACH_SECONDS * SERVED
        if self.answers < wanted:
            found.append(f"screens got {self.answers} answers of {wanted / SERVED:.0f}")
        return found


@dataclass(frozen=True)
class Hired:
    """Somebody who is signed in: their id, and the cookie of their browser."""

    id: str
    is_board: bool
    cookie: str

    @property
    def line(self) -> str:
        """What their screen asks for, as `python -m bench.screens` reads it."""
        return f"{'/supervision/etat' if self.is_board else '/poste/etat'} {self.cookie}"


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
def dispatcher(house: House) -> Iterator[subprocess.Popen[bytes]]:
    """The process that writes for screens, and brings agents and callers together."""
    log = house.folder / f"{house.name}-dispatcher.log"
    began = datetime.now(UTC)
    command = (sys.executable, "-m", "flask", "dispatcher")
    environment = house.environment("dispatcher")
    with servers.running(*command, environment=environment, log=log) as writer:
        _wait_until_written(house, began, writer)
        yield writer


@dataclass
class OpenScreens:
    """Screens that are looked at; `seen` is what they saw, once they are closed."""

    _crowd: Helper
    seen: ScreenFigures | None = None

    def count(self) -> None:
        """Count from now on; what they saw before is forgotten."""
        self._crowd.ask(COUNT)

    def close(self) -> None:
        self.seen = ScreenFigures(**self._crowd.ask("stop"))

    def faults(self) -> list[str]:
        """Why a run with these screens counts for nothing, whatever was refused."""
        return self.seen.faults() if self.seen else []

    @property
    def refused(self) -> Refused:
        return self.seen.refused if self.seen else Refused()


@contextmanager
def opened(web: Web, file: Path) -> Iterator[OpenScreens]:
    """Screens that are looked at until the block is over, and that count from when it begins."""
    with helper("bench.screens", str(web.port), str(file)) as crowd:
        # Until each has asked once.
        time.sleep(2 * EACH_SECONDS)
        eyes = OpenScreens(crowd)
        eyes.count()
        yield eyes
        eyes.close()


def _wait_until_written(house: House, began: datetime, writer: subprocess.Popen[bytes]) -> None:
    with servers.opened(house.database_url) as database:

        def is_written() -> bool:
            with database.statement() as connection:
                found = snapshots.get(connection, NAME)
            return found is not None and found.at >= began

        servers.wait_until(is_written, writer, "flask dispatcher wrote no board: see its log")


# ---------------------------------------------------------------- the crowd


@dataclass
class _Crowd:
    port: int
    answers: int = 0
    later: int = 0
    bad: int = 0
    broken: int = 0
    since: float = field(default_factory=time.monotonic)

    def count(self) -> None:
        """Begin anew."""
        self.answers = self.later = self.bad = self.broken = 0
        self.since = time.monotonic()

    def told(self) -> dict[str, float]:
        seconds = time.monotonic() - self.since
        return {
            "answers": self.answers,
            "later": self.later,
            "bad": self.bad,
            "broken": self.broken,
            "seconds": seconds,
        }

    async def look(self, number: int, path: str, cookie: str) -> None:
        # Not all in the same moment.
        await asyncio.sleep(number / (BOARDS + DESKS) * EACH_SECONDS)
        tag = ""
        while True:
            try:
                reader, writer = await asyncio.open_connection(HOST, self.port)
                with contextlib.closing(writer):
                    while True:
                        began = time.monotonic()
                        request = at_work.get(path, cookie, tag)
                        tag = (await self._ask(reader, writer, request)).get("etag", tag)
                        await asyncio.sleep(max(EACH_SECONDS - (time.monotonic() - began), 0))
            except (OSError, asyncio.IncompleteReadError):
                self.broken += 1
                await asyncio.sleep(EACH_SECONDS)

    async def _ask(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        request: bytes,
    ) -> dict[str, str]:
        status, headers, _ = await at_work.exchange(reader, writer, request)
        self.answers += 1
        self.later += status == LATER
        self.bad += status >= _BROKEN and status != LATER
        return headers


async def _run(port: int, lines: list[str]) -> None:
    crowd = _Crowd(port)
    screens = [
        asyncio.create_task(crowd.look(number, *line.split(" ", 1)))
        for number, line in enumerate(lines)
    ]
    while await word() == COUNT:
        crowd.count()
        tell()
    for one in screens:
        one.cancel()
    tell(**crowd.told())


if __name__ == "__main__":
    asyncio.run(_run(int(sys.argv[1]), Path(sys.argv[2]).read_text("utf-8").splitlines()))
