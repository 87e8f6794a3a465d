"""What the HTTP server drives: it reads each request whole before it takes a thread for it.

The server speaks RSGI: what reads a body is no thread. A client that is slow, or never sends the
rest, costs a little memory for `BODY_SECONDS` and is then closed. The application behind is WSGI
and answers in threads of ours. The server itself closes a connection whose headers do not come
(`--http1-header-read-timeout` of the Procfiles).

Most bodies are there together with their headers. Such a request goes from the server straight to
one of our threads; the event loop waits for the others. docs/decisions/0026 has what that costs.

An answer longer than `IN_MEMORY` is written to a file first, which the server then sends by itself:
a client that reads slowly holds no thread either.
"""

from __future__ import annotations

import asyncio
import io
import sys
import tempfile
import threading
import time

from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from queue import SimpleQueue
from typing import Any, Final, NamedTuple

import structlog

from services.telemetry import UNREAD
from web.admission.parts import Environ, Headers, Wsgi

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


class Refused(Exception):
    """The request cannot be read whole; the client is told, and the connection closed."""

    def __init__(self, status: int, reason: str, sentence: str) -> None:
        super().__init__(sentence)
        self.status, self.reason, self.sentence = status, reason, sentence


class _Request(NamedTuple):
    """A request for a thread, and whom its answer is for.

    `body` is all of it, or what the server promises it by; `environ` is there where it was needed
    before. `answered` is who waits for the end, if anybody does.
    """

    scope: Any
    protocol: Any
    body: Any
    environ: Environ | None = None
    answered: asyncio.Future[None] | None = None


class WholeRequests:
    """One for each web worker: `app` answers in `threads` threads.

    `at_once` answers what needs neither a thread nor the store, or returns None; it is called where
    all requests come in and may not wait.
    """

    def __init__(
        self,
        app: Wsgi,
        threads: int,
        at_once: Callable[[Environ, Any], Iterable[bytes] | None] = lambda *_: None,
        *,
        seconds: float = BODY_SECONDS,
    ) -> None:
        self._app, self._threads, self._at_once = app, threads, at_once
        self._seconds = seconds
        self._read: SimpleQueue[_Request] = SimpleQueue()
        self._waiting = set[asyncio.Future[None]]()

    # Names that the server looks for.

    def __rsgi_init__(self, loop: asyncio.AbstractEventLoop) -> None:
        for number in range(self._threads):
            threading.Thread(
                target=self._work, args=(loop,), name=f"answers-{number}", daemon=True
            ).start()
        _ask_first(self.begin)

    async def __rsgi__(self, scope: Any, protocol: Any) -> None:
        """The way of a request that `begin` did not take."""
        if scope.method in _WITHOUT_BODY:
            request = self._without_body(scope, protocol)
        else:
            body = await self._body(scope, protocol)
            request = None if body is None else _Request(scope, protocol, body)
        if request is not None:
            answered = asyncio.get_running_loop().create_future()
            self._read.put(request._replace(answered=answered))
            await answered

    def begin(self, scope: Any, protocol: Any) -> bool:
        """Take a request whose body is not to be waited for, or is probably there.

        The server calls this in the thread that tells of all its requests, so it may not wait.
        """
        if scope.method in _WITHOUT_BODY:
            request = self._without_body(scope, protocol)
            if request is not None:
                self._read.put(request)
            return True
        length = scope.headers.get("content-length")
        if length is None or int(length) > MOST_BYTES:
            return False
        self._read.put(_Request(scope, protocol, protocol()))
        return True

    def _without_body(self, scope: Any, protocol: Any) -> _Request | None:
        """The request for a thread; None where it needed none and is answered."""
        environ = environ_of(scope, b"")
        if scope.method == "GET":
            said: list[Any] = []
            chunks = self._at_once(environ, _noted(said))
            if chunks is not None:
                protocol.response_bytes(int(said[0][:3]), said[1], b"".join(chunks))
                return None
        return _Request(scope, protocol, b"", environ)

    async def _body(self, scope: Any, protocol: Any, begun: Any = None) -> bytes | None:
        """All that the client sends; None where it is too long or too slow, and the client told so.

        `begun` is the server's promise of the body, where it was asked for already.
        """
        try:
            return await self._read_body(scope.headers, protocol, begun)
        except Refused as refused:
            UNREAD.labels(refused.reason).inc()
            protocol.response_str(refused.status, _CLOSE, f"{refused.sentence}\n")
            return None

    async def _read_body(self, headers: Any, protocol: Any, begun: Any) -> bytes:
        """Raises Refused."""
        length = headers.get("content-length")
        if length is None and "transfer-encoding" not in headers:
            return b""
        if length is not None and int(length) > MOST_BYTES:
            raise Refused(413, "too_large", f"at most {MOST_BYTES} bytes")
        try:
            async with asyncio.timeout(self._seconds):
                if length is not None:
                    return bytes(await (protocol() if begun is None else begun))
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

    def _wait(self, request: _Request) -> None:
        """The loop waits for a body that was not there when a thread looked."""
        task = asyncio.ensure_future(self._wait_for(request))
        self._waiting.add(task)
        task.add_done_callback(self._waiting.discard)

    async def _wait_for(self, request: _Request) -> None:
        body = await self._body(request.scope, request.protocol, request.body)
        if body is not None:
            self._read.put(request._replace(body=body))

    # ------------------------------------------------------------ in the threads

    def _work(self, loop: asyncio.AbstractEventLoop) -> None:
        while True:
            request = self._read.get()
            body = _read_of(request.body)
            if body is None:
                loop.call_soon_threadsafe(self._wait, request)
                continue
            protocol, answered = request.protocol, request.answered
            try:
                environ = request.environ or environ_of(request.scope, body)
                named = self._answer(environ, protocol)
                if named is not None:
                    loop.call_soon_threadsafe(loop.call_later, NAMED_SECONDS, _remove, named)
            except Exception as error:  # noqa: BLE001 (the application answers its own failures)
                log.error("request not answered", error=type(error).__name__)
                protocol.response_str(500, _CLOSE, "\n")
            finally:
                if answered is not None:
                    loop.call_soon_threadsafe(_done, answered)

    def _answer(self, environ: Environ, protocol: Any) -> Path | None:
        """Answer from memory, or from a file, which is returned and to be removed later."""
        said: list[Any] = []
        chunks = self._app(environ, _noted(said))
        try:
            body, rest = _begin(chunks)
            # The application may say its headers with the first chunk.
            status, headers = said
            code = int(status[:3])
            if len(body) <= IN_MEMORY:
                protocol.response_bytes(code, headers, body)
                return None
            with tempfile.NamedTemporaryFile(prefix="allo-answer-", delete=False) as file:
                file.write(body)
                file.writelines(rest)
            protocol.response_file(code, headers, file.name)
            return Path(file.name)
        finally:
            close = getattr(chunks, "close", None)
            if close is not None:
                close()


