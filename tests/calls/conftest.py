"""A service with three centres near 75011."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.house import House, house, mornings


@pytest.fixture
def service(database_url: str) -> Iterator[House]:
    with house(database_url) as made:
        made.opens_centre(
            "1", name="Salle des fêtes", kilometres=0.4, starts=mornings(20), capacity=2
        )
        made.opens_centre(
            "2", name="Gymnase Jaurès", kilometres=4.1, starts=mornings(20), capacity=2
        )
        made.opens_centre(
            "3", name="Mairie annexe", kilometres=12.2, starts=mornings(20), capacity=2
        )
        yield made
