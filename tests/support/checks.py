"""Run the checks of a make target, and keep the record of the run in var/last-test.json.

    python -m tests.support.checks test|check|long|lint [pytest's arguments]

Lint, types, import rules and budgets run one after the other beside pytest. At the end a test that
failed is run once more, alone. If it passes then, it is named as unsteady. The run is red if a
stage fails, a test fails twice, a property test or one marked `once` fails, a file cannot be read,
more than three tests are unsteady, or tests/unsteady.md names an unsteady test already. Exit
status: 0 green, 1 red, 128 + n if signal n ended the run.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time

from contextlib import suppress
from pathlib import Path
from typing import Any, Self

from tests.support import parts
from tests.support.keeper import ROOT
from tools.launcher.environment import inherited
from tools.launcher.processes import signal_group

RECORD = ROOT / "var" / "last-test.json"
UNSTEADY = ROOT / "tests" / "unsteady.md"
MOST_UNSTEADY = 3
# One more than there are processors: a test that waits for a server leaves its processor idle.
WORKERS = min(os.cpu_count() or 1, 8) + 1
PYTHON = [sys.executable, "-m"]
# Names of tests begin at this folder, whichever are chosen. A test that hangs fails after so many
# seconds, with its stack.
PYTEST = [*PYTHON, "pytest", "-c", "pyproject.toml", "-q", "--timeout", "120"]
# Marks of tests whose one failure is a proof, whatever a second try says.
FINAL = {"hypothesis", "once"}
# Options with which pytest stops before the last test.
STOPS = ("-x", "--exitfirst", "--maxfail")
MARKS = {"test": "not long", "check": "not long and not slow", "long": "long"}
LINT = {
    "ruff check": [*PYTHON, "ruff", "check", "."],
    "ruff format": [*PYTHON, "ruff", "format", "--check", "."],
    "mypy": [*PYTHON, "mypy", "--strict", "."],
    "import rules": [str(Path(sys.executable).with_name("lint-imports"))],
    "budgets": [*PYTHON, "tests.support.budgets"],
}


def main(target: str, *arguments: str) -> int:
    """Run a target and return the exit status. Raises SystemExit when a signal ends the run."""
    record: dict[str, Any] = {
        "target": target,
        "filter": list(arguments),
        "commit": ask_git("rev-parse", "HEAD"),
        "changed_files": [line[3:] for line in ask_git("status", "--porcelain").splitlines()],
        "stages": {},
        # What stays written if the run is killed.
        "result": "interrupted",
    }
    write(record)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda number, _frame: sys.exit(128 + number))
    reasons = ["this machine lacks a part that the tests need"] if lacks_part(target) else []
    with tempfile.TemporaryDirectory() as folder, Stages(record["stages"]) as stages:
        log = Path(folder, "report.jsonl")
        log.touch()
        if target != "lint":
            options = ["-n", str(WORKERS), "--dist", "worksteal", "-m", MARKS[target]]
            stages.start("pytest", [*PYTEST, *options, f"--report-log={log}", *arguments])
        for name, command in LINT.items() if target != "long" else ():
            with Path(folder, name).open("w+", encoding="utf-8") as output:
                stages.start(name, command, output)
                if stages.wait(name):
                    reasons.append(f"{name} failed")
                output.seek(0)
                say(f"\n== {name}\n{output.read().rstrip()}")
        if target != "lint":
            stages.wait("pytest")
            reasons += judge(stages, log, record)
    record |= {"result": "red" if reasons else "green", "reasons": reasons}
    write(record)
    for name, stage in record["stages"].items():
        say(f"{name}: {stage['wall_seconds']} s, {stage['processor_seconds']} s of processor")
    say("\n".join(["RED", *reasons] if reasons else ["GREEN"]))
    return 1 if reasons else 0


def write(record: dict[str, Any]) -> None:
    """Write the record of this run in place of the last one."""
    RECORD.parent.mkdir(exist_ok=True)
    RECORD.write_text(json.dumps(record, indent=1, ensure_ascii=False) + "\n", "utf-8")


class Stages:
    """Commands, each in a process group of its own; leaving the block ends those that still run."""

    def __init__(self, records: dict[str, Any]) -> None:
        """Take the dictionary that receives the record of each stage by its name."""
        self._records = records
        self._running: dict[str, tuple[subprocess.Popen[bytes], float]] = {}

    def start(self, name: str, command: list[str], output: Any = None) -> None:
        """Start a stage. Its output goes to the terminal if `output` is None."""
        # Let Python keep compiled modules: hundreds of short processes read the same ones.
        environment = {k: v for k, v in inherited().items() if k != "PYTHONDONTWRITEBYTECODE"}
        stderr = subprocess.STDOUT if output else None
        process = subprocess.Popen(  # noqa: S603 - commands of this file
            command, cwd=ROOT, env=environment, start_new_session=True, stdout=output, stderr=stderr
        )
        self._running[name] = (process, time.monotonic())

    def wait(self, name: str) -> int:
        """Return the exit status of a stage when it has ended, and write its record."""
        process, began = self._running[name]
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        del self._running[name]
        self._records[name] = {
            "exit_status": process.returncode,
            "wall_seconds": round(time.monotonic() - began, 1),
            "processor_seconds": round(used.ru_utime + used.ru_stime, 1),
        }
        return process.returncode

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)
        for process, _ in self._running.values():
            signal_group(process.pid, signal.SIGINT)
        deadline = time.monotonic() + 30
        for process, _ in self._running.values():
            with suppress(subprocess.TimeoutExpired):
                process.wait(timeout=max(0.1, deadline - time.monotonic()))
            signal_group(process.pid, signal.SIGKILL)


def judge(stages: Stages, log: Path, record: dict[str, Any]) -> list[str]:
    """Run failed tests once more, and record what came of it. Return why the run is red."""
    status = record["stages"]["pytest"]["exit_status"]
    passed, failed, unread = read_report(log)
    passed_later: set[str] = set()
    is_final = any(FINAL & set(test["keywords"]) for test in failed.values())
    if 0 < len(failed) <= MOST_UNSTEADY and not is_final:
        say(f"\n== once more, alone: {', '.join(failed)}")
        stages.start("once more", [*PYTEST, f"--report-log={log}", *failed])
        if stages.wait("once more") in {0, 1}:
            passed_later, _, _ = read_report(log)
    unsteady = {name: message_of(failed[name]) for name in failed if name in passed_later}
    record["passed"] = len(passed)
    record |= {"failed": sorted(set(failed) - passed_later), "unsteady": unsteady}
    for name, message in unsteady.items():
        say(f"unsteady: {name}\n  {message}")
    known = UNSTEADY.read_text("utf-8")
    reasons = [f"{name} failed" for name in record["failed"]]
    reasons += [
        f"{name} is in {UNSTEADY.name} already" for name in unsteady if f"`{name}`" in known
    ]
    reasons += [f"{name} could not be read" for name in unread]
    if status != (1 if failed else 0):
        reasons.append(f"pytest ended with exit status {status}")
    if failed and any(each.startswith(STOPS) for each in record["filter"]):
        reasons.append("pytest stopped at a failure")
    return reasons


def read_report(log: Path) -> tuple[set[str], dict[str, dict[str, Any]], list[str]]:
    """Return the tests that passed, the first report of each that failed, and unread files."""
    passed, failed, unread = set(), dict[str, dict[str, Any]](), []
    for line in log.read_text("utf-8").splitlines():
        report = json.loads(line)
        if report.get("outcome") == "failed" and report["$report_type"] == "CollectReport":
            unread.append(report["nodeid"])
        elif report.get("outcome") == "failed":
            failed.setdefault(report["nodeid"], report)
        elif (report.get("when"), report.get("outcome")) == ("call", "passed"):
            passed.add(report["nodeid"])
    return passed - set(failed), failed, unread


def message_of(test: dict[str, Any]) -> str:
    """Return where and why a test failed, from its report."""
    why = test["longrepr"]
    crash = why["reprcrash"] if isinstance(why, dict) else None
    return f"{crash['path']}:{crash['lineno']}: {crash['message']}" if crash else str(why)


def lacks_part(target: str) -> bool:
    """Name the parts that this machine lacks. Return True if the target may not do without them."""
    lacking = [part for part in parts.PARTS if parts.lacking(part)]
    if target in {"check", "lint"}:
        if lacking:
            say(f"Tests of these are left out: {', '.join(part.name for part in lacking)}.")
        return False
    for reason in parts.wanted():
        say(reason)
    if not all(parts.is_left_out(part) for part in lacking):
        say("Tests that need it are skipped; with CI=true this is a failure.")
    return not all(parts.may_be_missing(part) for part in lacking)


def ask_git(*arguments: str) -> str:
    """Return the output of git, or nothing if there is no git or no repository."""
    with suppress(OSError):
        command = ["git", *arguments]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)  # noqa: S603
        return done.stdout.rstrip()
    return ""


def say(text: str) -> None:
    print(text, flush=True)  # noqa: T201 - this is a command


if __name__ == "__main__":
    try:
        sys.exit(main(*sys.argv[1:]))
    except OSError as error:
        sys.exit(f"make {sys.argv[1]}: {error}")
