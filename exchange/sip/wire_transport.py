"""Sockets of the wire: UDP and TCP on one port, and nothing from whom the plan does not name.

A datagram from elsewhere is dropped before anything of it is read, a connection closed before
anything is said. Over TCP messages are told apart by Content-Length, however they are cut up.
"""

import asyncio
import contextlib
import ipaddress
import re
import socket

from collections import Counter
from collections.abc import Callable
from functools import lru_cache
from typing import Final, cast

from exchange.sip.wire_parts import Cancellable, Limits, Peer, Times

Received = Callable[[bytes, Peer], None]
# Also `Content-Length :` and the compact `l:`, which aiosipua's own reader does not find.
_LENGTH: Final = re.compile(rb"(?im)^(?:content-length|l)[ \t]*:[ \t]*([0-9]{1,9})[ \t]*\r?$")
_END: Final = re.compile(rb"\r?\n\r?\n")
_BUFFER: Final = 2 * 2**20
_TRIES: Final = 20
# How soon it is noticed that nobody is at the other end of a connection any more: quiet for so
# long, asked so often (seconds), or what was sent is not acknowledged (milliseconds). Where a
# system has no such option, it is noticed when that system does.
_KEEP_ALIVE: Final = {
    "TCP_KEEPIDLE": 60,
    "TCP_KEEPINTVL": 10,
    "TCP_KEEPCNT": 3,
    "TCP_USER_TIMEOUT": 30_000,
}


def plain(host: str) -> str:
    """Return an address without its zone, and an IPv4 one that came in IPv6 as IPv4."""
    host = host.partition("%")[0]
    if host.lower().startswith("::ffff:"):
        mapped = ipaddress.ip_address(host)
        if isinstance(mapped, ipaddress.IPv6Address) and mapped.ipv4_mapped:
            return str(mapped.ipv4_mapped)
    return host


def _keep_alive(own: socket.socket) -> None:
    with contextlib.suppress(OSError):
        own.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for name, value in _KEEP_ALIVE.items():
            option = getattr(socket, name, None)
            if option is not None:
                own.setsockopt(socket.IPPROTO_TCP, option, value)


class Sockets:
    """Both sockets. Everything happens on the loop; nothing raises out of it."""

    def __init__(
        self,
        hears: Callable[[str], bool],
        received: Received,
        lost: Callable[[Peer], None],
        *,
        times: Times,
        limits: Limits,
        counts: Counter[str],
    ) -> None:
        # The same few addresses send everything, and each is looked up in a handful of networks.
        self.hears = lru_cache(1024)(hears)
        self.received, self.lost = received, lost
        self.times, self.limits, self.counts = times, limits, counts
        self.connections: dict[Peer, _Connection] = {}
        self._udp: asyncio.DatagramTransport | None = None
        self._tcp: asyncio.Server | None = None
        self._family = socket.AF_INET
        # Two calls that begin together want one connection: answers on any but the last known one
        # would not be read.
        self._connecting = asyncio.Lock()

    async def open(self, host: str, port: int) -> int:
        """Listen on both, and return the port: a free one where `port` is 0. Raises OSError."""
        self._family = socket.AF_INET6 if ":" in host else socket.AF_INET
        for left in reversed(range(_TRIES)):
            try:
                return await self._open(host, port)
            except OSError:
                await self.close()
                # With port 0 the one that UDP has may be somebody's over TCP.
                if port or not left:
                    raise
        raise AssertionError

    async def _open(self, host: str, port: int) -> int:
        loop = asyncio.get_running_loop()
        self._udp, _ = await loop.create_datagram_endpoint(
            lambda: _Datagrams(self), local_addr=(host, port)
        )
        own = cast(socket.socket, self._udp.get_extra_info("socket"))
        # A burst that is not read in time is thrown away by the system.
        own.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER)
        port = own.getsockname()[1]
        self._tcp = await loop.create_server(lambda: _Connection(self), host, port, backlog=64)
        return port

    async def close(self) -> None:
        """Close all there is; once is enough."""
        if self._udp is not None:
            self._udp.close()
        if self._tcp is not None:
            self._tcp.close()
        for connection in list(self.connections.values()):
            connection.close()
        if self._tcp is not None:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._tcp.wait_closed(), 5)
        self._udp = self._tcp = None

    def send(self, data: bytes, peer: Peer) -> bool:
        """Send to somebody who may be heard, and return whether that could be tried."""
        if not self.hears(peer.host):
            self.counts["not sent"] += 1
            return False
        if peer.transport == "TCP":
            connection = self.connections.get(peer)
            return connection is not None and connection.send(data)
        if self._udp is None or not 0 < peer.port < 65536:  # noqa: PLR2004
            return False
        try:
            self._udp.sendto(data, (self._there(peer.host), peer.port))
        except (OSError, ValueError):
            return False
        return True

    def _there(self, host: str) -> str:
        if self._family == socket.AF_INET6 and ":" not in host:
            return f"::ffff:{host}"
        return host

    def reaches(self, peer: Peer) -> bool:
        """Return whether something can be sent there: over TCP, while it is connected."""
        return peer.transport == "UDP" or peer in self.connections

    async def connect(self, host: str, port: int) -> Peer:
        """Return a connection to there, an open one where there is one. Raises OSError."""
        peer = Peer(host, port, "TCP")
        if not self.hears(host):
            raise OSError("not in the networks")
        async with asyncio.timeout(10), self._connecting:
            if peer not in self.connections:
                loop = asyncio.get_running_loop()
                await loop.create_connection(lambda: _Connection(self, ours=True), host, port)
        return peer


