"""What `make test` says of a machine that lacks something, and when that is a failure."""

from __future__ import annotations

import shutil
import subprocess
import sys

import pytest

from exchange.sip import extra
from launcher.environment import inherited
from tests.support import checks, parts
from tests.support.keeper import ROOT


@pytest.fixture(autouse=True)
def _a_machine_that_has_everything(monkeypatch):
    monkeypatch.delenv("CI", raising=False)
    for part in parts.PARTS:
        monkeypatch.delenv(part.switch, raising=False)
    monkeypatch.setenv("TEST_DATABASE_URL", "postgresql://here")
    monkeypatch.setattr(parts, "find_redis_server", lambda: "here")
    monkeypatch.setattr(shutil, "which", lambda name: f"/usr/bin/{name}")
    monkeypatch.setattr(extra, "missing", list)


def without_the_extra(monkeypatch) -> None:
    monkeypatch.setattr(extra, "missing", lambda: ["aiosipua"])


def without(monkeypatch, program: str) -> None:
    found = shutil.which
    monkeypatch.setattr(shutil, "which", lambda name: None if name == program else found(name))


def test_a_machine_that_has_everything_is_told_nothing(monkeypatch, capsys):
    monkeypatch.setenv("CI", "true")
    assert checks.missing_parts() is False
    assert capsys.readouterr().out == ""


def test_without_the_extra_one_line_says_how_to_have_it(monkeypatch, capsys):
    without_the_extra(monkeypatch)
    without(monkeypatch, "baresip")
    without(monkeypatch, "espeak-ng")
    assert checks.missing_parts() is False
    first, *others = capsys.readouterr().out.splitlines()
    assert "`make sip` installs it; until then the tests in tests/sip are left out" in first
    assert others == ["Tests that need it are skipped; with CI=true this is a failure."]


def test_in_ci_a_missing_extra_is_a_failure(monkeypatch):
    monkeypatch.setenv("CI", "true")
    without_the_extra(monkeypatch)
    assert checks.missing_parts() is True


@pytest.mark.parametrize("program", ["baresip", "sipp", "espeak-ng", "chromium"])
def test_in_ci_a_missing_program_is_a_failure_that_names_it(monkeypatch, capsys, program):
    monkeypatch.setattr(parts, "CHROMIUM", ("chromium",))
    monkeypatch.setenv("CI", "true")
    without(monkeypatch, program)
    assert checks.missing_parts() is True
    assert program in capsys.readouterr().out


def test_even_in_ci_the_telephones_may_be_left_out_on_purpose(monkeypatch, capsys):
    monkeypatch.setenv("CI", "true")
    monkeypatch.setenv("TEST_SIP", "off")
    assert checks.missing_parts() is False
    assert len(capsys.readouterr().out.splitlines()) == 1


def test_what_the_service_itself_needs_may_not(monkeypatch):
    monkeypatch.setenv("CI", "true")
    monkeypatch.setenv("TEST_REDIS", "off")
    assert checks.missing_parts() is True


def collected(**environment: str) -> str:
    done = subprocess.run(  # noqa: S603
        [
            *(sys.executable, "-m", "pytest", "-n", "0", "-q", "--collect-only"),
            *("-p", "no:cacheprovider", "tests/sip"),
        ],
        cwd=ROOT,
        env=checks_environment() | environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


def checks_environment() -> dict[str, str]:
    return {
        name: value
        for name, value in inherited().items()
        if name not in {"CI", "TEST_SIP"} and not name.startswith("PYTEST")
    }


def test_left_out_tests_are_not_even_read():
    files = {line.split("::")[0] for line in collected(TEST_SIP="off").splitlines() if "::" in line}
    assert files == {"tests/sip/test_settings.py"}
