"""What the guards cost is measured with them and without, in turns."""

from __future__ import annotations

from pathlib import Path

import pytest

import config

from bench import servers, visits
from bench.servers import House
from bench.visits import OFF, ON, SHIPPED


def test_the_guards_are_settings_that_there_are():
    fields = config.Settings.model_fields
    assert set(ON) | set(OFF) <= set(fields)
    # As they are shipped, each guards something.
    assert all(fields[name].default for name in SHIPPED)
    assert set(SHIPPED) <= set(OFF)
    assert set(SHIPPED) <= set(ON)


@pytest.mark.parametrize("given", [ON, OFF])
def test_a_house_has_the_settings_that_it_is_given(tmp_path: Path, given: dict[str, str]):
    made = House(tmp_path, "on", "postgresql:///none", "redis:///none", given).environment("web")
    assert {name: made[name.upper()] for name in given} == given


def test_a_cost_is_the_workers_time_for_what_was_done(monkeypatch: pytest.MonkeyPatch):
    clock = iter([10.0, 4.0, 11.0, 5.0])
    monkeypatch.setattr(servers, "tree_seconds", lambda _pid: next(clock))

    class Web:
        def workers(self) -> list[int]:
            return [1, 2]

    assert visits.cost(Web(), lambda _web: 40.0) == 0.05  # type: ignore[arg-type]
