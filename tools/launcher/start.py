"""A run of the service from its settings to its end."""

from __future__ import annotations

import fcntl
import multiprocessing
import os
import signal
import sys
import uuid

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import IO

from honcho.environ import parse_procfile

import config

from exchange.sip import extra
from exchange.sip import settings as sip
from tools.launcher.environment import empty_metrics, exports, inherited
from tools.launcher.errors import CannotStart, Failed, Stopped
from tools.launcher.ports import answers, asked_at, check_ports, listens, says, url_of
from tools.launcher.postgres_server import OwnPostgres
from tools.launcher.processes import LAUNCH_ID, Guard
from tools.launcher.redis_server import choose_redis, redis_answers
from tools.launcher.steps import PROCESSES, step
from tools.launcher.supervisor import Supervisor

# Seconds.
REDIS_DEADLINE = 10.0
READY_DEADLINE = 90.0
PREPARE = "python -m tools.launcher.prepare"


def run(settings: config.Settings) -> None:
    """Everything between the settings and the end. Raises CannotStart, Failed or Stopped."""
    sip_settings = sip.load() if extra.is_installed() else None
    telephones = sip.read(sip_settings) if sip_settings else None
    check_ports(settings, telephones)
    check_semaphores()
    with ExitStack() as stack:
        stack.enter_context(folder_lock(config.VAR))
        launch_id = uuid.uuid4().hex
        supervisor = Supervisor(launch_id=launch_id)
        if settings.own_database():
            # Before the guard, which so has its share until no process uses the server any more.
            postgres = OwnPostgres()
            postgres.share()
            stack.callback(postgres.leave)
        supervisor.guard = Guard(launch_id)
        stack.callback(supervisor.guard.release)
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, supervisor.ask_to_stop)
        if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # as nohup leaves it
            signal.signal(signal.SIGHUP, supervisor.ask_to_stop)

        redis_url, redis_command = choose_redis(settings, stack)
        base = inherited() | {LAUNCH_ID: launch_id}
        env = exports(settings, redis_url=redis_url, base=base, telephones=sip_settings)
        empty_metrics(Path(env["PROMETHEUS_MULTIPROC_DIR"]))
        lines = lines_to_start(telephones)
        # With PROMETHEUS_MULTIPROC_DIR, its counters would be added to those of the web.
        alone = {name: value for name, value in env.items() if name != "PROMETHEUS_MULTIPROC_DIR"}
        supervisor.add_process("prepare", PREPARE, env=alone, cwd=str(config.ROOT))
        for name, command in lines.items():
            supervisor.add_process(name, command, env=env, cwd=str(config.ROOT))
        if redis_command:
            # It needs none of our secrets.
            supervisor.add_process("redis", redis_command, env=base, cwd=str(config.ROOT))

        stack.callback(supervisor.stop)
        if redis_command:
            supervisor.start("redis")
            supervisor.wait_for(
                lambda: redis_answers(redis_url), seconds=REDIS_DEADLINE, what="redis"
            )
        supervisor.run_to_end("prepare")
        with step(PROCESSES, supervisor.say):
            for name in lines:
                supervisor.start(name)
            _wait_until_ready(supervisor, settings, telephones)
        supervisor.announce(f"Ready: {url_of(settings)}")
        supervisor.serve()


def check_semaphores() -> None:
    """Raise CannotStart where this user may make no semaphore, by which the processes are led."""
    try:
        multiprocessing.Lock()
    except OSError as error:
        raise CannotStart(
            f"this user may make no semaphore here ({error.strerror}), as where /dev/shm is closed"
            " to others than root: chmod 1777 /dev/shm, or mount it, as root"
        ) from None


def _wait_until_ready(
    supervisor: Supervisor, settings: config.Settings, telephones: sip.Plan | None
) -> None:
    """Wait until all that was started answers. Raises Failed or Stopped."""
    simulator_port = settings.simulator_port or settings.port + 10
    host = asked_at(settings.bind_address)
    ready = {
        "/readyz": lambda: answers(settings.port, "/readyz", host=host),
        "the simulator's /healthz": lambda: answers(simulator_port, "/healthz"),
    }
    if telephones:
        ready[f"the SIP port {telephones.port}"] = lambda: listens(telephones)
    for what, condition in ready.items():
        try:
            supervisor.wait_for(condition, seconds=READY_DEADLINE, what=what)
        except Failed as failed:
            # Whatever is not well says so there, with its remedy.
            said = says(settings.port, "/readyz") if what == "/readyz" else []
            raise Failed(str(failed), failed.last_lines or said) from None


def lines_to_start(telephones: sip.Plan | None) -> dict[str, str]:
    """Return the lines of Procfile.dev by name, the telephones among them where there is a plan."""
    lines = dict(parse_procfile((config.ROOT / "Procfile.dev").read_text("utf-8")).processes)
    if telephones is None:
        del lines["telephones"]
    return lines


@contextmanager
def folder_lock(var: Path) -> Iterator[IO[str]]:
    """Hold `var` for one launcher. Raises CannotStart while another one has it."""
    var.mkdir(parents=True, exist_ok=True)
    with (var / "launcher.lock").open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            raise CannotStart(
                f"this folder's service already runs (process {lock.read().strip() or 'unknown'});"
                " stop it first, or start a second copy from another clone with its own PORT"
            ) from None
        lock.truncate(0)
        lock.write(f"{os.getpid()}\n")
        lock.flush()
        yield lock


def main() -> int:
    """Run until told to stop. Returns the exit code: 0 when told to, 1 when something failed."""
    try:
        run(config.load())
    except (Stopped, KeyboardInterrupt):
        return 0
    except (config.BadSettings, sip.BadFile, CannotStart, Failed) as problem:
        report = [f"make run: {problem}"]
        if isinstance(problem, Failed) and problem.last_lines:
            report += ["Its last lines:", *(f"  {line}" for line in problem.last_lines)]
        with suppress(OSError):
            print("\n".join(report), file=sys.stderr, flush=True)
        return 1
    return 0
