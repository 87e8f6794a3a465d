"""The parts of the exchange that its own tests have, around the simulator's application."""

import pytest

from exchange.testing.fixtures import closed_port, house, inbox, ring, serve, settings, tiny
from tools.simulator.app import create_app

__all__ = ["closed_port", "house", "inbox", "rest", "ring", "serve", "settings", "tiny"]


@pytest.fixture
def rest(settings, inbox):
    """The application without threads; `app.extensions["simulator"].run_pending()` runs it."""
    return create_app(settings, transport=inbox, threads=0, sleep=lambda _: None)