class _Datagrams(asyncio.DatagramProtocol):
    """See `Sockets`."""

    def __init__(self, sockets: Sockets) -> None:
        self._sockets = sockets

    def datagram_received(self, data: bytes, addr: tuple[str | int, ...]) -> None:
        sockets, host = self._sockets, plain(str(addr[0]))
        if not sockets.hears(host):
            sockets.counts["outside"] += 1
        elif len(data) > sockets.limits.datagram:
            sockets.counts["too long"] += 1
        elif data.strip(b"\r\n\0 "):
            # What is empty keeps an address translation open, and is not answered.
            sockets.received(data, Peer(host, int(addr[1]), "UDP"))

    def error_received(self, exc: Exception) -> None:
        # Somebody's port is closed; what was sent there is sent again, or given up, by its timer.
        self._sockets.counts["unreachable"] += 1


class _Connection(asyncio.Protocol):
    """One TCP connection, from either side."""

    def __init__(self, sockets: Sockets, *, ours: bool = False) -> None:
        self._sockets, self._ours = sockets, ours
        self._buffer = bytearray()
        self._transport: asyncio.Transport | None = None
        self._peer = Peer("", 0, "TCP")
        # When it was opened, or when the message that is not whole yet began.
        self._stalled = None if ours else self._later()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        sockets, address = self._sockets, transport.get_extra_info("peername")
        host = plain(str(address[0])) if address else ""
        self._peer = Peer(host, int(address[1]) if address else 0, "TCP")
        if not address or not sockets.hears(host):
            sockets.counts["outside"] += 1
            self.close()
            return
        same = sum(peer.host == host for peer in sockets.connections)
        limits = sockets.limits
        if not self._ours and (
            len(sockets.connections) >= limits.connections or same >= limits.connections_a_source
        ):
            sockets.counts["limited"] += 1
            self.close()
            return
        sockets.connections[self._peer] = self
        _keep_alive(cast(socket.socket, transport.get_extra_info("socket")))

    def data_received(self, data: bytes) -> None:
        if self._sockets.connections.get(self._peer) is not self:
            return
        self._buffer += data
        while (message := self._next()) is not None:
            self._quiet()
            self._sockets.received(message, self._peer)
        if self._buffer and self._stalled is None:
            self._stalled = self._later()

    def _next(self) -> bytes | None:
        """Take a whole message off what has come; None where there is none yet."""
        start = len(self._buffer) - len(self._buffer.lstrip(b"\r\n"))
        if start >= 4 and self._buffer[:4] == b"\r\n\r\n":  # noqa: PLR2004
            # Asks whether the connection still stands (RFC 5626 §4.4.1).
            self.send(b"\r\n")
        del self._buffer[:start]
        end = _END.search(self._buffer)
        if end is None:
            if len(self._buffer) > self._sockets.limits.header:
                self._bad()
            return None
        lengths = _LENGTH.findall(bytes(self._buffer[: end.end()]))
        length = int(lengths[0]) if lengths else -1
        limits = self._sockets.limits
        if len(set(lengths)) != 1 or length > limits.body or end.end() > limits.header:
            # Where the next one begins cannot be told, or it would not fit.
            self._bad()
            return None
        if len(self._buffer) < end.end() + length:
            return None
        message = bytes(self._buffer[: end.end() + length])
        del self._buffer[: end.end() + length]
        return message

    def send(self, data: bytes) -> bool:
        transport = self._transport
        if transport is None or transport.is_closing():
            return False
        if transport.get_write_buffer_size() > self._sockets.limits.unsent:
            # It asks and does not read: no memory for that.
            self._sockets.counts["unread"] += 1
            transport.abort()
            return False
        transport.write(data)
        return True

    def close(self) -> None:
        self._quiet()
        if self._transport is not None:
            self._transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        self._quiet()
        self._buffer.clear()
        if self._sockets.connections.get(self._peer) is self:
            del self._sockets.connections[self._peer]
            self._sockets.lost(self._peer)

    def _bad(self) -> None:
        self._sockets.counts["mangled"] += 1
        self._buffer.clear()
        self.close()

    def _later(self) -> Cancellable:
        return self._sockets.times.later(self._sockets.limits.stall, self._stall)

    def _stall(self) -> None:
        self._sockets.counts["stalled"] += 1
        self.close()

    def _quiet(self) -> None:
        if self._stalled is not None:
            self._stalled.cancel()
            self._stalled = None
