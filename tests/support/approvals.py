"""A second person, who confirms whatever waits for one."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

from services.accounts import four_eyes
from services.accounts import staff as accounts
from services.accounts.lost_factor import take_factor_away
from tests.support.house import House

Done = TypeVar("Done")


def for_two(house: House, do: Callable[[], Done]) -> Done:
    """Ask for an act by doing it, have a supervisor confirm it, and do it."""
    do()
    supervisor = house.employs("supervisor")
    (asked,) = four_eyes.waiting(house.store)
    assert four_eyes.give(house.store, supervisor, asked.id)
    return do()


def confirms_all(house: House, login: str) -> None:
    """A supervisor confirms what waits."""
    with house.database.statement() as connection:
        who = accounts.find(connection, house.store, login)
    for asked in four_eyes.waiting(house.store):
        assert four_eyes.give(house.store, who, asked.id)


def loses_factor(house: House, login: str, *, second: str, why: str = "lost") -> None:
    """Two people take away somebody's lost second factor; `second` is a supervisor's login."""
    with suppress(four_eyes.SecondNeeded):
        take_factor_away(house.store, login, second=second, operator="root", why=why)
    confirms_all(house, second)
    take_factor_away(house.store, login, second=second, operator="root", why=why)
