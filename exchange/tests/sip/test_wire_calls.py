"""Calls that come in: from the first INVITE to the last BYE, and what may come in between."""

import asyncio
import threading

from ipaddress import ip_network

import pytest

from exchange.sip.parts import Media
from exchange.sip.wire_parts import Timers
from exchange.tests.sip.sip_client import SDP, Message, written
from exchange.tests.sip.wire_stage import NotingEar, Stage, media_of, on_stage

T = Timers()


@on_stage()
async def test_a_call_is_rung_answered_and_hung_up(stage: Stage):
    caller = await stage.client()
    dialling = caller.invite("+33974750001")
    assert (await caller.hears(100)).method == "INVITE"
    call, ear = await stage.call()
    assert (call.caller, call.called, call.account) == ("+33612345678", "+33974750001", "")
    call.rings()
    ringing = await caller.hears(180)
    assert call.answer()
    answer = await caller.hears(200)
    assert answer.to_tag == ringing.to_tag
    assert stage.lines[0].media == [Media("127.0.0.1", 40000, "PCMA", 101)]
    caller.acknowledges(dialling, answer)
    caller.hangs_up(dialling)
    assert (await caller.hears(200)).method == "BYE"
    await ear.hears("hung up")
    assert stage.lines[0].closed
    stage.nothing_left()


@on_stage()
async def test_we_hang_up(stage: Stage):
    caller, _, call, ear = await stage.talks()
    call.hang_up()
    bye = await caller.hears("BYE")
    assert bye.start == f"BYE sip:client@127.0.0.1:{caller.port} SIP/2.0"
    caller.answers(bye, 200)
    await caller.hears_nothing()
    assert ear.heard_nothing()
    stage.nothing_left()


@on_stage()
async def test_a_thread_answers_and_hangs_up_like_the_loop(stage: Stage):
    caller, dialling, call, _ = await stage.comes()
    answered = []

    def thread() -> None:
        call.rings()
        answered.extend([call.answer(), call.answer()])
        call.hang_up()

    threading.Thread(target=thread, daemon=True).start()
    await caller.hears(180)
    caller.acknowledges(dialling, await caller.hears(200))
    caller.answers(await caller.hears("BYE"), 200)
    await caller.hears_nothing()
    assert answered == [True, False]
    stage.nothing_left()


@pytest.mark.parametrize("status", [404, 486, 503, 603])
@on_stage()
async def test_a_call_is_refused(stage: Stage, status: int):
    caller, dialling, call, _ = await stage.comes()
    call.refuse(status)
    refusal = await caller.hears(status)
    assert ("Retry-After" in refusal) == (status == 503)
    caller.acknowledges(dialling, refusal)
    assert not call.answer()
    await caller.hears_nothing()
    stage.nothing_left()


@on_stage()
async def test_a_refusal_of_no_such_status_is_480(stage: Stage):
    caller = await stage.client()
    caller.invite()
    await caller.hears(100)
    (await stage.call())[0].refuse(200)
    await caller.hears(480)


@on_stage()
async def test_who_is_hung_up_on_before_the_answer_hears_480(stage: Stage):
    caller, dialling, call, ear = await stage.comes()
    call.hang_up()
    caller.acknowledges(dialling, await caller.hears(480))
    await caller.hears_nothing()
    assert ear.heard_nothing()
    stage.nothing_left()


@on_stage()
async def test_a_call_that_nobody_answers_is_given_up_in_the_end(stage: Stage):
    caller, dialling, _, ear = await stage.comes()
    stage.times.move(T.rings)
    caller.acknowledges(dialling, await caller.hears(480))
    await caller.hears_nothing()
    await ear.hears("lost")
    stage.nothing_left()


@on_stage()
async def test_keys_that_come_before_anybody_listens_are_kept(stage: Stage):
    caller = await stage.client()
    caller.invite()
    await caller.hears(100)
    call = await asyncio.wait_for(stage.calls.get(), 20)
    stage.lines[0].ear.key("4")
    stage.lines[0].ear.key("2")
    ear = NotingEar()
    call.ear = ear
    await ear.hears("4", "2")


