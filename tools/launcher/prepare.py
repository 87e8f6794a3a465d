"""What a start does before its processes: `python -m tools.launcher.prepare`.

Commands of `flask`, one after the other in one process, for it takes seconds to load the service.
PostgreSQL is started meanwhile, and the files of pages are fetched.
"""

from __future__ import annotations

import os
import sys

from concurrent.futures import ThreadPoolExecutor

import click

from flask.cli import FlaskGroup, ScriptInfo

import config

from commands.assets import CannotInstall, install
from tools.launcher.postgres_server import OwnPostgres
from tools.launcher.steps import ACCOUNTS, DATABASE, DEMONSTRATION, FILES, step

# Commands that must succeed.
_NEEDED = {DATABASE: "migrate", DEMONSTRATION: "demo", ACCOUNTS: "staff demo"}


def main() -> int:
    """Return the exit code of the first command that fails, or 0."""
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
                return code
        with step(FILES, click.echo):
            try:
                files.result()
                _run("assets install", loaded)
            except (CannotInstall, OSError) as refused:
                click.echo(f"assets: {refused}; the service starts without them")
    return 0


def _run(line: str, loaded: ScriptInfo) -> int:
    """Run a command of `flask` in this process; gives its exit code."""
    try:
        FlaskGroup().main(line.split(), prog_name="flask", obj=loaded)
    except SystemExit as end:
        return int(end.code or 0)


if __name__ == "__main__":
    ended = main()
    sys.stdout.flush()
    # To take the whole service apart in memory takes a second or more.
    os._exit(ended)
