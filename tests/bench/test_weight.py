"""What a worker's memory consists of is read from what the kernel tells."""

from __future__ import annotations

import os

from bench.weight import Weight, told_of, weight, weight_of

SMAPS = """\
55e0a0000000-55e0a0400000 r-xp 00000000 08:01 131 /usr/bin/python3.13
Size:               4096 kB
Rss:                3072 kB
Pss:                1024 kB
Pss_Dirty:            12 kB
VmFlags: rd ex
55e0a1000000-55e0a2000000 rw-p 00000000 00:00 0 [heap]
Rss:                2048 kB
Pss:                2048 kB
7f0000000000-7f0000100000 rw-p 00000000 00:00 0
Rss:                1024 kB
Pss:                1024 kB
7ffd00000000-7ffd00021000 rw-p 00000000 00:00 0 [stack]
Rss:                 512 kB
Pss:                 512 kB
"""


def test_pages_of_libraries_count_for_their_part_and_are_told_apart_from_pythons_own():
    found = weight_of(SMAPS.splitlines(), threads=7)
    assert found.told("worker") == {
        "worker_mib": 6.5,
        "worker_share_mib": 4.5,
        "worker_files_mib": 3.0,
        "worker_heap_mib": 2.0,
        "worker_arenas_mib": 1.5,
        "worker_threads": 7.0,
    }


def test_the_largest_worker_is_told_of_and_all_with_the_process_that_starts_them():
    server = Weight(120.0, 60.0, 30.0, 20.0, 70.0, 3)
    largest = Weight(130.0, 90.0, 30.0, 30.0, 70.0, 8)
    smaller = Weight(140.0, 80.5, 30.0, 30.0, 80.0, 8)
    found = told_of("worker", server, [smaller, largest])
    assert found == largest.told("worker") | {"worker_together_mib": 230.5}


def test_a_process_that_runs_has_all_of_it():
    found = weight(os.getpid())
    assert 0 < found.share <= found.resident
    assert found.files > 0
    assert found.threads >= 1
    assert abs(found.files + found.heap + found.arenas - found.resident) < 0.01