def _begin(chunks: Iterable[bytes]) -> tuple[bytes, Iterable[bytes]]:
    """All of a short answer, or the beginning of a long one and what follows."""
    if isinstance(chunks, list):
        return b"".join(chunks), ()
    begun, rest = b"", iter(chunks)
    for chunk in rest:
        begun += chunk
        if len(begun) > IN_MEMORY:
            break
    return begun, rest


def environ_of(scope: Any, body: bytes) -> Environ:
    """The request as WSGI has it; of headers only those whose names no proxy mistakes."""
    environ = _FIXED.copy()
    environ["REQUEST_METHOD"] = scope.method
    # The bytes of the path, each as one letter.
    environ["PATH_INFO"] = scope.path.encode("utf-8", "replace").decode("latin-1")
    environ["QUERY_STRING"] = scope.query_string
    environ["REMOTE_ADDR"] = _host(scope.client)
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


def _read_of(body: Any) -> bytes | None:
    """All of a body where it was read; the server's own thread is let run once to bring it."""
    if isinstance(body, bytes):
        return body
    if not body.done():
        time.sleep(0)
    if body.done():
        with suppress(RuntimeError):
            return bytes(body.result())
    return None


def _ask_first(begin: Callable[[Any, Any], bool]) -> None:
    """Have the server ask `begin` before it makes a coroutine of a request.

    A coroutine costs three more changes of threads: to the loop, to the body and back. The server
    has no setting for it; where its next version has other names, requests go by their coroutines.
    """
    # The server has loaded it; whoever else makes the application has no use for it.
    from granian import _futures as scheduling  # noqa: PLC0415

    for name in ("_cbsched_schedule", "_cbsched_aioschedule"):
        make = getattr(scheduling, name, None)
        if make is not None:
            setattr(scheduling, name, _asks_first(make, begin))


def _asks_first(make: Callable[..., Any], begin: Callable[[Any, Any], bool]) -> Callable[..., Any]:
    def schedule_of(*given: Any) -> Callable[[Any], None]:
        otherwise = make(*given)

        def schedule(watcher: Any) -> None:
            try:
                begun = begin(watcher.scope, watcher.proto)
            except Exception as error:  # noqa: BLE001 (nobody is there to raise it to)
                log.error("request not begun", error=type(error).__name__)
                begun = False
            if not begun:
                otherwise(watcher)

        return schedule

    return schedule_of


def _host(address: str) -> str:
    """The host of "127.0.0.1:5000" or "[::1]:5000"."""
    return address.rpartition(":")[0].strip("[]")


def _noted(said: list[Any]) -> Callable[..., None]:
    def start_response(status: str, headers: Headers, _error: Any = None) -> None:
        said[:] = status, headers

    return start_response


def _done(answered: asyncio.Future[None]) -> None:
    # The loop may have given up the request while a thread answered.
    if not answered.done():
        answered.set_result(None)


def _remove(path: Path) -> None:
    with suppress(OSError):
        path.unlink()
