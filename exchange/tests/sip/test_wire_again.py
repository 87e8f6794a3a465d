"""What is lost, comes twice or crosses something else: copies, timers and CANCEL."""

import asyncio

import pytest

from exchange.sip.wire_parts import Timers
from exchange.tests.sip.sip_client import SDP, Message
from exchange.tests.sip.wire_stage import Stage, on_stage

T = Timers()


# ---------------------------------------------------------------- copies of theirs


@on_stage()
async def test_a_copy_of_an_invite_is_one_call(stage: Stage):
    """aiosipua answers it with 481."""
    caller = await stage.client()
    dialling = caller.invite()
    copy = caller.in_call(dialling, "INVITE", body=SDP, branch=dialling.branch)
    await caller.hears(100)
    call, _ = await stage.call()
    caller.send(copy)
    await caller.hears(100)
    call.rings()
    first = await caller.hears(180)
    caller.send(copy)
    assert (await caller.hears(180)).raw == first.raw
    assert call.answer()
    first = await caller.hears(200)
    caller.send(copy)
    assert (await caller.hears(200)).raw == first.raw
    caller.acknowledges(dialling, first)
    await caller.hears_nothing()
    assert stage.calls.empty()
    assert stage.wire.sizes()["calls"] == 1


@on_stage()
async def test_a_copy_of_a_bye_is_answered_again(stage: Stage):
    caller, dialling, _, ear = await stage.talks()
    bye = caller.asks(dialling, "BYE")
    first = await caller.hears(200)
    caller.send(bye)
    assert (await caller.hears(200)).raw == first.raw
    await ear.hears("hung up")
    assert ear.heard_nothing()
    stage.nothing_left()
    # Long after it nobody knows it any more.
    caller.send(bye)
    await caller.hears(481)


@on_stage()
async def test_a_copy_of_an_acknowledgement_does_nothing(stage: Stage):
    caller, dialling, _, ear = await stage.talks()
    for _ in range(3):
        caller.send(caller.in_call(dialling, "ACK"))
    await caller.hears_nothing()
    assert len(stage.lines[0].media) == 1
    assert ear.heard_nothing()


# ---------------------------------------------------------------- ours again, until it is heard


@on_stage()
async def test_an_answer_is_sent_until_it_is_acknowledged(stage: Stage):
    caller, dialling, call, _ = await stage.comes()
    assert call.answer()
    first = await caller.hears(200)
    for wait in (T.t1, 2 * T.t1, 4 * T.t1, T.t2, T.t2):
        stage.times.move(wait)
        assert (await caller.hears(200)).raw == first.raw
    caller.acknowledges(dialling, first)
    await caller.hears_nothing()
    stage.times.move(100)
    await caller.hears_nothing()
    assert stage.wire.sizes()["calls"] == 1


@on_stage()
async def test_a_call_that_is_never_acknowledged_is_ended(stage: Stage):
    caller = await stage.client()
    caller.invite()
    await caller.hears(100)
    call, ear = await stage.call()
    assert call.answer()
    stage.times.move(T.patience)
    # 0.5, 1.5, 3.5, and each 4 s from then on.
    await caller.hears(*[200] * 11)
    caller.answers(await caller.hears("BYE"), 200)
    await ear.hears("lost")
    await caller.hears_nothing()
    stage.nothing_left()


@on_stage()
async def test_a_bye_is_sent_until_it_is_answered(stage: Stage):
    """aiosipua sends it once."""
    caller, _, call, _ = await stage.talks()
    call.hang_up()
    first = await caller.hears("BYE")
    for wait in (T.t1, 2 * T.t1, 4 * T.t1, T.t2):
        stage.times.move(wait)
        assert (await caller.hears("BYE")).raw == first.raw
    caller.answers(first, 200)
    await caller.hears_nothing()
    stage.times.move(100)
    await caller.hears_nothing()
    stage.nothing_left()


@pytest.mark.parametrize("status", [481, 500, None])
@on_stage()
async def test_a_bye_that_is_not_taken_ends_it_all_the_same(stage: Stage, status: int | None):
    caller, _, call, _ = await stage.talks()
    call.hang_up()
    bye = await caller.hears("BYE")
    if status:
        caller.answers(bye, status)
        await caller.hears_nothing()
    else:
        stage.times.move(T.patience)
        await caller.hears(*["BYE"] * 10)
        assert stage.wire.counts["no answer to BYE"] == 1
    stage.nothing_left()


@on_stage()
async def test_a_refusal_is_sent_until_it_is_acknowledged(stage: Stage):
    caller = await stage.client()
    dialling = caller.invite(body=SDP.replace("8 0 101", "9"))
    first = await caller.hears(488)
    stage.times.move(T.t1)
    assert (await caller.hears(488)).raw == first.raw
    stage.times.move(2 * T.t1)
    await caller.hears(488)
    caller.acknowledges(dialling, first)
    await caller.hears_nothing()
    # A late copy of the INVITE does not begin it all anew.
    caller.send(
        caller.in_call(dialling, "INVITE", body=SDP, branch=dialling.branch).replace(
            f";tag={dialling.to_tag}", ""
        )
    )
    await caller.hears_nothing()
    stage.nothing_left()


@on_stage()
async def test_a_refusal_that_is_never_acknowledged_is_forgotten(stage: Stage):
    caller = await stage.client()
    caller.invite(body=SDP.replace("8 0 101", "9"))
    stage.times.move(T.patience)
    await caller.hears(488)
    stage.nothing_left()


# ---------------------------------------------------------------- CANCEL


