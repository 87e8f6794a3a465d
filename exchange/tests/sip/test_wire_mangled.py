"""What is no SIP, or SIP that somebody took apart: it harms nobody, and the next one is served."""

import asyncio
import socket

import pytest

from exchange.sip.wire_parts import Limits
from exchange.tests.sip.sip_client import SDP, Message, SipClient
from exchange.tests.sip.wire_stage import Stage, on_stage


def invite(client: SipClient) -> str:
    """Write an INVITE that is in order."""
    text = client.request(
        "INVITE",
        "sip:+33974750001@127.0.0.1",
        f"Contact: <sip:c@127.0.0.1:{client.port}>",
        body=SDP,
    )
    assert text.count("\r\n\r\n") == 1
    return text


def without(name: str) -> tuple[str, str]:
    """Take a header out, by what is in front of it and its own first letters."""
    return f"\r\n{name}: ", "\r\nX-Nothing: "


# Part of a right INVITE, what stands there instead, and what is answered: 0 for nothing.
MANGLED: dict[str, tuple[str, str, int]] = {
    "no Via": (*without("Via"), 0),
    "a Via of another protocol": ("SIP/2.0/UDP 127", "HTTP/1.1/UDP 127", 0),
    "a Via without a host": ("SIP/2.0/UDP 127.0.0.1", "SIP/2.0/UDP ", 0),
    "a Via over something else": ("SIP/2.0/UDP", "SIP/2.0/CARRIER-PIGEON", 0),
    "no From": (*without("From"), 0),
    "no To": (*without("To"), 0),
    "no Call-ID": (*without("Call-ID"), 0),
    "no CSeq": (*without("CSeq"), 0),
    "an empty Call-ID": ("\r\nCall-ID: ", "\r\nCall-ID: \r\nX: ", 0),
    "a Call-ID of several words": ("\r\nCall-ID: ", "\r\nCall-ID: a b ", 0),
    "a long Call-ID": ("\r\nCall-ID: ", f"\r\nCall-ID: {'x' * 300}", 0),
    "a CSeq without a number": ("CSeq: 1 INVITE", "CSeq: INVITE", 0),
    "a CSeq that is no number": ("CSeq: 1 INVITE", "CSeq: one INVITE", 0),
    "a CSeq of other digits": ("CSeq: 1 INVITE", "CSeq: ١ INVITE", 0),
    "a CSeq below nothing": ("CSeq: 1 INVITE", "CSeq: -1 INVITE", 0),
    "a CSeq too high": ("CSeq: 1 INVITE", "CSeq: 4294967296 INVITE", 0),
    "a CSeq far too high": ("CSeq: 1 INVITE", f"CSeq: {'9' * 5000} INVITE", 0),
    "a CSeq of another method": ("CSeq: 1 INVITE", "CSeq: 1 BYE", 0),
    "another version": (" SIP/2.0\r\nVia", " SIP/7.0\r\nVia", 0),
    "no version": (" SIP/2.0\r\nVia", "\r\nVia", 0),
    "HTTP": ("INVITE sip:+33974750001@127.0.0.1 SIP/2.0", "GET / HTTP/1.1", 0),
    "a method in small letters": ("INVITE sip:", "invite sip:", 0),
    "a method of signs": ("INVITE sip:", "IN<>VITE sip:", 0),
    "no start line": ("INVITE sip:+33974750001@127.0.0.1 SIP/2.0\r\n", "", 0),
    "an answer without a number": (
        "INVITE sip:+33974750001@127.0.0.1 SIP/2.0",
        "SIP/2.0 abc OK",
        0,
    ),
    "an answer with nothing": ("INVITE sip:+33974750001@127.0.0.1 SIP/2.0", "SIP/2.0", 0),
    "an answer to nothing": ("INVITE sip:+33974750001@127.0.0.1 SIP/2.0", "SIP/2.0 200 OK", 0),
    "an answer far above": ("INVITE sip:+33974750001@127.0.0.1 SIP/2.0", "SIP/2.0 999 Hm", 0),
    "too many headers": ("\r\nMax-Forwards", "\r\nX: y" * 300 + "\r\nMax-Forwards", 0),
    "too many Vias": (
        "\r\nMax-Forwards",
        "\r\nVia: SIP/2.0/UDP a;branch=z9hG4bKa" * 20 + "\r\nMax-Forwards",
        0,
    ),
    # What follows took seconds and more to be taken apart, and all sound stood still.
    "spaces where a name ends": ("From: <", f"From: <{' ' * 12_000}", 400),
    "quotes in a name": ("From: <", 'From: "' + '\\"' * 6000 + "<", 400),
    "spaces in a Via": ("SIP/2.0/UDP 127.0.0.1", f"SIP/2.0/UDP 127.0.0.1{' ' * 12_000}x", 0),
    "a list without end": ("\r\nMax-Forwards", "\r\nRecord-Route: " + "," * 12_000 + "\r\nX", 0),
    "a line in many pieces": ("\r\nMax-Forwards", "\r\nX: y" + "\r\n y" * 3000 + "\r\nX", 0),
    "no tag of theirs": (";tag=f", ";x=f", 400),
    "a length that is none": ("Content-Length: ", "Content-Length: x", 400),
    "a length below nothing": ("Content-Length: ", "Content-Length: -", 400),
    "a length beyond the end": ("Content-Length: ", "Content-Length: 9", 400),
    "a length far beyond the end": ("Content-Length: ", f"Content-Length: {'9' * 5000}", 400),
    "a long URI": ("INVITE sip:", f"INVITE sip:{'x' * 600}", 400),
    "a URI of the web": ("INVITE sip:", "INVITE https:", 416),
    "a URI that is none": ("INVITE sip:", "INVITE ", 416),
    "encryption that is not there": ("INVITE sip:", "INVITE sips:", 416),
    "no Contact": (*without("Contact"), 400),
    "a Contact of the web": ("Contact: <sip:", "Contact: <https:", 400),
    "a Contact without an end": ("Contact: <sip:", "Contact: <sip:<<<", 400),
    "a Contact that is none": ("Contact: <", "Contact: ", 400),
    "a second Contact": ("Contact: ", "Contact: <sip:x@127.0.0.1>, ", 400),
    "a body of another kind": ("application/sdp", "text/html", 415),
    "a body without a kind": ("Content-Type: application/sdp", "X: y", 415),
    "a body that is no SDP": (SDP, "\x00" * len(SDP), 488),
    "an SDP of odd numbers": ("m=audio 40000", "m=audio 40x00", 488),
    "an SDP with a line that is none": ("t=0 0", "t=x y", 488),
    "an SDP whose version is none": ("v=0", "v=x", 488),
    "an SDP with a bandwidth that is none": ("t=0 0", "b=AS:x", 488),
    "an SDP with a map that is none": ("a=rtpmap:101 ", "a=rtpmap:xyz ", 488),
}


