"""Runs every check of `make test`, one after the other, and says at the end how each went.

    python -m tests.support.checks [--quick | --only STAGE | --but STAGE] [pytest's arguments]

`--quick` is `make check`: the same with the quick tests only, see tests/support/quick.py. They need
nothing that a machine may lack; what it lacks is named all the same, in one line.

A stage that fails does not stop the later ones: one run shows everything. The exit code is 0 when
all went well, 1 when one failed, 128 + n when a signal ended the run.
"""

from __future__ import annotations

import signal
import subprocess
import sys
import time

from contextlib import suppress
from pathlib import Path
from typing import NoReturn

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


def run(command: list[str]) -> bool:
    # A group of its own, so that a signal to this process ends all of it, pytest's workers too.
    stage = subprocess.Popen(command, cwd=ROOT, start_new_session=True)  # noqa: S603

    def end(number: int, _frame: object) -> NoReturn:
        signal_group(stage.pid, signal.Signals(number))
        with suppress(subprocess.TimeoutExpired):
            stage.wait(timeout=20)
        signal_group(stage.pid, signal.SIGKILL)
        sys.exit(128 + number)

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, end)
    return stage.wait() == 0


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
    results = {}
    if is_quick:
        name_missing_parts()
    elif but != "pytest" and missing_parts():
        results["missing parts"] = (False, 0.0)
    for name, command in stages(arguments).items():
        if name == but or only not in {None, name}:
            continue
        say(f"\n== {name}")
        began = time.monotonic()
        results[name] = (run(command), time.monotonic() - began)
    say("")
    for name, (went_well, seconds) in results.items():
        say(f"{'ok    ' if went_well else 'FAILED'}  {name}  ({seconds:.0f} s)")
    return 0 if all(went_well for went_well, _ in results.values()) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
