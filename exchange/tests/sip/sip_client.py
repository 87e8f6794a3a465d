"""A telephone as a test has it: raw SIP over a real socket of this machine, one line at a time.

It knows nothing of aiosipua, so that a mistake there is not made twice.
"""

from __future__ import annotations

import asyncio
import hashlib
import itertools
import re

from collections.abc import Mapping
from dataclasses import dataclass, field

# Never a measure: how long a test waits for what must come.
PATIENCE_S = 20.0
_numbers = itertools.count(1)

SDP = (
    "v=0\r\n"
    "o=- 1 1 IN IP4 127.0.0.1\r\n"
    "s=-\r\n"
    "c=IN IP4 127.0.0.1\r\n"
    "t=0 0\r\n"
    "m=audio 40000 RTP/AVP 8 0 101\r\n"
    "a=rtpmap:101 telephone-event/8000\r\n"
    "a=fmtp:101 0-15\r\n"
)


@dataclass
class Message:
    """One message, taken apart without judging it."""

    start: str
    headers: list[tuple[str, str]]
    body: str
    raw: bytes

    @classmethod
    def of(cls, raw: bytes) -> Message:
        head, _, body = raw.decode().partition("\r\n\r\n")
        start, *lines = head.split("\r\n")
        pairs = [line.partition(":") for line in lines]
        return cls(start, [(name.strip(), value.strip()) for name, _, value in pairs], body, raw)

    @property
    def status(self) -> int:
        """Of a response; 0 of a request."""
        return int(self.start.split()[1]) if self.start.startswith("SIP/2.0 ") else 0

    @property
    def method(self) -> str:
        """Of a request, or of the request that it answers."""
        return self["CSeq"].split()[1] if self.status else self.start.split()[0]

    @property
    def what(self) -> int | str:
        """The status of a response, the method of a request."""
        return self.status or self.method

    def all(self, name: str) -> list[str]:
        return [value for key, value in self.headers if key.lower() == name.lower()]

    def __getitem__(self, name: str) -> str:
        return self.all(name)[0]

    def __contains__(self, name: str) -> bool:
        return bool(self.all(name))

    @property
    def to_tag(self) -> str:
        found = re.search(r";tag=([^;]+)", self["To"])
        return found[1] if found else ""

    @property
    def contact_uri(self) -> str:
        found = re.search(r"<([^>]+)>", self["Contact"])
        assert found
        return found[1]


@dataclass
class Dialling:
    """One call of the client's own: what all its messages have in common."""

    call_id: str
    from_tag: str
    to: str
    sender: str
    branch: str
    cseq: int = 1
    to_tag: str = ""
    target: str = ""
    headers: list[str] = field(default_factory=list)


