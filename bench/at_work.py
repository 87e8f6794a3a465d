"""People at work: screens that ask each second, and a long line with agents who talk.

An agent does something every few seconds, over and over: hold, search for slots, take back, hang
up, wrap up; the next caller comes. Callers ask for what they hear as the provider would, each half
minute. The provider between them does what it is asked at once.
"""

from __future__ import annotations

import asyncio
import contextlib
import html
import itertools
import json
import re
import secrets
import sys
import time

from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl

from sqlalchemy import update
from twilio.request_validator import RequestValidator

from bench import http, servers, traffic
from bench.http import BAD, BUSY, CONFLICT, Connections
from bench.load import p99
from bench.servers import CannotMeasure, House
from bench.visitors import CSRF
from models.accounts import staff as staff_rows
from models.accounts.staff import Staff
from models.agents import agents
from models.agents.tables import agent, intent, leg
from models.crypto import Vault
from models.database import Database
from models.queue.tables import queue_entry
from models.supervision import snapshots
from services.accounts import second_factor
from services.admission.load_shedder import STEPS_SECONDS, Level
from services.store import Store
from services.supervision.write_board import NAME
from tools.launcher.ports import HOST

BOARDS, DESKS, WAITING = 20, 50, 200
# Seconds. A round of what is heard in the line; from an agent's act to the next.
ROUND, ACT_EVERY = 30.0, 4.0
SCREEN_EVERY, EVENT_EVERY = 1.0, 2.7
# A person who is rung answers after so long.
REACTION = 0.2
# Of all agents, so many must talk before it begins.
BUSY_PART = 0.8
# The line may become shorter by so much for a moment, when many are taken at once.
KEPT = 0.9
# Fewer answers than this part of what screens asked for, and they stood still.
SERVED = 0.9
# Of all answers to screens and agents so many may say: later. They give way to callers and ask
# again a second later, as they are made to; where there are more, screens did not work.
MOST_LATER = 0.001
# Seconds until it has formed.
FORMS_SECONDS = 60.0
# At the same time, while the line forms.
JOIN_AT_ONCE = 12
# Seconds from then on until workers have forgotten how slow steps were meanwhile, and have let
# screens in again, a level a second.
SETTLES_SECONDS = STEPS_SECONDS + len(Level)
# Connections beside those of screens.
CONNECTIONS = 64
REASONS = ("lunch", "training")
# The key of a caller who is offered a call back and stays.
STAYS = "3"
ACTION = re.compile(r'<Gather [^>]*?action="([^"]+)"')
WAIT_URL = re.compile(r'waitUrl="([^"]+)"')
REDIRECT = re.compile(r"<Redirect[^>]*>([^<]+)<")
CONFERENCE = re.compile(r'statusCallback="([^"]+)"')
FORM = {
    "people": "1", "born1": "12/03/1942", "place": "75011", "number": "06 12 34 56 78", "text": "1",
}  # fmt: skip
_ACTS: Sequence[tuple[str, Mapping[str, str]]] = (
    ("/poste/attente", {"on": "1"}),
    ("/poste/offres", FORM),
    ("/poste/attente", {"on": "0"}),
    ("/poste/raccrocher", {}),
    ("/poste/cloture", {"code": "information", "note": ""}),
)


@dataclass(frozen=True)
class Workday:
    """Who is there. `screens` are paths and cookies, `agents` ids and cookies.

    Without agents there is no line. `probe` pauses and goes on, for `boards` to see.
    """

    service: int
    screens: Sequence[tuple[str, str]]
    provider: int = 0
    agents: Sequence[tuple[str, str]] = ()
    probe: tuple[str, str] = ("", "")
    boards: Sequence[str] = ()
    # The form of a webhook, as a rehearsed call sent it.
    form: Mapping[str, str] = field(default_factory=dict)


