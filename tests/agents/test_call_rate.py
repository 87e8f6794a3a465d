"""No more calls begin than the account may: one bucket for all processes."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from models.agents import call_rate
from services.agents.provider_commands import take_permit
from tests.support.house import House
from tests.support.rows import clock_of

NOW = timedelta()
THREADS = 8


def test_a_permit_a_second(service: House):
    clock = clock_of(service)
    assert take_permit(service.store, 1.0) == NOW
    assert take_permit(service.store, 1.0) == timedelta(seconds=1)
    clock.advance(timedelta(seconds=0.75))
    assert take_permit(service.store, 1.0) == timedelta(seconds=0.25)
    clock.advance(timedelta(seconds=0.25))
    assert take_permit(service.store, 1.0) == NOW
    assert take_permit(service.store, 1.0) > NOW


def test_permits_pile_up_to_five_and_no_further(service: House):
    clock = clock_of(service)
    clock.advance(timedelta(hours=1))
    assert [take_permit(service.store, 20.0) == NOW for _ in range(6)] == [True] * 5 + [False]
    clock.advance(timedelta(hours=1))
    assert [take_permit(service.store, 20.0) == NOW for _ in range(6)] == [True] * 5 + [False]


def test_a_slow_account_waits_for_longer_than_a_second(service: House):
    assert take_permit(service.store, 0.1) == NOW
    assert take_permit(service.store, 0.1) == timedelta(seconds=10)


def test_a_clock_that_is_set_back_gives_nothing_twice(service: House):
    clock = clock_of(service)
    assert take_permit(service.store, 1.0) == NOW
    clock.advance(timedelta(seconds=-30))
    assert take_permit(service.store, 1.0) > NOW
    clock.advance(timedelta(seconds=30))
    assert take_permit(service.store, 1.0) > NOW
    clock.advance(timedelta(seconds=1))
    assert take_permit(service.store, 1.0) == NOW


def taken_at_once(house: House) -> int:
    """How many of many threads have a permit, where there are five."""
    take_permit(house.store, 5.0)
    clock_of(house).advance(timedelta(minutes=1))
    with ThreadPoolExecutor(THREADS) as threads:
        waits = list(threads.map(lambda _: take_permit(house.store, 5.0), range(40)))
    return waits.count(NOW)


def test_threads_take_no_permit_twice(service: House):
    assert taken_at_once(service) == 5


def test_without_the_lock_they_do(service: House, monkeypatch: pytest.MonkeyPatch):
    """The test above would see it."""
    monkeypatch.setattr(call_rate, "_locked", lambda statement: statement)
    most = max(taken_at_once(service) for _ in range(5))
    assert most > 5
