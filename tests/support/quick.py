"""`pytest --quick`: the tests that `make check` runs, chosen by what each one asks for.

A test is quick where it needs no server and no process beside it. Nobody keeps a list of tests:
what counts are the fixtures that a test is given, its marks, and the folder it is in.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.support.keeper import ROOT

# Fixtures that start something, or drive it.
STARTS = frozenset({"postgres_server", "postgres_url", "redis_url", "browser"})
# Marks of tests that take long or need a browser; see `pytest_configure`.
MARKS = ("long", "browser")
# Folders of tests about other programs than the service: processes, measurements, telephones.
BESIDE = frozenset({"bench", "browser", "crash", "exchange", "launcher", "simulator", "sip"})


def is_quick(item: Any) -> bool:
    """Whether a test is one of `make check`; it is on SQLite where it may be on either."""
    if any(item.get_closest_marker(mark) for mark in MARKS):
        return False
    if STARTS & set(item.fixturenames):
        return False
    if folder_of(item.path) in BESIDE:
        return False
    callspec = getattr(item, "callspec", None)
    return callspec is None or callspec.params.get("database_url") != "postgresql"


def folder_of(file: Path) -> str:
    """The folder below `tests/`, or the first one where the tests are elsewhere."""
    parts = file.relative_to(ROOT).parts
    return parts[1] if parts[0] == "tests" else parts[0]


def choose(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave only the quick ones."""
    quick = [one for one in items if is_quick(one)]
    config.hook.pytest_deselected(items=[one for one in items if one not in set(quick)])
    items[:] = quick