@on_stage()
async def test_a_line_over_which_nothing_comes_ends_the_call(stage: Stage):
    caller, _, _, ear = await stage.talks()
    stage.lines[0].ear.gone("lost")
    caller.answers(await caller.hears("BYE"), 200)
    await ear.hears("lost")
    await caller.hears_nothing()
    stage.nothing_left()


@on_stage()
async def test_no_port_for_the_sound_is_503(stage: Stage):
    stage.no_line = OSError("none")
    caller = await stage.client()
    dialling = caller.invite()
    await caller.hears(100)
    refusal = await caller.hears(503)
    assert refusal["Retry-After"]
    caller.acknowledges(dialling, refusal)
    await caller.hears_nothing()
    stage.nothing_left()


@on_stage()
async def test_trouble_of_who_takes_the_call_is_500(stage: Stage):
    def trouble(_: object) -> None:
        raise KeyError

    stage.answers_itself = trouble
    caller = await stage.client()
    caller.invite()
    await caller.hears(100, 500)
    stage.answers_itself = None
    await stage.talking(await stage.client())


# ---------------------------------------------------------------- headers


@on_stage()
async def test_the_way_back_goes_through_the_proxies(stage: Stage):
    """aiosipua's answers have no Record-Route (RFC 3261 §12.1.1)."""
    caller = await stage.client()
    routes = ["<sip:10.0.0.2;lr>", "<sip:10.0.0.1;lr>"]
    caller.invite("+33974750001", f"Record-Route: {', '.join(routes)}")
    await caller.hears(100)
    call, _ = await stage.call()
    call.rings()
    assert (await caller.hears(180)).all("Record-Route") == routes
    assert call.answer()
    answer = await caller.hears(200)
    assert answer.all("Record-Route") == routes
    assert answer["Contact"] == f"<sip:127.0.0.1:{stage.wire.port}>"
    ack = written(
        [
            f"ACK {answer.contact_uri} SIP/2.0",
            f"Via: {caller.via('z9hG4bKack')}",
            f"From: {answer['From']}",
            f"To: {answer['To']}",
            f"Call-ID: {answer['Call-ID']}",
            "CSeq: 1 ACK",
        ]
    )
    caller.send(ack)
    call.hang_up()
    bye = await caller.hears("BYE")
    assert bye.all("Route") == routes
    assert bye["CSeq"] == "1 BYE"
    assert bye["From"] == answer["To"]
    assert bye["To"] == answer["From"]


@on_stage()
async def test_the_answer_says_where_the_question_came_from(stage: Stage):
    caller = await stage.client()
    other = await stage.client()
    text = caller.request("OPTIONS", "sip:x@127.0.0.1")
    via = f"SIP/2.0/UDP 10.1.1.1:{other.port};branch=z9hG4bKv;rport"
    caller.send(
        text.replace(text.split("\r\n")[1], f"Via: {via}\r\nVia: SIP/2.0/UDP second;branch=x")
    )
    answer = await caller.hears(200)
    top = (
        f"SIP/2.0/UDP 10.1.1.1:{other.port};branch=z9hG4bKv;rport={caller.port};received=127.0.0.1"
    )
    assert answer.all("Via") == [top, "SIP/2.0/UDP second;branch=x"]
    # Who does not ask for that is answered at the port of its Via, on the host that it came from.
    caller.send(
        text.replace(
            text.split("\r\n")[1], f"Via: SIP/2.0/UDP 10.1.1.1:{other.port};branch=z9hG4bKw"
        )
    )
    assert (await other.hears(200))["Via"].endswith(";received=127.0.0.1")
    await caller.hears_nothing()