@pytest.mark.parametrize("name", MANGLED)
@on_stage()
async def test_a_mangled_message_does_no_harm(stage: Stage, name: str):
    client = await stage.client()
    old, new, status = MANGLED[name]
    text = invite(client)
    assert old in text
    client.send(text.replace(old, new, 1))
    if status:
        await client.hears(status)
    await client.hears_nothing()
    assert stage.calls.empty()
    sizes = stage.wire.sizes()
    assert not sizes["calls"]
    # It goes on serving.
    await stage.talking(await stage.client())


NOISE: dict[str, bytes] = {
    "zeros": b"\x00" * 100,
    "an empty line": b"\r\n",
    "empty lines": b"\r\n\r\n\r\n\r\n",
    "one letter": b"I",
    "noise": bytes(range(256)) * 20,
    "STUN": bytes.fromhex("000100002112a442") + b"\x01" * 12,
    "TLS": bytes.fromhex("16030100a5010000a10303") + b"\x02" * 100,
    "RTP": bytes.fromhex("80000001000000a0deadbeef") + b"\xff" * 160,
    "colons": b":" * 4000,
    "folded nothing": b"INVITE sip:x SIP/2.0\r\n  folded\r\n\r\n",
    "brackets": b"INVITE sip:x SIP/2.0\r\nVia: SIP/2.0/UDP [::::::::\r\n\r\n",
    "quotes": b"INVITE sip:x SIP/2.0\r\nVia: " + b'"' * 3000 + b"\r\n\r\n",
    "not UTF-8": b"INVITE sip:\xff\xfe SIP/2.0\r\nVia: \xff\r\n\r\n",
    "only a start": b"INVITE sip:x SIP/2.0",
    "much": b"INVITE sip:x SIP/2.0\r\nX: " + b"y" * 40_000,
}


