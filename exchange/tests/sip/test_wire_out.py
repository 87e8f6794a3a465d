"""Calls out: to telephones that registered and over the trunk, and to nobody else."""

import asyncio
import re

from dataclasses import replace
from ipaddress import ip_network

import pytest

from exchange.sip.parts import Media
from exchange.sip.wire_outbound import Outbound
from exchange.sip.wire_parts import Contact, NotAllowed, Peer, Progress, Timers
from exchange.tests.sip.sip_client import PATIENCE_S, SDP, Message, SipClient
from exchange.tests.sip.wire_stage import PASSWORD, TRUNK, Stage, media_of, on_stage, plan

T = Timers()
NUMBER = "+33142685300"


async def told(progress: "asyncio.Queue[Progress]") -> Progress:
    return await asyncio.wait_for(progress.get(), PATIENCE_S)


async def trunk_of(stage: Stage) -> SipClient:
    """Have somebody who stands at the trunk's address."""
    trunk = await stage.client()
    stage.wire._ways._trunk = replace(TRUNK, port=trunk.port)
    return trunk


# ---------------------------------------------------------------- to a telephone


@pytest.mark.parametrize("transport", ["UDP", "TCP"])
@on_stage()
async def test_a_telephone_rings_answers_and_hangs_up(stage: Stage, transport: str):
    phone, contact = await stage.registered("poste1", transport)
    call, ear, progress = await stage.rings(contact)
    invite = await phone.hears("INVITE")
    assert invite.start == f"INVITE {contact.uri} SIP/2.0"
    assert invite["From"].startswith("<sip:+33612345678@127.0.0.1>;tag=")
    assert invite["To"] == f"<{contact.uri}>"
    assert media_of(invite) == ["m=audio 20000 RTP/AVP 8 0 101"]
    assert (call.caller, call.called, call.account) == ("+33612345678", "poste1", "poste1")
    phone.answers(invite, 100)
    phone.answers(invite, 180)
    assert await told(progress) == Progress("ringing", 180)
    phone.answers(invite, 200, body=SDP.replace("8 0", "0"))
    ack = await phone.hears("ACK")
    assert ack.start == f"ACK sip:theirs@127.0.0.1:{phone.port}" + (
        ";transport=tcp SIP/2.0" if transport == "TCP" else " SIP/2.0"
    )
    assert ack["CSeq"] == "1 ACK"
    assert ack["Via"] != invite["Via"]
    assert await told(progress) == Progress("answered", 200)
    assert stage.lines[0].media == [Media("127.0.0.1", 40000, "PCMU", 101)]
    phone.send(theirs(phone, invite, ack, "BYE"))
    assert (await phone.hears(200)).method == "BYE"
    await ear.hears("hung up")
    assert progress.empty()
    stage.nothing_left()


def theirs(phone: SipClient, invite: Message, ack: Message, method: str, body: str = "") -> str:
    """Write a request of who was called."""
    via = phone.via(f"z9hG4bKtheirs{method}")
    lines = [
        f"{method} {invite.contact_uri} SIP/2.0",
        f"Via: {via}",
        f"From: {ack['To']}",
        f"To: {invite['From']}",
        f"Call-ID: {invite['Call-ID']}",
        f"CSeq: 20 {method}",
        f"Content-Length: {len(body)}",
    ]
    return "\r\n".join([*lines, *["Content-Type: application/sdp"] * bool(body), "", body])


async def answered(
    stage: Stage, contact: Contact, phone: SipClient
) -> tuple[Message, Message, Outbound, "asyncio.Queue[Progress]"]:
    """Call, and be answered."""
    call, _, progress = await stage.rings(contact)
    invite = await phone.hears("INVITE")
    phone.answers(invite, 200, body=SDP)
    ack = await phone.hears("ACK")
    assert (await told(progress)).what == "answered"
    return invite, ack, call, progress


@on_stage()
async def test_we_hang_up_on_who_we_called(stage: Stage):
    phone, contact = await stage.registered()
    invite, ack, call, _ = await answered(stage, contact, phone)
    call.hang_up()
    bye = await phone.hears("BYE")
    assert bye["CSeq"] == "2 BYE"
    assert (bye["From"], bye["To"]) == (invite["From"], ack["To"])
    phone.answers(bye, 200)
    await phone.hears_nothing()
    stage.nothing_left()