@on_stage()
async def test_folded_and_short_headers_are_read(stage: Stage):
    caller = await stage.client()
    lines = [
        f"INVITE sip:%2B33974750001@127.0.0.1:{stage.wire.port} SIP/2.0",
        f"v: SIP/2.0/UDP 127.0.0.1:{caller.port}",
        "  ;branch=z9hG4bKfolded",
        "\t;rport",
        'f: "A, <b>; c" <sip:+33612345678;phone-context=+33@127.0.0.1>;tag=77',
        "t: <tel:+33974750001>",
        "i: folded@127.0.0.1",
        "CSEQ: 1",
        "   INVITE",
        f"m: <sip:me@127.0.0.1:{caller.port}>",
        "c: application/SDP ; charset=utf-8",
        f"l: {len(SDP)}",
    ]
    caller.send("\r\n".join([*lines, "", SDP]))
    await caller.hears(100)
    call, _ = await stage.call()
    assert (call.caller, call.called) == ("+33612345678", "+33974750001")
    assert call.answer()
    assert media_of(await caller.hears(200)) == ["m=audio 20000 RTP/AVP 8 101"]


@pytest.mark.parametrize(
    ("told", "caller_is"),
    [
        ("<sip:anonymous@anonymous.invalid>", "anonymous"),
        ("<sip:127.0.0.1>", ""),
        ("sip:+33612345678@127.0.0.1", "+33612345678"),
        ("<tel:+33612345678;phone-context=x>", "+33612345678"),
        ("<sip:0612345678:secret@127.0.0.1>", "0612345678"),
        ("<sip:%3Cscript%3E@127.0.0.1>", "script"),
        (f"<sip:{'1' * 300}@127.0.0.1>", "1" * 64),
    ],
)
@on_stage()
async def test_who_rings_is_what_stands_before_the_at(stage: Stage, told: str, caller_is: str):
    caller = await stage.client()
    caller.invite(sender=told)
    await caller.hears(100)
    assert (await stage.call())[0].caller == caller_is


@pytest.mark.parametrize(
    ("uri", "to", "called"),
    [
        # A call to another number that its owner had forwarded to us: To is what was dialled.
        ("sip:+33974750001@127.0.0.1", "<sip:+33142685300@127.0.0.1>", "+33974750001"),
        ("tel:+33974750001", "<sip:+33142685300@127.0.0.1>", "+33974750001"),
        # To a name that a provider knows us by, or to none at all.
        ("sip:mairie@127.0.0.1", "<sip:+33974750001@127.0.0.1>", "+33974750001"),
        ("sip:127.0.0.1", "<sip:+33974750001@127.0.0.1>", "+33974750001"),
        ("sip:mairie@127.0.0.1", "<sip:x@127.0.0.1>", "mairie"),
    ],
)
@on_stage()
async def test_who_is_called_is_who_the_request_is_for(
    stage: Stage, uri: str, to: str, called: str
):
    client = await stage.client()
    contact = f"Contact: <sip:client@127.0.0.1:{client.port}>"
    client.send(client.request("INVITE", uri, contact, to=to, body=SDP))
    await client.hears(100)
    call, _ = await stage.call()
    assert call.called == called


@pytest.mark.parametrize(
    ("privacy", "caller"),
    [
        ("id", "anonymous"),
        ("id;critical", "anonymous"),
        ("header; user", "anonymous"),
        ("none", "+33612345678"),
        ("session", "+33612345678"),
    ],
)
@on_stage()
async def test_who_wants_to_be_unknown_is(stage: Stage, privacy: str, caller: str):
    """RFC 3323 and 3325: a trunk may tell us the number, and that nobody is to see it."""
    client = await stage.client()
    client.invite("+33974750001", f"Privacy: {privacy}")
    await client.hears(100)
    call, _ = await stage.call()
    assert call.caller == caller


@on_stage()
async def test_options_tell_what_is_served(stage: Stage):
    caller = await stage.client()
    caller.send(caller.request("OPTIONS", "sip:127.0.0.1"))
    answer = await caller.hears(200)
    assert answer["Allow"] == "INVITE, ACK, BYE, CANCEL, OPTIONS, REGISTER, INFO"
    dialling, _, _ = await stage.talking(caller)
    caller.asks(dialling, "OPTIONS")
    assert (await caller.hears(200)).to_tag == dialling.to_tag


