"""Ports for servers of a test.

A port that the machine itself hands out may be the near end of somebody else's connection a moment
later, and with thousands of connections to PostgreSQL and Redis now and then is.  So these are
taken from below the range from which Linux hands out (32768 to 60999), and from above the one in
which telephones take their sound by default (20000 to 20999).
"""

from __future__ import annotations

import random
import socket

from contextlib import suppress

HOST = "127.0.0.1"
LOWEST, HIGHEST = 21_000, 32_000

# Each process of a run draws its own ports.
_drawn = random.SystemRandom()


def free_port() -> int:
    """A port of the loopback address that nobody listens at, neither over TCP nor over UDP."""
    while True:
        port = _drawn.randint(LOWEST, HIGHEST)
        with (
            socket.socket() as tcp,
            socket.socket(type=socket.SOCK_DGRAM) as udp,
            suppress(OSError),
        ):
            # As servers bind: what a server of a moment ago left (TIME_WAIT) is no hindrance.
            tcp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            tcp.bind((HOST, port))
            tcp.listen(1)
            udp.bind((HOST, port))
            return port
