"""`flask migrate --plan`: what would run, whom it keeps waiting and how long; nothing is run."""

from __future__ import annotations

from pathlib import Path

import pytest

from click.testing import CliRunner, Result
from sqlalchemy import text

from commands.store import make_migrate
from models.database import Database
from models.migrations.plan import (
    BYTES_A_SECOND,
    ROWS_A_SECOND,
    Lock,
    Size,
    Step,
    make_plan,
    seconds,
    steps_of,
)
from models.migrations.runner import upgrade
from models.migrations.schema import newest, revision
from tests.operations.next_migration import NEXT, TODAY, add_next_migration
from tests.operations.test_migrations import OPEN_CENTRE

SOURCE = '''"""Made up."""

import sqlalchemy as sa
from alembic import op
from models.migrations import steps
from models.migrations.steps import add_index

_WRITE = "UPDATE booking SET state = state"


def upgrade():
    op.create_table("fresh", sa.Column("id", sa.Integer()))
    op.create_index("ix_fresh", "fresh", ["id"])
    op.create_index("ix_turn_step", "turn", ["step"])
    steps.add_column("call", sa.Column("seen", sa.Boolean()))
    add_index("ix_call_seen", "call", ["seen"])
    _and_so_on()
    op.execute(_WRITE)
    op.execute("ALTER TABLE message ALTER COLUMN body TYPE text")
    op.execute("ALTER TABLE message SET (fillfactor = 80)")
    op.execute("ALTER TABLE message VALIDATE CONSTRAINT ck_message_state")
    op.alter_column("staff", "name", server_default=None)
    op.alter_column("staff", "name", type_=sa.Text())
    op.execute(sa.text("SELECT 1"))


def _and_so_on():
    op.drop_column("visit", "old")


def downgrade():
    op.drop_table("fresh")
'''


def test_what_a_migration_does_is_read_from_its_file():
    assert [(one.what, one.table, one.lock, one.grows) for one in steps_of(SOURCE)] == [
        ("new table", "fresh", Lock.NONE, ""),
        # Nobody uses a table that was not there before.
        ("index", "fresh", Lock.NONE, ""),
        ("index", "turn", Lock.WRITERS, "bytes"),
        ("column", "call", Lock.INSTANT, ""),
        ("index", "call", Lock.BESIDE, "bytes"),
        ("column goes", "visit", Lock.INSTANT, ""),
        ("rows are written anew", "booking", Lock.NONE, "rows"),
        ("every row is written anew", "message", Lock.ALL, "rows"),
        ("table changes", "message", Lock.INSTANT, ""),
        # Readers and writers go on.
        ("rows are looked through", "message", Lock.NONE, "bytes"),
        ("column changes", "staff", Lock.INSTANT, ""),
        ("column changes", "staff", Lock.ALL, "rows"),
        ("a statement that its file alone says plainly", "", Lock.INSTANT, ""),
    ]


@pytest.mark.parametrize(
    ("grows", "size", "expected"),
    [
        ("bytes", Size(1, 100 * BYTES_A_SECOND), 100),
        ("rows", Size(60 * ROWS_A_SECOND, 1), 60),
        ("rows", Size(3, 8192), 1),
        ("", Size(10**9, 10**12), 1),
    ],
)
def test_its_time_grows_with_the_table(grows: str, size: Size, expected: int):
    assert seconds(Step("index", "turn", Lock.BESIDE, grows), size) == expected


@pytest.fixture
def behind(empty_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> str:
    """A database of today, before the next migration."""
    upgrade(empty_url)
    add_next_migration(monkeypatch, tmp_path)
    return empty_url


def planned(url: str) -> Result:
    return CliRunner().invoke(make_migrate(url), ["--plan"])


def test_the_command_says_what_would_run_and_runs_nothing(behind: str):
    told = planned(behind)
    assert told.exit_code == 0
    first, *lines = told.output.splitlines()
    assert first == f"The database is at {TODAY}; 1 would run, up to {NEXT}:"
    assert lines[0] == f"{NEXT}  A line for each booking."
    assert any(
        line.startswith("      place: index; made beside readers and writers (CONCURRENTLY), about")
        for line in lines
    )
    assert "      booking_line: new table; nobody waits" in lines
    assert lines[-1].startswith("Nothing was changed.")
    database = Database(behind)
    with database.statement() as connection:
        assert revision(connection) == TODAY
    database.dispose()


def test_in_an_empty_database_nobody_waits(empty_url: str):
    first, *lines = planned(empty_url).output.splitlines()
    assert first.startswith("The database is at nothing; ")
    assert first.endswith(f" would run, up to {TODAY}:")
    assert lines[:2] == [
        "0039  All tables, as they were before anything was released.",
        "      all tables are new; nobody waits",
    ]
    assert lines[-1] == "Nothing was changed. Times are estimates for a small server."


def test_rows_are_those_that_the_database_estimates(behind: str):
    database = Database(behind)
    with database.transaction() as connection:
        connection.execute(text(OPEN_CENTRE), {"now": "2026-11-25"})
        for number in range(50):
            connection.execute(
                text(
                    "INSERT INTO booking (id, idempotency_key, channel, campaign, centre_id, state,"
                    " created_at, last_start_at) VALUES (:id, :id, 'phone', 'tests', '1',"
                    " 'confirmed', '2026-11-25', '2026-11-25')"
                ),
                {"id": str(number)},
            )
    with database.statement() as connection:
        connection.execute(text("ANALYZE"))
    database.dispose()
    sizes = make_plan(behind).sizes
    assert sizes["booking"].rows == 50
    # Of tables that nothing would be done to, nothing is asked.
    assert "postcode" not in sizes


def test_a_database_at_the_newest_needs_nothing(database_url: str):
    assert planned(database_url).output == (
        f"The database is at {newest()} already: nothing would run.\n"
    )


@pytest.mark.owner
def test_a_database_that_is_ahead_is_refused(database_url: str):
    database = Database(database_url)
    with database.transaction() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    database.dispose()
    told = planned(database_url)
    assert told.exit_code == 1
    assert "run the newer version that brought it there" in told.output
