"""`pytest --waiting only` or `none`: the tests that wait more than they work, or all the others.

A test of sound lasts as long as the sound does, a browser takes its time, and a process that is
killed has to be missed first. `tests.support.checks` runs these beside the tests that keep a
processor busy: one after the other, both would take longer than both together do.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pytest

from tests.support.keeper import ROOT

ONLY: Final = "only"
NONE: Final = "none"
# Of the tests of these folders.
FOLDERS: Final = tuple(ROOT / "tests" / name for name in ("browser", "crash", "sip"))


def waits(path: Path) -> bool:
    """Whether the tests of this file or folder are among those that wait."""
    return any(path.is_relative_to(folder) for folder in FOLDERS)


def leads_there(path: Path) -> bool:
    """Whether such tests are in this folder, or below it."""
    return any(folder.is_relative_to(path) for folder in FOLDERS)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--waiting",
        choices=(ONLY, NONE),
        help="only the tests that wait more than they work, or none of them",
    )


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Do not even read what is left out."""
    said = config.getoption("--waiting")
    if said == NONE and waits(collection_path):
        return True
    if said == ONLY and not (waits(collection_path) or leads_there(collection_path)):
        return True
    return None


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what was named itself, too: pytest reads that whatever it was told to ignore."""
    said = config.getoption("--waiting")
    if said is None:
        return
    chosen = [one for one in items if waits(one.path) == (said == ONLY)]
    config.hook.pytest_deselected(items=[one for one in items if waits(one.path) != (said == ONLY)])
    items[:] = chosen
