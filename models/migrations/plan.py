"""Say what `flask migrate` would do to a database: which migrations keep which tables busy how.

It is read from the migrations' own files, and nothing is run. Times are of a small server: a disk
is read and an index made at BYTES_A_SECOND, rows are written anew at ROWS_A_SECOND.
"""

from __future__ import annotations

import ast
import re

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Final

from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text

from models.database import Database
from models.migrations import schema
from models.migrations.runner import scripts_config

BYTES_A_SECOND: Final = 30_000_000
ROWS_A_SECOND: Final = 10_000


class Lock(Enum):
    """In the words of an operator: what others may do meanwhile."""

    NONE = "nobody waits"
    INSTANT = "needs the table for an instant, and gives up after 1 s"
    BESIDE = "made beside readers and writers (CONCURRENTLY)"
    WRITERS = "writers wait"
    ALL = "everybody waits"


@dataclass(frozen=True)
class Step:
    """One thing that a migration does. `table` is empty where its file does not say it plainly."""

    what: str
    table: str
    lock: Lock
    # What its time grows with: "bytes", "rows", or nothing.
    grows: str = ""


@dataclass(frozen=True)
class Pending:
    """A migration that would run: `title` is the first line of its file."""

    revision: str
    title: str
    steps: tuple[Step, ...]


@dataclass(frozen=True)
class Size:
    """What the database estimates of a table."""

    rows: int
    bytes: int


# By the name of the call: what it does, which argument is the table, what others may do, and what
# its time grows with. Those of models.migrations.steps come without a prefix.
_CALLS: Final[Mapping[str, tuple[str, int, Lock, str]]] = {
    "op.create_table": ("new table", 0, Lock.NONE, ""),
    "op.add_column": ("column", 0, Lock.INSTANT, ""),
    "op.drop_column": ("column goes", 0, Lock.INSTANT, ""),
    "op.drop_table": ("table goes", 0, Lock.INSTANT, ""),
    "op.rename_table": ("another name", 0, Lock.INSTANT, ""),
    "op.create_index": ("index", 1, Lock.WRITERS, "bytes"),
    "op.drop_index": ("index goes", 1, Lock.INSTANT, ""),
    "op.alter_column": ("column changes", 0, Lock.ALL, "rows"),
    "op.create_check_constraint": ("rule for rows", 1, Lock.ALL, "bytes"),
    "op.create_foreign_key": ("reference", 1, Lock.ALL, "bytes"),
    "op.create_unique_constraint": ("unique", 1, Lock.ALL, "bytes"),
    "op.drop_constraint": ("rule goes", 1, Lock.INSTANT, ""),
    "op.bulk_insert": ("rows are added", 0, Lock.NONE, ""),
    "add_column": ("column", 0, Lock.INSTANT, ""),
    "add_index": ("index", 1, Lock.BESIDE, "bytes"),
    "drop_index": ("index goes", 1, Lock.BESIDE, ""),
}
_SQL: Final = re.compile(
    r"^\s*(?P<what>UPDATE|DELETE FROM|INSERT INTO|LOCK TABLE|ALTER TABLE)\s+(?P<table>\w+)"
    r"(?P<rest>.*)",
    re.DOTALL,
)
_PLAIN: Final[Mapping[str, tuple[str, Lock, str]]] = {
    "UPDATE": ("rows are written anew", Lock.NONE, "rows"),
    "DELETE FROM": ("rows go", Lock.NONE, "rows"),
    "INSERT INTO": ("rows are added", Lock.NONE, ""),
    "LOCK TABLE": ("kept for itself", Lock.ALL, "rows"),
}


