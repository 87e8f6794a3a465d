"""Several schedulers and dispatchers: one of each works, and another takes over."""

from __future__ import annotations

import itertools
import threading

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import pytest

from sqlalchemy.exc import OperationalError

from jobs import scheduler, timed
from jobs.relay import sweep
from jobs.timed import Lead, Task
from models.supervision import alerts
from services.health.leadership import LEASE, SCHEDULER, Leadership
from services.store import CryptographicChance
from services.supervision.alerts import tell_alerts
from tests.support.house import House, mornings
from tests.support.leads import ALONE
from tests.support.rows import clock_of, confirms, holds

TEXTS = 12


class Ticks:
    """A monotonic clock that goes with the store's."""

    def __init__(self, house: House) -> None:
        self.house, self.seconds = house, 0.0

    def __call__(self) -> float:
        return self.seconds

    def go(self, seconds: float) -> None:
        self.seconds += seconds
        clock_of(self.house).advance(timedelta(seconds=seconds))


@pytest.fixture
def ticks(service: House) -> Ticks:
    return Ticks(service)


def a_process(house: House, ticks: Ticks) -> Leadership:
    store = replace(house.store, chance=CryptographicChance())
    return Leadership(store, SCHEDULER, ticks=ticks)


def test_one_works_and_another_takes_over_at_once_where_it_ends(service: House, ticks: Ticks):
    one, other = a_process(service, ticks), a_process(service, ticks)
    assert (one.ask(), other.ask()) == (True, False)
    assert (one.is_ours(), other.is_ours()) == (True, False)
    one.give_up()
    assert not one.is_ours()
    assert other.ask()
    assert not one.ask()


def test_the_lease_of_one_that_was_killed_ends(service: House, ticks: Ticks):
    killed, other = a_process(service, ticks), a_process(service, ticks)
    killed.ask()
    ticks.go(LEASE / 2)
    killed.ask()
    ticks.go(LEASE * 0.9)
    assert not other.ask()
    ticks.go(LEASE * 0.2)
    # It knows by itself that its time is over, before another one works.
    assert not killed.is_ours()
    assert other.ask()
    assert not killed.ask()


def test_of_many_that_ask_at_once_one_works(service: House, ticks: Ticks):
    some = [a_process(service, ticks) for _ in range(8)]
    at_once = threading.Barrier(len(some))

    def asks(one: Leadership) -> bool:
        at_once.wait(10)
        return one.ask()

    with ThreadPoolExecutor(len(some)) as threads:
        assert sum(threads.map(asks, some)) == 1


def test_whoever_gives_up_what_another_has_takes_nothing_from_it(service: House, ticks: Ticks):
    one, other = a_process(service, ticks), a_process(service, ticks)
    one.ask()
    ticks.go(LEASE * 2)
    assert other.ask()
    one.give_up()
    assert not one.ask()
    assert other.ask()


def test_while_the_store_does_not_answer_only_that_is_noted(
    service: House, ticks: Ticks, monkeypatch: pytest.MonkeyPatch
):
    lead, stop, done = a_process(service, ticks), threading.Event(), list[str]()
    lead.ask()

    def does(name: str, *, ends: bool = False) -> Callable[[], int]:
        def do() -> int:
            done.append(name)
            if ends:
                stop.set()
            return 0

        return do

    def away() -> Any:
        raise OperationalError("SELECT", {}, Exception())

    monkeypatch.setattr(service.database, "statement", away)
    ticks.go(LEASE * 0.9)
    assert lead.ask()  # it is ours for as long as was granted
    ticks.go(LEASE * 0.2)
    assert not lead.ask()
    assert lead.lost_by_silence()
    state = Task("state", 0.01, does("state", ends=True), notes_outages=True)
    timed.run([Task("sweep", 0.01, does("sweep")), state], stop, lead)
    assert done == ["state"]


# ---------------------------------------------------------------- two of a kind at work


@dataclass
class Sends:
    """A provider that takes everything."""

    sent: list[str] = field(default_factory=list)

    def send(self, message_id: str, _recipient: str, _body: str, *, sender: str = "") -> str:
        self.sent.append(message_id)
        return f"SM{message_id}"

    def find(self, *_: Any) -> None:
        return None


def texts_wait(house: House) -> None:
    house.opens_centre("1", starts=mornings(TEXTS), capacity=1)
    for number in range(TEXTS):
        held = holds(house, f"CA-{number}")[0]
        assert confirms(house, f"CA-{number}", held, text_to=f"+3361234{number:04d}")


class Noted:
    """A lead that notes how often a process looked whether it works."""

    def __init__(self, lead: Lead) -> None:
        self.lead, self.looks = lead, threading.Semaphore(0)

    def is_ours(self) -> bool:
        self.looks.release()
        return self.lead.is_ours()

    def lost_by_silence(self) -> bool:
        return self.lead.lost_by_silence()

    def has_looked(self, times: int) -> None:
        for _ in range(times):
            assert self.looks.acquire(timeout=20)


