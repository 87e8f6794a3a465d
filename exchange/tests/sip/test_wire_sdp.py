"""What two sides agree to send: which law, which keys, and where to."""

import pytest

from exchange.sip import wire_sdp
from exchange.sip.parts import Media
from exchange.tests.sip.sip_client import SDP
from exchange.tests.sip.wire_stage import Stage, media_of, on_stage


def offer(*lines: str, connection: str = "c=IN IP4 127.0.0.1") -> str:
    """Write an offer with these lines from `m=` on."""
    head = ["v=0", "o=- 1 1 IN IP4 127.0.0.1", "s=-", *[connection] * bool(connection), "t=0 0"]
    return "\r\n".join([*head, *lines, ""])


def read(body: str) -> wire_sdp.Offer:
    return wire_sdp.read(body.encode(), "127.0.0.5", lambda host: host.startswith("127."))


EVENT = "a=rtpmap:96 telephone-event/8000"


@pytest.mark.parametrize(
    ("lines", "law", "keys"),
    [
        (["m=audio 4000 RTP/AVP 8 0"], "PCMA", None),
        (["m=audio 4000 RTP/AVP 0 8"], "PCMU", None),
        (["m=audio 4000 RTP/AVP 9 18 0 8"], "PCMU", None),
        (["m=audio 4000 RTP/AVP 111 8 96", "a=rtpmap:111 opus/48000/2", EVENT], "PCMA", 96),
        (["m=audio 4000 RTP/AVP 0 126", "a=rtpmap:126 Telephone-Event/8000"], "PCMU", 126),
        # One event for each rate: the one of G.711's.
        (["m=audio 4000 RTP/AVP 0 97 96", "a=rtpmap:97 telephone-event/48000", EVENT], "PCMU", 96),
        # The number that others use for keys is of no matter where it is not said.
        (["m=audio 4000 RTP/AVP 0 101"], "PCMU", None),
        (["m=audio 4000 RTP/AVP 0 5", "a=rtpmap:5 telephone-event/8000"], "PCMU", None),
        (["m=audio 4000 RTP/AVP 8", "a=rtpmap:8 PCMA/8000/1"], "PCMA", None),
        (["m=audio 4000 RTP/AVP 8 0", "a=rtpmap:8 opus/48000"], "PCMU", None),
    ],
)
def test_the_first_law_that_is_offered_is_taken(lines: list[str], law: str, keys: int | None):
    found = read(offer(*lines)).media
    assert (found.law, found.keys) == (law, keys)


@pytest.mark.parametrize(
    "body",
    [
        "",
        "hello",
        offer(),
        # aiosipua takes the first three of these: there is no port, or an encryption it has not.
        offer("m=audio 0 RTP/AVP 8 0"),
        offer("m=audio 4000 RTP/SAVP 8 0"),
        offer("m=audio 4000 UDP/TLS/RTP/SAVPF 0"),
        offer("m=audio 4000 RTP/AVP 9"),
        offer("m=audio 4000 RTP/AVP"),
        offer("m=audio 70000 RTP/AVP 0"),
        offer("m=audio -1 RTP/AVP 0"),
        offer("m=audio 4000/2 RTP/AVP 0"),
        offer("m=audio x RTP/AVP 0"),
        offer("m=video 4000 RTP/AVP 0"),
        offer("m=audio 4000 RTP/AVP 0", "a=rtpmap:0 opus/48000"),
        offer("m=audio 4000 RTP/AVP 0", "a=rtpmap:x y/z"),
        offer("m=audio 4000 RTP/AVP 0", "a=rtpmap:0 PCMU/x"),
        offer("m=audio 4000 RTP/AVP " + "0 " * 40),
        offer(*["m=audio 4000 RTP/AVP 0"] * 9),
        offer("m=audio 4000 RTP/AVP 0", "a=x:" + "y" * 9000),
    ],
)
def test_what_has_no_sound_for_us_is_not_acceptable(body: str):
    with pytest.raises(wire_sdp.NotAcceptable):
        read(body)


