"""Of the tests that are asked for, those that have a database on PostgreSQL.

    pytest -p tests.support.on_postgresql …

What a test on SQLite shows is the same whatever role and pooler PostgreSQL is reached by.
"""

from __future__ import annotations

import pytest

# Fixtures that are a database, or a server, of PostgreSQL by themselves.
OWN = {"postgres_url", "postgres_server", "own_postgres"}


def has_postgresql(item: pytest.Item) -> bool:
    """Whether `item` comes to a PostgreSQL: by a fixture's name, or as one of two databases."""
    callspec = getattr(item, "callspec", None)
    asked = callspec.params.values() if callspec else ()
    return bool(OWN & set(getattr(item, "fixturenames", ()))) or "postgresql" in asked


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    left_out = [item for item in items if not has_postgresql(item)]
    items[:] = [item for item in items if has_postgresql(item)]
    config.hook.pytest_deselected(items=left_out)
