"""The web server: granian's, started with our settings, and what it drives in each worker.

granian accepts connections, reads heads of requests, brings back a worker that was killed and ends
its workers with itself. No kept server does what is left, and is in this one file: each request is
read whole before a thread begins with it, within limits of time and size; what needs no thread is
answered without one; calls have threads of their own (docs/decisions/0098, with what was measured).

    python -m web_server app.web:create_server --port 8000

Workers are copies of the process that starts them (fork). What is loaded before is in the machine's
memory once for all of them, and a worker in the place of a killed one has it at once.
"""

from __future__ import annotations

import asyncio
import gc
import importlib
import io
import multiprocessing
import os
import signal
import sys
import tempfile

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import click
import structlog

from services.admission.load_shedder import UnderWay
from services.telemetry import UNREAD
from web import alone
from web.environ import Environ, Headers, Wsgi, is_for_a_person, language_for

# Of granian. Milliseconds that a client has for the head of a request.
HEAD_MILLISECONDS: Final = 5000
# Connections that wait to be accepted, and that a worker has at once.
BACKLOG: Final = 2048
CONNECTIONS: Final = 1024
# Seconds until another worker takes the place of one that was killed.
RESPAWN_SECONDS: Final = 0.2

# Between two looks of a worker whether the server still runs, whose signal it would never get.
LOOK_FOR_SERVER_SECONDS: Final = 1.0

# Seconds that a client has for the whole body, and the most bytes that it may have.
BODY_SECONDS: Final = 5.0
MOST_BYTES: Final = 64 * 1024
# Bytes of an answer that are kept in memory for the client, and seconds until a file that holds a
# longer one may lose its name: the server has opened it long before.
IN_MEMORY: Final = 1024 * 1024
NAMED_SECONDS: Final = 60.0
_PLAIN: Final = ("Content-Type", "text/plain; charset=utf-8")
# After these answers what the client still sends is not read.
_CLOSE: Final[Headers] = [_PLAIN, ("Cache-Control", "no-store"), ("Connection", "close")]
# Webhooks of the telephone and of texts.
_STEPS: Final = ("/voice/", "/sms/")
_WITHOUT_BODY: Final = frozenset({"GET", "HEAD"})
_FIXED: Final[Environ] = {
    "SCRIPT_NAME": "",
    "SERVER_PROTOCOL": "HTTP/1.1",
    "wsgi.version": (1, 0),
    "wsgi.errors": sys.stderr,
    "wsgi.input_terminated": True,
    "wsgi.multithread": True,
    "wsgi.multiprocess": True,
    "wsgi.run_once": False,
}

log = structlog.get_logger()


# ---------------------------------------------------------------- the start


@click.command()
@click.argument("application")
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", type=int, default=8000, show_default=True)
@click.option("--workers", type=int, default=2, show_default=True, help="Processes.")
@click.option(
    "--end-seconds", type=int, default=20, help="For what has begun when the server is to end."
)
def main(application: str, host: str, port: int, workers: int, end_seconds: int) -> None:
    """Serve APPLICATION (`module:factory`), which makes what a worker drives."""
    from granian import Granian  # noqa: PLC0415 (no worker needs it)
    from granian.constants import HTTPModes, Interfaces, Loops  # noqa: PLC0415
    from granian.errors import FatalError  # noqa: PLC0415
    from granian.http import HTTP1Settings  # noqa: PLC0415
    from granian.log import LogLevels  # noqa: PLC0415

    load(application)
    server = Granian(
        application,
        factory=True,
        interface=Interfaces.RSGI,
        address=host,
        port=port,
        workers=workers,
        loop=Loops.uvloop,
        http=HTTPModes.http1,
        http1_settings=HTTP1Settings(header_read_timeout=HEAD_MILLISECONDS),
        websockets=False,
        backlog=BACKLOG,
        backpressure=CONNECTIONS,
        respawn_failed_workers=True,
        respawn_interval=RESPAWN_SECONDS,
        workers_kill_timeout=end_seconds,
        log_level=LogLevels.error,
    )
    try:
        server.serve()
    except FatalError:
        raise click.exceptions.Exit(1) from None


def load(application: str) -> None:
    """Load the module of `module:factory`, and what its `prepare_workers` says that workers share.

    Where workers are no copies (on macOS) they would have nothing of it.
    """
    if multiprocessing.get_start_method() != "fork":
        return
    module = importlib.import_module(application.partition(":")[0])
    getattr(module, "prepare_workers", lambda: None)()
    # A worker that looked for garbage here would write to each page, and so have its own copy.
    gc.collect()
    gc.freeze()


# ---------------------------------------------------------------- the end


def _end() -> None:
    """The server ends by this signal as by the other, which we have taken from it."""
    os.kill(os.getpid(), signal.SIGINT)


