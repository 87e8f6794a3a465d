"""What `make test` says of a machine that lacks something, and when that is a failure."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading

from pathlib import Path

import pytest

from exchange.sip import extra
from tests.support import checks, parts, quick
from tests.support.keeper import ROOT
from tests.support.until import wait_for
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
    assert (
        "`make sip` installs it; until then the tests of telephones over SIP are left out" in first
    )
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


@pytest.mark.parametrize("ci", ["", "true"])
def test_the_exchanges_own_tests_may_be_left_out_and_one_line_says_so(monkeypatch, capsys, ci):
    monkeypatch.setenv("CI", ci)
    monkeypatch.setenv("TEST_EXCHANGE", "off")
    assert checks.missing_parts() is False
    assert capsys.readouterr().out == (
        "The test suite of the exchange is taken away by TEST_EXCHANGE=off\n"
    )


def test_what_the_service_itself_needs_may_not(monkeypatch):
    monkeypatch.setenv("CI", "true")
    monkeypatch.setenv("TEST_REDIS", "off")
    assert checks.missing_parts() is True


def collected(*arguments: str, **environment: str) -> list[str]:
    """The ids of the tests that pytest would run."""
    done = subprocess.run(  # noqa: S603
        [
            *(sys.executable, "-m", "pytest", "-n", "0", "-q", "--collect-only"),
            *("-p", "no:cacheprovider", *arguments),
        ],
        cwd=ROOT,
        env=checks_environment() | environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode in {pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED}, done.stdout
    return [line for line in done.stdout.splitlines() if "::" in line]


def collected_files(*folders: str, **environment: str) -> set[str]:
    """The files in which pytest finds tests."""
    return {name.split("::")[0] for name in collected(*folders, **environment)}


def checks_environment() -> dict[str, str]:
    return {
        name: value
        for name, value in inherited().items()
        if name not in {"CI", "TEST_EXCHANGE", "TEST_SIP"} and not name.startswith("PYTEST")
    }


def test_left_out_tests_are_not_even_read():
    files = collected_files("exchange/tests/sip", "tests/sip", TEST_SIP="off")
    assert files == {"exchange/tests/sip/test_settings.py"}


# The folders whose tests come near telephones over SIP; to read all takes long.
NEAR_SIP = ("exchange/tests", "tests/launcher", "tests/numbers", "tests/simulator", "tests/sip")
ALL = ("exchange/tests", "tests")


@pytest.mark.parametrize("folders", [NEAR_SIP, pytest.param(ALL, marks=pytest.mark.long)])
def test_a_machine_without_the_extra_can_read_every_test(tmp_path: Path, folders: tuple[str, ...]):
    absent = f"import sys\nsys.modules.update(dict.fromkeys({extra.MODULES!r}))\n"
    (tmp_path / "sitecustomize.py").write_text(absent, "utf-8")
    files = collected_files(*folders, PYTHONPATH=str(tmp_path))
    assert "tests/numbers/test_dialling.py" in files
    over_sip = {"tests/numbers/test_over_sip.py", "tests/sip/test_calls.py"}
    assert not over_sip & files


def test_without_the_exchanges_tests_those_of_the_simulator_are_there():
    files = collected_files("exchange/tests", "tests/simulator", TEST_EXCHANGE="off")
    assert "tests/simulator/test_people.py" in files
    assert {file for file in files if file.startswith("exchange")} == set()


def test_the_quick_tests_need_nothing_and_say_in_one_line_what_is_not_here(monkeypatch, capsys):
    monkeypatch.setenv("CI", "true")
    without_the_extra(monkeypatch)
    without(monkeypatch, "chromium")
    monkeypatch.setattr(parts, "CHROMIUM", ("chromium",))
    ran: dict[str, list[str]] = {}

    def shown(run: checks.Run, name: str, command: list[str]) -> None:
        ran[name] = command

    monkeypatch.setattr(checks.Run, "shown", shown)
    monkeypatch.setattr(checks.Run, "kept", lambda run, stages: ran.update(stages))
    assert checks.main(["--quick"]) == 0
    assert "--quick" in ran["pytest"]
    assert set(ran) == {"ruff check", "ruff format", "mypy", "import rules", "pytest"}
    first, *_ = capsys.readouterr().out.splitlines()
    assert first.startswith("Not here, and not needed for the quick tests: A browser, The extra")


def test_quick_tests_start_nothing_but_the_runs_postgresql():
    names = collected("--quick", "tests/queue", "tests/crash", "tests/messages/test_rq.py")
    assert [name for name in names if "tests/queue" in name]
    asks = ("tests/crash", "a_real_worker_delivers", "a_thousand_callbacks_are_made")
    assert not [name for name in names if any(word in name for word in asks)]


def test_a_copy_that_has_measured_nothing_leaves_out_what_another_found_slow():
    slow = set(json.loads(quick.MEASURED_BEFORE.read_text("utf-8")))
    file = "tests/prompts/test_check.py"
    chosen, every = set(collected("--quick", file)), set(collected(file))
    assert slow & every
    assert chosen == every - slow


def test_what_took_long_is_left_out_until_a_run_finds_it_quick():
    long, short = quick.MOST_SECONDS * 4, quick.MOST_SECONDS / 2
    slow = quick.still_slow([], {"a": long, "b": short})
    assert slow == {"a"}
    # A run without it says nothing of it; one with it does.
    assert quick.still_slow(slow, {"b": long}) == {"a", "b"}
    assert quick.still_slow({"a", "b"}, {"a": short}) == {"b"}


def python(text: str) -> list[str]:
    return [sys.executable, "-S", "-c", text]


@pytest.fixture
def given(monkeypatch):
    """Stages in place of the real ones, and no handlers for the signals of this process."""
    monkeypatch.setattr("tests.support.checks.signal.signal", lambda *_: None)

    def stages(**commands: list[str]) -> None:
        monkeypatch.setattr(checks, "stages", lambda _arguments, *, apart: commands)

    return stages


def test_a_stage_that_fails_does_not_stop_the_others(given, capsys):
    given(mypy=python("print('wrong'); exit(1)"), rules=python("print('kept')"), pytest=python(""))
    assert checks.main([]) == 1
    out = capsys.readouterr().out
    assert "== mypy\nwrong\n" in out
    assert "== rules\nkept\n" in out
    assert [line[:6] for line in out.splitlines() if line.endswith(" s)")].count("FAILED") == 1


def test_all_went_well_and_each_is_named_at_the_end(given, capsys):
    given(mypy=python(""), pytest=python(""))
    assert checks.main([]) == 0
    ends = [line.split()[:2] for line in capsys.readouterr().out.splitlines()[-2:]]
    assert sorted(ends) == [["ok", "mypy"], ["ok", "pytest"]]


def test_the_tests_need_not_wait_for_the_other_checks(given, tmp_path):
    # Whoever opens an end of it waits until another opens the other.
    meeting = tmp_path / "meeting"
    os.mkfifo(meeting)
    reads, writes = (python(f"open({str(meeting)!r}, {mode!r})") for mode in "rw")
    given(mypy=reads, pytest=writes)
    assert checks.main([]) == 0


def test_tests_that_wait_run_beside_the_others_and_go_first():
    apart = checks.stages(["-m", "not long"], apart=True)
    both = [apart[checks.TESTS], apart[checks.WAITING]]
    assert all(command[-2:] == ["-m", "not long"] for command in both)
    assert [command[command.index("--waiting") + 1] for command in both] == ["none", "only"]
    assert [command[0] == "nice" for command in both] == [True, False]
    # `make check` has none of them, and `make test-long` is in no hurry.
    assert checks.WAITING not in checks.stages([], apart=False)
    assert "--waiting" not in checks.stages([], apart=False)[checks.TESTS]


def test_each_test_is_among_those_that_wait_or_among_the_others():
    # Without the extra no file of SIP can be read.
    sip = ("tests/sip/test_calls.py", "exchange/tests/sip") if extra.is_installed() else ()
    named = ("tests/crash", "tests/queue", *sip)
    only, others = (set(collected("--waiting", said, *named)) for said in ("only", "none"))
    assert {"crash"} <= {name.split("/")[1] for name in only} <= {"crash", "sip"}
    assert not only & others
    assert only | others == set(collected(*named))


def test_tests_that_are_chosen_may_all_be_of_one_kind(given, capsys):
    none, some = python("raise SystemExit(5)"), python("")
    given(**{checks.TESTS: none, checks.WAITING: some})
    assert checks.main([]) == 0
    given(**{checks.TESTS: some, checks.WAITING: none})
    assert checks.main([]) == 0
    assert "FAILED" not in capsys.readouterr().out
    given(**{checks.TESTS: none, checks.WAITING: none})
    assert checks.main([]) == 1
    given(**{checks.TESTS: none, checks.WAITING: python("raise SystemExit(1)")})
    assert checks.main([]) == 1


def test_a_signal_ends_what_runs_and_nothing_more_begins(given, tmp_path):
    run = checks.Run()
    waits = python("import signal; signal.pause()")
    begun = tmp_path / "begun"
    later = python(f"open({str(begun)!r}, 'w')")
    others = threading.Thread(target=run.kept, args=({"mypy": waits, "rules": later},))
    tests = threading.Thread(target=run.shown, args=("pytest", waits))
    others.start()
    tests.start()
    wait_for(lambda: len(run._running) == 2, "both have begun")
    with pytest.raises(SystemExit) as ended:
        run.ends(signal.SIGTERM)
    others.join()
    tests.join()
    assert ended.value.code == 128 + signal.SIGTERM
    assert not begun.exists()
    assert set(run.results) == {"mypy", "pytest"}
    assert not any(went_well for went_well, _ in run.results.values())


def test_what_is_compiled_is_kept_whatever_the_machine_says(monkeypatch):
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    assert "PYTHONDONTWRITEBYTECODE" not in checks.environment()
    assert checks.environment()["PATH"]
