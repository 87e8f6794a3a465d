"""Who is not heard, how much of everybody is, and that nothing is kept of what is over."""

import asyncio
import contextlib
import gc
import tracemalloc

from ipaddress import ip_network

import pytest

from exchange.sip.wire_inbound import Inbound
from exchange.sip.wire_parts import Buckets, Limits, NotAllowed
from exchange.tests.sip.sip_client import SipClient
from exchange.tests.sip.test_wire_mangled import fence
from exchange.tests.sip.wire_stage import PASSWORD, Stage, on_stage

ONLY_ONE = (ip_network("127.0.0.1/32"),)


# ---------------------------------------------------------------- from outside


@on_stage(networks=ONLY_ONE)
async def test_who_is_outside_gets_nothing(stage: Stage):
    outside = await stage.client(host="127.0.0.2")
    outside.invite()
    outside.send(outside.request("OPTIONS", "sip:127.0.0.1").replace(";rport", ""))
    outside.send(outside.register("poste1"))
    outside.send(b"\x00\x01")
    await fence(stage)
    assert stage.wire.counts["outside"] == 4
    assert outside.inbox.empty()
    sizes = stage.wire.sizes()
    assert not sizes["calls"]
    assert sizes["requests of theirs"] == 1  # that of the fence


@on_stage(networks=ONLY_ONE)
async def test_who_is_outside_is_not_connected(stage: Stage):
    outside = await stage.client("TCP", host="127.0.0.2")
    assert await outside.raw() is None
    assert stage.wire.counts["outside"] == 1
    assert not stage.wire.sizes()["connections"]


@on_stage(networks=ONLY_ONE)
async def test_nobody_inside_has_something_sent_outside(stage: Stage):
    """Neither by a Via nor by a Contact nor by where the sound is to go."""
    caller, outside = await stage.client(), await stage.client(host="127.0.0.2")
    there = f"127.0.0.2:{outside.port}"
    text = caller.request("OPTIONS", "sip:127.0.0.1").replace(
        f"127.0.0.1:{caller.port};", f"{there};received=127.0.0.2;maddr=127.0.0.2;"
    )
    caller.send(text)
    await caller.hears(200)
    dialling = caller.invite(body=SOUND_ELSEWHERE)
    await caller.hears(100)
    call, _ = await stage.call()
    assert call.answer()
    caller.acknowledges(dialling, await caller.hears(200))
    assert stage.lines[0].media[0].host == "127.0.0.1"
    caller.send(
        caller.in_call(dialling, "INVITE", body=SOUND_ELSEWHERE, cseq=2).replace(
            f"<sip:client@127.0.0.1:{caller.port}>", f"<sip:x@{there}>"
        )
    )
    await caller.hears(200)
    dialling.cseq = 2
    caller.send(caller.in_call(dialling, "ACK"))
    call.hang_up()
    assert (await caller.hears("BYE")).start == f"BYE sip:x@{there} SIP/2.0"
    assert outside.inbox.empty()


SOUND_ELSEWHERE = (
    "v=0\r\no=- 1 1 IN IP4 127.0.0.2\r\ns=-\r\nc=IN IP4 127.0.0.2\r\nt=0 0\r\n"
    "m=audio 40000 RTP/AVP 8 0\r\n"
)


# ---------------------------------------------------------------- as many as there may be


@on_stage(most_calls=2)
async def test_one_call_too_many_is_told_when_to_come_again(stage: Stage):
    callers = [await stage.client() for _ in range(3)]
    first, _, _ = await stage.talking(callers[0])
    await stage.talking(callers[1])
    refused = callers[2].invite()
    answer = await callers[2].hears(503)
    assert answer["Retry-After"] == "5"
    callers[2].acknowledges(refused, answer)
    # A place is free at once.
    callers[0].hangs_up(first)
    await callers[0].hears(200)
    await stage.talking(callers[2])


@on_stage(most_calls=4)
async def test_who_waits_leaves_room_for_those_who_are_to_answer(stage: Stage):
    """Or a full queue could never be served, for no agent's telephone could be rung."""
    client = await stage.client()
    dialled = [await stage.talking(client) for _ in range(3)]
    phone, contact = await stage.registered()
    dialling = client.invite()
    client.acknowledges(dialling, await client.hears(503))
    call, _, _ = await stage.rings(contact)
    await phone.hears("INVITE")
    # Places are kept for telephones that do not talk yet.
    client.hangs_up(dialled[0][0])
    await client.hears(200)
    await stage.talking(client)
    call.hang_up()


