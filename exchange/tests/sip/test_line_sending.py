"""What a line sends: one packet every 20 ms, whatever there is to be played."""

import threading

import pytest

from aiortp.packet import RtcpPacket, RtcpSrPacket

from exchange.sip.parts import FRAME, SILENCE, Media, Sound
from exchange.sip.playing import MOST_SOUNDS
from exchange.sip.ticker import MOST_AT_ONCE
from exchange.tests.sip.line_stage import OURS, Caller, Stage, tone

SECOND = tone(400, 1)


@pytest.fixture
def stage():
    return Stage()


def test_silence_is_sent_where_nothing_is_played(stage):
    peer, _ = stage.call()
    stage.passes(1)
    assert peer.frames == 50
    assert peer.heard == SILENCE["PCMU"] * 50


def test_nothing_is_sent_before_it_is_connected(stage):
    peer, line = stage.peer(), stage.line()
    line.play(SECOND)
    stage.passes(1)
    line.connect(Media(peer.host, peer.port, "PCMU"))
    assert peer.frames == 0
    stage.passes(1)
    assert peer.heard == SECOND.ulaw


@pytest.mark.parametrize("law", ["PCMU", "PCMA"])
def test_what_is_played_comes_as_the_law_has_it_and_then_silence(stage, law):
    peer, line = stage.call(law=law)
    line.play(SECOND)
    stage.passes(1.1)
    assert peer.heard == SECOND.coded(law) + SILENCE[law] * 5
    assert {each.packet.payload_type for each in peer.received} == {0 if law == "PCMU" else 8}


def test_sounds_follow_one_another_without_a_gap(stage):
    peer, line = stage.call()
    pieces = [bytes([n]) * length for n, length in enumerate((1, 159, 161, 3, 5, 400), 1)]
    for piece in pieces:
        line.play(Sound(piece))
    stage.passes(0.2)
    played = b"".join(pieces)
    assert peer.heard == played.ljust(10 * FRAME, b"\xff")


def test_numbers_and_timestamps_go_up_evenly_from_somewhere(stage):
    peer, _ = stage.call()
    stage.passes(2)
    packets = [each.packet for each in peer.received]
    first = packets[0]
    assert [(p.sequence_number - first.sequence_number) % 65536 for p in packets] == [*range(100)]
    assert [(p.timestamp - first.timestamp) % 2**32 for p in packets] == [
        n * FRAME for n in range(100)
    ]
    assert {p.ssrc for p in packets} == {first.ssrc}
    assert [p.marker for p in packets] == [1] + [0] * 99


def test_two_lines_have_nothing_in_common(stage):
    (one, _), (two, _) = stage.call(), stage.call()
    stage.passes(0.1)
    first, other = one.received[0].packet, two.received[0].packet
    assert first.ssrc != other.ssrc
    assert first.timestamp != other.timestamp
    assert first.sequence_number != other.sequence_number


def test_the_end_is_told_once_when_all_was_played(stage):
    caller = Caller()
    _, line = stage.call(caller)
    line.play(SECOND)
    line.play(SECOND)
    stage.passes(2)
    assert (caller.idles, line.playing) == (0, True)
    stage.passes(0.02)
    assert (caller.idles, line.playing) == (1, False)
    stage.passes(1)
    assert caller.idles == 1


def test_the_end_of_an_empty_sound_is_told_too(stage):
    caller = Caller()
    _, line = stage.call(caller)
    line.play(Sound(b""))
    assert line.playing
    stage.passes(0.02)
    assert (caller.idles, line.playing) == (1, False)


def test_what_is_stopped_ends_with_the_next_packet(stage):
    caller = Caller()
    peer, line = stage.call(caller)
    line.play(SECOND)
    stage.passes(0.1)
    stopped = threading.Thread(target=line.stop)
    stopped.start()
    stopped.join()
    stage.passes(0.1)
    assert peer.heard == SECOND.ulaw[: 5 * FRAME] + SILENCE["PCMU"] * 5
    assert caller.idles == 1


def test_what_is_played_after_a_stop_begins_at_once(stage):
    caller = Caller()
    peer, line = stage.call(caller)
    line.play(SECOND)
    stage.passes(0.1)
    line.stop()
    line.play(Sound(b"\x01" * FRAME))
    stage.passes(0.04)
    assert peer.heard[5 * FRAME :] == b"\x01" * FRAME + SILENCE["PCMU"]


def test_what_is_to_be_played_has_a_bound(stage):
    _, line = stage.call()
    for _ in range(MOST_SOUNDS + 5):
        line.play(Sound(b"\x01" * FRAME))
    line.play(Sound.silent(3601))
    assert line.counts.refused == 6
    stage.passes(1)
    line.play(SECOND)
    assert line.counts.refused == 6


def test_time_goes_by_while_the_other_side_holds(stage):
    caller = Caller()
    peer, line = stage.call(caller)
    stage.passes(0.1)
    line.play(SECOND)
    line.connect(Media(peer.host, peer.port, "PCMU", hears=False, speaks=False))
    stage.passes(0.4)
    assert peer.frames == 5
    line.connect(Media(peer.host, peer.port, "PCMU"))
    stage.passes(0.02)
    before, after = (each.packet for each in peer.received[-2:])
    assert after.payload == SECOND.ulaw[20 * FRAME : 21 * FRAME]
    assert (after.timestamp - before.timestamp) % 2**32 == 21 * FRAME
    assert (after.sequence_number - before.sequence_number) % 65536 == 1
    assert after.marker


