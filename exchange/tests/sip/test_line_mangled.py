"""Whatever arrives on a line's ports: it goes on, tells nothing, and answers nobody."""

import random

import pytest

from exchange.sip.parts import FRAME, Sound
from exchange.tests.sip.line_stage import OURS, Caller, Stage, tone, tones

# A good packet of the telephone's own source: version 2, PCMU, number 7, time 800, source 0x5EED.
GOOD = bytes.fromhex("8000 0007 00000320 00005eed") + b"\xff" * FRAME
KEY = bytes.fromhex("8065 0007 00000320 00005eed")
STUN = bytes.fromhex("0001 0000 2112a442") + bytes(12)
RTCP = bytes.fromhex("80c9 0001 00005eed")


def first(byte: int, rest: bytes = GOOD[1:]) -> bytes:
    return bytes([byte]) + rest


MANGLED = {
    "nothing": b"",
    "one byte": b"\x80",
    "two bytes": b"\x80\x00",
    "half a header": GOOD[:6],
    "a header but for a byte": GOOD[:11],
    "version 0": first(0x00),
    "version 1": first(0x40),
    "version 3": first(0xC0),
    "15 sources claimed and none there": first(0x8F, GOOD[1:12]),
    "15 sources claimed and one there": first(0x8F, GOOD[1:16]),
    "15 sources claimed and half of the last": first(0x8F, GOOD[1:70]),
    "an extension without a header": first(0x90, GOOD[1:12]),
    "half of an extension's header": first(0x90, GOOD[1:12] + b"\xbe\xde"),
    "an extension longer than the packet": first(
        0x90, GOOD[1:12] + b"\xbe\xde\xff\xff" + b"\1" * 9
    ),
    "a one-byte extension cut short": first(0x90, GOOD[1:12] + b"\xbe\xde\x00\x01\x1f\1\1\1"),
    "a two-byte extension cut short": first(0x90, GOOD[1:12] + b"\x10\x00\x00\x01\x01\xff\1\1"),
    "a two-byte extension without its length": first(
        0x90, GOOD[1:12] + b"\x10\x00\x00\x01\x00\x00\x00\x01"
    ),
    "sources and an extension that overlap": first(0x9F, GOOD[1:70] + b"\xbe\xde\x00\x40"),
    "padding of nothing": first(0xA0, GOOD[1:-1] + b"\x00"),
    "padding longer than the payload": first(0xA0, GOOD[1:-1] + b"\xff"),
    "padding without a payload": first(0xA0, GOOD[1:12]),
    "padding, an extension and sources that lie": first(0xBF, b"\xff" * 171),
    "STUN": STUN,
    "STUN cut short": STUN[:19],
    "STUN that claims much": bytes.fromhex("0001 ffff 2112a442") + bytes(12),
    "DTLS": bytes.fromhex("16 fefd 0000 000000000000 0010") + bytes(16),
    "SIP": b"OPTIONS sip:anybody@192.0.2.1 SIP/2.0\r\n\r\n",
    "an SDP": b"v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\n",
    "a line break": b"\r\n\r\n",
    "zeros": bytes(172),
    "ones": b"\xff" * 172,
    "a packet too long": GOOD + bytes(1400),
    "a packet much too long": b"\x80\x00" + bytes(65000),
    "RTCP on the port of sound": RTCP,
    "RTCP cut short": RTCP[:3],
    "RTCP that claims much": bytes.fromhex("9fc8 ffff 00005eed"),
    "an RTCP farewell": bytes.fromhex("81cb 0001 00005eed"),
    "a key behind sources that lie": bytes([0x8F]) + KEY[1:] + b"\x01\x0a\x00\xa0",
    "an unknown payload": first(0x80, b"\x63" + GOOD[2:]),
    "another codec's payload": first(0x80, b"\x09" + GOOD[2:]),
    "an unknown payload that is marked": first(0x80, b"\xff" + GOOD[2:]),
}
# These are RTP, but say nothing.
EMPTY = {
    "sound without a sample": GOOD[:12],
    "padding all the way": first(0xA0, GOOD[1:12] + b"\x00\x00\x00\x04"),
    "comfort noise without a level": first(0x80, b"\x0d" + GOOD[2:12]),
    "a key without an event": KEY,
    "a key cut short": KEY + b"\x01\x0a\x00",
    "a key that is none": KEY + bytes([99, 10, 0, 160]),
}


def test_there_are_forty_of_them():
    assert len(MANGLED) >= 40


@pytest.fixture
def stage():
    return Stage()


@pytest.mark.parametrize("data", MANGLED.values(), ids=MANGLED)
def test_it_opens_a_line_to_nobody_and_is_not_answered(stage, data):
    caller = Caller()
    peer, line = stage.call(caller)
    stranger = stage.peer(host="203.0.113.9", to=(OURS, line.port))
    control = stage.air.bound("203.0.113.9", stranger.port + 1)
    stranger.sends(data)
    stranger.sends(data, (OURS, line.port + 1))
    stage.passes(1)
    assert stranger.frames == 0
    assert not stage.air.waiting[control.name]
    assert peer.frames == 50
    assert (caller.keys, caller.left) == ("", [])


@pytest.mark.parametrize("data", (MANGLED | EMPTY).values(), ids=MANGLED | EMPTY)
def test_a_call_goes_on_after_it(stage, data, caplog):
    caller = Caller()
    peer, line = stage.call(caller)
    heard: list[bytes] = []
    line.listen(heard.append)
    peer.says(Sound.silent(0.1))
    stage.passes(0.1)
    for _ in range(10):
        peer.sends(data)
        peer.sends(data, (OURS, line.port + 1))
    stage.passes(0.1)
    peer.says(tone(400, 1)).presses("5")
    stage.plays_out(0)
    assert (caller.keys, caller.left) == ("5", [])
    assert tones(heard, 400) >= 40
    assert {len(frame) for frame in heard} == {320}
    assert not caplog.records


def test_anything_at_all_is_borne(stage, caplog):
    chance = random.Random(5)  # noqa: S311
    caller = Caller()
    peer, line = stage.call(caller)
    heard: list[bytes] = []
    line.listen(heard.append)
    peer.says(Sound.silent(0.1))
    stage.passes(0.1)
    for _ in range(10000):
        data = bytearray(chance.choice([GOOD, KEY + b"\x01\x0a\x00\xa0", RTCP, STUN]))
        for _ in range(chance.randrange(6)):
            data[chance.randrange(min(len(data), 24))] = chance.randrange(256)
        peer.sends(bytes(data[: chance.randrange(len(data) + 1)]))
        if chance.random() < 0.1:
            stage.passes(0.02)
    stage.passes(1)
    assert {len(frame) for frame in heard} == {320}
    assert not caplog.records
    assert line.counts.mangled > 1000
