"""The walk through the conversation is made in one process of a run."""

from __future__ import annotations

import ast

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

from tests.support.keeper import ROOT
from tests.support.one_walk import may_walk, pytest_collection_modifyitems

TESTS = ROOT / "tests"
# The name of what makes it, and where that is.
WALK = ("tests.flows.walk", "walk")


def given(file: Path) -> Iterator[tuple[str, str]]:
    """Each name that a module takes from another: the module and the name."""
    for node in ast.walk(ast.parse(file.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            yield from ((node.module, name.name) for name in node.names)


def module_of(file: Path) -> str:
    return ".".join(file.relative_to(ROOT).with_suffix("").parts)


def test_whoever_may_walk_comes_first_and_nothing_else_changes():
    paths = ["accounts/test_locks.py", "flows/a.py", "ivr/test_walk.py", "ivr/test_b.py", "rules/c"]
    items = [SimpleNamespace(path=TESTS / path) for path in paths]
    pytest_collection_modifyitems(items)
    assert [str(one.path.relative_to(TESTS)) for one in items] == [
        *("flows/a.py", "ivr/test_walk.py", "rules/c"),
        *("accounts/test_locks.py", "ivr/test_b.py"),
    ]


def test_no_other_test_asks_for_the_walk():
    """Neither itself nor by a module that does."""
    files = {module_of(file): file for file in TESTS.glob("**/*.py") if file.parent != TESTS}
    taken = {module: set(given(file)) for module, file in files.items()}
    walkers = {module for module, names in taken.items() if WALK in names}
    assert "tests.ivr.test_walk" in walkers
    while further := {
        module
        for module, names in taken.items()
        if module not in walkers and {where for where, _ in names} & walkers
    }:
        walkers |= further
    assert [module for module in sorted(walkers) if not may_walk(files[module])] == []
