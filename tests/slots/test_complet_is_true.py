"""Who hears "complet" hears it after a look that saw nothing free, not for being slower."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest

from sqlalchemy import update

from models.slots.tables import place
from services.slots import hold_slot
from tests.support.house import House, mornings
from tests.support.locks import WAITING
from tests.support.rows import holds, near, rows_of

CENTRES = 5


@pytest.fixture
def one_place_each(service: House) -> House:
    for number in range(CENTRES):
        service.opens_centre(str(number + 1), kilometres=number + 1, starts=mornings(1))
    return service


def takes(service: House, connection: Any, *gids: str) -> None:
    """Somebody else has these places, should the transaction be committed."""
    later = mornings(1)[0]
    connection.execute(
        update(place)
        .where(place.c.centre_id.in_(gids))
        .values(held_by="CA-quicker", hold_expires_at=later, hold_limit_at=later)
    )


def until_it_waits(service: House, asked: Future[Any]) -> None:
    """Until the caller waits for one of those in front, or has an answer already."""
    while not asked.done() and not rows_of(service.database, WAITING)[0][0]:
        pass


def test_what_is_given_back_far_away_while_one_waits_for_the_nearest_is_found(
    one_place_each: House,
):
    """All five places are being taken. The nearest four are, the farthest is given back."""
    service = one_place_each
    nearby = near(service)
    with ThreadPoolExecutor(1) as caller, service.database.engine.connect() as quicker:
        with service.database.engine.connect() as failing:
            quicker.begin()
            takes(service, quicker, "1", "2", "3", "4")
            failing.begin()
            takes(service, failing, "5")
            asked = caller.submit(holds, service, "CA-second", near=nearby)
            until_it_waits(service, asked)
            failing.rollback()
            quicker.commit()
        (held,) = asked.result()
    assert held.near.centre.id == "5"


def test_what_somebody_took_and_gave_back_while_one_waits_for_it_is_found(one_place_each: House):
    """In one transaction, as a search does that finds no second: the nearest, and not the next."""
    service = one_place_each
    nearby = near(service)
    with ThreadPoolExecutor(1) as caller, service.database.engine.connect() as quicker:
        quicker.begin()
        takes(service, quicker, "1", "2", "3", "4", "5")
        asked = caller.submit(holds, service, "CA-second", near=nearby)
        until_it_waits(service, asked)
        quicker.execute(
            update(place).values(held_by=None, hold_expires_at=None, hold_limit_at=None)
        )
        quicker.commit()
        assert [one.near.centre.id for one in asked.result()] == ["1"]


def test_where_everything_was_taken_meanwhile_nothing_is_found(one_place_each: House):
    service = one_place_each
    nearby = near(service)
    with ThreadPoolExecutor(1) as caller, service.database.engine.connect() as quicker:
        quicker.begin()
        takes(service, quicker, "1", "2", "3", "4", "5")
        asked = caller.submit(holds, service, "CA-second", near=nearby)
        until_it_waits(service, asked)
        quicker.commit()
        assert asked.result() == []


def test_a_search_does_not_wait_for_ever_for_somebody_who_does_nothing(
    one_place_each: House, monkeypatch: pytest.MonkeyPatch
):
    service = one_place_each
    moments = iter(range(100))
    monkeypatch.setattr(hold_slot, "time_passed", lambda: float(next(moments)))
    nearby = near(service)
    with service.database.engine.connect() as stuck:
        stuck.begin()
        takes(service, stuck, "1", "2", "3", "4", "5")
        assert holds(service, "CA-second", near=nearby) == []
        stuck.rollback()
    # Two rounds and no third: the clock above moves by a second at each look.
    assert next(moments) == 3
