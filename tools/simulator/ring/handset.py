"""A SIP telephone for scripts (RFC 3261, over UDP): rings, is rung, registers.

It reads messages with aiosipua's classes and does the rest by itself, apart from the leg's own, so
that a mistake of one is not made by both. It talks with one service, whose address is given, and
everything happens on one asyncio loop.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import secrets

from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Final, Self

from aiosipua.auth import SipDigestAuth, answer_challenge
from aiosipua.message import SipMessage, SipRequest, SipResponse
from aiosipua.sdp import parse_sdp

from exchange.sip.parts import Law
from tools.simulator.ring.rtp import PAYLOAD, Stream, Ticker

Address = tuple[str, int]
# Seconds (RFC 3261, 17.1.2.2): the first repetition, the longest time between two, and the end.
T1: Final = 0.5
T2: Final = 4.0
GIVES_UP_S: Final = 32.0
# How long it may ring before it is left.
RINGS_S: Final = 90.0
OK, RINGING, FINAL = 200, 180, 200
CHALLENGES: Final = frozenset({401, 407})
TIMED_OUT, GONE, BUSY, TERMINATED, NO_CODEC = 408, 481, 486, 487, 488
REASONS: Final[Mapping[int, str]] = {
    OK: "OK",
    RINGING: "Ringing",
    405: "Method Not Allowed",
    GONE: "Call Does Not Exist",
    BUSY: "Busy Here",
    TERMINATED: "Request Terminated",
    NO_CODEC: "Not Acceptable Here",
    603: "Decline",
}
# What is kept at most: answers that may be asked for again, and calls.
MOST_ANSWERS: Final = 512
MOST_CALLS: Final = 512
TELEPHONE_EVENT: Final = re.compile(r"(\d+) telephone-event/8000", re.IGNORECASE)
USER: Final = re.compile(r"sips?:([^@>;]+)@")


class NotAnswered(Exception):
    """It was refused, or no one answered; `status` is SIP's last word, 408 where there was none."""

    def __init__(self, status: int, reason: str = "") -> None:
        super().__init__(f"{status} {reason}".strip())
        self.status = status


@dataclass(eq=False)
class HandsetCall:
    """One call, made or taken. `stream` has its sound, and the keys.

    `ended` is set when it is over; `how` then is `they hung up`, `we hung up`, `cancelled`,
    `refused`, `not answered` or `not acknowledged`.
    """

    handset: Handset
    stream: Stream
    call_id: str
    # What stands in From and To of whatever is asked here, with the tags.
    ours: str
    theirs: str
    target: str
    source: Address | None = None
    # Of our last request.
    number: int = 0
    # Seconds on the loop's clock.
    rang_at: float | None = None
    answered_at: float | None = None
    how: str = ""
    # The request that began it, for CANCEL and for the answers to it.
    invite: SipRequest = field(init=False)
    # Our ACK, as it went.
    ack: bytes = b""
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    acknowledged: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def caller(self) -> str:
        """Who rings, as it stands before the `@`; of a call that comes in."""
        found = USER.search(self.theirs)
        return found[1] if found else ""

    async def hang_up(self) -> None:
        """End it with BYE and wait until that is answered; once is enough."""
        if not self.ended.is_set():
            self.end("we hung up")
            self.number += 1
            with contextlib.suppress(NotAnswered):
                await self.handset.ask(self.request("BYE"))

    async def cancel(self) -> None:
        """Give up a call of ours that was not answered yet."""
        if self.answered_at is None and not self.ended.is_set():
            cancel = self.request("CANCEL")
            # The very branch of what it cancels (RFC 3261, 9.1).
            cancel.set_header("Via", self.invite.get_header("Via") or "")
            with contextlib.suppress(NotAnswered):
                await self.handset.ask(cancel)

    # A call that comes in

    def rings(self) -> None:
        """Say 180 to who rings."""
        self._answer(RINGING)

    async def answer(self) -> None:
        """Take a call that comes in: 200, again and again until it is acknowledged."""
        self.connect(self.invite.text)
        self.answered_at = asyncio.get_running_loop().time()
        wait, waited = T1, 0.0
        while not self.acknowledged.is_set() and not self.ended.is_set():
            self._answer(OK, self.handset.offer(self.stream))
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.acknowledged.wait(), wait)
            waited, wait = waited + wait, min(2 * wait, T2)
            if waited > GIVES_UP_S:
                self.end("not acknowledged")

    def refuse(self, status: int = BUSY) -> None:
        self._answer(status)
        self.end("refused")

    # For the handset

    def connect(self, sdp: str) -> None:
        """Send sound and keys as the other side's SDP has it. Raises NotAnswered (488)."""
        try:
            theirs = parse_sdp(sdp)
        except ValueError:
            raise NotAnswered(NO_CODEC, "an SDP that cannot be read") from None
        audio, address = theirs.audio, theirs.rtp_address
        laws = [
            law
            for form in (audio.formats if audio else ())
            for law, kind in PAYLOAD.items()
            if form == str(kind)
        ]
        if audio is None or address is None or not laws:
            raise NotAnswered(NO_CODEC, "no G.711 in the SDP")
        events = [
            int(found[1])
            for line in audio.attributes.get("rtpmap", ())
            if (found := TELEPHONE_EVENT.match(line))
        ]
        keys_type = events[0] if events else self.stream.keys_type
        host, port = address
        self.stream.connect(host, port, laws[0], keys_type)

    def end(self, how: str) -> None:
        """Write down that it is over, and let go of the port."""
        if not self.ended.is_set():
            self.how = how
            self.ended.set()
            self.stream.close()
            self.handset.forget(self)

    def request(self, method: str) -> SipRequest:
        """Return a request of this call."""
        return self.handset.request(
            method,
            self.target,
            source=self.ours,
            to=self.theirs,
            call_id=self.call_id,
            number=self.number,
        )

    def _answer(self, status: int, sdp: str = "") -> None:
        if self.source is not None:
            tag = _tag(self.ours)
            self.handset.reply(self.invite, status, self.source, tag=tag, sdp=sdp)


