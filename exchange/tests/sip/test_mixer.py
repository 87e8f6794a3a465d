"""Conferences on audio: each participant says a tone of its own, and others hear it or not."""

import itertools
import threading

from dataclasses import dataclass, replace

import pytest

from exchange.orders import Seat
from exchange.sip import mixer as mixing
from exchange.sip.line import RtpLine
from exchange.sip.mixer import Mixer, all_but_each
from exchange.sip.parts import FRAME, RATE, WIDTH, Sound, pcm_of
from exchange.tests.sip.line_stage import Caller, Stage, has_tone, tone
from exchange.tests.sip.rtp_peer import RtpPeer

MUSIC = 300
A_SEAT = Seat("room", "CF1", started=True, others=1)
# Heard in a second of which: all of it, but for what a new voice needs to be let in.
MOST = 35


@dataclass
class Somebody:
    """A participant who says one tone all the time."""

    sid: str
    hertz: int
    peer: RtpPeer
    line: RtpLine


class Conference:
    def __init__(self, stage: Stage, music=None) -> None:
        self.stage = stage
        self.mixer = Mixer(stage.ticker, tone(MUSIC, 2) if music is None else music)
        self.tones = itertools.count(500, 250)

    def enters(self, seat=A_SEAT, law="PCMU", sid="") -> Somebody:
        """Have somebody come in and speak from now on, louder than the music."""
        hertz = next(self.tones)
        peer, line = self.stage.call(law=law)
        somebody = Somebody(sid or f"CA{hertz}", hertz, peer, line)
        peer.says(tone(hertz, 30))
        self.seats(somebody, seat)
        return somebody

    def seats(self, somebody: Somebody, seat: Seat | None) -> None:
        self.mixer.seat(somebody.sid, somebody.line, seat)

    def goes_on(self) -> None:
        """Let them speak for two seconds, and forget the first."""
        self.stage.passes(1)
        for peer in self.stage.peers:
            peer.received.clear()
        self.stage.passes(1)

    def hears(self, somebody: Somebody, *others: Somebody) -> bool:
        """Return whether it hears all of these; raises where it is neither always nor never."""
        return all(self.hears_tone(somebody, other.hertz) for other in others)

    def hears_tone(self, somebody: Somebody, hertz: int) -> bool:
        law = somebody.peer.law
        frames = [pcm_of(each.packet.payload, law) for each in somebody.peer.received]
        assert len(frames) == 50
        heard = sum(has_tone(frame, hertz) for frame in frames)
        assert heard == 0 or heard > MOST
        return heard > 0

    def heard(self, somebody: Somebody, among: list[Somebody]) -> set[str]:
        return {other.sid for other in among if self.hears(somebody, other)}


@pytest.fixture
def room():
    return Conference(Stage())


@pytest.mark.parametrize("laws", [("PCMU", "PCMU"), ("PCMA", "PCMA"), ("PCMU", "PCMA")])
def test_two_hear_one_another_and_not_themselves(room, laws):
    one, other = (room.enters(law=law) for law in laws)
    room.goes_on()
    assert room.heard(one, [one, other]) == {other.sid}
    assert room.heard(other, [one, other]) == {one.sid}
    assert not room.hears_tone(one, MUSIC)


@pytest.mark.parametrize("count", [3, 4, 7])
def test_many_hear_all_others(room, count):
    all_of_them = [room.enters() for _ in range(count)]
    room.goes_on()
    for one in all_of_them:
        others = {other.sid for other in all_of_them} - {one.sid}
        assert room.heard(one, all_of_them) == others


def test_conferences_do_not_hear_one_another(room):
    one, other = room.enters(), room.enters()
    third, fourth = (room.enters(replace(A_SEAT, sid="CF2")) for _ in range(2))
    room.goes_on()
    assert room.heard(one, [other, third, fourth]) == {other.sid}
    assert room.heard(fourth, [one, other, third]) == {third.sid}


def test_who_is_muted_hears_and_is_not_heard(room):
    one, other, muted = room.enters(), room.enters(), room.enters(replace(A_SEAT, muted=True))
    room.goes_on()
    everybody = [one, other, muted]
    assert room.heard(one, everybody) == {other.sid}
    assert room.heard(muted, everybody) == {one.sid, other.sid}


def test_who_is_on_hold_hears_music_and_is_not_heard(room):
    one, other, held = room.enters(), room.enters(), room.enters(replace(A_SEAT, hold=True))
    room.goes_on()
    everybody = [one, other, held]
    assert room.heard(one, everybody) == {other.sid}
    assert room.heard(held, everybody) == set()
    assert room.hears_tone(held, MUSIC)
    assert not room.hears_tone(one, MUSIC)


@pytest.mark.parametrize("seat", [replace(A_SEAT, started=False), replace(A_SEAT, others=0)])
def test_music_is_heard_before_it_begins_and_alone(room, seat):
    one = room.enters(seat)
    room.goes_on()
    assert room.hears_tone(one, MUSIC)
    room.enters()
    room.seats(one, A_SEAT)
    room.goes_on()
    assert not room.hears_tone(one, MUSIC)


def test_only_who_is_coached_hears_a_coach_who_hears_all(room):
    agent, caller = room.enters(sid="CA-agent"), room.enters()
    coach = room.enters(replace(A_SEAT, coaching="CA-agent"))
    room.goes_on()
    everybody = [agent, caller, coach]
    assert room.heard(agent, everybody) == {caller.sid, coach.sid}
    assert room.heard(caller, everybody) == {agent.sid}
    assert room.heard(coach, everybody) == {agent.sid, caller.sid}


