"""One SIP call from its first answer to its last BYE, in either direction (RFC 3261 §12 to §15).

aiosipua's calls know no copies, forget Record-Route in their answers and are one a Call-ID; so
dialogs are ours, too, and its message classes write them. A dialog is known by our own tag, which
nobody can guess, and its requests go back to where the other side's came from.
"""

import logging
import re

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Final

from aiosipua.headers import parse_uri
from aiosipua.message import SipRequest

from exchange.sip import wire_sdp
from exchange.sip.line import LineOpener, RtpLine
from exchange.sip.parts import Media
from exchange.sip.settings import Plan
from exchange.sip.wire_messages import (
    ALLOW,
    COOKIE,
    SERVER,
    Headers,
    Request,
    Response,
    contact_uri,
    response,
    uri_of,
)
from exchange.sip.wire_office import Loop
from exchange.sip.wire_parts import Cancellable, EarSwitch, Peer, Timers, Times
from exchange.sip.wire_transactions import Again, Server, Transactions

log = logging.getLogger(__name__)

SDP: Final = ("Content-Type", "application/sdp")
_DEFAULT_PORT: Final = 5060
_SIGNAL: Final = re.compile(r"(?im)^\s*signal\s*=\s*([0-9*#]|1[01])\s*$")
_BARE: Final = re.compile(r"\s*([0-9*#]|1[01])\s*")
_NAMED: Final = {"10": "*", "11": "#"}
_MOST_ROUTES: Final = 16


@dataclass
class Office:
    """What all calls have in common."""

    plan: Plan
    loop: Loop
    transactions: Transactions
    times: Times
    timers: Timers
    random: Callable[[int], bytes]
    counts: Counter[str]
    open_line: LineOpener
    # Called whenever a dialog is over for good.
    forgotten: Callable[[], None] = lambda: None
    port: int = 0
    # Calls that go on; dialogs by our tag, some of which only wait for a last answer; and the
    # INVITEs that began the calls from outside.
    calls: set["SipCall"] = field(default_factory=set)
    dialogs: dict[str, "SipCall"] = field(default_factory=dict)
    invites: dict[tuple[str, str, int], "SipCall"] = field(default_factory=dict)

    def tag(self) -> str:
        """Return a tag or a piece of an id that nobody guesses."""
        return self.random(8).hex()

    @property
    def own_host(self) -> str:
        """The address that everybody is told to send to."""
        return self.plan.advertised_host

    def own_contact(self, peer: Peer) -> str:
        over = ";transport=tcp" if peer.transport == "TCP" else ""
        return f"<sip:{in_uri(self.own_host)}:{self.port}{over}>"

    def via(self, peer: Peer, branch: str) -> str:
        host = in_uri(self.own_host)
        return f"SIP/2.0/{peer.transport} {host}:{self.port};branch={branch};rport"

    def branch(self) -> str:
        return COOKIE + self.tag()


def in_uri(host: str) -> str:
    """Return an address as it stands in a URI."""
    return f"[{host}]" if ":" in host else host


