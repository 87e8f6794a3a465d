"""Telephones that register: who they prove to be, how long they are there, and who else is not."""

import re

import pytest

from exchange.sip.wire_parts import Contact, Limits, Peer
from exchange.sip.wire_registrar import NONCE_S
from exchange.tests.sip.sip_client import Message, SipClient, digest
from exchange.tests.sip.wire_stage import PASSWORD, TRUNK, Stage, on_stage


def uri(client: SipClient) -> str:
    return f"sip:127.0.0.1:{client.server[1]}"


async def challenged(client: SipClient, name: str = "poste1") -> tuple[str, Message]:
    """Ask to register, and give the challenge."""
    client.send(client.register(name, f"Contact: <sip:{name}@127.0.0.1:{client.port}>"))
    refusal = await client.hears(401)
    return refusal["WWW-Authenticate"], refusal


async def shows(client: SipClient, proof: str, name: str = "poste1") -> Message:
    """Register with this proof, and give what comes."""
    contact = f"Contact: <sip:{name}@127.0.0.1:{client.port}>"
    client.send(client.register(name, contact, f"Authorization: {proof}"))
    return Message.of(await client.raw() or b"")


@on_stage()
async def test_a_telephone_registers(stage: Stage):
    """REGISTER is 405 with aiosipua."""
    told = []
    stage.wire.on_registered = lambda: told.append(sorted(stage.wire.registered()))
    client = await stage.client()
    answer = await client.registers("poste1", PASSWORD, expires=600)
    assert answer.status == 200
    assert answer["Contact"] == f"<sip:poste1@127.0.0.1:{client.port}>;expires=600"
    here = Contact(
        "poste1", f"sip:poste1@127.0.0.1:{client.port}", Peer("127.0.0.1", client.port, "UDP")
    )
    assert stage.wire.contact("poste1") == here
    assert told == [["poste1"]]
    assert stage.wire.contact("poste2") is None


@on_stage(wire={"algorithms": ("MD5", "SHA-256")})
async def test_either_algorithm_proves_it(stage: Stage):
    client = await stage.client()
    _, refusal = await challenged(client)
    challenges = refusal.all("WWW-Authenticate")
    assert [re.findall(r"algorithm=([\w-]+)", one) for one in challenges] == [["MD5"], ["SHA-256"]]
    for count, challenge in enumerate(challenges, 1):
        proof = digest(challenge, "poste1", PASSWORD, "REGISTER", uri(client), count=count)
        assert (await shows(client, proof)).status == 200


@on_stage()
async def test_only_one_algorithm_is_told_so_that_old_telephones_understand(stage: Stage):
    client = await stage.client()
    _, refusal = await challenged(client)
    assert len(refusal.all("WWW-Authenticate")) == 1
    told = refusal["WWW-Authenticate"].replace("MD5", "SHA-256")
    proof = digest(told, "poste1", PASSWORD, "REGISTER", uri(client))
    assert (await shows(client, proof)).status == 403


@pytest.mark.parametrize(
    ("name", "password", "instead"),
    [
        ("poste1", "another-password", {}),
        ("poste9", PASSWORD, {}),
        ("poste1", PASSWORD, {"username": "poste2"}),
        ("poste1", PASSWORD, {"uri": "sip:elsewhere"}),
        ("poste1", PASSWORD, {"response": ""}),
        ("poste1", PASSWORD, {"response": "é" * 32}),
        ("poste1", PASSWORD, {"cnonce": ""}),
        ("poste1", PASSWORD, {"nc": "1"}),
        ("poste1", PASSWORD, {"nc": "zzzzzzzz"}),
        ("poste1", PASSWORD, {"qop": "auth-int"}),
        ("poste1", PASSWORD, {"algorithm": "MD5-sess"}),
    ],
)
@on_stage()
async def test_what_proves_nothing_is_forbidden(
    stage: Stage, name: str, password: str, instead: dict[str, str]
):
    client = await stage.client()
    challenge, _ = await challenged(client, name)
    proof = digest(challenge, name, password, "REGISTER", uri(client), instead=instead)
    assert (await shows(client, proof, name)).status == 403
    assert not stage.wire.registered()


@on_stage()
async def test_one_telephone_does_not_register_as_another(stage: Stage):
    client = await stage.client()
    challenge, _ = await challenged(client, "poste2")
    proof = digest(challenge, "poste1", PASSWORD, "REGISTER", uri(client))
    assert (await shows(client, proof, "poste2")).status == 403


