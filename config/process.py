"""The environment of a process and the file `.env`, where one is passed on or changed."""

from __future__ import annotations

import os

from collections.abc import Callable
from pathlib import Path

from config.places import ROOT


def change_file(name: str, change: Callable[[str], str], *, folder: Path = ROOT) -> Path | None:
    """Change the value of a setting where `.env` has it; None where it comes from elsewhere.

    The file is written anew beside the old one and takes its place whole; others may not read it.
    """
    file = folder / ".env"
    if not file.is_file():
        return None
    lines = file.read_text("utf-8").splitlines()
    found = [number for number, line in enumerate(lines) if _names(line, name)]
    # The last one counts. Flask's command puts what the file says into the environment, too.
    value = lines[found[-1]].partition("=")[2].strip().strip("\"'") if found else ""
    if not found or os.environ.get(name, value) != value:  # noqa: TID251 (this is config)
        return None
    lines[found[-1]] = f"{name}={change(value)}"
    fresh = file.with_name(".env.new")
    fresh.unlink(missing_ok=True)
    fresh.touch(mode=0o600, exist_ok=False)
    fresh.write_text("\n".join(lines) + "\n", "utf-8")
    fresh.replace(file)
    return file


def _names(line: str, name: str) -> bool:
    return line.partition("=")[0].removeprefix("export ").strip() == name


def environment() -> dict[str, str]:
    """All of it, for programs that are started: PostgreSQL's read theirs from there."""
    return dict(os.environ)  # noqa: TID251 (this is config)


def keep_counters_apart(program: str) -> None:
    """Take the folder of the web's counters out of the environment, where `program` is `flask`.

    The folder may stand in an environment that all processes share. A worker's counters would then
    be told twice: from that folder, and as the worker hands them on itself.
    """
    path = Path(program)
    if path.name == "flask" or path.parts[-2:] == ("flask", "__main__.py"):
        os.environ.pop("PROMETHEUS_MULTIPROC_DIR", None)  # noqa: TID251 (this is config)
