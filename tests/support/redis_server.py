"""A Redis for one test process: the server that `make run` would use, on a unix socket."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import redis

from tests.support.keeper import keep
from tests.support.until import comes
from tools.launcher.environment import inherited
from tools.launcher.redis_server import find_redis_server, redis_answers, redis_arguments


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


class OwnRedis:
    """A Redis that a test may stop without a word, and start again in the same place.

    Its address is known before it was ever there.
    """

    def __init__(self, folder: Path, name: str) -> None:
        self._where = (folder, name)
        self._stack = ExitStack()
        self.url = f"unix://{folder / name / 'redis.sock'}"

    def starts(self) -> None:
        folder, name = self._where
        self._stack.enter_context(running_redis(folder, name, environment=inherited()))

    def stops(self) -> None:
        with redis.Redis.from_url(self.url) as client:
            client.shutdown(nosave=True)

    def close(self) -> None:
        self._stack.close()