class SipClient:
    """Sends text, and gives what comes, in order. `transport` is UDP or TCP."""

    def __init__(self, port: int, transport: str = "UDP") -> None:
        self.server, self.transport = ("127.0.0.1", port), transport
        self.inbox: asyncio.Queue[bytes | None] = asyncio.Queue()
        self.port = 0
        self._udp: asyncio.DatagramTransport | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._reading: asyncio.Task[None] | None = None

    async def open(self, host: str = "127.0.0.1") -> SipClient:
        loop, inbox = asyncio.get_running_loop(), self.inbox
        if self.transport == "TCP":
            reader, self._writer = await asyncio.open_connection(*self.server, local_addr=(host, 0))
            self.port = self._writer.get_extra_info("sockname")[1]
            self._reading = loop.create_task(self._read(reader))
            return self

        class Taken(asyncio.DatagramProtocol):
            def datagram_received(self, data: bytes, addr: object) -> None:
                inbox.put_nowait(data)

        self._udp, _ = await loop.create_datagram_endpoint(Taken, local_addr=(host, 0))
        self.port = self._udp.get_extra_info("sockname")[1]
        return self

    async def _read(self, reader: asyncio.StreamReader) -> None:
        try:
            while head := await reader.readuntil(b"\r\n"):
                if head == b"\r\n":
                    self.inbox.put_nowait(head)
                    continue
                head += await reader.readuntil(b"\r\n\r\n")
                found = re.search(rb"Content-Length: (\d+)", head)
                length = int(found[1]) if found else 0
                self.inbox.put_nowait(head + await reader.readexactly(length))
        except (asyncio.IncompleteReadError, ConnectionError):
            self.inbox.put_nowait(None)

    async def close(self) -> None:
        if self._udp:
            self._udp.close()
        if self._reading:
            self._reading.cancel()
            await asyncio.gather(self._reading, return_exceptions=True)
        if self._writer:
            self._writer.close()
            await asyncio.gather(self._writer.wait_closed(), return_exceptions=True)

    # ------------------------------------------------------------ messages

    def send(self, text: str | bytes) -> None:
        data = text if isinstance(text, bytes) else text.encode()
        if self._writer:
            self._writer.write(data)
        elif self._udp:
            self._udp.sendto(data, self.server)

    async def raw(self) -> bytes | None:
        """What comes next, or None where the connection was closed."""
        return await asyncio.wait_for(self.inbox.get(), PATIENCE_S)

    async def hears(self, *what: int | str) -> Message:
        """Give the next message; it must be this: a status or a method. Several: in this order."""
        message = None
        for one in what:
            raw = await self.raw()
            assert raw is not None, f"closed instead of {one}"
            message = Message.of(raw)
            assert message.what == one, f"{message.start} instead of {one}"
        assert message is not None
        return message

    async def hears_either(self, *what: int | str) -> Message:
        """Give the next message, which must be one of these."""
        raw = await self.raw()
        message = Message.of(raw or b"")
        assert message.what in what, message.start
        return message

    async def hears_later(self, what: int | str) -> Message:
        """Give the first message that is this; a 100 or a 180 may be before it."""
        while True:
            message = await self.hears_either(100, 180, what)
            if message.what == what:
                return message

    async def hears_nothing(self) -> None:
        """Make sure that nothing else was sent: a question of ours is answered next."""
        asked = self.request("OPTIONS", f"sip:127.0.0.1:{self.server[1]}")
        self.send(asked)
        answer = await self.hears(200)
        assert answer.method == "OPTIONS", answer.start

    def via(self, branch: str) -> str:
        return f"SIP/2.0/{self.transport} 127.0.0.1:{self.port};branch={branch};rport"

    def request(
        self,
        method: str,
        uri: str,
        *headers: str,
        to: str = "",
        sender: str = "<sip:+33612345678@127.0.0.1>",
        body: str = "",
        body_type: str = "application/sdp",
    ) -> str:
        """Write a request outside of any call."""
        number = next(_numbers)
        lines = [
            f"{method} {uri} SIP/2.0",
            f"Via: {self.via(f'z9hG4bKc{number}')}",
            "Max-Forwards: 70",
            f"From: {sender};tag=f{number}",
            f"To: {to or f'<{uri}>'}",
            f"Call-ID: c{number}@127.0.0.1",
            f"CSeq: 1 {method}",
            *headers,
        ]
        return written(lines, body, body_type)

    # ------------------------------------------------------------ calls of its own

    def invite(
        self,
        number: str = "+33974750001",
        *headers: str,
        body: str = SDP,
        sender: str = "<sip:+33612345678@127.0.0.1>",
    ) -> Dialling:
        """Ring, and give what the rest of the call needs."""
        count = next(_numbers)
        call = Dialling(
            call_id=f"i{count}@127.0.0.1",
            from_tag=f"f{count}",
            to=f"<sip:{number}@127.0.0.1:{self.server[1]}>",
            sender=sender,
            branch=f"z9hG4bKi{count}",
            target=f"sip:{number}@127.0.0.1:{self.server[1]}",
            headers=list(headers),
        )
        self.send(self.in_call(call, "INVITE", *headers, body=body, branch=call.branch))
        return call

    def in_call(
        self,
        call: Dialling,
        method: str,
        *headers: str,
        body: str = "",
        body_type: str = "application/sdp",
        branch: str = "",
        cseq: int | None = None,
    ) -> str:
        """Write a message of a call, with the call's present CSeq unless another is given."""
        to = f"{call.to};tag={call.to_tag}" if call.to_tag else call.to
        over = ";transport=tcp" if self.transport == "TCP" else ""
        lines = [
            f"{method} {call.target} SIP/2.0",
            f"Via: {self.via(branch or f'z9hG4bKm{next(_numbers)}')}",
            "Max-Forwards: 70",
            f"From: {call.sender};tag={call.from_tag}",
            f"To: {to}",
            f"Call-ID: {call.call_id}",
            f"CSeq: {cseq or call.cseq} {method}",
            f"Contact: <sip:client@127.0.0.1:{self.port}{over}>",
            *headers,
        ]
        return written(lines, body, body_type)

    def acknowledges(self, call: Dialling, answer: Message) -> None:
        """Send ACK: of a 200 within the dialog, of a refusal under the INVITE's own mark."""
        call.to_tag = answer.to_tag
        if answer.status < 300:
            call.target = answer.contact_uri
            self.send(self.in_call(call, "ACK"))
        else:
            self.send(self.in_call(call, "ACK", branch=call.branch))

    def cancels(self, call: Dialling) -> None:
        self.send(self.in_call(call, "CANCEL", branch=call.branch))

    def hangs_up(self, call: Dialling) -> None:
        self.asks(call, "BYE")

    def asks(
        self, call: Dialling, method: str, *headers: str, body: str = "", body_type: str = SDP[:0]
    ) -> str:
        """Send the next request of a call, and give its text, to send it again."""
        call.cseq += 1
        text = self.in_call(
            call, method, *headers, body=body, body_type=body_type or "application/sdp"
        )
        self.send(text)
        return text

    # ------------------------------------------------------------ answers to calls of the others

    def answers(
        self, request: Message, status: int, *headers: str, body: str = "", tag: str = "theirs"
    ) -> None:
        """Answer a request that came."""
        to = (
            request["To"]
            if ";tag=" in request["To"] or status == 100
            else (f"{request['To']};tag={tag}")
        )
        over = ";transport=tcp" if self.transport == "TCP" else ""
        lines = [
            f"SIP/2.0 {status} Whatever",
            *(f"Via: {via}" for via in request.all("Via")),
            f"From: {request['From']}",
            f"To: {to}",
            f"Call-ID: {request['Call-ID']}",
            f"CSeq: {request['CSeq']}",
            f"Contact: <sip:{tag}@127.0.0.1:{self.port}{over}>",
            *headers,
        ]
        self.send(written(lines, body, "application/sdp"))

    # ------------------------------------------------------------ registering

    async def registers(
        self,
        name: str,
        password: str,
        *,
        expires: int = 300,
        contact: str = "",
        call_id: str = "",
        cseq: int = 1,
    ) -> Message:
        """Register, answer the challenge, and give the last response."""
        uri = f"sip:127.0.0.1:{self.server[1]}"
        where = contact or f"<sip:{name}@127.0.0.1:{self.port}>"
        text = self.register(
            name, f"Contact: {where}", f"Expires: {expires}", call_id=call_id, cseq=cseq
        )
        self.send(text)
        challenge = await self.hears(401)
        proof = digest(challenge["WWW-Authenticate"], name, password, "REGISTER", uri)
        self.send(
            self.register(
                name,
                f"Contact: {where}",
                f"Expires: {expires}",
                f"Authorization: {proof}",
                call_id=challenge["Call-ID"],
                cseq=cseq + 1,
            )
        )
        raw = await self.raw()
        assert raw is not None
        return Message.of(raw)

    def register(self, name: str, *headers: str, call_id: str = "", cseq: int = 1) -> str:
        """Write a REGISTER."""
        number = next(_numbers)
        address = f"<sip:{name}@127.0.0.1>"
        lines = [
            f"REGISTER sip:127.0.0.1:{self.server[1]} SIP/2.0",
            f"Via: {self.via(f'z9hG4bKr{number}')}",
            "Max-Forwards: 70",
            f"From: {address};tag=r{number}",
            f"To: {address}",
            f"Call-ID: {call_id or f'r{number}@127.0.0.1'}",
            f"CSeq: {cseq} REGISTER",
            *headers,
        ]
        return written(lines)


