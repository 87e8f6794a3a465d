"""`flask …` without a running service: PostgreSQL is started where a command asks the store."""

from __future__ import annotations

import shutil
import subprocess
import sys

from pathlib import Path

import pytest

from tests.support.keeper import ROOT
from tests.support.parts import POSTGRES, require
from tests.support.until import comes
from tools.launcher.environment import inherited
from tools.launcher.postgres_keeper import beside
from tools.launcher.postgres_server import OwnPostgres

# Many commands in one process, each as if it had been typed.
IN_TURN = """
import sys
from flask.cli import FlaskGroup, ScriptInfo
for line in sys.argv[1:]:
    try:
        FlaskGroup().main(line.split(), prog_name="flask", standalone_mode=False)
    except SystemExit as end:
        assert not end.code, line
"""
# What asks no store.
QUIET = (
    "centres --help",
    f"campaign check {ROOT}/campaigns/example.toml",
    "partners read --help",
)
# What takes longer.
QUIET_LONG = ("--help", "understand date /dev/null", "prompts check", "legal check")


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of the service with a `var` of its own, which shares all else with this one."""
    require(POSTGRES)
    folder = tmp_path / "a copy"
    folder.mkdir()
    for entry in ROOT.iterdir():
        if entry.name == "config":
            # It says where a copy is by where it lies itself.
            shutil.copytree(entry, folder / "config")
        elif entry.suffix == ".py" or entry.name in {".flaskenv", "pyproject.toml"}:
            shutil.copy(entry, folder)
        elif entry.name not in {"var", ".env"} and not entry.name.startswith(".git"):
            (folder / entry.name).symlink_to(entry)
    return folder


def environment() -> dict[str, str]:
    return {name: value for name, value in inherited().items() if not name.endswith("_URL")}


def start(copy: Path, *words: str) -> subprocess.Popen[str]:
    return subprocess.Popen(  # noqa: S603 (our own commands)
        [sys.executable, "-m", "flask", *words],
        cwd=copy,
        env=environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def run(copy: Path, *words: str) -> str:
    with start(copy, *words) as command:
        told = command.communicate()[0]
    assert command.returncode == 0, told
    return told


def is_kept(copy: Path) -> bool:
    return OwnPostgres(copy / "var" / "postgres")._is_kept()


# By day test_own_postgres lets several share a server, of which one is killed.
@pytest.mark.parametrize("at_once", [0, pytest.param(3, marks=pytest.mark.long)])
def test_a_command_starts_it_where_it_asks_the_store_and_leaves_none_running(copy, at_once):
    (copy / "var").mkdir()
    (copy / "var" / "allo.sqlite3").touch()
    told = run(copy, "migrate")
    assert f"{copy}/var/allo.sqlite3" in told
    assert comes(lambda: not is_kept(copy))
    if at_once:
        some_at_once(copy, at_once)

    # A command uses the server of a service that runs, and leaves it running.
    service = OwnPostgres(copy / "var" / "postgres")
    service.ensure("allo")
    first = (copy / "var" / "postgres" / "postmaster.pid").read_text("utf-8")
    # Its own programs fit it, whatever others this machine has.
    assert "bytes" in run(copy, "backup", "run")
    assert (copy / "var" / "postgres" / "postmaster.pid").read_text("utf-8") == first
    service.leave()


def some_at_once(copy: Path, count: int) -> None:
    """Of several commands one is killed: the others are right, and no server is left."""
    commands = [start(copy, "staff", "list") for _ in range(count)]
    assert comes(lambda: is_kept(copy))
    commands[0].kill()
    told_by = [command.communicate()[0] for command in commands]
    assert {command.returncode for command in commands[1:]} == {0}, told_by
    assert "sqlite3" not in "".join(told_by)
    assert comes(lambda: not is_kept(copy))


@pytest.mark.parametrize("quiet", [QUIET, pytest.param(QUIET_LONG, marks=pytest.mark.long)])
def test_what_asks_no_store_starts_none(copy, quiet):
    done = subprocess.run(  # noqa: S603 (our own commands)
        [sys.executable, "-c", IN_TURN, *quiet],
        cwd=copy,
        env=environment() | {"FLASK_APP": "app.web:create_app"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert not beside(copy / "var" / "postgres", "users").exists()


def test_where_it_cannot_start_a_command_ends_with_one_sentence(copy):
    (copy / "var" / "postgres").mkdir(parents=True)
    with start(copy, "staff", "list") as command:
        told = command.communicate()[0]
    assert command.returncode == 1
    assert told.startswith("Error: the PostgreSQL that comes with the service does not start")
    assert "DATABASE_URL=" in told
    assert "Traceback" not in told
