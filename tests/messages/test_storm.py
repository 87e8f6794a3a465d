"""A bad day at the provider, and relays that die: every booking gets its text, and just one."""

from __future__ import annotations

import base64
import itertools
import random
import subprocess
import sys
import threading

from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

import pytest
import redis

from sqlalchemy import select

from jobs.queues import RedisWakeUp
from models.messages import claims, look_ups, outbox
from models.messages.tables import message
from services.messages.deliver_message import KINDS
from tests.messages.test_delivery import Killed
from tests.support.house import ACCOUNT, BASE, TOKEN, House, mornings
from tests.support.keeper import ROOT
from tests.support.office import Office, Provider
from tests.support.rows import clock_of, confirms, holds, near
from tests.support.until import wait_for
from tools.launcher.environment import inherited


class Mortal:
    """A relay that is killed between sending and noting, every so many texts."""

    def __init__(self, real: Any, every: int, *, looks: bool = True) -> None:
        self.real, self.every, self.looks = real, every, looks
        self.texts = itertools.count(1)
        self.deaths = 0

    def send(self, *arguments: Any) -> str:
        sid = str(self.real.send(*arguments))
        if next(self.texts) % self.every == 0:
            self.deaths += 1
            raise Killed
        return sid

    def find(self, *arguments: Any) -> Any:
        return self.real.find(*arguments) if self.looks else None