@on_stage()
async def test_what_was_said_once_cannot_be_said_again(stage: Stage):
    client = await stage.client()
    challenge, _ = await challenged(client)
    proof = digest(challenge, "poste1", PASSWORD, "REGISTER", uri(client))
    assert (await shows(client, proof)).status == 200
    again = await shows(client, proof)
    assert again.status == 401
    assert "stale=true" in again["WWW-Authenticate"]
    # Nor a third time: that it was refused is no reason to forget it.
    assert (await shows(client, proof)).status == 401
    # The next count of the same nonce is right, and one before it is not any more.
    for count, status in ((3, 200), (2, 401), (4, 200)):
        proof = digest(challenge, "poste1", PASSWORD, "REGISTER", uri(client), count=count)
        assert (await shows(client, proof)).status == status


@on_stage()
async def test_a_challenge_is_for_some_minutes_and_for_one_address(stage: Stage):
    client = await stage.client()
    challenge, _ = await challenged(client)
    stage.times.move(NONCE_S + 1)
    proof = digest(challenge, "poste1", PASSWORD, "REGISTER", uri(client))
    late = await shows(client, proof)
    assert late.status == 401
    assert "stale=true" in late["WWW-Authenticate"]
    other = await stage.client(host="127.0.0.2")
    proof = digest(late["WWW-Authenticate"], "poste1", PASSWORD, "REGISTER", uri(client))
    assert (await shows(other, proof)).status == 401
    assert (await shows(client, proof)).status == 200


@on_stage()
async def test_a_challenge_of_somebody_elses_making_counts_for_nothing(stage: Stage):
    client = await stage.client()
    challenge, _ = await challenged(client)
    for nonce in ("", "x", "0" * 60, "é" * 60):
        made = re.sub('nonce="[^"]*"', f'nonce="{nonce}"', challenge)
        proof = digest(made, "poste1", PASSWORD, "REGISTER", uri(client))
        assert (await shows(client, proof)).status == 401


@on_stage(limits=Limits(nonces=4))
async def test_a_challenge_that_was_forgotten_is_not_good_again(stage: Stage):
    client = await stage.client()
    first, _ = await challenged(client)
    proof = digest(first, "poste1", PASSWORD, "REGISTER", uri(client))
    assert (await shows(client, proof)).status == 200
    for _ in range(6):
        stage.times.move(1)
        challenge, _ = await challenged(client)
        later = digest(challenge, "poste1", PASSWORD, "REGISTER", uri(client))
        assert (await shows(client, later)).status == 200
    assert stage.wire.sizes()["nonces"] == 4
    assert (await shows(client, proof)).status == 401


@on_stage(limits=Limits(guess_burst=3, guesses=0.1))
async def test_whoever_guesses_is_not_heard_for_a_while(stage: Stage):
    client = await stage.client()
    challenge = ""
    for _ in range(3):
        challenge, _ = await challenged(client)
        proof = digest(challenge, "poste1", "guessed", "REGISTER", uri(client))
        assert (await shows(client, proof)).status == 403
    right = digest(challenge, "poste1", PASSWORD, "REGISTER", uri(client))
    assert (await shows(client, right)).status == 403
    # Others are, meanwhile, and the same one later.
    other = await stage.client(host="127.0.0.2")
    challenge, _ = await challenged(other)
    proof = digest(challenge, "poste1", PASSWORD, "REGISTER", uri(other))
    assert (await shows(other, proof)).status == 200
    stage.times.move(11)
    assert (await shows(client, right)).status == 200


# ---------------------------------------------------------------- who is there, and until when


@on_stage()
async def test_a_telephone_that_does_not_come_again_is_gone(stage: Stage):
    client = await stage.client()
    await client.registers("poste1", PASSWORD, expires=60)
    told = []
    stage.wire.on_registered = lambda: told.append(sorted(stage.wire.registered()))
    stage.times.move(59)
    assert stage.wire.contact("poste1")
    stage.times.move(1)
    assert stage.wire.contact("poste1") is None
    assert told == [[]]


@on_stage()
async def test_a_telephone_that_comes_again_stays(stage: Stage):
    client = await stage.client()
    first = await client.registers("poste1", PASSWORD, expires=60)
    stage.times.move(50)
    await client.registers("poste1", PASSWORD, expires=60, call_id=first["Call-ID"], cseq=3)
    stage.times.move(50)
    assert stage.wire.contact("poste1")
    assert stage.wire.sizes()["telephones"] == 1


@on_stage()
async def test_a_telephone_says_that_it_goes(stage: Stage):
    client = await stage.client()
    await client.registers("poste1", PASSWORD)
    gone = await client.registers("poste1", PASSWORD, expires=0)
    assert gone.status == 200
    assert "Contact" not in gone
    assert not stage.wire.registered()