@dataclass
class WorkdayFigures:
    """Milliseconds: webhooks and acts to their answers, events until a board shows them."""

    webhooks: list[float] = field(default_factory=list)
    acts: list[float] = field(default_factory=list)
    boards: list[float] = field(default_factory=list)
    # Answers that should not be, by what was asked for.
    bad: dict[str, int] = field(default_factory=dict)
    # Answers to screens and agents, and how many of them said: later.
    staff: int = 0
    later: int = 0
    # Answers that screens asked for.
    wanted: float = 0.0
    fewest_waiting: int = WAITING
    # How long events were not to be seen on a board when it was over.
    unseen: int = 0

    def faults(self) -> list[str]:
        """Why it counts for nothing, whatever was told to come later."""
        found = [f"{count} × {what}" for what, count in self.bad.items()]
        if self.staff < self.wanted * SERVED:
            found.append(f"screens got {self.staff} answers of {self.wanted:.0f}")
        if self.fewest_waiting < WAITING * KEPT:
            found.append(f"only {self.fewest_waiting} in the line")
        if self.unseen:
            found.append(f"{self.unseen} events were on no board before the next one")
        return found


def during(
    day: Workday, act: Callable[[], None], prepare: Callable[[], object] = bool
) -> WorkdayFigures:
    """Return what everybody saw while `act` was done.

    `prepare` is called when the provider can be asked. Raises CannotMeasure when no line forms, and
    where what they saw counts for nothing.
    """

    async def all_of_it() -> WorkdayFigures:
        house = WorkdayHouse(day)
        if day.provider:
            await asyncio.start_server(house.provides, HOST, day.provider)
        await asyncio.to_thread(prepare)
        await house.come()
        # Until each screen has asked, and screens are let in again where callers came all at once.
        await asyncio.sleep(SETTLES_SECONDS if day.agents else 2 * SCREEN_EVERY)
        house.go()
        await asyncio.to_thread(act)
        house.stop()
        return house.seen

    seen = asyncio.run(all_of_it())
    if faults := seen.faults():
        raise CannotMeasure("; ".join(faults))
    return seen


def figures(seen: WorkdayFigures, more_webhooks: Sequence[float]) -> dict[str, float]:
    """Return the figures in milliseconds. Raises CannotMeasure.

    `more_webhooks`: milliseconds of those that were sent meanwhile by `bench.load`.
    """
    if not seen.boards:
        raise CannotMeasure("no event was seen on a board")
    return {
        "queue_webhook_p99_ms": round(p99([*seen.webhooks, *more_webhooks], "webhooks"), 1),
        "agent_action_p99_ms": round(p99(seen.acts, "acts of agents"), 1),
        "board_update_ms": round(max(seen.boards), 1),
    }


def target(url: str) -> str:
    """Path and query of an address in a document, without what is for the provider alone."""
    return html.unescape(url).removeprefix(traffic.BASE).partition("#")[0]


def next_target(pattern: re.Pattern[str], document: str) -> str:
    """The address that a document names; "" where it names none."""
    found = pattern.search(document)
    return target(found.group(1)) if found else ""


