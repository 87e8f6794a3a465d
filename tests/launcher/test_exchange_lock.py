"""The exchange is a distribution of its own, and the service's locks have all that it needs."""

from __future__ import annotations

import re
import tomllib

from itertools import chain

from packaging.requirements import Requirement

from tests.support.keeper import ROOT

_PINNED = re.compile(r"^([A-Za-z0-9_.-]+)==([^ ;\\]+)", re.MULTILINE)


def pinned(lock: str) -> dict[str, str]:
    return {name.lower(): version for name, version in _PINNED.findall((ROOT / lock).read_text())}


def test_the_locks_of_the_service_have_the_versions_that_the_exchange_runs_with():
    ours: dict[str, str] = {}
    for lock in ("requirements.txt", "requirements/sip.txt", "requirements/dev.txt"):
        ours |= pinned(lock)
    theirs = pinned("exchange/requirements.txt")
    assert {name: ours.get(name, "") for name in theirs} == theirs


def test_the_lock_of_the_exchange_is_that_of_its_project():
    project = tomllib.loads((ROOT / "exchange" / "pyproject.toml").read_text())["project"]
    extras = chain.from_iterable(project["optional-dependencies"].values())
    wanted = [*project["dependencies"], *extras]
    theirs = pinned("exchange/requirements.txt")
    for one in map(Requirement, wanted):
        assert one.specifier.contains(theirs[one.name]), one
