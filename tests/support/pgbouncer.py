"""A PgBouncer in transaction mode before the tests' PostgreSQL, on a socket of its own.

Debian has its program in /usr/sbin, which is not on everybody's path.
"""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

import psycopg

from sqlalchemy import make_url

from tests.support import parts
from tests.support.until import wait_for
from tools.launcher.postgres_keeper import ACCOUNT

PORT = 6432


@contextmanager
def running_pgbouncer(
    server_url: str, passwords: Mapping[str, str], *, lenient: bool = False
) -> Iterator[str]:
    """Start one before the server of `server_url`; gives the folder of its socket.

    `passwords` are those of the accounts that may come. A `lenient` one takes the start-up options
    of whoever does not know that it is there, and forgets them.
    """
    # Short, for it holds a socket, and open to whoever it runs as.
    made = Path(tempfile.mkdtemp(prefix="allo-pgbouncer-", dir="/tmp"))
    made.chmod(0o755)
    (made / "users.txt").write_text(
        "".join(f'"{name}" "{password}"\n' for name, password in passwords.items()), "utf-8"
    )
    server = make_url(server_url)
    where = f"host={server.query.get('host') or server.host}"
    if server.port:
        where += f" port={server.port}"
    (made / "pgbouncer.ini").write_text(
        "[databases]\n"
        f"* = {where}\n"
        "[pgbouncer]\n"
        "listen_addr =\n"
        f"listen_port = {PORT}\n"
        f"unix_socket_dir = {made}\n"
        f"auth_file = {made / 'users.txt'}\n"
        "auth_type = trust\n"
        "pool_mode = transaction\n"
        "max_prepared_statements = 200\n"
        "max_client_conn = 1000\n"
        "default_pool_size = 30\n"
        f"logfile = {made / 'log'}\n"
        + ("ignore_startup_parameters = options\n" if lenient else ""),
        "utf-8",
    )
    command = [parts.find_program("pgbouncer") or "pgbouncer", "-q", str(made / "pgbouncer.ini")]
    if os.geteuid() == 0:
        # It does not run as root either: as whom the server runs, into whose folder it goes.
        for one in (made, *made.iterdir()):
            os.chown(one, pwd.getpwnam(ACCOUNT).pw_uid, -1)
        command[1:1] = ["-u", ACCOUNT]
    process = subprocess.Popen(  # noqa: S603 - of this machine
        command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        user, database = next(iter(passwords)), server.database or "postgres"
        wait_for(lambda: _answers(made, user, database), "PgBouncer answers")
        yield str(made)
    finally:
        process.kill()
        process.wait()
        shutil.rmtree(made, ignore_errors=True)


def through(url: str, folder: str, *, said: str = "prepared") -> str:
    """The same database by the PgBouncer of `folder`; `said` is what the address says of it."""
    led = make_url(url).set(host=None, port=None)
    led = led.update_query_dict({"host": folder, "port": str(PORT)})
    if said:
        led = led.update_query_dict({"pgbouncer": said})
    return led.render_as_string(hide_password=False)


def _answers(folder: Path, user: str, database: str) -> bool:
    with (
        suppress(psycopg.Error),
        psycopg.connect(host=str(folder), port=PORT, user=user, dbname=database),
    ):
        return True
    return False
