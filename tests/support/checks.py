"""Runs every check of `make test`, and says at the end how each went.

    python -m tests.support.checks [--quick | --only STAGE | --but STAGE] [pytest's arguments]

`--quick` is `make check`: the same with the quick tests only, see tests/support/quick.py. They need
nothing that a machine may lack; what it lacks is named all the same, in one line.

The stages that run no test go one after the other beside pytest, and each shows what it said when
it is through: pytest waits for what its tests start, and mypy uses one processor only. A stage that
fails does not stop the others: one run shows everything. The exit code is 0 when all went well, 1
when one failed, 128 + n when a signal ended the run.
"""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time

from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn

from launcher.environment import inherited
from launcher.processes import signal_group
from tests.support import parts
from tests.support.keeper import ROOT

SCRIPTS = Path(sys.executable).parent
# Seconds; a test that hangs must not hold the machine for the rest of the quarter of an hour.
TEST_TIMEOUT = 180


def stages(pytest_arguments: list[str]) -> dict[str, list[str]]:
    python = [sys.executable, "-m"]
    return {
        "ruff check": [*python, "ruff", "check", "."],
        "ruff format": [*python, "ruff", "format", "--check", "."],
        "mypy": [*python, "mypy", "--strict", "."],
        "import rules": [str(SCRIPTS / "lint-imports")],
        "pytest": [
            *(*python, "pytest", "-q", "-n", "2", "--dist", "worksteal"),
            *("--timeout", str(TEST_TIMEOUT), *pytest_arguments),
        ],
    }


def missing_parts() -> bool:
    """Name the parts that this machine lacks; whether that is a failure."""
    for reason in parts.wanted():
        say(reason)
    lacking = [part for part in parts.PARTS if parts.lacking(part)]
    if not parts.in_ci() and not all(parts.is_left_out(part) for part in lacking):
        say("Tests that need it are skipped; with CI=true this is a failure.")
    return not all(parts.may_be_missing(part) for part in lacking)


def name_missing_parts() -> None:
    """Say in one line what this machine lacks for `make test`; the quick tests need none of it."""
    names = [part.name for part in parts.PARTS if parts.lacking(part)]
    if names:
        say(f"Not here, and not needed for the quick tests: {', '.join(names)}.")


def environment() -> dict[str, str]:
    """What a stage finds: with a place for compiled modules, whatever the machine says.

    Both of pytest's processes, and several hundred that tests start, read the same modules: to
    compile them each time takes longer than all else that such a process does.
    """
    return {name: said for name, said in inherited().items() if name != "PYTHONDONTWRITEBYTECODE"}


@dataclass
class Run:
    """Stages of which two may run at a time, each begun by a thread of its own."""

    results: dict[str, tuple[bool, float]] = field(default_factory=dict)
    _running: list[subprocess.Popen[str]] = field(default_factory=list)
    _starting: threading.Lock = field(default_factory=threading.Lock)
    _is_over: bool = False

    def shown(self, name: str, command: list[str]) -> None:
        """Run a stage whose output is seen as it comes."""
        say(f"\n== {name}")
        self._run(name, command, None)

    def kept(self, stages: dict[str, list[str]]) -> None:
        """Run stages one after the other; what one says is seen when it is through."""
        for name, command in stages.items():
            output = self._run(name, command, subprocess.PIPE)
            say(f"\n== {name}\n{output.rstrip()}")

    def ends(self, number: int) -> NoReturn:
        """Leave nothing running, pytest's workers and what tests started neither."""
        with self._starting:
            self._is_over = True
            running = self._running.copy()
        for stage in running:
            signal_group(stage.pid, signal.Signals(number))
        for stage in running:
            with suppress(subprocess.TimeoutExpired):
                stage.wait(timeout=20)
            signal_group(stage.pid, signal.SIGKILL)
        sys.exit(128 + number)

    def _run(self, name: str, command: list[str], stdout: int | None) -> str:
        began = time.monotonic()
        with self._starting:
            if self._is_over:
                return ""
            # A group of its own, so that a signal to this process ends all of it.
            stage = subprocess.Popen(  # noqa: S603
                command,
                cwd=ROOT,
                env=environment(),
                start_new_session=True,
                stdout=stdout,
                stderr=None if stdout is None else subprocess.STDOUT,
                text=True,
            )
            self._running.append(stage)
        output, _ = stage.communicate()
        self.results[name] = (stage.returncode == 0, time.monotonic() - began)
        self._running.remove(stage)
        return output or ""


def say(text: str) -> None:
    print(text, flush=True)  # noqa: T201 - this is a command


def main(arguments: list[str]) -> int:
    only = but = None
    # The option is pytest's own, too.
    is_quick = arguments[:1] == ["--quick"]
    if arguments[:1] == ["--only"]:
        only, arguments = arguments[1], arguments[2:]
    elif arguments[:1] == ["--but"]:
        but, arguments = arguments[1], arguments[2:]
    run = Run()
    if is_quick:
        name_missing_parts()
    elif but != "pytest" and missing_parts():
        run.results["missing parts"] = (False, 0.0)
    chosen = {
        name: command
        for name, command in stages(arguments).items()
        if name != but and only in {None, name}
    }
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda number, _frame: run.ends(number))
    pytest = chosen.pop("pytest", None)
    # The process's first thread hears signals, and only waits.
    threads = [threading.Thread(target=run.kept, args=(chosen,), daemon=True)]
    if pytest:
        threads.append(threading.Thread(target=run.shown, args=("pytest", pytest), daemon=True))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    say("")
    for name, (went_well, seconds) in run.results.items():
        say(f"{'ok    ' if went_well else 'FAILED'}  {name}  ({seconds:.0f} s)")
    return 0 if all(went_well for went_well, _ in run.results.values()) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
