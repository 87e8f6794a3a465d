"""The units of systemd: nothing is wrong with them, and they let the service do little else."""

from __future__ import annotations

import configparser
import re
import shutil
import subprocess

from pathlib import Path

import pytest

from tests.support import parts
from tests.support.keeper import ROOT

FOLDER = ROOT / "deploy" / "systemd"
SERVICES = ("allo-web", "allo-worker@1", "allo-scheduler", "allo-dispatcher", "allo-release")
# What systemd says of how much a service could do, in tenths: from 0 to 100. All of them need
# the network and local sockets, and npm of the release makes programs as it runs.
EXPOSED = {"allo-release": 12}
ELSE = 11


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The root of a machine on which the units and what they start are installed."""
    parts.require(parts.SYSTEMD)
    root = tmp_path_factory.mktemp("machine")
    shutil.copytree(FOLDER, root / "etc/systemd/system")
    for program in ("opt/allo/.venv/bin/flask", "opt/allo/.venv/bin/python", "bin/sh"):
        (root / program).parent.mkdir(parents=True, exist_ok=True)
        (root / program).write_text("#!/bin/sh\n", "utf-8")
        (root / program).chmod(0o755)
    # What every machine has: the system's own units.
    ours = Path("/usr/lib/systemd/system")
    (root / "usr/lib/systemd/system").mkdir(parents=True)
    for unit in ("sysinit", "basic", "shutdown", "network", "network-online", "multi-user"):
        shutil.copy(ours / f"{unit}.target", root / "usr/lib/systemd/system")
    return root


def analyze(machine: Path, *arguments: str) -> str:
    program = parts.find_program("systemd-analyze")
    assert program
    done = subprocess.run(  # noqa: S603 - a program of the machine
        [program, *arguments, f"--root={machine}", "--no-pager"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_systemd_finds_nothing_wrong(machine: Path):
    units = [f"{name}.service" for name in SERVICES]
    assert analyze(machine, "verify", "--man=no", "allo.target", *units) == ""


def test_a_mistake_would_be_found(machine: Path, tmp_path: Path):
    shutil.copytree(machine, tmp_path / "machine")
    unit = tmp_path / "machine/etc/systemd/system/allo-web.service"
    unit.write_text(unit.read_text("utf-8").replace("Restart=always", "Restart=alway"), "utf-8")
    assert "alway" in analyze(tmp_path / "machine", "verify", "--man=no", "allo-web.service")


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_can_do_little_but_its_work(machine: Path, name: str):
    said = analyze(machine, "security", "--offline=true", f"{name}.service")
    found = re.search(r"exposure level for .*: (\d+)\.(\d)", said)
    assert found
    assert int(found[1] + found[2]) <= EXPOSED.get(name, ELSE)


def unit(name: str) -> configparser.SectionProxy:
    """The [Service] of a unit; of a name that comes twice the last one."""
    read = configparser.ConfigParser(strict=False, interpolation=None)
    read.optionxform = str  # type: ignore[assignment,method-assign]
    read.read(FOLDER / f"{name}.service", "utf-8")
    return read["Service"]


@pytest.mark.parametrize("name", [name for name in SERVICES if name != "allo-release"])
def test_a_service_that_ends_is_started_again_and_has_its_limits(name: str):
    has = unit(name.replace("@1", "@"))
    assert has["Restart"] == "always"
    assert {"MemoryMax", "TasksMax", "TimeoutStopSec"} <= set(has)
    # The server, or the worker, ends its own.
    assert has["KillMode"] == "mixed"


@pytest.mark.parametrize(
    "name",
    ["Procfile.dev", "deploy/web.sh", "deploy/systemd/allo-web.service", "deploy/Containerfile"],
)
def test_the_server_is_started_alike_everywhere(name: str):
    """What else granian is told stands in web_server.py alone."""
    line = (ROOT / name).read_text("utf-8").replace("\\\n", "").replace('\\"', '"')
    varying = r' +--(host|port|workers|end-seconds) ("?\$\{?[A-Za-z_]+(:-[^}]*)?\}?"?|\d+)'
    found = re.search(r"python -m web_server app.web:create_server((" + varying + r")+)", line)
    assert found, line
    told = set(re.findall(r"--([a-z-]+)", found[1])) - {"end-seconds"}
    assert told == {"host", "port", "workers"}
