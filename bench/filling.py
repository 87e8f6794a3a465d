"""How fast imports and `flask slots open` write, and whether their memory grows with the work.

The centres are taken in between, by the commands with which an operator takes all of a directory.
"""

from __future__ import annotations

import csv
import gzip
import io
import os
import shutil
import subprocess
import sys
import time

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import config

from bench import servers
from bench.servers import CannotMeasure
from services.centre_day.list_centres import CAN_BE_TAKEN

FEW_DAYS, MANY_DAYS = 1, 6
KIBIBYTES_A_MIB = 1024


@dataclass(frozen=True)
class _Run:
    seconds: float
    mib: float
    last_line: str

    @property
    def rate(self) -> float:
        return int(self.last_line.split()[0].replace(",", "")) / self.seconds


def fill(url: str, folder: Path, redis_url: str) -> dict[str, float]:
    """Import the extracts and open slots in an empty database. Raises CannotMeasure.

    Rows a second, and the largest resident memory of opening many slots ÷ of opening few.
    """
    env = servers.environment(url, redis_url)
    servers.command("migrate", environment=env)
    found = {}
    for what in ("postcodes", "centres"):
        file = folder / f"{what}.csv"
        with gzip.open(config.ROOT / "data" / f"{what}.csv.gz") as packed, file.open("wb") as plain:
            shutil.copyfileobj(packed, plain)
        rate = _run(env, what, "import", str(file)).rate
        found[f"{what}_rows_per_second"] = round(rate, 1)
    take_all(env, folder)
    first = datetime.now(UTC).date() + timedelta(days=2)
    options = ("--all", "--every", "10", "--capacity", "2")
    few = _run(env, "slots", "open", *options, "--from", str(first), "--days", str(FEW_DAYS))
    later = first + timedelta(days=FEW_DAYS)
    many = _run(env, "slots", "open", *options, "--from", str(later), "--days", str(MANY_DAYS))
    return found | {
        "slots_rows_per_second": round(many.rate, 1),
        "slots_memory_growth": round(many.mib / few.mib, 3),
    }


def take_all(env: Mapping[str, str], folder: Path) -> None:
    """Take every centre of the directory that can be taken. Raises CannotMeasure.

    A centre is nobody's until somebody takes it, and slots are opened at one's own alone.
    """
    listed = io.StringIO(servers.command("centres", "list", "--csv", environment=env))
    gids = [row["gid"] for row in csv.DictReader(listed) if row["standing"] == CAN_BE_TAKEN]
    file = folder / "take.csv"
    file.write_text("\n".join(("gid", *gids)), "utf-8")
    servers.command("centres", "take", "--from", str(file), environment=env)


def _run(env: Mapping[str, str], *arguments: str) -> _Run:
    started = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", "flask", *arguments],
        cwd=config.ROOT,
        env=dict(env),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout is not None  # noqa: S101 - asked for
    said = process.stdout.read().strip()
    _pid, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    process.stdout.close()
    last = said.splitlines()[-1] if said else ""
    if process.returncode:
        raise CannotMeasure(f"flask {' '.join(arguments)} failed: {last}")
    return _Run(time.perf_counter() - started, usage.ru_maxrss / KIBIBYTES_A_MIB, last)
