"""Heard again: what comes over the line is what the service's documents say, in order.

The documents are those that the service answered; they are rendered once more, by a voice of the
test's own, and looked for in what the caller heard, sample by sample.
"""

from __future__ import annotations

import asyncio

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from exchange.sip.parts import RATE
from exchange.sip.voice import Voice
from exchange.twiml import Verb, parse
from tests.sip.town import BOOKING, NATIONAL, Town, town
from tests.support.house import MOBILE
from tools.simulator.outcomes import reference_in
from tools.simulator.ring.__main__ import key_groups
from tools.simulator.ring.handset import Handset
from tools.simulator.ring.script import Caller, Rung

# Seconds from key to key of an impatient caller, and of silence that ends a prompt.
SOON, QUIET_S = 0.8, 1.2
LONGEST_S = 300.0
# What a prompt that a key cuts off must have had, and how long the first words may take.
BEGINS = RATE // 4
LATE = 3 * RATE


@pytest.fixture
def place(database_url: str, tmp_path: Path) -> Iterator[Town]:
    with town(database_url, tmp_path) as made:
        made.opens_telephones()
        yield made


@pytest.fixture
def voice() -> Iterator[Voice]:
    with Voice() as made:
        yield made


def rings(place: Town, script: str) -> Rung:
    async def call() -> Rung:
        caller = Caller(
            key_groups(script),
            quiet_s=QUIET_S,
            longest_s=LONGEST_S,
            leaves=True,
            # Under load a prompt may still sound when the next one is due.
            answered=lambda: len(place.documents),
        )
        async with Handset(place.sip, MOBILE) as handset:
            return await caller.rings(handset, NATIONAL)

    return asyncio.run(call())


def sentences(voice: Voice, document: bytes) -> list[bytes]:
    """What is to be heard of a document, without its pauses."""

    def says(verbs: Sequence[Verb]) -> Iterator[Verb]:
        for verb in verbs:
            if verb.name == "Say":
                yield verb
            yield from says(verb.children)

    return [
        same(sound.ulaw)
        for verb in says(parse(document, "text/xml"))
        for sound in voice.say(verb.pieces, verb.attributes["language"])
        if sound.ulaw.strip(b"\xff")
    ]


def same(ulaw: bytes) -> bytes:
    """Nothing has two codes in µ-law."""
    return ulaw.replace(b"\x7f", b"\xff")


def test_a_prompt_is_heard_whole_and_one_that_a_key_stops_up_to_there(place: Town, voice: Voice):
    rung = rings(place, ",".join(f"{keys}@{SOON}" for _, keys in BOOKING[:3]))
    heard = same(rung.recording.theirs.ulaw)
    *stopped, postcode = [sentences(voice, one) for one in place.documents[:4]]
    at = 0
    for first, *_, last in stopped:
        at = heard.index(first[:BEGINS], at)
        # Not the first sentence: of a short one, a busy machine may send all before the key comes.
        assert last not in heard
    for sentence in postcode:
        at = heard.index(sentence, at) + len(sentence)
    assert (rung.ended, rung.prompts) == ("we hung up", 1)


# The call alone takes over three minutes.
@pytest.mark.long
@pytest.mark.timeout(600)
def test_every_prompt_of_a_booking_is_heard_in_order(place: Town, voice: Voice):
    rung = rings(place, ",".join(keys for _, keys in BOOKING))
    heard = same(rung.recording.theirs.ulaw)
    at = 0
    spoken = [found for one in place.documents if (found := sentences(voice, one))]
    assert len(spoken) == len(BOOKING) + 1
    for first, *others in spoken:
        start = heard.index(first, at)
        assert start - at < QUIET_S * RATE + LATE
        at = start + len(first)
        for sentence in others:
            start = heard.index(sentence, at)
            assert start - at < RATE
            at = start + len(sentence)
    (booking,) = place.house.bookings()
    place.delivers()
    assert reference_in(place.texts(MOBILE)) == booking.reference
