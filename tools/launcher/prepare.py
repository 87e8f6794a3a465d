"""What a start does before its processes: `python -m tools.launcher.prepare`.

Commands of `flask`, one after the other in one process, for it takes seconds to load the service.
PostgreSQL is started meanwhile, and the files of pages are fetched.
"""

from __future__ import annotations

import os
import sys

from concurrent.futures import Future, ThreadPoolExecutor

from flask.cli import FlaskGroup, ScriptInfo

import config

from commands.assets import CannotInstall, install
from tools.launcher.postgres_server import OwnPostgres
from tools.launcher.steps import ACCOUNTS, DATABASE, DEMONSTRATION, FILES, step


def main() -> int:
    """Return the exit code of the first command that fails, or 0."""
    database, loaded = config.load().own_database(), ScriptInfo()
    with ThreadPoolExecutor(2) as beside:
        if database:
            # The first command waits for it, and says why it cannot start.
            beside.submit(OwnPostgres().ensure, database)
        files = beside.submit(install, config.ROOT / "web", config.VAR)
        for name, line in (
            (DATABASE, "migrate"),
            (DEMONSTRATION, "demo"),
            (ACCOUNTS, "staff demo"),
        ):
            with step(name, _say):
                code = _run(line, loaded)
            if code:
                return code
        with step(FILES, _say):
            _share(files, loaded)
    return 0


def _share(files: Future[bool], loaded: ScriptInfo) -> None:
    """Put the files of pages into the database. Pages are plain without the files of others."""
    try:
        files.result()
    except (CannotInstall, OSError) as refused:
        _say(f"assets: {refused}; the service starts without them")
    else:
        _run("assets install", loaded)


def _run(line: str, loaded: ScriptInfo) -> int:
    """Run a command of `flask` in this process; gives its exit code."""
    try:
        FlaskGroup().main(line.split(), prog_name="flask", obj=loaded)
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    return 0


def _say(text: str) -> None:
    print(text, flush=True)


if __name__ == "__main__":
    ended = main()
    sys.stdout.flush()
    # To take the whole service apart in memory takes a second or more.
    os._exit(ended)