@pytest.mark.parametrize("name", NOISE)
@pytest.mark.parametrize("transport", ["UDP", "TCP"])
@on_stage()
async def test_noise_does_no_harm(stage: Stage, name: str, transport: str):
    client = await stage.client(transport)
    client.send(NOISE[name])
    assert not stage.wire.sizes()["calls"]
    await stage.talking(await stage.client())
    if transport == "UDP":
        await client.hears_nothing()


@on_stage()
async def test_each_part_of_a_message_alone_does_no_harm(stage: Stage):
    """An INVITE cut off anywhere, and with any byte turned."""
    client = await stage.client()
    text = invite(client).encode()
    for at in range(0, len(text), 7):
        client.send(text[:at])
        client.send(text[:at] + bytes([text[at] ^ 0x55]) + text[at + 1 :])
        if at % 140 == 0:
            # So that the system's buffer does not throw any away.
            await asyncio.wait_for(asyncio.shield(fence(stage)), 20)
    stage.times.move(200)
    for dialog in list(stage.wire._office.dialogs.values()):
        dialog.forget()
    stage.calls = asyncio.Queue()
    await stage.talking(await stage.client())


async def fence(stage: Stage) -> None:
    """Wait until all that was sent before has been read."""
    client = await SipClient(stage.wire.port).open()
    await client.hears_nothing()
    await client.close()


# ---------------------------------------------------------------- over TCP


@on_stage()
async def test_messages_come_in_pieces_and_several_at_a_time(stage: Stage):
    client = await stage.client("TCP")
    text = invite(client).encode()
    half = len(text) // 2
    for piece in (text[:10], text[10:half], text[half:-1]):
        client.send(piece)
        await fence(stage)
    assert stage.calls.empty()
    more = "".join(client.request("OPTIONS", "sip:127.0.0.1") for _ in range(3))
    client.send(text[-1:] + more.encode() + b"\r\n")
    heard = [await client.hears_either(100, 200) for _ in range(4)]
    assert [message.method for message in heard] == ["INVITE", "OPTIONS", "OPTIONS", "OPTIONS"]
    await stage.call()


@on_stage()
async def test_every_byte_may_come_alone(stage: Stage):
    client = await stage.client("TCP")
    for byte in invite(client).encode():
        client.send(bytes([byte]))
        await asyncio.sleep(0)
    await client.hears(100)


@pytest.mark.parametrize("written", ["Content-Length : ", "l: ", "CONTENT-LENGTH:"])
@on_stage()
async def test_the_length_is_found_however_it_is_written(stage: Stage, written: str):
    """aiosipua finds it without a space before the colon only."""
    client = await stage.client("TCP")
    client.send(invite(client).replace("Content-Length: ", written))
    await client.hears(100)
    client.send(client.request("OPTIONS", "sip:127.0.0.1"))
    await client.hears(200)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("\r\nContent-Length: ", "\r\nX: "),
        ("Content-Length: ", "Content-Length: x"),
        ("Content-Length: ", "Content-Length: 5\r\nContent-Length: "),
        ("Content-Length: ", "Content-Length: 99999"),
        ("\r\nMax-Forwards", f"\r\nX: {'y' * 20_000}\r\nMax-Forwards"),
    ],
)
@on_stage()
async def test_a_connection_whose_messages_cannot_be_told_apart_is_closed(
    stage: Stage, old: str, new: str
):
    client = await stage.client("TCP")
    client.send(invite(client).replace(old, new, 1))
    assert await client.raw() is None
    assert not stage.wire.sizes()["calls"]
    await stage.talking(await stage.client("TCP"))


