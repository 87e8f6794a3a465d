"""kill -9, again and again: the caller goes on where the call was, and the text comes once."""

from __future__ import annotations

import signal
import sys

import pytest
import redis

from sqlalchemy import select

from models.messages.tables import message
from tests.crash.conftest import PROMISE, Town
from tests.support.until import wait_for

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks for processes in /proc")


@pytest.mark.parametrize("killed_at", [("date_of_birth", "offers", "confirm")])
def test_every_web_worker_is_killed_in_mid_call_and_the_call_goes_on(
    town: Town, killed_at: tuple[str, ...]
):
    town.starts("web")
    caller = town.caller()
    caller.dial()
    steps = [caller.step]
    while caller.step != "reference":
        if caller.step in killed_at:
            town.kills_every_web_worker()
        caller.answers_sensibly()
        steps.append(caller.step)
    assert steps == [
        "welcome",
        "date_of_birth",
        "date_of_birth_check",
        "postcode",
        "offers",
        "confirm",
        "ready",
        "reference",
    ]
    caller.press("1")
    assert caller.ended_normally, caller.errors
    assert len(town.house.bookings()) == 1
    assert len(town.house.messages("sms")) == 1
    assert town.house.held() == 0


def test_a_text_comes_although_its_worker_was_killed_and_redis_forgot(town: Town, redis_url: str):
    """The worker is stopped before it could do anything, then killed; the queue is lost too."""
    town.starts("simulator", "web", "worker")
    with redis.Redis.from_url(redis_url) as client:
        wait_for(lambda: client.smembers("rq:workers"), "the worker is there")
        town.freezes("worker")
        caller = town.caller()
        caller.goes_to("reference")
        # Redis gives it to the stopped worker, who waits for it: nobody else will be woken up.
        wait_for(lambda: client.keys("rq:job:*"), "the wake-up is in Redis")
        town.kills("worker")
        client.flushall()
    assert town.texts() == []
    town.starts("scheduler")
    wait_for(town.texts, "the text", PROMISE)
    wait_for(lambda: states(town) == ["delivered"], "the provider's reports")
    (text,) = town.texts()
    (booking,) = town.house.bookings()
    assert booking.reference in text.replace(" ", "")


@pytest.mark.long
def test_a_text_comes_once_although_its_worker_was_killed_while_sending(town: Town, redis_url: str):
    """The provider hangs; the worker waits for its answer and is killed; then the provider goes on.

    Whether the text was taken nobody here can know: it is looked up before it is sent again.
    """
    town.starts("simulator", "web", "worker", "scheduler")
    with redis.Redis.from_url(redis_url) as client:
        wait_for(lambda: client.smembers("rq:workers"), "the worker is there")
        caller = town.caller()
        caller.goes_to("confirm")
        town.sends("simulator", signal.SIGSTOP)
        caller.answers_sensibly()
        wait_for(lambda: states(town) == ["sending"], "a relay has claimed the text")
        town.kills("worker")
        town.kills("scheduler")
        client.flushall()
    town.sends("simulator", signal.SIGCONT)
    town.starts("scheduler")
    wait_for(lambda: states(town) == ["delivered"], "the text", PROMISE)
    assert len(town.texts()) == 1


def states(town: Town) -> list[str]:
    with town.house.database.statement() as connection:
        return list(connection.execute(select(message.c.state)).scalars())
