"""What is heard on a line: whose packets count, and 20 ms with every beat whatever comes."""

import random

import pytest

from exchange.sip.parts import FRAME, WIDTH, Media, Sound
from exchange.tests.sip.line_stage import OURS, Caller, Stage, tone, tones
from exchange.tests.sip.rtp_peer import Network

STILL = bytes(FRAME * WIDTH)
TONE = tone(400, 2)


@pytest.fixture
def stage():
    return Stage()


@pytest.fixture
def caller():
    return Caller()


def listened(line) -> list[bytes]:
    heard: list[bytes] = []
    line.listen(heard.append)
    return heard


@pytest.mark.parametrize("law", ["PCMU", "PCMA"])
def test_what_is_said_is_heard(stage, law):
    peer, line = stage.call(law=law)
    heard = listened(line)
    peer.says(TONE)
    stage.plays_out(0)
    assert tones(heard, 400) >= 97
    assert {len(frame) for frame in heard} == {FRAME * WIDTH}


def test_silence_is_heard_where_nothing_is_said(stage):
    _, line = stage.call()
    heard = listened(line)
    stage.passes(1)
    assert heard == [STILL] * 50


def test_nothing_is_heard_by_nobody(stage):
    peer, line = stage.call()
    heard = listened(line)
    peer.says(TONE)
    stage.passes(1)
    line.listen(None)
    stage.passes(0.5)
    assert len(heard) == 50
    assert line.frame is None


@pytest.mark.parametrize("packet_ms", [5, 10, 30, 40, 60])
def test_packets_may_be_of_any_length(stage, packet_ms):
    peer, line = stage.call()
    heard = listened(line)
    peer.says(tone(400, 3), packet_ms)
    stage.plays_out(0)
    assert tones(heard, 400) >= 135
    assert {len(frame) for frame in heard} == {FRAME * WIDTH}


@pytest.mark.parametrize("seed", range(4))
def test_most_is_heard_on_a_bad_network(stage, seed):
    chance = random.Random(seed)  # noqa: S311
    peer, line = stage.call(
        network=Network(chance, loss=0.05, jitter_s=0.06, duplicates=0.05, delay_s=0.02)
    )
    heard = listened(line)
    peer.says(tone(400, 20))
    stage.passes(20)
    # A gap is filled with what was heard before it, so the tone goes on.
    assert tones(heard, 400) > 0.9 * 1000


def test_a_lost_packet_is_filled_in(stage):
    class OneLost(Network):
        def carry(self, at):
            return [] if 0.99 < at < 1.01 else [at]

    peer, line = stage.call(network=OneLost())
    heard = listened(line)
    peer.says(TONE)
    stage.passes(1.8)
    assert tones(heard, 400) >= 87
    assert line.counts.lost == 1


def test_it_is_heard_again_after_silence_of_any_kind(stage):
    peer, line = stage.call()
    heard = listened(line)
    peer.says(TONE).is_silent(3).says(TONE).makes_comfort_noise(2).says(TONE).presses("1")
    peer.says(TONE)
    stage.plays_out(0)
    assert tones(heard, 400) >= 4 * 95
    assert heard[150 : 5 * 50] == [STILL] * 100


@pytest.mark.parametrize("pause", ["keys", "comfort noise"])
def test_nothing_is_made_up_where_the_telephone_says_that_it_is_silent(stage, pause):
    peer, line = stage.call()
    heard = listened(line)
    peer.says(TONE)
    if pause == "keys":
        peer.presses("1", ms=500)
    else:
        peer.makes_comfort_noise(1)
    stage.plays_out()
    assert tones(heard, 400) <= 100


def test_comfort_noise_is_not_heard(stage):
    peer, line = stage.call()
    heard = listened(line)
    peer.makes_comfort_noise(2)
    stage.plays_out(0)
    assert set(heard) == {STILL}


def test_another_source_at_the_same_place_is_heard_at_once(stage):
    peer, line = stage.call()
    heard = listened(line)
    peer.says(TONE)
    stage.plays_out(0)
    peer.ssrc, peer.base, peer.sequence = 1, peer.base - 8 * FRAME, 7
    peer.says(tone(1000, 1))
    stage.plays_out(0)
    assert tones(heard, 1000) >= 46


# Whose packets count.


def test_sound_goes_to_where_the_sdp_says_until_something_comes(stage):
    announced, line = stage.call()
    behind = stage.peer(host="203.0.113.9", to=(OURS, line.port))
    stage.passes(1)
    behind.says(TONE)
    stage.passes(1)
    assert (announced.frames, behind.frames) == (51, 49)


def test_others_are_ignored_once_somebody_speaks(stage, caller):
    peer, line = stage.call(caller)
    peer.says(Sound.silent(1))
    stage.passes(0.1)
    other = stage.peer(host="203.0.113.9", to=(OURS, line.port))
    heard = listened(line)
    other.says(TONE).presses("12")
    stage.passes(4)
    assert (caller.keys, tones(heard, 400), other.frames) == ("", 0, 0)
    assert line.counts.strangers == 100 + 2 * 7


