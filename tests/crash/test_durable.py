"""In production the service refuses a database that says "committed" before it is true."""

from __future__ import annotations

import subprocess
import sys

from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from app.web import create_app
from exchange.testing.ports import free_port
from models.database import Database, NotDurable
from tests.operations.test_production_settings import FIT
from tests.support.keeper import ROOT
from tests.support.postgres import OwnServer
from tools.launcher.environment import inherited

NAME = "durable"


def production(url: str) -> dict[str, str]:
    """An environment with every setting that production asks for."""
    return FIT | {"DATABASE_URL": url, "CAMPAIGN": str(ROOT / "campaigns" / "demonstration.toml")}


@pytest.fixture
def url(own_postgres: OwnServer) -> Iterator[str]:
    made = own_postgres.create(name=NAME)
    yield made
    own_postgres.sets()
    with psycopg.connect(own_postgres.url, autocommit=True) as connection:
        connection.execute("ALTER ROLE postgres RESET ALL")
    own_postgres.drop(made)


def at_the_server(server: OwnServer, name: str) -> None:
    server.sets(**{name: "off"})


def at_the_database(server: OwnServer, name: str) -> None:
    _execute(server, f"ALTER DATABASE {NAME} SET {name} = off")


def at_the_role(server: OwnServer, name: str) -> None:
    _execute(server, f"ALTER ROLE postgres SET {name} = off")


def at_the_role_there(server: OwnServer, name: str) -> None:
    _execute(server, f"ALTER ROLE postgres IN DATABASE {NAME} SET {name} = off")


def _execute(server: OwnServer, sql: str) -> None:
    with psycopg.connect(server.url, autocommit=True) as connection:
        connection.execute(sql.encode())


WHERE = [
    (at_the_server, "fsync", "ALTER SYSTEM SET fsync = on"),
    (at_the_server, "full_page_writes", "ALTER SYSTEM SET full_page_writes = on"),
    (at_the_server, "synchronous_commit", "ALTER SYSTEM SET synchronous_commit = on"),
    (at_the_database, "synchronous_commit", f"ALTER DATABASE {NAME} RESET synchronous_commit"),
    (at_the_role, "synchronous_commit", "ALTER ROLE postgres RESET synchronous_commit"),
    (
        at_the_role_there,
        "synchronous_commit",
        f"ALTER ROLE postgres IN DATABASE {NAME} RESET synchronous_commit",
    ),
]


@pytest.mark.parametrize(("where", "name", "remedy"), WHERE)
def test_a_hasty_database_is_refused_with_the_setting_and_the_remedy(  # noqa: PLR0917
    own_postgres: OwnServer,
    url: str,
    where: Callable[[OwnServer, str], None],
    name: str,
    remedy: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
):
    where(own_postgres, name)
    for setting, value in production(url).items():
        monkeypatch.setenv(setting, value)
    until_it_is_read(url, name)

    with pytest.raises(SystemExit) as ended:
        create_app()

    assert ended.value.code == 1
    (sentence,) = capsys.readouterr().err.splitlines()
    assert f"{name} = off" in sentence
    assert remedy in sentence


def until_it_is_read(url: str, name: str) -> None:
    """The server reads its settings anew a moment after it was told to."""
    for _ in range(1000):
        with psycopg.connect(url) as connection:
            if connection.execute(f"SHOW {name}".encode()).fetchone() == ("off",):
                return
    raise AssertionError(f"{name} is not off")


def test_a_setting_that_changes_later_lets_no_new_connection_book(
    own_postgres: OwnServer, url: str
):
    """As where the store did not answer when the service started."""
    database = Database(url, durable=True)
    assert database.answers_durably()
    at_the_database(own_postgres, "synchronous_commit")
    with pytest.raises(NotDurable), database.transaction():
        pass
    with pytest.raises(NotDurable), database.statement():
        pass
    database.dispose()


def test_a_server_as_it_comes_is_good_enough(
    url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    for setting, value in production(url).items():
        monkeypatch.setenv(setting, value)
    assert "voice.incoming" in create_app().view_functions
    assert capsys.readouterr().err == ""


def test_without_a_store_the_service_starts_and_speaks(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    settings = production(f"postgresql:///none?host={tmp_path}")
    for setting, value in settings.items():
        monkeypatch.setenv(setting, value)
    app = create_app()
    try:
        assert app.test_client().get("/readyz").status_code == 503
    finally:
        # Or it would go on looking for that store beside the tests that follow.
        app.extensions["allo_gate"].ledger.end()


def test_in_development_nobody_asks(
    own_postgres: OwnServer, url: str, monkeypatch: pytest.MonkeyPatch
):
    at_the_database(own_postgres, "synchronous_commit")
    for setting, value in (production(url) | {"ENVIRONMENT": "development"}).items():
        monkeypatch.setenv(setting, value)
    create_app()


@pytest.mark.parametrize("line", ["release", "web"])
def test_the_lines_of_the_procfile_end_with_one_sentence(
    own_postgres: OwnServer, url: str, tmp_path: Path, line: str
):
    """The release step, before anything else; and the web server, should it be started anyway."""
    at_the_database(own_postgres, "synchronous_commit")
    lines = dict(
        one.split(": ", 1)
        for one in (ROOT / "Procfile").read_text("utf-8").splitlines()
        if one[0] != "#"
    )
    scripts = str(Path(sys.executable).parent)
    inherits = inherited()
    env = inherits | production(url)
    env |= {
        "PATH": f"{scripts}:{inherits.get('PATH', '')}",
        "FLASK_APP": "app.web:create_app",
        "PROMETHEUS_MULTIPROC_DIR": str(tmp_path),
        "PORT": str(free_port()),
        "WEB_WORKERS": "1",
    }
    done = subprocess.run(  # noqa: S603 - our own line
        ["/bin/sh", "-c", lines[line]],
        cwd=ROOT,
        env=env,
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode != 0
    assert f"ALTER DATABASE {NAME} RESET synchronous_commit" in done.stdout + done.stderr


def test_a_server_that_vanishes_with_its_machine_is_noticed_within_a_turn(url: str):
    """Without these the kernel goes on trying for a quarter of an hour, and the thread waits."""
    database = Database(url)
    with database.statement() as connection:
        driver = connection.connection.driver_connection
        assert driver is not None
        said = driver.info.get_parameters()
    database.dispose()
    assert int(said["tcp_user_timeout"]) < 5000
    idle, interval, count = (
        int(said[f"keepalives_{name}"]) for name in ("idle", "interval", "count")
    )
    assert idle + interval * count < 5
