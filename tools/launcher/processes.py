"""Starting a process, and ending all that was started, whatever group it went to."""

from __future__ import annotations

import os
import queue
import signal
import subprocess
import threading
import time

from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import IO, Any, NoReturn

from honcho.process import Process

# Every process started here carries this variable, so that none can hide in another group.
LAUNCH_ID = "ALLO_LAUNCH_ID"


def marked(launch_id: str) -> list[int]:
    """Every process that carries this launch id (Linux only; elsewhere none is found)."""
    needle = f"{LAUNCH_ID}={launch_id}".encode()
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if needle in (folder / "environ").read_bytes().split(b"\0"):
                found.append(int(folder.name))
    return found


def signal_group(group: int, number: signal.Signals) -> bool:
    """Signal a process group; False when no process is left in it."""
    try:
        os.killpg(group, number)
    except ProcessLookupError:
        return False
    except PermissionError:  # macOS says so of a group that holds only zombies
        return False
    return True


def sweep(launch_id: str, groups: Iterable[int], *, patience: float) -> None:
    """End what is left of a launch: SIGTERM, `patience` seconds, SIGKILL."""
    groups = set(groups)
    deadline = time.monotonic() + (patience or 2)
    number = signal.SIGTERM if patience else signal.SIGKILL
    while True:
        alive = [group for group in groups if signal_group(group, number)]
        left = marked(launch_id)
        for pid in left:
            with suppress(ProcessLookupError):
                os.kill(pid, number)
        if not alive and not left:
            return
        if time.monotonic() > deadline:
            if number is signal.SIGKILL:
                return
            number, deadline = signal.SIGKILL, time.monotonic() + 2
        time.sleep(0.1)


class Guard:
    """A second process that ends everything when the launcher is killed without a word.

    It reads a pipe that only the launcher writes to, so the end of the pipe is the end of the
    launcher. It also holds the folder's lock until its work is done. (PR_SET_PDEATHSIG would reach
    granian but not granian's workers, and exists on Linux only.)
    """

    def __init__(self, launch_id: str) -> None:
        """Fork: call this before any thread exists."""
        reader, self._writer = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            self._watch(launch_id, reader)
        os.close(reader)

    def _watch(self, launch_id: str, reader: int) -> NoReturn:
        try:
            os.setsid()
            os.close(self._writer)
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                signal.signal(number, signal.SIG_IGN)
            # The reader of the launcher's output must see its end when the launcher ends.
            null = os.open(os.devnull, os.O_RDWR)
            for descriptor in (0, 1, 2):
                os.dup2(null, descriptor)
            groups: set[int] = set()
            with os.fdopen(reader) as lines:
                for line in lines:
                    groups ^= {int(line)}
            sweep(launch_id, groups, patience=3)
        finally:
            os._exit(0)

    def toggle(self, group: int) -> None:
        """Note that a group was started, or that it has ended."""
        with suppress(OSError):
            os.write(self._writer, f"{group}\n".encode())

    def release(self) -> None:
        os.close(self._writer)
        os.waitpid(self.pid, 0)


class Launched(Process):  # type: ignore[misc]
    """A honcho process that can be started again, and whose end is seen at once.

    honcho waits for the end of the output, which a killed granian's workers would hold open while
    they go on serving the port; here the end of the process counts, and what is left in its group
    is killed.
    """

    def launch(self, events: queue.SimpleQueue[Any]) -> int:
        """Start it; its output and its end arrive in `events`. Returns its process id."""
        self._events = events
        # The shell gives its place away, so that signals meet the program itself.
        child = self._child_ctor(
            "exec " + self.cmd, env=self.env, cwd=self.cwd, stdin=subprocess.DEVNULL
        )
        self._send_message({"pid": child.pid}, type="start")
        relay = threading.Thread(target=self._relay, args=(child.stdout,), daemon=True)
        relay.start()
        threading.Thread(target=self._reap, args=(child, relay), daemon=True).start()
        return int(child.pid)

    def _relay(self, output: IO[bytes]) -> None:
        with output:
            for line in output:
                self._send_message(line)

    def _reap(self, child: subprocess.Popen[bytes], relay: threading.Thread) -> None:
        returncode = child.wait()
        signal_group(child.pid, signal.SIGKILL)
        relay.join(timeout=1)  # its last lines come before the news of its end
        self._send_message({"pid": child.pid, "returncode": returncode}, type="stop")
