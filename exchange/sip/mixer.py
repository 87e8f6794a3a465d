"""Conferences on audio: those who sit in the same one hear one another."""

import threading

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from exchange.orders import Seat
from exchange.sip.line import RtpLine
from exchange.sip.parts import FRAME, WIDTH, Law, Sound, coded
from exchange.sip.samples import audioop
from exchange.sip.ticker import MIX, Ticker

LAWS: Final[tuple[Law, ...]] = ("PCMU", "PCMA")
# Pieces of music that are kept as they are sent; a service has one or two.
KEPT: Final = 4


@dataclass(slots=True)
class Participant:
    """A call in a conference."""

    call_sid: str
    line: RtpLine
    seat: Seat
    # What it hears while it waits, and how far into that it is, in samples.
    waiting: Mapping[Law, bytes]
    music: int = 0

    @property
    def waits(self) -> bool:
        """Whether it hears music and nobody, and nobody hears it."""
        return self.seat.hold or not self.seat.started or self.seat.others == 0

    @property
    def said(self) -> bytes | None:
        """What others hear of it in this beat."""
        return None if self.seat.muted or self.waits else self.line.frame


class Mixer:
    """Mixes every conference in the beat of all lines. The cost of one grows with its calls."""

    def __init__(self, ticker: Ticker, music: Sound) -> None:
        """`music` is played over and over to whoever waits and has none of its own."""
        self._music = music
        self._lock = threading.Lock()
        self._rooms: dict[str, dict[str, Participant]] = {}
        # Where each call sits.
        self._sits: dict[str, str] = {}
        ticker.join(MIX, self._mix)

    def seat(
        self, call_sid: str, line: RtpLine, seat: Seat | None, music: Sound | None = None
    ) -> None:
        """Let a call have this place from now on, or none. Any thread.

        `music` is what this one hears while it waits; an empty sound is silence.
        """
        line.attend(seat is not None)
        with self._lock:
            before = self._leave(call_sid)
            if seat is not None:
                waiting = endless(self._music if music is None else music)
                stays = before is not None and before.seat.sid == seat.sid
                at = before.music if before and stays and before.waiting is waiting else 0
                room = self._rooms.setdefault(seat.sid, {})
                room[call_sid] = Participant(call_sid, line, seat, waiting, at)
                self._sits[call_sid] = seat.sid

    @property
    def empty(self) -> bool:
        return not self._rooms

    def _leave(self, call_sid: str) -> Participant | None:
        sid = self._sits.pop(call_sid, None)
        if sid is None:
            return None
        room = self._rooms[sid]
        left = room.pop(call_sid)
        if not room:
            del self._rooms[sid]
        return left

    def _mix(self, beat: int) -> None:
        with self._lock:
            for room in tuple(self._rooms.values()):
                for member in tuple(room.values()):
                    if member.line.closed:
                        self._leave(member.call_sid)
                for member in room.values():
                    if member.waits:
                        member.line.mix(self._next_music(member))
                mix(member for member in room.values() if not member.waits)

    def _next_music(self, member: Participant) -> bytes | None:
        waiting = member.waiting[member.line.law]
        if not waiting:
            return None
        at = member.music
        member.music = (at + FRAME) % (len(waiting) - FRAME)
        return waiting[at : at + FRAME]


@lru_cache(maxsize=KEPT)
def endless(music: Sound) -> Mapping[Law, bytes]:
    """Return music to be played over and over, in either law.

    It is a packet longer than the music, so that each packet is one piece of it.
    """
    length = len(music.ulaw)
    more = FRAME // length + 2 if length else 0
    return {law: (music.coded(law) * more)[: length + FRAME] for law in LAWS}


def mix(members: Iterable[Participant]) -> None:
    """Let each hear all others of a conference in this beat, and a coach only whom it coaches."""
    present = tuple(members)
    speakers = [(member, member.said) for member in present if not member.seat.coaching]
    heard = [(member, frame) for member, frame in speakers if frame is not None]
    frames = [frame for _, frame in heard]
    whispers: dict[str, bytes] = {}
    for member in present:
        if member.seat.coaching and member.said is not None:
            before = whispers.get(member.seat.coaching)
            whispers[member.seat.coaching] = both(before, member.said)
    everybody = together(frames)
    # All who say nothing hear the same: coded once.
    common = {law: coded(everybody, law) for law in LAWS} if everybody is not None else {}
    without = {
        member.call_sid: others
        for (member, _), others in zip(heard, all_but_each(frames), strict=True)
    }
    for member in present:
        whisper = whispers.get(member.call_sid)
        if member.call_sid not in without and whisper is None:
            member.line.mix(common.get(member.line.law))
            continue
        others = without.get(member.call_sid, everybody)
        pcm = others if whisper is None else both(others, whisper)
        member.line.mix(None if pcm is None else coded(pcm, member.line.law))


def both(one: bytes | None, other: bytes) -> bytes:
    """Return the sum of samples; what is too loud is cut off."""
    return other if one is None else audioop.add(one, other, WIDTH)


def together(frames: Iterable[bytes]) -> bytes | None:
    """Return the sum of all, or None of none."""
    total: bytes | None = None
    for frame in frames:
        total = both(total, frame)
    return total


def all_but_each(frames: list[bytes]) -> Iterator[bytes | None]:
    """Return for each the sum of the others.

    Sums from both ends, not the sum of all less one's own: that is wrong where it was cut off.
    """
    if not frames:
        return
    before: list[bytes | None] = [None]
    for frame in frames[:-1]:
        before.append(both(before[-1], frame))
    after: list[bytes | None] = [None]
    for frame in frames[:0:-1]:
        after.append(both(after[-1], frame))
    for left, right in zip(before, reversed(after), strict=True):
        yield left if right is None else both(left, right)