def test_a_line_goes_on_elsewhere_in_another_law(stage):
    peer, line = stage.call()
    line.play(SECOND)
    stage.passes(0.5)
    other = stage.peer(law="PCMA")
    line.connect(Media(other.host, other.port, "PCMA"))
    stage.passes(0.5)
    assert peer.heard == SECOND.ulaw[: 25 * FRAME]
    assert other.heard == SECOND.coded("PCMA")[25 * FRAME :]
    assert other.received[0].packet.ssrc == peer.received[0].packet.ssrc


def test_what_is_late_goes_out_at_once(stage):
    peer, _ = stage.call()
    stage.passes(1)
    stage.timers.stands_still(0.06)
    stage.passes(1)
    assert peer.frames == 103
    assert stage.ticker.skipped == 0


def test_what_is_much_too_late_is_given_up_and_its_time_goes_by(stage):
    peer, line = stage.call()
    stage.passes(1)
    stage.timers.stands_still(2)
    peer.takes(1)
    assert peer.frames == 50 + MOST_AT_ONCE
    assert stage.ticker.skipped == 100 - MOST_AT_ONCE
    stage.passes(0.02)
    first, last = peer.received[0].packet, peer.received[-1].packet
    assert (last.timestamp - first.timestamp) % 2**32 == 150 * FRAME
    assert last.marker
    assert line.counts.late >= MOST_AT_ONCE - 1


def test_the_ticker_tells_how_late_it_was(stage):
    stage.call()
    stage.passes(1)
    assert stage.ticker.worst_s == pytest.approx(0)
    stage.timers.stands_still(0.05)
    stage.passes(1)
    assert stage.ticker.worst_s == pytest.approx(0.03, abs=0.001)
    assert stage.ticker.lateness_s == pytest.approx(0)


def test_the_ticker_rests_without_lines(stage):
    assert stage.timers.asleep
    _, line = stage.call()
    stage.passes(0.1)
    assert not stage.timers.asleep
    line.close()
    stage.passes(0.04)
    assert stage.timers.asleep
    peer, _ = stage.call()
    stage.passes(1)
    assert peer.frames == 50


def test_lateness_does_not_add_up(stage):
    peer, _ = stage.call()
    for _ in range(100):
        stage.timers.stands_still(0.019)
        stage.timers.stands_still(0.021)
    peer.takes(4)
    assert peer.frames == 200


def test_one_lines_mishap_is_not_the_others(stage, caplog):
    def fails(samples):
        raise ZeroDivisionError("+33612345678")

    _, line = stage.call()
    peer, _ = stage.call()
    line.listen(fails)
    stage.passes(2)
    assert peer.frames == 100
    assert [record.message for record in caplog.records] == ["a beat failed: ZeroDivisionError"]
    assert stage.ticker.failures == 100


def test_a_network_that_takes_nothing_is_borne(stage):
    peer, line = stage.call()
    stage.air.broken = True
    stage.passes(10)
    stage.air.broken = False
    stage.passes(1)
    assert line.counts.unsent == 500
    assert peer.frames == 50


@pytest.mark.parametrize(
    ("host", "port"),
    [
        ("telephone.example", 4000),
        ("", 4000),
        ("0.0.0.0", 4000),  # noqa: S104
        ("239.1.2.3", 4000),
        ("255.255.255.255", 4000),
        ("::1", 4000),
        ("198.51.100.9", 0),
        ("198.51.100.9", 70000),
        ("198.51.100.9", -1),
        ("203.0.113.5", 4000),
    ],
)
def test_nothing_is_sent_where_no_telephone_can_be(stage, host, port):
    line = stage.line(allowed=lambda address: address != "203.0.113.5")
    line.connect(Media(host, port, "PCMU"))
    stage.passes(1)
    assert (line.counts.sent, line.counts.unsent) == (0, 0)


def test_a_closed_line_lets_go_of_its_ports_and_says_farewell(stage):
    peer, line = stage.call()
    control = stage.air.bound(peer.host, peer.port + 1)
    line.play(SECOND)
    stage.passes(0.1)
    line.close()
    assert not line.playing
    stage.passes(1)
    assert peer.frames == 5
    assert (OURS, line.port) not in stage.air.waiting
    assert (OURS, line.port + 1) not in stage.air.waiting
    kinds = [type(part).__name__ for part in RtcpPacket.parse(control.recvfrom(1500)[0])]
    assert kinds == ["RtcpRrPacket", "RtcpSdesPacket", "RtcpByePacket"]
    line.close()
    stage.passes(0.1)


def test_the_ticker_lets_closed_lines_go_at_its_end(stage):
    _, line = stage.call()
    line.close()
    stage.ticker.close()
    assert (OURS, line.port) not in stage.air.waiting


def test_reports_are_sent_now_and_then(stage):
    peer, line = stage.call()
    control = stage.air.bound(peer.host, peer.port + 1)
    peer.says(tone(400, 60))
    stage.passes(60)
    reports = []
    while stage.air.waiting[control.name]:
        data, source = control.recvfrom(1500)
        assert source == (OURS, line.port + 1)
        reports.append(RtcpPacket.parse(data)[0])
    assert 8 <= len(reports) <= 24
    last = reports[-1]
    assert isinstance(last, RtcpSrPacket)
    assert last.ssrc == peer.received[0].packet.ssrc
    assert last.sender_info.packet_count > 2000
    assert [(each.ssrc, each.packets_lost) for each in last.reports] == [(peer.ssrc, 0)]
