"""deploy/compose.yaml without an engine: what each container would run, as processes here.

Compose itself reads the file, merges and judges it. Then every service is begun in its order, by
the command that stands there, or that of the Containerfile, with its environment; only folders,
ports and where programs lie are put in their place. What an engine adds is not shown by it: images,
the sandbox, users, volumes, restarts.
"""

from __future__ import annotations

import json
import os
import pwd
import re
import shutil
import signal
import subprocess
import sys

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
import pytest

from commands import assets
from exchange.testing.ports import free_port
from tests.operations.test_production_settings import FIT
from tests.support import parts
from tests.support.keeper import ROOT
from tests.support.until import wait_for
from tools.launcher.environment import inherited
from tools.launcher.ports import answers
from tools.launcher.postgres_keeper import ACCOUNT, program
from tools.launcher.redis_server import find_redis_server

pytestmark = [pytest.mark.long, pytest.mark.timeout(1200)]
NUMBER = FIT["NATIONAL_NUMBER"]
# What a container does not have of the checkout, beside what .dockerignore leaves out.
TREE = shutil.ignore_patterns(
    *("tests", "var", "node_modules", "__pycache__", ".git", ".venv", ".env", ".*_cache"),
    ".hypothesis",
)
OURS = ("web", "worker", "scheduler", "dispatcher")


@dataclass
class Machine:
    """`services` as Compose gives them; `places` are paths of containers, and those here."""

    folder: Path
    services: dict[str, Any]
    places: dict[str, str]
    port: int
    running: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def placed(self, said: str) -> str:
        for inside, here in self.places.items():
            said = said.replace(inside, here)
        return said

    def environment(self, name: str, image: dict[str, str]) -> dict[str, str]:
        said = image | {key: str(value) for key, value in self._of(name, "environment").items()}
        # The web's port in its container is one of this machine here.
        said |= {"PORT": str(self.port)} if name == "web" else {}
        kept = {key: value for key, value in inherited().items() if key not in FIT}
        path = f"{Path(sys.executable).parent}:{kept['PATH']}"
        return kept | {key: self.placed(value) for key, value in said.items()} | {"PATH": path}

    def _of(self, name: str, what: str) -> Any:
        return self.services[name].get(what) or {}

    def command(self, name: str, image: list[str]) -> list[str]:
        return [self.placed(one) for one in self._of(name, "command") or image]

    def starts(self, name: str, command: list[str], **options: Any) -> subprocess.Popen[bytes]:
        with (self.folder / f"{name}.log").open("ab") as log:
            self.running[name] = subprocess.Popen(  # noqa: S603 - the file's own words
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                **options,
            )
        return self.running[name]

    def log(self, name: str) -> str:
        return (self.folder / f"{name}.log").read_text("utf-8", "replace")[-3000:]

    def ends(self, name: str) -> int:
        """As an engine stops a container: its signal, and as long as the file says."""
        grace = re.fullmatch(r"(?:(\d+)m)?(\d+)s", self._of(name, "stop_grace_period") or "10s")
        assert grace
        self.running[name].send_signal(signal.SIGTERM)
        return self.running[name].wait(int(grace[1] or 0) * 60 + int(grace[2]))


def image() -> tuple[dict[str, str], list[str]]:
    """ENV and CMD of the last stage of the Containerfile."""
    text = (ROOT / "deploy" / "Containerfile").read_text("utf-8").replace("\\\n", " ")
    last = text[text.rindex("\nFROM ") :]
    said = " ".join(re.findall(r"^ENV (.*)$", last, re.MULTILINE))
    (command,) = re.findall(r"^CMD (.*)$", last, re.MULTILINE)
    settings = dict(one.split("=", 1) for one in said.split())
    settings.pop("PATH")
    return settings, json.loads(command)


@pytest.fixture
def machine(tmp_path: Path, run_folder: Path) -> Iterator[Machine]:
    for part in (parts.COMPOSE, parts.POSTGRES, parts.REDIS):
        parts.require(part)
    # Sockets have short names.
    folder = run_folder / "compose"
    code = folder / "code"
    shutil.copytree(ROOT, code, ignore=TREE)
    provider = free_port()
    (code / "deploy" / "allo.env").write_text(
        "".join(
            f"{key}={value}\n"
            for key, value in {**FIT, "TWILIO_API_BASE_URL": f"http://127.0.0.1:{provider}"}.items()
            if key not in {"DATABASE_URL", "REDIS_URL"}
        ),
        "utf-8",
    )
    places = {
        "/opt/allo/var/state": str(folder / "state"),
        "/run/postgresql": str(folder / "database"),
        "/run/redis": str(folder / "redis"),
        "/run/allo": str(folder / "counters"),
    }
    for one in places.values():
        Path(one).mkdir(parents=True)
    # An image has the files of others from its build: here they are empty.
    static = code / "var" / "static"
    static.mkdir(parents=True)
    for name in assets.FILES:
        (static / name).write_bytes(b"")
    (static / assets._STAMP).write_text(assets._stamp(code / "web", assets.FILES), "utf-8")
    program = parts.find_program("docker-compose")
    assert program
    file = str(code / "deploy" / "compose.yaml")
    said = subprocess.run(  # noqa: S603 - a program of the machine
        [program, "-f", file, "config", "--format", "json"], capture_output=True, check=True
    )
    made = Machine(folder, json.loads(said.stdout)["services"], places, free_port())
    made.starts(
        "provider",
        [sys.executable, "-m", "tools.simulator", "--port", str(provider)],
        cwd=ROOT,
        env=made.environment("web", {}) | {"SERVICE_URL": f"http://127.0.0.1:{made.port}"},
    )
    try:
        yield made
    finally:
        for process in made.running.values():
            # With what each has begun, as an engine ends a container.
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        for name in made.running:
            print(f"--- {name}", made.log(name), sep="\n")  # noqa: T201
        shutil.rmtree(folder, ignore_errors=True)


