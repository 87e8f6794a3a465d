"""Of the tests that are asked for, those that come to a PostgreSQL.

    pytest -p tests.crash.on_postgresql …

What the others show is the same whatever role and pooler PostgreSQL is reached by.
"""

from __future__ import annotations

import pytest

# The fixtures of servers, one of which every database of a test is on.
SERVERS = {"postgres_server", "own_postgres"}


def has_postgresql(item: pytest.Item) -> bool:
    return bool(SERVERS & set(getattr(item, "fixturenames", ())))


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    left_out = [item for item in items if not has_postgresql(item)]
    items[:] = [item for item in items if has_postgresql(item)]
    config.hook.pytest_deselected(items=left_out)
