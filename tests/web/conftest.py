"""A service whose staff sign in."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.house import House, house


@pytest.fixture
def made(sqlite_url: str) -> Iterator[House]:
    with house(sqlite_url) as one:
        yield one
