"""What the HTTP server drives: it reads each request whole before it takes a thread for it.

The server speaks RSGI, whose event loop waits for bodies: a client that is slow, or never sends the
rest, costs a little memory for `BODY_SECONDS` and is then closed, and no thread waits for it. The
application behind is WSGI and answers in threads of ours. The server itself closes a connection
whose headers do not come (`--http1-header-read-timeout` of the Procfiles).

A thread costs a quarter of a MiB once it has worked, so one more is begun only when all that there
are have work. A request that waits for its turn waits here, and not in a thread of its own: a
thread that has answered one goes on with the next.

A thread does not wake the event loop when it has answered. The client has its answer by then, and a
loop that wakes takes the interpreter's lock from a thread that has work. The loop hears of answers
when the next request comes, or `HEARS_SECONDS` later.

An answer longer than `IN_MEMORY` is written to a file first, which the server then sends by itself:
a client that reads slowly holds no thread either.
"""

from __future__ import annotations

import asyncio
import io
import sys
import tempfile
import threading

from collections import deque
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import lru_cache, partial
from pathlib import Path
from queue import SimpleQueue
from typing import Any, Final, NamedTuple

import structlog

from services.telemetry import UNREAD
from web import alone
from web.admission.draining import Draining
from web.admission.parts import (
    Environ,
    Headers,
    UnderWay,
    Wsgi,
    is_for_a_person,
    language_for,
)

# Seconds that a client has for the whole body, and the most bytes that it may have.
BODY_SECONDS: Final = 5.0
MOST_BYTES: Final = 64 * 1024
# Bytes of an answer that are kept in memory for the client, and seconds until a file that holds a
# longer one may lose its name: the server has opened it long before.
IN_MEMORY: Final = 1024 * 1024
NAMED_SECONDS: Final = 60.0
# Seconds after which the event loop looks by itself for requests that were answered.
HEARS_SECONDS: Final = 0.05
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


class Refused(Exception):
    """The request cannot be read whole; the client is told, and the connection closed."""

    def __init__(self, status: int, reason: str, sentence: str) -> None:
        super().__init__(sentence)
        self.status, self.reason, self.sentence = status, reason, sentence


class _Request(NamedTuple):
    """A request that was read whole, and whom its answer is for."""

    environ: Environ
    protocol: Any
    answered: asyncio.Future[None]
    is_step: bool


class _LineOfSteps:
    """The telephone's steps: so many are answered at once, the others wait here."""

    def __init__(self, turns: int) -> None:
        self._free = turns
        self._waiting: deque[_Request] = deque()
        self._counting = threading.Lock()

    def begins(self, step: _Request) -> bool:
        """Whether it is the turn of this step; else it is the one `following` another, later."""
        with self._counting:
            if self._free:
                self._free -= 1
                return True
            self._waiting.append(step)
        return False

    def following(self) -> _Request | None:
        """The step that has the turn of one that was answered, if any waits."""
        with self._counting:
            if self._waiting:
                return self._waiting.popleft()
            self._free += 1
        return None