@on_stage()
async def test_who_we_called_holds_the_call(stage: Stage):
    phone, contact = await stage.registered()
    invite, ack, _, _ = await answered(stage, contact, phone)
    phone.send(theirs(phone, invite, ack, "INVITE", f"{SDP}a=sendonly\r\n"))
    answer = await phone.hears(200)
    assert "a=recvonly" in answer.body.split("\r\n")
    assert not stage.lines[0].media[1].hears


@pytest.mark.parametrize(
    ("status", "what"),
    [
        (486, "busy"),
        (600, "busy"),
        (603, "busy"),
        (404, "failed"),
        # There, and not to be had now, as a telephone that is not to be disturbed.
        (480, "no-answer"),
        (500, "failed"),
        # Whoever asks us to call somebody else does not get us to.
        (302, "failed"),
        (401, "failed"),
        (407, "failed"),
        (408, "no-answer"),
    ],
)
@on_stage()
async def test_who_does_not_take_it_says_why(stage: Stage, status: int, what: str):
    phone, invite, _, ear, progress = await stage.rung()
    challenge = 'Digest realm="x", nonce="y", algorithm=MD5'
    more = {401: [f"WWW-Authenticate: {challenge}"], 407: [f"Proxy-Authenticate: {challenge}"]}
    phone.answers(invite, status, *more.get(status, []))
    ack = await phone.hears("ACK")
    assert ack["Via"] == invite["Via"]
    assert ack.to_tag == "theirs"
    assert await told(progress) == Progress(what, status)  # type: ignore[arg-type]
    # The acknowledgement was lost.
    phone.answers(invite, status, *more.get(status, []))
    assert (await phone.hears("ACK")).raw == ack.raw
    await phone.hears_nothing()
    assert ear.heard_nothing()
    stage.nothing_left()


@on_stage()
async def test_an_invite_is_sent_until_something_is_heard(stage: Stage):
    phone, contact = await stage.registered()
    _, _, progress = await stage.rings(contact)
    first = await phone.hears("INVITE")
    for wait in (T.t1, 2 * T.t1, 4 * T.t1, 8 * T.t1):
        stage.times.move(wait)
        assert (await phone.hears("INVITE")).raw == first.raw
    phone.answers(first, 100)
    await phone.hears_nothing()
    stage.times.move(60)
    await phone.hears_nothing()
    assert progress.empty()


@on_stage()
async def test_who_is_not_there_is_failed_after_half_a_minute(stage: Stage):
    phone, contact = await stage.registered()
    _, _, progress = await stage.rings(contact)
    stage.times.move(T.patience)
    await phone.hears(*["INVITE"] * 7)
    await phone.hears_nothing()
    assert await told(progress) == Progress("failed", 408)
    stage.nothing_left()


@on_stage()
async def test_a_telephone_that_rings_for_ever_is_given_up(stage: Stage):
    phone, invite, _, _, progress = await stage.rung()
    phone.answers(invite, 180)
    assert (await told(progress)).what == "ringing"
    stage.times.move(T.rings)
    assert await told(progress) == Progress("no-answer", 408)
    phone.answers(await phone.hears("CANCEL"), 200)
    phone.answers(invite, 487)
    await phone.hears("ACK")
    await phone.hears_nothing()
    stage.nothing_left()


@on_stage()
async def test_early_sound_is_not_heard(stage: Stage):
    phone, contact = await stage.registered()
    _, _, progress = await stage.rings(contact)
    phone.answers(await phone.hears("INVITE"), 183, body=SDP)
    assert await told(progress) == Progress("ringing", 183)
    assert not stage.lines[0].media


# ---------------------------------------------------------------- given up before the answer


@on_stage()
async def test_what_rings_is_cancelled(stage: Stage):
    phone, invite, call, ear, progress = await stage.rung()
    phone.answers(invite, 180)
    await told(progress)
    call.hang_up()
    cancel = await phone.hears("CANCEL")
    assert (cancel["Via"], cancel["CSeq"]) == (invite["Via"], "1 CANCEL")
    assert (cancel.start.split()[1], cancel["To"]) == (invite.start.split()[1], invite["To"])
    phone.answers(cancel, 200)
    phone.answers(invite, 487)
    await phone.hears("ACK")
    await phone.hears_nothing()
    assert progress.empty()
    assert ear.heard_nothing()
    stage.nothing_left()


