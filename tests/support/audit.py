"""Known holes in our libraries: looked up, or said not to have been.

    python -m tests.support.audit PIP_AUDIT

asks pip-audit (`--strict`) about each locked Python package and `npm audit` about each script of
pages. Before either is believed it must find the holes of a library that is known to have some: a
source that knows nothing says "none" about everything. Exit status: 0 looked, none found; 1 found;
3 an advisory source could not be reached, and nothing is said about holes.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from commands.assets import npms
from tests.support.keeper import ROOT

NONE, FOUND, NOT_LOOKED = 0, 1, 3
LOCKS = ("requirements.txt", "requirements/sip.txt", "requirements/dev.txt")
SECONDS = 300.0
# Both had holes published years ago, and have them in every source of advisories.
KNOWN_PYTHON = "jinja2==2.10"
KNOWN_SCRIPT = {"lodash": "4.17.11"}

Run = Callable[[Sequence[str], Path], str]


class NotReached(Exception):
    """The source of advisories did not answer, or knows nothing."""


@dataclass(frozen=True)
class Looked:
    """What was found, one library and advisory a line."""

    holes: list[str] = field(default_factory=list)


def run(command: Sequence[str], folder: Path) -> str:
    """What a program prints; empty where it cannot be run or takes too long."""
    try:
        ran = subprocess.run(  # noqa: S603 (a program of ours, and our arguments)
            list(command), cwd=folder, capture_output=True, text=True, timeout=SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return ran.stdout


# ---------------------------------------------------------------- Python


def look_at_python(pip_audit: str, root: Path, ask: Run = run) -> Looked:
    """Each package of our locks. Raises NotReached."""
    with tempfile.TemporaryDirectory() as folder:
        known = Path(folder, "known.txt")
        known.write_text(f"{KNOWN_PYTHON}\n", "utf-8")
        if not _python(pip_audit, known, ask):
            raise NotReached
    found: list[str] = []
    for lock in LOCKS:
        found += _python(pip_audit, root / lock, ask)
    return Looked(sorted(set(found)))


def _python(pip_audit: str, lock: Path, ask: Run) -> list[str]:
    command = (pip_audit, "--strict", "--disable-pip", "--no-deps", "--progress-spinner", "off")
    told = _json(ask((*command, "--format", "json", "-r", str(lock)), lock.parent))
    parts = told.get("dependencies")
    # One that was skipped was not looked up.
    if not parts or any("vulns" not in one for one in parts):
        raise NotReached
    return [
        f"{one['name']} {one['version']}: {hole['id']}" for one in parts for hole in one["vulns"]
    ]


# ---------------------------------------------------------------- scripts of pages


def look_at_scripts(npm: Sequence[str], root: Path, ask: Run = run) -> Looked:
    """Each package of package-lock.json. Raises NotReached."""
    with tempfile.TemporaryDirectory() as folder:
        known = Path(folder)
        package = {"name": "known", "version": "1.0.0", "dependencies": KNOWN_SCRIPT}
        locked: dict[str, Any] = {"": package}
        locked |= {
            f"node_modules/{name}": {"version": version} for name, version in KNOWN_SCRIPT.items()
        }
        lock = {"name": "known", "version": "1.0.0", "lockfileVersion": 3, "packages": locked}
        (known / "package.json").write_text(json.dumps(package), "utf-8")
        (known / "package-lock.json").write_text(json.dumps(lock), "utf-8")
        if not _scripts(npm, known, ask):
            raise NotReached
    return Looked(_scripts(npm, root, ask))


def _scripts(npm: Sequence[str], folder: Path, ask: Run) -> list[str]:
    told = _json(ask((*npm, "audit", "--json", "--package-lock-only"), folder))
    if "auditReportVersion" not in told:
        raise NotReached
    return sorted(f"{name}: {one['severity']}" for name, one in told["vulnerabilities"].items())


def _json(text: str) -> dict[str, Any]:
    try:
        told = json.loads(text)
    except ValueError:
        return {}
    return told if isinstance(told, dict) else {}


# ---------------------------------------------------------------- what is said


def report(looks: dict[str, Callable[[], Looked]], say: Callable[[str], object] = print) -> int:
    """Look, say what came of it in a sentence each, and give the exit status."""
    status = NONE
    for what, look in looks.items():
        try:
            found = look()
        except NotReached:
            say(
                f"{what}: not looked up, for the source of advisories cannot be reached from here;"
                " whether there are known holes is not known"
            )
            status = FOUND if status == FOUND else NOT_LOOKED
            continue
        if found.holes:
            status = FOUND
            say(f"{what}: {len(found.holes)} known holes")
            for hole in found.holes:
                say(f"  {hole}")
        else:
            say(f"{what}: looked up, no known hole")
    return status


def main(arguments: Sequence[str]) -> int:
    """Gives the exit status."""
    pip_audit = arguments[0] if arguments else "pip-audit"
    npm = next(iter(npms()), ("npm",))
    return report(
        {
            "Python": lambda: look_at_python(pip_audit, ROOT),
            "scripts of pages": lambda: look_at_scripts(npm, ROOT / "web"),
        }
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
