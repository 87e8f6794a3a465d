"""What `make test` says of a machine that lacks something, and when that is a failure."""

from __future__ import annotations

import re
import shutil
import subprocess

from pathlib import Path

import pytest

from exchange.sip import extra
from tests.support import checks, parts
from tests.support.keeper import ROOT
from tools.launcher.environment import inherited


@pytest.fixture(autouse=True)
def _a_machine_that_has_everything(monkeypatch):
    monkeypatch.delenv("CI", raising=False)
    for part in parts.PARTS:
        monkeypatch.delenv(part.switch, raising=False)
    monkeypatch.setenv("TEST_DATABASE_URL", "postgresql://here")
    monkeypatch.setattr(parts, "find_redis_server", lambda: "here")
    monkeypatch.setattr(shutil, "which", lambda name: f"/usr/bin/{name}")
    monkeypatch.setattr(extra, "missing", list)


def test_ci_installs_each_program_that_the_tests_ask_for():
    script = (ROOT / ".ci" / "run").read_text("utf-8")
    looked_for = dict(re.findall(r"command -v (\S+) >/dev/null \|\| lacking\+=\((.*)\)", script))
    asked_for = {
        program: set(packages.split())
        for part in parts.PARTS
        for packages in re.findall(r"apt install ([a-z -]+)\)", part.how_to_get)
        for program in part.programs
    }
    assert {program for part in parts.PARTS for program in part.programs} == set(asked_for)
    for program, packages in asked_for.items():
        assert looked_for.get(program) in packages, program


def without_the_extra(monkeypatch) -> None:
    monkeypatch.setattr(extra, "missing", lambda: ["aiosipua"])


def without(monkeypatch, program: str) -> None:
    found = shutil.which
    monkeypatch.setattr(shutil, "which", lambda name: None if name == program else found(name))


def test_in_ci_a_missing_extra_is_a_failure(monkeypatch):
    monkeypatch.setenv("CI", "true")
    without_the_extra(monkeypatch)
    assert checks.lacks_part("test") is True


@pytest.mark.parametrize("program", ["baresip", "sipp", "espeak-ng", "chromium"])
def test_in_ci_a_missing_program_is_a_failure_that_names_it(monkeypatch, capsys, program):
    monkeypatch.setattr(parts, "CHROMIUM", ("chromium",))
    monkeypatch.setenv("CI", "true")
    without(monkeypatch, program)
    assert checks.lacks_part("test") is True
    assert program in capsys.readouterr().out


def test_what_the_service_itself_needs_may_not(monkeypatch):
    monkeypatch.setenv("CI", "true")
    monkeypatch.setenv("TEST_REDIS", "off")
    assert checks.lacks_part("test") is True


@pytest.mark.long
def test_every_test_can_be_read_without_the_extra(tmp_path: Path):
    absent = f"import sys\nsys.modules.update(dict.fromkeys({extra.MODULES!r}))\n"
    (tmp_path / "sitecustomize.py").write_text(absent, "utf-8")
    left_out = {"CI", "TEST_EXCHANGE", "TEST_SIP"}
    done = subprocess.run(  # noqa: S603
        [*checks.PYTEST, "--collect-only", "-p", "no:cacheprovider"],
        cwd=ROOT,
        env={name: said for name, said in inherited().items() if name not in left_out}
        | {"PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    files = {line.split("::")[0] for line in done.stdout.splitlines() if "::" in line}
    assert "tests/numbers/test_dialling.py" in files
    assert not {"tests/numbers/test_over_sip.py", "tests/sip/test_calls.py"} & files
