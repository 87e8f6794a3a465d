"""The telephones' process under the launcher: told apart, started again, and gone at the end."""

from __future__ import annotations

import os
import signal
import sys
import time
import uuid

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import config

from exchange.sip import settings as sip
from exchange.testing.ports import free_port
from tools.launcher import processes
from tools.launcher.environment import exports, inherited
from tools.launcher.ports import listens
from tools.launcher.processes import LAUNCH_ID
from tools.launcher.start import lines_to_start
from tools.launcher.supervisor import Supervisor

PATIENCE_S = 60.0
LINUX = sys.platform == "linux"


class Quiet:
    """A printer of the launcher's that keeps nothing; `last_lines` has what is asked for."""

    width = 0

    def write(self, message: object) -> None:
        pass


class Started:
    """The telephones as `make run` starts them, on a port of their own."""

    def __init__(self) -> None:
        own = sip.SipSettings(_env_file=None, sip_port=free_port())  # type: ignore[call-arg]
        self.plan = sip.read(own)
        self.launch_id = uuid.uuid4().hex
        # Nobody is at the simulator's port: telephones listen all the same.
        settings = config.Settings(_env_file=None, simulator_port=1)  # type: ignore[call-arg]
        env = exports(
            settings,
            redis_url="unix:///nobody.sock",
            base=inherited() | {LAUNCH_ID: self.launch_id},
            telephones=own,
        )
        self.supervisor = Supervisor(Quiet(), launch_id=self.launch_id)
        command = lines_to_start(self.plan)["telephones"]
        self.supervisor.add_process("telephones", command, env=env, cwd=str(config.ROOT))

    @property
    def pid(self) -> int:
        return self.supervisor.running["telephones"]

    def starts(self) -> None:
        self.supervisor.start("telephones")
        self.supervisor.wait_for(
            lambda: listens(self.plan), seconds=PATIENCE_S, what="the SIP port"
        )

    def until(self, condition: Callable[[], object]) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while not condition():
            assert time.monotonic() < deadline, self.supervisor.last_lines("telephones")
            self.supervisor._step(restart=True)


@pytest.fixture
def telephones() -> Iterator[Started]:
    started = Started()
    yield started
    started.supervisor.ask_to_stop()
    started.supervisor.ask_to_stop()
    started.supervisor.stop()


def test_they_say_that_they_listen_once_they_do(telephones: Started):
    assert not listens(telephones.plan)
    telephones.starts()
    said = f"Telephones: sip:127.0.0.1:{telephones.plan.port}, UDP and TCP"
    telephones.until(lambda: said in telephones.supervisor.last_lines("telephones"))


def test_killed_they_are_started_again_with_nothing_left_of_the_first(telephones: Started):
    telephones.starts()
    first = telephones.pid
    workers = children(first)
    os.kill(first, signal.SIGKILL)
    telephones.until(lambda: telephones.supervisor.running.get("telephones", first) != first)
    telephones.until(lambda: listens(telephones.plan))
    assert bool(workers) == LINUX
    telephones.until(lambda: not any(Path(f"/proc/{one}").exists() for one in workers))


def test_they_end_when_told_to_and_leave_no_voice_behind(telephones: Started):
    telephones.starts()
    if LINUX:
        marked = set(processes.marked(telephones.launch_id))
        assert {telephones.pid, *children(telephones.pid)} <= marked
    telephones.supervisor.stop()
    assert telephones.supervisor._ended["telephones"] == 0
    assert processes.marked(telephones.launch_id) == []
    assert not listens(telephones.plan)
    assert "Traceback" not in "".join(telephones.supervisor.last_lines("telephones"))


def children(pid: int) -> list[int]:
    """The voice's workers, started before the first call (Linux only; elsewhere none is found)."""
    if not LINUX:
        return []
    told = Path(f"/proc/{pid}/task/{pid}/children").read_text("utf-8")
    return [int(one) for one in told.split()]