@on_stage()
async def test_nothing_is_cancelled_before_the_first_answer(stage: Stage):
    """RFC 3261 §9.1: it could overtake the INVITE."""
    phone, invite, call, _, _ = await stage.rung()
    call.hang_up()
    await phone.hears_nothing()
    phone.answers(invite, 100)
    phone.answers(await phone.hears("CANCEL"), 200)
    phone.answers(invite, 487)
    await phone.hears("ACK")
    stage.nothing_left()


@on_stage()
async def test_who_takes_it_while_it_is_cancelled_gets_a_bye(stage: Stage):
    phone, invite, call, _, progress = await stage.rung()
    phone.answers(invite, 180)
    await told(progress)
    call.hang_up()
    cancel = await phone.hears("CANCEL")
    phone.answers(invite, 200, body=SDP)
    await phone.hears("ACK")
    phone.answers(await phone.hears("BYE"), 200)
    phone.answers(cancel, 481)
    await phone.hears_nothing()
    assert progress.empty()
    assert not stage.lines[0].media
    stage.nothing_left()


@on_stage()
async def test_a_cancel_that_leads_to_nothing_is_forgotten(stage: Stage):
    phone, contact = await stage.registered()
    call, _, progress = await stage.rings(contact)
    phone.answers(await phone.hears("INVITE"), 180)
    await told(progress)
    call.hang_up()
    await phone.hears("CANCEL")
    stage.times.move(T.patience)
    stage.nothing_left()


@on_stage()
async def test_who_gives_up_while_the_line_is_opened_calls_nobody(stage: Stage):
    phone, contact = await stage.registered()
    stage.opening = opened = asyncio.get_running_loop().create_future()
    calling = asyncio.ensure_future(stage.rings(contact))
    await phone.hears_nothing()
    for call in stage.wire._office.calls.copy():
        call.end_here()
    opened.set_result(None)
    await calling
    await phone.hears_nothing()
    stage.nothing_left()


# ---------------------------------------------------------------- odd answers


@on_stage()
async def test_an_answer_that_comes_again_is_acknowledged_again(stage: Stage):
    phone, contact = await stage.registered()
    invite, ack, _, progress = await answered(stage, contact, phone)
    phone.answers(invite, 200, body=SDP)
    assert (await phone.hears("ACK")).raw == ack.raw
    assert len(stage.lines[0].media) == 1
    assert progress.empty()


@on_stage()
async def test_a_second_telephone_that_takes_it_is_hung_up_on(stage: Stage):
    phone, contact = await stage.registered()
    invite, _, call, _ = await answered(stage, contact, phone)
    phone.answers(invite, 200, body=SDP, tag="second")
    assert (await phone.hears("ACK")).to_tag == "second"
    bye = await phone.hears("BYE")
    assert bye.to_tag == "second"
    phone.answers(bye, 200)
    await phone.hears_nothing()
    assert stage.wire.sizes()["calls"] == stage.wire.sizes()["dialogs"] == 1
    call.hang_up()
    assert (await phone.hears("BYE")).to_tag == "theirs"


@pytest.mark.parametrize(
    "body", ["", "v=0\r\n", SDP.replace("8 0 101", "9"), SDP.replace("40000", "0")]
)
@on_stage()
async def test_who_takes_it_without_sound_is_hung_up_on(stage: Stage, body: str):
    phone, invite, _, _, progress = await stage.rung()
    phone.answers(invite, 200, body=body)
    await phone.hears("ACK")
    phone.answers(await phone.hears("BYE"), 200)
    assert await told(progress) == Progress("failed", 488)
    await phone.hears_nothing()
    stage.nothing_left()


@on_stage()
async def test_answers_to_nothing_of_ours_do_nothing(stage: Stage):
    phone, invite, _, _, progress = await stage.rung()
    stray = re.sub(
        r"branch=[^;]*", "branch=z9hG4bKmadeup", invite.raw.decode().partition("\r\n")[2]
    )
    phone.send(f"SIP/2.0 200 OK\r\n{stray}")
    await phone.hears_nothing()
    assert progress.empty()
    assert stage.wire.counts["stray"] == 1


