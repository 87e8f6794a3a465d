"""Parts of the suite as an operator runs the service: as the restricted role, and pooled."""

from __future__ import annotations

import subprocess
import sys

import pytest

from launcher.environment import inherited
from tests.support import parts
from tests.support.keeper import ROOT

pytestmark = pytest.mark.long

# What writes most, and what is asked most. All tests that have a PostgreSQL of their own.
FOLDERS = ("slots", "booking", "queue", "messages", "operations")
SECONDS = 3600


@pytest.mark.timeout(SECONDS)
@pytest.mark.parametrize(
    ("way", "part"),
    [({"TEST_ROLE": "restricted"}, None), ({"TEST_PGBOUNCER": "on"}, parts.PGBOUNCER)],
    ids=["restricted", "pooled"],
)
def test_a_good_part_of_the_suite_passes(way: dict[str, str], part: parts.Part | None):
    parts.require(parts.POSTGRES)
    if part:
        parts.require(part)
    folders = [f"tests/{one}" for one in FOLDERS]
    done = subprocess.run(  # noqa: S603 - our own words
        [
            *(sys.executable, "-m", "pytest", "-q", "-n", "0", "-p", "no:cacheprovider"),
            *("--tb=short", "-k", "postgresql", "-m", "not long", *folders),
        ],
        cwd=ROOT,
        env=inherited() | way,
        capture_output=True,
        text=True,
        check=False,
        timeout=SECONDS,
    )
    assert done.returncode == 0, done.stdout[-6000:]
    assert " passed" in done.stdout
