"""Answers whose heads have no end are broken off.

A time limit of an HTTP client is for each silence, and each byte of a head ends one. A server that
sends a byte a second could hold the asking process for days. Bodies are read, and broken off, by
the code that asks.
"""

from __future__ import annotations

import socket
import threading

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import requests

from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection


def in_time(session: requests.Session, seconds: Callable[[], float]) -> None:
    """Let no head of an answer to this session take longer; it fails like a silence."""

    class Connection(HTTPConnection):
        def getresponse(self) -> Any:
            with _broken_off(self.sock, seconds()):
                return super().getresponse()

    class SafeConnection(HTTPSConnection):
        def getresponse(self) -> Any:
            with _broken_off(self.sock, seconds()):
                return super().getresponse()

    class Pool(HTTPConnectionPool):
        ConnectionCls = Connection

    class SafePool(HTTPSConnectionPool):
        ConnectionCls = SafeConnection

    adapter = HTTPAdapter()
    adapter.poolmanager.pool_classes_by_scheme = {"http": Pool, "https": SafePool}
    session.mount("http://", adapter)
    session.mount("https://", adapter)


@contextmanager
def _broken_off(sock: socket.socket | None, seconds: float) -> Iterator[None]:
    """Raises TimeoutError after so many seconds."""
    over = threading.Event()

    def break_off() -> None:
        over.set()
        if sock is not None:
            with suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)

    timer = threading.Timer(seconds, break_off)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
    # What was cut off reads like a head that is over.
    if over.is_set():
        raise TimeoutError