class SipCall(EarSwitch):
    """See `Telephone`; what both directions have in common.

    Whatever is not in `Telephone` is for the loop only. `line` and `own` are set before anybody
    hears of it.
    """

    line: RtpLine
    own: wire_sdp.OwnSide

    def __init__(self, office: Office, peer: Peer, call_id: str) -> None:
        super().__init__()
        self.office, self.peer, self.call_id = office, peer, call_id
        self.caller = self.called = self.account = ""
        self.own_tag, self.remote_tag = office.tag(), ""
        # Header values of both sides, without our tag, with theirs.
        self.own_header = self.remote_header = ""
        self.target = ""
        self.routes: list[str] = []
        self.own_cseq, self.remote_cseq = 0, -1
        self.talking = self.over = False
        self._has_line = False
        self._again: Again | None = None
        self._held: Cancellable | None = None
        # How long it may go on without an answer.
        self._timer: Cancellable | None = None
        self._invite_cseq = -1
        self._awaits_answer = False
        self._bye_after_ack = self._bye_sent = False

    # ------------------------------------------------------------ what any thread may ask

    async def open_line(self) -> bool:
        """Open the line; False where the call was over by then. Raises what the opener raises."""
        line = await self.office.open_line(self)
        if self.over:
            line.close()
            return False
        self.line, self._has_line = line, True
        session = int.from_bytes(self.office.random(4), "big")
        self.own = wire_sdp.OwnSide(self.office.own_host, line.port, session)
        return True

    def rings(self) -> None:
        """See `Telephone`."""

    def answer(self) -> bool:
        return False

    def refuse(self, status: int) -> None:
        """See `Telephone`."""

    def hang_up(self) -> None:
        self.mute()
        self.office.loop.post(self.end_here)

    # ------------------------------------------------------------ the end

    def end_here(self, status: int = 480) -> None:
        """End it from our side, whatever it does."""
        raise NotImplementedError

    def gone(self, how: str) -> None:
        """End it because nothing comes over its line any more."""
        if not self.over:
            self.office.counts["lost"] += 1
            self.finish(how)
            self.say_bye()

    def finish(self, how: str) -> None:
        """Let go of the line and of the call's place, and tell `how`; once. Empty: tell nothing."""
        if self.over:
            return
        self.over = True
        self._stop_held()
        self.office.calls.discard(self)
        if self._has_line:
            self.line.close()
        if how:
            self.tell_gone(how)
        self.mute()

    def forget(self) -> None:
        """Take it out of the tables: whatever still comes gets 481."""
        self._stop_timer()
        self._stop_again()
        self.finish("")
        if self.office.dialogs.get(self.own_tag) is self:
            del self.office.dialogs[self.own_tag]
            self.office.forgotten()

    def say_bye(self) -> None:
        """Send BYE, as soon as that is allowed: not before our answer is acknowledged."""
        if self._bye_sent:
            return
        if self._again is not None:
            self._bye_after_ack = True
            return
        self._bye_sent = True
        self._ask_bye(authorization=None)

    def _ask_bye(self, authorization: tuple[str, str] | None) -> None:
        branch, to = self.office.branch(), self.next_hop()
        headers = [authorization] if authorization else []
        data = bytes(self.request("BYE", branch, to, headers))
        self.office.transactions.ask(data, to, (branch, "BYE"), self._bye_answered)

    def _bye_answered(self, answer: Response | None) -> None:
        again = self.credentials(answer, "BYE") if answer is not None else None
        if again is not None:
            self._ask_bye(again)
        else:
            if answer is None:
                self.office.counts["no answer to BYE"] += 1
            self.forget()

    def credentials(self, answer: Response, method: str) -> tuple[str, str] | None:
        """Return the header that answers a challenge; None where there is none, or no more."""
        return None

    # ------------------------------------------------------------ requests of ours

    def next_hop(self) -> Peer:
        """Return where a request goes: to where theirs come from.

        At a trunk its own Route or Contact may lead elsewhere, as far as it may be heard.
        """
        if self.office.plan.is_trunk(self.peer.host) and self.peer.transport == "UDP":
            uri = parse_uri(uri_of(self.routes[0]) if self.routes else self.target)
            host = uri.host.strip("[]")
            if self.office.plan.hears(host):
                return Peer(host, uri.port or _DEFAULT_PORT, "UDP")
        return self.peer

    def request(
        self, method: str, branch: str, to: Peer, headers: Headers = (), cseq: int = 0
    ) -> SipRequest:
        """Return a request within the dialog."""
        if not cseq:
            self.own_cseq += 1
            cseq = self.own_cseq
        message = SipRequest(method=method, uri=self.target)
        message.add_header("Via", self.office.via(to, branch))
        for route in self.routes:
            message.add_header("Route", route)
        message.set_header("Max-Forwards", "70")
        message.set_header("From", f"{self.own_header};tag={self.own_tag}")
        message.set_header("To", self.remote_header)
        message.set_header("Call-ID", self.call_id)
        message.set_header("CSeq", f"{cseq} {method}")
        for name, value in headers:
            message.add_header(name, value)
        message.set_header("User-Agent", SERVER)
        return message

    def take_routes(self, values: list[str], *, turned: bool) -> None:
        """Keep the way that requests take (RFC 3261 §12.1); too long a one is no way."""
        routes = values[:_MOST_ROUTES]
        self.routes = routes[::-1] if turned else routes

    # ------------------------------------------------------------ requests of theirs

    def belongs(self, request: Request) -> bool:
        return request.call_id == self.call_id and request.from_tag == self.remote_tag

    def receive(self, request: Request, server: Server) -> None:
        """Answer a request within the dialog."""
        if request.cseq <= self.remote_cseq:
            self.reply(request, server, 500)
            return
        self.remote_cseq = request.cseq
        if request.method == "BYE":
            self.reply(request, server, 200)
            self.hung_up()
        elif self.over:
            self.reply(request, server, 481)
        elif request.method == "INVITE":
            self._invited_again(request, server)
        elif request.method == "INFO":
            self._told(request, server)
        else:
            self.reply(request, server, 200, [("Allow", ALLOW), ("Accept", SDP[1])])

    def hung_up(self) -> None:
        self.finish("hung up")
        self.forget()

    def reply(self, request: Request, server: Server, status: int, headers: Headers = ()) -> None:
        """Answer a request within the dialog."""
        data = response(request, status, to_tag=self.own_tag, headers=headers)
        server.answer(status, data)

    def accept(self, request: Request, server: Server, headers: Headers, body: bytes) -> bool:
        """Say 200 to an INVITE until it is acknowledged; return whether it could be sent."""
        self._stop_again()
        told = [("Contact", self.office.own_contact(request.peer)), ("Allow", ALLOW), SDP, *headers]
        data = response(request, 200, to_tag=self.own_tag, headers=told, body=body)
        self._invite_cseq = request.cseq
        post = self.office.transactions.post
        sent = server.answer(200, data)
        self._again = Again(
            post, data, request.reply_to, self._not_acknowledged, most=self.office.timers.t2
        )
        return sent

    def acknowledge(self, request: Request) -> None:
        """Take the ACK of our 200 in."""
        if self._again is None or request.cseq != self._invite_cseq:
            return
        self._stop_again()
        if self._bye_after_ack:
            self.say_bye()
        elif self._awaits_answer and not self.over:
            self._awaits_answer = False
            try:
                self._connect(request)
            except wire_sdp.NotAcceptable:
                self.finish("hung up")
                self.say_bye()

    def _not_acknowledged(self) -> None:
        """Give up on them (RFC 3261 §13.3.1.4): the session is ended, in case they hear it."""
        self._again = None
        self.office.counts["not acknowledged"] += 1
        self.finish("lost")
        self.say_bye()

    def _stop_again(self) -> None:
        if self._again is not None:
            self._again.stop()
            self._again = None

    def _read(self, message: Request | Response) -> wire_sdp.Offer:
        return wire_sdp.read(message.message.body, message.peer.host, self.office.plan.hears)

    def _connect(self, message: Request | Response) -> None:
        """Send and hear as an answer to our offer says. Raises NotAcceptable.

        Keys come under the number that we offered, whatever theirs is (RFC 3264 §6.1).
        """
        media = self._read(message).media
        self.hear(media if media.keys is None else replace(media, keys=wire_sdp.KEYS))

    def hear(self, media: Media) -> None:
        """Send and hear so from now on; for so long at most where nothing is to be heard.

        A line over which nothing is to come cannot be lost: whoever dies while holding would keep
        its place, and the other one waiting.
        """
        self._stop_held()
        self.line.connect(media)
        if not media.speaks:
            office = self.office
            self._held = office.times.later(office.timers.held, lambda: self.gone("lost"))

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _stop_held(self) -> None:
        if self._held is not None:
            self._held.cancel()
            self._held = None

    def _invited_again(self, request: Request, server: Server) -> None:
        """Take a re-INVITE: held, taken up again, sent elsewhere. A refused one changes nothing."""
        if not self.talking:
            self.reply(request, server, 491)
            return
        own, contacts = self.own, request.message.get_header_values("contact")
        if request.message.body:
            if request.body_type != SDP[1]:
                self.reply(request, server, 415, [("Accept", SDP[1])])
                return
            try:
                offer = self._read(request)
            except wire_sdp.NotAcceptable:
                self.reply(request, server, 488)
                return
            self._awaits_answer = False
            self.hear(offer.media)
            body = own.answer(offer)
        else:
            self._awaits_answer = True
            body = own.offer()
        self.target = (contact_uri(contacts[0]) if contacts else "") or self.target
        self.peer = request.peer
        self.accept(request, server, (), body)

    def _told(self, request: Request, server: Server) -> None:
        """Take a key that comes as a message."""
        text, kind = request.message.text[:256], request.body_type
        if kind == "application/dtmf-relay":
            found = _SIGNAL.search(text)
        elif kind == "application/dtmf":
            found = _BARE.fullmatch(text)
        elif not text.strip():
            found = None
        else:
            accepted = "application/dtmf-relay, application/dtmf"
            self.reply(request, server, 415, [("Accept", accepted)])
            return
        # Others (A to D, a flash) are taken and do nothing.
        self.reply(request, server, 200)
        if found:
            self.key(_NAMED.get(found[1], found[1]))