def test_the_same_host_at_another_port_is_another(stage, caller):
    peer, line = stage.call(caller)
    peer.says(Sound.silent(0.1))
    stage.passes(0.1)
    other = stage.peer(to=(OURS, line.port))
    other.presses("1")
    stage.plays_out()
    assert caller.keys == ""


def test_where_the_sdp_says_counts_more_than_who_was_first(stage, caller):
    peer, line = stage.call(caller)
    thief = stage.peer(host="203.0.113.9", to=(OURS, line.port))
    thief.says(TONE)
    stage.passes(0.2)
    assert thief.frames > 0
    peer.presses("1")
    stage.passes(0.5)
    taken = thief.frames
    thief.presses("2")
    stage.passes(1)
    assert caller.keys == "1"
    assert thief.frames == taken


def test_a_re_invite_opens_the_line_to_another(stage, caller):
    peer, line = stage.call(caller)
    peer.presses("1")
    stage.plays_out()
    other = stage.peer(host="203.0.113.9", to=(OURS, line.port))
    line.connect(Media("203.0.113.10", 4000, "PCMU"))
    other.presses("2")
    stage.plays_out()
    peer.presses("3")
    stage.plays_out()
    assert caller.keys == "12"


def test_a_re_invite_that_only_refreshes_opens_it_to_nobody(stage, caller):
    peer, line = stage.call(caller)
    peer.presses("1")
    stage.plays_out()
    other = stage.peer(host="203.0.113.9", to=(OURS, line.port))
    line.connect(Media(peer.host, peer.port, "PCMU"))
    other.presses("2")
    stage.plays_out()
    assert caller.keys == "1"


def test_who_is_not_allowed_is_never_the_first(stage, caller):
    line = stage.line(caller, allowed=lambda host: host == "203.0.113.9")
    line.connect(Media("telephone.example", 4000, "PCMU"))
    stranger = stage.peer(to=(OURS, line.port))
    stranger.presses("1")
    stage.plays_out()
    friend = stage.peer(host="203.0.113.9", to=(OURS, line.port))
    friend.presses("2")
    stage.plays_out()
    assert caller.keys == "2"
    assert (stranger.frames, friend.frames > 0) == (0, True)


def test_a_flood_of_strangers_takes_no_beat_away(stage, caller):
    peer, line = stage.call(caller)
    peer.says(Sound.silent(0.1))
    stage.passes(0.1)
    before = peer.frames
    other = stage.peer(host="203.0.113.9", to=(OURS, line.port))
    for _ in range(10000):
        other.sends(b"\x80\x00" + bytes(170))
    stage.passes(2)
    assert peer.frames == before + 100
    assert line.counts.strangers == 32 * 100


# Whether anybody is there at all.


@pytest.mark.parametrize("begins", ["at once", "after a word"])
def test_who_sends_nothing_is_lost(stage, begins):
    caller = Caller()
    peer, _ = stage.call(caller)
    if begins == "after a word":
        peer.says(TONE)
        stage.plays_out(0)
    stage.passes(29)
    assert caller.left == []
    stage.passes(3)
    assert caller.left == ["lost"]
    stage.passes(60)
    assert caller.left == ["lost"]


def test_how_long_is_given(stage, caller):
    line = stage.line(caller, lost_after_s=5)
    line.connect(Media("198.51.100.9", 4000, "PCMU"))
    stage.passes(7)
    assert caller.left == ["lost"]


def test_whoever_holds_may_send_nothing(stage, caller):
    peer, line = stage.call(caller)
    line.connect(Media(peer.host, peer.port, "PCMU", hears=False, speaks=False))
    stage.passes(600)
    assert caller.left == []
    line.connect(Media(peer.host, peer.port, "PCMU"))
    stage.passes(29)
    assert caller.left == []
    stage.passes(3)
    assert caller.left == ["lost"]


def test_comfort_noise_keys_and_the_unknown_are_signs_of_life(stage, caller):
    peer, _ = stage.call(caller)
    peer.says(Sound.silent(0.1))
    for _ in range(5):
        peer.is_silent(20).makes_comfort_noise(0.1).is_silent(20).presses("1").is_silent(20)
        peer.sends_rtp(99, b"new")
    stage.plays_out(0)
    assert caller.left == []


def test_a_report_is_a_sign_of_life(stage, caller):
    peer, line = stage.call(caller)
    report = bytes([0x80, 201, 0, 1, 0, 0, 0, 9])
    for _ in range(5):
        stage.passes(20)
        peer.sends(report, (OURS, line.port + 1))
    assert caller.left == []


def test_strangers_and_rubbish_are_none(stage, caller):
    peer, line = stage.call(caller)
    peer.says(Sound.silent(0.1))
    other = stage.peer(host="203.0.113.9", to=(OURS, line.port))
    for _ in range(35):
        other.says(Sound.silent(0.02))
        other.sends(bytes([0x80, 201, 0, 1, 0, 0, 0, 9]), (OURS, line.port + 1))
        peer.sends(b"rubbish")
        stage.passes(1)
    assert caller.left == ["lost"]


def test_a_line_that_waits_to_be_connected_is_not_lost(stage, caller):
    stage.line(caller)
    stage.passes(100)
    assert caller.left == []
