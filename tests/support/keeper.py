"""Ends the servers that a test run started, however the run itself ended.

A run holds a lock on a file; the kernel lets go of it when the run is over, killed or not. Each
server has a keeper, a process that waits for just that and then ends its server.

    python -m tests.support.keeper LOCKED_FILE COMMAND…
"""

from __future__ import annotations

import fcntl
import shutil
import signal
import subprocess
import sys
import tempfile

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NoReturn

from tests.support.until import comes

ROOT = Path(__file__).resolve().parents[2]


@contextmanager
def held(file: Path) -> Iterator[None]:
    """Hold `file`'s lock; whoever is in wait_for_end goes on when this block, or process, ends."""
    with file.open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@contextmanager
def folder_of_a_run(name: str) -> Iterator[Path]:
    """A temporary folder for a run's servers, whose file `alive` is held; they end with the block.

    Short, for it holds sockets.
    """
    folder = Path(tempfile.mkdtemp(prefix=f"{name}-", dir="/tmp"))
    try:
        with held(folder / "alive"):
            yield folder
        wait_for_keepers(folder / "alive")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def wait_for_end(file: Path) -> None:
    """Wait until nobody holds `file`, or until SIGTERM."""
    signal.signal(signal.SIGTERM, _leave)
    with suppress(SystemExit), held(file):
        pass


def _leave(*_signal: object) -> NoReturn:
    sys.exit(0)


def keep(alive: Path, module: str, *arguments: str, env: dict[str, str]) -> subprocess.Popen[str]:
    """Start `python -m module ALIVE arguments…`, a keeper that writes one line when it is ready.

    It leaves the runner's group, so that Ctrl-C does not take the server from running tests. Its
    process id is written beside `alive`, for `wait_for_keepers`.
    """
    keeper = subprocess.Popen(  # noqa: S603 - our own modules
        [sys.executable, "-m", module, str(alive), *arguments],
        cwd=ROOT,
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        start_new_session=True,
        text=True,
    )
    alive.with_name(f"{keeper.pid}.keeper").touch()
    return keeper


def wait_for_keepers(alive: Path, *, seconds: float = 15) -> None:
    """After the end of `held(alive)`: wait until every keeper has ended its server."""
    notes = [note.stem for note in alive.parent.glob("*.keeper")]
    comes(lambda: not any(_alive(int(pid), Path("/proc") / pid / "stat") for pid in notes), seconds)


def _alive(pid: int, stat: Path) -> bool:
    with suppress(OSError):
        return stat.read_text("utf-8").rpartition(")")[2].split()[0] != "Z"
    if Path("/proc/self").exists():
        return False
    done = subprocess.run(["ps", "-p", str(pid)], capture_output=True, check=False)  # noqa: S603, S607
    return done.returncode == 0


def main(alive: str, *command: str) -> None:
    # The server's own output is of no interest unless it cannot start.
    server = subprocess.Popen(  # noqa: S603 - a server that the fixtures found
        command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL
    )
    print("started", flush=True)  # noqa: T201 - what keep() promises
    wait_for_end(Path(alive))
    server.terminate()
    try:
        server.wait(timeout=5)
    except subprocess.TimeoutExpired:
        server.kill()


if __name__ == "__main__":
    main(*sys.argv[1:])