@pytest.mark.parametrize(
    ("method", "status"),
    [
        *((method, 405) for method in ("PRACK", "UPDATE", "REFER", "NOTIFY", "SUBSCRIBE")),
        *((method, 405) for method in ("MESSAGE", "PUBLISH")),
        ("FLY", 501),
        ("BYE", 481),
        ("INFO", 481),
        ("CANCEL", 481),
    ],
)
@on_stage()
async def test_what_is_not_served_is_said(stage: Stage, method: str, status: int):
    caller = await stage.client()
    caller.send(caller.request(method, "sip:127.0.0.1"))
    answer = await caller.hears(status)
    assert ("Allow" in answer) == (status != 481)
    stage.nothing_left()


@on_stage()
async def test_an_extension_that_is_required_is_not_understood(stage: Stage):
    caller = await stage.client()
    caller.invite("+33974750001", "Require: 100rel, timer")
    assert (await caller.hears(420)).all("Unsupported") == ["100rel", "timer"]


# ---------------------------------------------------------------- keys in messages


@pytest.mark.parametrize(
    ("kind", "body", "key"),
    [
        ("application/dtmf-relay", "Signal=5\r\nDuration=160\r\n", "5"),
        ("application/dtmf-relay", "Signal= *\r\nDuration= 250", "*"),
        ("application/dtmf-relay", "signal=11\n", "#"),
        ("application/dtmf", "#", "#"),
        ("application/dtmf", " 0\r\n", "0"),
        ("Application/DTMF; x=y", "10", "*"),
    ],
)
@on_stage()
async def test_keys_come_as_messages(stage: Stage, kind: str, body: str, key: str):
    """INFO is 405 with aiosipua."""
    caller, dialling, _, ear = await stage.talks()
    asked = caller.asks(dialling, "INFO", body=body, body_type=kind)
    assert (await caller.hears(200)).method == "INFO"
    # The answer was lost: the key was pressed once.
    caller.send(asked)
    await caller.hears(200)
    await ear.hears(key)
    assert ear.heard_nothing()


@pytest.mark.parametrize(
    ("kind", "body", "status"),
    [
        ("application/dtmf-relay", "Signal=A\r\n", 200),
        ("application/dtmf-relay", "Signal=16\r\n", 200),
        ("application/dtmf-relay", "", 200),
        ("application/dtmf", "flash", 200),
        ("text/plain", "5", 415),
    ],
)
@on_stage()
async def test_what_is_no_key_does_nothing(stage: Stage, kind: str, body: str, status: int):
    caller, dialling, _, ear = await stage.talks()
    caller.asks(dialling, "INFO", body=body, body_type=kind)
    await caller.hears(status)
    assert ear.heard_nothing()


# ---------------------------------------------------------------- a dialog is what it is


@pytest.mark.parametrize("part", ["Call-ID: ", ";tag=f", "To: <"])
@on_stage()
async def test_a_request_of_no_dialog_gets_481(stage: Stage, part: str):
    caller, dialling, _, ear = await stage.talks()
    dialling.cseq += 1
    text = caller.in_call(dialling, "BYE")
    wrong = {
        "Call-ID: ": text.replace("Call-ID: ", "Call-ID: x"),
        ";tag=f": text.replace(";tag=f", ";tag=x"),
        "To: <": text.replace(f";tag={dialling.to_tag}", ";tag=0123"),
    }[part]
    assert wrong != text
    caller.send(wrong)
    await caller.hears(481)
    assert ear.heard_nothing()
    caller.send(text.replace("z9hG4bK", "z9hG4bKother"))
    await caller.hears(200)


@on_stage()
async def test_a_request_that_was_overtaken_gets_500(stage: Stage):
    caller, dialling, _, ear = await stage.talks()
    caller.send(caller.in_call(dialling, "BYE", cseq=1))
    await caller.hears(500)
    assert ear.heard_nothing()


@on_stage()
async def test_the_same_call_by_two_ways_is_one(stage: Stage):
    caller = await stage.client()
    dialling = caller.invite()
    await caller.hears(100)
    caller.send(caller.in_call(dialling, "INVITE", body=SDP, branch="z9hG4bKotherway"))
    await caller.hears(482)
    assert stage.wire.sizes()["calls"] == 1


