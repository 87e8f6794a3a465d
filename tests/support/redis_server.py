"""A Redis for one test process: the server that `make run` would use, on a unix socket."""

from __future__ import annotations

import time

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from launcher.redis_server import find_redis_server, redis_answers, redis_arguments
from tests.support.keeper import keep


@contextmanager
def running_redis(folder: Path, name: str, *, environment: dict[str, str]) -> Iterator[str]:
    """Run a server in `folder/name` and give its URL. Somebody holds the lock of `folder/alive`."""
    server = find_redis_server()
    assert server, "ask tests.support.parts first"
    socket_path = folder / name / "redis.sock"
    # A test may stop its server and start another in the same place.
    socket_path.parent.mkdir(exist_ok=True)
    url = f"unix://{socket_path}"
    command = [str(server), *redis_arguments(socket_path)]
    with keep(folder / "alive", "tests.support.keeper", *command, env=environment) as keeper:
        try:
            deadline = time.monotonic() + 10
            while not redis_answers(url):
                if time.monotonic() > deadline or keeper.poll() is not None:
                    raise RuntimeError(f"{server} did not start")
                time.sleep(0.02)
            yield url
        finally:
            keeper.terminate()