@on_stage()
async def test_a_call_is_cancelled(stage: Stage):
    caller, dialling, call, ear = await stage.comes()
    caller.cancels(dialling)
    assert (await caller.hears(200)).method == "CANCEL"
    terminated = await caller.hears(487)
    assert terminated.method == "INVITE"
    caller.acknowledges(dialling, terminated)
    await ear.hears("cancelled")
    assert not call.answer()
    call.hang_up()
    await caller.hears_nothing()
    stage.nothing_left()


@on_stage()
async def test_a_call_is_cancelled_while_its_line_is_opened(stage: Stage):
    opened = asyncio.get_running_loop().create_future()
    stage.opening = opened
    caller = await stage.client()
    dialling = caller.invite()
    await caller.hears(100)
    caller.cancels(dialling)
    await caller.hears(200)
    caller.acknowledges(dialling, await caller.hears(487))
    opened.set_result(None)
    await caller.hears_nothing()
    assert stage.calls.empty()
    stage.nothing_left()


@on_stage()
async def test_a_cancel_that_our_answer_crosses_ends_with_bye(stage: Stage):
    """aiosipua sends 487, and its 200 then."""
    caller, dialling, call, ear = await stage.comes()
    assert call.answer()
    caller.cancels(dialling)
    answer = await caller.hears(200)
    assert (await caller.hears(200)).method == "CANCEL"
    await ear.hears("cancelled")
    assert stage.lines[0].closed
    # The caller learns of the 200, and that it is over.
    caller.acknowledges(dialling, answer)
    caller.answers(await caller.hears("BYE"), 200)
    await caller.hears_nothing()
    stage.nothing_left()


@on_stage()
async def test_after_that_crossing_their_bye_counts_as_well(stage: Stage):
    caller, dialling, call, ear = await stage.comes()
    assert call.answer()
    caller.cancels(dialling)
    answer = await caller.hears(200)
    await caller.hears(200)
    dialling.to_tag, dialling.target = answer.to_tag, answer.contact_uri
    # The BYE overtakes the ACK.
    caller.hangs_up(dialling)
    assert (await caller.hears(200)).method == "BYE"
    caller.send(caller.in_call(dialling, "ACK", cseq=1))
    await caller.hears_nothing()
    await ear.hears("cancelled")
    assert ear.heard_nothing()
    stage.nothing_left()


@on_stage()
async def test_a_cancel_during_the_call_does_nothing(stage: Stage):
    caller, dialling, _, ear = await stage.talks()
    to_tag, dialling.to_tag = dialling.to_tag, ""
    caller.cancels(dialling)
    await caller.hears(200)
    dialling.to_tag = to_tag
    await caller.hears_nothing()
    assert ear.heard_nothing()
    caller.hangs_up(dialling)
    await caller.hears(200)


@on_stage()
async def test_nobody_else_cancels_a_call(stage: Stage):
    caller = await stage.client()
    other = await stage.client(host="127.0.0.2")
    dialling = caller.invite()
    await caller.hears(100)
    _, ear = await stage.call()
    # The answer goes to the other's own host, at the caller's port, where nobody is.
    other.send(caller.in_call(dialling, "CANCEL", branch=dialling.branch).replace(";rport", ""))
    await caller.hears_nothing()
    assert ear.heard_nothing()
    assert stage.wire.sizes()["calls"] == 1


# ---------------------------------------------------------------- both at once


@on_stage()
async def test_both_hang_up_at_once(stage: Stage):
    caller, dialling, call, ear = await stage.talks()
    call.hang_up()
    ours = await caller.hears("BYE")
    caller.hangs_up(dialling)
    assert (await caller.hears(200)).method == "BYE"
    caller.answers(ours, 200)
    await caller.hears_nothing()
    assert ear.heard_nothing()
    stage.nothing_left()


@on_stage()
async def test_we_hang_up_only_once_we_are_acknowledged(stage: Stage):
    """RFC 3261 §15: nobody may say BYE before that."""
    caller, dialling, call, _ = await stage.comes()
    assert call.answer()
    call.hang_up()
    answer = await caller.hears(200)
    await caller.hears_nothing()
    caller.acknowledges(dialling, answer)
    caller.answers(await caller.hears("BYE"), 200)
    await caller.hears_nothing()
    stage.nothing_left()


@on_stage()
async def test_a_bye_before_the_answer_ends_the_invite_too(stage: Stage):
    caller, dialling, call, ear = await stage.comes()
    call.rings()
    dialling.to_tag = (await caller.hears(180)).to_tag
    caller.hangs_up(dialling)
    assert (await caller.hears(200)).method == "BYE"
    assert (await caller.hears(487)).method == "INVITE"
    await ear.hears("hung up")
    caller.send(caller.in_call(dialling, "ACK", branch=dialling.branch, cseq=1))
    await caller.hears_nothing()
    stage.nothing_left()


@on_stage()
async def test_a_re_invite_before_the_answer_has_to_wait(stage: Stage):
    caller, dialling, call, _ = await stage.comes()
    call.rings()
    dialling.to_tag = (await caller.hears(180)).to_tag
    caller.asks(dialling, "INVITE", body=SDP)
    await caller.hears(491)


@on_stage()
async def test_the_wire_closes_with_a_bye_for_everybody(stage: Stage):
    caller = await stage.client()
    await stage.talking(caller)
    dialling = caller.invite()
    await caller.hears(100)
    await stage.call()
    closing = asyncio.get_running_loop().create_task(stage.wire.close())
    heard: list[Message] = [await caller.hears_either("BYE", 503) for _ in range(2)]
    for message in heard:
        if message.what == "BYE":
            caller.answers(message, 200)
        else:
            caller.acknowledges(dialling, message)
    assert {message.what for message in heard} == {"BYE", 503}
    await closing
    assert not any(stage.wire.sizes()[name] for name in ("calls", "dialogs", "requests of ours"))