def written(lines: list[str], body: str = "", body_type: str = "application/sdp") -> str:
    """Write a message with the length of its body."""
    if body:
        lines = [*lines, f"Content-Type: {body_type}"]
    return "\r\n".join([*lines, f"Content-Length: {len(body.encode())}", "", body])


def digest(
    challenge: str,
    name: str,
    password: str,
    method: str,
    uri: str,
    /,
    *,
    count: int = 1,
    instead: Mapping[str, str] | None = None,
) -> str:
    """Answer a challenge (RFC 7616 §3.4); `instead` puts something else in, to be wrong."""
    said = dict(re.findall(r'(\w+)="?([^",]*)"?', challenge))
    algorithm = said.get("algorithm", "MD5")

    def hashed(text: str) -> str:
        made = hashlib.md5 if algorithm == "MD5" else hashlib.sha256
        return made(text.encode()).hexdigest()

    nc, cnonce = f"{count:08x}", "0a4f113b"
    who = hashed(f"{name}:{said['realm']}:{password}")
    what = hashed(f"{method}:{uri}")
    fields = {
        "username": name,
        "realm": said["realm"],
        "nonce": said["nonce"],
        "uri": uri,
        "response": hashed(f"{who}:{said['nonce']}:{nc}:{cnonce}:auth:{what}"),
        "cnonce": cnonce,
    }
    instead = instead or {}
    fields |= {key: value for key, value in instead.items() if key in fields}
    bare = {"algorithm": algorithm, "qop": "auth", "nc": nc} | {
        key: value for key, value in instead.items() if key not in fields
    }
    told = [f'{key}="{value}"' for key, value in fields.items()]
    return "Digest " + ", ".join(told + [f"{key}={value}" for key, value in bare.items()])
