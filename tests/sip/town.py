"""The whole service on loopback, its simulator, and the telephones' process, each on a free port.

What rings it is the test's: a telephone of others, or the scripted one.
"""

from __future__ import annotations

import socket
import subprocess
import sys
import time

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

from flask import Flask
from sqlalchemy import select
from werkzeug.wsgi import ClosingIterator

from app.web import make_app
from exchange.sip.parts import FRAME, FRAME_S, RATE
from exchange.testing.ports import free_port
from ivr.provider import make_control
from models.call.tables import turn
from services.centres.directory import Directory
from services.parts import Parts
from services.service import Service
from services.store import CryptographicChance
from tests.browser.stage import at_a_port, deliver_waiting, dispatches, exchange_for, serves
from tests.support.house import ACCOUNT, NOON, TOKEN, House, house, mornings
from tests.support.keeper import ROOT
from tests.support.running_clock import RunningClock
from tools.launcher.environment import inherited
from tools.simulator.ring.script import is_loud

# Seconds that anything may take: never, on a machine that works.
PATIENCE_S = 30.0
LOOKS_S = 0.02
SPEECH_S = 0.3
NATIONAL = "+33974750001"
PASSWORD = "a-password-of-the-tests"
# A booking by keys, as somebody with a mobile makes it: each step with what is pressed at it.
BOOKING = (
    ("welcome", "1"),
    ("date_of_birth", "12031942"),
    ("date_of_birth_check", "1"),
    ("postcode", "75011"),
    ("offers", "1"),
    ("confirm", "1"),
    ("ready", "1"),
)
# Bytes of 16-bit samples: half a second of them.
ON_ITS_WAY = RATE
T = TypeVar("T")


