"""What a day costs at its pace is measured by differences of stages."""

from __future__ import annotations

import pytest

from bench import beside
from bench.cast import Took
from services.operations.capacity import Costs, Demand, plan
from tests.operations.test_capacity import MEASURED


def took(  # noqa: PLR0917 (as many as a second has figures)
    seconds: float,
    web: float,
    database: float,
    wal: int,
    files: int,
    commits: int,
    writes: int,
    **more: float,
) -> Took:
    return Took(seconds, {"web": web, "database": database, **more}, wal, files, commits, writes)


AT_REST = took(10, 0.2, 0.1, 1000, 0, 20, 10)
# 20 visits in twenty seconds, and 20 with their texts in forty.
VISITS = took(20, 0.4 + 0.8, 0.2 + 0.4, 2000 + 20_000, 40_000, 40 + 600, 20 + 100)
WITH_A_WORKER = took(10, 0.2, 0.1, 1000, 0, 25, 12, worker=0.1)
WITH_TEXTS = took(
    40, 0.8 + 0.8 + 0.2, 0.4 + 0.4 + 0.1, 4000 + 30_000, 60_000, 100 + 600 + 200, 48 + 100 + 60,
    worker=0.4 + 1.0, scheduler=0.04,
)  # fmt: skip
CALLS = took(10, 0.2 + 0.6, 0.1 + 0.2, 9000, 5000, 500, 200)

WITH_EVERYBODY = took(10, 0.2, 0.6, 3000, 0, 225, 20, worker=0.1, scheduler=0.1, dispatcher=0.2)


def test_a_visit_costs_what_was_taken_beyond_the_rest():
    a_visit = beside.each(VISITS, AT_REST, 20)
    assert beside.visit_figures(a_visit) == pytest.approx({
        "visit_web_ms": 40.0,
        "visit_database_ms": 20.0,
        "visit_wal_bytes": 1000.0,
        "visit_stored_bytes": 2000.0,
        "visit_commits": 30.0,
        "visit_writes": 5.0,
    })  # fmt: skip


def test_a_call_costs_what_was_taken_beyond_the_rest():
    a_call = beside.each(CALLS, AT_REST, 40)
    assert beside.call_figures(a_call) == pytest.approx(
        {"call_web_ms": 15.0, "call_database_ms": 5.0}
    )


def test_a_text_costs_what_a_visit_with_it_costs_more():
    a_visit = beside.each(VISITS, AT_REST, 20)
    together = beside.each(WITH_TEXTS, WITH_A_WORKER, 20)
    found = {
        "text_worker_ms": 50.0,
        "text_scheduler_ms": 2.0,
        "text_web_ms": 10.0,
        "text_database_ms": 5.0,
        "text_wal_bytes": 500.0,
        "text_stored_bytes": 1000.0,
        "text_commits": 10.0,
        "text_writes": 3.0,
    }
    assert beside.text_figures(together, a_visit, 1.0) == pytest.approx(found)
    # Two texts of each visit: half as much for each.
    assert beside.text_figures(together, a_visit, 0.5) == pytest.approx(
        {name: value / 2 for name, value in found.items()}
    )


def test_what_a_process_takes_at_rest_is_what_there_is_more_with_it():
    stages = {"web": AT_REST, "worker": WITH_A_WORKER, "leaders": WITH_EVERYBODY}
    found = beside.rest_figures(stages, 2)
    # Of each of two web workers.
    assert found["web_rest_cores"] == pytest.approx(0.01)
    assert found["web_rest_commits"] == pytest.approx(1.0)
    # Processes of their own are read where all are there.
    assert found["worker_rest_cores"] == pytest.approx(0.01)
    assert found["dispatcher_rest_cores"] == pytest.approx(0.02)
    assert found["worker_rest_commits"] == pytest.approx(0.5)
    assert found["worker_rest_database_cores"] == 0.0
    assert found["leaders_rest_commits"] == pytest.approx(20.0)
    assert found["leaders_rest_database_cores"] == pytest.approx(0.05)


def test_all_that_the_plan_needs_beside_calls_is_measured():
    a_visit = beside.each(VISITS, AT_REST, 20)
    stages = dict.fromkeys(("web", "worker", "leaders"), WITH_EVERYBODY)
    found = {
        **beside.visit_figures(a_visit),
        **beside.call_figures(beside.each(CALLS, AT_REST, 40)),
        **beside.text_figures(beside.each(WITH_TEXTS, WITH_A_WORKER, 20), a_visit, 1.0),
        **beside.rest_figures(stages, 2),
    }
    of_calls = {name: value for name, value in MEASURED.items() if name not in found}
    lines = plan(Demand(230, 8000, 10_000), Costs(of_calls | found))
    assert not [one for one in lines if one.missing]
    assert set(MEASURED) - set(of_calls) == set(found)