@pytest.mark.parametrize(
    ("connection", "host"),
    [
        ("c=IN IP4 127.0.0.1", "127.0.0.1"),
        ("c=IN IP4 127.0.0.1/127", "127.0.0.1"),
        # Nobody is sent sound who may not be heard: it goes to where the message came from.
        ("c=IN IP4 198.51.100.1", "127.0.0.5"),
        ("c=IN IP4 somebody.example", "127.0.0.5"),
        ("c=IN", "127.0.0.5"),
        ("", "127.0.0.5"),
    ],
)
def test_sound_goes_to_who_may_be_heard(connection: str, host: str):
    assert read(offer("m=audio 4000 RTP/AVP 0", connection=connection)).media.host == host


def test_a_line_has_its_own_address_before_that_of_all():
    lines = ["m=audio 4000 RTP/AVP 0", "c=IN IP4 127.0.0.7"]
    assert read(offer(*lines)).media == Media("127.0.0.7", 4000, "PCMU", None)


@on_stage()
async def test_the_keys_that_are_offered_are_those_of_the_answer(stage: Stage):
    """aiosipua answers 101 whatever was offered."""
    caller = await stage.client()
    caller.invite(body=offer("m=audio 4000 RTP/AVP 8 96", EVENT, "a=ptime:30"))
    await caller.hears(100)
    call, _ = await stage.call()
    assert call.answer()
    answer = (await caller.hears(200)).body.split("\r\n")
    assert "m=audio 20000 RTP/AVP 8 96" in answer
    assert [line for line in answer if "rtpmap" in line] == ["a=rtpmap:8 PCMA/8000", EVENT]
    assert "a=fmtp:96 0-15" in answer
    assert "a=ptime:20" in answer
    assert stage.lines[0].media[0].keys == 96


@on_stage()
async def test_no_keys_are_answered_where_none_are_offered(stage: Stage):
    caller = await stage.client()
    caller.invite(body=offer("m=audio 4000 RTP/AVP 0"))
    await caller.hears(100)
    call, _ = await stage.call()
    assert call.answer()
    answer = await caller.hears(200)
    assert media_of(answer) == ["m=audio 20000 RTP/AVP 0"]
    assert "telephone-event" not in answer.body


@on_stage()
async def test_of_several_lines_one_is_taken_and_the_others_refused_in_their_order(stage: Stage):
    caller = await stage.client()
    lines = [
        "m=audio 4002 RTP/SAVP 0 8",
        "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:x",
        "m=video 4004 RTP/AVP 97 98",
        "m=audio 4000 RTP/AVP 8 96",
        EVENT,
        "m=image 4006 udptl t38",
    ]
    caller.invite(body=offer(*lines))
    await caller.hears(100)
    call, _ = await stage.call()
    assert call.answer()
    answer = await caller.hears(200)
    assert media_of(answer) == [
        "m=audio 0 RTP/SAVP 0 8",
        "m=video 0 RTP/AVP 97 98",
        "m=audio 20000 RTP/AVP 8 96",
        "m=image 0 udptl t38",
    ]
    assert "crypto" not in answer.body


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        (SDP.replace("40000", "0"), (), 488),
        (SDP.replace("RTP/AVP", "RTP/SAVP"), (), 488),
        (SDP.replace("8 0 101", "9 18"), (), 488),
        ("hello", (), 488),
        (SDP, ("Content-Encoding: gzip",), 415),
    ],
)
@on_stage()
async def test_a_call_without_sound_for_us_is_refused(
    stage: Stage, body: str, headers: tuple[str, ...], status: int
):
    caller = await stage.client()
    dialling = caller.invite("+33974750001", *headers, body=body)
    caller.acknowledges(dialling, await caller.hears(status))
    await caller.hears_nothing()
    assert not stage.lines
    stage.nothing_left()


@on_stage()
async def test_a_body_that_is_no_sdp_is_refused(stage: Stage):
    caller = await stage.client()
    dialling = caller.invite(body="")
    await caller.hears(100)
    await stage.call()
    dialling.cseq, dialling.call_id = 7, "other"
    caller.send(caller.in_call(dialling, "INVITE", body=SDP, body_type="multipart/mixed"))
    assert (await caller.hears(415))["Accept"] == "application/sdp"
