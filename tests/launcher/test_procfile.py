"""Procfile as it is written: under honcho, and line by line as a platform runs it."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from honcho.environ import parse_procfile

import config

from tests.operations.test_production_settings import FIT, KEY
from tests.operations.test_production_settings import environment as set_environment
from tests.support.keeper import ROOT
from tests.support.until import wait_for
from tools.launcher.environment import inherited

# Programs that say what they were called with. What honcho keeps goes on until it is ended.
FLASK = 'case "$1" in worker|scheduler|dispatcher) echo "$1 runs"; exec sleep 600;; esac; '
STUBS = {
    "flask": FLASK + 'echo "flask $*"; [ "$1" != "${FAILS:-}" ]',
    "python": 'echo "python $*"; exec sleep 600',
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The Procfile and what it names, with stand-ins of the programs that it starts."""
    shutil.copy(ROOT / "Procfile", tmp_path)
    shutil.copytree(ROOT / "deploy", tmp_path / "deploy")
    (tmp_path / "bin").mkdir()
    for name, text in STUBS.items():
        file = tmp_path / "bin" / name
        file.write_text(f"#!/bin/sh\n{text}\n", "utf-8")
        file.chmod(0o755)
    return tmp_path


def environment(folder: Path, given: dict[str, str]) -> dict[str, str]:
    kept = {
        name: value
        for name, value in inherited().items()
        if name not in {"PORT", "BIND_ADDRESS", "PROMETHEUS_MULTIPROC_DIR", "WEB_WORKERS"}
    }
    return kept | {"PATH": f"{folder / 'bin'}:{kept['PATH']}", "PYTHONUNBUFFERED": "1"} | given


@contextmanager
def honcho(folder: Path, **given: str) -> Iterator[tuple[subprocess.Popen[bytes], Path]]:
    """`honcho start`, as an operator types it, and its output."""
    log = folder / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "honcho", "start"],
            cwd=folder,
            env=environment(folder, given),
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        try:
            yield process, log
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(timeout=20)


def test_under_honcho_the_web_is_on_the_port_that_was_asked_for_and_all_goes_on(folder: Path):
    with honcho(folder, PORT="8540") as (process, log):

        def said(*words: str) -> bool:
            text = log.read_text("utf-8")
            return all(one in text for one in words)

        lines = ("worker runs", "scheduler runs", "dispatcher runs", "web_server", "flask queues")
        wait_for(lambda: said(*lines) or process.poll() is not None, "all of it runs")
        assert said(*lines, "--host 0.0.0.0 --port 8540", "flask migrate")
        assert not said("stopped")
        assert process.poll() is None


def test_under_honcho_a_migration_that_fails_ends_all_with_a_failure(folder: Path):
    with honcho(folder, FAILS="migrate") as (process, log):
        assert process.wait(timeout=20) != 0
    assert "queues create" not in log.read_text("utf-8")


def as_a_platform(folder: Path, line: str, **given: str) -> subprocess.CompletedProcess[str]:
    """One line, run to its end as a platform runs `release`."""
    lines = parse_procfile((folder / "Procfile").read_text("utf-8")).processes
    return subprocess.run(  # noqa: S603 - our own line
        ["/bin/sh", "-c", lines[line]],
        cwd=folder,
        env=environment(folder, given),
        capture_output=True,
        text=True,
        check=False,
        timeout=20,
    )


def test_on_a_platform_the_release_ends(folder: Path):
    done = as_a_platform(folder, "release")
    assert done.returncode == 0
    assert done.stdout.splitlines() == [
        "flask migrate",
        "flask assets install",
        "flask queues create",
    ]


@pytest.mark.parametrize(("fails", "ends"), [("migrate", 1), ("assets", 0), ("queues", 1)])
def test_on_a_platform_a_release_that_fails_says_so_and_pages_may_be_plain(
    folder: Path, fails: str, ends: int
):
    assert as_a_platform(folder, "release", FAILS=fails).returncode == ends