class WorkdayHouse:
    """Screens, callers, agents, boards, and the provider between them."""

    def __init__(self, day: Workday) -> None:
        self._day = day
        self.is_full = asyncio.Event()
        self._validator = RequestValidator(traffic.TOKEN)
        self._connections = Connections(day.service, CONNECTIONS + len(day.screens))
        self.seen, self._counts, self._began = WorkdayFigures(), False, 0.0
        self._tasks: set[asyncio.Task[None]] = set()
        # By call: where its caller, or the person we rang, is sent next.
        self._sent: dict[str, asyncio.Queue[str]] = {}
        # By leg's call: where its end is told.
        self._legs: dict[str, str] = {}
        self._rung: dict[str, asyncio.Queue[dict[str, str]]] = {
            staff_id: asyncio.Queue() for staff_id, _cookie in day.agents
        }
        self._waiting, self._talking = 0, 0
        self._joining = asyncio.Semaphore(JOIN_AT_ONCE)
        self._expected, self._event_at = "", 0.0
        self._missing: set[int] = set()

    def _look(self) -> None:
        """Whether the line is as long as it should be, and nearly all agents talk."""
        if self._waiting >= WAITING and self._talking >= len(self._day.agents) * BUSY_PART:
            self.is_full.set()

    def go(self) -> None:
        self._counts, self._began = True, time.monotonic()

    def stop(self) -> None:
        self._counts = False
        seconds = time.monotonic() - self._began
        self.seen.wanted = len(self._day.screens) * seconds / SCREEN_EVERY

    def begin(self, what: Coroutine[Any, Any, None]) -> None:
        """Let something go on by itself; what fails is told, and is a fault."""
        task = asyncio.create_task(what)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            self._bad(repr(task.exception())[:80])

    def _bad(self, what: str) -> None:
        self.seen.bad[what] = self.seen.bad.get(what, 0) + 1

    async def come(self) -> None:
        """Let everybody come. Raises CannotMeasure where the line has not formed in its time."""
        for number, (path, cookie) in enumerate(self._day.screens):
            self.begin(self._screen(number, path, cookie))
        if not self._day.agents:
            return
        for number, (staff_id, cookie) in enumerate(self._day.agents):
            self.begin(self._agent(number, staff_id, cookie))
        for _ in range(WAITING + len(self._day.agents)):
            self.begin(self._caller())
        self.begin(self._probe())
        for number, cookie in enumerate(self._day.boards):
            self.begin(self._board(number, cookie))
        try:
            await asyncio.wait_for(self.is_full.wait(), FORMS_SECONDS)
        except TimeoutError:
            bad = "".join(f"; {count} × {what}" for what, count in self.seen.bad.items())
            raise CannotMeasure(
                f"no line formed: {self._waiting} waited, {self._talking} talked{bad}"
            ) from None

    # Staff

    async def _asks(
        self,
        path: str,
        cookie: str,
        form: Mapping[str, str] | None = None,
        *,
        tag: str = "",
        token: str = "",
        accept: str = "application/json",
        may_be_refused: bool = False,
    ) -> tuple[int, str, str]:
        """Return status, tag and page of an answer to an agent or a supervisor.

        An answer "later" is no fault, nor a refusal that the one who asks expects. While the line
        forms "later" is not counted: its callers come faster than any call centre hears them.
        """
        own = {"Accept": accept, "Sec-Fetch-Mode": "cors", "Cookie": cookie}
        own |= {"If-None-Match": tag} if tag else {}
        if form is not None:
            own |= {"HX-Request": "true", "X-CSRFToken": token, "Sec-Fetch-Site": "same-origin"}
        status, got, body = await self._connections.send(http.request(path, form, own))
        self.seen.staff += self._counts
        if status == BUSY:
            self.seen.later += self._counts
        elif (status >= BAD or not status) and not (may_be_refused and status == CONFLICT):
            self._bad(f"{path} {status}")
        return status, got.get("etag", [tag])[-1], body.decode()

    async def _screen(self, number: int, path: str, cookie: str) -> None:
        # Not all in the same moment.
        await asyncio.sleep(number / len(self._day.screens) * SCREEN_EVERY)
        tag = ""
        while True:
            began = time.monotonic()
            _, tag, _ = await self._asks(path, cookie, tag=tag)
            await asyncio.sleep(max(SCREEN_EVERY - (time.monotonic() - began), 0))

    # Webhooks

    async def _webhook(self, path: str, call_id: str, **fields: str) -> str:
        form = {**self._day.form, "CallSid": call_id, **fields}
        began = time.monotonic()
        asked = traffic.request(self._validator, path, form)
        status, _, document = await self._connections.send(asked)
        if self._counts:
            self.seen.webhooks.append((time.monotonic() - began) * 1000)
        if status >= BAD or not status:
            self._bad(f"{path.partition('?')[0]} {status}")
        return document.decode()

    # Callers

    async def _caller(self) -> None:
        call_id, number = f"CA{secrets.token_hex(16)}", f"+3361{secrets.randbelow(10**7):07d}"
        own = {"From": number, "Caller": number}
        self._sent[call_id] = asyncio.Queue()
        async with self._joining:
            document = await self._webhook("/voice/incoming", call_id, **own)
            path = next_target(ACTION, document)
            document = await self._webhook(path, call_id, Digits="0", **own)
            if not WAIT_URL.search(document):
                # The wait is long, so that a call back is offered; they would rather stay.
                path = next_target(ACTION, document)
                document = await self._webhook(path, call_id, Digits=STAYS, **own)
            path = next_target(WAIT_URL, document)
        if not path:
            self._bad("no line to wait in")
            return
        self._waiting += 1
        self._look()
        try:
            path = await self._wait(path, call_id, own)
        finally:
            self._waiting -= 1
            if self._counts:
                self.seen.fewest_waiting = min(self.seen.fewest_waiting, self._waiting)
        # Another caller takes their place in the line.
        self.begin(self._caller())
        await self._talk(path, call_id, own)

    async def _wait(self, path: str, call_id: str, own: Mapping[str, str]) -> str:
        """Hear one round after the other, until they are taken; where they are taken to."""
        sent = self._sent[call_id]
        pause = secrets.randbelow(1000) / 1000 * ROUND
        while True:
            document = await self._webhook(path, call_id, **own)
            path = next_target(REDIRECT, document)
            with contextlib.suppress(TimeoutError):
                return await asyncio.wait_for(sent.get(), pause)
            pause = ROUND

    async def _talk(self, path: str, call_id: str, own: Mapping[str, str]) -> None:
        document = await self._webhook(path, call_id, **own)
        await self._enter(document, call_id)
        path = await self._sent[call_id].get()
        await self._webhook(path, call_id, **own)
        await self._webhook("/voice/status", call_id, CallStatus="completed", **own)
        del self._sent[call_id]

    async def _enter(self, document: str, call_id: str) -> None:
        path = next_target(CONFERENCE, document)
        if not path:
            self._bad("no conference to enter")
            return
        sid = f"CF{path.partition('entry=')[2]:0>32}"
        joined = {"StatusCallbackEvent": "participant-join", "ConferenceSid": sid}
        await self._webhook(path, call_id, **joined)

    # Agents

    async def _agent(self, number: int, staff_id: str, cookie: str) -> None:
        token = await self._token(cookie)
        # An agent whose page was not open for a while is at home; one rung by now is refused.
        form = {"voice": "browser", "entry": ""}
        await self._asks("/poste/pret", cookie, form, token=token, may_be_refused=True)
        while True:
            rung = await self._rung[staff_id].get()
            await asyncio.sleep(REACTION)
            document = await self._webhook(rung["path"], rung["call"])
            if not CONFERENCE.search(document):
                # The dispatcher had given it up, or another took it: there will be a next one.
                continue
            await self._enter(document, rung["call"])
            self._talking += 1
            self._look()
            # Not all in the same moment.
            await asyncio.sleep(ACT_EVERY * (1 + number / len(self._day.agents)))
            state = json.loads(await self._served("/poste/etat", cookie))
            entry = (state.get("entry") or {}).get("id", "")
            for path, what in _ACTS:
                await self._act(path, cookie, token, {**what, "entry": entry})
                # As the page does when something has changed.
                await self._asks("/poste/travail", cookie, accept="text/html")
                await asyncio.sleep(ACT_EVERY)
            self._talking -= 1

    async def _served(self, path: str, cookie: str, accept: str = "application/json") -> str:
        """Open a page; where the house is too busy, again a second later, as an agent would."""
        while True:
            status, _, page = await self._asks(path, cookie, accept=accept)
            if status != BUSY:
                return page
            await asyncio.sleep(SCREEN_EVERY)

    async def _token(self, cookie: str) -> str:
        found = CSRF.search(await self._served("/poste", cookie, "text/html"))
        return found.group(1) if found else ""

    async def _act(self, path: str, cookie: str, token: str, form: Mapping[str, str]) -> None:
        began = time.monotonic()
        status, _, _ = await self._asks(path, cookie, form, token=token)
        # What is refused is not done, however soon that is said.
        if status < BAD and self._counts:
            self.seen.acts.append((time.monotonic() - began) * 1000)

    # Boards

    async def _probe(self) -> None:
        """An agent who pauses for one reason after the other."""
        _staff_id, cookie = self._day.probe
        token = await self._token(cookie)
        for number in itertools.count(1):
            if self._counts:
                self.seen.unseen += len(self._missing)
            self._event_at, self._expected = time.monotonic(), REASONS[number % 2]
            self._missing = set(range(len(self._day.boards))) if self._counts else set()
            form = {"reason": self._expected, "entry": ""}
            await self._asks("/poste/pause", cookie, form, token=token)
            await asyncio.sleep(EVENT_EVERY)

    async def _board(self, number: int, cookie: str) -> None:
        await asyncio.sleep(number / len(self._day.boards) * SCREEN_EVERY)
        tag, reason = "", ""
        while True:
            status, tag, body = await self._asks("/supervision/etat", cookie, tag=tag)
            # Where screens give way to the telephone it asks again, and its answer is no state.
            if status == http.OK and body:
                there = json.loads(body).get("agents", {}).get("list", [])
                mine = (entry["reason"] for entry in there if entry["id"] == self._day.probe[0])
                reason = next(mine, "")
            if number in self._missing and reason == self._expected:
                self._missing.discard(number)
                self.seen.boards.append((time.monotonic() - self._event_at) * 1000)
            await asyncio.sleep(SCREEN_EVERY)

    # The provider

    async def provides(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
                method, path, _ = head[0].split(" ", 2)
                length = [line for line in head if line.lower().startswith("content-length:")]
                body = await reader.readexactly(int(length[0].split(":")[1]) if length else 0)
                form = dict(parse_qsl(body.decode("ascii")))
                text = json.dumps(self._does(method, path, form))
                writer.write(
                    "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
                    f"Content-Length: {len(text)}\r\n\r\n{text}".encode()
                )
                await writer.drain()

    def _does(self, method: str, path: str, form: Mapping[str, str]) -> dict[str, Any]:
        """What the provider answers; what follows from it happens by itself."""
        parts = path.partition("?")[0].removesuffix(".json").split("/")[4:]
        if method == "GET":
            return {"queues": [], "calls": []}
        match parts:
            case ["Calls"]:
                return {"sid": self._ring(form)}
            case ["Calls", call_id] | ["Queues", _, "Members", call_id]:
                self._order(call_id, form)
            case ["Queues"]:
                return {"sid": f"QU{secrets.token_hex(16)}"}
        return {"sid": parts[-1]}

    def _ring(self, form: Mapping[str, str]) -> str:
        call_id = f"CA{secrets.token_hex(16)}"
        self._legs[call_id] = target(form["StatusCallback"])
        rung = self._rung.get(form["To"].removeprefix("client:"))
        if rung is not None:
            rung.put_nowait({"path": target(form["Url"]), "call": call_id})
        return call_id

    def _order(self, call_id: str, form: Mapping[str, str]) -> None:
        if "Url" in form and call_id in self._sent:
            self._sent[call_id].put_nowait(target(form["Url"]))
        elif form.get("Status") == "completed" and call_id in self._legs:
            path = self._legs.pop(call_id)
            self.begin(self._ended_leg(path, call_id))

    async def _ended_leg(self, path: str, call_id: str) -> None:
        await self._webhook(path, call_id, CallStatus="completed")


# ---------------------------------------------------------------- who is there


@dataclass(frozen=True)
class Hired:
    """A user who is signed in: their id, and the cookie of their browser."""

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
        hired.append(Hired(person.id, is_board, f"__Host-allo={token}"))
    store.database.dispose()
    return hired


def send_home(database_url: str) -> None:
    """End every call of the line, and let all agents be as free as they were when they came.

    For callers of the bench hang up without a word when their process ends: what is measured after
    them begins with no caller in the line.
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
