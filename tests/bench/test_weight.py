"""What a worker's memory costs is read from what the kernel tells."""

from __future__ import annotations

import os

from pathlib import Path

import pytest

from bench import weight

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
    told = weight.told
    monkeypatch.setattr(weight, "told", lambda pid: told(pid, tmp_path))
    assert weight.weights("worker", 1, [2, 3]) == {
        "worker_mib": 130.0,
        "worker_share_mib": 90.0,
        "worker_together_mib": 230.0,
    }


def test_a_process_that_runs_has_some():
    found = weight.told(os.getpid())
    assert 0 < found["Pss"] <= found["Rss"]
