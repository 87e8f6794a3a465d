"""What tests of the waiting room begin with."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.admission.test_gate import OPENING, gate_of
from tests.support.house import House, campaign_with, house


@pytest.fixture
def stood(database_url: str) -> Iterator[House]:
    """A service ten minutes before an opening, with its gate shut and no thread of its own."""
    with house(database_url, campaign=campaign_with(opens_at=OPENING)) as made:
        gate_of(made).begin()
        yield made
