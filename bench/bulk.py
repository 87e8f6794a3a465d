"""Millions of rows in tables of PostgreSQL, which are bare while they are filled.

To keep an index up row by row takes several times as long as to write all rows. So no table has one
meanwhile, whoever added it: they are found where PostgreSQL keeps them and not named here.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager

from bench.servers import opened

Run = Callable[[str], object]
# No statement of the service has so long, or so much; no key is looked up, and no commit is waited
# for.
_HASTE = (
    "SET statement_timeout = 0",
    "SET maintenance_work_mem = '512MB'",
    "SET session_replication_role = replica",
    "SET synchronous_commit = off",
)
# What points to the tables, by which they could have no rows without a log.
_POINTING = """
SELECT conname, conrelid::regclass::text FROM pg_constraint
WHERE contype = 'f' AND confrelid = ANY(ARRAY[{tables}]::regclass[])
"""
_KEYS = """
SELECT conname, conrelid::regclass::text, pg_get_constraintdef(oid) FROM pg_constraint
WHERE contype IN ('p', 'u') AND conrelid = ANY(ARRAY[{tables}]::regclass[])
"""
_INDEXES = """
SELECT relname, pg_get_indexdef(indexrelid)
FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid
WHERE indrelid = ANY(ARRAY[{tables}]::regclass[])
"""


@contextmanager
def filling(url: str, *tables: str, only: Collection[str] | None = None) -> Iterator[Run]:
    """Give what runs a statement; the empty tables are bare and without a log in the block.

    Afterwards they have their indexes and keys again (`only` those, where they are named) and are
    as a server leaves tables that it looks after. What points to them is gone.
    """
    named = ", ".join(f"'{table}'" for table in tables)
    with opened(url) as database, database.statement() as connection:
        run = connection.exec_driver_sql
        for one in _HASTE:
            run(one)
        for name, of in run(_POINTING.format(tables=named)).all():
            run(f"ALTER TABLE {of} DROP CONSTRAINT {name}")
        made = {}
        for name, of, definition in run(_KEYS.format(tables=named)).all():
            made[name] = f"ALTER TABLE {of} ADD CONSTRAINT {name} {definition}"
            run(f"ALTER TABLE {of} DROP CONSTRAINT {name}")
        for name, definition in run(_INDEXES.format(tables=named)).all():
            made[name] = definition
            run(f"DROP INDEX {name}")
        for table in tables:
            run(f"ALTER TABLE {table} SET UNLOGGED")
        yield run
        for name, statement in made.items():
            if only is None or name in only:
                run(statement)
        run("VACUUM ANALYZE")
        run("CHECKPOINT")
