"""The suite as an operator runs the service: as the restricted role, and pooled.

Every test that has a database on PostgreSQL comes so, but those that are long themselves. What
needs the tables' owner, or a server that nothing stands before, comes as that and is named here
with its reason.
"""

from __future__ import annotations

import re
import subprocess
import sys
import time

import pytest

from tests.support import parts
from tests.support.keeper import ROOT
from tools.launcher.environment import inherited

# Folders that have no store of PostgreSQL's, or a whole service as processes of their own.
ELSEWHERE = {
    "bench": "measurements begin their own servers, as an operator says there",
    "browser": "one service behind a real browser",
    "launcher": "what `make run` starts",
    "sip": "telephones, with one service behind them",
    "support": "no tests",
}
# Who comes as the tables' owner, whatever the role.
_TRIGGERS = "that triggers hold even against who has every right on the table"
_GUARDS = "takes an index or a constraint away, to show what it holds"
_OLDER = "makes the schema of an older or a newer version"
OWNERS = {
    "tests/accounts/test_known_passwords.py": _OLDER,
    "tests/accounts/test_sign_in_races.py": _TRIGGERS,
    "tests/accounts/test_staff_acts.py": _TRIGGERS,
    "tests/booking/test_history.py": _TRIGGERS,
    "tests/booking/test_verify.py": _GUARDS,
    "tests/models/test_connections.py": "makes a table of its own",
    "tests/operations/test_backup.py": "makes a role that may not restore",
    "tests/operations/test_check_keys.py": _OLDER,
    "tests/operations/test_days_of_turns.py": "takes days of turns away, and makes some by hand",
    "tests/operations/test_doctor.py": _OLDER,
    "tests/operations/test_keys.py": "seals anew what is recorded, which only the owner may",
    "tests/operations/test_migrations.py": _OLDER,
    "tests/operations/test_person_rights.py": "VACUUM after an erasure, which only the owner may",
    "tests/operations/test_plan.py": _OLDER,
    "tests/operations/test_pooled.py": "reaches its pooler by roles of its own",
    "tests/operations/test_roles.py": "makes the roles themselves",
    "tests/operations/test_traces.py": "changes what is recorded behind the triggers' back",
    "tests/queue/test_shared_lines.py": "a deadlock, by a setting of the administrator",
    "tests/slots/test_services_race.py": _GUARDS,
    "tests/slots/test_sixteen_processes.py": _GUARDS,
}
# Who comes to PostgreSQL itself, whatever stands before it.
DIRECT = {
    "tests/desk/test_look_up.py": "counts what is sent of what is prepared",
    "tests/models/test_connections.py": "asks the server itself what is prepared there",
    "tests/models/test_prepared.py": "ends the server's processes, of which a pooler has its own",
    "tests/operations/test_backup.py": "pg_dump goes past the pooler",
    "tests/operations/test_doctor.py": "a pooled owner has no time limit, and the doctor says so",
    "tests/operations/test_erase.py": "pooled, the time limit is the role's",
    "tests/public/test_hanging_store.py": "a network that swallows what is asked",
}
SECONDS = 7200
# Tests that have a database on PostgreSQL: 2,900 when this was written.
MOST_OF, FEW = 2500, 60
# Characters of what a run says.
MOST_SAID = 200_000
_COUNT = re.compile(r"(\d+) (passed|failed|skipped|errors?)")


def folders() -> list[str]:
    found = {one.name for one in (ROOT / "tests").iterdir() if any(one.glob("test_*.py"))}
    return [f"tests/{name}" for name in sorted(found - set(ELSEWHERE))]


@pytest.mark.parametrize(("mark", "named"), [("owner", OWNERS), ("direct", DIRECT)])
def test_who_comes_otherwise_is_named_with_the_reason(mark: str, named: dict[str, str]):
    """Whoever marks a test says here why: it is one that the two runs below do not show."""
    word = f"pytest.mark.{mark}"
    files = {
        str(file.relative_to(ROOT))
        for file in (ROOT / "tests").rglob("test_*.py")
        if re.search(rf"(@|= |\[|, ){re.escape(word)}\b", file.read_text("utf-8"))
    }
    assert files == set(named)


@pytest.mark.long
@pytest.mark.timeout(SECONDS)
@pytest.mark.parametrize(
    ("way", "part"),
    [({"TEST_ROLE": "restricted"}, None), ({"TEST_PGBOUNCER": "on"}, parts.PGBOUNCER)],
    ids=["restricted", "pooled"],
)
def test_the_suite_passes(way: dict[str, str], part: parts.Part | None):
    parts.require(parts.POSTGRES)
    if part:
        parts.require(part)
    began = time.monotonic()
    done = subprocess.run(  # noqa: S603 - our own words
        [
            *(sys.executable, "-m", "pytest", "-q", "-n", "0", "-p", "no:cacheprovider"),
            *("-p", "tests.crash.on_postgresql", "--tb=short", "-m", "not long", *folders()),
        ],
        cwd=ROOT,
        env=inherited() | way,
        capture_output=True,
        text=True,
        check=False,
        timeout=SECONDS,
    )
    assert done.returncode == 0, done.stdout[-MOST_SAID:]
    counted = {what: int(number) for number, what in _COUNT.findall(done.stdout[-400:])}
    print(way, counted, f"{(time.monotonic() - began) / 60:.0f} min")  # noqa: T201 - figures
    # Most of what there is: a run that finds no tests, or no PostgreSQL, shows nothing.
    assert counted.get("passed", 0) > MOST_OF
    assert counted.get("skipped", 0) < FEW
