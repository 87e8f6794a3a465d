"""What others do on the machine is told from what the bench itself does."""

from __future__ import annotations

import os

from pathlib import Path

import pytest

from bench import machine
from bench.machine import MARK, OthersShare


class Proc:
    """A folder that looks like /proc."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.works(0)

    def works(self, busy: int) -> None:
        """All processors have worked for so many ticks, waited for the disk and slept for more."""
        line = f"cpu {busy - 3} 1 1 50 60 70 80 1 0 0"
        (self.folder / "stat").write_text(f"{line}\ncpu0 1 2 3\n", "ascii")

    def has(self, pid: int, *, parent: int, ticks: int, environ: bytes = b"") -> None:
        place = self.folder / str(pid)
        place.mkdir(exist_ok=True)
        fields = ["S", str(parent), *["0"] * 9, str(ticks), "0", "0", "0", *["0"] * 4, "77"]
        (place / "stat").write_text(f"{pid} (a (strange) name) {' '.join(fields)}\n", "utf-8")
        (place / "environ").write_bytes(environ)


def test_processes_of_the_bench_are_its_own_those_with_its_mark_and_what_they_start(
    tmp_path: Path,
):
    proc, own = Proc(tmp_path), os.getpid()
    proc.has(own, parent=1, ticks=10)
    proc.has(5001, parent=own, ticks=20)
    # A database that a keeper started, and one of its servers, which wrote over its environment.
    proc.has(5002, parent=1, ticks=40, environ=f"HOME=/root\0{MARK}=1\0".encode())
    proc.has(5003, parent=5002, ticks=80)
    proc.has(5004, parent=1, ticks=1000, environ=b"HOME=/root\0")
    (tmp_path / "5005").mkdir()
    proc.works(2000)
    assert machine.look(tmp_path)[:2] == (2000, 150)


def test_the_share_of_others_is_what_processors_did_beside_ours():
    looks = [(1000, 100, 0.0), (1150, 200, 1.0), (1300, 300, 2.0)]
    assert OthersShare(looks).share(100, 2) == 0.25
    # A process of ours that nobody collected takes its ticks with it: that second says nothing.
    looks.append((1500, 150, 3.0))
    assert OthersShare(looks).share(100, 2) == 0.25
    assert OthersShare(looks[:1]).share(100, 2) == 0.0


def test_a_machine_is_busy_from_a_share_on():
    assert machine.too_busy(machine.MOST_OF_OTHERS) == ""
    assert machine.too_busy(0.5) == "the machine was busy: others had 50% of it (at most 15%)"


def test_it_is_watched_until_the_block_is_over(monkeypatch: pytest.MonkeyPatch):
    looks = iter([(1000, 10, 0.0), (1500, 10, 1.0)])
    monkeypatch.setattr(machine, "look", lambda: next(looks))
    with machine.watching() as seen:
        assert seen.looks == [(1000, 10, 0.0)]
    assert seen.looks[-1] == (1500, 10, 1.0)


def test_this_machine_can_be_looked_at():
    every, ours, _ = machine.look()
    assert every >= ours > 0


def test_the_machine_is_told_with_its_versions(tmp_path: Path):
    told = machine.facts(tmp_path)
    assert set(told) == {
        "machine",
        "python",
        "disk_syncs_per_second",
        "load_before",
        "versions",
    }
    assert "SQLAlchemy 2" in str(told["versions"])


ROLLUP = """\
55e0a0000000-7ffd00021000 ---p 00000000 00:00 0 [rollup]
Rss:                {rss} kB
Pss:                {pss} kB
Pss_Dirty:            12 kB
"""


def test_the_largest_worker_is_told_of_and_all_with_the_process_that_starts_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    for pid, rss, pss in ((1, 120, 60), (2, 140, 80), (3, 130, 90)):
        (tmp_path / str(pid)).mkdir()
        text = ROLLUP.format(rss=rss * 1024, pss=pss * 1024)
        (tmp_path / str(pid) / "smaps_rollup").write_text(text, "ascii")
    memory = machine.memory
    monkeypatch.setattr(machine, "memory", lambda pid: memory(pid, tmp_path))
    assert machine.weights("worker", 1, [2, 3]) == {
        "worker_mib": 130.0,
        "worker_share_mib": 90.0,
        "worker_together_mib": 230.0,
    }


def test_a_process_that_runs_has_some():
    found = machine.memory(os.getpid())
    assert 0 < found["Pss"] <= found["Rss"]
