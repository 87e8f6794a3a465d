"""Runs every check of `make test`, and says at the end how each went.

    python -m tests.support.checks [--quick | --only STAGE | --but STAGE] [pytest's arguments]

`--quick` is `make check`: the same with the quick tests only, see tests/support/quick.py. Of what a
machine may lack they need PostgreSQL alone; the rest is named all the same, in one line.

The stages that run no test go one after the other beside pytest, and each shows what it said when
it is through: mypy uses one processor only. So does a second pytest with the tests that wait more
than they work (tests/support/waiting.py), which goes before the others where it wants a processor:
sound that comes late is a mistake, a unit test that comes late is none. A stage that fails does not
stop the others: one run shows everything. The exit code is 0 when all went well, 1 when one failed,
128 + n when a signal ended the run.
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

from tests.support import parts, waiting
from tests.support.keeper import ROOT
from tools.launcher.environment import inherited
from tools.launcher.processes import signal_group

SCRIPTS = Path(sys.executable).parent
# Seconds; a test that hangs must not hold the machine for the rest of the quarter of an hour.
TEST_TIMEOUT = 180


# All tests, or all but those that wait; and those.
TESTS, WAITING = "pytest", "pytest of what waits"
# pytest's exit code where it was told to run tests of which there is none.
NO_TESTS = 5
# What is not in a hurry.
BEHIND = ("nice", "-n", "5")


def stages(pytest_arguments: list[str], *, apart: bool) -> dict[str, list[str]]:
    """The commands by their names; `apart`: with those tests beside the others that wait."""
    python = [sys.executable, "-m"]
    pytest = [*python, "pytest", "-q", "--timeout", str(TEST_TIMEOUT)]
    # Three were no faster on two processors, which have nothing to wait for.
    shared = [*pytest, "-n", "2", "--dist", "worksteal"]
    checks = {
        "ruff check": [*BEHIND, *python, "ruff", "check", "."],
        "ruff format": [*BEHIND, *python, "ruff", "format", "--check", "."],
        "mypy": [*BEHIND, *python, "mypy", "--strict", "."],
        "import rules": [*BEHIND, str(SCRIPTS / "lint-imports")],
    }
    if not apart:
        return checks | {TESTS: [*shared, *pytest_arguments]}
    # Two that note in one place what failed would each forget what the other noted.
    own_notes = ("-o", "cache_dir=.pytest_cache/waiting")
    return checks | {
        WAITING: [*pytest, "-n", "1", "--waiting", waiting.ONLY, *own_notes, *pytest_arguments],
        TESTS: [*BEHIND, *shared, "--waiting", waiting.NONE, *pytest_arguments],
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
    """Say what this machine lacks: the quick tests need PostgreSQL, `make test` the others, too."""
    if reason := parts.lacking(parts.POSTGRES):
        say(f"{reason}\nTests that need it are skipped.")
    others = [part for part in parts.PARTS if part != parts.POSTGRES]
    names = [part.name for part in others if parts.lacking(part)]
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
    """Stages of which some may run at a time, each begun by a thread of its own."""

    results: dict[str, tuple[bool, float]] = field(default_factory=dict)
    # Stages that were told to run tests of which there is none.
    _without_tests: set[str] = field(default_factory=set)
    _running: list[subprocess.Popen[str]] = field(default_factory=list)
    _starting: threading.Lock = field(default_factory=threading.Lock)
    _is_over: bool = False

    def together(self, stages: dict[str, list[str]]) -> None:
        """Run both kinds of tests and the stages that run none, and wait for all three."""
        others = {name: how for name, how in stages.items() if name not in {TESTS, WAITING}}
        # The process's first thread hears signals, and only waits.
        threads = [threading.Thread(target=self.kept, args=(others,), daemon=True)]
        if WAITING in stages:
            waits = {WAITING: stages[WAITING]}
            threads.append(threading.Thread(target=self.kept, args=(waits,), daemon=True))
        if TESTS in stages:
            tests = (TESTS, stages[TESTS])
            threads.append(threading.Thread(target=self.shown, args=tests, daemon=True))
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        # Of tests that are chosen by name, all may be among those that wait, or none.
        if WAITING in stages and len(self._without_tests) == 1:
            del self.results[self._without_tests.pop()]

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
        if stage.returncode == NO_TESTS:
            self._without_tests.add(name)
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
        for name, command in stages(arguments, apart=not (is_quick or only or but)).items()
        if name != but and only in {None, name}
    }
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda number, _frame: run.ends(number))
    run.together(chosen)
    say("")
    for name, (went_well, seconds) in run.results.items():
        say(f"{'ok    ' if went_well else 'FAILED'}  {name}  ({seconds:.0f} s)")
    return 0 if all(went_well for went_well, _ in run.results.values()) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