class Draining:
    """How a worker goes: it says that it is not ready, answers what still comes, and ends.

    SIGTERM comes from the server's main process, which got it from whatever replaces this version.
    A proxy in front needs a moment to notice, and sends requests here until then. So `/readyz`
    answers 503 at once, each answer closes its connection, and the server is told to end only
    `seconds` later. With 0 seconds it ends at once, as it does by itself.
    """

    def __init__(self, seconds: float, *, end: Callable[[], None] = _end) -> None:
        self._seconds, self._end = seconds, end
        self.has_begun = False

    def listen(self, loop: asyncio.AbstractEventLoop) -> None:
        """Hear of SIGTERM in the place of the server, which has begun to listen before."""
        if self._seconds > 0:
            loop.add_signal_handler(signal.SIGTERM, self.begin, loop)

    def look_for(self, server: int, loop: asyncio.AbstractEventLoop) -> None:
        """Go when the server's main process (its id) is gone: another one would share the port."""
        if os.getppid() != server:
            log.error("the server is gone: this worker ends")
            self.begin(loop)
        else:
            loop.call_later(LOOK_FOR_SERVER_SECONDS, self.look_for, server, loop)

    def begin(self, loop: asyncio.AbstractEventLoop) -> None:
        """The worker is to go; a second signal changes nothing."""
        if self.has_begun:
            return
        self.has_begun = True
        log.info("not ready any more: this worker ends", seconds=self._seconds)
        loop.call_later(self._seconds, self._end)


# ---------------------------------------------------------------- requests


class Refused(Exception):
    """The request cannot be read whole; the client is told, and the connection closed."""

    def __init__(self, status: int, reason: str, sentence: str) -> None:
        super().__init__(sentence)
        self.status, self.reason, self.sentence = status, reason, sentence


class WholeRequests:
    """What granian drives by RSGI, one in each worker: `app` answers in threads of ours.

    The event loop waits for bodies: a client that is slow, or never sends the rest, costs a little
    memory for `seconds` and is then closed. A long answer is written to a file first, which the
    server sends by itself, so a client that reads slowly holds no thread either.

    Webhooks of the telephone and of texts are answered by `steps` threads, everything else by
    `threads` others: a step of a call waits for other steps alone. `at_once` answers what needs
    neither a thread nor the store, or returns None; the event loop calls it, so it may not wait.

    `number` (E.164) is what pages of errors say to ring. `begins` is called once, in the worker's
    own process, before any request. `under_way` counts requests that were read, and answers.
    """

    def __init__(
        self,
        app: Wsgi,
        threads: int,
        at_once: Callable[[Environ, Any], Iterable[bytes] | None] = lambda *_: None,
        *,
        steps: int = 0,
        seconds: float = BODY_SECONDS,
        draining: Draining | None = None,
        number: str = "",
        begins: Callable[[], object] = lambda: None,
        under_way: UnderWay | None = None,
    ) -> None:
        self._app, self._at_once = app, at_once
        self._of_steps = ThreadPoolExecutor(steps or threads, "answers-steps")
        self._of_others = ThreadPoolExecutor(threads, "answers-others")
        self._seconds = seconds
        self._draining = draining or Draining(0)
        self._number = number
        self._begins = begins
        self._under_way = under_way or UnderWay()

    # Names that the server looks for.

    def __rsgi_init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._draining.listen(loop)
        self._draining.look_for(os.getppid(), loop)
        self._begins()

    async def __rsgi__(self, scope: Any, protocol: Any) -> None:
        body = b""
        if scope.method not in _WITHOUT_BODY:
            try:
                body = await self._body(scope.headers, protocol)
            except Refused as refused:
                UNREAD.labels(refused.reason).inc()
                environ = environ_of(scope, b"")
                headers, page = self._error(refused.status, environ, refused.sentence)
                protocol.response_bytes(refused.status, headers, page)
                return
        environ = environ_of(scope, body)
        if self._is_answered_at_once(environ, protocol):
            return
        threads = self._of_steps if scope.path.startswith(_STEPS) else self._of_others
        loop = asyncio.get_running_loop()
        self._under_way.requests += 1
        try:
            named = await loop.run_in_executor(threads, self._serve, environ, protocol)
        finally:
            self._under_way.requests -= 1
            self._under_way.answers += 1
        if named is not None:
            loop.call_later(NAMED_SECONDS, _remove, named)

    async def _body(self, headers: Any, protocol: Any) -> bytes:
        """All that the client sends. Raises Refused where it is too long, or takes too long."""
        length = headers.get("content-length")
        if length is None and "transfer-encoding" not in headers:
            return b""
        if length is not None and int(length) > MOST_BYTES:
            raise Refused(413, "too_large", f"at most {MOST_BYTES} bytes")
        try:
            async with asyncio.timeout(self._seconds):
                if length is not None:
                    return bytes(await protocol())
                parts = bytearray()
                async for chunk in protocol:
                    parts += chunk
                    if len(parts) > MOST_BYTES:
                        raise Refused(413, "too_large", f"at most {MOST_BYTES} bytes")
                return bytes(parts)
        except TimeoutError:
            raise Refused(408, "too_slow", "the request did not come in time") from None
        except RuntimeError:
            # The client has gone, or sent what is no body.
            raise Refused(400, "broken_off", "the request could not be read") from None

    def _is_answered_at_once(self, environ: Environ, protocol: Any) -> bool:
        answer = _Answer()
        try:
            chunks = self._at_once(environ, answer.start)
        except Exception as error:  # noqa: BLE001 (a thread answers, or says that it cannot)
            log.error("request not answered at once", error=type(error).__name__)
            return False
        if chunks is None:
            return False
        self._under_way.answers += 1
        protocol.response_bytes(answer.status, self._closing(answer.headers), b"".join(chunks))
        return True

    def _error(self, status: int, environ: Environ, sentence: str) -> tuple[Headers, bytes]:
        """What this layer answers by itself: a page to a person, a sentence to a machine."""
        if not self._number or not is_for_a_person(environ):
            return _CLOSE, f"{sentence}\n".encode()
        page = alone.page(status, language_for(environ), self._number)
        return [*alone.headers(), ("Connection", "close")], page

    def _closing(self, headers: Headers) -> Headers:
        """These headers; where this worker goes, the client is not to use the connection again."""
        return [*headers, ("Connection", "close")] if self._draining.has_begun else headers

    # In a thread.

    def _serve(self, environ: Environ, protocol: Any) -> Path | None:
        """Answer from memory, or from a file, which is returned and to be removed later."""
        try:
            answer = _Answer()
            body = answer.whole(self._app(environ, answer.start))
            headers = self._closing(answer.headers)
            if len(body) <= IN_MEMORY:
                protocol.response_bytes(answer.status, headers, body)
                return None
            with tempfile.NamedTemporaryFile(prefix="allo-answer-", delete=False) as file:
                file.write(body)
            protocol.response_file(answer.status, headers, file.name)
            return Path(file.name)
        except Exception as error:  # noqa: BLE001 (the application answers its own failures)
            log.error("request not answered", error=type(error).__name__)
            headers, page = self._error(500, environ, "")
            # The client may have an answer already, or have gone.
            with suppress(Exception):
                protocol.response_bytes(500, headers, page)
            return None


