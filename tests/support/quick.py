"""`pytest --quick`: the tests that `make check` runs, chosen by what each one asks for.

A test is quick where it needs no server but the run's PostgreSQL and no process beside it, and
where it did not take long when it last ran in this copy. Nobody keeps a list of tests: what counts
are the fixtures that a test is given, its marks, the folder it is in, and the processor's seconds
that each run measures. Those are the test's own, however busy the machine is; they are kept in
pytest's cache. A copy that has measured nothing yet takes what another measured, from `slow.json`
beside this file; after a `make test`,

    python -m tests.support.quick

writes it anew.
"""

from __future__ import annotations

import json
import os

from collections.abc import Collection, Generator, Mapping
from pathlib import Path
from typing import Any, Final

import pytest

from tests.support.keeper import ROOT

# Fixtures that start something, or drive it.
STARTS = frozenset({"own_postgres", "redis_url", "browser", "promtool"})
# Marks of tests that take long or need a browser; see `pytest_configure`.
MARKS = ("long", "browser")
# Folders of tests about other programs than the service: processes, measurements, telephones.
BESIDE = frozenset({"bench", "browser", "crash", "exchange", "launcher", "simulator", "sip"})
# Seconds of the processor after which a test is left out the next time.
MOST_SECONDS: Final = 0.05
KEPT: Final = "allo/slow"
MEASURED: Final = "cpu_seconds"
# The slow tests as another copy measured them, for one that has measured nothing.
MEASURED_BEFORE: Final = Path(__file__).with_name("slow.json")


def is_quick(item: Any) -> bool:
    """Whether a test is one of `make check`, if it does not take long."""
    if any(item.get_closest_marker(mark) for mark in MARKS):
        return False
    if STARTS & set(item.fixturenames):
        return False
    return not is_left_out(item.path)


def is_left_out(path: Path) -> bool:
    """Whether a file or folder is about another program than the service."""
    return path.is_relative_to(ROOT) and bool(BESIDE & set(path.relative_to(ROOT).parts))


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--quick",
        action="store_true",
        help="only tests that need no other server and no other process, and were quick",
    )


def pytest_configure(config: pytest.Config) -> None:
    # A worker of pytest-xdist brings its reports to the process that started it.
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(Measured(config))


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Do not even read what is left out: reading tests takes as long as running many of them."""
    return True if config.getoption("--quick") and is_left_out(collection_path) else None


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if not config.getoption("--quick"):
        return
    slow = _slow(config)
    quick = [one for one in items if is_quick(one) and one.nodeid not in slow]
    chosen = set(quick)
    config.hook.pytest_deselected(items=[one for one in items if one not in chosen])
    items[:] = quick


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    """Measure the test itself: what its fixtures take is often shared with others."""
    began = processor_seconds()
    try:
        return (yield)
    finally:
        item.user_properties.append((MEASURED, processor_seconds() - began))


class Measured:
    """Notes what each test of a run took, in the process that started the run."""

    def __init__(self, config: pytest.Config) -> None:
        self._config, self._seconds = config, dict[str, float]()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when == "call":
            for name, took in report.user_properties:
                if name == MEASURED:
                    self._seconds[report.nodeid] = float(str(took))

    def pytest_sessionfinish(self) -> None:
        cache = getattr(self._config, "cache", None)
        if cache is not None:
            cache.set(KEPT, sorted(still_slow(_slow(self._config), self._seconds)))


def still_slow(before: Collection[str], seconds: Mapping[str, float]) -> set[str]:
    """Which tests are slow after a run that took `seconds` (processor) for each of its own."""
    slow = {name for name, took in seconds.items() if took > MOST_SECONDS}
    return slow | (set(before) - set(seconds))


def processor_seconds() -> float:
    """What this process and those that it waited for have used."""
    used = os.times()
    return used.user + used.system + used.children_user + used.children_system


def _slow(config: pytest.Config) -> set[str]:
    """The names of the tests that took long, as this copy measured them, or else another."""
    cache = getattr(config, "cache", None)
    kept = None if cache is None else cache.get(KEPT, None)
    return set(json.loads(MEASURED_BEFORE.read_text("utf-8")) if kept is None else kept)


def write_measured() -> None:
    """Write `slow.json` from pytest's cache of this copy: a sorted list of names of tests."""
    kept = json.loads((ROOT / ".pytest_cache" / "v" / KEPT).read_text("utf-8"))
    names = sorted(name for name in kept if not is_left_out(ROOT / name.partition("::")[0]))
    MEASURED_BEFORE.write_text(json.dumps(names, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    write_measured()
