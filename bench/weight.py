"""What a web worker's memory consists of, as the kernel tells it (proc(5), `smaps`).

Resident memory counts each page of a library for every process that has it mapped, although it is
in memory once. What a worker costs the machine is its proportional share: a page that four
processes have counts a quarter in each.
"""

from __future__ import annotations

import re

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

KIBIBYTES_A_MIB: Final = 1024
_MAPPING: Final = re.compile(r"[0-9a-f]+-[0-9a-f]+ \S+ \S+ \S+ \d+ *(.*)$")


@dataclass(frozen=True)
class Weight:
    """MiB of a process, and its threads. `files` are libraries, `heap` is what C code allocated.

    `arenas`: the rest, which is Python's objects, and whatever is large enough to be mapped by
    itself.
    """

    resident: float
    share: float
    files: float
    heap: float
    arenas: float
    threads: int

    def told(self, name: str) -> dict[str, float]:
        """For the results, under `name`."""
        return {
            f"{name}_mib": round(self.resident, 1),
            f"{name}_share_mib": round(self.share, 1),
            f"{name}_files_mib": round(self.files, 1),
            f"{name}_heap_mib": round(self.heap, 1),
            f"{name}_arenas_mib": round(self.arenas, 1),
            f"{name}_threads": float(self.threads),
        }


def told_of(name: str, server: Weight, workers: Sequence[Weight]) -> dict[str, float]:
    """What the largest worker has; and all of them with the process whose copies they are.

    What is in memory once for all is a part of each: a worker has less of it the more there are.
    """
    largest = max(workers, key=lambda one: one.share)
    together = server.share + sum(one.share for one in workers)
    return largest.told(name) | {f"{name}_together_mib": round(together, 1)}


def weight(pid: int, proc: Path = Path("/proc")) -> Weight:
    """Return what a process has now. Raises OSError where it has ended."""
    place = proc / str(pid)
    return weight_of(
        (place / "smaps").read_text("utf-8", "replace").splitlines(),
        len(list((place / "task").iterdir())),
    )


def weight_of(smaps: Iterable[str], threads: int) -> Weight:
    sums = dict.fromkeys(("resident", "share", "files", "heap", "arenas"), 0)
    kind = "arenas"
    for line in smaps:
        if mapping := _MAPPING.match(line):
            name = mapping.group(1)
            kind = "files" if name.startswith("/") else "heap" if name == "[heap]" else "arenas"
        elif line.startswith(("Rss:", "Pss:")):
            kibibytes = int(line.split()[1])
            if line.startswith("Pss:"):
                sums["share"] += kibibytes
            else:
                sums["resident"] += kibibytes
                sums[kind] += kibibytes
    return Weight(
        **{name: value / KIBIBYTES_A_MIB for name, value in sums.items()}, threads=threads
    )
