"""What SQLite keeps beside its file and of it: a log that is written back, and pages."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import text

from models.database import (
    SQLITE_CACHE_KIB,
    SQLITE_LOG_PAGES,
    SQLITE_WRITER_CACHE_KIB,
    Database,
)

PAGE = 4096


def test_it_grows_to_as_many_pages_as_are_set_and_no_further(sqlite_url: str):
    database = Database(sqlite_url)
    log = Path(f"{database.url.database}-wal")
    sizes = []
    with database.transaction() as connection:
        connection.execute(text("CREATE TABLE written (what BLOB)"))
    for _ in range(12):
        with database.transaction() as connection:
            connection.execute(text("INSERT INTO written VALUES (zeroblob(:n))"), {"n": 500 * PAGE})
        sizes.append(log.stat().st_size // PAGE)
    database.dispose()
    assert max(sizes) > SQLITE_LOG_PAGES
    # What a commit adds may lie beyond; the next one begins the log anew.
    assert max(sizes) < SQLITE_LOG_PAGES + 2 * 500
    # Who closes the last connection writes the rest into the file.
    assert not log.exists()


def test_of_a_dozen_connections_that_of_the_writer_keeps_most_of_the_file(sqlite_url: str):
    database = Database(sqlite_url)
    cache = text("PRAGMA cache_size")
    with database.statement() as reader, database.transaction() as writer:
        kept = [one.execute(cache).scalar_one() for one in (reader, writer)]
    database.dispose()
    assert kept == [-SQLITE_CACHE_KIB, -SQLITE_WRITER_CACHE_KIB]
