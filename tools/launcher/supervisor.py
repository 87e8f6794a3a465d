"""Watches the processes of a run: prints what they write, starts again what ends, ends all."""

from __future__ import annotations

import os
import queue
import signal
import sys
import time

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any, NoReturn

from honcho.manager import Manager
from honcho.printer import Printer

from tools.launcher.errors import Failed, Stopped
from tools.launcher.processes import Guard, Launched, signal_group, sweep

# A process that ends this often within this time (seconds) will not come right by itself.
TOO_MANY_ENDS = 5
ENDS_WINDOW = 30.0
# Seconds. A restart waits a moment, for a port or a socket to be let go.
RESTART_PAUSE = 0.2
# Together under the ten seconds in which a stop must be over.
STOP_DEADLINE = 6.0
REDIS_STOP_DEADLINE = 1.5
LINES_KEPT = 25


class Supervisor(Manager):  # type: ignore[misc]
    """honcho's manager, where one process that ends does not end the others.

    Everything happens in the thread that calls: `start`, `run_to_end`, `wait_for` and `serve`
    raise Stopped when the end was asked for and Failed when a process gave up; then `stop`.
    """

    def __init__(self, printer: Any = None, *, launch_id: str = "") -> None:
        super().__init__(printer or Printer(sys.stdout))
        self.events: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._process_ctor = Launched
        self._launch_id = launch_id
        # Set after the fork; it learns of each process.
        self.guard: Guard | None = None
        self._running: dict[str, int] = {}
        self._ended: dict[str, int] = {}
        self._ends: dict[str, deque[float]] = {}
        self._last_lines: dict[str, deque[str]] = {}
        self._restarts: dict[str, float] = {}
        self._asked_to_stop = 0

    def ask_to_stop(self, *_signal: object) -> None:
        """Handle a signal. Asked twice, `stop` does not wait for anybody."""
        self._asked_to_stop += 1

    @property
    def running(self) -> Mapping[str, int]:
        """The process ids of what runs now, by name."""
        return self._running

    def say(self, text: str) -> None:
        """Write a line of the launcher's own among the others'."""
        self._system_print(text + "\n")

    def announce(self, text: str) -> None:
        """Write a line with no prefix, for people and scripts that wait for it."""
        with self._reader_may_leave():
            print(text, flush=True)

    def last_lines(self, name: str) -> list[str]:
        """Return the end of what a process wrote."""
        return list(self._last_lines.get(name, ()))

    def start(self, name: str) -> None:
        self._ended.pop(name, None)
        pid = self._processes[name]["obj"].launch(self.events)
        self._running[name] = pid
        if self.guard:
            self.guard.toggle(pid)

    def run_to_end(self, name: str) -> None:
        """Run a process that ends by itself. Raises Failed unless it succeeds."""
        self.start(name)
        while name not in self._ended:
            self._step(may_end={name})
        if self._ended[name] != 0:
            how = _how(self._ended[name])
            raise Failed(f"{name} {how}, so nothing was started", self.last_lines(name))

    def wait_for(self, condition: Callable[[], bool], *, seconds: float, what: str) -> None:
        """Wait until `condition()`. Raises Failed after `seconds` or when a process ends."""
        deadline = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > deadline:
                raise Failed(f"{what} did not answer within {seconds:.0f} seconds")
            self._step()

    def serve(self) -> NoReturn:
        """Go on for ever, starting again what ends. Raises Stopped or Failed."""
        while True:
            self._step(restart=True)

    def stop(self, *, last: str = "redis") -> None:
        """End everything within ten seconds; `last` after the others, who still use it."""
        self._restarts.clear()
        self._end([name for name in self._running if name != last], STOP_DEADLINE)
        self._end(list(self._running), REDIS_STOP_DEADLINE)
        if self._launch_id:
            sweep(self._launch_id, (), patience=0)

    def _end(self, names: list[str], seconds: float) -> None:
        for name in names:
            with suppress(ProcessLookupError):
                os.kill(self._running[name], signal.SIGTERM)
        deadline = time.monotonic() + seconds
        while any(name in self._running for name in names):
            if time.monotonic() > deadline or self._asked_to_stop > 1:
                for name in names:
                    if name in self._running:
                        self.say(f"{name} did not end in time and is killed")
                        signal_group(self._running[name], signal.SIGKILL)
                deadline = time.monotonic() + 1
                self._asked_to_stop = min(self._asked_to_stop, 1)
            self._take()

    def _step(self, *, may_end: Iterable[str] = (), restart: bool = False) -> None:
        if self._asked_to_stop:
            raise Stopped
        name = self._take()
        if name is not None and name not in may_end:
            how = _how(self._ended[name])
            if not restart:
                raise Failed(f"{name} {how} before the service was ready", self.last_lines(name))
            self._count(name, how)
        for name, due in list(self._restarts.items()):
            if time.monotonic() >= due:
                del self._restarts[name]
                self.start(name)

    def _count(self, name: str, how: str) -> None:
        now = time.monotonic()
        ends = self._ends.setdefault(name, deque(maxlen=TOO_MANY_ENDS))
        ends.append(now)
        if len(ends) == TOO_MANY_ENDS and now - ends[0] <= ENDS_WINDOW:
            raise Failed(
                f"{name} ended {TOO_MANY_ENDS} times within {ENDS_WINDOW:.0f} seconds (last it"
                f" {how}), so everything was stopped",
                self.last_lines(name),
            )
        self.say(f"{name} {how}; starting it again")
        self._restarts[name] = now + RESTART_PAUSE

    def _take(self) -> str | None:
        """Handle one event, or none in a tenth of a second; the name of a process that ended."""
        try:
            message = self.events.get(timeout=0.1)
        except queue.Empty:
            return None
        if message.type == "line":
            lines = self._last_lines.setdefault(message.name, deque(maxlen=LINES_KEPT))
            lines.append(message.data.decode("utf-8", "replace").rstrip("\n"))
            self._write(message)
        elif message.type == "start":
            self.say(f"{message.name} started (pid={message.data['pid']})")
        elif message.type == "stop":
            name, returncode = str(message.name), int(message.data["returncode"])
            if self.guard:
                self.guard.toggle(message.data["pid"])
            del self._running[name]
            self._ended[name] = returncode
            return name
        return None

    def _system_print(self, data: str) -> None:
        with self._reader_may_leave():
            super()._system_print(data)

    def _write(self, message: Any) -> None:
        with self._reader_may_leave():
            self._printer.write(message)

    @contextmanager
    def _reader_may_leave(self) -> Iterator[None]:
        # `make run | head` and a closed terminal: stop as for Ctrl-C, and write no more.
        try:
            yield
        except OSError:
            self._asked_to_stop = self._asked_to_stop or 1
            null = os.open(os.devnull, os.O_WRONLY)
            os.dup2(null, sys.stdout.fileno())
            os.close(null)


def _how(returncode: int) -> str:
    if returncode < 0:
        return f"was ended by {signal.Signals(-returncode).name}"
    return f"ended with exit code {returncode}"