def test_a_muted_coach_only_listens(room):
    agent, caller = room.enters(sid="CA-agent"), room.enters()
    coach = room.enters(replace(A_SEAT, coaching="CA-agent", muted=True))
    room.goes_on()
    everybody = [agent, caller, coach]
    assert room.heard(agent, everybody) == {caller.sid}
    assert room.heard(coach, everybody) == {agent.sid, caller.sid}


def test_two_coaches_whisper_to_the_same(room):
    agent, caller = room.enters(sid="CA-agent"), room.enters()
    coaches = [room.enters(replace(A_SEAT, coaching="CA-agent")) for _ in range(2)]
    room.goes_on()
    everybody = [agent, caller, *coaches]
    assert room.heard(agent, everybody) == {caller.sid, *(coach.sid for coach in coaches)}
    assert room.heard(coaches[0], everybody) == {agent.sid, caller.sid}


def test_a_seat_changes_while_they_speak(room):
    one, other = room.enters(), room.enters()
    room.goes_on()
    changed = threading.Thread(target=room.seats, args=(one, replace(A_SEAT, muted=True)))
    changed.start()
    changed.join()
    room.goes_on()
    assert room.heard(other, [one]) == set()
    room.seats(one, A_SEAT)
    room.goes_on()
    assert room.heard(other, [one]) == {one.sid}


def test_who_leaves_hears_and_says_nothing_any_more(room):
    one, other = room.enters(), room.enters()
    room.seats(one, None)
    room.goes_on()
    assert room.heard(one, [other]) == set()
    assert room.heard(other, [one]) == set()
    assert one.line.frame is None
    room.seats(one, None)


def test_who_moves_to_another_conference_is_heard_there(room):
    one, other, third = room.enters(), room.enters(), room.enters(replace(A_SEAT, sid="CF2"))
    room.seats(one, replace(A_SEAT, sid="CF2"))
    room.goes_on()
    assert room.heard(third, [one, other]) == {one.sid}
    assert room.heard(other, [one, third]) == set()


def test_a_closed_line_leaves_by_itself(room):
    one, other = room.enters(), room.enters()
    one.line.close()
    room.goes_on()
    assert room.heard(other, [one]) == set()
    other.line.close()
    room.goes_on()
    assert room.mixer.empty


def test_what_is_played_to_one_is_heard_in_its_place(room):
    one, other = room.enters(), room.enters()
    room.goes_on()
    one.line.play(tone(3000, 2))
    room.goes_on()
    assert room.hears_tone(one, 3000)
    assert not room.hears(one, other)
    assert not room.hears_tone(other, 3000)
    assert room.hears(other, one)
    room.goes_on()
    assert room.hears(one, other)


def test_music_begins_anew_for_each_and_goes_on_without_a_seam():
    stage = Stage()
    count = round(0.07 * RATE)
    music = Sound(bytes(at % 251 for at in range(count)))
    room = Conference(stage, music)
    waits = replace(A_SEAT, started=False)
    first = room.enters(waits)
    stage.passes(0.3)
    second = room.enters(waits)
    stage.passes(0.3)
    again = music.ulaw * 10
    assert first.peer.heard == again[: 30 * FRAME]
    assert second.peer.heard == again[: 15 * FRAME]


def test_a_change_of_seat_does_not_begin_the_music_anew():
    stage = Stage()
    music = Sound(bytes(at % 251 for at in range(RATE)))
    room = Conference(stage, music)
    one = room.enters(replace(A_SEAT, started=False))
    stage.passes(0.2)
    room.seats(one, replace(A_SEAT, started=False, others=3))
    stage.passes(0.2)
    assert one.peer.heard == music.ulaw[: 20 * FRAME]


@pytest.mark.parametrize("samples", [0, 1, 159])
def test_music_may_be_short(samples):
    stage = Stage()
    room = Conference(stage, Sound(b"\x11" * samples))
    one = room.enters(replace(A_SEAT, started=False))
    stage.passes(0.1)
    assert one.peer.heard == (b"\x11" if samples else b"\xff") * 5 * FRAME


def test_too_loud_is_cut_off_and_nobody_hears_themselves():
    loud = (32000).to_bytes(2, "little", signed=True) * FRAME
    quiet = (-5).to_bytes(2, "little", signed=True) * FRAME
    with_quiet, with_loud, most = list(all_but_each([loud, loud, quiet]))
    assert with_quiet == with_loud == (31995).to_bytes(2, "little", signed=True) * FRAME
    assert most == (32767).to_bytes(2, "little", signed=True) * FRAME


@pytest.mark.parametrize("count", range(8))
def test_each_gets_the_sum_of_the_others(count):
    frames = [(3**n).to_bytes(2, "little") * FRAME for n in range(count)]
    sums = [sum(3**n for n in range(count)) - 3**n for n in range(count)]
    wanted = [total.to_bytes(2, "little") * FRAME if count > 1 else None for total in sums]
    assert list(all_but_each(frames)) == wanted


def test_what_it_costs_grows_with_the_participants_only(room, monkeypatch):
    added: list[bytes] = []

    def both(one, other):
        added.append(other)
        return other

    monkeypatch.setattr(mixing, "both", both)
    for _ in range(40):
        room.enters(replace(A_SEAT, others=39))
    room.stage.passes(0.2)
    added.clear()
    room.stage.passes(0.02)
    assert 40 <= len(added) <= 4 * 40


def test_a_line_that_has_no_part_in_mixing_is_refused(room):
    with pytest.raises(AttributeError):
        room.mixer.seat("CA1", Caller(), A_SEAT)  # type: ignore[arg-type]
    assert room.mixer.empty


def test_frames_are_of_20_ms(room):
    one, _ = room.enters(), room.enters()
    room.goes_on()
    assert one.line.frame is not None
    assert len(one.line.frame) == FRAME * WIDTH