@on_stage(limits=Limits(invites=1.0, invite_burst=2), most_calls=100)
async def test_who_rings_too_often_waits_and_nobody_else(stage: Stage):
    caller, other = await stage.client(), await stage.client(host="127.0.0.2")
    for _ in range(2):
        await stage.talking(caller)
    dialling = caller.invite()
    answer = await caller.hears(503)
    assert answer["Retry-After"]
    kept = stage.wire.sizes()["requests of theirs"]
    caller.acknowledges(dialling, answer)
    await caller.hears_nothing()
    assert stage.wire.sizes()["requests of theirs"] == kept + 1  # the question's own
    await stage.talking(other)
    stage.times.move(1)
    await stage.talking(caller)


@on_stage(limits=Limits(requests=1.0, request_burst=3))
async def test_who_asks_too_often_is_not_answered(stage: Stage):
    client = await stage.client()
    for _ in range(9):
        client.send(client.request("OPTIONS", "sip:127.0.0.1"))
    await client.hears(200, 200, 200)
    other = await stage.client(host="127.0.0.2")
    await other.hears_nothing()
    assert client.inbox.empty()
    assert stage.wire.counts["limited"] == 6
    stage.times.move(1)
    client.send(client.request("OPTIONS", "sip:127.0.0.1"))
    await client.hears(200)


@on_stage(limits=Limits(in_calls=1.0, in_call_burst=3))
async def test_who_asks_without_end_within_a_call_is_not_answered(stage: Stage):
    caller, other = await stage.client(), await stage.client(host="127.0.0.2")
    dialling, _, ear = await stage.talking(caller)
    for _ in range(5):
        caller.asks(dialling, "INFO", body="1", body_type="application/dtmf")
    await caller.hears(200, 200, 200)
    await ear.hears("1", "1", "1")
    await caller.hears_nothing()
    assert ear.heard_nothing()
    await stage.talking(other)


@on_stage(limits=Limits(transactions=5))
async def test_as_many_requests_are_kept_as_may_be(stage: Stage):
    client = await stage.client()
    for _ in range(9):
        client.send(client.request("OPTIONS", "sip:127.0.0.1"))
    await client.hears(*[200] * 5)
    await fence_at(stage, 5)
    assert client.inbox.empty()
    stage.times.move(60)
    await client.hears_nothing()


async def fence_at(stage: Stage, kept: int) -> None:
    """Wait until what was sent over UDP before has been read: a connection is read after it."""
    client = await stage.client("TCP")
    client.send("\r\n\r\n")
    assert await client.raw() == b"\r\n"
    assert stage.wire.sizes()["requests of theirs"] == kept


@on_stage(limits=Limits(connections=4, connections_a_source=3))
async def test_as_many_connections_are_kept_as_may_be(stage: Stage):
    clients = [await stage.client("TCP") for _ in range(4)]
    assert await clients[3].raw() is None
    there = await stage.client("TCP", host="127.0.0.2")
    there.send("\r\n\r\n")
    assert await there.raw() == b"\r\n"
    one_more = await stage.client("TCP", host="127.0.0.3")
    assert await one_more.raw() is None
    await clients[0].close()
    while stage.wire.sizes()["connections"] > 3:
        await fence(stage)
    again = await stage.client("TCP", host="127.0.0.3")
    again.send("\r\n\r\n")
    assert await again.raw() == b"\r\n"


@on_stage(limits=Limits(messages=1.0, message_burst=3))
async def test_what_comes_without_end_is_not_even_read(stage: Stage):
    client, other = await stage.client(), await stage.client(host="127.0.0.2")
    for _ in range(5):
        client.send("INVITE nothing that could be read")
    await other.hears_nothing()
    assert stage.wire.counts["mangled"] == 3
    assert stage.wire.counts["limited"] == 2
    stage.times.move(1)
    await client.hears_nothing()


@on_stage(
    limits=Limits(
        messages=1e6,
        message_burst=10**6,
        unsent=2000,
        requests=1e6,
        request_burst=10**6,
        transactions=10**6,
    )
)
async def test_who_does_not_read_is_cut_off(stage: Stage):
    reader, writer = await asyncio.open_connection("127.0.0.1", stage.wire.port, limit=1)
    client = SipClient(stage.wire.port, "TCP")
    client.port = writer.get_extra_info("sockname")[1]
    with contextlib.suppress(ConnectionError):
        while not stage.wire.counts["unread"]:
            writer.write(b"".join(ask(client) for _ in range(20)))
            await writer.drain()
        while await reader.read(10**6):
            pass
    assert not stage.wire.sizes()["connections"]
    writer.close()
    await asyncio.gather(writer.wait_closed(), return_exceptions=True)
    await stage.talking(await stage.client())