@dataclass
class Town:
    """`sip` is where telephones ring once `opens_telephones` was called."""

    house: House
    app: Flask
    url: str
    simulator: Any
    simulator_url: str
    folder: Path
    stack: ExitStack
    sip: tuple[str, int] = ("127.0.0.1", 0)
    # What the service answered to webhooks of calls, in order.
    documents: list[bytes] = field(default_factory=list)
    process: subprocess.Popen[bytes] | None = None
    log: Path = field(default_factory=Path)

    def opens_telephones(self, accounts: Mapping[str, tuple[str, ...]] | None = None) -> None:
        """Start the telephones' process; `accounts` by name with what each is rung as."""
        port, first = free_port(), free_port()
        while first <= port <= first + 199:
            first = free_port()
        self.sip = ("127.0.0.1", port)
        environment = inherited() | {
            "SERVICE_URL": self.url,
            "PUBLIC_BASE_URL": self.url,
            "SIMULATOR_PORT": self.simulator_url.rpartition(":")[2],
            "TWILIO_ACCOUNT_SID": ACCOUNT,
            "TWILIO_AUTH_TOKEN": TOKEN,
            "NATIONAL_NUMBER": NATIONAL,
            "SIP_PORT": str(port),
            "SIP_RTP_PORTS": f"{first}-{first + 199}",
            "SIP_MOST_CALLS": "40",
        }
        if accounts:
            file = self.folder / "telephones.toml"
            file.write_text(
                "".join(
                    f'[accounts.{name}]\npassword = "{PASSWORD}"\nrings = {list(rings)!r}\n'
                    for name, rings in accounts.items()
                ).replace("'", '"'),
                "utf-8",
            )
            environment["SIP_FILE"] = str(file)
        self.log = self.folder / "telephones.log"
        with self.log.open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "exchange.sip"],
                cwd=ROOT,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self.stack.callback(self.closes_telephones)
        eventually(self._listens, "the telephones' process listens")

    def _listens(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, self.log.read_text("utf-8", "replace")
        with suppress(OSError), socket.create_connection(self.sip, timeout=1):
            return True
        return False

    def closes_telephones(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(PATIENCE_S)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

    # What the service knows

    @property
    def step(self) -> str:
        """Where the newest conversation is, as the store has it."""
        newest = select(turn.c.step).order_by(turn.c.at.desc(), turn.c.number.desc()).limit(1)
        with self.house.database.statement() as connection:
            return connection.execute(newest).scalar_one_or_none() or ""

    def books(self, press: Callable[[str], None], heard: Callable[[], bytes]) -> None:
        """Press the keys of a booking, a group where each step's prompt has begun.

        `heard` gives all that was heard so far, as 16-bit samples. Who speaks listens, too.
        """
        for step, keys in BOOKING:
            self.asks(step, heard)
            press(keys)
        self.asks("reference", heard)

    def asks(self, step: str, heard: Callable[[], bytes]) -> None:
        """Wait until the newest conversation is at a step, and is heard to be."""
        eventually(lambda: self.step == step, f"the step {step}")
        # What comes first may be the end of the prompt before, on its way yet; a key into that is
        # pressed before this question listens.
        before = len(heard()) + ON_ITS_WAY
        eventually(lambda: speaks(heard()[before:]), f"the prompt of {step}")

    def delivers(self) -> None:
        deliver_waiting(self.house, self.simulator_url, self.url)

    def texts(self, number: str) -> list[str]:
        """The texts in the simulator's list, oldest first."""
        found = self.simulator.messages.newest_first()
        return [one.body for one in reversed(found) if one.recipient == number]


@contextmanager
def town(database_url: str, folder: Path, *, agents: bool = False) -> Iterator[Town]:
    """A service with slots near 75011; with `agents` its dispatcher works, too."""
    (server, url), (simulating, simulator_url) = (at_a_port(Flask("none")) for _ in range(2))
    with ExitStack() as stack:
        # A command to the provider is known by the first figures of an identifier: those that a
        # test can foresee all begin alike.
        chance = CryptographicChance()
        made = stack.enter_context(house(database_url, clock=RunningClock(NOON), chance=chance))
        made.campaign = replace(made.campaign, doses=1)
        made.opens_centre(starts=mornings(30), capacity=40)
        settings = made.settings.model_copy(
            update={
                "public_base_url": url,
                "twilio_api_base_url": simulator_url,
                "simulator_port": simulating.server_port,
                "calls_per_second": 50.0,
            }
        )
        directory = Directory(made.database, centres_fresh_seconds=0)
        service = Service(directory, made.campaign, settings.national_number)
        control = make_control(settings)
        app = make_app(Parts(settings, made.store, service, made.woken, control))
        simulated = exchange_for(stack, url, url, simulator_port=simulating.server_port)
        server.app, simulating.app = app, simulated
        serves(stack, server, simulating)
        if agents:
            dispatches(stack, made, settings, control, service)
        simulator = simulated.extensions["simulator"]
        built = Town(made, app, url, simulator, simulator_url, folder, stack)

        _keeps_documents(app, built.documents)
        yield built


def _keeps_documents(app: Flask, documents: list[bytes]) -> None:
    """Keep what is answered to webhooks: also what never comes to the web framework."""
    answered = app.wsgi_app

    def keeps(environ: Any, start_response: Any) -> Any:
        kinds: list[str] = []

        def start(status: str, headers: Any, *rest: Any) -> Any:
            kinds.append(dict(headers).get("Content-Type", ""))
            return start_response(status, headers, *rest)

        parts = ClosingIterator(answered(environ, start))
        body = b"".join(parts)
        parts.close()
        if kinds[-1].startswith("text/xml"):
            documents.append(body)
        return [body]

    app.wsgi_app = keeps  # type: ignore[method-assign]


def speaks(pcm: bytes) -> bool:
    """Whether so much speech is in these samples that no echo of what was before explains it."""
    frames = [pcm[at : at + 2 * FRAME] for at in range(0, len(pcm) - 2 * FRAME, 2 * FRAME)]
    return sum(map(is_loud, frames)) * FRAME_S > SPEECH_S


def eventually(condition: Callable[[], T | None], what: str, patience_s: float = PATIENCE_S) -> T:
    """Wait until it is true, and return what it is."""
    until = time.monotonic() + patience_s
    while not (found := condition()):
        assert time.monotonic() < until, f"never: {what}"
        time.sleep(LOOKS_S)
    return found
