"""What a start does before its processes: `python -m tools.launcher.prepare`.

Commands of `flask`, one after the other in one process, for it takes seconds to load the service.
PostgreSQL is started meanwhile, and the files of pages are fetched.
"""

from __future__ import annotations

import os
import sys

from concurrent.futures import ThreadPoolExecutor
from typing import NoReturn

import click

from flask.cli import FlaskGroup, ScriptInfo

import config

from commands.assets import install
from tools.launcher.postgres_server import OwnPostgres
from tools.launcher.steps import ACCOUNTS, DATABASE, DEMONSTRATION, FILES, step

# Commands that must succeed.
_NEEDED = {DATABASE: "migrate", DEMONSTRATION: "demo", ACCOUNTS: "staff demo"}


def main() -> None:
    """Run the commands; end the process with the exit code of the first that fails."""
    database, loaded = config.load().own_database(), ScriptInfo()
    with ThreadPoolExecutor(2) as beside:
        if database:
            # The first command waits for it, and says why it cannot start.
            beside.submit(OwnPostgres().ensure, database)
        files = beside.submit(install, config.ROOT / "web", config.VAR)
        for name, line in _NEEDED.items():
            with step(name, click.echo):
                code = _run(line, loaded)
            if code:
                end_now(code)
        with step(FILES, click.echo):
            try:
                files.result()
                _run("assets install", loaded)
            except Exception as refused:  # noqa: BLE001 (pages are plain without them)
                click.echo(f"assets: {refused}; the service starts without them")


def _run(line: str, loaded: ScriptInfo) -> int:
    """Run a command of `flask` in this process; gives its exit code."""
    try:
        FlaskGroup().main(line.split(), prog_name="flask", obj=loaded)
    except SystemExit as end:
        if isinstance(end.code, str):
            click.echo(end.code, err=True)
            return 1
        return int(end.code or 0)


def end_now(code: int) -> NoReturn:
    """End this process, whatever its threads do: npm may take minutes more."""
    sys.stdout.flush()
    # To take the whole service apart in memory would take a second or more.
    os._exit(code)


if __name__ == "__main__":
    main()
    end_now(0)