@on_stage()
async def test_a_telephone_says_that_all_of_its_account_go(stage: Stage):
    client = await stage.client()
    for port in (5001, 5002):
        await client.registers("poste1", PASSWORD, contact=f"<sip:poste1@127.0.0.1:{port}>")
    assert stage.wire.sizes()["telephones"] == 2
    assert (await client.registers("poste1", PASSWORD, contact="*", expires=0)).status == 200
    assert not stage.wire.registered()
    assert (await client.registers("poste1", PASSWORD, contact="*")).status == 400


@on_stage()
async def test_the_last_telephone_of_an_account_is_the_one_that_rings(stage: Stage):
    client = await stage.client()
    for port in (*range(5001, 5008), 5005):
        await client.registers("poste1", PASSWORD, contact=f"<sip:poste1@127.0.0.1:{port}>")
    found = stage.wire.contact("poste1")
    assert found is not None
    assert found.uri == "sip:poste1@127.0.0.1:5005"
    assert stage.wire.sizes()["telephones"] == Limits().bindings


@pytest.mark.parametrize(
    ("contact", "expires", "status"),
    [
        ("<sip:x@127.0.0.1>", 5, 423),
        ("<sip:x@127.0.0.1>;expires=5", 300, 423),
        ("<sips:x@127.0.0.1>", 300, 400),
        ("<tel:+33612345678>", 300, 400),
        ("<sip:x y@127.0.0.1>", 300, 400),
        ("<sip:>", 300, 400),
        ("<sip:x@127.0.0.1>;expires=soon", 300, 400),
        (", ".join(f"<sip:{n}@127.0.0.1>" for n in range(9)), 300, 403),
        ("<sip:x@127.0.0.1>;expires=99999999", 300, 200),
    ],
)
@on_stage()
async def test_what_a_telephone_may_ask(stage: Stage, contact: str, expires: int, status: int):
    client = await stage.client()
    answer = await client.registers("poste1", PASSWORD, contact=contact, expires=expires)
    assert answer.status == status
    if status == 423:
        assert answer["Min-Expires"] == "30"
    if status == 200:
        assert answer["Contact"].endswith(";expires=3600")
    else:
        assert not stage.wire.registered()


@on_stage()
async def test_a_registration_that_was_overtaken_changes_nothing(stage: Stage):
    client = await stage.client()
    await client.registers("poste1", PASSWORD, call_id="same", cseq=10)
    late = await client.registers("poste1", PASSWORD, call_id="same", cseq=5, expires=0)
    assert late.status == 500
    assert stage.wire.registered() == {"poste1"}


@on_stage()
async def test_a_telephone_on_a_connection_is_gone_with_it(stage: Stage):
    client, contact = await stage.registered("poste1", "TCP")
    assert contact.peer == Peer("127.0.0.1", client.port, "TCP")
    gone = stage.expects_change()
    await client.close()
    await gone
    assert stage.wire.contact("poste1") is None
    assert not stage.wire.registered()


@on_stage(trunk=TRUNK)
async def test_the_trunk_registers_nothing(stage: Stage):
    client = await stage.client()
    client.send(client.register("poste1", "Contact: <sip:x@127.0.0.1>"))
    await client.hears(403)


# ---------------------------------------------------------------- who rings


@on_stage()
async def test_who_rings_as_a_telephone_of_ours_proves_it(stage: Stage):
    client = await stage.client()
    us = f"<sip:poste1@127.0.0.1:{stage.wire.port}>"
    dialling = client.invite(sender=us)
    refusal = await client.hears(401)
    client.acknowledges(dialling, refusal)
    proof = digest(refusal["WWW-Authenticate"], "poste1", PASSWORD, "INVITE", dialling.target)
    client.invite("+33974750001", f"Authorization: {proof}", sender=us)
    await client.hears(100)
    call, _ = await stage.call()
    assert (call.caller, call.account) == ("poste1", "poste1")


@on_stage()
async def test_who_rings_as_a_telephone_of_ours_and_is_not_is_refused(stage: Stage):
    client = await stage.client()
    us = f"<sip:poste1@127.0.0.1:{stage.wire.port}>"
    client.invite(sender=us)
    refusal = await client.hears(401)
    proof = digest(refusal["WWW-Authenticate"], "poste1", "guessed", "INVITE", "sip:x")
    client.invite("+33974750001", f"Authorization: {proof}", sender=us)
    await client.hears(403)
    assert stage.calls.empty()