def books_many(service: House, bookings: int) -> None:
    service.opens_centre("1", starts=mornings(30), capacity=max(1, bookings // 30))
    nearby = near(service)
    for number in range(bookings):
        held = holds(service, f"CA-{number}", near=nearby)[0]
        assert confirms(service, f"CA-{number}", held, text_to=f"+3361234{number:04d}")


def delivers_all(service: House, office: Office, relay: Mortal) -> Counter[str]:
    """Relays that come again and again until nothing waits; how often each word was said."""

    def deliver(message_id: str) -> str:
        try:
            return office.delivers(message_id, relay)
        except Killed:
            return "killed"

    results: Counter[str] = Counter()
    with ThreadPoolExecutor(4) as relays:
        for _ in range(200):
            with service.database.statement() as connection:
                due = claims.due(connection, service.clock, KINDS, limit=1000)
                waiting, _since = look_ups.oldest_unsent(connection, service.clock, KINDS)
            if not waiting:
                break
            results.update(relays.map(deliver, due))
            clock_of(service).advance(timedelta(seconds=30))
    return results


# Of ten tries one is taken and its answer lost; of twenty one each is refused for now.
BAD_DAY: list[object] = ["cut", "429", "ok", "ok", "500", "ok", "ok", "cut", *["ok"] * 12]


@pytest.mark.parametrize("bookings", [30, pytest.param(300, marks=pytest.mark.long)])
@pytest.mark.parametrize("every", [7])
def test_every_booking_gets_its_text(
    service: House, office: Office, provider: Provider, bookings: int, every: int
):
    books_many(service, bookings)
    provider.does_next(*BAD_DAY * (bookings // 10))
    relay = Mortal(office.messenger, every)
    results = delivers_all(service, office, relay)

    provider.reports()
    told = Counter(text.recipient for text in provider.texts())
    assert len(told) == bookings, "bookings without a text"
    assert {row.state for row in service.messages("sms")} == {"delivered"}
    assert results["killed"] == relay.deaths > 0
    # Not one double: each doubtful text was looked up before it was sent again.
    assert set(told.values()) == {1}


def test_without_the_look_up_people_get_their_text_twice(
    service: House, office: Office, provider: Provider
):
    """The guard taken away: each answer that is lost is a text too many."""
    books_many(service, 30)
    provider.does_next(*BAD_DAY * 3)
    relay = Mortal(office.messenger, 7, looks=False)
    delivers_all(service, office, relay)
    told = Counter(text.recipient for text in provider.texts())
    assert len(told) == 30
    assert sum(told.values()) - 30 >= relay.deaths > 0


# ---------------------------------------------------------------- real processes


class RolledBack(Exception):
    """Something after the booking went wrong, in its transaction."""


class Storm:
    """Bookings, a provider on its worst day, relays that live half a second, a forgetful Redis."""

    def __init__(self, house: House, provider: Provider, redis_url: str, *, seed: int) -> None:
        self.house, self.provider, self.redis_url = house, provider, redis_url
        self.dice = random.Random(seed)  # noqa: S311 - no secret
        self.wake_up = RedisWakeUp(redis_url)
        self.over = threading.Event()
        self.planned: list[object] = []

    def bad_day(self, tries: int) -> None:
        kinds = ["cut"] * 10 + [{"429": 1}] * 5 + ["500"] * 5 + ["ok"] * 80
        self.planned = self.dice.choices(kinds, k=tries)
        self.provider.does_next(*self.planned)

    @property
    def cuts(self) -> int:
        """How many connections were cut after the text was taken."""
        left = self.provider.faults.state()["next"]
        return self.planned[: len(self.planned) - left].count("cut")

    @contextmanager
    def rages(self, lease: float) -> Iterator[None]:
        """Relays are killed every half second, and Redis is emptied every five."""
        env = inherited() | {
            "DATABASE_URL": self.house.database.url.render_as_string(hide_password=False),
            "REDIS_URL": self.redis_url,
            "DATA_KEYS": base64.b64encode(bytes(range(32))).decode(),
            "TWILIO_ACCOUNT_SID": ACCOUNT,
            "TWILIO_AUTH_TOKEN": TOKEN,
            "TWILIO_API_BASE_URL": self.provider.url,
            "PUBLIC_BASE_URL": BASE,
            # Thousands of texts to a few numbers.
            "SMS_PARTS_PER_DAY": "1000000",
            "SMS_PARTS_PER_NUMBER": "1000000",
            "SMS_PARTS_PER_PREFIX": "1000000",
        }
        relays = subprocess.Popen(  # noqa: S603 - our own program
            [sys.executable, "-m", "tests.messages.relays", str(lease)],
            cwd=ROOT,
            env=env,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        forgets = threading.Thread(target=self._forget)
        forgets.start()
        try:
            yield
        finally:
            self.over.set()
            forgets.join()
            said, _ = relays.communicate(timeout=60)
        assert int(said.split()[-1]) > 2, "the relays were not killed"

    def _forget(self) -> None:
        with redis.Redis.from_url(self.redis_url) as client:
            while not self.over.wait(5):
                client.flushall()

    def book(self, number: int, nearby: Any) -> bool:
        """One caller; one of ten has their booking taken back before it is committed."""
        holder = f"CA-{number}"
        held = holds(self.house, holder, near=nearby)[0]
        if number % 10 == 9:
            with pytest.raises(RolledBack), broken_after_the_message():
                confirms(self.house, holder, held, text_to=mobile(number))
            return False
        booked = confirms(self.house, holder, held, text_to=mobile(number))
        assert booked
        assert booked.message_id
        self.wake_up.message(booked.message_id)
        return True

    def waits(self, seconds: float) -> None:
        """Until everything has left; fails when that takes too long."""

        def has_left() -> bool:
            with self.house.database.statement() as connection:
                waiting, _ = look_ups.oldest_unsent(connection, self.house.clock, KINDS)
            return not waiting

        wait_for(has_left, "every message has left", seconds)


@contextmanager
def broken_after_the_message() -> Iterator[None]:
    """The message is written, and then its transaction breaks."""
    real = outbox.add

    def breaks(*arguments: Any) -> bool:
        assert real(*arguments)
        raise RolledBack

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("services.messages.write_message.outbox.add", breaks)
        yield


def mobile(number: int) -> str:
    return f"+3361234{number:04d}"


# By day relays die in the tests above, and tests/crash/test_kill.py kills a real worker.
@pytest.mark.long
@pytest.mark.timeout(1500)
@pytest.mark.parametrize(("bookings", "lease", "patience"), [(2000, 25.0, 900.0)])
def test_relays_that_are_killed_lose_nothing_and_repeat_no_more_than_the_line_broke(  # noqa: PLR0917
    real_time: House,
    real_provider: Provider,
    redis_url: str,
    bookings: int,
    lease: float,
    patience: float,
    record_property: Callable[[str, object], None],
):
    day = datetime.now(tz=mornings(1)[0].tzinfo).replace(minute=0, second=0, microsecond=0)
    starts = [day + timedelta(days=number) for number in range(2, 32)]
    real_time.opens_centre("1", starts=starts, capacity=bookings // 5)
    nearby = near(real_time)
    storm = Storm(real_time, real_provider, redis_url, seed=bookings)
    storm.bad_day(bookings * 3)
    with storm.rages(lease):
        kept = [storm.book(number, nearby) for number in range(bookings)]
        storm.waits(patience)
    real_provider.reports()

    booked = {mobile(number) for number, is_kept in enumerate(kept) if is_kept}
    told = Counter(text.recipient for text in real_provider.texts())
    assert len(booked) == bookings * 9 // 10
    assert booked - set(told) == set(), "bookings without a message"
    assert set(told) - booked == set(), "messages for nothing committed"
    twice = sum(told.values()) - len(told)
    assert storm.cuts > 0
    record_property("cut, twice", (storm.cuts, twice))
    assert twice <= storm.cuts
    with real_time.database.statement() as connection:
        states = set(connection.execute(select(message.c.state)).scalars())
    assert states == {"delivered"}