@pytest.mark.parametrize(("old", "new", "keys"), [("101", "96", 101), (" 101\r", "\r", None)])
@on_stage()
async def test_keys_come_under_the_number_that_we_offered(
    stage: Stage, old: str, new: str, keys: int | None
):
    phone, contact = await stage.registered()
    _, _, progress = await stage.rings(contact)
    phone.answers(await phone.hears("INVITE"), 200, body=SDP.replace(old, new))
    assert (await told(progress)).what == "answered"
    assert stage.lines[0].media[0].keys == keys


@on_stage()
async def test_an_answer_that_is_for_somebody_else_as_well_is_dropped(stage: Stage):
    """RFC 3261 §8.1.3.3: it has more than our own Via."""
    phone, invite, _, _, progress = await stage.rung()
    phone.answers(invite, 486, "Via: SIP/2.0/UDP 10.0.0.1;branch=z9hG4bKx")
    await phone.hears_nothing()
    assert progress.empty()


@on_stage()
async def test_the_way_to_who_we_called_goes_through_the_proxies(stage: Stage):
    phone, invite, call, _, _ = await stage.rung()
    phone.answers(invite, 200, "Record-Route: <sip:10.0.0.1;lr>, <sip:10.0.0.2;lr>", body=SDP)
    ack = await phone.hears("ACK")
    assert ack.all("Route") == ["<sip:10.0.0.2;lr>", "<sip:10.0.0.1;lr>"]
    call.hang_up()
    bye = await phone.hears("BYE")
    assert bye.all("Route") == ack.all("Route")


# ---------------------------------------------------------------- nobody else


@on_stage()
async def test_only_telephones_that_registered_are_called(stage: Stage):
    phone, contact = await stage.registered()
    elsewhere = Peer("127.0.0.9", 5060, "UDP")
    for made_up in (
        replace(contact, uri="sip:+33899000000@trunk.example"),
        replace(contact, peer=elsewhere),
        Contact("poste2", "sip:poste2@127.0.0.1", contact.peer),
    ):
        with pytest.raises(NotAllowed):
            await stage.rings(made_up)
    stage.times.move(301)
    with pytest.raises(NotAllowed):
        await stage.rings(contact)
    await phone.hears_nothing()
    assert not stage.lines


@on_stage()
async def test_a_telephone_is_called_where_it_registered_from(stage: Stage):
    """Wherever its Contact points to: nobody has us call a third one."""
    client, victim = await stage.client(), await stage.client()
    await client.registers("poste1", PASSWORD, contact=f"<sip:x@127.0.0.1:{victim.port}>")
    contact = stage.wire.contact("poste1")
    assert contact is not None
    await stage.rings(contact)
    invite = await client.hears("INVITE")
    assert invite.start == f"INVITE sip:x@127.0.0.1:{victim.port} SIP/2.0"
    client.answers(invite, 200, body=SDP)
    await client.hears("ACK")
    await victim.hears_nothing()


@on_stage()
async def test_without_a_trunk_no_number_is_called(stage: Stage):
    with pytest.raises(NotAllowed):
        await stage.rings(NUMBER)


@on_stage()
async def test_who_calls_is_shown_in_plain_letters(stage: Stage):
    phone, contact = await stage.registered()
    await stage.rings(contact, 'x@y>;tag=1\r\nRoute: "')
    assert (await phone.hears("INVITE"))["From"].startswith("<sip:xytag1Route@127.0.0.1>;tag=")


@on_stage(most_calls=2)
async def test_there_are_as_many_calls_as_there_may_be(stage: Stage):
    _, contact = await stage.registered()
    await stage.rings(contact)
    await stage.talking(await stage.client())
    with pytest.raises(NotAllowed):
        await stage.rings(contact)


@on_stage()
async def test_no_port_for_the_sound_means_no_call(stage: Stage):
    phone, contact = await stage.registered()
    stage.no_line = OSError("none")
    with pytest.raises(NotAllowed):
        await stage.rings(contact)
    await phone.hears_nothing()
    stage.nothing_left()


# ---------------------------------------------------------------- over the trunk


@on_stage(trunk=TRUNK)
async def test_a_number_is_called_over_the_trunk(stage: Stage):
    trunk = await trunk_of(stage)
    call, _, progress = await stage.rings(NUMBER, "+33600000000")
    invite = await trunk.hears("INVITE")
    assert invite.start == f"INVITE sip:+33142685300@127.0.0.1:{trunk.port} SIP/2.0"
    # Not a number of ours: the trunk's own is shown.
    assert invite["From"].startswith("<sip:+33974750001@127.0.0.1>;tag=")
    trunk.answers(invite, 200, body=SDP)
    await trunk.hears("ACK")
    assert (await told(progress)).what == "answered"
    call.hang_up()
    trunk.answers(await trunk.hears("BYE"), 200)
    await trunk.hears_nothing()
    stage.nothing_left()


