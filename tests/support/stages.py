"""Services on an empty store, for tests of any folder."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.house import House, house, mornings
from web.public import unanswered


@pytest.fixture(scope="session", autouse=True)
def _patient_pages() -> Iterator[None]:
    """Let pages wait a minute for the store: a slow machine is no store that does not answer."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(unanswered, "PAGE_SECONDS", 60.0)
        yield


@pytest.fixture
def service(database_url: str) -> Iterator[House]:
    """Postcodes only: each test opens the centres and slots that its story needs."""
    with house(database_url) as made:
        yield made


@pytest.fixture
def three_centres(service: House) -> House:
    """Three centres near 75011 with twenty mornings of two places each."""
    for gid, kilometres in (("1", 0.4), ("2", 4.1), ("3", 12.2)):
        service.opens_centre(gid, kilometres=kilometres, starts=mornings(20), capacity=2)
    return service


@pytest.fixture
def made(database_url: str) -> Iterator[House]:
    """Postcodes only, as `service`, whatever another folder calls by that name."""
    with house(database_url) as one:
        yield one
