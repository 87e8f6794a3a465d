"""Processes give signs of life, are judged by others, and what they count is told at /metrics."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from prometheus_client import CollectorRegistry, Counter, Histogram
from sqlalchemy import select, update

import config

from jobs import signs as worker_signs
from jobs import tasks
from models.admission.arrivals import web_load
from models.operations import processes
from models.operations.processes import measure, process
from services.health.process_counts import (
    CERTIFICATE,
    FRESH,
    GAUGES,
    ProcessSigns,
    put_gauge,
)
from services.health.watch_processes import (
    DISPATCHER,
    GONE,
    KEPT,
    KINDS,
    SCHEDULER,
    WEB,
    WORKER,
    all_kinds,
    forget_old,
)
from services.supervision.alerts import apply
from tests.operations.machines import Machines
from tests.support.house import House, house
from tests.support.rows import clock_of, rows_of
from tests.support.until import wait_for
from tools.launcher.environment import inherited
from web.marks import public

SECOND = timedelta(seconds=1)


@pytest.fixture
def made(database_url: str) -> Iterator[House]:
    with house(database_url) as one:
        yield one


@pytest.fixture
def machines(made: House) -> Machines:
    return Machines(made).starts(WORKER, SCHEDULER, DISPATCHER)


# ---------------------------------------------------------------- judged by others


@pytest.mark.parametrize("kind", KINDS)
def test_each_that_is_killed_is_an_alert_within_a_minute_and_over_when_it_is_back(
    machines: Machines, kind: str
):
    machines.pass_by(60)
    assert machines.raised == set()
    machines.kills(kind)
    machines.pass_by(30)
    assert machines.raised == {f"process_gone_{kind}"}
    machines.web = True
    if kind != WEB:
        machines.starts(kind)
    machines.pass_by(10)
    assert machines.raised == set()


def test_a_dead_dispatcher_is_told_outside_by_the_scheduler(machines: Machines):
    machines.pass_by(30)
    machines.kills(DISPATCHER)
    machines.pass_by(30)
    assert [(one["name"], one["state"]) for one in machines.ears.heard] == [
        ("process_gone_dispatcher", "raised")
    ]
    assert machines.ears.heard[0]["threshold"] == 20


def test_as_long_as_there_is_a_dispatcher_the_scheduler_tells_nothing(machines: Machines):
    machines.pass_by(30)
    machines.kills(WORKER)
    machines.pass_by(60)
    assert machines.raised == {"process_gone_worker"}
    # It would come twice: the dispatcher tells it.
    assert machines.ears.heard == []


def test_none_that_was_never_started_is_forgotten(made: House):
    machines = Machines(made).starts(SCHEDULER)
    machines.pass_by(15)
    # All may be starting at the same time.
    assert machines.raised == set()
    machines.pass_by(20)
    assert machines.raised == {"process_gone_worker", "process_gone_dispatcher"}


def test_a_store_that_was_away_is_no_alert_about_processes(
    machines: Machines, monkeypatch: pytest.MonkeyPatch
):
    machines.pass_by(30)
    clock_of(machines.made).advance(300 * SECOND)
    machines.seconds += 300
    # The watch is the first to come back.
    for watch in machines.watches.values():
        watch()
    assert machines.raised == set()
    machines.pass_by(30)
    assert machines.raised == set()


def test_the_board_does_not_end_what_it_does_not_judge(machines: Machines):
    machines.pass_by(30)
    machines.kills(WORKER)
    machines.pass_by(30)
    with machines.made.database.transaction() as connection:
        assert apply(connection, machines.made.store, [], {"process_gone_worker"}) == 0
    assert machines.raised == {"process_gone_worker"}


# ---------------------------------------------------------------- several of a kind


def known(made: House, kind: str) -> tuple[float | None, int, int]:
    (one,) = (one for one in all_kinds(made.store) if one.kind == kind)
    return one.age, one.running, one.lost


def test_one_of_several_that_is_killed_is_lost_until_another_is_started(made: House):
    workers = [ProcessSigns(made.store, WORKER, "m1", CollectorRegistry()) for _ in range(3)]
    for one in workers:
        one()
    assert known(made, WORKER) == (0.0, 3, 0)
    clock_of(made).advance(GONE + SECOND)
    for one in workers[:2]:
        one()
    assert known(made, WORKER) == (0.0, 2, 1)
    ProcessSigns(made.store, WORKER, "m2", CollectorRegistry())()
    assert known(made, WORKER) == (0.0, 3, 0)


def test_one_that_ends_by_itself_is_not_lost(made: House):
    stays, ends = (ProcessSigns(made.store, WORKER, "m1", CollectorRegistry()) for _ in range(2))
    stays()
    ends.end()
    assert known(made, WORKER) == (0.0, 1, 0)
    clock_of(made).advance(GONE + SECOND)
    stays()
    assert known(made, WORKER) == (0.0, 1, 0)


def test_those_of_long_ago_are_forgotten(made: House):
    ProcessSigns(made.store, WORKER, "m1", CollectorRegistry())()
    clock_of(made).advance(KEPT + SECOND)
    ProcessSigns(made.store, SCHEDULER, "m1", CollectorRegistry())()
    assert forget_old(made.store) == 1
    assert [row.kind for row in rows_of(made.database, select(process))] == [SCHEDULER]


# ---------------------------------------------------------------- what they count


def lines(made: House, name: str) -> dict[str, float]:
    """The samples of a family at /metrics, by what stands in their braces."""
    found = {}
    for line in made.app.test_client().get("/metrics").text.splitlines():
        if line.startswith(f"{name}{{"):
            labels, _, value = line.removeprefix(name).rpartition(" ")
            found[labels] = float(value)
    return found


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


def test_what_a_process_counts_is_told_by_the_web_with_its_kind(
    made: House, registry: CollectorRegistry
):
    sent = Counter("allo_messages_total", "…", ["kind", "result"], registry=registry)
    signs = ProcessSigns(made.store, SCHEDULER, "m1", registry)
    sent.labels("sms", "sent").inc(3)
    signs()
    sent.labels("sms", "sent").inc(2)
    sent.labels("sms", "busy").inc()
    signs()
    told = lines(made, "allo_messages_total")
    assert told['{kind="sms",process="scheduler",result="sent"}'] == 5
    assert told['{kind="sms",process="scheduler",result="busy"}'] == 1


def test_each_family_is_told_once_with_its_kind(made: House, registry: CollectorRegistry):
    Counter("allo_messages_total", "…", ["kind", "result"], registry=registry).labels(
        "sms", "sent"
    ).inc()
    Histogram("allo_turn_seconds", "…", buckets=(1,), registry=registry).observe(0.5)
    ProcessSigns(made.store, WORKER, "m1", registry)()
    text = made.app.test_client().get("/metrics").text
    kinds = [line for line in text.splitlines() if line.startswith("# TYPE")]
    assert len(kinds) == len(set(kinds)) == len({line.split()[2] for line in kinds})
    assert "# TYPE allo_messages_total counter" in kinds
    assert 'allo_turn_seconds_bucket{le="1.0",process="worker"} 1.0' in text
    assert not [line for line in text.splitlines() if "_created" in line and "process=" in line]


def test_a_total_never_becomes_less_when_a_process_is_killed_or_there_are_several(made: House):
    for number in range(3):
        registry = CollectorRegistry()
        Counter("allo_promises_total", "…", registry=registry).inc(number + 1)
        ProcessSigns(made.store, WORKER, f"m{number}", registry)()
    assert lines(made, "allo_promises_total") == {'{process="worker"}': 6.0}


def test_what_could_not_be_handed_on_is_handed_on_the_next_time(
    made: House, registry: CollectorRegistry, monkeypatch: pytest.MonkeyPatch
):
    count = Counter("allo_promises_total", "…", registry=registry)
    signs = ProcessSigns(made.store, WORKER, "m1", registry)
    count.inc()
    with monkeypatch.context() as patched:

        def away(*_: Any) -> None:
            raise ConnectionError

        patched.setattr(processes, "add", away)
        with pytest.raises(ConnectionError):
            signs()
    # What went before it in the transaction is not there either.
    assert rows_of(made.database, select(process)) == []
    count.inc()
    signs()
    assert lines(made, "allo_promises_total") == {'{process="worker"}': 2.0}


def test_the_web_still_tells_its_own_where_the_store_does_not_answer(
    made: House, monkeypatch: pytest.MonkeyPatch
):
    made.app.test_client().post("/voice/incoming")

    def away(*_: Any) -> None:
        raise ConnectionError

    assert "allo_store_answers 1.0" in made.app.test_client().get("/metrics").text
    monkeypatch.setattr(made.database, "statement", away)
    text = made.app.test_client().get("/metrics").text
    assert "allo_store_answers 0.0" in text
    assert 'allo_refused_total{reason="' in text


def test_a_certificate_that_nobody_looked_at_lately_is_not_told(made: House):
    put_gauge(made.store, SCHEDULER, CERTIFICATE, 86_400 * 20)
    clock_of(made).advance(FRESH)
    assert list(lines(made, CERTIFICATE).values()) == [86_400 * 20]
    clock_of(made).advance(SECOND)
    assert lines(made, CERTIFICATE) == {}
    assert set(GAUGES) == {CERTIFICATE}


def test_names_that_are_too_long_are_left_out_and_hold_nothing_up(
    made: House, registry: CollectorRegistry
):
    count = Counter("allo_long_total", "…", ["label"], registry=registry)
    count.labels("x" * 400).inc()
    Counter("allo_promises_total", "…", registry=registry).inc()
    ProcessSigns(made.store, WORKER, "m1", registry)()
    assert [row.series for row in rows_of(made.database, select(measure))] == [
        '["allo_promises_total",{}]'
    ]


def test_ages_and_numbers_of_processes_are_told(machines: Machines):
    machines.pass_by(10)
    machines.kills(WORKER)
    machines.pass_by(25)
    made = machines.made
    assert lines(made, "allo_process_age_seconds") == {
        '{process="web"}': 0,
        '{process="worker"}': 25,
        '{process="scheduler"}': 0,
        '{process="dispatcher"}': 0,
    }
    assert lines(made, "allo_processes")['{process="worker"}'] == 0
    assert lines(made, "allo_processes_lost")['{process="worker"}'] == 1
    with made.database.transaction() as connection:
        connection.execute(update(web_load).values(at=made.clock.now() - timedelta(minutes=5)))
    assert lines(made, "allo_process_age_seconds")['{process="web"}'] == 300


def test_answers_of_5xx_are_counted_by_who_got_them(made: House):
    client = made.app.test_client()
    before = lines(made, "allo_server_errors_total")

    def broken() -> str:
        raise RuntimeError

    assert "public.home" in made.app.view_functions
    made.app.view_functions["public.home"] = public(broken)
    assert client.get("/").status_code == 500
    assert client.get("/no-such-page").status_code == 404
    after = lines(made, "allo_server_errors_total")
    grown = {name: value - before.get(name, 0) for name, value in after.items()}
    assert grown['{kind="site"}'] == 1
    assert sum(grown.values()) == 1


# ---------------------------------------------------------------- the folder of the web's counters


@pytest.mark.parametrize(
    ("program", "apart"),
    [
        ("/srv/allo/.venv/bin/flask", True),
        ("/srv/allo/.venv/lib/python3.13/site-packages/flask/__main__.py", True),
        ("/srv/allo/web_server.py", False),
        ("-c", False),
    ],
)
def test_a_command_does_not_count_in_the_folder_of_the_web(
    program: str,
    apart: bool,  # noqa: FBT001
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", "var/metrics")
    config.keep_counters_apart(program)
    assert ("PROMETHEUS_MULTIPROC_DIR" in inherited()) is not apart


# ---------------------------------------------------------------- the signs of a worker


class Away:
    """Signs that cannot be given."""

    tried = 0

    def __call__(self) -> int:
        self.tried += 1
        raise ConnectionError

    def end(self) -> None:
        self()


def test_a_sign_that_cannot_be_given_does_not_end_the_worker(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(worker_signs, "SIGN_EVERY", 0.001)
    away: Any = Away()
    with worker_signs.given_beside(away):
        wait_for(lambda: away.tried > 2, "it is tried again")
        tried = away.tried
    assert away.tried > tried


def test_a_worker_gives_signs_and_says_when_it_ends(made: House):
    with worker_signs.given_beside(ProcessSigns(made.store, WORKER, "m1", CollectorRegistry())):
        wait_for(lambda: known(made, WORKER) == (0.0, 1, 0), "it gives a sign")
    assert known(made, WORKER) == (0.0, 0, 0)


def test_a_job_is_counted_whatever_came_of_it(made: House, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(tasks, "_ports", [])
    before = lines(made, "allo_jobs_total")
    ports: Any = tasks.Ports(made.store, None)  # type: ignore[arg-type]
    tasks.give(ports)
    assert tasks.deliver() == 0
    tasks.give(replace(ports, store=None))
    with pytest.raises(AttributeError):
        tasks.deliver()
    after = lines(made, "allo_jobs_total")
    # Tests before this one may have counted other results.
    grown = {name: after[name] - before.get(name, 0) for name in after}
    assert {name: more for name, more in grown.items() if more} == {
        '{result="done"}': 1,
        '{result="failed"}': 1,
    }
