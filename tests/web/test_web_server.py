"""What workers share: loaded once, before there are any; and nothing that they must not share."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys

from collections.abc import Iterator
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException
from pathlib import Path

import pytest

from honcho.environ import parse_procfile

from exchange.testing.ports import free_port
from tests.support.keeper import ROOT
from tests.support.postgres import NOWHERE
from tests.support.until import PATIENCE, wait_for
from tools.launcher.ports import HOST

# KiB of a worker that are in memory for the others as well. It has 65 MiB when it has begun, and 4
# where each worker loads the application anew.
SHARED = 40 * 1024
PROGRAM = """
import gc, os, sys
import web_server
web_server.load("app.web:create_server")
print("app.web" in sys.modules, gc.get_freeze_count() > 100_000)
print(len(os.listdir("/proc/self/task")))
opened = [one for one in os.listdir("/proc/self/fd") if os.path.exists(f"/proc/self/fd/{one}")]
opened = [os.readlink(f"/proc/self/fd/{one}") for one in opened if int(one) > 2]
print([one for one in opened if not one.endswith(".db")])
"""


def environment(folder: Path, url: str = NOWHERE) -> dict[str, str]:
    return {
        "DATABASE_URL": url,
        "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin",
        "PROMETHEUS_MULTIPROC_DIR": str(folder),
    }


def test_what_is_loaded_before_the_workers_has_no_thread_and_no_connection(tmp_path: Path):
    """A copy of a process has none of its threads, and two cannot speak on one connection."""
    done = subprocess.run(  # noqa: S603 (our own words)
        [sys.executable, "-c", PROGRAM],
        cwd=ROOT,
        env=environment(tmp_path),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    # Counters are files of each process, which it opens anew when it sees that it is another.
    assert done.stdout.splitlines() == ["True True", "1", "[]"]


class Server:
    """The web line of Procfile.dev with two workers, and who rings without a signature."""

    def __init__(self, folder: Path, url: str) -> None:
        self.folder, self.rung = folder, 0
        self._port = free_port()
        line = parse_procfile((ROOT / "Procfile.dev").read_text("utf-8")).processes["web"]
        self.process = subprocess.Popen(  # noqa: S603 - our own line
            ["/bin/sh", "-c", f"exec {line}"],
            cwd=ROOT,
            env=environment(folder, url) | {"SERVICE_PORT": str(self._port), "WEB_WORKERS": "2"},
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )

    def workers(self) -> set[int]:
        at = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        return {int(one) for one in at.read_text("ascii").split()}

    def rings(self) -> None:
        """A call that is refused and counted; nothing where nobody answers yet."""
        with contextlib.suppress(OSError, HTTPException):
            self.rung += self._asked("POST", "/voice/incoming")[0] == HTTPStatus.FORBIDDEN

    def counting(self) -> set[int]:
        """Ring; the workers that have counted something so far."""
        self.rings()
        files = self.folder.glob("counter_*.db")
        return self.workers() & {int(one.stem.partition("_")[2]) for one in files}

    def told(self) -> float:
        """How many calls were refused, as any of the workers tells it."""
        told = self._asked("GET", "/metrics")[1]
        counts = re.findall(r"^allo_refused_total\{.*\} (.*)$", told, re.MULTILINE)
        return sum(map(float, counts))

    def is_killed(self) -> None:
        """The main process alone, as when memory is short: it says nothing to its workers."""
        os.kill(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def ends(self) -> None:
        self.process.terminate()
        self.process.wait()
        # Workers that are left where a server was killed.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)

    def _asked(self, method: str, path: str) -> tuple[int, str]:
        # A connection each: each may come to another worker.
        with contextlib.closing(HTTPConnection(HOST, self._port, timeout=PATIENCE)) as connection:
            connection.request(method, path, headers={"Content-Length": "0"})
            answer = connection.getresponse()
            return answer.status, answer.read().decode()


@pytest.fixture
def server(tmp_path: Path, database_url: str) -> Iterator[Server]:
    made = Server(tmp_path, database_url)
    try:
        yield made
    finally:
        made.ends()


def shared(pid: int) -> int:
    """KiB that this process has written or read in, and that others have, too."""
    rollup = Path(f"/proc/{pid}/smaps_rollup").read_text("ascii")
    return int(re.findall(r"^Shared_Dirty: +(\d+) kB$", rollup, re.MULTILINE)[0])


def test_workers_share_what_was_loaded_and_so_does_one_in_a_killed_ones_place(server: Server):
    wait_for(lambda: len(server.counting()) == 2, "both workers answer")
    first, second = server.workers()
    assert min(shared(first), shared(second)) > SHARED
    # Each counts in a file of its own, and what one tells is of both.
    assert server.told() == server.rung
    os.kill(first, signal.SIGKILL)
    wait_for(lambda: server.counting() - {first, second}, "another answers in its place")
    (third,) = server.workers() - {first, second}
    assert shared(third) > SHARED
    assert server.told() == server.rung


def test_workers_end_with_a_server_that_was_killed(server: Server):
    """Or they would go on beside the next one, which shares the port with them."""
    wait_for(lambda: len(server.counting()) == 2, "both workers answer")
    workers = server.workers()
    server.is_killed()
    wait_for(lambda: not any(Path(f"/proc/{one}").exists() for one in workers), "none is left")