def starts_database(machine: Machine) -> None:
    """What the image's own entry does first, and then the command of the file."""
    user, data = (None, machine.folder / "data")
    data.mkdir()
    if os.geteuid() == 0:
        user = ACCOUNT
        for one in (data, Path(machine.places["/run/postgresql"])):
            os.chown(one, pwd.getpwnam(user).pw_uid, -1)
        for one in (machine.folder.parent, machine.folder):
            one.chmod(0o755)
    said = machine.services["database"]["environment"]
    arguments = ["-D", str(data), "-U", said["POSTGRES_USER"], "-E", "UTF8"]
    trust = ["-A", said["POSTGRES_HOST_AUTH_METHOD"]]
    subprocess.run(  # noqa: S603 - the server's own program
        [program("initdb"), *arguments, *trust], check=True, user=user, capture_output=True
    )
    command = machine.command("database", [])
    assert command[0] == "postgres"
    where = ["-k", machine.places["/run/postgresql"]]
    machine.starts(
        "database",
        [program("postgres"), *command[1:], *where],
        user=user,
        env=inherited() | {"PGDATA": str(data)},
        cwd=data,
    )
    login = {"host": machine.places["/run/postgresql"], "user": said["POSTGRES_USER"]}

    def made() -> bool:
        with suppress(psycopg.Error), psycopg.connect(**login, dbname="postgres") as connection:
            connection.autocommit = True
            connection.execute(f'CREATE DATABASE "{said["POSTGRES_DB"]}"')
            return True
        return False

    wait_for(made, "the database answers")
    # The file's own look, by the socket that the containers share.
    (kind, *check) = machine.services["database"]["healthcheck"]["test"]
    assert kind == "CMD"
    check = [program(check[0]), "-h", machine.places["/run/postgresql"], *check[1:]]
    assert subprocess.run(check, check=False, capture_output=True).returncode == 0  # noqa: S603


def test_each_container_runs_what_is_written_and_a_caller_books(machine: Machine):
    settings, web = image()
    starts_database(machine)
    redis, *arguments = machine.command("redis", [])
    assert redis == "redis-server"
    machine.starts("redis", [str(find_redis_server()), *arguments])
    code = machine.folder / "code"

    def began(name: str) -> subprocess.Popen[bytes]:
        return machine.starts(
            name,
            machine.command(name, web),
            cwd=code,
            env=machine.environment(name, settings),
        )

    assert began("release").wait(300) == 0, machine.log("release")
    for name in OURS:
        began(name)
    wait_for(lambda: answers(machine.port, "/readyz/machine"), "the web answers")
    (kind, *check) = machine.services["web"]["healthcheck"]["test"]
    assert kind == "CMD"
    check = [one.replace("127.0.0.1:8000", f"127.0.0.1:{machine.port}") for one in check]
    assert subprocess.run(check, check=False).returncode == 0  # noqa: S603
    # As `docker compose exec web …` would.
    env = machine.environment("web", settings)
    town = (code / "deploy" / "town.toml").read_text("utf-8").replace("+33974750001", NUMBER)
    (code / "deploy" / "our-town.toml").write_text(town, "utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "flask", "setup", "--from", "deploy/our-town.toml"],
        cwd=code,
        env=env,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.rstrip().endswith("Ready for callers")
    called = subprocess.run(  # noqa: S603 - our own words
        [
            *(sys.executable, "-m", "tools.simulator.call", "--quiet", "--json", "--to", NUMBER),
            *("--answers", "dob=12031942,postcode=35000,offer=1"),
        ],
        cwd=ROOT,
        env=env | {"SERVICE_URL": f"http://127.0.0.1:{machine.port}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert called.returncode == 0, called.stdout + called.stderr
    assert re.search(r"\b\d{10}\b", called.stdout)
    for name in OURS:
        assert machine.running[name].poll() is None, machine.log(name)
    ended = {name: machine.ends(name) for name in (*OURS, "redis", "database")}
    assert {code for code in ended.values() if code not in {0, -signal.SIGTERM}} == set(), ended
