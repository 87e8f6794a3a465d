"""What the provider tells of a call, in whatever order it arrives."""

from __future__ import annotations

import itertools

from datetime import timedelta

import pytest

from sqlalchemy import select, update

from models.call import calls
from models.call.calls import STATUS_RANK
from models.call.tables import call
from services.call.end_call import record_call_status
from tests.support.house import BASE, House, Phone
from tests.support.rows import change, clock_of, rows_of

FINAL = ("completed", "busy", "no-answer", "canceled", "failed")


def row_of(house: House, call_id: str) -> tuple[str, int, bool]:
    statement = select(call.c.status, call.c.status_rank, call.c.ended_at)
    ((status, rank, ended),) = rows_of(house.database, statement.where(call.c.id == call_id))
    return status, rank, ended is not None


def begin_again(house: House, call_id: str) -> None:
    change(
        house.database,
        update(call)
        .where(call.c.id == call_id)
        .values(status="queued", status_rank=0, ended_at=None),
    )


def new_call(house: House) -> str:
    with house.database.transaction() as connection:
        calls.start(connection, house.clock, house.store.vault, "CA" + "1" * 32, "+33612345678")
    return "CA" + "1" * 32


def test_every_order_of_a_calls_statuses_ends_the_same(service: House):
    sid = new_call(service)
    told = ("initiated", "ringing", "in-progress", "completed")
    for order in itertools.permutations(told):
        for repeated in (None, *told):
            begin_again(service, sid)
            for status in (*order, *([repeated] if repeated else [])):
                record_call_status(service.store, service.campaign, sid, status)
            assert row_of(service, sid) == ("completed", STATUS_RANK["completed"], True)


def test_even_last_words_that_contradict_each_other_end_the_same(service: House):
    """Five ends of one call cannot be; if they come, the order must not decide what is kept."""
    sid = new_call(service)
    for order in itertools.permutations(FINAL):
        begin_again(service, sid)
        for status in order:
            record_call_status(service.store, service.campaign, sid, status)
        assert row_of(service, sid) == ("completed", STATUS_RANK["completed"], True)


@pytest.mark.parametrize("status", FINAL)
def test_a_call_that_is_over_does_not_ring_again(service: House, status: str):
    sid = new_call(service)
    assert record_call_status(service.store, service.campaign, sid, status)
    assert not record_call_status(service.store, service.campaign, sid, "ringing")
    assert not record_call_status(service.store, service.campaign, sid, "in-progress")
    assert row_of(service, sid) == (status, STATUS_RANK[status], True)


def test_the_end_is_noted_once(service: House):
    sid = new_call(service)
    record_call_status(service.store, service.campaign, sid, "busy")
    ended = select(call.c.ended_at)
    first = rows_of(service.database, ended)
    clock_of(service).advance(timedelta(minutes=1))
    record_call_status(service.store, service.campaign, sid, "completed")
    assert rows_of(service.database, ended) == first
    # And it counts as ended once: the metric must not count a call twice.
    assert not record_call_status(service.store, service.campaign, sid, "completed")


@pytest.mark.parametrize("status", [*STATUS_RANK, "strange", ""])
def test_a_status_of_an_unknown_call_is_answered_kindly(service: House, status: str):
    stranger = Phone(service, "+33612345678")
    stranger._callback(status)
    (sent,) = stranger.requests
    assert sent.url == f"{BASE}/voice/status"
    assert sent.status == 200
    assert not stranger.errors
    assert rows_of(service.database, select(call.c.id)) == []


def test_the_end_of_an_unknown_call_moves_nothing(service: House):
    for status in ("completed", "no such status"):
        assert not record_call_status(service.store, service.campaign, "CA" + "9" * 32, status)
