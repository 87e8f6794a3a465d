"""What a web worker's memory costs the machine, as the kernel tells it (proc(5), `smaps_rollup`).

Resident memory counts each page of a library for every process that has it mapped, although it is
in memory once. A worker's share counts a page that four processes have as a quarter in each.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

KIBIBYTES_A_MIB: Final = 1024


def weights(name: str, server: int, workers: Sequence[int]) -> dict[str, float]:
    """Return MiB of the largest of these processes, and of all with the one that starts them.

    Results are under `name`. Raises OSError where one has ended.
    """
    largest = max(map(told, workers), key=lambda one: one["Pss"])
    together = sum(told(pid)["Pss"] for pid in (server, *workers))
    return {
        f"{name}_mib": round(largest["Rss"], 1),
        f"{name}_share_mib": round(largest["Pss"], 1),
        f"{name}_together_mib": round(together, 1),
    }


def told(pid: int, proc: Path = Path("/proc")) -> dict[str, float]:
    """Return MiB by the kernel's names: `Rss` is what is resident, `Pss` the share of that."""
    lines = (proc / str(pid) / "smaps_rollup").read_text("ascii").splitlines()[1:]
    fields = (line.split() for line in lines)
    return {one[0].removesuffix(":"): int(one[1]) / KIBIBYTES_A_MIB for one in fields}
