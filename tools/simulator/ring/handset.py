"""A SIP telephone for scripts (RFC 3261, over UDP): it rings a service of this machine.

aiosipua's client makes and reads the messages; what it leaves to its user is done here: a request
is sent until it is answered, a refusal is acknowledged, a BYE is taken. Everything happens on one
asyncio loop.
"""

from __future__ import annotations

import asyncio
import contextlib
import re

from collections.abc import Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Final, Self

from aiosipua.headers import stringify_uri
from aiosipua.message import SipRequest, SipResponse
from aiosipua.outgoing_call import OutgoingCall
from aiosipua.sdp import SdpMessage, parse_sdp
from aiosipua.transport import UdpSipTransport
from aiosipua.uac import SipUAC

from exchange.sip.parts import FRAME_S
from tools.simulator.ring.rtp import PAYLOAD, Stream

Address = tuple[str, int]
HOST: Final = "127.0.0.1"
# Seconds (RFC 3261, 17.1.2.2): the first repetition, the longest time between two, and the end.
T1: Final = 0.5
T2: Final = 4.0
GIVES_UP_S: Final = 32.0
# How long it may ring before it is left.
RINGS_S: Final = 90.0
OK, REFUSED = 200, 300
TIMED_OUT, NOT_ALLOWED, NO_CODEC = 408, 405, 488
# The payload type of keys that is offered; the answer may name another one.
KEYS_TYPE: Final = 101
TELEPHONE_EVENT: Final = re.compile(r"(\d+) telephone-event/8000", re.IGNORECASE)


class NotAnswered(Exception):
    """It was refused, or nothing was heard; `status` is SIP's last word, 408 for silence."""

    def __init__(self, status: int, reason: str = "") -> None:
        super().__init__(f"{status} {reason}".strip())
        self.status = status


@dataclass(eq=False)
class HandsetCall:
    """One call. `stream` has its sound, and the keys.

    `ended` is set when it is over; `how` then is `they hung up`, `we hung up` or `not answered`.
    """

    handset: Handset
    stream: Stream
    # Seconds on the loop's clock.
    answered_at: float | None = None
    how: str = ""
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    # The library's side of the call, once it rings.
    sip: OutgoingCall = field(init=False)
    # The methods of our requests to which anything was answered.
    heard: dict[str, asyncio.Event] = field(default_factory=dict)

    async def hang_up(self) -> None:
        """End it with BYE and wait until that is answered; once is enough."""
        if not self.ended.is_set():
            self.end("we hung up")
            bye = self.sip.hangup(self.handset.client)
            if bye is not None:
                with contextlib.suppress(NotAnswered):
                    await self.handset.repeat(self, bye)

    def end(self, how: str) -> None:
        """Write down that it is over, and let go of the sound's port."""
        if not self.ended.is_set():
            self.how = how
            self.ended.set()
            self.stream.close()

    def connect(self, answer: SdpMessage | None) -> None:
        """Send sound and keys as the other side's SDP has it. Raises NotAnswered (488)."""
        audio, address = (answer.audio, answer.rtp_address) if answer else (None, None)
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
        host, port = address
        self.stream.connect(host, port, laws[0], events[0] if events else KEYS_TYPE)


class _Transport(UdpSipTransport):
    """The library's, which tells its port where the machine has chosen it."""

    async def start(self) -> None:
        await super().start()
        assert self._udp_transport is not None  # noqa: S101 - it has just been started
        self.local_addr = self._udp_transport.get_extra_info("sockname")[:2]


