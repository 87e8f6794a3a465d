"""The machine of a measurement: what it is, which versions run on it, and what else it does.

A figure that was taken while others had the processors says nothing about the service. So each part
is watched: `OthersWatch` knows which processes are the bench's own, and whatever else the
processors did, or the hypervisor took from them, is others'.
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import os
import platform
import shutil
import subprocess
import threading
import time

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

# Others may have so much of all processors together while a part is measured; else it is void.
MOST_OF_OTHERS: Final = 0.15
# Seconds between two looks.
LOOK_EVERY: Final = 1.0
SYNC_SECONDS: Final = 1.0
# Whose version decides how fast something is.
PACKAGES: Final = ("Flask", "Werkzeug", "SQLAlchemy", "psycopg", "granian", "redis", "rq", "twilio")
PROC: Final = Path("/proc")
# In a line of /proc/stat, after its name: user, nice, system, idle, iowait, irq, softirq, steal.
# Interrupts are nobody's: the network of this machine's own connections is in them.
_USER, _NICE, _SYSTEM, _STEAL = 0, 1, 2, 7


@dataclass(frozen=True)
class Look:
    """Ticks since the machine began: of all processors while they worked, and of ours."""

    all: int
    ours: int
    at: float


@dataclass
class OthersShare:
    """What others had of the machine while something was measured."""

    looks: list[Look] = field(default_factory=list)

    def share(self, ticks_a_second: float, processors: int) -> float:
        """The part of all processors together that others had, between the first look and the last.

        Where a process of ours ended without anybody who collects it, its ticks are missing in the
        next look; the time between those two says nothing.
        """
        others = seconds = 0.0
        for before, after in zip(self.looks, self.looks[1:], strict=False):
            ours = after.ours - before.ours
            if ours < 0:
                continue
            seconds += after.at - before.at
            others += max(after.all - before.all - ours, 0)
        return others / ticks_a_second / (seconds * processors) if seconds else 0.0


class OthersWatch:
    """Watches the machine; processes of ours are this one's, and those that name `folder`.

    Of both with all that descend from them.
    """

    def __init__(self, folder: Path | None = None, *, proc: Path = PROC) -> None:
        self._proc, self._folder = proc, str(folder) if folder else ""
        self._own = os.getpid()
        # By process id and the tick it began at: whether its command names the folder.
        self._named: dict[tuple[int, str], bool] = {}

    @contextmanager
    def watching(self) -> Iterator[OthersShare]:
        """Look every second until the block is over; what was seen is complete then."""
        seen, over = OthersShare(), threading.Event()

        def looks() -> None:
            while not over.wait(LOOK_EVERY):
                seen.looks.append(self.look())

        seen.looks.append(self.look())
        thread = threading.Thread(target=looks, name="others", daemon=True)
        thread.start()
        try:
            yield seen
        finally:
            over.set()
            thread.join()
            seen.looks.append(self.look())

    def look(self) -> Look:
        processes = dict(self._processes())
        ours = self._ours(processes)
        return Look(
            busy_ticks((self._proc / "stat").read_text("ascii")),
            sum(processes[pid].ticks for pid in ours),
            time.monotonic(),
        )

    def _processes(self) -> Iterator[tuple[int, _Process]]:
        for entry in self._proc.iterdir():
            if not entry.name.isdigit():
                continue
            # It may end while it is looked at.
            with contextlib.suppress(OSError, IndexError, ValueError):
                yield int(entry.name), _Process.read((entry / "stat").read_text("utf-8", "replace"))

    def _ours(self, processes: dict[int, _Process]) -> Iterable[int]:
        children: dict[int, list[int]] = {}
        for pid, process in processes.items():
            children.setdefault(process.parent, []).append(pid)
        found: set[int] = set()
        left = [pid for pid in processes if pid == self._own or self._names(pid, processes[pid])]
        while left:
            pid = left.pop()
            if pid not in found:
                found.add(pid)
                left += children.get(pid, ())
        return found

    def _names(self, pid: int, process: _Process) -> bool:
        if not self._folder:
            return False
        key = pid, process.began
        if key not in self._named:
            command = b""
            with contextlib.suppress(OSError):
                command = (self._proc / str(pid) / "cmdline").read_bytes()
            self._named[key] = self._folder.encode() in command
        return self._named[key]


@dataclass(frozen=True)
class _Process:
    """What proc(5) tells of one; `ticks`: its own and those of its children that have ended."""

    parent: int
    ticks: int
    began: str

    @classmethod
    def read(cls, stat: str) -> _Process:
        # The name in brackets may have blanks in it; what follows it has not.
        after = stat.rpartition(")")[2].split()
        return cls(int(after[1]), sum(map(int, after[11:15])), after[19])


def busy_ticks(stat: str) -> int:
    """Ticks in which a processor worked, or somebody else's machine had it, from /proc/stat."""
    fields = [int(one) for one in stat.splitlines()[0].split()[1:]]
    return sum(fields[place] for place in (_USER, _NICE, _SYSTEM, _STEAL))


