"""What is filled by the bench: a database that is new each time, with centres that are taken."""

from __future__ import annotations

import gzip

from pathlib import Path

from sqlalchemy import make_url, select

import config

from bench import filling, servers
from models.centres.tables import centre

# Of the directory's file: its head, a centre for professionals alone, and many for everybody.
LINES = 40


def test_centres_are_taken_as_an_operator_takes_them(sqlite_url: str, tmp_path: Path):
    servers.migrate(sqlite_url)
    env = servers.environment(sqlite_url, "redis://127.0.0.1:1/0")
    with gzip.open(config.ROOT / "data" / "centres.csv.gz", "rt", encoding="utf-8") as packed:
        some = [line for line, _ in zip(packed, range(LINES), strict=False)]
    file = tmp_path / "centres.csv"
    file.write_text("".join(some), "utf-8")
    servers.command("centres", "import", str(file), environment=env)
    assert modes(sqlite_url).isdisjoint({"ours"})
    filling.take_all(env, tmp_path)
    assert modes(sqlite_url) >= {"ours", "reserved"}


def modes(url: str) -> set[str]:
    with servers.opened(url) as database, database.statement() as connection:
        return set(connection.execute(select(centre.c.booking_mode)).scalars())


def test_a_part_that_is_repeated_finds_nothing_of_its_first_try(database_url: str):
    name = f"again_{Path(str(make_url(database_url).database)).stem}"
    for _ in range(2):
        url = servers.beside(database_url, name)
        with servers.opened(url) as database, database.statement() as connection:
            connection.exec_driver_sql("CREATE TABLE left_over (id INTEGER)")
