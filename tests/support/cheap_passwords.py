"""Tests hash passwords at the least cost: most of them are about what is done behind the door.

What a hash costs at work is tested with the fixture `passwords_at_their_cost`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import pytest

from argon2 import PasswordHasher

from services.accounts import passwords

LEAST: Final = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
_NOBODY: Final = LEAST.hash("nobody has this password")
_AT_WORK: Final[tuple[Any, str]] = (passwords._hasher, passwords.NO_ACCOUNT)


@pytest.fixture(scope="session", autouse=True)
def _cheap_passwords() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(passwords, "_hasher", lambda: LEAST)
        patch.setattr(passwords, "NO_ACCOUNT", _NOBODY)
        yield


@pytest.fixture
def passwords_at_their_cost(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hash them as the service does at work."""
    hasher, nobody = _AT_WORK
    monkeypatch.setattr(passwords, "_hasher", hasher)
    monkeypatch.setattr(passwords, "NO_ACCOUNT", nobody)
