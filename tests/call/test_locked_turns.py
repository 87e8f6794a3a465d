"""A turn with an effect is locked, then written: copies wait, and do nothing in vain."""

from __future__ import annotations

import pytest

from models.call import turns
from services.call.take_turn import AlreadyAnswered, Body, Turn
from tests.support.house import House, mornings


def finish(turn: Turn, said: str) -> None:
    turn.finish(step="offers", outcome="asked", body=Body("1", "{}", said))


def test_a_copy_that_looked_just_before_the_first_was_done_leaves_nothing(service: House):
    """It reads the turn before, then the first is committed, then it acts."""
    service.opens_centre("1", starts=mornings(3))
    phone = service.phone().goes_to("offers")
    held = service.held()
    assert held
    with service.database.statement() as connection:
        newest = turns.newest(connection, service.store.vault, phone.sid)
    assert newest is not None
    number = newest.number + 1
    with Turn(service.store, phone.sid, number, newest.day) as copy:
        assert copy.newest() == newest
        with Turn(service.store, phone.sid, number, newest.day) as first:
            first.transaction()
            finish(first, "first")
        # It finds the lock free, and would act for a call that is past it.
        with pytest.raises(AlreadyAnswered):
            copy.transaction()
        copy.undo()
        found = copy.newest()
    assert found is not None
    assert found.number == number
    assert found.body is not None
    assert found.body.answer == "first"
    assert service.held() == held


def test_the_lock_of_a_turn_is_its_own():
    locks = {turns._lock_of(f"CA{call}", number) for call in range(50) for number in range(50)}
    assert len(locks) == 2500
    assert all(-(2**63) <= one < 2**63 for one in locks)