class _Answer:
    """What an application answers: status and headers by `start`, and a body."""

    status: int
    headers: Headers

    def start(self, status: str, headers: Headers, _error: Any = None) -> None:
        self.status, self.headers = int(status[:3]), headers

    @staticmethod
    def whole(chunks: Iterable[bytes]) -> bytes:
        try:
            return b"".join(chunks)
        finally:
            getattr(chunks, "close", lambda: None)()


def environ_of(scope: Any, body: bytes) -> Environ:
    """The request as WSGI has it; of headers only those whose names no proxy mistakes."""
    environ = _FIXED.copy()
    environ["REQUEST_METHOD"] = scope.method
    # The bytes of the path, each as one letter.
    environ["PATH_INFO"] = scope.path.encode("utf-8", "replace").decode("latin-1")
    environ["QUERY_STRING"] = scope.query_string
    # The host of "127.0.0.1:5000" or "[::1]:5000".
    environ["REMOTE_ADDR"] = scope.client.rpartition(":")[0].strip("[]")
    environ["SERVER_NAME"], _, environ["SERVER_PORT"] = scope.server.rpartition(":")
    environ["wsgi.url_scheme"] = scope.scheme
    environ["wsgi.input"] = io.BytesIO(body)
    for name, value in scope.headers.items():
        key = _key_of(name)
        if key is None:
            continue
        before = environ.get(key)
        if before is not None:
            # Several of one name are a list; those of a browser's cookies go on with a semicolon.
            environ[key] = f"{before}{';' if name == 'cookie' else ','}{value}"
        else:
            environ[key] = value
    environ["CONTENT_TYPE"] = environ.pop("HTTP_CONTENT_TYPE", "")
    environ.pop("HTTP_CONTENT_LENGTH", None)
    environ.pop("HTTP_TRANSFER_ENCODING", None)
    environ["CONTENT_LENGTH"] = str(len(body))
    return environ


@lru_cache(maxsize=256)
def _key_of(name: str) -> str | None:
    """What WSGI calls a header, or None where its name has an underscore.

    That name would be the same here as one with a hyphen, which a proxy in front may have written
    or taken away.
    """
    return None if "_" in name else f"HTTP_{name.upper().replace('-', '_')}"


def _remove(path: Path) -> None:
    with suppress(OSError):
        path.unlink()


if __name__ == "__main__":
    main()
