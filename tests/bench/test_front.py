"""The crowd at the door: what nginx's log and the processors say of it, and of the telephone."""

from __future__ import annotations

import socket
import ssl
import threading

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bench import crowd, front, machine
from bench.crowd import Came, CrowdPlan
from bench.front import Front, Logged, Spent
from bench.servers import CannotMeasure
from launcher.ports import HOST
from tests.support import parts, proxies

CROWD = Came(seconds=10.0, answers=20_000, processor=4.0)
LOG = Logged(requests=20_010, seen=100, resumed=3, others=0)
ALONE = Spent(nginx=0.1, service=2.0, interrupts=0.2)
BESIDE = Spent(nginx=8.1, service=2.2, interrupts=1.2)
FRONT = Front(
    connections=20_000,
    seconds=10.0,
    seen=100,
    webhooks_a_second=60.0,
    alone_ms=12.0,
    beside_ms=110.0,
    nginx_ms=0.4,
    service_ms=0.01,
    load_ms=0.2,
    interrupts_ms=0.05,
    cores_here=2,
)
LINES = """\
2026-11-30T02:00:00+00:00 200 GET / 0.002 127.0.0.1:8000 0.002 .
2026-11-30T02:00:00+00:00 200 GET /etat 0.000 - - .
2026-11-30T02:00:00+00:00 200 GET /rendez-vous 0.000 - - r
2026-11-30T02:00:00+00:00 200 POST /voice/turn 0.009 127.0.0.1:8000 0.009 .
2026-11-30T02:00:00+00:00 303 GET /rendez-vous 1.001 127.0.0.1:8000, 127.0.0.2:8000 0.500, 0.501 .
""".splitlines(keepends=True)


def put_together(came: Came = CROWD, log: Logged = LOG) -> Front:
    return front.figures(came, log, (600, 60.0), (12.0, 110.0), (ALONE, BESIDE))


def test_the_log_says_which_visitors_the_service_saw():
    assert front.logged(LINES) == Logged(requests=4, seen=2, resumed=1, others=1)


def test_what_the_telephone_takes_alone_is_not_the_crowds(monkeypatch):
    monkeypatch.setattr("os.cpu_count", lambda: 2)
    found = put_together()
    assert found.nginx_ms == pytest.approx(1000 * 8.0 / 20_000)
    assert found.service_ms == pytest.approx(1000 * 0.2 / 20_000)
    assert found.interrupts_ms == pytest.approx(1000 * 1.0 / 20_000)
    assert found.load_ms == pytest.approx(1000 * 4.0 / 20_000)
    assert found.rate == 2000.0
    assert (found.alone_ms, found.beside_ms) == (12.0, 110.0)


@pytest.mark.parametrize(
    ("came", "log", "sentence"),
    [
        ({"answers": 0}, {}, "no visitor was answered"),
        ({"refused": 7}, {}, "7 got no page"),
        ({}, {"others": 9}, "9 got no page"),
        ({"broken": 4}, {}, "4 connections broke"),
        ({}, {"resumed": 300}, "went on with an earlier one's TLS session"),
    ],
)
def test_a_crowd_that_is_none_is_not_measured(
    came: dict[str, Any], log: dict[str, Any], sentence: str
):
    with pytest.raises(CannotMeasure, match=sentence):
        put_together(replace(CROWD, **came), replace(LOG, **log))


def test_cores_for_the_whole_country_are_reckoned_by_what_one_connection_takes():
    assert FRONT.cores == pytest.approx(8000 * 0.45 / 1000)
    assert "3.6 cores, 45 % of a machine of 8" in front.means(FRONT)
    # 4.8 of 8 cores, each connection 0.45 ms of one.
    assert "that machine takes 10,667 a second" in front.means(FRONT)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        # One in ten: 800 of 8,000.
        ({"seen": 2000}, "the service would see 800"),
        ({"beside_ms": 300.0}, "took 300 ms beside the crowd"),
        ({"nginx_ms": 1.0}, "need 8.4 cores"),
    ],
)
def test_each_bar_is_looked_at(changes: dict[str, Any], sentence: str):
    assert FRONT.missed() == []
    (said,) = replace(FRONT, **changes).missed()
    assert sentence in said


def test_a_machine_that_makes_them_all_needs_no_reckoning():
    assert replace(FRONT, nginx_ms=1.0, connections=90_000, seen=100).missed() == []


def test_each_visitor_of_the_crowd_makes_a_connection_of_their_own(tmp_path: Path):
    """No TLS session of another one goes on: that would spare both ends the dearest part."""
    asked: list[tuple[bytes, bool]] = []
    place = proxies.make_place(tmp_path, 1)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(place.folder / "allo.pem")
    ended = threading.Event()

    def answers(listens: socket.socket) -> None:
        while not ended.is_set():
            plain, _ = listens.accept()
            try:
                with plain, context.wrap_socket(plain, server_side=True) as secure:
                    if got := secure.recv(4096):
                        asked.append((got, bool(secure.session_reused)))
                        secure.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
                        secure.unwrap()
            except OSError:
                continue

    with socket.create_server((HOST, 0)) as listens:
        port = listens.getsockname()[1]
        serves = threading.Thread(target=answers, args=(listens,))
        serves.start()
        plan = CrowdPlan(port, proxies.NAME, front.PAGES, 0.0)
        came = crowd.come(plan, tmp_path, 1)
        ended.set()
        socket.create_connection((HOST, port)).close()
        serves.join()
    assert came.answers == crowd.AT_ONCE
    assert (came.refused, came.broken) == (0, 0)
    assert len(asked) == came.answers
    assert not any(reused for _, reused in asked)
    assert all(b"\r\nConnection: close\r\n" in one for one, _ in asked)
    assert {one.split(b" ")[1].decode() for one, _ in asked} == set(front.PAGES)


def test_processes_of_the_crowd_are_counted_together():
    some = [Came(9.0, 100, 1, 2, 3.0), Came(10.0, 200, 10, 20, 4.0)]
    assert crowd.together(some) == Came(10.0, 300, 11, 22, 7.0)


def test_without_nginx_it_is_one_sentence(tmp_path: Path, monkeypatch):
    monkeypatch.setenv(parts.NGINX.switch, "off")
    with pytest.raises(CannotMeasure, match="nginx is taken away by TEST_NGINX=off"):
        front.measure(tmp_path, "unix:///nowhere", print, 1.0)


def test_the_page_has_what_was_measured():
    found = front.told(replace(FRONT, beside_ms=400.0))
    assert "| new connections a second, with TLS | 2,000 | |" in found.table
    assert "| **their p99 beside the crowd, ms** | **400.0** | < 300 |" in found.table
    assert found.words.endswith("that machine takes 10,667 a second.")
    assert found.figures["nginx_ms"] == 0.4
    assert len(found.missed) == 1


def test_interrupts_are_read_from_the_processors_line(monkeypatch):
    monkeypatch.setattr("os.sysconf", lambda _: 100)
    assert machine.interrupt_seconds("cpu 1 2 3 4 5 60 7 8 0 0\ncpu0 9 9 9\n") == 0.67
