"""The Makefile on machines that lack something, in folders of its own."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.keeper import ROOT
from tests.support.until import wait_for
from tools.launcher.environment import inherited

TOOLS = (
    *("sh", "rm", "mkdir", "cat", "cmp", "cp", "pwd", "printf", "awk", "sleep"),
    *("readlink", "tr", "grep"),
)


class Clone:
    """A folder with the Makefile, and a PATH with the tools that every machine has."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "a clone"
        self.bin = folder / "bin"
        self.folder.mkdir()
        self.bin.mkdir()
        shutil.copy(ROOT / "Makefile", self.folder)
        (self.folder / "requirements.txt").write_text("", "utf-8")
        (self.folder / "requirements").mkdir()
        (self.folder / "tools").mkdir()
        (self.folder / "tools" / "launcher.py").write_text("print('launched')\n", "utf-8")
        for tool in TOOLS:
            found = shutil.which(tool)
            assert found, f"this machine has no {tool}"
            (self.bin / tool).symlink_to(found)

    def program(self, name: str, text: str) -> None:
        file = self.bin / name
        file.write_text(f"#!/bin/sh\n{text}\n", "utf-8")
        file.chmod(0o755)

    def command(self, *arguments: str) -> list[str]:
        make = shutil.which("make")
        assert make, "this machine has no make"
        return [make, *arguments]

    @property
    def environment(self) -> dict[str, str]:
        # What an outer make passes on must not reach this one.
        kept = {
            name: value
            for name, value in inherited().items()
            if name not in {"PYTHON", "ARGS", "BOOTSTRAP"} and not name.startswith("MAKE")
        }
        return kept | {"PATH": str(self.bin)}

    def make(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(  # noqa: S603
            self.command(*arguments),
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )


@pytest.fixture
def clone(tmp_path: Path) -> Clone:
    return Clone(tmp_path)


# The parts of a virtual environment that the bootstrap asks about; `pip` writes what it was given.
FAKE_PYTHON = r"""
case "$*" in
  *version_info*|"-V"|*ensurepip*) exit 0 ;;
  "-m venv .venv") mkdir -p .venv/bin; cp "$0" .venv/bin/python ;;
  "-m pip install"*) echo "$*" >>pip.log; [ ! -e pip.fails ] ; exit $? ;;
  "-m tools.launcher") echo launched ;;
esac
"""


def installations(clone: Clone) -> int:
    log = clone.folder / "pip.log"
    return len(log.read_text("utf-8").splitlines()) if log.exists() else 0


def test_bare_make_lists_every_target(clone):
    done = clone.make()
    assert done.returncode == 0
    checks = ("check", "test", "test-long", "lint")
    for target in ("run", "sip", *checks, "bench", "call", "ring", "lock"):
        assert f"make {target} " in done.stdout


def test_without_a_fit_python_one_sentence_names_what_was_found(clone):
    clone.program("python3", 'case "$2" in *print*) echo 3.9.2 ;; *) exit 1 ;; esac')
    clone.program("python3.12", "exit 127")  # a shim with nothing behind it
    done = clone.make("run")
    assert done.returncode != 0
    sentence = done.stderr.splitlines()[0]
    assert "needs Python 3.11, 3.12 or 3.13" in sentence
    assert "(python3 is 3.9.2)" in sentence
    assert "PYTHON=" in sentence
    assert not (clone.folder / ".venv").exists()


def test_a_missing_venv_module_has_its_own_sentence(clone):
    clone.program("python3.13", 'case "$2" in *ensurepip*) exit 1 ;; esac')
    done = clone.make("run")
    assert done.returncode != 0
    assert "apt install python3-venv" in done.stderr.splitlines()[0]


def test_the_second_start_makes_and_installs_nothing(clone):
    clone.program("python3.13", FAKE_PYTHON)
    assert clone.make("run").stdout == "launched\n"
    again = clone.make("run")
    assert (again.stdout, again.stderr) == ("launched\n", "")
    assert installations(clone) == 1
    assert "--require-hashes -r requirements.txt" in (clone.folder / "pip.log").read_text("utf-8")


def test_what_checks_need_is_installed_together_with_the_rest(clone):
    clone.program("python3.13", FAKE_PYTHON)
    (clone.folder / "requirements/dev.txt").write_text("# checks\n", "utf-8")
    clone.make("setup-dev")
    assert clone.make("setup-dev").stderr == ""
    assert installations(clone) == 1
    both = "--require-hashes -r requirements.txt -r requirements/dev.txt"
    assert both in (clone.folder / "pip.log").read_text("utf-8")
    (clone.folder / "requirements/dev.txt").write_text("# others\n", "utf-8")
    assert "installing requirements.txt" not in clone.make("setup-dev").stderr
    log = (clone.folder / "pip.log").read_text("utf-8")
    assert log.splitlines()[-1].endswith("--require-hashes -r requirements/dev.txt")


def test_changed_requirements_are_installed(clone):
    clone.program("python3.13", FAKE_PYTHON)
    clone.make("setup")
    (clone.folder / "requirements.txt").write_text("# changed\n", "utf-8")
    clone.make("setup")
    assert installations(clone) == 2


def test_a_failed_installation_is_tried_again_from_nothing(clone):
    clone.program("python3.13", FAKE_PYTHON)
    (clone.folder / "pip.fails").touch()
    done = clone.make("run")
    assert done.returncode != 0
    assert "launched" not in done.stdout
    (clone.folder / "pip.fails").unlink()
    done = clone.make("run")
    assert done.stdout == "launched\n"
    assert "making .venv" in done.stderr


def with_the_extra(clone: Clone) -> None:
    clone.program("python3.13", FAKE_PYTHON)
    (clone.folder / "requirements/sip.txt").write_text("# telephones\n", "utf-8")
    assert clone.make("sip").returncode == 0


def test_telephones_are_installed_when_asked_for_and_once(clone):
    clone.program("python3.13", FAKE_PYTHON)
    (clone.folder / "requirements/sip.txt").write_text("# telephones\n", "utf-8")
    clone.make("run")
    assert installations(clone) == 1
    assert "installing requirements/sip.txt" in clone.make("sip").stderr
    assert clone.make("sip").stderr == ""
    assert installations(clone) == 2


def test_make_run_keeps_the_telephones_and_their_newest_version(clone):
    with_the_extra(clone)
    assert clone.make("run").stderr == ""
    (clone.folder / "requirements/sip.txt").write_text("# newer\n", "utf-8")
    assert "installing requirements/sip.txt" in clone.make("run").stderr
    assert clone.make("run").stderr == ""


def test_an_environment_that_is_made_anew_has_the_telephones_again(clone):
    with_the_extra(clone)
    (clone.folder / ".venv/bin/python").write_text("#!/no/such/interpreter\n", "utf-8")
    told = clone.make("run").stderr
    assert "making .venv" in told
    assert "installing requirements/sip.txt" in told


def test_a_broken_or_moved_environment_is_made_anew(clone):
    clone.program("python3.13", FAKE_PYTHON)
    clone.make("setup")
    (clone.folder / ".venv/bin/python").write_text("#!/no/such/interpreter\n", "utf-8")
    assert "making .venv" in clone.make("setup").stderr
    moved = clone.folder.rename(clone.folder.with_name("moved"))
    clone.folder = moved
    assert "making .venv" in clone.make("setup").stderr
    assert clone.make("setup").stderr == ""


# A program that says that it is up, and ends with its input.
UNTIL_CLOSED = "import sys; print('up', flush=True); sys.stdin.read()"


@contextmanager
def by_hand(clone: Clone, folder: str, *words: str) -> Iterator[int]:
    """A program that was started in a folder of the clone, without the launcher."""
    process = subprocess.Popen(  # noqa: S603
        [sys.executable, *words],
        cwd=clone.folder / folder,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        assert process.stdout is not None
        assert process.stdout.readline() == "up\n"
        yield process.pid


@pytest.mark.skipif(sys.platform != "linux", reason="/proc tells who works where")
@pytest.mark.parametrize(
    ("folder", "words"),
    [
        (".", ("-m", "flask", "worker")),
        (".", ("-m", "web_server", "app.web:create_server", "--port", "8000")),
        ("var", ("-c", UNTIL_CLOSED)),
    ],
)
def test_clean_var_refuses_while_process_uses_var(clone, folder: str, words: tuple[str, ...]):
    (clone.folder / "var").mkdir()
    for name in ("flask", "web_server"):
        (clone.folder / f"{name}.py").write_text(UNTIL_CLOSED, "utf-8")
    with by_hand(clone, folder, *words) as pid:
        done = clone.make("clean-var")
        assert done.returncode != 0
        assert f"(process {pid}) and uses var/; stop it first" in done.stderr
        assert (clone.folder / "var").exists()
    assert clone.make("clean-var").returncode == 0
    assert not (clone.folder / "var").exists()


def test_clean_var_refuses_while_launcher_runs(clone):
    (clone.folder / "var").mkdir()
    (clone.folder / "var" / "launcher.lock").write_text(f"{os.getpid()}\n", "utf-8")
    done = clone.make("clean-var")
    assert done.returncode != 0
    assert f"make: the service runs (process {os.getpid()})" in done.stderr
    assert (clone.folder / "var").exists()


@pytest.mark.skipif(sys.platform != "linux", reason="/proc tells who works where")
def test_clean_var_ignores_other_programs_of_this_folder(clone):
    (clone.folder / "var").mkdir()
    with by_hand(clone, ".", "-c", UNTIL_CLOSED, "notes about flask.txt"):
        assert clone.make("clean-var").returncode == 0
    assert not (clone.folder / "var").exists()


def test_a_signal_to_make_ends_the_installation(clone):
    hang = FAKE_PYTHON.replace(
        '"-m pip install"*) ', '"-m pip install"*) echo $$ >pip.pid; exec sleep 600; '
    )
    clone.program("python3.13", hang)
    with subprocess.Popen(  # noqa: S603
        clone.command("setup"), cwd=clone.folder, env=clone.environment, stderr=subprocess.DEVNULL
    ) as make:
        note = clone.folder / "pip.pid"
        wait_for(lambda: note.exists() and note.read_text("utf-8").strip(), "pip has begun")
        make.terminate()
        assert make.wait(timeout=10) != 0
    with pytest.raises(ProcessLookupError):
        os.kill(int(note.read_text("utf-8")), signal.SIGTERM)
