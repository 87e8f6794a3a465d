"""The load generator: wrk with replay.lua, and how much of the machine it took itself."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import shutil
import signal
import statistics
import subprocess
import time

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.servers import CannotMeasure
from tools.launcher.ports import HOST

SCRIPT = Path(__file__).with_name("replay.lua")
# As many as the workers of Procfile.dev have threads together.
CONNECTIONS = 32
# A generator that takes more than this share of the machine measures itself.
MOST_OF_THE_MACHINE = 0.25
# Seconds. Nothing that is measured takes as long as this.
LONGEST = 90
END = b"\0"
Say = Callable[[str], None]


@dataclass(frozen=True)
class LoadRun:
    """What one run of wrk saw: `finished` connections sent all they had.

    `share` is wrk's part of all cores' time.
    """

    answers: int
    seconds: float
    finished: int
    bad_status: int
    broken: int
    share: float

    @property
    def rate(self) -> float:
        """Answers a second."""
        return self.answers / self.seconds

    def faults(self) -> list[str]:
        """Why this run counts for nothing; empty when it counts."""
        found = []
        if self.bad_status:
            found.append(f"{self.bad_status} answers had a status of 400 or more")
        if self.broken:
            found.append(f"{self.broken} connections broke or timed out")
        if self.share > MOST_OF_THE_MACHINE:
            found.append(f"wrk took {self.share:.0%} of the machine")
        return found


@dataclass(frozen=True)
class Script:
    """Requests on disk, by connection."""

    file: Path
    lengths: tuple[int, ...]

    @classmethod
    def write(cls, file: Path, by_connection: Sequence[Sequence[bytes]]) -> Script:
        for number, requests in enumerate(by_connection):
            part = file.with_name(f"{file.name}.{number}")
            part.write_bytes(b"".join(request + END for request in requests))
            part.with_name(f"{part.name}.times").unlink(missing_ok=True)
        return cls(file, tuple(len(requests) for requests in by_connection))

    @classmethod
    def of_calls(cls, file: Path, calls: Sequence[Sequence[bytes]]) -> Script:
        """Deal whole calls out to the connections, one after the other on each."""
        return cls.write(file, [list(itertools.chain(*some)) for some in dealt(calls)])

    def times_ms(self) -> list[float]:
        """Milliseconds from the moment a request was due to its answer, of a run with a rate.

        Raises CannotMeasure where a connection did not send all it had.
        """
        found: list[float] = []
        for number in range(len(self.lengths)):
            part = self.file.with_name(f"{self.file.name}.{number}.times")
            if not part.exists():
                raise CannotMeasure("not all requests left in their time")
            found += [float(line) for line in part.read_text("ascii").split()]
        return found


def find_wrk() -> str:
    """Return where wrk is. Raises CannotMeasure."""
    found = shutil.which("wrk")
    if not found:
        raise CannotMeasure("wrk is missing; on Debian and Ubuntu: apt-get install wrk")
    return found


def dealt(things: Sequence[Any]) -> list[list[Any]]:
    """Deal things out to the connections, as cards are."""
    return [list(things[number::CONNECTIONS]) for number in range(CONNECTIONS)]


def replay(
    script: Script,
    port: int,
    *,
    seconds: float = 0.0,
    again: bool = False,
    rate: float = 0.0,
) -> LoadRun:
    """Send a script for `seconds`, or to its end where that is 0; `again` and again if so wished.

    Requests leave at `rate` a second in all, or each as soon as the one ahead was answered. Raises
    CannotMeasure.
    """
    command = [
        *(find_wrk(), "--threads", str(CONNECTIONS), "--connections", str(CONNECTIONS)),
        *("--duration", f"{int(seconds) or LONGEST}s", "--timeout", "20s"),
        *("--script", str(SCRIPT), f"http://{HOST}:{port}/", "--"),
        *(str(script.file), "0" if again else "1", repr(rate / CONNECTIONS), str(CONNECTIONS)),
    ]
    used = os.times()
    process = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    try:
        _wake(process)
        said = process.communicate()[1].decode("utf-8", "replace").strip()
    finally:
        process.kill()
        process.wait()
    if process.returncode != 0 or not said.endswith("}"):
        raise CannotMeasure(f"wrk failed: {said or process.returncode}")
    result: dict[str, Any] = json.loads(said.splitlines()[-1])
    # All that wrk used, reading its files included, so the share is rather too large.
    now = os.times()
    spent = now.children_user + now.children_system - used.children_user - used.children_system
    return LoadRun(**result, share=spent / (result["seconds"] * (os.cpu_count() or 1)))


def _wake(process: subprocess.Popen[bytes]) -> None:
    """End wrk when its threads have stopped: it would sleep to the end of its duration."""
    most = 0
    while process.poll() is None:
        with contextlib.suppress(OSError):
            alive = len(list(Path(f"/proc/{process.pid}/task").iterdir()))
            if alive == 1 and most > 1:
                process.send_signal(signal.SIGINT)
                return
            most = max(most, alive)
        time.sleep(0.02)


# ---------------------------------------------------------------- what is seen


def p99(times: Sequence[float], what: str) -> float:
    """Return the slowest of a hundred, in the unit of `times`.

    Raises CannotMeasure, naming `what`, where there are too few to tell.
    """
    if len(times) < 2:  # noqa: PLR2004
        raise CannotMeasure(f"{len(times)} {what} were answered")
    return statistics.quantiles(times, n=100)[98]


def own_share() -> Callable[[], float]:
    """What this process has of the machine's processors from now on until it is asked; 1: all."""
    used, began = sum(os.times()[:2]), time.monotonic()

    def share() -> float:
        seconds = time.monotonic() - began
        return (sum(os.times()[:2]) - used) / (seconds * (os.cpu_count() or 1))

    return share


def ratio(rounds: int, one: Callable[[], float], other: Callable[[], float]) -> float:
    """The rate of one way beside that of the other: the median of what it is in each of `rounds`.

    What slows the machine down for a while slows both of a round. Which of them is first changes
    with each. A round more comes first, which warms everything up and is not counted.
    """
    seen = []
    for number in range(rounds + 1):
        if number % 2:
            of_one = one()
            of_other = other()
        else:
            of_other = other()
            of_one = one()
        if number:
            seen.append(of_one / of_other)
    return statistics.median(seen)