@pytest.mark.parametrize(
    ("status", "asks", "header"),
    [
        (401, "WWW-Authenticate", "Authorization"),
        (407, "Proxy-Authenticate", "Proxy-Authorization"),
    ],
)
@on_stage(trunk=TRUNK)
async def test_the_trunk_asks_who_we_are(stage: Stage, status: int, asks: str, header: str):
    trunk = await trunk_of(stage)
    _, _, progress = await stage.rings(NUMBER)
    first = await trunk.hears("INVITE")
    challenge = f'{asks}: Digest realm="r", nonce="n", qop="auth", algorithm='
    trunk.answers(first, status, f"{challenge}MD5", f"{challenge}SHA-256")
    await trunk.hears("ACK")
    second = await trunk.hears("INVITE")
    assert second["CSeq"] == "2 INVITE"
    assert second["Call-ID"] == first["Call-ID"]
    assert second["Via"] != first["Via"]
    assert second.to_tag == ""
    said = second[header]
    assert 'username="mairie"' in said
    assert "algorithm=SHA-256" in said
    assert "nc=00000001" in said
    assert PASSWORD not in second.raw.decode()
    # Once more, with a higher count, and not for ever.
    trunk.answers(second, status, challenge + "MD5")
    await trunk.hears("ACK")
    third = await trunk.hears("INVITE")
    assert "nc=00000002" in third[header]
    trunk.answers(third, status, challenge + "MD5")
    await trunk.hears("ACK")
    assert await told(progress) == Progress("failed", status)
    stage.nothing_left()


@on_stage(trunk=TRUNK)
async def test_the_trunk_asks_who_hangs_up(stage: Stage):
    trunk = await trunk_of(stage)
    call, _, _ = await stage.rings(NUMBER)
    trunk.answers(await trunk.hears("INVITE"), 200, body=SDP)
    await trunk.hears("ACK")
    call.hang_up()
    bye = await trunk.hears("BYE")
    trunk.answers(bye, 407, 'Proxy-Authenticate: Digest realm="r", nonce="n", qop="auth"')
    again = await trunk.hears("BYE")
    assert "Proxy-Authorization" in again
    assert again["CSeq"] == "3 BYE"
    trunk.answers(again, 200)
    await trunk.hears_nothing()
    stage.nothing_left()


@on_stage(trunk=TRUNK)
async def test_the_trunk_may_ask_twice_who_calls_and_again_who_hangs_up(stage: Stage):
    """Or the call would go on over there, at our cost."""
    trunk = await trunk_of(stage)
    challenge = 'Proxy-Authenticate: Digest realm="r", nonce="{}", qop="auth"'
    call, _, _ = await stage.rings(NUMBER)
    for nonce in ("old", "new"):
        trunk.answers(await trunk.hears("INVITE"), 407, challenge.format(nonce))
        await trunk.hears("ACK")
    trunk.answers(await trunk.hears("INVITE"), 200, body=SDP)
    await trunk.hears("ACK")
    call.hang_up()
    trunk.answers(await trunk.hears("BYE"), 407, challenge.format("newer"))
    again = await trunk.hears("BYE")
    assert 'nonce="newer"' in again["Proxy-Authorization"]
    trunk.answers(again, 200)
    await trunk.hears_nothing()
    stage.nothing_left()


@pytest.mark.parametrize(
    "number",
    [
        "+14155550100",
        "+33899700000",
        "0142685300",
        "112",
        "+33142685300@evil.example",
        "+33142685300;x=y",
        "+33142685300\r\nRoute: <sip:evil.example>",
        "+331426853٠٠",
        "",
    ],
)
@on_stage(trunk=TRUNK)
async def test_other_numbers_are_not_called(stage: Stage, number: str):
    trunk = await trunk_of(stage)
    with pytest.raises(NotAllowed):
        await stage.rings(number)
    await trunk.hears_nothing()
    assert not stage.lines


