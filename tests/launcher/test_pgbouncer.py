"""PgBouncer as deploy/ sets it up, between clients and the tests' PostgreSQL."""

from __future__ import annotations

import os
import pwd
import re
import shutil
import subprocess
import tempfile

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import psycopg
import pytest

from psycopg import sql
from sqlalchemy import make_url

from models.database import STORE_ERRORS, Database
from services.store_refusals import refusal
from tests.support import parts
from tests.support.keeper import ROOT
from tests.support.postgres import PostgresServer
from tests.support.until import wait_for

PASSWORD = "a password of the tests"


@pytest.fixture
def bouncer(postgres_server: PostgresServer) -> Iterator[str]:
    """The address of a database behind a PgBouncer, which has two connections to it."""
    parts.require(parts.PGBOUNCER)
    program = parts.find_program("pgbouncer")
    assert program
    folder = Path(tempfile.mkdtemp(prefix="allo-pgb-", dir="/tmp"))
    role, url = f"{postgres_server.prefix}_pooled", postgres_server.create()
    behind = make_url(url)
    with psycopg.connect(url, autocommit=True) as owner:
        create = sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}")
        owner.execute(create.format(sql.Identifier(role), sql.Literal(PASSWORD)))
        found = owner.execute("SELECT rolpassword FROM pg_authid WHERE rolname = %s", [role])
        (verifier,) = found.fetchone() or ("",)
    (folder / "userlist.txt").write_text(f'"{role}" "{verifier}"\n', "utf-8")
    file = folder / "pgbouncer.ini"
    text = (ROOT / "deploy" / "pgbouncer.ini").read_text("utf-8")
    for old, new in {
        "allo = host=/run/postgresql dbname=allo": f"allo = {where(url)}",
        "unix_socket_dir = /run/pgbouncer": f"unix_socket_dir = {folder}",
        "/etc/pgbouncer/userlist.txt": f"{folder}/userlist.txt",
        "default_pool_size = 40": "default_pool_size = 2",
        "reserve_pool_size = 10": "reserve_pool_size = 0",
    }.items():
        assert old in text
        text = text.replace(old, new)
    file.write_text(text, "utf-8")
    user = ["-u", whose(url)] if os.geteuid() == 0 else []
    for path in (folder, *folder.iterdir()):
        path.chmod(0o777)
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(  # noqa: S603 - a program of the machine and our file
            [program, *user, str(file)], stderr=log
        )
    try:
        socket = folder / ".s.PGSQL.6432"
        wait_for(lambda: socket.exists() or process.poll() is not None, "a socket")
        assert process.poll() is None, (folder / "log").read_text("utf-8")
        secret = PASSWORD.replace(" ", "%20")
        (said,) = re.findall("^; The service: DATABASE_URL=(.*)$", text, re.MULTILINE)
        yield (
            said.replace("allo:PASSWORD@", f"{role}:{secret}@").replace(
                "/run/pgbouncer", str(folder)
            )
        )
    finally:
        process.terminate()
        process.wait(timeout=20)
        with psycopg.connect(url, autocommit=True) as owner:
            owner.execute(sql.SQL("DROP OWNED BY {}").format(sql.Identifier(role)))
            owner.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(role)))
        postgres_server.drop(behind.render_as_string(hide_password=False))
        shutil.rmtree(folder, ignore_errors=True)


def where(url: str) -> str:
    """A database as PgBouncer writes it."""
    parsed = make_url(url)
    host = parsed.query.get("host") or parsed.host
    port = f" port={parsed.port}" if parsed.port else ""
    return f"host={host}{port} dbname={parsed.database}"


def whose(url: str) -> str:
    """Who may open the server's socket; PgBouncer does not run as root."""
    socket = Path(str(make_url(url).query.get("host") or "/none"), ".s.PGSQL.5432")
    return pwd.getpwuid(socket.stat().st_uid).pw_name if socket.exists() else "nobody"


def store_says(url: str) -> str:
    """What an operator is told of the store at an address."""
    database = Database(url)
    try:
        database.ping()
    except STORE_ERRORS as error:
        return "; ".join(refusal(error))
    finally:
        database.dispose()
    return "it answers"


def test_the_address_of_the_file_is_one_by_which_the_service_works(bouncer: str):
    assert store_says(bouncer) == "it answers"


@pytest.mark.parametrize(
    ("written", "instead", "said"),
    [
        ("&pgbouncer=prepared", "", "end DATABASE_URL in pgbouncer=prepared"),
        ("a%20password", "hunter2", "refuses the password of the role"),
        ("@/allo?", "@/other?", "has no database of that name"),
        ("host=/", "host=/nowhere/", "nothing answers where it should be"),
        ("host=/", "host=no.such.machine.invalid&was=/", "no machine has the name"),
    ],
)
def test_what_the_store_refuses_is_told_apart_and_no_password_is_repeated(
    bouncer: str, written: str, instead: str, said: str
):
    assert written in bouncer
    told = store_says(bouncer.replace(written, instead))
    assert said in told
    assert "password of the tests" not in told
    assert "hunter2" not in told


def test_many_clients_share_few_connections_by_their_transactions(bouncer: str):
    bouncer = bouncer.removesuffix("&pgbouncer=prepared")
    with ExitStack() as stack:
        clients = [stack.enter_context(psycopg.connect(bouncer)) for _ in range(12)]
        served = set()
        for _ in range(2):
            for client in clients:
                with client.transaction():
                    found = client.execute("SELECT pg_backend_pid()", prepare=True).fetchone()
                    assert found
                    served.add(found[0])
        assert 1 <= len(served) <= 2
        # One that holds a connection keeps nobody else from the other.
        with clients[0].transaction():
            clients[0].execute("SELECT 1", prepare=True)
            with clients[1].transaction():
                assert clients[1].execute("SELECT 2", prepare=True).fetchone() == (2,)
    # Nobody comes in without the password.
    with pytest.raises(psycopg.OperationalError, match=r"SASL|password"):
        psycopg.connect(bouncer.replace("a%20password", "another"))
