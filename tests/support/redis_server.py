"""A Redis for one test process: the server that `make run` would use, on a unix socket."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from launcher.redis_server import find_redis_server, redis_answers, redis_arguments
from tests.support.keeper import keep
from tests.support.until import comes


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
            comes(lambda: redis_answers(url) or keeper.poll() is not None)
            if keeper.poll() is not None or not redis_answers(url):
                raise RuntimeError(f"{server} did not start")
            yield url
        finally:
            keeper.terminate()
