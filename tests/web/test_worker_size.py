"""What a web worker does not carry, for there are several of them."""

from __future__ import annotations

import subprocess
import sys

from tests.support.keeper import ROOT

# Of commands, of the processes beside the web, and of migrations.
ELSEWHERE = ("alembic", "mako", "partners", "commands.slots", "jobs.worker", "flows.walking")
PROGRAM = f"""
import sys, wiring
app = wiring.create_app()
print([one for one in {ELSEWHERE} if one in sys.modules])
print(sorted(app.cli.list_commands(None))[:2])
print([one for one in {ELSEWHERE} if one in sys.modules])
"""


def test_commands_are_put_together_when_somebody_asks_for_one(tmp_path):
    done = subprocess.run(  # noqa: S603 (our own words)
        [sys.executable, "-c", PROGRAM],
        cwd=ROOT,
        env={"DATABASE_URL": f"sqlite:///{tmp_path / 'allo.sqlite3'}", "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["[]", "['assets', 'bookings']", str(list(ELSEWHERE))]
