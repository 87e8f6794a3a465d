"""The machine of a measurement: what it is, which versions run on it, and what else it does.

A figure that was taken while others had the processors says nothing about the service. So each part
is watched: whatever the processors did, or the hypervisor took from them, beside the bench's own
processes is others'. Those are known by a mark in their environment, which all that they start
inherit.
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import itertools
import os
import platform
import threading
import time

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

# Others may have so much of all processors together while a part is measured; else it is void.
MOST_OF_OTHERS: Final = 0.15
# Seconds between two looks, each of which takes some milliseconds of who measures.
LOOK_EVERY: Final = 4.0
# Whose version decides how fast something is.
PACKAGES: Final = ("Flask", "Werkzeug", "SQLAlchemy", "psycopg", "granian", "redis", "rq", "twilio")
MARK: Final = "BENCH_PROCESS"
PROC: Final = Path("/proc")
# In a line of /proc/stat, after its name: user, nice, system, idle, iowait, irq, softirq, steal.
# Interrupts are of no process: the network of this machine's own connections is in them.
_USER, _NICE, _SYSTEM, _STEAL = 0, 1, 2, 7


@dataclass
class OthersShare:
    """What others had of the machine while something was measured."""

    # Ticks of all processors while they worked, of ours, and a moment of each look.
    looks: list[tuple[int, int, float]] = field(default_factory=list)

    def share(self, ticks_a_second: float, processors: int) -> float:
        """The part of all processors together that others had, between the first look and the last.

        Where a process of ours ended without anybody who collects it, its ticks are missing in the
        next look; the time between those two says nothing.
        """
        others = seconds = 0.0
        for before, after in itertools.pairwise(self.looks):
            every, mine, taken = (now - then for then, now in zip(before, after, strict=True))
            if mine >= 0:
                seconds += taken
                others += max(every - mine, 0)
        return others / ticks_a_second / (seconds * processors) if seconds else 0.0


def look(proc: Path = PROC) -> tuple[int, int, float]:
    """Return the ticks since the machine began, of all processors and of ours, and the moment."""
    fields = (proc / "stat").read_text("ascii").splitlines()[0].split()[1:]
    every = sum(int(fields[place]) for place in (_USER, _NICE, _SYSTEM, _STEAL))
    return every, _own_ticks(proc), time.monotonic()


def _own_ticks(proc: Path) -> int:
    """Ticks of processes with the mark, and of all that they started."""
    parents, ticks, own = dict[int, int](), dict[int, int](), {os.getpid()}
    for place in (entry for entry in proc.iterdir() if entry.name.isdigit()):
        # It may end while it is looked at.
        with contextlib.suppress(OSError, IndexError, ValueError):
            # The name in brackets may have blanks in it; what follows it has not.
            stat = (place / "stat").read_text("utf-8", "replace").rpartition(")")[2].split()
            pid = int(place.name)
            # Its own ticks, and those of its children that have ended.
            parents[pid], ticks[pid] = int(stat[1]), sum(map(int, stat[11:15]))
            if f"{MARK}=".encode() in (place / "environ").read_bytes():
                own.add(pid)
    # PostgreSQL's processes write what they do over their environment.
    while more := {pid for pid, parent in parents.items() if parent in own} - own:
        own |= more
    return sum(ticks.get(pid, 0) for pid in own)


def mark_own() -> None:
    """Mark all processes that this one starts from now on."""
    os.environ[MARK] = "1"  # noqa: TID251 - it is no setting


@contextmanager
def watching() -> Iterator[OthersShare]:
    """Look now and then until the block is over; what was seen is complete then."""
    seen, over = OthersShare([look()]), threading.Event()

    def looks() -> None:
        while not over.wait(LOOK_EVERY):
            seen.looks.append(look())

    thread = threading.Thread(target=looks, name="others", daemon=True)
    thread.start()
    try:
        yield seen
    finally:
        over.set()
        thread.join()
        seen.looks.append(look())


def others_share(seen: OthersShare) -> float:
    """The same on this machine."""
    return seen.share(os.sysconf("SC_CLK_TCK"), os.cpu_count() or 1)


def too_busy(share: float) -> str:
    """Return a sentence where others had too much of the machine; "" where they had not."""
    if share <= MOST_OF_OTHERS:
        return ""
    return f"the machine was busy: others had {share:.0%} of it (at most {MOST_OF_OTHERS:.0%})"


def facts(folder: Path) -> dict[str, str | int]:
    """Return what this machine is, with versions; `folder` is where the databases lie."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    info = (PROC / "cpuinfo").read_text("utf-8") if (PROC / "cpuinfo").exists() else ""
    models = [line.partition(":")[2] for line in info.splitlines() if line.startswith("model name")]
    processor = (models or [platform.machine()])[0].strip()
    system = platform.freedesktop_os_release().get("PRETTY_NAME", platform.system())
    return {
        "machine": f"{processor}, {os.cpu_count()} cores, {memory:.0f} GiB, {system}",
        "python": platform.python_version(),
        "disk_syncs_per_second": _syncs_per_second(folder),
        "load_before": f"{os.getloadavg()[0]:.2f}",
        "versions": ", ".join(f"{name} {importlib.metadata.version(name)}" for name in PACKAGES),
    }


def _syncs_per_second(folder: Path) -> int:
    """How often a second one process can append 8 KiB and wait for the disk."""
    with (folder / "sync").open("wb", buffering=0) as file:
        count, started = 0, time.perf_counter()
        while time.perf_counter() - started < 1:
            file.write(b"x" * 8192)
            os.fdatasync(file.fileno())
            count += 1
        return round(count / (time.perf_counter() - started))


def weights(name: str, server: int, workers: Sequence[int]) -> dict[str, float]:
    """Return MiB of the largest of these processes, and of all with the one that starts them.

    Results are under `name`. Raises OSError where one has ended.
    """
    largest = max(map(memory, workers), key=lambda one: one["Pss"])
    together = sum(memory(pid)["Pss"] for pid in (server, *workers))
    return {
        f"{name}_mib": round(largest["Rss"], 1),
        f"{name}_share_mib": round(largest["Pss"], 1),
        f"{name}_together_mib": round(together, 1),
    }


def memory(pid: int, proc: Path = PROC) -> dict[str, float]:
    """Return MiB by the kernel's names: `Rss` is what is resident, `Pss` the share of that.

    A share counts a page that four processes have as a quarter in each.
    """
    lines = (proc / str(pid) / "smaps_rollup").read_text("ascii").splitlines()[1:]
    fields = (line.split() for line in lines)
    return {row[0].removesuffix(":"): int(row[1]) / 1024 for row in fields}