class WholeRequests:
    """One for each web worker: `app` answers in up to `threads` threads, `steps` of calls at once.

    `at_once` answers what needs neither a thread nor the store, or returns None. `asks` says
    whether a thread may answer any other request that is no step now; else it calls what it was
    given when one may. `give_up` is called again and again, for those that have waited too long.
    The event loop calls all three, and they may not wait.

    `number` (E.164) is what pages of errors say to ring. `begins` is called once, in the worker's
    own process, before anybody asks anything. `under_way` is told how many requests wait for a
    thread or have one.
    """

    def __init__(
        self,
        app: Wsgi,
        threads: int,
        at_once: Callable[[Environ, Any], Iterable[bytes] | None] = lambda *_: None,
        *,
        asks: Callable[[Environ, Callable[[], None]], bool] = lambda *_: True,
        give_up: Callable[[], None] = lambda: None,
        steps: int = 0,
        seconds: float = BODY_SECONDS,
        draining: Draining | None = None,
        number: str = "",
        begins: Callable[[], object] = lambda: None,
        under_way: UnderWay | None = None,
    ) -> None:
        self._app, self._threads, self._at_once = app, threads, at_once
        self._asks, self._give_up = asks, give_up
        self._steps = _LineOfSteps(steps or threads)
        # Of the event loop alone: threads that there are, those that have work as far as it has
        # heard, and whether it will look.
        self._begun = self._busy = 0
        self._will_look = False
        # From threads to the event loop: what was answered, and whether the thread is free again.
        self._answered: deque[tuple[asyncio.Future[None], bool]] = deque()
        self._seconds = seconds
        self._draining = draining or Draining(0)
        self._number = number
        self._begins = begins
        self._under_way = under_way or UnderWay()
        self._read: SimpleQueue[_Request] = SimpleQueue()
        # Of each thread: the request whose turn has come by its answer to another.
        self._mine = threading.local()

    # Names that the server looks for.

    def __rsgi_init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._draining.listen(loop)
        self._begins()

    async def __rsgi__(self, scope: Any, protocol: Any) -> None:
        method = scope.method
        body = b""
        if method not in _WITHOUT_BODY:
            try:
                body = await self._body(scope.headers, protocol)
            except Refused as refused:
                UNREAD.labels(refused.reason).inc()
                environ = environ_of(scope, method, b"")
                headers, page = self._error(refused.status, environ, refused.sentence)
                protocol.response_bytes(refused.status, headers, page)
                return
        environ = environ_of(scope, method, body)
        if self._is_answered_at_once(environ, protocol):
            return
        loop = asyncio.get_running_loop()
        is_step = scope.path.startswith(_STEPS)
        request = _Request(environ, protocol, loop.create_future(), is_step)
        self._under_way.requests += 1
        try:
            if self._steps.begins(request) if is_step else self._has_turn(request, loop):
                self._hand_over(request, loop)
            else:
                self._looks(loop)
            await request.answered
        finally:
            self._under_way.requests -= 1

    def _is_answered_at_once(self, environ: Environ, protocol: Any) -> bool:
        said: list[Any] = []
        try:
            chunks = self._at_once(environ, _noted(said))
        except Exception as error:  # noqa: BLE001 (a thread answers, or says that it cannot)
            log.error("request not answered at once", error=type(error).__name__)
            return False
        if chunks is None:
            return False
        status, headers = said
        protocol.response_bytes(int(status[:3]), self._closing(headers), b"".join(chunks))
        return True

    def _has_turn(self, request: _Request, loop: asyncio.AbstractEventLoop) -> bool:
        """Whether a thread may answer now what is no step; else `_go_on` is called when one may."""
        try:
            return self._asks(request.environ, partial(self._go_on, request, loop))
        except Exception as error:  # noqa: BLE001 (a thread answers, or says that it cannot)
            log.error("turn not asked for", error=type(error).__name__)
            return True

    def _go_on(self, request: _Request, loop: asyncio.AbstractEventLoop) -> None:
        """A request that waited may be answered: by this thread, where its answer gave the turn."""
        following: list[_Request] | None = getattr(self._mine, "following", None)
        if following is None or following:
            # The loop ends with the worker.
            with suppress(RuntimeError):
                loop.call_soon_threadsafe(self._hand_over, request, loop)
        else:
            following.append(request)

    def _hand_over(self, request: _Request, loop: asyncio.AbstractEventLoop) -> None:
        """Let a thread answer, a new one where all of them have work."""
        self._hear()
        self._looks(loop)
        self._busy += 1
        if self._begun < min(self._busy, self._threads):
            self._begun += 1
            threading.Thread(
                target=self._work, args=(loop,), name=f"answers-{self._begun}", daemon=True
            ).start()
        self._read.put(request)

    def _looks(self, loop: asyncio.AbstractEventLoop) -> None:
        if not self._will_look:
            self._will_look = True
            loop.call_later(HEARS_SECONDS, self._look, loop)

    def _look(self, loop: asyncio.AbstractEventLoop) -> None:
        """Hear of answers and give up who waits in vain, as long as requests are under way."""
        self._hear()
        self._will_look = False
        if self._under_way.requests:
            self._looks(loop)
        self._give_up()

    def _hear(self) -> None:
        """End the requests that were answered."""
        while self._answered:
            answered, is_free = self._answered.popleft()
            self._busy -= is_free
            # The loop may have given up the request while a thread answered.
            if not answered.done():
                answered.set_result(None)

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

    def _error(self, status: int, environ: Environ, sentence: str) -> tuple[Headers, bytes]:
        """What this layer answers by itself: a page to a person, a sentence to a machine."""
        if not self._number or not is_for_a_person(environ):
            return _CLOSE, f"{sentence}\n".encode()
        page = alone.page(status, language_for(environ), self._number)
        return [*alone.headers(), ("Connection", "close")], page

    # ------------------------------------------------------------ in the threads

    def _work(self, loop: asyncio.AbstractEventLoop) -> None:
        mine: list[_Request] = []
        self._mine.following = mine
        while True:
            request: _Request | None = self._read.get()
            while request is not None:
                # The loop may have given up a step that waited for its turn. What has a turn in the
                # gate goes there in any case, for it gives that turn back.
                if not request.is_step or not request.answered.done():
                    self._serve(request, loop)
                following = self._steps.following() if request.is_step else None
                if following is None and mine:
                    following = mine.pop()
                self._answered.append((request.answered, following is None))
                request = following

    def _serve(self, request: _Request, loop: asyncio.AbstractEventLoop) -> None:
        environ, protocol, *_ = request
        try:
            named = self._answer(environ, protocol)
            if named is not None:
                loop.call_soon_threadsafe(loop.call_later, NAMED_SECONDS, _remove, named)
        except Exception as error:  # noqa: BLE001 (the application answers its own failures)
            log.error("request not answered", error=type(error).__name__)
            headers, page = self._error(500, environ, "")
            # It may have an answer already, or the client has gone.
            with suppress(Exception):
                protocol.response_bytes(500, headers, page)

    def _closing(self, headers: Headers) -> Headers:
        """These headers; where this worker goes, the client is not to use the connection again."""
        return [*headers, ("Connection", "close")] if self._draining.has_begun else headers

    def _answer(self, environ: Environ, protocol: Any) -> Path | None:
        """Answer from memory, or from a file, which is returned and to be removed later."""
        said: list[Any] = []
        chunks = self._app(environ, _noted(said))
        try:
            body, rest = _begin(chunks)
            # The application may say its headers with the first chunk.
            status, headers = said
            code, headers = int(status[:3]), self._closing(headers)
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


def environ_of(scope: Any, method: str, body: bytes) -> Environ:
    """The request as WSGI has it; of headers only those whose names no proxy mistakes."""
    environ = _FIXED.copy()
    environ["REQUEST_METHOD"] = method
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


def _host(address: str) -> str:
    """The host of "127.0.0.1:5000" or "[::1]:5000"."""
    return address.rpartition(":")[0].strip("[]")


def _noted(said: list[Any]) -> Callable[..., None]:
    def start_response(status: str, headers: Headers, _error: Any = None) -> None:
        said[:] = status, headers

    return start_response


def _remove(path: Path) -> None:
    with suppress(OSError):
        path.unlink()
