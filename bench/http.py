"""HTTP as the people of the bench speak it, over connections that are kept open.

The web server closes one that lay idle for some seconds. It is opened anew, as a proxy does it:
no caller notices.
"""

from __future__ import annotations

import asyncio
import contextlib

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from bench import traffic
from tools.launcher import ports

SERVICE = traffic.BASE.removeprefix("https://")
# Seconds: an answer that takes longer is none.
LONGEST = 20.0
OK, SEE_OTHER, BAD, CONFLICT, BUSY = 200, 303, 400, 409, 503
# Status, headers by their names in lower case, and body; 0 where there was no answer.
Answer = tuple[int, dict[str, list[str]], bytes]


def request(
    path: str, form: Mapping[str, str] | None = None, headers: Mapping[str, str] | None = None
) -> bytes:
    """Return a request of a browser as it is on the wire; with a form it is sent."""
    body = urlencode(form or {})
    lines = {"Host": SERVICE, **(headers or {})}
    if form is not None:
        lines |= {
            "Origin": traffic.BASE,
            "Content-Type": "application/x-www-form-urlencoded",
            "Content-Length": str(len(body)),
        }
    head = [f"{'GET' if form is None else 'POST'} {path} HTTP/1.1"]
    head += [f"{name}: {value}" for name, value in lines.items()]
    return ("\r\n".join(head) + "\r\n\r\n" + body).encode("ascii")


@dataclass
class Connections:
    """At most so many to a port of this machine, used in turn; one request on each."""

    port: int
    most: int
    broken: int = 0
    _free: asyncio.Queue[Any] = field(default_factory=asyncio.Queue)

    def __post_init__(self) -> None:
        for _ in range(self.most):
            self._free.put_nowait(None)

    @asynccontextmanager
    async def _one(self) -> AsyncIterator[list[Any]]:
        """A list with a reader and a writer; an empty one where none is open."""
        pair: list[Any] = list(await self._free.get() or ())
        try:
            yield pair
        except BaseException:
            _close(pair)
            raise
        finally:
            self._free.put_nowait(tuple(pair) or None)

    async def send(self, asked: bytes) -> Answer:
        """Return what is answered."""
        try:
            async with asyncio.timeout(LONGEST), self._one() as pair:
                found = await _answer(await self._asked(pair, asked), pair[0])
                if "close" in found[1].get("connection", ()):
                    _close(pair)
                return found
        except (OSError, asyncio.IncompleteReadError, ValueError):
            self.broken += 1
            return 0, {}, b""

    async def _asked(self, pair: list[Any], asked: bytes) -> bytes:
        """Send a request and return the head of its answer, on a new connection where need be."""
        if pair and not _is_closed(pair):
            pair[1].write(asked)
            try:
                return await _head(pair[0])
            except (OSError, asyncio.IncompleteReadError) as error:
                if getattr(error, "partial", b""):
                    raise
        # Not a byte came: it lay idle and was closed, just now or before.
        _close(pair)
        pair[:] = await asyncio.open_connection(ports.HOST, self.port)
        pair[1].write(asked)
        return await _head(pair[0])

    async def close(self) -> None:
        """Close all of them, each when no request uses it any more."""
        for _ in range(self.most):
            kept = await self._free.get()
            if kept:
                kept[1].close()
                with contextlib.suppress(OSError):
                    await kept[1].wait_closed()


def _is_closed(pair: Sequence[Any]) -> bool:
    """Whether the other end has closed a connection while nothing was asked on it."""
    reader, writer = pair
    return bool(reader.at_eof() or reader.exception() is not None or writer.is_closing())


def _close(pair: list[Any]) -> None:
    if pair:
        pair[1].close()
    pair.clear()


async def _head(reader: asyncio.StreamReader) -> bytes:
    return await reader.readuntil(b"\r\n\r\n")


async def _answer(raw: bytes, reader: asyncio.StreamReader) -> Answer:
    first, *lines = raw.decode("latin-1").split("\r\n")
    headers: dict[str, list[str]] = {}
    for name, colon, value in (line.partition(": ") for line in lines):
        if colon:
            headers.setdefault(name.lower(), []).append(value)
    status = int(first.split(" ", 2)[1])
    if "chunked" in headers.get("transfer-encoding", ()):
        body = b""
        while size := int(await reader.readline(), 16):
            body += await reader.readexactly(size)
            await reader.readexactly(2)
        await reader.readexactly(2)
        return status, headers, body
    return status, headers, await reader.readexactly(int(headers.get("content-length", ["0"])[0]))