@on_stage()
async def test_who_asks_whether_the_connection_stands_is_told_so(stage: Stage):
    client = await stage.client("TCP")
    client.send("\r\n\r\n")
    assert await client.raw() == b"\r\n"
    client.send(client.request("OPTIONS", "sip:127.0.0.1"))
    await client.hears(200)


@on_stage()
async def test_a_connection_that_does_not_finish_its_message_is_closed(stage: Stage):
    idle, stalled, busy = [await stage.client("TCP") for _ in range(3)]
    stalled.send("INVITE sip:x SIP")
    busy.send(busy.request("OPTIONS", "sip:127.0.0.1"))
    await busy.hears(200)
    await fence(stage)
    stage.times.move(Limits().stall)
    assert await idle.raw() is None
    assert await stalled.raw() is None
    busy.send(busy.request("OPTIONS", "sip:127.0.0.1"))
    await busy.hears(200)
    assert stage.wire.sizes()["connections"] == 1
    # Nor may a later one be left unfinished.
    busy.send("OPTIONS sip:x")
    await fence(stage)
    stage.times.move(Limits().stall)
    assert await busy.raw() is None


@on_stage()
async def test_a_connection_to_nobody_is_noticed_within_two_minutes(stage: Stage):
    """A telephone without power says nothing; a firewall forgets a trunk's quiet connection."""
    client = await stage.client("TCP")
    await client.hears_nothing()
    (connection,) = stage.wire._sockets.connections.values()
    transport = connection._transport
    assert transport is not None
    own = transport.get_extra_info("socket")
    assert own.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
    idle, every, times = (
        own.getsockopt(socket.IPPROTO_TCP, option)
        for option in (socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL, socket.TCP_KEEPCNT)
    )
    assert idle + every * times <= 120
    # What was sent and is not acknowledged; milliseconds.
    assert 0 < own.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) <= 60_000


@on_stage()
async def test_a_call_goes_over_a_connection(stage: Stage):
    client = await stage.client("TCP")
    dialling, call, _ = await stage.talking(client)
    assert dialling.target == f"sip:127.0.0.1:{stage.wire.port};transport=tcp"
    call.hang_up()
    bye = await client.hears("BYE")
    assert bye["Via"].startswith(f"SIP/2.0/TCP 127.0.0.1:{stage.wire.port};branch=z9hG4bK")
    stage.times.move(10)
    client.answers(bye, 200)
    await client.hears_nothing()
    stage.nothing_left()


@on_stage()
async def test_a_call_whose_connection_is_gone_ends(stage: Stage):
    client = await stage.client("TCP")
    _, call, _ = await stage.talking(client)
    await client.close()
    while stage.wire.sizes()["connections"]:
        await fence(stage)
    call.hang_up()
    await fence(stage)
    stage.times.move(0)
    stage.nothing_left()


@on_stage()
async def test_who_is_gone_before_the_answer_is_not_answered(stage: Stage):
    client = await stage.client("TCP")
    client.invite()
    await client.hears(100)
    call, ear = await stage.call()
    await client.close()
    while stage.wire.sizes()["connections"]:
        await fence(stage)
    assert not call.answer()
    await ear.hears("lost")
    stage.nothing_left()


def test_the_table_is_long_enough():
    assert len(MANGLED) + len(NOISE) >= 40
    assert Message.of(b"SIP/2.0 200 OK\r\n\r\n").status == 200