class Handset:
    """A telephone at a UDP port of its own that rings one service, `server`, as `user`.

    Used as an asynchronous context; raises OSError where no port is to be had.
    """

    def __init__(self, server: Address, user: str, *, pace_s: float = FRAME_S) -> None:
        self.server, self.user = server, user
        self.pace_s = pace_s
        self._transport = _Transport(local_addr=(HOST, 0), on_message=self._takes)
        self.client = SipUAC(self._transport)
        # Also those that are over: a BYE may come once more.
        self._calls: dict[str, HandsetCall] = {}

    async def __aenter__(self) -> Self:
        await self._transport.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        problem: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for call in self._calls.values():
            await call.hang_up()
        await self._transport.stop()

    async def call(
        self, to: str, *, began: Callable[[HandsetCall], None] | None = None
    ) -> HandsetCall:
        """Ring `to` and wait for the answer; `began` is told the call before it is answered.

        Raises NotAnswered, and OSError where there is no port for the sound.
        """
        loop = asyncio.get_running_loop()
        host, port = self.server
        call = HandsetCall(self, Stream(HOST, self.pace_s))
        if began is not None:
            began(call)
        answered: asyncio.Future[None] = loop.create_future()
        uri = f"sip:{to}@{host}:{port}"
        offer = parse_sdp(_offer(call.stream.port))
        call.sip = self.client.send_invite(f"sip:{self.user}@{host}", uri, self.server, offer)

        def is_answered(_: OutgoingCall) -> None:
            if not answered.done():
                answered.set_result(None)

        def is_refused(_: OutgoingCall, status: int, reason: str) -> None:
            if not answered.done():
                answered.set_exception(NotAnswered(status, reason))

        call.sip.on_answer, call.sip.on_rejected = is_answered, is_refused
        self._calls[call.sip.call_id] = call
        try:
            await self.repeat(call, call.sip.invite)
            await asyncio.wait_for(answered, RINGS_S)
            call.answered_at = loop.time()
            call.connect(call.sip.sdp_answer)
        except BaseException as problem:
            if call.answered_at is not None:
                await call.hang_up()
            call.end("not answered")
            if isinstance(problem, TimeoutError):
                raise NotAnswered(TIMED_OUT, "nothing was heard") from None
            raise
        return call

    async def repeat(self, call: HandsetCall, request: SipRequest) -> None:
        """Send a request again and again until anything is answered. Raises NotAnswered (408)."""
        heard = call.heard[request.method] = asyncio.Event()
        invites = request.method == "INVITE"
        wait, waited = T1, 0.0
        while not heard.is_set():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(heard.wait(), wait)
                return
            waited, wait = waited + wait, 2 * wait if invites else min(2 * wait, T2)
            if waited > GIVES_UP_S:
                raise NotAnswered(TIMED_OUT, "nothing was heard")
            self._transport.send(request, self.server)

    def _takes(self, message: SipRequest | SipResponse, source: Address) -> None:
        call = self._calls.get(message.call_id or "")
        if call is None:
            return
        if isinstance(message, SipRequest):
            self._is_asked(call, message, source)
            return
        method = message.cseq.method if message.cseq else ""
        if method == "INVITE" and message.contact:
            # Where later requests go.
            call.sip.dialog.remote_target = stringify_uri(message.contact[0].uri)
        if method == "INVITE" and message.status_code >= REFUSED:
            self._acknowledge_refusal(call.sip.invite, message)
        if method in call.heard:
            call.heard[method].set()
        self.client.handle_response(message, source)

    def _is_asked(self, call: HandsetCall, request: SipRequest, source: Address) -> None:
        if request.method == "ACK":
            return
        status = OK if request.method == "BYE" else NOT_ALLOWED
        self._transport.send(call.sip.dialog.create_response(request, status), source)
        if request.method == "BYE":
            call.end("they hung up")

    def _acknowledge_refusal(self, invite: SipRequest, answer: SipResponse) -> None:
        ack = SipRequest(method="ACK", uri=invite.uri)
        for name in ("Via", "Max-Forwards", "From", "Call-ID"):
            ack.set_header(name, invite.get_header(name) or "")
        ack.set_header("To", answer.get_header("To") or "")
        ack.set_header("CSeq", (invite.get_header("CSeq") or "").replace("INVITE", "ACK"))
        self._transport.send(ack, self.server)


def _offer(port: int) -> str:
    """Return the SDP of a stream at that port: G.711 of both laws, and keys."""
    forms = " ".join(str(kind) for kind in PAYLOAD.values())
    maps = "".join(f"a=rtpmap:{kind} {law}/8000\r\n" for law, kind in PAYLOAD.items())
    return (
        f"v=0\r\no=- {port} 1 IN IP4 {HOST}\r\ns=-\r\nc=IN IP4 {HOST}\r\nt=0 0\r\n"
        f"m=audio {port} RTP/AVP {forms} {KEYS_TYPE}\r\n{maps}"
        f"a=rtpmap:{KEYS_TYPE} telephone-event/8000\r\n"
        f"a=fmtp:{KEYS_TYPE} 0-15\r\na=ptime:20\r\na=sendrecv\r\n"
    )
