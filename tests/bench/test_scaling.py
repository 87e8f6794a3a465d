"""One node against two: what rounds of both say, and how a node is held to a part of a core."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench import machine, scaling
from bench.scaling import Ran
from bench.servers import CannotMeasure

ONE = Ran(rate=200.0, nodes=(0.34,), database_ms=0.5)
TWO = Ran(rate=380.0, nodes=(0.34, 0.35), database_ms=0.6)


def test_two_nodes_are_compared_with_the_mean_of_each_alone():
    slower = Ran(rate=180.0, nodes=(0.35,), database_ms=0.5)
    found = scaling.scaling([(ONE, slower, TWO)], 0.35)
    assert found.ratio == pytest.approx(2.0)
    assert (found.one_rate, found.two_rate) == (190.0, 380.0)
    # 380 webhooks a second × 0.6 ms, beside 0.7 of a core.
    assert found.cores_of_the_database == pytest.approx(0.38 * 0.6 / 0.7)


@pytest.mark.parametrize("which", [0, 1, 2])
def test_a_node_that_was_not_full_says_nothing(which: int):
    rounds = [ONE, ONE, TWO]
    rounds[which] = Ran(rate=200.0, nodes=(0.3,), database_ms=0.5)
    with pytest.raises(CannotMeasure, match=r"a node had 0\.30 of a core"):
        scaling.scaling([(rounds[0], rounds[1], rounds[2])], 0.35)


def test_the_page_has_what_was_measured():
    found = scaling.told(scaling.scaling([(ONE, ONE, TWO)], 0.35))
    assert "| **2 ÷ 1** | **1.90** (≥ 1.8) | |" in found.table
    assert "Each node had 0.35 of a core" in found.words
    assert found.figures["two_rate"] == 380.0
    assert not found.missed


def test_two_nodes_that_answer_too_few_are_a_missed_bar():
    few = Ran(rate=350.0, nodes=(0.34, 0.35), database_ms=0.6)
    (sentence,) = scaling.told(scaling.scaling([(ONE, ONE, few)], 0.35)).missed
    assert sentence == "two nodes answer 1.75 times what one does, at least 1.8"


def test_a_group_of_the_first_version_has_its_limit_and_its_processes(tmp_path: Path):
    (tmp_path / "cpu").mkdir()
    (tmp_path / "cpu" / "cgroup.procs").write_text("", "ascii")
    with machine.core_limit("node", 0.35, tmp_path) as join:
        join(4711)
        group = tmp_path / "cpu" / "allo-bench-node"
        assert (group / "cgroup.procs").read_text("ascii") == "4711"
        assert (group / "cpu.cfs_period_us").read_text("ascii") == "100000"
        assert (group / "cpu.cfs_quota_us").read_text("ascii") == "35000"


def test_a_group_of_the_second_version_has_both_in_one(tmp_path: Path):
    with machine.core_limit("node", 0.35, tmp_path) as join:
        join(4711)
        group = tmp_path / "allo-bench-node"
        assert (group / "cgroup.procs").read_text("ascii") == "4711"
        assert (group / "cpu.max").read_text("ascii") == "35000 100000"


def test_where_no_group_can_be_made_it_is_one_sentence(tmp_path: Path):
    with (
        pytest.raises(CannotMeasure, match="no control group can be made here"),
        machine.core_limit("node", 0.35, tmp_path / "nowhere"),
    ):
        pass
