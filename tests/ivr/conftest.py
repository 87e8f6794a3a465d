"""A service with three centres near 75011, for tests that ring it in unusual ways."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.house import House, house, mornings


def furnish(made: House, *, capacity: int = 20) -> House:
    """Three centres, with room for 1,200: to open ten times as many takes a quarter of a second."""
    starts = mornings(20)
    made.opens_centre("1", name="Salle des fêtes", kilometres=0.4, starts=starts, capacity=capacity)
    made.opens_centre("2", name="Gymnase Jaurès", kilometres=4.1, starts=starts, capacity=capacity)
    made.opens_centre("3", name="Mairie annexe", kilometres=12.2, starts=starts, capacity=capacity)
    return made


@pytest.fixture
def service(database_url: str) -> Iterator[House]:
    with house(database_url) as made:
        yield furnish(made)
