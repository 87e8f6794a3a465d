"""Whom the wire may ring, and how they are reached. There is no third way, and none by accident.

A telephone is rung where its own registration came from, a number over the configured trunk, below
an allowed prefix, within its rates, from a number of its own.
"""

import asyncio
import re
import socket

from typing import Final

from aiosipua.auth import SipDigestAuth

from exchange.sip.settings import Trunk
from exchange.sip.wire_office import Office, in_uri
from exchange.sip.wire_outbound import Outbound, Way
from exchange.sip.wire_parts import Buckets, Contact, NotAllowed, Peer
from exchange.sip.wire_registrar import Registrar
from exchange.sip.wire_transport import Sockets, plain

_SENDER: Final = re.compile(r"[^0-9A-Za-z+._-]")
# Seconds for a name to become an address.
_RESOLVE_S: Final = 5.0


class Ways:
    """Makes ways, or raises NotAllowed."""

    def __init__(self, office: Office, registrar: Registrar, sockets: Sockets) -> None:
        self._office, self._registrar, self._sockets = office, registrar, sockets
        self._trunk = office.plan.trunk
        a_second = self._trunk.calls_per_second if self._trunk else 1.0
        self._rate = Buckets(a_second, max(1, round(a_second)), 1, office.times.now)

    def to_telephone(self, to: Contact, sender: str) -> Way:
        """Return the way to a telephone that is registered now."""
        if not self._registrar.knows(to) or not self._sockets.reaches(to.peer):
            raise NotAllowed("that telephone is not registered")
        shown = _SENDER.sub("", sender)[:64] or "anonymous"
        return Way(to.uri, f"sip:{shown}@{in_uri(self._office.own_host)}", to.peer)

    async def to_trunk(self, number: str, sender: str) -> Way:
        """Return the way to a number (E.164) that may be called, and count it."""
        trunk = self._trunk
        if trunk is None or not trunk.allows(number):
            raise NotAllowed("that number may not be called")
        if not self._rate.take(""):
            raise NotAllowed("calls over the trunk begin faster than they may")
        peer = await self._peer(trunk)
        going = sum(isinstance(call, Outbound) and call.trunk for call in self._office.calls)
        if going >= trunk.most_calls:
            raise NotAllowed("the trunk has as many calls as it may have")
        over = ";transport=tcp" if trunk.transport == "tcp" else ""
        host = in_uri(trunk.host)
        login = SipDigestAuth(trunk.user, trunk.password) if trunk.user else None
        target = f"sip:{number}@{host}:{trunk.port}{over}"
        return Way(target, f"sip:{trunk.shown(sender)}@{host}", peer, login, trunk=True)

    async def _peer(self, trunk: Trunk) -> Peer:
        """Return the trunk's address, one that is heard: what it answers would be dropped else."""
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(_RESOLVE_S):
                found = await loop.getaddrinfo(trunk.host, trunk.port, type=socket.SOCK_DGRAM)
            hosts = [plain(str(one[4][0])) for one in found]
            host = next((one for one in hosts if self._office.plan.is_trunk(one)), "")
            if host and trunk.transport == "tcp":
                return await self._sockets.connect(host, trunk.port)
        except (OSError, TimeoutError):
            raise NotAllowed("the trunk does not answer") from None
        if not host:
            raise NotAllowed("the trunk's address is in none of its networks")
        return Peer(host, trunk.port, "UDP")
