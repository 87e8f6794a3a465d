"""Visitors who each open a connection with TLS of its own, ask for one page, and close it.

`python -m bench.crowd FILE` is some of them at a time for some seconds (see `CrowdPlan`), in a
process of its own; it writes what it saw as one line of JSON. wrk is no crowd: each of its
connections goes on with the TLS session of the one before, which spares both ends the dearest part.
"""

from __future__ import annotations

import json
import os
import socket
import ssl
import sys
import threading
import time

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path

from bench.helpers import outcome_of
from launcher.ports import HOST

# Visitors at a time, in each process.
AT_ONCE = 16
# Seconds: an answer that takes longer is none.
LONGEST = 20.0
_READ = 65_536
_OK = b"HTTP/1.1 200 "


@dataclass(frozen=True)
class CrowdPlan:
    """Where they go: a port of this machine, by a name, for these pages in turn."""

    port: int
    name: str
    pages: Sequence[str]
    seconds: float


@dataclass
class Came:
    """What came of them. `processor` is what they took themselves, in seconds."""

    seconds: float = 0.0
    answers: int = 0
    # Answers that were no page, and connections that broke.
    refused: int = 0
    broken: int = 0
    processor: float = 0.0


def come(plan: CrowdPlan, folder: Path, processes: int) -> Came:
    """Let them come from so many processes. Raises CannotMeasure."""

    def some(number: int) -> Came:
        file = folder / f"crowd-{number}.json"
        return Came(**outcome_of("bench.crowd", plan, file, plan.seconds + LONGEST + 40))

    with ThreadPoolExecutor(processes) as pool:
        return together(list(pool.map(some, range(processes))))


def together(some: Sequence[Came]) -> Came:
    """What all processes saw; they came at the same time."""
    return Came(
        max(one.seconds for one in some),
        sum(one.answers for one in some),
        sum(one.refused for one in some),
        sum(one.broken for one in some),
        sum(one.processor for one in some),
    )


def request(name: str, path: str) -> bytes:
    """Return what a visitor sends."""
    return (
        f"GET {path} HTTP/1.1\r\nHost: {name}\r\nAccept: text/html\r\nAccept-Language: fr\r\n"
        "Accept-Encoding: gzip, deflate, br\r\nConnection: close\r\n\r\n"
    ).encode("ascii")


@dataclass
class _Crowd:
    plan: CrowdPlan
    seen: Came = field(default_factory=Came)
    _counting: threading.Lock = field(default_factory=threading.Lock)

    def all(self) -> Came:
        until = (began := time.monotonic()) + self.plan.seconds
        before = _processor()
        with ThreadPoolExecutor(AT_ONCE) as pool:
            list(pool.map(lambda number: self._one_after_the_other(number, until), range(AT_ONCE)))
        self.seen.seconds = time.monotonic() - began
        self.seen.processor = _processor() - before
        return self.seen

    def _one_after_the_other(self, number: int, until: float) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        # Whose certificate it is costs the visitor, and not the site.
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        requests = [request(self.plan.name, path) for path in self.plan.pages]
        more = True
        while more:
            number += 1
            try:
                answer = self._visits(context, requests[number % len(requests)])
            except OSError:
                answer = b""
            with self._counting:
                self.seen.answers += bool(answer)
                self.seen.broken += not answer
                self.seen.refused += bool(answer) and not answer.startswith(_OK)
            more = time.monotonic() < until

    def _visits(self, context: ssl.SSLContext, asked: bytes) -> bytes:
        """The first of what is answered, when all of it was read."""
        with (
            socket.create_connection((HOST, self.plan.port), LONGEST) as plain,
            # A new session each time: none is given to go on with.
            context.wrap_socket(plain, server_hostname=self.plan.name) as secure,
        ):
            secure.sendall(asked)
            first = part = secure.recv(_READ)
            while part:
                part = secure.recv(_READ)
            return first


def _processor() -> float:
    used = os.times()
    return used.user + used.system


if __name__ == "__main__":
    _plan = CrowdPlan(**json.loads(Path(sys.argv[1]).read_text("utf-8")))
    print(json.dumps(asdict(_Crowd(_plan).all())))
