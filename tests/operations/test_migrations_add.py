"""The version before works with the tables of the next one: migrations add, and take nothing away.

While machines are replaced one after the other, both versions run on one database. What takes away
comes a version later, when no code uses it any more; such a migration says so in a sentence,
`CONTRACTS` (docs/operations.md, "Two versions beside one another").
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest

from alembic.script import ScriptDirectory
from sqlalchemy import String, create_engine, inspect, text

from models.addresses import read_url
from models.migrations.runner import scripts_config, upgrade

# The first migration, which no version stands on before it.
BEFORE_THE_RULE = "0039"


@dataclass(frozen=True)
class Shape:
    """What statements of a version stand on: columns by table, and what rows must keep to."""

    columns: dict[str, dict[str, Any]] = field(default_factory=dict)
    rules: dict[str, set[str]] = field(default_factory=dict)


def shape_of(url: str) -> Shape:
    engine = create_engine(url)
    found, made = inspect(engine), Shape()
    for table in found.get_table_names():
        made.columns[table] = {one["name"]: one for one in found.get_columns(table)}
        unique = [str(one["column_names"]) for one in found.get_unique_constraints(table)]
        unique += [str(one["column_names"]) for one in found.get_indexes(table) if one["unique"]]
        checks = [one["sqltext"] for one in found.get_check_constraints(table)]
        refers = [tuple(one["constrained_columns"]) for one in found.get_foreign_keys(table)]
        made.rules[table] = {
            *(f"unique {one}" for one in unique),
            *(f"check {one}" for one in checks),
            *(f"foreign key {one}" for one in refers),
        }
    engine.dispose()
    return made


def holds_all(now: Any, before: Any) -> bool:
    """Whether a column takes all that it took before: the same, or longer text of the same kind."""
    if isinstance(now, String) and isinstance(before, String) and type(now) is type(before):
        return (now.length or 0) >= (before.length or 0)
    return str(now) == str(before)


def breaks(before: Shape, after: Shape) -> list[str]:
    """Why statements of the version before would fail, or say something else."""
    found = []
    for table, columns in before.columns.items():
        if table not in after.columns:
            found.append(f"{table} is gone")
            continue
        now = after.columns[table]
        for name, column in columns.items():
            if name not in now:
                found.append(f"{table}.{name} is gone")
            elif not holds_all(now[name]["type"], column["type"]):
                found.append(f"{table}.{name} is of another type")
            elif column["nullable"] and not now[name]["nullable"]:
                found.append(f"{table}.{name} may be null no more")
        found += [
            f"{table}.{name} is new and the old INSERT does not give it"
            for name, column in now.items()
            if name not in columns and not column["nullable"] and column["default"] is None
        ]
        new_rules = after.rules[table] - before.rules[table]
        found += [f"{table} has a new rule: {rule}" for rule in sorted(new_rules)]
    return found


def steps() -> list[Any]:
    """The migrations since the rule, the oldest first."""
    scripts = ScriptDirectory.from_config(scripts_config())
    newest_first = scripts.iterate_revisions("heads", BEFORE_THE_RULE)
    return [one for one in reversed(list(newest_first)) if one.revision != BEFORE_THE_RULE]


def test_each_migration_leaves_what_the_version_before_stands_on(empty_url: str):
    upgrade(empty_url, BEFORE_THE_RULE)
    before, broken = shape_of(empty_url), []
    for script in steps():
        upgrade(empty_url, script.revision)
        after = shape_of(empty_url)
        if not getattr(script.module, "CONTRACTS", ""):
            broken += [f"{script.revision}: {why}" for why in breaks(before, after)]
        before = after
    assert broken == []


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ("DROP TABLE note", ["note is gone"]),
        ("ALTER TABLE note DROP COLUMN words", ["note.words is gone"]),
        (
            "ALTER TABLE note RENAME COLUMN words TO said",
            ["note.words is gone"],
        ),
        (
            "CREATE UNIQUE INDEX one_each ON note (words)",
            ["note has a new rule: unique ['words']"],
        ),
        ("ALTER TABLE note ADD COLUMN more TEXT", []),
        ("ALTER TABLE note ADD COLUMN more TEXT NOT NULL DEFAULT ''", []),
        ("CREATE TABLE another (id INTEGER PRIMARY KEY)", []),
        ("CREATE INDEX quick ON note (words)", []),
    ],
)
def test_a_migration_that_would_break_the_version_before_is_found(
    empty_url: str, change: str, why: list[str]
):
    engine = create_engine(read_url(empty_url))
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE note (id INTEGER PRIMARY KEY, words TEXT)"))
    before = shape_of(empty_url)
    with engine.begin() as connection:
        connection.execute(text(change))
    assert breaks(before, shape_of(empty_url)) == why
    engine.dispose()


def test_a_column_that_the_old_insert_does_not_give_is_found():
    column = {"type": "TEXT", "nullable": False, "default": None}
    before = Shape({"note": {}}, {"note": set()})
    after = Shape({"note": {"more": column}}, {"note": set()})
    assert breaks(before, after) == ["note.more is new and the old INSERT does not give it"]
    stricter = Shape({"note": {"more": column | {"nullable": True}}}, {"note": set()})
    assert breaks(stricter, after) == ["note.more may be null no more"]