@pytest.mark.parametrize("name", ["Procfile", "Procfile.dev"])
def test_the_web_line_listens_where_it_is_told_to(folder: Path, name: str):
    (folder / "bin" / "python").write_text('#!/bin/sh\necho "python $*"\n', "utf-8")
    shutil.copy(ROOT / name, folder / "Procfile")
    given = {"BIND_ADDRESS": "192.0.2.7", "PORT": "8123", "SERVICE_PORT": "8123"}
    done = as_a_platform(folder, "web", **given)
    assert "--host 192.0.2.7 --port 8123 " in done.stdout


@pytest.mark.parametrize(("hops", "listens_at"), [("0", "0.0.0.0"), ("1", "127.0.0.1")])  # noqa: S104
def test_behind_a_proxy_the_web_listens_at_home_and_a_platforms_line_everywhere(
    folder: Path, hops: str, listens_at: str
):
    (folder / "bin" / "python").write_text('#!/bin/sh\necho "python $*"\n', "utf-8")
    assert "--host 0.0.0.0 " in as_a_platform(folder, "web", PROXY_HOPS=hops).stdout
    (folder / "Procfile").write_text("web: sh deploy/web.sh\n", "utf-8")
    done = as_a_platform(folder, "web", PROXY_HOPS=hops)
    assert f"--host {listens_at} " in done.stdout


KEYS_OF_OTHERS = (
    "TRACES_SECRET",
    "METRICS_TOKEN",
    "TWILIO_AUTH_TOKEN_PREVIOUS",
    "TWILIO_API_KEY_SID",
    "TWILIO_API_KEY_SECRET",
    "ALERT_WEBHOOK_URL",
    "TRACES_ANCHOR_WEBHOOK_URL",
)
# A worker opens what is sealed, asks the provider, and books at the partner.
KEYS_OF_WORKERS = ("DATA_KEYS", "TWILIO_AUTH_TOKEN", "KELDOC_KEY", "KELDOC_SECRET")


def left_by(done: subprocess.CompletedProcess[str]) -> dict[str, str]:
    """Return the environment that a stub of `flask` has printed."""
    return dict(part.split("=", 1) for part in done.stdout.splitlines() if "=" in part)


def test_a_worker_gets_no_key_that_it_does_not_need(folder: Path):
    """By the Procfile, compose and systemd, which start it by the same file."""
    (folder / "bin" / "flask").write_text('#!/bin/sh\necho "$*" "$(env)"\n', "utf-8")
    given = dict.fromkeys((*KEYS_OF_OTHERS, *KEYS_OF_WORKERS), "a-secret")
    done = as_a_platform(folder, "worker", **given)
    said = left_by(done)
    assert done.stdout.startswith("worker ")
    assert not said.keys() & set(KEYS_OF_OTHERS)
    assert said.keys() >= set(KEYS_OF_WORKERS)
    unit = (ROOT / "deploy" / "systemd" / "allo-worker@.service").read_text("utf-8")
    assert "ExecStart=/bin/sh /opt/allo/deploy/worker.sh\n" in unit
    compose = (ROOT / "deploy" / "compose.yaml").read_text("utf-8")
    assert "command: [sh, deploy/worker.sh]" in compose


def test_worker_starts_in_production_with_what_it_is_left(
    folder: Path, monkeypatch: pytest.MonkeyPatch
):
    """Some settings are refused one without the other."""
    (folder / "bin" / "flask").write_text('#!/bin/sh\necho "$*" "$(env)"\n', "utf-8")
    given = FIT | dict.fromkeys(KEYS_OF_OTHERS, KEY)
    for name in ("ALERT_WEBHOOK_URL", "TRACES_ANCHOR_WEBHOOK_URL"):
        given[name] = "https://alerts.example.fr/x"
    left = left_by(as_a_platform(folder, "worker", **given))
    kept = {name: left[name] for name in given if name in left}
    set_environment(monkeypatch, dict.fromkeys(FIT) | kept)
    assert config.load(_env_file=None).environment == "production"