# ---------------------------------------------------------------- re-INVITE


@pytest.mark.parametrize(
    ("change", "direction", "media"),
    [
        ("a=sendonly", "a=recvonly", {"hears": False, "speaks": False}),
        ("a=inactive", "a=inactive", {"hears": False, "speaks": False}),
        ("a=recvonly", "a=sendonly", {"hears": True, "speaks": False}),
        ("c=IN IP4 0.0.0.0", "a=sendrecv", {"hears": False, "speaks": False}),
    ],
)
@on_stage()
async def test_a_call_is_held_and_taken_up_again(
    stage: Stage, change: str, direction: str, media: dict[str, bool]
):
    caller, dialling, _, _ = await stage.talks()
    held = f"{SDP}{change}\r\n"
    caller.asks(dialling, "INVITE", body=held)
    answer = await caller.hears(200)
    assert direction in answer.body.split("\r\n")
    assert stage.lines[0].media[1] == Media("127.0.0.1", 40000, "PCMA", 101, **media)
    caller.acknowledges(dialling, answer)
    caller.asks(dialling, "INVITE", body=SDP)
    answer = await caller.hears(200)
    assert "a=sendrecv" in answer.body.split("\r\n")
    caller.acknowledges(dialling, answer)
    assert stage.lines[0].media[2] == stage.lines[0].media[0]
    await caller.hears_nothing()


@on_stage()
async def test_who_sends_nothing_for_an_hour_is_given_up(stage: Stage):
    """A telephone that dies while it holds the call is lost by no silence: that was agreed."""
    client = await stage.client()
    dialling, _, ear = await stage.talking(client)
    for direction in ("sendonly", "sendrecv", "inactive"):
        client.asks(dialling, "INVITE", body=f"{SDP}a={direction}\r\n")
        client.acknowledges(dialling, await client.hears(200))
        await client.hears_nothing()
        if direction != "inactive":
            stage.times.move(T.held - 1)
    assert ear.heard_nothing()
    stage.times.move(T.held)
    await ear.hears("lost")
    client.answers(await client.hears("BYE"), 200)
    await client.hears_nothing()
    stage.nothing_left()


@on_stage()
async def test_a_direction_of_the_whole_session_counts(stage: Stage):
    """aiosipua looks at the line's only."""
    caller = await stage.client()
    await stage.talking(caller, body=SDP.replace("m=audio", "a=inactive\r\nm=audio"))
    assert not stage.lines[0].media[0].hears


@on_stage()
async def test_sound_goes_elsewhere_after_a_re_invite(stage: Stage):
    caller, dialling, _, _ = await stage.talks()
    elsewhere = SDP.replace("127.0.0.1", "127.0.0.9").replace("40000", "41000").replace("8 0", "0")
    caller.asks(dialling, "INVITE", body=elsewhere)
    caller.acknowledges(dialling, await caller.hears(200))
    assert stage.lines[0].media[1] == Media("127.0.0.9", 41000, "PCMU", 101)


@on_stage()
async def test_what_we_say_has_a_new_version_only_when_it_changed(stage: Stage):
    caller, dialling, call, _ = await stage.comes()
    assert call.answer()
    answers = [await caller.hears(200)]
    caller.acknowledges(dialling, answers[0])
    for body in (SDP, f"{SDP}a=sendonly\r\n"):
        caller.asks(dialling, "INVITE", body=body)
        answers.append(await caller.hears(200))
        caller.acknowledges(dialling, answers[-1])
    origins = [answer.body.split("\r\n")[1].split() for answer in answers]
    assert [origin[2] for origin in origins] == ["1", "1", "2"]
    assert len({origin[1] for origin in origins}) == 1