class Handset(asyncio.DatagramProtocol):
    """A telephone at a UDP port of its own that knows one service, `server`.

    `user` stands before the `@`, in From and when it registers; `password` is for digest. A caller
    who rings it comes out of `is_rung`. Used as an asynchronous context; raises OSError where no
    port is to be had.
    """

    def __init__(
        self,
        server: Address,
        user: str,
        *,
        password: str = "",
        account: str = "",
        host: str = "127.0.0.1",
        ticker: Ticker | None = None,
        law: Law = "PCMU",
        keys_type: int = 101,
    ) -> None:
        self.server = server
        self.user = user
        self.ticker = ticker or Ticker()
        self._login = SipDigestAuth(account or user, password) if password else None
        self._host = host
        self._law: Law = law
        self._keys_type = keys_type
        self._transport: asyncio.DatagramTransport | None = None
        self._asked: dict[str, _Asked] = {}
        self._replies: OrderedDict[str, bytes] = OrderedDict()
        self._calls: dict[str, HandsetCall] = {}
        self._rung: asyncio.Queue[HandsetCall] = asyncio.Queue(MOST_CALLS)
        self._numbers = 0
        self._registration = _token()

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        self._transport, _ = await loop.create_datagram_endpoint(
            lambda: self, local_addr=(self._host, 0)
        )
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        problem: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for call in tuple(self._calls.values()):
            await call.hang_up()
        self.dies()

    def dies(self) -> None:
        """Be gone without a word, as a telephone whose plug is pulled."""
        for call in tuple(self._calls.values()):
            call.end("we hung up")
        if self._transport is not None:
            self._transport.close()

    @property
    def address(self) -> Address:
        assert self._transport is not None  # noqa: S101 - used inside its context
        host, port = self._transport.get_extra_info("sockname")[:2]
        return str(host), int(port)

    @property
    def own_uri(self) -> str:
        """Where it is rung."""
        return "sip:{}@{}:{}".format(self.user, *self.address)

    # What it does

    async def register(self, expires: int = 300) -> int:
        """Register, or with 0 no longer be registered; returns the status of the last answer."""
        answer = await self._proved(lambda: self._registers(expires))
        # Without the extra its library is not there, and mypy does not know what it answers.
        status: int = answer.status_code
        return status

    async def call(
        self,
        to: str,
        *,
        sender: str = "",
        began: Callable[[HandsetCall], None] | None = None,
    ) -> HandsetCall:
        """Ring `to` and wait for the answer; `began` is told the call before it is answered.

        Raises NotAnswered, and OSError where there is no port for the sound.
        """
        host, port = self.server
        uri = f"sip:{to}@{host}:{port}"
        ours = f"<sip:{sender or self.user}@{host}>;tag={_token()}"
        call = HandsetCall(self, self._stream(), _token(), ours, f"<{uri}>", uri)
        self._calls[call.call_id] = call
        if began is not None:
            began(call)

        def invite() -> SipRequest:
            call.number += 1
            call.invite = call.request("INVITE")
            _add_sdp(call.invite, self.offer(call.stream))
            return call.invite

        try:
            answer = _accepted(await self._proved(invite))
            call.theirs = answer.get_header("To") or call.theirs
            call.target = _contact(answer) or call.target
            call.ack = bytes(call.request("ACK"))
            self._send(call.ack, self.server)
            call.answered_at = asyncio.get_running_loop().time()
            call.connect(answer.text)
        except BaseException:
            if call.answered_at is not None:
                await call.hang_up()
            call.end("not answered")
            raise
        return call

    async def is_rung(self) -> HandsetCall:
        return await self._rung.get()

    def offer(self, stream: Stream) -> str:
        """Return the SDP of a stream: G.711, the law preferred first, and keys."""
        laws = sorted(PAYLOAD, key=lambda law: law != stream.law)
        forms = " ".join(str(PAYLOAD[law]) for law in laws)
        maps = "".join(f"a=rtpmap:{PAYLOAD[law]} {law}/8000\r\n" for law in laws)
        return (
            f"v=0\r\no=- {stream.port} 1 IN IP4 {self._host}\r\ns=-\r\n"
            f"c=IN IP4 {self._host}\r\nt=0 0\r\n"
            f"m=audio {stream.port} RTP/AVP {forms} {stream.keys_type}\r\n{maps}"
            f"a=rtpmap:{stream.keys_type} telephone-event/8000\r\n"
            f"a=fmtp:{stream.keys_type} 0-15\r\na=ptime:20\r\na=sendrecv\r\n"
        )

    # Messages

    def request(
        self, method: str, uri: str, *, source: str, to: str, call_id: str, number: int
    ) -> SipRequest:
        """Return a request with what all of them have, under a branch of its own."""
        host, port = self.address
        request = SipRequest(method=method, uri=uri)
        branch = f"z9hG4bK{_token()}"
        request.set_header("Via", f"SIP/2.0/UDP {host}:{port};branch={branch};rport")
        request.set_header("Max-Forwards", "70")
        request.set_header("From", source)
        request.set_header("To", to)
        request.set_header("Call-ID", call_id)
        request.set_header("CSeq", f"{number} {method}")
        request.set_header("Contact", f"<{self.own_uri}>")
        return request

    async def ask(self, request: SipRequest) -> SipResponse:
        """Send a request until it is answered; returns the final answer. Raises NotAnswered (408).

        A refused INVITE is acknowledged here.
        """
        key = _key(request)
        asked = self._asked[key] = _Asked(request, asyncio.get_running_loop().create_future())
        try:
            return await asyncio.wait_for(self._repeated(asked), RINGS_S)
        except TimeoutError:
            raise NotAnswered(TIMED_OUT, "nothing was heard") from None
        finally:
            del self._asked[key]

    async def _repeated(self, asked: _Asked) -> SipResponse:
        wait, waited = T1, 0.0
        rings = asked.request.method == "INVITE"
        while not asked.answer.done():
            if not (rings and asked.heard):
                self._send(bytes(asked.request), self.server)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(asyncio.shield(asked.answer), wait)
            waited, wait = waited + wait, 2 * wait if rings else min(2 * wait, T2)
            if waited > GIVES_UP_S and not asked.heard:
                raise NotAnswered(TIMED_OUT, "nothing was heard")
        return asked.answer.result()

    def reply(
        self, request: SipRequest, status: int, to: Address, *, tag: str = "", sdp: str = ""
    ) -> None:
        """Answer a request with what is taken over from it (RFC 3261, 8.2.6).

        The same request, come once more, gets the same answer.
        """
        answer = SipResponse(status_code=status, reason_phrase=REASONS.get(status, "Refused"))
        for via in request.get_header_values("Via"):
            answer.add_header("Via", via)
        for name in ("From", "Call-ID", "CSeq"):
            answer.set_header(name, request.get_header(name) or "")
        theirs = request.get_header("To") or ""
        answer.set_header("To", theirs if "tag=" in theirs or not tag else f"{theirs};tag={tag}")
        if sdp:
            answer.set_header("Contact", f"<{self.own_uri}>")
            _add_sdp(answer, sdp)
        self._replies[_key(request)] = bytes(answer)
        while len(self._replies) > MOST_ANSWERS:
            self._replies.popitem(last=False)
        self._send(bytes(answer), to)

    def forget(self, call: HandsetCall) -> None:
        self._calls.pop(call.call_id, None)

    def _stream(self) -> Stream:
        return Stream(self._host, self.ticker, law=self._law, keys_type=self._keys_type)

    async def _proved(self, make: Callable[[], SipRequest]) -> SipResponse:
        """Return the answer to a request, proving who we are where that is asked for."""
        answer = await self.ask(make())
        if answer.status_code in CHALLENGES and self._login is not None:
            again = make()
            proof = answer_challenge(
                self._login, answer, answer.status_code, again.method, again.uri
            )
            if proof is not None:
                again.set_header(*proof)
                answer = await self.ask(again)
        return answer

    def _registers(self, expires: int) -> SipRequest:
        self._numbers += 1
        host, port = self.server
        own = f"<sip:{self.user}@{host}:{port}>"
        request = self.request(
            "REGISTER",
            f"sip:{host}:{port}",
            source=f"{own};tag={self._registration}",
            to=own,
            call_id=self._registration,
            number=self._numbers,
        )
        request.set_header("Expires", str(expires))
        return request

    # What comes in

    def datagram_received(self, data: bytes, addr: tuple[str | Any, int]) -> None:
        """Take a message that came."""
        try:
            message = SipMessage.parse(data)
        except ValueError:
            return
        if isinstance(message, SipResponse):
            self._hears(message)
        elif kept := self._replies.get(_key(message)):
            self._send(kept, addr)
        else:
            self._asks_us(message, addr)

    def _hears(self, answer: SipResponse) -> None:
        asked = self._asked.get(_key(answer))
        call = self._calls.get(answer.call_id or "")
        if asked is None:
            # Our ACK was lost, so the answer to INVITE comes once more.
            is_ours = call is not None and _key(answer) == _key(call.invite)
            if call is not None and is_ours and answer.status_code == OK:
                self._send(call.ack, self.server)
            return
        asked.heard = True
        if answer.status_code >= FINAL:
            if asked.request.method == "INVITE" and answer.status_code > OK:
                self._acknowledge_refusal(asked.request, answer)
            if not asked.answer.done():
                asked.answer.set_result(answer)
        elif answer.status_code == RINGING and call is not None and call.rang_at is None:
            call.rang_at = asyncio.get_running_loop().time()

    def _acknowledge_refusal(self, invite: SipRequest, answer: SipResponse) -> None:
        ack = SipRequest(method="ACK", uri=invite.uri)
        for name in ("Via", "Max-Forwards", "From", "Call-ID"):
            ack.set_header(name, invite.get_header(name) or "")
        ack.set_header("To", answer.get_header("To") or "")
        number = invite.cseq.seq if invite.cseq else 1
        ack.set_header("CSeq", f"{number} ACK")
        self._send(bytes(ack), self.server)

    def _asks_us(self, request: SipRequest, source: Address) -> None:
        call = self._calls.get(request.call_id or "")
        match request.method:
            case "ACK":
                if call is not None:
                    call.acknowledged.set()
            case "INVITE" if call is None:
                self._is_rung(request, source)
            case "CANCEL" if call is not None and call.answered_at is None:
                self.reply(request, OK, source)
                call.refuse(TERMINATED)
                call.how = "cancelled"
            case "BYE" if call is not None:
                self.reply(request, OK, source)
                call.end("they hung up")
            case "OPTIONS":
                self.reply(request, OK, source, tag=_token())
            case "BYE" | "CANCEL" | "INFO":
                self.reply(request, GONE, source, tag=_token())
            case _:
                self.reply(request, 405, source, tag=_token())

    def _is_rung(self, invite: SipRequest, source: Address) -> None:
        if len(self._calls) >= MOST_CALLS or self._rung.full():
            self.reply(invite, BUSY, source, tag=_token())
            return
        call = HandsetCall(
            self,
            self._stream(),
            invite.call_id or _token(),
            f"{invite.get_header('To')};tag={_token()}",
            invite.get_header("From") or "",
            _contact(invite) or "sip:{}:{}".format(*self.server),
            source,
        )
        call.invite = invite
        self._calls[call.call_id] = call
        self._rung.put_nowait(call)

    def _send(self, message: bytes, to: Address) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.sendto(message, to)


