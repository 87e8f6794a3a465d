"""The pair of UDP ports of a line: an even one for RTP, the next for RTCP (RFC 3550, 11)."""

import contextlib
import ipaddress
import random
import socket

from collections.abc import Iterator
from typing import Final

# Expedited forwarding (RFC 3246), for routers that care: six bits, above those for congestion.
SPEECH: Final = 46 << 2
# Tries where the machine chooses, until its choice is even and the next one is free too.
TRIES: Final = 200


class NoPort(OSError):
    """Every pair of ports is taken."""


def open_pair(
    host: str, ports: tuple[int, int], chance: random.Random
) -> tuple[socket.socket, socket.socket]:
    """Return sockets for RTP and RTCP that do not block, bound to an address literal.

    `ports` are the first and the last that may be used; (0, 0) lets the machine choose. The search
    begins anywhere, so that what is still sent to a call that is over reaches no other. Raises
    NoPort, and ValueError where `host` is no address.
    """
    family = socket.AF_INET6 if ipaddress.ip_address(host).version == 6 else socket.AF_INET  # noqa: PLR2004
    for port in _candidates(ports, chance):
        with contextlib.ExitStack() as opened, contextlib.suppress(OSError):
            media = _bound(family, host, port, opened)
            own = int(media.getsockname()[1])
            if own % 2 == 0:
                control = _bound(family, host, own + 1, opened)
                opened.pop_all()
                return media, control
    raise NoPort(f"no pair of UDP ports is free between {ports[0]} and {ports[1]}")


def _candidates(ports: tuple[int, int], chance: random.Random) -> Iterator[int]:
    first, last = ports
    if first == 0:
        return iter([0] * TRIES)
    evens = range(first + first % 2, last, 2)
    turn = chance.randrange(len(evens)) if evens else 0
    return (evens[(turn + step) % len(evens)] for step in range(len(evens)))


def _bound(
    family: socket.AddressFamily, host: str, port: int, opened: contextlib.ExitStack
) -> socket.socket:
    made = opened.enter_context(socket.socket(family, socket.SOCK_DGRAM))
    made.setblocking(False)  # noqa: FBT003 - the standard library's own
    # Where that may not be said, sound goes as anything else does.
    with contextlib.suppress(OSError):
        if family == socket.AF_INET:
            made.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, SPEECH)
        else:
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_TCLASS, SPEECH)
    made.bind((host, port))
    return made