def others_share(seen: OthersShare) -> float:
    """The same on this machine."""
    return seen.share(os.sysconf("SC_CLK_TCK"), os.cpu_count() or 1)


def too_busy(share: float) -> str:
    """Return a sentence where others had too much of the machine; "" where they had not."""
    if share <= MOST_OF_OTHERS:
        return ""
    return f"the machine was busy: others had {share:.0%} of it (at most {MOST_OF_OTHERS:.0%})"


# ---------------------------------------------------------------- what it is


def facts(folder: Path) -> dict[str, str | int]:
    """Return what this machine is, with versions; `folder` is where the databases lie."""
    return {
        "machine": f"{_processor()}, {os.cpu_count()} cores, {_memory_gib():.0f} GiB, {_system()}",
        "cores": os.cpu_count() or 1,
        "kernel": platform.release(),
        "python": platform.python_version(),
        "disk": _file_system(folder),
        "disk_syncs_per_second": _syncs_per_second(folder),
        "load_before": load(),
        "versions": ", ".join(_versions()),
    }


def load() -> str:
    """How many processes wanted a processor in the minute before, on average."""
    return f"{os.getloadavg()[0]:.2f}"


def _versions() -> Iterator[str]:
    for name in PACKAGES:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            yield f"{name} {importlib.metadata.version(name)}"
    # It has no option that tells its version alone: the first line of its help begins with it.
    yield first_words(_said("wrk", "-v"), 2)


def first_words(text: str, count: int) -> str:
    return " ".join(text.split()[:count])


def _said(*command: str) -> str:
    if shutil.which(command[0]) is None:
        return f"no {command[0]}"
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return (done.stdout or done.stderr).strip()


def _processor() -> str:
    file = PROC / "cpuinfo"
    if file.exists():
        for line in file.read_text("utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _memory_gib() -> float:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30


def _system() -> str:
    try:
        return platform.freedesktop_os_release()["PRETTY_NAME"]
    except (OSError, KeyError):
        return platform.platform()


def _file_system(folder: Path) -> str:
    return (_said("df", "--output=fstype", str(folder)).split() or ["unknown"])[-1]


def _syncs_per_second(folder: Path) -> int:
    """How often a second one process can append 8 KiB and wait for the disk."""
    file = folder / "sync"
    descriptor = os.open(file, os.O_CREAT | os.O_WRONLY)
    try:
        count, started = 0, time.perf_counter()
        while time.perf_counter() - started < SYNC_SECONDS:
            os.write(descriptor, b"x" * 8192)
            os.fdatasync(descriptor)
            count += 1
        return round(count / (time.perf_counter() - started))
    finally:
        os.close(descriptor)
        file.unlink()


Watch = Callable[[], contextlib.AbstractContextManager[OthersShare]]