@dataclass
class _Asked:
    """A request that waits for its answer; `heard`: some answer came."""

    request: SipRequest
    answer: asyncio.Future[SipResponse]
    heard: bool = False


def _token() -> str:
    return secrets.token_hex(8)


def _key(message: SipMessage) -> str:
    """What makes a message part of a transaction (RFC 3261, 17.1.3 and 17.2.3)."""
    via = message.get_header("Via") or ""
    found = re.search(r"branch=([^;,\s]+)", via)
    number = (message.get_header("CSeq") or "").split()
    return f"{found[1] if found else via} {number[-1] if number else ''}"


def _tag(header: str) -> str:
    found = re.search(r";tag=([^;>\s]+)", header)
    return found[1] if found else ""


def _accepted(answer: SipResponse) -> SipResponse:
    """Return a 200; raises NotAnswered for any other answer."""
    if answer.status_code != OK:
        raise NotAnswered(answer.status_code, answer.reason_phrase)
    return answer


def _contact(message: SipMessage) -> str:
    """Where later requests go; "" where the message does not say it."""
    found = re.search(r"<([^>]+)>", message.get_header("Contact") or "")
    return found[1] if found else ""


def _add_sdp(message: SipMessage, sdp: str) -> None:
    message.set_header("Content-Type", "application/sdp")
    message.text = sdp
