"""Starting, restarting and ending, with real little processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import uuid

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.keeper import ROOT
from tests.support.until import comes
from tools.launcher import supervisor as supervising
from tools.launcher.environment import inherited
from tools.launcher.errors import Failed, Stopped
from tools.launcher.processes import LAUNCH_ID
from tools.launcher.supervisor import Supervisor

PYTHON = sys.executable
SLEEP = "sleep 600"
LINUX = sys.platform == "linux"


class Recorder:
    """A printer that keeps what it is given."""

    width = 0

    def __init__(self) -> None:
        self.lines: list[str] = []

    def write(self, message) -> None:
        data = message.data
        text = data.decode() if isinstance(data, bytes) else data
        self.lines.append(f"{message.name}: {text.rstrip()}")


@pytest.fixture
def printer() -> Recorder:
    return Recorder()


@pytest.fixture
def supervisor(printer: Recorder) -> Iterator[Supervisor]:
    supervisor = Supervisor(printer, launch_id=uuid.uuid4().hex)
    yield supervisor
    supervisor.ask_to_stop()
    supervisor.ask_to_stop()
    supervisor.stop()


def add(supervisor: Supervisor, name: str, command: str) -> None:
    env = inherited() | {LAUNCH_ID: supervisor._launch_id}
    supervisor.add_process(name, command, env=env)


def runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    stat = Path(f"/proc/{pid}/stat")
    return not LINUX or stat.read_text("utf-8").rpartition(")")[2].split()[0] != "Z"


def serve_until(supervisor: Supervisor, condition: Callable[[], object]) -> None:
    """Let the supervisor do its work until `condition()`."""
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        supervisor._step(restart=True)


def children_script(tmp_path: Path, *, ignore_term: bool = False) -> str:
    """A program with a child in its group, and one in a group of its own, as an RQ work-horse."""
    script = tmp_path / "family.py"
    script.write_text(
        "import os, signal, subprocess, sys, time\n"
        + ("signal.signal(signal.SIGTERM, signal.SIG_IGN)\n" if ignore_term else "")
        + "a = subprocess.Popen(['sleep', '600'])\n"
        "b = subprocess.Popen(['sleep', '600'], process_group=0)\n"
        "print('family', os.getpid(), a.pid, b.pid, flush=True)\n"
        "time.sleep(600)\n",
        "utf-8",
    )
    return f"'{PYTHON}' '{script}'"


def family(supervisor: Supervisor, name: str = "web") -> list[int]:
    def told() -> list[str]:
        return [line for line in supervisor.last_lines(name) if line.startswith("family")]

    before = len(told())
    serve_until(supervisor, lambda: len(told()) > before)
    return [int(word) for word in told()[-1].split()[1:]]


def test_a_killed_process_is_started_again_and_the_others_go_on(supervisor, printer):
    add(supervisor, "web", SLEEP)
    add(supervisor, "worker", SLEEP)
    supervisor.start("web")
    supervisor.start("worker")
    first = dict(supervisor.running)
    os.kill(first["web"], signal.SIGKILL)
    serve_until(supervisor, lambda: supervisor.running.get("web", first["web"]) != first["web"])
    assert supervisor.running["worker"] == first["worker"]
    assert "system: web was ended by SIGKILL; starting it again" in printer.lines


def test_what_a_killed_server_leaves_in_its_group_is_killed_at_once(supervisor, tmp_path):
    # granian's workers would go on serving the port, beside the new ones.
    add(supervisor, "web", children_script(tmp_path))
    supervisor.start("web")
    leader, child, horse = family(supervisor)
    os.kill(leader, signal.SIGKILL)
    again, *_ = family(supervisor)
    assert again != leader
    assert comes(lambda: not runs(child))
    assert runs(horse)  # it may finish its job …


def test_stop_ends_everything_even_what_does_not_listen(supervisor, tmp_path, monkeypatch):
    monkeypatch.setattr(supervising, "STOP_DEADLINE", 0.5)
    add(supervisor, "web", children_script(tmp_path, ignore_term=True))
    supervisor.start("web")
    pids = family(supervisor)
    supervisor.stop()
    assert not supervisor.running
    if not LINUX:
        pids.pop()  # without /proc nothing tells where the work-horse belongs
    assert comes(lambda: not any(runs(pid) for pid in pids))  # … but not longer than this


def test_redis_ends_after_those_that_use_it(supervisor, printer):
    last_words = "trap 'echo ended; exit 0' TERM; echo up; while :; do sleep 0.05; done"
    for name in ("redis", "worker"):
        add(supervisor, name, f'sh -c "{last_words}"')
        supervisor.start(name)
    serve_until(supervisor, lambda: {"redis: up", "worker: up"} <= set(printer.lines))
    supervisor.stop()
    assert printer.lines.index("worker: ended") < printer.lines.index("redis: ended")


def test_a_process_that_keeps_ending_stops_everything_with_a_sentence(supervisor):
    add(supervisor, "web", "sh -c 'echo no database; exit 3'")
    supervisor.start("web")
    with pytest.raises(Failed) as failure:
        supervisor.serve()
    assert "web ended 5 times within 30 seconds" in str(failure.value)
    assert "exit code 3" in str(failure.value)
    assert failure.value.last_lines == ["no database"] * 5


def test_a_process_that_ends_before_the_service_is_ready_is_named(supervisor):
    add(supervisor, "web", "sh -c 'echo why; exit 3'")
    supervisor.start("web")
    with pytest.raises(Failed, match="web ended with exit code 3 before") as failure:
        supervisor.wait_for(lambda: False, seconds=20, what="/readyz")
    assert failure.value.last_lines == ["why"]


def test_waiting_has_an_end(supervisor):
    with pytest.raises(Failed, match="/readyz did not answer within 0 seconds"):
        supervisor.wait_for(lambda: False, seconds=0, what="/readyz")


def test_a_migration_that_fails_stops_the_start(supervisor):
    add(supervisor, "migrate", "sh -c 'echo oh; exit 1'")
    with pytest.raises(Failed, match="migrate ended with exit code 1") as failure:
        supervisor.run_to_end("migrate")
    assert failure.value.last_lines == ["oh"]


def test_a_signal_is_obeyed_between_two_lines(supervisor):
    add(supervisor, "web", "sh -c 'while :; do echo busy; done'")
    supervisor.start("web")
    supervisor.ask_to_stop()
    with pytest.raises(Stopped):
        supervisor.serve()


KILLED_LAUNCHER = """
import sys
sys.path.insert(0, sys.argv[1])
from tools.launcher.environment import inherited
from tools.launcher.processes import LAUNCH_ID, Guard
from tools.launcher.supervisor import Supervisor
supervisor = Supervisor(launch_id="{launch_id}")
supervisor.guard = Guard("{launch_id}")
env = inherited() | {{LAUNCH_ID: "{launch_id}"}}
supervisor.add_process("web", sys.argv[2], env=env)
supervisor.start("web")
supervisor.serve()
"""


def test_a_launcher_killed_without_a_word_leaves_nothing(tmp_path):
    code = KILLED_LAUNCHER.format(launch_id=uuid.uuid4().hex)
    with subprocess.Popen(  # noqa: S603
        [PYTHON, "-c", code, str(ROOT), children_script(tmp_path)],
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout
        line = next(line for line in process.stdout if "family" in line)
        pids = [int(word) for word in line.split("family ")[1].split()]
        assert all(runs(pid) for pid in pids)
        process.kill()
    if not LINUX:
        pids.pop()
    assert comes(lambda: not any(runs(pid) for pid in pids))
