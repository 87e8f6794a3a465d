"""Migrations: up, down and up again; the same tables as the code's; several at once."""

from __future__ import annotations

import subprocess
import sys

from collections.abc import Iterator
from pathlib import Path

import pytest

from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import inspect

from models.database import Database
from models.migrations.runner import downgrade, newest, upgrade
from models.tables import metadata
from tests.support.house import house, mornings
from tests.support.keeper import ROOT

MIGRATE = "import sys; from models.migrations.runner import upgrade; upgrade(sys.argv[1])"


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A database that nothing was ever migrated in."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'empty.sqlite3'}"
        return
    server = request.getfixturevalue("postgres_server")
    url = server.create()
    yield url
    server.drop(url)


def tables(url: str) -> set[str]:
    database = Database(url)
    try:
        return set(inspect(database.engine).get_table_names()) - {"alembic_version"}
    finally:
        database.dispose()


def test_up_down_and_up_again(empty_url: str):
    assert upgrade(empty_url) == (None, newest())
    assert tables(empty_url) == set(metadata.tables)
    assert upgrade(empty_url) == (newest(), newest())
    assert downgrade(empty_url, "base") == (newest(), None)
    assert tables(empty_url) == set()
    assert upgrade(empty_url) == (None, newest())
    with house(empty_url) as service:
        service.opens_centre("1", starts=mornings(2))
        service.phone().books()
        assert len(service.bookings()) == 1


def test_the_migrations_make_just_the_tables_of_the_code(empty_url: str):
    upgrade(empty_url)
    database = Database(empty_url)
    try:
        with database.engine.connect() as connection:
            context = MigrationContext.configure(
                connection,
                # SQLite writes an empty text as two quotes, which Alembic takes for a difference.
                opts={"compare_type": True, "compare_server_default": not database.is_sqlite},
            )
            assert compare_metadata(context, metadata) == []
    finally:
        database.dispose()


def test_the_conditions_of_partial_indexes_are_the_same_too(empty_url: str):
    """Alembic compares names and columns of an index, not its WHERE; law 1 hangs on one."""
    upgrade(empty_url)
    migrated = index_conditions(empty_url)
    downgrade(empty_url, "base")
    database = Database(empty_url)
    try:
        metadata.create_all(database.engine)
    finally:
        database.dispose()
    assert migrated == index_conditions(empty_url)
    assert "confirmed" in migrated["uq_appointment_place"]
    assert "confirmed" in migrated["uq_appointment_booking_dose"]
    assert "booking_id" in migrated["ix_place_open"]


def index_conditions(url: str) -> dict[str, str]:
    database = Database(url)
    try:
        found = inspect(database.engine)
        return {
            str(index["name"]): "".join(
                str(value)
                for name, value in sorted(index.get("dialect_options", {}).items())
                if name.endswith("_where")
            )
            for table in metadata.tables
            for index in found.get_indexes(table)
        }
    finally:
        database.dispose()


def test_several_that_migrate_at_once_do_not_trip_over_each_other(empty_url: str):
    """Processes, not threads: Alembic keeps what it works on in a module."""
    command = [sys.executable, "-c", MIGRATE, empty_url]
    several = [
        subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True)  # noqa: S603
        for _ in range(3)
    ]
    troubles = [process.communicate(timeout=60)[1] for process in several]
    assert [process.returncode for process in several] == [0, 0, 0], troubles
    assert tables(empty_url) == set(metadata.tables)