@on_stage()
async def test_a_change_that_cannot_be_had_changes_nothing(stage: Stage):
    caller, dialling, _, ear = await stage.talks()
    caller.asks(dialling, "INVITE", body=SDP.replace("8 0 101", "9"))
    refusal = await caller.hears(488)
    branch = refusal["Via"].split("branch=")[1].split(";")[0]
    caller.send(caller.in_call(dialling, "ACK", branch=branch))
    assert len(stage.lines[0].media) == 1
    assert ear.heard_nothing()
    caller.hangs_up(dialling)
    await caller.hears(200)
    stage.nothing_left()


@on_stage()
async def test_a_re_invite_that_offers_nothing_gets_our_offer(stage: Stage):
    caller, dialling, _, _ = await stage.talks()
    caller.asks(dialling, "INVITE")
    answer = await caller.hears(200)
    assert media_of(answer) == ["m=audio 20000 RTP/AVP 8 0 101"]
    caller.send(caller.in_call(dialling, "ACK", body=SDP.replace("8 0", "0")))
    await caller.hears_nothing()
    assert stage.lines[0].media[1].law == "PCMU"


@on_stage()
async def test_a_call_that_offers_nothing_gets_our_offer(stage: Stage):
    caller = await stage.client()
    dialling = caller.invite(body="")
    await caller.hears(100)
    call, _ = await stage.call()
    assert call.answer()
    answer = await caller.hears(200)
    assert media_of(answer) == ["m=audio 20000 RTP/AVP 8 0 101"]
    assert not stage.lines[0].media
    dialling.to_tag, dialling.target = answer.to_tag, answer.contact_uri
    caller.send(caller.in_call(dialling, "ACK", body=SDP.replace("8 0", "8")))
    await caller.hears_nothing()
    assert stage.lines[0].media == [Media("127.0.0.1", 40000, "PCMA", 101)]


@pytest.mark.parametrize("body", ["", SDP.replace("8 0 101", "9"), "v=0\r\n"])
@on_stage()
async def test_who_answers_our_offer_with_nothing_is_hung_up_on(stage: Stage, body: str):
    caller = await stage.client()
    dialling = caller.invite(body="")
    await caller.hears(100)
    call, ear = await stage.call()
    assert call.answer()
    answer = await caller.hears(200)
    dialling.to_tag, dialling.target = answer.to_tag, answer.contact_uri
    caller.send(caller.in_call(dialling, "ACK", body=body))
    caller.answers(await caller.hears("BYE"), 200)
    await ear.hears("hung up")
    await caller.hears_nothing()
    stage.nothing_left()


@on_stage(host="::1", advertised_host="::1", networks=(ip_network("::1/128"),))
async def test_a_call_over_the_newer_protocol(stage: Stage):
    got: asyncio.Queue[bytes] = asyncio.Queue()

    class Taken(asyncio.DatagramProtocol):
        def datagram_received(self, data: bytes, addr: object) -> None:
            got.put_nowait(data)

    loop = asyncio.get_running_loop()
    udp, _ = await loop.create_datagram_endpoint(Taken, local_addr=("::1", 0))
    here = f"[::1]:{udp.get_extra_info('sockname')[1]}"
    body = SDP.replace("IP4 127.0.0.1", "IP6 ::1")
    lines = [
        f"INVITE sip:+33974750001@[::1]:{stage.wire.port} SIP/2.0",
        f"Via: SIP/2.0/UDP {here};branch=z9hG4bKsix",
        "From: <sip:+33612345678@[::1]>;tag=six",
        "To: <sip:+33974750001@[::1]>",
        "Call-ID: six",
        "CSeq: 1 INVITE",
        f"Contact: <sip:six@{here}>",
    ]
    udp.sendto(written(lines, body).encode(), ("::1", stage.wire.port))
    assert Message.of(await asyncio.wait_for(got.get(), 20)).status == 100
    call, _ = await stage.call()
    assert call.answer()
    answer = Message.of(await asyncio.wait_for(got.get(), 20))
    assert answer["Contact"] == f"<sip:[::1]:{stage.wire.port}>"
    assert "c=IN IP6 ::1" in answer.body.split("\r\n")
    assert stage.lines[0].media == [Media("::1", 40000, "PCMA", 101)]
    udp.close()
