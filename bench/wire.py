"""HTTP as the bench sends it: whole requests, on connections that are kept open."""

from __future__ import annotations

import asyncio

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from launcher.ports import HOST

# Seconds: an answer that takes longer is none.
LONGEST = 20.0
# Answers from here on are refusals and failures.
BAD = 400


def request(path: str, headers: Mapping[str, str], form: Mapping[str, str] | None = None) -> bytes:
    """Return a GET, or a POST of a form, ready for the wire; a header without a value is left out.

    `headers` need Host.
    """
    lines = [f"{'GET' if form is None else 'POST'} {path} HTTP/1.1"]
    body = "" if form is None else urlencode(form)
    if form is not None:
        kind = "application/x-www-form-urlencoded"
        headers = {**headers, "Content-Type": kind, "Content-Length": str(len(body))}
    lines += [f"{name}: {value}" for name, value in headers.items() if value]
    return ("\r\n".join(lines) + "\r\n\r\n" + body).encode("ascii")


@dataclass
class Connections:
    """Connections that are kept open, as those of a proxy in front are: one request on each."""

    port: int
    most: int
    broken: int = 0
    # Requests that were sent once more, for their connection had been closed.
    repeated: int = 0
    _free: asyncio.Queue[Any] = field(default_factory=asyncio.Queue)

    def __post_init__(self) -> None:
        for _ in range(self.most):
            self._free.put_nowait(None)

    @asynccontextmanager
    async def one(self) -> AsyncIterator[list[Any]]:
        """A list with a reader and a writer; whoever empties it has broken them."""
        kept = await self._free.get()
        pair: list[Any] = list(kept or ())
        try:
            if not pair:
                pair = list(await asyncio.open_connection(HOST, self.port))
            yield pair
        except BaseException:
            if pair:
                pair[1].close()
            pair = []
            raise
        finally:
            self._free.put_nowait(tuple(pair) or None)

    async def send(self, request: bytes) -> tuple[int, dict[str, list[str]], bytes]:
        """Status, headers and body; 0 where there was no answer."""
        for attempt in range(2):
            try:
                async with asyncio.timeout(LONGEST), self.one() as pair:
                    pair[1].write(request)
                    found = await read(pair[0])
                    if "close" in found[1].get("connection", ()):
                        pair[1].close()
                        pair.clear()
                    return found
            except (OSError, asyncio.IncompleteReadError, ValueError):
                # One that lay idle may have been closed meanwhile; nothing was done then.
                if attempt:
                    break
                self.repeated += 1
            except TimeoutError:
                break
        self.broken += 1
        return 0, {}, b""


async def read(reader: asyncio.StreamReader) -> tuple[int, dict[str, list[str]], bytes]:
    """Return status, headers by their names in lower case, and body of an answer."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    headers: dict[str, list[str]] = {}
    for line in head[1:]:
        name, colon, value = line.partition(": ")
        if colon:
            headers.setdefault(name.lower(), []).append(value)
    status = int(head[0].split(" ", 2)[1])
    if "chunked" in headers.get("transfer-encoding", ()):
        body = b""
        while size := int(await reader.readline(), 16):
            body += await reader.readexactly(size)
            await reader.readexactly(2)
        await reader.readexactly(2)
        return status, headers, body
    return status, headers, await reader.readexactly(int(headers.get("content-length", ["0"])[0]))
