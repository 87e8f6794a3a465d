"""A call of ours, and whom the wire may ring: there is no third way, and none by accident.

A telephone is rung where its own registration came from, a number over the configured trunk, below
an allowed prefix, within its rates, from a number of its own.
"""

import asyncio
import re
import socket

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal

from aiosipua.auth import SipDigestAuth, build_credentials
from aiosipua.headers import AuthChallenge, parse_auth, stringify_auth
from aiosipua.message import SipRequest

from exchange.sip import wire_sdp
from exchange.sip.parts import Ear
from exchange.sip.settings import Trunk
from exchange.sip.wire_dialog import SDP, Office, SipCall, in_uri
from exchange.sip.wire_messages import ALLOW, Response, contact_uri
from exchange.sip.wire_office import trouble
from exchange.sip.wire_parts import Buckets, Contact, NotAllowed, Peer, Progress
from exchange.sip.wire_registrar import Registrar
from exchange.sip.wire_transactions import Client
from exchange.sip.wire_transport import Sockets, plain

OnProgress = Callable[[Progress], None]
_CHALLENGES: Final = {
    401: ("WWW-Authenticate", "Authorization"),
    407: ("Proxy-Authenticate", "Proxy-Authorization"),
}
# How often a password is shown for one request: the first nonce may be too old already.
_MOST_TRIES: Final = 2
# The stronger one first; both are aiosipua's.
_ALGORITHMS: Final = ("SHA-256", "MD5")
_BUSY: Final = frozenset({486, 600, 603})
_TIMEOUT: Final = 408
_NOT_THERE: Final = frozenset({_TIMEOUT, 480})
_SENDER: Final = re.compile(r"[^0-9A-Za-z+._-]")
# Seconds for a name to become an address.
_RESOLVE_S: Final = 5.0


@dataclass(frozen=True)
class Way:
    """Whom an INVITE is for and who sends it, as URIs; where it goes; who answers challenges."""

    target: str
    sender: str
    peer: Peer
    login: SipDigestAuth | None = None
    trunk: bool = False


