"""A second person, who confirms whatever waits for one."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from services.accounts import four_eyes
from tests.support.house import House

Done = TypeVar("Done")


def for_two(house: House, do: Callable[[], Done]) -> Done:
    """Ask for an act by doing it, have a supervisor confirm it, and do it."""
    do()
    supervisor = house.employs("supervisor")
    (asked,) = four_eyes.waiting(house.store)
    assert four_eyes.give(house.store, supervisor, asked.id)
    return do()
