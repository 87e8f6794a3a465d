"""The requests of the bench are those of the provider, and every call they make is booked."""

from __future__ import annotations

import itertools
import math
import re

from typing import Any

import psycopg
import pytest

from flask import Flask
from werkzeug.datastructures import Headers

import config

from bench import floors, load, servers, traffic
from exchange.transport import WsgiTransport
from tests.support.house import House, mornings


class BenchHouse(House):
    """A house that has the token and the address of the bench."""

    def application(self, *given: Any, **changed: Any) -> Flask:
        self.settings = self.settings.model_copy(
            update={"public_base_url": traffic.BASE, "twilio_auth_token": traffic.TOKEN}
        )
        return super().application(*given, **changed)


def answer(app: Flask, raw: bytes) -> bytes:
    """What the application answers to a request as it is on the wire."""
    head, _, body = raw.partition(b"\r\n\r\n")
    first, *lines = head.decode("ascii").split("\r\n")
    headers = Headers(dict(line.split(": ", 1) for line in lines))
    target = first.split(" ")[1]
    return app.test_client().post(target, data=body, headers=headers).get_data()


@pytest.fixture
def house(database_url):
    made = BenchHouse(database_url)
    made.knows_postcodes()
    for gid in ("1", "2", "3"):
        made.opens_centre(gid, kilometres=float(gid), starts=mornings(3), capacity=5)
    yield made
    made.close()


@pytest.fixture
def signer(house):
    pattern = traffic.rehearse(WsgiTransport(house.app), "75011")
    return traffic.Signer(pattern)


def test_a_written_call_books_as_the_rehearsal_did(house, signer):
    assert len(house.bookings()) == 1
    for caller in itertools.islice(traffic.callers(["75011"], seed=1), 3):
        for raw in signer.call(caller):
            assert b"<Response" in answer(house.app, raw)
    assert len(house.bookings()) == 4


def test_a_lone_turn_moves_the_session_and_nothing_else(house, signer):
    caller = next(traffic.callers(["75011"], seed=2))
    for raw in signer.start(caller):
        answer(house.app, raw)
    steps = []
    for raw in signer.lone_turns(caller, 4):
        answer(house.app, raw)
        steps.append(house.session(caller.call_id).step)
    assert steps == ["date_of_birth_check", "date_of_birth"] * 2
    assert house.held() == 0


def test_callers_are_all_different_and_come_again_with_the_same_seed():
    first = list(itertools.islice(traffic.callers(["75011", "35000"], seed=3), 200))
    again = list(itertools.islice(traffic.callers(["75011", "35000"], seed=3), 200))
    assert first == again
    assert len({caller.call_id for caller in first}) == 200
    assert all(re.fullmatch("CA[0-9a-f]{32}", caller.call_id) for caller in first)


@pytest.fixture
def closed_at_the_end(monkeypatch):
    """A floor keeps its connections as long as its process lives; a test must not."""
    opened = []
    connect = psycopg.connect

    def remembered(*arguments, **options):
        opened.append(connect(*arguments, **options))
        return opened[-1]

    monkeypatch.setattr(psycopg, "connect", remembered)
    yield
    for connection in opened:
        connection.close()


@pytest.mark.usefixtures("closed_at_the_end")
def test_the_floor_answers_what_is_signed_and_refuses_the_rest(signer, database_url, monkeypatch):
    monkeypatch.setattr(floors, "ROWS", 50)
    floors.fill(database_url)
    monkeypatch.setattr(config, "load", lambda: servers.settings(database_url, "unix:///nowhere"))
    app = floors.create_app()
    raw = signer.call(next(traffic.callers(["75011"], seed=4)))[0]
    assert answer(app, raw).decode() == floors.DOCUMENT
    other = raw.replace(b"+336", b"+337").replace(b"%2B336", b"%2B337")
    assert answer(app, other) == b"Forbidden\n"


def test_the_floors_answer_is_about_as_long_as_the_services_answers(house, signer):
    answers = [
        answer(house.app, raw) for raw in signer.call(next(traffic.callers(["75011"], seed=5)))
    ]
    usual = sum(map(len, answers)) / len(answers)
    assert 0.6 * usual < len(floors.DOCUMENT) < 1.6 * usual


def test_the_share_of_wrk_and_bad_answers_make_a_run_void():
    fine = load.LoadRun(100, 1.0, 0, 0, 0, 0.1)
    assert fine.faults() == []
    assert fine.rate == 100
    greedy = load.LoadRun(100, 1.0, 0, 2, 1, 0.3)
    assert len(greedy.faults()) == 3


def test_requests_are_dealt_to_all_connections():
    dealt = load.dealt(range(70))
    assert len(dealt) == load.CONNECTIONS
    assert sorted(itertools.chain(*dealt)) == list(range(70))
    assert max(map(len, dealt)) == math.ceil(70 / load.CONNECTIONS)