def ask(client: SipClient) -> bytes:
    """Write a question whose answer is long."""
    name = f'"{"x" * 15_000}" <sip:x@127.0.0.1>'
    return client.request("OPTIONS", "sip:127.0.0.1", sender=name).encode()


def test_of_the_sources_those_seen_last_are_known():
    now = [0.0]
    buckets = Buckets(rate=1.0, burst=2, most=3, now=lambda: now[0])
    for source in "abcd":
        assert buckets.take(source)
    assert len(buckets) == 3
    assert buckets.take("b")
    assert not buckets.take("b")
    assert not buckets.take("b", 0)
    now[0] = 1.0
    assert buckets.take("b", 0)
    assert buckets.take("b")
    assert not buckets.take("b")
    # Nobody saves up more than the burst.
    now[0] = 1000.0
    assert [buckets.take("b") for _ in range(3)] == [True, True, False]


# ---------------------------------------------------------------- nothing is kept


ANSWERED, CANCELLED, REFUSED = ("+33000000001", "+33000000002", "+33000000003")


def reacts(call: Inbound) -> None:
    """Do what the number that was rung stands for."""
    if call.called == REFUSED:
        call.refuse(486)
    elif call.called == ANSWERED:
        call.answer()


async def comes_in(client: SipClient, number: str) -> None:
    dialling = client.invite(number)
    if number == CANCELLED:
        await client.hears(100)
        client.cancels(dialling)
        await client.hears(200)
        client.acknowledges(dialling, await client.hears(487))
    elif number == REFUSED:
        client.acknowledges(dialling, await client.hears_later(486))
    else:
        client.acknowledges(dialling, await client.hears_later(200))
        client.hangs_up(dialling)
        await client.hears(200)


async def goes_out(stage: Stage, phone: SipClient, *, taken: bool) -> None:
    contact = stage.wire.contact("poste1")
    assert contact is not None
    call, _, progress = await stage.rings(contact)
    invite = await phone.hears("INVITE")
    phone.answers(invite, 180)
    await progress.get()
    if taken:
        phone.answers(invite, 200, body=SOUND_ELSEWHERE)
        await phone.hears("ACK")
        call.hang_up()
        phone.answers(await phone.hears("BYE"), 200)
    else:
        call.hang_up()
        phone.answers(await phone.hears("CANCEL"), 200)
        phone.answers(invite, 487)
        await phone.hears("ACK")


async def short_calls(stage: Stage, count: int) -> None:
    """Have so many calls of every kind, by both transports, and time go by."""
    phone, _ = await stage.registered()
    clients = [await stage.client(), await stage.client("TCP")]
    stage.answers_itself = reacts
    for number in range(count):
        client = clients[number // 6 % 2]
        kinds = [ANSWERED, CANCELLED, REFUSED, ANSWERED, ANSWERED]
        if number % 6 < len(kinds):
            await comes_in(client, kinds[number % 6])
        else:
            await goes_out(stage, phone, taken=number // 6 % 2 == 0)
        if number % 20 == 0:
            for one in (*clients, phone):
                await one.hears_nothing()
            stage.times.move(2)
        if number % 2000 == 0:
            assert (await phone.registers("poste1", PASSWORD)).status == 200
    await phone.hears_nothing()


@on_stage()
async def test_nothing_is_kept_of_short_calls(stage: Stage):
    await short_calls(stage, 300)
    stage.nothing_left()
    stage.times.move(200)
    sizes = stage.wire.sizes()
    assert sizes["connections"] == 1
    assert sizes["sources"] == 1
    assert not sizes["telephones"]
    assert not stage.times.waiting


@pytest.mark.long
@pytest.mark.timeout(600)
@on_stage()
async def test_nothing_is_kept_of_ten_thousand_short_calls(stage: Stage):
    async def measured(count: int) -> int:
        stage.lines.clear()
        await short_calls(stage, count)
        stage.nothing_left()
        stage.lines.clear()
        for client in stage.clients:
            await client.close()
        stage.clients.clear()
        while stage.wire.sizes()["connections"]:
            await fence(stage)
        stage.times.move(200)
        gc.collect()
        return tracemalloc.get_traced_memory()[0]

    await measured(600)
    tracemalloc.start()
    before = await measured(600)
    after = await measured(10_000)
    tracemalloc.stop()
    assert after - before < 200_000, after - before
    assert not stage.times.waiting


@on_stage()
async def test_nothing_begins_while_all_is_closed(stage: Stage):
    phone, contact = await stage.registered()
    stage.wire._closing = True
    phone.invite()
    assert (await phone.hears(503))["Retry-After"]
    with pytest.raises(NotAllowed):
        await stage.rings(contact)