class Outbound(SipCall):
    """See `Telephone`. What becomes of it is told by `on_progress`, on the loop."""

    def __init__(self, office: Office, way: Way, ear: Ear | None, on_progress: OnProgress) -> None:
        super().__init__(office, way.peer, f"{office.tag()}{office.tag()}@{office.own_host}")
        self.trunk, self._way, self._on_progress = way.trunk, way, on_progress
        if ear is not None:
            self.ear = ear
        self.own_header, self.remote_header = f"<{way.sender}>", f"<{way.target}>"
        self.target = way.target
        self._invite: SipRequest | None = None
        self._client: Client | None = None
        self._provisional = self._cancelled = self._accepted = False
        self._tries = 0
        self._nonces: dict[str, int] = {}
        self._ack = b""

    def begin(self) -> None:
        self.office.calls.add(self)
        self.office.dialogs[self.own_tag] = self

    async def open(self) -> None:
        """Open the line and send the INVITE. Raises what the opener raises."""
        try:
            if not await self.open_line():
                self.forget()
                return
        except BaseException:
            self.forget()
            raise
        self._ask(authorization=None)
        self._timer = self.office.times.later(self.office.timers.rings, self._rang_out)

    def _ask(self, authorization: tuple[str, str] | None) -> None:
        office, branch, to = self.office, self.office.branch(), self._way.peer
        headers = [("Contact", office.own_contact(to)), ("Allow", ALLOW), SDP]
        if authorization:
            headers.append(authorization)
        invite = self.request("INVITE", branch, to, headers)
        invite.body = self.own.offer()
        self._invite_cseq = self.own_cseq
        self._invite, self._provisional = invite, False
        self._client = office.transactions.ask(
            bytes(invite),
            to,
            (branch, "INVITE"),
            self._heard,
            ack=lambda no: bytes(self._copy(invite, "ACK", no.message.get_header("to") or "")),
        )

    @staticmethod
    def _copy(invite: SipRequest, method: Literal["ACK", "CANCEL"], to: str) -> SipRequest:
        """Return what goes with an INVITE, under the same mark (RFC 3261 §9.1, §17.1.1.3)."""
        message = SipRequest(method=method, uri=invite.uri)
        for name in ("Via", "Route", "Max-Forwards", "From", "Call-ID"):
            for value in invite.get_header_values(name):
                message.add_header(name, value)
        message.set_header("To", to)
        number = (invite.get_header("cseq") or "").split()[0]
        message.set_header("CSeq", f"{number} {method}")
        return message

    # ------------------------------------------------------------ what comes back

    def _heard(self, answer: Response | None) -> None:
        if answer is None:
            self._outcome("failed", _TIMEOUT)
        elif answer.status < 200:  # noqa: PLR2004
            self._provisional = True
            if self.over:
                self._cancel()
            elif answer.status >= 180:  # noqa: PLR2004 - 100 says nothing yet
                self._tell(Progress("ringing", answer.status))
        elif answer.status < 300:  # noqa: PLR2004
            self._taken(answer)
        elif self.over:
            self.forget()
        else:
            again = self.credentials(answer, "INVITE")
            if again is not None:
                self._ask(again)
            elif answer.status in _BUSY:
                self._outcome("busy", answer.status)
            else:
                late = answer.status in _NOT_THERE
                self._outcome("no-answer" if late else "failed", answer.status)

    def _taken(self, answer: Response) -> None:
        """Acknowledge a 200; the first one has the call, whoever else takes it gets a BYE."""
        if self._accepted and answer.to_tag == self.remote_tag:
            self.office.transactions.post.send(self._ack, self.next_hop())
            return
        if self._accepted:
            other = Outbound(self.office, self._way, None, lambda _: None)
            other.call_id, other.own_tag = self.call_id, self.own_tag
            other.own_cseq, other._invite_cseq, other.over = self.own_cseq, self._invite_cseq, True
            other._take_dialog(answer)
            other.say_bye()
            return
        self._accepted = self.talking = True
        # The password may be shown again: a BYE that is not believed leaves a call that costs.
        self._tries = 0
        self._stop_timer()
        self._take_dialog(answer)
        if self.over:
            # Their 200 crossed our CANCEL.
            self.say_bye()
            return
        try:
            self._connect(answer)
        except wire_sdp.NotAcceptable:
            self._tell(Progress("failed", 488))
            self.finish("")
            self.say_bye()
            return
        self._tell(Progress("answered", answer.status))

    def _take_dialog(self, answer: Response) -> None:
        message = answer.message
        self.remote_tag, self.remote_header = answer.to_tag, message.get_header("to") or ""
        contacts = message.get_header_values("contact")
        self.target = (contact_uri(contacts[0]) if contacts else "") or self.target
        self.take_routes(message.get_header_values("record-route"), turned=True)
        to = self.next_hop()
        ack = self.request("ACK", self.office.branch(), to, cseq=self._invite_cseq)
        self._ack = bytes(ack)
        self.office.transactions.post.send(self._ack, to)

    def credentials(self, answer: Response, method: str) -> tuple[str, str] | None:
        """See `SipCall`. Only the trunk's challenges are answered, with the trunk's password."""
        login, names = self._way.login, _CHALLENGES.get(answer.status)
        if login is None or names is None or self._tries >= _MOST_TRIES:
            return None
        self._tries += 1
        challenges = []
        for told in answer.message.get_header_values(names[0])[:4]:
            parsed = parse_auth(told[:2048])
            params = {key.lower(): value for key, value in parsed.params.items()}
            challenges.append(AuthChallenge(parsed.scheme, params))
        for algorithm in _ALGORITHMS:
            for challenge in challenges:
                if challenge.params.get("algorithm", "MD5").upper() != algorithm:
                    continue
                nonce = challenge.params.get("nonce", "")
                count = self._nonces[nonce] = self._nonces.get(nonce, 0) + 1
                made = build_credentials(login, challenge, method, self.target, nonce_count=count)
                if made is not None:
                    return names[1], stringify_auth(made)
        return None

    # ------------------------------------------------------------ the end

    def _tell(self, progress: Progress) -> None:
        if self.over:
            return
        try:
            self._on_progress(progress)
        except Exception as error:  # noqa: BLE001 - the wire goes on
            trouble("somebody could not be told what became of a call", error)

    def _outcome(self, what: Literal["busy", "no-answer", "failed"], code: int) -> None:
        self._tell(Progress(what, code))
        self.forget()

    def _rang_out(self) -> None:
        self._tell(Progress("no-answer", _TIMEOUT))
        self.end_here()

    def end_here(self, status: int = 480) -> None:
        """See `SipCall`: before it is taken, by CANCEL, as soon as that is allowed."""
        if self.over:
            return
        self.finish("")
        if self.talking:
            self.say_bye()
        elif self._provisional:
            self._cancel()
        # Else when the first answer comes (RFC 3261 §9.1), or when none ever does.

    def _cancel(self) -> None:
        if self._cancelled or self._invite is None:
            return
        self._cancelled = True
        invite = self._invite
        cancel = self._copy(invite, "CANCEL", invite.get_header("to") or "")
        branch = self._client.key[0] if self._client else ""
        transactions = self.office.transactions
        transactions.ask(bytes(cancel), self._way.peer, (branch, "CANCEL"), lambda _: None)
        # What is cancelled is answered with 487; where that never comes, all is forgotten.
        self._stop_timer()
        self._timer = self.office.times.later(self.office.timers.patience, self.forget)

    def gone(self, how: str) -> None:
        """See `SipCall`; before it is taken there is nothing to lose."""
        if self.talking:
            super().gone(how)

    def forget(self) -> None:
        if self._client is not None and not self._accepted and self._cancelled:
            self._client.end()
        super().forget()


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