def steps_of(source: str) -> tuple[Step, ...]:
    """The steps of a migration's upgrade, in their order, by its source."""
    tree = ast.parse(source)
    functions = {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}
    texts = {
        target.id: _text(node.value)
        for node in tree.body
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    found = list(_within("upgrade", functions, texts, set()))
    new = {step.table for step in found if step.what == "new table"}
    # A table that was not there before is used by no process yet.
    return tuple(
        Step(step.what, step.table, Lock.NONE) if step.table in new else step for step in found
    )


def _within(
    name: str,
    functions: Mapping[str, ast.FunctionDef],
    texts: Mapping[str, str],
    seen: set[str],
) -> Iterator[Step]:
    """The steps of a function, and of those of the same file that it calls."""
    if name in seen or name not in functions:
        return
    seen.add(name)
    calls = [node for node in ast.walk(functions[name]) if isinstance(node, ast.Call)]
    for call in sorted(calls, key=lambda node: (node.lineno, node.col_offset)):
        called = ast.unparse(call.func).removeprefix("steps.")
        if called in functions:
            yield from _within(called, functions, texts, seen)
        elif called == "op.execute":
            step = _of_sql(_text(call.args[0], texts)) if call.args else None
            yield step or Step("a statement that its file alone says plainly", "", Lock.INSTANT)
        elif called in _CALLS:
            what, place, lock, grows = _CALLS[called]
            if called == "op.alter_column":
                lock, grows = _of_change({keyword.arg for keyword in call.keywords})
            yield Step(what, _table(call, place, texts), lock, grows)


def _of_change(said: set[str | None]) -> tuple[Lock, str]:
    """What a change of a column costs: another type writes rows anew, a duty reads them all."""
    if "type_" in said:
        return Lock.ALL, "rows"
    return (Lock.ALL, "bytes") if "nullable" in said else (Lock.INSTANT, "")


def _of_sql(sql: str) -> Step | None:
    begins = sql.lstrip().upper()
    if begins.startswith(("CREATE FUNCTION", "CREATE OR REPLACE", "DROP FUNCTION")):
        return Step("function", "", Lock.NONE)
    if begins.startswith(("GRANT", "REVOKE")):
        return Step("rights", "", Lock.NONE)
    found = _SQL.match(sql)
    if not found:
        return None
    if found["what"] != "ALTER TABLE":
        what, lock, grows = _PLAIN[found["what"]]
        return Step(what, found["table"], lock, grows)
    return _of_alteration(found["table"], found["rest"])


def _of_alteration(table: str, rest: str) -> Step:
    if " TYPE " in rest:
        return Step("every row is written anew", table, Lock.ALL, "rows")
    if re.search(r"\bVALIDATE CONSTRAINT\b", rest):
        return Step("rows are looked through", table, Lock.NONE, "bytes")
    return Step("table changes", table, Lock.INSTANT)


def _table(call: ast.Call, place: int, texts: Mapping[str, str]) -> str:
    named = {keyword.arg: keyword.value for keyword in call.keywords}
    value = named.get("table_name") or named.get("source_table")
    if value is None and len(call.args) > place:
        value = call.args[place]
    said = _text(value, texts) if value is not None else ""
    return said if said.isidentifier() else ""


def _text(node: ast.expr, texts: Mapping[str, str] | None = None) -> str:
    """A text as it stands in the file, with "…" for what is put in when it runs."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(
            str(part.value) if isinstance(part, ast.Constant) else "…" for part in node.values
        )
    if isinstance(node, ast.Name) and texts:
        return texts.get(node.id, "")
    return ""


# ---------------------------------------------------------------- of a database


@dataclass(frozen=True)
class Plan:
    """What would run, and how large the tables are that it works on."""

    at: str | None
    newest: str
    pending: tuple[Pending, ...]
    sizes: Mapping[str, Size]

    def lines(self) -> Iterator[str]:
        """For an operator."""
        at = self.at or "nothing"
        if not self.pending:
            yield f"The database is at {at} already: nothing would run."
            return
        yield f"The database is at {at}; {len(self.pending)} would run, up to {self.newest}:"
        for migration in self.pending:
            yield f"{migration.revision}  {migration.title}"
            for step in migration.steps:
                yield f"      {self._line(step)}"
        yield "Nothing was changed. Times are estimates for a small server."

    def _line(self, step: Step) -> str:
        size = self.sizes.get(step.table, Size(0, 0))
        line = f"{step.table}: {step.what}" if step.table else step.what
        line += f"; {step.lock.value}"
        if step.grows:
            line += f", about {seconds(step, size)} s for {size.rows:,} rows"
        return line


def seconds(step: Step, size: Size) -> int:
    """About how long a step takes on a table of that size, at least one second."""
    if step.grows == "bytes":
        return max(1, round(size.bytes / BYTES_A_SECOND))
    if step.grows == "rows":
        return max(1, round(size.rows / ROWS_A_SECOND))
    return 1


def make_plan(url: str) -> Plan:
    """Look at the database of `url`; nothing of it is locked or changed. Raises SchemaUnknown."""
    database = Database(url)
    try:
        with database.statement() as connection:
            at = schema.known_revision(connection)
            pending = tuple(_pending(at))
            tables = {step.table for migration in pending for step in migration.steps if step.table}
            sizes = _sizes(connection, tables)
    finally:
        database.dispose()
    return Plan(at, schema.newest(), pending, sizes)


def _pending(at: str | None) -> list[Pending]:
    scripts = ScriptDirectory.from_config(scripts_config())
    found = []
    for script in scripts.iterate_revisions("head", at or "base"):
        steps = steps_of(Path(script.path).read_text("utf-8"))
        if script.down_revision is None:
            steps = (Step("all tables are new", "", Lock.NONE),)
        found.append(Pending(script.revision, script.doc, steps))
    return found[::-1]


def _sizes(connection: Connection, tables: set[str]) -> dict[str, Size]:
    rows = connection.execute(
        text(
            "SELECT relname, greatest(reltuples, 0)::bigint, pg_table_size(oid) FROM pg_class"
            " WHERE relnamespace = 'public'::regnamespace AND relname = ANY(:names)"
        ),
        {"names": sorted(tables)},
    )
    return {row[0]: Size(int(row[1]), int(row[2])) for row in rows}
