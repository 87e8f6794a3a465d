"""Tests that need the walk through the whole conversation go first, so that one process makes it.

The walk takes ten seconds of a processor, and half a gigabyte (tests/flows/walk.py).
pytest-xdist gives each worker a stretch of the tests, and a worker that has none left takes from
the end of another's: what stands at the beginning stays with the first worker.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from tests.support.keeper import ROOT

# Where such tests are, or tests that have one's words.
FILES: Final = ("ivr/test_walk.py", "understanding/test_sentences.py")
PLACES: Final = tuple(ROOT / "tests" / name for name in ("flows", "prompts", "rules", *FILES))


@lru_cache
def may_walk(path: Path) -> bool:
    """Whether the tests of this file may ask for the walk."""
    return any(path.is_relative_to(place) for place in PLACES)


def pytest_collection_modifyitems(items: list[Any]) -> None:
    """Those first, each kind in the order in which it was found."""
    items.sort(key=lambda item: not may_walk(item.path))