@on_stage(trunk=TRUNK)
async def test_calls_over_the_trunk_begin_slowly_and_are_few(stage: Stage):
    await trunk_of(stage)
    calls = [await stage.rings(NUMBER) for _ in range(TRUNK.most_calls)]
    stage.times.move(1)
    with pytest.raises(NotAllowed, match="as many"):
        await stage.rings(NUMBER)
    for call, _, _ in calls:
        call.hang_up()
    await (await stage.client()).hears_nothing()
    for _ in range(4):
        (await stage.rings(NUMBER))[0].end_here()
    with pytest.raises(NotAllowed, match="faster"):
        await stage.rings(NUMBER)
    stage.times.move(1)
    await stage.rings(NUMBER)


@on_stage(trunk=replace(TRUNK, networks=(ip_network("127.0.0.77/32"),)))
async def test_a_trunk_that_is_not_where_it_should_be_is_not_called(stage: Stage):
    with pytest.raises(NotAllowed, match="networks"):
        await stage.rings(NUMBER)


@on_stage(trunk=TRUNK)
async def test_within_a_call_over_the_trunk_requests_take_its_own_way(stage: Stage):
    """Its Contact may be another machine of the provider's, as far as it may be heard."""
    trunk, gateway = await trunk_of(stage), await stage.client()
    call, _, _ = await stage.rings(NUMBER)
    invite = await trunk.hears("INVITE")
    trunk.answers(invite, 200, body=SDP)
    await trunk.hears("ACK")
    call.hang_up()
    await trunk.hears("BYE")
    await stage.rings(NUMBER)
    invite = await trunk.hears("INVITE")
    text = f"Record-Route: <sip:127.0.0.1:{gateway.port};lr>"
    trunk.answers(invite, 200, text, body=SDP)
    await gateway.hears("ACK")
    await stage.rings(NUMBER)
    trunk.answers(await trunk.hears("INVITE"), 200, "Record-Route: <sip:198.51.100.1;lr>", body=SDP)
    await trunk.hears("ACK")


@on_stage(trunk=TRUNK)
async def test_a_trunk_may_want_a_connection(stage: Stage):
    heard: asyncio.Queue[tuple[Message, asyncio.StreamWriter]] = asyncio.Queue()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while head := await reader.readuntil(b"\r\n\r\n"):
            length = int(Message.of(head)["Content-Length"])
            message = Message.of(head + await reader.readexactly(length))
            heard.put_nowait((message, writer))
            if message.what == "BYE":
                return

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    stage.wire._ways._trunk = replace(TRUNK, port=port, transport="tcp")
    call, _, progress = await stage.rings(NUMBER)
    invite, writer = await asyncio.wait_for(heard.get(), PATIENCE_S)
    assert invite.start == f"INVITE sip:+33142685300@127.0.0.1:{port};transport=tcp SIP/2.0"
    assert invite["Contact"].endswith(";transport=tcp>")
    theirs = SipClient(stage.wire.port, "TCP")
    theirs.port, theirs._writer = port, writer
    theirs.answers(invite, 200, body=SDP)
    assert (await told(progress)).what == "answered"
    call.hang_up()
    for what in ("ACK", "BYE"):
        assert (await asyncio.wait_for(heard.get(), PATIENCE_S))[0].what == what
    writer.close()
    server.close()
    while stage.wire.sizes()["dialogs"]:
        stage.times.move(1)
    stage.nothing_left()
    # Nobody is there any more.
    while stage.wire.sizes()["connections"]:
        await (await stage.client()).hears_nothing()
    with pytest.raises(NotAllowed, match="does not answer"):
        await stage.rings(NUMBER)


@on_stage(trunk=replace(TRUNK, transport="tcp"))
async def test_calls_that_begin_together_share_one_connection(stage: Stage):
    heard: asyncio.Queue[asyncio.StreamWriter] = asyncio.Queue()
    connected = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connected.append(writer)
        while head := await reader.readuntil(b"\r\n\r\n"):
            await reader.readexactly(int(Message.of(head)["Content-Length"]))
            heard.put_nowait(writer)

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    stage.wire._ways._trunk = replace(TRUNK, port=port, transport="tcp")
    await asyncio.gather(stage.rings(NUMBER), stage.rings(NUMBER))
    for _ in range(2):
        await asyncio.wait_for(heard.get(), PATIENCE_S)
    assert len(connected) == 1
    connected[0].close()
    server.close()


def test_what_is_heard_of_the_plan_is_no_secret():
    assert PASSWORD not in repr(plan(trunk=TRUNK))
