"""What these tests share; TEST_EXCHANGE=off leaves them out of a day's work on the service."""

import os

from exchange.testing.fixtures import (
    closed_port,
    house,
    in_process,
    inbox,
    rest,
    ring,
    serve,
    settings,
    tiny,
)

__all__ = [
    "closed_port",
    "house",
    "in_process",
    "inbox",
    "rest",
    "ring",
    "serve",
    "settings",
    "tiny",
]

_off = os.environ.get("TEST_EXCHANGE", "").lower() == "off"  # noqa: TID251
collect_ignore_glob = ["test_*.py", "sip"] if _off else []