class Process:
    """A scheduler or dispatcher with one task; `tried` is what its rounds came to."""

    def __init__(self, task: Callable[[], int], lead: Lead) -> None:
        self.lead, self.tried = Noted(lead), list[int]()
        self.stop, self.has_done = threading.Event(), threading.Event()

        def do() -> int:
            self.tried.append(task())
            self.has_done.set()
            return 0

        # Once in the life of the test.
        self.planned = [Task("sweep", 1000, do), Task("other", 1000, lambda: 0)]
        self.thread = threading.Thread(
            target=scheduler.work, args=(self.planned, self.stop, self.lead)
        )

    def ends(self) -> None:
        self.stop.set()
        self.thread.join(20)


@contextmanager
def at_work(*some: Process) -> Any:
    for one in some:
        one.thread.start()
    try:
        yield
    finally:
        for one in some:
            one.ends()


def sweeps(house: House, provider: Sends, goes_on: Callable[[], bool]) -> Callable[[], int]:
    return lambda: sweep(house.store, provider, goes_on=goes_on)


def test_two_schedulers_try_no_message_twice_and_the_second_takes_over(
    service: House, ticks: Ticks
):
    texts_wait(service)
    provider, leads = Sends(), [a_process(service, ticks) for _ in range(2)]
    one, other = (Process(sweeps(service, provider, lead.is_ours), lead) for lead in leads)
    assert (leads[0].ask(), leads[1].ask()) == (True, False)
    with at_work(one, other):
        assert one.has_done.wait(20)
        other.lead.has_looked(6)
        assert (one.tried, other.tried) == ([TEXTS], [])
        # It ends as by SIGTERM, and hands over.
        one.ends()
        leads[0].give_up()
        assert leads[1].ask()
        assert other.has_done.wait(20)
    # Nothing was left to do twice.
    assert other.tried == [0]
    assert len(provider.sent) == TEXTS


def test_without_the_lease_two_schedulers_share_the_messages(service: House):
    """A process that was held up for longer than its lease goes on beside another."""
    texts_wait(service)
    provider, have_taken = Sends(), threading.Barrier(2)

    def once_both_have_taken() -> Callable[[], bool]:
        asked, both_have = itertools.count(), threading.Event()

        def goes_on() -> bool:
            # Asked before it takes some that are due, and then at each of them by its threads.
            number = next(asked)
            if number == 1:
                have_taken.wait(20)
                both_have.set()
            elif number > 1:
                assert both_have.wait(20)
            return True

        return goes_on

    def sweeps_some(goes_on: Callable[[], bool]) -> Callable[[], int]:
        # Two threads have six in hand, which is half of what waits.
        return lambda: sweep(service.store, provider, goes_on=goes_on, senders=2)

    one, other = (Process(sweeps_some(once_both_have_taken()), ALONE) for _ in range(2))
    with at_work(one, other):
        assert one.has_done.wait(20)
        assert other.has_done.wait(20)
    assert sum(one.tried + other.tried) == TEXTS
    assert min(one.tried + other.tried) > 0
    assert len(set(provider.sent)) == len(provider.sent) == TEXTS


@dataclass
class Ears:
    """Who is told of alerts; with `waits_for` it answers once others were told as well."""

    waits_for: threading.Barrier | None = None
    heard: list[str] = field(default_factory=list)

    def tell(self, news: dict[str, Any]) -> bool:
        self.heard.append(news["state"])
        if self.waits_for is not None:
            self.waits_for.wait(20)
        return True


def an_alert(house: House) -> None:
    with house.database.transaction() as connection:
        assert alerts.begin(
            connection, house.clock, "a" * 32, name="wait", value=700, threshold=600
        )


def two_tell(house: House, ears: Ears, leads: Sequence[Lead]) -> tuple[Process, Process]:
    def tells() -> int:
        return int(tell_alerts(house.store, ears, "https://allo.example/supervision"))

    return Process(tells, leads[0]), Process(tells, leads[1])


def test_two_dispatchers_tell_an_alert_once(service: House, ticks: Ticks):
    an_alert(service)
    ears, leads = Ears(), [a_process(service, ticks) for _ in range(2)]
    assert (leads[0].ask(), leads[1].ask()) == (True, False)
    one, other = two_tell(service, ears, leads)
    with at_work(one, other):
        assert one.has_done.wait(20)
        other.lead.has_looked(6)
    assert ears.heard == ["raised"]
    assert other.tried == []


def test_without_the_lease_two_dispatchers_tell_an_alert_twice(service: House):
    an_alert(service)
    ears = Ears(threading.Barrier(2))
    one, other = two_tell(service, ears, [ALONE, ALONE])
    with at_work(one, other):
        assert one.has_done.wait(20)
        assert other.has_done.wait(20)
    assert ears.heard == ["raised", "raised"]


def test_a_sweep_ends_between_two_messages_where_its_process_ends(service: House):
    """A morning's reminders would take longer than the process manager waits."""
    texts_wait(service)
    provider = Sends()
    assert 0 < sweep(service.store, provider, goes_on=lambda: not provider.sent) < TEXTS
    assert len(provider.sent) < TEXTS
    sweep(service.store, provider)
    assert len(set(provider.sent)) == len(provider.sent) == TEXTS
