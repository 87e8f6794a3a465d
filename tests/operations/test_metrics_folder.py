"""The counters of one web server are its own, however many start on a machine."""

from __future__ import annotations

import shutil
import stat
import subprocess

from pathlib import Path

import pytest

from honcho.environ import parse_procfile

from tests.support.keeper import ROOT


@pytest.fixture
def machine(tmp_path: Path) -> Path:
    """A folder to start servers in, with a server that counts something and ends."""
    program = tmp_path / "bin" / "python"
    program.parent.mkdir()
    program.write_text(
        '#!/bin/sh\nls "$PROMETHEUS_MULTIPROC_DIR"\n: >"$PROMETHEUS_MULTIPROC_DIR/counter_$$.db"\n'
    )
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    shutil.copytree(ROOT / "deploy", tmp_path / "deploy")
    return tmp_path


def starts(machine: Path, **settings: str) -> list[str]:
    """The web line of the Procfile; gives whose counters were there when the server began."""
    line = parse_procfile((ROOT / "Procfile").read_text("utf-8")).processes["web"]
    path = f"{machine / 'bin'}:/usr/bin:/bin"
    ran = subprocess.run(  # noqa: S603 - our own line
        ["/bin/sh", "-c", line],
        cwd=machine,
        env={"PATH": path, **settings},
        capture_output=True,
        text=True,
        check=True,
    )
    return ran.stdout.split()


@pytest.mark.parametrize("folder", ["", "counters of ours"])
def test_a_second_server_leaves_the_counters_of_the_first(machine: Path, folder: str):
    said = {"PROMETHEUS_MULTIPROC_DIR": folder} if folder else {}
    assert starts(machine, PORT="8001", **said) == []
    assert starts(machine, PORT="8002", **said) == []
    at = machine / (folder or "var/metrics")
    assert len(list(at.glob("web-8001/*.db"))) == len(list(at.glob("web-8002/*.db"))) == 1


def test_a_server_that_starts_again_begins_to_count_anew(machine: Path):
    """The counters of processes that are gone would be added up."""
    starts(machine, PORT="8001")
    assert starts(machine, PORT="8001") == []
