"""Keys that come as RTP packets (RFC 4733) are told once each, whatever the network does."""

import random

from dataclasses import replace

import pytest

from exchange.sip.parts import Media
from exchange.tests.sip.line_stage import Caller, Stage, tone
from exchange.tests.sip.rtp_peer import Network

A_WHILE = tone(400, 0.5)
ALL = "0123456789*#"
# 5 % are lost and delays differ by 60 ms, so that packets overtake one another.
BAD = Network(loss=0.05, jitter_s=0.06, duplicates=0.05)


@pytest.fixture
def stage():
    return Stage()


@pytest.fixture
def caller():
    return Caller()


def test_every_key_is_told(stage, caller):
    peer, _ = stage.call(caller)
    peer.presses(ALL)
    stage.plays_out()
    assert caller.keys == ALL


def test_a_key_is_told_at_its_first_packet(stage, caller):
    peer, _ = stage.call(caller)
    peer.presses("5", ms=2000)
    stage.passes(0.06)
    assert caller.keys == "5"
    stage.plays_out()
    assert caller.keys == "5"


def test_the_same_key_twice_in_a_row_is_two(stage, caller):
    peer, _ = stage.call(caller)
    peer.presses("1100", gap_ms=40)
    stage.plays_out()
    assert caller.keys == "1100"


@pytest.mark.parametrize("seconds", [1, 8.19, 8.2, 20])
def test_a_long_press_is_one_key(stage, caller, seconds):
    peer, _ = stage.call(caller)
    peer.presses("77", ms=seconds * 1000)
    stage.plays_out()
    assert caller.keys == "77"


@pytest.mark.parametrize("step_ms", [10, 20, 30, 50])
def test_telephones_tell_it_as_often_as_they_like(stage, caller, step_ms):
    peer, _ = stage.call(caller)
    peer.presses("159#", step_ms=step_ms)
    stage.plays_out()
    assert caller.keys == "159#"


@pytest.mark.parametrize("kept", range(7))
def test_any_packet_of_it_may_be_the_only_one_that_arrives(stage, caller, kept):
    class OnlyOne(Network):
        count = -1

        def carry(self, at):
            self.count += 1
            return [at] if self.count == kept else []

    peer, line = stage.call(caller, OnlyOne())
    peer.presses("8", ms=100)
    stage.plays_out()
    assert caller.keys == "8"
    assert line.counts.received == 1


def test_its_packets_may_come_in_reverse(stage, caller):
    class Reverse(Network):
        def carry(self, at):
            return [2 - at]

    peer, _ = stage.call(caller, Reverse())
    peer.presses("4", ms=100)
    stage.plays_out()
    assert caller.keys == "4"


def test_late_packets_of_the_key_before_tell_nothing(stage, caller):
    class Held(Network):
        """Sends each packet again when the next key is down."""

        def carry(self, at):
            return [at, at + 0.25]

    peer, _ = stage.call(caller, Held())
    peer.presses("1212", ms=100, gap_ms=60)
    stage.plays_out()
    assert caller.keys == "1212"


@pytest.mark.parametrize("seed", range(12))
def test_keys_are_right_on_a_bad_network(stage, caller, seed):
    chance = random.Random(seed)  # noqa: S311
    wanted = "".join(chance.choice(ALL) for _ in range(40))
    network = replace(BAD, chance=chance)
    peer, line = stage.call(caller, network)
    for key in wanted:
        peer.says(A_WHILE).presses(key, ms=chance.randrange(80, 300), gap_ms=80)
    stage.plays_out()
    assert caller.keys == wanted
    assert network.lost > line.counts.received / 40


def test_keys_come_in_between_what_is_said_and_played(stage, caller):
    peer, line = stage.call(caller)
    line.play(tone(300, 5))
    peer.says(A_WHILE).presses("12").says(A_WHILE).presses("3")
    stage.passes(3)
    assert caller.keys == "123"
    assert peer.frames == 150


@pytest.mark.parametrize("number", [96, 101, 127])
def test_keys_have_the_number_that_was_agreed_on(stage, caller, number):
    peer, line = stage.call(caller, keys=number)
    peer.presses("9")
    peer.keys = 100
    peer.presses("8")
    stage.plays_out()
    assert caller.keys == "9"
    assert line.counts.unknown > 0


def test_no_packet_is_a_key_where_none_was_agreed_on(stage, caller):
    peer, line = stage.call(caller)
    line.connect(Media(peer.host, peer.port, "PCMU", keys=None))
    peer.presses("12")
    stage.plays_out()
    assert caller.keys == ""


@pytest.mark.parametrize(
    "payload",
    [b"", b"\x01", b"\x01\x0a\x00", bytes([12, 10, 0, 160]), bytes([16, 10, 0, 160]), b"\xff" * 4],
)
def test_what_is_no_key_of_a_telephone_is_none(stage, caller, payload):
    peer, _ = stage.call(caller)
    peer.sends_rtp(101, payload)
    stage.plays_out()
    assert caller.keys == ""
    peer.presses("1")
    stage.plays_out()
    assert caller.keys == "1"


def test_keys_of_another_source_with_the_same_times_are_others(stage, caller):
    peer, _ = stage.call(caller)
    peer.sends_rtp(101, bytes([1, 10, 0, 160]), stamp=5000)
    stage.plays_out()
    peer.ssrc += 1
    peer.sends_rtp(101, bytes([1, 10, 0, 160]), stamp=5000)
    stage.plays_out()
    assert caller.keys == "11"


def test_keys_go_on_after_hold(stage, caller):
    peer, line = stage.call(caller)
    peer.presses("1")
    stage.plays_out()
    line.connect(Media(peer.host, peer.port, "PCMU", hears=False, speaks=False))
    stage.passes(5)
    line.connect(Media(peer.host, peer.port, "PCMU"))
    peer.presses("2")
    stage.plays_out()
    assert caller.keys == "12"


def test_a_flood_of_keys_is_told_in_part(stage, caller):
    peer, line = stage.call(caller)
    for at in range(3000):
        peer.sends_rtp(101, bytes([at % 10, 0x8A, 0, 160]), stamp=at * 160, at=0)
    stage.passes(1)
    assert 50 <= len(caller.keys) <= 4 * 50
    assert line.counts.received == 32 * 49
