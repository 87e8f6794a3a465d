"""A second PostgreSQL that follows a test's own server (OwnServer), to take over."""

from __future__ import annotations

import os
import shutil
import subprocess

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import make_url

from tests.support.postgres import OwnServer, as_server
from tools.launcher.postgres_keeper import account_of

NAME = "standby"


def _run(data: Path, name: str, *arguments: str) -> None:
    subprocess.run(  # noqa: S603 - the server's own programs
        as_server(data, name, *arguments),
        check=True,
        cwd="/",
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


@dataclass(frozen=True)
class Standby:
    """`data` is its folder, `sockets` where it listens."""

    data: Path
    sockets: Path

    def url_of(self, database: str) -> str:
        return f"postgresql://postgres@/{database}?host={self.sockets}"

    def starts(self) -> None:
        log = str(self.data / "log")
        options = f'-h "" -k {self.sockets}'
        _run(self.data, "pg_ctl", "-D", str(self.data), "-o", options, "-l", log, "-w", "start")

    def takes_over(self) -> None:
        """It is written to from now on, and follows nobody."""
        _run(self.data, "pg_ctl", "-D", str(self.data), "-w", "promote")

    def stops(self) -> None:
        _run(self.data, "pg_ctl", "-D", str(self.data), "-m", "immediate", "-w", "stop")


@contextmanager
def standby_of(server: OwnServer, folder: Path) -> Iterator[Standby]:
    """A copy of the server that follows it over its socket, under the name `NAME`."""
    sockets = make_url(server.url).query["host"]
    made = Standby(folder / "standby", folder / "s")
    made.sockets.mkdir()
    made.data.mkdir(mode=0o700)
    for folder_of_it in (made.sockets, made.data):
        os.chown(folder_of_it, *account_of(server.data))
    follows = f"host={sockets} user=postgres application_name={NAME}"
    copies = ("-d", follows, "-D", str(made.data), "-R", "-X", "stream", "-c", "fast")
    _run(made.data, "pg_basebackup", *copies)
    made.starts()
    try:
        yield made
    finally:
        with suppress(subprocess.CalledProcessError):
            made.stops()
        shutil.rmtree(made.data, ignore_errors=True)
